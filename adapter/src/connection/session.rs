//! What is known of one client: who it is, what it shows, which numbers it was given; and what it is told.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use engine::view::{
    BreakpointId, BreakpointRequest, BreakpointView, FrameRef, GroupId, GroupView, Item, StopView,
    ThreadId,
};
use serde_json::{Value, json};
use tokio::sync::Notify;

use super::Transport;
use crate::convert;
use crate::files::Progress;
use crate::handles::{Origin, Values};
use crate::hub::{Children, Ending, Hub, Machine};
use crate::listings::Listings;
use crate::protocol::Client;
use crate::wire::{Failure, Peer, Request};

/// Numbers of breakpoints set before there was a machine; the engine's own stay far below.
const EARLY: u32 = 1 << 30;

/// A client and what it was shown.
pub struct Session {
    /// Our number of it: owner of its breakpoints.
    pub owner: u32,
    /// Where messages to it are put.
    pub peer: Arc<Peer>,
    /// How it is connected.
    pub transport: Transport,
    /// The machines of this process.
    pub hub: Arc<Hub>,
    state: Mutex<State>,
    cancelled: Mutex<HashSet<i64>>,
    cancel: Notify,
}

#[derive(Default)]
struct State {
    client: Option<Client>,
    attached: Option<Attached>,
    starting: Option<Request>,
    configured: bool,
    /// The client was told what there is.
    ready: bool,
    /// The thread of the halt that is shown to it.
    shown: Option<ThreadId>,
    modes: Vec<String>,
    subscribed: bool,
    left: bool,
    ended: bool,
    values: Values,
    listings: Listings,
    focus: Option<(GroupId, Option<ThreadId>)>,
    early: Vec<Early>,
    early_ids: HashMap<BreakpointId, u32>,
    children: Option<Children>,
}

/// What a client is attached to.
#[derive(Clone)]
pub struct Attached {
    /// The machine.
    pub machine: Arc<Machine>,
    /// What of it is shown.
    pub shows: Shows,
    /// How this session came to be.
    pub role: Role,
    /// The `type` of its configuration.
    pub kind: String,
}

/// The thread groups a session shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shows {
    /// All, in one list.
    All,
    /// One.
    Group(GroupId),
}

/// How a session came to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// The user attached.
    Root,
    /// A root session asked for it.
    Child {
        /// That session.
        root: u32,
    },
}

/// Breakpoints set before there was a machine.
#[derive(Clone, Debug)]
pub struct Early {
    /// Which set.
    pub key: String,
    /// What is wanted, each with its `mode`.
    pub wanted: Vec<(BreakpointRequest, Option<String>)>,
    /// The numbers given to them.
    pub ids: Vec<u32>,
}

