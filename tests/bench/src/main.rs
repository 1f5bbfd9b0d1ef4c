//! Speed and memory on the live target, as figures and as ratios to gdb-multiarch doing the same on the same machine in
//! the same run. Prints a table. The exit status tells whether every row was measured, not what was reached: other work on
//! the processors changes all of it.
//!
//! `bench [--short]`; the program measured is `HVDAP_BIN`, else the one built beside this.

mod gdb;
mod memory;
mod resident;
mod rows;
mod table;

use std::process::ExitCode;
use std::time::Duration;

use table::Row;

/// How much is measured.
#[derive(Clone, Copy)]
pub(crate) struct Effort {
    /// Runs of what is repeated.
    pub(crate) runs: usize,
    /// How often both sides count hits, in turns.
    pub(crate) rounds: usize,
    /// How long they count each time.
    pub(crate) counting: Duration,
    /// How long gdb may take to react before it is given up.
    pub(crate) patience: Duration,
    /// How many spans the timeline has that is drawn.
    pub(crate) spans: usize,
}

fn main() -> ExitCode {
    let short = std::env::args().any(|argument| argument == "--short");
    let effort = if short {
        Effort {
            runs: 5,
            rounds: 4,
            counting: Duration::from_secs(4),
            patience: Duration::from_secs(15),
            spans: 10_000_000,
        }
    } else {
        Effort {
            runs: 20,
            rounds: 8,
            counting: Duration::from_secs(10),
            patience: Duration::from_secs(70),
            spans: 100_000_000,
        }
    };
    type Measure = fn(Effort) -> Vec<Row>;
    let all: [(&str, Measure); 6] = [
        ("start", rows::start::measure),
        ("large", rows::start::measure_large),
        ("stops", rows::stops::measure),
        ("filter", rows::filter::measure),
        ("memory", rows::memory::measure),
        ("trace", rows::trace::measure),
    ];
    let wanted: Vec<_> = std::env::args()
        .skip(1)
        .filter(|name| !name.starts_with("--"))
        .collect();
    let mut found = Vec::new();
    for (name, measure) in all {
        if wanted.is_empty() || wanted.iter().any(|one| one == name) {
            eprintln!("bench: {name} …");
            found.extend(measure(effort));
        }
    }
    table::print(&found);
    if found.iter().any(Row::is_missing) {
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}
