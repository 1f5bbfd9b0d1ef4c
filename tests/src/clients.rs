//! Real editors as clients: what each says of itself, in which order it asks, how it opens the sessions of VMs.
//!
//! [`known`] is the table, a row for each editor; [`Client::attach`] and what follows replay a row. What is common to all
//! (ASCII, 32 bits, fields that must be there) is checked of every message by [`conformance`](crate::conformance).

pub mod known;

use std::time::Duration;

use serde_json::{Value, json};

use crate::adapter::Adapter;
use crate::session::{Children, Habits, PATIENCE, Pending, Session};

/// An editor.
pub struct Client {
    /// What users call it.
    pub name: &'static str,
    /// Its `initialize`.
    pub says: Value,
    /// What it does on the wire.
    pub habits: Habits,
    /// What it adds to the arguments of its `attach`.
    pub adds: Value,
    /// How it attaches a child session.
    pub child: ChildVerb,
    /// What it sends between `initialized` and `configurationDone`.
    pub configures: Vec<(&'static str, Value)>,
    /// What it asks after a halt.
    pub looks: Looks,
    /// How it lets the machine run.
    pub resumes: Resumes,
    /// How it ends a session when the user says stop.
    pub leaves: Vec<(&'static str, Value)>,
}

/// By which request a child session is attached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChildVerb {
    /// The one named beside the configuration.
    Asked,
    /// The one inside the configuration, else `launch` (LSP4E).
    Inside,
    /// The one its parent was attached by (LSP4IJ).
    Parents,
}

/// What a client asks after a halt.
#[derive(Clone, Debug)]
pub struct Looks {
    /// `startFrame` and `levels` of its `stackTrace` requests, one after the other.
    pub frames: &'static [(u32, u32)],
    /// Every thread's stack, not only that of the thread that stopped.
    pub every_thread: bool,
    /// Arguments of its `evaluate` beside the expression and the frame.
    pub watch: Value,
    /// Whether it fetches scopes that are said to be expensive.
    pub expensive: bool,
}

/// How a client lets a machine run that stopped as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resumes {
    /// One request for the thread in front.
    Once,
    /// The same, and only this thread is to run (Zed).
    SingleThread,
    /// A request for each of its threads (Theia).
    EachThread,
}

/// An editor attached to a machine.
pub struct Opened {
    /// The session the user started.
    pub root: Session,
    /// Those of VMs, by name; none where the client cannot start them.
    pub vms: Vec<(String, Session)>,
}

/// What an editor shows of one thread.
#[derive(Clone, Debug)]
pub struct Seen {
    /// Its frames.
    pub frames: Vec<Value>,
    /// The variables of all scopes of the frame in front.
    pub variables: Vec<Value>,
}

impl Client {
    /// Whether it can start sessions for VMs.
    #[must_use]
    pub fn starts_children(&self) -> bool {
        self.says["supportsStartDebuggingRequest"] == true
    }

    /// Attaches by `verb` and opens the sessions of `vms` VMs as the adapter asks for them.
    ///
    /// # Panics
    /// When the adapter refuses, or does not do what it has to in time.
    #[track_caller]
    pub fn attach(
        &self,
        adapter: &mut Adapter,
        verb: &str,
        configuration: &Value,
        vms: usize,
    ) -> Opened {
        adapter.habits = self.habits;
        let root = adapter.connect(self.name);
        self.open(&root, verb, configuration);
        let mut opened = Opened {
            root,
            vms: Vec::new(),
        };
        for _ in 0..vms {
            let asked = opened.root.start_debugging();
            self.open_child(adapter, verb, &mut opened, &asked);
        }
        opened
    }

    /// Opens the session of a VM that the adapter asked for, its parent attached by `verb`.
    ///
    /// # Panics
    /// When the adapter refuses.
    #[track_caller]
    pub fn open_child(
        &self,
        adapter: &mut Adapter,
        verb: &str,
        opened: &mut Opened,
        asked: &Value,
    ) {
        let configuration = &asked["arguments"]["configuration"];
        let name = configuration["name"].as_str().unwrap_or_default();
        let verb = match self.child {
            ChildVerb::Asked => asked["arguments"]["request"].as_str(),
            ChildVerb::Inside => configuration["request"].as_str(),
            ChildVerb::Parents => Some(verb),
        };
        let session = adapter.connect(&format!("{}, {name}", self.name));
        self.open(&session, verb.unwrap_or("launch"), configuration);
        if matches!(
            self.habits.children,
            Children::AnsweredLater | Children::BlockTheReader
        ) {
            opened.root.accept(asked);
        }
        opened.vms.push((name.to_owned(), session));
    }

    /// Takes a session to the end of its configuration.
    ///
    /// # Panics
    /// When the adapter refuses.
    #[track_caller]
    pub fn open(&self, session: &Session, verb: &str, configuration: &Value) {
        session.request("initialize", self.says.clone());
        let mut arguments = configuration.clone();
        for (key, value) in self.adds.as_object().into_iter().flatten() {
            arguments[key] = value.clone();
        }
        let attaching = session.send(verb, arguments);
        session.event("initialized");
        for (command, arguments) in &self.configures {
            session.request(command, arguments.clone());
        }
        let configured = session.send("configurationDone", Value::Null);
        for pending in [attaching, configured] {
            answered(session, pending);
        }
    }

