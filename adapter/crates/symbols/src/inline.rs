//! Functions and what was inlined into them: which source functions an instruction belongs to.

use std::ops::Range;
use std::sync::Arc;

use gimli::{Abbreviation, AttributeValue, Dwarf, EntriesRaw, Unit, UnitOffset, constants as dw};

use crate::Image;
use crate::image::{LinkVa, Slice};
use crate::lines::Position;
use crate::names::FunctionId;

/// One source function at an address: the one that has the code, or one inlined into it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceFrame {
    /// Its entry: concrete for the real function, the inlined copy's for others.
    pub function: FunctionId,
    /// Its name.
    pub name: Arc<str>,
    /// The line being executed in it: for all but the innermost, that of the inlined call.
    pub position: Option<Position>,
    /// Whether it was inlined into the next frame.
    pub inlined: bool,
}

/// What DWARF says about a function.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Function {
    /// Its name.
    pub name: Arc<str>,
    /// Its code, the part with the entry first; empty for an abstract instance.
    pub ranges: Vec<Range<LinkVa>>,
    /// Where it is declared.
    pub position: Option<Position>,
}

/// Where and with which file number a call was inlined.
#[derive(Clone, Copy, Debug, Default)]
struct Call {
    file: u32,
    line: u32,
    column: u32,
}

/// A function, an inlined function or a block in one, with its code.
#[derive(Debug)]
pub(crate) struct Scope {
    parent: usize,
    /// Its entry, within the function's unit.
    pub(crate) offset: usize,
    is_function: bool,
    call: Call,
    ranges: Vec<Range<u64>>,
}

/// The scopes of one function in the order of the file: a parent comes before its children.
#[derive(Debug, Default)]
pub(crate) struct Scopes(Vec<Scope>);

impl Scopes {
    /// Reads the entries below a function; what is damaged ends the reading.
    fn read(image: &Image, function: FunctionId) -> Self {
        let mut scopes = Self::default();
        let read = image
            .unit(function.unit)
            .and_then(|unit| scopes.walk(&image.dwarf(), &unit, UnitOffset(function.offset)));
        if let Err(error) = read {
            let start = image.unit_start(function.unit).map_or(0, |start| start.0);
            image.note(format!(
                "{}: .debug_info: the function at offset {:#x} is damaged: {error}",
                image.name(),
                start.saturating_add(function.offset)
            ));
        }
        scopes
    }

    fn walk<'a>(
        &mut self,
        dwarf: &Dwarf<Slice<'a>>,
        unit: &Unit<Slice<'a>>,
        function: UnitOffset,
    ) -> Result<(), gimli::Error> {
        let mut entries = unit.entries_raw(Some(function))?;
        // The open entries with children, by the scope that further children belong to; `None` below what is no scope.
        let mut open: Vec<Option<usize>> = Vec::new();
        loop {
            let offset = entries.next_offset();
            if let Some(abbreviation) = entries.read_abbreviation()? {
                let parent = open.last().copied().flatten();
                let wanted = match abbreviation.tag() {
                    dw::DW_TAG_subprogram => open.is_empty(),
                    dw::DW_TAG_inlined_subroutine | dw::DW_TAG_lexical_block => parent.is_some(),
                    _ => false,
                };
                let scope = if wanted {
                    let scope = scope(dwarf, unit, &mut entries, abbreviation)?;
                    self.0.push(Scope {
                        parent: parent.unwrap_or(0),
                        offset: offset.0,
                        is_function: abbreviation.tag() != dw::DW_TAG_lexical_block,
                        ..scope
                    });
                    Some(self.0.len() - 1)
                } else {
                    entries.skip_attributes(abbreviation.attributes())?;
                    None
                };
                if abbreviation.has_children() {
                    open.push(scope);
                }
            } else {
                open.pop();
            }
            if open.is_empty() || entries.is_empty() {
                return Ok(());
            }
        }
    }

    /// The innermost scope that covers an address, 0 being the function itself.
    pub(crate) fn innermost(&self, address: u64) -> usize {
        let mut innermost = 0;
        for (index, scope) in self.0.iter().enumerate().skip(1) {
            if scope.parent == innermost && scope.covers(address) {
                innermost = index;
            }
        }
        innermost
    }

    /// Which of the function's separate ranges holds an address, by its start.
    pub(crate) fn part(&self, address: u64) -> Option<u64> {
        let ranges = &self.0.first()?.ranges;
        let part = ranges.iter().find(|range| range.contains(&address))?;
        Some(part.start)
    }

    /// From a scope outwards, the functions: inlined ones, and the real one last.
    pub(crate) fn functions_from(&self, scope: usize) -> impl Iterator<Item = &Scope> {
        let mut next = Some(scope);
        let outwards = std::iter::from_fn(move || {
            let index = next?;
            let scope = self.0.get(index)?;
            next = (index > 0).then_some(scope.parent);
            Some(scope)
        });
        outwards.filter(|scope| scope.is_function)
    }
}

