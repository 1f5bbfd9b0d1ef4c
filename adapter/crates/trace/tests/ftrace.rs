//! trace.dat files: the samples against what trace-cmd says of them, in version 6 and 7, and files that are not whole.

#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::unwrap_used,
    reason = "a test that runs trace-cmd"
)]

mod shared;

use std::path::Path;
use std::process::Command;

use proptest::prelude::*;
use trace::event::Reason;
use trace::format::ftrace::{File, FtraceError, GuestEvent, GuestWhat};
use trace::format::{Kind, detect};

/// All events in order of time, then of CPU.
fn events(file: &File<'_>) -> Vec<GuestEvent> {
    let mut all: Vec<GuestEvent> = file.cpus().flat_map(|cpu| file.events(cpu)).collect();
    all.sort_by_key(|event| event.nanoseconds);
    all
}

/// A line of trace-cmd's report: the CPU, microseconds, the task, and what is said of a switch.
#[derive(Debug, PartialEq, Eq)]
struct Line {
    cpu: u32,
    microseconds: u64,
    task: u32,
    switch: Option<(u32, u32, bool)>,
}

/// `COMM-PID [CPU] SECONDS.MICROSECONDS: EVENT: …`; `None` for a line that goes on from the one before.
fn line(text: &str) -> Option<Line> {
    let (task, rest) = text.split_once(" [")?;
    let (cpu, rest) = rest.split_once("] ")?;
    let (time, rest) = rest.trim_start().split_once(": ")?;
    let (seconds, micro) = time.split_once('.')?;
    let number = |text: &str| text.parse::<u64>().ok();
    let pid = |text: &str| text.trim_end().rsplit([':', '-']).next()?.parse().ok();
    let switch = rest.strip_prefix("sched_switch:").map(|rest| {
        let (from, to) = rest.split_once(" ==> ").unwrap();
        let (from, state) = from.rsplit_once(" [").unwrap();
        let (to, _) = to.rsplit_once(" [").unwrap();
        (pid(from).unwrap(), pid(to).unwrap(), state.contains("] R"))
    });
    Some(Line {
        cpu: cpu.parse().ok()?,
        microseconds: number(seconds)? * 1_000_000 + number(micro)?,
        task: pid(task)?,
        switch,
    })
}

fn said(event: &GuestEvent) -> Line {
    let switch = match event.what {
        GuestWhat::Switch {
            from,
            to,
            preempted,
        } => Some((from, to, preempted)),
        _ => None,
    };
    Line {
        cpu: event.cpu,
        microseconds: (event.nanoseconds + 500) / 1000,
        task: event.task,
        switch,
    }
}

fn check(name: &str, clock: Option<&str>) {
    let Some(bytes) = shared::sample(&format!("traces/ftrace/{name}.dat.gz")) else {
        return;
    };
    let report = format!("traces/ftrace/{name}.trace-cmd-report.txt");
    let report = shared::text(&report).unwrap();
    assert_eq!(detect(&bytes), Some(Kind::TraceDat));
    let file = File::read(&bytes).unwrap();
    let lines: Vec<Line> = report.lines().filter_map(line).collect();
    let events = events(&file);
    assert_eq!(events.len(), lines.len());
    for (event, line) in events.iter().zip(&lines) {
        assert_eq!(said(event), *line, "{event:?}");
    }
    assert_eq!(file.clock(), clock);
    for packing in ["none", "zstd"] {
        let Some(converted) = convert(name, &bytes, packing) else {
            continue;
        };
        let converted_file = File::read(&converted).unwrap();
        assert!(self::events(&converted_file) == events, "{packing}");
        assert_eq!(converted_file.tasks(), file.tasks());
    }
}

/// The same file in version 7, by trace-cmd.
fn convert(name: &str, bytes: &[u8], packing: &str) -> Option<Vec<u8>> {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let from = directory.join(format!("{name}-{packing}.6.dat"));
    let to = directory.join(format!("{name}-{packing}.7.dat"));
    std::fs::write(&from, bytes).unwrap();
    let output = Command::new("trace-cmd")
        .args([
            "convert",
            "--file-version",
            "7",
            "--compression",
            packing,
            "-i",
        ])
        .arg(&from)
        .arg("-o")
        .arg(&to)
        .output();
    let Ok(output) = output else {
        shared::skip("no trace-cmd");
        return None;
    };
    assert!(output.status.success());
    let converted = std::fs::read(&to).unwrap();
    assert!(converted.starts_with(b"\x17\x08\x44tracing7\0"));
    Some(converted)
}

