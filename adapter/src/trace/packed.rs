//! The flat arrays of a window as bytes in base64: a view takes them over as they are, where a million numbers in JSON would cost it a frame.
//!
//! All numbers are little-endian. The fields are those of the arrays that [`super::window::Lane`] tells of.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use trace::store::{Point, Span};
use trace::window::{Cell, Count};

/// 16 bytes a span: start (8), state (1), cause (1), the other side (2), flags (2), nothing (2).
pub(super) fn spans(spans: &[Span]) -> String {
    let bytes = spans.iter().flat_map(|span| {
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&span.start().to_le_bytes());
        bytes[8] = span.state() as u8;
        bytes[9] = span.cause() as u8;
        bytes[10..12].copy_from_slice(&span.party().0.to_le_bytes());
        bytes[12..14].copy_from_slice(&span.flags().0.to_le_bytes());
        bytes
    });
    encode(bytes)
}

/// 18 bytes a cell: nine numbers of 2 bytes, as in the array.
pub(super) fn cells(cells: &[Cell]) -> String {
    let numbers = cells.iter().flat_map(super::window::numbers);
    encode(numbers.flat_map(u16::to_le_bytes))
}

/// 24 bytes a mark: time (8), value (8), kind (2), the lane of whoever caused it (2), nothing (4).
pub(super) fn marks(points: &[Point]) -> String {
    let bytes = points.iter().flat_map(|point| {
        let mut bytes = [0; 24];
        bytes[..8].copy_from_slice(&point.time().to_le_bytes());
        bytes[8..16].copy_from_slice(&point.value().to_le_bytes());
        bytes[16..18].copy_from_slice(&(point.mark() as u16).to_le_bytes());
        bytes[18..20].copy_from_slice(&point.by_lane().0.to_le_bytes());
        bytes
    });
    encode(bytes)
}

/// 8 bytes a cell: how many (4), and bit n for kind n (4).
pub(super) fn counts(counts: &[Count]) -> String {
    let numbers = counts.iter().flat_map(|one| [one.points, one.marks]);
    encode(numbers.flat_map(u32::to_le_bytes))
}

fn encode(bytes: impl Iterator<Item = u8>) -> String {
    STANDARD.encode(bytes.collect::<Vec<u8>>())
}

#[cfg(test)]
mod tests {
    use trace::store::{Cause, Flags, Party, State};

    use super::*;

    #[track_caller]
    fn check(packed: &str, bytes: &[u8]) {
        assert_eq!(STANDARD.decode(packed).as_deref(), Ok(bytes));
    }

    #[test]
    fn every_field_has_its_place() {
        let span = Span::new(0x0102_0304_0506, State::Runnable, Party(0x0a0b));
        let span = span.caused(Cause::Preempted, Party::NONE, Party::NONE);
        let mut bytes = [6, 5, 4, 3, 2, 1, 0, 0, 1, 2, 0x0b, 0x0a, 0, 0, 0, 0];
        bytes[12..14].copy_from_slice(&span.flags().0.to_le_bytes());
        assert!(span.flags().any(Flags::PREEMPTED));
        check(&spans(&[span]), &bytes);
        let cell = Cell {
            flags: Flags(0x0201),
            shares: [1, 2, 3, 4, 5, 6, 0x0700],
            party: 9,
            party_share: 7,
        };
        check(
            &cells(&[cell]),
            &[1, 2, 9, 0, 1, 0, 2, 0, 3, 0, 4, 0, 5, 0, 6, 0, 0, 7],
        );
        let count = Count {
            points: 3,
            marks: 1 << 16,
        };
        check(&counts(&[count]), &[3, 0, 0, 0, 0, 0, 1, 0]);
    }
}
