//! Eclipse at a machine that runs: the demo under QEMU.

use std::time::Duration;

use journeys::clients::known;
use journeys::demo::{self, Demo};
use journeys::machine::line_of;
use journeys::{Adapter, Transport};
use serde_json::{Value, json};

use super::{Eclipse, parameters};

#[test]
fn its_terminate_on_an_attached_machine_detaches() {
    let Some(demo) = Demo::boot() else {
        return;
    };
    for _ in 0..2 {
        let eclipse = Eclipse::attached_with(&parameters(&demo.gdb()));
        eclipse.opened.root.event("stopped");
        eclipse.client.leave(&eclipse.opened.root);
        eclipse.opened.children_end();
    }
    // Disconnect is the same without the wish.
    let eclipse = Eclipse::attached_with(&parameters(&demo.gdb()));
    eclipse.opened.root.request("disconnect", json!({}));
    eclipse.opened.children_end();
}

#[test]
fn it_runs_and_steps_by_the_threads_number_alone() {
    let Some(demo) = Demo::boot() else {
        return;
    };
    let eclipse = Eclipse::attached_with(&parameters(&demo.gdb()));
    let session = eclipse.blinky();
    session.event("stopped");
    let source = demo::folder().join("src/blinky/ring.c");
    let line = line_of(&source.display().to_string(), "into->slots[head");
    let set = |lines: &[u32]| {
        let wanted: Vec<Value> = lines.iter().map(|line| json!({ "line": line })).collect();
        let arguments =
            json!({ "source": { "path": source }, "breakpoints": wanted, "lines": lines });
        session.request("setBreakpoints", arguments);
    };
    set(&[line]);
    eclipse.client.resume(session);
    let mut thread = session.event("stopped").body["threadId"].clone();
    set(&[]);
    for command in ["next", "stepIn", "stepOut"] {
        session.request(command, json!({ "threadId": thread }));
        let stopped = session.event("stopped").body;
        assert_eq!(stopped["reason"], "step", "{command}: {stopped}");
        thread = stopped["threadId"].clone();
        // Told to it: sessions that did not ask hear that they run, with a thread of theirs.
        let continued = eclipse.opened.root.event("continued").body;
        assert!(continued["threadId"].is_i64(), "{continued}");
        eclipse.opened.root.event("stopped");
    }
    // What belongs to no thread is asked by the first of the list.
    eclipse.client.resume(session);
    session.request("pause", json!({ "threadId": thread }));
    session.event("stopped");
    eclipse.client.leave(&eclipse.opened.root);
    eclipse.opened.children_end();
}

#[test]
fn a_breakpoint_that_binds_later_is_said_too() {
    // It ignores `breakpoint` events: here the VM is not up yet when the breakpoint is set.
    let Some((machine, socket)) = demo::launched() else {
        return;
    };
    let source = demo::folder().join("src/blinky/ring.c");
    let line = line_of(&source.display().to_string(), "into->slots[head");
    let wanted =
        json!({ "source": { "path": source }, "lines": [line], "breakpoints": [{ "line": line }] });
    let mut client = known::lsp4e();
    client.configures = vec![("setBreakpoints", wanted)];
    let mut adapter = Adapter::start(Transport::Stdio);
    let opened = client.attach(&mut adapter, "launch", &json!({ "machine": machine }), 0);
    let root = &opened.root;
    root.event("stopped");
    let said = |part: &str| {
        let all = root.events("output");
        all.iter().any(|said| said.body.to_string().contains(part))
    };
    assert!(said("breakpoint not bound: "));
    let is_bound = (0..40).any(|_| {
        client.resume(root);
        std::thread::sleep(Duration::from_millis(500));
        root.request("pause", json!({ "threadId": 1 }));
        root.event("stopped");
        said("breakpoint bound: blinky: sample_store")
    });
    assert!(is_bound);
    client.resume(root);
    let stopped = root.event("stopped").body;
    assert_eq!(stopped["reason"], "breakpoint", "{stopped}");
    client.leave(root);
    demo::ended(&socket);
}
