//! Who ran when, while attached: recorded beside the running machine or at halts, drawn as lanes, counted, and explained.

use std::path::Path;
use std::time::Duration;

use journeys::console::Reader;
use journeys::journey::XEN;
use journeys::{Debugger, Presentation, Target, Variant, machine};
use serde_json::{Value, json};

const RUNNING: u64 = 0;
const RUNNABLE: u64 = 1;
/// A cause.
const WOKEN: u64 = 1;

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
    // A busy host gives the machine little time of its own.
    let standing = || root.request("hvdap/traceControl", json!({ "action": "status" }));
    let enough = (0..40).any(|_| {
        std::thread::sleep(Duration::from_millis(500));
        standing()["events"].as_u64() > Some(3000)
    });
    assert!(enough, "{}", standing());
    assert!(!root.events("hvdap/scheduleChanged").is_empty());
    debugger.halt();
    let standing = standing();
    assert_eq!(
        (&standing["recording"], &standing["lost"]),
        (&json!(true), &json!(0))
    );

    lanes_are_covered(&debugger);
    a_wait_is_explained(&debugger);
    a_view_is_served(&debugger, &target.run.join("schedule.pftrace"));

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

/// Dom0's vCPUs may run on one core each, wake often, and Xen lets whoever runs run on for up to 50 ms: a wake during DomU's run has to
/// wait. `why` names the run that it waits behind, with the numbers that the lanes show.
#[test]
fn a_pinned_vcpu_waits_behind_a_busy_one() {
    let provoked = "tbuf_size=64 dom0_vcpus_pin sched_ratelimit_us=50000";
    let variant = Variant::plain().load(0, 3).with("XEN_ARGS", provoked);
    let Some(target) = Target::boot(&variant) else {
        return;
    };
    let wakes = "while :; do sleep 0.01; done & while :; do sleep 0.01; done & echo v$((2+2))v";
    target.console().run(Reader::Dom0, wakes, "v4v");
    let debugger = Debugger::attach(&target.gdb(), &machine::plain(&target), Presentation::Flat);
    let root = debugger.root();
    root.request("hvdap/traceControl", json!({ "action": "start" }));
    for _ in 0..6 {
        debugger.resume(XEN);
        std::thread::sleep(Duration::from_millis(500));
        debugger.halt();
    }
    let schedule = root.request("hvdap/schedule", json!({ "width": 16384 }));
    let milliseconds =
        |ticks: u64| ticks as f64 / schedule["frequency"].as_f64().expect("Hz") * 1e3;
    for index in 0..2_u16 {
        let waits = lane(&schedule, &format!("Dom0/{index}"));
        let core = lane(&schedule, &format!("pCPU {index}"));
        let woken_behind = |wait: &Span| {
            let mut busy = spans(core);
            let busy = busy.find(|busy| busy.start < wait.start && wait.start < busy.end);
            busy.filter(|busy| {
                named(&schedule, busy.party).is_some_and(|who| who.starts_with("DomU/"))
            })
        };
        let wait = spans(waits)
            .filter(|span| span.state == RUNNABLE && span.cause == WOKEN)
            .filter_map(|wait| Some((woken_behind(&wait)?, wait)))
            .max_by_key(|(busy, wait)| busy.end - wait.start);
        let (busy, wait) = wait.expect("Dom0's timers wake it while DomU runs");
        let at = (wait.start + busy.end.min(wait.end)) / 2;
        let why = root.request("hvdap/why", json!({ "lane": waits["lane"], "time": at }));
        let culprit = named(&schedule, busy.party).expect("somebody");
        assert!(milliseconds(wait.end - wait.start) > 0.1, "{why}");
        assert_eq!(why["pcpu"], index, "{why}");
        let had_it = why["core"].as_array().expect("who had the core");
        assert!(had_it.iter().any(|one| one["who"] == culprit), "{why}");
        let sentence = why["sentence"].as_str().expect("a sentence");
        let waited = format!("for {:.3} ms", milliseconds(wait.end - wait.start));
        let since = busy.start - schedule["first"].as_u64().expect("a tick");
        let since = format!(
            "{culprit} had pCPU {index} since {:.6} s",
            milliseconds(since) / 1e3
        );
        assert!(
            sentence.contains(&waited) && sentence.contains(&since),
            "{waited}, {since}: {sentence}"
        );
    }
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
    let wait = spans(domu)
        .filter(|span| span.state == RUNNABLE)
        .max_by_key(|span| span.end - span.start)
        .expect("four busy vCPUs on two cores wait");
    let within = (wait.start + wait.end) / 2;
    let arguments = json!({ "lane": domu["lane"], "time": within });
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
    let again = root.request("hvdap/why", json!({ "threadId": thread, "time": within }));
    assert_eq!(again["sentence"], sentence);
    let wrong = root.refused("hvdap/why", json!({ "lane": domu["lane"], "time": 1 }));
    assert!(wrong.contains("not within the trace"), "{wrong}");
}

