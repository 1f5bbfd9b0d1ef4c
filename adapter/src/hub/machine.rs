//! An attached machine: its engine, the sessions that show it, and how it ends.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use engine::Engine;
use engine::view::{EngineError, GroupId, GroupView, ThreadId};

use tokio::sync::watch;

use super::launch::Launched;
use super::schedule::Schedule;
use super::{Hub, events};
use crate::config::{Config, OnDisconnect};
use crate::connection::{Role, Session};
use crate::files::{self, Progress};
use crate::link::Link;
use crate::report;
use crate::wire::Failure;

/// How long the first halt waits to be shown until every image has its index.
const INDEX_PATIENCE: Duration = Duration::from_secs(10);
/// How long a target may take to be given back.
const DETACH_PATIENCE: Duration = Duration::from_secs(5);

/// What becomes of a machine that is left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// As the user set it up; started by us: ended.
    Configured,
    /// Left halted.
    Halted,
    /// Ended when it was started by us, else as set up.
    Ended,
    /// Kept although it was started by us.
    Kept,
}

/// An attached machine.
pub struct Machine {
    /// Its number in this process.
    pub number: u32,
    /// What the user said of it.
    pub config: Config,
    /// Its engine.
    pub link: Link,
    hub: std::sync::Weak<Hub>,
    state: Mutex<State>,
    launched: Mutex<Option<Launched>>,
    indexed: watch::Sender<bool>,
    /// Held while a request is asked of the engine and answered, and while an event is told: an event of what a request
    /// caused comes after its answer.
    pub order: tokio::sync::Mutex<()>,
    pub(super) schedule: tokio::sync::Mutex<Schedule>,
}

#[derive(Default)]
struct State {
    sessions: Vec<Arc<Session>>,
    /// The client that resumed the target, until that is told.
    resumed_by: Option<u32>,
    /// The halt of attaching was shown, or the machine was let run.
    shown: bool,
    loaded: bool,
    over: bool,
    /// What was said before anybody could hear it.
    unheard: Vec<(bool, String)>,
}

impl Machine {
    /// Starts it if so asked, attaches to it, and begins to open its images.
    pub(super) async fn open(
        hub: &Arc<Hub>,
        config: Config,
        launch: bool,
    ) -> Result<Arc<Self>, Failure> {
        let (launched, (link, queue)) = if launch {
            let (launched, opened) = super::launch::start(&config).await?;
            (Some(launched), opened)
        } else {
            (None, Link::open(&config).await?)
        };
        let machine = Arc::new(Self {
            number: hub.number(),
            config,
            link,
            hub: Arc::downgrade(hub),
            state: Mutex::default(),
            launched: Mutex::new(launched),
            indexed: watch::Sender::new(false),
            order: tokio::sync::Mutex::default(),
            schedule: tokio::sync::Mutex::default(),
        });
        tokio::spawn(events::tell(Arc::downgrade(&machine), queue));
        Ok(machine)
    }

    /// Delivers the images, once; their indexes are built while the session goes on.
    pub async fn load_images(self: &Arc<Self>) {
        if std::mem::replace(&mut self.state().loaded, true) {
            return;
        }
        let weak = Arc::downgrade(self);
        let told = move |progress| {
            if let Some(machine) = weak.upgrade() {
                machine.tell_progress(progress);
            }
        };
        let indexing = files::load(&self.config.images, self.link.images(), told).await;
        let indexed = self.indexed.clone();
        tokio::spawn(async move {
            indexing.join_all().await;
            indexed.send_replace(true);
        });
    }

    /// Waits until the images have their indexes, but not for ever: what is not known yet follows.
    pub async fn wait_for_images(&self) {
        let mut indexed = self.indexed.subscribe();
        let all = indexed.wait_for(|indexed| *indexed);
        let _ = tokio::time::timeout(INDEX_PATIENCE, all).await;
    }

    fn tell_progress(&self, progress: Progress) {
        match progress {
            Progress::Note(text) => self.say(None, true, &text),
            progress => {
                for session in self.sessions().iter().filter(|session| session.is_root()) {
                    session.progress(&progress);
                }
            }
        }
    }

    /// Tells the user something in the sessions that show the group; without a group in the root sessions.
    pub fn say(&self, group: Option<GroupId>, warning: bool, text: &str) {
        let text = &self.config.with_place(text);
        let mut state = self.state();
        let concerned: Vec<_> = state
            .sessions
            .iter()
            .filter(|session| match group {
                Some(group) => session.shows(group),
                None => session.is_root(),
            })
            .cloned()
            .collect();
        let heard = if concerned.is_empty() {
            state
                .sessions
                .iter()
                .filter(|session| session.is_root())
                .cloned()
                .collect()
        } else {
            concerned
        };
        if heard.is_empty() {
            state.unheard.push((warning, text.to_owned()));
        }
        drop(state);
        for session in heard {
            session.say(warning, text);
        }
    }

    /// Lets a session show this machine.
    pub fn join(&self, session: &Arc<Session>) {
        let mut state = self.state();
        state.sessions.push(Arc::clone(session));
        let unheard = std::mem::take(&mut state.unheard);
        drop(state);
        for (warning, text) in unheard {
            session.say(warning, &text);
        }
    }

