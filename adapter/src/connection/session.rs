//! What is known of one client: who it is, what it shows, which numbers it was given; and what it is told.

mod numbers;
mod progress;
mod told;

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use engine::view::{BreakpointId, BreakpointRequest, FrameRef, GroupId, GroupView, ThreadId};
use serde_json::Value;
use tokio::sync::Notify;

use super::Transport;
use crate::handles::Values;
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
