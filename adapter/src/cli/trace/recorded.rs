//! `hvdap trace info`, `stats`, `why`, `export`: recorded traces, looked at and turned into what other programs read.

use std::io::{IsTerminal, Write};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand, ValueEnum};
use machine::GuestId;
use serde::Serialize;
use trace::clock::Frequency;
use trace::stats::Request;
use trace::store::View;
use trace::timeline::Timeline;

use super::super::{Failure, print, to_json};
use crate::config;
use crate::trace::export::{self, Format};
use crate::trace::join::Guest;
use crate::trace::names::{self, Names};
use crate::trace::open::{self, Recording, open};
use crate::trace::reading;
use crate::trace::source::{HVTRACE, Source};
use crate::trace::time::{self, Moment};
use crate::trace::{info, stats, why};

/// What is said of a trace in the end of the help.
pub(super) const TIMES: &str = "\
Times are 1.5s, 20ms, 7us or 300ns since the start of the trace, or @TICKS of its clock.

The timeline of a file of 16 MiB or more is kept in the folder FILE.hvdap-index beside it, and used again as long as the file \
does not change; it may be removed at any time. Where that folder cannot be written, a temporary one is used.";

/// What to do with a trace.
#[derive(Debug, Subcommand)]
pub(in crate::cli) enum Command {
    /// Tell what a trace is: its kind, who is in it, its time, its records, what was lost.
    #[command(after_help = TIMES)]
    Info {
        #[command(flatten)]
        file: FileArguments,
        /// Print JSON (schemas/trace-info.schema.json).
        #[arg(long)]
        json: bool,
    },
    /// Tell what VMs, vCPUs and cores did: shares of time, wake-to-run latency, run lengths, loads, preemptions.
    #[command(after_help = TIMES)]
    Stats {
        #[command(flatten)]
        file: FileArguments,
        #[command(flatten)]
        window: Window,
        /// Leave out the time during which the debugger held the machine.
        #[arg(long)]
        cut_halts: bool,
        /// How many of the worst latencies and of the preemptions to list.
        #[arg(long, value_name = "N", default_value_t = 10)]
        top: usize,
        /// The VM that guests' requests go to (needs --guest); VM 0 when not given.
        #[arg(long, value_name = "VM")]
        backend: Option<String>,
        /// What an empty round trip to the backend takes: so much of each request is not the backend's for certain.
        #[arg(long, value_name = "TIME", value_parser = time::length, default_value = "0ns")]
        floor: u64,
        /// Print JSON (schemas/trace-stats.schema.json).
        #[arg(long)]
        json: bool,
    },
    /// Tell in one sentence, with the evidence, why a vCPU was running or not at a time.
    #[command(after_help = TIMES)]
    Why {
        #[command(flatten)]
        file: FileArguments,
        /// The vCPU: its VM's name or number and its own number, such as DomU/0.
        #[arg(long, value_name = "VM/N")]
        vcpu: String,
        /// The time.
        #[arg(long, value_name = "TIME")]
        at: Moment,
        /// Print JSON (schemas/trace-why.schema.json).
        #[arg(long)]
        json: bool,
    },
    /// Write the timeline for other programs.
    #[command(after_help = TIMES)]
    Export {
        #[command(flatten)]
        file: FileArguments,
        /// Begin here, not at the start.
        #[arg(long, value_name = "TIME")]
        from: Option<Moment>,
        /// perfetto, chrome, ctf, csv or parquet. Given again, with a time: end there, not at the end.
        #[arg(long, value_name = "FORMAT", required = true, value_parser = To::parse)]
        to: Vec<To>,
        /// The file to write; the folder to make for ctf, csv and parquet.
        #[arg(short, long, value_name = "OUT")]
        output: PathBuf,
    },
}

/// A trace file and what it does not say itself.
#[derive(Debug, Args)]
pub(in crate::cli) struct FileArguments {
    /// A file of xentrace, or a guest's trace.dat.
    file: PathBuf,
    #[command(flatten)]
    told: Told,
}

