//! Letting the target run and halting it: traps armed, the instruction under a trap stepped over, the target given back.

use std::sync::Arc;
use std::time::Duration;

use machine::target::Trap;
use machine::{Pcpu, Register, Resume, Stop, StopReason, Target, TargetError, TargetEvent};

use crate::engine::{Engine, Input, State};
use crate::halt::Halt;
use crate::step::Stepping;
use crate::view::{EngineError, Event, StopCause, ThreadId};

/// How long one instruction may take before it counts as one that waits (WFI).
const ONE_INSTRUCTION: Duration = Duration::from_millis(100);
/// How long a target may take to halt when asked.
const HALT_PATIENCE: Duration = Duration::from_secs(2);

impl Engine {
    /// Lets all cores run. Harmless when they do.
    ///
    /// # Errors
    /// A saved halt cannot run.
    pub fn resume(&mut self, thread: Option<ThreadId>) -> Result<(), EngineError> {
        self.must_run()?;
        if self.is_halted() {
            self.stepping = None;
            self.announce_continued(thread);
            self.go(Resume::All);
        }
        Ok(())
    }

    pub(crate) fn announce_continued(&mut self, thread: Option<ThreadId>) {
        self.stop = None;
        self.tell(Event::Continued { thread });
    }

    pub(crate) fn must_run(&self) -> Result<(), EngineError> {
        match &self.state {
            State::Ended => Err(EngineError::target("the target is gone".to_owned())),
            _ if self.can_run() => Ok(()),
            _ => Err(EngineError::user(
                "this is a saved halt: it can be looked at, but not run".to_owned(),
            )),
        }
    }

    /// Halts all cores; the halt arrives as an event.
    ///
    /// # Errors
    /// A saved halt cannot run.
    pub fn pause(&mut self, thread: Option<ThreadId>) -> Result<(), EngineError> {
        self.must_run()?;
        if let (State::Running(_), Some(request)) = (&self.state, &self.halt_request) {
            self.pause_asked = Some(thread);
            request.request_halt();
        }
        Ok(())
    }

    /// Removes every breakpoint and gives the target back, running or halted. Nothing works after it.
    ///
    /// # Errors
    /// The link was lost meanwhile.
    pub fn detach(&mut self, leave_running: bool) -> Result<(), EngineError> {
        if matches!(self.state, State::Running(_)) && self.halt_now().is_none() {
            return Err(EngineError::target(
                "the target did not halt to have its breakpoints removed".to_owned(),
            ));
        }
        let mut target = match std::mem::replace(&mut self.state, State::Ended) {
            State::Halted(halt) => halt.release(),
            State::Running(_) | State::Ended => return Ok(()),
        };
        self.armed.clear();
        let Some(run) = target.run_control() else {
            return Ok(());
        };
        run.detach(leave_running)
            .map_err(|error| EngineError::target(error.to_string()))
    }

    /// Resumes the target: arms what is wished, steps over the trap that was dealt with, and lets it run.
    pub(crate) fn go(&mut self, how: Resume) {
        let State::Halted(halt) = std::mem::replace(&mut self.state, State::Ended) else {
            return;
        };
        let mut target = halt.release();
        self.stacks.clear();
        let armed = self.arm(target.as_mut());
        if let Some((core, pc)) = self.found_at.take() {
            self.at_trap.entry(core).or_insert(Trap::Execute(pc));
        }
        let outcome = match armed {
            Ok(Some(refusal)) => return self.give_up_step(target, &refusal),
            Ok(None) => self.set_running(target.as_mut(), how),
            Err(error) => Err(error),
        };
        self.state = State::Running(target);
        match outcome {
            Ok(None) => {}
            Ok(Some(stop)) => self
                .aside
                .push_back(Input::Target(TargetEvent::Stopped(stop))),
            Err(error) => self.lose(&error),
        }
    }

    /// How a target goes on that was halted for nothing the user asked for.
    pub(crate) fn running_on(&self) -> Resume {
        self.stepping.as_ref().map_or(Resume::All, Stepping::how)
    }

    /// The step stays where it is: without a trap at its end it would run away.
    fn give_up_step(&mut self, target: Box<dyn Target>, refusal: &TargetError) {
        self.state = State::Halted(Halt::of(target));
        self.refresh();
        self.warn(None, format!("the step ends here: {refusal}"));
        let core = self.stepping.take().map_or(Pcpu(0), |step| step.core());
        self.report(core, StopCause::Step);
    }

