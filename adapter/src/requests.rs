//! From a command's name to its handler: this table is the list of what a client may ask.
//!
//! To add a command: a line in [`dispatch`], a handler in the file of its family, its capability in [`session`], and where
//! it is one of our own, its arguments and body in [`custom`] with their schema.

pub(crate) mod breakpoints;
pub mod custom;
pub mod machine;
mod memory;
mod run;
pub mod schedule;
mod session;
pub mod snapshot;
mod stack;
pub mod translate;
mod variables;

use std::sync::Arc;

use serde_json::Value;

use crate::connection::Session;
use crate::wire::{Failure, Request};

/// What a handler has left to do.
enum Reply {
    /// Answer with this body.
    Body(Value),
    /// Nothing: it answered itself, where something had to follow the answer, or will later.
    Answered,
}

type Answer = Result<Reply, Failure>;

fn body(body: impl serde::Serialize) -> Answer {
    serde_json::to_value(body)
        .map(Reply::Body)
        .map_err(|error| Failure::ours(format!("the answer cannot be written: {error}")))
}

const DONE: Answer = Ok(Reply::Body(Value::Null));

/// Whether a request must be handled as soon as it is read, before those that wait.
#[must_use]
pub fn is_urgent(request: &Request) -> bool {
    matches!(request.command.as_str(), "cancel" | "pause")
}

/// Whether a request only looks, so that it may be left unfinished.
fn only_looks(command: &str) -> bool {
    matches!(
        command,
        "stackTrace"
            | "scopes"
            | "variables"
            | "evaluate"
            | "source"
            | "disassemble"
            | "readMemory"
            | "hvdap/translate"
    )
}

/// Handles a request and answers it.
pub async fn answer(session: &Arc<Session>, request: Request) {
    let cancelled = async {
        session.cancelled(request.seq).await;
        if !only_looks(&request.command) {
            std::future::pending::<()>().await;
        }
    };
    let result = tokio::select! {
        biased;
        () = cancelled => Err(Failure::user("cancelled")),
        result = dispatch(session, &request) => result,
    };
    match result {
        Ok(Reply::Body(body)) => session.peer.respond(&request, Ok(body)),
        Ok(Reply::Answered) => {}
        Err(failure) => session.peer.respond(&request, Err(failure)),
    }
}

async fn dispatch(session: &Arc<Session>, request: &Request) -> Answer {
    if !session.is_introduced() && request.command != "initialize" {
        return Err(Failure::user("send `initialize` first"));
    }
    match request.command.as_str() {
        "initialize" => session::initialize(session, request),
        "launch" => session::start(session, request, true).await,
        "attach" => session::start(session, request, false).await,
        "configurationDone" => session::configuration_done(session, request).await,
        "disconnect" => session::disconnect(session, request).await,
        "terminate" => session::terminate(session, request).await,
        "cancel" => session::cancel(session, request),
        "setBreakpoints" => breakpoints::lines(session, request).await,
        "setFunctionBreakpoints" => breakpoints::functions(session, request).await,
        "setInstructionBreakpoints" => breakpoints::instructions(session, request).await,
        // No filters are offered; some clients send an empty choice all the same.
        "setExceptionBreakpoints" => DONE,
        "continue" => run::resume(session, request).await,
        "pause" => run::pause(session, request).await,
        "next" => run::next(session, request).await,
        "stepIn" => run::step_in(session, request).await,
        "stepOut" => run::step_out(session, request).await,
        "threads" => stack::threads(session).await,
        "stackTrace" => stack::stack_trace(session, request).await,
        "source" => stack::source(session, request).await,
        "modules" => stack::modules(session, request).await,
        "scopes" => variables::scopes(session, request).await,
        "variables" => variables::variables(session, request).await,
        "evaluate" => variables::evaluate(session, request).await,
        "disassemble" => memory::disassemble(session, request).await,
        "readMemory" => memory::read(session, request).await,
        "hvdap/breakpointStats" => custom::breakpoint_stats(session).await,
        "hvdap/focus" => custom::focus(session, request).await,
        "hvdap/groups" => custom::groups(session).await,
        "hvdap/machine" => machine::overview(session).await,
        "hvdap/schedule" => schedule::schedule(session, request).await,
        "hvdap/scheduleFind" => schedule::find(session, request).await,
        "hvdap/scheduleStats" => schedule::schedule_stats(session, request).await,
        "hvdap/snapshot" => snapshot::save(session, request).await,
        "hvdap/subscribe" => custom::subscribe(session, request),
        "hvdap/traceControl" => schedule::control(session, request).await,
        "hvdap/traceExport" => schedule::export(session, request).await,
        "hvdap/traceInfo" => schedule::info(session).await,
        "hvdap/translate" => translate::translate(session, request).await,
        "hvdap/why" => schedule::why(session, request).await,
        unknown => Err(Failure::user(format!("unknown command `{unknown}`"))),
    }
}
