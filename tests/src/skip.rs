//! Tests that cannot run here: said aloud, counted by `tests/run`, and failures where nothing may be skipped.

use std::io::Write;

/// Notes that the running test is skipped, and why.
///
/// # Panics
/// With `CI=true` in the environment: there, everything must run.
pub fn skip(why: &str) {
    assert!(
        std::env::var_os("CI").is_none_or(|ci| ci != "true"),
        "{} would be skipped: {why}",
        running_test()
    );
    leave_out(why);
}

/// Notes that the running test is left out, and why: it needs something that no package has and only its user can name.
pub fn leave_out(why: &str) {
    let test = running_test();
    eprintln!("skipped: {test}: {why}");
    if let Some(list) = std::env::var_os("HVDAP_SKIPPED") {
        let file = std::fs::OpenOptions::new()
            .append(true)
            .create(true)
            .open(list);
        if let Ok(mut file) = file {
            writeln!(file, "{test}: {why}").ok();
        }
    }
}

fn running_test() -> String {
    let thread = std::thread::current();
    thread.name().unwrap_or("main").to_owned()
}
