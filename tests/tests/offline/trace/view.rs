//! The page of `hvdap trace view`: who may see it, what it says, and a file that is shown while it is read.

use std::fs;

use journeys::adapter;
use journeys::samples::Folder;
use journeys::viewer::Viewer;
use journeys::xentrace::State::{Blocked, Runnable, Running};
use journeys::xentrace::{self, Records, Vcpu};
use serde_json::{Value, json};

use super::{report, trace};

const START: u64 = 1_000_000_000;
const HZ: [&str; 2] = ["--hz", "1G"];
const DOM0: Vcpu = (0, 0);
const DOMU: Vcpu = (1, 0);

/// A tick a nanosecond. DomU's vCPU waits twice for Dom0's to leave the core: 2 ms, then 6.
fn waits_twice() -> Vec<u8> {
    let mut records = Records::default();
    let at = |ms: u64| START + ms * 1_000_000;
    records.goes(0, at(0), DOM0, Runnable, Running);
    for (woken, runs, sleeps) in [(1, 3, 4), (10, 16, 17)] {
        records.wakes(0, at(woken), DOMU);
        records.goes(0, at(runs), DOM0, Running, Runnable);
        records.goes(0, at(runs), DOMU, Runnable, Running);
        records.goes(0, at(sleeps), DOMU, Running, Blocked);
        records.goes(0, at(sleeps), DOM0, Runnable, Running);
    }
    records.goes(0, at(20), DOM0, Running, Blocked);
    records.file()
}

fn served(name: &str) -> (Folder, Viewer) {
    let folder = Folder::new(name);
    let file = folder.file("waits.xentrace", &waits_twice());
    let viewer = Viewer::start(&file, &["--hz", "1G", "--name", "1=Dom<b>U"]);
    while viewer.ask("hvdap/traceInfo", json!({})).expect("info")["growing"] == true {}
    (folder, viewer)
}

#[test]
fn the_page_takes_nothing_from_elsewhere() {
    let (_folder, viewer) = served("view-page");
    for (name, kind) in [
        ("", "text/html"),
        ("schedule.js", "text/javascript"),
        ("schedule.css", "text/css"),
    ] {
        let said = viewer.get(name);
        assert_eq!(said.status, 200, "{name}");
        for wanted in [
            &format!("content-type: {kind}"),
            "content-security-policy: default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self';",
            "frame-ancestors 'none'",
            "referrer-policy: no-referrer",
            "x-content-type-options: nosniff",
            "cache-control: no-store",
        ] {
            assert!(said.head.contains(wanted), "{name}: {}", said.head);
        }
        let text = String::from_utf8(said.body).expect("text");
        assert!(text.len() > 100, "{name} is empty");
        for outside in ["https://", "//cdn", "@import", "<script>"] {
            assert!(!text.contains(outside), "{name} has {outside}");
        }
    }
    let long = viewer.path.len() - 2;
    assert!(long * 4 >= 128, "{} is too short a secret", viewer.path);
}

#[test]
fn others_are_refused() {
    let (_folder, viewer) = served("view-others");
    let host = format!("Host: {}", viewer.host);
    let page = format!("GET {} HTTP/1.1", viewer.path);
    let ask = format!("POST {}request HTTP/1.1", viewer.path);
    let question = br#"{"command":"hvdap/traceInfo"}"#;
    let check = |head: &[&str], body: &[u8], status| {
        let said = viewer.raw(head, body);
        assert_eq!(said.status, status, "{head:?}");
        assert!(
            !String::from_utf8_lossy(&said.body).contains("waits"),
            "{head:?}"
        );
    };
    check(&["GET / HTTP/1.1", &host], b"", 404);
    check(
        &["GET /00000000000000000000000000000000/ HTTP/1.1", &host],
        b"",
        404,
    );
    check(&[&page, "Host: rebound.example"], b"", 403);
    check(&[&page, &host, "Origin: http://rebound.example"], b"", 403);
    check(&[&ask, &host, "Origin: null"], question, 403);
    check(&[&page.replace("/ HTTP", "/../ HTTP"), &host], b"", 404);
    check(&[&ask.replace("request", "nothing"), &host], question, 405);
    check(&[&ask, &host], &vec![b' '; 300 << 10], 413);
    let long = format!("X-Long: {}", "x".repeat(1 << 20));
    let said = viewer.raw(&[&page, &host, &long], b"");
    assert_eq!(said.status, 431, "{said:?}");
    // And still it answers.
    assert_eq!(viewer.get("").status, 200);
}