impl Scope {
    fn covers(&self, address: u64) -> bool {
        self.ranges.iter().any(|range| range.contains(&address))
    }
}

fn scope<'a>(
    dwarf: &Dwarf<Slice<'a>>,
    unit: &Unit<Slice<'a>>,
    entries: &mut EntriesRaw<'_, Slice<'a>>,
    abbreviation: &Abbreviation,
) -> Result<Scope, gimli::Error> {
    let (mut low, mut high, mut ranges) = (None, None, None);
    let mut call = Call::default();
    for spec in abbreviation.attributes() {
        let attribute = entries.read_attribute(*spec)?;
        let number = || {
            let number = match attribute.value() {
                AttributeValue::FileIndex(file) => Some(file),
                _ => attribute.udata_value(),
            };
            number
                .and_then(|number| u32::try_from(number).ok())
                .unwrap_or(0)
        };
        match attribute.name() {
            dw::DW_AT_low_pc => low = Some(attribute.value()),
            dw::DW_AT_high_pc => high = Some(attribute.value()),
            dw::DW_AT_ranges => ranges = Some(attribute.value()),
            dw::DW_AT_call_file => call.file = number(),
            dw::DW_AT_call_line => call.line = number(),
            dw::DW_AT_call_column => call.column = number(),
            _ => {}
        }
    }
    Ok(Scope {
        parent: 0,
        offset: 0,
        is_function: false,
        call,
        ranges: code(dwarf, unit, low, high, ranges)?,
    })
}

/// The addresses of an entry, from whichever attributes it has (DWARF 5, 2.17).
pub(crate) fn code<'a>(
    dwarf: &Dwarf<Slice<'a>>,
    unit: &Unit<Slice<'a>>,
    low: Option<AttributeValue<Slice<'a>>>,
    high: Option<AttributeValue<Slice<'a>>>,
    ranges: Option<AttributeValue<Slice<'a>>>,
) -> Result<Vec<Range<u64>>, gimli::Error> {
    let mut code = Vec::new();
    if let Some(ranges) = ranges {
        if let Some(mut ranges) = dwarf.attr_ranges(unit, ranges)? {
            while let Some(range) = ranges.next()? {
                code.push(range.begin..range.end);
            }
        }
    } else if let (Some(low), Some(high)) = (low, high)
        && let Some(start) = dwarf.attr_address(unit, low)?
    {
        let end = match dwarf.attr_address(unit, high)? {
            Some(end) => end,
            None => start.saturating_add(high.udata_value().unwrap_or(0)),
        };
        code.push(start..end);
    }
    code.retain(|range| range.start < range.end);
    Ok(code)
}

/// How far a function's symbol lies before its DWARF at most: two NOPs for tracing, or a few more on some kernels.
const NOPS_BEFORE_A_FUNCTION: u64 = 32;

