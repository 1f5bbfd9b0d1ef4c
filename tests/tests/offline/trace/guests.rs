//! A guest's own trace beside the hypervisor's: one clock, found from what both saw.

use journeys::adapter;
use journeys::samples::Folder;
use journeys::xentrace::Records;
use journeys::xentrace::State::{Blocked, Runnable, Running};

use super::{report, trace};

/// Ticks and nanoseconds of the machine are the same; the guest's clock began here.
const BOOT: u64 = 77_000_000_000;
const PAGE: usize = 4096;
/// Bytes of a record: header, common fields, three of eight bytes.
const RECORD: usize = 36;

/// A guest with one CPU that wakes every now and then, runs task 45 and sleeps again: seen by the hypervisor, and by itself a few
/// microseconds later.
fn traces() -> (Vec<u8>, Vec<u8>) {
    let (mut records, mut switches) = (Records::default(), Vec::new());
    let (mut time, mut random) = (BOOT + 5_000_000_000, 0x1234_5678_9abc_def1_u64);
    let vcpu = (1, 0);
    for _ in 0..2000 {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        time += 300_000 + random % 2_000_000;
        records.wakes(0, time, vcpu);
        records.goes(0, time + 3000, vcpu, Runnable, Running);
        records.goes(0, time + 200_000, vcpu, Running, Blocked);
        let own = time - BOOT;
        switches.push((own + 8000 + random % 5000, 0, 45));
        switches.push((own + 190_000, 45, 0));
    }
    let switch = |(time, from, to)| (time, SWITCH, [from, 1, to]);
    let switches: Vec<_> = switches.into_iter().map(switch).collect();
    (records.file(), trace_dat(&switches))
}

/// Numbers of the events in a guest's trace.
const SWITCH: u16 = 1;
const REQUEST: u16 = 2;
const ANSWER: u16 = 3;

/// An event of a guest: time, number, fields.
type Event = (u64, u16, [u64; 3]);

/// A trace.dat of version 6 with switches and block requests of one CPU.
fn trace_dat(events: &[Event]) -> Vec<u8> {
    let mut file = b"\x17\x08\x44tracing6\0\0\x08".to_vec();
    let counted = |file: &mut Vec<u8>, text: &[u8]| {
        file.extend((text.len() as u64).to_le_bytes());
        file.extend(text);
    };
    file.extend((PAGE as u32).to_le_bytes());
    file.extend(b"header_page\0");
    counted(
        &mut file,
        b"\tfield: u64 timestamp;\toffset:0;\tsize:8;\tsigned:0;\n\
          \tfield: local_t commit;\toffset:8;\tsize:8;\tsigned:1;\n\
          \tfield: char data;\toffset:16;\tsize:4080;\tsigned:1;\n",
    );
    file.extend(b"header_event\0");
    counted(&mut file, b"");
    file.extend(0_u32.to_le_bytes());
    file.extend(1_u32.to_le_bytes());
    file.extend(b"sched\0");
    let formats: [(&str, u16, [&str; 3]); 3] = [
        (
            "sched_switch",
            SWITCH,
            ["prev_pid", "prev_state", "next_pid"],
        ),
        ("block_rq_issue", REQUEST, ["dev", "sector", "bytes"]),
        ("block_rq_complete", ANSWER, ["dev", "sector", "bytes"]),
    ];
    file.extend((formats.len() as u32).to_le_bytes());
    for (name, number, fields) in formats {
        let mut format = format!(
            "name: {name}\nID: {number}\nformat:\n\
             \tfield:unsigned short common_type;\toffset:0;\tsize:2;\tsigned:0;\n\
             \tfield:int common_pid;\toffset:4;\tsize:4;\tsigned:1;\n\n"
        );
        for (field, offset) in fields.iter().zip([8, 16, 24]) {
            format += &format!("\tfield:u64 {field};\toffset:{offset};\tsize:8;\tsigned:0;\n");
        }
        counted(&mut file, format.as_bytes());
    }
    file.extend([0; 8]);
    counted(&mut file, b"45 worker\n");
    file.extend(1_u32.to_le_bytes());
    file.extend(b"flyrecord\0");
    let offset = file.len() as u64 + 16;
    file.extend(offset.to_le_bytes());
    let pages: Vec<u8> = events.chunks((PAGE - 16) / RECORD).flat_map(page).collect();
    counted(&mut file, &pages);
    file
}

fn page(events: &[Event]) -> Vec<u8> {
    let mut last = events[0].0;
    let mut page = last.to_le_bytes().to_vec();
    page.extend(((events.len() * RECORD) as u64).to_le_bytes());
    for (time, number, fields) in events {
        let header = ((time - last) as u32) << 5 | 8;
        last = *time;
        page.extend(header.to_le_bytes());
        page.extend([number.to_le_bytes(), [0; 2], [45, 0], [0; 2]].concat());
        page.extend(fields.iter().copied().flat_map(u64::to_le_bytes));
    }
    page.resize(PAGE, 0);
    page
}

