//! Recording who runs when while a machine is attached to: the hypervisor's buffers emptied at each halt, or beside the running
//! machine where its RAM is shared.

use std::sync::{Arc, Weak};
use std::time::Duration;

use engine::tracing::{TraceSource, TraceSwitches, Window};
use engine::view::EngineError;
use machine::{GuestId, Pcpu};
use schemars::JsonSchema;
use serde::Serialize;
use trace::event::What;
use trace::format::ring::Gap;
use trace::store::{NoRoom, View};

use super::Machine;
use crate::trace::live::Live;
use crate::trace::names::Names;
use crate::wire::Failure;

/// How often the buffers of a running machine are emptied.
const EVERY: Duration = Duration::from_millis(50);
/// After so many of these, editors are told that there is more to see.
const TOLD_EACH: u32 = 5;

/// What is recorded of a machine; kept to be looked at when recording has ended.
#[derive(Default)]
pub(super) struct Schedule {
    recording: Option<Recording>,
    recorded: Option<Live>,
}

/// A recording under way.
struct Recording {
    source: TraceSource,
    before: TraceSwitches,
    mask: u32,
    /// Emptied beside the running machine.
    shared: bool,
}

/// Body of `hvdap/traceControl`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(title = "hvdap/traceControl, its answer")]
pub struct Standing {
    /// Recording is under way.
    pub recording: bool,
    /// The buffers are emptied while the machine runs; else at halts only, so that records may be lost in between.
    pub while_running: bool,
    /// What is recorded.
    pub mask: u32,
    /// Events so far.
    pub events: u64,
    /// Records that the hypervisor lost for want of room.
    pub lost: u64,
}

/// What one look at one buffer gave, taken along from the engine's thread.
struct Taken {
    pcpu: Pcpu,
    gap: Option<Gap>,
    bytes: Vec<u8>,
}

impl Taken {
    fn of(window: Window<'_>) -> Self {
        Self {
            pcpu: window.pcpu,
            gap: window.gap,
            bytes: window.bytes.to_vec(),
        }
    }

    fn window(&self) -> Window<'_> {
        Window {
            pcpu: self.pcpu,
            gap: self.gap,
            bytes: &self.bytes,
        }
    }
}

impl Machine {
    /// Begins to record, from now on. What was recorded before is forgotten.
    ///
    /// # Errors
    /// The hypervisor has no trace buffers, and what to do about it; the target is gone.
    pub async fn start_recording(self: &Arc<Self>, mask: u32) -> Result<Standing, Failure> {
        let mut schedule = self.schedule.lock().await;
        if let Some(recording) = schedule.recording.take() {
            self.restore(recording).await?;
        }
        let begin = move |engine: &mut engine::Engine| {
            engine.in_a_halt(|engine| {
                let mut source = engine.find_trace()?;
                let before = engine.trace_switches(&source)?;
                let enabled = true;
                engine.switch_trace(&source, TraceSwitches { enabled, mask })?;
                // What lies there is of some time before, with whatever was lost since.
                engine.drain_trace(&mut source, &mut |_| {})?;
                Ok((source, before))
            })
        };
        let (source, before) = self.link.ask(begin).await?;
        let frequency = source.frequency().ok_or_else(|| {
            Failure::target(
                "CNTFRQ_EL0 is not known of this target, so a trace has no time".to_owned(),
            )
        })?;
        let shared = source.is_shared();
        schedule.recorded = Some(Live::new(frequency));
        schedule.recording = Some(Recording {
            source,
            before,
            mask,
            shared,
        });
        let standing = schedule.standing();
        drop(schedule);
        self.name_guests().await;
        if shared {
            tokio::spawn(keep_emptying(Arc::downgrade(self)));
        }
        Ok(standing)
    }

    /// Ends recording and puts the hypervisor's switches back. What was recorded stays.
    ///
    /// # Errors
    /// The target is gone.
    pub async fn stop_recording(&self) -> Result<Standing, Failure> {
        let mut schedule = self.schedule.lock().await;
        if let Some(recording) = schedule.recording.take() {
            let taken = self.restore(recording).await?;
            schedule.take(&taken).map_err(no_room)?;
        }
        Ok(schedule.standing())
    }

    /// How recording stands.
    pub async fn recording(&self) -> Standing {
        self.schedule.lock().await.standing()
    }

