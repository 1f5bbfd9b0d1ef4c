//! hvtrace: what the C header writes is what comes out, and its code stays short.

#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::unwrap_used,
    reason = "a test that runs compilers"
)]

mod shared;

use std::path::{Path, PathBuf};
use std::process::Command;

use machine::ids::{GuestId, Pcpu, Vcpu};
use machine::{MemoryFault, Pa, PhysicalMemory};
use proptest::prelude::*;
use trace::event::{Event, IDLE, Reason, RunState, Ticks, What};
use trace::format::hvtrace::recorded::Recorded;
use trace::format::hvtrace::{Records, Rings, RootError};
use trace::format::position::Position;
use trace::format::ring::Gap;
use trace::format::xen;

/// Pieces of memory: address and bytes.
struct Ram(Vec<(u64, Vec<u8>)>);

impl PhysicalMemory for Ram {
    fn read_physical(&self, address: Pa, buffer: &mut [u8]) -> Result<(), MemoryFault> {
        let piece = |(start, bytes): &(u64, Vec<u8>)| {
            let at = usize::try_from(address.0.checked_sub(*start)?).ok()?;
            bytes
                .get(at..at.checked_add(buffer.len())?)
                .map(<[u8]>::to_vec)
        };
        let bytes = self.0.iter().find_map(piece);
        buffer.copy_from_slice(&bytes.ok_or(MemoryFault::Absent(address))?);
        Ok(())
    }
}

impl Ram {
    fn write(&mut self, address: Pa, bytes: &[u8]) {
        for (start, piece) in &mut self.0 {
            if let Some(at) = address.0.checked_sub(*start)
                && let Some(piece) = piece.get_mut(at as usize..at as usize + bytes.len())
            {
                piece.copy_from_slice(bytes);
            }
        }
    }
}

/// Writes a C program beside other output of the build and compiles it; `None` without the compiler.
fn compile(compiler: &str, name: &str, source: &str, options: &[&str]) -> Option<PathBuf> {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let file = directory.join(format!("{name}.c"));
    let output = directory.join(name);
    std::fs::write(&file, source).unwrap();
    let schemas = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../schemas");
    let strict = [
        "-std=c99",
        "-O2",
        "-Wall",
        "-Wextra",
        "-Wpedantic",
        "-Werror",
    ];
    let status = Command::new(compiler)
        .args(strict)
        .args(["-I", schemas])
        .args(options)
        .arg("-o")
        .args([&output, &file])
        .status();
    let Ok(status) = status else {
        shared::skip(&format!("no {compiler}"));
        return None;
    };
    assert!(status.success(), "{name} does not compile");
    Some(output)
}

#[test]
fn a_record_takes_fewer_than_forty_instructions() {
    let source = "#include \"hvtrace.h\"\nHVTRACE_DEFINE;\n\
        void probe(uint32_t core, uint32_t a, uint32_t b, uint32_t c, uint32_t d);\n\
        void probe(uint32_t core, uint32_t a, uint32_t b, uint32_t c, uint32_t d)\n\
        { hvtrace_switch(core, a, b, c, d); }\n";
    let options = ["-ffreestanding", "-c"];
    let compiler = "aarch64-linux-gnu-gcc";
    let Some(object) = compile(compiler, "hvtrace_probe.o", source, &options) else {
        return;
    };
    let listing = Command::new("aarch64-linux-gnu-objdump")
        .args(["-d", "--no-show-raw-insn"])
        .arg(object)
        .output()
        .unwrap();
    let listing = String::from_utf8(listing.stdout).unwrap();
    let (_, probe) = listing.split_once("<probe>:\n").unwrap();
    // What comes after the return is for a full ring.
    let straight = probe
        .lines()
        .position(|line| line.ends_with("ret"))
        .unwrap()
        + 1;
    assert!(straight < 40, "{straight} instructions:\n{probe}");
}

/// Two cores with four records each. The counter goes up by ten at each record, from 1000.
const HOST: &str = r#"
#include <stdio.h>
#include <stdint.h>
static uint64_t now = 990;
#define HVTRACE_CORES 2
#define HVTRACE_RECORDS 4
#define HVTRACE_TIME() (now += 10)
#define HVTRACE_ENTER(state) uint64_t state = 0
#define HVTRACE_LEAVE(state) (void)(state)
#define HVTRACE_PUBLISH() (void)0
#include "hvtrace.h"
HVTRACE_DEFINE;

