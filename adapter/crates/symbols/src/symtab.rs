//! The ELF symbol table: names to addresses and back, also where there is no DWARF.

use object::LittleEndian;
use object::elf::{self, Sym64};
use object::read::elf::Sym as _;
use rustc_hash::FxHasher;
use std::hash::Hasher as _;

use crate::Image;
use crate::elf::Storage;
use crate::image::LinkVa;

/// One symbol of the ELF symbol table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Symbol<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its value.
    pub address: LinkVa,
    /// Bytes; 0 for labels of assembly code and of linker scripts.
    pub size: u64,
    /// `STT_FUNC`, or an untyped label in executable memory.
    pub is_function: bool,
    /// Not local to one source file.
    pub global: bool,
}

/// Symbols sorted by address and by name. Only numbers: names are read from the file.
#[derive(Debug, Default)]
pub(crate) struct SymbolTable {
    /// Section indices of the table and its strings.
    table: Option<(usize, usize)>,
    /// `(address, symbol index)`, better symbols last among equal addresses.
    by_address: Vec<(u64, u32)>,
    /// `(hash of the name, symbol index)`, better symbols first among equal names.
    by_name: Vec<(u32, u32)>,
}

type Sym = Sym64<LittleEndian>;

/// The hash under which names are kept in this crate's indexes.
pub(crate) fn name_hash(name: &[u8]) -> u32 {
    let mut hasher = FxHasher::default();
    hasher.write(name);
    let hash = hasher.finish();
    (hash ^ hash >> 32) as u32
}

/// A function before data before labels, global before weak before local.
fn rank(symbol: &Sym) -> u8 {
    let kind = match symbol.st_type() {
        elf::STT_FUNC | elf::STT_GNU_IFUNC => 0,
        elf::STT_OBJECT => 1,
        _ => 2,
    };
    let binding = match symbol.st_bind() {
        elf::STB_GLOBAL => 0,
        elf::STB_WEAK => 1,
        _ => 2,
    };
    let unsized_ = u8::from(symbol.st_size(LittleEndian) == 0);
    kind * 6 + unsized_ * 3 + binding
}

/// `$x`, `$d` and the like tell code from data (AAELF64, "Mapping symbols"); they name nothing.
fn is_mapping(name: &[u8]) -> bool {
    matches!(name, [b'$', b'x' | b'd' | b'a' | b't', rest @ ..] if rest.first().is_none_or(|c| *c == b'.'))
}

impl SymbolTable {
    /// Reads `.symtab`, or `.dynsym` when the file was stripped.
    pub(crate) fn read(image: &Image) -> Self {
        let sections = &image.elf().sections;
        let of_kind = |kind| {
            sections
                .iter()
                .position(|section| section.kind == kind && section.storage == Storage::Plain)
        };
        let Some(index) = of_kind(elf::SHT_SYMTAB).or_else(|| of_kind(elf::SHT_DYNSYM)) else {
            return Self::default();
        };
        let mut table = Self {
            table: Some((index, sections[index].link)),
            ..Self::default()
        };
        let (symbols, strings) = table.parts(image);
        let mut by_address = Vec::with_capacity(symbols.len());
        let mut by_name = Vec::with_capacity(symbols.len());
        for (number, symbol) in (0_u32..).zip(symbols) {
            let kind = symbol.st_type();
            let unwanted = matches!(kind, elf::STT_SECTION | elf::STT_FILE | elf::STT_TLS);
            if unwanted || symbol.is_undefined(LittleEndian) {
                continue;
            }
            let name = string(strings, symbol.st_name(LittleEndian));
            if name.is_empty() || is_mapping(name) {
                continue;
            }
            by_name.push((name_hash(name), number));
            if !symbol.is_absolute(LittleEndian) {
                by_address.push((symbol.st_value(LittleEndian), number));
            }
        }
        let rank = |number: u32| symbols.get(number as usize).map_or(u8::MAX, rank);
        by_address.sort_unstable_by_key(|(address, number)| {
            (*address, std::cmp::Reverse((rank(*number), *number)))
        });
        by_name.sort_unstable_by_key(|(hash, number)| (*hash, rank(*number), *number));
        by_address.shrink_to_fit();
        by_name.shrink_to_fit();
        table.by_address = by_address;
        table.by_name = by_name;
        table
    }

