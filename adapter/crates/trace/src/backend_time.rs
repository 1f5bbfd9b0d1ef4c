//! How long a guest's requests spent in a backend: an interval, never one number.
//!
//! A request is sent and answered on a vCPU of the frontend ([`Mark::RequestSent`], [`Mark::RequestDone`]). With the
//! hypervisor's trace its time is split by what the backend's and the frontend's vCPUs did meanwhile. Without, the guest's
//! own trace shows only when the vCPU ran no task: everything else of the request may be the backend's.

#[cfg(test)]
mod tests;

use std::collections::HashMap;

use crate::store::{Interval, LaneView, Mark, Owner, Party, State, View};

/// What to look at.
#[derive(Clone, Debug)]
pub struct Question<'a> {
    /// The lane of the vCPU that sends.
    pub frontend: u16,
    /// The lanes of the backend's vCPUs; empty where the hypervisor's trace is not there.
    pub backends: &'a [u16],
    /// The first tick.
    pub from: u64,
    /// The first tick beyond.
    pub to: u64,
    /// What an empty round trip takes, measured apart; it is nobody's backend time.
    pub floor: u64,
}

/// The answer.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct BackendTime {
    /// Those sent and answered within the window, by the time they were sent.
    pub requests: Vec<Request>,
    /// Those sent and not answered in it, or one of too many at a time.
    pub unanswered: usize,
    /// Ticks during which at least one request was outstanding; divided by the ticks of the window, and multiplied by the
    /// mean number outstanding, this is Little's law.
    pub outstanding: u64,
    /// At least so many ticks, of all requests together, were the backend's.
    pub low: u64,
    /// At most so many.
    pub high: u64,
    /// The bounds come from the guest's trace alone.
    pub estimated: bool,
}

/// One request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// As the guest names it.
    pub id: u64,
    /// When it left.
    pub sent: u64,
    /// When its answer was seen.
    pub done: u64,
    /// The lowest number that no other request has that is outstanding when this one is sent: the sub-lane to draw it in.
    pub depth: usize,
    /// At least so many ticks were the backend's.
    pub low: u64,
    /// At most so many.
    pub high: u64,
    /// Where the time went, where the hypervisor's trace is there and not too long.
    pub split: Option<Split>,
}

/// The parts of a request's time, in ticks. They add up to it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Split {
    /// Until the backend was runnable: the send through the hypervisor.
    pub out: u64,
    /// The backend was runnable and had no core.
    pub backend_wait: u64,
    /// The backend ran.
    pub backend_run: u64,
    /// The backend waited, to run again for this request: the device.
    pub device: u64,
    /// The backend was done, the frontend runnable without a core.
    pub return_wait: u64,
    /// The backend was done, and the frontend blocked or running.
    pub delivery: u64,
    /// Nobody knows what the backend did.
    pub unknown: u64,
}

/// So many spans are looked at in all; requests beyond have no split.
const MOST_STEPS: usize = 20_000_000;

/// More requests at a time are not followed, and count as unanswered.
const MOST_OUTSTANDING: usize = 4096;

/// The lanes of vCPUs that sent requests in a window, as their guests' own traces tell.
pub fn frontends(view: View<'_>, from: u64, to: u64) -> Vec<u16> {
    let sends = |lane: u16| {
        let points = view.points(lane);
        let kinds = points.kinds(points.count_before(from), points.count_before(to));
        kinds >> Mark::RequestSent as u32 & 1 == 1
    };
    let lanes = (0..).zip(view.owners());
    let vcpus = lanes.filter(|(_, owner)| matches!(owner, Owner::Vcpu(_)));
    vcpus
        .map(|(lane, _)| lane)
        .filter(|lane| sends(*lane))
        .collect()
}

/// Answers.
pub fn backend_time(view: View<'_>, question: &Question<'_>) -> BackendTime {
    let mut answer = matched(view, question);
    answer.estimated = question.backends.is_empty();
    let tasks = match answer.estimated {
        true => tasks_of(view, question),
        false => Vec::new(),
    };
    let mut steps = MOST_STEPS;
    for request in &mut answer.requests {
        if answer.estimated {
            request.bound_by_own_time(&tasks, question.floor, &mut steps);
        } else {
            request.split_up(view, question, &mut steps);
        }
        answer.low = answer.low.saturating_add(request.low);
        answer.high = answer.high.saturating_add(request.high);
    }
    answer
}

/// Pairs sends with answers.
fn matched(view: View<'_>, question: &Question<'_>) -> BackendTime {
    let mut answer = BackendTime::default();
    let mut open: HashMap<u64, usize> = HashMap::new();
    let mut sub_lanes: Vec<bool> = Vec::new();
    let mut busy_since = 0;
    for point in view
        .points(question.frontend)
        .between(question.from, question.to)
    {
        let (id, time) = (point.value(), point.time());
        match point.mark() {
            Mark::RequestSent if open.len() >= MOST_OUTSTANDING => answer.unanswered += 1,
            Mark::RequestSent if !open.contains_key(&id) => {
                if open.is_empty() {
                    busy_since = time;
                }
                let depth = sub_lanes.iter().position(|taken| !taken);
                let depth = depth.unwrap_or(sub_lanes.len());
                sub_lanes.resize(sub_lanes.len().max(depth + 1), false);
                sub_lanes[depth] = true;
                open.insert(id, answer.requests.len());
                answer.requests.push(Request::new(id, time, depth));
            }
            Mark::RequestDone => {
                let Some(number) = open.remove(&id) else {
                    continue;
                };
                let request = &mut answer.requests[number];
                (request.done, request.high) = (time, time.saturating_sub(request.sent));
                sub_lanes[request.depth] = false;
                if open.is_empty() {
                    let busy = time.saturating_sub(busy_since);
                    answer.outstanding = busy.saturating_add(answer.outstanding);
                }
            }
            _ => {}
        }
    }
    if !open.is_empty() {
        answer.outstanding += question.to.min(view.until()).saturating_sub(busy_since);
    }
    answer.unanswered += open.len();
    let mut number = 0;
    answer.requests.retain(|request| {
        number += 1;
        open.get(&request.id) != Some(&(number - 1))
    });
    answer
}

