//! Speed and memory on the live target, as figures and as ratios to gdb-multiarch doing the same on the same machine in
//! the same run. Prints a table; judges nothing by its exit status, since other work on the processors changes all of it.
//!
//! `bench [--short]`; the program measured is `HVDAP_BIN`, else the one built beside this.

mod gdb;
mod memory;
mod resident;
mod rows;
mod table;

use std::time::Duration;

use table::Row;

/// How much is measured.
#[derive(Clone, Copy)]
pub(crate) struct Effort {
    /// Runs of what is repeated.
    pub(crate) runs: usize,
    /// How long hits are counted.
    pub(crate) counting: Duration,
    /// How long gdb may take to react before it is given up.
    pub(crate) patience: Duration,
}

fn main() {
    let short = std::env::args().any(|argument| argument == "--short");
    let effort = if short {
        Effort {
            runs: 5,
            counting: Duration::from_secs(5),
            patience: Duration::from_secs(15),
        }
    } else {
        Effort {
            runs: 20,
            counting: Duration::from_secs(20),
            patience: Duration::from_secs(70),
        }
    };
    type Measure = fn(Effort) -> Vec<Row>;
    let all: [(&str, Measure); 4] = [
        ("start", rows::start::measure),
        ("stops", rows::stops::measure),
        ("filter", rows::filter::measure),
        ("memory", rows::memory::measure),
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
}
