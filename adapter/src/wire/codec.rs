//! `Content-Length: n`, a blank line, n bytes: the framing of the Debug Adapter Protocol.

use std::io;

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt};

/// A header longer than this is not one.
const HEADER_LIMIT: usize = 8 << 10;
/// A body longer than this is refused: the largest real request is some kilobytes.
const BODY_LIMIT: usize = 64 << 20;

/// Cuts a byte stream into message bodies; tolerates unknown headers, a line end before a header (some
/// peers put one after each message) and bare line feeds.
#[derive(Debug, Default)]
pub struct Codec {
    body: Option<usize>,
}

impl Codec {
    /// Takes the next whole body off the front, `None` until it is all there.
    ///
    /// # Errors
    /// The bytes are not framed messages; what follows cannot be told apart any more.
    pub fn decode(&mut self, source: &mut BytesMut) -> io::Result<Option<BytesMut>> {
        let length = match self.body {
            Some(length) => length,
            None => match take_header(source)? {
                Some(length) => *self.body.insert(length),
                None => return Ok(None),
            },
        };
        if source.len() < length {
            return Ok(None);
        }
        self.body = None;
        Ok(Some(source.split_to(length)))
    }
}

/// A byte stream as message bodies.
#[derive(Debug)]
pub struct Frames<R> {
    input: R,
    read: BytesMut,
    codec: Codec,
}

impl<R: AsyncRead + Unpin> Frames<R> {
    /// Reads from `input`.
    pub fn new(input: R) -> Self {
        Self {
            input,
            read: BytesMut::new(),
            codec: Codec::default(),
        }
    }

    /// The next body; `None` at the end of the stream, also in the middle of a message: a client that goes away has gone away.
    ///
    /// # Errors
    /// As [`Codec::decode`], or as the stream says.
    pub async fn next(&mut self) -> io::Result<Option<BytesMut>> {
        loop {
            if let Some(body) = self.codec.decode(&mut self.read)? {
                return Ok(Some(body));
            }
            if self.input.read_buf(&mut self.read).await? == 0 {
                return Ok(None);
            }
        }
    }
}

/// Takes a whole header off the front and returns the length of the body, `None` until it is all there.
fn take_header(source: &mut BytesMut) -> io::Result<Option<usize>> {
    let Some((header, whole)) = header_end(source) else {
        if source.len() > HEADER_LIMIT {
            return Err(broken(format!(
                "no end of header within {HEADER_LIMIT} bytes"
            )));
        }
        return Ok(None);
    };
    let length = content_length(&source[..header])?;
    source.advance(whole);
    Ok(Some(length))
}

/// The length of the header's lines, and with the blank line that ends it.
fn header_end(source: &[u8]) -> Option<(usize, usize)> {
    let searched = &source[..source.len().min(HEADER_LIMIT + 4)];
    (0..searched.len()).find_map(|at| {
        let rest = &searched[at..];
        if rest.starts_with(b"\r\n\r\n") {
            Some((at, at + 4))
        } else if rest.starts_with(b"\n\n") {
            Some((at, at + 2))
        } else {
            None
        }
    })
}

fn content_length(header: &[u8]) -> io::Result<usize> {
    let text = std::str::from_utf8(header).map_err(|_| broken("a header that is not text"))?;
    let value = text
        .lines()
        .filter_map(|line| line.split_once(':'))
        .find(|(name, _)| name.trim().eq_ignore_ascii_case("content-length"))
        .map(|(_, value)| value.trim())
        .ok_or_else(|| broken("a header without Content-Length"))?;
    match value.parse() {
        Ok(length) if length <= BODY_LIMIT => Ok(length),
        Ok(length) => Err(broken(format!(
            "a message of {length} bytes, more than {BODY_LIMIT}"
        ))),
        Err(_) => Err(broken("a Content-Length that is not a number")),
    }
}

