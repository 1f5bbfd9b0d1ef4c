//! The arrows of `adapter/ARCHITECTURE.md`, held against Cargo's own view of the dependencies.

use std::collections::BTreeSet;
use std::process::Command;

/// Third parties that bring files, sockets, clocks, async, DAP or JSON: never anywhere below a pure crate.
const WORLDLY: [&str; 11] = [
    "clap",
    "dap",
    "memmap2",
    "mio",
    "probe-rs",
    "serde_json",
    "socket2",
    "tokio",
    "toml",
    "tower-lsp",
    "tracing-subscriber",
];

/// The names of what a crate depends on, to this depth.
fn dependencies(package: &str, depth: &str) -> BTreeSet<String> {
    let output = Command::new(env!("CARGO"))
        .current_dir(journeys::target::root())
        .args([
            "tree",
            "--locked",
            "--offline",
            "--edges",
            "normal",
            "--prefix",
            "none",
        ])
        .args(["--package", package, "--depth", depth])
        .output()
        .expect("cargo runs");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let text = String::from_utf8(output.stdout).expect("cargo writes text");
    let names = text
        .lines()
        .filter_map(|line| line.split_whitespace().next());
    names
        .filter(|name| *name != package)
        .map(str::to_owned)
        .collect()
}

#[track_caller]
fn check(package: &str, allowed: &[&str]) {
    let direct = dependencies(package, "1");
    let unknown: Vec<_> = direct
        .iter()
        .filter(|name| !allowed.contains(&name.as_str()))
        .collect();
    assert!(
        unknown.is_empty(),
        "{package} may not depend on {unknown:?}"
    );
}

#[track_caller]
fn check_pure(package: &str, allowed: &[&str]) {
    check(package, allowed);
    let all = dependencies(package, "99");
    let worldly: Vec<_> = WORLDLY.iter().filter(|name| all.contains(**name)).collect();
    assert!(
        worldly.is_empty(),
        "{package} reaches the world through {worldly:?}"
    );
}

#[test]
fn machine_knows_the_silicon_only() {
    check_pure("machine", &["thiserror"]);
}

#[test]
fn symbols_stand_on_machine() {
    check_pure(
        "symbols",
        &[
            "gimli",
            "machine",
            "object",
            "rayon",
            "rustc-hash",
            "thiserror",
        ],
    );
}

#[test]
fn awareness_stands_on_symbols() {
    check_pure("awareness", &["machine", "symbols", "thiserror"]);
}

#[test]
fn trace_stands_on_machine() {
    check_pure("trace", &["machine", "thiserror", "zerocopy", "zstd"]);
}

#[test]
fn the_engine_never_names_a_back_end() {
    check_pure(
        "engine",
        &[
            "awareness",
            "capstone",
            "machine",
            "symbols",
            "thiserror",
            "trace",
        ],
    );
}

#[test]
fn back_ends_know_machine_and_no_symbols() {
    check(
        "backends",
        &[
            "machine",
            "memmap2",
            "object",
            "roxmltree",
            "thiserror",
            "zstd",
        ],
    );
}

#[test]
fn journeys_know_the_adapter_as_a_program() {
    check("journeys", &["jsonschema", "object", "serde", "serde_json"]);
}
