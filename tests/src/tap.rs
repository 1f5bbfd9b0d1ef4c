//! A man in the middle of the gdb remote link: notes every packet with its time, and spoils what it is told to.

use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Instant;

/// Who sent a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sender {
    /// The debugger.
    Debugger,
    /// The gdb stub.
    Stub,
}

/// One packet without frame; an interrupt is `\x03`. Acks are not noted.
#[derive(Clone, Debug)]
pub struct Packet {
    /// When it went through.
    pub at: Instant,
    /// Who sent it.
    pub sender: Sender,
    /// Its text.
    pub text: String,
}

/// What to do with the next packet of the stub that is an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spoil {
    /// Flip a bit of its checksum; a debugger asks again.
    Checksum,
    /// Put bytes that are no packet before it.
    Noise,
}

/// A running tap.
pub struct Tap {
    path: PathBuf,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    packets: Mutex<Vec<Packet>>,
    spoil: Mutex<Option<Spoil>>,
    links: Mutex<Vec<UnixStream>>,
}

impl Tap {
    /// Listens beside the stub's socket and passes on to it.
    ///
    /// # Panics
    /// When it cannot listen there.
    #[must_use]
    pub fn on(stub: &Path) -> Tap {
        let path = stub.with_extension("tap");
        std::fs::remove_file(&path).ok();
        let listener = UnixListener::bind(&path).expect("the folder can be written");
        let shared = Arc::<Shared>::default();
        let (stub, inner) = (stub.to_owned(), Arc::clone(&shared));
        std::thread::spawn(move || {
            for debugger in listener.incoming().map_while(Result::ok) {
                if let Ok(stub) = UnixStream::connect(&stub) {
                    inner.pass(debugger, stub);
                }
            }
        });
        Tap { path, shared }
    }

    /// Where a debugger reaches it, as `hvdap` takes it.
    #[must_use]
    pub fn gdb(&self) -> String {
        format!("gdb:unix:{}", self.path.display())
    }

    /// Takes the packets noted so far.
    #[must_use]
    pub fn take(&self) -> Vec<Packet> {
        std::mem::take(&mut self.shared.packets.lock().expect("no panic while noting"))
    }

    /// Spoils the stub's next packet.
    pub fn spoil(&self, how: Spoil) {
        *self.shared.spoil.lock().expect("no panic while noting") = Some(how);
    }

    /// Whether what was to be spoiled has been.
    #[must_use]
    pub fn spoiled(&self) -> bool {
        self.shared
            .spoil
            .lock()
            .expect("no panic while noting")
            .is_none()
    }

    /// Cuts all connections.
    pub fn cut(&self) {
        for link in self
            .shared
            .links
            .lock()
            .expect("no panic while noting")
            .drain(..)
        {
            link.shutdown(Shutdown::Both).ok();
        }
    }
}

impl Drop for Tap {
    fn drop(&mut self) {
        self.cut();
        std::fs::remove_file(&self.path).ok();
    }
}

impl Shared {
    fn pass(self: &Arc<Shared>, debugger: UnixStream, stub: UnixStream) {
        let clone = |link: &UnixStream| link.try_clone().expect("a socket can be shared");
        let mut links = self.links.lock().expect("no panic while noting");
        links.extend([clone(&debugger), clone(&stub)]);
        let pairs = [
            (Sender::Debugger, clone(&debugger), clone(&stub)),
            (Sender::Stub, stub, debugger),
        ];
        for (sender, from, to) in pairs {
            let shared = Arc::clone(self);
            std::thread::spawn(move || shared.pump(sender, from, to));
        }
    }

    fn pump(&self, sender: Sender, mut from: UnixStream, mut to: UnixStream) {
        let mut partial = Vec::new();
        let mut chunk = vec![0; 1 << 16];
        while let Ok(got @ 1..) = from.read(&mut chunk) {
            let at = Instant::now();
            let mut bytes = chunk[..got].to_vec();
            if sender == Sender::Stub {
                self.maybe_spoil(&mut bytes);
            }
            if to.write_all(&bytes).is_err() {
                break;
            }
            partial.extend_from_slice(&bytes);
            let mut packets = self.packets.lock().expect("no panic while noting");
            for text in split(&mut partial) {
                packets.push(Packet { at, sender, text });
            }
        }
        to.shutdown(Shutdown::Both).ok();
    }

    fn maybe_spoil(&self, bytes: &mut Vec<u8>) {
        let mut spoil = self.spoil.lock().expect("no panic while noting");
        let Some(end) = bytes.iter().position(|b| *b == b'#') else {
            return;
        };
        match *spoil {
            Some(Spoil::Checksum) if end + 1 < bytes.len() => bytes[end + 1] = b'z',
            Some(Spoil::Noise) => {
                bytes.splice(0..0, *b"+\x00\xffnoise");
            }
            _ => return,
        }
        *spoil = None;
    }
}

/// Takes the whole packets off the front.
fn split(partial: &mut Vec<u8>) -> Vec<String> {
    let mut out = Vec::new();
    loop {
        match partial.iter().position(|b| matches!(b, b'$' | 3)) {
            None => {
                partial.clear();
                return out;
            }
            Some(at) if partial[at] == 3 => {
                out.push("\x03".to_owned());
                partial.drain(..=at);
            }
            Some(at) => {
                let Some(length) = partial[at..].iter().position(|b| *b == b'#') else {
                    return out;
                };
                if partial.len() < at + length + 3 {
                    return out;
                }
                out.push(String::from_utf8_lossy(&partial[at + 1..at + length]).into_owned());
                partial.drain(..at + length + 3);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::split;

    #[test]
    fn packets_are_found_among_acks_and_in_pieces() {
        let mut partial = b"+$OK#9a+\x03$m10,4#xx$qSup".to_vec();
        assert_eq!(split(&mut partial), ["OK", "\x03", "m10,4"]);
        partial.extend_from_slice(b"ported#37+");
        assert_eq!(split(&mut partial), ["qSupported"]);
        assert!(partial.is_empty());
    }
}
