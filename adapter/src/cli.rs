//! The command line: what each subcommand takes, and how it ends.
//!
//! To add a subcommand: a variant of [`Command`], its arguments, its file in `cli/`, and a line in [`run`].

mod inspect;
mod serve;
mod snapshot;
mod trace;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{Args, CommandFactory, Parser, Subcommand};
use clap_complete::Shell;
use serde::Serialize;
use serde_json::json;

use crate::config::{self, Config};
use crate::demo;

/// A hypervisor-aware debug adapter for Armv8-A.
#[derive(Debug, Parser)]
#[command(name = "hvdap", version, arg_required_else_help = true)]
pub struct Cli {
    /// Say more on standard error; twice for everything.
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    verbose: u8,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve editors by the Debug Adapter Protocol, on standard input and output or by TCP.
    Dap(serve::Arguments),
    /// Halt the machine, list hypervisor, VMs and vCPUs, resume it.
    Vms {
        #[command(flatten)]
        machine: MachineArguments,
        /// Print JSON (schemas/vms.schema.json).
        #[arg(long)]
        json: bool,
    },
    /// Halt the machine, print the stack of every vCPU, running or not, resume it.
    Stack {
        #[command(flatten)]
        machine: MachineArguments,
        /// Only this VM, by its name or the hypervisor's number for it.
        #[arg(long, value_name = "VM")]
        vm: Option<String>,
        /// Only this vCPU (of the hypervisor: pCPU).
        #[arg(long, value_name = "N")]
        vcpu: Option<u32>,
        /// Print JSON (schemas/stack.schema.json).
        #[arg(long)]
        json: bool,
    },
    /// Halt the machine, translate an address of a vCPU, tell every descriptor on the way, resume it.
    #[command(allow_missing_positional = true)]
    Translate {
        #[command(flatten)]
        machine: MachineArguments,
        /// `0x…`, or a C expression, worked out in the innermost frame.
        #[arg(value_name = "ADDRESS")]
        address: String,
        /// Whose address, by the VM's name or the hypervisor's number for it; the hypervisor's own when left out.
        #[arg(long, value_name = "VM")]
        vm: Option<String>,
        /// Of which vCPU (of the hypervisor: pCPU).
        #[arg(long, value_name = "N", default_value_t = 0)]
        vcpu: u32,
        /// Print JSON (schemas/translate.schema.json).
        #[arg(long)]
        json: bool,
    },
    /// Halt the machine, save memory and registers to a file that can be attached to as `snapshot:FILE`, resume it.
    Snapshot {
        #[command(flatten)]
        machine: MachineArguments,
        /// The file; compressed when the name ends in `.zst`.
        #[arg(short, long, value_name = "FILE")]
        output: PathBuf,
    },
    /// Record and look at the hypervisor's own trace of who ran when.
    #[command(subcommand)]
    Trace(trace::Command),
    /// Take the guided tour: on the target that comes with hvdap, live where QEMU is installed.
    Demo {
        /// On real Xen with two Linux guests instead (in the folder of the repository; needs QEMU).
        #[arg(long)]
        xen: bool,
        /// Take no tour: write the target into this folder, with a saved halt and a machine file to attach with, and print JSON
        /// {"machine": "…/hvdap.toml"}. Needs no other program.
        #[arg(long, value_name = "DIR", conflicts_with = "xen")]
        files: Option<PathBuf>,
    },
    /// Print a shell's completion script.
    Completions {
        /// Which shell.
        shell: Shell,
    },
}

/// What to attach to.
#[derive(Debug, Args)]
struct MachineArguments {
    /// gdb:HOST:PORT, gdb:unix:PATH or snapshot:FILE; in place of the machine file's `target.connect`.
    #[arg(value_name = "TARGET")]
    target: Option<String>,
    /// The machine file. Without it and without TARGET, `hvdap.toml` in the current folder.
    #[arg(short, long, value_name = "FILE")]
    machine: Option<PathBuf>,
}

impl MachineArguments {
    fn config(&self) -> Result<Config, String> {
        let usual = Path::new("hvdap.toml");
        let file = match (&self.machine, &self.target) {
            (Some(file), _) => Some(file.as_path()),
            (None, None) if usual.exists() => Some(usual),
            (None, None) => Cli::command()
                .error(
                    ErrorKind::MissingRequiredArgument,
                    "no TARGET: name one, such as gdb:127.0.0.1:1234, or a machine file with --machine",
                )
                .exit(),
            (None, Some(_)) => None,
        };
        config::read_machine(file, self.target.as_deref()).map_err(|error| error.to_string())
    }
}

/// Runs the program.
#[must_use]
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    log_to_stderr(cli.verbose);
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => return fail(&format!("no threads to run on: {error}")),
    };
    let outcome = runtime.block_on(run(cli.command));
    // A thread may still be reading standard input: it is not waited for.
    runtime.shutdown_background();
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::Said(message)) => fail(&message),
        Err(Failure::Usage(message)) => {
            fail(&message);
            ExitCode::from(2)
        }
    }
}

/// Why a command ends without a result.
enum Failure {
    /// It failed: exit status 1.
    Said(String),
    /// It was not a thing to ask for: exit status 2.
    Usage(String),
}

impl<S: Into<String>> From<S> for Failure {
    fn from(message: S) -> Self {
        Self::Said(message.into())
    }
}

async fn run(command: Command) -> Result<(), Failure> {
    match command {
        Command::Dap(arguments) => serve::serve(arguments).await?,
        Command::Vms { machine, json } => inspect::vms(&machine.config()?, json).await?,
        Command::Stack {
            machine,
            vm,
            vcpu,
            json,
        } => inspect::stack(&machine.config()?, vm.as_deref(), vcpu, json).await?,
        Command::Translate {
            machine,
            address,
            vm,
            vcpu,
            json,
        } => inspect::translate(&machine.config()?, vm, vcpu, address, json).await?,
        Command::Snapshot { machine, output } => snapshot::save(&machine.config()?, output).await?,
        Command::Trace(command) => trace::run(command).await?,
        Command::Demo {
            files: Some(folder),
            ..
        } => {
            let machine = demo::write_files(&folder).map_err(|error| error.to_string())?;
            print(format!("{}\n", json!({ "machine": machine })).as_bytes())?;
        }
        Command::Demo { xen, files: None } => {
            let mut out = std::io::stdout();
            demo::run(xen, &mut out)
                .await
                .map_err(|error| error.to_string())?;
        }
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "hvdap", &mut script);
            print(&script)?;
        }
    }
    Ok(())
}

fn fail(message: &str) -> ExitCode {
    let _ = writeln!(std::io::stderr(), "hvdap: {message}");
    ExitCode::FAILURE
}

/// Writes a command's output; a reader that has seen enough is no error.
fn print(text: &[u8]) -> Result<(), String> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text).and_then(|()| out.flush()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(format!("standard output cannot be written: {error}"))
        }
        _ => Ok(()),
    }
}

fn to_json(report: &impl Serialize) -> Result<Vec<u8>, String> {
    let mut text = serde_json::to_vec_pretty(report)
        .map_err(|error| format!("the report cannot be written: {error}"))?;
    text.push(b'\n');
    Ok(text)
}

/// Standard output is the wire: everything else goes to standard error.
fn log_to_stderr(verbose: u8) {
    let level = match verbose {
        0 => tracing::Level::WARN,
        1 => tracing::Level::INFO,
        _ => tracing::Level::TRACE,
    };
    tracing_subscriber::fmt()
        .with_max_level(level)
        .with_writer(std::io::stderr)
        .with_target(false)
        .init();
}
