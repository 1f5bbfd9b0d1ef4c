//! Types by the names C gives them.

use super::{Encoding, RecordKind, Type, TypeId};
use crate::Image;

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
pub(super) fn dimensions(mut text: &str) -> Option<Vec<Option<u64>>> {
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
