//! The level-of-detail store: lanes of spans and points, with 16-ary summaries, in append-only columns.
//!
//! A lane is an array of 16-byte [`Span`]s, each ending where the next begins, and levels of 32-byte [`Node`]s above it, each
//! standing for 16 records below: 13.3 % of the spans. Nodes are found by number, so nothing is ever rewritten. The span that
//! has begun is not in the array; the journal carries it, so that hindsight may correct it. Everything is written by one
//! [`Writer`] into [`Columns`] and read through a [`View`] of what was published last.
//! Start reading at [`layout`].

pub mod layout;
pub mod state;

mod catalog;
mod columns;
mod lane;
mod points;
mod summary;
mod writer;

#[cfg(test)]
mod tests;

pub use catalog::{Catalog, MOST_LANES, NotAStore, Owner, Subject, View};
pub use columns::{Column, Columns, Memory, NoRoom};
pub use lane::{Interval, LaneView, Wanted};
pub use layout::{Node, Point, PointNode, Span};
pub use points::PointView;
pub use state::{Cause, Flags, Mark, Party, State};
pub use writer::Writer;
