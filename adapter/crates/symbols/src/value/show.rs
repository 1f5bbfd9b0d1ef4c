//! Values in one line, as C would write them.

use std::fmt::Write;

use machine::{Va, VirtualMemory};

use super::{Scalar, Value, ValueError, text};
use crate::location::Place;
use crate::types::{Encoding, Enum, Record, Type};

/// Characters after which a line is cut at the next member or element.
const MAX_LINE: usize = 160;

/// Records and arrays inside each other that are shown open.
const MAX_DEPTH: u8 = 3;

/// Elements of an array looked at.
const MAX_ELEMENTS: u64 = 64;

/// Equal elements in a row that are written once.
const MIN_REPEATS: u64 = 4;

/// What showing needs beside the value.
#[derive(Clone, Copy)]
pub struct Viewer<'a> {
    /// Memory as the value's owner sees it.
    pub memory: &'a dyn VirtualMemory,
    /// What the owner calls an address: `function+4`.
    pub symbol: &'a dyn Fn(Va) -> Option<String>,
}

impl<'a> Viewer<'a> {
    /// A viewer that has no names for addresses.
    #[must_use]
    pub fn new(memory: &'a dyn VirtualMemory) -> Self {
        Self {
            memory,
            symbol: &|_| None,
        }
    }
}

impl Value {
    /// The value in one line: `3`, `RUNNING`, `0xffff000000c0 "eth0"`, `{counter = 3}`; `<not mapped: …>` where it cannot be
    /// read.
    #[must_use]
    pub fn show(&self, viewer: Viewer<'_>) -> String {
        let mut line = String::new();
        if let Err(error) = write(self, viewer, &mut line, 0) {
            line = format!("<{error}>");
        }
        line
    }
}

/// Appends the value to `line`; an error when nothing of it can be read.
fn write(
    value: &Value,
    viewer: Viewer<'_>,
    line: &mut String,
    depth: u8,
) -> Result<(), ValueError> {
    let Some(id) = value.ty else {
        line.push_str("void");
        return Ok(());
    };
    let ty = value.image.type_of(value.image.strip(id));
    match ty.as_deref() {
        Ok(Type::Record(record)) => write_record(value, record, viewer, line, depth),
        Ok(Type::Array { .. }) => write_array(value, viewer, line, depth),
        Ok(Type::Pointer { to, .. }) => {
            let text = pointer(value, to.map(|to| value.image.strip(to)), viewer)?;
            line.push_str(&text);
            Ok(())
        }
        Ok(Type::Function { .. }) => {
            let address = value.address()?;
            line.push_str(&named(address, viewer));
            Ok(())
        }
        Ok(leaf) => {
            line.push_str(&scalar(value, leaf, viewer.memory)?);
            Ok(())
        }
        Err(error) => {
            line.push_str(&format!("<{error}>"));
            Ok(())
        }
    }
}

/// A number, character, truth value or enumerator.
fn scalar(value: &Value, ty: &Type, memory: &dyn VirtualMemory) -> Result<String, ValueError> {
    let number = match value.scalar(memory) {
        Err(ValueError::NotScalar(_)) => return raw(value, memory),
        other => other?,
    };
    Ok(match (ty, number) {
        (_, Scalar::Float { value, bytes: 4 }) => format!("{}", value as f32),
        (_, Scalar::Float { value, .. }) => format!("{value}"),
        (Type::Enum(names), Scalar::Int { value, .. }) => enumerator(names, value),
        (Type::Base { encoding, .. }, Scalar::Int { value, bytes, .. }) => match encoding {
            Encoding::Bool if value == 0 => "false".to_owned(),
            Encoding::Bool if value == 1 => "true".to_owned(),
            Encoding::Char { .. } => text::character(value),
            Encoding::Address => format!("{value:#x}"),
            Encoding::Unsigned if bytes == 16 => (value as u128).to_string(),
            _ => value.to_string(),
        },
        (_, Scalar::Int { value, .. }) => value.to_string(),
    })
}

/// The bytes of a number this project does not compute with, such as `long double`, most significant first.
fn raw(value: &Value, memory: &dyn VirtualMemory) -> Result<String, ValueError> {
    let mut text = String::from("0x");
    for byte in value.bytes(memory)?.iter().rev().take(64) {
        let _ = write!(text, "{byte:02x}");
    }
    Ok(text)
}

/// The name of a value, or `A | B` when every enumerator has bits of its own; the rest in hexadecimal.
fn enumerator(names: &Enum, value: i128) -> String {
    if let Some((name, _)) = names.enumerators.iter().find(|(_, own)| *own == value) {
        return name.to_string();
    }
    let mut seen = 0i128;
    let flags = names.enumerators.iter().all(|(_, own)| {
        let apart = *own >= 0 && seen & own == 0;
        seen |= own;
        apart
    });
    if !flags || value <= 0 {
        return value.to_string();
    }
    let mut rest = value;
    let mut parts: Vec<String> = Vec::new();
    for (name, own) in &names.enumerators {
        if *own != 0 && rest & own == *own {
            parts.push(name.to_string());
            rest &= !own;
        }
    }
    match (parts.is_empty(), rest) {
        (true, _) => value.to_string(),
        (false, 0) => parts.join(" | "),
        (false, rest) => format!("{} | {rest:#x}", parts.join(" | ")),
    }
}

