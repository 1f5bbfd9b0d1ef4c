//! Taking a file's description apart from front to back.

/// The file ends where it should go on; the text says in what.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Cut(pub &'static str);

/// Bytes not read yet, and what they are, for the error.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bytes<'a> {
    pub(super) rest: &'a [u8],
    part: &'static str,
}

impl<'a> Bytes<'a> {
    pub(super) fn new(rest: &'a [u8], part: &'static str) -> Self {
        Self { rest, part }
    }

    /// The bytes from an offset of a whole file on.
    pub(super) fn at(file: &'a [u8], offset: u64, part: &'static str) -> Result<Self, Cut> {
        let offset = usize::try_from(offset).map_err(|_| Cut(part))?;
        let rest = file.get(offset..).ok_or(Cut(part))?;
        Ok(Self { rest, part })
    }

    /// From here on it is something else.
    pub(super) fn part(&mut self, part: &'static str) {
        self.part = part;
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    pub(super) fn take(&mut self, length: u64) -> Result<&'a [u8], Cut> {
        let length = usize::try_from(length).map_err(|_| Cut(self.part))?;
        let (taken, rest) = self.rest.split_at_checked(length).ok_or(Cut(self.part))?;
        self.rest = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Cut> {
        let (taken, rest) = self.rest.split_first_chunk().ok_or(Cut(self.part))?;
        self.rest = rest;
        Ok(*taken)
    }

    pub(super) fn u8(&mut self) -> Result<u8, Cut> {
        self.array::<1>().map(|[byte]| byte)
    }

    pub(super) fn u16(&mut self) -> Result<u16, Cut> {
        self.array().map(u16::from_le_bytes)
    }

    pub(super) fn u32(&mut self) -> Result<u32, Cut> {
        self.array().map(u32::from_le_bytes)
    }

    pub(super) fn u64(&mut self) -> Result<u64, Cut> {
        self.array().map(u64::from_le_bytes)
    }

    /// Bytes up to a zero, which is passed over.
    pub(super) fn string(&mut self) -> Result<&'a [u8], Cut> {
        let end = self.rest.iter().position(|byte| *byte == 0);
        let string = self.take(end.ok_or(Cut(self.part))? as u64)?;
        self.rest = &self.rest[1..];
        Ok(string)
    }
}
