//! A byte stream to the stub: TCP or a Unix socket.

use std::fmt;
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream, ToSocketAddrs};
#[cfg(unix)]
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use crate::OpenError;

/// Where a stub listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// `HOST:PORT`.
    Tcp(String),
    /// `unix:PATH`.
    Unix(PathBuf),
}

impl Address {
    /// Reads `HOST:PORT`, `:PORT` (this host) or `unix:PATH`.
    ///
    /// # Errors
    /// When the text is neither.
    pub fn parse(text: &str) -> Result<Self, OpenError> {
        if let Some(path) = text.strip_prefix("unix:") {
            return Ok(Self::Unix(path.into()));
        }
        match text.rsplit_once(':') {
            Some((host, port)) if port.parse::<u16>().is_ok() => {
                let host = if host.is_empty() { "127.0.0.1" } else { host };
                Ok(Self::Tcp(format!("{host}:{port}")))
            }
            _ => Err(OpenError(format!(
                "`gdb:{text}` names no place: write gdb:HOST:PORT or gdb:unix:PATH"
            ))),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(place) => f.write_str(place),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// A connected socket; shared, since the halves are used by different threads.
#[derive(Debug)]
pub(crate) enum Stream {
    Tcp(TcpStream),
    #[cfg(unix)]
    Unix(UnixStream),
}

impl Stream {
    /// Connects before `deadline`. Name look-up cannot be cut short, so it happens on a thread that is left behind.
    pub(crate) fn connect(address: &Address, deadline: Instant) -> io::Result<Self> {
        let (sender, receiver) = mpsc::sync_channel(1);
        let address = address.clone();
        thread::Builder::new()
            .name("gdb connect".into())
            .spawn(move || sender.send(Self::connect_now(&address, deadline)))?;
        receiver
            .recv_timeout(left(deadline))
            .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
    }

    fn connect_now(address: &Address, deadline: Instant) -> io::Result<Self> {
        match address {
            Address::Tcp(place) => {
                let mut last = io::ErrorKind::AddrNotAvailable.into();
                for place in place.to_socket_addrs()? {
                    match TcpStream::connect_timeout(&place, left(deadline)) {
                        Ok(stream) => {
                            stream.set_nodelay(true)?;
                            return Ok(Self::Tcp(stream));
                        }
                        Err(error) => last = error,
                    }
                }
                Err(last)
            }
            #[cfg(unix)]
            Address::Unix(path) => Ok(Self::Unix(UnixStream::connect(path)?)),
            #[cfg(not(unix))]
            Address::Unix(_) => Err(io::ErrorKind::Unsupported.into()),
        }
    }

    pub(crate) fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => (&mut &*stream).read(buffer),
            #[cfg(unix)]
            Self::Unix(stream) => (&mut &*stream).read(buffer),
        }
    }

    pub(crate) fn write_all(&self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => (&mut &*stream).write_all(bytes),
            #[cfg(unix)]
            Self::Unix(stream) => (&mut &*stream).write_all(bytes),
        }
    }

    pub(crate) fn set_read_timeout(&self, limit: Option<Duration>) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => stream.set_read_timeout(limit),
            #[cfg(unix)]
            Self::Unix(stream) => stream.set_read_timeout(limit),
        }
    }

    pub(crate) fn set_write_timeout(&self, limit: Option<Duration>) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => stream.set_write_timeout(limit),
            #[cfg(unix)]
            Self::Unix(stream) => stream.set_write_timeout(limit),
        }
    }

    /// Ends both directions; a reader on another thread sees the end.
    pub(crate) fn close(&self) {
        // An error means that it is closed already.
        let _ = match self {
            Self::Tcp(stream) => stream.shutdown(Shutdown::Both),
            #[cfg(unix)]
            Self::Unix(stream) => stream.shutdown(Shutdown::Both),
        };
    }
}

/// The time until `deadline`, never zero since sockets take that for "no limit".
fn left(deadline: Instant) -> Duration {
    deadline
        .saturating_duration_since(Instant::now())
        .max(Duration::from_millis(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        let tcp = |place: &str| Some(Address::Tcp(place.into()));
        for (text, expected) in [
            ("127.0.0.1:1234", tcp("127.0.0.1:1234")),
            (":1234", tcp("127.0.0.1:1234")),
            ("[::1]:1234", tcp("[::1]:1234")),
            (
                "unix:a b/gdb.sock",
                Some(Address::Unix("a b/gdb.sock".into())),
            ),
            ("", None),
            ("localhost", None),
            ("localhost:http", None),
            ("localhost:123456", None),
        ] {
            assert_eq!(Address::parse(text).ok(), expected, "{text}");
        }
    }
}
