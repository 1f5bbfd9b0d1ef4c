//! Requests of our own, `hvdap/…`: their types are the schema files of `schemas/`.

use std::sync::Arc;

use engine::view::{BreakpointView, StopCause, StopView};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Answer, DONE, Reply, body};
use crate::connection::Session;
use crate::report::{self, Group};
use crate::wire::{Failure, Request};

/// Body of `hvdap/breakpointStats`.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(title = "hvdap/breakpointStats")]
pub struct BreakpointStats {
    /// Every breakpoint of the machine, whichever session set it.
    pub breakpoints: Vec<BreakpointCounts>,
}

/// How often a breakpoint was hit.
#[derive(Debug, Serialize, JsonSchema)]
pub struct BreakpointCounts {
    /// Its number, as in the answer to the session that set it.
    pub id: u32,
    /// Whether this session set it.
    pub own: bool,
    /// Whether it is installed.
    pub verified: bool,
    /// Where it is bound, or why not.
    pub message: String,
    /// Hits reported.
    pub hits: u64,
    /// Hits in other VMs, or where its condition did not hold, that the machine was let run on from.
    pub filtered: u64,
}

/// Body of `hvdap/groups`.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(title = "hvdap/groups")]
pub struct Groups {
    /// Every thread group of the machine, the hypervisor's first.
    pub groups: Vec<Group>,
}

/// Arguments of `hvdap/subscribe`.
#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(title = "hvdap/subscribe")]
pub struct Subscribe {
    /// Whether events `hvdap/…` are wanted: `hvdap/groupsChanged`, without a body, and `hvdap/scheduleChanged`, with the tick up to
    /// which the schedule is known as `until`.
    pub events: bool,
}

/// Arguments of `hvdap/focus`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(title = "hvdap/focus, its arguments")]
pub struct Focus {
    /// The thread to look at, one of this session's.
    pub thread_id: u32,
}

pub(super) async fn breakpoint_stats(session: &Arc<Session>) -> Answer {
    let machine = session.machine()?;
    let all = machine.link.call(|engine| engine.breakpoints()).await?;
    let sessions = machine.sessions();
    let wire_id = |breakpoint: &BreakpointView| {
        let owner = sessions.iter().find(|one| one.owner == breakpoint.owner);
        owner.map_or(breakpoint.id.0, |owner| owner.wire_id(breakpoint.id))
    };
    let breakpoints = all
        .into_iter()
        .map(|breakpoint| BreakpointCounts {
            id: wire_id(&breakpoint),
            own: breakpoint.owner == session.owner,
            verified: breakpoint.verified,
            message: breakpoint.message,
            hits: breakpoint.hits,
            filtered: breakpoint.filtered,
        })
        .collect();
    body(BreakpointStats { breakpoints })
}

pub(super) async fn groups(session: &Arc<Session>) -> Answer {
    let machine = session.machine()?;
    let groups = machine.groups().await?;
    let threads = machine.link.call(|engine| engine.threads(None)).await?;
    body(Groups {
        groups: report::groups(&groups, &threads),
    })
}

/// Says the present halt again, in another thread of this session: the only way to turn an editor's eyes there.
pub(super) async fn focus(session: &Arc<Session>, request: &Request) -> Answer {
    let Focus { thread_id } = request.arguments()?;
    let machine = session.machine()?;
    let _in_order = machine.order.lock().await;
    let asked = machine
        .link
        .call(|engine| (engine.stop().cloned(), engine.threads(None)));
    let (stop, threads) = asked.await?;
    let thread = threads
        .iter()
        .find(|thread| thread.id.0 == thread_id && session.shows(thread.group))
        .ok_or_else(|| Failure::user(format!("thread {thread_id} is none of this session's")))?;
    let stop = stop.ok_or_else(|| Failure::user("the machine is running: pause it first"))?;
    // A breakpoint of another group has no number here.
    let cause = match stop.cause {
        cause if stop.group == thread.group => cause,
        _ => StopCause::Paused,
    };
    let shown = StopView {
        cause,
        group: thread.group,
        thread: thread.id,
        description: stop.description,
    };
    session.peer.respond(request, Ok(Value::Null));
    session.stopped(&shown, thread.id, true);
    Ok(Reply::Answered)
}

pub(super) fn subscribe(session: &Session, request: &Request) -> Answer {
    let arguments: Subscribe = request.arguments()?;
    session.subscribe(arguments.events);
    DONE
}
