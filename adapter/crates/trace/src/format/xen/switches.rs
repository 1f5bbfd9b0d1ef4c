//! When a core really was given from one vCPU to another.
//!
//! Xen reads its clock once, where its scheduler begins, books both vCPUs' times by that, and traces the change when the next vCPU has
//! been chosen: tens of microseconds later on an emulated machine, sometimes milliseconds. What it traces of the one that ran is exact:
//!
//! ```text
//! nanoseconds of TRC_SCHED_SWITCH_INFPREV = clock at this switch - clock at the core's switch before
//! ```
//!
//! (Xen 4.17 `common/sched/core.c`, `sched_switch_units`.) So the switches of a core hang together by a chain of exact lengths, and only
//! where the chain lies is to be found: no switch is later than its record, so the earliest record by that measure holds it.

use crate::clock::Frequency;
use crate::event::{Event, RunState, Ticks, What};

/// Xen takes kilohertz for the counter's frequency (`ticks_to_ns`, Xen 4.17 `arch/arm/time.c`).
const KILOHERTZ: u64 = 1000;

/// A record that is later than its switch by more than this, in nanoseconds, begins a new chain: so late is none, but a number may be
/// damaged.
const LATEST: u64 = 500_000_000;

/// Run-state changes of one switch: one vCPU stops running, another begins.
const CHANGES: u8 = 2;

/// What is known of one core's switches. Holds while its records follow each other without a gap.
#[derive(Clone, Copy, Debug)]
pub struct Switches {
    frequency: Frequency,
    /// Where nanoseconds begin: the first switch that was seen.
    origin: Option<u64>,
    /// The newest switch, in nanoseconds since the origin; `None` where the chain is broken.
    newest: Option<u64>,
    /// The tick of the switch whose records are being read, and the run-state changes that it still has.
    open: Option<(u64, u8)>,
    /// The last event's time, before which none may be.
    last: u64,
}

impl Switches {
    /// Of a core whose first record is still to come. The frequency must be the counter's own, for its error adds up.
    pub fn new(frequency: Frequency) -> Self {
        let hertz = frequency.hertz() / KILOHERTZ * KILOHERTZ;
        Self {
            frequency: Frequency::new(hertz).unwrap_or(frequency),
            origin: None,
            newest: None,
            open: None,
            last: 0,
        }
    }

    /// Puts the core's next event to its true time, if it is about a switch: never later, and never before the event in front of it.
    pub fn place(&mut self, event: &mut Event) {
        match event.what {
            What::Ran { nanoseconds, .. } => {
                let switch = self.switch(event.time.0, nanoseconds);
                self.open = Some((switch, CHANGES));
            }
            What::Waited { .. } | What::Switch { .. } => {}
            What::RunState { from, to, .. } => self.run_state(from, to),
            What::Lost { .. } | What::Unreadable { .. } => {
                self.newest = None;
                self.open = None;
            }
            _ => self.open = None,
        }
        let time = self.open.map_or(event.time.0, |(switch, _)| switch);
        self.last = time.max(self.last).min(event.time.0);
        event.time = Ticks(self.last);
        self.open = self.open.filter(|(_, changes)| *changes > 0);
    }

    /// The tick of a switch that was recorded at `time`, `ran` nanoseconds (modulo 2³²) after the core's switch before.
    fn switch(&mut self, time: u64, ran: u32) -> u64 {
        let origin = *self.origin.get_or_insert(time);
        let recorded = self.frequency.nanoseconds(time.saturating_sub(origin));
        let exact = self.newest.and_then(|before| {
            let least = before.checked_add(u64::from(ran))?;
            let whole_turns = recorded.saturating_sub(least) >> 32 << 32;
            let exact = (least + whole_turns).min(recorded);
            (recorded - exact <= LATEST).then_some(exact)
        });
        let newest = exact.unwrap_or(recorded);
        self.newest = Some(newest);
        origin.saturating_add(self.frequency.ticks(newest))
    }

    /// A change that no switch makes, such as a wake, stands for itself.
    fn run_state(&mut self, from: RunState, to: RunState) {
        let of_switch = from == RunState::Running || to == RunState::Running;
        self.open = self.open.and_then(|(switch, changes)| {
            let changes = changes.checked_sub(1)?;
            of_switch.then_some((switch, changes))
        });
    }
}

#[cfg(test)]
mod tests {
    use machine::ids::{GuestId, Pcpu, Vcpu};
    use proptest::prelude::*;

    use super::*;

    const VCPU: Vcpu = Vcpu {
        guest: GuestId(1),
        index: 0,
    };

