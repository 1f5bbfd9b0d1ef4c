//! A session's life: initialize, attach or launch, configurationDone, disconnect, terminate, cancel.

use std::sync::Arc;

use dap::requests::{CancelArguments, DisconnectArguments};
use engine::view::{GroupId, GroupView};
use serde_json::{Value, json};

use super::{Answer, DONE, Reply, body, breakpoints};
use crate::config::{self, Attach, Child, Config, Presentation};
use crate::connection::{Attached, Role, Session, Shows, Transport};
use crate::hub::{self, Children, Ending, Machine};
use crate::protocol::Client;
use crate::wire::{Failure, Request};

/// Says what this adapter can, then that it is ready to be configured.
pub(super) fn initialize(session: &Arc<Session>, request: &Request) -> Answer {
    let client: Client = request.arguments()?;
    if !session.introduce(client) {
        return Err(Failure::user("this session is initialized already"));
    }
    session.peer.respond(request, Ok(capabilities()));
    session.peer.event("initialized", Value::Null);
    Ok(Reply::Answered)
}

fn capabilities() -> Value {
    json!({
        "supportsConfigurationDoneRequest": true,
        "supportsFunctionBreakpoints": true,
        "supportsConditionalBreakpoints": true,
        "supportsHitConditionalBreakpoints": true,
        "supportsLogPoints": true,
        "supportsInstructionBreakpoints": true,
        "supportsEvaluateForHovers": true,
        "supportsClipboardContext": true,
        "supportsSteppingGranularity": true,
        "supportsDelayedStackTraceLoading": true,
        "supportsDisassembleRequest": true,
        "supportsReadMemoryRequest": true,
        "supportsModulesRequest": true,
        "supportsTerminateRequest": true,
        "supportTerminateDebuggee": true,
        "supportSuspendDebuggee": true,
        "supportsCancelRequest": true,
    })
}

/// Attaches, perhaps to what is started first. Answered after `configurationDone`.
pub(super) async fn start(session: &Arc<Session>, request: &Request, launch: bool) -> Answer {
    if session.attached().is_some() {
        return Err(Failure::user("this session is attached already"));
    }
    let arguments: Attach = request.arguments()?;
    let attached = match arguments.child {
        Some(child) => child_of(session, child, &arguments)?,
        None => root(session, &arguments, launch).await?,
    };
    let machine = Arc::clone(&attached.machine);
    session.attach(attached, request.clone());
    machine.load_images().await;
    breakpoints::apply_early(session, &machine).await?;
    if session.is_configured() {
        // Configured before it was attached.
        begin(session).await;
    }
    Ok(Reply::Answered)
}

/// A session one of our root sessions asked for, known by its marker; it depends on that session's machine only.
fn child_of(session: &Session, child: Child, arguments: &Attach) -> Result<Attached, Failure> {
    let machine = session
        .hub
        .machine(child.machine)
        .ok_or_else(|| Failure::user("the machine of this session is not attached any more"))?;
    Ok(Attached {
        machine,
        shows: Shows::Group(GroupId(child.group)),
        role: Role::Child { root: child.root },
        kind: kind(arguments),
    })
}

async fn root(
    session: &Arc<Session>,
    arguments: &Attach,
    launch: bool,
) -> Result<Attached, Failure> {
    let config =
        config::read_attach(arguments).map_err(|error| Failure::user(error.to_string()))?;
    let shows = presentation(session, &config);
    let machine = session.hub.attach(config, launch).await?;
    Ok(Attached {
        machine,
        shows,
        role: Role::Root,
        kind: kind(arguments),
    })
}

fn kind(arguments: &Attach) -> String {
    arguments.kind.clone().unwrap_or_else(|| "hvdap".to_owned())
}

