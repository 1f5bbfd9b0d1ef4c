//! Writing a halt to a file. Long runs of zeros take no space in it.

use std::io;
use std::path::{Path, PathBuf};

use machine::target::PhysicalRead;
use machine::{Pa, Pcpu, Registers, Target, TargetError};

use super::layout::*;
use super::note::{self, Note, all_registers};
use super::output::{Output, Unfinished};

/// Memory is looked at in pages.
const PAGE: usize = 4096;

/// Memory is read in chunks.
const CHUNK: usize = 1 << 20;

/// Zeros of at least so many bytes are left out of the file.
const WORTH_LEAVING_OUT: u64 = 64 * 1024;

/// Why a snapshot could not be written.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// The target failed.
    #[error(transparent)]
    Target(#[from] TargetError),
    /// The target does not tell where RAM lies.
    #[error("{0} does not tell where RAM lies: give `ram` in the machine file")]
    RamUnknown(String),
    /// The file could not be written.
    #[error("cannot write {}: {error}{}", path.display(), advice(error))]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
}

/// What to do about it, where that can be said.
fn advice(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::StorageFull => "; free some space, or name a file on another disk",
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            "; name a file in a folder that you may write to"
        }
        io::ErrorKind::NotFound => "; make its folder first",
        io::ErrorKind::IsADirectory => "; name a file",
        _ => "",
    }
}

