//! The bytes of a value, wherever they are.

use machine::VirtualMemory;

use super::{Value, ValueError};
use crate::location::{Piece, Place};

/// Bytes read at once.
const MAX_BYTES: u64 = 1 << 20;

impl Value {
    /// All its bytes as they lie in memory; of a bit-field, the bytes that hold it.
    ///
    /// # Errors
    /// Its memory cannot be read, it was optimised out, or it is larger than a megabyte.
    pub fn bytes(&self, memory: &dyn VirtualMemory) -> Result<Vec<u8>, ValueError> {
        let size = match self.bits {
            Some(bits) => bits.bytes() as u64,
            None => self
                .size()
                .ok_or_else(|| ValueError::NoSize(self.type_name()))?,
        };
        if size > MAX_BYTES {
            return Err(ValueError::TooLarge(size));
        }
        let mut bytes = vec![0; size as usize];
        self.read(memory, 0, &mut bytes)?;
        Ok(bytes)
    }

    /// Reads from `offset` bytes into the value.
    pub(super) fn read(
        &self,
        memory: &dyn VirtualMemory,
        offset: u64,
        buffer: &mut [u8],
    ) -> Result<(), ValueError> {
        read_place(&self.place, memory, self.skip.wrapping_add(offset), buffer)
    }
}

fn read_place(
    place: &Place,
    memory: &dyn VirtualMemory,
    offset: u64,
    buffer: &mut [u8],
) -> Result<(), ValueError> {
    match place {
        Place::Memory(address) => Ok(memory.read(address.offset(offset), buffer)?),
        Place::Register { value, .. } => copy(&value.to_le_bytes(), offset, buffer),
        Place::Bytes(bytes) => copy(bytes, offset, buffer),
        Place::Pieces(pieces) => read_pieces(pieces, memory, offset, buffer),
        Place::Implicit { .. } | Place::OptimizedOut => Err(ValueError::OptimizedOut),
    }
}

/// Bytes beyond what is known were optimised out.
fn copy(bytes: &[u8], offset: u64, buffer: &mut [u8]) -> Result<(), ValueError> {
    let known = usize::try_from(offset)
        .ok()
        .and_then(|start| bytes.get(start..start.checked_add(buffer.len())?));
    buffer.copy_from_slice(known.ok_or(ValueError::OptimizedOut)?);
    Ok(())
}

/// Puts pieces together, bit by bit where they do not begin and end at bytes (DWARF 5 section 2.6.1.2).
fn read_pieces(
    pieces: &[Piece],
    memory: &dyn VirtualMemory,
    offset: u64,
    buffer: &mut [u8],
) -> Result<(), ValueError> {
    let first = offset.checked_mul(8).ok_or(ValueError::OptimizedOut)?;
    let end = first.saturating_add(buffer.len() as u64 * 8);
    buffer.fill(0);
    let mut done = first;
    let mut start = 0u64;
    for piece in pieces {
        let stop = start.saturating_add(piece.bits);
        if done < stop && done < end && done >= start {
            let until = stop.min(end);
            let from = piece.skip.saturating_add(done - start);
            let mut source = vec![0; ((from % 8 + (until - done)).div_ceil(8)) as usize];
            read_place(&piece.place, memory, from / 8, &mut source)?;
            for bit in 0..until - done {
                let taken = from % 8 + bit;
                let set = source[(taken / 8) as usize] >> (taken % 8) & 1;
                let put = done - first + bit;
                buffer[(put / 8) as usize] |= set << (put % 8);
            }
            done = until;
        }
        start = stop;
    }
    match done < end {
        true => Err(ValueError::OptimizedOut),
        false => Ok(()),
    }
}
