//! The official DAP schema, tightened: objects are closed, so a key the protocol does not know is an error.
//!
//! `debugProtocol.json` builds each message by `allOf` from a base, where a closed object would reject the other half's
//! keys. So every definition is first flattened into one object, then closed, with everything inside it.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex};

use jsonschema::Validator;
use serde_json::{Map, Value, json};

const OFFICIAL: &str = include_str!("../fixtures/dap/debugProtocol.json");
const SINCE: &str = include_str!("../fixtures/dap/since.json");

/// Objects that may hold anything: arguments of our own to `launch` and `attach`, and what a client made up itself.
const OPEN: [&str; 3] = [
    "AttachRequestArguments",
    "LaunchRequestArguments",
    "RestartArguments",
];

/// The tightened schema, compiled one definition at a time as messages of that kind are met.
pub struct Schema {
    definitions: Map<String, Value>,
    custom: Map<String, Value>,
    compiled: Mutex<HashMap<String, Arc<Validator>>>,
}

impl Schema {
    /// The official schema with its later additions, and the schemas of our own requests from `schemas/`.
    #[must_use]
    pub fn load() -> Schema {
        let official: Value = serde_json::from_str(OFFICIAL).expect("the official schema is JSON");
        let since: Value = serde_json::from_str(SINCE).expect("since.json is JSON");
        let mut originals = official["definitions"]
            .as_object()
            .expect("the official schema has definitions")
            .clone();
        originals.extend(object(&since["definitions"]).clone());
        let mut definitions = Map::new();
        for name in originals.keys() {
            let mut flat = flatten(&originals, name);
            for (place, more) in object(&since["properties"]) {
                add_later(&mut flat, name, place, object(more));
            }
            if !OPEN.contains(&name.as_str()) {
                close(&mut flat);
            }
            definitions.insert(name.clone(), flat);
        }
        Schema {
            definitions,
            custom: load_custom(&crate::target::root().join("schemas")),
            compiled: Mutex::default(),
        }
    }

    /// What is wrong with a message, one line each.
    pub fn faults(&self, message: &Value) -> Vec<String> {
        let name = kind_of(message);
        if let Some(custom) = custom_name(message) {
            return self.custom_faults(message, &name, custom);
        }
        if !self.definitions.contains_key(&name) {
            return vec![format!("the protocol has no {name}")];
        }
        let validator = self.compiled(
            &name,
            || json!({ "$ref": format!("#/definitions/{name}"), "definitions": self.definitions }),
        );
        faults(&validator, &name, message)
    }

    /// An own message: its envelope by the protocol, its body by the schema of that name in `schemas/`, if any.
    fn custom_faults(&self, message: &Value, kind: &str, name: &str) -> Vec<String> {
        let envelope = match message["type"].as_str() {
            Some("event") => "Event",
            Some("request") => "Request",
            _ => "Response",
        };
        let validator = self.compiled(envelope, || {
            json!({ "$ref": format!("#/definitions/{envelope}"), "definitions": self.definitions })
        });
        let mut found = if envelope == "Response" && message["success"] == true {
            Vec::new()
        } else {
            faults(&validator, kind, message)
        };
        let about = if message["type"] == "request" {
            "Arguments of"
        } else {
            "Body of"
        };
        if let Some(schema) = self.custom.get(name)
            && schema["description"]
                .as_str()
                .is_some_and(|text| text.starts_with(about))
        {
            let content = message.get("body").or_else(|| message.get("arguments"));
            let validator = self.compiled(name, || schema.clone());
            found.extend(faults(&validator, kind, content.unwrap_or(&Value::Null)));
        }
        found
    }

    fn compiled(&self, name: &str, schema: impl FnOnce() -> Value) -> Arc<Validator> {
        let mut compiled = self.compiled.lock().expect("no panic while compiling");
        compiled
            .entry(name.to_owned())
            .or_insert_with(|| {
                Arc::new(jsonschema::validator_for(&schema()).expect("the tightened schema is one"))
            })
            .clone()
    }
}

/// The name of a message's definition, as the official schema forms it.
fn kind_of(message: &Value) -> String {
    let text = |key: &str| {
        let name = message[key].as_str().unwrap_or_default();
        let mut letters = name.chars();
        letters.next().map_or_else(String::new, |first| {
            first.to_uppercase().chain(letters).collect::<String>()
        })
    };
    match message["type"].as_str() {
        Some("event") => text("event") + "Event",
        Some("request") => text("command") + "Request",
        _ if message["success"] == true => text("command") + "Response",
        _ => "ErrorResponse".to_owned(),
    }
}

/// The name of a message that is not the protocol's but ours, `None` for failures, which are the protocol's.
fn custom_name(message: &Value) -> Option<&str> {
    if message["type"] == "response" && message["success"] != true {
        return None;
    }
    let name = message["event"].as_str().or(message["command"].as_str())?;
    name.starts_with("hvdap/").then_some(name)
}

fn faults(validator: &Validator, kind: &str, instance: &Value) -> Vec<String> {
    validator
        .iter_errors(instance)
        .map(|error| format!("{kind}{}: {error}", error.instance_path()))
        .collect()
}

