//! hvtrace's records as they stand in a recording (`schemas/recording.md`): inside records of the general class of Xen's format.
//!
//! | number | words |
//! | --- | --- |
//! | 0x1f0e9 | kind, the four words |
//!
//! A loss stands there as Xen's own record of lost records, and what makes no sense as a note of a gap.

use machine::PhysicalMemory;
use machine::ids::Pcpu;

use super::Rings;
use super::record::{self, RECORD, Record, Records};
use crate::event::{Reason, What};
use crate::format::position::Position;
use crate::format::ring::Drained;
use crate::format::xen::notes::{Note, push_hvtrace};
use crate::format::xen::recording::push_loss;

/// Rings, and how far what they held has been written down.
#[derive(Clone, Debug)]
pub struct Recorded {
    rings: Rings,
    /// Of each core.
    positions: Vec<Position>,
    drained: Vec<u8>,
}

impl Recorded {
    /// Before the first record.
    pub fn new(rings: Rings) -> Self {
        Self {
            positions: rings.pcpus().map(Position::start).collect(),
            rings,
            drained: Vec::new(),
        }
    }

    /// The rings themselves.
    pub fn rings(&self) -> &Rings {
        &self.rings
    }

    /// As [`Rings::drain`], as it stands in a recording.
    pub fn drain(
        &mut self,
        memory: &dyn PhysicalMemory,
        pcpu: Pcpu,
        bytes: &mut Vec<u8>,
    ) -> Drained {
        self.drained.clear();
        let drained = self.rings.drain(memory, pcpu, &mut self.drained);
        let (Some(position), Some(consume)) =
            (self.positions.get_mut(usize::from(pcpu.0)), drained.consume)
        else {
            return drained;
        };
        let count = (self.drained.len() / RECORD) as u32;
        let first = consume.value.wrapping_sub(count) as u16;
        let records = Records::new(*position, &self.drained).numbered(first);
        *position = transcribe(records, bytes);
        drained
    }
}

/// Appends what records say to `out`, and tells where they have come to.
fn transcribe(mut records: Records<'_>, out: &mut Vec<u8>) -> Position {
    loop {
        let ahead = records.ahead().map(Record::read);
        let Some(event) = records.next() else {
            return records.reached();
        };
        match (event.what, ahead) {
            (What::Unreadable { reason, bytes }, _) => {
                Note::Gap { reason, bytes }.write(event.time, out);
            }
            (
                What::Lost {
                    records: lost,
                    since,
                },
                _,
            ) => {
                push_loss(records.reached(), lost, since, out);
            }
            (_, Some(Record { kind, words, .. })) => push_hvtrace(event.time, kind, words, out),
            (_, None) => {}
        }
    }
}

/// What a record in a recording says.
///
/// # Errors
/// [`Reason::BadValue`] when a word cannot be, or the kind is that of a loss.
pub(crate) fn meaning(kind: u32, words: [u32; 4]) -> Result<What, Reason> {
    let kind = u16::try_from(kind).map_err(|_| Reason::BadValue)?;
    match record::meaning(kind, words)? {
        What::Lost { .. } => Err(Reason::BadValue),
        what => Ok(what),
    }
}
