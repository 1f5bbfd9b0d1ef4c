//! An engine at a fake machine, and the transcript of what happened.

use std::sync::mpsc::channel;
use std::thread::yield_now;

use engine::view::{
    BreakpointRequest, BreakpointScope, BreakpointSet, EngineError, Event, Granularity, GroupId,
    Place, StepKind, ThreadId,
};
use engine::{Engine, Handle, Setup, start};
use machine::Va;

use crate::fake::{Machine, Shared};

/// One thing a scenario does; then everything settles.
pub(crate) enum Do {
    /// A request on the engine's thread. Its answer, when it says something, goes into the transcript.
    Ask(Box<dyn FnOnce(&mut Engine) -> String + Send>),
    /// Something happens to the machine.
    Happens(Box<dyn FnOnce(&mut Machine)>),
    /// The last handle is dropped.
    Leave,
}

pub(crate) fn ask(request: impl FnOnce(&mut Engine) -> String + Send + 'static) -> Do {
    Do::Ask(Box::new(request))
}

pub(crate) fn happens(what: impl FnOnce(&mut Machine) + 'static) -> Do {
    Do::Happens(Box::new(what))
}

fn answer<T>(outcome: Result<T, EngineError>) -> String {
    outcome.map_or_else(|error| error.to_string(), |_| String::new())
}

pub(crate) fn resume() -> Do {
    ask(|engine| answer(engine.resume(None)))
}

pub(crate) fn pause() -> Do {
    ask(|engine| answer(engine.pause(None)))
}

pub(crate) fn detach() -> Do {
    ask(|engine| answer(engine.detach(true)))
}

/// Steps the thread with this label in the group of this name.
pub(crate) fn step(group: &'static str, label: &'static str, kind: StepKind) -> Do {
    ask(move |engine| {
        let thread = thread(engine, group, label);
        answer(engine.step(thread, kind, Granularity::Instruction))
    })
}

pub(crate) fn thread(engine: &Engine, group: &str, label: &str) -> ThreadId {
    let group = group_id(engine, group);
    let threads = engine.threads(Some(group));
    let found = threads.iter().find(|thread| thread.label == label);
    found.expect("the scenario names a thread there is").id
}

pub(crate) fn group_id(engine: &Engine, name: &str) -> GroupId {
    let groups = engine.groups();
    let found = groups.iter().find(|group| group.name == name);
    found.expect("the scenario names a group there is").id
}

/// A breakpoint at an address, in the group of this name or in all.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Wish {
    pub(crate) at: u64,
    pub(crate) function: Option<&'static str>,
    pub(crate) group: Option<&'static str>,
    pub(crate) condition: Option<&'static str>,
    pub(crate) hits: Option<&'static str>,
    pub(crate) log: Option<&'static str>,
}

/// In one group.
pub(crate) fn at(address: u64, group: &'static str) -> Wish {
    Wish {
        at: address,
        group: Some(group),
        ..Wish::default()
    }
}

fn request(engine: &Engine, wish: Wish) -> BreakpointRequest {
    let own = |text: Option<&str>| text.map(str::to_owned);
    BreakpointRequest {
        place: wish.function.map_or(Place::Address(Va(wish.at)), |name| {
            Place::Function(name.to_owned())
        }),
        scope: wish.group.map_or(BreakpointScope::Any, |name| {
            BreakpointScope::Group(group_id(engine, name))
        }),
        condition: own(wish.condition),
        hit_condition: own(wish.hits),
        log_message: own(wish.log),
    }
}

/// Replaces the one set of owner 1.
pub(crate) fn breakpoints<const N: usize>(wishes: [Wish; N]) -> Do {
    breakpoints_of(1, wishes)
}

/// Replaces the one set of an owner.
pub(crate) fn breakpoints_of<const N: usize>(owner: u32, wishes: [Wish; N]) -> Do {
    ask(move |engine| {
        let requests = wishes.map(|wish| request(engine, wish)).to_vec();
        let key = "instruction".to_owned();
        engine.set_breakpoints(&BreakpointSet { owner, key }, requests);
        String::new()
    })
}

/// Shows every breakpoint with its counts.
pub(crate) fn counts() -> Do {
    ask(|engine| {
        let line = |one: &engine::view::BreakpointView| {
            format!(
                "{} of {}: {} hits, {} filtered{}",
                one.id.0,
                one.owner,
                one.hits,
                one.filtered,
                if one.verified {
                    String::new()
                } else {
                    format!(", {}", one.message)
                }
            )
        };
        let lines: Vec<String> = engine.breakpoints().iter().map(line).collect();
        lines.join("; ")
    })
}