    /// The table's entries and its string section.
    fn parts<'a>(&self, image: &'a Image) -> (&'a [Sym], &'a [u8]) {
        let bytes = |index: usize| {
            let section = image.elf().sections.get(index)?;
            image.data().get(section.file.clone())
        };
        let Some((table, strings)) = self.table else {
            return (&[], &[]);
        };
        let entries = bytes(table).unwrap_or(&[]);
        let count = entries.len() / size_of::<Sym>();
        let symbols =
            object::slice_from_bytes(entries, count).map_or(&[][..], |(symbols, _)| symbols);
        (symbols, bytes(strings).unwrap_or(&[]))
    }
}

/// The string at an offset, empty when it is not there.
fn string(strings: &[u8], offset: u32) -> &[u8] {
    let tail = strings.get(offset as usize..).unwrap_or(&[]);
    let end = tail
        .iter()
        .position(|byte| *byte == 0)
        .unwrap_or(tail.len());
    &tail[..end]
}

/// How far back a symbol with a size is looked for when labels lie in between.
const LABELS_WITHIN_A_FUNCTION: usize = 64;

/// The ELF symbol table.
impl Image {
    /// The symbol of that name; when several files have one, a global function first, then the first of the table.
    #[must_use]
    pub fn symbol_named(&self, name: &str) -> Option<Symbol<'_>> {
        self.symbols_named(name).next()
    }

    /// Every symbol of that name, global functions first.
    pub fn symbols_named<'a, 'n>(
        &'a self,
        name: &'n str,
    ) -> impl Iterator<Item = Symbol<'a>> + use<'a, 'n> {
        let table = self.symbol_table();
        let hash = name_hash(name.as_bytes());
        let from = table.by_name.partition_point(|(known, _)| *known < hash);
        table.by_name[from..]
            .iter()
            .take_while(move |(known, _)| *known == hash)
            .filter_map(|(_, number)| self.symbol(*number))
            .filter(move |symbol| symbol.name == name)
    }

    /// The symbol that covers an address and the offset into it. A function that has a size wins over a label
    /// inside it; a label without a size reaches up to the next symbol.
    #[must_use]
    pub fn symbol_at(&self, address: LinkVa) -> Option<(Symbol<'_>, u64)> {
        let table = self.symbol_table();
        let end = table
            .by_address
            .partition_point(|(start, _)| *start <= address.0);
        let mut label = None;
        let near = table.by_address[..end].iter().rev();
        for (start, number) in near.take(LABELS_WITHIN_A_FUNCTION) {
            let Some(symbol) = self.symbol(*number) else {
                continue;
            };
            let offset = address.0 - start;
            if offset < symbol.size {
                return Some((symbol, offset));
            }
            if symbol.size != 0 {
                break;
            }
            label = label.or(Some((symbol, offset)));
        }
        label.filter(|(symbol, _)| self.same_section(symbol.address, address))
    }

    /// All symbols, by address.
    pub fn symbols(&self) -> impl Iterator<Item = Symbol<'_>> {
        let numbers = self.symbol_table().by_address.iter();
        numbers.filter_map(|(_, number)| self.symbol(*number))
    }

    fn symbol(&self, number: u32) -> Option<Symbol<'_>> {
        let (symbols, strings) = self.symbol_table().parts(self);
        let symbol = symbols.get(number as usize)?;
        let address = LinkVa(symbol.st_value(LittleEndian));
        let kind = symbol.st_type();
        Some(Symbol {
            name: std::str::from_utf8(string(strings, symbol.st_name(LittleEndian))).ok()?,
            address,
            size: symbol.st_size(LittleEndian),
            is_function: matches!(kind, elf::STT_FUNC | elf::STT_GNU_IFUNC)
                || kind == elf::STT_NOTYPE && self.is_code(address),
            global: !symbol.is_local(),
        })
    }

    fn is_code(&self, address: LinkVa) -> bool {
        self.section_at(address)
            .is_some_and(crate::elf::Section::is_code)
    }

    fn same_section(&self, one: LinkVa, other: LinkVa) -> bool {
        let start = |address| self.section_at(address).map(|section| section.address);
        start(other).is_some() && start(one) == start(other)
    }
}
