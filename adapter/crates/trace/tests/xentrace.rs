//! xentrace files: the samples against a plain walk over their headers, and bytes that are not quite a file.

#![allow(clippy::unwrap_used, reason = "a test")]

mod shared;

use std::collections::BTreeMap;

use machine::ids::Pcpu;
use proptest::prelude::*;
use trace::event::{Event, Reason, Ticks, What};
use trace::format::xen::file::{File, FileError, window_header};
use trace::format::{Kind, detect};

const LOST: u32 = 0x1f001;
const WRAP: u32 = 0x1f002;
const WINDOW: u32 = 0x1f003;

fn word(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap())
}

/// The numbers of the records of each pCPU in a whole, good file.
fn walk(bytes: &[u8]) -> BTreeMap<u32, Vec<u32>> {
    let mut numbers: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
    let mut pcpu = 0;
    let mut at = 0;
    while at < bytes.len() {
        let header = word(bytes, at);
        match header & 0x0fff_ffff {
            WINDOW => pcpu = word(bytes, at + 4),
            WRAP => {}
            number => numbers.entry(pcpu).or_default().push(number),
        }
        at += 4 + 8 * (header >> 31) as usize + 4 * (header >> 28 & 7) as usize;
    }
    numbers
}

fn unreadable(events: &[Event]) -> Vec<Reason> {
    let reason = |event: &Event| match event.what {
        What::Unreadable { reason, .. } => Some(reason),
        _ => None,
    };
    events.iter().filter_map(reason).collect()
}

fn in_order(events: &[Event]) -> bool {
    events.is_sorted_by_key(|event| event.time)
}

/// A sample must have this many records, as many on each pCPU as a walk finds, all readable and in order.
fn check(path: &str, records: usize, lost: u64) {
    let Some(bytes) = shared::sample(path) else {
        return;
    };
    assert_eq!(detect(&bytes), Some(Kind::Xentrace));
    let file = File::read(&bytes).unwrap();
    let events: Vec<Event> = file.merged().collect();
    assert_eq!(events.len(), records);
    assert!(in_order(&events));
    assert_eq!(unreadable(&events), []);
    let dropped = events.iter().map(|event| match event.what {
        What::Lost { records, since } => {
            assert!(since <= event.time);
            u64::from(records)
        }
        _ => 0,
    });
    assert_eq!(dropped.sum::<u64>(), lost);
    for (pcpu, numbers) in walk(&bytes) {
        let of_pcpu: Vec<Event> = file.events(Pcpu(pcpu as u16)).collect();
        let same = |(event, number): (&Event, &u32)| means(event.what, *number);
        assert_eq!(of_pcpu.len(), numbers.len());
        assert!(of_pcpu.iter().zip(&numbers).all(same), "pCPU {pcpu}");
    }
}

/// Whether a record of this number may have become this.
fn means(what: What, number: u32) -> bool {
    match what {
        What::RunState { from, to, .. } => {
            number == 0x21001 | (from as u32) << 8 | (to as u32) << 4
        }
        What::Continue { .. } => matches!(number, 0x21002 | 0x28011),
        What::Wake { .. } => number == 0x28004,
        What::Sleep { .. } => number == 0x28003,
        What::Yield { .. } => number == 0x28005,
        What::Block { .. } => number == 0x28006,
        What::Switch { .. } => number == 0x2800a,
        What::Ran { .. } => number == 0x2800e,
        What::Waited { .. } => number == 0x2800f,
        What::Credit { .. } => matches!(number, 0x22203 | 0x22205 | 0x22207 | 0x2220d | 0x22214),
        What::Migrate { .. } => number == 0x2220f,
        What::Lost { .. } => number == LOST,
        What::Other { id } => number == id,
        _ => false,
    }
}

/// The bytes that a record of this kind takes with Xen 4.17, where the kind is in the class of the scheduler.
fn scheduler_bytes(what: What) -> u64 {
    match what {
        What::RunState { .. } | What::Continue { .. } => 16,
        What::Wake { .. } | What::Block { .. } => 20,
        What::Ran { .. } => 24,
        What::Switch { .. } | What::Waited { .. } => 28,
        _ => 0,
    }
}

