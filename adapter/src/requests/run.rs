//! Running: continue, pause and the steps. The answer goes out before the events it causes.

use std::sync::Arc;

use dap::requests::{
    ContinueArguments, NextArguments, PauseArguments, StepInArguments, StepOutArguments,
};
use dap::types::SteppingGranularity;
use engine::Engine;
use engine::view::{EngineError, Granularity, StepKind, ThreadId};
use serde_json::{Value, json};

use super::{Answer, Reply};
use crate::connection::Session;
use crate::wire::{Failure, Request};

pub(super) async fn resume(session: &Arc<Session>, request: &Request) -> Answer {
    let arguments: ContinueArguments = request.arguments()?;
    let thread = thread(arguments.thread_id)?;
    run(
        session,
        request,
        json!({ "allThreadsContinued": true }),
        move |engine| engine.resume(Some(thread)),
    )
    .await
}

pub(super) async fn pause(session: &Arc<Session>, request: &Request) -> Answer {
    let arguments: PauseArguments = request.arguments()?;
    // Some clients pause everything with a thread number that is none.
    let thread = thread(arguments.thread_id).ok();
    run(session, request, Value::Null, move |engine| {
        engine.pause(thread)
    })
    .await
}

pub(super) async fn next(session: &Arc<Session>, request: &Request) -> Answer {
    let arguments: NextArguments = request.arguments()?;
    step(
        session,
        request,
        arguments.thread_id,
        StepKind::Over,
        arguments.granularity,
    )
    .await
}

pub(super) async fn step_in(session: &Arc<Session>, request: &Request) -> Answer {
    let arguments: StepInArguments = request.arguments()?;
    step(
        session,
        request,
        arguments.thread_id,
        StepKind::In,
        arguments.granularity,
    )
    .await
}

pub(super) async fn step_out(session: &Arc<Session>, request: &Request) -> Answer {
    let arguments: StepOutArguments = request.arguments()?;
    step(
        session,
        request,
        arguments.thread_id,
        StepKind::Out,
        arguments.granularity,
    )
    .await
}

async fn step(
    session: &Arc<Session>,
    request: &Request,
    id: i64,
    kind: StepKind,
    granularity: Option<SteppingGranularity>,
) -> Answer {
    let thread = thread(id)?;
    let by = match granularity {
        Some(SteppingGranularity::Instruction) => Granularity::Instruction,
        _ => Granularity::Line,
    };
    run(session, request, Value::Null, move |engine| {
        engine.step(thread, kind, by)
    })
    .await
}

fn thread(id: i64) -> Result<ThreadId, Failure> {
    u32::try_from(id)
        .map(ThreadId)
        .map_err(|_| Failure::user(format!("there is no thread {id}")))
}

async fn run(
    session: &Arc<Session>,
    request: &Request,
    answer: Value,
    how: impl FnOnce(&mut Engine) -> Result<(), EngineError> + Send + 'static,
) -> Answer {
    let machine = session.machine()?;
    let _in_order = machine.order.lock().await;
    machine.run(session.owner, how).await?;
    session.peer.respond(request, Ok(answer));
    Ok(Reply::Answered)
}
