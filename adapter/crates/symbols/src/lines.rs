//! Addresses to source lines and back.
//!
//! Which units mention a file is read from the headers of their line programs ([`files`]); a program itself is run only
//! for a unit that is asked about ([`table`]).

pub(crate) mod files;
pub(crate) mod table;

mod breakpoints;

use std::ops::Range;
use std::sync::Arc;

use crate::Image;
use crate::image::LinkVa;
use crate::lines::files::Files;
use crate::lines::table::LineTable;
use crate::names::FunctionId;

pub use breakpoints::LineAddress;

/// A place in the sources, with the path as the compiler wrote it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// The file: absolute where the DWARF tells the directory, `.` and `..` resolved.
    pub path: Arc<str>,
    /// The line, from 1.
    pub line: u32,
    /// The column, from 1; 0 when not known.
    pub column: u32,
}

/// Contiguous addresses of one line: what a step by line runs through.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LineSpan {
    /// The addresses.
    pub range: Range<LinkVa>,
    /// The line.
    pub position: Position,
}

/// How many instructions a prologue has at most; a later line is not the end of one.
const PROLOGUE_BYTES: u64 = 4 * 64;

/// Lookups in line tables.
impl Image {
    /// The source line of an instruction.
    #[must_use]
    pub fn position_at(&self, address: LinkVa) -> Option<Position> {
        let unit = self.unit_at(address)?;
        let table = self.line_table(unit)?;
        let row = table.row_at(address.0)?;
        table.position(row)
    }

    /// The contiguous addresses around `address` that belong to its line. Before a function's first line, in the NOPs
    /// kept for tracing, the span begins at the symbol and ends where the first line does.
    #[must_use]
    pub fn line_span(&self, address: LinkVa) -> Option<LineSpan> {
        if let Some(function) = self.function_after_nops(address) {
            let start = self.symbol_at(address)?.0.address;
            let entry = self.entry_range(function)?.start;
            let mut span = self.line_span(entry)?;
            span.range.start = start;
            return Some(span);
        }
        let table = self.line_table(self.unit_at(address)?)?;
        let (range, row) = table.span(address.0)?;
        Some(LineSpan {
            range: LinkVa(range.start)..LinkVa(range.end),
            position: table.position(row)?,
        })
    }

    /// Where the body of a function begins: past the NOPs kept for tracing and past the prologue, as its line table tells
    /// (a row marked `prologue_end`, else the second line). The entry itself where that would lie behind a branch.
    #[must_use]
    pub fn body_start(&self, function: FunctionId) -> Option<LinkVa> {
        let code = self.entry_range(function)?;
        let end = code.end.0.min(code.start.0.saturating_add(PROLOGUE_BYTES));
        let body = self
            .line_table(function.unit)
            .and_then(|table| table.body_start(code.start.0..end))
            .filter(|body| !self.branches_within(code.start.0..*body));
        Some(body.map_or(code.start, LinkVa))
    }

    /// Whether any instruction of the range may go elsewhere than to the next one.
    fn branches_within(&self, range: Range<u64>) -> bool {
        let length = usize::try_from(range.end - range.start).unwrap_or(0);
        let Some(code) = self.bytes_at(LinkVa(range.start), length) else {
            return true;
        };
        code.as_chunks::<4>()
            .0
            .iter()
            .any(|word| is_branch(u32::from_le_bytes(*word)))
    }

    /// Every source file the line tables mention.
    #[must_use]
    pub fn source_paths(&self) -> Vec<Arc<str>> {
        self.files().paths().to_vec()
    }

    /// The line table of a unit; the latest few are kept.
    pub(crate) fn line_table(&self, unit: u32) -> Option<Arc<LineTable>> {
        let table = self
            .line_cache()
            .get_or(unit, || LineTable::decode(self, unit));
        (!table.is_empty()).then_some(table)
    }

    /// Which units mention which file.
    pub(crate) fn files(&self) -> &Files {
        self.files_once().get_or_init(|| Files::read(self))
    }
}

/// Whether an instruction is of the group "branches, exception generating and system instructions", hints and the like
/// excepted (Arm ARM C4.1.93: `op0 = x101`).
fn is_branch(word: u32) -> bool {
    let group = word >> 26 & 0b111 == 0b101;
    let system = word >> 22 == 0b11_0101_0100;
    group && !system
}

#[cfg(test)]
mod tests {
    use super::is_branch;

    #[test]
    fn branches_are_told_from_what_a_prologue_holds() {
        let check = |word, expected| assert_eq!(is_branch(word), expected, "{word:#010x}");
        check(0x9400_0001, true); // bl
        check(0x1400_0001, true); // b
        check(0x5400_0041, true); // b.ne
        check(0xb400_0040, true); // cbz
        check(0x3700_0040, true); // tbnz
        check(0xd65f_03c0, true); // ret
        check(0xd63f_0000, true); // blr x0
        check(0xd400_0001, true); // svc #0
        check(0xd503_233f, false); // paciasp
        check(0xd503_201f, false); // nop
        check(0xd538_4100, false); // mrs x0, sp_el0
        check(0xa9be_7bfd, false); // stp x29, x30, [sp, #-32]!
        check(0x9100_03fd, false); // mov x29, sp
    }
}
