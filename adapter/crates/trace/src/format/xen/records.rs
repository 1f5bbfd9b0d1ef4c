//! The records of one pCPU in a row: time never goes back, and what cannot be read is a gap with a reason.

use machine::ids::{Pcpu, Vcpu};

use super::record::{self, Header, LONGEST, Record};
use crate::event::{Event, Reason, RunState, Ticks, What};
use crate::format::position::{LONG_STEP, Position, believed};

/// Iterates over the events in whole records of one pCPU, in the order they were written.
///
/// Times never decrease: a record without time has that of the one before, one whose time is before that (or leaps far ahead of
/// its successor) is preceded by [`What::Unreadable`] with [`Reason::TimeBackwards`] and held at the last good time. After bytes
/// that are no record, reading goes on at the next place where two records follow each other.
#[derive(Clone, Debug)]
pub struct Records<'a> {
    rest: &'a [u8],
    pcpu: Pcpu,
    time: u64,
    /// The gap before the record at hand has been handed out.
    told: bool,
}

impl<'a> Records<'a> {
    /// Reads `bytes`, which begin with a record, after what was read before.
    pub fn new(position: Position, bytes: &'a [u8]) -> Self {
        Self {
            rest: bytes,
            pcpu: position.pcpu,
            time: position.time.0,
            told: false,
        }
    }

    /// Where reading has come to.
    pub fn reached(&self) -> Position {
        Position {
            pcpu: self.pcpu,
            time: Ticks(self.time),
        }
    }

    #[inline(always)]
    fn event(&self, what: What) -> Event {
        Event {
            time: Ticks(self.time),
            pcpu: self.pcpu,
            what,
        }
    }

    /// Appends the next events to `block`, `most` of them while there are any: quicker than one by one.
    pub(super) fn read_into(&mut self, block: &mut Vec<Event>, most: usize) {
        block.reserve(most);
        for _ in 0..most {
            // Written out, so that the commonest event is put where it belongs at once.
            if let Some((vcpu, from, to)) = self.run_state_change() {
                block.push(self.event(What::RunState { vcpu, from, to }));
                continue;
            }
            match self.usual().or_else(|| self.unusual()) {
                Some(event) => block.push(event),
                None => return,
            }
        }
    }

