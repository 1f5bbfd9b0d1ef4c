//! Lanes of physical cores: whom each carries.

use std::hint::select_unpredictable;

use super::{At, Timeline};
use crate::store::{Cause, Flags, Party, Span, State};

/// What is known of a core.
#[derive(Clone, Copy, Debug)]
pub(super) struct Core {
    /// Its lane.
    pub(super) lane: Party,
    /// The lane of the vCPU that it carries, if it carries one.
    pub(super) current: Party,
    /// Its last event.
    pub(super) last: u64,
    left: Left,
}

/// Whether somebody left the core, and the record of whoever came next has not been seen.
///
/// Not an `Option`: that would be chosen, and copied, as a whole and through memory, which waits for its parts to be stored.
#[derive(Clone, Copy, Debug)]
struct Left {
    somebody: bool,
    time: u64,
    /// Whom it was taken from.
    preempted: Party,
}

impl Left {
    const NOBODY: Self = Self {
        somebody: false,
        time: 0,
        preempted: Party::NONE,
    };

    /// When somebody left, else this time.
    #[inline]
    fn time_or(self, time: u64) -> u64 {
        select_unpredictable(self.somebody, self.time, time)
    }
}

impl Default for Core {
    fn default() -> Self {
        Self {
            lane: Party::NONE,
            current: Party::NONE,
            last: 0,
            left: Left::NOBODY,
        }
    }
}

impl Timeline {
    /// A core carries this vCPU from now on, or from when the one before left it.
    #[inline(always)]
    pub(super) fn occupy(&mut self, at: At, vcpu: u16) {
        let core = &mut self.cores[usize::from(at.pcpu)];
        let left = core.left;
        core.left.somebody = false;
        let same = core.current == Party(vcpu) && !left.somebody;
        core.current = Party(vcpu);
        let lane = core.lane;
        if let (false, Some(lane)) = (same, lane.get()) {
            self.come(at, lane, left, Party(vcpu));
        }
    }

    /// A core idles from now on, or from when the vCPU before left it.
    pub(super) fn idle(&mut self, at: At) {
        let core = &mut self.cores[usize::from(at.pcpu)];
        let left = std::mem::replace(&mut core.left, Left::NOBODY);
        core.current = Party::NONE;
        let Some(lane) = core.lane.get() else { return };
        if self.writer.open(lane).state() == State::Blocked && !left.somebody {
            return;
        }
        let start = left.time_or(at.time);
        self.writer
            .push(lane, Span::new(start, State::Blocked, Party::NONE));
    }

    #[inline(always)]
    fn come(&mut self, at: At, lane: u16, left: Left, vcpu: Party) {
        let mut span = Span::new(left.time_or(at.time), State::Running, vcpu);
        let victim = left.preempted.get().filter(|_| left.somebody);
        if let Some(victim) = victim.filter(|victim| Party(*victim) != vcpu) {
            span = span.caused(Cause::Preempted, Party(victim), Party(at.pcpu));
            self.blame(victim, vcpu, at.pcpu);
        }
        self.writer.push(lane, span);
    }

    /// Tells the span of the vCPU that was preempted who took its core.
    fn blame(&mut self, victim: u16, culprit: Party, pcpu: u16) {
        let open = self.writer.open(victim);
        if open.cause() == Cause::Preempted && open.by_pcpu() == Party(pcpu) {
            *self.writer.open_mut(victim) = open.caused(Cause::Preempted, culprit, Party(pcpu));
        }
    }

    /// A vCPU leaves the core that carries it.
    #[inline(always)]
    pub(super) fn leave(&mut self, time: u64, pcpu: u16, vcpu: u16, preempted: bool) {
        let Some(core) = self.cores.get_mut(usize::from(pcpu)) else {
            return;
        };
        let victim = select_unpredictable(preempted, Party(vcpu), Party::NONE);
        let leaves = core.current == Party(vcpu);
        core.current = select_unpredictable(leaves, Party::NONE, core.current);
        let left = &mut core.left;
        left.somebody |= leaves;
        left.time = select_unpredictable(leaves, time, left.time);
        left.preempted = select_unpredictable(leaves, victim, left.preempted);
    }

    /// The core in or out of the hypervisor, on behalf of the vCPU it carries.
    pub(super) fn cross(&mut self, at: At, state: State, vcpu: u16) {
        self.occupy(at, vcpu);
        let Some(lane) = self.cores[usize::from(at.pcpu)].lane.get() else {
            return;
        };
        if self.writer.open(lane).state() != state {
            self.writer
                .push(lane, Span::new(at.time, state, Party(vcpu)));
        }
    }

    /// The vCPU that a core was thought to carry since its open span began was not there.
    pub(super) fn doubt(&mut self, pcpu: u16, vcpu: u16, state: State) {
        let Some(core) = self.cores.get_mut(usize::from(pcpu)) else {
            return;
        };
        if core.current != Party(vcpu) {
            return;
        }
        core.current = Party::NONE;
        if let Some(lane) = core.lane.get() {
            let open = self.writer.open_mut(lane);
            *open = open.in_state(state).flagged(Flags::CONTRADICTED);
        }
    }

    /// What a core does is not known from `since` on.
    pub(super) fn forget(&mut self, pcpu: u16, since: u64, state: State) {
        let core = &mut self.cores[usize::from(pcpu)];
        let left = std::mem::replace(&mut core.left, Left::NOBODY).time_or(since);
        core.current = Party::NONE;
        if let Some(lane) = core.lane.get() {
            let span = Span::new(since.min(left), state, Party::NONE);
            self.writer.push(lane, span);
        }
    }

    /// Ends the spans of cores that somebody left and nobody was seen to enter.
    pub(super) fn settle(&mut self) {
        for pcpu in 0..self.cores.len() {
            let left = self.cores[pcpu].left;
            if left.somebody {
                self.forget(pcpu as u16, left.time, State::Unknown);
            }
        }
    }
}
