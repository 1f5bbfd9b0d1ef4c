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
    let (link, events) = Link::open(config)
        .await
        .map_err(|failure| failure.message)?;
    let looking = async {
        let (notes, mut noted) = mpsc::unbounded_channel();
        let told = move |progress| {
            if let Progress::Note(text) = progress {
                let _ = notes.send(text);
            }
        };
        files::load(&config.images, link.images(), told)
            .await
            .join_all()
            .await;
        while let Some(note) = noted.recv().await {
            warn(&note);
        }
        link.call(look).await.map_err(|failure| failure.message)?
    };
    let outcome = tokio::select! {
        outcome = looking => outcome,
        _ = tokio::signal::ctrl_c() => Err("interrupted".to_owned()),
    };
    let leave_running = config.on_disconnect == OnDisconnect::Resume;
    let left = link.ask(move |engine| engine.detach(leave_running)).await;
    drop(link);
    let lost = told(config, events);
    match (outcome, lost, left) {
        (Err(_), Some(reason), _) => Err(reason),
        (Ok(_), _, Err(failure)) => Err(failure.message),
        (outcome, ..) => outcome,
    }
}

/// Prints what the engine had to say; gives the reason when the target was lost.
fn told(config: &Config, mut events: mpsc::UnboundedReceiver<Event>) -> Option<String> {
    let mut lost = None;
    while let Ok(event) = events.try_recv() {
        match event {
            Event::Message { text, .. } => warn(&config.with_place(&text)),
            Event::Lost(reason) => lost = Some(reason),
            _ => {}
        }
    }
    lost
}

fn warn(text: &str) {
    let _ = writeln!(std::io::stderr(), "hvdap: note: {text}");
}
