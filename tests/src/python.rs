//! Other people's readers of our exports: Python with packages from PyPI, in the environment that `tests/run tools` makes.

use std::process::Command;

use crate::skip::skip;
use crate::target::root;

/// Runs a script that imports `package`, with arguments, and gives what it prints. Skips the test where there is no such Python.
///
/// # Panics
/// When the script fails.
#[must_use]
pub fn run(package: &str, script: &str, arguments: &[&str]) -> Option<String> {
    let python = root().join("target/python/bin/python");
    let has = |package: &str| {
        let import = format!("import {package}");
        let done = Command::new(&python).args(["-c", &import]).output();
        done.is_ok_and(|done| done.status.success())
    };
    if !has(package) {
        skip(&format!(
            "no Python with {package}: `tests/run tools` makes one"
        ));
        return None;
    }
    let done = Command::new(&python)
        .args(["-c", script])
        .args(arguments)
        .output();
    let done = done.expect("Python starts");
    let errors = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "{errors}");
    Some(String::from_utf8(done.stdout).expect("Python prints text"))
}
