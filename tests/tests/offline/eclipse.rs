//! What Eclipse's LSP4E needs of an adapter, a test for each; its order of messages, its blocked reader and lsp4j's limits.

mod looking;
mod running;

use std::time::Duration;

use journeys::clients::{Client, Opened, known};
use journeys::demo;
use journeys::samples::Folder;
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
fn the_documented_parameters_attach() {
    let readme = journeys::target::root().join("README.md");
    let readme = std::fs::read_to_string(readme).expect("the README is there");
    let (_, after) = readme
        .split_once("launch parameters `")
        .expect("it has parameters");
    let (parameters, _) = after.split_once('`').expect("that end");
    let mut parameters: Value = serde_json::from_str(parameters).expect("they are JSON");
    let folder = Folder::new("eclipse");
    parameters["machine"] = json!(demo::project(&folder.path("project")));
    let eclipse = Eclipse::attached_with(&parameters);
    assert_eq!(eclipse.frame()["name"], "sample_store");
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
