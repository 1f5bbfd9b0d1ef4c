//! Code and data as they lie in memory: disassembly and raw bytes.

use capstone::Capstone;
use capstone::prelude::*;
use machine::space::{AddressSpace, View};
use machine::{Va, VirtualMemory};
use symbols::LinkVa;

use crate::engine::Engine;
use crate::groups::{self, Group};
use crate::stack::symbol_offset;
use crate::view::{EngineError, GroupId, InstructionView, MemoryView, ThreadId};

/// An A64 instruction.
const INSTRUCTION: u64 = 4;
/// More than any client shows at once.
const MAX_INSTRUCTIONS: u32 = 10_000;
/// The longest listing of one function.
const MAX_FUNCTION: u64 = 4096;
/// The longest answer to one request for memory.
const MAX_READ: u64 = 64 << 20;
/// Bytes tried at once where reading meets holes.
const PAGE: u64 = 4096;

impl Engine {
    /// `count` instructions from `instruction_offset` instructions after `at`. What cannot be read says why.
    ///
    /// # Errors
    /// The target runs, or the group has no address space that is known.
    pub fn disassemble(
        &mut self,
        group: GroupId,
        thread: Option<ThreadId>,
        at: Va,
        instruction_offset: i64,
        count: u32,
    ) -> Result<Vec<InstructionView>, EngineError> {
        let halt = Self::halt_of(&self.state)?;
        let (group, space) = self.place_of(group, thread)?;
        let memory = View::new(halt, space);
        let first = at
            .align_down(INSTRUCTION)
            .offset(instruction_offset.wrapping_mul(INSTRUCTION as i64) as u64);
        let decoder = decoder()?;
        let count = count.min(MAX_INSTRUCTIONS);
        let addresses = (0..u64::from(count)).map(|n| first.offset(n * INSTRUCTION));
        let mut last_line = None;
        Ok(addresses
            .map(|address| {
                let mut instruction = instruction(&decoder, group, &memory, address);
                let line = instruction
                    .source
                    .as_ref()
                    .map(|source| (source.compiled_path.clone(), source.line));
                if line == last_line {
                    instruction.source = None;
                }
                last_line = line;
                instruction
            })
            .collect())
    }

    /// The function around `at` as text, for those who have no source of it.
    ///
    /// # Errors
    /// As [`disassemble`](Self::disassemble).
    pub fn function_listing(
        &mut self,
        group: GroupId,
        thread: Option<ThreadId>,
        at: Va,
    ) -> Result<String, EngineError> {
        let (start, length) = {
            let found = self.groups.get(group).and_then(|group| {
                let placed = group.image_at(at)?;
                let (symbol, offset) = placed.image.symbol_at(LinkVa::of(at, placed.slide()))?;
                Some((Va(at.0 - offset), symbol.size.max(offset + INSTRUCTION)))
            });
            found.unwrap_or((at, 64 * INSTRUCTION))
        };
        let count = length.min(MAX_FUNCTION * INSTRUCTION).div_ceil(INSTRUCTION) as u32;
        let lines = self.disassemble(group, thread, start, 0, count)?;
        let line = |instruction: InstructionView| match instruction.symbol {
            Some(symbol) => format!(
                "{symbol}:\n{:#018x}  {}\n",
                instruction.address.0, instruction.text
            ),
            None => format!("{:#018x}  {}\n", instruction.address.0, instruction.text),
        };
        Ok(lines.into_iter().map(line).collect())
    }

    /// Bytes of a group's memory, as a thread of it sees them; as many as can be read.
    ///
    /// # Errors
    /// The target runs, or the group has no address space that is known.
    pub fn read_memory(
        &mut self,
        group: GroupId,
        thread: Option<ThreadId>,
        at: Va,
        count: u64,
    ) -> Result<MemoryView, EngineError> {
        let halt = Self::halt_of(&self.state)?;
        let (_, space) = self.place_of(group, thread)?;
        let memory = View::new(halt, space);
        let wanted = count.min(MAX_READ);
        let mut bytes = vec![0; wanted as usize];
        if memory.read(at, &mut bytes).is_ok() {
            return Ok(MemoryView {
                bytes,
                unreadable: None,
            });
        }
        let mut done = 0;
        while done < wanted {
            let here = at.offset(done);
            let step = (PAGE - here.0 % PAGE).min(wanted - done);
            if let Err(fault) = memory.read(here, &mut bytes[done as usize..(done + step) as usize])
            {
                bytes.truncate(done as usize);
                return Ok(MemoryView {
                    bytes,
                    unreadable: Some((count - done, fault.to_string())),
                });
            }
            done += step;
        }
        Ok(MemoryView {
            bytes,
            unreadable: None,
        })
    }

