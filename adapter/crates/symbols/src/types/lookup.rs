//! Types by name, and where the members of a record lie.

use super::{BitField, Encoding, MAX_CHAIN, RecordKind, Type, TypeId};
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
    /// The type C calls `text`: a tag (`struct vcpu`), a typedef, a base type in any word order, each with `*` and `[n]`
    /// after it. Many units repeat a definition; the first is taken, and a declaration only where there is none.
    #[must_use]
    pub fn type_named(&self, text: &str) -> Option<TypeId> {
        let split = text.find(['*', '[']).unwrap_or(text.len());
        let (specifier, declarator) = text.split_at(split);
        let mut ty = self.specifier_named(specifier);
        let mut rest = declarator.trim_start();
        loop {
            if let Some(after) = rest.strip_prefix('*') {
                let to = match ty {
                    None if is_void(specifier) => None,
                    None => return None,
                    known => known,
                };
                ty = Some(self.pointer_to(to));
                rest = after.trim_start();
            } else if let Some(after) = strip_qualifier(rest) {
                rest = after.trim_start();
            } else {
                break;
            }
        }
        let dimensions = dimensions(rest)?;
        match (ty, dimensions.is_empty()) {
            (ty, true) => ty,
            (Some(element), false) => Some(self.array_of(element, dimensions)),
            (None, false) => None,
        }
    }

    /// A type name without `*` and `[]`.
    fn specifier_named(&self, specifier: &str) -> Option<TypeId> {
        let words: Vec<&str> = specifier
            .split_whitespace()
            .filter(|word| !QUALIFIERS.contains(word))
            .collect();
        match words.as_slice() {
            ["struct", tag] => self.tagged(tag, Tag::Record(RecordKind::Struct)),
            ["union", tag] => self.tagged(tag, Tag::Record(RecordKind::Union)),
            ["class", tag] => self.tagged(tag, Tag::Record(RecordKind::Class)),
            ["enum", tag] => self.tagged(tag, Tag::Enum),
            words => base_type(words)
                .map(|(name, bytes, encoding)| {
                    self.tagged(name, Tag::None)
                        .unwrap_or_else(|| self.made_base(name, bytes, encoding))
                })
                .or_else(|| match words {
                    [name] => self.tagged(name, Tag::None),
                    _ => None,
                }),
        }
    }

    /// The type called `name` in the namespace of `tag`, a definition if there is one.
    fn tagged(&self, name: &str, tag: Tag) -> Option<TypeId> {
        let found = self.types_by_name(name);
        let entry = found.iter().find(|entry| tag.fits(entry.tag))?;
        Some(TypeId {
            unit: entry.unit,
            offset: entry.offset,
        })
    }

    /// The definition of a type that is only declared here, where the image has one.
    #[must_use]
    pub fn complete(&self, id: TypeId) -> TypeId {
        let Ok(ty) = self.type_of(id) else { return id };
        let (name, tag) = match &*ty {
            Type::Record(record) if record.declaration => (&record.name, Tag::Record(record.kind)),
            Type::Enum(declared) if declared.declaration => (&declared.name, Tag::Enum),
            _ => return id,
        };
        let found = name.as_deref().and_then(|name| self.tagged(name, tag));
        found.unwrap_or(id)
    }

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

const QUALIFIERS: [&str; 5] = ["const", "volatile", "restrict", "__restrict", "_Atomic"];

/// C's two namespaces of types.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Tag {
    None,
    Record(RecordKind),
    Enum,
}

impl Tag {
    fn fits(self, tag: gimli::DwTag) -> bool {
        use gimli::constants as dw;
        match self {
            Self::None => matches!(
                tag,
                dw::DW_TAG_typedef | dw::DW_TAG_base_type | dw::DW_TAG_class_type
            ),
            Self::Record(RecordKind::Union) => tag == dw::DW_TAG_union_type,
            Self::Record(_) => {
                matches!(tag, dw::DW_TAG_structure_type | dw::DW_TAG_class_type)
            }
            Self::Enum => tag == dw::DW_TAG_enumeration_type,
        }
    }
}

fn is_void(specifier: &str) -> bool {
    let mut words = specifier
        .split_whitespace()
        .filter(|word| !QUALIFIERS.contains(word));
    words.next() == Some("void") && words.next().is_none()
}

fn strip_qualifier(text: &str) -> Option<&str> {
    QUALIFIERS.iter().find_map(|word| {
        let rest = text.strip_prefix(word)?;
        (!rest.starts_with(|c: char| c.is_alphanumeric() || c == '_')).then_some(rest)
    })
}

/// `[4][]` to lengths; `None` when it is anything else.
fn dimensions(mut text: &str) -> Option<Vec<Option<u64>>> {
    let mut lengths = Vec::new();
    loop {
        text = text.trim_start();
        if text.is_empty() {
            return Some(lengths);
        }
        let (length, rest) = text.strip_prefix('[')?.split_once(']')?;
        lengths.push(match length.trim() {
            "" => None,
            number => Some(number.parse().ok()?),
        });
        text = rest;
    }
}

/// C's base types in any order of their words, as GCC and Clang name them for LP64 (AAPCS64 section 5.1).
fn base_type(words: &[&str]) -> Option<(&'static str, u64, Encoding)> {
    let count = |word: &str| words.iter().filter(|found| **found == word).count();
    let known = [
        "signed", "unsigned", "long", "short", "int", "char", "double",
    ];
    let (signed, unsigned, long) = (count("signed") > 0, count("unsigned") > 0, count("long"));
    if let [word] = words {
        match *word {
            "_Bool" => return Some(("_Bool", 1, Encoding::Bool)),
            "float" => return Some(("float", 4, Encoding::Float)),
            "__int128" => return Some(("__int128", 16, Encoding::Signed)),
            _ => {}
        }
    }
    if words == ["unsigned", "__int128"] {
        return Some(("__int128 unsigned", 16, Encoding::Unsigned));
    }
    if words.is_empty() || !words.iter().all(|word| known.contains(word)) || (signed && unsigned) {
        return None;
    }
    let sign = |s, u, bytes| match unsigned {
        true => Some((u, bytes, Encoding::Unsigned)),
        false => Some((s, bytes, Encoding::Signed)),
    };
    match (count("char"), count("short"), long, count("double")) {
        (1, 0, 0, 0) if signed => Some(("signed char", 1, Encoding::Signed)),
        (1, 0, 0, 0) if unsigned => Some(("unsigned char", 1, Encoding::Unsigned)),
        (1, 0, 0, 0) => Some(("char", 1, Encoding::Char { signed: false })),
        (0, 1, 0, 0) => sign("short int", "short unsigned int", 2),
        (0, 0, 1, 0) => sign("long int", "long unsigned int", 8),
        (0, 0, 2, 0) => sign("long long int", "long long unsigned int", 8),
        (0, 0, 0, 0) => sign("int", "unsigned int", 4),
        (0, 0, 0, 1) => Some(("double", 8, Encoding::Float)),
        (0, 0, 1, 1) => Some(("long double", 16, Encoding::Float)),
        _ => None,
    }
}
