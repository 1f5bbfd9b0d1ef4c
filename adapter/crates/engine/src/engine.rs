//! The debugger itself: one thread, a closed set of inputs, all-stop.
//!
//! Everything that happens is an [`Input`]. Requests are closures run on the engine's thread, so they may read a halt
//! and never race with a stop. The engine never blocks on a running target: back ends deliver a stop as an input.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};

use awareness::Hypervisor;
use machine::target::{EventSink, HaltRequest, Trap};
use machine::{Pcpu, Target, TargetEvent, Va};
use symbols::Image;

use crate::breakpoints::Breakpoints;
use crate::groups::Groups;
use crate::halt::Halt;
use crate::images::Images;
use crate::overview::Whereabouts;
use crate::passing::Passing;
use crate::setup::{Setup, Slot};
use crate::stack::{self, Frame, Stacks};
use crate::step::Stepping;
use crate::view::{
    BreakpointRequest, BreakpointSet, BreakpointView, EngineError, Event, FrameRef, GroupId,
    GroupView, StackView, StopCause, StopView, ThreadId, ThreadView,
};

/// What reaches the engine.
pub(crate) enum Input {
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
    pub(crate) stacks: Stacks,
    /// As of the last survey, once somebody asked.
    pub(crate) whereabouts: HashMap<ThreadId, Whereabouts>,
    pub(crate) armed: BTreeSet<Trap>,
    /// The cores whose trap was dealt with: each has to be stepped over that instruction before the rest runs.
    pub(crate) at_trap: BTreeMap<Pcpu, Trap>,
    pub(crate) passing: Passing,
    /// Where the user found the core that stopped: it goes on from there, also past a trap set meanwhile.
    pub(crate) found_at: Option<(Pcpu, Va)>,
    pub(crate) stop: Option<StopView>,
    pub(crate) pause_asked: Option<Option<ThreadId>>,
    pub(crate) inputs: Receiver<Input>,
    /// Inputs put aside while waiting for a halt, and stops of single steps.
    pub(crate) aside: VecDeque<Input>,
    pub(crate) halt_request: Option<Arc<dyn HaltRequest>>,
    pub(crate) events: Box<dyn Fn(Event) + Send>,
    pub(crate) sink: EventSink,
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
            whereabouts: HashMap::new(),
            armed: BTreeSet::new(),
            at_trap: BTreeMap::new(),
            passing: Passing::default(),
            found_at: None,
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
                Input::Call(request) => self.attempt(request),
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

    /// Runs a request. A fault of ours in it costs its answer, not the attached machine.
    fn attempt(&mut self, request: Box<dyn FnOnce(&mut Engine) + Send>) {
        let run = std::panic::AssertUnwindSafe(|| request(self));
        if std::panic::catch_unwind(run).is_err() {
            let text = "a fault in hvdap itself spoilt this request; the session goes on. Please report what was asked";
            self.warn(None, text.to_owned());
        }
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

    fn on_image(&mut self, slot: Slot, outcome: Result<Arc<Image>, String>) {
        match outcome {
            Ok(image) => self.images.arrived(slot, image),
            Err(reason) => {
                self.images.failed(slot);
                self.warn(None, reason);
            }
        }
        self.briefly_halted(Self::refresh);
    }

    /// Looks at the halt anew: who exists, who runs, which image is whose, where breakpoints belong. To be asked for at a brief halt only:
    /// at any other it has been done.
    pub fn refresh(&mut self) {
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
        if self.images.awaits_hypervisor() {
            return;
        }
        let survey = self.hypervisor.survey(halt);
        self.whereabouts.clear();
        let notes = survey.notes.clone();
        let changes = self.groups.update(survey, &self.setup);
        let mut settled = self.images.settle_vms(halt, &self.setup, &mut self.groups);
        settled.extend(news);
        settled.extend(changes.replaced);
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
