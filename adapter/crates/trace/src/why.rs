//! Why a vCPU was, or was not, running at a time: the evidence, and one sentence that says it.

mod sentence;

#[cfg(test)]
mod tests;

use crate::stats::Halts;
use crate::store::{Cause, Flags, Interval, LaneView, Mark, Owner, Party, State, View, Wanted};

/// What is known of a vCPU (or task) at a time.
#[derive(Clone, Debug, PartialEq)]
pub struct Why {
    /// Its lane.
    pub lane: u16,
    /// When.
    pub time: u64,
    /// What it did.
    pub verdict: Verdict,
    /// Since when, and until when: the end of what is known if it has not ended.
    pub since: u64,
    /// See `since`.
    pub until: u64,
    /// Whether the state had ended when the timeline did.
    pub ended: bool,
    /// Whether the debugger held the machine at that time.
    pub halted: bool,
    /// Its credit or budget at the time, if the trace tells.
    pub credit: Option<i32>,
}

/// What a vCPU did, with what explains it.
#[derive(Clone, Debug, PartialEq)]
pub enum Verdict {
    /// It had this core.
    Running {
        /// Which.
        pcpu: Party,
        /// The hypervisor ran on its behalf.
        in_hypervisor: bool,
    },
    /// It wanted a core and had none.
    Runnable {
        /// What made it runnable.
        cause: Cause,
        /// Who: the lane of whoever woke or preempted it.
        by: Party,
        /// Where that happened.
        by_pcpu: Party,
        /// Who had the core it waited for.
        culprit: Option<Culprit>,
        /// Where it ran next, if it did.
        ran_on: Option<u16>,
    },
    /// It waited for an event.
    Blocked {
        /// What made it wait.
        cause: Cause,
        /// Who woke it, at the end.
        woken: Option<Woken>,
    },
    /// It was paused, shut down or never started.
    Offline {
        /// What made it so.
        cause: Cause,
    },
    /// Nobody knows.
    Unknown {
        /// Records were lost on this core.
        lost_on: Option<u16>,
        /// How many, at the end of the loss.
        records: Option<u64>,
        /// The next record contradicted the one before.
        contradicted: bool,
    },
}

/// Who had a core that another wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Culprit {
    /// The core.
    pub pcpu: u16,
    /// What the core did: carry a vCPU, idle, or nobody knows.
    pub state: State,
    /// The lane of the vCPU it carried.
    pub lane: Party,
    /// Since when.
    pub since: u64,
    /// Its credit or budget at the time, if the trace tells.
    pub credit: Option<i32>,
}

/// A wake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Woken {
    /// When.
    pub time: u64,
    /// The lane of the vCPU that did it, or that was interrupted by what did it.
    pub by: Party,
    /// Where.
    pub pcpu: Party,
}

/// Looks at a lane at a time; `None` where the timeline says nothing at all about it.
pub fn why(view: View<'_>, lane: u16, time: u64) -> Option<Why> {
    let spans = view.lane(lane);
    let index = spans.index_at(time)?;
    let interval = spans.get(index).filter(|interval| time < interval.end)?;
    Some(Why {
        lane,
        time,
        verdict: verdict(view, &spans, index, &interval, time),
        since: interval.start(),
        until: interval.end,
        ended: index + 1 < spans.len(),
        halted: Halts::of(view).holds(time),
        credit: credit(view, lane, time),
    })
}

fn verdict(
    view: View<'_>,
    spans: &LaneView<'_>,
    index: usize,
    interval: &Interval,
    time: u64,
) -> Verdict {
    let span = interval.span;
    match span.state() {
        State::Running | State::Hypervisor => Verdict::Running {
            pcpu: span.party(),
            in_hypervisor: span.state() == State::Hypervisor,
        },
        State::Runnable => {
            let next = spans.get(index + 1).filter(|next| next.state().on_core());
            let ran_on = next.and_then(|next| next.span.party().get());
            Verdict::Runnable {
                cause: span.cause(),
                by: span.by_lane(),
                by_pcpu: span.by_pcpu(),
                culprit: culprit(view, ran_on.or(span.party().get()), time),
                ran_on,
            }
        }
        State::Blocked => Verdict::Blocked {
            cause: span.cause(),
            woken: spans.get(index + 1).and_then(|next| woken(&next)),
        },
        State::Offline => Verdict::Offline {
            cause: span.cause(),
        },
        State::Lost | State::Unknown => gap(view, interval),
    }
}

