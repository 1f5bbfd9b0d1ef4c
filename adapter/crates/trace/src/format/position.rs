//! Where the records of one pCPU have come to, and which times after that are believed.

use machine::ids::Pcpu;

use crate::event::{Event, Reason, Ticks, What};

/// A step in time that is believed unasked, in ticks: hours at any frequency. A longer one is believed when the next record does not go back.
pub(super) const LONG_STEP: u64 = 1 << 44;

/// What carries over from one run of bytes of a pCPU to its next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    /// Whose records.
    pub pcpu: Pcpu,
    /// The time of the last one, zero before the first.
    pub time: Ticks,
}

impl Position {
    /// Before a pCPU's first record.
    pub fn start(pcpu: Pcpu) -> Self {
        Self {
            pcpu,
            time: Ticks(0),
        }
    }

    /// A gap here, of which only the reason and the bytes are known.
    pub fn gap(self, reason: Reason, bytes: u32) -> Event {
        Event {
            time: self.time,
            pcpu: self.pcpu,
            what: What::Unreadable { reason, bytes },
        }
    }
}

/// A time told apart from the records, such as by a counter in memory, or `newest` in its stead when nothing makes it believable.
#[must_use]
pub fn believed_after(newest: Ticks, time: Ticks) -> Ticks {
    let leap = time.0.saturating_sub(newest.0);
    match newest.0 != 0 && leap > LONG_STEP {
        true => newest,
        false => time.max(newest),
    }
}

/// The time of a record after one at `last`, or else the time to use in its stead: one that goes back is held at `last`, and one that
/// leaps far ahead, and not with the record after it, whose time is `next`, is taken for damaged. `last` is zero before the first record.
pub(super) fn believed(
    last: u64,
    time: u64,
    next: impl FnOnce() -> Option<u64>,
) -> Result<u64, u64> {
    if time < last {
        return Err(last);
    }
    if time - last <= LONG_STEP {
        return Ok(time);
    }
    match next() {
        Some(next) if next < time && last == 0 => Err(next),
        Some(next) if next < time => Err(last),
        // Nothing vouches for it: days without a record are rarer than a damaged one.
        None if last != 0 => Err(last),
        _ => Ok(time),
    }
}
