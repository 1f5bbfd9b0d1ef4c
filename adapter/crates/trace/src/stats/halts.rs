//! When the debugger held the machine.

use crate::store::{State, View};
use crate::timeline::MACHINE;

/// The halts of a timeline, in order. The default has none.
#[derive(Clone, Debug, Default)]
pub struct Halts {
    /// Start, end, and the ticks of all halts before.
    halts: Vec<(u64, u64, u64)>,
}

impl Halts {
    /// Reads the machine's lane.
    pub fn of(view: View<'_>) -> Self {
        let lane = view.lane(MACHINE);
        let mut halts = Vec::new();
        let mut before = 0;
        for interval in (0..lane.len()).filter_map(|index| lane.get(index)) {
            if interval.state() == State::Offline {
                halts.push((interval.start(), interval.end, before));
                before = interval.ticks().saturating_add(before);
            }
        }
        Self { halts }
    }

    /// Whether `time` lies in a halt.
    pub fn holds(&self, time: u64) -> bool {
        self.before(time.saturating_add(1)) > self.before(time)
    }

    /// Halted ticks in `[from, to)`.
    pub fn within(&self, from: u64, to: u64) -> u64 {
        self.before(to).saturating_sub(self.before(from))
    }

    /// Ticks in `[from, to)` during which the machine was not halted.
    pub fn going(&self, from: u64, to: u64) -> u64 {
        to.saturating_sub(from)
            .saturating_sub(self.within(from, to))
    }

    fn before(&self, time: u64) -> u64 {
        let begun = self.halts.partition_point(|(start, _, _)| *start < time);
        match begun.checked_sub(1).map(|last| self.halts[last]) {
            None => 0,
            Some((start, end, before)) => {
                time.min(end).saturating_sub(start).saturating_add(before)
            }
        }
    }
}