    /// Looks at what was recorded.
    ///
    /// # Errors
    /// Nothing was.
    pub async fn look_at_schedule<T>(
        &self,
        look: impl FnOnce(View<'_>, &Names) -> Result<T, String>,
    ) -> Result<T, Failure> {
        let schedule = self.schedule.lock().await;
        let view = schedule.recorded.as_ref().and_then(Live::view);
        let view = view.ok_or_else(|| {
            Failure::user(
                "nothing is recorded yet: send `hvdap/traceControl` with the action `start`, and let the machine run".to_owned(),
            )
        })?;
        look(view, &Names::default()).map_err(Failure::user)
    }

    /// The machine was halted for the user: what it recorded is taken, and the halt is noted.
    pub(super) async fn schedule_halted(&self) {
        let mut schedule = self.schedule.lock().await;
        let Some(mut recording) = schedule.recording.take() else {
            return;
        };
        let drained = self.link.call(move |engine| {
            let mut taken = Vec::new();
            let outcome = engine.drain_trace(&mut recording.source, &mut |window| {
                taken.push(Taken::of(window));
            });
            (recording, outcome.map(|_| taken))
        });
        let Ok((recording, taken)) = drained.await else {
            return;
        };
        schedule.recording = Some(recording);
        // Let run again meanwhile: the next halt will tell.
        let Ok(taken) = taken else {
            return;
        };
        let outcome = schedule.take(&taken);
        let noted = outcome.and_then(|()| match &mut schedule.recorded {
            Some(live) => live.debugger(What::Halted),
            None => Ok(()),
        });
        self.complain(noted);
        let until = schedule.until();
        drop(schedule);
        self.tell_schedule(until);
    }

    /// The machine was let run.
    pub(super) async fn schedule_continued(&self) {
        let mut schedule = self.schedule.lock().await;
        if schedule.recording.is_some()
            && let Some(live) = &mut schedule.recorded
        {
            self.complain(live.debugger(What::Resumed));
        }
    }

    /// Puts the switches back at a halt, and takes what is left.
    async fn restore(&self, mut recording: Recording) -> Result<Vec<Taken>, Failure> {
        let end = move |engine: &mut engine::Engine| {
            engine.in_a_halt(|engine| {
                let mut taken = Vec::new();
                engine.switch_trace(&recording.source, recording.before)?;
                engine.drain_trace(&mut recording.source, &mut |window| {
                    taken.push(Taken::of(window));
                })?;
                Ok::<_, EngineError>(taken)
            })
        };
        self.link.ask(end).await
    }

    /// VMs are called in the schedule what they are called everywhere.
    pub(super) async fn name_guests(&self) {
        let Ok(groups) = self.groups().await else {
            return;
        };
        let mut schedule = self.schedule.lock().await;
        if let Some(live) = &mut schedule.recorded {
            for group in groups {
                if let Some(guest) = group.guest {
                    live.name(GuestId(guest), &group.name);
                }
            }
        }
    }

    fn tell_schedule(&self, until: Option<u64>) {
        if let Some(until) = until {
            for session in self.sessions() {
                session.schedule_changed(until);
            }
        }
    }

    fn complain(&self, outcome: Result<(), NoRoom>) {
        if let Err(error) = outcome {
            self.say(None, true, &error.to_string());
        }
    }
}

impl Schedule {
    fn standing(&self) -> Standing {
        let (events, lost) = self.recorded.as_ref().map_or((0, 0), Live::counts);
        let recording = self.recording.as_ref();
        Standing {
            recording: recording.is_some(),
            while_running: recording.is_some_and(|one| one.shared),
            mask: recording.map_or(0, |one| one.mask),
            events,
            lost,
        }
    }

    /// Takes what was recorded up to a halt.
    fn take(&mut self, taken: &[Taken]) -> Result<(), NoRoom> {
        let Some(live) = &mut self.recorded else {
            return Ok(());
        };
        for one in taken {
            live.take(one.window());
        }
        live.settle(true)
    }

    fn until(&self) -> Option<u64> {
        let view = self.recorded.as_ref().and_then(Live::view);
        view.map(View::until)
    }

    /// Takes what the running machine has recorded. Whether there is a recording that goes on.
    fn empty_beside(&mut self) -> Result<bool, NoRoom> {
        let (Some(recording), Some(live)) = (&mut self.recording, &mut self.recorded) else {
            return Ok(false);
        };
        // A fault is seen at the next halt, with its reason.
        let drained = recording
            .source
            .drain_shared(&mut |window| live.take(window));
        live.settle(false)?;
        Ok(drained.is_ok() && recording.shared)
    }
}

/// Empties the buffers again and again, until recording ends or the machine is gone.
async fn keep_emptying(machine: Weak<Machine>) {
    let mut rounds = 0;
    let mut told = None;
    loop {
        tokio::time::sleep(EVERY).await;
        let Some(machine) = machine.upgrade() else {
            return;
        };
        let mut schedule = machine.schedule.lock().await;
        match schedule.empty_beside() {
            Ok(true) => {}
            Ok(false) => return,
            Err(error) => return machine.complain(Err(error)),
        }
        let until = schedule.until();
        drop(schedule);
        rounds += 1;
        if rounds % TOLD_EACH == 0 && until != told {
            told = until;
            machine.tell_schedule(until);
        }
    }
}

fn no_room(error: NoRoom) -> Failure {
    Failure::ours(error.to_string())
}
