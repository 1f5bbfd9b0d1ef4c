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

impl Link {
    /// `count` requests: `compose` writes the n-th, `take` gets the n-th reply, once and in order. When a packet
    /// arrives garbled, that request and all after it (which may depend on it) are asked again one by one.
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

    /// Asks as long as all goes well; gives the number of replies taken. The stub may have done what comes after them.
    pub(super) fn in_flight(
        &mut self,
        count: usize,
        compose: &dyn Fn(usize, &mut Vec<u8>),
        take: &mut dyn FnMut(usize, &[u8]),
    ) -> Result<usize, TargetError> {
        self.halted()?;
        let (mut sent, mut answered) = (0, 0);
        // The sizes of the requests without an answer; stubs answer in order.
        let mut flight = VecDeque::with_capacity(REQUESTS);
        let mut bytes = 0;
        let (mut payload, mut out) = (Vec::new(), Vec::new());
        let mut since = Instant::now();
        while answered < count {
            // Refilled when half empty: one write for many requests.
            if sent < count && flight.len() <= REQUESTS / 2 && bytes < BYTES {
                out.clear();
                self.reader()?.pay(&mut out);
                while sent < count && flight.len() < REQUESTS && bytes < BYTES {
                    payload.clear();
                    compose(sent, &mut payload);
                    let before = out.len();
                    codec::encode(&payload, &mut out);
                    let size = out.len() - before;
                    flight.push_back(size);
                    bytes += size;
                    sent += 1;
                }
                self.send(&out)?;
            }
            match self.hear(since)? {
                Event::Packet => {
                    take(answered, self.reader()?.payload());
                    answered += 1;
                    bytes -= flight.pop_front().unwrap_or(0);
                    since = Instant::now();
                }
                Event::Ack => {}
                Event::Garbled | Event::Nak => {
                    self.quiet()?;
                    break;
                }
            }
        }
        Ok(answered)
    }
}
