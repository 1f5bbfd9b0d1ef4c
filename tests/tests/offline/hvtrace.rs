//! hvtrace on the embedded target: what is recorded is what the hypervisor counts itself.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use ::machine::{GuestId, Vcpu};
use journeys::demo::{self, Demo, HVDEMO};
use journeys::{Debugger, Presentation, adapter, machine};
use serde_json::{Value, json};
use trace::event::{RunState, What};
use trace::format::xen::file::File;

/// The vCPUs, by the hypervisor's numbers, and their lanes.
const VCPUS: [(u32, u32, &str); 3] = [(0, 0, "blinky/0"), (0, 1, "blinky/1"), (1, 0, "courier/0")];

/// Losses, switches, run states, hypercalls, injected interrupts. No wakes: before the first run state of all, a wake stands for one.
const MASK: u32 = 1 | 1 << 1 | 1 << 2 | 1 << 5 | 1 << 6;

/// The mark of a hypercall in a lane.
const HYPERCALL: u64 = 1;

/// What the hypervisor has counted up to a halt.
struct Counters {
    /// Ticks when a vCPU changed its state last.
    now: u64,
    /// State, since when, and ticks in each state up to then, by the numbers of `enum run_state`.
    vcpus: Vec<(usize, u64, [u64; 4])>,
    /// Of each VM.
    hypercalls: [u64; 2],
}

impl Counters {
    /// Reads them through the debugger, at a halt.
    #[track_caller]
    fn read(debugger: &Debugger) -> Self {
        let frame = debugger.top(HVDEMO, debugger.threads(HVDEMO)[0].id).id;
        let number = |expression: String| debugger.number(HVDEMO, frame, &expression);
        let vcpus = VCPUS.map(|(vm, vcpu, _)| {
            let field =
                |field: &str| number(format!("(unsigned long)vms[{vm}].vcpus[{vcpu}].{field}"));
            let times = [0, 1, 2, 3].map(|state| field(&format!("time_in[{state}]")));
            (field("state") as usize, field("state_since"), times)
        });
        Self {
            now: vcpus.iter().map(|(_, since, _)| *since).max().unwrap_or(0),
            vcpus: vcpus.to_vec(),
            hypercalls: [0, 1].map(|vm| number(format!("vms[{vm}].hypercalls"))),
        }
    }

    /// Ticks in each state of a vCPU up to now.
    fn until_now(&self, vcpu: usize) -> [u64; 4] {
        let (state, since, mut times) = self.vcpus[vcpu];
        times[state] += self.now - since;
        times
    }
}

/// The same of a lane between two halts, by the numbers of `enum run_state`; what comes before its first record is told by the counters.
#[track_caller]
fn lane_times(lane: &Value, before: &Counters, vcpu: usize, until: u64) -> [u64; 4] {
    let spans = lane["spans"].as_array().expect("exact spans");
    let numbers: Vec<u64> = spans.iter().filter_map(Value::as_u64).collect();
    let mut at = (before.now, before.vcpus[vcpu].0);
    let mut times = [0; 4];
    for span in numbers.chunks_exact(5) {
        let state = match span[1] {
            0 => 3,
            1 => 2,
            2 => 1,
            3 => 0,
            _ => continue,
        };
        let start = span[0].clamp(before.now, until);
        times[at.1] += start - at.0;
        at = (start, state);
    }
    times[at.1] += until - at.0;
    times
}

#[track_caller]
fn lane<'a>(schedule: &'a Value, name: &str) -> &'a Value {
    let mut lanes = schedule["lanes"].as_array().into_iter().flatten();
    let found = lanes.find(|lane| lane["name"] == name);
    found.unwrap_or_else(|| panic!("no lane {name} in {schedule}"))
}

fn hypercalls(lane: &Value) -> u64 {
    let marks = lane["marks"].as_array().into_iter().flatten();
    let numbers: Vec<u64> = marks.filter_map(Value::as_u64).collect();
    let marks = numbers.chunks_exact(4);
    marks.filter(|mark| mark[1] == HYPERCALL).count() as u64
}

