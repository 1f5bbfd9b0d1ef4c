//! The wire format of protobuf, as far as needed: varints and length-delimited fields.

/// The bytes of a message.
#[derive(Clone, Debug, Default)]
pub(super) struct Message {
    bytes: Vec<u8>,
}

impl Message {
    pub(super) fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    pub(super) fn clear(&mut self) {
        self.bytes.clear();
    }

    /// An integer or enum field: wire type 0.
    #[inline]
    pub(super) fn number(&mut self, field: u32, value: u64) {
        varint(&mut self.bytes, u64::from(field << 3));
        varint(&mut self.bytes, value);
    }

    /// A string or bytes field: wire type 2.
    #[inline]
    pub(super) fn bytes(&mut self, field: u32, value: &[u8]) {
        delimited(&mut self.bytes, field, value);
    }

    /// A field that is a message: wire type 2.
    #[inline]
    pub(super) fn message(&mut self, field: u32, value: &Self) {
        delimited(&mut self.bytes, field, &value.bytes);
    }

    /// Appends the message as a field of an outermost one.
    #[inline]
    pub(super) fn append_to(&self, out: &mut Vec<u8>, field: u32) {
        delimited(out, field, &self.bytes);
    }
}

#[inline]
fn delimited(out: &mut Vec<u8>, field: u32, value: &[u8]) {
    varint(out, u64::from(field << 3 | 2));
    varint(out, value.len() as u64);
    out.extend_from_slice(value);
}

/// Seven bits a byte, lowest first; the top bit says that more follow.
#[inline]
fn varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}
