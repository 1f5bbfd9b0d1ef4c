//! The sample traces, which are kept beside the repository and are not part of it.

#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::unwrap_used,
    reason = "tests read samples"
)]
#![allow(dead_code, reason = "each test uses some")]

use std::io::{Read, Write};
use std::path::{Path, PathBuf};

/// Reads a sample by its path below `shared`, unpacked if its name ends in `.gz`. Where there is none, notes that the test is skipped.
pub(crate) fn sample(path: &str) -> Option<Vec<u8>> {
    let Ok(bytes) = std::fs::read(directory().join(path)) else {
        skip(&format!("no sample {path}"));
        return None;
    };
    if !path.ends_with(".gz") {
        return Some(bytes);
    }
    let mut unpacked = Vec::new();
    let mut unpacker = flate2::read::GzDecoder::new(bytes.as_slice());
    unpacker.read_to_end(&mut unpacked).unwrap();
    Some(unpacked)
}

/// Reads a sample that is text.
pub(crate) fn text(path: &str) -> Option<String> {
    sample(path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
}

fn directory() -> PathBuf {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../../shared");
    std::env::var_os("HVDAP_SHARED").map_or(beside, PathBuf::from)
}

/// Notes in the list that `tests/run` reads that the running test is skipped.
pub(crate) fn skip(why: &str) {
    let Some(list) = std::env::var_os("HVDAP_SKIPPED") else {
        return;
    };
    let thread = std::thread::current();
    let test = thread.name().unwrap_or("main");
    let list = std::fs::OpenOptions::new()
        .append(true)
        .create(true)
        .open(list);
    writeln!(list.unwrap(), "{test}: {why}").unwrap();
}
