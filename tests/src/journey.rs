//! The verbs of a journey, the same whether each VM is a session of its own or all are threads of one.
//!
//! A *group* is the hypervisor (`Xen`) or a VM by its name (`DomU`). [`Debugger`] knows which session shows it.

mod breakpoints;
mod look;
mod run;

pub use look::{Frame, Thread};
pub use run::{Halt, Step};

use std::cell::Cell;
use std::time::Duration;

use serde_json::{Value, json};

use crate::adapter::{Adapter, Transport};
use crate::session::{Answer, Children, Session};

/// What the root session, or the hypervisor's part of the only one, is called.
pub const XEN: &str = "Xen";

/// How VMs are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presentation {
    /// A child session for each VM, over TCP.
    Sessions,
    /// One session over standard input and output.
    Flat,
}

/// A client attached to a machine through the adapter.
pub struct Debugger {
    /// The adapter's process.
    pub adapter: Adapter,
    /// How VMs are shown.
    pub presentation: Presentation,
    root: Session,
    children: Vec<(String, Session)>,
    capabilities: Value,
    halted: Cell<bool>,
}

/// What an editor says of itself.
fn initialize_arguments(presentation: Presentation) -> Value {
    json!({
        "clientID": "journeys", "adapterID": "hvdap", "pathFormat": "path",
        "linesStartAt1": true, "columnsStartAt1": true,
        "supportsVariableType": true, "supportsVariablePaging": true, "supportsMemoryReferences": true,
        "supportsProgressReporting": true, "supportsInvalidatedEvent": true, "supportsMemoryEvent": true,
        "supportsStartDebuggingRequest": presentation == Presentation::Sessions,
    })
}

/// Takes one session from its first request to its configuration's end; what it attached, and its capabilities.
#[track_caller]
fn open(session: &Session, presentation: Presentation, configuration: &Value) -> (Answer, Value) {
    let capabilities = session.request("initialize", initialize_arguments(presentation));
    let attach = session.send("attach", configuration.clone());
    if session
        .event_within("initialized", Duration::from_secs(10))
        .is_none()
    {
        return (session.answer(attach), capabilities);
    }
    let done = session.send("configurationDone", json!({}));
    let attached = session.answer(attach);
    if attached.is_ok() {
        session
            .answer(done)
            .unwrap_or_else(|why| session.fail(&why));
    }
    (attached, capabilities)
}

impl Debugger {
    /// Attaches to `target` with a machine description; the machine is halted then, and everyone knows.
    ///
    /// # Panics
    /// When the adapter refuses, or a VM of the description does not get its group.
    #[track_caller]
    #[must_use]
    pub fn attach(target: &str, machine: &Value, presentation: Presentation) -> Debugger {
        let (debugger, answer) = Debugger::try_attach(target, machine, presentation);
        if let Err(why) = answer {
            debugger.root.fail(&format!("attach failed: {why}"));
        }
        debugger
    }

    /// The same where the adapter may refuse.
    #[track_caller]
    pub fn try_attach(
        target: &str,
        machine: &Value,
        presentation: Presentation,
    ) -> (Debugger, Answer) {
        let mut adapter = Adapter::start(match presentation {
            Presentation::Sessions => Transport::Tcp,
            Presentation::Flat => Transport::Stdio,
        });
        adapter.habits.children = Children::AnsweredLater;
        let root = adapter.connect("root");
        let configuration = json!({
            "request": "attach", "target": target, "machine": machine, "onDisconnect": "resume",
            "presentation": if presentation == Presentation::Flat { "flat" } else { "auto" },
        });
        let (answer, capabilities) = open(&root, presentation, &configuration);
        let mut debugger = Debugger {
            adapter,
            presentation,
            root,
            children: Vec::new(),
            capabilities,
            halted: Cell::new(false),
        };
        if answer.is_ok() {
            if presentation == Presentation::Sessions {
                let vms = machine["vm"].as_array().map_or(0, Vec::len);
                (0..vms).for_each(|_| debugger.open_child());
            }
            debugger.settle();
        }
        (debugger, answer)
    }

    /// Opens the session of the next VM, as an editor does when it is asked to.
    #[track_caller]
    pub fn open_child(&mut self) {
        let asked = self.root.start_debugging();
        let configuration = &asked["arguments"]["configuration"];
        let name = configuration["name"]
            .as_str()
            .unwrap_or_default()
            .to_owned();
        let session = self.adapter.connect(&name);
        let (answer, _) = open(&session, self.presentation, configuration);
        if let Err(why) = answer {
            session.fail(&format!("attach of a child failed: {why}"));
        }
        self.root.accept(&asked);
        self.children.push((name, session));
    }

    /// The root session, or the only one.
    #[must_use]
    pub fn root(&self) -> &Session {
        &self.root
    }

    /// The names of the VMs that have a session of their own.
    #[must_use]
    pub fn children(&self) -> Vec<&str> {
        self.children
            .iter()
            .map(|(name, _)| name.as_str())
            .collect()
    }

    /// What the adapter said it can do.
    #[must_use]
    pub fn capabilities(&self) -> &Value {
        &self.capabilities
    }

    /// The session that shows a group.
    #[track_caller]
    #[must_use]
    pub fn session(&self, group: &str) -> &Session {
        if group == XEN || self.presentation == Presentation::Flat {
            return &self.root;
        }
        let found = self.children.iter().find(|(name, _)| name == group);
        match found {
            Some((_, session)) => session,
            None => self
                .root
                .fail(&format!("no session shows {group}: {:?}", self.children())),
        }
    }

    /// Ends the root session, and with it all others; the machine runs on.
    #[track_caller]
    pub fn disconnect(self) {
        self.root.request("disconnect", json!({}));
        for (_, child) in &self.children {
            child.event("terminated");
        }
        for session in self.sessions() {
            session.check();
        }
    }

    fn sessions(&self) -> impl Iterator<Item = &Session> {
        std::iter::once(&self.root).chain(self.children.iter().map(|(_, session)| session))
    }
}
