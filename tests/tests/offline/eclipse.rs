//! What Eclipse's LSP4E needs of an adapter, a test for each; its order of messages, its blocked reader and lsp4j's limits.

use std::path::Path;
use std::time::Duration;

use journeys::clients::{Client, Opened, known};
use journeys::demo::{self, Demo};
use journeys::machine::line_of;
use journeys::{Adapter, Session, Transport};
use serde_json::{Value, json};

/// The events that LSP4E can take. Each that lsp4j does not know is a warning in Eclipse's log; progress, `memory` and
/// `invalidated` are for clients that say they want them.
const EVENTS: [&str; 10] = [
    "initialized",
    "stopped",
    "continued",
    "terminated",
    "thread",
    "output",
    "breakpoint",
    "module",
    "process",
    "capabilities",
];

/// The launch parameters of a user, with what is Eclipse's own.
fn parameters(target: &str) -> Value {
    json!({
        "type": "hvdap", "request": "attach", "program": "/workspace/project", "target": target, "machine": demo::machine(),
    })
}

struct Eclipse {
    adapter: Adapter,
    client: Client,
    opened: Opened,
}

impl Eclipse {
    #[track_caller]
    fn attached_with(parameters: &Value) -> Self {
        let mut adapter = Adapter::start(Transport::Tcp);
        let client = known::lsp4e();
        let opened = client.attach(&mut adapter, "attach", parameters, 2);
        Self {
            adapter,
            client,
            opened,
        }
    }

    #[track_caller]
    fn at_the_saved_halt() -> Self {
        Self::attached_with(&parameters(&demo::saved_halt()))
    }

    fn blinky(&self) -> &Session {
        self.opened.vm("blinky")
    }

    /// The frame in front of blinky's first vCPU.
    #[track_caller]
    fn frame(&self) -> Value {
        self.client.select(self.blinky(), "vCPU 0").frames[0].clone()
    }
}

#[test]
fn sessions_of_vms_are_attached_while_the_parents_reader_waits_for_them() {
    // `attach` opens each child before the parent's next message is read, and takes the verb inside the configuration.
    let eclipse = Eclipse::at_the_saved_halt();
    let names: Vec<&str> = eclipse.opened.vms.iter().map(|vm| vm.0.as_str()).collect();
    assert_eq!(names, ["blinky", "courier"]);
    for session in eclipse.opened.sessions() {
        eclipse.client.look(session);
    }
}

#[test]
fn nothing_is_told_that_it_does_not_know() {
    let eclipse = Eclipse::at_the_saved_halt();
    for session in eclipse.opened.sessions() {
        eclipse.client.look(session);
    }
    eclipse.client.leave(&eclipse.opened.root);
    eclipse.opened.children_end();
    let told = eclipse.adapter.log().from_adapter();
    let events: Vec<&str> = told
        .iter()
        .filter_map(|(_, told)| told["event"].as_str())
        .collect();
    assert!(events.contains(&"stopped"), "{events:?}");
    let unknown = events.iter().find(|event| !EVENTS.contains(event));
    assert_eq!(unknown, None);
}

#[test]
fn it_asks_for_threads_as_soon_as_it_is_configured() {
    let mut adapter = Adapter::start(Transport::Tcp);
    let session = adapter.connect("LSP4E");
    session.request("initialize", known::lsp4e().says);
    let attaching = session.send("attach", parameters(&demo::saved_halt()));
    session.event("initialized");
    // No breakpoints, so nothing else is sent. Both answers are waited for, in any order.
    session.request("configurationDone", json!({}));
    session.answer(attaching).expect("it is attached");
    let threads = session.request("threads", Value::Null);
    assert_eq!(threads["threads"][0]["name"], "pCPU 0", "{threads}");
}

#[test]
fn a_launch_without_a_command_says_what_is_missing() {
    // `request` is `launch` where the parameters do not have it.
    let mut adapter = Adapter::start(Transport::Tcp);
    let session = adapter.connect("LSP4E");
    session.request("initialize", known::lsp4e().says);
    let mut parameters = parameters(&demo::saved_halt());
    parameters
        .as_object_mut()
        .expect("an object")
        .remove("request");
    let refused = session.refused("launch", parameters);
    assert!(
        refused.contains("launch") && refused.contains("attach"),
        "{refused}"
    );
}

