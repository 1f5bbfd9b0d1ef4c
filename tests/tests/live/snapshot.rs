//! The same looks on a halt saved by `hvdap snapshot`, with no machine running.

use journeys::adapter;
use journeys::console::Reader;
use journeys::journey::XEN;
use journeys::{Debugger, Presentation, Target, Variant, machine};

use crate::looking::{self, Printed};

#[test]
fn plain_file() {
    check("halt.core", Presentation::Sessions);
}

#[test]
fn compressed_file() {
    check("halt.core.zst", Presentation::Flat);
}

#[track_caller]
fn check(name: &str, presentation: Presentation) {
    let Some(mut target) = Target::boot(&Variant::plain()) else {
        return;
    };
    let printed = [("Dom0", Reader::Dom0), ("DomU", Reader::DomU(1))]
        .map(|(group, reader)| (group, Printed::by(&target, reader)));
    let file = target.run.join(name).to_string_lossy().into_owned();
    let output = adapter::run(&["snapshot", &target.gdb(), "-o", &file]);
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(
        target.qmp().running(),
        "the machine goes on after the snapshot"
    );
    target.kill();

    let spec = format!("snapshot:{file}");
    let debugger = Debugger::attach(&spec, &machine::plain(&target), presentation);
    for (group, printed) in &printed {
        assert_eq!(debugger.threads(group).len(), 2);
        looking::stacks(&debugger, group);
        looking::variables(&debugger, group, printed);
    }
    looking::stacks(&debugger, XEN);
    nothing_runs(&debugger);
    debugger.disconnect();
}

#[track_caller]
fn nothing_runs(debugger: &Debugger) {
    let thread = debugger.threads(XEN)[0].id;
    for command in ["continue", "next", "stepIn", "stepOut"] {
        let arguments = serde_json::json!({ "threadId": thread });
        let why = debugger.root().refused(command, arguments);
        assert!(
            why.contains("snapshot") || why.contains("saved"),
            "{command}: {why}"
        );
    }
}
