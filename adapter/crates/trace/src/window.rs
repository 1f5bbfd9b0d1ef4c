//! Any window of a timeline, in at most as many cells as there are pixels: what a view draws.
//!
//! A lane with few spans in the window is given exactly. Otherwise each pixel is a cell with the share of every state; a
//! summary node no wider than a pixel is taken whole and spread evenly over its time, so that the sum of a state over the
//! window is wrong by at most half a pixel at either edge. Flags are gathered with "or": what occurs is never lost.

mod fill;

#[cfg(test)]
mod tests;

use crate::store::{Flags, Party, Point, Span, State, View};

/// What to show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// The first tick.
    pub from: u64,
    /// The first tick beyond.
    pub to: u64,
    /// How many cells a lane may have, and how many exact spans or points instead of cells.
    pub width: usize,
}

/// More cells than any screen has are not made.
pub const WIDEST: usize = 16384;

/// One lane of a window.
#[derive(Clone, Debug, PartialEq)]
pub struct LaneWindow {
    /// Its number.
    pub lane: u16,
    /// Its spans.
    pub spans: Spans,
    /// Its points.
    pub points: Points,
}

/// The spans of a lane in a window.
#[derive(Clone, Debug, PartialEq)]
pub enum Spans {
    /// All that overlap the window, unclipped; each ends where the next begins, the last at `end`.
    Exact {
        /// In order.
        spans: Vec<Span>,
        /// The end of the last.
        end: u64,
    },
    /// One cell per pixel.
    Cells(Vec<Cell>),
}

/// What a lane did during one pixel. 20 bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cell {
    /// What occurs in it, however short: [`State`]s and the rest.
    pub flags: Flags,
    /// The part of the pixel spent in each [`State`], of 65535. Together less than 65535 where the lane does not cover it.
    pub shares: [u16; State::COUNT],
    /// The party with most time on the core, and its part of 65535.
    pub party: u16,
    /// How much of the pixel is that party's, at least.
    pub party_share: u16,
}

/// The points of a lane in a window.
#[derive(Clone, Debug, PartialEq)]
pub enum Points {
    /// All of them.
    Exact(Vec<Point>),
    /// One count per pixel.
    Counts(Vec<Count>),
}

/// The points in one pixel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    /// How many.
    pub points: u32,
    /// Bit n: there is one that is [`Mark`](crate::store::Mark) n.
    pub marks: u32,
}

impl Window {
    /// The window with bounds in order and a width that can be answered.
    fn sane(self) -> Self {
        Self {
            from: self.from,
            to: self.to.max(self.from.saturating_add(1)),
            width: self.width.clamp(1, WIDEST),
        }
    }

    fn ticks(&self) -> u64 {
        self.to - self.from
    }

    /// The first tick of a pixel.
    fn pixel(&self, index: usize) -> u64 {
        let ticks = u128::from(self.ticks()) * index as u128 / self.width as u128;
        self.from.saturating_add(ticks as u64)
    }
}

/// Answers a window for these lanes, in their order. Lanes that do not exist are empty.
pub fn window(view: View<'_>, lanes: &[u16], window: Window) -> Vec<LaneWindow> {
    let window = window.sane();
    let answer = |lane: &u16| LaneWindow {
        lane: *lane,
        spans: spans(view, *lane, &window),
        points: points(view, *lane, &window),
    };
    lanes.iter().map(answer).collect()
}

fn spans(view: View<'_>, lane: u16, window: &Window) -> Spans {
    let lane = view.lane(lane);
    let numbers = lane.numbers(window.from, window.to);
    if numbers.len() > window.width {
        return Spans::Cells(fill::cells(&lane, window));
    }
    Spans::Exact {
        end: lane.start(numbers.end),
        spans: numbers
            .filter_map(|index| lane.get(index))
            .map(|interval| interval.span)
            .collect(),
    }
}

fn points(view: View<'_>, lane: u16, window: &Window) -> Points {
    let points = view.points(lane);
    let first = points.count_before(window.from);
    let last = points.count_before(window.to);
    if last - first <= window.width {
        let exact = points.all().get(first..last).unwrap_or_default();
        return Points::Exact(exact.to_vec());
    }
    let mut before = first;
    let count = |pixel: usize| {
        let after = points.count_before(window.pixel(pixel + 1)).max(before);
        let count = Count {
            points: u32::try_from(after - before).unwrap_or(u32::MAX),
            marks: points.kinds(before, after),
        };
        before = after;
        count
    };
    Points::Counts((0..window.width).map(count).collect())
}

impl Cell {
    /// The party with most time on the core.
    pub fn party(&self) -> Party {
        Party(self.party)
    }
}
