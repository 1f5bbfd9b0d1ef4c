//! Timelines for other programs: tables, and the formats of trace viewers.
//!
//! | format | for whom | module |
//! | --- | --- | --- |
//! | CSV | spreadsheets, scripts | [`csv`] |
//! | Chrome JSON | chrome://tracing, Speedscope, Firefox profiler; small traces | [`chrome`] |
//! | Perfetto protobuf | ui.perfetto.dev, trace_processor | [`perfetto`] |
//! | CTF 1.8 | babeltrace2, Trace Compass | [`ctf`] |
//!
//! To add one: a file here that takes an [`Export`] and something to write to, and a row above.

pub mod chrome;
pub mod csv;
pub mod ctf;
pub mod perfetto;

#[cfg(test)]
mod tests;

use std::io::{self, Write};

use machine::GuestId;

use crate::store::{Interval, Owner, Party, Point, Span, State, View};

/// What to export: a window of a timeline, with names for people.
#[derive(Clone, Copy)]
pub struct Export<'a> {
    /// The timeline.
    pub view: View<'a>,
    /// The first tick.
    pub from: u64,
    /// The first tick beyond.
    pub to: u64,
    /// Names vCPUs, tasks and cores.
    pub name: &'a dyn Fn(Owner) -> String,
    /// Names guests.
    pub guest: &'a dyn Fn(GuestId) -> String,
}

/// Bytes are handed on in pieces of about this many.
const PIECE: usize = 1 << 16;

impl<'a> Export<'a> {
    /// All lanes with their owners.
    pub fn lanes(&self) -> impl Iterator<Item = (u16, Owner)> + use<'a> {
        (0..).zip(self.view.owners().iter().copied())
    }

    /// The spans of a lane, cut to the window.
    pub fn spans(&self, lane: u16) -> impl Iterator<Item = Interval> + use<'a> {
        let (from, to) = (self.from, self.to.min(self.view.until()));
        let cut = move |interval: Interval| Interval {
            span: interval.span.starting(interval.start().max(from)),
            end: interval.end.min(to),
        };
        self.view.lane(lane).overlapping(from, to).map(cut)
    }

    /// The points of a lane in the window.
    pub fn points(&self, lane: u16) -> &'a [Point] {
        self.view.points(lane).between(self.from, self.to)
    }

    /// Nanoseconds since the beginning of the timeline.
    pub fn nanoseconds(&self, time: u64) -> u64 {
        let ticks = time.saturating_sub(self.view.first());
        let exact = u128::from(ticks) * 1_000_000_000 / u128::from(self.view.frequency());
        u64::try_from(exact).unwrap_or(u64::MAX)
    }

    /// The name of a lane's owner; empty for nobody.
    pub fn who(&self, lane: Party) -> String {
        self.view.owner(lane).map_or_else(String::new, self.name)
    }

    /// What a span is called in a viewer: the state, and on a core the other side of it.
    fn title(&self, owner: Owner, span: &Span) -> String {
        match (owner, span.state()) {
            (Owner::Machine, State::Offline) => "halted by the debugger".to_owned(),
            (Owner::Pcpu(_), State::Running) => self.who(span.party()),
            (Owner::Pcpu(_), State::Blocked) => "idle".to_owned(),
            (Owner::Pcpu(_), State::Hypervisor) => {
                format!("hypervisor for {}", self.who(span.party()))
            }
            (_, state) => state.name().to_owned(),
        }
    }
}

/// Whether a viewer leaves the span empty: waiting, idle and going on are the rest of the picture.
fn is_background(owner: Owner, span: &Span) -> bool {
    match owner {
        Owner::Machine => span.state() != State::Offline,
        Owner::Others => true,
        _ => span.state() == State::Blocked,
    }
}

/// Hands a full buffer on.
fn pass_on(buffer: &mut Vec<u8>, sink: &mut dyn Write) -> io::Result<()> {
    if buffer.len() >= PIECE {
        sink.write_all(buffer)?;
        buffer.clear();
    }
    Ok(())
}
