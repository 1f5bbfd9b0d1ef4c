//! Timelines of stored xentrace files against the summaries that xenalyze 4.17.5 printed of the same files.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::unwrap_used,
    reason = "a test that reads samples"
)]

use std::collections::BTreeMap;
use std::io::Write;
use std::path::PathBuf;

use machine::{GuestId, Pcpu, Vcpu};
use trace::event::{Event, IDLE, RunState, Ticks, What};
use trace::store::{Memory, Owner, State, View, Wanted};
use trace::timeline::Timeline;

fn path(name: &str) -> PathBuf {
    let shared = std::env::var_os("HVDAP_SHARED").map(PathBuf::from);
    let beside = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../../shared");
    shared.unwrap_or(beside).join("traces/xentrace").join(name)
}

/// A sample, or `None` and a note that the test is skipped.
fn sample(test: &str, name: &str) -> Option<Vec<u8>> {
    let bytes = std::fs::read(path(name)).ok();
    if let (None, Some(list)) = (&bytes, std::env::var_os("HVDAP_SKIPPED")) {
        let list = std::fs::OpenOptions::new()
            .append(true)
            .create(true)
            .open(list);
        writeln!(list.unwrap(), "{test}: no sample {name}").unwrap();
    }
    bytes
}

fn word(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap())
}

fn long(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap())
}

/// The run states and losses of a file, in order of time.
fn events(file: &[u8]) -> Vec<Event> {
    let (mut at, mut pcpu, mut events) = (0, Pcpu(0), Vec::new());
    while at + 4 <= file.len() {
        let head = word(file, at);
        let body = at + if head >> 31 == 1 { 12 } else { 4 };
        let what = match head & 0xfff_ffff {
            0x1f003 => {
                pcpu = Pcpu(word(file, body) as u16);
                None
            }
            0x1f001 => Some(What::Lost {
                records: word(file, body),
                since: Ticks(long(file, body + 8)),
            }),
            id if id & 0xfff_f00f == 0x2_1001 => {
                let who = word(file, body);
                let state = |bits: u32| match bits & 15 {
                    0 => RunState::Running,
                    1 => RunState::Runnable,
                    2 => RunState::Blocked,
                    _ => RunState::Offline,
                };
                Some(What::RunState {
                    vcpu: Vcpu {
                        guest: GuestId(who >> 16),
                        index: who & 0xffff,
                    },
                    from: state(id >> 8),
                    to: state(id >> 4),
                })
            }
            _ => None,
        };
        if let Some(what) = what {
            let time = Ticks(long(file, at + 4));
            events.push(Event { time, pcpu, what });
        }
        at = body + (head >> 28 & 7) as usize * 4;
    }
    events.sort_by_key(|event| event.time);
    events
}

/// By vCPU and state: how many spans there are, and their ticks.
type Totals = BTreeMap<(u32, u32, &'static str), (u64, u64)>;

fn timeline(events: &[Event]) -> Timeline {
    let memory = Box::new(Memory::default());
    let mut timeline = Timeline::new(memory, 62_500_000, events[0].time).unwrap();
    for event in events {
        timeline.event(event);
    }
    timeline.finish(Ticks(0)).unwrap();
    timeline
}

/// The totals of every vCPU: all, or those of spans that ended since its first run.
fn totals(view: View<'_>, all: bool) -> Totals {
    let mut totals = Totals::new();
    for (lane, owner) in (0..).zip(view.owners()) {
        let Owner::Vcpu(vcpu) = owner else { continue };
        let lane = view.lane(lane);
        let first = lane.next(0, Wanted::state(State::Running));
        let ended = first.unwrap_or(lane.len())..lane.len() - 1;
        for index in if all { 0..lane.len() } else { ended } {
            let interval = lane.get(index).unwrap();
            let key = (vcpu.guest.0, vcpu.index, interval.state().name());
            let total = totals.entry(key).or_default();
            total.0 += 1;
            total.1 += interval.ticks();
        }
    }
    totals
}

/// What xenalyze printed: lines such as `  running:     261  0.02s   5660 {…}` below `|-- Domain 0 --|` and `-- v0 --`.
fn printed(summary: &str) -> Totals {
    let (mut guest, mut index, mut totals) = (0, None, Totals::new());
    for line in summary.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words[..] {
            ["|--", "Domain", number, "--|"] => (guest, index) = (number.parse().unwrap(), None),
            ["--", vcpu, "--"] => index = vcpu.strip_prefix('v').and_then(|n| n.parse().ok()),
            [state, count, _, mean, ..] if index.is_some() => {
                let wanted = State::ALL.iter().map(|state| state.name());
                let name = wanted
                    .into_iter()
                    .find(|name| state.strip_suffix(':') == Some(name));
                let Some(name) = name else { continue };
                let (count, mean): (u64, u64) = (count.parse().unwrap(), mean.parse().unwrap());
                totals.insert((guest, index.unwrap(), name), (count, count * mean));
            }
            _ => {}
        }
    }
    totals
}

