//! Requests of our own on a machine that runs: where addresses lead, the machine at a glance, and a halt saved beside a session.

use std::time::Duration;

use journeys::journey::XEN;
use journeys::{Debugger, Presentation, Target, Variant, machine};
use serde_json::{Value, json};

const GROUPS: [&str; 3] = [XEN, "Dom0", "DomU"];

#[test]
fn walks_a_glance_and_a_snapshot() {
    let Some(mut target) = Target::boot(&Variant::plain().load(1, 1)) else {
        return;
    };
    let description = machine::plain(&target);
    let debugger = Debugger::attach(&target.gdb(), &description, Presentation::Sessions);
    for group in GROUPS {
        code_lies_where_it_is_read(&debugger, group);
    }
    a_guests_variable(&debugger);
    in_a_user_program(&debugger);
    glance(&debugger);

    debugger.resume(XEN);
    let root = debugger.root();
    let thread = debugger.threads(XEN)[0].id;
    let running = |command: &str, arguments: Value| {
        let refused = root.refused(command, arguments);
        assert!(refused.contains("running"), "{command}: {refused}");
    };
    running("hvdap/focus", json!({ "threadId": thread }));
    running(
        "hvdap/translate",
        json!({ "threadId": thread, "address": "0x0" }),
    );
    // What was seen at the last halt is still known.
    let body = root.request("hvdap/machine", json!({}));
    assert_eq!(body["halted"], false);
    assert!(body["groups"][1]["threads"][0]["pc"].is_string(), "{body}");

    let path = target.run.join("beside.core.zst");
    let saved = root.request("hvdap/snapshot", json!({ "path": path }));
    assert!(saved["bytes"].as_u64() > Some(1 << 20), "{saved}");
    assert!(target.qmp().running(), "the machine goes on");
    debugger.runs_for(Duration::from_millis(500));
    debugger.disconnect();
    target.kill();

    let spec = format!("snapshot:{}", path.display());
    let debugger = Debugger::attach(&spec, &description, Presentation::Flat);
    for group in GROUPS {
        code_lies_where_it_is_read(&debugger, group);
    }
}

/// The walk of every thread, on a core or not, leads to the bytes that the thread sees.
#[track_caller]
fn code_lies_where_it_is_read(debugger: &Debugger, group: &str) {
    for thread in debugger.threads(group) {
        let top = debugger.top(group, thread.id);
        let Some(at) = top.address.filter(|_| !top.label) else {
            continue;
        };
        let arguments = json!({ "threadId": thread.id, "address": format!("{at:#x}") });
        let walk = debugger
            .session(group)
            .request("hvdap/translate", arguments);
        let pa = walk["result"]["pa"].as_str().unwrap_or_default();
        let seen = |expression: &str| debugger.number(group, top.id, expression);
        assert_eq!(
            seen(&format!("*(unsigned int *)pa:{pa}")),
            seen(&format!("*(unsigned int *){at:#x}")),
            "{group} {thread:?}: {walk}"
        );
        let ipa = walk["result"]["ipa"].is_string();
        assert_eq!(ipa, group != XEN, "{walk}");
    }
}

/// Data of a guest, named by an expression; and an address nobody mapped.
#[track_caller]
fn a_guests_variable(debugger: &Debugger) {
    let thread = debugger.threads("DomU")[0].id;
    let session = debugger.session("DomU");
    let translate = |address: &str| {
        let arguments = json!({ "threadId": thread, "address": address });
        session.request("hvdap/translate", arguments)
    };
    let walk = translate("&jiffies_64");
    let top = debugger.top("DomU", thread);
    let pa = walk["result"]["pa"].as_str().unwrap_or_default();
    assert_eq!(
        debugger.number("DomU", top.id, &format!("*(unsigned long *)pa:{pa}")),
        debugger.number("DomU", top.id, "jiffies_64"),
        "{walk}"
    );
    assert_eq!(walk["result"]["device"], false);
    let permissions = walk["result"]["permissions"].as_str().unwrap_or_default();
    assert_eq!(permissions, "EL1 rw-, EL0 ---");

    let nowhere = translate("0xfffffffffffff000");
    let steps = nowhere["steps"].as_array().cloned().unwrap_or_default();
    let failed = steps.iter().filter(|step| step["failed"].is_string());
    assert!(failed.count() <= 1, "{nowhere}");
    assert_eq!(
        steps.last().map(|step| &step["failed"]),
        Some(&nowhere["fault"])
    );
}

/// A program computes in each guest: sooner or later a halt finds it at an address that its TTBR0 translates.
#[track_caller]
fn in_a_user_program(debugger: &Debugger) {
    const HALTS: usize = 100;
    for _ in 0..HALTS {
        for group in ["Dom0", "DomU"] {
            for thread in debugger.threads(group) {
                let top = debugger.top(group, thread.id);
                if top.address.is_some_and(|at| at >> 63 == 0) {
                    code_lies_where_it_is_read(debugger, group);
                    let at = json!({ "threadId": thread.id, "address": "$pc" });
                    let walk = debugger.session(group).request("hvdap/translate", at);
                    let permissions = walk["result"]["permissions"].as_str();
                    let permissions = permissions.unwrap_or_default();
                    assert!(permissions.ends_with("EL0 r-x"), "{walk}");
                    return;
                }
            }
        }
        debugger.resume(XEN);
        std::thread::sleep(Duration::from_millis(100));
        debugger.halt();
    }
    panic!("no vCPU was in EL0 at {HALTS} halts");
}

#[track_caller]
fn glance(debugger: &Debugger) {
    let body = debugger.root().request("hvdap/machine", json!({}));
    assert_eq!(
        (&body["halted"], &body["missing"]),
        (&json!(true), &json!([]))
    );
    let groups = body["groups"].as_array().cloned().unwrap_or_default();
    let threads = |group: &Value| group["threads"].as_array().cloned().unwrap_or_default();
    for core in threads(&groups[0]) {
        let who = core["carries"]["who"].as_str().unwrap_or_default();
        assert!(["vcpu", "idle"].contains(&who), "{core}");
    }
    let vcpus: Vec<Value> = groups[1..].iter().flat_map(threads).collect();
    assert_eq!(vcpus.len(), 4);
    for vcpu in &vcpus {
        assert!(vcpu["pc"].is_string(), "{vcpu}");
        assert!(vcpu["inStateNs"].is_u64(), "{vcpu}");
    }
    let running = vcpus.iter().filter(|vcpu| vcpu["state"] == "running");
    let carried = threads(&groups[0]).into_iter();
    let carried = carried.filter(|core| core["carries"]["who"] == "vcpu");
    assert_eq!(running.count(), carried.count(), "{body}");
}
