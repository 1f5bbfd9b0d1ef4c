//! The entries below a function that have code: inlined functions and blocks.

use std::ops::Range;

use gimli::{Abbreviation, AttributeValue, Dwarf, EntriesRaw, Unit, UnitOffset, constants as dw};

use crate::Image;
use crate::image::Slice;
use crate::lines::Position;
use crate::lines::table::LineTable;
use crate::names::FunctionId;

/// Where and with which file number a call was inlined.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Call {
    pub(crate) file: u32,
    pub(crate) line: u32,
    column: u32,
}

/// A function, an inlined function or a block in one, with its code.
#[derive(Debug)]
pub(crate) struct Scope {
    pub(crate) parent: usize,
    /// Its entry, within the function's unit.
    pub(crate) offset: usize,
    pub(crate) is_function: bool,
    pub(crate) call: Call,
    ranges: Vec<Range<u64>>,
}

/// The scopes of one function in the order of the file: a parent comes before its children.
#[derive(Debug, Default)]
pub(crate) struct Scopes(Vec<Scope>);

impl Scopes {
    /// Reads the entries below a function; what is damaged ends the reading.
    pub(crate) fn read(image: &Image, function: FunctionId) -> Self {
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

    /// A scope and those around it, the function itself last.
    pub(crate) fn outwards(&self, scope: usize) -> impl Iterator<Item = (usize, &Scope)> {
        let mut next = Some(scope);
        std::iter::from_fn(move || {
            let index = next?;
            let scope = self.0.get(index)?;
            next = (index > 0).then_some(scope.parent);
            Some((index, scope))
        })
    }

    /// The inlined functions around a scope that begin at `address`, innermost first.
    pub(crate) fn entered_at(
        &self,
        scope: usize,
        address: u64,
    ) -> impl Iterator<Item = (usize, &Scope)> {
        self.outwards(scope)
            .filter(|(index, scope)| *index > 0 && scope.is_function)
            .take_while(move |(_, scope)| scope.ranges.iter().any(|range| range.start == address))
    }

    /// The scope a line table's row at `address` speaks of. Where code is inlined that is the innermost function `declares`
    /// says yes to (it is in the row's file), and on the line of a call that was inlined, the caller.
    pub(crate) fn owner(
        &self,
        address: u64,
        row: &Position,
        table: &LineTable,
        declares: impl Fn(&Scope) -> bool,
    ) -> usize {
        let mut owner = self.innermost(address);
        let mut elsewhere = true;
        for (_, scope) in self
            .outwards(owner)
            .filter(|(index, scope)| *index > 0 && scope.is_function)
        {
            elsewhere &= !declares(scope);
            let call = scope.call.line == row.line
                && table.path(scope.call.file).as_ref() == Some(&row.path);
            if elsewhere || call {
                owner = scope.parent;
            }
        }
        owner
    }
}

impl Scope {
    /// Where the call was that was inlined.
    pub(crate) fn call_position(&self, table: &LineTable) -> Option<Position> {
        Some(Position {
            path: table.path(self.call.file)?,
            line: self.call.line,
            column: self.call.column,
        })
    }

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
