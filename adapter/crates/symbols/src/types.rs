//! Types as DWARF describes them (DWARF 5 chapter 5), decoded one at a time when somebody asks.
//!
//! A [`TypeId`] names a type; [`Image::type_of`] decodes that one entry and its members, nothing below it. Types that no
//! entry describes (the address of a variable, a row of a matrix, `unsigned long` in an image without DWARF) are made and
//! kept by the image beside the decoded ones, so a `TypeId` is all anybody needs to hold.
//!
//! Start with [`Image::type_named`], [`Image::field`] and [`Image::size_of`].

use std::sync::Arc;

use crate::Image;

mod decode;
mod layout;
mod names;
mod spell;
mod store;

pub use layout::Field;
pub(crate) use store::Store;

/// Chains of typedefs, qualifiers and declarators are followed this far: DWARF from outside may hold cycles.
pub(crate) const MAX_CHAIN: usize = 64;

/// Names a type of one image: a unit and the offset of an entry in it, or a type the image made itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TypeId {
    /// The index of the unit.
    pub unit: u32,
    /// The entry's offset from the start of the unit.
    pub offset: usize,
}

/// One type, with references to the types it is made of. `void` is the absence of a type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Type {
    /// A number, character or truth value.
    Base {
        /// The compiler's name, such as `long unsigned int`.
        name: Arc<str>,
        /// Its size.
        bytes: u64,
        /// How to read its bytes.
        encoding: Encoding,
    },
    /// A pointer or, in C++, a reference.
    Pointer {
        /// What it points to.
        to: Option<TypeId>,
        /// Its size.
        bytes: u64,
    },
    /// A `struct`, `union` or `class`.
    Record(Record),
    /// An enumeration.
    Enum(Enum),
    /// An array; `dimensions` outermost first, `None` where the length is not known.
    Array {
        /// The innermost element.
        element: TypeId,
        /// Number of elements of each dimension.
        dimensions: Vec<Option<u64>>,
    },
    /// Another name for a type.
    Typedef {
        /// The name.
        name: Arc<str>,
        /// What it stands for.
        to: Option<TypeId>,
    },
    /// `const`, `volatile`, `restrict` or `_Atomic`.
    Qualified {
        /// Which of them.
        qualifier: Qualifier,
        /// The type qualified.
        to: Option<TypeId>,
    },
    /// A function's type.
    Function {
        /// What it returns.
        returns: Option<TypeId>,
        /// Its parameters; `None` for one without a type.
        parameters: Vec<Option<TypeId>>,
        /// Whether it ends in `...`.
        variadic: bool,
        /// Whether the parameters were declared.
        prototyped: bool,
    },
}

/// How the bytes of a base type are read (`DW_AT_encoding`, DWARF 5 section 5.1.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Encoding {
    /// A truth value.
    Bool,
    /// A character.
    Char {
        /// Whether it is signed.
        signed: bool,
    },
    /// A two's complement number.
    Signed,
    /// A number without sign.
    Unsigned,
    /// An IEEE 754 number.
    Float,
    /// An address.
    Address,
    /// Anything else: its bytes are shown.
    Other,
}

/// A `struct`, `union` or `class`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Which of them.
    pub kind: RecordKind,
    /// Its tag; `None` for an anonymous one.
    pub name: Option<Arc<str>>,
    /// Its size.
    pub bytes: u64,
    /// Its members in order.
    pub members: Vec<Member>,
    /// Whether this is only a declaration: the definition is in another unit, or nowhere.
    pub declaration: bool,
}

/// The keyword a record was declared with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RecordKind {
    /// `struct`
    Struct,
    /// `union`
    Union,
    /// `class`
    Class,
}

/// A member of a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Its name; `None` for an anonymous struct or union, or a base class.
    pub name: Option<Arc<str>>,
    /// Its type.
    pub ty: TypeId,
    /// Bytes from the start of the record; for a bit-field, of the byte that holds its lowest bit.
    pub offset: u64,
    /// Which bits, for a bit-field.
    pub bits: Option<BitField>,
}

/// The bits of a bit-field, counted from the lowest bit of the byte at the member's offset.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct BitField {
    /// Bits below it in its first byte, 0 to 7.
    pub shift: u8,
    /// Number of bits, 1 to 128.
    pub width: u8,
}

impl BitField {
    /// Number of bytes that hold the field.
    #[must_use]
    pub fn bytes(self) -> usize {
        (usize::from(self.shift) + usize::from(self.width)).div_ceil(8)
    }
}

/// An enumeration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Enum {
    /// Its tag; `None` for an anonymous one.
    pub name: Option<Arc<str>>,
    /// Its size.
    pub bytes: u64,
    /// Whether its values are signed.
    pub signed: bool,
    /// Names and values in order.
    pub enumerators: Vec<(Arc<str>, i128)>,
    /// Whether this is only a declaration.
    pub declaration: bool,
}

/// A type qualifier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Qualifier {
    /// `const`
    Const,
    /// `volatile`
    Volatile,
    /// `restrict`
    Restrict,
    /// `_Atomic`
    Atomic,
}

impl RecordKind {
    /// The keyword.
    #[must_use]
    pub const fn keyword(self) -> &'static str {
        match self {
            Self::Struct => "struct",
            Self::Union => "union",
            Self::Class => "class",
        }
    }
}

impl Qualifier {
    /// The keyword.
    #[must_use]
    pub const fn keyword(self) -> &'static str {
        match self {
            Self::Const => "const",
            Self::Volatile => "volatile",
            Self::Restrict => "restrict",
            Self::Atomic => "_Atomic",
        }
    }
}

/// Why a type could not be decoded.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TypeError {
    /// There is no such unit, or its header is damaged.
    #[error("unit {0} of the debug information cannot be read")]
    Unit(u32),
    /// The entry or one of its children is damaged.
    #[error("damaged type at offset {offset:#x} of unit {unit}: {reason}")]
    Damaged {
        /// The unit.
        unit: u32,
        /// The entry's offset in it.
        offset: usize,
        /// What the reader found.
        reason: gimli::Error,
    },
    /// The entry describes something else.
    #[error("the entry at offset {offset:#x} of unit {unit} is no type but a {tag}")]
    NotAType {
        /// The unit.
        unit: u32,
        /// The entry's offset in it.
        offset: usize,
        /// What it is.
        tag: gimli::DwTag,
    },
}

impl Image {
    /// Decodes a type: this entry and its members, nothing below.
    ///
    /// # Errors
    /// The entry is damaged or no type.
    pub fn type_of(&self, id: TypeId) -> Result<Arc<Type>, TypeError> {
        self.types
            .get_or_decode(id, || decode::decode(self, id).map(Arc::new))
    }
}