fn broken(what: impl Into<String>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Feeds `pieces` one after the other and collects the bodies, or what the framing error says.
    fn check(pieces: &[&[u8]], expected: Result<&[&str], &str>) {
        let mut found = Vec::new();
        let mut codec = Codec::default();
        let mut source = BytesMut::new();
        for piece in pieces {
            source.extend_from_slice(piece);
            loop {
                match codec.decode(&mut source) {
                    Ok(Some(body)) => found.push(String::from_utf8_lossy(&body).into_owned()),
                    Ok(None) => break,
                    Err(error) => {
                        assert_eq!(Err(error.to_string().as_str()), expected);
                        return;
                    }
                }
            }
        }
        let found: Vec<&str> = found.iter().map(String::as_str).collect();
        assert_eq!(Ok(found.as_slice()), expected);
    }

    #[test]
    fn well_formed_and_tolerated() {
        check(
            &[b"Content-Length: 2\r\n\r\n{}Content-Length: 3\r\n\r\n[1]"],
            Ok(&["{}", "[1]"]),
        );
        check(
            &[b"Content-Type: a; charset=utf-8\r\ncontent-LENGTH:2\r\n\r\n{}\r\n"],
            Ok(&["{}"]),
        );
        check(
            &[b"\r\nContent-Length: 2\n\n{}\nContent-Length: 2\n\n[]"],
            Ok(&["{}", "[]"]),
        );
        check(
            &[b"Content-Length: 4\r\n", b"\r", b"\nnu", b"ll"],
            Ok(&["null"]),
        );
        check(&[b"Content-Length: 0\r\n\r\n"], Ok(&[""]));
    }

    #[test]
    fn refused() {
        check(
            &[b"Content-Size: 2\r\n\r\n{}"],
            Err("a header without Content-Length"),
        );
        check(
            &[b"Content-Length: 99999999999999999999\r\n\r\n"],
            Err("a Content-Length that is not a number"),
        );
        check(
            &[b"Content-Length: 999999999\r\n\r\n"],
            Err("a message of 999999999 bytes, more than 67108864"),
        );
        check(
            &[&[b'a'; HEADER_LIMIT + 1]],
            Err("no end of header within 8192 bytes"),
        );
        check(&[b"\r\n\r\n"], Err("a header without Content-Length"));
        check(&[b"\xff: \r\n\r\n"], Err("a header that is not text"));
    }

    proptest! {
        #[test]
        fn any_chopping_gives_the_same_messages(
            bodies in proptest::collection::vec("[ -~\\n\\r]{0,40}", 0..6),
            cuts in proptest::collection::vec(0usize..400, 0..12),
        ) {
            let stream: Vec<u8> = bodies.iter().flat_map(|body| format!("Content-Length: {}\r\n\r\n{body}", body.len()).into_bytes()).collect();
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(stream.len())).chain([0, stream.len()]).collect();
            cuts.sort_unstable();
            let pieces: Vec<&[u8]> = cuts.windows(2).map(|w| &stream[w[0]..w[1]]).collect();
            let expected: Vec<&str> = bodies.iter().map(String::as_str).collect();
            check(&pieces, Ok(&expected));
        }

        #[test]
        fn garbage_neither_panics_nor_loops(bytes in proptest::collection::vec(any::<u8>(), 0..2000)) {
            let mut codec = Codec::default();
            let mut source = BytesMut::from(bytes.as_slice());
            let mut rounds = 0;
            while let Ok(Some(_)) = codec.decode(&mut source) {
                rounds += 1;
                prop_assert!(rounds <= bytes.len());
            }
        }

        #[test]
        fn a_garbled_header_neither_panics_nor_loops(noise in "(Content-Length: ?[0-9]{0,21}|[a-zA-Z: ]{0,20}|\r\n|\n|\\{\\}){0,30}") {
            let mut codec = Codec::default();
            let mut source = BytesMut::from(noise.as_bytes());
            let mut rounds = 0;
            while let Ok(Some(_)) = codec.decode(&mut source) {
                rounds += 1;
                prop_assert!(rounds <= noise.len());
            }
        }
    }
}
