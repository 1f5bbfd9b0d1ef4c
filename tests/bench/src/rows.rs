//! The rows of the table, by what they need.

pub(crate) mod filter;
pub(crate) mod memory;
pub(crate) mod start;
pub(crate) mod stops;
pub(crate) mod trace;
