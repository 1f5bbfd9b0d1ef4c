//! `hvdap trace`: the hypervisor's own trace, its account of time, and what recorded files say.
//!
//! To add a subcommand: a variant of [`Command`], its file in `cli/trace/`, and a line in [`run`].

mod loads;
mod record;
mod recorded;
mod view;
mod written;

use clap::Subcommand;

use super::Failure;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Record the hypervisor's trace to a file, without loss where the machine's RAM is a file, and let the machine run.
    Record(record::Arguments),
    /// Tell what share of time each vCPU ran, waited for a core or slept, where no trace is on.
    Loads(loads::Arguments),
    /// Show a timeline in the browser: a file at once, while it is read; a machine while it runs and is recorded.
    View(view::Arguments),
    #[command(flatten)]
    Recorded(recorded::Command),
}

pub(super) async fn run(command: Command) -> Result<(), Failure> {
    match command {
        Command::Record(arguments) => Ok(record::record(arguments).await?),
        Command::Loads(arguments) => Ok(loads::loads(arguments).await?),
        Command::View(arguments) => view::view(arguments).await,
        Command::Recorded(command) => recorded::run(command),
    }
}
