//! Physical memory by `m` and `M`.

use machine::target::PhysicalRead;
use machine::{Pa, PhysicalMemory, TargetError};

use super::GdbRemote;
use crate::rsp::hex;

/// Bytes that one `M` writes: well below any stub's packet size.
const LONGEST_WRITE: usize = 0x400;

/// A part of a piece that one `m` reads.
struct Part {
    piece: usize,
    offset: usize,
    size: usize,
}

impl GdbRemote {
    /// Reads what the RAM files hold there, the rest in one burst. Where the memory map is known, what is neither RAM
    /// nor ROM is not read: a device may change by being read, and a corrupt page table may point anywhere.
    pub(super) fn read_memory(
        &mut self,
        pieces: &mut [PhysicalRead<'_>],
    ) -> Result<(), TargetError> {
        self.link.halted()?;
        let mut asked = Vec::new();
        for piece in pieces {
            let size = piece.buffer.len() as u64;
            let memory = (self.map.as_ref()).is_none_or(|map| map.is_memory(piece.address, size));
            let file = self.ram.as_ref();
            piece.ok =
                file.is_some_and(|ram| ram.read_physical(piece.address, piece.buffer).is_ok());
            if memory && !piece.ok {
                asked.push(piece);
            }
        }
        self.ask_memory(&mut asked)
    }

    /// Reads all pieces by packets.
    pub(super) fn ask_memory(
        &mut self,
        pieces: &mut [&mut PhysicalRead<'_>],
    ) -> Result<(), TargetError> {
        let longest = self.longest_read;
        let mut parts = Vec::new();
        for (index, piece) in pieces.iter_mut().enumerate() {
            piece.ok = true;
            let whole = piece.buffer.len();
            parts.extend((0..whole).step_by(longest).map(|offset| Part {
                piece: index,
                offset,
                size: longest.min(whole - offset),
            }));
        }
        let requests: Vec<(Pa, usize)> = parts
            .iter()
            .map(|part| {
                (
                    pieces[part.piece].address.offset(part.offset as u64),
                    part.size,
                )
            })
            .collect();
        self.link.burst(
            parts.len(),
            &|index, out| {
                let (address, size) = requests[index];
                out.extend(format!("m{:x},{size:x}", address.0).into_bytes());
            },
            &mut |index, text| {
                let part = &parts[index];
                let piece = &mut pieces[part.piece];
                let buffer = &mut piece.buffer[part.offset..part.offset + part.size];
                piece.ok &= hex::decode(text, buffer);
            },
        )
    }

    /// Writes, a few packets at a time.
    pub(super) fn write_memory(&mut self, address: Pa, bytes: &[u8]) -> Result<(), TargetError> {
        let parts: Vec<&[u8]> = bytes.chunks(LONGEST_WRITE).collect();
        let place = |index: usize| address.offset((index * LONGEST_WRITE) as u64);
        let mut bad = None;
        self.link.burst(
            parts.len(),
            &|index, out| {
                let text = format!("M{:x},{:x}:", place(index).0, parts[index].len());
                out.extend(text.into_bytes());
                hex::encode(parts[index], out);
            },
            &mut |index, text| {
                if text != b"OK" && bad.is_none() {
                    bad = Some((index, String::from_utf8_lossy(text).into_owned()));
                }
            },
        )?;
        match bad {
            None => Ok(()),
            Some((index, reason)) => Err(self
                .link
                .refused(&format!("a write at PA {}", place(index)), reason)),
        }
    }
}
