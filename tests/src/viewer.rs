//! `hvdap trace view` and a browser's part of the conversation, byte for byte.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::{adapter, target};

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// The program, serving a page.
pub struct Viewer {
    child: Child,
    /// `127.0.0.1:PORT`.
    pub host: String,
    /// `/TOKEN/`.
    pub path: String,
}

/// What a server says.
#[derive(Debug)]
pub struct Said {
    /// The status code.
    pub status: u16,
    /// The head, its names in lower case.
    pub head: String,
    /// The body.
    pub body: Vec<u8>,
}

impl Viewer {
    /// Starts it on a file and waits until it serves.
    ///
    /// # Panics
    /// When it does not.
    #[must_use]
    pub fn start(file: &Path, arguments: &[&str]) -> Self {
        let file = file.to_str().expect("a plain path");
        Self::with(&[&[file], arguments].concat())
    }

    /// Starts it with these arguments and waits until it serves.
    ///
    /// # Panics
    /// When it does not.
    #[must_use]
    pub fn with(arguments: &[&str]) -> Self {
        let mut command = Command::new(adapter::program());
        let mut child = command
            .args(["trace", "view", "--no-open"])
            .args(arguments)
            .stdout(Stdio::piped())
            .spawn()
            .expect("the adapter starts");
        let mut line = String::new();
        let output = child.stdout.take().expect("its output");
        BufReader::new(output)
            .read_line(&mut line)
            .expect("it says where it serves");
        let said: Value = serde_json::from_str(&line).expect("one line of JSON");
        let url = said["url"].as_str().expect("an address");
        let (host, path) = url
            .strip_prefix("http://")
            .and_then(|rest| rest.split_once('/'))
            .expect("an address of HTTP");
        Self {
            child,
            host: host.to_owned(),
            path: format!("/{path}"),
        }
    }

    /// Sends a request as it is written, with lines as in HTTP, and reads to the end of the connection.
    ///
    /// # Panics
    /// When nothing is answered.
    #[must_use]
    pub fn raw(&self, head: &[&str], body: &[u8]) -> Said {
        let mut stream = self.connect(head, body);
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).ok();
        let end = answer.windows(4).position(|four| four == b"\r\n\r\n");
        let end = end.expect("an answer");
        let head = String::from_utf8_lossy(&answer[..end]).to_lowercase();
        let status = head.split(' ').nth(1).and_then(|code| code.parse().ok());
        let rest = &answer[end + 4..];
        let body = match head.contains("transfer-encoding: chunked") {
            true => unchunked(rest),
            false => rest.to_vec(),
        };
        Said {
            status: status.expect("a status"),
            head,
            body,
        }
    }

    fn connect(&self, head: &[&str], body: &[u8]) -> TcpStream {
        let mut stream = TcpStream::connect(&self.host).expect("it listens");
        stream.set_read_timeout(Some(PATIENCE)).ok();
        let head: String = head.iter().map(|line| format!("{line}\r\n")).collect();
        let length = body.len();
        let head = format!("{head}content-length: {length}\r\nconnection: close\r\n\r\n");
        stream.write_all(head.as_bytes()).expect("it reads");
        // A server that refuses may not read all of it.
        stream.write_all(body).ok();
        stream
    }

    /// What a browser gets that follows a link of the page.
    #[must_use]
    pub fn get(&self, name: &str) -> Said {
        let line = format!("GET {}{name} HTTP/1.1", self.path);
        self.raw(&[&line, &format!("Host: {}", self.host)], b"")
    }

    /// What the page gets that asks; the body, or the error.
    ///
    /// # Errors
    /// What the answer says.
    ///
    /// # Panics
    /// When there is no answer.
    pub fn ask(&self, command: &str, arguments: Value) -> Result<Value, String> {
        let question = json!({ "command": command, "arguments": arguments });
        let line = format!("POST {}request HTTP/1.1", self.path);
        let host = format!("Host: {}", self.host);
        let origin = format!("Origin: http://{}", self.host);
        let said = self.raw(&[&line, &host, &origin], question.to_string().as_bytes());
        assert_eq!(said.status, 200, "{said:?}");
        let mut answer: Value = serde_json::from_slice(&said.body).expect("JSON");
        match answer["error"].as_str() {
            Some(error) => Err(error.to_owned()),
            None => Ok(answer["body"].take()),
        }
    }

    /// Asks, and holds the answer against its schema.
    ///
    /// # Panics
    /// When it is an error, or not as the schema says.
    #[track_caller]
    #[must_use]
    pub fn body(&self, command: &str, schema: &str, arguments: Value) -> Value {
        let body = self.ask(command, arguments).expect("an answer");
        let file = target::root().join(format!("schemas/{schema}.schema.json"));
        let schema = std::fs::read(file).expect("there is a schema");
        let schema = serde_json::from_slice(&schema).expect("a schema is JSON");
        let validator = jsonschema::validator_for(&schema).expect("a schema");
        let wrong: Vec<String> = validator
            .iter_errors(&body)
            .map(|error| error.to_string())
            .collect();
        assert!(wrong.is_empty(), "{command}: {wrong:?}");
        body
    }

    /// The ticks that events tell, until one is `last`.
    ///
    /// # Panics
    /// When that does not come.
    #[must_use]
    pub fn events_until(&self, last: u64) -> Vec<u64> {
        let line = format!("GET {}events HTTP/1.1", self.path);
        let stream = self.connect(&[&line, &format!("Host: {}", self.host)], b"");
        let (mut told, began) = (Vec::new(), Instant::now());
        for line in BufReader::new(stream).lines() {
            let line = line.expect("an event in time");
            let Some(body) = line.strip_prefix("data: ") else {
                continue;
            };
            let body: Value = serde_json::from_str(body).expect("JSON");
            told.extend(body["until"].as_u64());
            if told.last() == Some(&last) {
                return told;
            }
            assert!(began.elapsed() < PATIENCE, "{told:?}");
        }
        panic!("the events ended: {told:?}");
    }

    /// Ends it as a service manager does.
    ///
    /// # Panics
    /// When it does not end.
    #[must_use]
    pub fn end(&mut self) -> ExitStatus {
        let pid = self.child.id().to_string();
        Command::new("kill").args(["-TERM", &pid]).status().ok();
        let began = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().expect("a child") {
                return status;
            }
            assert!(began.elapsed() < PATIENCE, "it does not end");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Its process.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Viewer {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// The pieces of a body put together.
fn unchunked(mut rest: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    while let Some(end) = rest.windows(2).position(|two| two == b"\r\n") {
        let size = String::from_utf8_lossy(&rest[..end]);
        let size = usize::from_str_radix(&size, 16).expect("a size");
        rest = &rest[end + 2..];
        body.extend_from_slice(&rest[..size]);
        rest = &rest[(size + 2).min(rest.len())..];
    }
    body
}
