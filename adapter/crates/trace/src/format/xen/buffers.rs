//! Xen's trace buffers where they lie in memory, emptied without Dom0.
//!
//! ```text
//! t_info:  u16 pages per buffer | u16 offset[NR_CPUS], in u32 from t_info, 0 without a buffer | …
//!          … at each offset: u32 MFN of each of the buffer's pages
//! buffer:  u32 cons | u32 prod | X = pages * 4096 - 8 bytes of records
//! ```
//!
//! `cons` and `prod` run modulo 2X: equal means empty, X apart means full, and the byte is at the index modulo X. A record may
//! straddle two pages, which need not be neighbours, but never the buffer's end: a filler record takes what is left there (Xen 4.17
//! `common/trace.c`; the same in 4.11 and in 2026).
//!
//! When a buffer is full Xen drops the newest records. So who wants the newest window must empty the buffers all the time: read, then
//! write `cons`. Two who do so take records from each other.

use std::sync::atomic::{Ordering, fence};

use machine::ids::Pcpu;
use machine::{MemoryFault, Pa, PhysicalMemory};

use crate::event::{Event, Reason, Ticks, What};
use crate::format::position::Position;
use crate::format::ring::{Consume, Consumer, Drained, Gap};

const PAGE: u32 = 4096;

/// `cons` and `prod` in front of the records.
const INDICES: u32 = 8;

/// Most that t_info can take: 16-bit offsets, in words, of lists of at most 65,535 pages.
const T_INFO_LARGEST: u32 = 2 * 65_535 * 4;

/// What Xen's own variables say, found by somebody who knows symbols.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found {
    /// Where `t_info` points.
    pub t_info: Pa,
    /// `t_info_pages`, of 4 KiB.
    pub t_info_pages: u32,
    /// `data_size`: bytes of records in a buffer.
    pub data_size: u32,
    /// pCPUs that may have a buffer: `nr_cpu_ids`, or `NR_CPUS`.
    pub pcpus: u32,
}

/// Where one pCPU's counters of dropped records are, 64 bits each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LossCounters {
    /// `per_cpu(lost_records)`.
    pub records: Pa,
    /// `per_cpu(lost_records_first_tsc)`.
    pub since: Pa,
}

/// Why there are no buffers to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BuffersError {
    /// `t_info` could not be read.
    #[error("Xen's t_info cannot be read: {0}")]
    Memory(#[from] MemoryFault),
    /// Xen's variables and its description of the buffers do not agree.
    #[error(
        "Xen says that a trace buffer has {pages} pages and room for {data_size} bytes, which cannot both be"
    )]
    Size {
        /// `t_info->tbuf_size`.
        pages: u16,
        /// `data_size`.
        data_size: u32,
    },
    /// A list of pages would not lie in `t_info`.
    #[error("the list of {pcpu}'s trace pages would lie outside t_info, at word {offset}")]
    Offset {
        /// Whose.
        pcpu: Pcpu,
        /// `t_info->mfn_offset[pcpu]`.
        offset: u16,
    },
}

/// All pCPUs' buffers. Holding one proves that `t_info` made sense.
#[derive(Clone, Debug)]
pub struct Buffers {
    /// `t_info`, of which the lists of pages are used.
    t_info: Vec<u32>,
    pages: u32,
    buffers: Vec<Buffer>,
}

#[derive(Clone, Copy, Debug)]
struct Buffer {
    pcpu: Pcpu,
    /// Where in `t_info` its list of pages begins.
    list: usize,
    consumer: Consumer,
}