#[test]
fn switches_of_a_busy_system() {
    check("raw_trace", Some("local"));
}

#[test]
fn an_idle_system() {
    check("trace_idle", None);
}

#[test]
fn tasks_have_names() {
    let Some(bytes) = shared::sample("traces/ftrace/raw_trace.dat.gz") else {
        return;
    };
    let file = File::read(&bytes).unwrap();
    assert_eq!(file.tasks()[&4734], "ls");
    assert_eq!(file.cpus().collect::<Vec<u32>>(), [0, 1, 2, 3, 4, 5]);
}

/// One CPU's pages of 256 bytes, in a file of version 6 whose kernel has these events.
fn file(formats: &[(&str, u16, &[&str])], pages: &[Vec<u8>]) -> Vec<u8> {
    let mut file = b"\x17\x08\x44tracing6\0\0\x08".to_vec();
    file.extend(256_u32.to_le_bytes());
    let counted = |file: &mut Vec<u8>, text: &[u8]| {
        file.extend((text.len() as u64).to_le_bytes());
        file.extend(text);
    };
    file.extend(b"header_page\0");
    counted(
        &mut file,
        b"\tfield: u64 timestamp;\toffset:0;\tsize:8;\tsigned:0;\n\
          \tfield: local_t commit;\toffset:8;\tsize:8;\tsigned:1;\n\
          \tfield: char data;\toffset:16;\tsize:240;\tsigned:1;\n",
    );
    file.extend(b"header_event\0");
    counted(&mut file, b"");
    file.extend(0_u32.to_le_bytes());
    file.extend(1_u32.to_le_bytes());
    file.extend(b"all\0");
    file.extend((formats.len() as u32).to_le_bytes());
    for (name, id, fields) in formats {
        counted(&mut file, format(name, *id, fields).as_bytes());
    }
    file.extend([0; 8]);
    counted(&mut file, b"7 worker with a space\n");
    file.extend(1_u32.to_le_bytes());
    file.extend(b"flyrecord\0");
    let offset = file.len() as u64 + 16;
    file.extend(offset.to_le_bytes());
    counted(&mut file, &pages.concat());
    file
}

/// Each field takes eight bytes after the eight that all events have.
fn format(name: &str, id: u16, fields: &[&str]) -> String {
    let mut text = format!(
        "name: {name}\nID: {id}\nformat:\n\
         \tfield:unsigned short common_type;\toffset:0;\tsize:2;\tsigned:0;\n\
         \tfield:int common_pid;\toffset:4;\tsize:4;\tsigned:1;\n\n"
    );
    for (n, field) in fields.iter().enumerate() {
        let offset = 8 + 8 * n;
        text += &format!("\tfield:u64 {field};\toffset:{offset};\tsize:8;\tsigned:0;\n");
    }
    text
}

/// A page of these records, which begins at a time.
fn page(timestamp: u64, flags: u64, records: &[Vec<u8>]) -> Vec<u8> {
    let records = records.concat();
    let mut page = timestamp.to_le_bytes().to_vec();
    page.extend((records.len() as u64 | flags).to_le_bytes());
    page.extend(records);
    page.resize(256, 0);
    page
}

fn word(kind: u32, delta: u32) -> [u8; 4] {
    (delta << 5 | kind).to_le_bytes()
}

/// A record of task 7: time since the one before, the event's id, its fields.
fn record(delta: u32, id: u16, fields: &[u64]) -> Vec<u8> {
    let mut record = word(2 + 2 * fields.len() as u32, delta).to_vec();
    record.extend([id.to_le_bytes(), [0; 2], [7, 0], [0; 2]].concat());
    record.extend(fields.iter().flat_map(|field| field.to_le_bytes()));
    record
}

/// The times and events of the only CPU.
fn read(bytes: &[u8]) -> Vec<(u64, GuestWhat)> {
    let file = File::read(bytes).unwrap();
    let events: Vec<GuestEvent> = file.events(0).collect();
    assert!(events.is_sorted_by_key(|event| event.nanoseconds));
    let pairs = events.iter().map(|event| (event.nanoseconds, event.what));
    pairs.collect()
}

