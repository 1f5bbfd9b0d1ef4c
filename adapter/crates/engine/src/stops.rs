//! What a stop means: somebody's breakpoint, the end of a step, or nothing the user asked for.

use machine::target::Trap;
use machine::{El, Pcpu, Resume, Stop, StopReason, TargetError, Va};

use crate::context::{Context, Owner, identify};
use crate::engine::{Engine, State};
use crate::groups::Who;
use crate::halt::Halt;
use crate::view::{BreakpointId, Event, FrameRef, StopCause, StopView, ThreadId, ThreadState};

/// What to do after a stop.
pub(crate) enum Verdict {
    /// Tell the user.
    Report(StopCause),
    /// Nobody asked for it: run on, over the trap at the core's pc when there is one.
    PassOn,
    /// A step goes on in its own way.
    Step(Resume),
}

impl Engine {
    pub(crate) fn on_stop(&mut self, stop: Stop) {
        if let State::Running(target) = std::mem::replace(&mut self.state, State::Ended) {
            self.state = State::Halted(Halt::of(target));
            self.stacks.clear();
            self.judge(stop);
        }
    }

    /// Decides what a stop means, and reports it or runs on.
    pub(crate) fn judge(&mut self, stop: Stop) {
        match self.verdict(stop) {
            Ok(Verdict::Report(cause)) => {
                self.stepping = None;
                self.passing.reported();
                self.report(stop.core, cause);
            }
            Ok(Verdict::PassOn) => {
                self.go(self.running_on());
            }
            Ok(Verdict::Step(how)) => self.go(how),
            Err(error) => self.lose(&error),
        }
    }

    fn verdict(&mut self, stop: Stop) -> Result<Verdict, TargetError> {
        let State::Halted(halt) = &self.state else {
            return Ok(Verdict::PassOn);
        };
        let glance = match stop.reason {
            StopReason::Trap => self.passing.glance(halt, stop.core)?,
            _ => halt.glance(stop.core)?,
        };
        let mut context = identify(&self.groups, stop.core, glance);
        let trap = Trap::Execute(context.pc);
        if self.pause_asked.is_some() {
            return Ok(self.reported(StopCause::Paused));
        }
        if let Some(why) = foreign(stop.reason) {
            return Ok(self.reported(StopCause::Exception(why)));
        }
        if context.owner == Owner::Stranger {
            self.refresh();
            context = identify(&self.groups, stop.core, glance);
        }
        let group = match context.owner {
            Owner::Group(group) => Some(group),
            Owner::Stranger => None,
        };
        let hit = self.breakpoints.at(group, context.pc);
        if self.armed.contains(&trap) {
            self.at_trap.insert(stop.core, trap);
        }
        if !hit.is_empty() {
            self.refresh();
            let due = self.due(&hit, context);
            if !due.is_empty() {
                return Ok(Verdict::Report(StopCause::Breakpoint(due)));
            }
        }
        if self.stepping.is_some() {
            return self.step_verdict(context);
        }
        if self.armed.contains(&trap) {
            return Ok(Verdict::PassOn);
        }
        let why = "trap that nobody set here".to_owned();
        Ok(self.reported(StopCause::Exception(why)))
    }

    /// The user is told, of the machine as it is now.
    fn reported(&mut self, cause: StopCause) -> Verdict {
        self.refresh();
        Verdict::Report(cause)
    }

    /// Of the breakpoints at a stop, those to stop at: condition, hit condition and log message considered.
    fn due(&mut self, hit: &[BreakpointId], context: Context) -> Vec<BreakpointId> {
        hit.iter()
            .copied()
            .filter(|id| self.is_due(*id, context))
            .collect()
    }