/// A session for each VM needs a client that can start them, and a server that takes their connections.
fn presentation(session: &Session, config: &Config) -> Shows {
    let possible =
        session.client().supports_start_debugging_request && session.transport == Transport::Tcp;
    match config.presentation {
        Presentation::Flat => Shows::All,
        _ if possible => Shows::Group(GroupId::HYPERVISOR),
        Presentation::Auto => Shows::All,
        Presentation::Sessions => {
            session.say(true, "a session for each VM needs `hvdap dap --listen` and an editor that knows `startDebugging`: all VMs are shown in this one");
            Shows::All
        }
    }
}

/// The client has configured everything; what it attached to, or will, may be shown.
pub(super) async fn configuration_done(session: &Arc<Session>, request: &Request) -> Answer {
    session.set_configured();
    session.peer.respond(request, Ok(Value::Null));
    begin(session).await;
    Ok(Reply::Answered)
}

/// Answers attach or launch, shows the halt or lets the machine run, asks for sessions of VMs.
async fn begin(session: &Arc<Session>) {
    let Some((attached, starting)) = session.take_starting() else {
        return;
    };
    session.peer.respond(&starting, Ok(Value::Null));
    if let Err(failure) = show(session, attached, &starting).await {
        session.say(true, &failure.message);
    }
}

async fn show(
    session: &Arc<Session>,
    attached: Attached,
    starting: &Request,
) -> Result<(), Failure> {
    let machine = attached.machine;
    machine.wait_for_images().await;
    let in_order = machine.order.lock().await;
    session.set_ready();
    let groups = machine.groups().await?;
    introduce(session, &machine, &groups, starting);
    if attached.role == Role::Root && attached.shows != Shows::All {
        session.with_children(Children::start(
            Arc::clone(&session.peer),
            machine.number,
            session.owner,
            attached.kind,
        ));
    }
    match machine.begin().await {
        Ok(true) => {}
        // Others were shown the present halt before this session came.
        Ok(false) => hub::show_present_halt(&machine, session).await,
        Err(failure) => session.say(true, &failure.message),
    }
    drop(in_order);
    for group in groups
        .iter()
        .filter(|group| group.id != GroupId::HYPERVISOR)
    {
        session.want_child(group);
    }
    Ok(())
}

/// Says what the session shows.
fn introduce(session: &Session, machine: &Machine, groups: &[GroupView], starting: &Request) {
    let name = match session.group() {
        Some(own) => groups
            .iter()
            .find(|group| group.id == own)
            .map_or("", |group| &group.name),
        None => &machine.config.connect,
    };
    // No process number: some clients kill the process of that number on their own machine.
    session.peer.event(
        "process",
        json!({ "name": name, "isLocalProcess": false, "startMethod": starting.command, "pointerSize": 64 }),
    );
    session.offer_modes(groups);
}

/// Leaves the machine as it was set up. `terminateDebuggee` comes on attach sessions too and kills nothing there: only
/// what this program started is ended.
pub(super) async fn disconnect(session: &Arc<Session>, request: &Request) -> Answer {
    let arguments: DisconnectArguments = request.arguments()?;
    let ending = match (arguments.suspend_debuggee, arguments.terminate_debuggee) {
        (Some(true), _) => Ending::Halted,
        (_, Some(true)) => Ending::Ended,
        (_, Some(false)) => Ending::Kept,
        _ => Ending::Configured,
    };
    session.leave(ending).await;
    DONE
}

/// Ends a machine this program started; any other is left at the `disconnect` that follows.
pub(super) async fn terminate(session: &Arc<Session>, request: &Request) -> Answer {
    session.peer.respond(request, Ok(Value::Null));
    match session.attached() {
        Some(attached) if attached.machine.is_launched() => {
            attached.machine.end(Ending::Ended).await;
        }
        _ => session.end_shown(),
    }
    Ok(Reply::Answered)
}

/// Gives up a request that only looks; one that acts is finished.
pub(super) fn cancel(session: &Session, request: &Request) -> Answer {
    let arguments: CancelArguments = request.arguments()?;
    if let Some(seq) = arguments.request_id {
        session.cancel(seq);
    }
    body(json!({}))
}
