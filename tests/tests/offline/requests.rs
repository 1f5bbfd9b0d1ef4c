//! Requests of our own on the saved halt that comes with the program.

use std::path::Path;
use std::time::Duration;

use journeys::demo::{folder, machine, saved_halt};
use journeys::samples::Folder;
use journeys::{Debugger, Presentation, adapter};
use serde_json::{Value, json};

fn attached(presentation: Presentation) -> Debugger {
    let snapshot = saved_halt();
    Debugger::attach(&snapshot, &machine(), presentation)
}

#[test]
fn focus_tells_the_halt_again_in_another_thread() {
    let debugger = attached(Presentation::Flat);
    let root = debugger.root();
    let thread = debugger.threads("courier")[0].id;
    root.request("hvdap/focus", json!({ "threadId": thread }));
    let told = root.event("stopped").body;
    assert_eq!(told["threadId"], thread, "{told}");
    assert!(told["preserveFocusHint"].is_null(), "{told}");
    // A bare address now means that thread's address space.
    let top = debugger.top("courier", thread);
    let at = top.address.map(|at| format!("{at:#x}"));
    let read = root.request("readMemory", json!({ "memoryReference": at, "count": 4 }));
    assert!(read["data"].is_string(), "{read}");
    let refused = root.refused("hvdap/focus", json!({ "threadId": 9999 }));
    assert!(refused.contains("thread 9999"), "{refused}");
}

#[test]
fn focus_is_for_the_sessions_own_threads() {
    let debugger = attached(Presentation::Sessions);
    let (blinky, courier) = (debugger.session("blinky"), debugger.session("courier"));
    let thread = debugger.threads("blinky")[1].id;
    blinky.request("hvdap/focus", json!({ "threadId": thread }));
    let told = blinky.event("stopped").body;
    assert_eq!(told["threadId"], thread, "{told}");
    let refused = courier.refused("hvdap/focus", json!({ "threadId": thread }));
    assert!(refused.contains("none of this session's"), "{refused}");
    assert!(courier.events("stopped").is_empty());
}

#[test]
fn a_halt_is_saved_and_can_be_attached_to() {
    let folder = Folder::new("saved");
    let debugger = attached(Presentation::Flat);
    let root = debugger.root();
    let path = folder.path("again.core.zst");
    let saved = root.request("hvdap/snapshot", json!({ "path": path }));
    let file = std::fs::metadata(&path).expect("the file is there");
    assert_eq!(saved, json!({ "path": path, "bytes": file.len() }));
    let ended = root.event("progressEnd").body;
    let begun = root.event("progressStart").body;
    assert_eq!(begun["progressId"], ended["progressId"]);

    let again = format!("snapshot:{}", path.display());
    let again = Debugger::attach(&again, &machine(), Presentation::Flat);
    for group in ["blinky", "courier"] {
        let names = |debugger: &Debugger| {
            let thread = debugger.threads(group)[0].id;
            let stack = debugger.stack(group, thread);
            stack
                .into_iter()
                .map(|frame| frame.name)
                .collect::<Vec<_>>()
        };
        assert_eq!(names(&again), names(&debugger));
    }
}

#[test]
fn a_snapshot_that_cannot_be_written_says_what_to_do() {
    let folder = Folder::new("unsaved");
    let debugger = attached(Presentation::Flat);
    let refused = |path: &Path| {
        debugger
            .root()
            .refused("hvdap/snapshot", json!({ "path": path }))
    };
    assert!(refused(Path::new("halt.core")).contains("root of the file system"));
    let nowhere = refused(&folder.path("no such folder/halt.core"));
    assert!(nowhere.contains("no such folder/halt.core"), "{nowhere}");
    assert!(nowhere.contains("make its folder first"), "{nowhere}");
    let is_folder = refused(&folder.path(""));
    assert!(is_folder.contains("cannot write"), "{is_folder}");
}