    /// What it shows at a halt of a session: the thread that stopped, or all threads.
    ///
    /// # Panics
    /// When the adapter refuses, or does not list the thread that stopped.
    #[track_caller]
    pub fn look(&self, session: &Session) -> Vec<Seen> {
        let stopped = session.event("stopped").body["threadId"].clone();
        let threads = threads(session);
        let wanted = |thread: &&Value| self.looks.every_thread || thread["id"] == stopped;
        let seen: Vec<Seen> = threads
            .iter()
            .filter(wanted)
            .map(|thread| self.see(session, thread))
            .collect();
        if seen.is_empty() {
            session.fail(&format!("thread {stopped} is not listed: {threads:?}"));
        }
        seen
    }

    /// What it shows of the first thread whose name begins so, as when the user selects it.
    ///
    /// # Panics
    /// When the adapter refuses, or there is none.
    #[track_caller]
    #[must_use]
    pub fn select(&self, session: &Session, name: &str) -> Seen {
        let threads = threads(session);
        let named = |thread: &&Value| {
            let own = thread["name"].as_str();
            own.is_some_and(|own| own.starts_with(name))
        };
        match threads.iter().find(named) {
            Some(thread) => self.see(session, thread),
            None => session.fail(&format!("no thread {name}: {threads:?}")),
        }
    }

    #[track_caller]
    fn see(&self, session: &Session, thread: &Value) -> Seen {
        let mut frames = Vec::new();
        for (start, levels) in self.looks.frames {
            let arguments =
                json!({ "threadId": thread["id"], "startFrame": start, "levels": levels });
            let body = session.request("stackTrace", arguments);
            frames.extend(body["stackFrames"].as_array().cloned().unwrap_or_default());
        }
        let front = frames.first().map(|frame| frame["id"].clone());
        Seen {
            variables: front.map_or_else(Vec::new, |frame| self.variables(session, &frame)),
            frames,
        }
    }

    /// Lets the machine run.
    ///
    /// # Panics
    /// When the adapter refuses, or lets a part of it run.
    #[track_caller]
    pub fn resume(&self, session: &Session) {
        let threads = threads(session);
        let wanted = match self.resumes {
            Resumes::EachThread => threads.len(),
            Resumes::Once | Resumes::SingleThread => 1,
        };
        // All are sent before the first is answered.
        let sent: Vec<Pending> = threads[..wanted]
            .iter()
            .map(|thread| {
                let mut arguments = json!({ "threadId": thread["id"] });
                if self.resumes == Resumes::SingleThread {
                    arguments["singleThread"] = json!(true);
                }
                session.send("continue", arguments)
            })
            .collect();
        for pending in sent {
            match session.answer(pending) {
                Ok(body) => assert_eq!(body["allThreadsContinued"], true, "{}", session.name()),
                Err(why) => session.fail(&why),
            }
        }
    }

    #[track_caller]
    fn variables(&self, session: &Session, frame: &Value) -> Vec<Value> {
        let body = session.request("scopes", json!({ "frameId": frame }));
        let all = body["scopes"].as_array().into_iter().flatten();
        let wanted = all.filter(|scope| self.looks.expensive || scope["expensive"] == false);
        wanted
            .flat_map(|scope| {
                let reference = json!({ "variablesReference": scope["variablesReference"] });
                let body = session.request("variables", reference);
                body["variables"].as_array().cloned().unwrap_or_default()
            })
            .collect()
    }

    /// A watched expression's value in a frame.
    ///
    /// # Panics
    /// When the adapter refuses.
    #[track_caller]
    #[must_use]
    pub fn watch(&self, session: &Session, frame: &Value, expression: &str) -> String {
        let mut arguments = self.looks.watch.clone();
        arguments["expression"] = json!(expression);
        arguments["frameId"] = frame.clone();
        let body = session.request("evaluate", arguments);
        body["result"].as_str().unwrap_or_default().to_owned()
    }

    /// Ends a session as the user's stop does; the adapter closes the connection by itself.
    ///
    /// # Panics
    /// When it does not.
    #[track_caller]
    pub fn leave(&self, session: &Session) {
        for (command, arguments) in &self.leaves {
            session.request(command, arguments.clone());
            if *command == "terminate" {
                session.event_where("terminated", PATIENCE, |_| true);
            }
        }
        session.closed();
    }
}

impl Opened {
    /// The session that shows a VM.
    ///
    /// # Panics
    /// When there is none of that name.
    #[must_use]
    pub fn vm(&self, name: &str) -> &Session {
        let found = self.vms.iter().find(|(vm, _)| vm == name);
        &found.expect("a session of that name was asked for").1
    }

    /// All sessions, the user's first.
    pub fn sessions(&self) -> impl Iterator<Item = &Session> {
        std::iter::once(&self.root).chain(self.vms.iter().map(|(_, session)| session))
    }

    /// Waits until every session but the user's is told that it ended, and closes it as editors then do.
    ///
    /// # Panics
    /// When one is not.
    #[track_caller]
    pub fn children_end(&self) {
        for (_, session) in &self.vms {
            session.event_where("terminated", Duration::from_secs(10), |_| true);
            session.hang_up();
        }
    }
}

impl Seen {
    /// The names of its frames.
    #[must_use]
    pub fn functions(&self) -> Vec<&str> {
        let names = self.frames.iter().map(|frame| frame["name"].as_str());
        names.map(Option::unwrap_or_default).collect()
    }
}

#[track_caller]
fn threads(session: &Session) -> Vec<Value> {
    let body = session.request("threads", Value::Null);
    body["threads"].as_array().cloned().unwrap_or_default()
}

#[track_caller]
fn answered(session: &Session, pending: Pending) {
    if let Err(why) = session.answer(pending) {
        session.fail(&why);
    }
}
