//! Events in, lanes out: by hand, at random, and against a model of a scheduler.

mod model;
mod random;

use machine::{GuestId, Vcpu};

use super::*;
use crate::event::{IDLE, Reason};
use crate::store::{Cause, Flags, Interval, Memory};
use RunState::{Blocked, Offline, Runnable, Running};

const A: Vcpu = vcpu(1, 0);
const B: Vcpu = vcpu(2, 0);
const IDLE_0: Vcpu = Vcpu {
    guest: IDLE,
    index: 0,
};

const fn vcpu(guest: u32, index: u32) -> Vcpu {
    Vcpu {
        guest: GuestId(guest),
        index,
    }
}

fn at(time: u64, pcpu: u16, what: What) -> Event {
    Event {
        time: Ticks(time),
        pcpu: Pcpu(pcpu),
        what,
    }
}

fn goes(time: u64, pcpu: u16, vcpu: Vcpu, from: RunState, to: RunState) -> Event {
    at(time, pcpu, What::RunState { vcpu, from, to })
}

/// The timeline of these events, up to `until`.
fn timeline(events: &[Event], until: u64) -> Timeline {
    let memory = Box::new(Memory::default());
    let mut timeline = Timeline::new(memory, 1000, events[0].time).unwrap();
    for event in events {
        timeline.event(event);
    }
    timeline.finish(Ticks(until)).unwrap();
    timeline
}

/// A lane as text: `0 unknown, 10 running (1), 20 blocked`, the party in brackets.
fn drawn(view: View<'_>, owner: Owner) -> String {
    let lane = view.lane(view.lane_of(owner).unwrap());
    let drawn = |interval: Interval| {
        let span = interval.span;
        let party = match span.party().get() {
            None => String::new(),
            Some(party) => format!(" ({party})"),
        };
        format!("{} {}{party}", span.start(), span.state().name())
    };
    let spans = (0..lane.len()).map(|index| drawn(lane.get(index).unwrap()));
    spans.collect::<Vec<_>>().join(", ")
}

#[track_caller]
fn check(events: &[Event], wanted: &[(Owner, &str)]) -> Timeline {
    let timeline = timeline(events, 100);
    for (owner, lane) in wanted {
        assert_eq!(&drawn(timeline.view(), *owner), lane, "{owner:?}");
    }
    timeline
}

const CORE_0: Owner = Owner::Pcpu(Pcpu(0));

// Lanes are numbered as they are made: 0 machine, 1 pCPU 0, then the vCPUs as seen.

#[test]
fn a_wake_that_preempts() {
    let timeline = check(
        &[
            goes(10, 0, A, Runnable, Running),
            goes(20, 0, B, Blocked, Runnable),
            at(21, 0, What::Wake { vcpu: B }),
            at(30, 0, What::Switch { from: A, to: B }),
            goes(31, 0, A, Running, Runnable),
            goes(32, 0, B, Runnable, Running),
            at(40, 0, What::Block { vcpu: B }),
            goes(41, 0, B, Running, Blocked),
            goes(41, 0, A, Runnable, Running),
        ],
        &[
            (
                CORE_0,
                "10 unknown, 10 running (2), 31 running (3), 41 running (2)",
            ),
            (
                Owner::Vcpu(A),
                "10 unknown, 10 running (0), 31 runnable (0), 41 running (0)",
            ),
            (
                Owner::Vcpu(B),
                "10 unknown, 20 runnable, 32 running (0), 41 blocked (0)",
            ),
        ],
    );
    let view = timeline.view();
    let preempted = view.lane(2).at(35).unwrap().span;
    assert_eq!(
        (preempted.cause(), preempted.by_lane(), preempted.by_pcpu()),
        (Cause::Preempted, Party(3), Party(0))
    );
    let woken = view.lane(3).at(25).unwrap().span;
    assert_eq!(
        (woken.cause(), woken.by_lane(), woken.by_pcpu()),
        (Cause::Woken, Party(2), Party(0))
    );
    assert_eq!(view.lane(3).at(50).unwrap().span.cause(), Cause::Waits);
    let wake = view.points(3).all()[0];
    assert_eq!(
        (wake.time(), wake.mark(), wake.by_lane()),
        (21, Mark::Wake, Party(2))
    );
}

#[test]
fn idle_and_migration() {
    let timeline = check(
        &[
            goes(10, 0, A, Runnable, Running),
            goes(20, 0, A, Running, Blocked),
            goes(20, 0, IDLE_0, Runnable, Running),
            goes(30, 1, A, Blocked, Runnable),
            goes(35, 1, A, Runnable, Running),
        ],
        &[
            (CORE_0, "10 unknown, 10 running (2), 20 blocked"),
            (
                Owner::Vcpu(A),
                "10 unknown, 10 running (0), 20 blocked (0), 30 runnable (0), 35 running (1)",
            ),
            (Owner::Pcpu(Pcpu(1)), "10 unknown, 35 running (2)"),
        ],
    );
    let last = timeline.view().lane(2).at(50).unwrap().span;
    assert!(last.flags().any(Flags::MIGRATED));
}

