//! Who ran when, while attached: recorded beside the running machine or at halts, drawn as lanes, counted, and explained.

use std::time::Duration;

use journeys::journey::XEN;
use journeys::{Debugger, Presentation, Target, Variant, machine};
use serde_json::{Value, json};

const RUNNING: u64 = 0;
const RUNNABLE: u64 = 1;

/// Four busy vCPUs on two cores, and buffers that Xen fills only when told to.
fn overload() -> Variant {
    Variant::plain().load(2, 3).with("XEN_ARGS", "tbuf_size=64")
}

#[test]
fn beside_the_running_machine() {
    let Some(target) = Target::boot(&overload().ram_file()) else {
        return;
    };
    let ram = target.ram_file.as_deref().expect("RAM is a file");
    let machine = machine::with_ram(machine::plain(&target), ram, 256);
    let debugger = Debugger::attach(&target.gdb(), &machine, Presentation::Flat);
    let root = debugger.root();
    root.request("hvdap/subscribe", json!({ "events": true }));
    let nothing = root.refused("hvdap/schedule", json!({}));
    assert!(nothing.contains("nothing is recorded yet"), "{nothing}");

    let begun = root.request("hvdap/traceControl", json!({ "action": "start" }));
    assert_eq!(begun["whileRunning"], true);
    debugger.resume(XEN);
    std::thread::sleep(Duration::from_secs(3));
    assert!(!root.events("hvdap/scheduleChanged").is_empty());
    debugger.halt();
    let standing = root.request("hvdap/traceControl", json!({ "action": "status" }));
    assert_eq!(
        (&standing["recording"], &standing["lost"]),
        (&json!(true), &json!(0))
    );
    assert!(standing["events"].as_u64() > Some(3000), "{standing}");

    lanes_are_covered(&debugger);
    a_wait_is_explained(&debugger);

    let ended = root.request("hvdap/traceControl", json!({ "action": "stop" }));
    assert_eq!(
        (&ended["recording"], &ended["lost"]),
        (&json!(false), &json!(0))
    );
    lanes_are_covered(&debugger);
    debugger.disconnect();
    assert!(target.qmp().running());
}

/// Without shared RAM the buffers are emptied at each halt, and halts are in the timeline.
#[test]
fn at_halts() {
    let Some(target) = Target::boot(&overload()) else {
        return;
    };
    let debugger = Debugger::attach(
        &target.gdb(),
        &machine::plain(&target),
        Presentation::Sessions,
    );
    let root = debugger.root();
    let begun = root.request("hvdap/traceControl", json!({ "action": "start" }));
    assert_eq!(begun["whileRunning"], false);
    root.request("hvdap/subscribe", json!({ "events": true }));
    for _ in 0..5 {
        debugger.resume(XEN);
        std::thread::sleep(Duration::from_millis(200));
        debugger.halt();
        root.event("hvdap/scheduleChanged");
    }
    let standing = root.request("hvdap/traceControl", json!({ "action": "status" }));
    assert_eq!(standing["lost"], 0, "{standing}");
    let schedule = root.request("hvdap/schedule", json!({}));
    let halts = marks(lane(&schedule, "machine"), 16);
    assert_eq!(
        (halts, marks(lane(&schedule, "machine"), 17)),
        (5, 4),
        "{schedule}"
    );
    lanes_are_covered(&debugger);
    debugger.disconnect();
    assert!(target.qmp().running());
}

#[test]
fn xen_without_buffers_says_what_to_do() {
    let Some(target) = Target::boot(&Variant::plain()) else {
        return;
    };
    let debugger = Debugger::attach(&target.gdb(), &machine::plain(&target), Presentation::Flat);
    let why = debugger
        .root()
        .refused("hvdap/traceControl", json!({ "action": "start" }));
    assert!(why.contains("tbuf_size"), "{why}");
    debugger.disconnect();
}

