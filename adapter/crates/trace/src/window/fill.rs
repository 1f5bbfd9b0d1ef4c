//! Fills the pixels of a window from a lane's spans and summaries.

use super::{Cell, Window};
use crate::store::layout::FAN_OUT;
use crate::store::{Flags, LaneView, Node, Party, Span};

/// A cell in the making.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pixel {
    /// Parts of the pixel by state; the eighth makes it a whole number of vector registers.
    shares: [f32; 8],
    party_share: f32,
    party: u16,
    flags: u16,
}

const EMPTY: Pixel = Pixel {
    shares: [0.0; 8],
    party_share: 0.0,
    party: Party::NONE.0,
    flags: 0,
};

/// What a node or span gives to every pixel it covers.
struct Paint {
    shares: [f32; 8],
    party_share: f32,
    party: u16,
    flags: u16,
}

struct Filler<'a, 'p> {
    lane: &'a LaneView<'a>,
    from: u64,
    to: u64,
    /// Pixels per tick.
    scale: f64,
    /// A node of at most this many ticks is not wider than a pixel.
    pixel: u64,
    pixels: &'p mut [Pixel],
}

/// The cells of one lane; `pixels` is scratch space that may be used again.
pub(super) fn cells(lane: &LaneView<'_>, window: &Window, pixels: &mut Vec<Pixel>) -> Vec<Cell> {
    pixels.clear();
    pixels.resize(window.width, EMPTY);
    let mut filler = Filler {
        lane,
        from: window.from,
        to: window.to,
        scale: window.width as f64 / window.ticks() as f64,
        pixel: window.ticks() / window.width as u64,
        pixels,
    };
    filler.forest();
    pixels.iter().map(Pixel::cell).collect()
}

impl Filler<'_, '_> {
    /// Visits the highest nodes there are, in order of time: those of the last level, then those of the level below that
    /// have no parent yet, and so on down to single spans.
    fn forest(&mut self) {
        let mut covered = 0;
        for level in (0..self.lane.levels().len()).rev() {
            let nodes = self.lane.levels()[level];
            let first = covered >> (4 * (level + 1));
            let new = nodes.get(first..).unwrap_or_default();
            let before = new.partition_point(|node| node.start() <= self.from);
            let first_seen = first + before.saturating_sub(1);
            for (index, node) in nodes.iter().enumerate().skip(first_seen) {
                if node.start() >= self.to {
                    return;
                }
                self.node(level, index, self.lane.node_end(level, index));
            }
            covered = covered.max(nodes.len() << (4 * (level + 1)));
        }
        let seen = self.lane.index_at(self.from).unwrap_or(0);
        for index in covered.max(seen)..self.lane.len() {
            let Some(interval) = self.lane.get(index) else {
                return;
            };
            if interval.start() >= self.to {
                return;
            }
            self.span(&interval.span, interval.end);
        }
    }

    fn node(&mut self, level: usize, index: usize, end: u64) {
        let node = &self.lane.levels()[level][index];
        if end <= self.from && node.start() < self.from {
            return;
        }
        if end.saturating_sub(node.start()) <= self.pixel {
            return self.whole(node, end);
        }
        let first = index * FAN_OUT;
        let below = match level.checked_sub(1) {
            None => return self.leaves(first, end),
            Some(below) => below,
        };
        let Some(children) = self.lane.levels()[below].get(first..first + FAN_OUT) else {
            return;
        };
        for (child, node) in children.iter().enumerate() {
            if node.start() >= self.to {
                return;
            }
            let end = children.get(child + 1).map_or(end, Node::start);
            if end.saturating_sub(node.start()) <= self.pixel {
                self.whole(node, end);
            } else {
                self.node(below, first + child, end);
            }
        }
    }

    fn leaves(&mut self, first: usize, end: u64) {
        let Some(spans) = self.lane.spans().get(first..first + FAN_OUT) else {
            return;
        };
        for (child, span) in spans.iter().enumerate() {
            if span.start() >= self.to {
                return;
            }
            let end = spans.get(child + 1).map_or(end, Span::start);
            self.span(span, end);
        }
    }

    #[inline]
    fn whole(&mut self, node: &Node, end: u64) {
        self.paint(node.start(), end, &node.paint());
    }

    #[inline]
    fn span(&mut self, span: &Span, end: u64) {
        self.paint(span.start(), end, &span.paint());
    }

    /// Spreads `paint` over `[start, end)`, as far as it is in the window. What takes no time still gives its flags.
    #[inline]
    fn paint(&mut self, start: u64, end: u64, paint: &Paint) {
        if end < self.from || (end == self.from && start < end) || start >= self.to {
            return;
        }
        let place = |time: u64| (time.clamp(self.from, self.to) - self.from) as f64 * self.scale;
        // Damaged bytes may end before they begin.
        let (left, right) = (place(start), place(end.max(start)));
        let most = self.pixels.len() - 1;
        let (first, last) = ((left as usize).min(most), (right as usize).min(most));
        if first == last {
            return self.pixels[first].add(paint, (right - left) as f32);
        }
        self.pixels[first].add(paint, ((first + 1) as f64 - left) as f32);
        for pixel in &mut self.pixels[first + 1..last] {
            pixel.add(paint, 1.0);
        }
        // Ends just at the edge: the next pixel has nothing of it.
        if right > last as f64 {
            self.pixels[last].add(paint, (right - last as f64) as f32);
        }
    }
}

impl Node {
    #[inline]
    fn paint(&self) -> Paint {
        let mut shares = [0.0; 8];
        for (share, part) in shares.iter_mut().zip(&self.shares) {
            *share = f32::from(part.get());
        }
        Paint {
            shares,
            party_share: f32::from(self.party_share.get()),
            party: self.party.get(),
            flags: self.flags.get(),
        }
    }
}

impl Span {
    #[inline]
    fn paint(&self) -> Paint {
        let mut shares = [0.0; 8];
        shares[self.state() as usize & 7] = 65535.0;
        let on_core = self.state().on_core();
        Paint {
            shares,
            party_share: if on_core { 65535.0 } else { 0.0 },
            party: self.party().0,
            flags: self.flags().0,
        }
    }
}

impl Pixel {
    /// Adds `paint` over this part of the pixel.
    #[inline]
    fn add(&mut self, paint: &Paint, part: f32) {
        self.flags |= paint.flags;
        for (share, more) in self.shares.iter_mut().zip(&paint.shares) {
            *share += part * more;
        }
        let more = part * paint.party_share;
        if paint.party == self.party {
            self.party_share += more;
        } else if more > self.party_share {
            self.party = paint.party;
            self.party_share = more;
        }
    }

    fn cell(&self) -> Cell {
        let rounded = |share: f32| (share + 0.5) as u16;
        Cell {
            flags: Flags(self.flags),
            shares: std::array::from_fn(|state| rounded(self.shares[state])),
            party: self.party,
            party_share: rounded(self.party_share),
        }
    }
}
