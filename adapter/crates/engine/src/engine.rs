//! The debugger itself: one thread, a closed set of inputs, all-stop.
//!
//! Everything that happens is an [`Input`]. Requests are closures run on the engine's thread, so they may read a halt
//! and never race with a stop. The engine never blocks on a running target: back ends deliver a stop as an input.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use awareness::Hypervisor;
use machine::target::{EventSink, HaltRequest, Trap};
use machine::{El, Pcpu, Resume, Stop, StopReason, Target, TargetError, TargetEvent};
use symbols::Image;

use crate::breakpoints::Breakpoints;
use crate::context::{Context, Owner, identify};
use crate::groups::{Groups, Who};
use crate::halt::Halt;
use crate::images::Images;
use crate::setup::{Setup, Slot};
use crate::stack::{self, Frame, Stacks};
use crate::step::Stepping;
use crate::view::{
    BreakpointId, BreakpointRequest, BreakpointSet, BreakpointView, EngineError, Event, FrameRef,
    GroupId, GroupView, StackView, StopCause, StopView, ThreadId, ThreadView,
};

/// How long one instruction may take before it counts as one that waits (WFI).
const ONE_INSTRUCTION: Duration = Duration::from_millis(100);
/// How long a target may take to halt when asked.
const HALT_PATIENCE: Duration = Duration::from_secs(2);

/// What reaches the engine.
enum Input {
    /// Something to do on the engine's thread.
    Call(Box<dyn FnOnce(&mut Engine) + Send>),
    /// The target reports.
    Target(TargetEvent),
    /// An image was opened, or could not be.
    Image(Slot, Result<Arc<Image>, String>),
    /// An image's index is built.
    Prepared,
    /// Nobody holds a [`Handle`] any more.
    Quit,
}

/// The way to an engine, which ends when the last one is dropped.
#[derive(Clone)]
pub struct Handle {
    inputs: Arc<Inputs>,
}

struct Inputs(Sender<Input>);

impl Drop for Inputs {
    fn drop(&mut self) {
        let _ = self.0.send(Input::Quit);
    }
}

impl Handle {
    /// Runs `request` on the engine's thread. `false`: the engine is gone and the request was dropped.
    pub fn call(&self, request: impl FnOnce(&mut Engine) + Send + 'static) -> bool {
        self.inputs.0.send(Input::Call(Box::new(request))).is_ok()
    }

    /// Delivers an image, right after it was parsed.
    pub fn image(&self, slot: Slot, outcome: Result<Arc<Image>, String>) {
        let _ = self.inputs.0.send(Input::Image(slot, outcome));
    }

    /// Tells that an image delivered before has its index now ([`Image::prepare`]).
    pub fn image_prepared(&self) {
        let _ = self.inputs.0.send(Input::Prepared);
    }
}

pub(crate) enum State {
    Halted(Halt),
    Running(Box<dyn Target>),
    /// The target is gone, or given back.
    Ended,
}

/// The debugger.
pub struct Engine {
    pub(crate) state: State,
    pub(crate) setup: Setup,
    pub(crate) hypervisor: Box<dyn Hypervisor>,
    pub(crate) groups: Groups,
    pub(crate) images: Images,
    pub(crate) breakpoints: Breakpoints,
    pub(crate) stepping: Option<Stepping>,
    stacks: Stacks,
    armed: HashSet<Trap>,
    /// The core whose trap was dealt with: it has to be stepped over that instruction before the rest runs.
    at_trap: Option<Pcpu>,
    stop: Option<StopView>,
    pause_asked: Option<Option<ThreadId>>,
    inputs: Receiver<Input>,
    /// Inputs put aside while waiting for a halt, and stops of single steps.
    aside: VecDeque<Input>,
    halt_request: Option<Arc<dyn HaltRequest>>,
    events: Box<dyn Fn(Event) + Send>,
    sink: EventSink,
}

/// What to do after a stop.
pub(crate) enum Verdict {
    /// Tell the user.
    Report(StopCause),
    /// Nobody asked for it: run on, over the trap at the core's pc when there is one.
    PassOn,
    /// A step goes on in its own way.
    Step(Resume),
}

/// Starts an engine on its own thread. The target is halted. Events are sent from that thread.
#[must_use]
pub fn start(target: Box<dyn Target>, setup: Setup, events: Box<dyn Fn(Event) + Send>) -> Handle {
    let (inputs, receiver) = channel();
    let stops = inputs.clone();
    let sink: EventSink = Arc::new(move |event| {
        let _ = stops.send(Input::Target(event));
    });
    std::thread::spawn(move || Engine::new(target, setup, events, sink, receiver).serve());
    Handle {
        inputs: Arc::new(Inputs(inputs)),
    }
}

