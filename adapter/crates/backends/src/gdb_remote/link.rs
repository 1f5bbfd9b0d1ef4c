//! Requests and replies of a halted stub, one at a time. Many in flight: [`burst`](super::burst).

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use machine::TargetError;

use super::stream::Stream;
use super::watch::Watcher;
use super::wire::{Heard, Reader, TRIES, Writer};
use crate::rsp::codec::{self, Event};
use crate::rsp::hex;
use crate::rsp::stop_reply::StopReply;

/// How long a halted stub may take for one reply.
pub(crate) const PATIENCE: Duration = Duration::from_secs(5);

/// How long connecting may take, and then the first reply.
pub(crate) const CONNECTING: Duration = Duration::from_secs(4);

/// How long a stub must be silent to have nothing more to say.
const QUIET: Duration = Duration::from_millis(100);

/// The most text a monitor command may print.
const MONITOR_TEXT: usize = 4 * 1024 * 1024;

/// A connection to a stub. Once lost, every request fails at once with the first reason.
#[derive(Debug)]
pub(crate) struct Link {
    name: Arc<str>,
    writer: Arc<Writer>,
    /// `None` while the watcher has it, that is while the target runs watched.
    reader: Option<Box<Reader>>,
    watcher: Option<Watcher>,
    lost: Option<TargetError>,
    /// How long the next reply may take.
    pub(crate) patience: Duration,
    /// Whether the reply awaited is a stop reply.
    wants_stop: bool,
}

impl Link {
    pub(crate) fn new(name: Arc<str>, stream: Stream) -> io::Result<Self> {
        stream.set_write_timeout(Some(PATIENCE))?;
        let stream = Arc::new(stream);
        let writer = Arc::new(Writer::new(Arc::clone(&stream)));
        let reader = Reader::new(stream, Arc::clone(&writer));
        Ok(Self {
            name,
            writer,
            reader: Some(Box::new(reader)),
            watcher: None,
            lost: None,
            patience: CONNECTING,
            wants_stop: false,
        })
    }

    pub(crate) fn name(&self) -> &Arc<str> {
        &self.name
    }

    pub(crate) fn writer(&self) -> &Arc<Writer> {
        &self.writer
    }

    /// Notes that the link is down; the first reason stays.
    pub(crate) fn lose(&mut self, reason: impl ToString) -> TargetError {
        self.end();
        let name = &self.name;
        self.lost.get_or_insert_with(|| lost(name, reason)).clone()
    }

    fn end(&self) {
        self.writer.stopped();
        self.writer.close();
    }

    /// An error of the target that answered.
    pub(crate) fn refused(&self, request: &str, reason: impl ToString) -> TargetError {
        TargetError::Refused {
            target: self.name.to_string(),
            request: request.to_owned(),
            reason: reason.to_string(),
        }
    }

    /// The read half; fails when the link is down or the watcher has it.
    pub(crate) fn reader(&mut self) -> Result<&mut Reader, TargetError> {
        self.take_back(Duration::ZERO)?;
        match &mut self.reader {
            Some(reader) => Ok(reader),
            None => Err(TargetError::Refused {
                target: self.name.to_string(),
                request: "the request".into(),
                reason: "it is running".into(),
            }),
        }
    }

    /// Fails unless the stub listens: it does not while the target runs, and QEMU halts at the first byte it gets then.
    pub(super) fn halted(&mut self) -> Result<&mut Reader, TargetError> {
        if self.is_running() {
            self.reader()?;
            return Err(self.refused("the request", "it is running"));
        }
        self.reader()
    }

    /// Whether the target runs, as far as we know.
    pub(crate) fn is_running(&self) -> bool {
        self.writer.is_running()
    }

    /// Hands the read half to the watcher's thread.
    pub(crate) fn watch(
        &mut self,
        start: impl FnOnce(&mut Watcher, Box<Reader>),
    ) -> io::Result<()> {
        let watcher = match &mut self.watcher {
            Some(watcher) => watcher,
            none => none.insert(Watcher::new()?),
        };
        if let Some(reader) = self.reader.take() {
            start(watcher, reader);
        }
        Ok(())
    }

    /// Takes the read half back from the watcher when it is done within `patience`.
    pub(crate) fn take_back(&mut self, patience: Duration) -> Result<(), TargetError> {
        if let Some(lost) = &self.lost {
            return Err(lost.clone());
        }
        let (None, Some(watcher)) = (&self.reader, &self.watcher) else {
            return Ok(());
        };
        match watcher.done(patience) {
            Some((reader, Ok(()))) => self.reader = Some(reader),
            Some((_, Err(lost))) => {
                self.end();
                return Err(self.lost.insert(lost).clone());
            }
            None => {}
        }
        Ok(())
    }

    /// Sends the packet that resumes the target, after `before`, whose replies nobody looks at. A stop reply follows some time.
    pub(crate) fn resume(&mut self, before: &[Vec<u8>], payload: &str) -> Result<(), TargetError> {
        let mut packet = Vec::new();
        codec::encode(payload.as_bytes(), &mut packet);
        let mut out = Vec::new();
        let reader = self.halted()?;
        reader.pay(&mut out);
        for request in before {
            codec::encode(request, &mut out);
        }
        out.extend(&packet);
        reader.resume = packet;
        let sent = self.writer.send_resume(&out);
        sent.map_err(|error| self.lose(explain(&error)))
    }

    /// One request, one reply.
    pub(crate) fn ask(&mut self, request: &str) -> Result<Vec<u8>, TargetError> {
        self.exchange(&|out| out.extend(request.as_bytes()))?;
        Ok(self.reader()?.payload().to_vec())
    }