fn shown(event: Event) -> String {
    match event {
        Event::Stopped(stop) => stop.description,
        Event::Continued { thread } => match thread {
            Some(thread) => format!("continued by thread {}", thread.0),
            None => "continued".to_owned(),
        },
        Event::Groups { added, removed } => {
            let added = added.iter().map(|group| format!("+{}", group.name));
            let removed = removed.iter().map(|group| format!("-{}", group.0));
            let all: Vec<String> = added.chain(removed).collect();
            format!("groups {}", all.join(" "))
        }
        Event::ImagesChanged(group) => format!("images of group {} changed", group.0),
        Event::Breakpoint(one) => format!("breakpoint {}: {}", one.id.0, one.message),
        Event::Message { text, .. } => text,
        Event::Lost(reason) => format!("lost: {reason}"),
    }
}

/// An engine at a machine.
struct Session {
    machine: Shared,
    handle: Handle,
}

impl Session {
    fn ask(&self, request: impl FnOnce(&mut Engine) -> String + Send + 'static) -> String {
        let (reply, answer) = channel();
        let is_there = self.handle.call(move |engine| {
            let _ = reply.send(request(engine));
        });
        match answer.recv() {
            Ok(text) if is_there => text,
            _ => "the engine is gone".to_owned(),
        }
    }

    /// Lets the engine work until nothing more happens by itself.
    fn settle(&self) {
        const PATIENCE: usize = 10_000;
        for _ in 0..PATIENCE {
            let rests = self.ask(|engine| {
                let gone = |error: &EngineError| error.message.contains("gone");
                let is_gone = engine
                    .stack(ThreadId(1), 0, Some(0))
                    .is_err_and(|error| gone(&error));
                if engine.is_halted() || is_gone {
                    "rests".to_owned()
                } else {
                    "runs".to_owned()
                }
            });
            if rests != "runs" || self.machine.lock().is_idle() {
                return;
            }
            yield_now();
        }
        panic!("no rest is found: {}", self.machine.lock().log.join("\n"));
    }
}

/// Runs a scenario and compares its transcript, which begins after the first look at the machine.
#[track_caller]
pub(crate) fn check<const N: usize>(machine: Machine, deeds: [Do; N], expected: &str) {
    compare(&transcript(machine, deeds), expected);
}

#[track_caller]
pub(crate) fn compare(seen: &[String], expected: &str) {
    let expected: Vec<&str> = expected.lines().map(str::trim).collect();
    assert_eq!(seen, expected, "\n{}\n", seen.join("\n"));
}

/// Runs a scenario without images.
pub(crate) fn transcript<const N: usize>(machine: Machine, deeds: [Do; N]) -> Vec<String> {
    transcript_with(Setup::default(), |_| (), machine, deeds)
}

/// Runs a scenario with a machine file, and with images delivered first.
pub(crate) fn transcript_with<const N: usize>(
    setup: Setup,
    deliver: impl FnOnce(&Handle),
    machine: Machine,
    deeds: [Do; N],
) -> Vec<String> {
    let machine = Shared::of(machine);
    let log = machine.clone();
    let events = Box::new(move |event| log.lock().log.push(format!("> {}", shown(event))));
    let handle = start(Box::new(machine.clone()), setup, events);
    deliver(&handle);
    let mut session = Some(Session { machine, handle });
    let machine = session.as_ref().map(|session| session.machine.clone());
    let machine = machine.expect("the session has just begun");
    if let Some(session) = &session {
        session.settle();
        machine.lock().log.clear();
    }
    for deed in deeds {
        perform(&machine, &mut session, deed);
    }
    let mut log = std::mem::take(&mut machine.lock().log);
    // Traps are armed in no particular order.
    for armed in log.chunk_by_mut(|a, b| a.starts_with("arm ") && b.starts_with("arm ")) {
        armed.sort();
    }
    log
}

fn perform(machine: &Shared, session: &mut Option<Session>, deed: Do) {
    let Some(present) = session else {
        return;
    };
    match deed {
        Do::Ask(request) => {
            // Noted on the engine's thread: what it says afterwards comes afterwards.
            let log = machine.clone();
            present.ask(move |engine| {
                let answer = request(engine);
                if !answer.is_empty() {
                    log.lock().log.push(format!("= {answer}"));
                }
                answer
            });
        }
        Do::Happens(what) => what(&mut machine.lock()),
        Do::Leave => {
            *session = None;
            // The engine ends by itself and gives its target back.
            while std::sync::Arc::strong_count(&machine.0) > 1 {
                yield_now();
            }
            return;
        }
    }
    present.settle();
}
