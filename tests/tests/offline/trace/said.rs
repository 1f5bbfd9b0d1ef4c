//! What the commands say of a schedule made by hand.

use journeys::samples::Folder;
use journeys::xentrace::State::{Blocked, Runnable, Running};
use journeys::xentrace::{Records, Vcpu};

use super::{report, trace};

const DOM0: Vcpu = (0, 0);
const DOMU: Vcpu = (1, 0);

/// A tick a nanosecond; the trace begins at 1 s of the counter.
const START: u64 = 1_000_000_000;

/// DomU's vCPU is pinned to pCPU 1, which Dom0's keeps for 7 ms; 2 ms into that, something on pCPU 0 wakes DomU's.
fn pinned_behind_a_busy_one() -> Vec<u8> {
    let mut records = Records::default();
    let other = (0, 1);
    let at = |ms: u64| START + ms * 1_000_000;
    records.goes(0, at(0), other, Runnable, Running);
    records.goes(1, at(0), DOMU, Runnable, Running);
    records.goes(1, at(1), DOMU, Running, Blocked);
    records.goes(1, at(1), DOM0, Runnable, Running);
    records.wakes(0, at(3), DOMU);
    records.goes(1, at(8), DOM0, Running, Runnable);
    records.goes(1, at(8), DOMU, Runnable, Running);
    records.goes(1, at(9), DOMU, Running, Blocked);
    records.goes(1, at(9), DOM0, Runnable, Running);
    records.goes(0, at(10), other, Running, Blocked);
    records.file()
}

#[test]
fn why_names_who_had_the_core_and_who_woke() {
    let folder = Folder::new("why");
    let file = folder.file("pinned.xentrace", &pinned_behind_a_busy_one());
    let arguments = [
        "--hz", "1G", "--name", "1=DomU", "--vcpu", "DomU/0", "--at", "5ms",
    ];
    let text = trace("why", &file, &arguments);
    for said in [
        "At 0.005000 s DomU/0 waited for a core since 0.003000 s, for 5.000 ms",
        "woken by Dom0/1 on pCPU 0",
        "because Dom0/0 had pCPU 1 since 0.001000 s already",
        "it ran on pCPU 1 from 0.008000 s on",
        "meanwhile on pCPU 1: Dom0/0 5.0 ms",
    ] {
        assert!(text.contains(said), "{text:?} does not say {said:?}");
    }
    let answer = report("why", &file, &arguments);
    assert_eq!(answer["pcpu"], 1);
    assert_eq!(answer["core"][0]["durationNs"], 5_000_000);
    let states: Vec<&str> = answer["spans"]
        .as_array()
        .expect("spans")
        .iter()
        .filter_map(|span| span["state"].as_str())
        .collect();
    assert_eq!(states, ["blocked", "runnable", "running"]);
    // By ticks, by number, and a moment at which it ran.
    let by_ticks = ["--hz", "1G", "--vcpu", "1/0", "--at", "@1008500000"];
    assert!(trace("why", &file, &by_ticks).contains("was running on pCPU 1"));
}

#[test]
fn stats_count_what_happened() {
    let folder = Folder::new("stats");
    let file = folder.file("pinned.xentrace", &pinned_behind_a_busy_one());
    let answer = report("stats", &file, &["--hz", "1G"]);
    let row = |name: &str| {
        let rows = answer["vcpus"].as_array().expect("rows");
        rows.iter()
            .find(|row| row["name"] == name)
            .expect("a row")
            .clone()
    };
    let domu = row("DomU1/0");
    assert_eq!(domu["states"]["runnable"], 5_000_000);
    assert_eq!(domu["states"]["blocked"], 3_000_000);
    assert_eq!(domu["states"]["running"], 2_000_000);
    let worst = &domu["wakeToRun"]["worst"][0];
    assert_eq!(
        (&worst["durationNs"], &worst["atNs"]),
        (&5_000_000.into(), &8_000_000.into())
    );
    assert_eq!(answer["preemptions"][0]["victim"], "Dom0/0");
    assert_eq!(answer["preemptions"][0]["by"], "DomU1/0");
    // Half of the wait, and without those that lie outside.
    let part = report(
        "stats",
        &file,
        &["--hz", "1G", "--from", "4ms", "--to", "6ms"],
    );
    assert_eq!(part["vcpus"][2]["name"], "DomU1/0");
    assert_eq!(part["vcpus"][2]["states"]["runnable"], 2_000_000);
    assert_eq!(part["countedNs"], 2_000_000);
    let text = trace("stats", &file, &["--hz", "1G"]);
    assert!(text.contains("DomU1/0  "), "{text}");
}

