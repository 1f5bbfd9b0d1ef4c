//! Where addresses lead: walks through both stages on the saved halt that comes with the program.

use journeys::demo::{folder, machine, saved_halt};
use journeys::{Debugger, Presentation, adapter};
use serde_json::{Value, json};

fn attached() -> Debugger {
    let snapshot = saved_halt();
    Debugger::attach(&snapshot, &machine(), Presentation::Flat)
}

#[track_caller]
fn translate(debugger: &Debugger, thread: i64, address: &str) -> Value {
    let arguments = json!({ "threadId": thread, "address": address });
    debugger.root().request("hvdap/translate", arguments)
}

/// Every thread, on a core or not, and the hypervisor's: what a walk leads to holds what the thread sees there.
#[test]
fn a_walk_leads_to_the_memory_that_is_read() {
    let debugger = attached();
    for (group, stages) in [("hvdemo", 1), ("blinky", 2), ("courier", 2)] {
        for thread in debugger.threads(group) {
            let top = debugger.top(group, thread.id);
            if top.label {
                continue;
            }
            let at = format!("{:#x}", top.address.expect("code has an address"));
            let walk = translate(&debugger, thread.id, &at);
            let pa = walk["result"]["pa"].as_str().unwrap_or_default();
            let seen = |expression: &str| debugger.number(group, top.id, expression);
            assert_eq!(
                seen(&format!("*(unsigned int *)pa:{pa}")),
                seen(&format!("*(unsigned int *){at}")),
                "{thread:?}: {walk}"
            );
            let steps = walk["steps"].as_array().expect("it has steps");
            let last = steps.last().expect("the tables are on");
            assert_eq!(last["stage"], stages, "{walk}");
            assert_eq!(walk["result"]["ipa"].is_string(), stages == 2, "{walk}");
            assert!(steps.iter().all(|step| step["failed"].is_null()), "{walk}");
            let permissions = walk["result"]["permissions"].as_str().unwrap_or_default();
            assert!(permissions.contains('x'), "code can be executed: {walk}");
        }
    }
}

#[test]
fn an_expression_is_worked_out_in_the_innermost_frame() {
    let debugger = attached();
    let thread = debugger.threads("blinky")[0].id;
    let top = debugger.top("blinky", thread);
    let sample = debugger.number("blinky", top.id, "(unsigned long)sample");
    let walk = translate(&debugger, thread, "sample");
    assert_eq!(walk["address"], format!("{sample:#x}"));
    assert!(walk["result"]["pa"].is_string(), "{walk}");
}

#[test]
fn the_step_that_fails_is_marked() {
    let debugger = attached();
    let thread = debugger.threads("blinky")[0].id;
    let walk = translate(&debugger, thread, "0x7f00000000");
    let steps = walk["steps"].as_array().expect("it has steps");
    let (last, before) = steps.split_last().expect("the tables are on");
    assert_eq!(last["kind"], "invalid", "{walk}");
    assert_eq!(last["failed"], walk["fault"], "{walk}");
    assert!(before.iter().all(|step| step["failed"].is_null()), "{walk}");
    assert!(walk["result"].is_null(), "{walk}");

    // A thread that is none, and no number: a sentence, and the session lives on.
    let refused = |thread: i64, address: &str| {
        let arguments = json!({ "threadId": thread, "address": address });
        debugger.root().refused("hvdap/translate", arguments)
    };
    assert!(refused(9999, "0x0").contains("no thread 9999"));
    assert!(refused(thread, "no_such_thing").contains("no_such_thing"));
    assert!(refused(thread, "").contains("missing"));
    translate(&debugger, thread, "0x40000000");
}

#[test]
fn on_the_command_line() {
    let snapshot = saved_halt();
    let machine = folder().join("hvdap.toml").display().to_string();
    let run = |more: &[&str]| {
        let common = ["translate", &snapshot, "sample", "--machine", &machine];
        adapter::run(&[&common[..], more].concat())
    };
    let text = run(&["--vm", "blinky"]);
    let said = String::from_utf8_lossy(&text.stdout);
    for part in [
        "stage 1, level",
        "stage 2, level",
        "AttrIndx",
        "MemAttr",
        "PA 0x",
    ] {
        assert!(said.contains(part), "{part} is not in {said}");
    }
    let body: Value = serde_json::from_slice(&run(&["--vm", "blinky", "--json"]).stdout)
        .expect("--json prints JSON");
    assert!(body["result"]["pa"].is_string(), "{body}");

    let missing = run(&["--vm", "nobody"]);
    assert_eq!(missing.status.code(), Some(1));
    let said = String::from_utf8_lossy(&missing.stderr);
    assert!(said.contains("`nobody`"), "{said}");
}
