//! Provoked cases: the sentence names the culprit and the numbers.

use machine::{GuestId, Pcpu, Vcpu};

use super::*;
use crate::event::RunState::{Blocked, Runnable, Running};
use crate::event::{Event, RunState, Ticks, What};
use crate::store::Memory;
use crate::timeline::Timeline;

const fn vcpu(guest: u32) -> Vcpu {
    Vcpu {
        guest: GuestId(guest),
        index: 0,
    }
}

const HOG: Vcpu = vcpu(1);
const LATE: Vcpu = vcpu(2);
const DOM0: Vcpu = vcpu(0);

fn says(time: u64, pcpu: u16, what: What) -> Event {
    let (time, pcpu) = (Ticks(time), Pcpu(pcpu));
    Event { time, pcpu, what }
}

fn goes(time: u64, pcpu: u16, vcpu: Vcpu, from: RunState, to: RunState) -> Event {
    says(time, pcpu, What::RunState { vcpu, from, to })
}

fn name(owner: Owner) -> String {
    match owner {
        Owner::Pcpu(pcpu) => pcpu.to_string(),
        Owner::Vcpu(vcpu) => format!("d{}v{}", vcpu.guest.0, vcpu.index),
        other => format!("{other:?}"),
    }
}

/// Asks about a vCPU at a time; a tick is a millisecond.
#[track_caller]
fn check(events: &[Event], who: Vcpu, time: u64, wanted: &str) {
    let mut timeline = Timeline::new(Box::new(Memory::default()), 1000, Ticks(0)).unwrap();
    for event in events {
        timeline.event(event);
    }
    timeline.finish(Ticks(100)).unwrap();
    let view = timeline.view();
    let lane = view.lane_of(Owner::Vcpu(who)).unwrap();
    let why = why(view, lane, time).unwrap();
    assert_eq!(why.sentence(view, &name), wanted);
}

/// LATE, on core 0 before, is woken by Dom0 on core 1 while HOG keeps core 0.
fn pinned_behind_a_busy_one() -> Vec<Event> {
    vec![
        goes(1, 0, LATE, Runnable, Running),
        goes(2, 1, DOM0, Runnable, Running),
        says(5, 0, What::Block { vcpu: LATE }),
        goes(5, 0, LATE, Running, Blocked),
        goes(5, 0, HOG, Runnable, Running),
        goes(20, 1, LATE, Blocked, Runnable),
        says(20, 1, What::Wake { vcpu: LATE }),
        says(
            21,
            0,
            What::Credit {
                vcpu: HOG,
                credit: 9000,
            },
        ),
        says(
            21,
            0,
            What::Credit {
                vcpu: LATE,
                credit: -5,
            },
        ),
        goes(52, 0, HOG, Running, Runnable),
        goes(52, 0, LATE, Runnable, Running),
    ]
}

#[test]
fn a_wake_during_a_long_run() {
    check(
        &pinned_behind_a_busy_one(),
        LATE,
        30,
        "At 0.030000 s d2v0 waited for a core since 0.020000 s, for 32.000 ms (woken by d0v0 on pCPU 1) because d1v0 had \
         pCPU 0 since 0.005000 s already (credit -5 against 9000); it ran on pCPU 0 from 0.052000 s on.",
    );
}

#[test]
fn a_preemption() {
    check(
        &pinned_behind_a_busy_one(),
        HOG,
        60,
        "At 0.060000 s d1v0 waited for a core since 0.052000 s, until the end of the trace, so far for 48.000 ms \
         (preempted by d2v0 on pCPU 0) because d2v0 had pCPU 0 since 0.052000 s (credit 9000 against -5).",
    );
}

#[test]
fn asleep_until_woken() {
    check(
        &pinned_behind_a_busy_one(),
        LATE,
        10,
        "At 0.010000 s d2v0 had asked to wait for an event (WFI or a block call) since 0.005000 s, for 15.000 ms; woken by \
         d0v0 on pCPU 1 at 0.020000 s.",
    );
}

#[test]
fn running_and_not_yet_seen() {
    let events = pinned_behind_a_busy_one();
    check(
        &events,
        LATE,
        3,
        "At 0.003000 s d2v0 was running on pCPU 0 since 0.001000 s, for 4.000 ms.",
    );
    check(
        &events,
        HOG,
        3,
        "At 0.003000 s d1v0 did something unknown since 0.000000 s, for 5.000 ms: no record has mentioned it yet.",
    );
}

#[test]
fn lost_records() {
    let lost = What::Lost {
        records: 12,
        since: Ticks(10),
    };
    check(
        &[
            goes(1, 0, HOG, Runnable, Running),
            says(40, 0, lost),
            says(50, 0, What::Continue { vcpu: HOG }),
        ],
        HOG,
        20,
        "At 0.020000 s d1v0 did something unknown since 0.010000 s, for 40.000 ms: 12 records of pCPU 0 were lost.",
    );
}

#[test]
fn held_by_the_debugger() {
    check(
        &[
            goes(1, 0, HOG, Runnable, Running),
            says(10, 0, What::Halted),
            says(30, 0, What::Resumed),
        ],
        HOG,
        20,
        "At 0.020000 s d1v0 was running on pCPU 0 since 0.001000 s, until the end of the trace, so far for 99.000 ms; the \
         debugger held the machine then.",
    );
}

#[test]
fn the_next_of_a_kind() {
    let mut timeline = Timeline::new(Box::new(Memory::default()), 1000, Ticks(0)).unwrap();
    for event in pinned_behind_a_busy_one() {
        timeline.event(&event);
    }
    timeline.finish(Ticks(100)).unwrap();
    let view = timeline.view();
    let lane = |vcpu| view.lane_of(Owner::Vcpu(vcpu)).unwrap();
    assert_eq!(next_preemption(view, lane(HOG), 0), Some(52));
    assert_eq!(next_preemption(view, lane(LATE), 0), None);
    assert_eq!(next_wait(view, lane(LATE), 0, 30), Some(20));
    assert_eq!(next_wait(view, lane(LATE), 0, 33), None);
    assert_eq!(next_wait(view, lane(LATE), 20, 1), None);
}
