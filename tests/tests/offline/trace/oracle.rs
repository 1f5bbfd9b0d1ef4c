//! Counts and totals of every vCPU against the summaries that xenalyze 4.17.5 printed of the same files.
//!
//! Where the two may differ, and why (design of both in the manual pages of xentrace and in `README.md`):
//! - xenalyze counts a run anew each time the scheduler looks and lets the vCPU go on: its number of runs is the larger one.
//! - Of the last span of a vCPU it counts some, and of what was before its first run it counts nothing.
//! - It takes records of different cores that contradict each other for a difference of their clocks, and shifts them; on Arm
//!   there is one clock. In the lossy file its idea of the clocks moves, so only the running time, which is of one core, compares.

use std::collections::BTreeMap;

use journeys::samples::{Folder, sample, unpacked};

use super::trace;

/// By domain, vCPU and state: how many spans, and their ticks.
type Totals = BTreeMap<(u32, u32, String), (u64, u64)>;

/// The spans of vCPUs in the CSV export: all of them, or those that have ended since the first run of each.
fn ours(csv: &str, ended: bool) -> Totals {
    let mut spans: BTreeMap<(u32, u32), Vec<(String, u64)>> = BTreeMap::new();
    for line in csv.lines().skip(1) {
        let fields: Vec<&str> = line.split(',').collect();
        let Some(vcpu) = vcpu(fields[1]) else {
            continue;
        };
        let ticks = |field: usize| fields[field].parse::<u64>().expect("a number");
        let state = match (fields[2], fields[8]) {
            ("runnable", "woken") => "wake",
            ("runnable", "preempted" | "yielded") => "preempt",
            (state, _) => state,
        };
        spans
            .entry(vcpu)
            .or_default()
            .push((state.to_owned(), ticks(4) - ticks(3)));
    }
    let mut totals = Totals::new();
    for ((domain, index), spans) in spans {
        let first = spans
            .iter()
            .position(|(state, _)| state == "running")
            .unwrap_or(spans.len());
        let range = if ended {
            first..(spans.len() - 1).max(first)
        } else {
            0..spans.len()
        };
        for (state, ticks) in &spans[range] {
            let sums = ["wake", "preempt"]
                .contains(&state.as_str())
                .then_some("runnable");
            for name in sums.into_iter().chain([state.as_str()]) {
                let total = totals.entry((domain, index, name.to_owned())).or_default();
                *total = (total.0 + 1, total.1 + ticks);
            }
        }
    }
    totals
}

/// `DomU14/2`
fn vcpu(name: &str) -> Option<(u32, u32)> {
    let (guest, index) = name.strip_prefix("Dom")?.split_once('/')?;
    Some((
        guest.trim_start_matches('U').parse().ok()?,
        index.parse().ok()?,
    ))
}

/// `  running:     261  0.02s   5660 {…}` below `|-- Domain 0 --|` and `-- v0 --`: count, seconds, mean ticks.
fn theirs(summary: &str) -> Totals {
    let (mut domain, mut index, mut totals) = (0, None, Totals::new());
    for line in summary.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words[..] {
            ["|--", "Domain", number, "--|"] => {
                (domain, index) = (number.parse().expect("a number"), None)
            }
            ["--", vcpu, "--"] => index = vcpu.strip_prefix('v').and_then(|n| n.parse().ok()),
            [state, count, _, mean, ..] if STATES.contains(&state.trim_end_matches(':')) => {
                let (Some(index), Ok(count), Ok(mean)) =
                    (index, count.parse::<u64>(), mean.parse::<u64>())
                else {
                    continue;
                };
                let state = state.trim_end_matches(':').to_owned();
                totals.insert((domain, index, state), (count, count * mean));
            }
            _ => {}
        }
    }
    totals
}

const STATES: [&str; 6] = [
    "running", "runnable", "wake", "preempt", "blocked", "offline",
];
/// Of these the number of spans is the same too.
const COUNTED: [&str; 3] = ["wake", "preempt", "blocked"];

/// Compares the ticks of these states within 1 %, and the numbers of spans where they mean the same.
#[track_caller]
fn check(file: &std::path::Path, summary: &std::path::Path, states: &[&str], least: usize) {
    let folder = Folder::new(&format!("oracle-{least}"));
    let out = folder.path("csv");
    trace(
        "export",
        file,
        &[
            "--hz",
            "1G",
            "--to",
            "csv",
            "-o",
            out.to_str().expect("plain"),
        ],
    );
    let csv = std::fs::read_to_string(out.join("spans.csv")).expect("exported");
    let (few, all) = (ours(&csv, true), ours(&csv, false));
    let theirs = theirs(&std::fs::read_to_string(summary).expect("a summary"));
    let mut compared = 0;
    // xenalyze invents domain 32768 for vCPUs it does not know yet; 32767 is idle.
    for (key, (count, ticks)) in theirs.iter().filter(|(key, _)| key.0 < 0x7fff) {
        if !states.contains(&key.2.as_str()) {
            continue;
        }
        let low = few.get(key).copied().unwrap_or_default();
        let high = all.get(key).copied().unwrap_or_default();
        let range = low.1 * 99 / 100..=high.1 * 101 / 100;
        assert!(
            range.contains(ticks),
            "{key:?}: {ticks} ticks, not within {range:?}"
        );
        if COUNTED.contains(&key.2.as_str()) {
            assert!(
                (low.0..=high.0).contains(count),
                "{key:?}: {count} spans, not {low:?} to {high:?}"
            );
        }
        compared += 1;
    }
    assert!(compared >= least, "{compared} totals compared");
}

#[test]
fn a_synthetic_file() {
    let file = sample("traces/xentrace/synth-4cpu.xentrace");
    let summary = sample("traces/xentrace/synth-4cpu.xenalyze-summary.txt");
    if let (Some(file), Some(summary)) = (file, summary) {
        check(&file, &summary, &STATES, 60);
    }
}

#[test]
fn a_file_with_lost_records() {
    let file = sample("traces/xentrace/synth-4cpu-lost.xentrace");
    let summary = sample("traces/xentrace/synth-4cpu-lost.xenalyze-summary.txt");
    if let (Some(file), Some(summary)) = (file, summary) {
        check(&file, &summary, &["running"], 12);
    }
}

#[test]
fn a_real_machine() {
    let folder = Folder::new("real");
    let file = unpacked("traces/xentrace/real-x86-credit2/xentrace.bin.gz", &folder);
    let summary = sample("traces/xentrace/real-x86-credit2/xenalyze-summary.txt");
    if let (Some(file), Some(summary)) = (file, summary) {
        check(&file, &summary, &STATES, 40);
    }
}
