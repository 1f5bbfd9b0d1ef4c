//! The line table of one unit: its program run, its rows sorted by address.

use std::ops::Range;
use std::sync::Arc;

use crate::Image;
use crate::debug::line_program;
use crate::lines::Position;
use crate::lines::files::FileNames;

/// One row: from its address to the next row's, the code is of this line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) address: u64,
    pub(crate) line: u32,
    pub(crate) file: u32,
    pub(crate) column: u16,
    /// A recommended place for a breakpoint.
    pub(crate) is_stmt: bool,
    pub(crate) prologue_end: bool,
    /// The first byte after a sequence; has no line.
    pub(crate) end: bool,
}

/// The rows of a unit and the names of its files.
#[derive(Debug, Default)]
pub(crate) struct LineTable {
    rows: Vec<Row>,
    files: Vec<Option<Arc<str>>>,
}

impl LineTable {
    /// Runs the line program of a unit; what cannot be read is left out and noted.
    pub(crate) fn decode(image: &Image, index: u32) -> Self {
        let mut table = Self::default();
        if let Err(error) = table.run(image, index) {
            let start = image.unit_start(index).map_or(0, |start| start.0);
            image.note(format!(
                "{}: .debug_line: the program of the unit at offset {start:#x} is damaged: {error}",
                image.name()
            ));
        }
        table
    }

