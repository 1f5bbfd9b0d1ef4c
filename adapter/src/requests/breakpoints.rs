//! Breakpoints: by line, function and instruction; those set before there is a machine are applied when there is one.

use std::sync::Arc;

use engine::view::{BreakpointRequest, BreakpointScope, BreakpointSet, GroupId, GroupView, Place};
use serde_json::json;

use super::{Answer, Reply, body};
use crate::config::Config;
use crate::connection::Session;
use crate::convert::{self, ANY_VM};
use crate::hub::Machine;
use crate::listings;
use crate::protocol::{
    Breakpoint, Conditions, SetBreakpoints, SetFunctionBreakpoints, SetInstructionBreakpoints,
    SourceBreakpoint,
};
use crate::wire::{Failure, Request};

/// What is wanted, with the mode or VM named by the user.
type Wanted = (BreakpointRequest, Option<String>);

pub(super) async fn lines(session: &Arc<Session>, request: &Request) -> Answer {
    let arguments: SetBreakpoints = request.arguments()?;
    let client = session.client();
    let older = arguments.lines.unwrap_or_default().into_iter();
    let wanted = arguments.breakpoints.unwrap_or_else(|| {
        older
            .map(|line| SourceBreakpoint {
                line,
                ..SourceBreakpoint::default()
            })
            .collect()
    });
    let place = |line: i64| {
        let line = convert::line_from(line, &client);
        match (&arguments.source.path, arguments.source.source_reference) {
            (_, Some(reference)) if reference > 0 => in_listing(session, reference, line),
            (Some(path), _) => Ok(Place::Line {
                path: path.clone(),
                line,
            }),
            (None, _) => Err(Failure::user("`setBreakpoints`: missing field `path`")),
        }
    };
    let wanted = wanted
        .iter()
        .map(|wanted| Ok(wish(place(wanted.line)?, &wanted.conditions)))
        .collect::<Result<_, Failure>>()?;
    let key = match (&arguments.source.path, arguments.source.source_reference) {
        (_, Some(reference)) if reference > 0 => format!("listing:{reference}"),
        (path, _) => format!("line:{}", path.as_deref().unwrap_or_default()),
    };
    set(session, request, key, wanted).await
}

/// A line of a listing is an instruction.
fn in_listing(session: &Session, reference: i32, line: u32) -> Result<Place, Failure> {
    session
        .listings(|known| {
            let text = known.get(i64::from(reference))?.text.clone()?;
            listings::address_of(&text, line)
        })
        .map(Place::Address)
        .ok_or_else(|| Failure::user("there is no instruction on that line of the listing"))
}

pub(super) async fn functions(session: &Arc<Session>, request: &Request) -> Answer {
    let arguments: SetFunctionBreakpoints = request.arguments()?;
    let wanted = arguments
        .breakpoints
        .iter()
        .map(|wanted| {
            let (vm, name) = match wanted.name.split_once('!') {
                Some((vm, name)) => (Some(vm.to_owned()), name),
                None => (None, wanted.name.as_str()),
            };
            let (request, mode) = wish(Place::Function(name.to_owned()), &wanted.conditions);
            (request, vm.or(mode))
        })
        .collect();
    set(session, request, "function".to_owned(), wanted).await
}

pub(super) async fn instructions(session: &Arc<Session>, request: &Request) -> Answer {
    let arguments: SetInstructionBreakpoints = request.arguments()?;
    let wanted = arguments
        .breakpoints
        .iter()
        .map(|wanted| {
            let at = convert::parse_address(&wanted.instruction_reference, wanted.offset)?;
            Ok(wish(Place::Address(at), &wanted.conditions))
        })
        .collect::<Result<_, Failure>>()?;
    set(session, request, "instruction".to_owned(), wanted).await
}

/// The scope is filled in when the groups are known.
fn wish(place: Place, conditions: &Conditions) -> Wanted {
    let given = |text: &Option<String>| text.clone().filter(|text| !text.trim().is_empty());
    let request = BreakpointRequest {
        place,
        scope: BreakpointScope::Any,
        condition: given(&conditions.condition),
        hit_condition: given(&conditions.hit_condition),
        log_message: given(&conditions.log_message),
    };
    (request, given(&conditions.mode))
}

