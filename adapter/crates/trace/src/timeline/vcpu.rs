//! Lanes of vCPUs: running, runnable, blocked, offline, in the hypervisor.
//!
//! Nearly all records are changes of run state, and which change of which vCPU comes next cannot be predicted: a branch that
//! depends on it costs as much as the rest of the work together. So what goes into a span is selected and looked up, not
//! branched for, on the way of a change that agrees with what was known.

use std::hint::select_unpredictable;

use machine::Vcpu;

use super::lanes::Hint;
use super::{At, Timeline};
use crate::event::{Event, RunState, What};
use crate::store::{Cause, Flags, Mark, Party, Point, Span, State};

impl From<RunState> for State {
    fn from(state: RunState) -> Self {
        match state {
            RunState::Running => Self::Running,
            RunState::Runnable => Self::Runnable,
            RunState::Blocked => Self::Blocked,
            RunState::Offline => Self::Offline,
        }
    }
}

impl Timeline {
    /// Does what [`run_state`](Self::run_state) does for the usual change, without asking anything twice: of a vCPU that was left in
    /// the state the record says, on this core if on any. Tells whether it was one; if not, nothing was done.
    #[inline(always)]
    pub(super) fn usual_change(&mut self, event: &Event) -> bool {
        let What::RunState { vcpu, from, to } = event.what else {
            return false;
        };
        let at = At {
            time: event.time.0,
            pcpu: event.pcpu.0,
        };
        let Some(lane) = self.lanes.known(vcpu) else {
            return false;
        };
        let Some(core) = self.cores.get_mut(usize::from(at.pcpu)) else {
            return false;
        };
        let open = self.writer.open(lane);
        let was_here = (from != RunState::Running) | (open.party() == Party(at.pcpu));
        let as_left = open.state() as u8 == from as u8;
        let in_order = (at.time >= self.now) & (core.lane != Party::NONE) & self.has_run_states;
        if !(was_here & as_left & in_order & (from != to)) {
            return false;
        }
        core.last = at.time;
        self.now = at.time;
        self.notices.events += 1;
        match to {
            RunState::Running => {
                self.take_hint(lane);
                self.begins(at, lane, open);
                self.occupy(at, lane);
            }
            _ => self.stops(at, lane, to),
        }
        true
    }

    pub(super) fn run_state(&mut self, at: At, vcpu: Vcpu, from: RunState, to: RunState) {
        self.has_run_states = true;
        let Some(lane) = self.vcpu_lane(vcpu) else {
            return self.idle_vcpu(at, to);
        };
        if self.is_others(lane) {
            return self.one_of_many(at, lane, to);
        }
        self.compare(lane, from.into());
        match to {
            RunState::Running => self.runs(at, lane),
            _ => self.stops(at, lane, to),
        }
    }

    /// The idle vCPU of a core runs when nobody else does.
    fn idle_vcpu(&mut self, at: At, to: RunState) {
        if to == RunState::Running {
            self.idle(at);
        }
    }

    fn one_of_many(&mut self, at: At, lane: u16, to: RunState) {
        match to {
            RunState::Running => self.occupy(at, lane),
            _ => self.leave(at.time, at.pcpu, lane, false),
        }
    }

    /// Makes the open span unknown if `from`, which a record says the vCPU was in, contradicts it.
    #[inline]
    fn compare(&mut self, lane: u16, from: State) {
        let open = self.writer.open(lane);
        let agrees = open.state() == from || open.state().on_core() && from.on_core();
        if !agrees && !open.state().is_gap() {
            self.contradicted(lane, open);
        }
    }

    #[cold]
    fn contradicted(&mut self, lane: u16, open: Span) {
        if self.take_hint(lane).guessed {
            return;
        }
        let gap = self.last_gap.is_some_and(|gap| gap >= open.start());
        let state = if gap { State::Lost } else { State::Unknown };
        if !gap {
            self.doubt_now();
        }
        *self.writer.open_mut(lane) = open.in_state(state).flagged(Flags::CONTRADICTED);
        if let (true, Some(carrier)) = (open.state().on_core(), open.party().get()) {
            self.doubt(carrier, lane, state);
        }
    }

    #[inline]
    fn runs(&mut self, at: At, lane: u16) {
        let open = self.writer.open(lane);
        self.take_hint(lane);
        let same = open.party() == Party(at.pcpu);
        if !(same && open.state().on_core()) {
            self.move_away(at, lane, open);
            self.begins(at, lane, open);
        }
        self.occupy(at, lane);
    }

    /// A vCPU that did something else begins to run.
    #[inline(always)]
    fn begins(&mut self, at: At, lane: u16, open: Span) {
        let mut span = Span::new(at.time, State::Running, Party(at.pcpu));
        if open.party() != Party(at.pcpu) && open.party() != Party::NONE {
            span = span.flagged(Flags::MIGRATED);
        }
        self.writer.push(lane, span);
    }

    /// A vCPU that turns up on one core has left the other.
    #[inline]
    fn move_away(&mut self, at: At, lane: u16, open: Span) {
        let other = open.party().get().filter(|other| *other != at.pcpu);
        if let (true, Some(other)) = (open.state().on_core(), other) {
            self.leave(at.time, other, lane, false);
        }
    }

