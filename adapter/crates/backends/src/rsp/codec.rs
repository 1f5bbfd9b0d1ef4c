//! Packets: `$payload#cc`, with `}` escapes and `*` runs (GDB manual E.1), and what stands between them.

use super::hex;

/// The longest payload accepted, after escapes and runs are expanded.
pub const LONGEST: usize = 256 * 1024;

/// What the stub sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// A whole packet; [`Decoder::payload`] holds it.
    Packet,
    /// A packet with a wrong checksum, cut short by the next one, or longer than [`LONGEST`].
    Garbled,
    /// `+`: a packet of ours arrived.
    Ack,
    /// `-`: a packet of ours arrived garbled.
    Nak,
}

/// Takes packets out of a stream that may be cut anywhere. Holds one payload, never more than [`LONGEST`] bytes.
#[derive(Debug, Default)]
pub struct Decoder {
    state: State,
    notification: bool,
    sum: u8,
    damaged: bool,
    payload: Vec<u8>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Between,
    Body,
    Escape,
    Run,
    FirstDigit,
    SecondDigit(u8),
}

impl Decoder {
    /// The payload of the last [`Event::Packet`], escapes and runs expanded.
    #[must_use]
    pub fn payload(&self) -> &[u8] {
        &self.payload
    }

    /// Reads `input` up to the end of the first event; gives the bytes used and the event, `None` when all is used up.
    pub fn next(&mut self, input: &[u8]) -> (usize, Option<Event>) {
        let mut at = 0;
        while at < input.len() {
            if self.state == State::Body {
                at += self.plain(&input[at..]);
                if at == input.len() {
                    break;
                }
            }
            let event = self.step(input[at]);
            at += 1;
            if event.is_some() {
                return (at, event);
            }
        }
        (at, None)
    }

    /// Takes the bytes that stand for themselves, all at once.
    fn plain(&mut self, input: &[u8]) -> usize {
        // Pieces are looked through without an exit, which the compiler turns into vector instructions.
        let special = |byte: u8| (byte == b'#') | (byte == b'$') | (byte == b'}') | (byte == b'*');
        let none =
            |piece: &[u8; 32]| piece.iter().fold(0, |n, byte| n + u8::from(special(*byte))) == 0;
        let pieces = input.as_chunks().0;
        let start = 32 * pieces.iter().take_while(|piece| none(piece)).count();
        let rest = &input[start..];
        let end = start
            + rest
                .iter()
                .position(|byte| special(*byte))
                .unwrap_or(rest.len());
        let bytes = &input[..end];
        self.sum = bytes.iter().fold(self.sum, |sum, b| sum.wrapping_add(*b));
        self.push(bytes);
        end
    }

    fn push(&mut self, bytes: &[u8]) {
        if self.payload.len() + bytes.len() > LONGEST {
            self.damaged = true;
        } else {
            self.payload.extend_from_slice(bytes);
        }
    }

    fn start(&mut self, notification: bool) {
        self.state = State::Body;
        self.notification = notification;
        self.sum = 0;
        self.damaged = false;
        self.payload.clear();
    }

    /// A packet ended without being whole: nobody waits for a notification.
    fn garbled(&self) -> Option<Event> {
        (!self.notification).then_some(Event::Garbled)
    }

    fn step(&mut self, byte: u8) -> Option<Event> {
        match self.state {
            State::Between => return self.between(byte),
            State::Body | State::Escape | State::Run if byte == b'$' => {
                let event = self.garbled();
                self.start(false);
                return event;
            }
            State::Body if byte == b'#' => self.state = State::FirstDigit,
            State::Body => {
                self.sum = self.sum.wrapping_add(byte);
                self.state = if byte == b'}' {
                    State::Escape
                } else {
                    State::Run
                };
            }
            State::Escape => {
                self.sum = self.sum.wrapping_add(byte);
                self.push(&[byte ^ 0x20]);
                self.state = State::Body;
            }
            State::Run => {
                self.sum = self.sum.wrapping_add(byte);
                self.run(byte);
                self.state = State::Body;
            }
            State::FirstDigit => self.state = State::SecondDigit(byte),
            State::SecondDigit(first) => return self.finish(first, byte),
        }
        None
    }

    fn between(&mut self, byte: u8) -> Option<Event> {
        match byte {
            b'$' => self.start(false),
            b'%' => self.start(true),
            b'+' => return Some(Event::Ack),
            b'-' => return Some(Event::Nak),
            _ => {}
        }
        None
    }

    /// `x*c` stands for `x` and `c - 29` more of it.
    fn run(&mut self, count: u8) {
        match (self.payload.last(), count.checked_sub(29)) {
            (Some(&last), Some(more)) if count < 127 => {
                self.push(&[last; 98][..usize::from(more)]);
            }
            _ => self.damaged = true,
        }
    }

