//! The physical memory of a snapshot.

use machine::target::PhysicalRange;
use machine::{MemoryFault, Pa, PhysicalMemory};

use super::layout::Load;
use super::storage::Storage;

/// Physical memory in a file.
#[derive(Debug)]
pub(super) struct SavedMemory {
    storage: Storage,
    /// By address; where some overlap, the later one counts from its start on.
    loads: Vec<Load>,
}

impl SavedMemory {
    pub(super) fn new(storage: Storage, mut loads: Vec<Load>) -> Self {
        loads.sort_by_key(|load| load.address);
        Self { storage, loads }
    }

    /// The ranges, neighbours joined.
    pub(super) fn ranges(&self) -> Vec<PhysicalRange> {
        let mut ranges: Vec<PhysicalRange> = Vec::new();
        for load in &self.loads {
            let end = load.address + load.memory_size;
            match ranges.last_mut() {
                Some(last) if load.address <= last.start.0 + last.size => {
                    last.size = last.size.max(end - last.start.0);
                }
                _ => ranges.push(PhysicalRange {
                    start: Pa(load.address),
                    size: load.memory_size,
                }),
            }
        }
        ranges
    }

    /// Reads what one load holds of `out` at `address`; gives the bytes read.
    fn read_part(&self, address: u64, out: &mut [u8]) -> Option<usize> {
        let after = self.loads.partition_point(|load| load.address <= address);
        let load = self.loads[..after].last()?;
        let within = address - load.address;
        let in_file = load.file_size.saturating_sub(within);
        let in_memory = load.memory_size.saturating_sub(within);
        // Zero where the file holds nothing.
        let there = if in_file > 0 { in_file } else { in_memory };
        // The next load may begin within this one.
        let next = self
            .loads
            .get(after)
            .map_or(u64::MAX, |next| next.address - address);
        let size = there.min(next).min(out.len() as u64) as usize;
        let out = &mut out[..size];
        if in_file == 0 {
            out.fill(0);
        } else if !self.storage.read(load.offset.checked_add(within)?, out) {
            return None;
        }
        (size > 0).then_some(size)
    }
}

impl PhysicalMemory for SavedMemory {
    fn read_physical(&self, address: Pa, buffer: &mut [u8]) -> Result<(), MemoryFault> {
        let mut done = 0;
        while done < buffer.len() {
            let at = address.offset(done as u64);
            let part = self.read_part(at.0, &mut buffer[done..]);
            done += part.ok_or(MemoryFault::Absent(at))?;
        }
        Ok(())
    }
}
