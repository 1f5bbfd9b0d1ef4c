//! Xen's trace records, which have kept their binary form from Xen 4.11 (and before) to 2026, in files and in memory.
//!
//! Start reading at [`record`]; [`records`] strings them together for one pCPU, and [`mod@file`] and [`buffers`] find them.
//! [`recording`] makes files of what was found in memory, with [`notes`] of our own. [`switches`] tells when a core really changed hands.

pub mod buffers;
pub mod file;
pub mod notes;
pub mod record;
pub mod recording;
pub mod records;
pub mod switches;
