//! Many streams, each in order of time, become one.

use std::hint::select_unpredictable;

use crate::event::Event;

/// With more streams than this a tree of comparisons is quicker than looking at all of them.
const FEW: usize = 16;

/// Most events of one stream decoded ahead, and most of all streams together (40 bytes each) but one a stream.
const AHEAD: usize = 64;
const AHEAD_IN_ALL: usize = 1 << 16;

/// Events in order of time, a block at a time: decoding in a row is quicker than one by one between other work.
///
/// Every iterator over events is a stream. A decoder that can do better than being asked for one after the other is a stream itself.
pub trait Stream {
    /// Appends the next events to `block`, `most` of them while there are any.
    fn read(&mut self, block: &mut Vec<Event>, most: usize);
}

impl<I: Iterator<Item = Event>> Stream for I {
    fn read(&mut self, block: &mut Vec<Event>, most: usize) {
        block.extend(self.take(most));
    }
}

/// Merges streams, each in order of time, into one in order of time.
///
/// Stable: of events at the same time, those of the earlier stream come first, and each stream keeps its own order. A stream that is
/// not in order is handed out as it is, between the others as its times say. Streams are read some events ahead.
pub fn merge<S: Stream>(streams: impl IntoIterator<Item = S>) -> Merge<S> {
    let streams: Vec<S> = streams.into_iter().collect();
    let ahead = AHEAD_IN_ALL.checked_div(streams.len());
    let ahead = ahead.unwrap_or(0).clamp(1, AHEAD);
    let lanes: Vec<Lane<S>> = streams
        .into_iter()
        .map(|stream| Lane::new(stream, ahead))
        .collect();
    let times: Vec<u64> = lanes.iter().map(Lane::time).collect();
    let tree = (lanes.len() > FEW).then(|| LoserTree::new(&times));
    let turn = next_turn(&times, tree.as_ref());
    Merge {
        lanes,
        times,
        tree,
        turn,
    }
}

/// Iterates over the events of all streams, made by [`merge`].
#[derive(Clone, Debug)]
pub struct Merge<S> {
    lanes: Vec<Lane<S>>,
    /// The time of each one's next event, the last possible one where there is none. Not kept up while it is a lane's turn.
    times: Vec<u64>,
    /// None with few streams.
    tree: Option<LoserTree>,
    turn: Turn,
}

/// Events come in bursts, so a stream goes on until another's next event is due.
#[derive(Clone, Copy, Debug)]
struct Turn {
    lane: usize,
    /// The last time at which it is still before all others.
    until: u64,
}

impl<S: Stream> Iterator for Merge<S> {
    type Item = Event;

    #[inline]
    fn next(&mut self) -> Option<Event> {
        let lane = self.lanes.get_mut(self.turn.lane)?;
        match lane.head() {
            Some(event) if event.time.0 <= self.turn.until => {
                lane.advance();
                Some(event)
            }
            _ => self.next_of_another(),
        }
    }

    /// What `for_each` comes to: quicker than asking for one after the other, since a stream's turn is looked at as a whole.
    fn fold<B, F: FnMut(B, Event) -> B>(mut self, init: B, mut f: F) -> B {
        let mut all = init;
        while let Some(lane) = self.lanes.get_mut(self.turn.lane) {
            while let Some(event) = lane.block.get(lane.at)
                && event.time.0 <= self.turn.until
            {
                all = f(all, *event);
                lane.advance();
            }
            match self.next_of_another() {
                Some(event) => all = f(all, event),
                None => break,
            }
        }
        all
    }
}

impl<S: Stream> Merge<S> {
    fn next_of_another(&mut self) -> Option<Event> {
        let lane = self.turn.lane;
        self.times[lane] = self.lanes[lane].time();
        if let Some(tree) = &mut self.tree {
            tree.replay(lane, &self.times);
        }
        self.turn = next_turn(&self.times, self.tree.as_ref());
        let lane = &mut self.lanes[self.turn.lane];
        let Some(event) = lane.head() else {
            return self.at_the_last_time();
        };
        lane.advance();
        Some(event)
    }

    /// A stream that is at its end looks as if its next event were at the last possible time, where another may really have one.
    #[cold]
    fn at_the_last_time(&mut self) -> Option<Event> {
        let lane = self.lanes.iter_mut().find(|lane| lane.head().is_some())?;
        let event = lane.head();
        lane.advance();
        event
    }
}

/// A stream and its next events.
#[derive(Clone, Debug)]
struct Lane<S> {
    stream: S,
    block: Vec<Event>,
    at: usize,
    ahead: usize,
}

impl<S: Stream> Lane<S> {
    fn new(stream: S, ahead: usize) -> Self {
        let mut lane = Self {
            stream,
            block: Vec::new(),
            at: 0,
            ahead,
        };
        lane.refill();
        lane
    }

    #[inline]
    fn head(&self) -> Option<Event> {
        self.block.get(self.at).copied()
    }

    #[inline]
    fn time(&self) -> u64 {
        let head = self.block.get(self.at);
        head.map_or(u64::MAX, |event| event.time.0)
    }

    #[inline]
    fn advance(&mut self) {
        self.at += 1;
        if self.at >= self.block.len() {
            self.refill();
        }
    }

    #[inline(never)]
    fn refill(&mut self) {
        self.block.clear();
        self.at = 0;
        self.stream.read(&mut self.block, self.ahead);
    }
}

