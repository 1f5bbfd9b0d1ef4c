//! Xen's buffers in memory: the sample image gives the same records as a file, and small ones are taken apart while "Xen" writes.

#![allow(clippy::unwrap_used, reason = "a test")]

mod shared;

use std::collections::BTreeMap;

use machine::ids::Pcpu;
use machine::{MemoryFault, Pa, PhysicalMemory};
use proptest::prelude::*;
use trace::event::{Event, Reason, Ticks, What};
use trace::format::position::Position;
use trace::format::ring::{Consume, Gap};
use trace::format::xen::buffers::{Buffers, BuffersError, Found, LossCounters, unreported_loss};
use trace::format::xen::file::{File, window_header};
use trace::format::xen::records::Records;

const PAGE: u64 = 4096;

/// Page frames by number.
#[derive(Default)]
struct Ram(BTreeMap<u64, Vec<u8>>);

impl PhysicalMemory for Ram {
    fn read_physical(&self, address: Pa, buffer: &mut [u8]) -> Result<(), MemoryFault> {
        for (byte, at) in buffer.iter_mut().zip(address.0..) {
            let frame = self
                .0
                .get(&(at / PAGE))
                .ok_or(MemoryFault::Absent(Pa(at)))?;
            *byte = frame[(at % PAGE) as usize];
        }
        Ok(())
    }
}

impl Ram {
    fn write(&mut self, address: u64, bytes: &[u8]) {
        for (byte, at) in bytes.iter().zip(address..) {
            let frame = self
                .0
                .entry(at / PAGE)
                .or_insert_with(|| vec![0; PAGE as usize]);
            frame[(at % PAGE) as usize] = *byte;
        }
    }

    fn consume(&mut self, consume: Consume) {
        self.write(consume.at.0, &consume.value.to_le_bytes());
    }
}

/// The sample image and what its description says.
fn image() -> Option<(Ram, Found, serde_json::Value)> {
    let layout = shared::text("traces/xentrace/tbuf-memory/layout.json")?;
    let layout: serde_json::Value = serde_json::from_str(&layout).unwrap();
    let frames = shared::sample("traces/xentrace/tbuf-memory/frames.bin")?;
    let number = |name: &str| layout[name].as_u64().unwrap();
    let numbers = layout["mfns_in_file_order"].as_array().unwrap();
    let numbers = numbers.iter().map(|mfn| mfn.as_u64().unwrap());
    let frames = frames.chunks(PAGE as usize).map(<[u8]>::to_vec);
    let found = Found {
        t_info: Pa(number("t_info_mfn") * PAGE),
        t_info_pages: number("t_info_pages") as u32,
        data_size: number("data_size") as u32,
        pcpus: number("nr_cpus") as u32,
    };
    Some((Ram(numbers.zip(frames).collect()), found, layout))
}

#[test]
fn the_image_gives_the_same_records_as_a_file() {
    let Some((mut ram, found, layout)) = image() else {
        return;
    };
    let mut buffers = Buffers::read(&ram, found).unwrap();
    let pcpus: Vec<Pcpu> = buffers.pcpus().collect();
    assert_eq!(pcpus, [0, 1, 2, 3].map(Pcpu));
    let mut file = Vec::new();
    let mut events = Vec::new();
    for pcpu in pcpus {
        let mut bytes = Vec::new();
        let drained = buffers.drain(&ram, pcpu, &mut bytes);
        assert_eq!(drained.gap, None);
        let sample = format!("traces/xentrace/tbuf-memory/expected_cpu{}.bin", pcpu.0);
        let expected = shared::sample(&sample).unwrap();
        assert!(bytes == expected, "{pcpu}");
        let prod = &layout["cpus"][pcpu.0.to_string()]["prod"];
        let consume = drained.consume.unwrap();
        assert_eq!(Some(u64::from(consume.value)), prod.as_u64());
        ram.consume(consume);
        file.extend(window_header(pcpu, bytes.len() as u32));
        file.extend(&bytes);
        events.extend(Records::new(Position::start(pcpu), &bytes));
        // Taken is taken.
        bytes.clear();
        let drained = buffers.drain(&ram, pcpu, &mut bytes);
        assert_eq!((drained.gap, drained.consume, bytes.len()), (None, None, 0));
    }
    assert!(
        events
            .iter()
            .any(|event| matches!(event.what, What::Lost { .. }))
    );
    assert!(
        !events
            .iter()
            .any(|event| matches!(event.what, What::Unreadable { .. }))
    );
    events.sort_by_key(|event| event.time);
    let of_file: Vec<Event> = File::read(&file).unwrap().merged().collect();
    assert!(of_file == events);
}