#[test]
fn a_breakpoint_that_is_not_bound_is_said_in_the_console() {
    let eclipse = Eclipse::at_the_saved_halt();
    let session = eclipse.blinky();
    let source = demo::folder().join("src/blinky/ring.c");
    let check = |line: u32, bound: bool| {
        // Conditions are sent whether they were offered or not.
        let one =
            json!({ "line": line, "column": 1, "condition": "head > 0", "hitCondition": "2" });
        let body = session.request(
            "setBreakpoints",
            json!({
                "source": { "path": source, "name": "ring.c" }, "lines": [line], "breakpoints": [one], "sourceModified": false,
            }),
        );
        assert_eq!(body["breakpoints"][0]["verified"], bound, "{body}");
        let said = session.events("output");
        let not_bound = said
            .iter()
            .filter(|said| said.body.to_string().contains("not bound"));
        assert_eq!(not_bound.count(), usize::from(!bound), "{said:?}");
    };
    check(
        line_of(&source.display().to_string(), "into->slots[head"),
        true,
    );
    check(9999, false);
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

#[test]
fn frames_are_twenty_at_most_and_their_sources_are_files() {
    let eclipse = Eclipse::at_the_saved_halt();
    let check = |session: &Session, thread: &str, first: &str| {
        let seen = eclipse.client.select(session, thread);
        assert!(seen.frames.len() <= 20);
        assert_eq!(seen.functions()[0], first);
        for frame in &seen.frames {
            assert!(frame["source"]["sourceReference"].is_null(), "{frame}");
            let path = frame["source"]["path"].as_str().map(Path::new);
            assert!(
                path.is_none_or(|path| path.is_absolute() && path.is_file()),
                "{frame}"
            );
            let numbers = ["id", "line", "column"].map(|key| frame[key].is_i64());
            assert_eq!(numbers, [true; 3], "{frame}");
        }
    };
    check(eclipse.blinky(), "vCPU 0", "sample_store");
    check(eclipse.opened.vm("courier"), "vCPU 0", "clock_ticks");
    check(&eclipse.opened.root, "pCPU 1", "ticks_total");
}

#[test]
fn a_large_array_is_cut_where_no_part_of_it_is_asked_for() {
    let eclipse = Eclipse::at_the_saved_halt();
    let root = &eclipse.opened.root;
    let frame = eclipse.client.select(root, "pCPU 1").frames[0]["id"].clone();
    let asked = json!({ "expression": "hvtrace_rings[0].records", "frameId": frame });
    let body = root.request("evaluate", asked);
    let all = json!({ "variablesReference": body["variablesReference"] });
    let shown = root.request("variables", all)["variables"].clone();
    let length = body["indexedVariables"].as_u64().unwrap_or_default();
    assert!(length > 1000, "{body}");
    assert_eq!(shown.as_array().map(Vec::len), Some(1001));
    assert_eq!(shown[1000]["value"], format!("{} more", length - 1000));
}

#[test]
fn watch_hover_and_console_are_answered() {
    let eclipse = Eclipse::at_the_saved_halt();
    let session = eclipse.blinky();
    let frame = eclipse.frame()["id"].clone();
    let check = |mut arguments: Value, expression: &str, expected: Result<&str, &str>| {
        arguments["expression"] = json!(expression);
        match (session.ask("evaluate", arguments.clone()), expected) {
            (Ok(body), Ok(value)) => assert_eq!(body["result"], value, "{arguments}"),
            (Err(why), Err(part)) => assert!(why.contains(part), "{arguments}: {why}"),
            (answer, _) => panic!("{arguments}: {answer:?}"),
        }
    };
    check(
        json!({ "frameId": frame }),
        "sample->kind",
        Ok("SENSOR_TILT"),
    );
    check(
        json!({ "frameId": frame, "context": "hover" }),
        "sample->kind",
        Ok("SENSOR_TILT"),
    );
    // Without a frame, the one in front of what was looked at last is meant.
    check(
        json!({ "context": "repl" }),
        "sample->kind",
        Ok("SENSOR_TILT"),
    );
    for arguments in [json!({ "frameId": frame }), json!({ "context": "repl" })] {
        check(arguments, "no_such_name", Err("no_such_name"));
    }
}

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
fn connections_that_are_cut_without_disconnect_are_no_error() {
    let mut eclipse = Eclipse::at_the_saved_halt();
    eclipse.opened.root.request("terminate", json!({}));
    eclipse.opened.root.event("terminated");
    // Cut within two seconds, whatever is still under way.
    for session in eclipse.opened.sessions() {
        session.hang_up();
    }
    let again = parameters(&demo::saved_halt());
    let opened = eclipse
        .client
        .attach(&mut eclipse.adapter, "attach", &again, 2);
    eclipse.client.look(opened.vm("courier"));
    let said = eclipse.adapter.errors();
    let mut others = said.lines().filter(|line| !line.contains("listening on"));
    assert_eq!(others.next(), None);
}

#[test]
fn what_is_said_has_a_category_it_shows_and_no_process_to_kill() {
    let eclipse = Eclipse::at_the_saved_halt();
    let nowhere = json!({ "breakpoints": [{ "name": "no_such_function" }] });
    eclipse.blinky().request("setFunctionBreakpoints", nowhere);
    let told = eclipse.adapter.log().from_adapter();
    let bodies = |event: &str| -> Vec<&Value> {
        let all = told.iter().map(|(_, told)| told);
        let wanted = all.filter(|told| told["event"] == event);
        wanted.map(|told| &told["body"]).collect()
    };
    let said = bodies("output");
    assert!(
        said.iter()
            .any(|said| said.to_string().contains("no_such_function")),
        "{said:?}"
    );
    for body in said {
        let category = body["category"].as_str().unwrap_or("console");
        assert!(
            ["console", "stdout", "stderr"].contains(&category),
            "{body}"
        );
    }
    let processes = bodies("process");
    assert_eq!(processes.len(), 3);
    for body in processes {
        // Eclipse would end the process of that number on its own machine.
        assert!(body["systemProcessId"].is_null(), "{body}");
        assert!(
            body["name"].as_str().is_some_and(|name| !name.is_empty()),
            "{body}"
        );
    }
}

#[test]
fn names_go_out_in_ascii() {
    let mut parameters = parameters(&demo::saved_halt());
    parameters["machine"]["vm"][0]["name"] = json!("灯 \u{1f4a1} Ä");
    let eclipse = Eclipse::attached_with(&parameters);
    // The harness fails on any other byte; here, that it means the same.
    let session = eclipse.opened.vm("灯 \u{1f4a1} Ä");
    eclipse.client.look(session);
}

#[test]
fn a_monitored_adapter_has_one_connection_and_so_one_session() {
    // By standard input and output a child would read from its parent's pipe.
    let mut adapter = Adapter::start(Transport::Stdio);
    let client = known::lsp4e();
    let opened = client.attach(&mut adapter, "attach", &parameters(&demo::saved_halt()), 0);
    let seen = client.select(&opened.root, "courier / vCPU 0");
    assert_eq!(seen.functions()[0], "clock_ticks");
    let asked = opened.root.start_debugging_within(Duration::ZERO);
    assert!(asked.is_none(), "{asked:?}");
}
