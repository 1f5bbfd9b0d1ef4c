//! Translation tables in the VMSAv8-64 format: one walk of one stage (Arm ARM D8.2 to D8.6).
//!
//! Knows the shape of tables and descriptors. How a descriptor is fetched (through stage 2 or not) is the caller's;
//! which registers describe the tables is [`regime`](super::regime)'s.

use crate::MemoryFault;

/// The last level of every walk.
const LAST_LEVEL: i8 = 3;

/// The size of the smallest page, which is also the size of a table (Arm ARM D8.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Granule {
    /// 4 KiB.
    K4,
    /// 16 KiB.
    K16,
    /// 64 KiB.
    K64,
}

impl Granule {
    /// log2 of the size in bytes.
    #[must_use]
    pub const fn bits(self) -> u32 {
        match self {
            Self::K4 => 12,
            Self::K16 => 14,
            Self::K64 => 16,
        }
    }

    /// Address bits that one level resolves: log2 of the 8-byte entries in a table.
    #[must_use]
    pub const fn stride(self) -> u32 {
        self.bits() - 3
    }
}

/// Where a descriptor keeps address bits `[51:48]` (Arm ARM D8.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Wide {
    /// Nowhere: addresses have 48 bits.
    No,
    /// In bits `[15:12]`: FEAT_LPA, 64 KiB granule.
    Lpa,
    /// `[51:50]` in bits `[9:8]`, `[49:48]` in place: FEAT_LPA2, TCR.DS = 1.
    Lpa2,
}

/// The tables of one stage, as its registers describe them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Tables {
    pub(crate) granule: Granule,
    /// Width of input addresses: 64 - TxSZ.
    pub(crate) input_bits: u32,
    /// -1 to 3.
    pub(crate) start_level: i8,
    /// The first table, not yet aligned: bits `[51:1]` of TTBR, bits `[51:48]` put in place.
    pub(crate) root: u64,
    /// Width of output addresses.
    pub(crate) output_bits: u32,
    pub(crate) wide: Wide,
}

/// What a descriptor says (Arm ARM D8.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DescriptorKind {
    /// Bit 0 is clear, or the encoding is reserved at this level.
    Invalid,
    /// The next table.
    Table,
    /// A block or page.
    Leaf,
}

/// Restrictions that table descriptors put on everything below (Arm ARM D8.4).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Hierarchy {
    /// APTable bit 1: no writes at any level.
    pub(crate) read_only: bool,
    /// APTable bit 0: no access from EL0.
    pub(crate) privileged_only: bool,
    /// UXNTable, XNTable.
    pub(crate) user_execute_never: bool,
    /// PXNTable.
    pub(crate) privileged_execute_never: bool,
}

/// A walk that arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Leaf {
    pub(crate) level: i8,
    pub(crate) descriptor: u64,
    pub(crate) output: u64,
    /// Bytes from the input address to the end of the page, block or contiguous group.
    pub(crate) size: u64,
    pub(crate) hierarchy: Hierarchy,
}

/// A walk that did not arrive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Hole {
    pub(crate) level: i8,
    pub(crate) descriptor: u64,
    /// Bytes from the input address to the end of what this entry would have mapped.
    pub(crate) size: u64,
    pub(crate) cause: Cause,
}

/// Why a walk did not arrive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cause {
    /// Translation fault: no valid descriptor.
    Invalid,
    /// Address size fault: the next address is wider than the configured output size.
    AddressSize,
    /// The descriptor could not be fetched.
    Fetch(MemoryFault),
}

impl Tables {
    /// Walks from the root for `input`, which has at most `input_bits` bits; `fetch` reads the descriptor of a level at
    /// an output address of this stage's tables. At most five fetches.
    pub(crate) fn walk(
        &self,
        input: u64,
        fetch: &mut dyn FnMut(i8, u64) -> Result<u64, MemoryFault>,
    ) -> Result<Leaf, Hole> {
        let mut hierarchy = Hierarchy::default();
        let mut table = self.root_address();
        let mut level = self.start_level;
        if table & !low_mask(self.output_bits) != 0 {
            // Reported at level 0, wherever the walk starts.
            return Err(Hole {
                level: 0,
                ..self.hole(level, input, self.root, Cause::AddressSize)
            });
        }
        loop {
            let descriptor = fetch(level, table | self.entry_offset(level, input))
                .map_err(|fault| self.hole(level, input, 0, Cause::Fetch(fault)))?;
            let Some(next) = self.output(level, descriptor) else {
                return Err(self.hole(level, input, descriptor, Cause::Invalid));
            };
            if next & !low_mask(self.output_bits) != 0 {
                return Err(self.hole(level, input, descriptor, Cause::AddressSize));
            }
            if self.kind(level, descriptor) == DescriptorKind::Leaf {
                return Ok(self.leaf(level, input, descriptor, next, hierarchy));
            }
            hierarchy.restrict(descriptor);
            table = next;
            level += 1;
        }
    }

    /// Where a descriptor of `level` points: the next table, or the first byte of its block or page; `None` when it is invalid.
    pub(crate) fn output(&self, level: i8, descriptor: u64) -> Option<u64> {
        match self.kind(level, descriptor) {
            DescriptorKind::Invalid => None,
            DescriptorKind::Table => Some(self.address(descriptor, self.granule.bits())),
            DescriptorKind::Leaf => Some(self.address(descriptor, self.span_bits(level))),
        }
    }