impl Buffers {
    /// Reads `t_info`.
    ///
    /// # Errors
    /// When it cannot be read, or cannot be as it is.
    pub fn read(memory: &dyn PhysicalMemory, found: Found) -> Result<Self, BuffersError> {
        let bytes = found
            .t_info_pages
            .saturating_mul(PAGE)
            .clamp(4, T_INFO_LARGEST);
        let mut raw = vec![0; bytes as usize];
        memory.read_physical(found.t_info, &mut raw)?;
        let (words, _) = raw.as_chunks::<4>();
        let t_info: Vec<u32> = words.iter().map(|word| u32::from_le_bytes(*word)).collect();
        let pages = half(&t_info, 0);
        let size = u32::from(pages).checked_mul(PAGE);
        if size.and_then(|size| size.checked_sub(INDICES)) != Some(found.data_size) {
            let data_size = found.data_size;
            return Err(BuffersError::Size { pages, data_size });
        }
        let buffers = find(&t_info, usize::from(pages), found.pcpus)?;
        Ok(Self {
            t_info,
            pages: pages.into(),
            buffers,
        })
    }

    /// The pCPUs that have a buffer, by number.
    pub fn pcpus(&self) -> impl Iterator<Item = Pcpu> + '_ {
        self.buffers.iter().map(|buffer| buffer.pcpu)
    }

    /// Appends a pCPU's records to `bytes`, whole and in order, as they would stand in a file.
    ///
    /// The machine may run: what Xen adds meanwhile is for the next time. After this the caller writes what is to be written, and the
    /// next look knows by it whether somebody else has taken records in between.
    pub fn drain(
        &mut self,
        memory: &dyn PhysicalMemory,
        pcpu: Pcpu,
        bytes: &mut Vec<u8>,
    ) -> Drained {
        let Some(place) = self.buffers.iter().position(|buffer| buffer.pcpu == pcpu) else {
            return Drained::default();
        };
        let Some(control) = self.page(place, 0) else {
            return Drained::nothing(Reason::NotMapped);
        };
        let mut indices = [0; 8];
        if memory.read_physical(control, &mut indices).is_err() {
            return Drained::nothing(Reason::NotMapped);
        }
        // What was written before `prod` must be read after it.
        fence(Ordering::Acquire);
        let indices = u64::from_le_bytes(indices);
        let (cons, prod) = (indices as u32, (indices >> 32) as u32);
        if !self.is_index(prod) {
            self.buffers[place].consumer.forget();
            return Drained::nothing(Reason::BadValue);
        }
        let gap = self.copy(memory, place, cons, prod, bytes);
        self.buffers[place].consumer.expect(cons, prod);
        let consume = Consume {
            at: control,
            value: prod,
        };
        Drained {
            gap,
            consume: (cons != prod).then_some(consume),
        }
    }

    /// Copies what was not read yet, and says what is missing before it.
    fn copy(
        &self,
        memory: &dyn PhysicalMemory,
        place: usize,
        cons: u32,
        prod: u32,
        bytes: &mut Vec<u8>,
    ) -> Option<Gap> {
        if !self.is_index(cons) || self.distance(cons, prod) > self.data_size() {
            let reason = Reason::BadValue;
            return Some(Gap { reason, bytes: 0 });
        }
        let consumer = self.buffers[place].consumer;
        let (mut start, mut gap) = consumer.resume(cons, |from, to| self.distance(from, to));
        if self.distance(start, prod) > self.distance(cons, prod) {
            // What we had read lies outside what is there: the buffers were set up anew.
            start = cons;
            gap = Some(Gap {
                reason: Reason::BadValue,
                bytes: 0,
            });
        }
        let length = self.distance(start, prod);
        let before = bytes.len();
        if self
            .append(memory, place, start % self.data_size(), length, bytes)
            .is_some()
        {
            return gap;
        }
        bytes.truncate(before);
        Some(Gap {
            reason: Reason::NotMapped,
            bytes: length,
        })
    }

    /// Appends `length` bytes from a place in the buffer on, around its end. `None` when one cannot be read.
    fn append(
        &self,
        memory: &dyn PhysicalMemory,
        place: usize,
        start: u32,
        length: u32,
        bytes: &mut Vec<u8>,
    ) -> Option<()> {
        let to_end = length.min(self.data_size() - start);
        for (start, length) in [(start, to_end), (0, length - to_end)] {
            let mut at = start + INDICES;
            let end = at + length;
            while at < end {
                let (from, run) = self.run(place, at, end - at)?;
                let before = bytes.len();
                bytes.resize(before + run as usize, 0);
                memory.read_physical(from, &mut bytes[before..]).ok()?;
                at += run;
            }
        }
        Some(())
    }

    /// Where the byte at `at` of a buffer is, and how many of the `most` from there on follow each other in memory.
    fn run(&self, place: usize, at: u32, most: u32) -> Option<(Pa, u32)> {
        let first = self.page(place, at / PAGE)?;
        let mut run = PAGE - at % PAGE;
        while run < most {
            let next = first.offset(u64::from(at % PAGE + run));
            if self.page(place, (at + run) / PAGE) != Some(next) {
                break;
            }
            run += PAGE;
        }
        Some((first.offset(u64::from(at % PAGE)), run.min(most)))
    }

    /// The address of one of a buffer's pages.
    fn page(&self, place: usize, page: u32) -> Option<Pa> {
        let list = self.buffers[place].list;
        let mfn = self.t_info.get(list + page as usize)?;
        (*mfn != 0).then(|| Pa(u64::from(*mfn) * u64::from(PAGE)))
    }

    fn data_size(&self) -> u32 {
        self.pages * PAGE - INDICES
    }

    fn is_index(&self, index: u32) -> bool {
        index.is_multiple_of(4) && u64::from(index) < 2 * u64::from(self.data_size())
    }

    /// From one index to another, both valid.
    fn distance(&self, from: u32, to: u32) -> u32 {
        if to >= from {
            to - from
        } else {
            to + (2 * self.data_size() - from)
        }
    }
}

