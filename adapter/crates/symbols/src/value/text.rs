//! Characters and strings as C writes them.

use machine::{Va, VirtualMemory};

use super::ValueError;

/// Characters of a string that are shown.
const MAX_STRING: usize = 256;

/// Memory is asked in steps that end at such a boundary, since the next page may not be mapped.
const PAGE: u64 = 4096;

/// The string at `address`, quoted; what could be read of it when it runs into unmapped memory.
pub(super) fn string_at(memory: &dyn VirtualMemory, address: Va) -> Result<String, ValueError> {
    let mut bytes: Vec<u8> = Vec::new();
    let mut fault = None;
    while bytes.len() < MAX_STRING {
        let at = address.offset(bytes.len() as u64);
        let step = (PAGE - at.0 % PAGE)
            .min(64)
            .min((MAX_STRING - bytes.len()) as u64);
        let mut buffer = [0; 64];
        let buffer = &mut buffer[..step as usize];
        if let Err(error) = memory.read(at, buffer) {
            fault = Some(error);
            break;
        }
        if let Some(end) = buffer.iter().position(|byte| *byte == 0) {
            bytes.extend_from_slice(&buffer[..end]);
            return Ok(quoted(&bytes, false));
        }
        bytes.extend_from_slice(buffer);
    }
    match fault {
        Some(error) if bytes.is_empty() => Err(error.into()),
        Some(error) => Ok(format!("{} <{error}>", quoted(&bytes, true))),
        None => Ok(quoted(&bytes, true)),
    }
}

/// The string in an array of characters: up to the first NUL, as much as is shown.
pub(super) fn string_in(bytes: &[u8], length: u64) -> String {
    match bytes.iter().position(|byte| *byte == 0) {
        Some(end) => quoted(&bytes[..end], false),
        None => quoted(bytes, length > bytes.len() as u64),
    }
}

/// How many characters of an array of `length` are worth reading.
pub(super) fn shown_length(length: u64) -> usize {
    length.min(MAX_STRING as u64) as usize
}

/// A character with its number: `65 'A'`.
pub(super) fn character(number: i128) -> String {
    match u8::try_from(number & 0xff) {
        Ok(byte) => format!("{number} '{}'", escaped(byte, '\'')),
        Err(_) => number.to_string(),
    }
}

fn quoted(bytes: &[u8], cut: bool) -> String {
    let mut text = String::from("\"");
    for byte in bytes {
        text.push_str(&escaped(*byte, '"'));
    }
    text.push('"');
    if cut {
        text.push_str("...");
    }
    text
}

/// A byte inside quotes, escaped as in C where it is not printable ASCII (C11 section 6.4.4.4).
fn escaped(byte: u8, quote: char) -> String {
    match byte {
        b'\n' => "\\n".to_owned(),
        b'\t' => "\\t".to_owned(),
        b'\r' => "\\r".to_owned(),
        b'\\' => "\\\\".to_owned(),
        0x20..=0x7e if char::from(byte) == quote => format!("\\{quote}"),
        0x20..=0x7e => char::from(byte).to_string(),
        other => format!("\\{other:03o}"),
    }
}
