//! The ELF container: which sections there are, where their bytes lie, and which build this is.
//!
//! Only headers and notes are read here. A section that reaches beyond the file is cut to what is there and noted,
//! so that the rest of a truncated file still works.

use std::ops::Range;

use object::elf::{self, FileHeader64};
use object::read::elf::{FileHeader as _, NoteIterator, SectionHeader as _};
use object::{CompressedData, CompressionFormat, LittleEndian};

use crate::image::{ImageError, LinkVa};

/// What a section's bytes are, as far as this project cares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Storage {
    /// As they are.
    Plain,
    /// `SHF_COMPRESSED`: a header of the ELF class and a zlib or zstd stream (gABI 4, "Section Compression").
    Compressed,
    /// `.zdebug_*`: the letters `ZLIB`, a big-endian size and a zlib stream (older GNU tools).
    Gnu,
    /// No bytes in the file (`SHT_NOBITS`).
    Nothing,
}

/// One section header, checked against the file's length.
#[derive(Clone, Debug)]
pub(crate) struct Section {
    pub(crate) name: String,
    pub(crate) kind: elf::SectionType,
    pub(crate) flags: elf::SectionFlags,
    pub(crate) address: u64,
    pub(crate) size: u64,
    /// Where the bytes lie in the file.
    pub(crate) file: Range<usize>,
    pub(crate) storage: Storage,
    pub(crate) link: usize,
}

impl Section {
    /// Whether the section is part of the program in memory.
    pub(crate) fn is_loaded(&self) -> bool {
        self.flags.contains(elf::SHF_ALLOC)
    }

    /// Whether the section holds instructions.
    pub(crate) fn is_code(&self) -> bool {
        self.is_loaded() && self.flags.contains(elf::SHF_EXECINSTR)
    }
}

/// The build-id note found in the file.
#[derive(Clone, Debug)]
pub(crate) struct BuildId {
    /// Where its descriptor lies in the file.
    pub(crate) file: Range<usize>,
    /// Where its descriptor lies when loaded.
    pub(crate) address: Option<LinkVa>,
}

/// What the headers say.
#[derive(Debug)]
pub(crate) struct Elf {
    pub(crate) sections: Vec<Section>,
    pub(crate) build_id: Option<BuildId>,
    /// An object file that is not linked yet, such as a kernel module.
    pub(crate) relocatable: bool,
    /// Damage found on the way, for [`Image::notes`](crate::Image::notes).
    pub(crate) notes: Vec<String>,
}

/// Reads the headers.
pub(crate) fn read(name: &str, data: &[u8]) -> Result<Elf, ImageError> {
    let not_elf = |reason: String| ImageError::NotElf {
        name: name.to_owned(),
        reason,
    };
    let foreign = |architecture: String| ImageError::Foreign {
        name: name.to_owned(),
        architecture,
    };
    let ident = data.get(..20).ok_or_else(|| {
        not_elf(format!(
            "it has only {} bytes, too few for a header",
            data.len()
        ))
    })?;
    if ident[..4] != elf::ELFMAG {
        return Err(not_elf("it does not begin with the ELF magic".to_owned()));
    }
    let (wide, little) = (ident[4] == 2, ident[5] == 1);
    let machine = u16::from_le_bytes([ident[18], ident[19]]);
    let machine = if little {
        machine
    } else {
        machine.swap_bytes()
    };
    if machine != elf::EM_AARCH64.0 || !wide || !little {
        return Err(foreign(architecture(machine, wide, little)));
    }
    let header = FileHeader64::<LittleEndian>::parse(data)
        .map_err(|error| not_elf(format!("{error} (offset 0)")))?;
    let table = header.sections(LittleEndian, data).map_err(|error| {
        not_elf(format!(
            "{error}: the section table should be at offset {:#x}, the file has {:#x} bytes; is it cut short?",
            header.e_shoff(LittleEndian),
            data.len()
        ))
    })?;

    let mut notes = Vec::new();
    let mut sections = Vec::with_capacity(table.len());
    for (index, section) in table.enumerate() {
        let label = match table.section_name(LittleEndian, section) {
            Ok(bytes) => String::from_utf8_lossy(bytes).into_owned(),
            Err(_) => format!("section {}", index.0),
        };
        let kind = section.sh_type(LittleEndian);
        let flags = section.sh_flags(LittleEndian);
        let storage = if kind == elf::SHT_NOBITS || kind == elf::SHT_NULL {
            Storage::Nothing
        } else if flags.contains(elf::SHF_COMPRESSED) {
            Storage::Compressed
        } else if label.starts_with(".zdebug_") {
            Storage::Gnu
        } else {
            Storage::Plain
        };
        let (offset, size) = (
            section.sh_offset(LittleEndian),
            section.sh_size(LittleEndian),
        );
        let file = match storage {
            Storage::Nothing => 0..0,
            _ => clamp(offset, size, data.len()),
        };
        if storage != Storage::Nothing && file.len() as u64 != size {
            notes.push(format!(
                "{name}: {label} at offset {offset:#x} should have {size:#x} bytes, the file ends after {:#x} of them",
                file.len()
            ));
        }
        sections.push(Section {
            name: label,
            kind,
            flags,
            address: section.sh_addr(LittleEndian),
            size,
            file,
            storage,
            link: section.link(LittleEndian).0,
        });
    }
    let build_id = sections
        .iter()
        .filter(|section| section.kind == elf::SHT_NOTE && section.storage == Storage::Plain)
        .find_map(|section| build_id(section, data));
    Ok(Elf {
        sections,
        build_id,
        relocatable: header.e_type(LittleEndian) == elf::ET_REL,
        notes,
    })
}

