//! Ways to read memory, and the ways reading fails.

use crate::{Ipa, Pa, Va};

/// Why bytes could not be read. A value to show, not an error to die of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum MemoryFault {
    /// A table walk found no valid descriptor.
    #[error(
        "not mapped: stage {stage}, level {level}, {kind} {address:#x}, descriptor {descriptor:#x}"
    )]
    NotMapped {
        /// 1 or 2.
        stage: u8,
        /// Table level, -1 to 3.
        level: i8,
        /// What `address` is: `VA` for stage 1, `IPA` for stage 2.
        kind: &'static str,
        /// The input address of the failed stage.
        address: u64,
        /// The descriptor found there.
        descriptor: u64,
    },
    /// A table or block lies beyond the configured output size (an address size fault).
    #[error(
        "points beyond the output size: stage {stage}, level {level}, {kind} {address:#x}, descriptor {descriptor:#x}"
    )]
    AddressSize {
        /// 1 or 2.
        stage: u8,
        /// Table level, -1 to 3.
        level: i8,
        /// What `address` is: `VA` for stage 1, `IPA` for stage 2.
        kind: &'static str,
        /// The input address of the failed stage.
        address: u64,
        /// The descriptor found there, or the base register.
        descriptor: u64,
    },
    /// Walks are switched off for this half of the address space (TCR.EPD0, EPD1).
    #[error("table walks are disabled by TCR.EPD: VA {0}")]
    WalkDisabled(Va),
    /// The address is outside the range the translation regime covers, or not canonical.
    #[error("not a valid address here: VA {0}")]
    OutOfRange(Va),
    /// The IPA is larger than stage 2 covers.
    #[error("beyond stage 2's input size: IPA {0}")]
    IpaOutOfRange(Ipa),
    /// The registers that configure the walk hold a reserved or unsupported combination.
    #[error("the translation control registers hold a combination that cannot be walked: {0}")]
    BadControl(&'static str),
    /// Device memory: reading it may change the device, so it is not read unasked.
    #[error("device memory, not read: PA {0}")]
    Device(Pa),
    /// The target holds no memory there (a hole, or not part of a snapshot).
    #[error("no memory at PA {0}")]
    Absent(Pa),
    /// The target refused or went away.
    #[error("the target did not give PA {0}")]
    Refused(Pa),
    /// The memory can be read but not written.
    #[error("may not be written: PA {0}")]
    ReadOnly(Pa),
    /// A register that the walk needs is not known at this target.
    #[error("{0} is not known at this target")]
    Unknown(&'static str),
}

/// Physical memory of one halt. Reading fills the whole buffer or fails.
pub trait PhysicalMemory {
    /// Reads `buffer.len()` bytes at `address`.
    ///
    /// # Errors
    /// [`MemoryFault::Absent`] or [`MemoryFault::Refused`] with the first address that could not be read.
    fn read_physical(&self, address: Pa, buffer: &mut [u8]) -> Result<(), MemoryFault>;

    /// Reads a little-endian 64-bit word.
    ///
    /// # Errors
    /// As [`read_physical`](Self::read_physical).
    fn read_physical_u64(&self, address: Pa) -> Result<u64, MemoryFault> {
        let mut word = [0; 8];
        self.read_physical(address, &mut word)?;
        Ok(u64::from_le_bytes(word))
    }
}

/// Physical memory that the machine uses while we do.
///
/// Reading takes each aligned 64-bit word once and whole, in order of address, as another core would see it. Who reads an index and
/// then what it points to puts an acquire fence between the two.
pub trait SharedMemory: PhysicalMemory + Send + Sync {
    /// Writes an aligned little-endian 32-bit word in one store, after everything that was read before (a release).
    ///
    /// # Errors
    /// [`MemoryFault::Absent`] where there is no such word, [`MemoryFault::ReadOnly`] where it may not be written.
    fn store_u32(&self, address: Pa, value: u32) -> Result<(), MemoryFault>;
}

/// Memory as code in one address space sees it.
pub trait VirtualMemory {
    /// Reads `buffer.len()` bytes at `address`.
    ///
    /// # Errors
    /// The fault of the first byte that could not be read.
    fn read(&self, address: Va, buffer: &mut [u8]) -> Result<(), MemoryFault>;

    /// Reads a little-endian 64-bit word.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    fn read_u64(&self, address: Va) -> Result<u64, MemoryFault> {
        let mut word = [0; 8];
        self.read(address, &mut word)?;
        Ok(u64::from_le_bytes(word))
    }

    /// Reads a little-endian 32-bit word.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    fn read_u32(&self, address: Va) -> Result<u32, MemoryFault> {
        let mut word = [0; 4];
        self.read(address, &mut word)?;
        Ok(u32::from_le_bytes(word))
    }
}