#[test]
fn after_a_loss_the_core_and_its_vcpu_are_lost_until_seen() {
    let lost = What::Lost {
        records: 7,
        since: Ticks(20),
    };
    let timeline = check(
        &[
            goes(10, 0, A, Runnable, Running),
            goes(12, 1, B, Runnable, Running),
            at(30, 0, lost),
            at(40, 1, What::Continue { vcpu: B }),
            goes(50, 0, A, Blocked, Runnable),
            goes(60, 0, A, Runnable, Running),
        ],
        &[
            (
                CORE_0,
                "10 unknown, 10 running (2), 20 lost, 60 running (2)",
            ),
            (
                Owner::Vcpu(A),
                "10 unknown, 10 running (0), 20 lost (0), 50 runnable (0), 60 running (0)",
            ),
            (Owner::Vcpu(B), "10 unknown, 12 running (1)"),
        ],
    );
    assert_eq!(timeline.notices().lost_records, 7);
    assert_eq!(timeline.notices().contradictions, 0);
    let mark = timeline.view().points(1).all()[0];
    assert_eq!((mark.mark(), mark.value()), (Mark::Lost, 7));
}

#[test]
fn unreadable_bytes_lose_the_core_since_its_last_event() {
    let unreadable = What::Unreadable {
        reason: Reason::BadSize,
        bytes: 99,
    };
    check(
        &[
            goes(10, 0, A, Runnable, Running),
            at(15, 0, What::Continue { vcpu: A }),
            at(30, 0, unreadable),
            at(33, 0, What::Continue { vcpu: A }),
        ],
        &[
            (
                CORE_0,
                "10 unknown, 10 running (2), 15 lost, 33 running (2)",
            ),
            (
                Owner::Vcpu(A),
                "10 unknown, 10 running (0), 15 lost (0), 33 running (0)",
            ),
        ],
    );
}

#[test]
fn a_contradiction_makes_the_time_between_unknown() {
    let timeline = check(
        &[
            goes(10, 0, A, Runnable, Running),
            goes(20, 1, B, Blocked, Runnable),
            goes(40, 0, A, Blocked, Runnable),
            goes(60, 0, A, Runnable, Running),
        ],
        &[
            (
                Owner::Vcpu(A),
                "10 unknown, 10 unknown (0), 40 runnable (0), 60 running (0)",
            ),
            (CORE_0, "10 unknown, 10 unknown (2), 60 running (2)"),
        ],
    );
    assert_eq!(timeline.notices().contradictions, 1);
}

#[test]
fn a_record_lost_elsewhere_explains_a_contradiction() {
    let lost = What::Lost {
        records: 1,
        since: Ticks(20),
    };
    let timeline = check(
        &[
            goes(10, 0, A, Running, Blocked),
            at(30, 1, lost),
            goes(40, 0, A, Runnable, Running),
        ],
        &[(Owner::Vcpu(A), "10 unknown, 10 lost, 40 running (0)")],
    );
    assert_eq!(timeline.notices().contradictions, 0);
}

#[test]
fn in_the_hypervisor_where_the_source_tells() {
    let exit = |time, syndrome| at(time, 0, What::Exit { vcpu: A, syndrome });
    let timeline = check(
        &[
            at(10, 0, What::Enter { vcpu: A }),
            exit(20, 0x5e00_0000),
            at(
                22,
                0,
                What::Hypercall {
                    vcpu: A,
                    number: 32,
                },
            ),
            at(25, 0, What::Enter { vcpu: A }),
            exit(30, 0),
            goes(33, 0, A, Running, Blocked),
            goes(34, 0, IDLE_0, Runnable, Running),
        ],
        &[
            (
                CORE_0,
                "10 unknown, 10 running (2), 20 hypervisor (2), 25 running (2), 30 hypervisor (2), 33 blocked",
            ),
            (
                Owner::Vcpu(A),
                "10 unknown, 10 running (0), 20 hypervisor (0), 25 running (0), 30 hypervisor (0), 33 blocked (0)",
            ),
        ],
    );
    let marks = timeline.view().points(2).all().iter();
    let marks: Vec<_> = marks.map(|point| (point.mark(), point.value())).collect();
    assert_eq!(marks, [(Mark::Exit, 0x5e00_0000), (Mark::Hypercall, 32)]);
}

#[test]
fn without_run_states_switches_tell() {
    let timeline = check(
        &[
            at(
                10,
                0,
                What::Switch {
                    from: IDLE_0,
                    to: A,
                },
            ),
            at(20, 0, What::Switch { from: A, to: B }),
            at(25, 0, What::Block { vcpu: B }),
            at(30, 0, What::Switch { from: B, to: A }),
            at(40, 0, What::Wake { vcpu: B }),
        ],
        &[
            (
                Owner::Vcpu(A),
                "10 unknown, 10 running (0), 20 runnable (0), 30 running (0)",
            ),
            (
                Owner::Vcpu(B),
                "10 unknown, 20 running (0), 30 blocked (0), 40 runnable (0)",
            ),
            (
                CORE_0,
                "10 unknown, 10 running (2), 20 running (3), 30 running (2)",
            ),
        ],
    );
    assert_eq!(timeline.notices().contradictions, 0);
}