/// The part of `[offset, offset + size)` that the file has.
fn clamp(offset: u64, size: u64, length: usize) -> Range<usize> {
    let start = usize::try_from(offset).unwrap_or(length).min(length);
    let room = length - start;
    start..start + usize::try_from(size).unwrap_or(room).min(room)
}

fn architecture(machine: u16, wide: bool, little: bool) -> String {
    let family = match elf::Machine(machine) {
        elf::EM_AARCH64 => "AArch64".to_owned(),
        elf::EM_ARM => "Arm".to_owned(),
        elf::EM_X86_64 => "x86-64".to_owned(),
        elf::EM_386 => "x86".to_owned(),
        elf::EM_RISCV => "RISC-V".to_owned(),
        elf::Machine(number) => format!("machine number {number}"),
    };
    let bits = if wide { "64-bit" } else { "32-bit" };
    let order = if little { "little" } else { "big" };
    format!("{bits} {order}-endian {family}")
}

/// Notes that matter here are aligned to 4 bytes, whatever the section's own alignment.
const NOTE_ALIGNMENT: u64 = 4;

/// Finds the note of owner `GNU` and type `NT_GNU_BUILD_ID` in one note section.
fn build_id(section: &Section, data: &[u8]) -> Option<BuildId> {
    let bytes = data.get(section.file.clone())?;
    let mut notes =
        NoteIterator::<FileHeader64<LittleEndian>>::new(LittleEndian, NOTE_ALIGNMENT, bytes)
            .ok()?;
    while let Ok(Some(note)) = notes.next() {
        if note.name() != elf::ELF_NOTE_GNU || note.n_type(LittleEndian) != elf::NT_GNU_BUILD_ID {
            continue;
        }
        let within = (note.desc().as_ptr() as usize).checked_sub(bytes.as_ptr() as usize)?;
        let start = section.file.start + within;
        return Some(BuildId {
            file: start..start + note.desc().len(),
            address: section
                .is_loaded()
                .then(|| LinkVa(section.address.wrapping_add(within as u64))),
        });
    }
    None
}

/// Undoes a section's compression.
pub(crate) fn decompress(section: &Section, data: &[u8]) -> Result<Vec<u8>, String> {
    let bytes = data.get(section.file.clone()).unwrap_or(&[]);
    let (format, uncompressed_size, stream) = match section.storage {
        Storage::Gnu => {
            let size: [u8; 8] = bytes
                .strip_prefix(b"ZLIB")
                .and_then(|rest| rest.first_chunk().copied())
                .ok_or("no ZLIB header")?;
            (
                CompressionFormat::Zlib,
                u64::from_be_bytes(size),
                &bytes[12..],
            )
        }
        _ => {
            // Elf64_Chdr: ch_type, ch_reserved (4 bytes each), ch_size, ch_addralign (8 bytes each).
            let (header, stream) = bytes.split_at_checked(24).ok_or("no compression header")?;
            let word = |at: usize| header[at..].first_chunk().copied().unwrap_or_default();
            let format = match elf::CompressionType(u32::from_le_bytes(
                header[..4].first_chunk().copied().unwrap_or_default(),
            )) {
                elf::ELFCOMPRESS_ZLIB => CompressionFormat::Zlib,
                elf::ELFCOMPRESS_ZSTD => CompressionFormat::Zstandard,
                other => return Err(format!("compression type {} is not known", other.0)),
            };
            (format, u64::from_le_bytes(word(8)), stream)
        }
    };
    // zlib cannot do better than 1:1032; a size beyond that is a lie that would cost memory.
    if uncompressed_size > (stream.len() as u64).saturating_mul(1100).max(1 << 20) {
        return Err(format!("claims to unpack to {uncompressed_size:#x} bytes"));
    }
    let unpacked = CompressedData {
        format,
        data: stream,
        uncompressed_size,
    };
    unpacked
        .decompress()
        .map(std::borrow::Cow::into_owned)
        .map_err(|error| error.to_string())
}
