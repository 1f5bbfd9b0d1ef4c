//! Addresses to source lines and back.
//!
//! Which units mention a file is read from the headers of their line programs ([`files`]); a program itself is run only
//! for a unit that is asked about ([`table`]).

pub(crate) mod files;
pub(crate) mod table;

mod breakpoints;

use std::ops::Range;
use std::sync::Arc;

use machine::arch::aarch64::insn::Insn;

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
    /// Whether the first address is the beginning of a statement: a step by line ends there, and not where the compiler
    /// moved a piece of some other line to.
    pub is_statement: bool,
}

/// How many instructions a prologue has at most; a later line is not the end of one.
const PROLOGUE_BYTES: u64 = 4 * 64;

/// Lookups in line tables.
impl Image {
    /// The source line of an instruction.
    #[must_use]
    pub fn position_at(&self, address: LinkVa) -> Option<Position> {
        let address = self.past_nops(address);
        let table = self.line_table(self.unit_at(address)?)?;
        table.position(table.row_at(address.0)?)
    }

    /// The contiguous addresses around `address` that belong to its line. The NOPs kept for tracing before a function
    /// belong to its first line.
    #[must_use]
    pub fn line_span(&self, address: LinkVa) -> Option<LineSpan> {
        let entry = self.past_nops(address);
        let table = self.line_table(self.unit_at(entry)?)?;
        let (range, row) = table.span(entry.0)?;
        let start = if entry == address {
            LinkVa(range.start)
        } else {
            self.symbol_at(address)?.0.address
        };
        Some(LineSpan {
            range: start..LinkVa(range.end),
            position: table.position(row)?,
            is_statement: row.is_stmt,
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
            .any(|word| may_leave(Insn::decode(u32::from_le_bytes(*word))))
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

/// Whether the instruction executed next may be another than the one after it.
const fn may_leave(instruction: Insn) -> bool {
    matches!(
        instruction,
        Insn::Jump { .. }
            | Insn::Branch { .. }
            | Insn::Call { .. }
            | Insn::JumpRegister { .. }
            | Insn::CallRegister { .. }
            | Insn::Return { .. }
            | Insn::Svc(_)
            | Insn::Hvc(_)
            | Insn::Smc(_)
            | Insn::Brk(_)
            | Insn::Eret
    )
}
