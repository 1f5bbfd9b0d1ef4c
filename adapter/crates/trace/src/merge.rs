//! Many streams, each in order of time, become one.

use crate::event::Event;

/// With more streams than this a tree of comparisons is quicker than looking at all of them.
const FEW: usize = 16;

/// Most events of one stream decoded ahead, and most of all streams together (40 bytes each) but one a stream.
const AHEAD: usize = 64;
const AHEAD_IN_ALL: usize = 1 << 16;

/// Merges streams, each in order of time, into one in order of time.
///
/// Stable: of events at the same time, those of the earlier stream come first, and each stream keeps its own order. A stream that is
/// not in order is handed out as it is, between the others as its times say. Streams are read some events ahead.
pub fn merge<I: Iterator<Item = Event>>(streams: impl IntoIterator<Item = I>) -> Merge<I> {
    let streams: Vec<I> = streams.into_iter().collect();
    let ahead = AHEAD_IN_ALL.checked_div(streams.len());
    let ahead = ahead.unwrap_or(0).clamp(1, AHEAD);
    let streams: Vec<Stream<I>> = streams
        .into_iter()
        .map(|events| Stream::new(events, ahead))
        .collect();
    let times: Vec<u64> = streams.iter().map(Stream::time).collect();
    let tree = if streams.len() > FEW {
        LoserTree::new(&times)
    } else {
        LoserTree::default()
    };
    Merge {
        streams,
        times,
        tree,
    }
}

/// Iterates over the events of all streams, made by [`merge`].
#[derive(Clone, Debug)]
pub struct Merge<I> {
    streams: Vec<Stream<I>>,
    /// The time of each one's next event, the last possible one where there is none.
    times: Vec<u64>,
    /// Empty with few streams.
    tree: LoserTree,
}

impl<I: Iterator<Item = Event>> Iterator for Merge<I> {
    type Item = Event;

    #[inline]
    fn next(&mut self) -> Option<Event> {
        let first = if self.streams.len() > FEW {
            self.tree.winner()
        } else {
            earliest(&self.times)
        };
        match self.streams.get(first)?.head() {
            Some(event) => {
                self.advance(first);
                Some(event)
            }
            None => self.at_the_last_time(),
        }
    }
}

impl<I: Iterator<Item = Event>> Merge<I> {
    /// Lets a stream's next event move up.
    #[inline]
    fn advance(&mut self, stream: usize) {
        self.streams[stream].advance();
        self.times[stream] = self.streams[stream].time();
        if self.streams.len() > FEW {
            self.tree.replay(stream, &self.times);
        }
    }

    /// A stream that is at its end looks as if its next event were at the last possible time, where another may really have one.
    #[cold]
    fn at_the_last_time(&mut self) -> Option<Event> {
        let has_event = |stream: &Stream<I>| stream.head().is_some();
        let stream = self.streams.iter().position(has_event)?;
        let event = self.streams[stream].head();
        self.advance(stream);
        event
    }
}

/// A stream and its next events: decoding a block at a time is quicker than one by one between other work.
#[derive(Clone, Debug)]
struct Stream<I> {
    events: I,
    block: Vec<Event>,
    at: usize,
    ahead: usize,
}

impl<I: Iterator<Item = Event>> Stream<I> {
    fn new(events: I, ahead: usize) -> Self {
        let mut stream = Self {
            events,
            block: Vec::new(),
            at: 0,
            ahead,
        };
        stream.refill();
        stream
    }

    #[inline]
    fn head(&self) -> Option<Event> {
        self.block.get(self.at).copied()
    }

    #[inline]
    fn time(&self) -> u64 {
        self.block
            .get(self.at)
            .map_or(u64::MAX, |event| event.time.0)
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
        self.block.extend(self.events.by_ref().take(self.ahead));
    }
}

/// The first of the smallest.
#[inline]
fn earliest(times: &[u64]) -> usize {
    let mut first = 0;
    let mut least = u64::MAX;
    for (stream, time) in times.iter().enumerate() {
        if *time < least {
            first = stream;
            least = *time;
        }
    }
    first
}

/// A tournament among streams (Knuth, TAOCP 5.4.1): node 0 holds the winner, each inner node the loser of its match.
///
/// Stream s enters at leaf `n + s` of an implicit tree whose node k has the children 2k and 2k + 1.
#[derive(Clone, Debug, Default)]
struct LoserTree {
    nodes: Vec<u32>,
}

impl LoserTree {
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

    #[inline]
    fn winner(&self) -> usize {
        self.nodes[0] as usize
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
        let merged: Vec<Event> = merge(streams.into_iter().map(Vec::into_iter)).collect();
        assert_eq!(merged, expected);
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
