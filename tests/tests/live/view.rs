//! `hvdap trace view` of a machine: recorded and shown while it runs, and left as it was.

use std::time::{Duration, Instant};

use journeys::viewer::Viewer;
use journeys::{Target, Variant, machine};
use serde_json::{Value, json};

/// Four busy vCPUs on two cores, and buffers that Xen fills only when told to.
fn overload() -> Variant {
    Variant::plain().load(2, 3).with("XEN_ARGS", "tbuf_size=64")
}

fn viewed(target: &Target) -> Viewer {
    let mut machine = machine::plain(target);
    if let Some(file) = &target.ram_file {
        machine = machine::with_ram(machine, file, 256);
    }
    let machine = machine::as_file(&machine, &target.run);
    Viewer::with(&["--target", &target.gdb(), "--machine", &machine])
}

/// Waits until so many seconds of the machine are known.
#[track_caller]
fn schedule_of(viewer: &Viewer, seconds: u64) -> Value {
    let began = Instant::now();
    loop {
        std::thread::sleep(Duration::from_millis(200));
        if let Ok(schedule) = viewer.ask("hvdap/schedule", json!({ "width": 100 })) {
            let ticks = |name: &str| schedule[name].as_u64().expect(name);
            if ticks("until") - ticks("first") >= seconds * ticks("frequency") {
                return schedule;
            }
        }
        assert!(
            began.elapsed() < Duration::from_secs(90),
            "it does not grow"
        );
    }
}

#[track_caller]
fn has_lanes(schedule: &Value) {
    let lanes = schedule["lanes"].as_array().expect("lanes");
    let names: Vec<&str> = lanes
        .iter()
        .filter_map(|lane| lane["name"].as_str())
        .collect();
    for name in ["pCPU 0", "pCPU 1", "Dom0/0", "DomU/0", "DomU/1"] {
        assert!(names.contains(&name), "{name} of {names:?}");
    }
}

#[test]
fn beside_the_running_machine() {
    let Some(target) = Target::boot(&overload().ram_file()) else {
        return;
    };
    let mut viewer = viewed(&target);
    let first = schedule_of(&viewer, 1);
    has_lanes(&first);
    assert!(target.qmp().running());
    let about = viewer.body("hvdap/traceInfo", "trace-about", json!({}));
    assert_eq!(
        (&about["growing"], &about["lost"]),
        (&json!(true), &json!(0))
    );
    let later = schedule_of(&viewer, 2);
    assert!(later["until"].as_u64() > first["until"].as_u64());
    let found = viewer.body(
        "hvdap/scheduleFind",
        "schedule-find",
        json!({ "from": first["first"], "what": "preempted" }),
    );
    assert!(found["time"].is_u64(), "{found}");
    assert!(viewer.end().success());
    assert!(target.qmp().running());
}

/// Without shared RAM the buffers are emptied in short halts, which are in the picture.
#[test]
fn in_halts() {
    let Some(target) = Target::boot(&overload()) else {
        return;
    };
    let mut viewer = viewed(&target);
    let schedule = schedule_of(&viewer, 2);
    has_lanes(&schedule);
    let machine = &schedule["lanes"][0];
    assert_eq!(machine["kind"], "machine");
    assert!(!machine["marks"].as_array().expect("marks").is_empty());
    assert!(viewer.end().success());
    assert!(target.qmp().running());
}
