//! Armv8-A in AArch64 state.

pub mod descriptor;
pub mod insn;
pub mod paging;
pub mod regime;
pub mod simulate;