/// One pCPU's buffer of two pages that are no neighbours, in frames 7 and 5, described in frame 1.
struct Machine {
    ram: Ram,
    buffers: Buffers,
    prod: u32,
    time: u64,
}

const X: u32 = 2 * 4096 - 8;
const CONTROL: u64 = 7 * PAGE;

fn found() -> Found {
    Found {
        t_info: Pa(PAGE),
        t_info_pages: 1,
        data_size: X,
        pcpus: 8,
    }
}

impl Machine {
    fn new() -> Self {
        let mut ram = Ram::default();
        // NR_CPUS is 3, and only pCPU 2 has a buffer: its list is at word 2.
        ram.write(PAGE, &[2, 0, 0, 0, 0, 0, 2, 0, 7, 0, 0, 0, 5, 0, 0, 0]);
        ram.write(CONTROL, &[0; 8]);
        ram.write(5 * PAGE, &[0]);
        let buffers = Buffers::read(&ram, found()).unwrap();
        Self {
            ram,
            buffers,
            prod: 0,
            time: 0,
        }
    }

    fn write_at(&mut self, index: u32, bytes: &[u8]) {
        for (byte, index) in bytes.iter().zip(index..) {
            let at = index % X + 8;
            let frame = if at < 4096 { 7 } else { 5 };
            self.ram
                .write(frame * PAGE + u64::from(at) % PAGE, &[*byte]);
        }
    }

    /// Writes run-state changes as Xen does, a filler before the buffer's end included.
    fn records(&mut self, count: u32) {
        for _ in 0..count {
            let left = X - self.prod % X;
            if left < 16 {
                let filler = 0x1f002 | (left / 4 - 1) << 28;
                self.write_at(self.prod, &filler.to_le_bytes());
                self.prod = (self.prod + left) % (2 * X);
            }
            self.time += 1;
            let mut record = 0x9002_1021_u32.to_le_bytes().to_vec();
            record.extend(self.time.to_le_bytes());
            record.extend([0; 4]);
            self.write_at(self.prod, &record);
            self.prod = (self.prod + 16) % (2 * X);
        }
        self.index(1, self.prod);
    }

    /// Writes cons (0) or prod (1).
    fn index(&mut self, which: u64, value: u32) {
        self.ram.write(CONTROL + 4 * which, &value.to_le_bytes());
    }

    /// Drains without writing cons, and gives the times of the records and the gap.
    fn look(&mut self) -> (Vec<u64>, Option<Gap>, Option<Consume>) {
        let mut bytes = Vec::new();
        let pcpu = Pcpu(2);
        let drained = self.buffers.drain(&self.ram, pcpu, &mut bytes);
        let events = Records::new(Position::start(pcpu), &bytes);
        let times = events.map(|event| event.time.0).collect();
        (times, drained.gap, drained.consume)
    }

    fn drain(&mut self) -> (Vec<u64>, Option<Gap>) {
        let (times, gap, consume) = self.look();
        if let Some(consume) = consume {
            self.ram.consume(consume);
        }
        (times, gap)
    }
}

fn gap(reason: Reason, bytes: u32) -> Option<Gap> {
    Some(Gap { reason, bytes })
}

#[test]
fn records_go_around_the_buffer_and_none_is_missed() {
    let mut machine = Machine::new();
    let mut all = Vec::new();
    for round in 0..60 {
        machine.records(7 * (round % 9) + 1);
        let (times, gap) = machine.drain();
        assert_eq!(gap, None);
        all.extend(times);
    }
    assert_eq!(all, (1..=machine.time).collect::<Vec<u64>>());
}

#[test]
fn a_write_that_never_came_to_pass_gives_nothing_twice() {
    let mut machine = Machine::new();
    machine.records(3);
    assert_eq!(machine.look().0, [1, 2, 3]);
    machine.records(2);
    assert_eq!(machine.drain(), (vec![4, 5], None));
    assert_eq!(machine.drain(), (vec![], None));
}

#[test]
fn another_consumer_is_noticed() {
    let mut machine = Machine::new();
    machine.records(3);
    machine.drain();
    machine.records(3);
    machine.index(0, 16 * 5);
    assert_eq!(machine.drain(), (vec![6], gap(Reason::OtherConsumer, 32)));
    machine.records(1);
    assert_eq!(machine.drain(), (vec![7], None));
}

