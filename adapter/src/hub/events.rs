//! From an engine event to the sessions that show what it is about.

use std::sync::{Arc, Weak};

use engine::view::{Event, GroupId, GroupView, StopView, ThreadState, ThreadView};
use tokio::sync::mpsc;

use super::Machine;
use crate::connection::Session;

/// Tells every event of an engine, each after the answer to the request that caused it.
pub(super) async fn tell(machine: Weak<Machine>, mut queue: mpsc::UnboundedReceiver<Event>) {
    while let Some(event) = queue.recv().await {
        let Some(machine) = machine.upgrade() else {
            return;
        };
        let _after_answers = machine.order.lock().await;
        tell_one(&machine, event).await;
    }
}

async fn tell_one(machine: &Arc<Machine>, event: Event) {
    match event {
        Event::Stopped(stop) => {
            stopped(machine, &stop).await;
            machine.schedule_halted().await;
        }
        Event::Continued { .. } => {
            machine.schedule_continued().await;
            let by = machine.take_resumed_by();
            for session in machine.sessions() {
                session.continued(by == Some(session.owner));
            }
        }
        Event::Groups { added, removed } => {
            groups_changed(machine, &added).await;
            for group in removed {
                end_children(machine, group).await;
            }
        }
        Event::ImagesChanged(group) => {
            groups_changed(machine, &[]).await;
            for session in machine.sessions() {
                if session.shows(group) {
                    session.invalidated();
                }
            }
        }
        Event::Breakpoint(breakpoint) => {
            for session in machine.sessions() {
                if session.owner == breakpoint.owner {
                    session.breakpoint_changed(&breakpoint);
                }
            }
        }
        Event::Message {
            group,
            text,
            warning,
        } => machine.say(group, warning, &text),
        Event::Lost(reason) => machine.lost(&reason),
    }
}

/// Groups came, went, or are known better.
async fn groups_changed(machine: &Arc<Machine>, added: &[GroupView]) {
    let Ok(groups) = machine.groups().await else {
        return;
    };
    let Ok(threads) = machine.link.call(|engine| engine.threads(None)).await else {
        return;
    };
    machine.name_guests().await;
    for session in machine.sessions() {
        session.groups_changed(&groups);
        for group in added {
            let first = threads.iter().find(|thread| thread.group == group.id);
            session.group_came(group, first.map(|thread| thread.id));
        }
    }
}

/// One `stopped` per session; the session that owns the event comes last and takes the focus.
async fn stopped(machine: &Arc<Machine>, stop: &StopView) {
    let Ok(threads) = machine.link.call(|engine| engine.threads(None)).await else {
        return;
    };
    let mut sessions = machine.sessions();
    sessions.retain(|session| session.is_ready());
    let shown = sessions.iter().any(|session| session.shows(stop.group));
    sessions.sort_by_key(|session| owns(session, stop, shown));
    for session in sessions {
        let focus = owns(&session, stop, shown);
        if let Some(thread) = thread_to_show(&session, stop, &threads) {
            session.stopped(stop, thread, focus);
        }
    }
}

/// Whether the session takes the focus; the hypervisor's does when nobody shows the group that stopped.
fn owns(session: &Session, stop: &StopView, shown: bool) -> bool {
    session.shows(stop.group) || (!shown && session.shows(GroupId::HYPERVISOR))
}

/// The halt as a session sees it that became ready after it was told.
pub(crate) async fn show_present_halt(machine: &Arc<Machine>, session: &Session) {
    let asked = machine
        .link
        .call(|engine| (engine.stop().cloned(), engine.threads(None)));
    if let Ok((Some(stop), threads)) = asked.await
        && let Some(thread) = thread_to_show(session, &stop, &threads)
    {
        session.stopped(&stop, thread, session.shows(stop.group));
    }
}

/// The thread that stopped when the session shows it, else one of its own: the core it stopped on, or the first.
fn thread_to_show(
    session: &Session,
    stop: &StopView,
    threads: &[ThreadView],
) -> Option<engine::view::ThreadId> {
    if session.shows(stop.group) {
        return Some(stop.thread);
    }
    let core = threads
        .iter()
        .find(|thread| thread.id == stop.thread)
        .and_then(|thread| match thread.state {
            ThreadState::OnCore(core) => Some(u32::from(core.0)),
            _ => None,
        });
    let mut own = threads.iter().filter(|thread| session.shows(thread.group));
    let first = own.clone().next()?;
    let same_core =
        own.find(|thread| thread.group == GroupId::HYPERVISOR && Some(thread.index) == core);
    Some(same_core.unwrap_or(first).id)
}

/// Ends the sessions that show only this group.
async fn end_children(machine: &Arc<Machine>, group: GroupId) {
    for session in machine.sessions() {
        if session.shows_only(group) {
            machine.leave(&session, super::Ending::Configured).await;
            session.end_shown();
        }
    }
}