/// Each pCPU's volume of scheduling records must be what xenalyze counts.
fn check_volume(name: &str) {
    let Some(bytes) = shared::sample(&format!("traces/xentrace/{name}.xentrace")) else {
        return;
    };
    let summary = format!("traces/xentrace/{name}.xenalyze-summary.txt");
    let summary = shared::text(&summary).unwrap();
    let volumes = summary.lines().filter_map(|line| {
        let volume = line.strip_prefix(" sched :")?;
        volume.trim().parse::<u64>().ok()
    });
    let file = File::read(&bytes).unwrap();
    let counted = file.pcpus().map(|pcpu| {
        let events = file.events(pcpu);
        events.map(|event| scheduler_bytes(event.what)).sum()
    });
    assert_eq!(counted.collect::<Vec<u64>>(), volumes.collect::<Vec<u64>>());
}

#[test]
fn volumes_are_those_of_xenalyze() {
    check_volume("synth-4cpu");
    check_volume("synth-4cpu-lost");
}

#[test]
fn synthetic_file() {
    check("traces/xentrace/synth-4cpu.xentrace", 20_001, 0);
}

#[test]
fn synthetic_file_with_losses() {
    check("traces/xentrace/synth-4cpu-lost.xentrace", 60_006, 2_500);
}

/// 180,680 records, less 187 that head windows and 27 that fill buffers to their end.
#[test]
fn real_file_of_credit2() {
    check(
        "traces/xentrace/real-x86-credit2/xentrace.bin.gz",
        180_466,
        0,
    );
}

/// A run-state change of d1v0 from running to blocked, at a time.
fn change(time: u64) -> Vec<u8> {
    let mut record = 0x9002_1021_u32.to_le_bytes().to_vec();
    record.extend(time.to_le_bytes());
    record.extend(0x1_0000_u32.to_le_bytes());
    record
}

fn window(pcpu: u16, records: &[Vec<u8>]) -> Vec<u8> {
    let records = records.concat();
    let mut window = window_header(Pcpu(pcpu), records.len() as u32).to_vec();
    window.extend(records);
    window
}

/// The times of the events, and those that say that something is wrong.
fn read(bytes: &[u8]) -> (Vec<u64>, Vec<Reason>) {
    let events: Vec<Event> = File::read(bytes).unwrap().merged().collect();
    assert!(in_order(&events));
    let times = events
        .iter()
        .filter(|event| matches!(event.what, What::RunState { .. }));
    let times = times.map(|event| event.time.0).collect();
    (times, unreadable(&events))
}

#[test]
fn windows_overlap_and_follow_each_other() {
    let file = [
        window(1, &[change(10), change(30)]),
        window(0, &[change(20)]),
        window(1, &[change(30), change(50)]),
        window(0, &[change(40)]),
    ];
    assert_eq!(read(&file.concat()), (vec![10, 20, 30, 30, 40, 50], vec![]));
}

#[test]
fn a_file_may_end_anywhere() {
    let file = [window(0, &[change(1)]), window(1, &[change(2), change(3)])].concat();
    for end in 12..file.len() {
        let (times, reasons) = read(&file[..end]);
        let whole = [28, 56, 72].iter().filter(|at| **at <= end).count();
        assert_eq!(times.len(), whole, "cut at {end}");
        let at_a_record = [12, 28, 40, 56].contains(&end);
        let expected = if at_a_record {
            vec![]
        } else {
            vec![Reason::Truncated]
        };
        assert_eq!(reasons, expected, "cut at {end}");
    }
}

#[test]
fn a_window_of_the_wrong_size_ends_where_the_next_begins() {
    for size in [0, 4, 16, 24, 48, 64, 4096] {
        let mut file = [
            window(0, &[change(1), change(2)]),
            window(1, &[change(3)]),
            window(0, &[change(4)]),
        ]
        .concat();
        file[8..12].copy_from_slice(&u32::to_le_bytes(size));
        assert_eq!(read(&file), (vec![1, 2, 3, 4], vec![]), "size {size}");
    }
}

#[test]
fn a_window_of_nobody_is_a_gap() {
    let mut file = [window(0, &[change(1)]), window(9, &[change(2)])].concat();
    file[32..36].copy_from_slice(&[0xff; 4]);
    assert_eq!(read(&file), (vec![1], vec![Reason::BadValue]));
}

