//! Stop replies: `T05thread:p01.02;watch:ffff…;` (GDB manual E.3).

use super::hex;

/// A thread of the stub: process and thread number. Without multiprocess ids the process is 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ThreadId {
    /// The process, 0 when the stub does not name one.
    pub process: u64,
    /// The thread.
    pub thread: u64,
}

impl ThreadId {
    /// Reads `p1.2` or `2`.
    #[must_use]
    pub fn parse(text: &[u8]) -> Option<Self> {
        let (process, thread) = match text.strip_prefix(b"p") {
            Some(both) => {
                let dot = both.iter().position(|byte| *byte == b'.')?;
                (hex::number(&both[..dot])?, &both[dot + 1..])
            }
            None => (0, text),
        };
        let thread = hex::number(thread)?;
        Some(Self { process, thread })
    }

    /// Writes it as it was read.
    #[must_use]
    pub fn text(self) -> String {
        match self.process {
            0 => format!("{:x}", self.thread),
            process => format!("p{process:x}.{:x}", self.thread),
        }
    }
}

/// What a stub says about its state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StopReply {
    /// Halted.
    Stopped {
        /// The signal number of the protocol: 5 is SIGTRAP, 2 SIGINT.
        signal: u8,
        /// The thread that caused it, when told.
        thread: Option<ThreadId>,
        /// The data address of a watchpoint hit.
        data: Option<u64>,
    },
    /// The process, that is the simulator, ended.
    Ended,
}

impl StopReply {
    /// Reads a packet, `None` when it is not a stop reply.
    #[must_use]
    pub fn parse(packet: &[u8]) -> Option<Self> {
        let (kind, rest) = packet.split_first()?;
        let (signal, rest) = rest.split_at_checked(2)?;
        let signal = hex::number(signal)? as u8;
        match kind {
            b'W' | b'X' => return Some(Self::Ended),
            b'S' if rest.is_empty() => {}
            b'T' => {}
            _ => return None,
        }
        let (mut thread, mut data) = (None, None);
        for pair in rest.split(|byte| *byte == b';') {
            let Some(colon) = pair.iter().position(|byte| *byte == b':') else {
                continue;
            };
            let (key, value) = (&pair[..colon], &pair[colon + 1..]);
            match key {
                b"thread" => thread = ThreadId::parse(value),
                b"watch" | b"rwatch" | b"awatch" => data = hex::number(value),
                _ => {}
            }
        }
        Some(Self::Stopped {
            signal,
            thread,
            data,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn stopped(signal: u8, thread: Option<(u64, u64)>, data: Option<u64>) -> Option<StopReply> {
        let thread = thread.map(|(process, thread)| ThreadId { process, thread });
        Some(StopReply::Stopped {
            signal,
            thread,
            data,
        })
    }

    #[test]
    fn replies() {
        let check = |text: &[u8], expected| assert_eq!(StopReply::parse(text), expected);
        check(b"T02thread:01;", stopped(2, Some((0, 1)), None));
        check(b"T05thread:p01.02;", stopped(5, Some((1, 2)), None));
        check(
            b"T05thread:p01.0a;watch:ffffffc008e0a000;",
            stopped(5, Some((1, 10)), Some(0xffff_ffc0_08e0_a000)),
        );
        check(b"T05thread:1;swbreak:;", stopped(5, Some((0, 1)), None));
        check(b"S05", stopped(5, None, None));
        check(b"W00", Some(StopReply::Ended));
        check(b"X09;process:1", Some(StopReply::Ended));
        for other in [
            &b"OK"[..],
            b"E14",
            b"",
            b"T",
            b"T0",
            b"Tzz",
            b"S05x",
            b"0000",
        ] {
            check(other, None);
        }
    }

    #[test]
    fn thread_ids() {
        for (text, again) in [("p01.02", "p1.2"), ("02", "2")] {
            let id = ThreadId::parse(text.as_bytes()).map(ThreadId::text);
            assert_eq!(id.as_deref(), Some(again));
        }
        for bad in ["", "p1", "p1.", "p.1", "-1", "p1.-1"] {
            assert_eq!(ThreadId::parse(bad.as_bytes()), None);
        }
    }

    proptest! {
        #[test]
        fn anything(packet: Vec<u8>) {
            let _ = StopReply::parse(&packet);
        }

        #[test]
        fn anything_after_the_signal(rest: Vec<u8>) {
            let packet = [b"T05", &rest[..]].concat();
            prop_assert!(StopReply::parse(&packet).is_some());
        }
    }
}
