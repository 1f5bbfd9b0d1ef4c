//! An ELF file opened: its sections, its build-id, and its DWARF ready to be asked.

use std::fmt;
use std::ops::Range;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use gimli::{Abbreviations, EndianSlice, LittleEndian, SectionId};
use machine::Va;

use crate::cache::Cache;
use crate::debug::{DebugSections, Units};
use crate::elf::{self, Elf, Section, Storage};
use crate::inline::scopes::Scopes;
use crate::lines::files::Files;
use crate::lines::table::LineTable;
use crate::names::{FunctionId, Index};
use crate::symtab::SymbolTable;
use crate::types;
use crate::unwind::CallFrames;

/// An address as the linker saw it; the image's slide turns it into a [`Va`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LinkVa(pub u64);

impl LinkVa {
    /// Where this address lies when the image was moved by `slide`.
    #[must_use]
    pub const fn placed(self, slide: u64) -> Va {
        Va(self.0.wrapping_add(slide))
    }

    /// The link address of `va` in an image moved by `slide`.
    #[must_use]
    pub const fn of(va: Va, slide: u64) -> Self {
        Self(va.0.wrapping_sub(slide))
    }
}

impl fmt::Display for LinkVa {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}", self.0)
    }
}

/// The bytes of an image file, usually a memory map.
pub type ImageBytes = Arc<dyn AsRef<[u8]> + Send + Sync>;

/// DWARF as read in place.
pub type Slice<'a> = EndianSlice<'a, LittleEndian>;

/// Why a file is no image.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ImageError {
    /// Not an ELF file, or its headers are damaged.
    #[error("{name} is not a readable ELF file: {reason}")]
    NotElf {
        /// The file.
        name: String,
        /// What the reader found, with the offset where it is known.
        reason: String,
    },
    /// An ELF file for another machine.
    #[error("{name} is an ELF file for {architecture}, not for AArch64")]
    Foreign {
        /// The file.
        name: String,
        /// What it is for.
        architecture: String,
    },
}

/// How many units' abbreviations are kept: a stop touches a few dozen units.
const UNITS_KEPT: usize = 64;

/// How many functions' scopes are kept.
const FUNCTIONS_KEPT: usize = 256;

/// How much damage found on the way is noted: more says nothing new.
const DAMAGE_NOTED: usize = 32;

/// An ELF file: immutable, shared by all that run this build. Holding one proves that it is for AArch64 and that its
/// headers were readable; everything else is read when it is first asked for, and damage in it is in [`notes`](Self::notes).
pub struct Image {
    name: String,
    bytes: ImageBytes,
    elf: Elf,
    symbols: OnceLock<SymbolTable>,
    debug: OnceLock<DebugSections>,
    units: OnceLock<Units>,
    index: OnceLock<Index>,
    files: OnceLock<Files>,
    abbreviations: Cache<usize, Abbreviations>,
    lines: Cache<u32, LineTable>,
    scopes: Cache<FunctionId, Scopes>,
    call_frames: OnceLock<CallFrames>,
    damage: Mutex<Vec<String>>,
    pub(crate) types: types::Store,
}

impl fmt::Debug for Image {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Image")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

impl Image {
    /// Reads the headers and the build-id of an ELF file; never scans DWARF.
    ///
    /// # Errors
    /// [`ImageError`] when it is no ELF file, damaged beyond use, or for another machine.
    pub fn parse(name: &str, bytes: ImageBytes) -> Result<Self, ImageError> {
        let elf = elf::read(name, (*bytes).as_ref())?;
        Ok(Self {
            name: name.to_owned(),
            bytes,
            elf,
            symbols: OnceLock::new(),
            debug: OnceLock::new(),
            units: OnceLock::new(),
            index: OnceLock::new(),
            files: OnceLock::new(),
            abbreviations: Cache::new(UNITS_KEPT),
            lines: Cache::new(UNITS_KEPT),
            scopes: Cache::new(FUNCTIONS_KEPT),
            call_frames: OnceLock::new(),
            damage: Mutex::default(),
            types: types::Store::default(),
        })
    }

    /// The name it was opened by.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The GNU build-id.
    #[must_use]
    pub fn build_id(&self) -> Option<&[u8]> {
        self.data().get(self.elf.build_id.as_ref()?.file.clone())
    }

    /// The GNU build-id in hexadecimal, empty when there is none.
    #[must_use]
    pub fn build_id_text(&self) -> String {
        hexadecimal(self.build_id().unwrap_or_default())
    }

    /// Where the build-id lies when loaded, `None` when it is not part of the program.
    #[must_use]
    pub fn build_id_address(&self) -> Option<LinkVa> {
        self.elf.build_id.as_ref()?.address
    }

