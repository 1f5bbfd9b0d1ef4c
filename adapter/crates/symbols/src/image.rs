//! An ELF file opened: its sections, its build-id, and its DWARF ready to be asked.

use std::fmt;
use std::sync::Arc;

use gimli::{EndianSlice, LittleEndian};
use machine::Va;

/// An address as the linker saw it; the image's slide turns it into a [`Va`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LinkVa(pub u64);

impl LinkVa {
    /// Where this address lies when the image was moved by `slide`.
    #[must_use]
    pub const fn placed(self, slide: u64) -> Va {
        Va(self.0.wrapping_add(slide))
    }

    /// The link address of `va` in an image moved by `slide`.
    #[must_use]
    pub const fn of(va: Va, slide: u64) -> Self {
        Self(va.0.wrapping_sub(slide))
    }
}

impl fmt::Display for LinkVa {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}", self.0)
    }
}

/// The bytes of an image file, usually a memory map.
pub type ImageBytes = Arc<dyn AsRef<[u8]> + Send + Sync>;

/// DWARF as read in place.
pub type Slice<'a> = EndianSlice<'a, LittleEndian>;

/// Why a file is no image.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ImageError {
    /// Not an ELF file, or its headers are damaged.
    #[error("{name} is not a readable ELF file: {reason}")]
    NotElf {
        /// The file.
        name: String,
        /// What the reader found, with the offset where it is known.
        reason: String,
    },
    /// An ELF file for another machine.
    #[error("{name} is an ELF file for {architecture}, not for AArch64")]
    Foreign {
        /// The file.
        name: String,
        /// What it is for.
        architecture: String,
    },
}