#[test]
fn halts_are_a_lane_of_their_own() {
    let timeline = check(
        &[
            goes(10, 0, A, Runnable, Running),
            at(20, 0, What::Halted),
            at(20, 1, What::Halted),
            at(60, 0, What::Resumed),
            goes(70, 0, A, Running, Offline),
        ],
        &[
            (Owner::Machine, "10 running, 20 offline, 60 running"),
            (Owner::Vcpu(A), "10 unknown, 10 running (0), 70 offline (0)"),
        ],
    );
    assert_eq!(timeline.view().points(MACHINE).all().len(), 2);
}

#[test]
fn tasks_have_lanes_too() {
    let task = |time, from, to, preempted| {
        let vcpu = A;
        at(
            time,
            0,
            What::Task {
                vcpu,
                from,
                to,
                preempted,
            },
        )
    };
    check(
        &[
            task(10, 0, 7, false),
            at(15, 0, What::TaskWake { vcpu: A, task: 8 }),
            task(20, 7, 8, true),
            task(30, 8, 7, false),
            task(40, 7, 0, false),
        ],
        &[
            (
                Owner::Task(GuestId(1), 7),
                "10 unknown, 10 running (2), 20 runnable (2), 30 running (2), 40 blocked (2)",
            ),
            (
                Owner::Task(GuestId(1), 8),
                "10 unknown, 15 runnable, 20 running (2), 30 blocked (2)",
            ),
        ],
    );
}

#[test]
fn the_end_of_a_cores_records_is_not_the_end_of_time() {
    let mut timeline = Timeline::new(Box::new(Memory::default()), 1000, Ticks(0)).unwrap();
    timeline.event(&goes(10, 0, A, Runnable, Running));
    timeline.event(&goes(20, 1, B, Runnable, Running));
    timeline.end_of(Pcpu(0), Ticks(25));
    timeline.event(&goes(40, 1, B, Running, Blocked));
    timeline.finish(Ticks(50)).unwrap();
    let view = timeline.view();
    assert_eq!(drawn(view, CORE_0), "0 unknown, 10 running (2), 25 unknown");
    assert_eq!(
        drawn(view, Owner::Vcpu(A)),
        "0 unknown, 10 running (0), 25 unknown (0)"
    );
    // B left core 1 at 40, and no record says who came.
    assert_eq!(
        drawn(view, Owner::Pcpu(Pcpu(1))),
        "0 unknown, 20 running (4), 40 unknown"
    );
}

#[test]
fn a_deadline_missed_is_flagged_for_good() {
    let timeline = check(
        &[
            goes(10, 0, A, Blocked, Runnable),
            at(20, 0, What::DeadlineMissed { vcpu: A }),
            goes(30, 0, A, Runnable, Running),
        ],
        &[],
    );
    let waited = timeline.view().lane(2).at(25).unwrap().span;
    assert!(waited.flags().any(Flags::DEADLINE_MISSED));
}

#[test]
fn marks_of_a_core_name_whom_it_carried() {
    let timeline = check(
        &[
            goes(10, 0, A, Runnable, Running),
            at(20, 0, What::Mark { id: 3, value: 9 }),
            at(30, 0, What::Frequency { megahertz: 1200 }),
            at(40, 0, What::GuestAdded(GuestId(5))),
        ],
        &[],
    );
    let points = |lane| timeline.view().points(lane).all().iter();
    let of_core: Vec<_> = points(1)
        .map(|point| (point.mark(), point.value(), point.by_lane()))
        .collect();
    let marked = (Mark::User, 3 << 32 | 9, Party(2));
    assert_eq!(of_core, [marked, (Mark::Frequency, 1200, Party(2))]);
    assert_eq!(points(MACHINE).next().unwrap().mark(), Mark::GuestAdded);
}

#[test]
fn a_million_domains_share_one_lane() {
    let memory = Box::new(Memory::default());
    let mut timeline = Timeline::new(memory, 1000, Ticks(0)).unwrap();
    for guest in 0..1_000_000u32 {
        let one = vcpu(guest << 8 | guest >> 12, guest);
        let time = u64::from(guest);
        timeline.event(&goes(time, (guest % 9) as u16, one, Runnable, Running));
    }
    timeline.finish(Ticks(0)).unwrap();
    let view = timeline.view();
    assert!(view.owners().len() <= crate::store::MOST_LANES);
    assert!(view.lane_of(Owner::Others).is_some());
    assert!(timeline.notices().without_lane > 900_000);
    let core = view.lane(view.lane_of(CORE_0).unwrap());
    assert_eq!(
        core.get(core.len() - 1).unwrap().span.party().get(),
        view.lane_of(Owner::Others)
    );
}