impl Engine {
    fn new(
        mut target: Box<dyn Target>,
        setup: Setup,
        events: Box<dyn Fn(Event) + Send>,
        sink: EventSink,
        inputs: Receiver<Input>,
    ) -> Self {
        let halt_request = target.run_control().map(|run| run.halt_request());
        Self {
            groups: Groups::new(target.cores()),
            images: Images::expecting(&setup),
            hypervisor: awareness::none(),
            setup,
            breakpoints: Breakpoints::default(),
            stepping: None,
            stacks: Stacks::default(),
            armed: HashSet::new(),
            at_trap: None,
            stop: None,
            pause_asked: None,
            inputs,
            aside: VecDeque::new(),
            halt_request,
            state: State::Halted(Halt::of(target)),
            events,
            sink,
        }
    }

    fn serve(mut self) {
        self.refresh();
        while let Some(input) = self.next_input() {
            match input {
                Input::Call(request) => request(&mut self),
                Input::Target(TargetEvent::Stopped(stop)) => self.on_stop(stop),
                Input::Target(TargetEvent::Lost(error)) => self.lose(&error),
                Input::Image(slot, outcome) => self.on_image(slot, outcome),
                Input::Prepared => self.briefly_halted(Self::refresh),
                Input::Quit => break,
            }
            if let State::Halted(halt) = &self.state
                && let Some(error) = halt.lost()
            {
                self.lose(&error);
            }
        }
        // Whoever attached is gone without a word: leave the target as a disconnect does.
        let _ = self.detach(true);
    }

    /// What waits in the channel goes before what was put aside, so that a request gets its turn between two single steps.
    fn next_input(&mut self) -> Option<Input> {
        match self.inputs.try_recv() {
            Ok(input) => Some(input),
            Err(_) => self.aside.pop_front().or_else(|| self.inputs.recv().ok()),
        }
    }

    pub(crate) fn tell(&self, event: Event) {
        (self.events)(event);
    }

    pub(crate) fn warn(&self, group: Option<GroupId>, text: String) {
        self.tell(Event::Message {
            group,
            text,
            warning: true,
        });
    }

    /// The halt, for those who read.
    pub(crate) fn halt_of(state: &State) -> Result<&Halt, EngineError> {
        match state {
            State::Halted(halt) => Ok(halt),
            State::Running(_) => Err(EngineError::user(
                "the target is running: pause it first".to_owned(),
            )),
            State::Ended => Err(EngineError::target("the target is gone".to_owned())),
        }
    }

    // Requests.

    /// Every group, the hypervisor's first; as of the last halt.
    #[must_use]
    pub fn groups(&self) -> Vec<GroupView> {
        self.groups.iter().map(crate::groups::Group::view).collect()
    }

    /// Threads of one group or of all; as of the last halt.
    #[must_use]
    pub fn threads(&self, group: Option<GroupId>) -> Vec<ThreadView> {
        self.groups.threads(group)
    }

    /// Whether the target is halted.
    #[must_use]
    pub fn is_halted(&self) -> bool {
        matches!(self.state, State::Halted(_))
    }

    /// The halt being shown.
    #[must_use]
    pub fn stop(&self) -> Option<&StopView> {
        self.stop.as_ref()
    }

    /// Whether the target can run at all.
    #[must_use]
    pub fn can_run(&self) -> bool {
        self.halt_request.is_some()
    }

    /// Shows the halt that came with attaching.
    pub fn announce_attached(&mut self) {
        if let State::Halted(halt) = &self.state {
            let first = halt.target().first_stop().map_or(Pcpu(0), |stop| stop.core);
            self.report(first, StopCause::Attached);
        }
    }

    /// A part of a thread's stack.
    ///
    /// # Errors
    /// The target runs, or the thread is not known, or its registers are not.
    pub fn stack(
        &mut self,
        thread: ThreadId,
        start: u32,
        count: Option<u32>,
    ) -> Result<StackView, EngineError> {
        let frames = self.frames(thread)?;
        let total = frames.len() as u32;
        let shown = frames
            .iter()
            .enumerate()
            .skip(start as usize)
            .take(count.unwrap_or(u32::MAX) as usize);
        let frames = shown
            .map(|(index, frame)| {
                frame.view(FrameRef {
                    thread,
                    index: index as u32,
                })
            })
            .collect();
        Ok(StackView { frames, total })
    }

