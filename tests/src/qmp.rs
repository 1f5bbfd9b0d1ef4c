//! QEMU's monitor: what a test may ask the machine behind the adapter's back.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};

/// A connection to QEMU's monitor.
pub struct Qmp {
    link: BufReader<UnixStream>,
}

impl Qmp {
    /// Connects and leaves the negotiation mode.
    ///
    /// # Panics
    /// When there is no monitor.
    #[must_use]
    pub fn connect(path: &Path) -> Qmp {
        let link = UnixStream::connect(path).expect("QEMU's monitor listens");
        link.set_read_timeout(Some(Duration::from_secs(30)))
            .expect("a socket can be set up");
        let mut qmp = Qmp {
            link: BufReader::new(link),
        };
        let mut greeting = String::new();
        qmp.link.read_line(&mut greeting).expect("QEMU greets");
        qmp.ask("qmp_capabilities", json!({}));
        qmp
    }

    /// Sends a command and returns what it returns.
    ///
    /// # Panics
    /// When QEMU refuses or does not answer.
    #[track_caller]
    pub fn ask(&mut self, command: &str, arguments: Value) -> Value {
        let line = json!({ "execute": command, "arguments": arguments });
        writeln!(self.link.get_mut(), "{line}").expect("QEMU takes commands");
        loop {
            let mut line = String::new();
            self.link.read_line(&mut line).expect("QEMU answers");
            let mut answer: Value = serde_json::from_str(&line).expect("QEMU answers in JSON");
            assert!(answer["error"].is_null(), "{command}: {}", answer["error"]);
            if !answer["return"].is_null() {
                return answer["return"].take();
            }
        }
    }

    /// Whether the machine runs.
    #[track_caller]
    pub fn running(&mut self) -> bool {
        self.ask("query-status", json!({}))["running"] == true
    }

    /// Runs a line of the human monitor.
    #[track_caller]
    pub fn line(&mut self, line: &str) -> String {
        let answer = self.ask("human-monitor-command", json!({ "command-line": line }));
        answer.as_str().unwrap_or_default().to_owned()
    }
}
