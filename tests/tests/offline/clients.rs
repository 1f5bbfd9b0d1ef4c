//! Editors' own orders of messages, replayed on the target that comes with the program: saved, and live under QEMU.

use std::time::Duration;

use journeys::clients::{Client, Opened, known};
use journeys::demo::{self, Demo};
use journeys::machine::line_of;
use journeys::session::Children;
use journeys::{Adapter, Session, Transport};
use serde_json::{Value, json};

fn configuration(target: &str) -> Value {
    json!({ "target": target, "machine": demo::machine() })
}

#[track_caller]
fn attached(client: &Client, adapter: &mut Adapter, target: &str) -> Opened {
    let vms = if client.starts_children() { 2 } else { 0 };
    client.attach(adapter, "attach", &configuration(target), vms)
}

/// The session that shows a VM, and how its first vCPU is listed there.
fn place<'a>(opened: &'a Opened, vm: &str) -> (&'a Session, String) {
    if opened.vms.is_empty() {
        return (&opened.root, format!("{vm} / vCPU 0"));
    }
    (opened.vm(vm), "vCPU 0".to_owned())
}

/// Nothing was worth a warning in the adapter's log.
#[track_caller]
fn quiet(adapter: &Adapter) {
    let said = adapter.errors();
    let mut others = said.lines().filter(|line| !line.contains("listening on"));
    assert_eq!(others.next(), None);
}

#[test]
fn every_editor_shows_both_vms_and_leaves() {
    for client in known::all() {
        let mut adapter = Adapter::start(Transport::Tcp);
        let opened = attached(&client, &mut adapter, &demo::saved_halt());
        for session in opened.sessions() {
            for seen in client.look(session) {
                assert!(!seen.frames.is_empty(), "{}", session.name());
            }
        }
        for (vm, function) in [("blinky", "sample_store"), ("courier", "clock_ticks")] {
            let (session, thread) = place(&opened, vm);
            let seen = client.select(session, &thread);
            assert_eq!(seen.functions()[0], function, "{}", session.name());
            assert!(!seen.variables.is_empty(), "{}", session.name());
        }
        let (session, thread) = place(&opened, "blinky");
        let frame = client.select(session, &thread).frames[0]["id"].clone();
        let kind = client.watch(session, &frame, "sample->kind");
        assert_eq!(kind, "SENSOR_TILT", "{}", client.name);
        leave_one_by_one(&client, opened);
        quiet(&adapter);
    }
}

/// Ends one VM's session, which the others outlive, then the user's, with which all end.
#[track_caller]
fn leave_one_by_one(client: &Client, mut opened: Opened) {
    if !opened.vms.is_empty() {
        let (_, first) = opened.vms.remove(0);
        client.leave(&first);
        opened.root.request("threads", Value::Null);
    }
    client.leave(&opened.root);
    opened.children_end();
    for session in opened.sessions() {
        session.check();
    }
}

#[test]
fn every_editor_runs_to_a_breakpoint_and_leaves_the_machine_running() {
    let Some(demo) = Demo::boot() else {
        return;
    };
    let source = demo::folder().join("src/blinky/ring.c");
    let line = line_of(&source.display().to_string(), "into->slots[head");
    for client in known::all() {
        let mut adapter = Adapter::start(Transport::Tcp);
        let opened = attached(&client, &mut adapter, &demo.gdb());
        let (session, _) = place(&opened, "blinky");
        // At a later hit, so that whatever resumes the machine is sent before it.
        let wish = |line: &u32| json!({ "line": line, "hitCondition": "100" });
        let set = |lines: &[u32]| {
            let wanted: Vec<Value> = lines.iter().map(wish).collect();
            session.request(
                "setBreakpoints",
                json!({ "source": { "path": source }, "breakpoints": wanted, "lines": lines }),
            )
        };
        let bound = set(&[line]);
        assert_eq!(bound["breakpoints"][0]["verified"], true, "{bound}");
        all_stop(&opened, "entry");
        client.resume(session);
        all_stop(&opened, "breakpoint");
        set(&[]);
        client.resume(session);
        client.leave(&opened.root);
        opened.children_end();
    }
    // Nobody killed it or left it halted.
    let before = rounds(&demo);
    assert!(before < rounds(&demo));
}

/// Every session is told of a halt once, and one of them why.
#[track_caller]
fn all_stop(opened: &Opened, reason: &str) {
    let told: Vec<Value> = opened
        .sessions()
        .map(|session| session.event("stopped").body["reason"].clone())
        .collect();
    let causes = told.iter().filter(|told| **told == reason).count();
    assert_eq!(causes, 1, "{told:?}");
    for session in opened.sessions() {
        // Asked and answered: what was to be told before is told.
        session.request("threads", Value::Null);
        let again = session.events("stopped");
        assert!(again.is_empty(), "{}: {again:?}", session.name());
    }
}

