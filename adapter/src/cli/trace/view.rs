//! `hvdap trace view`: the timeline of a file or of a machine, in the browser.

use std::io::Write;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use engine::tracing::recording::Mask;
use serde_json::json;
use tokio::process::Command;
use tokio::signal::unix::{SignalKind, signal};

use super::super::{Failure, MachineArguments, print};
use super::recorded::Told;
use super::written;
use crate::hub::{Ending, Hub, Machine};
use crate::page::Shown;
use crate::page::server::Page;
use crate::trace::reading::Reading;

/// How often the buffers are emptied in a halt, of a machine whose RAM is not at hand.
const EVERY: Duration = Duration::from_millis(500);

/// How long reading may take to end.
const GOODBYE: Duration = Duration::from_secs(2);

#[derive(Debug, Args)]
#[command(after_help = super::recorded::TIMES)]
pub(in crate::cli) struct Arguments {
    /// A file of xentrace, or a guest's trace.dat. Without it, the machine of --machine or --target is attached to and recorded.
    #[arg(required_unless_present_any = ["machine", "target"])]
    file: Option<PathBuf>,
    #[command(flatten)]
    told: Told,
    /// Attach to this instead of a file, record and show what comes: gdb:HOST:PORT or gdb:unix:PATH, or the machine file's target.
    #[arg(long, value_name = "TARGET", conflicts_with = "file")]
    target: Option<String>,
    /// What to trace of a machine, as in `hvdap trace record`.
    #[arg(long, value_name = "MASK", value_parser = written::mask, conflicts_with = "file")]
    mask: Option<Mask>,
    /// Serve on this port of this machine; otherwise on any that is free.
    #[arg(long, value_name = "PORT", default_value_t = 0)]
    port: u16,
    /// Open no browser; print the address as one line of JSON on standard output: {"url": "http://127.0.0.1:PORT/TOKEN/"}.
    #[arg(long)]
    no_open: bool,
}

pub(super) async fn view(arguments: Arguments) -> Result<(), Failure> {
    let Some(file) = &arguments.file else {
        return attached(arguments).await;
    };
    let (request, names) = arguments.told.reading(file.clone())?;
    let reading = Reading::new(&request, names)?;
    let reader = Arc::clone(&reading);
    let page = Page::new(Shown::File(Arc::clone(&reading)), arguments.port).await?;
    let reads = tokio::task::spawn_blocking(move || reader.read(&request));
    let outcome = show(page, arguments.no_open).await;
    reading.give_up();
    // The rest of a large file is passed over; nobody has to wait for all of it.
    let _ = tokio::time::timeout(GOODBYE, reads).await;
    outcome
}

async fn attached(arguments: Arguments) -> Result<(), Failure> {
    let machine = MachineArguments {
        target: arguments.target,
        machine: arguments.told.machine,
    };
    let config = machine.config()?;
    let hub = Hub::new(None);
    let attached = hub.attach(config, false).await;
    let machine = attached.map_err(|failure| failure.message)?;
    let begun = begin(&machine, arguments.mask).await;
    let outcome = match begun {
        Ok(while_running) => {
            let page = Page::new(Shown::Machine(Arc::clone(&machine)), arguments.port).await;
            let page = page.map_err(Failure::from);
            let showing = async { show(page?, arguments.no_open).await };
            tokio::select! {
                outcome = showing => outcome,
                why = empty(&machine), if !while_running => Err(why.into()),
            }
        }
        Err(why) => Err(why.into()),
    };
    machine.end(Ending::Configured).await;
    outcome
}

/// Switches recording on at the halt that came with attaching, and lets the machine go. Whether nothing has to be done to keep it up: of a
/// saved halt, everything there is has been taken.
async fn begin(machine: &Arc<Machine>, mask: Option<Mask>) -> Result<bool, String> {
    machine.load_images().await;
    machine.wait_for_images().await;
    let begun = async {
        let standing = machine.start_recording(mask).await?;
        if standing.recording {
            machine.link.ask(|engine| engine.resume(None)).await?;
        }
        Ok(standing.while_running || !standing.recording)
    };
    begun
        .await
        .map_err(|failure: crate::wire::Failure| failure.message)
}

/// Empties the buffers again and again in short halts, and tells why it cannot go on.
async fn empty(machine: &Machine) -> String {
    loop {
        tokio::time::sleep(EVERY).await;
        if let Err(failure) = machine.empty_in_a_halt().await {
            return failure.message;
        }
    }
}

/// Serves until told to end.
async fn show(page: Page, no_open: bool) -> Result<(), Failure> {
    let url = page.url();
    if no_open {
        print(format!("{}\n", json!({ "url": url })).as_bytes())?;
    } else {
        let opened = open(&url).await;
        let said = match opened {
            true => "it is being opened in the browser",
            false => "no browser could be opened here: open it in one of this machine",
        };
        print(format!("{url}\n").as_bytes())?;
        let _ = writeln!(std::io::stderr(), "{said}; Ctrl-C ends");
    }
    tokio::select! {
        () = page.serve() => {}
        ended = told_to_end() => ended?,
    }
    Ok(())
}

async fn told_to_end() -> Result<(), String> {
    let no_signals = |error| format!("signals cannot be received: {error}");
    let mut terminate = signal(SignalKind::terminate()).map_err(no_signals)?;
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        _ = terminate.recv() => {}
    }
    Ok(())
}

/// Whether a browser was found that takes it.
async fn open(url: &str) -> bool {
    let program = if cfg!(target_os = "macos") {
        "open"
    } else {
        "xdg-open"
    };
    let mut command = Command::new(program);
    command
        .arg(url)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let taken = async { command.status().await.is_ok_and(|status| status.success()) };
    // Some stay as long as the browser does.
    tokio::time::timeout(Duration::from_secs(3), taken)
        .await
        .unwrap_or(true)
}