/// One object out of a definition and all it is built from.
fn flatten(originals: &Map<String, Value>, name: &str) -> Value {
    let mut out = json!({ "type": "object", "properties": {}, "required": [] });
    let original = &originals[name];
    let Some(parts) = original["allOf"].as_array() else {
        return original.clone();
    };
    for part in parts {
        let part = match part["$ref"].as_str().and_then(|at| at.rsplit('/').next()) {
            Some(base) => flatten(originals, base),
            None => part.clone(),
        };
        if let Some(properties) = part["properties"].as_object() {
            for (key, value) in properties {
                out["properties"][key] = value.clone();
            }
        }
        if let (Some(all), Some(more)) =
            (out["required"].as_array_mut(), part["required"].as_array())
        {
            all.extend(more.iter().cloned());
            all.dedup();
        }
    }
    // An answer that only acknowledges, or an event without content, has nothing in its body.
    for key in ["body", "arguments"] {
        if out["properties"][key]["type"].is_array()
            && !["Request", "Response", "Event"].contains(&name)
        {
            out["properties"][key] = json!({ "type": "object" });
        }
    }
    out
}

/// Adds properties that came later to the definition, or to its body where `place` says so.
fn add_later(flat: &mut Value, name: &str, place: &str, more: &Map<String, Value>) {
    let at = match place.strip_suffix(".body") {
        Some(message) if message == name => &mut flat["properties"]["body"]["properties"],
        None if place == name => &mut flat["properties"],
        _ => return,
    };
    if let Some(properties) = at.as_object_mut() {
        properties.extend(more.clone());
    }
}

/// Closes every object that names its properties, and every object said to have none.
fn close(schema: &mut Value) {
    match schema {
        Value::Object(map) => {
            let open = map.contains_key("additionalProperties");
            let named = map.contains_key("properties") || map.get("type") == Some(&json!("object"));
            if named && !open && !map.contains_key("$ref") {
                map.insert("additionalProperties".into(), json!(false));
            }
            for key in ["properties", "items", "oneOf"] {
                match map.get_mut(key) {
                    Some(Value::Object(inner)) if key == "properties" => {
                        inner.values_mut().for_each(close);
                    }
                    Some(inner) => close(inner),
                    None => {}
                }
            }
        }
        Value::Array(all) => all.iter_mut().for_each(close),
        _ => {}
    }
}

/// The schemas of our own messages, by their titles: files of `schemas/`, written from the adapter's types.
fn load_custom(folder: &Path) -> Map<String, Value> {
    let mut out = Map::new();
    let files = std::fs::read_dir(folder).into_iter().flatten().flatten();
    for file in files.filter(|file| file.path().to_string_lossy().ends_with(".schema.json")) {
        let text = std::fs::read_to_string(file.path()).expect("a schema can be read");
        let schema: Value = serde_json::from_str(&text).expect("a schema is JSON");
        if let Some(title) = schema["title"].as_str() {
            out.insert(title.to_owned(), schema);
        }
    }
    out
}

fn object(value: &Value) -> &Map<String, Value> {
    value.as_object().expect("an object")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(message: Value, wrong: &[&str]) {
        let found = Schema::load().faults(&message);
        assert_eq!(found.is_empty(), wrong.is_empty(), "{found:#?}");
        for part in wrong {
            assert!(found.iter().any(|fault| fault.contains(part)), "{found:#?}");
        }
    }

    #[test]
    fn a_stop_as_the_protocol_says() {
        check(
            json!({"seq": 1, "type": "event", "event": "stopped",
                   "body": {"reason": "breakpoint", "threadId": 1, "allThreadsStopped": true}}),
            &[],
        );
    }

    #[test]
    fn unknown_keys_fail_at_every_depth() {
        check(
            json!({"seq": 1, "type": "event", "event": "stopped", "body": {"reason": "pause", "vm": 1}}),
            &["vm"],
        );
        check(
            json!({"seq": 1, "type": "event", "event": "stopped", "body": {"reason": "pause"}, "x": 1}),
            &["x"],
        );
        check(
            json!({"seq": 1, "type": "response", "request_seq": 1, "command": "stackTrace", "success": true,
                   "body": {"stackFrames": [{"id": 1, "name": "f", "line": 0, "column": 0, "source": {"vm": 1}}]}}),
            &["vm"],
        );
    }

    #[test]
    fn null_is_not_absent_and_messages_must_be_known() {
        check(
            json!({"seq": 1, "type": "response", "request_seq": 1, "command": "threads", "success": true,
                   "body": {"threads": [{"id": 1, "name": null}]}}),
            &["null"],
        );
        check(
            json!({"seq": 1, "type": "event", "event": "exploded"}),
            &["no ExplodedEvent"],
        );
    }

    #[test]
    fn an_acknowledgement_has_no_content() {
        let answer = |body: Value| {
            json!({"seq": 1, "type": "response", "request_seq": 1, "command": "configurationDone",
                   "success": true, "body": body})
        };
        check(answer(json!({})), &[]);
        check(answer(json!({"a": 1})), &["/body"]);
    }

    #[test]
    fn what_came_later_is_known() {
        check(
            json!({"seq": 1, "type": "response", "request_seq": 1, "command": "initialize", "success": true,
                   "body": {"breakpointModes": [{"mode": "1", "label": "DomU", "appliesTo": ["source"]}]}}),
            &[],
        );
    }

    #[test]
    fn children_may_be_configured_freely() {
        check(
            json!({"seq": 1, "type": "request", "command": "startDebugging",
                   "arguments": {"request": "attach", "configuration": {"name": "DomU", "hvdap": {"vm": 1}}}}),
            &[],
        );
    }

    #[test]
    fn failures_are_the_protocols_also_for_own_requests() {
        check(
            json!({"seq": 1, "type": "response", "request_seq": 1, "command": "hvdap/x", "success": false,
                   "message": "no", "body": {"error": {"id": 1, "format": "no"}}}),
            &[],
        );
        check(
            json!({"seq": 1, "type": "response", "request_seq": 1, "command": "hvdap/breakpointStats",
                   "success": true, "body": {"breakpoints": []}}),
            &[],
        );
    }
}
