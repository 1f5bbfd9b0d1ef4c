//! The serial line that Xen and all its guests share.
//!
//! Three Ctrl-A switch the input to the next one. Xen's emulated PL011 keeps 32 characters and drops the rest, so a line
//! is typed eight characters at a time, each waiting for its echo. Xen splices its own prefixes into the guests' output
//! anywhere; they are taken out before anything is looked for.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Characters typed at once.
const CHUNK: usize = 8;

/// Whom the input goes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reader {
    /// Xen's own debug keys.
    Xen,
    /// Dom0's shell.
    Dom0,
    /// A dom0less guest's shell, counted from 1.
    DomU(u8),
}

/// The console of a running target.
#[derive(Clone)]
pub struct Console(Arc<Inner>);

struct Inner {
    link: Mutex<UnixStream>,
    text: Mutex<Text>,
    more: Condvar,
}

#[derive(Default)]
struct Text {
    raw: Vec<u8>,
    /// How much of the cleaned text was taken by `expect`.
    taken: usize,
    closed: bool,
}

impl Console {
    /// Connects to a console socket.
    ///
    /// # Errors
    /// Nothing listens there.
    pub fn connect(path: &Path) -> std::io::Result<Console> {
        let link = UnixStream::connect(path)?;
        let mut reading = link.try_clone()?;
        let console = Console(Arc::new(Inner {
            link: Mutex::new(link),
            text: Mutex::default(),
            more: Condvar::new(),
        }));
        let inner = Arc::downgrade(&console.0);
        std::thread::spawn(move || {
            let mut chunk = [0; 4096];
            loop {
                let got = reading.read(&mut chunk).unwrap_or(0);
                let Some(inner) = inner.upgrade() else { return };
                let mut text = inner.text.lock().expect("no panic while adding");
                text.raw.extend_from_slice(&chunk[..got]);
                text.closed = got == 0;
                inner.more.notify_all();
                if got == 0 {
                    return;
                }
            }
        });
        Ok(console)
    }

    /// All output so far, cleaned.
    #[must_use]
    pub fn text(&self) -> String {
        clean(&self.0.text.lock().expect("no panic while adding").raw)
    }

    /// Waits for one of `wanted` in output not yet taken; takes everything up to its end and returns it.
    ///
    /// # Errors
    /// It did not come in time, with the last output.
    pub fn expect(&self, wanted: &[&str], patience: Duration) -> Result<String, String> {
        let end_of_first = |fresh: &str| {
            let ends = wanted
                .iter()
                .filter_map(|want| fresh.find(want).map(|at| at + want.len()));
            ends.min()
        };
        self.take_until(end_of_first, patience)
            .map_err(|last| format!("no {wanted:?} on the console; last: {last:?}"))
    }

    /// Takes all output so far.
    fn skip(&self) {
        let mut text = self.0.text.lock().expect("no panic while adding");
        text.taken = clean(&text.raw).len();
    }

