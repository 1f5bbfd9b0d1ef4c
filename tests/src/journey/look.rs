//! Threads, stacks, variables and expressions.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{Debugger, Presentation};

/// A thread as a client lists it, without its group's name.
#[derive(Clone, Debug)]
pub struct Thread {
    /// Its number, kept as long as the vCPU lives.
    pub id: i64,
    /// Which core or vCPU, and where it is.
    pub name: String,
}

/// A stack frame.
#[derive(Clone, Debug)]
pub struct Frame {
    /// Its number until the machine runs again.
    pub id: i64,
    /// Function or label.
    pub name: String,
    /// Source file, mapped to this machine.
    pub path: Option<String>,
    /// Line, 0 where there is no source.
    pub line: i64,
    /// The instruction.
    pub address: Option<u64>,
    /// Whether it only says how the frames above were entered.
    pub label: bool,
}

impl Debugger {
    /// The threads of a group.
    #[track_caller]
    #[must_use]
    pub fn threads(&self, group: &str) -> Vec<Thread> {
        let body = self.session(group).request("threads", Value::Null);
        let all = body["threads"].as_array().into_iter().flatten();
        let prefix = format!("{group} / ");
        all.filter_map(|thread| {
            let name = thread["name"].as_str().unwrap_or_default();
            let name = match self.presentation {
                Presentation::Sessions => name,
                Presentation::Flat => name.strip_prefix(&prefix)?,
            };
            let id = thread["id"].as_i64().unwrap_or_default();
            Some(Thread {
                id,
                name: name.to_owned(),
            })
        })
        .collect()
    }

    /// The whole stack of a thread, fetched as VS Code does: one frame, then the rest.
    #[track_caller]
    #[must_use]
    pub fn stack(&self, group: &str, thread: i64) -> Vec<Frame> {
        let mut frames = self.frames(group, thread, 0, 1);
        frames.extend(self.frames(group, thread, 1, 100));
        frames
    }

    /// The innermost frame of a thread.
    #[track_caller]
    #[must_use]
    pub fn top(&self, group: &str, thread: i64) -> Frame {
        let frames = self.frames(group, thread, 0, 1);
        match frames.into_iter().next() {
            Some(frame) => frame,
            None => self
                .session(group)
                .fail(&format!("thread {thread} has no frames")),
        }
    }

    #[track_caller]
    fn frames(&self, group: &str, thread: i64, start: u32, levels: u32) -> Vec<Frame> {
        let arguments = json!({ "threadId": thread, "startFrame": start, "levels": levels });
        let body = self.session(group).request("stackTrace", arguments);
        let all = body["stackFrames"].as_array().into_iter().flatten();
        all.map(frame).collect()
    }

    /// The names and values in a scope of a frame, by the scope's name.
    #[track_caller]
    #[must_use]
    pub fn scope(&self, group: &str, frame: i64, scope: &str) -> BTreeMap<String, String> {
        let session = self.session(group);
        let body = session.request("scopes", json!({ "frameId": frame }));
        let all = body["scopes"].as_array().cloned().unwrap_or_default();
        let Some(found) = all.iter().find(|one| one["name"] == scope) else {
            session.fail(&format!("no scope {scope}: {body}"));
        };
        let reference = found["variablesReference"].as_i64().unwrap_or_default();
        self.variables(group, reference)
            .iter()
            .map(|one| {
                let text = |key: &str| one[key].as_str().unwrap_or_default().to_owned();
                (text("name"), text("value"))
            })
            .collect()
    }

    /// The variables behind a reference.
    #[track_caller]
    #[must_use]
    pub fn variables(&self, group: &str, reference: i64) -> Vec<Value> {
        let arguments = json!({ "variablesReference": reference });
        let body = self.session(group).request("variables", arguments);
        body["variables"].as_array().cloned().unwrap_or_default()
    }

    /// The value of an expression in a frame.
    #[track_caller]
    #[must_use]
    pub fn evaluate(&self, group: &str, frame: i64, expression: &str) -> String {
        let arguments = json!({ "expression": expression, "frameId": frame, "context": "watch" });
        let body = self.session(group).request("evaluate", arguments);
        body["result"].as_str().unwrap_or_default().to_owned()
    }

    /// The names of the members of a structure.
    #[track_caller]
    #[must_use]
    pub fn members(&self, group: &str, frame: i64, expression: &str) -> Vec<String> {
        let arguments = json!({ "expression": expression, "frameId": frame, "context": "watch" });
        let body = self.session(group).request("evaluate", arguments);
        let reference = body["variablesReference"].as_i64().unwrap_or_default();
        let all = self.variables(group, reference);
        all.iter()
            .filter_map(|one| one["name"].as_str().map(str::to_owned))
            .collect()
    }

    /// The value of an expression that is a number, however it is written.
    #[track_caller]
    #[must_use]
    pub fn number(&self, group: &str, frame: i64, expression: &str) -> u64 {
        let text = self.evaluate(group, frame, expression);
        let word = text.split_whitespace().find_map(number);
        match word {
            Some(number) => number,
            None => self
                .session(group)
                .fail(&format!("{expression} is no number: {text}")),
        }
    }
}

/// A number in decimal or hexadecimal.
fn number(word: &str) -> Option<u64> {
    match word.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16).ok(),
        None => word.parse().ok(),
    }
}

fn frame(one: &Value) -> Frame {
    let address = one["instructionPointerReference"].as_str();
    Frame {
        id: one["id"].as_i64().unwrap_or_default(),
        name: one["name"].as_str().unwrap_or_default().to_owned(),
        path: one["source"]["path"].as_str().map(str::to_owned),
        line: one["line"].as_i64().unwrap_or_default(),
        address: address.and_then(number),
        label: one["presentationHint"] == "label",
    }
}
