//! What a type is beneath its names, how large it is, and where its members lie.

use super::{BitField, MAX_CHAIN, Type, TypeId, names::dimensions};
use crate::Image;

/// Records looked through for one name: anonymous members nest, and hostile ones contain themselves.
const MAX_RECORDS: usize = 256;

/// Where a member lies and what it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field {
    /// Bytes from the start of the type asked.
    pub offset: u64,
    /// Its type.
    pub ty: TypeId,
    /// Its size in bytes; 0 for an array without length.
    pub size: u64,
    /// Which bits, for a bit-field.
    pub bits: Option<BitField>,
}

impl Image {
    /// The type without typedefs and qualifiers, defined where it was only declared. A name for `void` stays as it is.
    #[must_use]
    pub fn strip(&self, id: TypeId) -> TypeId {
        let mut current = id;
        for _ in 0..MAX_CHAIN {
            match self.type_of(current).as_deref() {
                Ok(Type::Typedef { to: Some(to), .. } | Type::Qualified { to: Some(to), .. }) => {
                    current = *to;
                }
                Ok(Type::Record(_) | Type::Enum(_)) => return self.complete(current),
                _ => return current,
            }
        }
        current
    }

    /// The size of a type in bytes; `None` for functions, `void`, and what is only declared or has no known length.
    #[must_use]
    pub fn size_of(&self, id: TypeId) -> Option<u64> {
        let mut factor: u64 = 1;
        let mut current = self.strip(id);
        for _ in 0..MAX_CHAIN {
            let own = match &*self.type_of(current).ok()? {
                Type::Base { bytes, .. } | Type::Pointer { bytes, .. } => *bytes,
                Type::Record(record) if !record.declaration => record.bytes,
                Type::Enum(enumeration) if !enumeration.declaration => enumeration.bytes,
                Type::Array {
                    element,
                    dimensions,
                } => {
                    for length in dimensions {
                        factor = factor.checked_mul((*length)?)?;
                    }
                    current = self.strip(*element);
                    continue;
                }
                _ => return None,
            };
            return own.checked_mul(factor);
        }
        None
    }

    /// Where the member at `path` lies: `arch.p2m.vmid`, `time[2]`; anonymous structs and unions are looked through.
    #[must_use]
    pub fn field(&self, id: TypeId, path: &str) -> Option<Field> {
        let mut field = Field {
            offset: 0,
            ty: id,
            size: 0,
            bits: None,
        };
        for part in path.split('.') {
            let (name, indices) = part.split_at(part.find('[').unwrap_or(part.len()));
            let member = self.member(field.ty, name)?;
            field.offset = field.offset.checked_add(member.offset)?;
            field.ty = member.ty;
            field.bits = member.bits;
            for index in dimensions(indices)? {
                let (element, _) = self.element(field.ty)?;
                let skipped = index?.checked_mul(self.size_of(element)?)?;
                field.offset = field.offset.checked_add(skipped)?;
                field.ty = element;
            }
        }
        field.size = self.size_of(field.ty).unwrap_or(0);
        Some(field)
    }

    /// The member called `name` of a record, its offset counted from the record: through anonymous members and bases.
    #[must_use]
    pub fn member(&self, id: TypeId, name: &str) -> Option<Field> {
        let mut open = vec![(id, 0u64)];
        for _ in 0..MAX_RECORDS {
            let (id, base) = open.pop()?;
            let decoded = self.type_of(self.strip(id)).ok()?;
            let Type::Record(record) = &*decoded else {
                continue;
            };
            for member in &record.members {
                let offset = base.wrapping_add(member.offset);
                match &member.name {
                    Some(found) if **found == *name => {
                        return Some(Field {
                            offset,
                            ty: member.ty,
                            size: self.size_of(member.ty).unwrap_or(0),
                            bits: member.bits,
                        });
                    }
                    Some(_) => {}
                    None => open.push((member.ty, offset)),
                }
            }
        }
        None
    }

    /// An element of an array (a row, when it has several dimensions) and how many there are.
    #[must_use]
    pub fn element(&self, id: TypeId) -> Option<(TypeId, Option<u64>)> {
        match &*self.type_of(self.strip(id)).ok()? {
            Type::Array {
                element,
                dimensions,
            } => match dimensions.split_first() {
                Some((length, rest)) if !rest.is_empty() => {
                    Some((self.array_of(*element, rest.to_vec()), *length))
                }
                Some((length, _)) => Some((*element, *length)),
                None => Some((*element, None)),
            },
            _ => None,
        }
    }
}
