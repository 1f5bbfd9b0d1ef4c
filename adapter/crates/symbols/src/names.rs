//! The DWARF index: names to functions, globals and types, and addresses to functions and units.
//!
//! Built once, in parallel, and kept as sorted tables of small numbers. A hash only proposes: the name itself is
//! read from the entry on lookup, through `DW_AT_abstract_origin` and `DW_AT_specification`.

use gimli::{
    AttributeValue, DebugInfoOffset, DebuggingInformationEntry, DwTag, Unit, UnitOffset,
    constants as dw,
};
use rayon::prelude::*;

use crate::Image;
use crate::debug::line_program;
use crate::image::{LinkVa, Slice};
use crate::lines::Position;
use crate::lines::files::FileNames;
use crate::scan::{Covered, Found, Named, Scan};
use crate::symtab::name_hash;

/// A function: its DWARF entry, concrete or abstract.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FunctionId {
    /// The unit's number.
    pub unit: u32,
    /// The entry's offset within the unit.
    pub offset: usize,
}

/// A global variable found by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct GlobalEntry {
    pub(crate) unit: u32,
    pub(crate) offset: usize,
    /// Has a type but no location: defined in assembly or by the linker script, so the symbol table has the address.
    pub(crate) is_declaration: bool,
}

/// A type found by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TypeEntry {
    pub(crate) unit: u32,
    pub(crate) offset: usize,
    pub(crate) tag: DwTag,
    pub(crate) is_declaration: bool,
}

/// The tables.
#[derive(Debug, Default)]
pub(crate) struct Index {
    functions: Vec<Named>,
    inline_functions: Vec<Named>,
    globals: Vec<Named>,
    declared_globals: Vec<Named>,
    types: Vec<(Named, DwTag, bool)>,
    function_ranges: Vec<Covered>,
    unit_ranges: Vec<Covered>,
    pub(crate) notes: Vec<String>,
}

/// How many damaged units are named one by one.
const DAMAGE_NAMED: usize = 8;

impl Index {
    /// Scans every unit.
    pub(crate) fn build(image: &Image) -> Self {
        // Taken before the parallel part: its jobs must not wait for each other's one-time work.
        let dwarf = image.dwarf();
        let units = image.unit_count();
        let code: Vec<_> = image.executable_ranges();
        let code: Vec<_> = code
            .into_iter()
            .map(|range| range.start.0..range.end.0)
            .collect();
        let found = (0..units)
            .into_par_iter()
            .fold(Found::default, |mut found, index| {
                let result = image
                    .unit_once(&dwarf, index)
                    .and_then(|unit| Scan::run(&dwarf, &unit, index, &code, &mut found));
                if let Err(error) = result {
                    let start = image.unit_start(index).map_or(0, |start| start.0);
                    found.damage.push(format!(
                        "{}: .debug_info: the unit at offset {start:#x} is damaged: {error}",
                        image.name()
                    ));
                }
                found
            })
            .reduce(Found::default, Found::merge);
        Self::sorted(found, image.name())
    }

    fn sorted(found: Found, image: &str) -> Self {
        let mut notes = found.damage;
        if notes.len() > DAMAGE_NAMED {
            let more = notes.len() - DAMAGE_NAMED;
            notes.truncate(DAMAGE_NAMED);
            notes.push(format!("{image}: {more} more units are damaged"));
        }
        let types = found.types.into_iter();
        let mut index = Self {
            functions: found.functions,
            inline_functions: found.inline_functions,
            globals: found.globals,
            declared_globals: found.declared_globals.into_values().collect(),
            types: types
                .map(|(key, named)| (named, key.tag, key.is_declaration))
                .collect(),
            function_ranges: found.function_ranges,
            unit_ranges: found.unit_ranges,
            notes,
        };
        for names in [
            &mut index.functions,
            &mut index.inline_functions,
            &mut index.globals,
            &mut index.declared_globals,
        ] {
            names.sort_unstable();
            names.shrink_to_fit();
        }
        index.types.sort_unstable_by_key(|(named, ..)| *named);
        index.function_ranges.sort_unstable();
        index.function_ranges.shrink_to_fit();
        index.unit_ranges.sort_unstable();
        index.unit_ranges.shrink_to_fit();
        index
    }
}

