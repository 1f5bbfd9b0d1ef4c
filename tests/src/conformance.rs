//! What every message of the adapter must keep, beyond its schema: the order of a connection, and what real editors need.
//!
//! The second half are traps measured on the editors: LSP4E and Kate read integers as 32 bits, LSP4IJ drops a `stopped`
//! without thread, LSP4E kills the process a `process` event names, and so on.

use std::collections::HashMap;

use serde_json::Value;

/// Follows one connection and says what is wrong with each message of the adapter.
#[derive(Default)]
pub struct Conformance {
    last_seq: i64,
    unanswered: HashMap<i64, String>,
    initialized: bool,
    may_initialize: bool,
}

impl Conformance {
    /// Notes a request of the client.
    pub fn sent(&mut self, seq: i64, command: &str) {
        self.unanswered.insert(seq, command.to_owned());
    }

    /// What is wrong with a message of the adapter, given all before it.
    pub fn faults(&mut self, message: &Value) -> Vec<String> {
        let mut faults = self.order(message);
        if !is_custom(message) {
            wide_integers(message, "", &mut faults);
        }
        traps(message, &mut faults);
        faults
    }

    fn order(&mut self, message: &Value) -> Vec<String> {
        let mut faults = Vec::new();
        let seq = message["seq"].as_i64().unwrap_or_default();
        if seq != self.last_seq + 1 {
            faults.push(format!("seq {seq} after {}", self.last_seq));
        }
        self.last_seq = seq;
        if message["type"] == "response" {
            let asked = message["request_seq"].as_i64().unwrap_or_default();
            match self.unanswered.remove(&asked) {
                None => faults.push(format!("answers request {asked}, which is not open")),
                Some(command) if message["command"] != *command => {
                    faults.push(format!("answers {command} as {}", message["command"]));
                }
                Some(command) => self.may_initialize |= command == "initialize",
            }
        }
        if message["event"] == "initialized" {
            if !self.may_initialize || self.initialized {
                faults.push("`initialized` twice, or before initialize is answered".to_owned());
            }
            self.initialized = true;
        }
        faults
    }
}

fn is_custom(message: &Value) -> bool {
    let name = message["event"].as_str().or(message["command"].as_str());
    name.is_some_and(|name| name.starts_with("hvdap/"))
}

/// Every integer of the protocol must fit into 32 bits with sign.
fn wide_integers(value: &Value, at: &str, faults: &mut Vec<String>) {
    match value {
        Value::Number(number) => {
            let fits = number.as_i64().is_some_and(|n| i32::try_from(n).is_ok());
            if !fits && !number.is_f64() {
                faults.push(format!("{at}: {number} does not fit into 32 bits"));
            }
        }
        Value::Array(all) => all
            .iter()
            .for_each(|value| wide_integers(value, at, faults)),
        Value::Object(map) => {
            // A child's configuration is ours; no client looks into it.
            for (key, value) in map.iter().filter(|(key, _)| *key != "configuration") {
                wide_integers(value, &format!("{at}/{key}"), faults);
            }
        }
        _ => {}
    }
}

fn traps(message: &Value, faults: &mut Vec<String>) {
    let body = &message["body"];
    let mut need = |ok: bool, what: &str| {
        if !ok {
            faults.push(what.to_owned());
        }
    };
    match message["event"].as_str() {
        Some("stopped") => {
            need(body["threadId"].is_i64(), "`stopped` without threadId");
            need(
                body["allThreadsStopped"] == true,
                "`stopped` without allThreadsStopped: true",
            );
            need(
                body["description"].is_string(),
                "`stopped` does not say who stopped",
            );
        }
        Some("continued") => {
            need(body["threadId"].is_i64(), "`continued` without threadId");
            need(
                body["allThreadsContinued"].is_boolean(),
                "`continued` without allThreadsContinued",
            );
        }
        Some("process") => need(
            body["systemProcessId"].is_null(),
            "`process` names a process id",
        ),
        Some("output") => need(
            body["output"]
                .as_str()
                .is_some_and(|text| text.ends_with('\n')),
            "`output` that does not end its line",
        ),
        _ => {}
    }
    if message["type"] == "request" && message["command"] == "startDebugging" {
        let child = &message["arguments"]["configuration"];
        need(
            child["request"] == message["arguments"]["request"],
            "a child's configuration lacks `request`",
        );
        need(
            child["name"].is_string(),
            "a child's configuration lacks `name`",
        );
    }
    if message["type"] != "response" || message["success"] != true {
        return;
    }
    match message["command"].as_str() {
        Some("continue") => need(
            body["allThreadsContinued"].is_boolean(),
            "the answer to `continue` lacks allThreadsContinued",
        ),
        Some("stackTrace") => {
            for frame in body["stackFrames"].as_array().into_iter().flatten() {
                let nowhere = frame["line"] == 0 && frame["column"] == 0;
                need(
                    frame["source"].is_object() || nowhere,
                    "a frame has a line and no source",
                );
                need(
                    is_address(&frame["instructionPointerReference"]),
                    "instructionPointerReference is not 0x and lower-case hexadecimal digits",
                );
            }
        }
        Some("disassemble") => {
            for instruction in body["instructions"].as_array().into_iter().flatten() {
                need(
                    is_address(&instruction["address"]),
                    "an instruction's address is not 0x…",
                );
            }
        }
        _ => {}
    }
}

/// Absent, or `0x` and lower-case digits: what LSP4E can parse.
fn is_address(value: &Value) -> bool {
    value.as_str().is_none_or(|text| {
        text.strip_prefix("0x").is_some_and(|digits| {
            !digits.is_empty()
                && digits
                    .bytes()
                    .all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
        })
    })
}
