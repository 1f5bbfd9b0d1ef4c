//! The records of one core, as `schemas/hvtrace.md` lays them out.

use machine::ids::{GuestId, Vcpu};

use crate::event::{Event, Reason, RunState, Ticks, What};
use crate::format::position::{Position, believed};

/// Bytes of a record.
pub const RECORD: usize = 32;

/// Iterates over the events in whole records of one core, in the order they were written.
///
/// Times never decrease, in the same way as those of [`crate::format::xen::records::Records`]. A record that is not numbered as the one
/// after its predecessor is a gap, with [`Reason::BadValue`].
#[derive(Clone, Debug)]
pub struct Records<'a> {
    rest: &'a [[u8; RECORD]],
    /// Bytes at the end that are no whole record.
    cut: usize,
    position: Position,
    number: Option<u16>,
    /// The gap before the record at hand has been handed out.
    told: bool,
}

/// A record taken apart.
#[derive(Clone, Copy, Debug)]
pub(super) struct Record {
    time: u64,
    pub(super) kind: u16,
    number: u16,
    pub(super) words: [u32; 4],
}

impl<'a> Records<'a> {
    /// Reads `bytes`, drained in one go, after what was read before.
    pub fn new(position: Position, bytes: &'a [u8]) -> Self {
        let (rest, cut) = bytes.as_chunks();
        Self {
            rest,
            cut: cut.len(),
            position,
            number: None,
            told: false,
        }
    }

    /// Knows the number of the first record, by its low half.
    #[must_use]
    pub fn numbered(self, number: u16) -> Self {
        let number = Some(number);
        Self { number, ..self }
    }

    /// The record that comes next.
    pub(super) fn ahead(&self) -> Option<&'a [u8; RECORD]> {
        self.rest.first()
    }

    /// Where reading has come to.
    pub fn reached(&self) -> Position {
        self.position
    }

    fn event(&self, what: What) -> Event {
        Event {
            time: self.position.time,
            pcpu: self.position.pcpu,
            what,
        }
    }

    /// The record's time, or in its stead the last good one.
    fn believed(&self, record: &Record, after: &[[u8; RECORD]]) -> Result<u64, u64> {
        believed(self.position.time.0, record.time, || {
            after.first().map(|next| Record::read(next).time)
        })
    }
}

impl Iterator for Records<'_> {
    type Item = Event;

    fn next(&mut self) -> Option<Event> {
        let Some((record, after)) = self.rest.split_first() else {
            let cut = std::mem::take(&mut self.cut);
            return (cut != 0).then(|| self.position.gap(Reason::Truncated, cut as u32));
        };
        let record = Record::read(record);
        let number = self.number.unwrap_or(record.number);
        let believed = self.believed(&record, after);
        let time = Ticks(believed.unwrap_or_else(|instead| instead));
        let meaning = record.meaning_between(self.position.time, time);
        let (Ok(what), true) = (meaning, number == record.number) else {
            self.rest = after;
            self.number = Some(record.number.wrapping_add(1));
            return Some(self.position.gap(Reason::BadValue, RECORD as u32));
        };
        if believed.is_err() && !self.told {
            self.told = true;
            return Some(self.position.gap(Reason::TimeBackwards, 0));
        }
        self.position.time = time;
        self.rest = after;
        self.number = Some(number.wrapping_add(1));
        self.told = false;
        Some(self.event(what))
    }
}

impl Record {
    pub(super) fn read(bytes: &[u8; RECORD]) -> Self {
        let (words, _) = bytes.as_chunks::<4>();
        let word = |n: usize| u32::from_le_bytes(words[n]);
        Self {
            time: u64::from(word(0)) | u64::from(word(1)) << 32,
            kind: word(2) as u16,
            number: (word(2) >> 16) as u16,
            words: std::array::from_fn(|n| word(3 + n)),
        }
    }

    /// What it says; a loss lies between the time of the record before and its own, as believed.
    fn meaning_between(&self, last: Ticks, time: Ticks) -> Result<What, Reason> {
        Ok(match meaning(self.kind, self.words)? {
            What::Lost { records, since } => What::Lost {
                records,
                since: since.clamp(last, time),
            },
            what => what,
        })
    }
}

/// What a record says, by its kind.
pub(super) fn meaning(kind: u16, words: [u32; 4]) -> Result<What, Reason> {
    let [a, b, c, d] = words;
    let vcpu = vcpu(a, b);
    Ok(match kind {
        0 => What::Lost {
            records: a,
            since: Ticks(u64::from(b) | u64::from(c) << 32),
        },
        1 => What::Switch {
            from: vcpu,
            to: self::vcpu(c, d),
        },
        2 => What::RunState {
            vcpu,
            from: run_state(c)?,
            to: run_state(d)?,
        },
        3 => What::Enter { vcpu },
        4 => What::Exit { vcpu, syndrome: c },
        5 => What::Hypercall { vcpu, number: c },
        6 => What::Inject { vcpu, interrupt: c },
        7 => What::GuestAdded(vcpu.guest),
        8 => What::GuestRemoved(vcpu.guest),
        9 => What::Mark { id: a, value: b },
        10 => What::Wake { vcpu },
        kind => What::Other { id: kind.into() },
    })
}

fn vcpu(guest: u32, index: u32) -> Vcpu {
    let guest = GuestId(guest);
    Vcpu { guest, index }
}

fn run_state(number: u32) -> Result<RunState, Reason> {
    Ok(match number {
        0 => RunState::Running,
        1 => RunState::Runnable,
        2 => RunState::Blocked,
        3 => RunState::Offline,
        _ => return Err(Reason::BadValue),
    })
}
