//! Counts one vCPU.

use super::{Halts, Preemptions, Request, Tally, Worst};
use crate::store::{Cause, Flags, Interval, State, View};

/// Counts a vCPU's spans within the request; waits and runs belong to the window in which they end.
pub(super) fn tally(
    view: View<'_>,
    lane: u16,
    request: &Request,
    halts: &Halts,
    preemptions: &mut Preemptions,
) -> Tally {
    let spans = view.lane(lane);
    let numbers = spans.numbers(request.from, request.to);
    let mut tally = Tally::default();
    let mut before = numbers
        .start
        .checked_sub(1)
        .and_then(|last| spans.get(last));
    let mut run = before.and_then(|_| run_start(&spans, numbers.start));
    for interval in numbers.filter_map(|index| spans.get(index)) {
        let state = interval.state();
        let sum = &mut tally.ticks[state as usize];
        *sum = sum.saturating_add(request.ticks(halts, interval.start(), interval.end));
        if interval.start() >= request.from {
            let ended = |since: u64| Worst {
                ticks: halts.going(since, interval.start()),
                time: interval.start(),
                lane,
            };
            if let (true, Some(before)) = (state.on_core(), before) {
                tally.ran(&before, ended);
                count_preemption(preemptions, lane, &before, halts);
                let migrated = interval.span.flags().any(Flags::MIGRATED);
                tally.migrations += u64::from(migrated);
            }
            if let (false, Some(since)) = (state.on_core() || state.is_gap(), run) {
                tally.runs.add(ended(since));
            }
        }
        run = if state.on_core() {
            run.or(Some(interval.start()))
        } else {
            None
        };
        before = Some(interval);
    }
    tally
}

/// Where the run that reaches up to span `index` began.
fn run_start(spans: &crate::store::LaneView<'_>, index: usize) -> Option<u64> {
    let on_core = |index: &usize| {
        let interval = spans.get(*index);
        interval.is_some_and(|interval| interval.state().on_core())
    };
    let first = (0..index).rev().take_while(on_core).last()?;
    Some(spans.get(first)?.start())
}

impl Tally {
    /// The vCPU got a core after `before`.
    fn ran(&mut self, before: &Interval, ended: impl Fn(u64) -> Worst) {
        match (before.state(), before.span.cause()) {
            (State::Runnable, Cause::Woken) => self.wake_to_run.add(ended(before.start())),
            (State::Runnable, Cause::Preempted | Cause::Yielded) => {
                self.off_core.add(ended(before.start()));
            }
            _ => {}
        }
    }
}

/// Counts the wait that ended, if it began with a preemption.
fn count_preemption(preemptions: &mut Preemptions, victim: u16, wait: &Interval, halts: &Halts) {
    if wait.state() == State::Runnable && wait.span.cause() == Cause::Preempted {
        let pair = preemptions.entry((victim, wait.span.by_lane()));
        let (count, waited) = pair.or_default();
        *count += 1;
        *waited = waited.saturating_add(halts.going(wait.start(), wait.end));
    }
}