/// What a trace file does not say itself.
#[derive(Debug, Args)]
pub(super) struct Told {
    /// Ticks a second of the trace's clock (CNTFRQ_EL0; on x86 the TSC's frequency), such as 62.5M, where the file does not say.
    #[arg(long, value_name = "FREQUENCY", value_parser = time::frequency)]
    hz: Option<Frequency>,
    /// The name of a VM, such as 1=DomU. May be repeated.
    #[arg(long, value_name = "NUMBER=NAME", value_parser = names::parse)]
    name: Vec<(u32, String)>,
    /// A machine file that names the VMs (`match = { guest = 1 }`).
    #[arg(short, long, value_name = "FILE")]
    pub(super) machine: Option<PathBuf>,
    /// A guest's own trace of the same time, such as DomU=trace.dat: its tasks are shown beside its vCPUs, on the same clock.
    #[arg(long, value_name = "VM=FILE")]
    guest: Vec<String>,
    /// The folder to keep the timeline in.
    #[arg(long, value_name = "DIR")]
    index: Option<PathBuf>,
}

/// A stretch of time.
#[derive(Debug, Args)]
pub(in crate::cli) struct Window {
    /// Begin here, not at the start.
    #[arg(long, value_name = "TIME")]
    from: Option<Moment>,
    /// End here, not at the end.
    #[arg(long, value_name = "TIME")]
    to: Option<Moment>,
}

pub(super) fn run(command: Command) -> Result<(), Failure> {
    match command {
        Command::Info { file, json } => {
            let (recording, names) = file.open()?;
            let info = info::info(&recording, &names);
            answer(json, &info, || info.text(&recording))
        }
        Command::Stats {
            file,
            window,
            cut_halts,
            top,
            backend,
            floor,
            json,
        } => {
            let (recording, names) = file.open()?;
            let view = recording.timed()?;
            let (from, to) = window.ticks(view)?;
            let guest = backend.map_or(Ok(GuestId(0)), |vm| names.number(&vm))?;
            let request = Request {
                from,
                to,
                cut_halts,
                top,
            };
            let backend = stats::Backend {
                guest,
                floor_ns: floor,
            };
            let stats = stats::report(view, &names, &request, backend);
            answer(json, &stats, || stats.text())
        }
        Command::Why {
            file,
            vcpu,
            at,
            json,
        } => {
            let (recording, names) = file.open()?;
            let view = recording.timed()?;
            let lane = names.vcpu(view, &vcpu)?;
            let why = why::ask(view, &names, lane, at.ticks(view))?;
            answer(json, &why, || why.text())
        }
        Command::Export {
            file,
            from,
            to,
            output,
        } => {
            let (format, to) = To::both(&to)?;
            export_to(&file, &Window { from, to }, format, &output)
        }
    }
}

fn export_to(
    file: &FileArguments,
    window: &Window,
    format: Format,
    output: &Path,
) -> Result<(), Failure> {
    let (recording, names) = file.open()?;
    let view = recording.timed()?;
    let (from, to) = window.ticks(view)?;
    Ok(export::named(view, &names, (from, to), |export| {
        export::write(export, format, output)
    })?)
}

fn answer(json: bool, report: &impl Serialize, text: impl Fn() -> String) -> Result<(), Failure> {
    if !json {
        return Ok(print(text().as_bytes())?);
    }
    Ok(print(&to_json(report)?)?)
}

impl FileArguments {
    fn open(&self) -> Result<(Recording, Names), Failure> {
        let names = self.told.names()?;
        let guests = self.told.guests(&self.file, &names)?;
        let mut watch = Watch::default();
        let opened = open(
            &open::Request {
                file: &self.file,
                index: self.told.index.as_deref(),
                frequency: self.told.hz,
                guests: &guests,
                in_files: false,
            },
            &mut |growth| watch.look(growth.timeline),
        );
        watch.end();
        let opened = opened?;
        let names = match opened.about.kind.as_str() {
            HVTRACE => names.without_domains(),
            _ => names,
        };
        Ok((opened, names))
    }
}

