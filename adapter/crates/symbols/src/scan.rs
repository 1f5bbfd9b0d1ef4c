//! One pass over a unit: the named things at its top level, children jumped over by `DW_AT_sibling`.
//!
//! Only offsets, hashes and address ranges come out. Names are hashed where they lie and compared on lookup.

use std::ops::Range;

use gimli::{
    Abbreviation, AttributeValue, DwTag, Dwarf, EntriesRaw, Unit, UnitOffset, constants as dw,
};
use rustc_hash::FxHashMap;

use crate::image::Slice;
use crate::inline::scopes::code;
use crate::symtab::name_hash;

/// A place in a unit, under the hash of its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Named {
    pub(crate) hash: u32,
    pub(crate) unit: u32,
    pub(crate) offset: u32,
}

/// What makes two types of one name the same for a lookup by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct TypeKey {
    name: NameKey,
    pub(crate) tag: DwTag,
    pub(crate) is_declaration: bool,
    size: u64,
}

/// A name by where it lies: the linker stores each string once, so the offset stands for the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum NameKey {
    Str(usize),
    /// Short names stand in the entry itself (`DW_FORM_string`); by their hash.
    Inline(u32),
}

/// Addresses of a function or a unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Covered {
    pub(crate) start: u64,
    pub(crate) end: u64,
    pub(crate) unit: u32,
    /// The function's entry; 0 for a whole unit.
    pub(crate) offset: u32,
}

/// What one or several units hold.
#[derive(Debug, Default)]
pub(crate) struct Found {
    pub(crate) functions: Vec<Named>,
    /// Functions that exist only inlined, as their abstract instances.
    pub(crate) inline_functions: Vec<Named>,
    pub(crate) globals: Vec<Named>,
    pub(crate) declared_globals: FxHashMap<u32, Named>,
    pub(crate) types: FxHashMap<TypeKey, Named>,
    pub(crate) function_ranges: Vec<Covered>,
    pub(crate) unit_ranges: Vec<Covered>,
    pub(crate) damage: Vec<String>,
}

impl Found {
    /// Joins two halves; of equal types the first in the file stays, however the work was split.
    pub(crate) fn merge(mut self, mut other: Self) -> Self {
        self.functions.append(&mut other.functions);
        self.inline_functions.append(&mut other.inline_functions);
        self.globals.append(&mut other.globals);
        self.function_ranges.append(&mut other.function_ranges);
        self.unit_ranges.append(&mut other.unit_ranges);
        self.damage.append(&mut other.damage);
        if self.types.len() < other.types.len() {
            std::mem::swap(&mut self.types, &mut other.types);
        }
        for (key, named) in other.types {
            first(self.types.entry(key).or_insert(named), named);
        }
        for (key, named) in other.declared_globals {
            first(self.declared_globals.entry(key).or_insert(named), named);
        }
        self
    }
}

fn first(kept: &mut Named, candidate: Named) {
    if (candidate.unit, candidate.offset) < (kept.unit, kept.offset) {
        *kept = candidate;
    }
}

/// The attributes that matter of one entry.
#[derive(Default)]
struct Entry<'a> {
    name: Option<AttributeValue<Slice<'a>>>,
    /// `DW_AT_abstract_origin` or `DW_AT_specification`.
    origin: Option<AttributeValue<Slice<'a>>>,
    low_pc: Option<AttributeValue<Slice<'a>>>,
    high_pc: Option<AttributeValue<Slice<'a>>>,
    ranges: Option<AttributeValue<Slice<'a>>>,
    sibling: Option<UnitOffset>,
    size: u64,
    is_declaration: bool,
    is_inline: bool,
    has_value: bool,
}

/// A name, or where to go on looking for it.
#[derive(Clone, Copy)]
enum Called {
    By(u32),
    As(UnitOffset),
}

/// How many references are followed from a concrete function to the entry that has its name.
const HOPS: usize = 4;

/// Adds what a unit holds to `found`.
pub(crate) struct Scan<'s, 'a> {
    pub(crate) dwarf: &'s Dwarf<Slice<'a>>,
    pub(crate) unit: &'s Unit<Slice<'a>>,
    pub(crate) index: u32,
    /// Where code can lie; what the linker threw away has addresses outside.
    pub(crate) code: &'s [Range<u64>],
    pub(crate) found: &'s mut Found,
    /// Names of functions and variables of this unit, by ascending offset.
    called: Vec<(UnitOffset, Called)>,
    /// Definitions whose name is at another entry: a function or a variable.
    nameless: Vec<(UnitOffset, UnitOffset, bool)>,
}

impl<'s, 'a> Scan<'s, 'a> {
    /// Scans the unit numbered `index`.
    ///
    /// # Errors
    /// What gimli found damaged; what was found before it stays.
    pub(crate) fn run(
        dwarf: &'s Dwarf<Slice<'a>>,
        unit: &'s Unit<Slice<'a>>,
        index: u32,
        code: &'s [Range<u64>],
        found: &'s mut Found,
    ) -> Result<(), gimli::Error> {
        let mut scan = Scan {
            dwarf,
            unit,
            index,
            code,
            found,
            called: Vec::new(),
            nameless: Vec::new(),
        };
        let result = scan.top_level();
        scan.name_the_nameless();
        let mut ranges = dwarf.unit_ranges(unit)?;
        while let Some(range) = ranges.next()? {
            if scan.is_code(range.begin, range.end) {
                scan.found.unit_ranges.push(Covered {
                    start: range.begin,
                    end: range.end,
                    unit: index,
                    offset: 0,
                });
            }
        }
        result
    }

