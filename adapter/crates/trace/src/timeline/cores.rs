//! Lanes of physical cores: whom each carries.

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
    left: Option<Left>,
}

/// Somebody left the core, and the record of whoever came next has not been seen.
#[derive(Clone, Copy, Debug)]
struct Left {
    time: u64,
    /// Whom it was taken from.
    preempted: Party,
}

impl Default for Core {
    fn default() -> Self {
        Self {
            lane: Party::NONE,
            current: Party::NONE,
            last: 0,
            left: None,
        }
    }
}

impl Timeline {
    /// A core carries this vCPU from now on, or from when the one before left it.
    #[inline]
    pub(super) fn occupy(&mut self, at: At, vcpu: u16) {
        let core = &mut self.cores[usize::from(at.pcpu)];
        let left = core.left.take();
        let same = core.current == Party(vcpu) && left.is_none();
        core.current = Party(vcpu);
        let lane = core.lane;
        if let (false, Some(lane)) = (same, lane.get()) {
            self.come(at, lane, left, Party(vcpu));
        }
    }

    /// A core idles from now on, or from when the vCPU before left it.
    pub(super) fn idle(&mut self, at: At) {
        let core = &mut self.cores[usize::from(at.pcpu)];
        let left = core.left.take();
        core.current = Party::NONE;
        let Some(lane) = core.lane.get() else { return };
        if self.writer.open(lane).state() == State::Blocked && left.is_none() {
            return;
        }
        let start = left.map_or(at.time, |left| left.time);
        self.writer
            .push(lane, Span::new(start, State::Blocked, Party::NONE));
    }

    fn come(&mut self, at: At, lane: u16, left: Option<Left>, vcpu: Party) {
        let start = left.map_or(at.time, |left| left.time);
        let mut span = Span::new(start, State::Running, vcpu);
        let victim = left.and_then(|left| left.preempted.get());
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
    #[inline]
    pub(super) fn leave(&mut self, time: u64, pcpu: u16, vcpu: u16, preempted: bool) {
        let Some(core) = self.cores.get_mut(usize::from(pcpu)) else {
            return;
        };
        if core.current == Party(vcpu) {
            core.current = Party::NONE;
            core.left = Some(Left {
                time,
                preempted: if preempted { Party(vcpu) } else { Party::NONE },
            });
        }
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
        let left = core.left.take().map_or(since, |left| left.time);
        core.current = Party::NONE;
        if let Some(lane) = core.lane.get() {
            let span = Span::new(since.min(left), state, Party::NONE);
            self.writer.push(lane, span);
        }
    }

    /// Ends the spans of cores that somebody left and nobody was seen to enter.
    pub(super) fn settle(&mut self) {
        for pcpu in 0..self.cores.len() {
            if let Some(left) = self.cores[pcpu].left {
                self.forget(pcpu as u16, left.time, State::Unknown);
            }
        }
    }
}