#[test]
fn the_demo_as_files_needs_nothing_else() {
    let folder = Folder::new("demo-files");
    let target = folder.path("a folder to be made");
    let output = adapter::run(&["demo", "--files", &target.display().to_string()]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    assert_eq!(
        output.stdout.iter().filter(|byte| **byte == b'\n').count(),
        1
    );
    let body: Value = serde_json::from_slice(&output.stdout).expect("one line of JSON");
    let file = body["machine"].as_str().unwrap_or_default().to_owned();
    assert!(Path::new(&file).is_absolute(), "{body}");

    let stacks = adapter::run(&["stack", "--machine", &file, "--json"]);
    let body: Value = serde_json::from_slice(&stacks.stdout).expect("--json prints JSON");
    for vm in ["blinky", "courier"] {
        let stacks = body["stacks"].as_array().into_iter().flatten();
        let of_vm = stacks.filter(|stack| stack["group"] == vm);
        let frames = of_vm.flat_map(|stack| stack["frames"].as_array().into_iter().flatten());
        let files: Vec<&str> = frames.filter_map(|frame| frame["file"].as_str()).collect();
        assert!(!files.is_empty(), "{vm}: {body}");
        for file in files {
            let inside = target.canonicalize().expect("it was made");
            let file = Path::new(file);
            assert!(file.is_file() && file.starts_with(&inside), "{file:?}");
        }
    }

    let refused = adapter::run(&["demo", "--files", "/dev/null/folder"]);
    assert_eq!(refused.status.code(), Some(1));
    let said = String::from_utf8_lossy(&refused.stderr);
    assert!(said.contains("/dev/null/folder"), "{said}");
}

#[test]
fn whose_code_it_is_as_numbers() {
    let debugger = attached(Presentation::Flat);
    let check = |group: &str, thread: usize, expected: &str| {
        let thread = debugger.threads(group)[thread].id;
        let top = debugger.top(group, thread);
        let value = |name: &str| debugger.evaluate(group, top.id, name);
        let all = ["$vmid", "$guest", "$vcpu", "$pcpu", "$el"].map(value);
        assert_eq!(all.join(" "), expected, "{group}");
    };
    check("blinky", 0, "1 0 0 0 1");
    check("blinky", 1, "1 0 1 -1 1");
    check("courier", 0, "2 1 0 1 1");
    check("hvdemo", 1, "-1 -1 -1 1 2");

    let refused = |expression: &str| {
        let arguments = json!({ "expression": expression, "context": "repl" });
        debugger.root().refused("evaluate", arguments)
    };
    assert!(refused("$vmid = 2").contains("cannot be changed"));
}

#[test]
fn the_machine_at_a_glance() {
    let snapshot = saved_halt();
    let mut description = machine();
    let ghost = json!({ "name": "ghost", "image": folder().join("hypervisor.elf") });
    description["vm"].as_array_mut().expect("VMs").push(ghost);
    let debugger = Debugger::attach(&snapshot, &description, Presentation::Flat);
    let root = debugger.root();
    let wanted = json!({ "breakpoints": [{ "name": "sample_store" }] });
    root.request("setFunctionBreakpoints", wanted);

    let body = root.request("hvdap/machine", json!({}));
    assert_eq!(body["halted"], true);
    assert_eq!(body["recording"]["recording"], false);
    let missing =
        json!([{ "name": "hypervisor.elf", "vm": "ghost", "place": "machine.vm[2].image" }]);
    assert_eq!(body["missing"], missing);
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let groups = list(&body["groups"]);
    let names: Vec<&Value> = groups.iter().map(|group| &group["name"]).collect();
    assert_eq!(names, ["hvdemo", "blinky", "courier"]);
    let installed: Vec<&Value> = groups.iter().map(|group| &group["breakpoints"]).collect();
    assert_eq!(installed, [0, 1, 0]);
    for group in &groups {
        assert_eq!(group["images"][0]["symbols"], "DWARF", "{group}");
        let name = group["name"].as_str().unwrap_or_default();
        for thread in list(&group["threads"]) {
            let top = debugger.top(name, thread["id"].as_i64().unwrap_or_default());
            let at = top.address.map(|at| format!("{at:#x}"));
            assert_eq!(thread["pc"], json!(at), "{thread}");
            assert!(thread["function"].is_string(), "{thread}");
            let level = if name == "hvdemo" { "EL2" } else { "EL1" };
            assert_eq!(thread["el"] == level, !top.label, "{thread}");
        }
    }
    // The cores work for the vCPUs that are said to be on them.
    for core in list(&groups[0]["threads"]) {
        assert_eq!(core["carries"]["who"], "vcpu", "{core}");
        let vcpus = groups[1..].iter().flat_map(|group| list(&group["threads"]));
        let mut on_it = vcpus.filter(|vcpu| vcpu["pcpu"] == core["index"]);
        let vcpu = on_it.next().expect("a vCPU is on it");
        assert_eq!(vcpu["id"], core["carries"]["thread"]);
    }
}

#[test]
fn a_breakpoint_names_the_vms_it_is_bound_in() {
    let debugger = attached(Presentation::Flat);
    let root = debugger.root();
    let message = |body: &Value| {
        let text = body["breakpoints"][0]["message"].as_str();
        text.unwrap_or_default().to_owned()
    };
    let function = |name: &str| {
        let wanted = json!({ "breakpoints": [{ "name": name }] });
        message(&root.request("setFunctionBreakpoints", wanted))
    };
    assert_eq!(function("sample_store"), "blinky: sample_store");
    let everywhere = function("memcpy");
    for group in ["blinky: memcpy", "courier: memcpy"] {
        assert!(everywhere.contains(group), "{everywhere}");
    }
    assert_eq!(function("courier!memcpy"), "courier: memcpy");

    let source = folder().join("src/memory.c");
    let line = journeys::machine::line_of(&source.display().to_string(), "*byte++ = *source++");
    let wanted = json!({ "source": { "path": source }, "breakpoints": [{ "line": line }] });
    let lines = message(&root.request("setBreakpoints", wanted));
    for group in ["blinky: memcpy", "courier: memcpy"] {
        assert!(lines.contains(group), "{lines}");
    }
    assert!(root.event_within("terminated", Duration::ZERO).is_none());
}