fn pointer(
    value: &Value,
    to: Option<crate::TypeId>,
    viewer: Viewer<'_>,
) -> Result<String, ValueError> {
    let target = to.and_then(|to| value.image.type_of(to).ok());
    if matches!(value.place, Place::Implicit { .. }) {
        let mut shown = String::from("<optimized out pointer to> ");
        write(&value.deref(viewer.memory)?, viewer, &mut shown, MAX_DEPTH)?;
        return Ok(shown);
    }
    let address = value.pointer(viewer.memory)?;
    if address.0 == 0 {
        return Ok("NULL".to_owned());
    }
    Ok(match target.as_deref() {
        target if is_text(target) => match text::string_at(viewer.memory, address) {
            Ok(text) => format!("{address} {text}"),
            Err(error) => format!("{address} <{error}>"),
        },
        Some(Type::Function { .. }) => named(address, viewer),
        _ => address.to_string(),
    })
}

/// Whether elements of this type make a string.
fn is_text(element: Option<&Type>) -> bool {
    matches!(
        element,
        Some(Type::Base {
            bytes: 1,
            encoding: Encoding::Char { .. },
            ..
        })
    )
}

fn named(address: Va, viewer: Viewer<'_>) -> String {
    match (viewer.symbol)(address) {
        Some(name) => format!("{address} <{name}>"),
        None => address.to_string(),
    }
}

fn write_record(
    value: &Value,
    record: &Record,
    viewer: Viewer<'_>,
    line: &mut String,
    depth: u8,
) -> Result<(), ValueError> {
    if record.declaration {
        line.push_str("<incomplete type>");
        return Ok(());
    }
    if record.bytes > 0 {
        value.read(viewer.memory, 0, &mut [0])?;
    }
    if depth >= MAX_DEPTH {
        line.push_str("{...}");
        return Ok(());
    }
    line.push('{');
    for (number, member) in record.members.iter().enumerate() {
        if number > 0 {
            line.push_str(", ");
        }
        if line.len() >= MAX_LINE {
            line.push_str("...");
            break;
        }
        if let Some(name) = &member.name {
            line.push_str(name);
            line.push_str(" = ");
        }
        let member = value.at(member.offset, member.ty, member.bits);
        write_inner(&member, viewer, line, depth + 1);
    }
    line.push('}');
    Ok(())
}

fn write_array(
    value: &Value,
    viewer: Viewer<'_>,
    line: &mut String,
    depth: u8,
) -> Result<(), ValueError> {
    let element = value.ty.and_then(|ty| value.image.element(ty));
    let Some((element, length)) = element else {
        line.push_str("{...}");
        return Ok(());
    };
    let text = is_text(
        value
            .image
            .type_of(value.image.strip(element))
            .as_deref()
            .ok(),
    );
    let Some(length) = length else {
        let address = value.address()?;
        match text {
            true => line.push_str(&text::string_at(viewer.memory, address)?),
            false => line.push_str(&address.to_string()),
        }
        return Ok(());
    };
    if text {
        let mut bytes = vec![0; text::shown_length(length)];
        value.read(viewer.memory, 0, &mut bytes)?;
        line.push_str(&text::string_in(&bytes, length));
        return Ok(());
    }
    let size = value.image.size_of(element).unwrap_or(0);
    if length > 0 && size > 0 {
        value.read(viewer.memory, 0, &mut [0])?;
    }
    if depth >= MAX_DEPTH {
        line.push_str("{...}");
        return Ok(());
    }
    write_elements(value, (element, size, length), viewer, line, depth);
    Ok(())
}

fn write_elements(
    value: &Value,
    (element, size, length): (crate::TypeId, u64, u64),
    viewer: Viewer<'_>,
    line: &mut String,
    depth: u8,
) {
    let shown = |index: u64| {
        let mut text = String::new();
        let value = value.at(index.wrapping_mul(size), element, None);
        write_inner(&value, viewer, &mut text, depth + 1);
        text
    };
    line.push('{');
    let looked_at = length.min(MAX_ELEMENTS);
    let mut index = 0;
    while index < looked_at {
        if index > 0 {
            line.push_str(", ");
        }
        if line.len() >= MAX_LINE {
            break;
        }
        let text = shown(index);
        let same = (index + 1..looked_at)
            .take_while(|next| shown(*next) == text)
            .count() as u64;
        line.push_str(&text);
        if same + 1 >= MIN_REPEATS {
            let more = if index + 1 + same == looked_at && looked_at < length {
                "or more "
            } else {
                ""
            };
            let _ = write!(line, " <repeats {} {more}times>", same + 1);
            index += same;
        }
        index += 1;
    }
    if index < length {
        if index == looked_at {
            line.push_str(", ");
        }
        line.push_str("...");
    }
    line.push('}');
}

/// A member or element: when it cannot be read, only it says so.
fn write_inner(value: &Value, viewer: Viewer<'_>, line: &mut String, depth: u8) {
    if let Err(error) = write(value, viewer, line, depth) {
        let _ = write!(line, "<{error}>");
    }
}