/// Both come from the same readings of the counter, so they are the same to the tick, but for a core that was halted between counting
/// and recording: within a ten-thousandth of the interval.
#[track_caller]
fn agree(traced: [u64; 4], counted: [u64; 4], what: &str) {
    let interval: u64 = counted.iter().sum();
    let differ = traced
        .iter()
        .zip(counted)
        .map(|(one, other)| one.abs_diff(other));
    let most = differ.max().unwrap_or(0);
    assert!(
        most <= interval / 10_000,
        "{what}: {traced:?} recorded, {counted:?} counted"
    );
}

fn minus(after: [u64; 4], before: [u64; 4]) -> [u64; 4] {
    std::array::from_fn(|state| after[state] - before[state])
}

/// Attached, beside the running machine.
#[test]
fn lanes_agree_with_the_hypervisors_counters() {
    let Some(demo) = Demo::boot() else {
        return;
    };
    let debugger = Debugger::attach(&demo.gdb(), &demo.with_ram(), Presentation::Flat);
    let root = debugger.root();
    let before = Counters::read(&debugger);
    let start = json!({ "action": "start", "mask": MASK });
    let begun = root.request("hvdap/traceControl", start);
    let said = (&begun["format"], &begun["whileRunning"], &begun["mask"]);
    assert_eq!(said, (&json!("hvtrace"), &json!(true), &json!(MASK)));
    debugger.resume(HVDEMO);
    std::thread::sleep(Duration::from_secs(2));
    debugger.halt();
    let after = Counters::read(&debugger);
    let ended = root.request("hvdap/traceControl", json!({ "action": "stop" }));
    assert_eq!(
        (&ended["recording"], &ended["lost"]),
        (&json!(false), &json!(0))
    );

    let schedule = root.request("hvdap/schedule", json!({ "width": 16384 }));
    for (vcpu, (.., name)) in VCPUS.iter().enumerate() {
        let traced = lane_times(lane(&schedule, name), &before, vcpu, after.now);
        let counted = minus(after.until_now(vcpu), before.until_now(vcpu));
        agree(traced, counted, name);
        assert!(counted[1] > 0 && counted[3] > 0, "{name}: {counted:?}");
    }
    let called = |name: &str| hypercalls(lane(&schedule, name));
    let by_vm = [called("blinky/0") + called("blinky/1"), called("courier/0")];
    for (vm, traced) in by_vm.iter().enumerate() {
        let counted = after.hypercalls[vm] - before.hypercalls[vm];
        // Each of two cores may have been halted between counting a call and recording it.
        assert!(
            traced.abs_diff(counted) <= 2,
            "VM {vm}: {traced} calls recorded, {counted} counted"
        );
        assert!(counted > 0);
    }
    let thread = debugger.threads("courier").remove(0).id;
    let time = (before.now + after.now) / 2;
    let why = root.request("hvdap/why", json!({ "threadId": thread, "time": time }));
    let sentence = why["sentence"].as_str().unwrap_or_default();
    assert!(sentence.contains("courier/0"), "{sentence}");
    debugger.disconnect();
}