/// Saves a halted target: all its RAM and the registers of every core. A name that ends in `.zst` compresses.
/// `progress` gets the bytes of RAM done and of all. The file appears under its name only when it is whole.
///
/// # Errors
/// When the target is lost, does not tell where RAM lies, or the file cannot be written.
pub fn write_snapshot(
    target: &mut dyn Target,
    path: &Path,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<(), SnapshotError> {
    let Some(ranges) = target.ram()? else {
        return Err(SnapshotError::RamUnknown(target.name().to_owned()));
    };
    let notes = notes(target)?;
    let unfinished = Unfinished::new(path);
    let file = |error| SnapshotError::File {
        path: path.to_owned(),
        error,
    };
    let compress = path.extension().is_some_and(|extension| extension == "zst");
    let body = Output::new(&unfinished.body, compress).map_err(file)?;
    let mut memory = Memory {
        body,
        loads: Vec::new(),
    };
    let total = ranges.iter().map(|range| range.size).sum();
    let mut done = 0;
    for range in &ranges {
        for offset in (0..range.size).step_by(CHUNK) {
            progress(done + offset, total);
            let size = (range.size - offset).min(CHUNK as u64) as usize;
            let start = range.start.offset(offset);
            let pages = read_pages(target, start, size)?;
            memory.chunk(start, &pages).map_err(file)?;
        }
        done += range.size;
    }
    progress(total, total);
    memory.body.finish().map_err(file)?;
    let head = head(&memory.loads, &notes);
    unfinished.finish(&head, compress).map_err(file)
}

/// The notes of every core and of the halt.
fn notes(target: &mut dyn Target) -> Result<Vec<u8>, SnapshotError> {
    let wanted: Vec<_> = all_registers().collect();
    let mut out = Vec::new();
    let vendor = |kind, text: String, out: &mut Vec<u8>| {
        let (owner, content) = (VENDOR, text.as_bytes());
        note::append(
            &Note {
                owner,
                kind,
                content,
            },
            out,
        );
    };
    for core in (0..target.cores()).map(|core| Pcpu(core as u16)) {
        let mut registers = Registers::default();
        for (register, value) in wanted.iter().zip(target.registers(core, &wanted)?) {
            value
                .into_iter()
                .for_each(|value| registers.set(*register, value));
        }
        let mut status = [0; PRSTATUS];
        status[PRSTATUS_ID..][..4].copy_from_slice(&(u32::from(core.0) + 1).to_le_bytes());
        for (index, register) in general_registers().enumerate() {
            let value = registers.get(register).unwrap_or(0);
            status[PRSTATUS_REGISTERS + index * 8..][..8].copy_from_slice(&value.to_le_bytes());
        }
        let status = Note {
            owner: CORE,
            kind: NT_PRSTATUS,
            content: &status,
        };
        note::append(&status, &mut out);
        vendor(
            NT_REGISTERS,
            note::write_registers(core, &registers),
            &mut out,
        );
    }
    let halt = note::write_halt(target.first_stop(), target.name());
    vendor(NT_HALT, halt, &mut out);
    Ok(out)
}

/// Pages as read; `false` marks one that could not be.
struct Pages {
    bytes: Vec<u8>,
    ok: Vec<bool>,
}

/// Reads all at once, or page by page where that fails.
fn read_pages(target: &mut dyn Target, start: Pa, size: usize) -> Result<Pages, TargetError> {
    let mut bytes = vec![0; size];
    let whole = PhysicalRead {
        address: start,
        buffer: &mut bytes,
        ok: false,
    };
    let mut pieces = [whole];
    target.read_physical(&mut pieces)?;
    let mut ok = vec![pieces[0].ok; size.div_ceil(PAGE)];
    if !pieces[0].ok {
        let mut pieces: Vec<PhysicalRead<'_>> = (bytes.chunks_mut(PAGE).enumerate())
            .map(|(index, buffer)| PhysicalRead {
                address: start.offset((index * PAGE) as u64),
                buffer,
                ok: false,
            })
            .collect();
        target.read_physical(&mut pieces)?;
        ok = pieces.iter().map(|piece| piece.ok).collect();
    }
    Ok(Pages { bytes, ok })
}

/// Memory on its way to the file, and the segments made of it: each some data, then perhaps zeros.
struct Memory {
    body: Output,
    /// Offsets count from the start of the memory.
    loads: Vec<Load>,
}

impl Memory {
    fn chunk(&mut self, start: Pa, pages: &Pages) -> io::Result<()> {
        for (index, (page, ok)) in pages.bytes.chunks(PAGE).zip(&pages.ok).enumerate() {
            if *ok {
                self.page(start.offset((index * PAGE) as u64).0, page)?;
            }
        }
        Ok(())
    }

    fn page(&mut self, address: u64, page: &[u8]) -> io::Result<()> {
        let size = page.len() as u64;
        let is_zero = page.iter().all(|byte| *byte == 0);
        let last = self.loads.last_mut();
        let follows = last.filter(|load| load.address + load.memory_size == address);
        let zeros = |load: &Load| load.memory_size - load.file_size;
        match follows {
            Some(load) if is_zero => load.memory_size += size,
            Some(load) if zeros(load) < WORTH_LEAVING_OUT => {
                self.body.write(&vec![0; zeros(load) as usize])?;
                self.body.write(page)?;
                load.memory_size += size;
                load.file_size = load.memory_size;
            }
            _ => {
                let offset = self.body.written();
                let file_size = if is_zero { 0 } else { size };
                self.body.write(&page[..file_size as usize])?;
                self.loads.push(Load {
                    address,
                    memory_size: size,
                    offset,
                    file_size,
                });
            }
        }
        Ok(())
    }
}

/// All that comes before the memory: ELF header, one section header (it holds the number of program headers when that
/// does not fit the ELF header), program headers, notes.
fn head(loads: &[Load], notes: &[u8]) -> Vec<u8> {
    let count = loads.len() + 1;
    let headers = HEADER + SECTION_HEADER;
    let notes_at = (headers + count * PROGRAM_HEADER) as u64;
    let memory_at = notes_at + notes.len() as u64;

    let mut out = vec![0; headers];
    let mut put = |at: usize, bytes: &[u8]| out[at..at + bytes.len()].copy_from_slice(bytes);
    put(0, b"\x7fELF\x02\x01\x01");
    for (at, half) in [
        (16, ET_CORE),
        (18, EM_AARCH64),
        (52, HEADER as u16),
        (54, PROGRAM_HEADER as u16),
        (56, u16::try_from(count).unwrap_or(PN_XNUM)),
        (58, SECTION_HEADER as u16),
        (60, 1),
    ] {
        put(at, &half.to_le_bytes());
    }
    put(20, &1u32.to_le_bytes());
    put(32, &(headers as u64).to_le_bytes());
    put(40, &(HEADER as u64).to_le_bytes());
    put(HEADER + 44, &(count as u32).to_le_bytes());

    let notes_size = notes.len() as u64;
    program_header(PT_NOTE, 0, [notes_at, 0, notes_size, notes_size], &mut out);
    for load in loads {
        let place = [
            memory_at + load.offset,
            load.address,
            load.file_size,
            load.memory_size,
        ];
        program_header(PT_LOAD, PF_RWX, place, &mut out);
    }
    out.extend(notes);
    out
}

/// Appends a program header; the virtual address is the physical one, as QEMU writes it.
fn program_header(kind: u32, flags: u32, place: [u64; 4], out: &mut Vec<u8>) {
    let [offset, address, file_size, memory_size] = place;
    out.extend(kind.to_le_bytes());
    out.extend(flags.to_le_bytes());
    for word in [offset, address, address, file_size, memory_size, 0] {
        out.extend(word.to_le_bytes());
    }
}
