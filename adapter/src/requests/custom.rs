//! Requests of our own, `hvdap/…`: their types are the schema files of `schemas/`.

use std::sync::Arc;

use engine::view::BreakpointView;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Answer, DONE, body};
use crate::connection::Session;
use crate::report::{self, Group};
use crate::wire::Request;

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

pub(super) fn subscribe(session: &Session, request: &Request) -> Answer {
    let arguments: Subscribe = request.arguments()?;
    session.subscribe(arguments.events);
    DONE
}
