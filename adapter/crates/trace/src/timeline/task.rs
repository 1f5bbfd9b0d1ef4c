//! Lanes of a guest's own tasks, where its scheduler's trace is there.

use machine::Vcpu;

use super::{At, Timeline};
use crate::store::{Cause, Mark, Party, Point, Span, State};

impl Timeline {
    /// A guest gave a vCPU from one task to another; task 0 is its idle loop and has no lane.
    pub(super) fn task(&mut self, at: At, vcpu: Vcpu, from: u32, to: u32, preempted: bool) {
        let carrier = self.vcpu_lane(vcpu).map_or(Party::NONE, Party);
        let next = self.own_task_lane(vcpu, to);
        if let Some(lane) = self.own_task_lane(vcpu, from) {
            let (state, cause) = match preempted {
                true => (State::Runnable, Cause::Preempted),
                false => (State::Blocked, Cause::Waits),
            };
            let by = next.filter(|_| preempted).map_or(Party::NONE, Party);
            let span = Span::new(at.time, state, carrier).caused(cause, by, Party(at.pcpu));
            self.writer.push(lane, span);
        }
        if let Some(lane) = next {
            self.writer
                .push(lane, Span::new(at.time, State::Running, carrier));
        }
    }

    /// A guest made a task runnable; who did is the task that its core's vCPU runs, which the vCPU's lane tells.
    pub(super) fn task_wake(&mut self, at: At, vcpu: Vcpu, task: u32) {
        let Some(lane) = self.own_task_lane(vcpu, task) else {
            return;
        };
        let (by, pcpu) = self.originator(at);
        let point = Point::new(at.time, Mark::Wake, 0).caused(by, pcpu);
        self.writer.mark(lane, point);
        let open = self.writer.open(lane);
        if !open.state().on_core() && open.state() != State::Runnable {
            let span = Span::new(at.time, State::Runnable, open.party());
            self.writer.push(lane, span.caused(Cause::Woken, by, pcpu));
        }
    }

    fn own_task_lane(&mut self, vcpu: Vcpu, task: u32) -> Option<u16> {
        if task == 0 {
            return None;
        }
        let lane = self.task_lane(vcpu.guest, task)?;
        (!self.is_others(lane)).then_some(lane)
    }
}