    pub(crate) fn frames(&mut self, thread: ThreadId) -> Result<Arc<Vec<Frame>>, EngineError> {
        let halt = Self::halt_of(&self.state)?;
        if let Some(known) = self.stacks.get(&thread) {
            return Ok(Arc::clone(known));
        }
        let frames = Arc::new(stack::of_thread(halt, &self.groups, thread)?);
        self.stacks.insert(thread, Arc::clone(&frames));
        Ok(frames)
    }

    /// Replaces a set of breakpoints. A running target is halted for a moment to take them in.
    pub fn set_breakpoints(
        &mut self,
        set: &BreakpointSet,
        wanted: Vec<BreakpointRequest>,
    ) -> Vec<BreakpointView> {
        let before = self.breakpoints.traps();
        let views = self.breakpoints.replace(set, wanted, &self.groups);
        if self.breakpoints.traps() != before {
            self.briefly_halted(|_| ());
        }
        views
    }

    /// Every breakpoint with its counts.
    #[must_use]
    pub fn breakpoints(&self) -> Vec<BreakpointView> {
        self.breakpoints.views(&self.groups)
    }

    /// Removes the breakpoints of a client that left.
    pub fn forget_owner(&mut self, owner: u32) {
        self.breakpoints.forget_owner(owner);
        self.briefly_halted(|_| ());
    }

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

    /// Hands the halted target out, to be saved.
    ///
    /// # Errors
    /// The target runs, or `write` failed.
    pub fn snapshot(
        &mut self,
        write: &mut dyn FnMut(&mut dyn Target) -> Result<(), String>,
    ) -> Result<(), EngineError> {
        let halt = Self::halt_of(&self.state)?;
        let mut target = halt.target();
        write(target.as_mut()).map_err(EngineError::target)
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
        let Some(run) = target.run_control() else {
            return Ok(());
        };
        run.detach(leave_running)
            .map_err(|error| EngineError::target(error.to_string()))
    }

    // Stops.

    fn on_stop(&mut self, stop: Stop) {
        if let State::Running(target) = std::mem::replace(&mut self.state, State::Ended) {
            self.state = State::Halted(Halt::of(target));
            self.stacks.clear();
            self.judge(stop);
        }
    }

    /// Decides what a stop means, and reports it or runs on.
    fn judge(&mut self, stop: Stop) {
        match self.verdict(stop) {
            Ok(Verdict::Report(cause)) => {
                self.stepping = None;
                self.pause_asked = None;
                self.report(stop.core, cause);
            }
            Ok(Verdict::PassOn) => {
                self.at_trap = Some(stop.core);
                self.go(Resume::All);
            }
            Ok(Verdict::Step(how)) => self.go(how),
            Err(error) => self.lose(&error),
        }
    }