/// How far blinky is.
#[track_caller]
fn rounds(demo: &Demo) -> u64 {
    let debugger =
        journeys::Debugger::attach(&demo.gdb(), &demo::machine(), journeys::Presentation::Flat);
    let top = debugger.top("blinky", debugger.threads("blinky")[0].id);
    let rounds = debugger.number("blinky", top.id, "status[0].rounds");
    debugger.disconnect();
    std::thread::sleep(Duration::from_millis(200));
    rounds
}

/// An editor that says it can start sessions, and does not: its user is told of each VM, and debugs what there is.
#[track_caller]
fn without_sessions(children: Children, reason: &str, told: &[&str]) {
    let mut client = known::nvim_dap();
    client.habits.children = children;
    let mut adapter = Adapter::start(Transport::Tcp);
    let opened = client.attach(
        &mut adapter,
        "attach",
        &configuration(&demo::saved_halt()),
        0,
    );
    client.look(&opened.root);
    for vm in told {
        let said = opened
            .root
            .event_where("output", Duration::from_secs(20), |body| {
                let text = body["output"].as_str();
                text.is_some_and(|text| text.contains(&format!("no session for {vm}")))
            });
        let text = said.body["output"].as_str().unwrap_or_default();
        assert!(text.contains(reason), "{text}");
    }
    let seen = client.select(&opened.root, "pCPU 0");
    assert!(!seen.frames.is_empty());
    client.leave(&opened.root);
}

#[test]
fn refused_sessions_are_said() {
    without_sessions(Children::Refused, "", &["blinky", "courier"]);
}

#[test]
fn unanswered_requests_are_given_up() {
    without_sessions(Children::Ignored, "did not answer", &["blinky"]);
}

#[test]
fn no_core_is_said_to_run_alone() {
    let adapter = &mut Adapter::start(Transport::Tcp);
    let session = adapter.connect("Zed");
    let capabilities = session.request("initialize", known::zed().says);
    let single = &capabilities["supportsSingleThreadExecutionRequests"];
    assert_ne!(*single, true, "{capabilities}");
}

#[test]
fn by_standard_input_all_vms_are_in_one_session() {
    for client in known::all() {
        let mut adapter = Adapter::start(Transport::Stdio);
        let configuration = configuration(&demo::saved_halt());
        let opened = client.attach(&mut adapter, "attach", &configuration, 0);
        client.look(&opened.root);
        for (vm, function) in [("blinky", "sample_store"), ("courier", "clock_ticks")] {
            let seen = client.select(&opened.root, &format!("{vm} / vCPU 0"));
            assert_eq!(seen.functions()[0], function, "{}", client.name);
        }
        let asked = opened.root.start_debugging_within(Duration::ZERO);
        assert!(asked.is_none(), "{}: {asked:?}", client.name);
        client.leave(&opened.root);
    }
}

#[test]
fn sessions_of_a_launched_machine_may_be_launched() {
    let Some((machine, socket)) = demo::launched() else {
        return;
    };
    // It opens a child by its parent's verb, whatever it is asked.
    let client = known::lsp4ij();
    let mut adapter = Adapter::start(Transport::Tcp);
    let configuration = json!({ "machine": machine });
    let mut opened = client.attach(&mut adapter, "launch", &configuration, 0);
    opened.root.event("stopped");
    for _ in 0..40 {
        if let Some(asked) = opened.root.start_debugging_within(Duration::ZERO) {
            client.open_child(&mut adapter, "launch", &mut opened, &asked);
        }
        if opened.vms.len() == 2 {
            break;
        }
        client.resume(&opened.root);
        std::thread::sleep(Duration::from_millis(500));
        opened.root.request("pause", json!({ "threadId": 1 }));
        opened.root.event("stopped");
    }
    for vm in ["blinky", "courier"] {
        let seen = client.select(opened.vm(vm), "vCPU 0");
        assert!(!seen.frames.is_empty(), "{vm}");
    }
    // What was started is ended when the client wishes so.
    client.leave(&opened.root);
    opened.children_end();
    demo::ended(&socket);
}

#[test]
fn users_of_any_editor_may_ask_for_one_session() {
    for client in known::all() {
        let mut adapter = Adapter::start(Transport::Tcp);
        let mut configuration = configuration(&demo::saved_halt());
        configuration["presentation"] = json!("flat");
        let opened = client.attach(&mut adapter, "attach", &configuration, 0);
        client.look(&opened.root);
        let seen = client.select(&opened.root, "courier / vCPU 0");
        assert_eq!(seen.functions()[0], "clock_ticks", "{}", client.name);
        let asked = opened.root.start_debugging_within(Duration::ZERO);
        assert!(asked.is_none(), "{}: {asked:?}", client.name);
        client.leave(&opened.root);
    }
}
