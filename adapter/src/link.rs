//! The way from async code to the engine's thread: opening a target, and calling the engine.

use engine::view::{Blame, EngineError, Event};
use engine::{Engine, Handle};
use tokio::sync::{mpsc, oneshot};

use crate::config::Config;
use crate::wire::Failure;

/// A running engine.
#[derive(Clone)]
pub struct Link {
    handle: Handle,
}

impl Link {
    /// Opens the target the user named and starts an engine on it; its events come in the queue.
    ///
    /// # Errors
    /// One sentence that names the target.
    pub async fn open(config: &Config) -> Result<(Self, mpsc::UnboundedReceiver<Event>), Failure> {
        let connect = config.connect.clone();
        let options = backends::Options {
            ram: config.ram.clone(),
        };
        let opening = tokio::task::spawn_blocking(move || backends::open(&connect, &options));
        let target = opening
            .await
            .map_err(|error| Failure::ours(format!("opening {} failed: {error}", config.connect)))?
            .map_err(|error| Failure::target(error.to_string()))?;
        let (events, queue) = mpsc::unbounded_channel();
        let send = move |event| {
            let _ = events.send(event);
        };
        let handle = engine::start(target, config.setup(), Box::new(send));
        Ok((Self { handle }, queue))
    }

    /// Runs `request` on the engine's thread and waits for what it returns.
    ///
    /// # Errors
    /// The engine is gone.
    pub async fn call<T: Send + 'static>(
        &self,
        request: impl FnOnce(&mut Engine) -> T + Send + 'static,
    ) -> Result<T, Failure> {
        let (answer, answered) = oneshot::channel();
        self.handle.call(move |engine| {
            let _ = answer.send(request(engine));
        });
        answered
            .await
            .map_err(|_| Failure::ours("the debugger ended"))
    }

    /// As [`call`](Self::call), for what may fail.
    ///
    /// # Errors
    /// The engine's, or that it is gone.
    pub async fn ask<T: Send + 'static>(
        &self,
        request: impl FnOnce(&mut Engine) -> Result<T, EngineError> + Send + 'static,
    ) -> Result<T, Failure> {
        self.call(request).await?.map_err(Failure::from)
    }

    /// Where loaders deliver images.
    #[must_use]
    pub fn images(&self) -> Handle {
        self.handle.clone()
    }
}

impl From<EngineError> for Failure {
    fn from(error: EngineError) -> Self {
        match error.blame {
            Blame::User => Self::user(error.message),
            Blame::Target => Self::target(error.message),
        }
    }
}
