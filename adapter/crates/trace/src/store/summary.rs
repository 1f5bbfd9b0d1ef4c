//! The levels above the spans of one lane, built as spans close.
//!
//! Each level gathers [`FAN_OUT`] children with exact sums and then gives one node; the sums, not the rounded shares, go up.

use zerocopy::little_endian::{U16, U64};

use super::layout::{FAN_OUT, LEVELS, Node, Span, magnitude};
use super::state::{Party, State};

/// The levels of a lane that have begun.
#[derive(Debug, Default)]
pub(crate) struct Summary {
    levels: Vec<Level>,
}

#[derive(Debug, Default)]
struct Level {
    group: Group,
    /// Nodes that are whole and not yet in their column.
    ready: Vec<Node>,
}

/// Up to [`FAN_OUT`] children.
#[derive(Clone, Debug, Default)]
struct Group {
    count: usize,
    start: u64,
    flags: u16,
    /// By state; the eighth is never used and spares a bounds check.
    ticks: [u64; 8],
    longest: [u64; 8],
    parties: [u32; FAN_OUT],
    weights: [u64; FAN_OUT],
}

impl Summary {
    /// Takes closed spans in; the last ends at `end`.
    pub(crate) fn add(&mut self, spans: &[Span], end: u64) {
        if self.levels.is_empty() && !spans.is_empty() {
            self.levels.push(Level::default());
        }
        for (index, span) in spans.iter().enumerate() {
            let end = spans.get(index + 1).map_or(end, Span::start);
            self.levels[0].group.add_span(span, end);
            if self.levels[0].group.count == FAN_OUT {
                self.give(0);
            }
        }
    }

    /// The nodes that became whole since the last call, level by level.
    pub(crate) fn ready(&mut self) -> impl Iterator<Item = (u8, &mut Vec<Node>)> {
        (0..)
            .zip(&mut self.levels)
            .map(|(level, state)| (level, &mut state.ready))
            .filter(|(_, ready)| !ready.is_empty())
    }

    /// Turns the whole group of `level` into a node and hands its sums up.
    fn give(&mut self, mut level: usize) {
        loop {
            let whole = std::mem::take(&mut self.levels[level].group);
            let (party, weight) = whole.most();
            self.levels[level].ready.push(whole.node(party, weight));
            level += 1;
            if level == LEVELS {
                return;
            }
            if level == self.levels.len() {
                self.levels.push(Level::default());
            }
            let above = &mut self.levels[level].group;
            above.add_group(&whole, party, weight);
            if above.count < FAN_OUT {
                return;
            }
        }
    }
}

impl Group {
    #[inline]
    fn add_span(&mut self, span: &Span, end: u64) {
        if self.count == 0 {
            self.start = span.start();
        }
        let ticks = end.saturating_sub(span.start());
        let state = span.state();
        let slot = state as usize & 7;
        self.flags |= span.flags().0;
        self.ticks[slot] = self.ticks[slot].saturating_add(ticks);
        self.longest[slot] = self.longest[slot].max(ticks);
        let child = self.count % FAN_OUT;
        self.parties[child] = u32::from(span.party().0);
        self.weights[child] = if state.on_core() { ticks } else { 0 };
        self.count += 1;
    }

    fn add_group(&mut self, below: &Self, party: Party, weight: u64) {
        if self.count == 0 {
            self.start = below.start;
        }
        self.flags |= below.flags;
        for slot in 0..State::COUNT {
            self.ticks[slot] = self.ticks[slot].saturating_add(below.ticks[slot]);
            self.longest[slot] = self.longest[slot].max(below.longest[slot]);
        }
        let child = self.count % FAN_OUT;
        self.parties[child] = u32::from(party.0);
        self.weights[child] = weight;
        self.count += 1;
    }

    fn total(&self) -> u64 {
        self.ticks
            .iter()
            .fold(0, |sum, ticks| sum.saturating_add(*ticks))
    }

    /// The party with most time on a core, and that time.
    fn most(&self) -> (Party, u64) {
        let first = self.parties[0];
        if self.parties.iter().all(|party| *party == first) {
            let all = self
                .weights
                .iter()
                .fold(0, |sum: u64, weight| sum.saturating_add(*weight));
            return named(first, all);
        }
        // 32 bits are enough to compare, and four go into one vector register.
        let shift = (u64::BITS - self.total().leading_zeros()).saturating_sub(32);
        let weights = self.weights.map(|weight| (weight >> shift) as u32);
        let sums = self.parties.map(|wanted| {
            let mut sum = 0u32;
            for (party, weight) in self.parties.iter().zip(&weights) {
                sum = sum.wrapping_add(if *party == wanted { *weight } else { 0 });
            }
            sum
        });
        let mut best = 0;
        for child in 1..FAN_OUT {
            if sums[child] > sums[best] {
                best = child;
            }
        }
        named(self.parties[best], u64::from(sums[best]) << shift)
    }

    fn node(&self, party: Party, weight: u64) -> Node {
        let total = self.total();
        let scale = if total == 0 {
            0.0
        } else {
            65535.0 / total as f64
        };
        let share = |ticks: u64| U16::new((ticks as f64 * scale + 0.5) as u16);
        Node {
            start: U64::new(self.start),
            flags: U16::new(self.flags),
            shares: std::array::from_fn(|state| share(self.ticks[state])),
            party: U16::new(party.0),
            party_share: share(weight),
            longest: [
                magnitude(self.longest[State::Running as usize]),
                magnitude(self.longest[State::Runnable as usize]),
            ],
            zero: [0; 2],
        }
    }
}

/// Nobody where there was no time.
fn named(party: u32, weight: u64) -> (Party, u64) {
    if weight == 0 {
        (Party::NONE, 0)
    } else {
        (Party(party as u16), weight)
    }
}