    /// A group and the space in which its addresses are meant: a thread's, or the group's.
    pub(crate) fn place_of(
        &self,
        group: GroupId,
        thread: Option<ThreadId>,
    ) -> Result<(&Group, AddressSpace), EngineError> {
        let halt = Self::halt_of(&self.state)?;
        let found = self
            .groups
            .get(group)
            .ok_or_else(|| EngineError::user("that VM is not there any more"))?;
        let threads = thread.and_then(|id| found.threads.iter().find(|thread| thread.id == id));
        let space = match threads {
            Some(thread) => groups::execution(halt, found, thread).map(|(_, space)| space),
            None => groups::space_of(halt, found),
        };
        Ok((found, space.map_err(EngineError::target)?))
    }
}

fn decoder() -> Result<Capstone, EngineError> {
    let built = Capstone::new()
        .arm64()
        .mode(arch::arm64::ArchMode::Arm)
        .build();
    built.map_err(|error| EngineError::target(format!("the disassembler does not start: {error}")))
}

fn instruction(
    decoder: &Capstone,
    group: &Group,
    memory: &dyn VirtualMemory,
    address: Va,
) -> InstructionView {
    let mut view = InstructionView {
        address,
        bytes: Vec::new(),
        text: String::new(),
        symbol: None,
        source: None,
    };
    if let Some(placed) = group.image_at(address) {
        let link = LinkVa::of(address, placed.slide());
        view.symbol = placed
            .image
            .symbol_at(link)
            .filter(|(_, offset)| *offset == 0)
            .map(|(symbol, _)| symbol.name.to_owned());
        if placed.image.is_prepared() {
            let frame = placed.image.frames_at(link).into_iter().next();
            view.source = frame
                .and_then(|frame| frame.position)
                .map(|position| placed.source(&position));
        }
    }
    let mut word = [0; INSTRUCTION as usize];
    match memory.read(address, &mut word) {
        Ok(()) => {
            view.bytes = word.to_vec();
            view.text = text(decoder, group, address, word);
        }
        Err(fault) => view.text = format!("<{fault}>"),
    }
    view
}

fn text(decoder: &Capstone, group: &Group, address: Va, word: [u8; 4]) -> String {
    let decoded = decoder.disasm_count(&word, address.0, 1);
    let Some(instruction) = decoded.iter().flat_map(|list| list.iter()).next() else {
        return format!(".inst {:#010x}", u32::from_le_bytes(word));
    };
    let mnemonic = instruction.mnemonic().unwrap_or_default();
    let operands = instruction.op_str().unwrap_or_default();
    let target = operands
        .rsplit_once('#')
        .filter(|_| is_branch(mnemonic))
        .and_then(|(_, target)| parse_target(target));
    let name = target.and_then(|target| {
        let placed = group.image_at(target)?;
        let (symbol, offset) = placed.image.symbol_at(LinkVa::of(target, placed.slide()))?;
        Some(symbol_offset(symbol.name, offset))
    });
    match name {
        Some(name) => format!("{mnemonic} {operands} <{name}>"),
        None => format!("{mnemonic} {operands}").trim_end().to_owned(),
    }
}

fn is_branch(mnemonic: &str) -> bool {
    matches!(mnemonic, "b" | "bl" | "cbz" | "cbnz" | "tbz" | "tbnz") || mnemonic.starts_with("b.")
}

fn parse_target(text: &str) -> Option<Va> {
    u64::from_str_radix(text.strip_prefix("0x")?, 16)
        .ok()
        .map(Va)
}
