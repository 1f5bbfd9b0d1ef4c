//! The adapter as a process: started for one test, ended with it.

use std::io::{BufRead, BufReader};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::log::Log;
use crate::schema::Schema;
use crate::session::{Habits, Session};

/// How a client reaches the adapter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// Standard input and output: one connection.
    Stdio,
    /// TCP on a free loopback port: as many as the client opens.
    Tcp,
}

/// A running `hvdap dap`.
pub struct Adapter {
    process: Child,
    transport: Transport,
    address: Option<String>,
    errors: Arc<Mutex<String>>,
    log: Log,
    schema: Arc<Schema>,
    /// What sessions opened from now on do as some editor does.
    pub habits: Habits,
}

/// The program under test: `HVDAP_BIN`, else the one built beside this test.
///
/// # Panics
/// When there is none.
#[must_use]
pub fn program() -> PathBuf {
    if let Some(path) = std::env::var_os("HVDAP_BIN") {
        return path.into();
    }
    // Tests lie in `deps` beside it, other programs next to it.
    let own = std::env::current_exe().expect("a program knows its own file");
    let beside = own
        .ancestors()
        .skip(1)
        .take(2)
        .map(|folder| folder.join("hvdap"));
    beside
        .into_iter()
        .find(|path| path.is_file())
        .expect("build the adapter first (cargo build -p hvdap), or name it in HVDAP_BIN")
}

/// Runs a subcommand of the program to its end.
///
/// # Panics
/// When it cannot be started, or runs longer than a minute.
#[must_use]
pub fn run(arguments: &[&str]) -> Output {
    let child = Command::new(program())
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the adapter starts");
    let pid = child.id();
    let (done, ended) = std::sync::mpsc::channel();
    std::thread::spawn(move || done.send(child.wait_with_output()));
    match ended.recv_timeout(Duration::from_secs(60)) {
        Ok(output) => output.expect("the adapter ends"),
        Err(_) => {
            Command::new("kill")
                .args(["-9", &pid.to_string()])
                .status()
                .ok();
            panic!("hvdap {arguments:?} did not end within a minute");
        }
    }
}

impl Adapter {
    /// Starts the adapter.
    ///
    /// # Panics
    /// When it does not start, or does not say where it listens.
    #[must_use]
    pub fn start(transport: Transport) -> Adapter {
        match transport {
            Transport::Stdio => Adapter::spawn(transport, &["dap".to_owned()]),
            Transport::Tcp => {
                let arguments = ["dap", "--listen", "127.0.0.1:0"];
                Adapter::listening(&arguments.map(str::to_owned))
            }
        }
    }

    /// Starts it with arguments that make it a server.
    ///
    /// # Panics
    /// When it does not start, or does not say where it listens.
    #[must_use]
    pub fn listening(arguments: &[String]) -> Adapter {
        Adapter::spawn(Transport::Tcp, arguments)
    }

    fn spawn(transport: Transport, arguments: &[String]) -> Adapter {
        let mut command = Command::new(program());
        command.args(arguments).stderr(Stdio::piped());
        match transport {
            Transport::Stdio => command.stdin(Stdio::piped()).stdout(Stdio::piped()),
            Transport::Tcp => command.stdin(Stdio::null()).stdout(Stdio::null()),
        };
        let mut process = command.spawn().expect("the adapter starts");
        let errors = Arc::new(Mutex::new(String::new()));
        let (found, listening) = std::sync::mpsc::channel();
        let stderr = BufReader::new(process.stderr.take().expect("it is piped"));
        let lines = Arc::clone(&errors);
        std::thread::spawn(move || {
            for line in stderr.lines().map_while(Result::ok) {
                if let Some((_, address)) = line.split_once("listening on ") {
                    found.send(address.trim().to_owned()).ok();
                }
                let mut lines = lines.lock().expect("no panic while adding");
                lines.push_str(&line);
                lines.push('\n');
            }
        });
        let mut adapter = Adapter {
            process,
            transport,
            address: None,
            errors,
            log: Log::create(),
            schema: Arc::new(Schema::load()),
            habits: Habits::default(),
        };
        if transport == Transport::Tcp {
            let address = listening.recv_timeout(Duration::from_secs(10));
            adapter.address = Some(address.unwrap_or_else(|_| {
                panic!(
                    "the adapter does not say where it listens: {}",
                    adapter.errors()
                )
            }));
        }
        adapter
    }

    /// Opens a connection; by standard input and output there is only one.
    ///
    /// # Panics
    /// When it cannot be opened.
    #[must_use]
    pub fn connect(&mut self, name: &str) -> Session {
        let (reader, writer): (Box<dyn BufRead + Send>, Box<dyn std::io::Write + Send>) =
            match self.transport {
                Transport::Stdio => (
                    Box::new(BufReader::new(
                        self.process.stdout.take().expect("one connection"),
                    )),
                    Box::new(self.process.stdin.take().expect("one connection")),
                ),
                Transport::Tcp => {
                    let address = self.address.as_deref().expect("it listens");
                    let link = TcpStream::connect(address).expect("the adapter takes connections");
                    link.set_nodelay(true).expect("a socket can be set up");
                    let reading = link.try_clone().expect("a socket can be shared");
                    (Box::new(BufReader::new(reading)), Box::new(Closing(link)))
                }
            };
        Session::over(
            name,
            reader,
            writer,
            self.log.clone(),
            Arc::clone(&self.schema),
            self.habits,
        )
    }

    /// What it wrote to standard error so far.
    #[must_use]
    pub fn errors(&self) -> String {
        self.errors.lock().expect("no panic while adding").clone()
    }

    /// Its process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.process.id()
    }

    /// The messages so far.
    #[must_use]
    pub fn log(&self) -> &Log {
        &self.log
    }

    /// The most memory it has had resident, in bytes.
    #[must_use]
    pub fn peak_memory(&self) -> Option<u64> {
        peak_memory(self.pid())
    }

    /// Waits for the process to end by itself.
    pub fn ended(&mut self, patience: Duration) -> Option<ExitStatus> {
        let end = Instant::now() + patience;
        loop {
            if let Ok(Some(status)) = self.process.try_wait() {
                return Some(status);
            }
            if Instant::now() > end {
                return None;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Kills it, as a crash would.
    pub fn kill(&mut self) {
        self.process.kill().ok();
        self.process.wait().ok();
    }
}

/// The most memory a process has had resident, in bytes.
#[must_use]
pub fn peak_memory(pid: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    let kilobytes: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kilobytes * 1024)
}

impl Drop for Adapter {
    fn drop(&mut self) {
        self.kill();
        let errors = self.errors();
        if std::thread::panicking() {
            eprintln!("the adapter wrote to standard error:\n{errors}");
        } else if errors.contains("panicked at") {
            panic!("the adapter panicked:\n{errors}");
        }
    }
}

/// A socket that tells its peer when it is dropped, though its other half is still being read.
struct Closing(TcpStream);

impl std::io::Write for Closing {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.0.flush()
    }
}

impl Drop for Closing {
    fn drop(&mut self) {
        self.0.shutdown(std::net::Shutdown::Both).ok();
    }
}
