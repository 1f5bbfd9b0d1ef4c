//! Engine values to the protocol's and back; nowhere else.

use engine::view::{
    BreakpointId, BreakpointView, FrameKind, FrameView, GroupId, GroupView, InstructionView, Item,
    ScopeKind, SourceView, StopCause, StopView, ThreadId, ThreadView,
};
use machine::Va;
use serde_json::{Value, json};

use crate::handles;
use crate::protocol::{
    Breakpoint, BreakpointMode, Client, DisassembledInstruction, Scope, Shape, Source, StackFrame,
    Thread, Variable,
};
use crate::wire::Failure;

/// An address on the wire: lower-case hexadecimal, since numbers are 32 bits in some clients.
#[must_use]
pub fn address(at: Va) -> String {
    hexadecimal(at.0)
}

/// Any number on the wire that may need 64 bits.
#[must_use]
pub fn hexadecimal(number: u64) -> String {
    format!("{number:#x}")
}

/// An address from the wire, moved by `offset` bytes.
///
/// # Errors
/// It is none.
pub fn parse_address(text: &str, offset: i64) -> Result<Va, Failure> {
    let digits = text.trim();
    let parsed = match digits
        .strip_prefix("0x")
        .or_else(|| digits.strip_prefix("0X"))
    {
        Some(digits) => u64::from_str_radix(digits, 16),
        None => digits.parse(),
    };
    parsed
        .map(|at| Va(at.wrapping_add_signed(offset)))
        .map_err(|_| Failure::user(format!("`{text}` is not an address: write 0x…")))
}

/// A line as the client counts.
#[must_use]
pub fn line(line: u32, client: &Client) -> i64 {
    i64::from(line) - i64::from(client.lines_start_at1 == Some(false))
}

/// A line of the client as we count.
#[must_use]
pub fn line_from(line: i64, client: &Client) -> u32 {
    let line = line.saturating_add(i64::from(client.lines_start_at1 == Some(false)));
    u32::try_from(line.max(0)).unwrap_or(u32::MAX)
}

fn column(column: u32, client: &Client) -> i64 {
    let from_zero = client.columns_start_at1 == Some(false);
    // Not known is the line's begin.
    i64::from(column.max(1)) - i64::from(from_zero)
}

/// A thread; with `group`, named so that one list can hold all groups.
#[must_use]
pub fn thread(thread: &ThreadView, group: Option<&str>) -> Thread {
    let name = match group {
        Some(group) => format!("{group} / {}", thread.name),
        None => thread.name.clone(),
    };
    Thread {
        id: thread.id.0,
        name,
    }
}

/// The body of `stopped`.
#[must_use]
pub fn stopped(
    stop: &StopView,
    thread: ThreadId,
    focus: bool,
    client: &Client,
    wire_ids: impl FnOnce(&[BreakpointId]) -> Vec<u32>,
) -> Value {
    let reason = match &stop.cause {
        _ if !focus => "pause",
        StopCause::Attached => "entry",
        StopCause::Paused => "pause",
        StopCause::Breakpoint(_) => "breakpoint",
        StopCause::Step => "step",
        StopCause::Exception(_) => "exception",
    };
    let hits = match &stop.cause {
        StopCause::Breakpoint(ids) if focus => Some(wire_ids(ids)),
        _ => None,
    };
    let text = match &stop.cause {
        StopCause::Exception(text) => Some(text),
        _ => None,
    };
    // VS Code writes the description over the names of threads and sessions, and shows the text when pointed at.
    let (description, text) = match client.is_vscode() {
        true => (in_a_word(stop, focus), text.or(Some(&stop.description))),
        false => (stop.description.as_str(), text),
    };
    json!({
        "reason": reason, "description": description, "text": text, "threadId": thread.0,
        "allThreadsStopped": true, "preserveFocusHint": (!focus).then_some(true), "hitBreakpointIds": hits,
    })
}

