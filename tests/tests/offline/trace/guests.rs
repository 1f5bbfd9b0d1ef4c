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
    (records.file(), trace_dat(&switches))
}

/// A trace.dat of version 6 with `sched_switch` of one CPU: time, from, to.
fn trace_dat(switches: &[(u64, u64, u64)]) -> Vec<u8> {
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
    file.extend(1_u32.to_le_bytes());
    let mut format = "name: sched_switch\nID: 1\nformat:\n\
         \tfield:unsigned short common_type;\toffset:0;\tsize:2;\tsigned:0;\n\
         \tfield:int common_pid;\toffset:4;\tsize:4;\tsigned:1;\n\n"
        .to_owned();
    for (name, offset) in [("prev_pid", 8), ("prev_state", 16), ("next_pid", 24)] {
        format += &format!("\tfield:u64 {name};\toffset:{offset};\tsize:8;\tsigned:0;\n");
    }
    counted(&mut file, format.as_bytes());
    file.extend([0; 8]);
    counted(&mut file, b"45 worker\n");
    file.extend(1_u32.to_le_bytes());
    file.extend(b"flyrecord\0");
    let offset = file.len() as u64 + 16;
    file.extend(offset.to_le_bytes());
    let pages: Vec<u8> = switches
        .chunks((PAGE - 16) / RECORD)
        .flat_map(page)
        .collect();
    counted(&mut file, &pages);
    file
}

fn page(switches: &[(u64, u64, u64)]) -> Vec<u8> {
    let mut last = switches[0].0;
    let mut page = last.to_le_bytes().to_vec();
    page.extend(((switches.len() * RECORD) as u64).to_le_bytes());
    for (time, from, to) in switches {
        let header = ((time - last) as u32) << 5 | 8;
        last = *time;
        page.extend(header.to_le_bytes());
        page.extend([1, 0, 0, 0, 45, 0, 0, 0]);
        page.extend([*from, 1, *to].into_iter().flat_map(u64::to_le_bytes));
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
