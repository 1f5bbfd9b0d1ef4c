//! Memory and disassembly of what the user looks at.

use std::sync::Arc;

use dap::requests::{DisassembleArguments, ReadMemoryArguments};
use serde_json::json;

use super::{Answer, body};
use crate::connection::Session;
use crate::convert;
use crate::protocol::DisassembledInstruction;
use crate::wire::{Failure, Request};

/// More than this is refused.
const INSTRUCTIONS: i64 = 10_000;
const BYTES: i64 = 16 << 20;

pub(super) async fn disassemble(session: &Arc<Session>, request: &Request) -> Answer {
    let arguments: DisassembleArguments = request.arguments()?;
    let machine = session.machine()?;
    let at = convert::parse_address(&arguments.memory_reference, arguments.offset.unwrap_or(0))?;
    let count = within(
        "instructionCount",
        arguments.instruction_count,
        INSTRUCTIONS,
    )?;
    let offset = arguments.instruction_offset.unwrap_or(0);
    let (group, thread) = session.focus();
    let listing = machine
        .link
        .ask(move |engine| engine.disassemble(group, thread, at, offset, count))
        .await?;
    let client = session.client();
    let instructions: Vec<DisassembledInstruction> = listing
        .iter()
        .map(|instruction| convert::instruction(instruction, &client))
        .collect();
    body(json!({ "instructions": instructions }))
}

pub(super) async fn read(session: &Arc<Session>, request: &Request) -> Answer {
    let arguments: ReadMemoryArguments = request.arguments()?;
    let machine = session.machine()?;
    let at = convert::parse_address(&arguments.memory_reference, arguments.offset.unwrap_or(0))?;
    let count = within("count", arguments.count, BYTES)?;
    let (group, thread) = session.focus();
    let memory = machine
        .link
        .ask(move |engine| engine.read_memory(group, thread, at, u64::from(count)))
        .await?;
    let unreadable = memory.unreadable.map(|(bytes, _)| bytes);
    let data = (!memory.bytes.is_empty()).then(|| convert::base64(&memory.bytes));
    body(json!({ "address": convert::address(at), "data": data, "unreadableBytes": unreadable }))
}

fn within(name: &str, number: i64, most: i64) -> Result<u32, Failure> {
    match u32::try_from(number) {
        Ok(count) if number <= most => Ok(count),
        _ => Err(Failure::user(format!(
            "`{name}` must be from 0 to {most}, not {number}"
        ))),
    }
}