    fn run(&mut self, image: &Image, index: u32) -> Result<(), gimli::Error> {
        let dwarf = image.dwarf();
        let unit = image.unit(index)?;
        let Some(program) = line_program(&dwarf, &unit)? else {
            return Ok(());
        };
        let names = FileNames::new(&dwarf, &unit, program.header());
        self.files = (0..names.numbers().end)
            .map(|number| names.path(number).map(Arc::from))
            .collect();
        let code = image.executable_ranges();
        let mut sequences: Vec<Vec<Row>> = Vec::new();
        let mut sequence: Vec<Row> = Vec::new();
        let mut rows = program.rows();
        let result = loop {
            let row = match rows.next_row() {
                Ok(Some((_, row))) => row,
                Ok(None) => break Ok(()),
                Err(error) => break Err(error),
            };
            let row = Row {
                address: row.address(),
                line: row
                    .line()
                    .map_or(0, |line| u32::try_from(line.get()).unwrap_or(0)),
                file: u32::try_from(row.file_index()).unwrap_or(u32::MAX),
                column: match row.column() {
                    gimli::ColumnType::LeftEdge => 0,
                    gimli::ColumnType::Column(column) => u16::try_from(column.get()).unwrap_or(0),
                },
                is_stmt: row.is_stmt(),
                prologue_end: row.prologue_end(),
                end: row.end_sequence(),
            };
            // Code without a line is taken to belong to the line before it: it is part of it for whoever steps.
            if row.line != 0 || row.end || sequence.is_empty() {
                sequence.push(row);
            }
            if row.end {
                let start = sequence[0].address;
                let placed = code.is_empty()
                    || code
                        .iter()
                        .any(|range| range.start.0 <= start && start < range.end.0);
                let done = std::mem::take(&mut sequence);
                if placed && done.len() > 1 && done.is_sorted_by_key(|row| row.address) {
                    sequences.push(done);
                }
            }
        };
        sequences.sort_by_key(|sequence| sequence[0].address);
        self.rows = sequences.concat();
        result
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The rows, by address within each sequence.
    pub(crate) fn rows(&self) -> &[Row] {
        &self.rows
    }

    /// The path of a file by its number.
    pub(crate) fn path(&self, file: u32) -> Option<Arc<str>> {
        self.files.get(file as usize)?.clone()
    }

    /// The file numbers whose path is wanted.
    pub(crate) fn files_where(&self, wanted: impl Fn(&str) -> bool) -> Vec<u32> {
        let files = (0..).zip(&self.files);
        files
            .filter(|(_, path)| path.as_deref().is_some_and(&wanted))
            .map(|(number, _)| number)
            .collect()
    }

    /// The place a row stands for.
    pub(crate) fn position(&self, row: &Row) -> Option<Position> {
        (row.line != 0).then_some(())?;
        Some(Position {
            path: self.path(row.file)?,
            line: row.line,
            column: u32::from(row.column),
        })
    }

    /// The row that covers an address.
    pub(crate) fn row_at(&self, address: u64) -> Option<&Row> {
        self.row_where(address, |_| true)
    }

    /// The row that covers an address. At the very address of a row, a statement before the last row there counts too,
    /// when `fits` says so; behind it, as for a return address less one, the last row made the instruction.
    pub(crate) fn row_where(&self, address: u64, fits: impl Fn(&Row) -> bool) -> Option<&Row> {
        let group = self.group_at(address)?;
        Some(choose(&self.rows[group], |row| {
            row.address == address && fits(row)
        }))
    }

    /// Whether a breakpoint on that line may go to that very address.
    pub(crate) fn has_statement(&self, address: u64, file: u32, line: u32) -> bool {
        let group = self.group_at(address).unwrap_or_default();
        self.rows[group].iter().any(|row| {
            !row.end && row.is_stmt && (row.address, row.file, row.line) == (address, file, line)
        })
    }

    /// The rows of the highest address that is not above `address`; `None` behind the end of a sequence.
    fn group_at(&self, address: u64) -> Option<Range<usize>> {
        let end = self.rows.partition_point(|row| row.address <= address);
        let group = self.group_ending(end)?;
        (!chosen(&self.rows[group.clone()]).end).then_some(group)
    }

    fn group_ending(&self, end: usize) -> Option<Range<usize>> {
        let address = self.rows.get(end.checked_sub(1)?)?.address;
        let rows = self.rows[..end].iter().rev();
        Some(end - rows.take_while(|row| row.address == address).count()..end)
    }

    fn group_from(&self, start: usize) -> Option<Range<usize>> {
        let address = self.rows.get(start)?.address;
        let rows = self.rows[start..].iter();
        Some(start..start + rows.take_while(|row| row.address == address).count())
    }

    /// The contiguous addresses around `address` that are of its line, and the first row of them.
    pub(crate) fn span(&self, address: u64) -> Option<(Range<u64>, &Row)> {
        let group = self.group_at(address)?;
        let here = chosen(&self.rows[group.clone()]);
        let same = |row: &Row| !row.end && (row.file, row.line) == (here.file, here.line);
        let mut first = here;
        let mut before = group.start;
        while let Some(group) = self.group_ending(before) {
            let row = chosen(&self.rows[group.clone()]);
            if !same(row) || self.rows[group.clone()].iter().any(|row| row.end) {
                break;
            }
            (first, before) = (row, group.start);
        }
        let mut end = here.address;
        let mut after = group.end;
        while let Some(group) = self.group_from(after) {
            let rows = &self.rows[group.clone()];
            end = rows[0].address;
            if rows.iter().any(|row| row.end) || !same(chosen(rows)) {
                break;
            }
            after = group.end;
        }
        Some((first.address..end, first))
    }

    /// The line of the first row at an address.
    pub(crate) fn opening_line(&self, address: u64) -> Option<u32> {
        let first = self.rows.partition_point(|row| row.address < address);
        let row = self.rows[first..].iter().find(|row| !row.end)?;
        (row.address == address).then_some(row.line)
    }

    /// Where the code after the prologue begins, of a function entered at `code.start`.
    pub(crate) fn body_start(&self, code: Range<u64>) -> Option<u64> {
        let from = self.rows.partition_point(|row| row.address < code.start);
        let within = |row: &&Row| !row.end && row.address < code.end;
        let rows = || self.rows[from..].iter().take_while(within);
        let first = rows().next().filter(|row| row.address == code.start)?;
        let marked = rows().find(|row| row.prologue_end);
        let second =
            || rows().find(|row| row.address > code.start && row.is_stmt && row.line != first.line);
        Some(marked.or_else(second)?.address)
    }
}

fn chosen(rows: &[Row]) -> &Row {
    choose(rows, |_| true)
}

/// Which of the rows at one address counts: the last, or a fitting statement of the same file before it when the last is
/// none. The compiler puts several there when lines take no instruction of their own, and a breakpoint goes to the statement.
fn choose(rows: &[Row], fits: impl Fn(&Row) -> bool) -> &Row {
    let code = || rows.iter().rev().filter(|row| !row.end);
    let Some(last) = code().next() else {
        return &rows[rows.len() - 1];
    };
    if last.is_stmt {
        return last;
    }
    let statement = code().find(|row| row.is_stmt && row.file == last.file && fits(row));
    statement.unwrap_or(last)
}