static void piece(uint64_t address, const void *bytes, uint64_t size)
{
    fwrite(&address, 8, 1, stdout);
    fwrite(&size, 8, 1, stdout);
    fwrite(bytes, 1, size, stdout);
}

static void dump(void)
{
    piece(0x1000, &hvtrace_root, sizeof hvtrace_root);
    piece(0x2000, hvtrace_rings, sizeof hvtrace_rings);
    for (int core = 0; core < 2; core++)
        hvtrace_rings[core].consumed = hvtrace_rings[core].produced;
}

int main(void)
{
    hvtrace_init(62500000, 0x2000 - (uint64_t)(uintptr_t)hvtrace_rings);
    hvtrace_guest_added(0, 5);
    hvtrace_switch(0, HVTRACE_IDLE, 0, 5, 1);
    hvtrace_run_state(1, 5, 1, HVTRACE_RUNNABLE, HVTRACE_RUNNING);
    dump();
    hvtrace_enter(0, 5, 1);
    hvtrace_exit(0, 5, 1, 0x2f5a000000u);
    hvtrace_hypercall(0, 5, 1, 17);
    hvtrace_inject(0, 5, 1, 27);
    dump();
    hvtrace_mark(0, 7, 8);
    hvtrace_wake(0, 5, 0);
    hvtrace_guest_removed(0, 5);
    hvtrace_mark(0, 9, 9);
    hvtrace_mark(0, 10, 10);
    hvtrace_mark(0, 11, 11);
    dump();
    hvtrace_root.enabled = 1u << HVTRACE_MARK;
    hvtrace_wake(0, 5, 0);
    hvtrace_mark(0, 12, 12);
    hvtrace_mark(2, 13, 13);
    dump();
    return 0;
}
"#;

/// The states of memory that the program above shows.
fn states() -> Option<Vec<Ram>> {
    let program = compile("cc", "hvtrace_host", HOST, &[])?;
    let output = Command::new(program).output().unwrap();
    assert!(output.status.success());
    let mut rest = output.stdout.as_slice();
    let mut pieces = Vec::new();
    while let Some((header, after)) = rest.split_at_checked(16) {
        let [address, size] = [0, 8].map(|at| {
            let bytes = header[at..at + 8].try_into();
            u64::from_le_bytes(bytes.unwrap())
        });
        let (bytes, after) = after.split_at(size as usize);
        pieces.push((address, bytes.to_vec()));
        rest = after;
    }
    Some(pieces.chunks(2).map(|pair| Ram(pair.to_vec())).collect())
}

/// Each core in turn, as one who writes the consumer index.
fn drain(rings: &mut Rings, ram: &Ram, positions: &mut [Position; 2]) -> Vec<(u64, What)> {
    let mut events = Vec::new();
    for position in positions {
        let mut bytes = Vec::new();
        let drained = rings.drain(ram, position.pcpu, &mut bytes);
        assert_eq!(drained.gap, None);
        let mut records = Records::new(*position, &bytes);
        events.extend(records.by_ref().map(|event| (event.time.0, event.what)));
        *position = records.reached();
    }
    events
}

#[test]
fn what_the_header_writes_is_read() {
    let Some(states) = states() else {
        return;
    };
    let mut rings = Rings::read(&states[0], Pa(0x1000)).unwrap();
    assert_eq!(rings.frequency, 62_500_000);
    let mut positions = [0, 1].map(|pcpu| Position::start(Pcpu(pcpu)));
    let guest = GuestId(5);
    let [other, vcpu] = [0, 1].map(|index| Vcpu { guest, index });
    let idle = Vcpu {
        guest: IDLE,
        index: 0,
    };
    let (from, to) = (RunState::Runnable, RunState::Running);
    let mark = |id| What::Mark { id, value: id };
    let syndrome = 0x5a00_0000;
    let since = Ticks(1110);
    let expected = [
        vec![
            (1000, What::GuestAdded(guest)),
            (
                1010,
                What::Switch {
                    from: idle,
                    to: vcpu,
                },
            ),
            (1020, What::RunState { vcpu, from, to }),
        ],
        vec![
            (1030, What::Enter { vcpu }),
            (1040, What::Exit { vcpu, syndrome }),
            (1050, What::Hypercall { vcpu, number: 17 }),
            (
                1060,
                What::Inject {
                    vcpu,
                    interrupt: 27,
                },
            ),
        ],
        vec![
            (1070, What::Mark { id: 7, value: 8 }),
            (1080, What::Wake { vcpu: other }),
            (1090, What::GuestRemoved(guest)),
            (1100, mark(9)),
        ],
        vec![(1130, What::Lost { records: 2, since }), (1130, mark(12))],
    ];
    for (ram, expected) in states.iter().zip(expected) {
        assert_eq!(drain(&mut rings, ram, &mut positions), expected);
    }
    let loss = rings.unreported_loss(&states[2], positions[0]).unwrap();
    let loss = loss.map(|event| event.what);
    let since = Ticks(1130);
    assert_eq!(loss, Some(What::Lost { records: 2, since }));
}