#[test]
fn indices_out_of_range_start_again_at_prod() {
    for cons in [2, 2 * X, u32::MAX, X - 64] {
        let mut machine = Machine::new();
        machine.records(3);
        machine.index(0, cons);
        assert_eq!(
            machine.drain(),
            (vec![], gap(Reason::BadValue, 0)),
            "{cons}"
        );
        machine.records(1);
        assert_eq!(machine.drain(), (vec![4], None), "{cons}");
    }
    for prod in [1, 2 * X, u32::MAX] {
        let mut machine = Machine::new();
        machine.index(1, prod);
        assert_eq!(machine.look(), (vec![], gap(Reason::BadValue, 0), None));
        machine.records(1);
        assert_eq!(machine.drain(), (vec![1], None), "{prod}");
    }
}

#[test]
fn memory_that_cannot_be_read_is_a_gap() {
    let mut machine = Machine::new();
    machine.records(300);
    let page = machine.ram.0.remove(&5).unwrap();
    assert_eq!(machine.drain(), (vec![], gap(Reason::NotMapped, 4800)));
    machine.ram.0.insert(5, page);
    machine.records(1);
    assert_eq!(machine.drain(), (vec![301], None));
    machine.ram.0.remove(&7);
    assert_eq!(machine.drain(), (vec![], gap(Reason::NotMapped, 0)));
}

#[test]
fn a_loss_not_told_yet_is_in_the_counters() {
    let mut ram = Ram::default();
    ram.write(PAGE, &[5, 0, 0, 0, 0, 0, 0, 0, 99, 0, 0, 0, 0, 0, 0, 0]);
    let mut counters = LossCounters {
        records: Pa(PAGE),
        since: Pa(PAGE + 8),
    };
    let position = Position::start(Pcpu(1));
    let since = Ticks(99);
    let lost = What::Lost { records: 5, since };
    let event = unreported_loss(&ram, counters, position).unwrap().unwrap();
    assert_eq!((event.time, event.pcpu, event.what), (since, Pcpu(1), lost));
    counters.records = Pa(PAGE + 16);
    assert_eq!(unreported_loss(&ram, counters, position), Ok(None));
    counters.records = Pa(0);
    assert!(unreported_loss(&ram, counters, position).is_err());
}

#[test]
fn buffers_that_cannot_be_are_refused() {
    let refused = |t_info: &[u8], found: Found| {
        let mut ram = Ram::default();
        ram.write(PAGE, t_info);
        Buffers::read(&ram, found).err()
    };
    let size = Some(BuffersError::Size {
        pages: 3,
        data_size: X,
    });
    assert_eq!(refused(&[3, 0], found()), size);
    assert!(
        refused(
            &[0, 0],
            Found {
                data_size: 0,
                ..found()
            }
        )
        .is_some()
    );
    let offset = |pcpu, offset| {
        let pcpu = Pcpu(pcpu);
        Some(BuffersError::Offset { pcpu, offset })
    };
    assert_eq!(refused(&[2, 0, 0xff, 3], found()), offset(0, 0x3ff));
    assert_eq!(refused(&[2, 0, 0, 0, 1, 0], found()), offset(1, 1));
    let nowhere = Found {
        t_info: Pa(0),
        ..found()
    };
    assert!(matches!(
        refused(&[2], nowhere),
        Some(BuffersError::Memory(_))
    ));
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn random_memory_does_no_harm(
        t_info in prop::collection::vec(any::<u8>(), 0..64),
        control in any::<[u8; 8]>(),
        pcpus in any::<u32>(),
        pages in 0..4_u32,
    ) {
        let mut machine = Machine::new();
        machine.ram.write(PAGE + 2, &t_info);
        machine.ram.write(CONTROL, &control);
        let found = Found { t_info_pages: pages, pcpus, ..found() };
        if let Ok(mut buffers) = Buffers::read(&machine.ram, found) {
            let pcpus: Vec<Pcpu> = buffers.pcpus().collect();
            for pcpu in pcpus {
                let mut bytes = Vec::new();
                let _ = buffers.drain(&machine.ram, pcpu, &mut bytes);
                prop_assert!(bytes.len() <= X as usize);
                Records::new(Position::start(pcpu), &bytes).for_each(drop);
            }
        }
    }
}