    /// Takes the output up to where `end` finds its end; the last output when it does not in time.
    fn take_until(
        &self,
        end: impl Fn(&str) -> Option<usize>,
        patience: Duration,
    ) -> Result<String, String> {
        let deadline = Instant::now() + patience;
        let mut text = self.0.text.lock().expect("no panic while adding");
        loop {
            let all = clean(&text.raw);
            let fresh = all.get(text.taken..).unwrap_or_default();
            if let Some(until) = end(fresh) {
                let out = fresh[..until].to_owned();
                text.taken += until;
                return Ok(out);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() || text.closed {
                let from = fresh.len().saturating_sub(500);
                return Err(fresh.get(from..).unwrap_or(fresh).to_owned());
            }
            text = self.0.more.wait_timeout(text, left).expect("no panic").0;
        }
    }

    /// Switches the input.
    ///
    /// # Errors
    /// Xen does not say it did.
    pub fn focus(&self, reader: Reader, patience: Duration) -> Result<(), String> {
        let wanted = match reader {
            Reader::Xen => "Serial input to Xen".to_owned(),
            Reader::Dom0 => "Serial input to DOM0".to_owned(),
            Reader::DomU(n) => format!("Serial input to DOM{n}"),
        };
        for _ in 0..6 {
            // Xen also says at boot who has the input.
            self.skip();
            self.send(b"\x01\x01\x01");
            self.expect(&["Serial input to "], patience)?;
            let line = self.expect(&["\n"], patience)?;
            let name = line.split_whitespace().next().unwrap_or_default();
            if wanted.ends_with(name) {
                return Ok(());
            }
        }
        Err(format!("the console never said {wanted:?}"))
    }

    /// Types a line for whoever has the input.
    ///
    /// # Errors
    /// No echo.
    pub fn type_line(&self, line: &str, patience: Duration) -> Result<(), String> {
        for chunk in line.as_bytes().chunks(CHUNK) {
            self.send(chunk);
            let typed = String::from_utf8_lossy(chunk);
            self.take_until(|fresh| echo(fresh, &typed), patience)
                .map_err(|last| format!("no echo of {typed:?}; last: {last:?}"))?;
        }
        self.send(b"\r");
        Ok(())
    }

    /// Waits for a text within a line of a guest's output, be it broken.
    fn answer(&self, wanted: &str, patience: Duration) -> Result<String, String> {
        self.take_until(|fresh| find_broken(fresh, wanted), patience)
            .map_err(|last| format!("no {wanted:?}; last: {last:?}"))
    }

    /// Types a line for one guest and waits for `answer` in its output.
    ///
    /// # Panics
    /// When it does not come within a minute.
    #[track_caller]
    pub fn run(&self, reader: Reader, line: &str, answer: &str) -> String {
        let patience = Duration::from_secs(60);
        self.focus(reader, patience)
            .and_then(|()| self.type_line(line, patience))
            .and_then(|()| self.answer(answer, patience))
            .unwrap_or_else(|why| panic!("{line:?} typed for {reader:?}: {why}"))
    }

    /// The same without waiting: the machine may be halted on the way.
    #[must_use]
    pub fn start(&self, reader: Reader, line: &str, answer: &str) -> JoinHandle<String> {
        let (console, line, answer) = (self.clone(), line.to_owned(), answer.to_owned());
        std::thread::spawn(move || console.run(reader, &line, &answer))
    }

    fn send(&self, bytes: &[u8]) {
        let mut link = self.0.link.lock().expect("no panic while writing");
        // A console that is gone shows itself to whoever waits for output.
        link.write_all(bytes).ok();
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        if let Ok(link) = self.link.lock() {
            link.shutdown(std::net::Shutdown::Both).ok();
        }
    }
}

/// Where the echo of `typed` ends: its letters in order, with another guest's prompt between them or not.
fn echo(output: &str, typed: &str) -> Option<usize> {
    let mut rest = typed.chars().peekable();
    for (at, letter) in output.char_indices() {
        if rest.next_if_eq(&letter).is_some() && rest.peek().is_none() {
            return Some(at + letter.len_utf8());
        }
    }
    None
}

/// Where `wanted` ends in the output. Xen breaks lines anywhere when the screen goes to another guest.
fn find_broken(output: &str, wanted: &str) -> Option<usize> {
    let mut rest = wanted.chars();
    for (at, letter) in output.char_indices().filter(|(_, letter)| *letter != '\n') {
        let expected = rest.clone().next()?;
        if letter == expected {
            rest.next();
        } else {
            rest = wanted.chars();
            if wanted.starts_with(letter) {
                rest.next();
            }
        }
        if rest.as_str().is_empty() {
            return Some(at + letter.len_utf8());
        }
    }
    None
}

/// The output without carriage returns, terminal escapes and Xen's prefixes.
pub(crate) fn clean(raw: &[u8]) -> String {
    let text = String::from_utf8_lossy(raw).replace('\r', "");
    let mut out = String::with_capacity(text.len());
    let mut rest = text.as_str();
    while let Some(at) = rest.find(['\x1b', '(']) {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        let skip = escape(rest).or_else(|| prefix(rest)).unwrap_or(0);
        if skip == 0 {
            out.push_str(&rest[..1]);
        }
        rest = &rest[skip.max(1)..];
    }
    out.push_str(rest);
    out
}

/// The length of a terminal escape `ESC [ digits letter` at the start.
fn escape(text: &str) -> Option<usize> {
    let body = text.strip_prefix("\x1b[")?;
    let digits = body.find(|c: char| !c.is_ascii_digit() && c != ';')?;
    Some(2 + digits + 1)
}

/// The length of Xen's prefix `(XEN) ` or `(XEN) DOM1: ` at the start.
fn prefix(text: &str) -> Option<usize> {
    let body = text.strip_prefix("(XEN) ")?;
    let guest = body.strip_prefix("DOM").and_then(|body| {
        let digits = body.bytes().take_while(u8::is_ascii_digit).count();
        (digits > 0 && body[digits..].starts_with(": ")).then_some(3 + digits + 2)
    });
    Some(6 + guest.unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::{clean, echo, find_broken};

    #[track_caller]
    fn check(raw: &str, cleaned: &str) {
        assert_eq!(clean(raw.as_bytes()), cleaned);
    }

    #[test]
    fn text_may_be_broken_into_lines() {
        assert_eq!(find_broken("dom0# h\nost x", "host"), Some(11));
        assert_eq!(find_broken("hhost", "host"), Some(5));
        assert_eq!(find_broken("three", "host"), None);
    }

    #[test]
    fn an_echo_may_have_a_prompt_in_it() {
        assert_eq!(echo("\nc\ndom0# at /pro", "cat /pro"), Some(16));
        assert_eq!(echo("ca", "cat"), None);
    }

    #[test]
    fn splices_are_taken_out() {
        check("TB-(XEN) READY", "TB-READY");
        check("(XEN) DOM1: hello\r\n", "hello\n");
        check("a(XEN) DOM12: b(c)", "ab(c)");
        check("\x1b[1;34mdir\x1b[0m é", "dir é");
        check("(XEN) DOM: x", "DOM: x");
    }
}
