//! One page of Linux' ring buffer (Linux 6.12 `kernel/trace/ring_buffer.c`, `include/linux/ring_buffer.h`; the same since 2.6.30).
//!
//! ```text
//! page:   u64 timestamp | commit: bytes of records, and flags | records
//! record: bits 4:0 type_len, 31:5 time since the record before | u32 array[] …
//! type_len  0        length in array[0], itself included
//!           1..=28   four times as many bytes follow
//!           29       padding: to the page's end if its time is 0, else array[0] bytes
//!           30       time goes on by array[0] << 27 | its time
//!           31       the time is array[0] << 27 | its time, without the highest five bits
//! ```

use std::ops::Range;

use super::layout::{Field, Layout};

/// In `commit`: records were lost before this page, and how many stands behind its records.
const MISSED: u64 = 1 << 31;
const MISSED_STORED: u64 = 1 << 30;
const LENGTH: u64 = (1 << 27) - 1;

/// Bits of a time that one word less five bits and an absolute stamp cannot tell.
const STAMP_BITS: u32 = 59;

/// Where the parts of a page's header are, by the kernel's own description.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct PageLayout {
    timestamp: Field,
    commit: Field,
    data: usize,
}

/// A page's header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct PageHeader {
    pub(super) timestamp: u64,
    /// Records lost before it; `Some(0)` where nobody knows how many.
    pub(super) missed: Option<u64>,
}

impl PageLayout {
    /// `None` when the description lacks a part.
    pub(super) fn new(layout: &Layout) -> Option<Self> {
        Some(Self {
            timestamp: layout.field("timestamp")?,
            commit: layout.field("commit")?,
            data: layout.field("data")?.offset,
        })
    }

    /// The header, and where the records are. `None` when they would go over the page's end.
    pub(super) fn header(&self, page: &[u8]) -> Option<(PageHeader, Range<usize>)> {
        let timestamp = self.timestamp.read(page)?;
        let commit = self.commit.read(page)?;
        let end = self.data.checked_add((commit & LENGTH) as usize)?;
        if end > page.len() {
            return None;
        }
        let stored = Field {
            offset: end,
            size: self.commit.size,
        };
        let missed = (commit & MISSED != 0).then(|| {
            let stored = (commit & MISSED_STORED != 0).then(|| stored.read(page));
            stored.flatten().unwrap_or(0)
        });
        let header = PageHeader { timestamp, missed };
        Some((header, self.data..end))
    }

    /// When a page begins.
    pub(super) fn timestamp(&self, page: &[u8]) -> Option<u64> {
        self.timestamp.read(page)
    }
}

/// What a step through a page's records came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// A record, whose bytes are here in the page, at the cursor's time.
    Record(Range<usize>),
    /// No record more.
    End,
    /// What is left cannot be read.
    Bad,
}

/// A place among a page's records.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Cursor {
    pub(super) left: Range<usize>,
    pub(super) time: u64,
}

impl Cursor {
    /// Goes on to the next record.
    pub(super) fn step(&mut self, page: &[u8]) -> Step {
        while !self.left.is_empty() {
            let Some(word) = self.word(page) else {
                return Step::Bad;
            };
            let (kind, delta) = (word & 0x1f, u64::from(word >> 5));
            let data = match kind {
                29 if delta == 0 => return Step::End,
                0 | 29 => self.long(page),
                30 | 31 => self.word(page).map(|high| {
                    self.stamp(kind, u64::from(high) << 27 | delta);
                    0..0
                }),
                words => self.take(4 * words as usize),
            };
            match data {
                None => return Step::Bad,
                Some(_) if kind >= 30 => {}
                Some(data) => {
                    self.time = self.time.saturating_add(delta);
                    if kind != 29 {
                        return Step::Record(data);
                    }
                }
            }
        }
        Step::End
    }

    /// A record that gives its own length, that word included.
    fn long(&mut self, page: &[u8]) -> Option<Range<usize>> {
        let length = self.word(page)?.checked_sub(4)?;
        self.take((length as usize).checked_next_multiple_of(4)?)
    }

    fn stamp(&mut self, kind: u32, time: u64) {
        if kind == 30 {
            self.time = self.time.saturating_add(time);
            return;
        }
        let high = self.time >> STAMP_BITS << STAMP_BITS;
        let stamp = high | time;
        self.time = if stamp < self.time {
            stamp.saturating_add(1 << STAMP_BITS)
        } else {
            stamp
        };
    }

    fn take(&mut self, length: usize) -> Option<Range<usize>> {
        let end = self.left.start.checked_add(length)?;
        if end > self.left.end {
            return None;
        }
        let taken = self.left.start..end;
        self.left.start = end;
        Some(taken)
    }

    fn word(&mut self, page: &[u8]) -> Option<u32> {
        let word = page.get(self.take(4)?)?.first_chunk()?;
        Some(u32::from_le_bytes(*word))
    }
}