fn in_a_word(stop: &StopView, focus: bool) -> &'static str {
    match &stop.cause {
        _ if !focus => "halted",
        StopCause::Attached => "attached",
        StopCause::Paused => "paused",
        StopCause::Breakpoint(_) => "breakpoint",
        StopCause::Step => "step",
        StopCause::Exception(_) => "exception",
    }
}

/// A breakpoint; `wire` is the number the client knows it by.
#[must_use]
pub fn breakpoint(breakpoint: &BreakpointView, wire: u32, client: &Client) -> Breakpoint {
    let source = breakpoint.source.as_ref();
    Breakpoint {
        id: Some(wire),
        verified: breakpoint.verified,
        message: (!breakpoint.message.is_empty()).then(|| breakpoint.message.clone()),
        source: source.map(|source| file(&source.path)),
        line: source.map(|source| line(source.line, client)),
        instruction_reference: breakpoint.address.map(address),
        reason: (!breakpoint.verified).then_some("pending"),
    }
}

/// The `mode` of a breakpoint for every VM.
pub const ANY_VM: &str = "any VM";

/// In one list of all VMs a breakpoint may be for one of them.
#[must_use]
pub fn breakpoint_modes(groups: &[GroupView]) -> Vec<BreakpointMode> {
    let mode = |name: &str| BreakpointMode {
        mode: name.to_owned(),
        label: name.to_owned(),
        applies_to: vec!["source", "instruction"],
    };
    let one = groups.iter().map(|group| mode(&group.name));
    std::iter::once(mode(ANY_VM)).chain(one).collect()
}

/// A source file that is here.
#[must_use]
pub fn file(path: &str) -> Source {
    Source {
        name: Some(file_name(path).to_owned()),
        path: Some(path.to_owned()),
        ..Source::default()
    }
}

/// A listing that stands for a function's source, or for a file that is not here.
#[must_use]
pub fn listing(number: i32, function: &str, missing: Option<&SourceView>) -> Source {
    let origin = match missing {
        Some(source) => format!("disassembly; {} is not here", source.path),
        None => "disassembly".to_owned(),
    };
    Source {
        name: Some(format!("{}.s", without_offset(function))),
        path: None,
        source_reference: Some(number),
        presentation_hint: Some("deemphasize".to_owned()),
        origin: Some(origin),
    }
}

/// The function in `function+0x10`.
#[must_use]
pub fn without_offset(name: &str) -> &str {
    name.split_once('+').map_or(name, |(function, _)| function)
}

fn file_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// A frame, with the source it is shown in and the line there.
#[must_use]
pub fn frame(frame: &FrameView, shown: Option<(Source, u32)>, client: &Client) -> StackFrame {
    let (source, at, from) = match shown {
        Some((source, at)) => {
            let from = frame.source.as_ref().map_or(0, |source| source.column);
            (Some(source), line(at, client), column(from, client))
        }
        None => (None, 0, 0),
    };
    StackFrame {
        id: handles::frame_id(frame.at),
        name: frame.name.clone(),
        source,
        line: at,
        column: from,
        instruction_pointer_reference: frame.pc.map(address),
        module_id: frame
            .image
            .as_ref()
            .map(|image| module_id(frame.group, image)),
        presentation_hint: match frame.kind {
            FrameKind::Label => Some("label"),
            FrameKind::Code => None,
        },
    }
}

/// An image in a group: the same build may run in several.
#[must_use]
pub fn module_id(group: GroupId, image: &str) -> String {
    format!("{}/{image}", group.0)
}

/// A scope whose content has the number `reference`.
#[must_use]
pub fn scope(kind: ScopeKind, content: &Item, reference: i32) -> Scope {
    let presentation_hint = match kind {
        ScopeKind::Locals => Some("locals"),
        ScopeKind::Registers => Some("registers"),
        ScopeKind::Context => None,
    };
    Scope {
        name: scope_name(kind).to_owned(),
        presentation_hint,
        variables_reference: reference,
        named_variables: (content.named > 0).then(|| count(content.named)),
        expensive: false,
    }
}

/// What the user reads above a scope.
#[must_use]
pub const fn scope_name(kind: ScopeKind) -> &'static str {
    match kind {
        ScopeKind::Locals => "Locals",
        ScopeKind::Registers => "Registers",
        ScopeKind::Context => "Context",
    }
}

