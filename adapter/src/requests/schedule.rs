//! Who ran when: recording, windows for a view, statistics, and why a vCPU did not run. Times are ticks of the counter.

use std::sync::Arc;

use engine::tracing::recording::Mask;
use engine::view::{GroupId, ThreadId};
use machine::{GuestId, Pcpu, Vcpu};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use trace::store::Owner;

use super::{Answer, body};
use crate::connection::Session;
use crate::hub::Machine;
use crate::trace::asked::{self, About, Wanted, WantedStats, WantedWhy};
use crate::trace::export::{self, WantedExport};
use crate::trace::find::{self, WantedFind};
use crate::trace::why;
use crate::wire::{Failure, Request};

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

pub(super) async fn info(session: &Arc<Session>) -> Answer {
    body(about(&*session.machine()?).await)
}

pub(super) async fn schedule(session: &Arc<Session>, request: &Request) -> Answer {
    let wanted: Wanted = request.arguments()?;
    let machine = session.machine()?;
    let answer = machine.look_at_schedule(|view, names| asked::schedule(view, names, &wanted));
    body(answer.await?)
}

pub(super) async fn schedule_stats(session: &Arc<Session>, request: &Request) -> Answer {
    let wanted: WantedStats = request.arguments()?;
    let machine = session.machine()?;
    let answer =
        machine.look_at_schedule(|view, names| asked::schedule_stats(view, names, &wanted));
    body(answer.await?)
}

pub(super) async fn find(session: &Arc<Session>, request: &Request) -> Answer {
    let wanted: WantedFind = request.arguments()?;
    let machine = session.machine()?;
    let answer = machine.look_at_schedule(|view, _| Ok(find::find(view, &wanted)));
    body(answer.await?)
}

pub(super) async fn export(session: &Arc<Session>, request: &Request) -> Answer {
    let wanted: WantedExport = request.arguments()?;
    let machine = session.machine()?;
    let answer = machine.look_at_schedule(|view, names| export::asked(view, names, &wanted));
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

/// What is recorded of an attached machine.
pub(crate) async fn about(machine: &Machine) -> About {
    let standing = machine.recording().await;
    let lanes = machine.look_at_schedule(|view, _| Ok(view.owners().len()));
    About {
        title: machine.config.connect.clone(),
        growing: standing.recording,
        events: standing.events,
        lost: standing.lost,
        lanes: lanes.await.unwrap_or(0),
        failure: None,
    }
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
