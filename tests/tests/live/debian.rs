//! Debian's own binaries, unchanged: Xen with a symbol table only, `-cloud` kernels without any symbols. What can be
//! known is shown, the rest is named as unknown.

use journeys::{Debugger, Presentation, Target};
use serde_json::json;

#[test]
fn what_can_be_known_is_shown() {
    let Some(target) = Target::boot_debian() else {
        return;
    };
    let symbols_only = json!({
        "hypervisor": { "image": target.file("xen-syms") },
        "vm": [],
    });
    for machine in [symbols_only, json!({})] {
        let debugger = Debugger::attach(&target.gdb(), &machine, Presentation::Flat);
        let threads = debugger.root().request("threads", serde_json::Value::Null);
        let names: Vec<_> = threads["threads"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|thread| thread["name"].as_str())
            .collect();
        assert!(
            names.iter().filter(|name| name.contains("pCPU")).count() >= 2,
            "{names:?}"
        );
        for thread in threads["threads"].as_array().into_iter().flatten() {
            let body = debugger
                .root()
                .request("stackTrace", json!({ "threadId": thread["id"] }));
            let frames = body["stackFrames"].as_array().expect("frames");
            assert!(!frames.is_empty(), "{thread}");
        }
        debugger.disconnect();
    }
    assert!(target.qmp().running());
}
