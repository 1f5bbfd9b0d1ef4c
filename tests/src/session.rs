//! One DAP connection as a client sees it: requests with deadlines, events in order, reverse requests answered.

use std::collections::HashMap;
use std::io::{BufRead, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::conformance::Conformance;
use crate::log::{From, Log};
use crate::schema::Schema;
use crate::wire;

/// How long an answer or an event may take when a test does not say.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// When the client answers `startDebugging`: editors differ.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Children {
    /// At once, before the child connects (nvim-dap, dape).
    #[default]
    AnsweredAtOnce,
    /// Only when the test says so, after the child is attached (VS Code).
    AnsweredLater,
    /// The same, and until then nothing is read (LSP4E).
    BlockTheReader,
    /// With failure (Sublime Debugger).
    Refused,
    /// Never (Kate).
    Ignored,
}

/// What tells one editor from another on the wire.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Habits {
    /// How it answers `startDebugging`.
    pub children: Children,
    /// Its JSON has line breaks and indentation (Kate).
    pub indented: bool,
}

/// A request sent, not yet answered.
#[must_use]
#[derive(Clone, Copy, Debug)]
pub struct Pending {
    seq: i64,
    /// When it was sent.
    pub sent: Instant,
}

/// An answer: the body, or what a failed request says.
pub type Answer = Result<Value, String>;

/// One connection to the adapter.
#[derive(Clone)]
pub struct Session {
    name: Arc<str>,
    inner: Arc<Inner>,
}

struct Inner {
    writer: Mutex<Option<Box<dyn Write + Send>>>,
    state: Mutex<State>,
    changed: Condvar,
    log: Log,
    schema: Arc<Schema>,
    habits: Habits,
}

#[derive(Default)]
struct State {
    seq: i64,
    conformance: Conformance,
    answers: HashMap<i64, (Instant, Value)>,
    events: Vec<Event>,
    reverse: Vec<Value>,
    /// The reverse request because of which nothing is read.
    blocked: Option<i64>,
    faults: Vec<String>,
    closed: Option<String>,
}

/// An event not yet taken by the test.
#[derive(Clone, Debug)]
pub struct Event {
    /// When it arrived.
    pub at: Instant,
    /// Its name.
    pub name: String,
    /// Its body.
    pub body: Value,
}

impl Session {
    /// A session over a byte stream; `name` is what the log calls it.
    #[must_use]
    pub fn over(
        name: &str,
        reader: Box<dyn BufRead + Send>,
        writer: Box<dyn Write + Send>,
        log: Log,
        schema: Arc<Schema>,
        habits: Habits,
    ) -> Session {
        let session = Session {
            name: name.into(),
            inner: Arc::new(Inner {
                writer: Mutex::new(Some(writer)),
                state: Mutex::default(),
                changed: Condvar::new(),
                log,
                schema,
                habits,
            }),
        };
        let reading = session.clone();
        std::thread::Builder::new()
            .name(std::thread::current().name().unwrap_or("main").to_owned())
            .spawn(move || reading.read_all(reader))
            .expect("a thread can be started");
        session
    }

    /// What the log calls this session.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Sends a request without waiting for the answer.
    #[track_caller]
    pub fn send(&self, command: &str, arguments: Value) -> Pending {
        let mut state = self.state();
        state.seq += 1;
        let seq = state.seq;
        state.conformance.sent(seq, command);
        let mut message = json!({ "seq": seq, "type": "request", "command": command });
        if !arguments.is_null() {
            message["arguments"] = arguments;
        }
        drop(state);
        self.write(&message);
        Pending {
            seq,
            sent: Instant::now(),
        }
    }

    /// Waits for the answer to a request.
    #[track_caller]
    pub fn answer(&self, pending: Pending) -> Answer {
        let (_, message) = self.wait("an answer", PATIENCE, |state| {
            state.answers.remove(&pending.seq)
        });
        read_answer(&message)
    }

    /// Waits for the answer to a request, and how long it took.
    #[track_caller]
    pub fn timed(&self, pending: Pending) -> (Duration, Answer) {
        let (at, message) = self.wait("an answer", PATIENCE, |state| {
            state.answers.remove(&pending.seq)
        });
        (at - pending.sent, read_answer(&message))
    }

    /// Sends a request and waits for the answer.
    #[track_caller]
    pub fn ask(&self, command: &str, arguments: Value) -> Answer {
        self.answer(self.send(command, arguments))
    }

