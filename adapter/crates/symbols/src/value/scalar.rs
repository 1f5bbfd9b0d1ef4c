//! Numbers in and out of values.

use machine::VirtualMemory;

use super::{Value, ValueError};
use crate::Image;
use crate::types::{BitField, Encoding, Type, TypeId};

/// A number, character, truth value, enumerator or pointer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Scalar {
    /// A whole number. One of 128 bits without sign is held by its bits.
    Int {
        /// Its value.
        value: i128,
        /// The size of its type.
        bytes: u8,
        /// Whether its type has a sign.
        signed: bool,
    },
    /// An IEEE 754 number.
    Float {
        /// Its value.
        value: f64,
        /// The size of its type.
        bytes: u8,
    },
}

impl Scalar {
    /// Its value as a whole number, as C converts it.
    #[must_use]
    pub fn as_int(self) -> i128 {
        match self {
            Self::Int { value, .. } => value,
            Self::Float { value, .. } => value as i128,
        }
    }

    /// Its value as a floating point number.
    #[must_use]
    pub fn as_float(self) -> f64 {
        match self {
            Self::Int {
                value,
                bytes: 16,
                signed: false,
            } => value as u128 as f64,
            Self::Int { value, .. } => value as f64,
            Self::Float { value, .. } => value,
        }
    }

    /// Whether C takes it as true.
    #[must_use]
    pub fn is_true(self) -> bool {
        match self {
            Self::Int { value, .. } => value != 0,
            Self::Float { value, .. } => value != 0.0,
        }
    }

    /// Cut to `bytes` and extended again by its sign.
    #[must_use]
    pub fn wrapped(value: i128, bytes: u8, signed: bool) -> Self {
        let bits = u32::from(bytes.clamp(1, 16)) * 8;
        Self::Int {
            value: extend(value, bits, signed),
            bytes: bytes.clamp(1, 16),
            signed,
        }
    }

    /// Its bytes as they would lie in memory.
    #[must_use]
    pub fn to_bytes(self) -> Vec<u8> {
        match self {
            Self::Int { value, bytes, .. } => {
                value.to_le_bytes()[..usize::from(bytes.min(16))].to_vec()
            }
            Self::Float { value, bytes: 4 } => (value as f32).to_le_bytes().to_vec(),
            Self::Float { value, .. } => value.to_le_bytes().to_vec(),
        }
    }

    /// It as a value of the number, pointer or enumeration type `ty`.
    ///
    /// # Errors
    /// `ty` is none of these.
    pub fn converted(self, image: &Image, ty: TypeId) -> Result<Self, ValueError> {
        let not_scalar = || ValueError::NotScalar(image.spell(Some(ty)));
        let form = image
            .type_of(image.strip(ty))
            .ok()
            .and_then(|ty| form(&ty))
            .ok_or_else(not_scalar)?;
        Ok(match form {
            Form::Bool { bytes } => Self::Int {
                value: i128::from(self.is_true()),
                bytes,
                signed: false,
            },
            Form::Int { bytes, signed } => Self::wrapped(self.as_int(), bytes, signed),
            Form::Float { bytes } => Self::Float {
                value: self.as_float(),
                bytes,
            },
        })
    }
}

/// How a scalar type is read.
#[derive(Clone, Copy)]
enum Form {
    Bool { bytes: u8 },
    Int { bytes: u8, signed: bool },
    Float { bytes: u8 },
}

fn form(ty: &Type) -> Option<Form> {
    let sized = |bytes: u64| {
        u8::try_from(bytes)
            .ok()
            .filter(|bytes| (1..=16).contains(bytes))
    };
    Some(match ty {
        Type::Base {
            bytes, encoding, ..
        } => {
            let bytes = sized(*bytes)?;
            match encoding {
                Encoding::Bool => Form::Bool { bytes },
                Encoding::Char { signed } => Form::Int {
                    bytes,
                    signed: *signed,
                },
                Encoding::Signed => Form::Int {
                    bytes,
                    signed: true,
                },
                Encoding::Unsigned | Encoding::Address => Form::Int {
                    bytes,
                    signed: false,
                },
                Encoding::Float if matches!(bytes, 4 | 8) => Form::Float { bytes },
                Encoding::Float | Encoding::Other => return None,
            }
        }
        Type::Pointer { bytes, .. } => Form::Int {
            bytes: sized(*bytes)?,
            signed: false,
        },
        Type::Enum(enumeration) => Form::Int {
            bytes: sized(enumeration.bytes)?,
            signed: enumeration.signed,
        },
        _ => return None,
    })
}

/// The low `bits` of `value`, extended by zeros or by the topmost of them.
fn extend(value: i128, bits: u32, signed: bool) -> i128 {
    let above = 128 - bits.clamp(1, 128);
    match signed {
        true => value << above >> above,
        false => ((value as u128) << above >> above) as i128,
    }
}

impl Value {
    /// Its number. Arrays and functions give their address, as in C.
    ///
    /// # Errors
    /// It is no number, or cannot be read.
    pub fn scalar(&self, memory: &dyn VirtualMemory) -> Result<Scalar, ValueError> {
        let ty = self.stripped();
        let not_scalar = || ValueError::NotScalar(self.type_name());
        if let Some(Type::Array { .. } | Type::Function { .. }) = ty.as_deref() {
            return Ok(Scalar::Int {
                value: i128::from(self.address()?.0),
                bytes: 8,
                signed: false,
            });
        }
        let form = ty.as_deref().and_then(form).ok_or_else(not_scalar)?;
        let (bytes, signed) = match form {
            Form::Bool { bytes } => (bytes, false),
            Form::Int { bytes, signed } => (bytes, signed),
            Form::Float { bytes } => {
                let mut raw = [0; 8];
                self.read(memory, 0, &mut raw[..usize::from(bytes.min(8))])?;
                let value = float(raw, bytes);
                return Ok(Scalar::Float { value, bytes });
            }
        };
        if let Some(bits) = self.bits {
            return Ok(Scalar::Int {
                value: self.bit_field(memory, bits, signed)?,
                bytes,
                signed,
            });
        }
        let mut raw = [0; 16];
        self.read(memory, 0, &mut raw[..usize::from(bytes)])?;
        Ok(Scalar::wrapped(i128::from_le_bytes(raw), bytes, signed))
    }

    fn bit_field(
        &self,
        memory: &dyn VirtualMemory,
        bits: BitField,
        signed: bool,
    ) -> Result<i128, ValueError> {
        let mut raw = [0; 17];
        self.read(memory, 0, &mut raw[..bits.bytes().min(17)])?;
        let mut value = 0u128;
        for bit in 0..usize::from(bits.width) {
            let from = usize::from(bits.shift) + bit;
            value |= u128::from(raw[from / 8] >> (from % 8) & 1) << bit;
        }
        Ok(extend(value as i128, u32::from(bits.width), signed))
    }
}

fn float(raw: [u8; 8], bytes: u8) -> f64 {
    let bits = u64::from_le_bytes(raw);
    match bytes {
        4 => f64::from(f32::from_bits(bits as u32)),
        _ => f64::from_bits(bits),
    }
}
