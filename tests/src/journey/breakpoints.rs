//! Setting breakpoints in one group, and what became of them.

use std::time::Duration;

use serde_json::{Value, json};

use super::{Debugger, Presentation};

/// How long an image may take to load before a breakpoint in it binds.
const BINDS: Duration = Duration::from_secs(30);

impl Debugger {
    /// Sets the breakpoints of one source file in one group: lines and conditions (or empty). Their ids.
    #[track_caller]
    pub fn break_at_lines(&self, group: &str, path: &str, lines: &[(u32, &str)]) -> Vec<i64> {
        let wanted: Vec<Value> = lines
            .iter()
            .map(|(line, condition)| {
                let mut one = json!({ "line": line });
                if !condition.is_empty() {
                    one["condition"] = json!(condition);
                }
                if let Some(mode) = self.mode(group) {
                    one["mode"] = json!(mode);
                }
                one
            })
            .collect();
        let arguments = json!({ "source": { "path": path }, "breakpoints": wanted });
        let body = self.session(group).request("setBreakpoints", arguments);
        self.bound(group, &body)
    }

    /// Sets the function breakpoints of one group. Their ids.
    #[track_caller]
    pub fn break_at_functions(&self, group: &str, names: &[&str]) -> Vec<i64> {
        let wanted: Vec<Value> = names
            .iter()
            .map(|name| match self.presentation {
                Presentation::Sessions => json!({ "name": name }),
                Presentation::Flat => json!({ "name": format!("{group}!{name}") }),
            })
            .collect();
        let arguments = json!({ "breakpoints": wanted });
        let body = self
            .session(group)
            .request("setFunctionBreakpoints", arguments);
        self.bound(group, &body)
    }

    /// How often a breakpoint was hit, and how often somebody else ran over it.
    #[track_caller]
    #[must_use]
    pub fn hits(&self, group: &str, id: i64) -> (u64, u64) {
        let session = self.session(group);
        let body = session.request("hvdap/breakpointStats", Value::Null);
        let all = body["breakpoints"].as_array().cloned().unwrap_or_default();
        let Some(one) = all.iter().find(|one| one["id"] == id) else {
            self.root
                .fail(&format!("no statistics of breakpoint {id}: {body}"));
        };
        let count = |key: &str| one[key].as_u64().unwrap_or_default();
        (count("hits"), count("filtered"))
    }

    /// The name a client gives a breakpoint to bind it to one VM, in one session for all.
    #[track_caller]
    fn mode(&self, group: &str) -> Option<String> {
        if self.presentation == Presentation::Sessions {
            return None;
        }
        // The VMs are known only after the attach: the modes may come later.
        let later = self.root.events("capabilities");
        let all = later
            .iter()
            .rev()
            .map(|event| &event.body["capabilities"])
            .chain([&self.capabilities]);
        for capabilities in all {
            let modes = capabilities["breakpointModes"]
                .as_array()
                .into_iter()
                .flatten();
            let mut found =
                modes.filter(|mode| mode["label"].as_str().is_some_and(|l| l.contains(group)));
            if let Some(mode) = found.next() {
                return mode["mode"].as_str().map(str::to_owned);
            }
        }
        Some(group.to_owned())
    }

    /// Waits until every breakpoint of an answer has found its place.
    #[track_caller]
    fn bound(&self, group: &str, body: &Value) -> Vec<i64> {
        let session = self.session(group);
        let all = body["breakpoints"].as_array().cloned().unwrap_or_default();
        let mut ids = Vec::new();
        for one in all {
            let Some(id) = one["id"].as_i64() else {
                session.fail(&format!("a breakpoint without id: {one}"));
            };
            if one["verified"] != true {
                session.event_where("breakpoint", BINDS, |body| {
                    body["breakpoint"]["id"] == id && body["breakpoint"]["verified"] == true
                });
            }
            ids.push(id);
        }
        ids
    }
}