    /// Sends a request that must succeed; its body.
    #[track_caller]
    pub fn request(&self, command: &str, arguments: Value) -> Value {
        match self.ask(command, arguments) {
            Ok(body) => body,
            Err(why) => self.fail(&format!("{command} failed: {why}")),
        }
    }

    /// Sends a request that must fail; the message.
    #[track_caller]
    pub fn refused(&self, command: &str, arguments: Value) -> String {
        match self.ask(command, arguments) {
            Err(why) => why,
            Ok(body) => self.fail(&format!("{command} should fail, and answered {body}")),
        }
    }

    /// The next event of that name, waiting for it; others stay.
    #[track_caller]
    pub fn event(&self, name: &str) -> Event {
        self.event_where(name, PATIENCE, |_| true)
    }

    /// The next event of that name that `wanted` accepts; others stay.
    #[track_caller]
    pub fn event_where(
        &self,
        name: &str,
        patience: Duration,
        wanted: impl Fn(&Value) -> bool,
    ) -> Event {
        self.wait(&format!("event {name}"), patience, |state| {
            let found = |event: &Event| event.name == name && wanted(&event.body);
            let at = state.events.iter().position(found)?;
            Some(state.events.remove(at))
        })
    }

    /// An event of that name if it is there or arrives in time.
    pub fn event_within(&self, name: &str, patience: Duration) -> Option<Event> {
        self.wait_for(patience, |state| {
            let at = state.events.iter().position(|event| event.name == name)?;
            Some(state.events.remove(at))
        })
        .ok()
    }

    /// Takes all events of that name that have arrived.
    #[must_use]
    pub fn events(&self, name: &str) -> Vec<Event> {
        let mut state = self.state();
        let (found, rest) = std::mem::take(&mut state.events)
            .into_iter()
            .partition(|event| event.name == name);
        state.events = rest;
        found
    }

    /// The next `startDebugging` request of the adapter.
    #[track_caller]
    pub fn start_debugging(&self) -> Value {
        self.wait("startDebugging", PATIENCE, |state| {
            (!state.reverse.is_empty()).then(|| state.reverse.remove(0))
        })
    }

    /// A `startDebugging` request if one arrives in time.
    #[must_use]
    pub fn start_debugging_within(&self, patience: Duration) -> Option<Value> {
        self.wait_for(patience, |state| {
            (!state.reverse.is_empty()).then(|| state.reverse.remove(0))
        })
        .ok()
    }

    /// Answers a reverse request that was left open.
    pub fn accept(&self, request: &Value) {
        self.respond(request, true);
    }

    fn respond(&self, request: &Value, success: bool) {
        let mut state = self.state();
        state.seq += 1;
        let seq = state.seq;
        state.blocked = None;
        drop(state);
        self.inner.changed.notify_all();
        self.write(&json!({
            "seq": seq, "type": "response", "request_seq": request["seq"],
            "command": request["command"], "success": success,
        }));
    }