    /// The header and words of a record with time, not at the very end, and that time.
    #[inline(always)]
    fn whole(&self) -> Option<(Header, u64, [u32; 7])> {
        let bytes = self.rest.first_chunk::<LONGEST>()?;
        let word = |at: usize| {
            let bytes = [bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]];
            u32::from_le_bytes(bytes)
        };
        let header = Header(word(0));
        let time = u64::from(word(4)) | u64::from(word(8)) << 32;
        let step = time.checked_sub(self.time);
        let timely = header.has_time() && step.is_some_and(|step| step <= LONG_STEP);
        timely.then(|| (header, time, std::array::from_fn(|n| word(4 * n + 12))))
    }

    /// The usual case. `None` leaves everything as it was.
    #[inline(always)]
    fn run_state_change(&mut self) -> Option<(Vcpu, RunState, RunState)> {
        let (header, time, words) = self.whole()?;
        let change = record::run_state_change(header, words[0])?;
        self.step(header, time);
        Some(change)
    }

    /// Any other record with time, not at the very end, that says something. `None` leaves everything as it was.
    fn usual(&mut self) -> Option<Event> {
        let (header, time, words) = self.whole()?;
        let what = record::meaning(header, &words).ok()?;
        self.step(header, time);
        Some(self.event(what))
    }

    #[inline(always)]
    fn step(&mut self, header: Header, time: u64) {
        self.time = time;
        self.rest = &self.rest[header.size()..];
        self.told = false;
    }

    /// Everything else: records without time, about the buffer, at the end, or bad.
    #[cold]
    fn unusual(&mut self) -> Option<Event> {
        while !self.rest.is_empty() {
            let record = match Record::read(self.rest) {
                Ok(record) => record,
                Err(Reason::Truncated) => return self.give_up(Reason::Truncated),
                Err(reason) => return self.skip_garbage(reason),
            };
            match record.header.id() {
                record::WRAP_BUFFER => self.rest = &self.rest[record.header.size()..],
                // Whose the records after it are cannot be told any more.
                record::CPU_CHANGE => return self.give_up(Reason::BadValue),
                _ => return self.one(&record),
            }
        }
        None
    }

    fn one(&mut self, record: &Record) -> Option<Event> {
        let believed = self.believed(record);
        let time = believed.unwrap_or_else(|instead| instead);
        let what = match self.meaning(record, time) {
            Ok(what) => what,
            Err(reason) => return self.skip_garbage(reason),
        };
        if believed.is_err() && !self.told {
            self.told = true;
            return Some(self.reached().gap(Reason::TimeBackwards, 0));
        }
        self.step(record.header, time);
        Some(self.event(what))
    }

    /// What the record says; a loss lies between the record before and this one, at `time`.
    fn meaning(&self, record: &Record, time: u64) -> Result<What, Reason> {
        if record.header.id() != record::LOST_RECORDS {
            return record::meaning(record.header, &record.words);
        }
        if record.header.words() < 4 {
            return Err(Reason::BadSize);
        }
        let [records, _, low, high, ..] = record.words;
        let since = u64::from(low) | u64::from(high) << 32;
        Ok(What::Lost {
            records,
            since: Ticks(since.clamp(self.time, time)),
        })
    }

    /// The record's time, or in its stead the last good one.
    fn believed(&self, record: &Record) -> Result<u64, u64> {
        record.time.map_or(Ok(self.time), |Ticks(time)| {
            believed(self.time, time, || self.time_after(record))
        })
    }

    /// The time of the record after this one, if it has one.
    fn time_after(&self, record: &Record) -> Option<u64> {
        let next = self.rest.get(record.header.size()..)?;
        Some(Record::read(next).ok()?.time?.0)
    }

    fn give_up(&mut self, reason: Reason) -> Option<Event> {
        self.skip(self.rest.len(), reason)
    }

    /// Passes over what is no record: exactly its own size if a record follows there, else up to the next two records in a row.
    fn skip_garbage(&mut self, reason: Reason) -> Option<Event> {
        let size = word_at(self.rest).map_or(4, |word| Header(word).size());
        let framed = self.rest.get(size..).is_some_and(|next| self.follows(next));
        let skipped = if framed {
            Some(size)
        } else {
            (4..self.rest.len())
                .step_by(4)
                .find(|at| self.follows(&self.rest[*at..]))
        };
        self.skip(skipped.unwrap_or(self.rest.len()), reason)
    }

    fn skip(&mut self, bytes: usize, reason: Reason) -> Option<Event> {
        self.rest = &self.rest[bytes..];
        let bytes = bytes.try_into().unwrap_or(u32::MAX);
        Some(self.reached().gap(reason, bytes))
    }

    /// Whether `bytes` begin with a record of about this time (which may be damaged itself), and end after it or go on with
    /// another record.
    fn follows(&self, bytes: &[u8]) -> bool {
        let Ok(record) = Record::read(bytes) else {
            return false;
        };
        let timely = record
            .time
            .is_some_and(|time| self.time == 0 || time.0.abs_diff(self.time) <= LONG_STEP);
        let after = &bytes[record.header.size()..];
        timely && (after.is_empty() || Record::read(after).is_ok())
    }
}

impl Iterator for Records<'_> {
    type Item = Event;

    #[inline]
    fn next(&mut self) -> Option<Event> {
        if let Some((vcpu, from, to)) = self.run_state_change() {
            return Some(self.event(What::RunState { vcpu, from, to }));
        }
        self.usual().or_else(|| self.unusual())
    }
}

fn word_at(bytes: &[u8]) -> Option<u32> {
    bytes.first_chunk().map(|word| u32::from_le_bytes(*word))
}