    /// Takes a session away. When it was the last root session, the machine is left as `ending` says.
    pub async fn leave(&self, session: &Arc<Session>, ending: Ending) {
        let (children, last) = {
            let mut state = self.state();
            state.sessions.retain(|other| other.owner != session.owner);
            let (children, rest): (Vec<_>, Vec<_>) = std::mem::take(&mut state.sessions)
                .into_iter()
                .partition(|other| {
                    other.role()
                        == Some(Role::Child {
                            root: session.owner,
                        })
                });
            state.sessions = rest;
            let last = session.is_root() && !state.sessions.iter().any(|other| other.is_root());
            (children, last)
        };
        for child in &children {
            child.end_shown();
        }
        let owners: Vec<u32> = children
            .iter()
            .map(|child| child.owner)
            .chain([session.owner])
            .collect();
        if last {
            self.end(ending).await;
        } else {
            let forget = move |engine: &mut Engine| {
                for owner in owners {
                    engine.forget_owner(owner);
                }
            };
            let _ = self.link.call(forget).await;
        }
    }

    /// Gives the target back and ends what was started; every session still showing it is told.
    pub async fn end(&self, ending: Ending) {
        let hub = self.hub.upgrade();
        let _leaving = match &hub {
            Some(hub) => Some(hub.while_leaving().await),
            None => None,
        };
        if let Some(hub) = &hub {
            hub.forget(self.number);
        }
        let sessions = {
            let mut state = self.state();
            if state.over {
                return;
            }
            state.over = true;
            std::mem::take(&mut state.sessions)
        };
        let leave_running = match ending {
            Ending::Halted => false,
            _ => self.config.on_disconnect == OnDisconnect::Resume,
        };
        let giving_back = async {
            if let Err(failure) = self.stop_recording().await {
                tracing::warn!("the trace: {}", failure.message);
            }
            let detach = move |engine: &mut Engine| engine.detach(leave_running);
            self.link.ask(detach).await
        };
        match tokio::time::timeout(DETACH_PATIENCE, giving_back).await {
            Ok(Ok(())) => {}
            Ok(Err(failure)) => tracing::warn!("detaching: {}", failure.message),
            Err(_) => tracing::warn!("detaching: no answer within {DETACH_PATIENCE:?}"),
        }
        match self.take_launched() {
            Some(launched) if ending == Ending::Kept => launched.keep(),
            Some(launched) => launched.end().await,
            None => {}
        }
        for session in sessions {
            session.end_shown();
        }
    }

    /// The target is gone: says why, and ends every session.
    pub(super) fn lost(&self, reason: &str) {
        if let Some(hub) = self.hub.upgrade() {
            hub.forget(self.number);
        }
        let sessions = {
            let mut state = self.state();
            if state.over {
                return;
            }
            state.over = true;
            std::mem::take(&mut state.sessions)
        };
        for session in sessions {
            session.say(true, reason);
            session.end_shown();
        }
    }

    /// Whether a process was started for this machine.
    #[must_use]
    pub fn is_launched(&self) -> bool {
        self.launched
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .is_some()
    }

    fn take_launched(&self) -> Option<Launched> {
        self.launched
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
    }

    /// After the first session is configured: shows the halt of attaching, or lets the machine run. `false`: done before.
    ///
    /// # Errors
    /// The target does not run.
    pub async fn begin(&self) -> Result<bool, Failure> {
        if std::mem::replace(&mut self.state().shown, true) {
            return Ok(false);
        }
        let stop = self.config.stop_on_attach;
        self.link
            .ask(move |engine| {
                if stop || !engine.can_run() {
                    engine.announce_attached();
                    Ok(())
                } else {
                    engine.resume(None)
                }
            })
            .await
            .map(|()| true)
    }

    /// Runs, steps or pauses for a client: like [`Link::ask`], noting who asked.
    ///
    /// # Errors
    /// The engine's.
    pub async fn run(
        &self,
        owner: u32,
        request: impl FnOnce(&mut Engine) -> Result<(), EngineError> + Send + 'static,
    ) -> Result<(), Failure> {
        self.state().resumed_by = Some(owner);
        let resumed = self
            .link
            .ask(|engine| {
                let halted = engine.is_halted();
                request(engine).map(|()| halted)
            })
            .await;
        if !matches!(resumed, Ok(true)) {
            self.state().resumed_by = None;
        }
        resumed.map(|_| ())
    }

    pub(super) fn take_resumed_by(&self) -> Option<u32> {
        self.state().resumed_by.take()
    }

    /// The sessions that show this machine.
    #[must_use]
    pub fn sessions(&self) -> Vec<Arc<Session>> {
        self.state().sessions.clone()
    }

    /// Groups, the hypervisor's first.
    ///
    /// # Errors
    /// The engine is gone.
    pub async fn groups(&self) -> Result<Vec<GroupView>, Failure> {
        let mut groups = self.link.call(|engine| engine.groups()).await?;
        report::sort(&mut groups);
        Ok(groups)
    }

    /// The group of a thread.
    ///
    /// # Errors
    /// No such thread.
    pub async fn group_of(&self, thread: ThreadId) -> Result<GroupId, Failure> {
        let threads = self.link.call(|engine| engine.threads(None)).await?;
        threads
            .iter()
            .find(|known| known.id == thread)
            .map(|known| known.group)
            .ok_or_else(|| Failure::user(format!("there is no thread {}", thread.0)))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
