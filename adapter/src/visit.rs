//! A visit to a machine by a command: halt, look, leave it as it was.

use std::io::Write;

use engine::Engine;
use engine::view::Event;
use tokio::sync::mpsc;

use crate::config::{Config, OnDisconnect};
use crate::files::{self, Progress};
use crate::link::Link;

/// Attaches with all images read, does `look`, and detaches; also when interrupted.
///
/// # Errors
/// One sentence: what could not be opened, what `look` says, that the target was lost.
pub async fn visit<T: Send + 'static>(
    config: &Config,
    look: impl FnOnce(&mut Engine) -> Result<T, String> + Send + 'static,
) -> Result<T, String> {
    let visit = Visit::begin(config).await?;
    let looking = async {
        visit.read_images().await;
        visit.call(look).await
    };
    let outcome = tokio::select! {
        outcome = looking => outcome,
        _ = tokio::signal::ctrl_c() => Err("interrupted".to_owned()),
    };
    visit.end(outcome).await
}

/// An attached machine, halted at first.
pub struct Visit<'a> {
    config: &'a Config,
    link: Link,
    events: mpsc::UnboundedReceiver<Event>,
    lost: Option<String>,
}

impl<'a> Visit<'a> {
    /// Attaches.
    ///
    /// # Errors
    /// One sentence: what could not be opened.
    pub async fn begin(config: &'a Config) -> Result<Self, String> {
        let (link, events) = Link::open(config)
            .await
            .map_err(|failure| failure.message)?;
        Ok(Self {
            config,
            link,
            events,
            lost: None,
        })
    }

    /// The way to the engine, for whom has to call it while somebody waits here.
    #[must_use]
    pub fn link(&self) -> Link {
        self.link.clone()
    }

    /// Reads all images the user named.
    pub async fn read_images(&self) {
        let (notes, mut noted) = mpsc::unbounded_channel();
        let told = move |progress| {
            if let Progress::Note(text) = progress {
                let _ = notes.send(text);
            }
        };
        files::load(&self.config.images, self.link.images(), told)
            .await
            .join_all()
            .await;
        while let Some(note) = noted.recv().await {
            warn(&note);
        }
    }

    /// Does something on the engine's thread.
    ///
    /// # Errors
    /// What `work` says, or that the debugger ended.
    pub async fn call<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Engine) -> Result<T, String> + Send + 'static,
    ) -> Result<T, String> {
        self.link
            .call(work)
            .await
            .map_err(|failure| failure.message)?
    }

    /// Waits until a machine that was let go halts for a reason of its own or is gone, and tells why.
    pub async fn interrupted(&mut self) -> String {
        loop {
            match self.events.recv().await {
                Some(Event::Stopped(stop)) => {
                    return format!("the machine was halted: {}", stop.description);
                }
                Some(event) => self.take(event),
                None => return "the debugger ended".to_owned(),
            }
            if let Some(reason) = &self.lost {
                return reason.clone();
            }
        }
    }

    /// Whether the machine is gone.
    #[must_use]
    pub const fn is_lost(&self) -> bool {
        self.lost.is_some()
    }

    /// Detaches and leaves the machine as the user wants it. Gives `outcome`, unless that failed or the machine is gone.
    ///
    /// # Errors
    /// That of `outcome`, of detaching, or that the target was lost.
    pub async fn end<T>(mut self, outcome: Result<T, String>) -> Result<T, String> {
        let leave_running = self.config.on_disconnect == OnDisconnect::Resume;
        let left = self
            .link
            .ask(move |engine| engine.detach(leave_running))
            .await;
        while let Ok(event) = self.events.try_recv() {
            self.take(event);
        }
        match (outcome, self.lost, left) {
            (Err(_), Some(reason), _) => Err(reason),
            (Ok(_), _, Err(failure)) => Err(failure.message),
            (outcome, ..) => outcome,
        }
    }

    /// Prints what the engine has to say, and notes that the target was lost.
    fn take(&mut self, event: Event) {
        match event {
            Event::Message { text, .. } => warn(&self.config.with_place(&text)),
            Event::Lost(reason) => self.lost = Some(reason),
            _ => {}
        }
    }
}

fn warn(text: &str) {
    let _ = writeln!(std::io::stderr(), "hvdap: note: {text}");
}
