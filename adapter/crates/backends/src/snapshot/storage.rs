//! The bytes of a snapshot file, compressed or not.
//!
//! Our own compressed files are many small zstd frames (RFC 8878): only those that are read get decompressed. A file
//! that somebody else compressed, as one frame, is decompressed into memory.

use std::collections::VecDeque;
use std::fmt;
use std::io::Read;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use zstd::zstd_safe;

use crate::mapped::FileBytes;

/// Frames of more content are not decompressed one by one.
const LONGEST_FRAME: u64 = 16 << 20;

/// Content that is kept after it was decompressed.
const KEPT: usize = 48 << 20;

/// The longest content that is decompressed into memory.
const LONGEST_CONTENT: u64 = 4 << 30;

/// Random access to the content of a file.
pub(super) struct Storage {
    content: Content,
    damage: Option<String>,
}

enum Content {
    Plain(FileBytes),
    Frames(Frames),
}

impl fmt::Debug for Storage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Storage({:#x} bytes)", self.size())
    }
}

impl Storage {
    /// Recognises compressed files.
    pub(super) fn new(bytes: FileBytes) -> Result<Self, String> {
        if !is_zstd((*bytes).as_ref()) {
            let content = Content::Plain(bytes);
            return Ok(Self {
                content,
                damage: None,
            });
        }
        let (frames, end) = frames((*bytes).as_ref());
        match frames {
            Some(frames) if !frames.is_empty() => {
                let size = (*bytes).as_ref().len();
                let damage = (end < size).then(|| {
                    format!("the compressed file is cut short or corrupt from offset {end:#x} on")
                });
                let content = Content::Frames(Frames::new(bytes, frames));
                Ok(Self { content, damage })
            }
            _ => Self::decompress((*bytes).as_ref()),
        }
    }

    fn decompress(bytes: &[u8]) -> Result<Self, String> {
        let decoder = zstd::Decoder::new(bytes).map_err(|error| error.to_string())?;
        let mut content = Vec::new();
        let result = decoder.take(LONGEST_CONTENT).read_to_end(&mut content);
        if content.len() as u64 == LONGEST_CONTENT {
            return Err("too large to be decompressed into memory: use zstd -d".into());
        }
        let damage = result.err().map(|error| {
            let end = content.len();
            format!("only {end:#x} bytes could be decompressed: {error}")
        });
        if content.is_empty() {
            return Err(damage.unwrap_or_else(|| "it is empty".into()));
        }
        let content = Content::Plain(Arc::new(content));
        Ok(Self { content, damage })
    }

    /// What is wrong with the compression.
    pub(super) fn damage(&self) -> Option<&str> {
        self.damage.as_deref()
    }

    /// Bytes of content.
    pub(super) fn size(&self) -> u64 {
        match &self.content {
            Content::Plain(bytes) => (**bytes).as_ref().len() as u64,
            Content::Frames(frames) => frames.size(),
        }
    }

    /// Fills `out` from `offset`; `false` beyond the end or where a frame is corrupt.
    pub(super) fn read(&self, offset: u64, out: &mut [u8]) -> bool {
        match &self.content {
            Content::Plain(bytes) => {
                let bytes = (**bytes).as_ref();
                let from = usize::try_from(offset)
                    .ok()
                    .and_then(|offset| bytes.get(offset..));
                let Some(from) = from.and_then(|from| from.get(..out.len())) else {
                    return false;
                };
                out.copy_from_slice(from);
                true
            }
            Content::Frames(frames) => frames.read(offset, out),
        }
    }

    /// At most `size` bytes from `offset`, fewer at the end.
    pub(super) fn bytes(&self, offset: u64, size: u64) -> Vec<u8> {
        let there = self.size().saturating_sub(offset).min(size);
        let mut bytes = vec![0; there as usize];
        if !self.read(offset, &mut bytes) {
            bytes.clear();
        }
        bytes
    }
}

/// Whether the file starts with a frame or a skippable one.
fn is_zstd(bytes: &[u8]) -> bool {
    let magic = bytes.first_chunk().copied().map(u32::from_le_bytes);
    magic.is_some_and(|magic| magic == 0xfd2f_b528 || magic & 0xffff_fff0 == 0x184d_2a50)
}

/// A frame: where it is in the file, and of what content.
#[derive(Clone, Debug)]
struct Frame {
    start: u64,
    size: usize,
    compressed: Range<usize>,
}

/// The frames of a file and where they end; `None` when one is not small.
fn frames(bytes: &[u8]) -> (Option<Vec<Frame>>, usize) {
    let mut frames = Vec::new();
    let (mut at, mut start) = (0, 0);
    while at < bytes.len() {
        let rest = &bytes[at..];
        let Ok(compressed) = zstd_safe::find_frame_compressed_size(rest) else {
            break;
        };
        let Ok(Some(size @ 0..=LONGEST_FRAME)) = zstd_safe::get_frame_content_size(rest) else {
            return (None, at);
        };
        if compressed == 0 {
            break;
        }
        if size > 0 {
            frames.push(Frame {
                start,
                size: size as usize,
                compressed: at..at + compressed,
            });
        }
        at += compressed;
        start += size;
    }
    (Some(frames), at)
}

struct Frames {
    bytes: FileBytes,
    frames: Vec<Frame>,
    kept: Mutex<Kept>,
}

/// Decompressed frames, the one used last at the end; `None` is a corrupt one.
#[derive(Default)]
struct Kept {
    frames: VecDeque<(usize, Option<Arc<Vec<u8>>>)>,
    size: usize,
}

impl Frames {
    fn new(bytes: FileBytes, frames: Vec<Frame>) -> Self {
        Self {
            bytes,
            frames,
            kept: Mutex::default(),
        }
    }

    fn size(&self) -> u64 {
        self.frames
            .last()
            .map_or(0, |frame| frame.start + frame.size as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> bool {
        let mut done = 0;
        while done < out.len() {
            let Some(at) = offset
                .checked_add(done as u64)
                .filter(|at| *at < self.size())
            else {
                return false;
            };
            let index = self.frames.partition_point(|frame| frame.start <= at) - 1;
            let Some(content) = self.content(index) else {
                return false;
            };
            let from = &content[(at - self.frames[index].start) as usize..];
            let size = from.len().min(out.len() - done);
            out[done..done + size].copy_from_slice(&from[..size]);
            done += size;
        }
        true
    }

    fn content(&self, index: usize) -> Option<Arc<Vec<u8>>> {
        // Nothing in here is left half-done by a panic.
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(at) = kept.frames.iter().position(|(known, _)| *known == index) {
            let entry = kept.frames.remove(at)?;
            kept.frames.push_back(entry.clone());
            return entry.1;
        }
        let frame = &self.frames[index];
        let compressed = &(*self.bytes).as_ref()[frame.compressed.clone()];
        let content = zstd::bulk::decompress(compressed, frame.size).ok();
        let content = content
            .filter(|content| content.len() == frame.size)
            .map(Arc::new);
        kept.size += frame.size;
        kept.frames.push_back((index, content.clone()));
        while kept.size > KEPT
            && let Some((old, _)) = kept.frames.pop_front()
        {
            kept.size -= self.frames[old].size;
        }
        content
    }
}
