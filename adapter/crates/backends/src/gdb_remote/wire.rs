//! The two halves of the connection: [`Writer`], shared by all threads, and [`Reader`], owned by whoever waits.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use machine::target::HaltRequest;

use super::stream::Stream;
use crate::rsp::codec::{Decoder, Event};
use crate::rsp::stop_reply::StopReply;

/// How often one packet is sent again before the link is given up.
pub(crate) const TRIES: usize = 3;

/// The write half. Whole packets and the interrupt byte never mix, and the byte is sent only while the target runs.
#[derive(Debug)]
pub(crate) struct Writer {
    stream: Arc<Stream>,
    running: Mutex<bool>,
}

impl Writer {
    pub(crate) fn new(stream: Arc<Stream>) -> Self {
        Self {
            stream,
            running: Mutex::new(false),
        }
    }

    pub(crate) fn is_running(&self) -> bool {
        *self.running()
    }

    fn running(&self) -> std::sync::MutexGuard<'_, bool> {
        // A flag cannot be left half-written.
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn send(&self, bytes: &[u8]) -> io::Result<()> {
        let _whole = self.running();
        self.stream.write_all(bytes)
    }

    /// Sends a packet that makes the target run.
    pub(crate) fn send_resume(&self, bytes: &[u8]) -> io::Result<()> {
        let mut running = self.running();
        self.stream.write_all(bytes)?;
        *running = true;
        Ok(())
    }

    pub(crate) fn stopped(&self) {
        *self.running() = false;
    }

    pub(crate) fn close(&self) {
        self.stream.close();
    }
}

impl HaltRequest for Writer {
    /// Sends the interrupt byte. While the target is halted there is nothing to ask, and stubs disagree on what the
    /// byte then means, so it is not sent.
    fn request_halt(&self) {
        let running = self.running();
        if *running {
            // A dead link is reported by whoever reads.
            let _ = self.stream.write_all(b"\x03");
        }
    }
}

/// What the read half saw.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Heard {
    /// One event of the codec.
    Event(Event),
    /// Nothing, for as long as was allowed.
    Silence,
}

/// The read half, with the acknowledgements it owes.
#[derive(Debug)]
pub(crate) struct Reader {
    stream: Arc<Stream>,
    writer: Arc<Writer>,
    decoder: Decoder,
    buffer: Box<[u8]>,
    unread: std::ops::Range<usize>,
    timeout: Option<Duration>,
    /// Whether packets are acknowledged (until `QStartNoAckMode`).
    pub(crate) acks: bool,
    owed: usize,
    /// The resume packet in flight, to send again when it arrived garbled.
    pub(crate) resume: Vec<u8>,
}

impl Reader {
    pub(crate) fn new(stream: Arc<Stream>, writer: Arc<Writer>) -> Self {
        Self {
            stream,
            writer,
            decoder: Decoder::default(),
            buffer: vec![0; 64 * 1024].into_boxed_slice(),
            unread: 0..0,
            timeout: None,
            acks: true,
            owed: 0,
            resume: Vec::new(),
        }
    }

    /// The payload of the last [`Event::Packet`].
    pub(crate) fn payload(&self) -> &[u8] {
        self.decoder.payload()
    }

    /// Puts the acknowledgements owed in front of what is sent next. One write instead of two is worth a wake-up of
    /// the stub per round trip; no stub waits for them while it has nothing to do.
    pub(crate) fn pay(&mut self, out: &mut Vec<u8>) {
        out.resize(out.len() + self.owed, b'+');
        self.owed = 0;
    }

    /// The next event, waiting at most until `patience` after `since`; no `patience` waits for ever.
    pub(crate) fn next(&mut self, since: Instant, patience: Option<Duration>) -> io::Result<Heard> {
        loop {
            let (used, event) = self.decoder.next(&self.buffer[self.unread.clone()]);
            self.unread.start += used;
            if let Some(event) = event {
                if event == Event::Packet && self.acks {
                    self.owed += 1;
                }
                return Ok(Heard::Event(event));
            }
            if !self.fill(since, patience)? {
                return Ok(Heard::Silence);
            }
        }
    }

    /// Reads what the socket has; `false` when nothing came in time.
    fn fill(&mut self, since: Instant, patience: Option<Duration>) -> io::Result<bool> {
        let timeout = match patience {
            None => None,
            Some(patience) => {
                let gone = since.elapsed();
                if gone >= patience && !patience.is_zero() {
                    return Ok(false);
                }
                // Asking the kernel for the same limit again is saved while hardly any of it is used up.
                let used_up = gone > patience / 32;
                let left = if used_up { patience - gone } else { patience };
                Some(left.max(Duration::from_micros(100)))
            }
        };
        if timeout != self.timeout {
            self.stream.set_read_timeout(timeout)?;
            self.timeout = timeout;
        }
        match self.stream.read(&mut self.buffer) {
            Ok(0) => Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(count) => {
                self.unread = 0..count;
                Ok(true)
            }
            Err(error) => match error.kind() {
                io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => Ok(false),
                io::ErrorKind::Interrupted => Ok(true),
                _ => Err(error),
            },
        }
    }

    /// Waits for the running target to halt, at most so long; `None` while it runs.
    pub(crate) fn stop(&mut self, patience: Option<Duration>) -> io::Result<Option<StopReply>> {
        let since = Instant::now();
        let mut tries = 0;
        loop {
            let again: &[u8] = match self.next(since, patience)? {
                Heard::Silence => return Ok(None),
                Heard::Event(Event::Packet) => match StopReply::parse(self.decoder.payload()) {
                    Some(reply) => {
                        self.writer.stopped();
                        return Ok(Some(reply));
                    }
                    // Console output and the like.
                    None => continue,
                },
                Heard::Event(Event::Ack) => continue,
                Heard::Event(Event::Nak) => &self.resume,
                Heard::Event(Event::Garbled) if self.acks => b"-",
                Heard::Event(Event::Garbled) => b"",
            };
            tries += 1;
            if tries > TRIES || again.is_empty() {
                return Err(io::Error::new(
                    io::ErrorKind::InvalidData,
                    "a packet arrived garbled",
                ));
            }
            self.writer.send(again)?;
        }
    }
}
