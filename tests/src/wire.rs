//! DAP's framing: a `Content-Length` header, an empty line, JSON.

use std::io::{self, BufRead, Error, ErrorKind, Write};

/// The longest message taken from an adapter: more is a fault of its framing.
const LONGEST: usize = 64 << 20;

/// Reads one message; `None` at the end of the stream.
///
/// # Errors
/// A broken header, a stream that ends inside a message, or a failed read.
pub fn read(from: &mut dyn BufRead) -> io::Result<Option<Vec<u8>>> {
    let mut length = None;
    loop {
        let mut line = String::new();
        if from.read_line(&mut line)? == 0 {
            return if length.is_none() {
                Ok(None)
            } else {
                Err(broken("the stream ends inside a header"))
            };
        }
        let Some(line) = line.strip_suffix("\r\n") else {
            return Err(broken(&format!(
                "a header line ends without CR LF: {line:?}"
            )));
        };
        if line.is_empty() {
            break;
        }
        let (name, value) = line
            .split_once(": ")
            .ok_or_else(|| broken(&format!("not a header: {line:?}")))?;
        if name.eq_ignore_ascii_case("content-length") {
            length = value.parse().ok().filter(|length| *length <= LONGEST);
        }
    }
    let length: usize = length.ok_or_else(|| broken("no usable Content-Length"))?;
    let mut body = vec![0; length];
    from.read_exact(&mut body)?;
    Ok(Some(body))
}

/// Writes one message in one piece.
///
/// # Errors
/// A failed write.
pub fn write(to: &mut dyn Write, body: &[u8]) -> io::Result<()> {
    let mut out = format!("Content-Length: {}\r\n\r\n", body.len()).into_bytes();
    out.extend_from_slice(body);
    to.write_all(&out)?;
    to.flush()
}

fn broken(what: &str) -> Error {
    Error::new(ErrorKind::InvalidData, what.to_owned())
}