    fn top_level(&mut self) -> Result<(), gimli::Error> {
        let mut entries = self.unit.entries_raw(None)?;
        let Some(root) = entries.read_abbreviation()? else {
            return Ok(());
        };
        entries.skip_attributes(root.attributes())?;
        if !root.has_children() {
            return Ok(());
        }
        let mut namespaces = 0_u32;
        while !entries.is_empty() {
            let offset = entries.next_offset();
            let Some(abbreviation) = entries.read_abbreviation()? else {
                match namespaces.checked_sub(1) {
                    Some(outer) => namespaces = outer,
                    None => break,
                }
                continue;
            };
            if abbreviation.tag() == dw::DW_TAG_namespace {
                entries.skip_attributes(abbreviation.attributes())?;
                namespaces += u32::from(abbreviation.has_children());
                continue;
            }
            let sibling = self.entry(&mut entries, abbreviation, offset)?;
            if abbreviation.has_children() {
                self.jump(&mut entries, sibling)?;
            }
        }
        Ok(())
    }

    /// Goes to the next entry of the same level.
    fn jump(
        &self,
        entries: &mut EntriesRaw<'s, Slice<'a>>,
        sibling: Option<UnitOffset>,
    ) -> Result<(), gimli::Error> {
        if let Some(sibling) = sibling.filter(|to| to.0 > entries.next_offset().0) {
            *entries = self.unit.entries_raw(Some(sibling))?;
            return Ok(());
        }
        let mut depth = 1_usize;
        while depth > 0 && !entries.is_empty() {
            match entries.read_abbreviation()? {
                Some(abbreviation) => {
                    entries.skip_attributes(abbreviation.attributes())?;
                    depth += usize::from(abbreviation.has_children());
                }
                None => depth -= 1,
            }
        }
        Ok(())
    }

    /// Reads one entry and notes it; returns where its sibling is.
    fn entry(
        &mut self,
        entries: &mut EntriesRaw<'s, Slice<'a>>,
        abbreviation: &Abbreviation,
        offset: UnitOffset,
    ) -> Result<Option<UnitOffset>, gimli::Error> {
        let tag = abbreviation.tag();
        match tag {
            dw::DW_TAG_subprogram | dw::DW_TAG_variable => {
                let entry = read(entries, abbreviation)?;
                let sibling = entry.sibling;
                if tag == dw::DW_TAG_variable {
                    self.variable(&entry, offset);
                } else {
                    self.function(&entry, offset)?;
                }
                Ok(sibling)
            }
            dw::DW_TAG_structure_type
            | dw::DW_TAG_class_type
            | dw::DW_TAG_union_type
            | dw::DW_TAG_enumeration_type
            | dw::DW_TAG_typedef
            | dw::DW_TAG_base_type => {
                let entry = read(entries, abbreviation)?;
                self.type_entry(tag, &entry, offset);
                Ok(entry.sibling)
            }
            _ if abbreviation.has_children() => Ok(read(entries, abbreviation)?.sibling),
            _ => entries
                .skip_attributes(abbreviation.attributes())
                .map(|()| None),
        }
    }

    fn type_entry(&mut self, tag: DwTag, entry: &Entry<'a>, offset: UnitOffset) {
        let Some(value) = entry.name else { return };
        let name = match value {
            AttributeValue::DebugStrRef(at) => NameKey::Str(at.0),
            other => match self.dwarf.attr_string(self.unit, other) {
                Ok(text) => NameKey::Inline(name_hash(text.slice())),
                Err(_) => return,
            },
        };
        let key = TypeKey {
            name,
            tag,
            is_declaration: entry.is_declaration,
            size: entry.size,
        };
        if self.found.types.contains_key(&key) {
            return;
        }
        if let Some(named) = self.hash(value).and_then(|hash| self.named(hash, offset)) {
            self.found.types.insert(key, named);
        }
    }

    fn variable(&mut self, entry: &Entry<'a>, offset: UnitOffset) {
        let called = self.call(entry, offset);
        if entry.is_declaration || !entry.has_value {
            if let Some(Called::By(hash)) = called
                && let Some(named) = self.named(hash, offset)
            {
                self.found.declared_globals.entry(hash).or_insert(named);
            }
            return;
        }
        self.define(called, offset, false);
    }

    fn function(&mut self, entry: &Entry<'a>, offset: UnitOffset) -> Result<(), gimli::Error> {
        let called = self.call(entry, offset);
        if entry.is_inline {
            if let Some(Called::By(hash)) = called {
                let named = self.named(hash, offset);
                self.found.inline_functions.extend(named);
            }
            return Ok(());
        }
        if self.cover(entry, offset)? {
            self.define(called, offset, true);
        }
        Ok(())
    }

