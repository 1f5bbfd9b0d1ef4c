//! What an address space maps.

use std::ops::Range;

use super::{AddressSpace, Translation};
use crate::arch::aarch64::paging::low_mask;
use crate::{PhysicalMemory, Va};

/// Walks at most; tables that point to themselves describe more than anybody could visit.
const MOST_WALKS: u32 = 1 << 22;

/// The mapped pieces of a range of addresses, in order. See [`AddressSpace::ranges`].
pub struct Ranges<'a> {
    memory: &'a dyn PhysicalMemory,
    space: AddressSpace,
    /// What is left to visit, in order, without overlap: `[start, last]`.
    left: Vec<(u64, u64)>,
    walks: u32,
}

impl AddressSpace {
    /// The mapped pieces within `addresses`, each as large as the page, block or contiguous group that maps it. Tables that
    /// are not there are skipped whole. Only canonical addresses are visited: no tagged aliases.
    #[must_use]
    pub fn ranges<'a>(&self, memory: &'a dyn PhysicalMemory, addresses: Range<Va>) -> Ranges<'a> {
        let mut left: Vec<_> = self
            .input_ranges()
            .into_iter()
            .filter_map(|(start, last)| {
                let start = start.max(addresses.start.0);
                let last = last.min(addresses.end.0.checked_sub(1)?);
                (start <= last).then_some((start, last))
            })
            .collect();
        left.reverse();
        Ranges {
            memory,
            space: *self,
            left,
            walks: 0,
        }
    }

    /// The canonical input addresses, as `(first, last)`.
    fn input_ranges(&self) -> Vec<(u64, u64)> {
        let Some(stage1) = self.stage1.filter(|stage1| stage1.enabled) else {
            let bits = self
                .stage2
                .and_then(|stage2| stage2.tables().ok())
                .map_or(52, |tables| tables.input_bits);
            return vec![(0, low_mask(bits))];
        };
        let bits = |upper| {
            stage1
                .range(upper)
                .ok()
                .flatten()
                .map(|range| low_mask(range.tables.input_bits))
        };
        let lower = bits(false).map(|mask| (0, mask));
        let upper = if stage1.has_upper() {
            bits(true).map(|mask| (!mask, u64::MAX))
        } else {
            None
        };
        lower.into_iter().chain(upper).collect()
    }
}

impl Ranges<'_> {
    /// Whether the iteration ended early because the tables describe more than can be visited.
    #[must_use]
    pub const fn is_cut_short(&self) -> bool {
        self.walks >= MOST_WALKS
    }

    /// Moves the beginning of the current stretch `size` bytes on.
    fn advance(&mut self, size: u64) {
        if let Some((start, last)) = self.left.pop()
            && let Some(next) = start.checked_add(size.max(1))
            && next <= last
        {
            self.left.push((next, last));
        }
    }
}

impl Iterator for Ranges<'_> {
    type Item = (Va, Translation);

    fn next(&mut self) -> Option<Self::Item> {
        while let Some(&(start, last)) = self.left.last() {
            if self.is_cut_short() {
                return None;
            }
            self.walks += 1;
            match self.space.resolve(self.memory, Va(start), &mut |_| ()) {
                Ok(found) => {
                    self.advance(found.size);
                    let size = found.size.min((last - start).saturating_add(1));
                    return Some((Va(start), Translation { size, ..found }));
                }
                Err(gap) => self.advance(gap.size),
            }
        }
        None
    }
}
