//! Every message of a test, both ways, as JSON lines: `{"ms", "session", "from", "message"}`.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use serde_json::{Value, json};

/// How many messages a failing test shows.
const TAIL: usize = 30;
/// How much of one message a failing test shows.
const SHOWN: usize = 400;

/// The log of one adapter process, shared by its sessions.
#[derive(Clone)]
pub struct Log(Arc<Mutex<Inner>>);

struct Inner {
    began: Instant,
    path: PathBuf,
    file: BufWriter<File>,
    tail: VecDeque<String>,
}

/// Who wrote a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum From {
    /// The adapter under test.
    Adapter,
    /// The test.
    Client,
}

impl Log {
    /// A new log in `target/journeys/`, named for the running test.
    #[must_use]
    pub fn create() -> Log {
        let thread = std::thread::current();
        let name = thread.name().unwrap_or("main").replace("::", "-");
        let folder = crate::target::root().join("target/journeys").join(name);
        std::fs::create_dir_all(&folder).expect("target/ can be written");
        let path = (0..)
            .map(|n| folder.join(format!("dap-{}-{n}.jsonl", std::process::id())))
            .find(|path| !path.exists())
            .expect("numbers do not end");
        let file = File::create(&path).expect("target/ can be written");
        Log(Arc::new(Mutex::new(Inner {
            began: Instant::now(),
            path,
            file: BufWriter::new(file),
            tail: VecDeque::new(),
        })))
    }

    /// Adds a message.
    pub fn add(&self, session: &str, from: From, message: &Value) {
        let mut inner = self.0.lock().expect("no panic while logging");
        let ms = inner.began.elapsed().as_secs_f64() * 1e3;
        let line = json!({
            "ms": (ms * 1000.0).round() / 1000.0,
            "session": session,
            "from": if from == From::Adapter { "adapter" } else { "client" },
            "message": message,
        });
        writeln!(inner.file, "{line}").expect("the log can be written");
        let arrow = if from == From::Adapter { "<-" } else { "->" };
        let short: String = message.to_string().chars().take(SHOWN).collect();
        inner
            .tail
            .push_back(format!("{ms:9.1} {session} {arrow} {short}"));
        if inner.tail.len() > TAIL {
            inner.tail.pop_front();
        }
    }

    /// What the adapter wrote so far: the session and the message.
    ///
    /// # Panics
    /// When the log cannot be read back.
    #[must_use]
    pub fn from_adapter(&self) -> Vec<(String, Value)> {
        let mut inner = self.0.lock().expect("no panic while logging");
        inner.file.flush().expect("the log can be written");
        let text = std::fs::read_to_string(&inner.path).expect("the log can be read");
        let lines = text.lines().map(|line| {
            let line: Value = serde_json::from_str(line).expect("each line is JSON");
            let session = line["session"].as_str().unwrap_or_default();
            (session.to_owned(), line)
        });
        lines
            .filter(|(_, line)| line["from"] == "adapter")
            .map(|(session, mut line)| (session, line["message"].take()))
            .collect()
    }

    /// The last messages and where all of them are, for a failing test.
    #[must_use]
    pub fn tail(&self) -> String {
        let mut inner = self.0.lock().expect("no panic while logging");
        inner.file.flush().ok();
        let lines: Vec<_> = inner.tail.iter().map(String::as_str).collect();
        format!(
            "{}\n(all messages: {})",
            lines.join("\n"),
            inner.path.display()
        )
    }
}
