//! Recorded traces: files opened as timelines, and what the commands say about them.
//!
//! Bytes and files are here; what they mean is in the crate [`trace`]. Start reading at [`open`].

pub mod asked;
pub mod classes;
pub mod columns;
pub mod export;
pub mod find;
pub mod index;
pub mod info;
pub mod join;
pub mod live;
pub mod names;
pub mod open;
mod packed;
#[cfg(feature = "parquet")]
pub mod parquet;
pub mod reading;
pub mod source;
pub mod stats;
pub mod time;
pub mod why;
pub mod window;