#[test]
fn it_answers_as_editors_are_answered() {
    let (folder, viewer) = served("view-answers");
    let schedule = viewer.body("hvdap/schedule", "schedule", json!({ "width": 100 }));
    let lanes = schedule["lanes"].as_array().expect("lanes");
    let domu = lanes.iter().find(|lane| lane["name"] == "Dom<b>U/0");
    let domu = domu.expect("DomU's lane, its name as it is")["lane"].clone();

    let wait = |from: u64, ticks: u64, direction: &str| {
        let wanted = json!({ "lane": domu, "from": from, "what": "wait-longer-than", "ticks": ticks, "direction": direction });
        viewer.body("hvdap/scheduleFind", "schedule-find", wanted)["time"].as_u64()
    };
    let (first, second) = (START + 1_000_000, START + 10_000_000);
    assert_eq!(wait(0, 1, "forward"), Some(first));
    assert_eq!(wait(first, 1, "forward"), Some(second));
    assert_eq!(wait(0, 5_000_000, "forward"), Some(second));
    assert_eq!(wait(second, 1, "backward"), Some(first));
    assert_eq!(wait(second, 1, "forward"), None);

    let packed = viewer.body(
        "hvdap/schedule",
        "schedule",
        json!({ "width": 3, "packed": true }),
    );
    for lane in packed["lanes"].as_array().expect("lanes") {
        assert!(
            lane["packedCells"].is_string() || lane["packedSpans"].is_string(),
            "{lane}"
        );
        assert!(lane["cells"].is_null() && lane["spans"].is_null(), "{lane}");
    }

    let file = folder.path("waits.xentrace");
    let named = ["--hz", "1G", "--name", "1=Dom<b>U"];
    let stats = viewer.body("hvdap/scheduleStats", "trace-stats", json!({}));
    assert_eq!(stats, report("stats", &file, &named));
    let why = viewer.body("hvdap/why", "why", json!({ "lane": domu, "time": second }));
    let told = report(
        "why",
        &file,
        &[&named[..], &["--vcpu", "1/0", "--at", "10ms"]].concat(),
    );
    assert_eq!(why["sentence"], told["sentence"]);

    let about = viewer.body("hvdap/traceInfo", "trace-about", Value::Null);
    assert_eq!(
        (&about["growing"], &about["lanes"]),
        (&json!(false), &json!(lanes.len()))
    );
}

#[test]
fn wrong_questions_have_sentences_for_answers() {
    let (_folder, viewer) = served("view-wrong");
    let check = |command: &str, arguments: Value, said: &str| {
        let error = viewer.ask(command, arguments).expect_err(command);
        assert!(error.contains(said), "{command}: {error}");
    };
    check(
        "hvdap/traceControl",
        json!({ "action": "start" }),
        "unknown command",
    );
    check(
        "hvdap/schedule",
        json!({ "from": 5, "to": 1 }),
        "after its end",
    );
    check("hvdap/schedule", json!({ "width": -1 }), "-1");
    check("hvdap/schedule", json!({ "wide": 1 }), "wide");
    check("hvdap/why", json!({ "time": 5 }), "lane");
    check("hvdap/why", json!({ "lane": 9999, "time": 5 }), "");
    // More cells than any screen has are not made, whatever is asked.
    let wide = viewer.ask("hvdap/schedule", json!({ "width": u64::MAX }));
    assert!(wide.is_ok(), "{wide:?}");
}

#[test]
fn an_export_is_the_one_of_the_command() {
    let (folder, viewer) = served("view-export");
    let said = viewer.get("export?format=perfetto");
    assert!(
        said.head.contains("filename=\"schedule.pftrace\""),
        "{}",
        said.head
    );
    let output = folder.path("out.pftrace");
    let out = output.to_str().expect("a plain path");
    let arguments = [
        &HZ[..],
        &["--name", "1=Dom<b>U", "--to", "perfetto", "-o", out],
    ]
    .concat();
    let _ = trace("export", &folder.path("waits.xentrace"), &arguments);
    assert!(
        said.body == fs::read(&output).expect("written"),
        "not the same"
    );
    assert_eq!(viewer.get("export?format=ctf").status, 400);
    assert_eq!(viewer.get("export?format=spans&from=x").status, 400);
}

/// More than one look's worth of records, with the index beside the file, and the same from the index afterwards.
#[test]
fn a_file_fills_in_as_it_is_read() {
    let folder = Folder::new("view-grows");
    let file = folder.path("busy.xentrace");
    xentrace::busy(&file, 1_500_000).expect("room");
    let mut viewer = Viewer::start(&file, &HZ);
    let until = report("info", &file, &HZ)["untilTicks"]
        .as_u64()
        .expect("its end");
    let told = viewer.events_until(until);
    assert!(told.is_sorted(), "{told:?}");
    while viewer.ask("hvdap/traceInfo", json!({})).expect("info")["growing"] == true {}
    let whole = viewer.body("hvdap/schedule", "schedule", json!({ "width": 50 }));
    assert_eq!(whole["until"], until);
    assert!(viewer.end().success());

    let again = Viewer::start(&file, &HZ);
    while again.ask("hvdap/traceInfo", json!({})).expect("info")["growing"] == true {}
    let from_index = again.ask("hvdap/schedule", json!({ "width": 50 }));
    assert!(from_index == Ok(whole), "the index tells something else");
}

/// Small files are kept in a folder for the time, which goes with the program.
#[test]
fn nothing_is_left_behind() {
    let (_folder, mut viewer) = served("view-left");
    let of_program = format!("hvdap-index-{}-", viewer.pid());
    let left = || {
        let files = fs::read_dir(std::env::temp_dir())
            .expect("a folder")
            .flatten();
        files
            .filter(|file| file.file_name().to_string_lossy().starts_with(&of_program))
            .count()
    };
    assert_eq!(left(), 1);
    assert!(viewer.end().success());
    assert_eq!(left(), 0);
}

#[test]
fn what_cannot_be_shown_is_said_at_once() {
    let folder = Folder::new("view-bad");
    let check = |bytes: &[u8], arguments: &[&str], said: &str| {
        let file = folder.file("bad.xentrace", bytes);
        let file = file.to_str().expect("a plain path");
        let output = adapter::run(&[&["trace", "view", "--no-open", file], arguments].concat());
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(
            !output.status.success() && errors.contains(said),
            "{errors}"
        );
        assert!(output.stdout.is_empty());
    };
    check(b"", &HZ, "is empty");
    check(&[0x5a; 4096], &HZ, "no trace that is known");
    check(&waits_twice(), &[], "add --hz");
    check(
        &waits_twice(),
        &["--hz", "1G", "--target", "gdb:localhost:1"],
        "cannot be used with",
    );
}