#[test]
fn each_event_is_read_by_the_names_of_its_fields() {
    let formats: [(&str, u16, &[&str]); 10] = [
        ("sched_switch", 1, &["next_pid", "prev_state", "prev_pid"]),
        ("sched_waking", 2, &["pid", "target_cpu"]),
        ("irq_handler_entry", 3, &["irq"]),
        ("irq_handler_exit", 4, &["irq"]),
        ("sys_enter", 5, &["id"]),
        ("sys_exit_read", 6, &["__syscall_nr"]),
        ("block_rq_issue", 7, &["dev", "sector"]),
        ("block_rq_complete", 8, &["dev", "sector"]),
        ("net_dev_start_xmit", 9, &["skbaddr"]),
        ("cpu_idle", 10, &["state"]),
    ];
    let switch = |from, to, preempted| GuestWhat::Switch {
        from,
        to,
        preempted,
    };
    let interrupt = |end| GuestWhat::Interrupt { number: 27, end };
    let call = |end| GuestWhat::SystemCall { number: 63, end };
    let request = |id, end| GuestWhat::Request { id, end };
    let cases = [
        (record(1, 1, &[8, 0, 7]), switch(7, 8, true)),
        (record(1, 1, &[8, 1, 7]), switch(7, 8, false)),
        (record(1, 1, &[8, 0x100, 7]), switch(7, 8, true)),
        (record(1, 1, &[8, 0x80, 7]), switch(7, 8, false)),
        (record(1, 2, &[9, 3]), GuestWhat::Wake { task: 9, cpu: 3 }),
        (record(1, 3, &[27]), interrupt(false)),
        (record(1, 4, &[27]), interrupt(true)),
        (record(1, 5, &[63]), call(false)),
        (record(1, 6, &[63]), call(true)),
        (record(1, 7, &[8, 4096]), request(4096, false)),
        (record(1, 8, &[8, 4096]), request(4096, true)),
        (record(1, 9, &[u64::MAX]), request(u64::MAX, false)),
        (record(1, 10, &[1]), GuestWhat::Other { id: 10 }),
        (record(1, 99, &[]), GuestWhat::Other { id: 99 }),
    ];
    for (record, expected) in cases {
        let file = file(&formats, &[page(1000, 0, &[record])]);
        assert_eq!(read(&file), [(1001, expected)]);
    }
}

#[test]
fn names_of_tasks_may_have_spaces() {
    let file = file(&[], &[]);
    assert_eq!(
        File::read(&file).unwrap().tasks()[&7],
        "worker with a space"
    );
}

#[test]
fn time_is_counted_as_the_kernel_does() {
    let other = |id| GuestWhat::Other { id };
    let extend = [word(30, 5), 2_u32.to_le_bytes()].concat();
    let stamp = [word(31, 9), 4_u32.to_le_bytes()].concat();
    let mut long = [word(0, 1), 16_u32.to_le_bytes()].concat();
    long.extend([[3, 0, 0, 0], [7, 0, 0, 0], [0; 4]].concat());
    let discarded = [word(29, 1), 8_u32.to_le_bytes(), [0xff; 4]].concat();
    let records = [
        record(0, 1, &[]),
        extend,
        record(1, 2, &[]),
        long,
        discarded,
        record(1, 4, &[]),
        stamp,
        record(1, 5, &[]),
        [word(29, 0), [0xff; 4]].concat(),
    ];
    let extended = 1000 + (2 << 27) + 5 + 1;
    let expected = vec![
        (1000, other(1)),
        (extended, other(2)),
        (extended + 1, other(3)),
        (extended + 3, other(4)),
        ((4 << 27) + 9 + 1, other(5)),
    ];
    assert_eq!(read(&file(&[], &[page(1000, 0, &records)])), expected);
}

#[test]
fn lost_records_are_told() {
    let one = || record(5, 1, &[]);
    let mut stored = page(3000, 3 << 30, &[one()]);
    stored[16 + 12..][..8].copy_from_slice(&17_u64.to_le_bytes());
    let pages = [
        page(1000, 0, &[one()]),
        page(2000, 1 << 31, &[one()]),
        stored,
    ];
    let other = GuestWhat::Other { id: 1 };
    let lost = |records, since| GuestWhat::Lost { records, since };
    let expected = [
        (1005, other),
        (2000, lost(0, 1005)),
        (2005, other),
        (3000, lost(17, 2005)),
        (3005, other),
    ];
    assert_eq!(read(&file(&[], &pages)), expected);
}

