//! One request followed by hand, with the hypervisor's trace and without.

use machine::{GuestId, Pcpu, Vcpu};

use super::*;
use crate::event::RunState::{Blocked, Runnable, Running};
use crate::event::{Event, RunState, Ticks, What};
use crate::store::Memory;
use crate::timeline::Timeline;

const FRONT: Vcpu = vcpu(1);
const BACK: Vcpu = vcpu(0);

const fn vcpu(guest: u32) -> Vcpu {
    Vcpu {
        guest: GuestId(guest),
        index: 0,
    }
}

fn says(time: u64, what: What) -> Event {
    let (time, pcpu) = (Ticks(time), Pcpu(0));
    Event { time, pcpu, what }
}

fn goes(time: u64, vcpu: Vcpu, from: RunState, to: RunState) -> Event {
    says(time, What::RunState { vcpu, from, to })
}

fn request(time: u64, id: u64, end: bool) -> Event {
    let vcpu = FRONT;
    says(time, What::Request { vcpu, id, end })
}

fn timeline(events: &[Event]) -> Timeline {
    let mut timeline = Timeline::new(Box::new(Memory::default()), 1000, Ticks(0)).unwrap();
    for event in events {
        timeline.event(event);
    }
    timeline.finish(Ticks(200)).unwrap();
    timeline
}

fn ask(timeline: &Timeline, backends: &[Vcpu], floor: u64) -> BackendTime {
    let view = timeline.view();
    let lane = |vcpu: &Vcpu| view.lane_of(Owner::Vcpu(*vcpu)).unwrap();
    let backends: Vec<u16> = backends.iter().map(lane).collect();
    let question = Question {
        frontend: lane(&FRONT),
        backends: &backends,
        from: 0,
        to: 200,
        floor,
    };
    backend_time(view, &question)
}

#[test]
fn a_request_and_where_its_time_went() {
    let timeline = timeline(&[
        goes(0, FRONT, Runnable, Running),
        goes(0, BACK, Running, Blocked),
        request(10, 77, false),
        goes(13, BACK, Blocked, Runnable),
        goes(15, FRONT, Running, Blocked),
        goes(20, BACK, Runnable, Running),
        goes(30, BACK, Running, Blocked),
        goes(50, BACK, Blocked, Runnable),
        goes(51, BACK, Runnable, Running),
        goes(60, FRONT, Blocked, Runnable),
        goes(61, BACK, Running, Blocked),
        goes(70, FRONT, Runnable, Running),
        request(72, 77, true),
        request(80, 78, false),
    ]);
    let answer = ask(&timeline, &[BACK], 0);
    let split = Split {
        out: 3,
        backend_wait: 7 + 1,
        backend_run: 10 + 10,
        device: 20,
        return_wait: 9,
        delivery: 2,
        unknown: 0,
    };
    let request = &answer.requests[0];
    assert_eq!(request.split, Some(split));
    assert_eq!((request.sent, request.done), (10, 72));
    assert_eq!((answer.low, answer.high, answer.estimated), (28, 53, false));
    assert_eq!((answer.unanswered, answer.outstanding), (1, 62 + 120));
}

#[test]
fn from_inside_the_guest_it_is_an_estimate() {
    let task = |time, from, to| {
        let (vcpu, preempted) = (FRONT, false);
        let what = What::Task {
            vcpu,
            from,
            to,
            preempted,
        };
        says(time, what)
    };
    let timeline = timeline(&[
        task(0, 0, 5),
        request(10, 1, false),
        task(15, 5, 0),
        task(40, 0, 6),
        task(50, 6, 0),
        task(95, 0, 5),
        request(100, 1, true),
    ]);
    let answer = ask(&timeline, &[], 4);
    assert_eq!((answer.low, answer.high, answer.estimated), (66, 70, true));
}

#[test]
fn overlapping_requests_get_lanes_of_their_own() {
    let timeline = timeline(&[
        goes(0, BACK, Running, Blocked),
        request(10, 1, false),
        request(20, 2, false),
        request(30, 1, true),
        request(40, 3, false),
        request(45, 9, true),
        request(50, 2, true),
        request(60, 3, true),
    ]);
    let answer = ask(&timeline, &[BACK], 0);
    let drawn: Vec<_> = answer
        .requests
        .iter()
        .map(|one| (one.id, one.sent, one.done, one.depth))
        .collect();
    assert_eq!(drawn, [(1, 10, 30, 0), (2, 20, 50, 1), (3, 40, 60, 0)]);
    assert_eq!((answer.outstanding, answer.unanswered), (50, 0));
}
