//! Our own trace buffers, for hypervisors without tracepoints: `schemas/hvtrace.h` writes them, `schemas/hvtrace.md` describes them.

mod record;
pub mod recorded;

pub use record::{RECORD, Records};

use std::sync::atomic::{Ordering, fence};

use machine::ids::Pcpu;
use machine::{MemoryFault, Pa, PhysicalMemory};

use crate::event::{Event, Reason, Ticks, What};
use crate::format::position::Position;
use crate::format::ring::{Consume, Consumer, Drained, Gap};

/// The name of the root's symbol.
pub const SYMBOL: &str = "hvtrace_root";

const MAGIC: &[u8; 8] = b"HVTRACE\0";
const VERSION: u32 = 1;
const MOST_CORES: u32 = 1024;
const MOST_RECORDS: u32 = 1 << 24;

/// Records read at once: no more room is taken than there turns out to be records.
const PIECE: u32 = 1 << 15;

/// A ring's indices and counters, in front of its records.
const RING_HEADER: u64 = 64;

/// Why there is nothing to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RootError {
    /// The root could not be read.
    #[error("hvtrace_root cannot be read: {0}")]
    Memory(#[from] MemoryFault),
    /// It does not begin with the magic word.
    #[error("what lies at hvtrace_root is no hvtrace buffer")]
    Foreign,
    /// It was written by another version of hvtrace.h.
    #[error("hvtrace of version {0}, of which only 1 is known")]
    Version(u32),
    /// A size is not one that hvtrace.h allows.
    #[error(
        "hvtrace_root tells of {cores} cores with {capacity} records of {record} bytes each, which cannot be"
    )]
    Size {
        /// Cores.
        cores: u32,
        /// Records in each ring.
        capacity: u32,
        /// Bytes of a record.
        record: u32,
    },
    /// The rings cannot lie there.
    #[error(
        "hvtrace_root tells of rings at {0}, which is no place for them: was hvtrace_init given the right offset?"
    )]
    Place(Pa),
    /// The hypervisor has not called `hvtrace_init` yet.
    #[error("the hypervisor has not called hvtrace_init yet")]
    NotStarted,
}

/// All cores' rings. Holding one proves that the root made sense.
#[derive(Clone, Debug)]
pub struct Rings {
    /// Ticks of the counter a second.
    pub frequency: u64,
    /// Where the 32-bit word is whose bit k lets records of kind k through.
    pub enabled: Pa,
    capacity: u32,
    rings: Pa,
    consumers: Vec<Consumer>,
}

impl Rings {
    /// Reads `hvtrace_root`, given its physical address.
    ///
    /// # Errors
    /// When it cannot be read, is none, or the hypervisor has not started it.
    pub fn read(memory: &dyn PhysicalMemory, root: Pa) -> Result<Self, RootError> {
        let mut bytes = [0; 48];
        memory.read_physical(root, &mut bytes)?;
        if !bytes.starts_with(MAGIC) {
            return Err(RootError::Foreign);
        }
        let (words, _) = bytes.as_chunks::<4>();
        let word = |at: usize| u32::from_le_bytes(words[at / 4]);
        let long = |at: usize| u64::from(word(at)) | u64::from(word(at + 4)) << 32;
        if word(8) != VERSION {
            return Err(RootError::Version(word(8)));
        }
        let (record, cores, capacity) = (word(12), word(24), word(28));
        let fits = (1..=MOST_CORES).contains(&cores) && (2..=MOST_RECORDS).contains(&capacity);
        if !fits || !capacity.is_power_of_two() || record as usize != RECORD {
            return Err(RootError::Size {
                cores,
                capacity,
                record,
            });
        }
        if long(16) == 0 {
            return Err(RootError::NotStarted);
        }
        let rings = Pa(long(32));
        let size = u64::from(cores) * ring_size(capacity);
        if !rings.0.is_multiple_of(8) || rings.0.checked_add(size).is_none() {
            return Err(RootError::Place(rings));
        }
        Ok(Self {
            frequency: long(16),
            enabled: root.offset(40),
            capacity,
            rings,
            consumers: vec![Consumer::default(); cores as usize],
        })
    }

