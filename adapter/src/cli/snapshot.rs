//! `hvdap snapshot`: a halt, saved.

use std::io::{IsTerminal, Write};
use std::path::PathBuf;

use crate::config::Config;
use crate::visit;

pub(super) async fn save(config: &Config, output: PathBuf) -> Result<(), String> {
    let shown = output.display().to_string();
    visit::visit(config, move |engine| {
        let mut write = |target: &mut dyn machine::Target| {
            backends::write_snapshot(target, &output, &mut progress)
                .map_err(|error| error.to_string())
        };
        engine.snapshot(&mut write).map_err(|error| error.message)
    })
    .await?;
    tracing::info!("saved {shown}");
    Ok(())
}

/// For who watches.
fn progress(done: u64, total: u64) {
    let mut stderr = std::io::stderr();
    if stderr.is_terminal() {
        let end = if done == total { '\n' } else { '\r' };
        let _ = write!(stderr, "{} of {} MiB{end}", done >> 20, total >> 20);
    }
}