    fn finish(&mut self, first: u8, second: u8) -> Option<Event> {
        self.state = State::Between;
        let told = match (hex::digit(first), hex::digit(second)) {
            (Some(high), Some(low)) => Some(high << 4 | low),
            _ => None,
        };
        if self.damaged || told != Some(self.sum) {
            return self.garbled();
        }
        (!self.notification).then_some(Event::Packet)
    }
}

/// Appends `payload` as a packet.
pub fn encode(payload: &[u8], out: &mut Vec<u8>) {
    out.push(b'$');
    let start = out.len();
    for &byte in payload {
        if matches!(byte, b'#' | b'$' | b'}' | b'*') {
            out.extend([b'}', byte ^ 0x20]);
        } else {
            out.push(byte);
        }
    }
    let sum = out[start..].iter().fold(0u8, |sum, b| sum.wrapping_add(*b));
    out.push(b'#');
    hex::encode(&[sum], out);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Every event of `stream`, which arrives in pieces of `cut` bytes.
    fn events(stream: &[u8], cut: usize) -> Vec<(Event, Vec<u8>)> {
        let mut decoder = Decoder::default();
        let mut seen = Vec::new();
        for mut piece in stream.chunks(cut) {
            while !piece.is_empty() {
                let (used, event) = decoder.next(piece);
                assert!(used > 0, "no progress");
                piece = &piece[used..];
                let payload = match event {
                    Some(Packet) => decoder.payload().to_vec(),
                    _ => Vec::new(),
                };
                seen.extend(event.map(|event| (event, payload)));
            }
        }
        seen
    }

    #[track_caller]
    fn check(stream: &[u8], expected: &[(Event, &str)]) {
        for cut in [1, 2, 3, 1000] {
            let seen = events(stream, cut);
            let seen: Vec<_> = seen
                .iter()
                .map(|(event, payload)| (*event, std::str::from_utf8(payload).unwrap_or("?")))
                .collect();
            assert_eq!(seen, expected, "in pieces of {cut}");
        }
    }

    use Event::{Ack, Garbled, Nak, Packet};

    #[test]
    fn packets() {
        check(b"+$OK#9a", &[(Ack, ""), (Packet, "OK")]);
        check(b"-$#00$OK#9A", &[(Nak, ""), (Packet, ""), (Packet, "OK")]);
        check(b"noise\x03$OK#9a#", &[(Packet, "OK")]);
    }

    #[test]
    fn escapes_and_runs() {
        check(b"$0* #7a", &[(Packet, "0000")]);
        check(b"$a}\x03b#43", &[(Packet, "a#b")]);
        check(b"$0*~#d8", &[(Packet, &"0".repeat(98))]);
        check(b"$*!#4b", &[(Garbled, "")]);
        check(b"$0*\x1c#76", &[(Garbled, "")]);
    }

    #[test]
    fn damage() {
        check(b"$OK#9b$OK#9a", &[(Garbled, ""), (Packet, "OK")]);
        check(b"$OK#zz", &[(Garbled, "")]);
        check(b"$O$OK#9a", &[(Garbled, ""), (Packet, "OK")]);
        check(b"%Stop:T05#00$OK#9a", &[(Packet, "OK")]);
        check(b"%Stop:T05#41$OK#9a", &[(Packet, "OK")]);
    }

    #[test]
    fn a_payload_without_end_is_bounded() {
        let mut stream = vec![b'$'];
        stream.resize(LONGEST * 2, b'0');
        stream.extend(b"#00$OK#9a");
        check(&stream, &[(Garbled, ""), (Packet, "OK")]);
        let mut runs = b"$0".to_vec();
        runs.extend(b"*~".repeat(LONGEST));
        let mut decoder = Decoder::default();
        decoder.next(&runs);
        assert!(decoder.payload.len() <= LONGEST);
    }

    proptest! {
        #[test]
        fn round_trip(payloads: Vec<Vec<u8>>, cut in 1usize..50) {
            let mut stream = Vec::new();
            for payload in &payloads {
                encode(payload, &mut stream);
            }
            let expected: Vec<_> = payloads.into_iter().map(|p| (Packet, p)).collect();
            prop_assert_eq!(events(&stream, cut), expected);
        }

        #[test]
        fn anything_cut_anywhere(stream: Vec<u8>, cut in 1usize..50) {
            prop_assert_eq!(events(&stream, cut), events(&stream, usize::MAX));
        }

        #[test]
        fn one_flipped_byte_spoils_at_most_its_neighbours(at in 0usize..1000, bit in 0u8..8) {
            let mut stream = Vec::new();
            for n in 0..40 {
                encode(format!("{n:08x}").as_bytes(), &mut stream);
            }
            let at = at % stream.len();
            stream[at] ^= 1 << bit;
            let whole = events(&stream, 7).iter().filter(|(event, _)| *event == Packet).count();
            prop_assert!(whole >= 38, "{} of 40 whole", whole);
        }
    }
}
