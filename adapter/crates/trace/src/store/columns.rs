//! Where a store's bytes lie: append-only columns, in memory here, in mapped files elsewhere.

use std::collections::HashMap;

/// An append-only run of bytes. Every number is a file name in waiting: `spans-17`, `nodes-17-0`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Column {
    /// Magic, version, counter frequency: one [`Header`](super::layout::Header).
    Header,
    /// One [`LaneRecord`](super::layout::LaneRecord) per lane, in the order of their numbers.
    Lanes,
    /// [`NameRecord`](super::layout::NameRecord)s; a later one of the same subject counts.
    Names,
    /// [`JournalRecord`](super::layout::JournalRecord)s: what is published.
    Journal,
    /// The closed spans of a lane: [`Span`](super::Span).
    Spans(u16),
    /// A summary level of a lane, 0 directly above the spans: [`Node`](super::Node).
    Nodes(u16, u8),
    /// The points of a lane: [`Point`](super::Point).
    Points(u16),
    /// A summary level of a lane's points: [`PointNode`](super::PointNode).
    PointNodes(u16, u8),
}

/// The bytes of a store.
///
/// There is one writer. Readers, in this process or another, look only at what the journal says is published, so they need
/// no lock. An implementation over files keeps these promises:
/// - `bytes` gives a prefix of what was appended to the column, at least up to the last [`publish`](Self::publish); empty
///   for a column never appended to.
/// - On `publish` everything appended before reaches its place before the journal's latest bytes do.
/// - After a crash any column may be shorter, cut at any byte. [`Catalog::open`](super::Catalog::open) copes.
pub trait Columns {
    /// Appends to a column.
    ///
    /// # Errors
    /// When there is no room. Part of `bytes` may have been written; the writer then appends nothing more.
    fn append(&mut self, column: Column, bytes: &[u8]) -> Result<(), NoRoom>;

    /// Lets readers see what was appended.
    ///
    /// # Errors
    /// As [`append`](Self::append).
    fn publish(&mut self) -> Result<(), NoRoom>;

    /// What was appended to a column.
    fn bytes(&self, column: Column) -> &[u8];
}

/// A column cannot grow: the disk is full, or a limit was reached.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the timeline cannot grow: {0}")]
pub struct NoRoom(pub String);

/// Columns in this process' memory.
#[derive(Clone, Debug, Default)]
pub struct Memory {
    columns: HashMap<Column, Vec<u8>>,
}

impl Memory {
    /// How many bytes there are in all columns that `wanted` selects.
    pub fn size(&self, wanted: impl Fn(Column) -> bool) -> usize {
        self.columns
            .iter()
            .filter(|(column, _)| wanted(**column))
            .map(|(_, bytes)| bytes.len())
            .sum()
    }
}

const LARGE: usize = 1 << 16;

impl Columns for Memory {
    fn append(&mut self, column: Column, bytes: &[u8]) -> Result<(), NoRoom> {
        let column = self.columns.entry(column).or_default();
        // Room that is not touched costs nothing, and moving much is slow: large columns grow fourfold.
        if column.len() >= LARGE && column.capacity() - column.len() < bytes.len() {
            column.reserve(column.len() * 3);
        }
        column.extend_from_slice(bytes);
        Ok(())
    }

    fn publish(&mut self) -> Result<(), NoRoom> {
        Ok(())
    }

    fn bytes(&self, column: Column) -> &[u8] {
        self.columns.get(&column).map_or(&[], Vec::as_slice)
    }
}