#[test]
fn tasks_are_shown_beside_vcpus_on_one_clock() {
    let folder = Folder::new("guests");
    let (machine, guest) = traces();
    let machine = folder.file("xen.xentrace", &machine);
    let guest = folder.file("trace.dat", &guest);
    let joined = format!("DomU={}", guest.display());
    let arguments = ["--hz", "1G", "--name", "1=DomU", "--guest", &joined];
    let info = report("info", &machine, &arguments);
    assert_eq!(info["vms"][0]["tasks"], 1);
    assert!(info["guests"][0]["pairs"].as_u64() > Some(1900), "{info}");
    assert!(
        info["guests"][0]["residualMaxTicks"].as_f64() < Some(5000.0),
        "{info}"
    );

    let out = folder.path("csv");
    trace(
        "export",
        &machine,
        &[
            &arguments[..],
            &["--to", "csv", "-o", out.to_str().expect("plain")],
        ]
        .concat(),
    );
    let csv = std::fs::read_to_string(out.join("spans.csv")).expect("exported");
    let ran = |name: &str| {
        let rows = csv.lines().map(|line| line.split(',').collect::<Vec<_>>());
        let of = rows.filter(|row| (row[1], row[2]) == (name, "running"));
        of.map(|row| row[3].parse().expect("ticks"))
            .collect::<Vec<u64>>()
    };
    let (task, vcpu) = (ran("DomU: worker[45]"), ran("DomU/0"));
    assert!(
        task.len() >= 1999 && vcpu.len() == 2000,
        "{} {}",
        task.len(),
        vcpu.len()
    );
    let apart = task
        .iter()
        .rev()
        .zip(vcpu.iter().rev())
        .map(|(task, vcpu)| task.abs_diff(*vcpu));
    assert!(
        apart.max() < Some(20_000),
        "the task runs when its vCPU does"
    );
}

/// A request of DomU in each of its runs, which Dom0 takes 100 µs to answer, after it has waited 20 µs for its core.
#[test]
fn a_request_s_time_is_split_between_guest_and_backend() {
    let (mut records, mut events) = (Records::default(), Vec::new());
    let (front, back) = ((1, 0), (0, 0));
    records.goes(1, BOOT, back, Running, Blocked);
    let (mut time, mut random) = (BOOT + 5_000_000_000, 7_u64);
    for sector in 0..500 {
        random = random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        time += 1_000_000 + (random >> 40);
        records.wakes(0, time, front);
        records.goes(0, time, front, Runnable, Running);
        records.wakes(1, time + 50_000, back);
        records.goes(1, time + 70_000, back, Runnable, Running);
        records.goes(1, time + 170_000, back, Running, Blocked);
        records.goes(0, time + 400_000, front, Running, Blocked);
        let own = time - BOOT;
        events.extend([
            (own, SWITCH, [0, 1, 45]),
            (own + 40_000, REQUEST, [1, sector, 8]),
            (own + 180_000, ANSWER, [1, sector, 8]),
            (own + 390_000, SWITCH, [45, 1, 0]),
        ]);
    }
    let folder = Folder::new("backend");
    let machine = folder.file("xen.xentrace", &records.file());
    let guest = folder.file("trace.dat", &trace_dat(&events));
    let joined = format!("DomU={}", guest.display());
    let arguments = ["--hz", "1G", "--name", "1=DomU", "--guest", &joined];
    let stats = report("stats", &machine, &arguments);
    let backend = &stats["backends"][0];
    assert_eq!(
        (&backend["vcpu"], &backend["requests"]),
        (&"DomU/0".into(), &500.into()),
        "{backend}"
    );
    assert_eq!(backend["estimated"], false);
    // The clocks are matched within some hundred nanoseconds.
    let near = |value: &serde_json::Value, each: u64| {
        let told = value.as_u64().unwrap_or_default();
        assert!(
            told.abs_diff(500 * each) < 500 * 2000,
            "{told} is not 500 times {each}: {backend}"
        );
    };
    near(&backend["totalNs"], 140_000);
    near(&backend["lowNs"], 120_000);
    near(&backend["split"]["backendWaitNs"], 20_000);
    near(&backend["split"]["backendRunNs"], 100_000);
    near(&backend["split"]["outNs"], 10_000);
    let alone = report("stats", &guest, &[]);
    assert_eq!(alone["backends"][0]["estimated"], true, "{alone}");
    let text = trace("stats", &machine, &arguments);
    assert!(text.contains("500 answered, 0 not"), "{text}");
}

#[test]
fn traces_of_different_times_are_not_joined() {
    let folder = Folder::new("guests-apart");
    let (machine, _) = traces();
    let (_, mut other) = traces();
    let machine = folder.file("xen.xentrace", &machine);
    // A twentieth of the switches is too little to tell the clocks by.
    other.truncate(other.len() - other.len() * 199 / 200);
    let guest = folder.file("trace.dat", &other);
    let joined = format!("1={}", guest.display());
    let output = adapter::run(&[
        "trace",
        "info",
        machine.to_str().expect("plain"),
        "--hz",
        "1G",
        "--guest",
        &joined,
    ]);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{errors}");
    assert!(errors.contains("trace.dat"), "{errors}");
}

#[test]
fn a_guests_trace_can_be_looked_at_alone() {
    let folder = Folder::new("guest-alone");
    let (_, guest) = traces();
    let guest = folder.file("trace.dat", &guest);
    let info = report("info", &guest, &[]);
    assert_eq!(
        (&info["kind"], &info["frequency"]),
        (&"trace.dat".into(), &1_000_000_000.into())
    );
    assert_eq!(info["vms"][0]["tasks"], 1);
    assert_eq!(info["records"]["task switches and wakes"], 4000);
}