/// Functions by address.
impl Image {
    /// The source functions at an address, innermost inlined first, the real function last. Empty where DWARF knows no
    /// function, as in assembly code: the symbol table still may.
    #[must_use]
    pub fn frames_at(&self, address: LinkVa) -> Vec<SourceFrame> {
        let address = self.past_nops(address);
        let Some(function) = self.function_at(address) else {
            return Vec::new();
        };
        let Ok(unit) = self.unit(function.unit) else {
            return Vec::new();
        };
        let table = self.line_table(function.unit);
        let scopes = self.scopes(function);
        let mut position = self.position_at(address);
        let mut frames = Vec::new();
        for scope in scopes.functions_from(scopes.innermost(address.0)) {
            let inlined = scope.offset != function.offset;
            let caller = inlined.then(|| {
                Position {
                    path: table.as_ref()?.path(scope.call.file)?,
                    line: scope.call.line,
                    column: scope.call.column,
                }
                .into()
            });
            frames.push(SourceFrame {
                function: FunctionId {
                    unit: function.unit,
                    offset: scope.offset,
                },
                name: self.function_name(&unit, scope.offset),
                position: std::mem::replace(&mut position, caller.flatten()),
                inlined,
            });
        }
        frames
    }

    /// What DWARF says about a function; an empty name when its entry is damaged.
    #[must_use]
    pub fn function(&self, id: FunctionId) -> Function {
        let Ok(unit) = self.unit(id.unit) else {
            return Function {
                name: Arc::from(""),
                ranges: Vec::new(),
                position: None,
            };
        };
        let ranges = self.code_of(&unit, id.offset).unwrap_or_default();
        Function {
            name: self.function_name(&unit, id.offset),
            ranges: ranges
                .into_iter()
                .map(|range| LinkVa(range.start)..LinkVa(range.end))
                .collect(),
            position: self.declared_at(id),
        }
    }

    /// The scopes of a concrete function; the latest few are kept.
    pub(crate) fn scopes(&self, function: FunctionId) -> Arc<Scopes> {
        self.scope_cache()
            .get_or(function, || Scopes::read(self, function))
    }

    /// The contiguous code that holds a function's entry: it is the first the compiler names, whatever lies apart.
    pub(crate) fn entry_range(&self, function: FunctionId) -> Option<Range<LinkVa>> {
        let unit = self.unit(function.unit).ok()?;
        let first = self
            .code_of(&unit, function.offset)
            .ok()?
            .into_iter()
            .next()?;
        Some(LinkVa(first.start)..LinkVa(first.end))
    }

    fn code_of<'a>(
        &'a self,
        unit: &Unit<Slice<'a>>,
        offset: usize,
    ) -> Result<Vec<Range<u64>>, gimli::Error> {
        let entry = unit.entry(UnitOffset(offset))?;
        let value = |name| entry.attr_value(name);
        let (low, high) = (value(dw::DW_AT_low_pc), value(dw::DW_AT_high_pc));
        code(&self.dwarf(), unit, low, high, value(dw::DW_AT_ranges))
    }

    /// `address` itself, or the entry of the function whose symbol covers it while its DWARF begins only after it: GCC
    /// puts `DW_AT_low_pc` behind the NOPs of `-fpatchable-function-entry`, where the kernel's function tracer patches
    /// itself in.
    pub(crate) fn past_nops(&self, address: LinkVa) -> LinkVa {
        let entry = || {
            let entry = self.next_function_start(address)?;
            let distance = entry.0 - address.0;
            if distance > NOPS_BEFORE_A_FUNCTION || self.function_at(address).is_some() {
                return None;
            }
            let (symbol, offset) = self.symbol_at(address)?;
            let before = offset + distance;
            let covered = symbol.is_function && before < symbol.size;
            (covered && before <= NOPS_BEFORE_A_FUNCTION).then_some(entry)
        };
        entry().unwrap_or(address)
    }

    fn function_name<'a>(&'a self, unit: &Unit<Slice<'a>>, offset: usize) -> Arc<str> {
        let name = self.name_of(unit, UnitOffset(offset)).unwrap_or_default();
        Arc::from(name.to_string_lossy())
    }
}
