//! Recording who runs when while a machine is attached to: the hypervisor's buffers emptied at each halt, or beside the running
//! machine where its RAM is shared.

use std::sync::{Arc, Weak};
use std::time::Duration;

use engine::tracing::recording::{Begun, Ending, Mask, Saved, Taken};
use engine::tracing::{Format, TraceSource};
use engine::view::EngineError;
use schemars::JsonSchema;
use serde::Serialize;
use trace::event::What;
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
    /// What guests are called that nobody has named.
    names: Names,
}

/// A recording under way.
type Recording = Begun;

/// What recording begins with.
enum Beginning {
    Begun(Recording),
    /// A saved halt, whose trace ends where it begins.
    Saved(Saved),
}

/// Whose trace it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum RecordedFormat {
    /// Xen's own.
    Xen,
    /// Of a hypervisor that includes hvtrace.h.
    Hvtrace,
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
    /// Whose trace is recorded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub format: Option<RecordedFormat>,
    /// What is recorded: Xen's events by class and subclass, hvtrace's by kind.
    pub mask: u32,
    /// Events so far.
    pub events: u64,
    /// Records that the hypervisor lost for want of room.
    pub lost: u64,
}

impl Machine {
    /// Begins to record, from now on; at a saved halt, shows what the buffers hold. What was recorded before is forgotten.
    ///
    /// # Errors
    /// There is no trace, and what to do about it; the target is gone.
    pub async fn start_recording(
        self: &Arc<Self>,
        mask: Option<Mask>,
    ) -> Result<Standing, Failure> {
        let mut schedule = self.schedule.lock().await;
        if let Some(recording) = schedule.recording.take() {
            self.end_recording(recording).await?;
        }
        let begin = move |engine: &mut engine::Engine| {
            engine.in_a_halt(|engine| match engine.is_saved() {
                true => engine.look_at_trace().map(Beginning::Saved),
                false => engine.begin_trace(mask).map(Beginning::Begun),
            })
        };
        let shared = match self.link.ask(begin).await? {
            Beginning::Begun(begun) => {
                let shared = begun.source.is_shared();
                schedule.begin(&begun.source)?;
                schedule.recording = Some(begun);
                shared
            }
            Beginning::Saved(saved) => {
                schedule.begin(&saved.source)?;
                schedule
                    .finish(&saved.source, &saved.taken, &saved.ending)
                    .map_err(no_room)?;
                false
            }
        };
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
            let (recording, taken, ending) = self.end_recording(recording).await?;
            let outcome = schedule.finish(&recording.source, &taken, &ending);
            outcome.map_err(no_room)?;
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
        look(view, &schedule.names).map_err(Failure::user)
    }

    /// Takes what the machine has recorded, in a halt that is made for it and noted. For who shows a machine whose buffers cannot be
    /// emptied while it runs.
    ///
    /// # Errors
    /// The target is gone, or no memory is left.
    pub async fn empty_in_a_halt(&self) -> Result<(), Failure> {
        let mut schedule = self.schedule.lock().await;
        let Some(mut recording) = schedule.recording.take() else {
            return Ok(());
        };
        let drained = self.link.call(move |engine| {
            let mut taken = Vec::new();
            let outcome = engine.in_a_halt(|engine| {
                engine.drain_trace(&mut recording.source, &mut |window| {
                    taken.push(Taken::of(window));
                })
            });
            (recording, outcome.map(|_| taken))
        });
        let (recording, taken) = drained.await?;
        schedule.recording = Some(recording);
        schedule.take(&taken?).map_err(no_room)?;
        if let Some(live) = &mut schedule.recorded {
            live.debugger(What::Halted).map_err(no_room)?;
            live.debugger(What::Resumed).map_err(no_room)?;
        }
        Ok(())
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
    async fn end_recording(
        &self,
        mut recording: Recording,
    ) -> Result<(Recording, Vec<Taken>, Ending), Failure> {
        let end = move |engine: &mut engine::Engine| {
            engine.in_a_halt(|engine| {
                let mut taken = Vec::new();
                let ending = engine.end_trace(&mut recording, &mut |window| {
                    taken.push(Taken::of(window));
                })?;
                Ok::<_, EngineError>((recording, taken, ending))
            })
        };
        self.link.ask(end).await
    }

    /// VMs are called in the schedule what they are called everywhere.
    pub(super) async fn name_guests(&self) {
        let guests = self.link.call(|engine| engine.traced_guests()).await;
        let mut schedule = self.schedule.lock().await;
        if let (Ok(guests), Some(live)) = (guests, &mut schedule.recorded) {
            for (guest, name) in guests {
                live.name(guest, &name);
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
    /// Forgets what was recorded before.
    fn begin(&mut self, source: &TraceSource) -> Result<(), Failure> {
        let frequency = source.frequency().ok_or_else(|| {
            Failure::target(
                "CNTFRQ_EL0 is not known of this target, so a trace has no time".to_owned(),
            )
        })?;
        self.recorded = Some(Live::new(frequency));
        self.names = match source.format() {
            Format::Xen => Names::default(),
            Format::Hvtrace => Names::default().without_domains(),
        };
        Ok(())
    }

    fn standing(&self) -> Standing {
        let (events, lost) = self.recorded.as_ref().map_or((0, 0), Live::counts);
        let recording = self.recording.as_ref();
        Standing {
            recording: recording.is_some(),
            while_running: recording.is_some_and(|one| one.source.is_shared()),
            format: recording.map(|one| match one.source.format() {
                Format::Xen => RecordedFormat::Xen,
                Format::Hvtrace => RecordedFormat::Hvtrace,
            }),
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

    /// Takes what was recorded last, and what is known beside it.
    fn finish(
        &mut self,
        source: &TraceSource,
        taken: &[Taken],
        ending: &Ending,
    ) -> Result<(), NoRoom> {
        self.take(taken)?;
        let Some(live) = &mut self.recorded else {
            return Ok(());
        };
        let now = ending.accounts.newest(source.frequency());
        live.lost(&ending.untold, now.unwrap_or_default())
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
        Ok(drained.is_ok() && recording.source.is_shared())
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