    /// Brings the armed traps in line with what breakpoints and steps wish. Gives the refusal of the step's own.
    fn arm(&mut self, target: &mut dyn Target) -> Result<Option<TargetError>, TargetError> {
        let Some(run) = target.run_control() else {
            return Ok(None);
        };
        let of_step = self.stepping.as_ref().and_then(Stepping::trap);
        let mut refusal = None;
        let mut wanted = self.breakpoints.traps();
        wanted.extend(of_step);
        let superfluous: Vec<Trap> = self.armed.difference(&wanted).copied().collect();
        for trap in superfluous {
            run.remove(trap)?;
            self.armed.remove(&trap);
            if let Trap::Execute(address) = trap {
                self.passing.forget(address);
            }
        }
        let missing: Vec<Trap> = wanted.difference(&self.armed).copied().collect();
        for trap in missing {
            let refused = match run.insert(trap) {
                Ok(()) => {
                    self.armed.insert(trap);
                    None
                }
                Err(error @ TargetError::Lost { .. }) => return Err(error),
                Err(error) => Some(error),
            };
            let reason = refused.as_ref().map(TargetError::to_string);
            for view in self.breakpoints.answered(trap, reason, &self.groups) {
                (self.events)(Event::Breakpoint(view));
            }
            if of_step == Some(trap) {
                refusal = refused;
            }
        }
        Ok(refusal)
    }

    /// Lets the target run; gives the stop when it was a single step that is done already.
    fn set_running(
        &mut self,
        target: &mut dyn Target,
        how: Resume,
    ) -> Result<Option<Stop>, TargetError> {
        let Some(run) = target.run_control() else {
            return Ok(None);
        };
        if let Resume::Step(core) = how {
            self.at_trap.remove(&core);
            run.resume(how)?;
            let done = run.wait(ONE_INSTRUCTION)?;
            if done.is_none() {
                run.watch(Arc::clone(&self.sink));
            }
            return Ok(done);
        }
        let mut over = std::mem::take(&mut self.at_trap);
        over.retain(|_, trap| self.armed.contains(trap));
        if let (Resume::All, 1, Some((core, Trap::Execute(address)))) =
            (how, over.len(), over.first_key_value())
            && let Some(effect) = self.passing.effect(run, *core, *address)?
        {
            let pc = (Register::Pc, effect.pc);
            let writes: Vec<_> = effect.write.into_iter().chain([pc]).collect();
            run.resume_with(*core, &writes)?;
            run.watch(Arc::clone(&self.sink));
            return Ok(None);
        }
        for core in over.into_keys() {
            run.resume(Resume::Step(core))?;
            if run.wait(ONE_INSTRUCTION)?.is_none() {
                // The instruction waits for something (WFI) while the other cores are frozen: let all of them run.
                run.halt_request().request_halt();
                run.wait(HALT_PATIENCE)?;
            }
        }
        run.resume(how)?;
        run.watch(Arc::clone(&self.sink));
        Ok(None)
    }

    /// Does something that needs a halt; a running target runs on afterwards, unless it stopped for a reason meanwhile.
    pub(crate) fn briefly_halted(&mut self, work: impl FnOnce(&mut Self)) {
        if self.is_halted() {
            work(self);
        } else if let Some(stop) = self.halt_now() {
            work(self);
            if stop.reason == StopReason::Halted && self.pause_asked.is_none() {
                self.go(self.running_on());
            } else {
                self.judge(stop);
            }
        }
    }

    /// Halts a running target and waits for it. Other inputs are put aside meanwhile.
    pub(crate) fn halt_now(&mut self) -> Option<Stop> {
        let State::Running(_) = self.state else {
            return None;
        };
        if let Some(request) = &self.halt_request {
            request.request_halt();
        }
        let stop = loop {
            let stepped = self
                .aside
                .iter()
                .position(|input| matches!(input, Input::Target(_)));
            let input = match stepped.and_then(|at| self.aside.remove(at)) {
                Some(input) => input,
                None => self.inputs.recv_timeout(HALT_PATIENCE).ok()?,
            };
            match input {
                Input::Target(TargetEvent::Stopped(stop)) => break stop,
                Input::Target(TargetEvent::Lost(error)) => {
                    self.lose(&error);
                    return None;
                }
                other => self.aside.push_back(other),
            }
        };
        if let State::Running(target) = std::mem::replace(&mut self.state, State::Ended) {
            self.state = State::Halted(Halt::of(target));
            self.stacks.clear();
        }
        Some(stop)
    }

    pub(crate) fn lose(&mut self, error: &TargetError) {
        if !matches!(self.state, State::Ended) || !self.armed.is_empty() {
            self.armed.clear();
            self.state = State::Ended;
            self.tell(Event::Lost(error.to_string()));
        }
    }
}