impl Told {
    /// What to read, to be looked at meanwhile, and what its VMs are called.
    pub(super) fn reading(&self, file: PathBuf) -> Result<(reading::Request, Names), Failure> {
        let names = self.names()?;
        let request = reading::Request {
            guests: self.guests(&file, &names)?,
            file,
            index: self.index.clone(),
            frequency: self.hz,
        };
        Ok((request, names))
    }

    fn names(&self) -> Result<Names, Failure> {
        let mut names = match &self.machine {
            Some(file) => {
                Names::of_machine(&config::machine_file(file).map_err(|error| error.to_string())?)
            }
            None => Names::default(),
        };
        for (number, name) in &self.name {
            names.give(GuestId(*number), name);
        }
        Ok(names)
    }

    fn guests(&self, file: &Path, names: &Names) -> Result<Vec<Guest>, Failure> {
        let clock = || self.hz.or_else(|| Source::open(file).ok()?.frequency());
        let guest = |text: &String| {
            let wrong = || {
                format!("`{text}` names no guest's trace: write VM=FILE, such as DomU=trace.dat")
            };
            let (vm, file) = text.split_once('=').ok_or_else(wrong)?;
            let frequency =
                clock().ok_or("clocks can only be matched with --hz, the machine's CNTFRQ_EL0")?;
            Ok(Guest {
                number: names.number(vm)?,
                source: Source::open(file.as_ref())?,
                frequency,
            })
        };
        self.guest.iter().map(guest).collect()
    }
}

impl Window {
    fn ticks(&self, view: View<'_>) -> Result<(u64, u64), Failure> {
        let ticks = |moment: Option<Moment>, or| moment.map_or(or, |moment| moment.ticks(view));
        let from = ticks(self.from, view.first()).max(view.first());
        let to = ticks(self.to, view.until()).min(view.until());
        if from > to || from == to && view.first() < view.until() {
            let (first, last) = (
                time::since(view, view.first()),
                time::since(view, view.until()),
            );
            let said = format!(
                "nothing lies between --from and --to: the trace goes from {first} to {last}"
            );
            return Err(said.into());
        }
        Ok((from, to))
    }
}

/// What an export goes to: a format, and a time.
#[derive(Clone, Copy, Debug)]
pub(in crate::cli) enum To {
    Format(Format),
    Time(Moment),
}

impl To {
    fn parse(text: &str) -> Result<Self, String> {
        let format = Format::from_str(text, true).map(Self::Format);
        format
            .or_else(|_| text.parse().map(Self::Time))
            .map_err(|_: String| {
                let formats = Format::value_variants()
                    .iter()
                    .filter_map(Format::to_possible_value);
                let formats: Vec<String> =
                    formats.map(|value| value.get_name().to_owned()).collect();
                format!(
                    "neither a format ({}) nor a time such as 1.5s",
                    formats.join(", ")
                )
            })
    }

    fn both(given: &[Self]) -> Result<(Format, Option<Moment>), Failure> {
        let format = given.iter().find_map(|to| match to {
            Self::Format(format) => Some(*format),
            Self::Time(_) => None,
        });
        let time = given.iter().find_map(|to| match to {
            Self::Time(time) => Some(*time),
            Self::Format(_) => None,
        });
        match (format, given.len() - usize::from(time.is_some())) {
            (Some(format), 1) => Ok((format, time)),
            _ => Err(Failure::Usage(
                "name one format with --to, such as --to perfetto".to_owned(),
            )),
        }
    }
}

/// Shows who watches that a large file is being read.
#[derive(Default)]
struct Watch {
    shown: bool,
}

impl Watch {
    fn look(&mut self, timeline: &Timeline) -> ControlFlow<()> {
        let mut stderr = std::io::stderr();
        if stderr.is_terminal() {
            self.shown = true;
            let events = timeline.notices().events;
            let _ = write!(stderr, "\rreading: {} million records", events / 1_000_000);
        }
        ControlFlow::Continue(())
    }

    fn end(&self) {
        if self.shown {
            let _ = writeln!(std::io::stderr());
        }
    }
}
