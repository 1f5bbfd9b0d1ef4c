//! A small schedule counted by hand, whole, in part, and with a halt cut out.

use super::*;
use crate::event::RunState::{Blocked, Runnable, Running};
use crate::event::{Event, RunState, Ticks, What};
use crate::store::Memory;
use crate::timeline::Timeline;

const A: Vcpu = Vcpu {
    guest: GuestId(1),
    index: 0,
};
const B: Vcpu = Vcpu {
    guest: GuestId(2),
    index: 0,
};

/// A is preempted by B, which was woken by it; a halt from 45 to 65 falls into A's wait.
fn schedule() -> Timeline {
    let goes = |time, vcpu, from: RunState, to| Event {
        time: Ticks(time),
        pcpu: Pcpu(0),
        what: What::RunState { vcpu, from, to },
    };
    let says = |time, what| Event {
        time: Ticks(time),
        pcpu: Pcpu(0),
        what,
    };
    let events = [
        goes(0, A, Runnable, Running),
        goes(20, B, Blocked, Runnable),
        goes(30, A, Running, Runnable),
        goes(30, B, Runnable, Running),
        says(45, What::Halted),
        says(65, What::Resumed),
        goes(70, B, Running, Blocked),
        goes(70, A, Runnable, Running),
        goes(90, A, Running, Blocked),
    ];
    let mut timeline = Timeline::new(Box::new(Memory::default()), 1000, Ticks(0)).unwrap();
    for event in &events {
        timeline.event(event);
    }
    timeline.finish(Ticks(100)).unwrap();
    timeline
}

fn count(from: u64, to: u64, cut_halts: bool) -> Stats {
    let top = 5;
    let request = Request {
        from,
        to,
        cut_halts,
        top,
    };
    stats(schedule().view(), &request)
}

#[test]
fn the_whole() {
    let stats = count(0, 100, false);
    assert_eq!((stats.ticks, stats.halted), (100, 20));
    let [a, b] = &stats.vcpus[..] else {
        panic!("two vCPUs")
    };
    assert_eq!(a.did.ticks, [50, 40, 10, 0, 0, 0, 0]);
    assert_eq!(b.did.ticks, [40, 10, 30, 0, 0, 0, 20]);
    assert_eq!((a.did.runs.count, a.did.runs.sum), (2, 50));
    let waited = Worst {
        ticks: 40,
        time: 70,
        lane: a.lane,
    };
    assert_eq!(a.did.off_core.worst, [waited]);
    assert_eq!((b.did.wake_to_run.count, b.did.wake_to_run.max), (1, 10));
    assert_eq!(stats.guests[1].did, b.did);
    assert_eq!(stats.pcpus[0].ticks, [90, 0, 0, 0, 0, 0, 10]);
    assert_eq!(stats.pcpus[0].switches, 3);
    let preemption = Preemption {
        victim: a.lane,
        by: Party(b.lane),
        count: 1,
        waited: 40,
    };
    assert_eq!(stats.preemptions, [preemption]);
}

#[test]
fn without_the_halt() {
    let stats = count(0, 100, true);
    assert_eq!((stats.ticks, stats.halted), (80, 20));
    assert_eq!(stats.vcpus[0].did.ticks, [50, 20, 10, 0, 0, 0, 0]);
    assert_eq!(stats.vcpus[0].did.off_core.max, 20);
    assert_eq!(stats.vcpus[1].did.runs.max, 20);
    assert_eq!(stats.preemptions[0].waited, 20);
}

#[test]
fn a_part() {
    let stats = count(35, 75, false);
    assert_eq!(stats.vcpus[0].did.ticks, [5, 35, 0, 0, 0, 0, 0]);
    // The wait ended in here and counts as long as it was; B's run likewise.
    assert_eq!(stats.vcpus[0].did.off_core.max, 40);
    assert_eq!(
        (stats.vcpus[1].did.runs.count, stats.vcpus[1].did.runs.max),
        (1, 40)
    );
    assert_eq!(stats.vcpus[1].did.wake_to_run.count, 0);
}