/// What a vCPU did by the file's records, and by the hypervisor's account that is noted where it begins and where it ends, in nanoseconds.
#[track_caller]
fn accounts_of(file: &Path) -> BTreeMap<Vcpu, ([u64; 4], [u64; 4])> {
    let bytes = std::fs::read(file).expect("the recording is there");
    let file = File::read(&bytes).expect("it is a recording");
    let notes = file.notes();
    let clock = notes.clock.expect("the clock is noted");
    let (began, ended) = (
        notes.began.expect("it began"),
        notes.ended.expect("it ended"),
    );
    let mut now: BTreeMap<Vcpu, (RunState, u64)> = BTreeMap::new();
    let mut both: BTreeMap<Vcpu, ([u64; 4], [u64; 4])> = BTreeMap::new();
    for event in file.merged() {
        if let What::RunState { vcpu, to, .. } = event.what {
            let (state, since) = now
                .insert(vcpu, (to, event.time.0))
                .unwrap_or((to, event.time.0));
            both.entry(vcpu).or_default().0[state as usize] += event.time.0 - since;
        }
    }
    for (vcpu, (state, since)) in now {
        both.entry(vcpu).or_default().0[state as usize] += ended.0 - since;
    }
    for (traced, _) in both.values_mut() {
        *traced = traced.map(|ticks| clock.frequency.nanoseconds(ticks));
    }
    for (time, account) in &notes.accounts {
        let until = account.until(clock.frequency.nanoseconds(time.0));
        let counted = &mut both.entry(account.vcpu).or_default().1;
        *counted = if *time == began {
            until
        } else {
            minus(until, *counted)
        };
    }
    both
}

fn said(arguments: &[&str]) -> (String, String) {
    let output = adapter::run(arguments);
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{arguments:?}: {errors}");
    (String::from_utf8_lossy(&output.stdout).into_owned(), errors)
}

/// By the command, in brief halts and beside the running machine, into a file that everything reads.
#[test]
fn a_recording_agrees_with_the_hypervisors_account() {
    let Some(demo) = Demo::boot() else {
        return;
    };
    for (description, halts) in [(demo::machine(), true), (demo.with_ram(), false)] {
        let machine = machine::as_file(&description, &demo.run);
        let path = demo.run.join("demo.trace");
        let file = path.to_string_lossy();
        let record = [
            "trace",
            "record",
            &demo.gdb(),
            "--machine",
            &machine,
            "-o",
            &file,
        ];
        let more = [
            "--for",
            "2s",
            "--every",
            "20ms",
            "--mask",
            "run-states+switches+calls",
        ];
        let (_, errors) = said(&[&record[..], &more].concat());
        // A record that was under way when the machine halted is of a time before the halt's note: a gap of no bytes.
        let whole = if halts { " 0 lost" } else { " 0 lost, in" };
        assert!(errors.contains(whole), "{errors}");

        let accounts = accounts_of(&path);
        assert_eq!(
            accounts.len(),
            5,
            "three vCPUs and two idle ones: {accounts:?}"
        );
        for (vcpu, (traced, counted)) in accounts {
            agree(traced, counted, &format!("{vcpu:?}"));
        }
        let info: Value = serde_json::from_str(&said(&["trace", "info", &file, "--json"]).0)
            .expect("one line of JSON");
        assert_eq!(info["kind"], "hvtrace");
        let halted = info["records"]["halts and marks"].is_u64();
        assert_eq!(halted, halts, "{info}");
        let (stats, _) = said(&["trace", "stats", &file]);
        assert!(
            stats.contains("courier/0") && stats.contains("pCPU 1"),
            "{stats}"
        );
        let (why, _) = said(&["trace", "why", &file, "--vcpu", "courier/0", "--at", "1s"]);
        assert!(why.starts_with("At 1.000000 s courier/0 "), "{why}");
        let chrome = demo.run.join("demo.json");
        let chrome = chrome.to_string_lossy();
        said(&["trace", "export", &file, "--to", "chrome", "-o", &chrome]);
        let exported = std::fs::read_to_string(&*chrome).expect("it was written");
        assert!(exported.contains("blinky/1"));
    }
}

