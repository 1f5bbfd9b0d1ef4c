//! Halting, resuming and stepping.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::{Debugger, Presentation, XEN};
use crate::session::PATIENCE;

/// One stop of the whole machine.
#[derive(Clone, Debug)]
pub struct Halt {
    /// Whose stop it is.
    pub group: String,
    /// The thread that caused it.
    pub thread: i64,
    /// `breakpoint`, `step`, `pause` and so on.
    pub reason: String,
    /// Who stopped, in full.
    pub description: String,
    /// The breakpoints hit.
    pub breakpoints: Vec<i64>,
    /// When the first session knew.
    pub at: Instant,
}

/// Ways to step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// One instruction, into whatever it calls or traps to.
    Instruction,
    /// To the next line, into calls.
    In,
    /// To the next line, over calls.
    Over,
    /// To the caller.
    Out,
}

impl Debugger {
    /// Waits for the next stop; every session must hear of it, and exactly one take the focus.
    #[track_caller]
    pub fn stopped(&self) -> Halt {
        let mut focus: Option<Halt> = None;
        let mut first: Option<Instant> = None;
        for session in self.sessions() {
            let event = session.event_where("stopped", PATIENCE * 2, |_| true);
            let at = first.map_or(event.at, |first| first.min(event.at));
            first = Some(at);
            if event.body["preserveFocusHint"] == true {
                continue;
            }
            let group = self.group_of(session.name(), &event.body);
            if let Some(other) = &focus {
                session.fail(&format!(
                    "two sessions take the focus: {} and {group}",
                    other.group
                ));
            }
            focus = Some(halt(group, &event.body, at));
        }
        self.halted.set(true);
        match focus {
            Some(focus) => focus,
            None => self.root.fail("no session takes the focus"),
        }
    }

    /// Which group a `stopped` event is about.
    #[track_caller]
    fn group_of(&self, session: &str, body: &Value) -> String {
        match self.presentation {
            Presentation::Sessions if session == "root" => XEN.to_owned(),
            Presentation::Sessions => session.to_owned(),
            Presentation::Flat => {
                let id = body["threadId"].as_i64().unwrap_or_default();
                let threads = self.root.request("threads", Value::Null);
                let thread = threads["threads"]
                    .as_array()
                    .into_iter()
                    .flatten()
                    .find(|thread| thread["id"] == id);
                let name = thread.and_then(|thread| thread["name"].as_str());
                let group = name
                    .and_then(|name| name.split_once(" / "))
                    .map(|(group, _)| group);
                match group {
                    Some(group) => group.to_owned(),
                    None => self
                        .root
                        .fail(&format!("thread {id} is of no group: {name:?}")),
                }
            }
        }
    }

    /// After an attach: takes the first stop if there is one, else halts.
    #[track_caller]
    pub(super) fn settle(&self) {
        let first = self.root.event_within("stopped", Duration::from_secs(5));
        if first.is_none() {
            self.halt();
            return;
        }
        for (_, child) in &self.children {
            child.event("stopped");
        }
        self.halted.set(true);
    }

    /// Halts the machine if it runs.
    #[track_caller]
    pub fn halt(&self) {
        if self.halted.get() {
            return;
        }
        let thread = self.threads(XEN).first().map_or(1, |thread| thread.id);
        self.root.request("pause", json!({ "threadId": thread }));
        self.stopped();
    }

    /// Lets the machine run.
    #[track_caller]
    pub fn resume(&self, group: &str) {
        let thread = self.threads(group).first().map_or(1, |thread| thread.id);
        self.go(group, "continue", json!({ "threadId": thread }));
    }

    /// Steps a thread and waits for the stop.
    #[track_caller]
    pub fn step(&self, group: &str, thread: i64, step: Step) -> Halt {
        let (command, granularity) = match step {
            Step::Instruction => ("stepIn", "instruction"),
            Step::In => ("stepIn", "statement"),
            Step::Over => ("next", "statement"),
            Step::Out => ("stepOut", "statement"),
        };
        self.go(
            group,
            command,
            json!({ "threadId": thread, "granularity": granularity }),
        );
        self.stopped()
    }

    /// Fails if anything stops within this time.
    #[track_caller]
    pub fn runs_for(&self, time: Duration) {
        if let Some(event) = self.root.event_within("stopped", time) {
            self.root.fail(&format!("an unwanted stop: {}", event.body));
        }
    }

    /// Asks a session to resume; stops noted before it are of the past.
    #[track_caller]
    fn go(&self, group: &str, command: &str, arguments: Value) {
        for session in self.sessions() {
            session.check();
            let stale = session.events("stopped");
            if !stale.is_empty() {
                session.fail(&format!("stops nobody asked for: {stale:?}"));
            }
        }
        self.halted.set(false);
        self.session(group).request(command, arguments);
    }
}

fn halt(group: String, body: &Value, at: Instant) -> Halt {
    let text = |key: &str| body[key].as_str().unwrap_or_default().to_owned();
    let ids = body["hitBreakpointIds"].as_array().into_iter().flatten();
    Halt {
        group,
        thread: body["threadId"].as_i64().unwrap_or_default(),
        reason: text("reason"),
        description: text("description"),
        breakpoints: ids.filter_map(Value::as_i64).collect(),
        at,
    }
}
