//! Buffers in the target's memory that the target fills and we empty.

use machine::Pa;

use crate::event::{Event, Reason};
use crate::format::position::Position;

/// What one look at a buffer gave, beside the bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[must_use = "the buffer stays full until the consumer index is written"]
pub struct Drained {
    /// What could not be read, before the bytes.
    pub gap: Option<Gap>,
    /// What to write, after the bytes have been read and not before. `None` when nothing is to be written.
    pub consume: Option<Consume>,
}

/// Bytes of a buffer that were not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gap {
    /// Why not.
    pub reason: Reason,
    /// How many, where it is known.
    pub bytes: u32,
}

/// The write that gives room back to the target: one aligned, coherent, little-endian 32-bit store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Consume {
    /// Where the consumer index is.
    pub at: Pa,
    /// What it becomes.
    pub value: u32,
}

impl Drained {
    /// Nothing could be read, and nothing is to be written.
    pub(crate) fn nothing(reason: Reason) -> Self {
        Self {
            gap: Some(Gap { reason, bytes: 0 }),
            consume: None,
        }
    }

    /// The gap as an event, where the pCPU's records have come to.
    pub fn gap_event(&self, position: Position) -> Option<Event> {
        self.gap.map(|gap| position.gap(gap.reason, gap.bytes))
    }
}

/// The two indices of a buffer as they were read, and what is expected of the consumer's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Consumer {
    /// The index as it was found and the one that was to be written, last time.
    last: Option<(u32, u32)>,
}

impl Consumer {
    /// Where to go on reading, given the consumer index found now, and the gap before that if somebody else has moved it.
    ///
    /// `distance(from, to)` is how many bytes lie between two indices. An index found unmoved means that our write never came to pass.
    pub(crate) fn resume(
        &self,
        found: u32,
        distance: impl Fn(u32, u32) -> u32,
    ) -> (u32, Option<Gap>) {
        match self.last {
            Some((before, ours)) if found == ours || found == before => (ours, None),
            Some((_, ours)) => {
                let gap = Gap {
                    reason: Reason::OtherConsumer,
                    bytes: distance(ours, found),
                };
                (found, Some(gap))
            }
            None => (found, None),
        }
    }

    /// Notes what was found and what is to be written.
    pub(crate) fn expect(&mut self, found: u32, ours: u32) {
        self.last = Some((found, ours));
    }

    /// Takes whatever will be found next for good.
    pub(crate) fn forget(&mut self) {
        self.last = None;
    }
}
