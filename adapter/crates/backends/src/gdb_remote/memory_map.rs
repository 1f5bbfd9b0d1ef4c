//! Where RAM lies, from what QEMU's monitor prints for `info mtree -f`.

use machine::Pa;
use machine::target::PhysicalRange;

/// What the processors see at which physical address.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct MemoryMap {
    /// RAM, in order, neighbours joined.
    pub(crate) ram: Vec<PhysicalRange>,
    /// RAM and ROM: what can be read without side effects.
    readable: Vec<PhysicalRange>,
}

impl MemoryMap {
    /// Reads the flat view of the first processor's address space. `None` when there is none with RAM in it.
    ///
    /// ```text
    /// FlatView #2
    ///  AS "memory", root: system
    ///  AS "cpu-memory-0", root: system
    ///  Root memory region: system
    ///   0000000009000000-0000000009000fff (prio 0, i/o): pl011
    ///   0000000040000000-000000004fffffff (prio 0, ram): mach-virt.ram
    /// ```
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let views = || text.split("FlatView #");
        let of = |name: &str| views().find(|view| view.contains(name));
        let view = of("AS \"cpu-memory-0\"").or_else(|| of("AS \"memory\""))?;
        let mut map = Self::default();
        for (range, kind) in view.lines().filter_map(region) {
            if kind == "ram" {
                join(&mut map.ram, range);
            }
            if matches!(kind, "ram" | "rom" | "romd") {
                join(&mut map.readable, range);
            }
        }
        (!map.ram.is_empty()).then_some(map)
    }

    /// Whether reading there only reads.
    pub(crate) fn is_memory(&self, address: Pa, size: u64) -> bool {
        let inside = |range: &PhysicalRange| {
            let offset = address.0.wrapping_sub(range.start.0);
            offset < range.size && size <= range.size - offset
        };
        self.readable.iter().any(inside)
    }
}

/// Reads `  0000000040000000-000000004fffffff (prio 0, ram): mach-virt.ram`.
fn region(line: &str) -> Option<(PhysicalRange, &str)> {
    let (range, rest) = line.trim().split_once(" (prio ")?;
    let (first, last) = range.split_once('-')?;
    let first = u64::from_str_radix(first, 16).ok()?;
    let last = u64::from_str_radix(last, 16).ok()?;
    let size = last.checked_sub(first)?.checked_add(1)?;
    let (_, kind) = rest.split_once(", ")?;
    let (kind, _) = kind.split_once(')')?;
    let start = Pa(first);
    Some((PhysicalRange { start, size }, kind))
}

/// Appends a range, or makes the last one longer.
fn join(ranges: &mut Vec<PhysicalRange>, range: PhysicalRange) {
    match ranges.last_mut() {
        Some(last) if last.start.0.checked_add(last.size) == Some(range.start.0) => {
            last.size += range.size;
        }
        _ => ranges.push(range),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// QEMU 10.0.2, `virt`, shortened, with one piece of RAM more.
    const VIRT: &str = r#"FlatView #0
 AS "I/O", root: io
 Root memory region: io
  0000000000000000-000000000000ffff (prio 0, i/o): io

FlatView #1
 AS "gpex-root", root: bus master container
 Root memory region: (none)
  No rendered FlatView

FlatView #2
 AS "memory", root: system
 AS "cpu-memory-0", root: system
 Root memory region: system
  0000000000000000-0000000003ffffff (prio 0, romd): virt.flash0
  0000000009000000-0000000009000fff (prio 0, i/o): pl011
  0000000040000000-000000004fffffff (prio 0, ram): mach-virt.ram
  0000000050000000-00000000500fffff (prio 0, ram): more @0000000000100000
"#;

    #[test]
    fn virt() {
        let map = MemoryMap::parse(VIRT).expect("RAM");
        let start = Pa(0x4000_0000);
        let size = 0x1010_0000;
        assert_eq!(map.ram, [PhysicalRange { start, size }]);
        for (address, size, expected) in [
            (0x4000_0000, 0x1010_0000, true),
            (0x4fff_fff8, 16, true),
            (0x500f_ffff, 2, false),
            (0x3fff_ffff, 2, false),
            (0x0900_0000, 1, false),
            (0x0000_0000, 8, true),
            (u64::MAX, 8, false),
        ] {
            assert_eq!(map.is_memory(Pa(address), size), expected, "{address:#x}");
        }
        assert_eq!(MemoryMap::parse(""), None);
    }

    proptest! {
        #[test]
        fn anything(text: String, at in 0..VIRT.len(), byte: u8) {
            let _ = MemoryMap::parse(&text);
            let mut mutated = VIRT.as_bytes().to_vec();
            mutated[at] = byte;
            let _ = MemoryMap::parse(&String::from_utf8_lossy(&mutated));
        }
    }
}