    /// Bytes of records that a ring holds.
    pub fn capacity(&self) -> u32 {
        self.capacity * RECORD as u32
    }

    /// The cores that have a ring.
    pub fn pcpus(&self) -> impl Iterator<Item = Pcpu> + use<> {
        (0..self.consumers.len() as u16).map(Pcpu)
    }

    /// Appends a core's new records to `bytes`, whole and in order.
    ///
    /// The machine may run. After this the caller writes what is to be written, and the next look knows by it whether somebody else has
    /// taken records in between.
    pub fn drain(
        &mut self,
        memory: &dyn PhysicalMemory,
        pcpu: Pcpu,
        bytes: &mut Vec<u8>,
    ) -> Drained {
        let ring = self.ring(pcpu);
        let Some(consumer) = self.consumers.get_mut(usize::from(pcpu.0)) else {
            return Drained::default();
        };
        let Ok(indices) = memory.read_physical_u64(ring) else {
            return Drained::nothing(Reason::NotMapped);
        };
        // What was written before `produced` must be read after it.
        fence(Ordering::Acquire);
        let (produced, consumed) = (indices as u32, (indices >> 32) as u32);
        let distance = |from: u32, to: u32| to.wrapping_sub(from).saturating_mul(RECORD as u32);
        let (start, gap) = consumer.resume(consumed, distance);
        consumer.expect(consumed, produced);
        let gap = if produced.wrapping_sub(consumed) > self.capacity
            || produced.wrapping_sub(start) > self.capacity
        {
            let reason = Reason::BadValue;
            Some(Gap { reason, bytes: 0 })
        } else {
            self.copy(memory, ring, start..produced, bytes)
                .err()
                .or(gap)
        };
        let consume = Consume {
            at: ring.offset(4),
            value: produced,
        };
        Drained {
            gap,
            consume: (consumed != produced).then_some(consume),
        }
    }

    /// Appends the records of these numbers, at most as many as a ring has, around its end.
    fn copy(
        &self,
        memory: &dyn PhysicalMemory,
        ring: Pa,
        numbers: std::ops::Range<u32>,
        bytes: &mut Vec<u8>,
    ) -> Result<(), Gap> {
        let count = numbers.end.wrapping_sub(numbers.start);
        let before = bytes.len();
        let mut copied = 0;
        while copied < count {
            let first = numbers.start.wrapping_add(copied) & (self.capacity - 1);
            let piece = (count - copied).min(self.capacity - first).min(PIECE);
            let at = ring.offset(RING_HEADER + u64::from(first) * RECORD as u64);
            let end = bytes.len();
            bytes.resize(end + piece as usize * RECORD, 0);
            if memory.read_physical(at, &mut bytes[end..]).is_err() {
                bytes.truncate(before);
                return Err(Gap {
                    reason: Reason::NotMapped,
                    bytes: count * RECORD as u32,
                });
            }
            copied += piece;
        }
        Ok(())
    }

    /// The loss that a core has counted and not yet told, as an event after its last record. To be asked when recording ends: while it
    /// goes on, the core puts the same loss in front of the next record that fits.
    ///
    /// # Errors
    /// When the counters cannot be read.
    pub fn unreported_loss(
        &self,
        memory: &dyn PhysicalMemory,
        position: Position,
    ) -> Result<Option<Event>, MemoryFault> {
        let ring = self.ring(position.pcpu);
        let records = memory.read_physical_u64(ring.offset(8))? as u32;
        if records == 0 {
            return Ok(None);
        }
        let since = Ticks(memory.read_physical_u64(ring.offset(16))?).max(position.time);
        Ok(Some(Event {
            time: since,
            pcpu: position.pcpu,
            what: What::Lost { records, since },
        }))
    }

    fn ring(&self, pcpu: Pcpu) -> Pa {
        let before = u64::from(pcpu.0) * ring_size(self.capacity);
        self.rings.offset(before)
    }
}

/// Bytes of a ring of so many records.
fn ring_size(capacity: u32) -> u64 {
    RING_HEADER + u64::from(capacity) * RECORD as u64
}
