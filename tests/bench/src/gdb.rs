//! gdb-multiarch as the other side, driven by its machine interface.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

/// A line gdb wrote, with its time.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    pub(crate) at: Instant,
    pub(crate) text: String,
}

/// A running gdb.
pub(crate) struct Gdb {
    process: Child,
    input: ChildStdin,
    lines: Receiver<Line>,
}

/// The commands that load the target's three images.
pub(crate) fn images(artefacts: &Path) -> [String; 3] {
    let file = |name: &str| artefacts.join(name).display().to_string();
    [
        format!("file {}", file("xen-syms")),
        format!("add-symbol-file {}", file("vmlinux-domu")),
        format!("add-symbol-file {}", file("vmlinux-dom0")),
    ]
}

impl Gdb {
    /// Starts gdb and loads images.
    pub(crate) fn start(images: &[String]) -> Gdb {
        let mut process = Command::new("gdb-multiarch")
            .args(["-nx", "-q", "-i=mi2"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("gdb-multiarch is installed");
        let output = BufReader::new(process.stdout.take().expect("it is piped"));
        let (send, lines) = channel();
        std::thread::spawn(move || {
            for text in output.lines().map_while(Result::ok) {
                if send
                    .send(Line {
                        at: Instant::now(),
                        text,
                    })
                    .is_err()
                {
                    return;
                }
            }
        });
        let input = process.stdin.take().expect("it is piped");
        let mut gdb = Gdb {
            process,
            input,
            lines,
        };
        for setting in [
            "set confirm off",
            "set pagination off",
            "set architecture aarch64",
        ] {
            gdb.ask(setting);
        }
        for image in images {
            gdb.ask(image);
        }
        gdb
    }

    /// Connects to a stub, which halts the machine.
    pub(crate) fn connect(&mut self, socket: &str) {
        self.ask(&format!("target remote {socket}"));
    }

    /// Runs a command line to its `^done`.
    pub(crate) fn ask(&mut self, command: &str) -> Duration {
        let began = Instant::now();
        self.send(command);
        let ended = self.wait(Duration::from_secs(120), |text| {
            text.starts_with("^done")
                || text.starts_with("^error")
                || text.starts_with("^connected")
        });
        ended.map_or(Duration::MAX, |line| line.at - began)
    }

    /// Lets the machine run.
    pub(crate) fn go(&mut self) {
        self.send("continue");
        self.wait(Duration::from_secs(10), |text| text.starts_with("^running"));
    }

    /// Interrupts as Ctrl-C does; when the stop was told, if it was.
    pub(crate) fn interrupt(&mut self, patience: Duration) -> Option<Line> {
        let pid = self.process.id().to_string();
        Command::new("kill").args(["-INT", &pid]).status().ok();
        self.stopped(patience)
    }

    /// Waits for a stop.
    pub(crate) fn stopped(&mut self, patience: Duration) -> Option<Line> {
        self.wait(patience, |text| text.starts_with("*stopped"))
    }

    fn send(&mut self, command: &str) {
        let quoted = command.replace('\\', "\\\\").replace('"', "\\\"");
        writeln!(self.input, "-interpreter-exec console \"{quoted}\"").expect("gdb takes commands");
    }

    fn wait(&mut self, patience: Duration, wanted: impl Fn(&str) -> bool) -> Option<Line> {
        let end = Instant::now() + patience;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            let line = self.lines.recv_timeout(left).ok()?;
            if wanted(&line.text) {
                return Some(line);
            }
        }
    }
}

impl Drop for Gdb {
    fn drop(&mut self) {
        self.process.kill().ok();
        self.process.wait().ok();
    }
}
