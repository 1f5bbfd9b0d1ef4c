//! Files mapped into memory: images and snapshots as bytes, and a running machine's RAM as [`SharedMemory`].
//!
//! The only place of the project with `unsafe`.
#![expect(
    unsafe_code,
    reason = "mapping a file is unsafe: others may change or shorten it"
)]

use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use machine::target::PhysicalRange;
use machine::{MemoryFault, Pa, PhysicalMemory, SharedMemory};
use memmap2::{Mmap, MmapOptions, MmapRaw};

use crate::{OpenError, RamFile};

/// The bytes of a file, usually mapped.
pub type FileBytes = Arc<dyn AsRef<[u8]> + Send + Sync>;

/// Maps a file that nobody changes: an image, a snapshot. Compilers and [`write_snapshot`](crate::write_snapshot)
/// replace such files by new ones; a file that is cut short in place while it is mapped ends the program.
///
/// # Errors
/// When the file cannot be opened or mapped.
pub fn map_file(path: &Path) -> io::Result<FileBytes> {
    let file = File::open(path)?;
    if file.metadata()?.is_dir() {
        return Err(io::ErrorKind::IsADirectory.into());
    }
    // SAFETY: the map is private and read-only, and by the contract above the file does not change meanwhile.
    let map = unsafe { MmapOptions::new().map(&file)? };
    Ok(Arc::new(map))
}

/// Maps the first `size` bytes of a file that may grow and is never cut; there must be as many.
pub(crate) fn map_prefix(file: &File, size: usize) -> io::Result<Mmap> {
    // SAFETY: the map is read-only and within the file, whose bytes, once written, neither change nor go away.
    unsafe { MmapOptions::new().len(size).map(file) }
}

/// RAM of a machine that may be running: pieces, each a shared map of a file.
#[derive(Debug)]
pub(crate) struct MappedRam {
    pieces: Vec<Piece>,
}

#[derive(Debug)]
struct Piece {
    range: PhysicalRange,
    map: MmapRaw,
    writable: bool,
}

impl MappedRam {
    /// Maps all files; `None` when there are none.
    pub(crate) fn open(files: &[RamFile]) -> Result<Option<Self>, OpenError> {
        let mut pieces = Vec::new();
        for file in files {
            let wrong =
                |what: String| OpenError(format!("the RAM file {}: {what}", file.file.display()));
            let range = PhysicalRange {
                start: file.address,
                size: file.size,
            };
            if file.size == 0 || file.address.0.checked_add(file.size).is_none() {
                let (start, size) = (range.start, range.size);
                return Err(wrong(format!(
                    "{size:#x} bytes at PA {start} is not a range"
                )));
            }
            let (map, writable) = map(file).map_err(|error| wrong(error.to_string()))?;
            if (map.len() as u64) < file.size {
                let (has, wanted) = (map.len(), file.size);
                return Err(wrong(format!(
                    "it has {has:#x} bytes, but `size` says {wanted:#x}"
                )));
            }
            pieces.push(Piece {
                range,
                map,
                writable,
            });
        }
        pieces.sort_by_key(|piece| piece.range.start);
        if let Some(pair) = pieces
            .windows(2)
            .find(|pair| pair[0].end() > pair[1].range.start.0)
        {
            let both = pair[1].range.start;
            return Err(OpenError(format!("two RAM files hold PA {both}")));
        }
        Ok((!pieces.is_empty()).then_some(Self { pieces }))
    }

    /// The ranges held, in order.
    pub(crate) fn ranges(&self) -> impl Iterator<Item = PhysicalRange> {
        self.pieces.iter().map(|piece| piece.range)
    }

    fn piece(&self, address: Pa) -> Option<&Piece> {
        let after = self
            .pieces
            .partition_point(|piece| piece.range.start <= address);
        let piece = self.pieces[..after].last()?;
        (address.0 < piece.end()).then_some(piece)
    }
}

/// Maps the whole file, and tells whether it may be written.
fn map(file: &RamFile) -> io::Result<(MmapRaw, bool)> {
    let options = MmapOptions::new();
    match File::options().read(true).write(true).open(&file.file) {
        Ok(opened) => Ok((options.map_raw(&opened)?, true)),
        Err(_) => Ok((options.map_raw_read_only(&File::open(&file.file)?)?, false)),
    }
}

impl Piece {
    fn end(&self) -> u64 {
        self.range.start.0 + self.range.size
    }

    /// Copies from `offset`, which with the length of `to` lies within the range.
    fn copy(&self, offset: usize, to: &mut [u8]) {
        assert!(offset <= self.map.len() && to.len() <= self.map.len() - offset);
        let from = self.map.as_ptr().wrapping_add(offset);
        let before = from.align_offset(size_of::<u64>()).min(to.len());
        let (head, rest) = to.split_at_mut(before);
        let (words, tail) = rest.as_chunks_mut::<8>();
        // SAFETY (all three): the assertion keeps each access inside the map, which lives as long as `self`. The
        // machine writes this memory while we read: so no reference to it is made, and volatile reads take each
        // aligned word once, as the machine's other cores would see it. Any bit pattern is a valid integer.
        for (at, byte) in head.iter_mut().enumerate() {
            *byte = unsafe { from.wrapping_add(at).read_volatile() };
        }
        let from_words = from.wrapping_add(before).cast::<u64>();
        for (at, word) in words.iter_mut().enumerate() {
            // `align_offset` made the address a multiple of eight, or left no words.
            *word = unsafe { from_words.wrapping_add(at).read_volatile() }.to_ne_bytes();
        }
        let from_tail = from.wrapping_add(before + words.len() * 8);
        for (at, byte) in tail.iter_mut().enumerate() {
            *byte = unsafe { from_tail.wrapping_add(at).read_volatile() };
        }
    }
}

