//! How fast xentrace files are decoded and merged: `cargo run --release -p trace --example decode_speed -- [MILLIONS] [PCPUS]`.
//!
//! Also drains them from a buffer in memory as Xen would have it, and makes a recording of that. Builds a file of run-state changes only,
//! in memory, of the same shape as Xen under load: each pCPU goes from one vCPU to another every few microseconds, and windows are written
//! in turn. Prints millions of records a second of processor time for each step.

#![allow(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    clippy::disallowed_macros
)]
#![allow(clippy::print_stdout, reason = "a program that prints figures")]

use machine::ids::Pcpu;
use machine::{MemoryFault, Pa, PhysicalMemory};
use trace::event::{Event, Ticks, What};
use trace::format::position::Position;
use trace::format::xen::buffers::{Buffers, Found};
use trace::format::xen::file::{File, window_header};
use trace::format::xen::recording::Recording;
use trace::format::xen::records::Records;

/// Bytes of a record: header, time, one word.
const RECORD: usize = 16;

/// Records a window: 64 KiB.
const WINDOW: usize = 4096;

fn main() {
    let number = |n, default| {
        let argument = std::env::args().nth(n);
        argument
            .and_then(|text| text.parse().ok())
            .unwrap_or(default)
    };
    let (millions, pcpus) = (number(1, 10), number(2, 8));
    let bytes = synthetic(millions * 1_000_000, pcpus);
    for _ in 0..3 {
        measure(&bytes);
        drain(bytes.len());
    }
}

fn measure(bytes: &[u8]) {
    let started = cpu_seconds();
    let file = File::read(bytes).expect("our own file");
    report("find windows", started, bytes.len() / RECORD);

    let started = cpu_seconds();
    let each = file.pcpus().map(|pcpu| count(file.events(pcpu)));
    let records = each.sum();
    report("decode", started, records);

    let started = cpu_seconds();
    let merged = count(file.merged());
    assert_eq!(merged, records);
    report("decode and merge", started, merged);
}

/// Memory that holds t_info at 0 and one buffer of 4,096 pages from its second page frame group on.
struct Ram(Vec<u8>);

const BUFFER_PAGES: usize = 4096;
const FIRST_FRAME: usize = 16;

impl PhysicalMemory for Ram {
    fn read_physical(&self, address: Pa, buffer: &mut [u8]) -> Result<(), MemoryFault> {
        let at = address.0 as usize;
        let bytes = self.0.get(at..at + buffer.len());
        buffer.copy_from_slice(bytes.ok_or(MemoryFault::Absent(address))?);
        Ok(())
    }
}

/// A buffer of 16 MiB, full, whose pages lie one after the other in pairs.
fn ram() -> (Ram, Found) {
    let file = synthetic(BUFFER_PAGES * 4096 / RECORD + WINDOW, 1);
    let windows = file.chunks(12 + WINDOW * RECORD);
    let records: Vec<u8> = windows.flat_map(|window| &window[12..]).copied().collect();
    let mut ram = vec![0; (FIRST_FRAME + BUFFER_PAGES) * 4096];
    ram[..4].copy_from_slice(&(4 << 16 | BUFFER_PAGES as u32).to_le_bytes());
    let data_size = BUFFER_PAGES * 4096 - 8;
    let mut linear = [[0; 4], (data_size as u32).to_le_bytes()].concat();
    linear.extend(&records[..data_size]);
    for page in 0..BUFFER_PAGES {
        let frame = FIRST_FRAME + (page ^ 2);
        ram[16 + 4 * page..20 + 4 * page].copy_from_slice(&(frame as u32).to_le_bytes());
        ram[frame * 4096..][..4096].copy_from_slice(&linear[page * 4096..][..4096]);
    }
    let found = Found {
        t_info: Pa(0),
        t_info_pages: 5,
        data_size: data_size as u32,
        pcpus: 1,
    };
    (Ram(ram), found)
}