/// A root for one core with four records, its ring at 0x2000, produced and consumed as said, and records numbered from 0 at times 1, 2, …
fn machine(produced: u32, consumed: u32) -> Ram {
    let mut root = b"HVTRACE\0".to_vec();
    for word in [1, 32, 1000, 0, 1, 4, 0x2000, 0, u32::MAX, 0] {
        root.extend(u32::to_le_bytes(word));
    }
    let mut ring = [produced.to_le_bytes(), consumed.to_le_bytes()].concat();
    ring.resize(64 + 4 * 32, 0);
    let mut ram = Ram(vec![(0x1000, root), (0x2000, ring)]);
    for number in produced.saturating_sub(4)..produced {
        let at = Pa(0x2000 + 64 + u64::from(number % 4) * 32);
        let record = [number + 1, 0, 9 | number << 16, number];
        ram.write(at, &record.map(u32::to_le_bytes).concat());
    }
    ram
}

/// The marks' ids, and the gaps in and before them.
fn look(rings: &mut Rings, ram: &Ram) -> (Vec<u32>, Vec<Reason>, Option<Gap>) {
    let mut bytes = Vec::new();
    let drained = rings.drain(ram, Pcpu(0), &mut bytes);
    let events: Vec<Event> = Records::new(Position::start(Pcpu(0)), &bytes).collect();
    let marks = events.iter().filter_map(|event| match event.what {
        What::Mark { id, .. } => Some(id),
        _ => None,
    });
    let reasons = events.iter().filter_map(|event| match event.what {
        What::Unreadable { reason, .. } => Some(reason),
        _ => None,
    });
    (marks.collect(), reasons.collect(), drained.gap)
}

#[test]
fn a_ring_goes_around() {
    let mut rings = Rings::read(&machine(0, 0), Pa(0x1000)).unwrap();
    assert_eq!(
        look(&mut rings, &machine(3, 0)),
        (vec![0, 1, 2], vec![], None)
    );
    assert_eq!(
        look(&mut rings, &machine(6, 3)),
        (vec![3, 4, 5], vec![], None)
    );
    // Our write did not come to pass.
    assert_eq!(look(&mut rings, &machine(7, 3)), (vec![6], vec![], None));
}

#[test]
fn what_is_wrong_is_said() {
    let start = || Rings::read(&machine(0, 0), Pa(0x1000)).unwrap();
    let gap = |reason, bytes| Some(Gap { reason, bytes });
    let bad = gap(Reason::BadValue, 0);
    let mut rings = start();
    assert_eq!(look(&mut rings, &machine(5, 0)), (vec![], vec![], bad));
    assert_eq!(look(&mut rings, &machine(6, 5)), (vec![5], vec![], None));
    let other = gap(Reason::OtherConsumer, 32);
    assert_eq!(
        look(&mut rings, &machine(9, 7)),
        (vec![7, 8], vec![], other)
    );
    let mut half = machine(4, 0);
    half.0[1].1.truncate(64 + 96);
    let missing = gap(Reason::NotMapped, 128);
    assert_eq!(look(&mut start(), &half), (vec![], vec![], missing));
    // Number 1 was not written.
    let mut stale = machine(4, 0);
    stale.write(Pa(0x2000 + 64 + 32 + 10), &[0xff]);
    let reasons = vec![Reason::BadValue; 2];
    assert_eq!(look(&mut start(), &stale), (vec![0, 3], reasons, None));
    let mut back = machine(4, 0);
    back.write(Pa(0x2000 + 64 + 64), &[0]);
    let reasons = vec![Reason::TimeBackwards];
    assert_eq!(look(&mut start(), &back), (vec![0, 1, 2, 3], reasons, None));
}

