//! Armv8-A in AArch64 state.

pub mod paging;
pub mod regime;
