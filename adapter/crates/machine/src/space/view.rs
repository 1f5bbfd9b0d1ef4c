//! Memory through an address space.

use std::cell::Cell;

use super::{AddressSpace, Translation};
use crate::{MemoryFault, Pa, PhysicalMemory, Va, VirtualMemory};

/// The smallest page: whatever granule is in use, a translation holds at least within this.
const PAGE: u64 = 4096;
/// Translations remembered. A stack, a structure and a string are usually enough.
const REMEMBERED: usize = 8;

/// Memory as code in one address space sees it. Refuses device memory; walks once for each page or block.
///
/// Remembers translations, so it must not outlive the halt in which it was made.
pub struct View<'a> {
    memory: &'a dyn PhysicalMemory,
    space: AddressSpace,
    remembered: Cell<[Option<(u64, Translation)>; REMEMBERED]>,
}

impl<'a> View<'a> {
    /// Looks at `memory` through `space`.
    #[must_use]
    pub fn new(memory: &'a dyn PhysicalMemory, space: AddressSpace) -> Self {
        Self {
            memory,
            space,
            remembered: Cell::new([None; REMEMBERED]),
        }
    }

    /// The address space.
    #[must_use]
    pub const fn space(&self) -> AddressSpace {
        self.space
    }

    /// The physical memory underneath.
    #[must_use]
    pub const fn physical(&self) -> &'a dyn PhysicalMemory {
        self.memory
    }

    /// Translates, remembering pages.
    ///
    /// # Errors
    /// As [`AddressSpace::translate`].
    pub fn translate(&self, va: Va) -> Result<Translation, MemoryFault> {
        let mut remembered = self.remembered.get();
        if let Some(known) = remembered.iter().flatten().find_map(|(start, known)| {
            let into = va.0.wrapping_sub(*start);
            (into < known.size).then(|| known.after(into))
        }) {
            return Ok(known);
        }
        let start = va.align_down(PAGE);
        let Ok(found) = self.space.translate(self.memory, start) else {
            // Once more, for a fault that names the address asked for.
            return self.space.translate(self.memory, va);
        };
        remembered.rotate_right(1);
        remembered[0] = Some((start.0, found));
        self.remembered.set(remembered);
        Ok(found.after(va.0 - start.0))
    }

    /// The physical address of `va`, and how many of `wanted` bytes lie there in one run: pages that follow each other in
    /// both memories are read as one.
    fn run(&self, va: Va, wanted: usize) -> Result<(Pa, usize), MemoryFault> {
        let first = self.translate(va)?;
        if first.device {
            return Err(MemoryFault::Device(first.pa));
        }
        let within = |size: u64, left: usize| usize::try_from(size).map_or(left, |n| n.min(left));
        let mut length = within(first.size, wanted);
        while length < wanted {
            let into = length as u64;
            // A fault shows itself when its own address is the first.
            match self.translate(va.offset(into)) {
                Ok(next) if !next.device && next.pa == first.pa.offset(into) => {
                    length += within(next.size, wanted - length);
                }
                _ => break,
            }
        }
        Ok((first.pa, length))
    }
}

impl VirtualMemory for View<'_> {
    fn read(&self, address: Va, buffer: &mut [u8]) -> Result<(), MemoryFault> {
        let mut va = address;
        let mut rest = buffer;
        while !rest.is_empty() {
            let (pa, length) = self.run(va, rest.len())?;
            let (now, later) = rest.split_at_mut(length);
            self.memory.read_physical(pa, now)?;
            va = va.offset(now.len() as u64);
            rest = later;
        }
        Ok(())
    }
}

impl Translation {
    /// The translation of an address `into` bytes later in the same piece.
    fn after(self, into: u64) -> Self {
        Self {
            pa: self.pa.offset(into),
            ipa: self.ipa.map(|ipa| ipa.offset(into)),
            size: self.size - into,
            ..self
        }
    }
}
