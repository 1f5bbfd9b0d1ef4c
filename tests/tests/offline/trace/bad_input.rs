//! Files that are no traces, or not whole: a clear sentence or stated gaps, never a panic.

use std::path::Path;
use std::process::Command;

use journeys::adapter;
use journeys::samples::{Folder, sample};
use journeys::xentrace::Records;
use journeys::xentrace::State::{Blocked, Runnable, Running};

use super::{report, trace};

/// `info` and `stats` of a file must fail with status 1 and say this.
#[track_caller]
fn refused(file: &Path, said: &str) {
    let file = file.to_str().expect("a plain path");
    for command in ["info", "stats"] {
        let output = adapter::run(&["trace", command, file, "--hz", "1G"]);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{errors}");
        assert!(
            errors.contains(said) && errors.contains(file),
            "{errors:?} does not say {said:?}"
        );
        assert!(!errors.contains("panicked") && output.stdout.is_empty());
    }
}

#[test]
fn what_is_no_trace_is_refused() {
    let folder = Folder::new("no-trace");
    refused(&folder.path("missing"), "cannot be read");
    refused(&folder.file("empty", b""), "is empty");
    refused(
        &folder.file("text", b"once upon a time"),
        "no trace that is known",
    );
    refused(
        &folder.file("elf", b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0"),
        "no trace that is known",
    );
    let big_endian = [0x20, 0x01, 0xf0, 0x03, 0, 0, 0, 0, 0, 0, 0, 16];
    refused(&folder.file("big-endian", &big_endian), "big-endian");
    refused(
        &folder.file("none", &[0x03, 0xf0, 0x01, 0x20, 0, 0, 0, 0, 0, 0, 0, 0]),
        "no records",
    );
    refused(
        &folder.file("short.dat", b"\x17\x08\x44tracing6\0"),
        "short.dat",
    );
    let inner = folder.path("inner");
    std::fs::create_dir(&inner).expect("made");
    refused(&inner, "is a folder");
}

#[test]
fn wrong_use_is_told() {
    let folder = Folder::new("wrong-use");
    let mut records = Records::default();
    records.goes(0, 1000, (1, 0), Runnable, Running);
    records.goes(0, 2000, (1, 0), Running, Blocked);
    let file = folder.file("a.xentrace", &records.file());
    let file = file.to_str().expect("plain");
    let out = folder.path("out");
    let out = out.to_str().expect("plain");
    let check = |arguments: &[&str], status, said: &str| {
        let output = adapter::run(&[&["trace"], arguments].concat());
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
    };
    check(&["stats", file], 1, "--hz");
    check(&["stats", file, "--hz", "fast"], 2, "62.5M");
    check(&["stats", file, "--hz", "1G", "--from", "soon"], 2, "20ms");
    check(
        &["stats", file, "--hz", "1G", "--from", "5s"],
        1,
        "nothing lies between",
    );
    check(
        &["why", file, "--hz", "1G", "--vcpu", "DomU9/0", "--at", "0s"],
        1,
        "DomU1/0",
    );
    check(
        &["why", file, "--hz", "1G", "--vcpu", "DomU1/0", "--at", "9s"],
        1,
        "not within the trace",
    );
    check(
        &["export", file, "--hz", "1G", "--to", "excel", "-o", out],
        2,
        "perfetto",
    );
    check(
        &["export", file, "--hz", "1G", "--to", "1s", "-o", out],
        2,
        "one format",
    );
    check(
        &[
            "export",
            file,
            "--hz",
            "1G",
            "--to",
            "csv",
            "-o",
            "/nowhere/out",
        ],
        1,
        "/nowhere/out",
    );
    check(
        &[
            "export",
            file,
            "--hz",
            "1G",
            "--to",
            "chrome",
            "-o",
            "/nowhere/out",
        ],
        1,
        "/nowhere/out",
    );
    check(&["info", file, "--name", "DomU"], 2, "1=DomU");
    check(
        &["info", file, "--hz", "1G", "--guest", "DomU=x.dat"],
        1,
        "--name NUMBER=DomU",
    );
    check(&["view", file], 1, "--hz");
}

/// Files may have 1 KiB: each export says which file it could not write and why, and leaves no part of it.
#[test]
fn a_full_disk_ends_an_export() {
    let folder = Folder::new("full-disk");
    let mut records = Records::default();
    for at in (1000..2_000_000).step_by(2000) {
        records.goes(0, at, (1, 0), Runnable, Running);
        records.goes(0, at + 1000, (1, 0), Running, Blocked);
    }
    let file = folder.file("a.xentrace", &records.file());
    for (format, written) in [
        ("perfetto", ""),
        ("chrome", ""),
        ("csv", "spans.csv"),
        ("ctf", "metadata"),
        ("parquet", "spans.parquet"),
    ] {
        let out = folder.path(format);
        let out = out.to_str().expect("plain");
        let output = Command::new("bash")
            .args(["-c", "trap '' XFSZ; ulimit -f 1; exec \"$@\"", "bash"])
            .arg(adapter::program())
            .args(["trace", "export", file.to_str().expect("plain")])
            .args(["--hz", "1G", "--to", format, "-o", out])
            .output()
            .expect("a shell starts");
        let errors = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{format}: {errors}");
        let told = errors.contains("File too large") && errors.contains(out);
        assert!(told && errors.contains(written), "{format}: {errors}");
        assert!(!errors.contains("panicked"), "{errors}");
        let left = std::fs::read_dir(folder.path("")).expect("a folder");
        let left = left.filter_map(|entry| Some(entry.ok()?.path()));
        let inner = |path: &std::path::PathBuf| std::fs::read_dir(path).ok();
        let part = left
            .flat_map(|path| match inner(&path) {
                Some(files) => files.filter_map(|file| Some(file.ok()?.path())).collect(),
                None => vec![path],
            })
            .find(|path| path.extension().is_some_and(|end| end == "part"));
        assert_eq!(part, None, "{format}");
    }
}

/// Cut anywhere, and with bits turned over: answered, with what is missing stated.
#[test]
fn damaged_files_end_in_stated_gaps() {
    let Some(whole) = sample("traces/xentrace/synth-4cpu.xentrace") else {
        return;
    };
    let folder = Folder::new("damaged");
    let whole = std::fs::read(whole).expect("a sample");
    for cut in [13, 100, 4099, 200_001, whole.len() - 7] {
        let file = folder.file("cut.xentrace", &whole[..cut]);
        let output = adapter::run(&["trace", "info", file.to_str().expect("plain"), "--json"]);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(!errors.contains("panicked"), "{cut}: {errors}");
        if cut > 1000 {
            let answer = report("info", &file, &[]);
            assert!(
                answer["unreadable"]
                    .as_object()
                    .is_some_and(|gaps| !gaps.is_empty()),
                "{cut}: {answer}"
            );
        }
    }
    let mut random = 0x1234_5678_9abc_def1_u64;
    for _ in 0..8 {
        let mut bytes = whole.clone();
        for _ in 0..40 {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            let at = random as usize % bytes.len();
            bytes[at.max(12)] ^= 1 << (random >> 61);
        }
        let file = folder.file("flipped.xentrace", &bytes);
        let answer = report("info", &file, &[]);
        let stated = |name: &str| answer[name].as_object().map_or(0, serde_json::Map::len);
        assert!(
            stated("unreadable") > 0 || answer["contradictions"].as_u64() > Some(0),
            "{answer}"
        );
        trace("stats", &file, &["--hz", "62.5M"]);
    }
}

/// A million domains: as many lanes as there may be, and the rest told.
#[test]
fn a_million_domains() {
    let mut records = Records::default();
    for number in 0..1_000_000_u64 {
        // Domain numbers have 15 bits; vCPU numbers make the rest.
        let vcpu = ((number % 0x7fff) as u16, (number / 0x7fff) as u16);
        records.goes(0, 1000 + number * 10, vcpu, Runnable, Running);
        records.goes(0, 1005 + number * 10, vcpu, Running, Blocked);
    }
    let folder = Folder::new("million");
    let file = folder.file("million.xentrace", &records.file());
    let answer = report("info", &file, &[]);
    assert!(
        answer["withoutLane"].as_u64() > Some(1_900_000),
        "{}",
        answer["withoutLane"]
    );
    let vms = answer["vms"].as_array().expect("VMs");
    assert!(vms.len() > 10_000, "{}", vms.len());
    let text = trace("info", &file, &[]);
    assert!(text.contains("kept apart"));
}
