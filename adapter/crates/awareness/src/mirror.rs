//! Reading another program's structures: fields found by name through DWARF, each structure fetched with one read.
//!
//! A mirror is a plain struct of [`Slot`]s, one per field used; [`Facts`] resolves them once, and a [`Record`] holds the
//! bytes of one instance. Tests give literal offsets.

use machine::{MemoryFault, Va, VirtualMemory};
use symbols::Image;

/// No structure fetched here is larger; a damaged DWARF offset may claim anything.
const LARGEST: u64 = 64 << 10;

/// Where a field lies in its structure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slot {
    /// Bytes from the start of the structure.
    pub offset: u64,
    /// Bytes it takes.
    pub size: u64,
}

impl Slot {
    /// The element `index` of an array of `count`.
    #[must_use]
    pub fn element(self, index: u64, count: u64) -> Self {
        let size = self.size / count.max(1);
        Self {
            offset: self.offset.saturating_add(size.saturating_mul(index)),
            size,
        }
    }
}

/// What is known of a program: symbols and fields.
pub trait Facts {
    /// Where a symbol lies when the program runs.
    fn symbol(&self, name: &str) -> Option<Va>;

    /// Where the field `path`, such as `arch.p2m.vmid`, lies in `structure`, such as `struct domain`.
    fn field(&self, structure: &str, path: &str) -> Option<Slot>;

    /// As [`symbol`](Self::symbol).
    ///
    /// # Errors
    /// A sentence that names what is missing.
    fn need_symbol(&self, name: &str) -> Result<Va, String> {
        self.symbol(name)
            .ok_or_else(|| format!("it has no symbol {name}"))
    }

    /// As [`field`](Self::field).
    ///
    /// # Errors
    /// A sentence that names what is missing.
    fn need_field(&self, structure: &str, path: &str) -> Result<Slot, String> {
        self.field(structure, path)
            .ok_or_else(|| format!("its debug information has no field {path} in {structure}"))
    }
}

/// The facts of an image that was placed.
pub struct ImageFacts<'a> {
    /// The image.
    pub image: &'a Image,
    /// How far it was moved.
    pub slide: u64,
}

impl Facts for ImageFacts<'_> {
    fn symbol(&self, name: &str) -> Option<Va> {
        let symbol = self.image.symbol_named(name)?;
        Some(symbol.address.placed(self.slide))
    }

    fn field(&self, structure: &str, path: &str) -> Option<Slot> {
        let structure = self.image.type_named(structure)?;
        let field = self.image.field(structure, path)?;
        Some(Slot {
            offset: field.offset,
            size: field.size,
        })
    }
}

/// The bytes of one structure, from its first used field to its last.
#[derive(Clone, Debug)]
pub struct Record {
    /// Where the structure lies.
    pub base: Va,
    first: u64,
    bytes: Vec<u8>,
}

impl Record {
    /// Fetches the part of the structure at `base` that `slots` cover.
    ///
    /// # Errors
    /// The fault of the first byte that could not be read.
    pub fn read(
        memory: &dyn VirtualMemory,
        base: Va,
        slots: impl IntoIterator<Item = Slot>,
    ) -> Result<Self, MemoryFault> {
        let (mut first, mut end) = (u64::MAX, 0);
        for slot in slots {
            first = first.min(slot.offset);
            end = end.max(slot.offset.saturating_add(slot.size));
        }
        let size = end.saturating_sub(first).min(LARGEST);
        let mut bytes = vec![0; size as usize];
        memory.read(base.offset(first), &mut bytes)?;
        Ok(Self { base, first, bytes })
    }

    /// The little-endian number in `slot`, at most its first 8 bytes; `None` for a field that was not fetched.
    #[must_use]
    pub fn get(&self, slot: Slot) -> Option<u64> {
        let start = usize::try_from(slot.offset.checked_sub(self.first)?).ok()?;
        let length = slot.size.min(8) as usize;
        let bytes = self.bytes.get(start..start.checked_add(length)?)?;
        let mut word = [0; 8];
        word[..length].copy_from_slice(bytes);
        Some(u64::from_le_bytes(word))
    }

    /// As [`get`](Self::get), for a field that this build of the program may lack.
    #[must_use]
    pub fn get_known(&self, slot: Option<Slot>) -> Option<u64> {
        self.get(slot?)
    }
}