    fn ran(nanoseconds: u32) -> What {
        What::Ran {
            vcpu: VCPU,
            nanoseconds,
        }
    }

    fn change(from: RunState, to: RunState) -> What {
        What::RunState {
            vcpu: VCPU,
            from,
            to,
        }
    }

    /// Ticks of 16 ns, as many as the machine of the tests has.
    fn switches() -> Switches {
        Switches::new(Frequency::new(62_500_000).unwrap())
    }

    fn check(events: &[(u64, What)], expected: &[u64]) {
        let mut switches = switches();
        let placed = events.iter().map(|(time, what)| {
            let (time, pcpu, what) = (Ticks(*time), Pcpu(0), *what);
            let mut event = Event { time, pcpu, what };
            switches.place(&mut event);
            event.time.0
        });
        assert_eq!(placed.collect::<Vec<_>>(), expected);
    }

    #[test]
    fn records_of_a_switch_have_its_time() {
        use RunState::{Blocked, Runnable, Running};
        let events = [
            (1000, ran(7)),
            (1001, change(Running, Blocked)),
            (1002, change(Runnable, Running)),
            // 100 ticks later, recorded 50 ticks late.
            (1150, ran(1600)),
            (1160, change(Running, Runnable)),
            (1170, change(Runnable, Running)),
            (1180, change(Blocked, Runnable)),
            // Nothing to do with a switch that is known of.
            (1190, change(Running, Runnable)),
        ];
        check(&events, &[1000, 1000, 1000, 1100, 1100, 1100, 1180, 1190]);
    }

    #[test]
    fn the_earliest_record_holds_the_chain() {
        // The first was 40 ticks late, which the second shows; the third was 10 ticks late.
        let events = [(1040, ran(0)), (1100, ran(1600)), (1210, ran(1600))];
        check(&events, &[1040, 1100, 1200]);
    }

    #[test]
    fn a_run_may_be_longer_than_its_number_can_tell() {
        let turn = (1_u64 << 32) / 16;
        let events = [(1000, ran(0)), (1000 + turn + 150, ran(1600))];
        check(&events, &[1000, 1000 + turn + 100]);
    }

    #[test]
    fn a_gap_or_a_number_that_cannot_be_begins_anew() {
        let lost = What::Lost {
            records: 1,
            since: Ticks(0),
        };
        let late = 1_000_000_000 / 16;
        check(
            &[(1000, ran(0)), (1100, lost), (1150, ran(1600))],
            &[1000, 1100, 1150],
        );
        check(
            &[(1000, ran(0)), (1000 + late, ran(1600))],
            &[1000, 1000 + late],
        );
    }

    #[test]
    fn nothing_is_put_before_what_was_there_first() {
        let credit = What::Credit {
            vcpu: VCPU,
            credit: 1,
        };
        let events = [(1000, ran(0)), (1120, credit), (1150, ran(1600))];
        check(&events, &[1000, 1120, 1120]);
    }

    proptest! {
        /// Whatever the delays: every length between switches comes out exact once the most timely record has been seen.
        #[test]
        fn lengths_are_exact_once_a_record_was_in_time(steps in proptest::collection::vec((1_u64..1_000_000, 0_u64..5_000), 2..60)) {
            let mut switches = switches();
            let (mut now, mut before) = (1 << 40, None);
            for (n, (step, delay)) in steps.iter().enumerate() {
                now += step;
                let delay = if n == 0 { 0 } else { delay % step };
                let mut event = Event { time: Ticks(now + delay), pcpu: Pcpu(0), what: ran((step * 16) as u32) };
                switches.place(&mut event);
                if let Some(before) = before {
                    prop_assert_eq!(event.time.0 - before, *step);
                }
                before = Some(event.time.0);
            }
        }

        #[test]
        fn times_never_go_back_nor_forward(events in proptest::collection::vec((0_u64..1 << 45, any::<u32>(), 0_u8..4), 0..200)) {
            let mut switches = switches();
            let (mut raw, mut last) = (0_u64, 0);
            for (step, number, kind) in events {
                raw += step;
                let what = match kind {
                    0 => ran(number),
                    1 => change(RunState::Running, RunState::Blocked),
                    2 => change(RunState::Blocked, RunState::Runnable),
                    _ => What::Lost { records: number, since: Ticks(0) },
                };
                let mut event = Event { time: Ticks(raw), pcpu: Pcpu(0), what };
                switches.place(&mut event);
                prop_assert!(last <= event.time.0 && event.time.0 <= raw);
                last = event.time.0;
            }
        }
    }
}