#[test]
fn what_cannot_be_read_is_a_gap() {
    let other = GuestWhat::Other { id: 1 };
    let gap = |reason, bytes| GuestWhat::Unreadable { reason, bytes };
    let one = || record(5, 1, &[]);
    let good = || page(1000, 0, &[one()]);
    let over = page(500, 4000, &[]);
    let bad = read(&file(&[], &[good(), over, page(2000, 0, &[one()])]));
    let too_long = gap(Reason::BadSize, 256);
    assert_eq!(bad, [(1005, other), (1005, too_long), (2005, other)]);
    let over = page(2000, 0, &[word(20, 1).to_vec()]);
    let bad = read(&file(&[], &[good(), over]));
    assert_eq!(bad[1], (2000, gap(Reason::BadSize, 4)));
    let back = read(&file(&[], &[good(), page(900, 0, &[one()])]));
    let backwards = gap(Reason::TimeBackwards, 0);
    assert_eq!(back, [(1005, other), (1005, backwards), (1010, other)]);
    let whole = file(&[], &[good(), good()]);
    let cut = read(&whole[..whole.len() - 100]);
    assert_eq!(cut[1], (1005, gap(Reason::Truncated, 156)));
    let cut = read(&whole[..whole.len() - 256]);
    assert_eq!(cut[1], (1005, gap(Reason::Truncated, 0)));
}

#[test]
fn other_files_are_refused() {
    let refused = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut bytes = file(&[], &[]);
        change(&mut bytes);
        File::read(&bytes).err()
    };
    let version = FtraceError::Version("5".to_owned());
    assert_eq!(refused(&|bytes| bytes[10] = b'5'), Some(version));
    assert_eq!(
        refused(&|bytes| bytes[12] = 1),
        Some(FtraceError::BigEndian)
    );
    assert_eq!(refused(&|bytes| bytes[0] = 0), Some(FtraceError::Foreign));
    assert_eq!(File::read(b"").err(), Some(FtraceError::Foreign));
    let damaged = |error| matches!(error, Some(FtraceError::Damaged(_)));
    assert!(damaged(refused(&|bytes| bytes[15] = 0)));
    assert!(damaged(refused(&|bytes| bytes[18] = b'H')));
    let cut = |error| matches!(error, Some(FtraceError::Cut(_)));
    assert!(cut(refused(&|bytes| bytes.truncate(100))));
    let packed = b"\x17\x08\x44tracing7\0\0\x08\0\x10\0\0zlib\x001\0\0\0\0\0\0\0\0\0";
    let zlib = FtraceError::Compression("zlib".to_owned());
    assert_eq!(File::read(packed).err(), Some(zlib));
}

/// Reads everything there is to read.
fn exhaust(bytes: &[u8]) {
    let Ok(file) = File::read(bytes) else {
        return;
    };
    for cpu in file.cpus().take(64) {
        let events = file.events(cpu).take(100_000);
        let times: Vec<u64> = events.map(|event| event.nanoseconds).collect();
        assert!(times.is_sorted());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn random_pages_do_no_harm(
        pages in prop::collection::vec(prop::collection::vec(any::<u8>(), 256), 0..4),
        commit in 0_u8..=255,
    ) {
        let mut pages = pages;
        for page in &mut pages {
            let flags = page[11];
            page[8..16].copy_from_slice(&[commit, 0, 0, flags, 0, 0, 0, 0]);
        }
        exhaust(&file(&[("sched_switch", 1, &["prev_pid"])], &pages));
    }

    #[test]
    fn damaged_files_do_no_harm(
        flips in prop::collection::vec((0_usize..2000, 0_u8..8), 1..6),
        end in 0_usize..3000,
    ) {
        let mut bytes = file(
            &[("sched_waking", 2, &["pid", "target_cpu"])],
            &[page(1, 0, &[record(1, 2, &[3, 4])]), page(2, 1 << 31, &[record(1, 1, &[])])],
        );
        bytes.truncate(end);
        for (at, bit) in flips {
            if let Some(byte) = bytes.get_mut(at) {
                *byte ^= 1 << bit;
            }
        }
        exhaust(&bytes);
    }
}

#[test]
fn damaged_files_of_version_7_do_no_harm() {
    let Some(bytes) = shared::sample("traces/ftrace/raw_trace.dat.gz") else {
        return;
    };
    let Some(whole) = convert("raw_trace_damaged", &bytes, "zstd") else {
        return;
    };
    // The description's places: the header, the options at its end, and the beginning of each section and of the pages.
    let options = whole.len() - 16_384..whole.len();
    let places = (13..700)
        .chain(options.step_by(131))
        .chain((0..whole.len()).step_by(9973));
    for at in places {
        let mut damaged = whole.clone();
        damaged[at] ^= 1 << (at % 8);
        exhaust(&damaged);
    }
    for end in (0..whole.len()).step_by(17_011) {
        exhaust(&whole[..end]);
    }
}
