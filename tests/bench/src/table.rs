//! One row for each figure.

use std::io::Write;
use std::time::Duration;

/// What was measured, against what it must reach and what gdb does.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    what: String,
    must: String,
    ours: String,
    gdb: String,
    ratio: String,
    reached: &'static str,
    missing: bool,
}

/// Whether a figure must stay below or get above its bound.
#[derive(Clone, Copy)]
pub(crate) enum Bound {
    /// At most.
    Most(f64),
    /// At least.
    Least(f64),
}

/// A kind of figure: how it is written.
#[derive(Clone, Copy)]
pub(crate) enum Unit {
    Seconds,
    Megabytes,
    MegabytesPerSecond,
    PerSecond,
    MillionsPerSecond,
    Share,
    Count,
}

impl Unit {
    fn write(self, value: f64) -> String {
        match self {
            Unit::Seconds if value < 0.01 => format!("{:.2} ms", value * 1e3),
            Unit::Seconds if value < 1.0 => format!("{:.0} ms", value * 1e3),
            Unit::Seconds => format!("{value:.1} s"),
            Unit::Megabytes => format!("{value:.0} MB"),
            Unit::MegabytesPerSecond => format!("{value:.0} MB/s"),
            Unit::PerSecond => format!("{value:.0} /s"),
            Unit::MillionsPerSecond => format!("{:.1} M/s", value / 1e6),
            Unit::Share => format!("{:.1} %", value * 100.0),
            Unit::Count => format!("{value:.1}"),
        }
    }
}

/// gdb's side of a row.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Gdb {
    /// What it reached.
    Value(f64),
    /// It was given up after so long.
    Longer(Duration),
    /// It cannot do this.
    No,
}

impl Row {
    /// A row with figures on our side.
    pub(crate) fn new(what: &str, unit: Unit, ours: f64, bound: Option<Bound>, gdb: Gdb) -> Row {
        let (must, reached) = match bound {
            Some(Bound::Most(most)) => (format!("≤ {}", unit.write(most)), yes(ours <= most)),
            Some(Bound::Least(least)) => (format!("≥ {}", unit.write(least)), yes(ours >= least)),
            None => (String::new(), ""),
        };
        let more_is_better = matches!(
            unit,
            Unit::PerSecond | Unit::MillionsPerSecond | Unit::MegabytesPerSecond
        );
        let (gdb, ratio) = match gdb {
            Gdb::Value(value) => {
                let ratio = if more_is_better {
                    ours / value
                } else {
                    value / ours
                };
                (unit.write(value), format!("{ratio:.1}×"))
            }
            Gdb::Longer(time) => {
                let least = time.as_secs_f64();
                (
                    format!("> {}", unit.write(least)),
                    format!("> {:.0}×", least / ours),
                )
            }
            Gdb::No => ("cannot".to_owned(), String::new()),
        };
        Row {
            what: what.to_owned(),
            must,
            ours: unit.write(ours),
            gdb,
            ratio,
            reached,
            missing: false,
        }
    }

    /// A row that is judged by its ratio to gdb.
    pub(crate) fn must_beat(self, least: f64) -> Row {
        self.must_beat_other("gdb", least)
    }

    /// A row that is judged by its ratio to another program, whose figure stands in gdb's column.
    pub(crate) fn must_beat_other(mut self, name: &str, least: f64) -> Row {
        let ratio: f64 = self
            .ratio
            .trim_matches(['×', '>', ' '])
            .parse()
            .unwrap_or(0.0);
        self.must = format!("≥ {least}× {name}");
        self.reached = yes(ratio >= least);
        self
    }

    /// A row that could not be measured.
    pub(crate) fn missing(what: &str, why: &str) -> Row {
        Row {
            what: what.to_owned(),
            must: String::new(),
            ours: format!("not measured: {why}"),
            gdb: String::new(),
            ratio: String::new(),
            reached: "",
            missing: true,
        }
    }

    /// Whether it could not be measured.
    pub(crate) fn is_missing(&self) -> bool {
        self.missing
    }
}

fn yes(reached: bool) -> &'static str {
    if reached { "yes" } else { "NO" }
}

/// The middle one.
pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

/// Prints the table to standard output.
pub(crate) fn print(rows: &[Row]) {
    let head = Row {
        what: "what".to_owned(),
        must: "must reach".to_owned(),
        ours: "hvdap".to_owned(),
        gdb: "gdb".to_owned(),
        ratio: "ratio".to_owned(),
        reached: "reached",
        missing: false,
    };
    let cells = |row: &Row| {
        [
            &row.what,
            &row.must,
            &row.ours,
            &row.gdb,
            &row.ratio,
            row.reached,
        ]
        .map(str::to_owned)
    };
    let all: Vec<_> = std::iter::once(&head).chain(rows).map(cells).collect();
    let width = |column: usize| all.iter().map(|row| row[column].chars().count()).max();
    let widths: Vec<_> = (0..6).map(|column| width(column).unwrap_or(0)).collect();
    let mut out = std::io::stdout().lock();
    for row in &all {
        let cells = row
            .iter()
            .zip(&widths)
            .map(|(cell, width)| format!("{cell:width$}"));
        let line = cells.collect::<Vec<_>>().join(" | ");
        // A reader that went away wants no more lines.
        writeln!(out, "| {line} |").ok();
    }
}
