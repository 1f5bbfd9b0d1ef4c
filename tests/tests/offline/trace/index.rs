//! Large files and their index.

use std::fs;
use std::path::Path;

use journeys::adapter;
use journeys::samples::Folder;
use journeys::xentrace;

use super::{report, trace};

/// A file of more than 16 MiB, so that it has an index.
const RECORDS: usize = 1_100_000;

/// What says of which file the index is.
fn manifest(folder: &Folder) -> Vec<u8> {
    fs::read(folder.path("busy.xentrace.hvdap-index/index.json")).expect("an index")
}

#[test]
fn a_large_file_is_indexed_once_and_again_when_it_changes() {
    let folder = Folder::new("index");
    let file = folder.path("busy.xentrace");
    xentrace::busy(&file, RECORDS).expect("written");
    let first = report("info", &file, &["--hz", "62.5M"]);
    let columns = folder.path("busy.xentrace.hvdap-index/columns");
    let header = fs::metadata(columns.join("header")).expect("a column");
    let index = manifest(&folder);
    assert_eq!(report("info", &file, &["--hz", "62.5M"]), first);
    let same = fs::metadata(columns.join("header")).expect("a column");
    assert_eq!(
        header.modified().expect("a time"),
        same.modified().expect("a time"),
        "it was built again"
    );
    assert_eq!(manifest(&folder), index);

    // Another file of the same name; and an index in which a column is missing half.
    xentrace::busy(&file, RECORDS + 50_000).expect("written");
    let second = report("info", &file, &["--hz", "62.5M"]);
    assert_ne!(second["records"], first["records"]);
    let spans = fs::OpenOptions::new()
        .write(true)
        .open(columns.join("spans-1"))
        .expect("a column");
    spans.set_len(1000).expect("cut");
    drop(spans);
    assert_eq!(report("info", &file, &["--hz", "62.5M"]), second);
    let mended = fs::metadata(columns.join("spans-1")).expect("a column");
    assert!(mended.len() > 1000);

    // And one that is none.
    fs::write(folder.path("busy.xentrace.hvdap-index/index.json"), b"{").expect("written");
    assert_eq!(report("info", &file, &["--hz", "62.5M"]), second);
}

#[test]
fn the_index_goes_where_it_is_asked_for() {
    let folder = Folder::new("index-at");
    let file = folder.path("busy.xentrace");
    xentrace::busy(&file, 10_000).expect("written");
    let index = folder.path("kept");
    let index = index.to_str().expect("plain");
    let kept = trace("info", &file, &["--index", index]);
    assert_eq!(trace("info", &file, &["--index", index]), kept);
    assert!(Path::new(index).join("index.json").exists());
    assert!(!folder.path("busy.xentrace.hvdap-index").exists());

    // Never in a folder with other things in it.
    let other = folder.file("notes.txt", b"mine");
    let other = other.parent().and_then(Path::to_str).expect("plain");
    let refused = adapter::run(&[
        "trace",
        "info",
        file.to_str().expect("plain"),
        "--index",
        other,
    ]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&refused.stderr).contains(other));
    assert!(folder.path("notes.txt").exists());
}

/// Two programs at once: one builds, the other waits or makes do.
#[test]
fn two_may_open_a_file_at_once() {
    let folder = Folder::new("index-two");
    let file = folder.path("busy.xentrace");
    xentrace::busy(&file, RECORDS).expect("written");
    let answers: Vec<_> = std::thread::scope(|scope| {
        let open = || report("info", &file, &["--hz", "62.5M"]);
        let both = [scope.spawn(open), scope.spawn(open)];
        both.map(|one| one.join().expect("it answers")).into()
    });
    assert_eq!(answers[0], answers[1]);
}
