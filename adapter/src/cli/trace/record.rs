//! `hvdap trace record`: attach, record until told to end, leave. Of a saved halt, what it holds is written down.

use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use clap::Args;
use engine::tracing::recording::Mask;
use tokio::time::sleep;
use trace::format::xen::recording::Totals;

use super::super::MachineArguments;
use super::written;
use crate::link::Link;
use crate::recorder::{Fill, Output, Recorder};
use crate::visit::Visit;

/// How long buffers are left alone at first, and at least.
const FIRST: Duration = Duration::from_millis(50);
const SHORTEST: Duration = Duration::from_millis(5);
/// How often progress is shown.
const SHOWN: Duration = Duration::from_millis(500);

#[derive(Debug, Args)]
pub(in crate::cli) struct Arguments {
    #[command(flatten)]
    machine: MachineArguments,
    /// The file, in the format of xentrace (schemas/recording.md); what it holds is replaced.
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    /// How long, such as 10s; otherwise until Ctrl-C.
    #[arg(long = "for", value_name = "TIME", value_parser = written::duration)]
    length: Option<Duration>,
    /// What to trace: the hypervisor's own mask (Xen's as 0x29000, hvtrace's a bit for each kind of record), or run-states, switches,
    /// scheduler, domains, exits, calls, memory, hardware, marks, all, with + between. Otherwise what every timeline needs:
    /// run-states+switches, of hvtrace domains and marks too.
    #[arg(long, value_name = "MASK", value_parser = written::mask)]
    mask: Option<Mask>,
    /// The longest time between two looks at the buffers; those that fill faster are looked at more often.
    #[arg(long, value_name = "TIME", value_parser = written::duration, default_value = "500ms")]
    every: Duration,
}

/// The engine's thread, the one that drains and the one that shows progress take turns with it.
type Shared = Arc<Mutex<Recorder>>;

pub(super) async fn record(arguments: Arguments) -> Result<(), String> {
    let config = arguments.machine.config()?;
    let output = Output::create(&arguments.output)?;
    let mut visit = Visit::begin(&config).await?;
    let begun = tokio::select! {
        begun = begin(&visit, output, arguments.mask) => begun,
        _ = tokio::signal::ctrl_c() => Err("interrupted".to_owned()),
    };
    let recorder = match begun {
        Ok(Beginning::Begun(recorder)) => recorder,
        Ok(Beginning::Saved(totals)) => {
            visit.end(Ok(())).await?;
            return told_of_saved(totals, &arguments.output);
        }
        Err(why) => return visit.end(Err(why)).await,
    };
    let progress = Progress::begin(Arc::clone(&recorder));
    let why = tokio::select! {
        why = drain(&recorder, visit.link(), arguments.every) => Err(why),
        why = visit.interrupted() => Err(why),
        () = told_to_end(arguments.length) => Ok(()),
        () = progress.show() => Ok(()),
    };
    let outcome = finish(&visit, recorder, why).await;
    let outcome = visit.end(outcome).await;
    progress.summary(&arguments.output);
    outcome
}

/// What recording begins with.
enum Beginning {
    Begun(Shared),
    /// A saved halt, of which everything has been written down.
    Saved(Totals),
}

/// Begins at the halt that came with attaching, and lets the machine go.
async fn begin(visit: &Visit<'_>, output: Output, mask: Option<Mask>) -> Result<Beginning, String> {
    visit.read_images().await;
    let begin = move |engine: &mut engine::Engine| {
        if engine.is_saved() {
            return Recorder::of_saved_halt(engine, output).map(Beginning::Saved);
        }
        let recorder = Recorder::begin(engine, output, mask)?;
        engine.resume(None).map_err(|error| error.message)?;
        Ok(Beginning::Begun(Arc::new(Mutex::new(recorder))))
    };
    visit.call(begin).await
}

/// Drains until it cannot go on, and tells why.
async fn drain(recorder: &Shared, link: Link, every: Duration) -> String {
    let is_shared = lock(recorder).is_shared();
    let broken = if is_shared {
        drain_beside(Arc::clone(recorder), every).await
    } else {
        drain_in_halts(recorder, &link, every).await
    };
    broken.err().unwrap_or_default()
}

