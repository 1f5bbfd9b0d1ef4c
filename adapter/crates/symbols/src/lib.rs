//! What ELF and DWARF say: symbols, lines, inlined frames, types, values, locations, unwinding.
//!
//! This room knows the file formats (ELF, DWARF 4 and 5, the AArch64 DWARF ABI) and nothing of targets, hypervisors or files:
//! bytes come in as [`ImageBytes`], memory through [`machine::VirtualMemory`]. An [`Image`] is immutable and shared;
//! addresses in it are [`LinkVa`], and whoever placed it adds the slide. Start reading at [`image`].

pub mod image;

mod cache;
mod debug;
mod elf;
pub mod inline;
pub mod lines;
pub mod names;
mod scan;
pub mod source_map;
pub mod symtab;

mod entry;
mod entry_value;
pub mod location;
pub mod types;
pub mod unwind;
pub mod value;
pub mod variables;

pub use image::{Image, ImageBytes, ImageError, LinkVa, Slice};
pub use inline::{Function, SourceFrame};
pub use lines::{LineAddress, LineSpan, Position};
pub use location::{Frame, Frameless, LocateError, Place};
pub use names::FunctionId;
pub use symtab::Symbol;
pub use types::{Field, Type, TypeError, TypeId};
pub use value::{Value, ValueError};
pub use variables::Variable;