    /// Notes the addresses of a function; false when it has none.
    fn cover(&mut self, entry: &Entry<'a>, offset: UnitOffset) -> Result<bool, gimli::Error> {
        let Ok(at) = u32::try_from(offset.0) else {
            return Ok(false);
        };
        let code = code(
            self.dwarf,
            self.unit,
            entry.low_pc,
            entry.high_pc,
            entry.ranges,
        )?;
        let before = self.found.function_ranges.len();
        for range in code {
            self.cover_range(range.start, range.end, at);
        }
        Ok(self.found.function_ranges.len() > before)
    }

    fn cover_range(&mut self, start: u64, end: u64, offset: u32) {
        if self.is_code(start, end) {
            self.found.function_ranges.push(Covered {
                start,
                end,
                unit: self.index,
                offset,
            });
        }
    }

    fn is_code(&self, start: u64, end: u64) -> bool {
        let after = self.code.partition_point(|range| range.end <= start);
        start < end
            && (self.code.is_empty()
                || self
                    .code
                    .get(after)
                    .is_some_and(|range| range.start <= start))
    }

    /// What an entry is called, remembered for those that refer to it.
    fn call(&mut self, entry: &Entry<'a>, offset: UnitOffset) -> Option<Called> {
        let called = match (entry.name, entry.origin) {
            (Some(name), _) => Called::By(self.hash(name)?),
            (None, Some(AttributeValue::UnitRef(origin))) => Called::As(origin),
            (None, Some(AttributeValue::DebugInfoRef(origin))) => {
                Called::As(origin.to_unit_offset(&self.unit.header)?)
            }
            _ => return None,
        };
        self.called.push((offset, called));
        Some(called)
    }

    fn define(&mut self, called: Option<Called>, offset: UnitOffset, is_function: bool) {
        match called {
            Some(Called::By(hash)) => self.define_as(hash, offset, is_function),
            Some(Called::As(origin)) => self.nameless.push((offset, origin, is_function)),
            None => {}
        }
    }

    fn define_as(&mut self, hash: u32, offset: UnitOffset, is_function: bool) {
        let Some(named) = self.named(hash, offset) else {
            return;
        };
        if is_function {
            self.found.functions.push(named);
        } else {
            self.found.globals.push(named);
        }
    }

    fn name_the_nameless(&mut self) {
        for (offset, origin, is_function) in std::mem::take(&mut self.nameless) {
            let mut next = origin;
            for _ in 0..HOPS {
                let place = self.called.binary_search_by_key(&next.0, |(at, _)| at.0);
                match place.map(|place| self.called[place].1) {
                    Ok(Called::By(hash)) => {
                        self.define_as(hash, offset, is_function);
                        break;
                    }
                    Ok(Called::As(further)) => next = further,
                    Err(_) => break,
                }
            }
        }
    }

    fn hash(&self, name: AttributeValue<Slice<'a>>) -> Option<u32> {
        let text = self.dwarf.attr_string(self.unit, name).ok()?;
        Some(name_hash(text.slice()))
    }

    fn named(&self, hash: u32, offset: UnitOffset) -> Option<Named> {
        Some(Named {
            hash,
            unit: self.index,
            offset: u32::try_from(offset.0).ok()?,
        })
    }
}

fn read<'a>(
    entries: &mut EntriesRaw<'_, Slice<'a>>,
    abbreviation: &Abbreviation,
) -> Result<Entry<'a>, gimli::Error> {
    let mut entry = Entry::default();
    for spec in abbreviation.attributes() {
        let slot = match spec.name() {
            dw::DW_AT_name => &mut entry.name,
            dw::DW_AT_abstract_origin | dw::DW_AT_specification => &mut entry.origin,
            dw::DW_AT_low_pc => &mut entry.low_pc,
            dw::DW_AT_high_pc => &mut entry.high_pc,
            dw::DW_AT_ranges => &mut entry.ranges,
            dw::DW_AT_sibling => {
                if let AttributeValue::UnitRef(to) = entries.read_attribute(*spec)?.value() {
                    entry.sibling = Some(to);
                }
                continue;
            }
            dw::DW_AT_byte_size => {
                entry.size = entries.read_attribute(*spec)?.udata_value().unwrap_or(0);
                continue;
            }
            dw::DW_AT_declaration => {
                let value = entries.read_attribute(*spec)?.value();
                entry.is_declaration = value == AttributeValue::Flag(true);
                continue;
            }
            dw::DW_AT_inline => {
                let value = entries.read_attribute(*spec)?.value();
                entry.is_inline = matches!(
                    value,
                    AttributeValue::Inline(dw::DW_INL_inlined | dw::DW_INL_declared_inlined)
                );
                continue;
            }
            name => {
                entry.has_value |= matches!(name, dw::DW_AT_location | dw::DW_AT_const_value);
                entries.skip_attributes(std::slice::from_ref(spec))?;
                continue;
            }
        };
        *slot = Some(entries.read_attribute(*spec)?.value());
    }
    Ok(entry)
}