/// The loss that Xen has counted and not yet put into the buffer, as an event after the pCPU's last record.
///
/// To be asked when recording ends: while it goes on, Xen puts the same loss in front of the next record that fits.
///
/// # Errors
/// When the counters cannot be read.
pub fn unreported_loss(
    memory: &dyn PhysicalMemory,
    counters: LossCounters,
    position: Position,
) -> Result<Option<Event>, MemoryFault> {
    let records = memory.read_physical_u64(counters.records)?;
    if records == 0 {
        return Ok(None);
    }
    let since = Ticks(memory.read_physical_u64(counters.since)?).max(position.time);
    let records = records.try_into().unwrap_or(u32::MAX);
    Ok(Some(Event {
        time: since,
        pcpu: position.pcpu,
        what: What::Lost { records, since },
    }))
}

/// The lists of pages in `t_info`. The first of them ends the array of offsets, whatever number of pCPUs the caller believes in.
fn find(t_info: &[u32], pages: usize, pcpus: u32) -> Result<Vec<Buffer>, BuffersError> {
    let mut buffers = Vec::new();
    let mut array_end = 2 * t_info.len();
    for pcpu in 0..pcpus.min(u16::MAX.into()) as u16 {
        let at = 1 + usize::from(pcpu);
        if at >= array_end {
            break;
        }
        let offset = half(t_info, at);
        if offset == 0 {
            continue;
        }
        let list = usize::from(offset);
        let pcpu = Pcpu(pcpu);
        if 2 * list <= at || list + pages > t_info.len() {
            return Err(BuffersError::Offset { pcpu, offset });
        }
        array_end = array_end.min(2 * list);
        let consumer = Consumer::default();
        buffers.push(Buffer {
            pcpu,
            list,
            consumer,
        });
    }
    Ok(buffers)
}

/// The 16-bit number at a place, of words stored low byte first.
fn half(words: &[u32], at: usize) -> u16 {
    let word = words.get(at / 2).copied().unwrap_or(0);
    (word >> (16 * (at % 2))) as u16
}
