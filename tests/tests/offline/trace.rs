//! `hvdap trace` with recorded files: what it says, what other programs read of its exports, and what bad files do.

mod bad_input;
mod exports;
mod guests;
mod index;
mod oracle;
mod said;
mod view;

use std::path::Path;

use journeys::adapter;
use serde_json::Value;

/// Runs `hvdap trace COMMAND FILE ARGUMENTS`, which must succeed; what it prints.
#[track_caller]
fn trace(command: &str, file: &Path, arguments: &[&str]) -> String {
    let file = file.to_str().expect("a plain path");
    let mut all = vec!["trace", command, file];
    all.extend(arguments);
    let output = adapter::run(&all);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{all:?}: {errors}");
    String::from_utf8(output.stdout).expect("it prints text")
}

/// The same with `--json`, held against the schema of that name.
#[track_caller]
fn report(command: &str, file: &Path, arguments: &[&str]) -> Value {
    let mut all = arguments.to_vec();
    all.push("--json");
    let answer = serde_json::from_str(&trace(command, file, &all)).expect("it prints JSON");
    let schema = journeys::target::root().join(format!("schemas/trace-{command}.schema.json"));
    let schema = std::fs::read(schema).expect("there is a schema");
    let schema = serde_json::from_slice(&schema).expect("a schema is JSON");
    let validator = jsonschema::validator_for(&schema).expect("a schema");
    let wrong: Vec<String> = validator
        .iter_errors(&answer)
        .map(|error| error.to_string())
        .collect();
    assert!(wrong.is_empty(), "{command}: {wrong:?}");
    answer
}