    /// What `descriptor` is at `level` (Arm ARM D8.3, figures of the table, block and page descriptors).
    ///
    /// | bits `[1:0]` | levels -1 to 2 | level 3 |
    /// | --- | --- | --- |
    /// | `x0` | invalid | invalid |
    /// | `01` | block, where the granule has blocks at this level | reserved |
    /// | `11` | table | page |
    pub(crate) fn kind(&self, level: i8, descriptor: u64) -> DescriptorKind {
        match (descriptor & 0b11, level) {
            (0b11, LAST_LEVEL) => DescriptorKind::Leaf,
            (0b11, _) => DescriptorKind::Table,
            (0b01, _) if self.has_blocks(level) => DescriptorKind::Leaf,
            _ => DescriptorKind::Invalid,
        }
    }

    /// Whether blocks exist at this level (Arm ARM D8.3). Level 1 with 64 KiB pages depends on the processor's physical
    /// address size, which is not among our inputs, so it is accepted.
    fn has_blocks(&self, level: i8) -> bool {
        match (self.granule, level) {
            (_, 2) | (Granule::K4 | Granule::K64, 1) => true,
            (Granule::K16, 1) | (Granule::K4, 0) => self.wide == Wide::Lpa2,
            _ => false,
        }
    }

    /// The output address in a descriptor, aligned down to `align_bits` (Arm ARM D8.3).
    fn address(&self, descriptor: u64, align_bits: u32) -> u64 {
        let low = descriptor & low_mask(48) & !low_mask(align_bits);
        match self.wide {
            Wide::No => low,
            Wide::Lpa => low | (descriptor >> 12 & 0xf) << 48,
            Wide::Lpa2 => low | (descriptor >> 8 & 3) << 50 | (descriptor >> 48 & 3) << 48,
        }
    }

    /// A leaf's output for `input`. A contiguous group acts as one larger block: address bits within it come from the
    /// input (Arm ARM D8.7, and `StageOA` of the pseudocode).
    fn leaf(
        &self,
        level: i8,
        input: u64,
        descriptor: u64,
        base: u64,
        hierarchy: Hierarchy,
    ) -> Leaf {
        let group = if descriptor & CONTIGUOUS == 0 {
            0
        } else {
            self.contiguous_bits(level)
        };
        let within = low_mask((self.span_bits(level) + group).min(self.input_bits));
        Leaf {
            level,
            descriptor,
            output: base & !within | input & within,
            size: (within - (input & within)) + 1,
            hierarchy,
        }
    }

    /// log2 of the entries in a contiguous group, 0 where the bit means nothing (Arm ARM D8.7).
    pub(crate) fn contiguous_bits(&self, level: i8) -> u32 {
        match (self.granule, level) {
            (Granule::K4, 1..=3) => 4,
            (Granule::K16, 3) => 7,
            (Granule::K16 | Granule::K64, 2) | (Granule::K64, 3) => 5,
            _ => 0,
        }
    }

    fn hole(&self, level: i8, input: u64, descriptor: u64, cause: Cause) -> Hole {
        let within = low_mask(self.span_bits(level).min(self.input_bits));
        Hole {
            level,
            descriptor,
            size: (within - (input & within)) + 1,
            cause,
        }
    }

    /// log2 of the bytes one entry of `level` maps.
    fn span_bits(&self, level: i8) -> u32 {
        self.granule.bits() + self.granule.stride() * u32::from(level.abs_diff(LAST_LEVEL))
    }

    /// Where the first table lies: the base register's address aligned to the root's size.
    pub(crate) fn root_address(&self) -> u64 {
        self.root & !low_mask(self.root_bits())
    }

    /// log2 of the bytes of the root, smaller than a table or, concatenated at stage 2, up to 16 of them
    /// (Arm ARM D8.2). At least 64 bytes where TTBR bits `[5:2]` are used for the address.
    fn root_bits(&self) -> u32 {
        let bits = self
            .input_bits
            .saturating_sub(self.span_bits(self.start_level))
            + 3;
        match self.wide {
            Wide::No => bits,
            Wide::Lpa | Wide::Lpa2 => bits.max(6),
        }
    }

    /// Where the entry for `input` lies in its table. The root's index takes all remaining bits.
    fn entry_offset(&self, level: i8, input: u64) -> u64 {
        let index = (input & low_mask(self.input_bits)) >> self.span_bits(level);
        let mask = if level == self.start_level {
            u64::MAX
        } else {
            low_mask(self.granule.stride())
        };
        (index & mask) * 8
    }
}

/// Contiguous bit of block and page descriptors.
const CONTIGUOUS: u64 = 1 << 52;

impl Hierarchy {
    /// ```text
    ///   63   62      61      60       59
    /// | NS | APTable[1:0] | (U)XN | PXN |
    /// ```
    fn restrict(&mut self, descriptor: u64) {
        self.read_only |= descriptor >> 62 & 1 == 1;
        self.privileged_only |= descriptor >> 61 & 1 == 1;
        self.user_execute_never |= descriptor >> 60 & 1 == 1;
        self.privileged_execute_never |= descriptor >> 59 & 1 == 1;
    }
}

/// The lowest `bits` bits set.
pub(crate) const fn low_mask(bits: u32) -> u64 {
    if bits >= 64 {
        u64::MAX
    } else {
        (1 << bits) - 1
    }
}
