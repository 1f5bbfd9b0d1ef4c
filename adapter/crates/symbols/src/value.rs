//! Values: a type at a place, read only when somebody looks.
//!
//! A [`Value`] costs nothing to make: members, elements and dereferenced pointers are values again, and only
//! [`bytes`](Value::bytes), [`scalar`](Value::scalar) and [`show`](Value::show) read memory. What cannot be read is an
//! error of that value alone. Start with [`Value::children`] for trees and [`Value::member`] for expressions.

use std::sync::Arc;

use machine::{MemoryFault, Va, VirtualMemory};

use crate::Image;
use crate::location::Place;
use crate::types::{BitField, Type, TypeId};

mod children;
mod read;
mod scalar;
mod show;
mod text;

pub use children::{Child, Children, Step};
pub use scalar::Scalar;
pub use show::Viewer;

/// A type at a place of one image.
#[derive(Clone, Debug)]
pub struct Value {
    image: Arc<Image>,
    ty: Option<TypeId>,
    place: Place,
    /// Bytes into a place that is not memory.
    skip: u64,
    bits: Option<BitField>,
}

/// Why a value could not be had.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ValueError {
    /// Its memory cannot be read.
    #[error(transparent)]
    Memory(#[from] MemoryFault),
    /// The compiler kept nothing that tells it here.
    #[error("optimized out")]
    OptimizedOut,
    /// Larger than anything is read at once.
    #[error("{0} bytes are too many to read at once")]
    TooLarge(u64),
    /// `void`, a function, or a type that is only declared.
    #[error("the size of {0} is not known")]
    NoSize(String),
    /// A number was wanted.
    #[error("{0} is not a number or pointer")]
    NotScalar(String),
    /// A pointer or array was wanted.
    #[error("{0} is not a pointer or array")]
    NotPointer(String),
    /// A `struct`, `union` or pointer to one was wanted.
    #[error("{0} has no members")]
    NotRecord(String),
    /// There is no such member.
    #[error("{ty} has no member `{name}`")]
    NoMember {
        /// The type.
        ty: String,
        /// The name.
        name: String,
    },
    /// It is in a register, or nowhere.
    #[error("it is not in memory and has no address")]
    NoAddress,
}

impl Value {
    /// The value of type `ty` at `place`.
    #[must_use]
    pub fn new(image: Arc<Image>, ty: Option<TypeId>, place: Place) -> Self {
        Self {
            image,
            ty,
            place,
            skip: 0,
            bits: None,
        }
    }

    /// A number or pointer that is nowhere: a constant or the result of arithmetic.
    #[must_use]
    pub fn constant(image: Arc<Image>, ty: TypeId, number: i128) -> Self {
        let bytes = number.to_le_bytes();
        Self::new(image, Some(ty), Place::Bytes(bytes.as_slice().into()))
    }

    /// The image its type is of.
    #[must_use]
    pub fn image(&self) -> &Arc<Image> {
        &self.image
    }

    /// Its type; `None` is `void`.
    #[must_use]
    pub fn ty(&self) -> Option<TypeId> {
        self.ty
    }

    /// Where it is.
    #[must_use]
    pub fn place(&self) -> &Place {
        &self.place
    }

    /// Its bits, when it is a bit-field.
    #[must_use]
    pub fn bits(&self) -> Option<BitField> {
        self.bits
    }

    /// Its type as C writes it.
    #[must_use]
    pub fn type_name(&self) -> String {
        self.image.spell(self.ty)
    }

    /// Its size in bytes.
    #[must_use]
    pub fn size(&self) -> Option<u64> {
        self.image.size_of(self.ty?)
    }

    /// Its address.
    ///
    /// # Errors
    /// [`ValueError::NoAddress`] for a bit-field and for what is not in memory.
    pub fn address(&self) -> Result<Va, ValueError> {
        match (&self.place, self.bits) {
            (Place::Memory(address), None) => Ok(*address),
            _ => Err(ValueError::NoAddress),
        }
    }

    /// A pointer to it: C's `&`.
    ///
    /// # Errors
    /// As [`address`](Self::address).
    pub fn address_of(&self) -> Result<Self, ValueError> {
        let address = self.address()?;
        let ty = self.image.pointer_to(self.ty);
        Ok(Self::constant(
            self.image.clone(),
            ty,
            i128::from(address.0),
        ))
    }

    /// The member `name`, of a record or of what a pointer points to: C's `.` and `->`.
    ///
    /// # Errors
    /// There is no such member, or the pointer cannot be read.
    pub fn member(&self, memory: &dyn VirtualMemory, name: &str) -> Result<Self, ValueError> {
        let record = match self.stripped().as_deref() {
            Some(Type::Pointer { .. }) => self.deref(memory)?,
            _ => self.clone(),
        };
        let ty = record.ty.ok_or_else(|| self.not_a_record())?;
        match record.image.member(ty, name) {
            Some(field) => Ok(record.at(field.offset, field.ty, field.bits)),
            None if !matches!(record.stripped().as_deref(), Some(Type::Record(_))) => {
                Err(self.not_a_record())
            }
            None => Err(ValueError::NoMember {
                ty: record.type_name(),
                name: name.to_owned(),
            }),
        }
    }