fn woken(next: &Interval) -> Option<Woken> {
    let woken = next.state() == State::Runnable && next.span.cause() == Cause::Woken;
    woken.then(|| Woken {
        time: next.start(),
        by: next.span.by_lane(),
        pcpu: next.span.by_pcpu(),
    })
}

/// What the core that it ran on next, or else ran on last, did at the time. A vCPU may wait for any of several cores: this
/// is the one that let it wait longest.
fn culprit(view: View<'_>, pcpu: Option<u16>, time: u64) -> Option<Culprit> {
    let pcpu = pcpu?;
    let lane = view.lane_of(Owner::Pcpu(machine::Pcpu(pcpu)))?;
    let spans = view.lane(lane);
    let index = spans.index_at(time)?;
    let interval = spans.get(index)?;
    let owner = interval.span.party();
    Some(Culprit {
        pcpu,
        state: interval.state(),
        lane: owner,
        since: carried_since(&spans, index, owner),
        credit: owner.get().and_then(|lane| credit(view, lane, time)),
    })
}

/// A core that goes in and out of the hypervisor for a vCPU carries it all the while.
fn carried_since(spans: &LaneView<'_>, index: usize, owner: Party) -> u64 {
    let same = |index: &usize| {
        let interval = spans.get(*index);
        interval.is_some_and(|one| one.span.party() == owner && one.state().on_core())
    };
    let first = (0..index).rev().take(MOST_STEPS).take_while(same).last();
    spans.start(first.filter(|_| owner != Party::NONE).unwrap_or(index))
}

/// So far back the start of a run or a credit is looked for.
const MOST_STEPS: usize = 4096;

fn gap(view: View<'_>, interval: &Interval) -> Verdict {
    let span = interval.span;
    let lost_on = span.party().get().filter(|_| span.state() == State::Lost);
    let records = lost_on.and_then(|pcpu| {
        let core = view.lane_of(Owner::Pcpu(machine::Pcpu(pcpu)))?;
        let points = view.points(core);
        let first = points.count_before(span.start());
        let mut after = points.all().get(first..)?.iter().take(MOST_STEPS);
        after
            .find(|point| point.mark() == Mark::Lost)
            .map(|point| point.value())
    });
    Verdict::Unknown {
        lost_on,
        records,
        contradicted: span.flags().any(Flags::CONTRADICTED),
    }
}

fn credit(view: View<'_>, lane: u16, time: u64) -> Option<i32> {
    let points = view.points(lane);
    let before = points.count_before(time.saturating_add(1));
    let mut recent = points.all().get(..before)?.iter().rev().take(MOST_STEPS);
    recent
        .find(|point| point.mark() == Mark::Credit)
        .map(|point| point.value() as i32)
}

/// The start of the next span after `time` in which this vCPU lost its core to another.
pub fn next_preemption(view: View<'_>, lane: u16, time: u64) -> Option<u64> {
    next(view, lane, time, Wanted::flag(Flags::PREEMPTED))
}

/// The start of the next span after `time` in which this vCPU waited for a core for at least so many ticks.
pub fn next_wait(view: View<'_>, lane: u16, time: u64, ticks: u64) -> Option<u64> {
    next(view, lane, time, Wanted::longer(State::Runnable, ticks))
}

fn next(view: View<'_>, lane: u16, time: u64, wanted: Wanted) -> Option<u64> {
    let spans = view.lane(lane);
    let after = spans.count_before(time.saturating_add(1));
    Some(spans.start(spans.next(after, wanted)?))
}