impl Piece {
    /// The aligned word at `offset`, if it lies within the range.
    fn word(&self, offset: u64) -> Option<*mut u32> {
        let inside = offset.is_multiple_of(4) && self.range.size.checked_sub(4)? >= offset;
        inside.then(|| self.map.as_mut_ptr().wrapping_add(offset as usize).cast())
    }
}

impl SharedMemory for MappedRam {
    fn store_u32(&self, address: Pa, value: u32) -> Result<(), MemoryFault> {
        let absent = MemoryFault::Absent(address);
        let piece = self.piece(address).ok_or(absent)?;
        let word = piece.word(address.0 - piece.range.start.0).ok_or(absent)?;
        if !piece.writable {
            return Err(MemoryFault::ReadOnly(address));
        }
        // SAFETY: the word is aligned, for maps begin at a page; it lies in a map that may be written and lives as long as
        // `self`; and nobody has a reference to it. The machine uses it meanwhile, as another thread uses an atomic.
        let word = unsafe { AtomicU32::from_ptr(word) };
        word.store(value.to_le(), Ordering::Release);
        Ok(())
    }
}

impl PhysicalMemory for MappedRam {
    fn read_physical(&self, address: Pa, buffer: &mut [u8]) -> Result<(), MemoryFault> {
        let mut done = 0;
        while done < buffer.len() {
            let at = address.offset(done as u64);
            let piece = self.piece(at).ok_or(MemoryFault::Absent(at))?;
            let size = (piece.end() - at.0).min((buffer.len() - done) as u64) as usize;
            let offset = (at.0 - piece.range.start.0) as usize;
            piece.copy(offset, &mut buffer[done..done + size]);
            done += size;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file of `size` bytes, byte n being n modulo 251.
    fn ram_file(name: &str, address: u64, size: usize, told: u64) -> RamFile {
        let file = std::env::temp_dir().join(format!("hvdap-{}-{name}", std::process::id()));
        let bytes: Vec<u8> = (0..size).map(|n| (n % 251) as u8).collect();
        std::fs::write(&file, bytes).expect("a temporary file");
        RamFile {
            file,
            address: Pa(address),
            size: told,
        }
    }

    #[test]
    fn reads_at_any_alignment_and_across_files() {
        let files = [
            ram_file("second", 0x5000, 0x2000, 0x1000),
            ram_file("first", 0x4000, 0x1000, 0x1000),
        ];
        let ram = MappedRam::open(&files).expect("mapped").expect("some");
        let expected = |address: usize| ((address & 0xfff) % 251) as u8;
        for start in [0x4000, 0x4001, 0x4ff9, 0x5007, 0x5ff0] {
            for size in [0, 1, 7, 8, 16, 33, 0x800] {
                let mut buffer = vec![0xff; size];
                let result = ram.read_physical(Pa(start as u64), &mut buffer);
                if start + size > 0x6000 {
                    assert_eq!(result, Err(MemoryFault::Absent(Pa(0x6000))));
                    continue;
                }
                let wanted: Vec<u8> = (start..start + size).map(expected).collect();
                assert_eq!((result, buffer), (Ok(()), wanted), "{start:#x}, {size}");
            }
        }
        for file in files {
            std::fs::remove_file(file.file).expect("removed");
        }
    }

    #[test]
    fn words_are_written_where_the_machine_sees_them() {
        let file = ram_file("written", 0x4000, 0x1000, 0x1000);
        let ram = MappedRam::open(std::slice::from_ref(&file));
        let ram = ram.expect("mapped").expect("some");
        assert_eq!(ram.store_u32(Pa(0x4008), 0x0403_0201), Ok(()));
        let bytes = std::fs::read(&file.file).expect("the file");
        assert_eq!(bytes[7..13], [7, 1, 2, 3, 4, 12]);
        for outside in [0x3ffc, 0x4002, 0x4ffe, 0x5000] {
            let absent = Err(MemoryFault::Absent(Pa(outside)));
            assert_eq!(ram.store_u32(Pa(outside), 1), absent, "{outside:#x}");
        }
        std::fs::remove_file(file.file).expect("removed");
    }

    #[test]
    fn wrong_files() {
        let short = ram_file("short", 0x4000, 0x800, 0x1000);
        let good = ram_file("good", 0x4000, 0x1000, 0x1000);
        let mut over = good.clone();
        over.address = Pa(u64::MAX - 8);
        let mut missing = good.clone();
        missing.file.push("missing");
        for (files, message) in [
            (
                vec![short.clone()],
                "it has 0x800 bytes, but `size` says 0x1000",
            ),
            (
                vec![good.clone(), good.clone()],
                "two RAM files hold PA 0x4000",
            ),
            (vec![over], "is not a range"),
            (vec![missing], "missing"),
        ] {
            let error = MappedRam::open(&files).expect_err(message).to_string();
            assert!(error.contains(message), "{error}");
        }
        for file in [short, good] {
            std::fs::remove_file(file.file).expect("removed");
        }
    }

    #[test]
    fn files_as_bytes() {
        let file = ram_file("bytes", 0, 10, 10).file;
        let bytes = map_file(&file).expect("mapped");
        assert_eq!((*bytes).as_ref(), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
        std::fs::remove_file(&file).expect("removed");
        assert!(map_file(&file).is_err());
        assert!(map_file(&std::env::temp_dir()).is_err());
    }
}