    /// Element `index` of an array, or of the array a pointer points into: C's `[]`. Bounds are not checked.
    ///
    /// # Errors
    /// It is neither, or the pointer cannot be read.
    pub fn index(&self, memory: &dyn VirtualMemory, index: i64) -> Result<Self, ValueError> {
        let ty = self.ty.ok_or_else(|| self.not_a_pointer())?;
        let (first, element) = match self.image.element(ty) {
            Some((element, _)) => (self.at(0, element, None), element),
            None => {
                let first = self.deref(memory)?;
                let element = first.ty.ok_or_else(|| self.not_a_pointer())?;
                (first, element)
            }
        };
        let size = self.image.size_of(element);
        let size = size.ok_or_else(|| ValueError::NoSize(self.image.spell(Some(element))))?;
        Ok(first.at((index as u64).wrapping_mul(size), element, None))
    }

    /// What a pointer points to, or an array's first element: C's `*`.
    ///
    /// # Errors
    /// It is neither, or the pointer cannot be read.
    pub fn deref(&self, memory: &dyn VirtualMemory) -> Result<Self, ValueError> {
        match self.stripped().as_deref() {
            Some(Type::Pointer { to, .. }) => {
                if let Place::Implicit { target, offset } = &self.place {
                    let target = target.as_ref().ok_or(ValueError::OptimizedOut)?;
                    let whole = Self::new(self.image.clone(), *to, (**target).clone());
                    return Ok(whole.moved(*offset as u64));
                }
                let address = self.pointer(memory)?;
                Ok(Self::new(self.image.clone(), *to, Place::Memory(address)))
            }
            Some(Type::Array { .. }) => self.index(memory, 0),
            Some(Type::Function { .. }) => Ok(self.clone()),
            _ => Err(self.not_a_pointer()),
        }
    }

    /// The same taken as another type: numbers and pointers are converted as C does, anything else is seen as it lies.
    ///
    /// # Errors
    /// A number was wanted and it has none, or it cannot be read.
    pub fn cast(&self, memory: &dyn VirtualMemory, ty: TypeId) -> Result<Self, ValueError> {
        let target = self.image.strip(ty);
        match self.image.type_of(target).as_deref() {
            Ok(Type::Base { .. } | Type::Pointer { .. } | Type::Enum(_)) => {
                let scalar = self.scalar(memory)?.converted(&self.image, target)?;
                Ok(Self::new(
                    self.image.clone(),
                    Some(ty),
                    Place::Bytes(scalar.to_bytes().into()),
                ))
            }
            _ => Ok(Self {
                ty: Some(ty),
                bits: None,
                ..self.clone()
            }),
        }
    }

    /// The pointer `elements` further on: C's pointer arithmetic. `void *` moves by bytes, as GCC does.
    ///
    /// # Errors
    /// It is no pointer or array, or cannot be read.
    pub fn advanced(&self, memory: &dyn VirtualMemory, elements: i64) -> Result<Self, ValueError> {
        let (to, address) = match self.stripped().as_deref() {
            Some(Type::Pointer { to, .. }) => (*to, self.pointer(memory)?),
            Some(Type::Array { .. }) => {
                let first = self.index(memory, 0)?;
                (first.ty, first.address()?)
            }
            _ => return Err(self.not_a_pointer()),
        };
        let size = match to {
            Some(to) => self.image.size_of(to).unwrap_or(1),
            None => 1,
        };
        let address = address.offset((elements as u64).wrapping_mul(size));
        let ty = self.image.pointer_to(to);
        Ok(Self::constant(
            self.image.clone(),
            ty,
            i128::from(address.0),
        ))
    }

    /// Part of it: `offset` bytes in, of another type.
    #[must_use]
    pub fn at(&self, offset: u64, ty: TypeId, bits: Option<BitField>) -> Self {
        Self {
            ty: Some(ty),
            bits,
            ..self.moved(offset)
        }
    }

    fn moved(&self, offset: u64) -> Self {
        let mut moved = self.clone();
        match &mut moved.place {
            Place::Memory(address) => *address = address.offset(offset),
            _ => moved.skip = moved.skip.wrapping_add(offset),
        }
        moved
    }

    /// Its type without typedefs and qualifiers; `None` for `void` and for what cannot be decoded.
    pub(crate) fn stripped(&self) -> Option<Arc<Type>> {
        self.image.type_of(self.image.strip(self.ty?)).ok()
    }

    /// The address a pointer holds.
    pub(crate) fn pointer(&self, memory: &dyn VirtualMemory) -> Result<Va, ValueError> {
        let mut word = [0; 8];
        self.read(memory, 0, &mut word)?;
        Ok(Va(u64::from_le_bytes(word)))
    }

    fn not_a_pointer(&self) -> ValueError {
        ValueError::NotPointer(self.type_name())
    }

    fn not_a_record(&self) -> ValueError {
        ValueError::NotRecord(self.type_name())
    }
}