fn drain(bytes_in_all: usize) {
    let (ram, found) = ram();
    let mut bytes = Vec::new();
    let mut records = 0;
    let started = cpu_seconds();
    for _ in 0..bytes_in_all / (BUFFER_PAGES * 4096) {
        bytes.clear();
        let mut buffers = Buffers::read(&ram, found).expect("our own buffers");
        let drained = buffers.drain(&ram, Pcpu(0), &mut bytes);
        assert_eq!(drained.gap, None);
        records += count(Records::new(Position::start(Pcpu(0)), &bytes));
    }
    report("drain and decode", started, records);

    let mut recorded = 0;
    let started = cpu_seconds();
    for _ in 0..bytes_in_all / (BUFFER_PAGES * 4096) {
        bytes.clear();
        let mut buffers = Buffers::read(&ram, found).expect("our own buffers");
        let drained = buffers.drain(&ram, Pcpu(0), &mut bytes);
        let mut recording = Recording::begin([Pcpu(0)], Ticks(0));
        recording.drained(Pcpu(0), drained.gap, &bytes);
        std::hint::black_box(recording.take_unwritten());
        // The buffer's end cuts the last record.
        let totals = recording.totals();
        recorded += (totals.records + totals.gaps) as usize;
    }
    assert_eq!(recorded, records);
    report("drain and record", started, recorded);
}

/// Looks at every event, as little as can be.
fn count(events: impl Iterator<Item = Event>) -> usize {
    let mut blocked = 0_u64;
    let mut records = 0;
    for event in events {
        if let What::RunState { vcpu, to, .. } = event.what {
            blocked = blocked.wrapping_add(event.time.0 ^ u64::from(vcpu.index) ^ to as u64);
        }
        records += 1;
    }
    std::hint::black_box(blocked);
    records
}

fn report(what: &str, started: f64, records: usize) {
    let seconds = cpu_seconds() - started;
    println!(
        "{what:>18}: {:7.1} ms, {:6.1} M records/s, {:5.2} GB/s",
        seconds * 1e3,
        records as f64 / seconds / 1e6,
        (records * RECORD) as f64 / seconds / 1e9
    );
}

/// Seconds this process has been on a processor (Linux `Documentation/scheduler/sched-stats.rst`), so that other work does not count.
fn cpu_seconds() -> f64 {
    let text = std::fs::read_to_string("/proc/self/schedstat").unwrap_or_default();
    let nanoseconds = text.split(' ').next().and_then(|text| text.parse().ok());
    nanoseconds.unwrap_or(0.0_f64) / 1e9
}

/// A file of about `records` records of `pcpus` pCPUs.
fn synthetic(records: usize, pcpus: usize) -> Vec<u8> {
    let mut random = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = move || {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        random
    };
    let mut times = vec![1_000_000_000_u64; pcpus];
    let mut bytes = Vec::with_capacity(records * RECORD * 101 / 100);
    for window in 0..records.div_ceil(WINDOW) {
        let pcpu = window % pcpus;
        bytes.extend(window_header(Pcpu(pcpu as u16), (WINDOW * RECORD) as u32));
        for _ in 0..WINDOW / 2 {
            times[pcpu] += 100 + next() % 4000;
            let (out, into) = (next() % 40, next() % 40);
            push(
                &mut bytes,
                0x9002_1021 + ((next() % 2) as u32) * 0x10,
                times[pcpu],
                out,
            );
            push(&mut bytes, 0x9002_1101, times[pcpu] + 8, into);
            times[pcpu] += 8;
        }
    }
    bytes
}

fn push(bytes: &mut Vec<u8>, header: u32, time: u64, vcpu: u64) {
    bytes.extend(header.to_le_bytes());
    bytes.extend(time.to_le_bytes());
    let word = (((vcpu / 4) << 16) + vcpu % 4) as u32;
    bytes.extend(word.to_le_bytes());
}