#[test]
fn what_is_no_hvtrace_is_refused() {
    let refused = |at: u64, bytes: &[u8]| {
        let mut ram = machine(0, 0);
        ram.write(Pa(0x1000 + at), bytes);
        Rings::read(&ram, Pa(0x1000)).err()
    };
    assert_eq!(refused(0, b"h"), Some(RootError::Foreign));
    assert_eq!(refused(8, &[2]), Some(RootError::Version(2)));
    assert_eq!(refused(16, &[0; 4]), Some(RootError::NotStarted));
    for (at, byte) in [
        (12, 31),
        (24, 0),
        (25, 8),
        (28, 0),
        (28, 1),
        (28, 6),
        (31, 2),
    ] {
        assert!(
            matches!(refused(at, &[byte]), Some(RootError::Size { .. })),
            "{at}"
        );
    }
    for rings in [[1, 0x20, 0, 0, 0, 0, 0, 0], [0xff; 8]] {
        assert!(matches!(refused(32, &rings), Some(RootError::Place(_))));
    }
    let nowhere = Rings::read(&machine(0, 0), Pa(0));
    assert!(matches!(nowhere, Err(RootError::Memory(_))));
}

/// Transcribed into a recording and read again, a ring of four records says the same.
#[track_caller]
fn check_recorded(ram: &Ram) -> Vec<Event> {
    let mut rings = Rings::read(ram, Pa(0x1000)).unwrap();
    let (mut raw, mut recorded) = (Vec::new(), Vec::new());
    let drained = rings.drain(ram, Pcpu(0), &mut raw);
    let first = drained.consume.map_or(0, |consume| consume.value) - (raw.len() / 32) as u32;
    let position = Position::start(Pcpu(0));
    let expected: Vec<Event> = Records::new(position, &raw)
        .numbered(first as u16)
        .collect();
    let mut rings = Recorded::new(Rings::read(ram, Pa(0x1000)).unwrap());
    assert_eq!(rings.drain(ram, Pcpu(0), &mut recorded), drained);
    let events: Vec<Event> = xen::records::Records::new(position, &recorded).collect();
    assert_eq!(events, expected);
    events
}

#[test]
fn a_recording_says_the_same() {
    let whats =
        |ram: &Ram| -> Vec<What> { check_recorded(ram).iter().map(|event| event.what).collect() };
    let mark = |id| What::Mark { id, value: 0 };
    let bad = What::Unreadable {
        reason: Reason::BadValue,
        bytes: 32,
    };
    assert_eq!(whats(&machine(2, 0)), [mark(0), mark(1)]);
    // The first is that of the round before: it was not written yet.
    let mut stale = machine(6, 4);
    stale.write(Pa(0x2000 + 64 + 10), &[0]);
    assert_eq!(whats(&stale), [bad, bad]);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn random_bytes_end_in_gaps(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let events: Vec<Event> = Records::new(Position::start(Pcpu(0)), &bytes).collect();
        prop_assert!(events.is_sorted_by_key(|event| event.time));
        prop_assert!(events.len() <= bytes.len() / 16 + 1);
    }

    #[test]
    fn any_record_is_recorded_as_what_it_says(
        records in prop::array::uniform4((1_u32..50, 0_u32..13, prop::array::uniform4(0_u32..6), any::<[u32; 4]>(), any::<bool>()))
    ) {
        let mut ram = machine(4, 0);
        for (at, (time, kind, small, large, is_small)) in (0_u32..).zip(records) {
            let [a, b, c, d] = if is_small { small } else { large };
            let record = [time, 0, kind | at << 16, a, b, c, d, 0].map(u32::to_le_bytes).concat();
            ram.write(Pa(0x2000 + 64 + u64::from(at) * 32), &record);
        }
        check_recorded(&ram);
    }

    #[test]
    fn random_indices_do_no_harm(produced in any::<u32>(), consumed in any::<u32>()) {
        let mut rings = Rings::read(&machine(0, 0), Pa(0x1000)).unwrap();
        let mut ram = machine(0, 0);
        ram.write(Pa(0x2000), &produced.to_le_bytes());
        ram.write(Pa(0x2004), &consumed.to_le_bytes());
        look(&mut rings, &ram);
        look(&mut rings, &machine(4, 0));
    }
}