fn with_hash<T>(table: &[T], hash: u32, of: impl Fn(&T) -> u32) -> &[T] {
    let from = table.partition_point(|entry| of(entry) < hash);
    let length = table[from..].partition_point(|entry| of(entry) == hash);
    &table[from..from + length]
}

/// How many overlapping ranges are looked at: identical code folded by the linker makes some.
const OVERLAPS: usize = 8;

/// The innermost range that covers an address.
fn covering(table: &[Covered], address: u64) -> Option<&Covered> {
    let end = table.partition_point(|range| range.start <= address);
    let mut near = table[..end].iter().rev().take(OVERLAPS);
    near.find(|range| address < range.end)
}

/// How many references are followed from an entry to the one that has its name.
const HOPS: usize = 8;

/// Lookups by name.
impl Image {
    /// Reads what lookups need now, on all cores: the index, the files of the line tables, the symbols, the addresses of
    /// call-frame information. Otherwise the first lookup does, and others wait for it.
    ///
    /// Not to be called from a rayon job: the pool's threads would wait for each other.
    pub fn prepare(&self) {
        // Both sides need the sections, and neither may wait for the other to unpack them.
        let _ = self.dwarf();
        let dwarf = || {
            self.index();
            self.files();
        };
        let others = || {
            self.symbol_table();
            self.call_frames();
        };
        rayon::join(dwarf, others);
    }

    /// Whether the index is built, so that lookups by name and of functions and lines by address do not wait.
    #[must_use]
    pub fn is_prepared(&self) -> bool {
        self.index_if_built().is_some()
    }

    /// Functions of that name that have code, in the order of the file.
    #[must_use]
    pub fn functions_named(&self, name: &str) -> Vec<FunctionId> {
        self.functions_in(&self.index().functions, name)
    }

    /// Functions of that name that were inlined at least once, as their abstract instances, one per unit.
    #[must_use]
    pub fn inline_functions_named(&self, name: &str) -> Vec<FunctionId> {
        self.functions_in(&self.index().inline_functions, name)
    }

    fn functions_in(&self, table: &[Named], name: &str) -> Vec<FunctionId> {
        let wanted = with_hash(table, name_hash(name.as_bytes()), |named| named.hash);
        let places = wanted.iter().filter(|named| self.is_called(named, name));
        places
            .map(|named| FunctionId {
                unit: named.unit,
                offset: named.offset as usize,
            })
            .collect()
    }

    /// The function whose code covers an address: the concrete one, not what was inlined into it.
    #[must_use]
    pub fn function_at(&self, address: LinkVa) -> Option<FunctionId> {
        covering(&self.index().function_ranges, address.0).map(|range| FunctionId {
            unit: range.unit,
            offset: range.offset as usize,
        })
    }

    /// Where the first function begins that does so at or after an address.
    pub(crate) fn next_function_start(&self, address: LinkVa) -> Option<LinkVa> {
        let ranges = &self.index().function_ranges;
        let next = ranges.partition_point(|range| range.start < address.0);
        ranges.get(next).map(|range| LinkVa(range.start))
    }

    /// The unit whose code covers an address, also one of assembly code without functions.
    pub(crate) fn unit_at(&self, address: LinkVa) -> Option<u32> {
        let index = self.index();
        covering(&index.function_ranges, address.0)
            .or_else(|| covering(&index.unit_ranges, address.0))
            .map(|range| range.unit)
    }

    /// Global variables of that name, definitions first.
    pub(crate) fn globals_by_name(&self, name: &str) -> Vec<GlobalEntry> {
        let hash = name_hash(name.as_bytes());
        let index = self.index();
        let mut globals = Vec::new();
        for (table, is_declaration) in [(&index.globals, false), (&index.declared_globals, true)] {
            let wanted = with_hash(table, hash, |named| named.hash);
            let places = wanted.iter().filter(|named| self.is_called(named, name));
            globals.extend(places.map(|named| GlobalEntry {
                unit: named.unit,
                offset: named.offset as usize,
                is_declaration,
            }));
        }
        globals
    }

