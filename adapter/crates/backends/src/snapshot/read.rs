//! Reading the headers and notes of an ELF core, as far as they are whole.

use machine::{Pcpu, Registers, Stop};

use super::layout::*;
use super::note::{self, Note};
use super::storage::Storage;

/// Program headers beyond these are ignored.
const MOST_HEADERS: u64 = 1 << 20;

/// Notes beyond these bytes are ignored.
const LONGEST_NOTES: u64 = 64 << 20;

/// Cores beyond these are ignored.
const MOST_CORES: usize = 4096;

/// What a file says.
#[derive(Debug, Default)]
pub(super) struct Saved {
    pub(super) cores: Vec<Registers>,
    pub(super) loads: Vec<Load>,
    pub(super) stop: Option<Stop>,
    /// What is not whole, with offsets.
    pub(super) damage: Vec<String>,
}

/// Reads a file.
///
/// # Errors
/// A sentence, when it is not a core of an AArch64 machine or holds no registers.
pub(super) fn read(storage: &Storage) -> Result<Saved, String> {
    let header = storage.bytes(0, HEADER as u64);
    recognise(&header)?;
    let whole = |field: Option<u64>| field.ok_or_else(|| cut(storage, "the ELF header"));
    let table = whole(u64_at(&header, 32))?;
    let mut count = whole(u16_at(&header, 56).map(u64::from))?;
    if count == u64::from(PN_XNUM) {
        // The number is in `sh_info` of the first section header.
        let sections = whole(u64_at(&header, 40))?;
        let first = storage.bytes(sections, SECTION_HEADER as u64);
        count = whole(u32_at(&first, 44).map(u64::from))?;
    }
    let mut saved = Saved::default();
    let size = count.min(MOST_HEADERS) * PROGRAM_HEADER as u64;
    let headers = storage.bytes(table, size);
    if (headers.len() as u64) < size {
        saved.damage.push(cut(storage, "the program headers"));
    }
    for header in headers.chunks_exact(PROGRAM_HEADER) {
        saved.segment(storage, header);
    }
    if saved.cores.is_empty() {
        return Err(match saved.damage.first() {
            Some(damage) => format!("it holds no core's registers; {damage}"),
            None => "it holds no core's registers (NT_PRSTATUS)".into(),
        });
    }
    let processes = |load: &Load| load.address == 0 && load.memory_size > 0;
    if saved.loads.len() > 1 && saved.loads.iter().all(processes) {
        return Err("it is the core of a process, not of a machine: no physical addresses".into());
    }
    Ok(saved)
}

/// Fails unless the file is an AArch64 core.
fn recognise(header: &[u8]) -> Result<(), String> {
    let starts = |magic: &[u8]| header.starts_with(magic);
    if starts(b"KDUMP   ") || starts(b"makedumpfile") {
        return Err(
            "offset 0x0: a kdump-compressed file; save an ELF one (dump-guest-memory without -z)"
                .into(),
        );
    }
    if !starts(b"\x7fELF\x02\x01") {
        return Err("offset 0x0: not a 64-bit little-endian ELF file".into());
    }
    if u16_at(header, 16) != Some(ET_CORE) {
        return Err("offset 0x10: an ELF file, but not a core".into());
    }
    if u16_at(header, 18) != Some(EM_AARCH64) {
        return Err("offset 0x12: a core, but not of AArch64".into());
    }
    Ok(())
}

fn cut(storage: &Storage, what: &str) -> String {
    format!("it ends at offset {:#x}, within {what}", storage.size())
}

impl Saved {
    /// Takes in one program header.
    fn segment(&mut self, storage: &Storage, header: &[u8]) {
        let field = |at| u64_at(header, at).unwrap_or(0);
        let kind = u32_at(header, 0).unwrap_or(0);
        let load = Load {
            offset: field(8),
            address: field(24),
            file_size: field(32),
            memory_size: field(40).max(field(32)),
        };
        match kind {
            PT_LOAD if load.memory_size > 0 => self.load(storage, load),
            PT_NOTE => self.notes(storage, load.offset, load.file_size),
            _ => {}
        }
    }

    fn load(&mut self, storage: &Storage, load: Load) {
        let Load {
            address, offset, ..
        } = load;
        if address.checked_add(load.memory_size).is_none() {
            self.damage.push(format!(
                "a segment at PA {address:#x} is longer than memory can be"
            ));
            return;
        }
        let end = offset.saturating_add(load.file_size);
        if end > storage.size() && self.damage.len() < 100 {
            let what =
                format!("the memory at PA {address:#x}, which lies at {offset:#x} to {end:#x}");
            self.damage.push(cut(storage, &what));
        }
        self.loads.push(load);
    }

    fn notes(&mut self, storage: &Storage, offset: u64, size: u64) {
        let segment = storage.bytes(offset, size.min(LONGEST_NOTES));
        if (segment.len() as u64) < size {
            self.damage.push(cut(storage, "the notes"));
        }
        let (notes, bad) = note::notes(&segment);
        if let Some(at) = bad {
            let at = offset.saturating_add(at as u64);
            self.damage
                .push(format!("a note at offset {at:#x} is not whole"));
        }
        notes.iter().for_each(|note| self.note(note));
    }

    fn note(&mut self, note: &Note<'_>) {
        match (note.owner, note.kind) {
            (CORE, NT_PRSTATUS) if self.cores.len() < MOST_CORES => {
                self.cores.extend(general(note.content));
            }
            // Ours follow the general registers of the same core and hold those too.
            (VENDOR, NT_REGISTERS) => {
                if let Some((Pcpu(index), registers)) = note::read_registers(note.content)
                    && let Some(core) = self.cores.get_mut(usize::from(index))
                {
                    *core = registers;
                }
            }
            (VENDOR, NT_HALT) => self.stop = note::read_halt(note.content),
            _ => {}
        }
    }
}

/// The registers of an `elf_prstatus`.
fn general(content: &[u8]) -> Option<Registers> {
    let mut registers = Registers::default();
    for (index, register) in general_registers().enumerate() {
        registers.set(register, u64_at(content, PRSTATUS_REGISTERS + index * 8)?);
    }
    Some(registers)
}