#[test]
fn info_tells_who_is_there_and_what_was_lost() {
    let folder = Folder::new("info");
    let mut records = Records::default();
    records.goes(0, START, DOM0, Runnable, Running);
    records.lost(0, START + 5000, 77, START + 3000);
    records.goes(0, START + 6000, DOM0, Running, Blocked);
    let file = folder.file("lost.xentrace", &records.file());
    let answer = report("info", &file, &["--hz", "1G", "--name", "0=Boss"]);
    assert_eq!(answer["vms"][0]["name"], "Boss");
    assert_eq!(answer["lost"], 77);
    assert_eq!(answer["gaps"][0]["records"], 77);
    assert_eq!(answer["gaps"][0]["fromTicks"], START + 3000);
    assert_eq!(answer["durationNs"], 6000);
    // Without a frequency there are ticks.
    assert_eq!(
        report("info", &file, &[])["frequency"],
        serde_json::Value::Null
    );
    assert!(trace("info", &file, &[]).contains("name it with --hz"));
}

#[test]
fn vms_have_the_names_of_the_machine_file() {
    let folder = Folder::new("names");
    let file = folder.file("pinned.xentrace", &pinned_behind_a_busy_one());
    let machine = folder.file(
        "hvdap.toml",
        b"[[vm]]\nname = \"Web\"\nmatch = { guest = 1 }\n",
    );
    let machine = machine.to_str().expect("a plain path");
    let answer = report("info", &file, &["--machine", machine]);
    assert_eq!(answer["vms"][1]["name"], "Web");
}

/// What `hvdap trace record` notes in a file (`trace::format::xen::notes`) need not be said on the command line.
#[test]
fn a_recordings_own_notes_are_used() {
    let folder = Folder::new("notes");
    let mut records = Records::default();
    let name = [1, u32::from_le_bytes(*b"Web\0"), 0, 0, 0, 0, 0];
    records.add(0, 0x1f0e2, START, &[62_500_000, 0, 0, 0]);
    records.add(0, 0x1f0e3, START, &name);
    records.goes(0, START, DOMU, Runnable, Running);
    records.goes(0, START + 62_500, DOMU, Running, Blocked);
    records.add(0, 0x1f0e4, START + 62_500, &[]);
    records.add(0, 0x1f0e5, START + 125_000, &[]);
    records.goes(0, START + 187_500, DOMU, Blocked, Runnable);
    let file = folder.file("noted.xentrace", &records.file());
    let info = report("info", &file, &[]);
    assert_eq!(
        (&info["frequency"], &info["durationNs"]),
        (&62_500_000.into(), &3_000_000.into())
    );
    assert_eq!(info["vms"][0]["name"], "Web");
    let stats = report("stats", &file, &[]);
    assert_eq!(
        (&stats["haltedNs"], &stats["countedNs"]),
        (&1_000_000.into(), &3_000_000.into())
    );
    let cut = report("stats", &file, &["--cut-halts"]);
    assert_eq!(cut["countedNs"], 2_000_000);
    assert_eq!(cut["vcpus"][0]["states"]["blocked"], 1_000_000);
}
