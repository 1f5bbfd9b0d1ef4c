//! A memory of words, and a builder of translation tables that reads like the manual's figures (Arm ARM D8.2, D8.3).

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::ops::Range;

use machine::{MemoryFault, Pa, PhysicalMemory};

/// A valid table or page descriptor.
pub(crate) const TABLE: u64 = 0b11;
/// A valid block descriptor.
pub(crate) const BLOCK: u64 = 0b01;
/// Attributes of a leaf: contiguous.
pub(crate) const CONTIGUOUS: u64 = 1 << 52;
/// Stage 1: AttrIndx 1, which [`MAIR`] makes device memory.
pub(crate) const DEVICE: u64 = 1 << 2;
/// Stage 2: MemAttr 0b1111 (normal write-back), S2AP read and write.
pub(crate) const NORMAL2: u64 = 0b1111 << 2 | 0b11 << 6;
/// Attribute 0 is normal write-back, 1 is Device-nGnRE.
pub(crate) const MAIR: u64 = 0x04ff;

/// Sparse memory; what was never written reads as zero.
#[derive(Default)]
pub(crate) struct Ram {
    words: RefCell<HashMap<u64, u64>>,
    /// Physical addresses at which there is no memory.
    pub(crate) absent: Vec<Range<u64>>,
    /// Words read by walks.
    pub(crate) word_reads: Cell<usize>,
}

impl Ram {
    pub(crate) fn write(&self, address: u64, word: u64) {
        assert_eq!(address % 8, 0);
        self.words.borrow_mut().insert(address, word);
    }

    pub(crate) fn word(&self, address: u64) -> u64 {
        *self.words.borrow().get(&address).unwrap_or(&0)
    }
}

impl PhysicalMemory for Ram {
    fn read_physical(&self, address: Pa, buffer: &mut [u8]) -> Result<(), MemoryFault> {
        for (at, byte) in (address.0..).zip(buffer) {
            if self.absent.iter().any(|range| range.contains(&at)) {
                return Err(MemoryFault::Absent(Pa(at)));
            }
            *byte = (self.word(at & !7) >> (at % 8 * 8)) as u8;
        }
        Ok(())
    }

    fn read_physical_u64(&self, address: Pa) -> Result<u64, MemoryFault> {
        self.word_reads.set(self.word_reads.get() + 1);
        let mut word = [0; 8];
        self.read_physical(address, &mut word)?;
        Ok(u64::from_le_bytes(word))
    }
}

/// Where bits `[51:48]` of addresses lie in descriptors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wide {
    No,
    Lpa,
    Lpa2,
}

/// Builds the tables of one stage.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Builder {
    /// log2 of the page size.
    pub(crate) page: u32,
    pub(crate) input_bits: u32,
    pub(crate) start: i8,
    pub(crate) wide: Wide,
    /// The first table, an output address of this stage.
    pub(crate) root: u64,
    /// Where the next table goes.
    pub(crate) free: u64,
    /// What turns this stage's table addresses into physical ones.
    pub(crate) offset: u64,
}

/// The descriptors on the way to a leaf: level and physical address.
pub(crate) type Path = Vec<(i8, u64)>;

impl Builder {
    pub(crate) fn new(page: u32, input_bits: u32, start: i8, wide: Wide) -> Self {
        Self {
            page,
            input_bits,
            start,
            wide,
            root: 0x4000_0000,
            free: 0x4100_0000,
            offset: 0,
        }
    }

    /// log2 of what an entry of `level` maps.
    pub(crate) fn span(&self, level: i8) -> u32 {
        self.page + (3 - level) as u32 * (self.page - 3)
    }

    /// Maps the block or page of `level` around `input` to `output`, making tables on the way.
    pub(crate) fn map(
        &mut self,
        ram: &Ram,
        input: u64,
        output: u64,
        level: i8,
        attributes: u64,
    ) -> Path {
        let mut path = Path::new();
        let mut table = self.root;
        for at in self.start..=level {
            let mut index = (input & mask(self.input_bits)) >> self.span(at);
            if at != self.start {
                index &= mask(self.page - 3);
            }
            let entry = (table + index * 8).wrapping_add(self.offset);
            path.push((at, entry));
            if at == level {
                let kind = if level == 3 { TABLE } else { BLOCK };
                ram.write(entry, self.address(output) | kind | attributes);
            } else if ram.word(entry) == 0 {
                table = self.free;
                self.free += 1 << self.page;
                ram.write(entry, self.address(table) | TABLE);
            } else {
                table = ram.word(entry) & mask(48) & !mask(self.page);
            }
        }
        path
    }

    /// An address as descriptors hold it.
    fn address(&self, address: u64) -> u64 {
        match self.wide {
            Wide::No => address,
            Wide::Lpa => address & mask(48) | (address >> 48) << 12,
            Wide::Lpa2 => address & mask(50) | (address >> 50) << 8,
        }
    }
}

pub(crate) fn mask(bits: u32) -> u64 {
    (1 << bits) - 1
}