/// The first of the earliest, and how long it stays so.
#[inline]
fn next_turn(times: &[u64], tree: Option<&LoserTree>) -> Turn {
    match tree {
        Some(tree) => tree.turn(times),
        None => earliest(times),
    }
}

/// Looks at all times: the first of the smallest, and the smallest but it.
#[inline]
fn earliest(times: &[u64]) -> Turn {
    let mut first = Turn {
        lane: 0,
        until: u64::MAX,
    };
    let mut least = times.first().copied().unwrap_or(u64::MAX);
    for (lane, time) in times.iter().enumerate().skip(1) {
        // Whose turn is next cannot be predicted, so nothing here depends on it but values.
        let earlier = *time < least;
        // Those before this lane come first at the same time.
        let limit = select_unpredictable(earlier, least.wrapping_sub(1), *time);
        first.lane = select_unpredictable(earlier, lane, first.lane);
        first.until = first.until.min(limit);
        least = least.min(*time);
    }
    first
}

/// A tournament among streams (Knuth, TAOCP 5.4.1): node 0 holds the winner, each inner node the loser of its match.
///
/// Stream s enters at leaf `n + s` of an implicit tree whose node k has the children 2k and 2k + 1.
#[derive(Clone, Debug)]
struct LoserTree {
    nodes: Vec<u32>,
}

impl LoserTree {
    /// At least two streams, fewer than 2³².
    fn new(times: &[u64]) -> Self {
        let count = times.len();
        let mut winners: Vec<u32> = vec![0; count];
        winners.extend((0..count).map(|stream| stream as u32));
        let mut nodes = vec![0; count];
        for node in (1..count).rev() {
            let (left, right) = (winners[2 * node], winners[2 * node + 1]);
            let (winner, loser) = if is_before(left, right, times) {
                (left, right)
            } else {
                (right, left)
            };
            winners[node] = winner;
            nodes[node] = loser;
        }
        nodes[0] = winners[1];
        Self { nodes }
    }

    /// The winner, and until when: the second best has lost against it, so it is on the winner's way to the top.
    #[inline]
    fn turn(&self, times: &[u64]) -> Turn {
        let winner = self.nodes[0];
        let mut until = u64::MAX;
        let mut node = (winner as usize + self.nodes.len()) / 2;
        while node > 0 {
            let loser = self.nodes[node];
            let earlier_lane = u64::from(loser < winner);
            until = until.min(times[loser as usize].saturating_sub(earlier_lane));
            node /= 2;
        }
        Turn {
            lane: winner as usize,
            until,
        }
    }

    /// Plays the matches from a stream's leaf to the top again, after its time has changed.
    #[inline]
    fn replay(&mut self, stream: usize, times: &[u64]) {
        let mut winner = stream as u32;
        let mut node = (stream + self.nodes.len()) / 2;
        while node > 0 {
            let loser = &mut self.nodes[node];
            if is_before(*loser, winner, times) {
                std::mem::swap(loser, &mut winner);
            }
            node /= 2;
        }
        self.nodes[0] = winner;
    }
}

#[inline]
fn is_before(one: u32, other: u32, times: &[u64]) -> bool {
    (times[one as usize], one) < (times[other as usize], other)
}

#[cfg(test)]
mod tests {
    use machine::ids::Pcpu;
    use proptest::prelude::*;

    use super::*;
    use crate::event::{Ticks, What};

    /// Events at these times, of a pCPU, numbered by their place.
    fn stream(pcpu: usize, times: &[u64]) -> Vec<Event> {
        let event = |(id, time): (usize, &u64)| Event {
            time: Ticks(*time),
            pcpu: Pcpu(pcpu as u16),
            what: What::Other { id: id as u32 },
        };
        times.iter().enumerate().map(event).collect()
    }

    /// Merging is sorting by time, then stream, then place.
    fn check(mut times: Vec<Vec<u64>>) {
        for stream in &mut times {
            stream.sort_unstable();
        }
        let streams: Vec<Vec<Event>> = times
            .iter()
            .enumerate()
            .map(|(pcpu, times)| stream(pcpu, times))
            .collect();
        let mut expected = streams.concat();
        expected.sort_by_key(|event| event.time);
        let merged = merge(streams.into_iter().map(Vec::into_iter));
        let mut together = Vec::new();
        merged.clone().for_each(|event| together.push(event));
        assert_eq!(together, expected);
        let mut one_by_one = Vec::new();
        for event in merged {
            one_by_one.push(event);
        }
        assert_eq!(one_by_one, expected);
    }

    #[test]
    fn nothing_and_one() {
        check(vec![]);
        check(vec![vec![]]);
        check(vec![vec![3, 1, 2]]);
        check(vec![vec![]; 40]);
    }

    #[test]
    fn the_last_possible_time_is_a_time() {
        check(vec![vec![], vec![u64::MAX], vec![u64::MAX, 0]]);
        let mut many = vec![vec![]; 30];
        many[25] = vec![u64::MAX, u64::MAX];
        many[7] = vec![u64::MAX];
        check(many);
    }

    proptest! {
        #[test]
        fn merging_is_stable_sorting(
            streams in prop::collection::vec(prop::collection::vec(0_u64..50, 0..20), 0..60)
        ) {
            check(streams);
        }
    }
}
