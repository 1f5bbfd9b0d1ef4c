//! The target that comes with the program: its files belong together, its saved halt shows all three groups, and it can be
//! launched from an editor.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use journeys::demo::{self, HVDEMO};
use journeys::journey::XEN;
use journeys::{Adapter, Debugger, Presentation, Session, Transport};
use serde_json::{Value, json};

#[test]
fn its_programs_are_those_of_its_sources() {
    let check = Command::new(demo::folder().join("build.sh"))
        .arg("--check")
        .output()
        .expect("build.sh can be run");
    let said = String::from_utf8_lossy(&check.stderr);
    assert!(
        check.status.success(),
        "run adapter/demo/build.sh and save-halt.sh: {said}"
    );
}

#[test]
fn its_saved_halt_shows_every_vm() {
    let snapshot = demo::saved_halt();
    // The root session is the hypervisor's, whatever that is called.
    for (presentation, hypervisor) in [(Presentation::Flat, HVDEMO), (Presentation::Sessions, XEN)]
    {
        let debugger = Debugger::attach(&snapshot, &demo::machine(), presentation);
        let check = |group: &str, thread: usize, functions: &[&str]| {
            let thread = debugger.threads(group)[thread].id;
            let stack = debugger.stack(group, thread);
            let names: Vec<&str> = stack.iter().map(|frame| frame.name.as_str()).collect();
            assert_eq!(&names[..functions.len()], functions, "{group}: {names:?}");
            let source = stack[0].path.as_deref().unwrap_or_default();
            assert!(Path::new(source).exists(), "{group}: {source}");
        };
        check(
            "blinky",
            0,
            &[
                "sample_store",
                "sample_one",
                "samples_gather",
                "produce",
                "main",
                "_start",
            ],
        );
        check("blinky", 1, &["wait_until", "consume", "main", "_start"]);
        check(
            "courier",
            0,
            &[
                "clock_ticks",
                "parcel_deliver",
                "drive",
                "courier_step",
                "work_a_day",
                "main",
                "_start",
            ],
        );
        check(
            hypervisor,
            1,
            &[
                "ticks_total",
                "hypercall",
                "trap_sync",
                "guest_sync",
                "trapped from courier vCPU 0: HVC #0x0",
            ],
        );

        let top = debugger.top("blinky", debugger.threads("blinky")[0].id);
        assert_eq!(
            debugger.evaluate("blinky", top.id, "sample->kind"),
            "SENSOR_TILT"
        );
        let banner = |group: &str| {
            let top = debugger.top(group, debugger.threads(group)[0].id);
            debugger.evaluate(group, top.id, "banner")
        };
        assert!(banner("blinky").contains("two vCPUs") && banner("courier").contains("one vCPU"));
    }
}

/// Waits for the next halt and gives its event.
#[track_caller]
fn stopped(session: &Session) -> Value {
    session
        .event_where("stopped", Duration::from_secs(20), |_| true)
        .body
}

#[test]
fn it_is_launched_and_ended() {
    let Some((machine, socket)) = demo::launched() else {
        return;
    };
    let mut adapter = Adapter::start(Transport::Stdio);
    let session = adapter.connect("root");
    session.request("initialize", json!({ "adapterID": "hvdap" }));
    let launch = session.send("launch", json!({ "request": "launch", "machine": machine }));
    session.event_where("initialized", Duration::from_secs(20), |_| true);
    session.request("configurationDone", json!({}));
    session
        .answer(launch)
        .unwrap_or_else(|why| session.fail(&why));
    let thread = stopped(&session)["threadId"].clone();

    // The VMs come up; a breakpoint of one of them stops it and nobody else.
    let names = || session.request("threads", json!({}))["threads"].to_string();
    for _ in 0..20 {
        session.request("continue", json!({ "threadId": thread }));
        std::thread::sleep(Duration::from_millis(500));
        session.request("pause", json!({ "threadId": thread }));
        stopped(&session);
        if names().contains("courier / vCPU 0") {
            break;
        }
    }
    let wanted = json!({ "breakpoints": [{ "name": "blinky!sample_store" }] });
    let bound = session.request("setFunctionBreakpoints", wanted);
    assert_eq!(bound["breakpoints"][0]["verified"], true, "{bound}");
    session.request("continue", json!({ "threadId": thread }));
    let stop = stopped(&session);
    assert_eq!(stop["reason"], "breakpoint", "{stop}");
    assert!(
        stop["description"]
            .as_str()
            .is_some_and(|text| text.contains("blinky (VMID 1)")),
        "{stop}"
    );

    session.request("terminate", json!({}));
    session.event_where("terminated", Duration::from_secs(10), |_| true);
    session.request("disconnect", json!({}));
    demo::ended(&socket);
}