#[test]
fn time_does_not_go_back() {
    let back = [change(100), change(50), change(60), change(101)];
    let reasons = vec![Reason::TimeBackwards; 2];
    assert_eq!(read(&window(0, &back)), (vec![100, 100, 100, 101], reasons));
    // A wrong time far ahead does not hold up the rest, and the last is vouched for by nobody.
    let ahead = [change(100), change(1 << 60), change(102), change(1 << 50)];
    let reasons = vec![Reason::TimeBackwards; 2];
    assert_eq!(
        read(&window(0, &ahead)),
        (vec![100, 100, 102, 102], reasons)
    );
    let first = [change(u64::MAX), change(7)];
    let reasons = vec![Reason::TimeBackwards];
    assert_eq!(read(&window(0, &first)), (vec![7, 7], reasons));
    // Nor does it go around the end of 64 bits, close though both ends are.
    let around = [
        window(0, &[change(u64::MAX)]),
        window(0, &[7, 8, 9].map(change)),
    ];
    let reasons = vec![Reason::TimeBackwards; 3];
    assert_eq!(read(&around.concat()), (vec![u64::MAX; 4], reasons));
}

#[test]
fn garbage_is_passed_over() {
    let garbage = vec![0xa5; 24];
    let file = window(0, &[change(1), garbage, change(2), change(3)]);
    assert_eq!(read(&file), (vec![1, 2, 3], vec![Reason::BadValue]));
    // A record that cannot be, in its place.
    let mut bad = change(2);
    bad[0] = 0x41;
    let file = window(0, &[change(1), bad, change(3)]);
    assert_eq!(read(&file), (vec![1, 3], vec![Reason::BadValue]));
}

#[test]
fn a_record_without_time_has_the_one_before() {
    let reservation = 0x1010_f005_u32.to_le_bytes();
    let file = window(
        0,
        &[change(5), [reservation, [1, 0, 0, 0]].concat(), change(9)],
    );
    let events: Vec<Event> = File::read(&file).unwrap().merged().collect();
    assert_eq!(events[1].time, Ticks(5));
    assert_eq!(events[1].what, What::Other { id: 0x0010_f005 });
}

#[test]
fn other_files_are_refused() {
    let refused = |bytes: &[u8]| File::read(bytes).err();
    assert_eq!(refused(b""), Some(FileError::Foreign));
    assert_eq!(
        refused(b"\x17\x08\x44tracing6\0\0\x08"),
        Some(FileError::Foreign)
    );
    assert_eq!(refused(&change(1)), Some(FileError::Foreign));
    let swapped: Vec<u8> = window(1, &[change(1)])
        .chunks(4)
        .flat_map(|word| word.iter().rev().copied())
        .collect();
    assert_eq!(refused(&swapped), Some(FileError::BigEndian));
}

#[test]
fn many_pcpus_and_domains_take_no_memory_of_their_own() {
    let mut file = Vec::new();
    for pcpu in 0..u16::MAX {
        file.extend(window(pcpu, &[change(u64::from(pcpu))]));
    }
    let (times, reasons) = read(&file);
    assert_eq!((times.len(), reasons), (65_535, vec![]));
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn random_bytes_end_in_gaps(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        let mut file = window_header(Pcpu(0), bytes.len() as u32 & !3).to_vec();
        file.extend(bytes);
        read(&file);
    }

    /// In the records, that is: a window's header says where the next window is.
    #[test]
    fn flipped_bits_lose_little(flips in prop::collection::vec(0_usize..(8 * 1600), 1..4)) {
        let records: Vec<Vec<u8>> = (0..50).map(|n| change(1000 + n * 7)).collect();
        let mut file = [window(0, &records), window(1, &records)].concat();
        prop_assert_eq!(file.len(), 12 + 800 + 12 + 800);
        for flip in &flips {
            let byte = flip / 8;
            let headers = if byte < 800 { 12 } else { 24 };
            file[headers + byte] ^= 1 << (flip % 8);
        }
        let events: Vec<Event> = File::read(&file).unwrap().merged().collect();
        prop_assert!(in_order(&events));
        let changes = events.iter().filter(|event| matches!(event.what, What::RunState { .. }));
        let lost = 100 - changes.count();
        prop_assert!(lost <= 8 * flips.len(), "{lost} lost by {} flips", flips.len());
    }
}
