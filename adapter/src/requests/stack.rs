//! Threads, stacks, and the text of what has no source file.

use std::path::Path;
use std::sync::Arc;

use dap::requests::{ModulesArguments, SourceArguments};
use engine::view::{FrameKind, FrameView, GroupView, ImageView, ThreadId};
use serde_json::{Value, json};

use super::{Answer, body};
use crate::connection::Session;
use crate::convert;
use crate::hub::Machine;
use crate::listings::{self, Listing};
use crate::protocol::{Source, StackFrame, StackTrace, Thread};
use crate::wire::{Failure, Request};

/// Answered from what is known, also while the target runs.
pub(super) async fn threads(session: &Arc<Session>) -> Answer {
    let Some(attached) = session.attached() else {
        return body(json!({ "threads": [] }));
    };
    let own = session.group();
    let asked = move |engine: &mut engine::Engine| (engine.groups(), engine.threads(own));
    let (groups, threads) = attached.machine.link.call(asked).await?;
    let name = |id| {
        groups
            .iter()
            .find(|group| group.id == id)
            .map(|group| group.name.as_str())
    };
    let threads: Vec<Thread> = threads
        .iter()
        .map(|thread| {
            let group = own.is_none().then(|| name(thread.group)).flatten();
            convert::thread(thread, group)
        })
        .collect();
    body(json!({ "threads": threads }))
}

pub(super) async fn stack_trace(session: &Arc<Session>, request: &Request) -> Answer {
    let arguments: StackTrace = request.arguments()?;
    let machine = session.machine()?;
    let thread = ThreadId(arguments.thread_id);
    let count = (arguments.levels > 0).then_some(arguments.levels);
    let stack = machine
        .link
        .ask(move |engine| engine.stack(thread, arguments.start_frame, count))
        .await?;
    let client = session.client();
    let mut frames: Vec<StackFrame> = Vec::with_capacity(stack.frames.len());
    for frame in &stack.frames {
        let shown = shown_in(session, &machine, thread, frame).await;
        frames.push(convert::frame(frame, shown, &client));
    }
    body(json!({ "stackFrames": frames, "totalFrames": stack.total }))
}

/// The file of a frame and its line there when the file is here; else the function's listing.
async fn shown_in(
    session: &Session,
    machine: &Machine,
    thread: ThreadId,
    frame: &FrameView,
) -> Option<(Source, u32)> {
    if let Some(source) = &frame.source
        && Path::new(&source.path).is_file()
    {
        return Some((convert::file(&source.path), source.line));
    }
    let at = frame.pc.filter(|_| frame.kind == FrameKind::Code)?;
    if session.client().is_lsp4e() {
        return None;
    }
    let listing = Listing {
        group: frame.group,
        thread,
        at,
        text: None,
    };
    let number = session.listings(|known| known.number(&frame.name, listing));
    let text = text_of(session, machine, number).await.ok()?;
    let line = listings::line_of(&text, at)?;
    let source = convert::listing(number, &frame.name, frame.source.as_ref());
    Some((source, line))
}

async fn text_of(session: &Session, machine: &Machine, number: i32) -> Result<Arc<str>, Failure> {
    let listing = session
        .listings(|known| known.get(i64::from(number)).cloned())
        .ok_or_else(|| Failure::user(format!("there is no source {number}")))?;
    if let Some(text) = listing.text {
        return Ok(text);
    }
    let Listing {
        group, thread, at, ..
    } = listing;
    let text = machine
        .link
        .ask(move |engine| engine.function_listing(group, Some(thread), at))
        .await?;
    let text: Arc<str> = text.into();
    session.listings(|known| known.keep(number, Arc::clone(&text)));
    Ok(text)
}

pub(super) async fn source(session: &Arc<Session>, request: &Request) -> Answer {
    let arguments: SourceArguments = request.arguments()?;
    let machine = session.machine()?;
    let number = i32::try_from(arguments.source_reference).unwrap_or(0);
    let text = text_of(session, &machine, number).await?;
    body(json!({ "content": &*text, "mimeType": "text/x-asm" }))
}

/// The images found to run in what the session shows.
pub(super) async fn modules(session: &Arc<Session>, request: &Request) -> Answer {
    let arguments: ModulesArguments = request.arguments()?;
    let groups = session.machine()?.groups().await?;
    let shown = groups.iter().filter(|group| session.shows(group.id));
    let all: Vec<Value> = shown
        .flat_map(|group| group.images.iter().map(|image| module(group, image)))
        .collect();
    let at_least_0 = |number: Option<i64>| usize::try_from(number.unwrap_or(0)).unwrap_or(0);
    let wanted = match at_least_0(arguments.module_count) {
        0 => all.len(),
        count => count,
    };
    let part = all
        .iter()
        .skip(at_least_0(arguments.start_module))
        .take(wanted);
    body(json!({ "modules": part.collect::<Vec<_>>(), "totalModules": all.len() }))
}

fn module(group: &GroupView, image: &ImageView) -> Value {
    let placed = match image.slide {
        0 => format!("at its link address, by {}", image.evidence),
        slide => format!("moved by {slide:#x}, by {}", image.evidence),
    };
    json!({
        "id": convert::module_id(group.id, &image.name), "name": format!("{}: {}", group.name, image.name), "version": image.build_id,
        "symbolStatus": format!("{}; {placed}", image.symbols),
    })
}
