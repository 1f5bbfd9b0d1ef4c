//! The attached machines of this process, and who shows which thread group of them.
//!
//! This room decides what a session is: the hypervisor's group, one VM's, or all. The engine cannot tell. It knows nothing
//! of single requests. Start at [`Hub`]; a [`Machine`] is an engine with the sessions that show it.

mod children;
mod events;
mod launch;
mod machine;
mod schedule;

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use crate::config::Config;
use crate::wire::{Failure, Trace};

pub use children::Children;
pub(crate) use events::show_present_halt;
pub use machine::{Ending, Machine};
pub use schedule::Standing;

/// Everything attached to by this process.
#[derive(Default)]
pub struct Hub {
    machines: Mutex<Vec<Arc<Machine>>>,
    attaching: tokio::sync::Mutex<()>,
    last_number: AtomicU32,
    connections: AtomicUsize,
    ever_connected: AtomicBool,
    changed: Notify,
    closing: Mutex<bool>,
    trace: Option<Arc<Trace>>,
}

impl Hub {
    /// A hub of nothing yet; with `trace`, every message is recorded.
    #[must_use]
    pub fn new(trace: Option<Arc<Trace>>) -> Arc<Self> {
        Arc::new(Self {
            trace,
            ..Self::default()
        })
    }

    /// The record of all messages.
    #[must_use]
    pub fn trace(&self) -> Option<Arc<Trace>> {
        self.trace.clone()
    }

    /// A number never given before.
    pub fn number(&self) -> u32 {
        self.last_number.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// The machine these settings mean: one that is attached already, or a new one.
    ///
    /// # Errors
    /// It cannot be started or reached.
    pub async fn attach(
        self: &Arc<Self>,
        config: Config,
        launch: bool,
    ) -> Result<Arc<Machine>, Failure> {
        let _one_at_a_time = self.attaching.lock().await;
        let known = self
            .machines()
            .iter()
            .find(|machine| machine.config.key() == config.key())
            .cloned();
        if let Some(machine) = known {
            return Ok(machine);
        }
        let machine = Machine::open(self, config, launch).await?;
        self.machines().push(Arc::clone(&machine));
        Ok(machine)
    }

    /// An attached machine by its number.
    #[must_use]
    pub fn machine(&self, number: u32) -> Option<Arc<Machine>> {
        self.machines()
            .iter()
            .find(|machine| machine.number == number)
            .cloned()
    }

    /// Forgets a machine that is not attached any more.
    pub fn forget(&self, number: u32) {
        self.machines().retain(|machine| machine.number != number);
    }

    /// Keeps others from attaching while a target is given back.
    pub(crate) async fn while_leaving(&self) -> tokio::sync::MutexGuard<'_, ()> {
        self.attaching.lock().await
    }

    /// Counts a connection; it is over when the guard is dropped.
    #[must_use]
    pub fn connected(self: &Arc<Self>) -> Connected {
        self.connections.fetch_add(1, Ordering::Relaxed);
        self.ever_connected.store(true, Ordering::Relaxed);
        self.changed.notify_waiters();
        Connected(Arc::clone(self))
    }

    /// How many connections there are.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }

    /// Whether there was one.
    #[must_use]
    pub fn was_used(&self) -> bool {
        self.ever_connected.load(Ordering::Relaxed)
    }

    /// Asks every connection to end.
    pub fn close(&self) {
        *self.closing.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.changed.notify_waiters();
    }

    /// Waits until [`close`](Self::close) is called.
    pub async fn closed(&self) {
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            if *self.closing.lock().unwrap_or_else(PoisonError::into_inner) {
                return;
            }
            changed.await;
        }
    }

    /// Waits until there is no connection.
    pub async fn idle(&self) {
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            if self.connections() == 0 {
                return;
            }
            changed.await;
        }
    }

    fn machines(&self) -> MutexGuard<'_, Vec<Arc<Machine>>> {
        self.machines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A connection that exists.
pub struct Connected(Arc<Hub>);

impl Drop for Connected {
    fn drop(&mut self) {
        self.0.connections.fetch_sub(1, Ordering::Relaxed);
        self.0.changed.notify_waiters();
    }
}
