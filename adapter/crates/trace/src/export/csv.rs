//! CSV (RFC 4180): one table of spans, one of marks.

use std::io::{self, Write};

use super::{Export, pass_on};
use crate::store::{Flags, Owner, Party};

/// The heading of the table of spans.
pub const SPANS: &str =
    "lane,owner,state,start_ticks,end_ticks,start_ns,duration_ns,other,cause,by,by_pcpu,flags";
/// The heading of the table of marks.
pub const MARKS: &str = "lane,owner,mark,ticks,ns,value,by,by_pcpu";

/// Writes the spans: a line each, in the order of lanes and times.
///
/// # Errors
/// Those of `sink`.
pub fn spans(export: &Export<'_>, sink: &mut dyn Write) -> io::Result<()> {
    let mut buffer = Vec::new();
    writeln!(buffer, "{SPANS}")?;
    let names = names(export);
    for (lane, owner) in export.lanes() {
        for interval in export.spans(lane) {
            let span = interval.span;
            let other = match owner {
                Owner::Pcpu(_) | Owner::Task(..) => name(&names, span.party()),
                _ => span
                    .party()
                    .get()
                    .map_or(String::new(), |pcpu| format!("pCPU {pcpu}")),
            };
            writeln!(
                buffer,
                "{lane},{},{},{},{},{},{},{other},{},{},{},{}",
                names[usize::from(lane)],
                span.state().name(),
                span.start(),
                interval.end,
                export.nanoseconds(span.start()),
                export.nanoseconds(interval.end) - export.nanoseconds(span.start()),
                span.cause().name(),
                name(&names, span.by_lane()),
                number(span.by_pcpu()),
                flags(span.flags()),
            )?;
            pass_on(&mut buffer, sink)?;
        }
    }
    sink.write_all(&buffer)
}

/// Writes the marks: a line each, in the order of lanes and times.
///
/// # Errors
/// Those of `sink`.
pub fn marks(export: &Export<'_>, sink: &mut dyn Write) -> io::Result<()> {
    let mut buffer = Vec::new();
    writeln!(buffer, "{MARKS}")?;
    let names = names(export);
    for (lane, _) in export.lanes() {
        for point in export.points(lane) {
            writeln!(
                buffer,
                "{lane},{},{},{},{},{},{},{}",
                names[usize::from(lane)],
                point.mark().name(),
                point.time(),
                export.nanoseconds(point.time()),
                point.value(),
                name(&names, point.by_lane()),
                number(point.by_pcpu()),
            )?;
            pass_on(&mut buffer, sink)?;
        }
    }
    sink.write_all(&buffer)
}

/// The names of all owners by lane, quoted where needed.
fn names(export: &Export<'_>) -> Vec<String> {
    let owners = export
        .lanes()
        .map(|(_, owner)| quoted(&(export.name)(owner)));
    owners.collect()
}

fn name(names: &[String], lane: Party) -> String {
    let number = lane.get().map(usize::from);
    number
        .and_then(|lane| names.get(lane))
        .cloned()
        .unwrap_or_default()
}

fn number(party: Party) -> String {
    party
        .get()
        .map_or_else(String::new, |number| number.to_string())
}

fn quoted(name: &str) -> String {
    if name.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", name.replace('"', "\"\""))
    } else {
        name.to_owned()
    }
}

/// The flags that are no states and no causes, separated by blanks.
fn flags(flags: Flags) -> String {
    let named = [
        (Flags::MIGRATED, "migrated"),
        (Flags::DEADLINE_MISSED, "deadline-missed"),
        (Flags::CONTRADICTED, "contradicted"),
        (Flags::UNREADABLE, "unreadable"),
    ];
    let set = named.iter().filter(|(flag, _)| flags.any(*flag));
    set.map(|(_, name)| *name).collect::<Vec<_>>().join(" ")
}
