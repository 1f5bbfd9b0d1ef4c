//! Fills the pixels of a window from a lane's spans and summaries, in order of time.

use super::{Cell, Window};
use crate::store::layout::FAN_OUT;
use crate::store::{Flags, LaneView, Node, Party, Span};

/// The cells of one lane.
pub(super) fn cells(lane: &LaneView<'_>, window: &Window) -> Vec<Cell> {
    let mut filler = Filler {
        lane,
        window,
        widest: window.ticks() / window.width as u64,
        pixel: Pixel::EMPTY,
        begin: window.from,
        edge: window.pixel(1),
        cells: Vec::with_capacity(window.width),
    };
    filler.forest();
    while filler.cells.len() < window.width {
        filler.next_pixel();
    }
    filler.cells
}

struct Filler<'a> {
    lane: &'a LaneView<'a>,
    window: &'a Window,
    /// A node of more ticks is looked into.
    widest: u64,
    /// The pixel being filled, and its first tick and the first beyond.
    pixel: Pixel,
    begin: u64,
    edge: u64,
    /// The pixels that are done.
    cells: Vec<Cell>,
}

impl Filler<'_> {
    /// Visits the highest nodes there are: those of the last level, then those of the level below that have no parent yet,
    /// and so on down to single spans.
    fn forest(&mut self) {
        let lane = self.lane;
        let mut covered = 0;
        for (level, nodes) in lane.levels().iter().enumerate().rev() {
            let orphans = nodes.get(covered >> (4 * (level + 1))..);
            let orphans = orphans.unwrap_or_default();
            let before = orphans.partition_point(|node| node.start() <= self.window.from);
            let first = nodes.len() - orphans.len() + before.saturating_sub(1);
            if first < nodes.len() {
                self.nodes(
                    level,
                    first,
                    nodes.len(),
                    lane.node_end(level, nodes.len() - 1),
                );
            }
            covered = covered.max(nodes.len() << (4 * (level + 1)));
        }
        let seen = lane.index_at(self.window.from).unwrap_or(0);
        for interval in (covered.max(seen)..lane.len()).filter_map(|index| lane.get(index)) {
            self.cover(
                interval.start(),
                interval.end,
                &Paint::of_span(&interval.span),
            );
        }
    }

    /// Visits the nodes `[first, last)` of a level, of which the last ends at `end`.
    fn nodes(&mut self, level: usize, first: usize, last: usize, end: u64) {
        let Some(nodes) = self.lane.levels()[level].get(first..last) else {
            return;
        };
        // Most nodes lie within the pixel at hand: it is kept in registers between them.
        let mut pixel = self.pixel;
        for (child, node) in nodes.iter().enumerate() {
            let (start, end) = (node.start(), nodes.get(child + 1).map_or(end, Node::start));
            if start >= self.begin && end <= self.edge && start <= end {
                pixel.add(&Paint::of_node(node), end - start);
                continue;
            }
            if start >= self.window.to {
                break;
            }
            self.pixel = pixel;
            if end.saturating_sub(start) <= self.widest {
                self.cover(start, end, &Paint::of_node(node));
            } else if end > self.window.from {
                self.below(level, first + child, end);
            }
            pixel = self.pixel;
        }
        self.pixel = pixel;
    }

    fn below(&mut self, level: usize, index: usize, end: u64) {
        let first = index * FAN_OUT;
        if let Some(below) = level.checked_sub(1) {
            return self.nodes(below, first, first + FAN_OUT, end);
        }
        let spans = self.lane.spans().get(first..first + FAN_OUT);
        let spans = spans.unwrap_or_default();
        for (child, span) in spans.iter().enumerate() {
            let end = spans.get(child + 1).map_or(end, Span::start);
            self.cover(span.start(), end, &Paint::of_span(span));
        }
    }

    /// Spreads `paint` over `[start, end)`, as far as it is in the window. What takes no time still gives its flags.
    fn cover(&mut self, start: u64, end: u64, paint: &Paint) {
        let before = end <= self.window.from && start < self.window.from;
        if before || start >= self.window.to {
            return;
        }
        let end = end.min(self.window.to);
        let mut start = start.max(self.begin);
        while start >= self.edge && self.cells.len() + 1 < self.window.width {
            self.next_pixel();
        }
        while end > self.edge && self.cells.len() + 1 < self.window.width {
            self.pixel.add(paint, self.edge.saturating_sub(start));
            start = self.edge;
            self.next_pixel();
        }
        self.pixel.add(paint, end.saturating_sub(start));
    }

    fn next_pixel(&mut self) {
        self.cells.push(self.pixel.cell(self.edge - self.begin));
        self.pixel = Pixel::EMPTY;
        self.begin = self.edge;
        self.edge = self.window.pixel(self.cells.len() + 1);
    }
}

/// What a node or span gives to every pixel that it covers: parts of 65535.
struct Paint {
    /// By state; the eighth makes it a whole number of vector registers.
    shares: [f32; 8],
    party_share: f32,
    party: u16,
    flags: u16,
}

impl Paint {
    #[inline]
    fn of_node(node: &Node) -> Self {
        let mut shares = [0.0; 8];
        for (share, part) in shares.iter_mut().zip(&node.shares) {
            *share = f32::from(part.get());
        }
        Self {
            shares,
            party_share: f32::from(node.party_share.get()),
            party: node.party.get(),
            flags: node.flags.get(),
        }
    }

    #[inline]
    fn of_span(span: &Span) -> Self {
        let mut shares = [0.0; 8];
        shares[span.state() as usize & 7] = 65535.0;
        let on_core = span.state().on_core();
        Self {
            shares,
            party_share: if on_core { 65535.0 } else { 0.0 },
            party: span.party().0,
            flags: span.flags().0,
        }
    }
}

/// A cell in the making: sums of shares times ticks.
#[derive(Clone, Copy, Debug)]
struct Pixel {
    shares: [f32; 8],
    party_share: f32,
    party: u16,
    flags: u16,
}

impl Pixel {
    const EMPTY: Self = Self {
        shares: [0.0; 8],
        party_share: 0.0,
        party: Party::NONE.0,
        flags: 0,
    };

    #[inline]
    fn add(&mut self, paint: &Paint, ticks: u64) {
        let ticks = ticks as i64 as f32;
        self.flags |= paint.flags;
        for (share, more) in self.shares.iter_mut().zip(&paint.shares) {
            *share += ticks * more;
        }
        let more = ticks * paint.party_share;
        if paint.party == self.party {
            self.party_share += more;
        } else if more > self.party_share {
            self.party = paint.party;
            self.party_share = more;
        }
    }

    /// The cell of a pixel of so many ticks.
    fn cell(&self, ticks: u64) -> Cell {
        let scale = 1.0 / ticks.max(1) as f32;
        let rounded = |share: f32| (share * scale + 0.5) as u16;
        Cell {
            flags: Flags(self.flags),
            shares: std::array::from_fn(|state| rounded(self.shares[state])),
            party: self.party,
            party_share: rounded(self.party_share),
        }
    }
}
