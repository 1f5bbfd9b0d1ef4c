//! Who ran when: recording, windows for a view, statistics, and why a vCPU did not run. Times are ticks of the counter.

use std::sync::Arc;

use engine::tracing::recording::Mask;
use engine::view::{GroupId, ThreadId};
use machine::{GuestId, Pcpu, Vcpu};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use trace::stats::Request as Counted;
use trace::store::{Owner, View};
use trace::window::Window;

use super::{Answer, body};
use crate::connection::Session;
use crate::hub::Machine;
use crate::trace::{stats, why, window};
use crate::wire::{Failure, Request};

/// Cells of a lane when nobody says how many.
const USUAL_WIDTH: usize = 1000;
/// Worst latencies and most frequent preemptions.
const USUAL_TOP: usize = 10;

/// Arguments of `hvdap/traceControl`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "hvdap/traceControl")]
pub struct TraceControl {
    /// What to do.
    pub action: Action,
    /// For `start`: which events, Xen's by class and subclass, hvtrace's by kind; run states and scheduling when left out.
    pub mask: Option<u32>,
}

/// What to do about recording.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// Begin anew. A machine that runs is halted for a moment; of a saved halt, what its buffers hold is all that is recorded.
    Start,
    /// End; what was recorded stays.
    Stop,
    /// Only say how it stands.
    Status,
}

/// Arguments of `hvdap/schedule`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "hvdap/schedule, its arguments")]
pub struct Wanted {
    /// The first tick; the timeline's when left out.
    pub from: Option<u64>,
    /// The first tick beyond; the timeline's end when left out.
    pub to: Option<u64>,
    /// How many cells a lane may have, and how many exact spans instead: the pixels of the view. 1000 when left out.
    pub width: Option<usize>,
    /// Which lanes; all but tasks' when left out.
    pub lanes: Option<Vec<u16>>,
}

/// Arguments of `hvdap/scheduleStats`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(title = "hvdap/scheduleStats, its arguments")]
pub struct WantedStats {
    /// The first tick; the timeline's when left out.
    pub from: Option<u64>,
    /// The first tick beyond; the timeline's end when left out.
    pub to: Option<u64>,
    /// Leave out the time during which the debugger held the machine.
    #[serde(default)]
    pub cut_halts: bool,
}

/// Arguments of `hvdap/why`: a vCPU, by its lane or by its thread, and a time.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(title = "hvdap/why, its arguments")]
pub struct WantedWhy {
    /// The lane.
    pub lane: Option<u16>,
    /// The thread of the vCPU.
    pub thread_id: Option<u32>,
    /// The tick.
    pub time: u64,
}

/// Body of `hvdap/why`.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(title = "hvdap/why")]
pub struct Because {
    /// The answer and what it rests on.
    #[serde(flatten)]
    pub why: why::Why,
    /// The thread of the vCPU, where it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub thread_id: Option<u32>,
}

pub(super) async fn control(session: &Arc<Session>, request: &Request) -> Answer {
    let arguments: TraceControl = request.arguments()?;
    let machine = session.machine()?;
    body(match arguments.action {
        Action::Start => {
            let mask = arguments.mask.map(Mask::bits);
            machine.start_recording(mask).await?
        }
        Action::Stop => machine.stop_recording().await?,
        Action::Status => machine.recording().await,
    })
}

pub(super) async fn schedule(session: &Arc<Session>, request: &Request) -> Answer {
    let wanted: Wanted = request.arguments()?;
    let machine = session.machine()?;
    let answer = machine.look_at_schedule(|view, names| {
        // What happened at the very end is within, too.
        let to = wanted.to.unwrap_or(view.until().saturating_add(1));
        let (from, to) = within(view, wanted.from, Some(to))?;
        let width = wanted.width.unwrap_or(USUAL_WIDTH);
        let window = Window { from, to, width };
        Ok(window::report(view, names, wanted.lanes.as_deref(), window))
    });
    body(answer.await?)
}

pub(super) async fn schedule_stats(session: &Arc<Session>, request: &Request) -> Answer {
    let wanted: WantedStats = request.arguments()?;
    let machine = session.machine()?;
    let answer = machine.look_at_schedule(|view, names| {
        let (from, to) = within(view, wanted.from, wanted.to)?;
        let request = Counted {
            from,
            to,
            cut_halts: wanted.cut_halts,
            top: USUAL_TOP,
        };
        Ok(stats::report(
            view,
            names,
            &request,
            stats::Backend::default(),
        ))
    });
    body(answer.await?)
}

pub(super) async fn why(session: &Arc<Session>, request: &Request) -> Answer {
    let wanted: WantedWhy = request.arguments()?;
    let machine = session.machine()?;
    let threads = Threads::of(&machine).await?;
    let of_thread = wanted.thread_id.map(|id| {
        let owner = threads.owner(ThreadId(id));
        owner.ok_or_else(|| Failure::user(format!("thread {id} is no vCPU and no core")))
    });
    let of_thread = of_thread.transpose()?;
    let answer = machine.look_at_schedule(|view, names| {
        let lane = match (wanted.lane, of_thread) {
            (Some(lane), _) => lane,
            (None, Some(owner)) => view
                .lane_of(owner)
                .ok_or_else(|| format!("{} is not in the trace", names.owner(view, owner)))?,
            (None, None) => return Err("`hvdap/why` needs `lane` or `threadId`".to_owned()),
        };
        let owner = view.owners().get(usize::from(lane)).copied();
        let why = why::ask(view, names, lane, wanted.time)?;
        Ok((why, owner))
    });
    let (why, owner) = answer.await?;
    body(Because {
        why,
        thread_id: owner.and_then(|owner| threads.id(owner)).map(|id| id.0),
    })
}

/// The bounds of a window, the timeline's where they are left out.
fn within(view: View<'_>, from: Option<u64>, to: Option<u64>) -> Result<(u64, u64), String> {
    let (from, to) = (from.unwrap_or(view.first()), to.unwrap_or(view.until()));
    if from > to {
        return Err(format!(
            "the window begins at tick {from}, after its end at {to}"
        ));
    }
    Ok((from, to))
}

/// Which thread is whose lane.
struct Threads {
    owners: Vec<(ThreadId, Owner)>,
}

impl Threads {
    async fn of(machine: &Machine) -> Result<Self, Failure> {
        let groups = machine.groups().await?;
        let threads = machine.link.call(|engine| engine.threads(None)).await?;
        let guests = machine.link.call(|engine| engine.traced_guests()).await?;
        let owner = |group: GroupId, index: u32| {
            if group == GroupId::HYPERVISOR {
                return u16::try_from(index)
                    .ok()
                    .map(|core| Owner::Pcpu(Pcpu(core)));
            }
            let guest = GuestId(groups.iter().find(|one| one.id == group)?.guest?);
            let (guest, _) = guests.iter().find(|(known, _)| *known == guest)?;
            let guest = *guest;
            Some(Owner::Vcpu(Vcpu { guest, index }))
        };
        let owners = threads.into_iter().filter_map(|thread| {
            let owner = owner(thread.group, thread.index)?;
            Some((thread.id, owner))
        });
        Ok(Self {
            owners: owners.collect(),
        })
    }

    fn owner(&self, id: ThreadId) -> Option<Owner> {
        let found = self.owners.iter().find(|(thread, _)| *thread == id);
        found.map(|(_, owner)| *owner)
    }

    fn id(&self, owner: Owner) -> Option<ThreadId> {
        let found = self.owners.iter().find(|(_, one)| *one == owner);
        found.map(|(thread, _)| *thread)
    }
}