/// Checks our totals of these states against xenalyze's, within 1 %. Of some vCPUs xenalyze counts the last span, of some
/// not what was before their first run; it counts a run anew when the scheduler lets it go on, so only the number of
/// blocked spans is compared.
#[track_caller]
fn check(test: &str, events: &[Event], summary: &[u8], states: &[&str]) -> Timeline {
    let timeline = timeline(events);
    let few = totals(timeline.view(), false);
    let all = totals(timeline.view(), true);
    let theirs = printed(std::str::from_utf8(summary).unwrap());
    let of_guests = |key: &&(u32, u32, &str)| key.0 != IDLE.0 && states.contains(&key.2);
    let compared = theirs.keys().filter(of_guests);
    assert!(compared.clone().count() > 10, "{test}");
    for key in compared {
        let (count, ticks) = theirs[key];
        let least = few.get(key).copied().unwrap_or_default();
        let most = all[key];
        let range = least.1 * 99 / 100..=most.1 * 101 / 100;
        assert!(
            range.contains(&ticks),
            "{test}: {key:?} {ticks}, not {range:?}"
        );
        let same = (least.0..=most.0).contains(&count);
        assert!(
            key.2 != "blocked" || same || states.len() == 1,
            "{test}: {key:?}"
        );
    }
    timeline
}

const ALL: [&str; 4] = ["running", "runnable", "blocked", "offline"];

#[test]
fn synthetic() {
    let name = "synth-4cpu.xentrace";
    let file = sample("synthetic", name);
    let summary = sample("synthetic", "synth-4cpu.xenalyze-summary.txt");
    let (Some(file), Some(summary)) = (file, summary) else {
        return;
    };
    let timeline = check(name, &events(&file), &summary, &ALL);
    assert_eq!(timeline.notices().contradictions, 0);
}

/// What was lost on one core moves xenalyze's idea of the cores' clocks, and with it what it says of waiting vCPUs.
#[test]
fn lossy() {
    let name = "synth-4cpu-lost.xentrace";
    let file = sample("lossy", name);
    let summary = sample("lossy", "synth-4cpu-lost.xenalyze-summary.txt");
    let (Some(file), Some(summary)) = (file, summary) else {
        return;
    };
    let timeline = check(name, &events(&file), &summary, &["running"]);
    assert_eq!(timeline.notices().lost_records, 2500);
    assert_eq!(timeline.notices().contradictions, 0);
}

#[test]
fn real() {
    let summary = sample("real", "real-x86-credit2/xenalyze-summary.txt");
    let packed = sample("real", "real-x86-credit2/xentrace.bin.gz");
    let (Some(summary), Some(_)) = (summary, packed) else {
        return;
    };
    let gzip = std::process::Command::new("gzip")
        .arg("-dc")
        .arg(path("real-x86-credit2/xentrace.bin.gz"))
        .output();
    let file = gzip.expect("gzip unpacks").stdout;
    let timeline = check("real", &events(&file), &summary, &ALL);
    assert_eq!(timeline.notices().contradictions, 0);
}