/// Of a hypervisor of which nothing is known but its image, VMs are told by their numbers.
#[test]
fn an_unknown_hypervisor_is_recorded_too() {
    let Some(demo) = Demo::boot() else {
        return;
    };
    let mut description = demo.with_ram();
    description["hypervisor"]["kind"] = json!("none");
    description["vm"] = json!([]);
    // Its rings are full long before.
    std::thread::sleep(Duration::from_secs(2));
    let machine = machine::as_file(&description, &demo.run);
    let file = demo.run.join("unknown.trace");
    let file = file.to_string_lossy();
    let record = [
        "trace",
        "record",
        &demo.gdb(),
        "--machine",
        &machine,
        "-o",
        &file,
    ];
    let (_, errors) = said(&[&record[..], &["--for", "3s"]].concat());
    assert!(errors.contains(" 0 lost, in"), "{errors}");
    let (stats, _) = said(&["trace", "stats", &file, "--name", "1=courier"]);
    assert!(
        stats.contains("VM 0/1") && stats.contains("courier/0"),
        "{errors}{stats}"
    );
    // What the rings held before is not in it, though no account tells when the recording began.
    let (info, _) = said(&["trace", "info", &file, "--json"]);
    let info: Value = serde_json::from_str(&info).expect("one line of JSON");
    assert!(info["firstTicks"].as_u64() > Some(2 * 62_500_000), "{info}");
}

/// At a saved halt there is what the rings hold, and what was dropped since (here nothing) is lost, to the record.
#[test]
fn a_saved_halt_shows_what_its_rings_hold() {
    let snapshot = demo::saved_halt();
    let debugger = Debugger::attach(&snapshot, &demo::machine(), Presentation::Flat);
    let root = debugger.root();
    let frame = debugger.top(HVDEMO, debugger.threads(HVDEMO)[0].id).id;
    let sum = |field: &str| -> u64 {
        let of = |core| format!("hvtrace_rings[{core}].{field}");
        (0..2)
            .map(|core| debugger.number(HVDEMO, frame, &of(core)))
            .sum()
    };
    let (held, dropped) = (sum("produced") - sum("consumed"), sum("dropped"));
    assert!(held > 500, "{held}");
    // A core's first record may tell of what it dropped before: that is no part of what is recorded.
    let first = |core| {
        format!(
            "hvtrace_rings[{core}].records[hvtrace_rings[{core}].consumed % 1024].kind & 0xffff"
        )
    };
    let told_before = (0..2)
        .filter(|core| debugger.number(HVDEMO, frame, &first(*core)) == 0)
        .count() as u64;
    let held = held - told_before;
    let standing = root.request("hvdap/traceControl", json!({ "action": "start" }));
    assert_eq!(
        (&standing["recording"], &standing["lost"]),
        (&json!(false), &json!(dropped))
    );
    let schedule = root.request("hvdap/schedule", json!({}));
    for name in ["pCPU 0", "pCPU 1", "blinky/0", "blinky/1", "courier/0"] {
        assert_eq!(lane(&schedule, name)["name"], name);
    }

    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("saved-halt");
    std::fs::create_dir_all(&folder).expect("the build's folder can be written");
    let file = folder.join("demo.trace");
    let machine = machine::as_file(&demo::machine(), &folder);
    let name = file.to_string_lossy();
    let (_, errors) = said(&[
        "trace",
        "record",
        &snapshot,
        "--machine",
        &machine,
        "-o",
        &name,
    ]);
    assert!(errors.contains(&format!("{held} records")), "{errors}");
    let bytes = std::fs::read(&file).expect("the recording is there");
    let recording = File::read(&bytes).expect("it is a recording");
    let notes = recording.notes();
    assert!(notes.names.values().eq(["blinky", "courier"]), "{notes:?}");
    let lost = recording.merged().map(|event| match event.what {
        What::Lost { records, .. } => u64::from(records),
        _ => 0,
    });
    assert_eq!(lost.sum::<u64>(), dropped);
    // The state of each vCPU at the halt is the last that is told of it.
    let blocked = Vcpu {
        guest: GuestId(0),
        index: 1,
    };
    let last = recording.merged().filter_map(|event| match event.what {
        What::RunState { vcpu, to, .. } if vcpu == blocked => Some(to),
        _ => None,
    });
    assert_eq!(last.last(), Some(RunState::Blocked));
}