    /// Types of that name (without `struct` and the like), definitions first, then in the order of the file.
    pub(crate) fn types_by_name(&self, name: &str) -> Vec<TypeEntry> {
        let hash = name_hash(name.as_bytes());
        let wanted = with_hash(&self.index().types, hash, |(named, ..)| named.hash);
        let places = wanted
            .iter()
            .filter(|(named, ..)| self.is_called(named, name));
        let mut types: Vec<_> = places
            .map(|(named, tag, is_declaration)| TypeEntry {
                unit: named.unit,
                offset: named.offset as usize,
                tag: *tag,
                is_declaration: *is_declaration,
            })
            .collect();
        types.sort_by_key(|entry| (entry.is_declaration, entry.unit, entry.offset));
        types
    }

    fn is_called(&self, named: &Named, name: &str) -> bool {
        let found = self
            .unit(named.unit)
            .ok()
            .and_then(|unit| self.name_of(&unit, UnitOffset(named.offset as usize)));
        found.is_some_and(|found| found.slice() == name.as_bytes())
    }

    /// The name of an entry, its own or that of the entry it stands for, in whatever unit that lies.
    pub(crate) fn name_of<'a>(
        &'a self,
        unit: &Unit<Slice<'a>>,
        offset: UnitOffset,
    ) -> Option<Slice<'a>> {
        let dwarf = self.dwarf();
        self.through_origins(unit, offset, |unit, entry| {
            let name = entry.attr_value(dw::DW_AT_name)?;
            dwarf.attr_string(unit, name).ok()
        })
    }

    /// Where a function is declared, by its own entry or the one it stands for.
    pub(crate) fn declared_at(&self, function: FunctionId) -> Option<Position> {
        let unit = self.unit(function.unit).ok()?;
        self.through_origins(&unit, UnitOffset(function.offset), |unit, entry| {
            let line = entry.attr_value(dw::DW_AT_decl_line)?.udata_value()?;
            let file = match entry.attr_value(dw::DW_AT_decl_file)? {
                AttributeValue::FileIndex(file) => file,
                other => other.udata_value()?,
            };
            let column = entry.attr_value(dw::DW_AT_decl_column);
            let column = column.and_then(|column| column.udata_value()).unwrap_or(0);
            let dwarf = self.dwarf();
            let program = line_program(&dwarf, unit).ok()??;
            let path = FileNames::new(&dwarf, unit, program.header()).path(file)?;
            Some(Position {
                path: path.into(),
                line: u32::try_from(line).ok()?,
                column: u32::try_from(column).unwrap_or(0),
            })
        })
    }

    /// What `ask` finds at an entry, or at the entry it stands for (`DW_AT_abstract_origin`, `DW_AT_specification`).
    fn through_origins<'a, T>(
        &'a self,
        unit: &Unit<Slice<'a>>,
        offset: UnitOffset,
        ask: impl Fn(&Unit<Slice<'a>>, &DebuggingInformationEntry<Slice<'a>>) -> Option<T>,
    ) -> Option<T> {
        let mut foreign: Option<Unit<Slice<'a>>> = None;
        let mut offset = offset;
        for _ in 0..HOPS {
            let home = foreign.as_ref().unwrap_or(unit);
            let entry = home.entry(offset).ok()?;
            if let Some(found) = ask(home, &entry) {
                return Some(found);
            }
            let origin = entry
                .attr_value(dw::DW_AT_abstract_origin)
                .or_else(|| entry.attr_value(dw::DW_AT_specification))?;
            match origin {
                AttributeValue::UnitRef(to) => offset = to,
                AttributeValue::DebugInfoRef(to) => {
                    let (index, to) = self.unit_of_offset(DebugInfoOffset(to.0))?;
                    foreign = Some(self.unit(index).ok()?);
                    offset = to;
                }
                _ => return None,
            }
        }
        None
    }
}