async fn set(
    session: &Arc<Session>,
    request: &Request,
    key: String,
    wanted: Vec<Wanted>,
) -> Answer {
    let Some(attached) = session.attached() else {
        let ids = session.keep_early(&key, wanted);
        let pending = |id| Breakpoint {
            id: Some(id),
            message: Some("not attached yet".to_owned()),
            reason: Some("pending"),
            ..Breakpoint::default()
        };
        let pending: Vec<Breakpoint> = ids.into_iter().map(pending).collect();
        return body(json!({ "breakpoints": pending }));
    };
    // The client must know a breakpoint's number before it is told of a change.
    let _in_order = attached.machine.order.lock().await;
    let set = apply(session, &attached.machine, key, wanted).await?;
    session
        .peer
        .respond(request, Ok(json!({ "breakpoints": set })));
    Ok(Reply::Answered)
}

/// Sets what can be set, and says of each what became of it, in order.
async fn apply(
    session: &Session,
    machine: &Machine,
    key: String,
    wanted: Vec<Wanted>,
) -> Result<Vec<Breakpoint>, Failure> {
    let groups = machine.groups().await?;
    let mut requests = Vec::new();
    let mut outcome: Vec<Option<String>> = Vec::new();
    for (mut request, mode) in wanted {
        match scope(session, mode.as_deref(), &groups, &machine.config) {
            Ok(scope) => {
                request.scope = scope;
                requests.push(request);
                outcome.push(None);
            }
            Err(message) => outcome.push(Some(message)),
        }
    }
    let owner = session.owner;
    let set = BreakpointSet { owner, key };
    let views = machine
        .link
        .call(move |engine| engine.set_breakpoints(&set, requests))
        .await?;
    let client = session.client();
    let mut views = views.iter();
    let breakpoints = outcome.into_iter().map(|refused| match refused {
        Some(message) => Breakpoint {
            message: Some(message),
            reason: Some("failed"),
            ..Breakpoint::default()
        },
        None => views.next().map_or_else(Breakpoint::default, |view| {
            convert::breakpoint(view, session.wire_id(view.id), &client)
        }),
    });
    let breakpoints: Vec<Breakpoint> = breakpoints.collect();
    if client.is_lsp4e() {
        let unbound = breakpoints.iter().filter(|one| !one.verified);
        unbound.for_each(|one| session.say_bound(one));
    }
    Ok(breakpoints)
}

/// A VM named by the user, else what the session shows.
fn scope(
    session: &Session,
    mode: Option<&str>,
    groups: &[GroupView],
    config: &Config,
) -> Result<BreakpointScope, String> {
    let own = session
        .group()
        .map_or(BreakpointScope::Any, BreakpointScope::Group);
    match mode {
        None => Ok(own),
        Some(ANY_VM) => Ok(BreakpointScope::Any),
        Some(name) => match group_named(name, groups) {
            Some(group) => Ok(BreakpointScope::Group(group)),
            // It has that name once its image was found in it.
            None if config.names_vm(name) => Ok(BreakpointScope::Named(name.to_owned())),
            None => Err(format!("there is no VM named `{name}`")),
        },
    }
}

fn group_named(name: &str, groups: &[GroupView]) -> Option<GroupId> {
    groups
        .iter()
        .find(|group| group.name.eq_ignore_ascii_case(name))
        .map(|group| group.id)
}

/// Applies what was set before there was a machine, under the numbers given then.
pub(super) async fn apply_early(session: &Arc<Session>, machine: &Machine) -> Result<(), Failure> {
    for early in session.take_early() {
        let _in_order = machine.order.lock().await;
        let set = apply(session, machine, early.key, early.wanted).await?;
        for (mut breakpoint, wire) in set.into_iter().zip(early.ids) {
            if let Some(id) = breakpoint.id {
                session.know_early(engine::view::BreakpointId(id), wire);
            }
            breakpoint.id = Some(wire);
            session.peer.event(
                "breakpoint",
                json!({ "reason": "changed", "breakpoint": breakpoint }),
            );
        }
    }
    Ok(())
}
