//! Functions and what was inlined into them: which source functions an instruction belongs to.

pub(crate) mod scopes;

use std::ops::Range;
use std::sync::Arc;

use gimli::{Unit, UnitOffset, constants as dw};

use crate::Image;
use crate::image::{LinkVa, Slice};
use crate::inline::scopes::{Scopes, code};
use crate::lines::Position;
use crate::lines::table::LineTable;
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
        let (innermost, mut position) = match &table {
            Some(table) => self.innermost_line(table, &scopes, function, address.0),
            None => (scopes.innermost(address.0), None),
        };
        let mut frames = Vec::new();
        for (_, scope) in scopes
            .outwards(innermost)
            .filter(|(_, scope)| scope.is_function)
        {
            let inlined = scope.offset != function.offset;
            let caller = table.as_ref().filter(|_| inlined);
            let caller = caller.and_then(|table| scope.call_position(table));
            frames.push(SourceFrame {
                function: FunctionId {
                    unit: function.unit,
                    offset: scope.offset,
                },
                name: self.function_name(&unit, scope.offset),
                position: std::mem::replace(&mut position, caller),
                inlined,
            });
        }
        frames
    }

    /// The scope an instruction executes in and its line there. At the first instruction of inlined code, that is still the
    /// caller when the line of the call has a statement there: a breakpoint on that line stops before the call.
    fn innermost_line(
        &self,
        table: &LineTable,
        scopes: &Scopes,
        function: FunctionId,
        address: u64,
    ) -> (usize, Option<Position>) {
        let innermost = scopes.innermost(address);
        let entered_here = || scopes.entered_at(innermost, address);
        let about_to_call = entered_here()
            .filter(|(_, scope)| table.has_statement(address, scope.call.file, scope.call.line))
            .last();
        if let Some((_, scope)) = about_to_call {
            return (scope.parent, scope.call_position(table));
        }
        let own = scopes
            .outwards(innermost)
            .find(|(_, scope)| scope.is_function);
        let first_line = || {
            let own = FunctionId {
                unit: function.unit,
                offset: own?.1.offset,
            };
            Some(self.declared_at(own)?.line)
        };
        // Of the lines at one address, those of a caller and of functions inlined to nothing are not of this frame.
        let row = table.row_where(address, |row| {
            entered_here().next().is_none() && row.line >= first_line().unwrap_or(0)
        });
        (innermost, row.and_then(|row| table.position(row)))
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