/// A variable whose children have the number `reference`.
#[must_use]
pub fn variable(item: &Item, reference: i32) -> Variable {
    Variable {
        name: item.name.clone(),
        value: item.value.clone(),
        shape: shape(item, reference),
        evaluate_name: item.evaluate_name.clone(),
    }
}

/// What a value is and what is in it.
#[must_use]
pub fn shape(item: &Item, reference: i32) -> Shape {
    let some = |number: u64| (number > 0).then(|| count(number));
    Shape {
        type_name: item.type_name.clone(),
        variables_reference: reference,
        named_variables: some(item.named),
        indexed_variables: some(item.indexed),
        memory_reference: item.address.map(address),
    }
}

fn count(number: u64) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}

/// One instruction of a listing.
#[must_use]
pub fn instruction(instruction: &InstructionView, client: &Client) -> DisassembledInstruction {
    let bytes: Vec<String> = instruction
        .bytes
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let source = instruction.source.as_ref();
    DisassembledInstruction {
        address: address(instruction.address),
        instruction: instruction.text.clone(),
        symbol: instruction.symbol.clone(),
        location: source.map(|source| file(&source.path)),
        line: source.map(|source| line(source.line, client)),
        presentation_hint: bytes.is_empty().then_some("invalid"),
        instruction_bytes: (!bytes.is_empty()).then(|| bytes.join(" ")),
    }
}

/// Bytes in base64 (RFC 4648, section 4).
#[must_use]
pub fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let word = chunk
            .iter()
            .chain(&[0, 0])
            .take(3)
            .fold(0, |word, byte| word << 8 | usize::from(*byte));
        for place in 0..4 {
            if place <= chunk.len() {
                text.push(char::from(DIGITS[word >> (18 - 6 * place) & 63]));
            } else {
                text.push('=');
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stop_in_a_word_or_in_full() {
        let stop = StopView {
            cause: StopCause::Paused,
            group: GroupId(1),
            thread: ThreadId(2),
            description: "paused in DomU (VMID 2), vCPU 0 on pCPU 1, EL1".to_owned(),
        };
        let check = |id: &str, focus, description: &str, text: Option<&str>| {
            let client = Client {
                id: Some(id.to_owned()),
                ..Client::default()
            };
            let body = stopped(&stop, ThreadId(2), focus, &client, |_| Vec::new());
            assert_eq!(body["description"], description, "{id}");
            assert_eq!(body["text"].as_str(), text, "{id}");
        };
        let full = stop.description.as_str();
        check("vscode", true, "paused", Some(full));
        check("vscode", false, "halted", Some(full));
        check("lsp4e.debug", true, full, None);
    }

    #[test]
    fn base64_as_the_standard_has_it() {
        // RFC 4648, section 10.
        for (bytes, text) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("fooba", "Zm9vYmE="),
            ("foobar", "Zm9vYmFy"),
        ] {
            assert_eq!(base64(bytes.as_bytes()), text);
        }
    }

    #[test]
    fn addresses() {
        let check = |text: &str, offset, expected: Option<u64>| {
            assert_eq!(parse_address(text, offset).ok(), expected.map(Va));
        };
        check("0xffffffc008000000", 0, Some(0xffff_ffc0_0800_0000));
        check("0x10", -4, Some(0xc));
        check("0XfF", 1, Some(0x100));
        check("16", 0, Some(16));
        check("main", 0, None);
        check("", 0, None);
        assert_eq!(address(Va(0xABC)), "0xabc");
    }

    #[test]
    fn lines_as_the_client_counts() {
        let from_zero = Client {
            lines_start_at1: Some(false),
            ..Client::default()
        };
        assert_eq!(line(7, &from_zero), 6);
        assert_eq!(line_from(6, &from_zero), 7);
        assert_eq!(line_from(-5, &Client::default()), 0);
        assert_eq!(line_from(i64::MAX, &from_zero), u32::MAX);
    }
}