    #[inline(always)]
    fn stops(&mut self, at: At, lane: u16, to: RunState) {
        let open = self.writer.open(lane);
        let hint = self.take_hint(lane);
        let ran = open.state().on_core();
        let (current, pcpu) = self.originator(at);
        let was_here = ran | (current == Party(lane));
        let party = select_unpredictable(was_here, pcpu, open.party());
        let cause = CAUSES[usize::from(was_here)][hint.number()][to as usize];
        let by = select_unpredictable(cause == Cause::Woken, current, Party::NONE);
        let span = Span::new(at.time, to.into(), party).caused(cause, by, pcpu);
        self.writer.push(lane, span);
        let on_another = ran & (open.party() != Party::NONE);
        let carrier = select_unpredictable(on_another, open.party(), pcpu);
        self.leave(at.time, carrier.0, lane, cause == Cause::Preempted);
    }

    /// The scheduler let it go on: it runs here.
    pub(super) fn goes_on(&mut self, at: At, vcpu: Vcpu) {
        let Some(lane) = self.vcpu_lane(vcpu) else {
            return self.idle(at);
        };
        if self.is_others(lane) {
            return self.occupy(at, lane);
        }
        self.compare(lane, State::Running);
        self.runs(at, lane);
    }

    /// With run states a switch says nothing new; without, it tells who runs, and the other's state is a guess.
    pub(super) fn switch(&mut self, at: At, from: Vcpu, to: Vcpu) {
        if self.has_run_states {
            return;
        }
        if let Some(lane) = self.vcpu_lane(from).filter(|lane| !self.is_others(*lane)) {
            let hint = *self.hint_mut(lane);
            self.stops(at, lane, hint.to.unwrap_or(RunState::Runnable));
            self.hint_mut(lane).guessed = true;
        }
        match self.vcpu_lane(to) {
            None => self.idle(at),
            Some(lane) if self.is_others(lane) => self.occupy(at, lane),
            Some(lane) => {
                self.runs(at, lane);
                self.hint_mut(lane).guessed = true;
            }
        }
    }

    pub(super) fn exit(&mut self, at: At, vcpu: Vcpu, syndrome: u32) {
        let lane = self.cross_both(at, vcpu, State::Hypervisor);
        if let (Some(lane), true) = (lane, syndrome != 0) {
            let point = Point::new(at.time, Mark::Exit, u64::from(syndrome));
            self.writer.mark(lane, point);
        }
    }

    pub(super) fn enter(&mut self, at: At, vcpu: Vcpu) {
        self.cross_both(at, vcpu, State::Running);
    }

    /// A vCPU that runs here goes into the hypervisor or comes out of it.
    fn cross_both(&mut self, at: At, vcpu: Vcpu, state: State) -> Option<u16> {
        let lane = self.vcpu_lane(vcpu)?;
        if self.is_others(lane) {
            return None;
        }
        self.compare(lane, State::Running);
        let open = self.writer.open(lane);
        if open.state() != state || open.party() != Party(at.pcpu) {
            self.move_away(at, lane, open);
            let span = Span::new(at.time, state, Party(at.pcpu));
            self.writer.push(lane, span);
        }
        self.cross(at, state, lane);
        Some(lane)
    }

    /// The run state tells of the wake too, if there are run states; the point tells where it came from.
    pub(super) fn wake(&mut self, at: At, vcpu: Vcpu) {
        let Some(lane) = self.vcpu_lane(vcpu) else {
            return;
        };
        let (by, pcpu) = self.originator(at);
        let point = Point::new(at.time, Mark::Wake, 0).caused(by, pcpu);
        self.writer.mark(lane, point);
        let open = self.writer.open(lane);
        let waits = !open.state().on_core() && open.state() != State::Runnable;
        if waits && !self.has_run_states && !self.is_others(lane) {
            let span = Span::new(at.time, State::Runnable, open.party());
            let span = span.caused(Cause::Woken, by, pcpu);
            self.writer.push(lane, span);
            self.hint_mut(lane).guessed = true;
        }
    }

    pub(super) fn deadline_missed(&mut self, at: At, vcpu: Vcpu) {
        if let Some(lane) = self.vcpu_lane(vcpu) {
            let point = Point::new(at.time, Mark::DeadlineMissed, 0);
            self.writer.mark(lane, point);
            self.writer.flag(lane, Flags::DEADLINE_MISSED);
        }
    }
}

/// By whether the vCPU ran, [`Hint::number`] and the new state.
static CAUSES: [[[Cause; 4]; Hint::NUMBERS]; 2] = {
    let mut causes = [[[Cause::Unstated; 4]; Hint::NUMBERS]; 2];
    let mut case = 0;
    while case < 8 * Hint::NUMBERS {
        let (ran, hint, to) = (case % 2, case / 8, case / 2 % 4);
        let hinted = if hint < 4 { Some(STATES[hint]) } else { None };
        causes[ran][hint][to] = cause(ran == 1, hinted, STATES[to]);
        case += 1;
    }
    causes
};

/// By number.
const STATES: [RunState; 4] = [
    RunState::Running,
    RunState::Runnable,
    RunState::Blocked,
    RunState::Offline,
];

/// Why a vCPU goes where it goes: it `ran` until now, and may have said where it is about to go.
const fn cause(ran: bool, hint: Option<RunState>, to: RunState) -> Cause {
    match (to, hint) {
        (RunState::Runnable, _) if !ran => Cause::Woken,
        (RunState::Runnable, Some(RunState::Runnable)) => Cause::Yielded,
        (RunState::Runnable, _) => Cause::Preempted,
        (RunState::Blocked, Some(RunState::Offline)) => Cause::Slept,
        (RunState::Blocked, _) if ran => Cause::Waits,
        (RunState::Offline, _) => Cause::Slept,
        _ => Cause::Unstated,
    }
}