/// Drains on a thread of its own while the machine runs. The thread ends when nobody waits for this any more.
async fn drain_beside(recorder: Shared, every: Duration) -> Result<(), String> {
    let (_wanted, unwanted) = mpsc::channel::<()>();
    let draining = tokio::task::spawn_blocking(move || {
        let mut pause = FIRST;
        while unwanted.recv_timeout(pause) == Err(RecvTimeoutError::Timeout) {
            let fill = lock(&recorder).drain_shared()?;
            pause = next_pause(pause, fill, every);
        }
        Ok(())
    });
    draining
        .await
        .unwrap_or_else(|error| Err(error.to_string()))
}

async fn drain_in_halts(recorder: &Shared, link: &Link, every: Duration) -> Result<(), String> {
    let mut pause = FIRST;
    loop {
        sleep(pause).await;
        let recorder = Arc::clone(recorder);
        let drained = link.call(move |engine| lock(&recorder).drain_in_a_halt(engine));
        let fill = drained.await.map_err(|failure| failure.message)??;
        pause = next_pause(pause, fill, every);
    }
}

/// So that buffers are a quarter full at the next look, if nothing changes.
fn next_pause(pause: Duration, fill: Fill, longest: Duration) -> Duration {
    let quarter = f64::from(fill.capacity) / 4.0;
    let factor = quarter / f64::from(fill.fullest.max(1));
    pause
        .mul_f64(factor.clamp(0.1, 2.0))
        .clamp(SHORTEST.min(longest), longest)
}

async fn told_to_end(length: Option<Duration>) {
    let for_ever = std::future::pending();
    let over = async {
        match length {
            Some(length) => sleep(length).await,
            None => for_ever.await,
        }
    };
    tokio::select! {
        () = over => {}
        _ = tokio::signal::ctrl_c() => {}
    }
}

/// Takes the last records: from memory that outlives the machine where that is gone, else at a halt where the hypervisor's switches are put back.
async fn finish(
    visit: &Visit<'_>,
    recorder: Shared,
    why: Result<(), String>,
) -> Result<(), String> {
    if visit.is_lost() {
        let mut recorder = lock(&recorder);
        if recorder.is_shared() {
            // Why the machine is gone is what the user has to know.
            let _ = recorder.drain_shared();
        }
        return why;
    }
    let ended = visit.call(move |engine| lock(&recorder).end(engine)).await;
    why.and(ended)
}

fn told_of_saved(totals: Totals, output: &Path) -> Result<(), String> {
    let counts = counts(&totals);
    let line = format!(
        "recorded what the halt holds: {counts}, in {}",
        output.display()
    );
    writeln!(std::io::stderr(), "{line}").map_err(|error| error.to_string())
}

/// Records, bytes, losses and gaps.
fn counts(totals: &Totals) -> String {
    let (records, megabytes, lost) = (totals.records, totals.bytes as f64 / 1e6, totals.lost);
    let gaps = match totals.gaps {
        0 => String::new(),
        gaps => format!(", {gaps} gaps"),
    };
    format!("{records} records, {megabytes:.1} MB, {lost} lost{gaps}")
}

fn lock(recorder: &Shared) -> MutexGuard<'_, Recorder> {
    recorder.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What is told of the recording while it goes on and at its end, on standard error.
struct Progress {
    recorder: Shared,
    began: Instant,
}

impl Progress {
    fn begin(recorder: Shared) -> Self {
        Self {
            recorder,
            began: Instant::now(),
        }
    }

    /// Shows it again and again where somebody watches, for ever.
    async fn show(&self) {
        let watched = std::io::stderr().is_terminal();
        loop {
            sleep(SHOWN).await;
            if watched {
                let _ = write!(std::io::stderr(), "\r{} ", self.line());
            }
        }
    }

    fn summary(&self, output: &Path) {
        let mut stderr = std::io::stderr();
        let back = if stderr.is_terminal() { "\r" } else { "" };
        let _ = writeln!(stderr, "{back}{}, in {}", self.line(), output.display());
    }

    fn line(&self) -> String {
        let totals = lock(&self.recorder).totals();
        let seconds = self.began.elapsed().as_secs_f64();
        let counts = counts(&totals);
        let rate = totals.records as f64 / seconds.max(0.001);
        format!("recorded {seconds:.1} s at {rate:.0} records a second: {counts}")
    }
}