    /// One request that is answered by `OK` when done.
    pub(crate) fn command(&mut self, request: &str) -> Result<(), TargetError> {
        let reply = self.ask(request)?;
        match reply.as_slice() {
            b"OK" => Ok(()),
            b"" => Err(self.refused(request, "it does not know this request")),
            other => Err(self.refused(request, String::from_utf8_lossy(other))),
        }
    }

    /// The state of the stub's current thread (`?`).
    pub(crate) fn state(&mut self) -> Result<Option<StopReply>, TargetError> {
        self.wants_stop = true;
        let reply = self.ask("?");
        self.wants_stop = false;
        Ok(StopReply::parse(&reply?))
    }

    /// A command of QEMU's monitor (`qRcmd`) and what it printed.
    pub(crate) fn monitor(&mut self, line: &str) -> Result<String, TargetError> {
        let mut request = b"qRcmd,".to_vec();
        hex::encode(line.as_bytes(), &mut request);
        let mut text = Vec::new();
        let mut reply = self.ask(&String::from_utf8_lossy(&request))?;
        loop {
            match reply.strip_prefix(b"O").and_then(hex::bytes) {
                Some(piece) if text.len() + piece.len() <= MONITOR_TEXT => text.extend(piece),
                Some(_) => return Err(self.lose("a monitor command printed without end")),
                None if reply == b"OK" => break,
                None => return Err(self.refused(line, String::from_utf8_lossy(&reply))),
            }
            self.receive(&mut |link| Err(link.lose("the text of a monitor command is garbled")))?;
            reply = self.reader()?.payload().to_vec();
        }
        Ok(String::from_utf8_lossy(&text).into_owned())
    }

    /// Sends a request until it and its reply arrive whole; the reply is then the reader's payload.
    pub(super) fn exchange(&mut self, compose: &dyn Fn(&mut Vec<u8>)) -> Result<(), TargetError> {
        let mut send = |link: &mut Self| {
            let (mut payload, mut out) = (Vec::new(), Vec::new());
            compose(&mut payload);
            link.reader()?.pay(&mut out);
            codec::encode(&payload, &mut out);
            link.send(&out)
        };
        self.halted()?;
        send(self)?;
        self.receive(&mut send)
    }

    /// Waits for a whole reply. With acknowledgements a stub repeats a garbled one; else `resend` asks again.
    fn receive(
        &mut self,
        resend: &mut dyn FnMut(&mut Self) -> Result<(), TargetError>,
    ) -> Result<(), TargetError> {
        let mut since = Instant::now();
        for _ in 0..=TRIES {
            let event = loop {
                match self.hear(since)? {
                    Event::Ack => {}
                    event => break event,
                }
            };
            if event == Event::Packet {
                return Ok(());
            }
            self.quiet()?;
            if event == Event::Garbled && self.reader()?.acks {
                self.send(b"-")?;
            } else {
                resend(self)?;
            }
            since = Instant::now();
        }
        Err(self.lose("packets keep arriving garbled"))
    }

    /// Drops what the stub sends until it stops. After a garbled packet, replies can no longer be told apart by
    /// counting them.
    pub(super) fn quiet(&mut self) -> Result<(), TargetError> {
        let start = Instant::now();
        while start.elapsed() < PATIENCE {
            let heard = self.reader()?.next(Instant::now(), Some(QUIET));
            match heard.map_err(|error| self.lose(explain(&error)))? {
                Heard::Event(_) => {}
                Heard::Silence => return Ok(()),
            }
        }
        Err(self.lose("it sends without end"))
    }

    pub(super) fn send(&mut self, bytes: &[u8]) -> Result<(), TargetError> {
        let sent = self.writer.send(bytes);
        sent.map_err(|error| self.lose(explain(&error)))
    }

    /// The next event. Silence and the simulator's end lose the link; stop replies that nobody asked for are dropped
    /// (QEMU 7.2 sends one to a client that connects to a running machine).
    pub(super) fn hear(&mut self, since: Instant) -> Result<Event, TargetError> {
        let (wants_stop, patience) = (self.wants_stop, self.patience);
        loop {
            let reader = self.reader()?;
            match reader.next(since, Some(patience)) {
                Ok(Heard::Event(Event::Packet)) => match StopReply::parse(reader.payload()) {
                    Some(StopReply::Ended) => return Err(self.lose(ENDED)),
                    Some(_) if !wants_stop => {}
                    _ => return Ok(Event::Packet),
                },
                Ok(Heard::Event(event)) => return Ok(event),
                Ok(Heard::Silence) => return Err(self.lose(silent(patience))),
                Err(error) => return Err(self.lose(explain(&error))),
            }
        }
    }
}

impl Drop for Link {
    /// Ends the watcher too.
    fn drop(&mut self) {
        self.writer.close();
    }
}

/// The reason when the stub says that its process ended.
pub(crate) const ENDED: &str = "the simulator ended";

/// The reason when a halted stub does not answer.
fn silent(patience: Duration) -> String {
    format!("no reply within {} s", patience.as_secs())
}

/// A socket's error in a sentence.
pub(crate) fn explain(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => "it closed the connection".into(),
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => "it does not take requests".into(),
        _ => error.to_string(),
    }
}

/// The link to the target `name` is down.
pub(crate) fn lost(name: &str, reason: impl ToString) -> TargetError {
    TargetError::Lost {
        target: name.to_owned(),
        reason: reason.to_string(),
    }
}