impl Session {
    /// A client just connected.
    #[must_use]
    pub fn new(hub: Arc<Hub>, peer: Arc<Peer>, transport: Transport) -> Arc<Self> {
        Arc::new(Self {
            owner: hub.number(),
            peer,
            transport,
            hub,
            state: Mutex::default(),
            cancelled: Mutex::default(),
            cancel: Notify::new(),
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    // What it is.

    /// Notes what the client says of itself, once: `false` when it has said so before.
    pub fn introduce(&self, client: Client) -> bool {
        let mut state = self.state();
        let first = state.client.is_none();
        state.client.get_or_insert(client);
        first
    }

    /// Whether the client said what it is.
    #[must_use]
    pub fn is_introduced(&self) -> bool {
        self.state().client.is_some()
    }

    /// What the client said of itself.
    #[must_use]
    pub fn client(&self) -> Client {
        self.state().client.clone().unwrap_or_default()
    }

    /// Attaches it; `starting` is the request to be answered when the client has configured everything.
    pub fn attach(self: &Arc<Self>, attached: Attached, starting: Request) {
        let machine = Arc::clone(&attached.machine);
        {
            let mut state = self.state();
            state.attached = Some(attached);
            state.starting = Some(starting);
        }
        machine.join(self);
    }

    /// What it is attached to.
    #[must_use]
    pub fn attached(&self) -> Option<Attached> {
        self.state().attached.clone()
    }

    /// Its machine.
    ///
    /// # Errors
    /// It is not attached.
    pub fn machine(&self) -> Result<Arc<Machine>, Failure> {
        self.attached()
            .map(|attached| attached.machine)
            .ok_or_else(|| Failure::user("not attached: send `attach` or `launch` first"))
    }

    /// How it came to be, once attached.
    #[must_use]
    pub fn role(&self) -> Option<Role> {
        self.state().attached.as_ref().map(|attached| attached.role)
    }

    /// Whether the user attached with it.
    #[must_use]
    pub fn is_root(&self) -> bool {
        self.role() == Some(Role::Root)
    }

    /// Whether it shows a group, perhaps among others.
    #[must_use]
    pub fn shows(&self, group: GroupId) -> bool {
        match &self.state().attached {
            Some(attached) => match attached.shows {
                Shows::All => true,
                Shows::Group(shown) => shown == group,
            },
            None => false,
        }
    }

    /// Whether it exists for one VM only.
    #[must_use]
    pub fn shows_only(&self, group: GroupId) -> bool {
        matches!(&self.state().attached, Some(Attached { shows: Shows::Group(shown), role: Role::Child { .. }, .. }) if *shown == group)
    }

    /// The group to ask, or `None` for all.
    #[must_use]
    pub fn group(&self) -> Option<GroupId> {
        match self.attached()?.shows {
            Shows::All => None,
            Shows::Group(group) => Some(group),
        }
    }

    /// Notes that the client has configured everything.
    pub fn set_configured(&self) {
        self.state().configured = true;
    }

    /// Whether the client has configured everything, attached or not.
    #[must_use]
    pub fn is_configured(&self) -> bool {
        self.state().configured
    }

    /// What the client attached to and the request that waits to be answered, once.
    #[must_use]
    pub fn take_starting(&self) -> Option<(Attached, Request)> {
        let mut state = self.state();
        let attached = state.attached.clone()?;
        Some((attached, state.starting.take()?))
    }

    /// What there is may be shown from now on.
    pub fn set_ready(&self) {
        self.state().ready = true;
    }

    /// Whether the client is attached, has configured everything, and was told what there is.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.state().ready
    }

    /// Starts asking the client for sessions of VMs.
    pub fn with_children(&self, children: Children) {
        self.state().children = Some(children);
    }

    /// Asks for a session of a VM, once, where this one has such.
    pub fn want_child(&self, group: &GroupView) {
        if let Some(children) = &self.state().children {
            children.add(group);
        }
    }

    /// The client wants events that are not of the protocol.
    pub fn subscribe(&self, wanted: bool) {
        self.state().subscribed = wanted;
    }

    // Its end.

    /// The client leaves: its breakpoints go, and with a root session the machine.
    pub async fn leave(self: &Arc<Self>, ending: Ending) {
        let attached = {
            let mut state = self.state();
            state.left = true;
            state.ready = false;
            state.children = None;
            state.values.clear();
            state.attached.clone()
        };
        if let Some(attached) = attached {
            attached.machine.leave(self, ending).await;
        }
        self.state().attached = None;
    }

    /// Whether the client left.
    #[must_use]
    pub fn is_left(&self) -> bool {
        self.state().left
    }

    /// Tells the client that there is nothing to show any more; once.
    pub fn end_shown(&self) {
        let starting = {
            let mut state = self.state();
            if std::mem::replace(&mut state.ended, true) {
                return;
            }
            state.ready = false;
            state.starting.take()
        };
        if let Some(starting) = starting {
            let failure = Failure::target("the target is not attached any more");
            self.peer.respond(&starting, Err(failure));
        }
        self.peer.event("terminated", Value::Null);
    }

    // What it is told.

    /// A line in the client's console.
    pub fn say(&self, warning: bool, text: &str) {
        let category = if warning { "stderr" } else { "console" };
        let output = format!("{text}\n");
        self.peer
            .event("output", json!({ "category": category, "output": output }));
    }

    /// The target halted.
    pub fn stopped(&self, stop: &StopView, thread: ThreadId, focus: bool) {
        {
            let mut state = self.state();
            state.shown = Some(thread);
            if focus {
                state.focus = Some((stop.group, Some(thread)));
            }
        }
        let ids = |ids: &[BreakpointId]| ids.iter().map(|id| self.wire_id(*id)).collect();
        self.peer
            .event("stopped", convert::stopped(stop, thread, focus, ids));
    }

    /// The target runs: what was given out is void. `asked`: by this client, which knows.
    pub fn continued(&self, asked: bool) {
        let mut state = self.state();
        state.values.clear();
        // A thread this session shows, whichever was resumed.
        if let (Some(thread), false) = (state.shown.take(), asked) {
            self.peer.event(
                "continued",
                json!({ "threadId": thread.0, "allThreadsContinued": true }),
            );
        }
    }

    /// There is a new VM. One of its threads is named, so that the client asks for all again.
    pub fn group_came(&self, group: &GroupView, thread: Option<ThreadId>) {
        self.want_child(group);
        let ready = self.is_ready();
        if let (true, Some(thread)) = (ready && self.shows(group.id), thread) {
            self.peer.event(
                "thread",
                json!({ "reason": "started", "threadId": thread.0 }),
            );
        }
    }

    /// VMs came, went, or are known better.
    pub fn groups_changed(&self, groups: &[GroupView]) {
        self.offer_modes(groups);
        if self.state().subscribed {
            self.peer.event("hvdap/groupsChanged", Value::Null);
        }
    }

    /// In one list of all VMs a breakpoint may be for one of them: offers these, when they changed.
    pub fn offer_modes(&self, groups: &[GroupView]) {
        let modes = convert::breakpoint_modes(groups);
        let names: Vec<String> = modes.iter().map(|mode| mode.mode.clone()).collect();
        let flat = self.group().is_none();
        let mut state = self.state();
        if state.ready && flat && state.modes != names {
            state.modes = names;
            let capabilities = json!({ "breakpointModes": modes });
            self.peer
                .event("capabilities", json!({ "capabilities": capabilities }));
        }
    }

    /// More is known now than what was shown.
    pub fn invalidated(&self) {
        let state = self.state();
        if state.shown.is_some()
            && state
                .client
                .as_ref()
                .is_some_and(|client| client.supports_invalidated_event)
        {
            self.peer.event(
                "invalidated",
                json!({ "areas": ["threads", "stacks", "variables"] }),
            );
        }
    }

    /// A breakpoint was bound, or lost its place.
    pub fn breakpoint_changed(&self, breakpoint: &BreakpointView) {
        let wire = convert::breakpoint(breakpoint, self.wire_id(breakpoint.id), &self.client());
        self.peer.event(
            "breakpoint",
            json!({ "reason": "changed", "breakpoint": wire }),
        );
    }

    /// Shows how far the images are, where the client shows such.
    pub fn progress(&self, progress: &Progress) {
        if !self.client().supports_progress_reporting {
            return;
        }
        const ID: &str = "symbols";
        match progress {
            Progress::Started => {
                let start =
                    json!({ "progressId": ID, "title": "Reading symbols", "percentage": 0 });
                self.peer.event("progressStart", start);
            }
            Progress::Indexed { done, of, name } => {
                let percentage = 100 * done / of;
                let update = json!({ "progressId": ID, "message": name, "percentage": percentage });
                self.peer.event("progressUpdate", update);
                if done == of {
                    self.peer.event("progressEnd", json!({ "progressId": ID }));
                }
            }
            Progress::Note(_) => {}
        }
    }

    // Numbers.

    /// The number the client knows a breakpoint by.
    #[must_use]
    pub fn wire_id(&self, id: BreakpointId) -> u32 {
        self.state().early_ids.get(&id).copied().unwrap_or(id.0)
    }

    /// Keeps breakpoints until there is a machine; gives their numbers.
    pub fn keep_early(
        &self,
        key: &str,
        wanted: Vec<(BreakpointRequest, Option<String>)>,
    ) -> Vec<u32> {
        let mut state = self.state();
        state.early.retain(|early| early.key != key);
        let ids: Vec<u32> = wanted.iter().map(|_| EARLY + self.hub.number()).collect();
        state.early.push(Early {
            key: key.to_owned(),
            wanted,
            ids: ids.clone(),
        });
        ids
    }

    /// The breakpoints kept.
    #[must_use]
    pub fn take_early(&self) -> Vec<Early> {
        std::mem::take(&mut self.state().early)
    }

    /// Notes under which number the client knows a breakpoint set early.
    pub fn know_early(&self, id: BreakpointId, wire: u32) {
        self.state().early_ids.insert(id, wire);
    }

    /// The number of a value that has something in it, 0 for one that has not.
    #[must_use]
    pub fn value_number(&self, origin: Origin, item: &Item) -> i32 {
        if item.named == 0 && item.indexed == 0 {
            return 0;
        }
        self.state().values.number(origin, item)
    }

    /// The number of a scope, whatever is in it.
    #[must_use]
    pub fn scope_number(&self, origin: Origin, content: &Item) -> i32 {
        self.state().values.number(origin, content)
    }

    /// The value of a number.
    ///
    /// # Errors
    /// It is of an earlier halt.
    pub fn value(&self, number: i64) -> Result<Item, Failure> {
        self.state().values.item(number).ok_or_else(|| {
            Failure::user(format!(
                "there is no value {number}: it was of an earlier halt"
            ))
        })
    }

    /// Texts shown in place of source files.
    pub fn listings<T>(&self, use_them: impl FnOnce(&mut Listings) -> T) -> T {
        use_them(&mut self.state().listings)
    }

    /// Notes which thread the user looks at.
    pub fn look_at(&self, group: GroupId, thread: ThreadId) {
        self.state().focus = Some((group, Some(thread)));
    }

    /// The group, and the thread in it, that the user looks at: whose address space a bare address means.
    #[must_use]
    pub fn focus(&self) -> (GroupId, Option<ThreadId>) {
        let own = self.group();
        match (self.state().focus, own) {
            (Some((group, thread)), None) => (group, thread),
            (Some((group, thread)), Some(own)) if group == own => (own, thread),
            (_, own) => (own.unwrap_or(GroupId::HYPERVISOR), None),
        }
    }

    // Cancelling.

    /// The client does not want an answer to that request any more.
    pub fn cancel(&self, seq: i64) {
        self.cancelled
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(seq);
        self.cancel.notify_waiters();
    }

    /// Waits until that request is cancelled.
    pub async fn cancelled(&self, seq: i64) {
        loop {
            let changed = self.cancel.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            if self.take_cancelled(seq) {
                return;
            }
            changed.await;
        }
    }

    fn take_cancelled(&self, seq: i64) -> bool {
        let mut cancelled = self
            .cancelled
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        cancelled.remove(&seq)
    }

    /// The frame of a wire number.
    ///
    /// # Errors
    /// It is no frame.
    pub fn frame(&self, id: i64) -> Result<FrameRef, Failure> {
        crate::handles::frame_of(id).ok_or_else(|| Failure::user(format!("there is no frame {id}")))
    }
}