    fn verdict(&mut self, stop: Stop) -> Result<Verdict, TargetError> {
        let State::Halted(halt) = &self.state else {
            return Ok(Verdict::PassOn);
        };
        let glance = halt.glance(stop.core)?;
        let mut context = identify(&self.groups, stop.core, glance);
        let trap = Trap::Execute(context.pc);
        if self.pause_asked.is_some() {
            self.refresh();
            return Ok(Verdict::Report(StopCause::Paused));
        }
        match stop.reason {
            StopReason::Trap => {}
            StopReason::Halted => {
                self.refresh();
                return Ok(Verdict::Report(StopCause::Exception(
                    "halted, and not by this debugger".to_owned(),
                )));
            }
            StopReason::Data(address) => {
                self.refresh();
                return Ok(Verdict::Report(StopCause::Exception(format!(
                    "data trap at {address} that nobody set here"
                ))));
            }
            StopReason::Signal(number) => {
                self.refresh();
                return Ok(Verdict::Report(StopCause::Exception(format!(
                    "signal {number}"
                ))));
            }
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
        if !hit.is_empty() {
            self.refresh();
            let due = self.due(&hit, context);
            if !due.is_empty() {
                self.at_trap = Some(stop.core);
                return Ok(Verdict::Report(StopCause::Breakpoint(due)));
            }
        }
        if self.stepping.is_some() {
            return self.step_verdict(context);
        }
        if self.armed.contains(&trap) {
            return Ok(Verdict::PassOn);
        }
        self.refresh();
        Ok(Verdict::Report(StopCause::Exception(
            "trap that nobody set here".to_owned(),
        )))
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

    fn report(&mut self, core: Pcpu, cause: StopCause) {
        let asked = match &cause {
            StopCause::Paused => self.pause_asked.take().flatten(),
            _ => None,
        };
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
            (Who::Vcpu(vcpu), crate::view::ThreadState::OnCore(core)) => {
                format!(
                    "{what} in {name}, vCPU {} on {core}{}",
                    vcpu.index,
                    level(core)
                )
            }
            (Who::Vcpu(vcpu), _) => format!("{what} in {name}, vCPU {}", vcpu.index),
        }
    }

    // Running.

    /// Resumes the target: arms what is wished, steps over the trap that was dealt with, and lets it run.
    pub(crate) fn go(&mut self, how: Resume) {
        let State::Halted(halt) = std::mem::replace(&mut self.state, State::Ended) else {
            return;
        };
        let mut target = halt.release();
        self.stacks.clear();
        let outcome = self
            .arm(target.as_mut())
            .and_then(|()| self.set_running(target.as_mut(), how));
        self.state = State::Running(target);
        match outcome {
            Ok(None) => {}
            Ok(Some(stop)) => self
                .aside
                .push_back(Input::Target(TargetEvent::Stopped(stop))),
            Err(error) => self.lose(&error),
        }
    }

    /// Brings the armed traps in line with what breakpoints and steps wish.
    fn arm(&mut self, target: &mut dyn Target) -> Result<(), TargetError> {
        let Some(run) = target.run_control() else {
            return Ok(());
        };
        let mut wanted = self.breakpoints.traps();
        wanted.extend(self.stepping.as_ref().and_then(Stepping::trap));
        let superfluous: Vec<Trap> = self.armed.difference(&wanted).copied().collect();
        for trap in superfluous {
            run.remove(trap)?;
            self.armed.remove(&trap);
        }
        let missing: Vec<Trap> = wanted.difference(&self.armed).copied().collect();
        for trap in missing {
            match run.insert(trap) {
                Ok(()) => {
                    self.armed.insert(trap);
                }
                Err(error @ TargetError::Lost { .. }) => return Err(error),
                Err(error) => {
                    for view in self
                        .breakpoints
                        .refuse(trap, &error.to_string(), &self.groups)
                    {
                        (self.events)(Event::Breakpoint(view));
                    }
                }
            }
        }
        Ok(())
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
        let over = self.at_trap.take();
        if let Resume::Step(_) = how {
            run.resume(how)?;
            let done = run.wait(ONE_INSTRUCTION)?;
            if done.is_none() {
                run.watch(Arc::clone(&self.sink));
            }
            return Ok(done);
        }
        if let Some(core) = over {
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
                self.go(Resume::All);
            } else {
                self.judge(stop);
            }
        }
    }

    /// Halts a running target and waits for it. Other inputs are put aside meanwhile.
    fn halt_now(&mut self) -> Option<Stop> {
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

    fn lose(&mut self, error: &TargetError) {
        if !matches!(self.state, State::Ended) || !self.armed.is_empty() {
            self.armed.clear();
            self.state = State::Ended;
            self.tell(Event::Lost(error.to_string()));
        }
    }

    // Knowledge.

    fn on_image(&mut self, slot: Slot, outcome: Result<Arc<Image>, String>) {
        match outcome {
            Ok(image) => self.images.arrived(slot, image),
            Err(reason) => self.warn(None, reason),
        }
        self.briefly_halted(Self::refresh);
    }

    /// Looks at the halt anew: who exists, who runs, which image is whose, where breakpoints belong.
    pub(crate) fn refresh(&mut self) {
        let State::Halted(halt) = &self.state else {
            return;
        };
        self.stacks.clear();
        let news = self.images.settle_hypervisor(
            halt,
            &self.setup,
            &mut self.groups,
            &mut self.hypervisor,
        );
        let survey = self.hypervisor.survey(halt);
        let notes = survey.notes.clone();
        let changes = self.groups.update(survey, &self.setup);
        let mut settled = self.images.settle_vms(halt, &self.setup, &mut self.groups);
        settled.extend(news);
        let rebind =
            !settled.is_empty() || !changes.added.is_empty() || !changes.removed.is_empty();
        if !changes.added.is_empty() || !changes.removed.is_empty() {
            // Views again: placing may have named the new ones.
            let added = changes
                .added
                .iter()
                .filter_map(|view| self.groups.get(view.id))
                .map(crate::groups::Group::view)
                .collect();
            self.tell(Event::Groups {
                added,
                removed: changes.removed,
            });
        }
        for text in self.images.untold(notes) {
            self.warn(None, text);
        }
        for group in settled {
            self.tell(Event::ImagesChanged(group));
        }
        if rebind {
            for view in self.breakpoints.bind(&self.groups) {
                self.tell(Event::Breakpoint(view));
            }
        }
    }
}
