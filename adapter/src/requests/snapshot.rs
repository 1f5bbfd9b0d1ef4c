//! `hvdap/snapshot`: the present halt, or a moment's, saved to a file.

use std::path::PathBuf;
use std::sync::Arc;

use engine::Engine;
use machine::Target;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Answer, body};
use crate::connection::Session;
use crate::wire::{Failure, Request};

/// Arguments of `hvdap/snapshot`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "hvdap/snapshot, its arguments")]
pub struct Snapshot {
    /// The file, from the root of the file system; compressed when the name ends in `.zst`, overwritten when it exists.
    pub path: PathBuf,
}

/// Body of `hvdap/snapshot`.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(title = "hvdap/snapshot")]
pub struct Saved {
    /// The file.
    pub path: PathBuf,
    /// Its size.
    pub bytes: u64,
}

/// A machine that runs is halted while it is saved, and runs on.
pub(super) async fn save(session: &Arc<Session>, request: &Request) -> Answer {
    let Snapshot { path } = request.arguments()?;
    if !path.is_absolute() {
        return Err(Failure::user(format!(
            "`path` must begin at the root of the file system: {} does not",
            path.display()
        )));
    }
    let machine = session.machine()?;
    let mut shown =
        session.show_progress(&format!("snapshot {}", request.seq), "Saving a snapshot");
    let file = path.clone();
    let saving = move |engine: &mut Engine| {
        let mut write = |target: &mut dyn Target| {
            let mut progress = |done, total| shown.update(done, total);
            backends::write_snapshot(target, &file, &mut progress)
                .map_err(|error| error.to_string())
        };
        engine.in_a_halt(|engine| engine.snapshot(&mut write))
    };
    machine.link.ask(saving).await?;
    let bytes = std::fs::metadata(&path).map_or(0, |file| file.len());
    body(Saved { path, bytes })
}