/// The lanes of the tasks that ran on the frontend.
fn tasks_of<'a>(view: View<'a>, question: &Question<'_>) -> Vec<LaneView<'a>> {
    let Some(Owner::Vcpu(vcpu)) = view.owner(Party(question.frontend)) else {
        return Vec::new();
    };
    let ran_here = |interval: &Interval| {
        interval.state() == State::Running && interval.span.party() == Party(question.frontend)
    };
    let of_guest = (0..)
        .zip(view.owners())
        .filter(|(_, owner)| matches!(owner, Owner::Task(guest, _) if *guest == vcpu.guest));
    of_guest
        .map(|(lane, _)| view.lane(lane))
        .filter(|lane| {
            lane.overlapping(question.from, question.to)
                .any(|one| ran_here(&one))
        })
        .collect()
}

impl Request {
    fn new(id: u64, sent: u64, depth: usize) -> Self {
        Self {
            id,
            sent,
            done: sent,
            depth,
            low: 0,
            high: 0,
            split: None,
        }
    }

    /// What the guest itself ran meanwhile was not the backend's; of the rest all but the floor may be.
    fn bound_by_own_time(&mut self, tasks: &[LaneView<'_>], floor: u64, steps: &mut usize) {
        let mut own = 0;
        for task in tasks {
            let spans = task.numbers(self.sent, self.done);
            let Some(left) = steps.checked_sub(spans.len() + 1) else {
                return;
            };
            *steps = left;
            let running = spans
                .filter_map(|index| task.get(index))
                .filter(|interval| interval.state() == State::Running);
            own += running
                .map(|one| {
                    one.end
                        .min(self.done)
                        .saturating_sub(one.start().max(self.sent))
                })
                .sum::<u64>();
        }
        self.high = (self.done - self.sent).saturating_sub(own);
        self.low = self.high.saturating_sub(floor);
    }

    /// Follows the vCPUs from the send to the answer.
    fn split_up(&mut self, view: View<'_>, question: &Question<'_>, steps: &mut usize) {
        let frontend = view.lane(question.frontend);
        let backends: Vec<_> = question
            .backends
            .iter()
            .map(|lane| view.lane(*lane))
            .collect();
        let mut times = vec![self.sent, self.done];
        for lane in backends.iter().chain([&frontend]) {
            let spans = lane.numbers(self.sent, self.done);
            let Some(left) = steps.checked_sub(spans.len() + 1) else {
                return;
            };
            *steps = left;
            let starts = spans.map(|index| lane.start(index));
            times.extend(starts.filter(|start| (self.sent..self.done).contains(start)));
        }
        times.sort_unstable();
        times.dedup();
        let active =
            |time: &u64| matches!(backend(&backends, *time), Backend::Waits | Backend::Runs);
        let begun = times.iter().copied().find(active);
        let last = times.iter().copied().rev().find(active);
        let mut split = Split::default();
        for pair in times.windows(2) {
            let part = match (backend(&backends, pair[0]), begun, last) {
                (Backend::Unknown, ..) => &mut split.unknown,
                (Backend::Runs, ..) => &mut split.backend_run,
                (Backend::Waits, ..) => &mut split.backend_wait,
                (Backend::Sleeps, Some(begun), _) if pair[0] < begun => &mut split.out,
                (Backend::Sleeps, _, Some(last)) if pair[0] < last => &mut split.device,
                _ => match frontend.at(pair[0]).map(|interval| interval.state()) {
                    Some(State::Runnable) => &mut split.return_wait,
                    _ => &mut split.delivery,
                },
            };
            *part += pair[1] - pair[0];
        }
        self.low = (split.backend_wait + split.backend_run).saturating_sub(question.floor);
        self.high = (self.done - self.sent).saturating_sub(split.return_wait);
        self.split = Some(split);
    }
}

/// What the backend's vCPUs do, taken together.
enum Backend {
    Runs,
    Waits,
    Sleeps,
    Unknown,
}

fn backend(lanes: &[LaneView<'_>], time: u64) -> Backend {
    let mut together = Backend::Sleeps;
    for lane in lanes {
        match lane
            .at(time)
            .map_or(State::Unknown, |interval| interval.state())
        {
            State::Running | State::Hypervisor => return Backend::Runs,
            State::Runnable => together = Backend::Waits,
            State::Lost | State::Unknown if !matches!(together, Backend::Waits) => {
                together = Backend::Unknown;
            }
            _ => {}
        }
    }
    together
}