    /// Waits until the adapter closes the connection.
    #[track_caller]
    pub fn closed(&self) {
        let end = Instant::now() + PATIENCE;
        let mut state = self.state();
        while state.closed.is_none() {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                drop(state);
                self.fail("the adapter keeps the connection open");
            }
            state = self
                .inner
                .changed
                .wait_timeout(state, left)
                .expect("no panic")
                .0;
        }
    }

    /// Whether the adapter has closed the connection.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.state().closed.is_some()
    }

    /// Closes our side without a word, as a client that crashed.
    pub fn hang_up(&self) {
        self.inner
            .writer
            .lock()
            .expect("no panic while writing")
            .take();
    }

    /// Writes bytes as they are, for bad input.
    pub fn raw(&self, bytes: &[u8]) {
        if let Some(writer) = self
            .inner
            .writer
            .lock()
            .expect("no panic while writing")
            .as_mut()
        {
            writer.write_all(bytes).and_then(|()| writer.flush()).ok();
        }
    }

    /// Fails if a message of the adapter so far broke the protocol.
    #[track_caller]
    pub fn check(&self) {
        let faults = self.state().faults.clone();
        if !faults.is_empty() {
            self.fail("the adapter broke the protocol");
        }
    }

    /// Fails the test, with the last messages.
    #[track_caller]
    pub fn fail(&self, what: &str) -> ! {
        let (faults, closed) = {
            let state = self.state();
            (state.faults.join("\n"), state.closed.clone())
        };
        let closed = closed.map_or(String::new(), |why| format!(" (connection closed: {why})"));
        panic!(
            "session {}: {what}{closed}\n{faults}\n{}",
            self.name,
            self.inner.log.tail()
        );
    }

    #[track_caller]
    fn wait<T>(
        &self,
        what: &str,
        patience: Duration,
        take: impl FnMut(&mut State) -> Option<T>,
    ) -> T {
        match self.wait_for(patience, take) {
            Ok(found) => found,
            Err(why) => self.fail(&format!("{what} did not come: {why}")),
        }
    }

    fn wait_for<T>(
        &self,
        patience: Duration,
        mut take: impl FnMut(&mut State) -> Option<T>,
    ) -> Result<T, &'static str> {
        let end = Instant::now() + patience;
        let mut state = self.state();
        loop {
            if !state.faults.is_empty() {
                return Err("the adapter broke the protocol");
            }
            if let Some(found) = take(&mut state) {
                return Ok(found);
            }
            if state.closed.is_some() {
                return Err("the adapter closed the connection");
            }
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err("too late");
            }
            state = self
                .inner
                .changed
                .wait_timeout(state, left)
                .expect("no panic")
                .0;
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.inner
            .state
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn write(&self, message: &Value) {
        self.inner.log.add(&self.name, From::Client, message);
        let mut writer = self.inner.writer.lock().expect("no panic while writing");
        let text = if self.inner.habits.indented {
            format!("{message:#}")
        } else {
            message.to_string()
        };
        if let Some(writer) = writer.as_mut() {
            // A closed connection shows itself to whoever waits for the answer.
            wire::write(writer.as_mut(), text.as_bytes()).ok();
        }
    }

    fn read_all(&self, mut reader: Box<dyn BufRead + Send>) {
        let why = loop {
            match wire::read(reader.as_mut()) {
                Ok(Some(body)) => self.arrived(&body),
                Ok(None) => break "end of stream".to_owned(),
                Err(error) => break error.to_string(),
            }
        };
        self.state().closed = Some(why);
        self.inner.changed.notify_all();
    }

    fn arrived(&self, body: &[u8]) {
        let at = Instant::now();
        let message = match serde_json::from_slice::<Value>(body) {
            Ok(message) if body.is_ascii() => message,
            Ok(_) => return self.fault(format!("not ASCII: {}", String::from_utf8_lossy(body))),
            Err(error) => return self.fault(format!("not JSON: {error}")),
        };
        self.inner.log.add(&self.name, From::Adapter, &message);
        let mut faults = self.inner.schema.faults(&message);
        let mut state = self.state();
        faults.extend(state.conformance.faults(&message));
        state.faults.extend(
            faults
                .into_iter()
                .map(|fault| format!("{fault}\n    in {message}")),
        );
        match message["type"].as_str() {
            Some("response") => {
                let asked = message["request_seq"].as_i64().unwrap_or_default();
                state.answers.insert(asked, (at, message));
            }
            Some("event") => state.events.push(Event {
                at,
                name: message["event"].as_str().unwrap_or_default().to_owned(),
                body: message["body"].clone(),
            }),
            _ => {
                if self.inner.habits.children == Children::BlockTheReader {
                    state.blocked = message["seq"].as_i64();
                }
                state.reverse.push(message.clone());
                drop(state);
                self.asked(&message);
            }
        }
        self.inner.changed.notify_all();
    }

    /// A reverse request arrived.
    fn asked(&self, request: &Value) {
        match self.inner.habits.children {
            Children::AnsweredAtOnce => self.respond(request, true),
            Children::Refused => self.respond(request, false),
            Children::BlockTheReader => self.block(request),
            Children::AnsweredLater | Children::Ignored => {}
        }
    }

    /// Reads nothing more until a reverse request is answered.
    fn block(&self, request: &Value) {
        self.inner.changed.notify_all();
        let state = self.state();
        let waiting = self
            .inner
            .changed
            .wait_timeout_while(state, PATIENCE, |state| state.blocked.is_some());
        if waiting.expect("no panic").1.timed_out() {
            self.fault(format!("no answer was possible to {request}"));
        }
    }

    fn fault(&self, what: String) {
        self.state().faults.push(what);
        self.inner.changed.notify_all();
    }
}

fn read_answer(message: &Value) -> Answer {
    if message["success"] == true {
        return Ok(message["body"].clone());
    }
    // The text for users is in the body; `message` may be a short form for programs.
    let error = &message["body"]["error"];
    let text = error["format"].as_str().or(message["message"].as_str());
    let mut text = text.unwrap_or("no reason given").to_owned();
    for (name, value) in error["variables"].as_object().into_iter().flatten() {
        text = text.replace(&format!("{{{name}}}"), value.as_str().unwrap_or_default());
    }
    Err(text)
}