    fn is_due(&mut self, id: BreakpointId, context: Context) -> bool {
        let Some(request) = self.breakpoints.get_mut(id).map(|one| one.request.clone()) else {
            return false;
        };
        let group = match context.owner {
            Owner::Group(group) => group,
            Owner::Stranger => return false,
        };
        let frame = self
            .thread_at(context.core)
            .map(|thread| FrameRef { thread, index: 0 });
        if let Some(condition) = request
            .condition
            .as_deref()
            .filter(|text| !text.trim().is_empty())
        {
            match self.evaluate_condition(group, frame, condition) {
                Ok(true) => {}
                Ok(false) => {
                    if let Some(one) = self.breakpoints.get_mut(id) {
                        one.filtered += 1;
                    }
                    return false;
                }
                Err(error) => self.complain(
                    id,
                    &format!(
                        "the condition '{condition}' cannot be evaluated, so it stops here: {error}"
                    ),
                ),
            }
        }
        let due = match self.breakpoints.get_mut(id) {
            Some(one) => {
                one.hits += 1;
                one.is_due()
            }
            None => return false,
        };
        match due {
            Ok(true) => {}
            Ok(false) => return false,
            Err(error) => self.complain(id, &error),
        }
        match request.log_message.filter(|text| !text.is_empty()) {
            Some(message) => {
                let text = self.interpolate(group, frame, &message);
                self.tell(Event::Message {
                    group: Some(group),
                    text,
                    warning: false,
                });
                false
            }
            None => true,
        }
    }

    fn complain(&mut self, id: BreakpointId, text: &str) {
        if let Some(one) = self.breakpoints.get_mut(id)
            && !std::mem::replace(&mut one.complained, true)
        {
            self.warn(None, format!("breakpoint {}: {text}", id.0));
        }
    }

    /// The thread whose code a core runs, by the last survey: a vCPU in EL0 and EL1, the core itself in EL2.
    pub(crate) fn thread_at(&self, core: Pcpu) -> Option<ThreadId> {
        let State::Halted(halt) = &self.state else {
            return None;
        };
        let in_guest = matches!(
            awareness::MachineView::registers(halt, core).el(),
            Some(El::El0 | El::El1)
        );
        let guest = self
            .groups
            .on_core(core)
            .filter(|_| in_guest)
            .map(|(_, thread)| thread.id);
        guest.or_else(|| self.groups.pcpu(core).map(|thread| thread.id))
    }

    pub(crate) fn report(&mut self, core: Pcpu, cause: StopCause) {
        if let State::Halted(halt) = &self.state {
            let pc = awareness::MachineView::registers(halt, core).pc;
            self.found_at = pc.map(|pc| (core, Va(pc)));
        }
        let asked = self.pause_asked.take().flatten();
        let asked = asked
            .filter(|thread| cause == StopCause::Paused && self.groups.thread(*thread).is_some());
        let Some(thread) = asked.or_else(|| self.thread_at(core)) else {
            return;
        };
        let Some((group, _)) = self.groups.thread(thread) else {
            return;
        };
        let stop = StopView {
            group: group.id,
            thread,
            description: self.describe(&cause, thread),
            cause,
        };
        self.stop = Some(stop.clone());
        self.tell(Event::Stopped(stop));
    }

    /// Who stopped and where, in full: `breakpoint in DomU (VMID 2), vCPU 0 on pCPU 1, EL1`.
    fn describe(&self, cause: &StopCause, thread: ThreadId) -> String {
        let what = match cause {
            StopCause::Attached => "attached",
            StopCause::Paused => "paused",
            StopCause::Breakpoint(_) => "breakpoint",
            StopCause::Step => "step",
            StopCause::Exception(text) => text,
        };
        let (State::Halted(halt), Some((group, thread))) =
            (&self.state, self.groups.thread(thread))
        else {
            return what.to_owned();
        };
        let level = |core| {
            awareness::MachineView::registers(halt, core)
                .el()
                .map_or(String::new(), |el| format!(", {el}"))
        };
        let name = group.full_name();
        match (thread.who, thread.state) {
            (Who::Pcpu(core), _) => format!("{what} in {name}, {core}{}", level(core)),
            (Who::Vcpu(vcpu), ThreadState::OnCore(core)) => {
                format!(
                    "{what} in {name}, vCPU {} on {core}{}",
                    vcpu.index,
                    level(core)
                )
            }
            (Who::Vcpu(vcpu), _) => format!("{what} in {name}, vCPU {}", vcpu.index),
        }
    }
}

/// What stopped the target when it was none of our traps.
fn foreign(reason: StopReason) -> Option<String> {
    match reason {
        StopReason::Trap => None,
        StopReason::Halted => Some("halted, and not by this debugger".to_owned()),
        StopReason::Data(address) => Some(format!("data trap at {address} that nobody set here")),
        StopReason::Signal(number) => Some(format!("signal {number}")),
    }
}
