//! The command line: help, errors in one plain sentence on standard error, exit status 0, 1 or 2.

use std::time::{Duration, Instant};

use journeys::adapter;

#[track_caller]
fn check(arguments: &[&str], status: i32, said: &str) {
    let began = Instant::now();
    let output = adapter::run(arguments);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(
        output.status.code(),
        Some(status),
        "{arguments:?}: {errors}"
    );
    assert!(
        errors.contains(said),
        "{arguments:?}: {errors:?} does not say {said:?}"
    );
    assert!(!errors.contains("panicked"), "{errors}");
    if status != 0 {
        assert!(output.stdout.is_empty(), "a failure prints results");
    }
    assert!(
        began.elapsed() < Duration::from_secs(7),
        "{arguments:?} took {:?}",
        began.elapsed()
    );
}

#[test]
fn help_is_there_for_every_command() {
    for command in [
        "dap",
        "vms",
        "stack",
        "translate",
        "snapshot",
        "demo",
        "completions",
    ] {
        let output = adapter::run(&[command, "--help"]);
        assert!(output.status.success(), "{command}");
        assert!(output.stdout.len() > 50, "{command}");
    }
    for command in ["record", "loads"] {
        let output = adapter::run(&["trace", command, "--help"]);
        assert!(output.status.success(), "{command}");
    }
    for command in ["info", "stats", "why", "export", "view"] {
        let output = adapter::run(&["trace", command, "--help"]);
        let help = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{command}");
        assert!(help.contains("--hz"), "{command}");
    }
}

#[test]
fn wrong_use_has_status_two() {
    check(&[], 2, "");
    check(&["no-such-command"], 2, "no-such-command");
    check(&["vms"], 2, "TARGET");
    check(&["translate"], 2, "ADDRESS");
    let record = ["trace", "record", "gdb:127.0.0.1:1"];
    check(&record, 2, "--output");
    check(
        &[&record[..], &["-o", "f", "--for", "10"]].concat(),
        2,
        "10s",
    );
    check(
        &[&record[..], &["-o", "f", "--mask", "x"]].concat(),
        2,
        "run-states",
    );
    check(&["trace", "loads"], 2, "TARGET");
    check(&["dap", "--no-such-option"], 2, "--no-such-option");
}

#[test]
fn what_fails_has_status_one_and_says_why() {
    check(&["vms", "gdb:127.0.0.1:1"], 1, "127.0.0.1:1");
    let record = ["trace", "record", "gdb:127.0.0.1:1", "-o"];
    check(&[&record[..], &["/dev/null/f"]].concat(), 1, "/dev/null/f");
    check(&[&record[..], &["/dev/null"]].concat(), 1, "127.0.0.1:1");
    check(
        &["vms", "gdb:unix:/nowhere/gdb.sock"],
        1,
        "/nowhere/gdb.sock",
    );
    check(
        &["stack", "snapshot:/nowhere/halt.core"],
        1,
        "/nowhere/halt.core",
    );
    check(
        &["snapshot", "gdb:127.0.0.1:1", "-o", "/nowhere/x"],
        1,
        "127.0.0.1:1",
    );
    check(
        &["vms", "gdb:127.0.0.1:1", "--machine", "/nowhere/hvdap.toml"],
        1,
        "/nowhere/hvdap.toml",
    );
}

#[test]
fn a_file_that_is_no_snapshot_is_said_to_be_none() {
    let file = std::env::temp_dir().join(format!("hvdap-no-snapshot-{}", std::process::id()));
    for content in [&b""[..], b"\x7fELF", b"(\xb5/\xfd\0", &[0x7f; 4096]] {
        std::fs::write(&file, content).expect("the temporary folder can be written");
        let spec = format!("snapshot:{}", file.display());
        check(&["vms", &spec], 1, &file.display().to_string());
    }
    std::fs::remove_file(&file).ok();
}

#[test]
fn completions_for_the_usual_shells() {
    for shell in ["bash", "zsh", "fish"] {
        let output = adapter::run(&["completions", shell]);
        assert!(output.status.success());
        assert!(
            String::from_utf8_lossy(&output.stdout).contains("snapshot"),
            "{shell}"
        );
    }
}
