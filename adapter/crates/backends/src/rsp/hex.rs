//! Two hexadecimal digits per byte.

const DIGITS: &[u8; 16] = b"0123456789abcdef";

/// Not a hexadecimal digit.
const BAD: u8 = 0xff;

const VALUES: [u8; 256] = {
    let mut table = [BAD; 256];
    let mut digit = 0;
    while digit < 16 {
        let lower = DIGITS[digit];
        table[lower as usize] = digit as u8;
        table[lower.to_ascii_uppercase() as usize] = digit as u8;
        digit += 1;
    }
    table
};

/// The value of one hexadecimal digit.
#[must_use]
pub fn digit(byte: u8) -> Option<u8> {
    let value = VALUES[usize::from(byte)];
    (value != BAD).then_some(value)
}

/// Appends `bytes` as digits.
pub fn encode(bytes: &[u8], out: &mut Vec<u8>) {
    for byte in bytes {
        out.push(DIGITS[usize::from(byte >> 4)]);
        out.push(DIGITS[usize::from(byte & 15)]);
    }
}

/// Fills `out` from exactly twice as many digits; `false` when the text is not that.
#[must_use]
pub fn decode(text: &[u8], out: &mut [u8]) -> bool {
    if text.len() != out.len() * 2 {
        return false;
    }
    // Loops without exits over pieces of fixed size: the compiler makes vector instructions of them, and memory
    // arrives in this form at 100 MB/s.
    let (pieces, rest) = text.as_chunks::<64>();
    let (wide, narrow) = out.split_at_mut(pieces.len() * 32);
    let mut bad = 0;
    for (piece, out) in pieces.iter().zip(wide.as_chunks_mut::<32>().0) {
        let mut values = [0; 64];
        for (value, byte) in values.iter_mut().zip(piece) {
            let digit = byte.wrapping_sub(b'0');
            let letter = (byte | 0x20).wrapping_sub(b'a');
            bad |= u8::from((digit >= 10) & (letter >= 6));
            *value = if digit < 10 {
                digit
            } else {
                letter.wrapping_add(10)
            };
        }
        for (pair, byte) in values.as_chunks::<2>().0.iter().zip(out) {
            let pair = u16::from_le_bytes(*pair);
            *byte = (pair << 4 | pair >> 8) as u8;
        }
    }
    for (pair, byte) in rest.as_chunks::<2>().0.iter().zip(narrow) {
        let (high, low) = (VALUES[usize::from(pair[0])], VALUES[usize::from(pair[1])]);
        bad |= u8::from(high | low == BAD);
        *byte = high << 4 | low & 15;
    }
    bad == 0
}

/// The bytes of a text of digits, `None` when it is not one.
#[must_use]
pub fn bytes(text: &[u8]) -> Option<Vec<u8>> {
    let mut out = vec![0; text.len() / 2];
    decode(text, &mut out).then_some(out)
}

/// A number as the protocol writes it: big-endian digits, no prefix, at most 64 bits.
#[must_use]
pub fn number(text: &[u8]) -> Option<u64> {
    if text.is_empty() || text.len() > 16 {
        return None;
    }
    text.iter()
        .try_fold(0, |value, &byte| Some(value << 4 | u64::from(digit(byte)?)))
}

/// A register's value: little-endian bytes as digits. Wider than 64 bits or unavailable (`xx…`) gives `None`.
#[must_use]
pub fn register(text: &[u8]) -> Option<u64> {
    let mut word = [0; 8];
    let size = text.len() / 2;
    if size == 0 || size > 8 || !decode(text, &mut word[..size]) {
        return None;
    }
    Some(u64::from_le_bytes(word))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn numbers() {
        assert_eq!(number(b"0"), Some(0));
        assert_eq!(number(b"ffffFFFF00000001"), Some(0xffff_ffff_0000_0001));
        for bad in [&b""[..], b"g", b"0x1", b"12345678901234567"] {
            assert_eq!(number(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn registers() {
        assert_eq!(register(b"c5030060"), Some(0x6000_03c5));
        assert_eq!(register(b"efcdab8967452301"), Some(0x0123_4567_89ab_cdef));
        for bad in [&b""[..], b"xxxxxxxx", b"E14", b"00112233445566778899"] {
            assert_eq!(register(bad), None, "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn round_trip(data: Vec<u8>) {
            let mut text = Vec::new();
            encode(&data, &mut text);
            prop_assert_eq!(bytes(&text), Some(data.clone()));
            prop_assert_eq!(bytes(&text.to_ascii_uppercase()), Some(data));
        }

        #[test]
        fn one_bad_digit(at in 0usize..150, bad: u8) {
            let mut text = [b'f'; 150];
            text[at] = bad;
            prop_assert_eq!(bytes(&text).is_some(), bad.is_ascii_hexdigit());
        }

        #[test]
        fn anything(text: Vec<u8>) {
            let good = text.len() % 2 == 0 && text.iter().all(u8::is_ascii_hexdigit);
            prop_assert_eq!(bytes(&text).is_some(), good);
            let _ = (number(&text), register(&text));
        }
    }
}
