//! Starting the machine ourselves: the command line of the machine file, and ending what it started.

use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use engine::view::Event;
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::mpsc;

use crate::config::Config;
use crate::link::Link;
use crate::wire::Failure;

/// How long what was started may take to accept a debugger.
const PATIENCE: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_millis(50);
/// How much of its last words is kept.
const LAST_WORDS: usize = 2000;

/// A process started by us. It ends with this value, unless it is to be kept.
pub(super) struct Launched {
    process: Child,
    kept: bool,
}

impl Launched {
    /// Ends the process and waits for its end.
    pub(super) async fn end(mut self) {
        if let Err(error) = self.process.kill().await {
            tracing::warn!("the machine could not be ended: {error}");
        }
    }

    /// Leaves the process alone.
    pub(super) fn keep(mut self) {
        self.kept = true;
    }
}

impl Drop for Launched {
    fn drop(&mut self) {
        if !self.kept {
            let _ = self.process.start_kill();
        }
    }
}

type Opened = (Link, mpsc::UnboundedReceiver<Event>);

/// Starts the command line and attaches as soon as that is possible.
pub(super) async fn start(config: &Config) -> Result<(Launched, Opened), Failure> {
    let [program, arguments @ ..] = config.launch.as_slice() else {
        return Err(Failure::user(
            "`launch` needs `target.launch` in the machine file, the command line that starts the machine; use `attach` for one that runs",
        ));
    };
    let process = Command::new(program)
        .args(arguments)
        .current_dir(&config.folder)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| Failure::user(format!("`{program}` cannot be started: {error}")))?;
    let mut launched = Launched {
        process,
        kept: false,
    };
    let words = Arc::new(Mutex::new(String::new()));
    collect(launched.process.stdout.take(), &words);
    collect(launched.process.stderr.take(), &words);
    let until = Instant::now() + PATIENCE;
    loop {
        let failure = match Link::open(config).await {
            Ok(opened) => return Ok((launched, opened)),
            Err(failure) => failure,
        };
        if let Ok(Some(status)) = launched.process.try_wait() {
            let words = words.lock().unwrap_or_else(PoisonError::into_inner);
            return Err(Failure::user(format!(
                "`{program}` ended at once ({status}): {}",
                words.trim()
            )));
        }
        if Instant::now() > until {
            launched.end().await;
            return Err(failure);
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Reads a stream of the process for ever, so that it never blocks, and keeps the last words.
fn collect(stream: Option<impl AsyncRead + Send + Unpin + 'static>, words: &Arc<Mutex<String>>) {
    let Some(stream) = stream else { return };
    let words = Arc::clone(words);
    tokio::spawn(async move {
        let mut lines = BufReader::new(stream).split(b'\n');
        while let Ok(Some(line)) = lines.next_segment().await {
            let line = String::from_utf8_lossy(&line).into_owned();
            tracing::info!("machine: {line}");
            let mut words = words.lock().unwrap_or_else(PoisonError::into_inner);
            words.push_str(&line);
            words.push('\n');
            let surplus = words.len().saturating_sub(LAST_WORDS);
            let surplus = (surplus..=words.len()).find(|at| words.is_char_boundary(*at));
            words.drain(..surplus.unwrap_or(0));
        }
    });
}
