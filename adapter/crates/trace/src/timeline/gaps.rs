//! What is not known: records dropped by the source, and bytes that make no sense.

use super::{At, Timeline};
use crate::store::{Flags, Mark, Party, Point, Span, State};

/// Older contradictions keep being counted.
const MOST_DOUBTS: usize = 4096;

impl Timeline {
    /// Records of a core were dropped since `since`.
    pub(super) fn lost(&mut self, at: At, records: u32, since: u64) {
        self.notices.lost_records += u64::from(records);
        self.gap(at, since, State::Lost);
        self.gap_mark(at, Mark::Lost, records, Flags::default());
    }

    /// Bytes of a core were passed over since its last event.
    pub(super) fn unreadable(&mut self, at: At, bytes: u32) {
        self.notices.unreadable_bytes += u64::from(bytes);
        let since = self.cores[usize::from(at.pcpu)].last;
        self.gap(at, since, State::Lost);
        self.gap_mark(at, Mark::Unreadable, bytes, Flags::UNREADABLE);
    }

    /// Forgets what a core did from `since` on, and the vCPUs that were on it last, until they are seen again.
    pub(super) fn gap(&mut self, at: At, since: u64, state: State) {
        let since = since.min(at.time);
        self.last_gap = self.last_gap.max(Some(at.time));
        for index in 0..self.lanes.of_vcpus.len() {
            let lane = self.lanes.of_vcpus[index];
            let open = self.writer.open(lane);
            if open.party() == Party(at.pcpu) && !open.state().is_gap() {
                let lost = Span::new(since.max(open.start()), state, Party(at.pcpu));
                self.writer.push(lane, lost);
            }
        }
        self.forget(at.pcpu, since, state);
        self.explain(since);
    }

    /// Contradictions since `since` came of what was lost.
    fn explain(&mut self, since: u64) {
        while self.doubts.back().is_some_and(|doubt| *doubt >= since) {
            self.doubts.pop_back();
            self.notices.contradictions -= 1;
        }
    }

    /// Notes a contradiction, which a loss may yet explain: its record comes after those of other cores.
    pub(super) fn doubt_now(&mut self) {
        self.notices.contradictions += 1;
        self.doubts.push_back(self.now);
        if self.doubts.len() > MOST_DOUBTS {
            self.doubts.pop_front();
        }
    }

    fn gap_mark(&mut self, at: At, mark: Mark, value: u32, flags: Flags) {
        if let Some(lane) = self.cores[usize::from(at.pcpu)].lane.get() {
            self.writer.flag(lane, flags);
            let point = Point::new(at.time, mark, u64::from(value));
            self.writer.mark(lane, point);
        }
    }
}
