//! The levels above the spans of one lane, built as groups of [`FAN_OUT`] spans close.
//!
//! Exact sums, not the rounded shares, go up from level to level.

use zerocopy::little_endian::{U16, U64};

use super::layout::{FAN_OUT, LEVELS, Node, Span, magnitude};
use super::state::{Flags, Party, State};

/// The levels of a lane that have begun.
#[derive(Debug, Default)]
pub(crate) struct Summary {
    levels: Vec<Level>,
}

#[derive(Debug, Default)]
struct Level {
    /// Nodes that are whole and not yet in their column.
    ready: Vec<Node>,
    /// What the next node of the level above will stand for.
    group: Group,
}

/// Fewer than [`FAN_OUT`] nodes.
#[derive(Debug, Default)]
struct Group {
    count: usize,
    sums: Sums,
    parties: [u16; FAN_OUT],
    weights: [u64; FAN_OUT],
}

/// What a node stands for, before rounding.
#[derive(Clone, Debug, Default)]
struct Sums {
    start: u64,
    flags: u16,
    /// By state; the eighth is never used and spares a bounds check.
    ticks: [u64; 8],
    longest: [u64; 8],
}

impl Summary {
    /// Takes in the next spans, in groups of [`FAN_OUT`], of which the last ends at `end`.
    pub(crate) fn add(&mut self, groups: &[[Span; FAN_OUT]], end: u64) {
        let mut group = Group::default();
        for (index, spans) in groups.iter().enumerate() {
            let end = groups.get(index + 1).map_or(end, |next| next[0].start());
            group.fill(spans, end);
            self.give(0, &group);
        }
    }

    /// The nodes that became whole since the last call, level by level.
    pub(crate) fn ready(&mut self) -> impl Iterator<Item = (u8, &mut Vec<Node>)> {
        (0..)
            .zip(&mut self.levels)
            .map(|(level, state)| (level, &mut state.ready))
            .filter(|(_, ready)| !ready.is_empty())
    }

    /// Adds the node of a whole group to a level, and what becomes whole by that to the one above.
    fn give(&mut self, level: usize, whole: &Group) {
        if level == LEVELS {
            return;
        }
        if level == self.levels.len() {
            self.levels.push(Level::default());
        }
        let state = &mut self.levels[level];
        let total = whole.sums.total();
        let (party, weight) = most(&whole.parties, &whole.weights, total);
        state.ready.push(whole.sums.node(total, party, weight));
        state.group.add(&whole.sums, party, weight);
        if state.group.count == FAN_OUT {
            let whole = std::mem::take(&mut state.group);
            self.give(level + 1, &whole);
        }
    }
}

impl Group {
    fn add(&mut self, below: &Sums, party: Party, weight: u64) {
        if self.count == 0 {
            self.sums.start = below.start;
        }
        self.sums.flags |= below.flags;
        for state in 0..State::COUNT {
            self.sums.ticks[state] = self.sums.ticks[state].saturating_add(below.ticks[state]);
            self.sums.longest[state] = self.sums.longest[state].max(below.longest[state]);
        }
        self.parties[self.count] = party.0;
        self.weights[self.count] = weight;
        self.count += 1;
    }

    /// Makes it the group of these spans. A writer's spans are in order.
    fn fill(&mut self, spans: &[Span; FAN_OUT], end: u64) {
        self.sums = Sums {
            start: spans[0].start(),
            ..Sums::default()
        };
        let mut flags = 0;
        for child in 0..FAN_OUT {
            let span = &spans[child];
            let end = spans.get(child + 1).map_or(end, Span::start);
            let ticks = end.wrapping_sub(span.start());
            let state = span.about() as usize & 7;
            flags |= span.about() as u32 & u32::from(Flags::OF_SPANS) | 1 << state;
            self.sums.ticks[state] = self.sums.ticks[state].wrapping_add(ticks);
            self.sums.longest[state] = self.sums.longest[state].max(ticks);
            self.parties[child] = span.party().0;
            self.weights[child] = if ON_CORE >> state & 1 == 1 { ticks } else { 0 };
        }
        self.sums.flags = flags as u16;
    }
}

impl Sums {
    fn total(&self) -> u64 {
        self.ticks
            .iter()
            .fold(0, |sum, ticks| sum.saturating_add(*ticks))
    }

    fn node(&self, total: u64, party: Party, weight: u64) -> Node {
        let scale = 65535.0 / total.max(1) as f64;
        // Signed numbers are the ones that processors convert in one step.
        let share = |ticks: u64| U16::new((ticks as i64 as f64 * scale + 0.5) as i32 as u16);
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

/// The states with [`State::on_core`], as bits.
const ON_CORE: u32 = 1 << State::Running as u32 | 1 << State::Hypervisor as u32;

/// The party with most time on a core, and that time; nobody where there was none.
fn most(parties: &[u16; FAN_OUT], weights: &[u64; FAN_OUT], total: u64) -> (Party, u64) {
    // A share has 16 bits, so 16 bits are enough to compare, and eight go into one vector register.
    let shift = (u64::BITS - total.leading_zeros()).saturating_sub(16);
    let weights = weights.map(|weight| (weight >> shift) as u16);
    // Most vCPUs stay on a core for long.
    if parties.iter().all(|party| *party == parties[0]) {
        let sum = weights
            .iter()
            .fold(0u16, |sum, weight| sum.wrapping_add(*weight));
        let party = if sum == 0 {
            Party::NONE
        } else {
            Party(parties[0])
        };
        return (party, u64::from(sum) << shift);
    }
    let mut sums = [0u16; FAN_OUT];
    for (wanted, weight) in parties.iter().zip(weights) {
        for (party, sum) in parties.iter().zip(&mut sums) {
            *sum = sum.wrapping_add(if party == wanted { weight } else { 0 });
        }
    }
    // The greatest sum, with its place in the low bits: no branch to predict.
    let best = (0u32..)
        .zip(sums)
        .map(|(child, sum)| u32::from(sum) << 4 | child)
        .max()
        .unwrap_or(0);
    match best >> 4 {
        0 => (Party::NONE, 0),
        sum => (Party(parties[best as usize & 15]), u64::from(sum) << shift),
    }
}