    /// Damage and absences found so far, each naming file and offset.
    #[must_use]
    pub fn notes(&self) -> Vec<String> {
        let mut notes = self.elf.notes.clone();
        if self.elf.relocatable {
            notes.push(format!(
                "{}: not linked yet (ET_REL), so its DWARF has no addresses and is not read",
                self.name
            ));
        }
        notes.extend(
            self.debug
                .get()
                .into_iter()
                .flat_map(|debug| debug.notes.clone()),
        );
        notes.extend(self.units.get().and_then(|units| units.note.clone()));
        notes.extend(
            self.index
                .get()
                .into_iter()
                .flat_map(|index| index.notes.clone()),
        );
        let damage = self.damage.lock().unwrap_or_else(PoisonError::into_inner);
        notes.extend(damage.iter().cloned());
        notes
    }

    /// The file's bytes at a link address, when all of them are in one loaded section.
    #[must_use]
    pub fn bytes_at(&self, address: LinkVa, length: usize) -> Option<&[u8]> {
        let section = self.section_at(address)?;
        let within = usize::try_from(address.0 - section.address).ok()?;
        let bytes = self.data().get(section.file.clone())?;
        bytes.get(within..within.checked_add(length)?)
    }

    /// At most `length` bytes from a link address on, fewer where the section ends.
    pub(crate) fn bytes_to_section_end(&self, address: LinkVa, length: usize) -> Option<&[u8]> {
        let section = self.section_at(address)?;
        let within = usize::try_from(address.0 - section.address).ok()?;
        let bytes = self.data().get(section.file.clone())?.get(within..)?;
        Some(&bytes[..length.min(bytes.len())])
    }

    /// Where instructions lie, neighbouring sections joined, in ascending order.
    #[must_use]
    pub fn executable_ranges(&self) -> Vec<Range<LinkVa>> {
        let code = self.elf.sections.iter().filter(|section| section.is_code());
        let mut ranges: Vec<_> = code
            .map(|section| {
                LinkVa(section.address)..LinkVa(section.address.saturating_add(section.size))
            })
            .collect();
        ranges.sort_unstable_by_key(|range| range.start);
        let mut joined: Vec<Range<LinkVa>> = Vec::new();
        for range in ranges {
            match joined.last_mut() {
                Some(last) if range.start <= last.end => last.end = last.end.max(range.end),
                _ => joined.push(range),
            }
        }
        joined
    }

    /// The loaded section that covers an address.
    pub(crate) fn section_at(&self, address: LinkVa) -> Option<&Section> {
        self.elf.sections.iter().find(|section| {
            section.is_loaded()
                && address.0 >= section.address
                && address.0 - section.address < section.size
                && (section.storage != Storage::Nothing || section.kind == object::elf::SHT_NOBITS)
        })
    }

    pub(crate) fn data(&self) -> &[u8] {
        (*self.bytes).as_ref()
    }

    pub(crate) fn elf(&self) -> &Elf {
        &self.elf
    }

    pub(crate) fn symbol_table(&self) -> &SymbolTable {
        self.symbols.get_or_init(|| SymbolTable::read(self))
    }

    /// The bytes of a debug section and its link address.
    pub(crate) fn section(&self, id: SectionId) -> (&[u8], u64) {
        let debug = self.debug.get_or_init(|| DebugSections::load(self));
        debug.bytes(id, self.data())
    }

    pub(crate) fn units(&self) -> &Units {
        self.units.get_or_init(|| Units::find(self))
    }

    /// The index; built by whoever asks first.
    pub(crate) fn index(&self) -> &Index {
        self.index.get_or_init(|| Index::build(self))
    }

    pub(crate) fn index_if_built(&self) -> Option<&Index> {
        self.index.get()
    }

    /// Notes damage, once.
    pub(crate) fn note(&self, damage: String) {
        let mut noted = self.damage.lock().unwrap_or_else(PoisonError::into_inner);
        if noted.len() < DAMAGE_NOTED && !noted.contains(&damage) {
            noted.push(damage);
        }
    }

    pub(crate) fn call_frames(&self) -> &CallFrames {
        self.call_frames.get_or_init(|| CallFrames::read(self))
    }

    pub(crate) fn files_once(&self) -> &OnceLock<Files> {
        &self.files
    }

    pub(crate) fn line_cache(&self) -> &Cache<u32, LineTable> {
        &self.lines
    }

    pub(crate) fn scope_cache(&self) -> &Cache<FunctionId, Scopes> {
        &self.scopes
    }

    pub(crate) fn abbreviation_cache(&self) -> &Cache<usize, Abbreviations> {
        &self.abbreviations
    }
}
/// Bytes as they are written in a build-id.
#[must_use]
pub fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
