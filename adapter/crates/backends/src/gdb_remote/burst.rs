//! Many requests in flight: QEMU answers ten times as many as one at a time.

use std::collections::VecDeque;
use std::time::Instant;

use machine::TargetError;

use super::link::Link;
use crate::rsp::codec::{self, Event};

/// Requests in flight. Replies are read while requests are sent, so the stub never waits for us for ever; and we never
/// wait for the stub, as so few requests of at most [`BYTES`] fit into any socket's buffer.
const REQUESTS: usize = 64;

/// Bytes of requests in flight, beyond the first.
const BYTES: usize = 8 * 1024;

/// Requests sent whose acknowledgement or reply has not come, oldest first.
#[derive(Debug, Default)]
struct Flight {
    unacknowledged: VecDeque<usize>,
    unanswered: VecDeque<(usize, usize)>,
    bytes: usize,
}

impl Flight {
    fn has_room(&self) -> bool {
        self.unanswered.len() < REQUESTS && self.bytes < BYTES
    }

    fn add(&mut self, index: usize, bytes: usize, acks: bool) {
        if acks {
            self.unacknowledged.push_back(index);
        }
        self.unanswered.push_back((index, bytes));
        self.bytes += bytes;
    }

    /// A reply came: stubs answer in order.
    fn answered(&mut self) -> Option<usize> {
        let (index, bytes) = self.unanswered.pop_front()?;
        self.bytes -= bytes;
        Some(index)
    }

    /// `-` came: no reply will follow for the oldest unacknowledged request.
    fn refused(&mut self) -> Option<usize> {
        let refused = self.unacknowledged.pop_front()?;
        let at = self
            .unanswered
            .iter()
            .position(|(index, _)| *index == refused)?;
        let (_, bytes) = self.unanswered.remove(at)?;
        self.bytes -= bytes;
        Some(refused)
    }
}

impl Link {
    /// `count` requests: `compose` writes the n-th, `take` gets the n-th reply. When a packet arrives garbled, all
    /// from there on are asked again one by one (a later one may depend on it), so both may be called again for an n.
    pub(crate) fn burst(
        &mut self,
        count: usize,
        compose: &dyn Fn(usize, &mut Vec<u8>),
        take: &mut dyn FnMut(usize, &[u8]),
    ) -> Result<(), TargetError> {
        let start = if count == 1 {
            0
        } else {
            self.in_flight(count, compose, take)?
        };
        for index in start..count {
            self.exchange(&|out| compose(index, out))?;
            take(index, self.reader()?.payload());
        }
        Ok(())
    }

    /// Asks as long as all goes well; gives the first request to be asked again, `count` when there is none.
    fn in_flight(
        &mut self,
        count: usize,
        compose: &dyn Fn(usize, &mut Vec<u8>),
        take: &mut dyn FnMut(usize, &[u8]),
    ) -> Result<usize, TargetError> {
        self.halted()?;
        let mut flight = Flight::default();
        let (mut next, mut end) = (0, count);
        let (mut payload, mut out) = (Vec::new(), Vec::new());
        let mut since = Instant::now();
        loop {
            // Refilled when half empty: one write for many requests.
            if next < end && flight.unanswered.len() <= REQUESTS / 2 && flight.has_room() {
                let reader = self.reader()?;
                let acks = reader.acks;
                out.clear();
                reader.pay(&mut out);
                while next < end && flight.has_room() {
                    payload.clear();
                    compose(next, &mut payload);
                    let before = out.len();
                    codec::encode(&payload, &mut out);
                    flight.add(next, out.len() - before, acks);
                    next += 1;
                }
                self.send(&out)?;
            }
            if flight.unanswered.is_empty() {
                return Ok(end);
            }
            let spoilt = match self.hear(since)? {
                Event::Packet => {
                    since = Instant::now();
                    if let Some(index) = flight.answered() {
                        take(index, self.reader()?.payload());
                    }
                    None
                }
                Event::Garbled => flight.answered(),
                Event::Ack => {
                    flight.unacknowledged.pop_front();
                    None
                }
                Event::Nak => flight.refused(),
            };
            end = end.min(spoilt.unwrap_or(end));
        }
    }
}