/// What a view of the machine asks besides: what there is, the longest wait again, and an export.
#[track_caller]
fn a_view_is_served(debugger: &Debugger, output: &Path) {
    let root = debugger.root();
    let about = root.request("hvdap/traceInfo", json!({}));
    assert_eq!(
        (&about["growing"], &about["lost"]),
        (&json!(true), &json!(0))
    );
    let schedule = root.request("hvdap/schedule", json!({ "width": 16384 }));
    let domu = lane(&schedule, "DomU/0");
    let waits = spans(domu).filter(|span| span.state == RUNNABLE);
    // The last span of a lane has not ended.
    let known = waits.filter(|span| Some(span.end) != domu["end"].as_u64());
    let longest = known.max_by_key(|span| span.end - span.start);
    let Span { start, end, .. } = longest.expect("a wait");
    let wanted = json!({ "lane": domu["lane"], "from": 0, "what": "wait-longer-than", "ticks": end - start });
    let found = root.request("hvdap/scheduleFind", wanted);
    assert_eq!(
        (&found["time"], &found["until"]),
        (&json!(start), &json!(end))
    );
    let wanted = json!({ "format": "perfetto", "output": output });
    assert_eq!(
        root.request("hvdap/traceExport", wanted)["output"],
        json!(output)
    );
    assert!(std::fs::metadata(output).is_ok_and(|file| file.len() > 10_000));
}

#[track_caller]
fn lane<'a>(schedule: &'a Value, name: &str) -> &'a Value {
    let lanes = schedule["lanes"].as_array().expect("lanes");
    let names: Vec<_> = lanes.iter().map(|lane| &lane["name"]).collect();
    let found = lanes.iter().find(|lane| lane["name"] == name);
    found.unwrap_or_else(|| panic!("no lane {name} in {names:?}"))
}

/// The name of a lane, by its number; none for nobody's.
#[track_caller]
fn named(schedule: &Value, number: u64) -> Option<&str> {
    let lanes = schedule["lanes"].as_array().expect("lanes");
    let found = lanes.iter().find(|lane| lane["lane"] == number);
    found?["name"].as_str()
}

/// An exact span of a lane.
struct Span {
    start: u64,
    end: u64,
    state: u64,
    /// Of a core's: the lane of who ran.
    party: u64,
    cause: u64,
}

/// The exact spans of a lane.
#[track_caller]
fn spans(lane: &Value) -> impl Iterator<Item = Span> {
    let numbers = lane["spans"].as_array().expect("exact spans");
    let numbers: Vec<u64> = numbers.iter().filter_map(Value::as_u64).collect();
    let starts = numbers.chunks_exact(5).map(|span| span[0]).skip(1);
    let ends: Vec<u64> = starts.chain(lane["end"].as_u64()).collect();
    let spans: Vec<Span> = numbers
        .chunks_exact(5)
        .zip(ends)
        .map(|(span, end)| Span {
            start: span[0],
            end,
            state: span[1],
            party: span[2],
            cause: span[3],
        })
        .collect();
    spans.into_iter()
}

fn ticks(lane: &Value, state: u64) -> u64 {
    let spans = spans(lane).filter(|span| span.state == state);
    spans.map(|span| span.end - span.start).sum()
}

/// How many marks of a kind a lane has.
fn marks(lane: &Value, kind: u64) -> usize {
    let numbers = lane["marks"].as_array().expect("marks");
    let kinds = numbers.chunks_exact(4).filter(|mark| mark[1] == kind);
    kinds.count()
}