/// Each lane tells something of every moment, in whatever resolution, and statistics count the same.
#[track_caller]
fn lanes_are_covered(debugger: &Debugger) {
    let root = debugger.root();
    let whole = root.request("hvdap/schedule", json!({ "width": 200 }));
    for name in ["pCPU 0", "pCPU 1", "Dom0/0", "Dom0/1", "DomU/0", "DomU/1"] {
        assert_eq!(lane(&whole, name)["name"], name);
    }
    let cells = lane(&whole, "pCPU 0")["cells"].as_array().expect("cells");
    assert_eq!(cells.len(), 9 * 200);
    let covered = cells.chunks(9).skip(1).take(190).map(|cell| {
        let shares = cell[2..].iter().filter_map(Value::as_u64);
        shares.sum::<u64>()
    });
    let uncovered: Vec<u64> = covered.filter(|sum| *sum < 64_000).collect();
    assert_eq!(uncovered, [0; 0], "of 65535");

    let exact = root.request("hvdap/schedule", json!({ "width": 16384 }));
    let stats = root.request("hvdap/scheduleStats", json!({}));
    let frequency = exact["frequency"].as_f64().expect("a frequency");
    for name in ["Dom0/0", "Dom0/1", "DomU/0", "DomU/1"] {
        let drawn = ticks(lane(&exact, name), RUNNING) as f64 / frequency * 1e9;
        let rows = stats["vcpus"].as_array().expect("rows");
        let row = rows
            .iter()
            .find(|row| row["name"] == name)
            .expect("its row");
        let counted = row["states"]["running"].as_f64().expect("nanoseconds");
        assert!(
            (drawn - counted).abs() < 1e-3 * counted + 1e3,
            "{name}: {drawn} {counted}"
        );
    }
}

/// A vCPU that had to wait: why, and which thread it is.
#[track_caller]
fn a_wait_is_explained(debugger: &Debugger) {
    let root = debugger.root();
    let schedule = root.request("hvdap/schedule", json!({ "width": 16384 }));
    let domu = lane(&schedule, "DomU/0");
    let (start, end) = spans(domu)
        .filter(|(_, _, state)| *state == RUNNABLE)
        .map(|(start, end, _)| (start, end))
        .max_by_key(|(start, end)| end - start)
        .expect("four busy vCPUs on two cores wait");
    let arguments = json!({ "lane": domu["lane"], "time": (start + end) / 2 });
    let why = root.request("hvdap/why", arguments);
    let sentence = why["sentence"].as_str().expect("a sentence");
    assert!(
        sentence.contains("DomU/0") && sentence.contains("pCPU"),
        "{sentence}"
    );
    let occupants = why["core"].as_array().expect("who had the core");
    assert!(!occupants.is_empty(), "{why}");
    let thread = debugger.threads("DomU").remove(0).id;
    assert_eq!(why["threadId"], thread);
    let again = root.request(
        "hvdap/why",
        json!({ "threadId": thread, "time": (start + end) / 2 }),
    );
    assert_eq!(again["sentence"], sentence);
    let wrong = root.refused("hvdap/why", json!({ "lane": domu["lane"], "time": 1 }));
    assert!(wrong.contains("not within the trace"), "{wrong}");
}

#[track_caller]
fn lane<'a>(schedule: &'a Value, name: &str) -> &'a Value {
    let lanes = schedule["lanes"].as_array().expect("lanes");
    let names: Vec<_> = lanes.iter().map(|lane| &lane["name"]).collect();
    let found = lanes.iter().find(|lane| lane["name"] == name);
    found.unwrap_or_else(|| panic!("no lane {name} in {names:?}"))
}

/// Start, end and state of the exact spans of a lane.
#[track_caller]
fn spans(lane: &Value) -> impl Iterator<Item = (u64, u64, u64)> {
    let numbers = lane["spans"].as_array().expect("exact spans");
    let numbers: Vec<u64> = numbers.iter().filter_map(Value::as_u64).collect();
    let starts = numbers.chunks_exact(5).map(|span| span[0]).skip(1);
    let ends: Vec<u64> = starts.chain(lane["end"].as_u64()).collect();
    let states: Vec<_> = numbers
        .chunks_exact(5)
        .map(|span| (span[0], span[1]))
        .collect();
    let spans = states.into_iter().zip(ends);
    spans.map(|((start, state), end)| (start, end, state))
}

fn ticks(lane: &Value, state: u64) -> u64 {
    let spans = spans(lane).filter(|(_, _, of)| *of == state);
    spans.map(|(start, end, _)| end - start).sum()
}

/// How many marks of a kind a lane has.
fn marks(lane: &Value, kind: u64) -> usize {
    let numbers = lane["marks"].as_array().expect("marks");
    let kinds = numbers.chunks_exact(4).filter(|mark| mark[1] == kind);
    kinds.count()
}
