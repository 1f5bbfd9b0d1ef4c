//! What a value is made of, page by page: a huge array costs what is asked of it.

use std::fmt;
use std::sync::Arc;

use machine::VirtualMemory;

use super::Value;
use crate::location::Place;
use crate::types::{Record, RecordKind, Type};

/// How many children a value has: members by name, or elements by number, never both.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Children {
    /// Members, or what a pointer points to.
    pub named: u64,
    /// Elements.
    pub indexed: u64,
}

/// A part of a value.
#[derive(Clone, Debug)]
pub struct Child {
    /// How it is reached from its parent.
    pub step: Step,
    /// The part.
    pub value: Value,
}

/// How a child is reached from its parent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// A member of a record, or of the record a pointer points to.
    Member {
        /// Its name.
        name: Arc<str>,
        /// Whether the parent is the pointer.
        arrow: bool,
    },
    /// A struct or union without name, whose members count as the parent's.
    Anonymous {
        /// Its keyword.
        kind: RecordKind,
        /// Whether the parent is a pointer.
        arrow: bool,
    },
    /// An element.
    Index(u64),
    /// What a pointer points to.
    Deref,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Member { name, .. } => f.write_str(name),
            Self::Anonymous { kind, .. } => write!(f, "<anonymous {}>", kind.keyword()),
            Self::Index(index) => write!(f, "[{index}]"),
            Self::Deref => f.write_str("*"),
        }
    }
}

impl Step {
    /// The C expression for the child of the expression `parent`.
    #[must_use]
    pub fn expression(&self, parent: &str) -> String {
        let simple = parent
            .chars()
            .all(|c| c.is_alphanumeric() || "_.$[]>-!".contains(c));
        let parent = match simple || (parent.starts_with('(') && parent.ends_with(')')) {
            true => parent.to_owned(),
            false => format!("({parent})"),
        };
        match self {
            Self::Member { name, arrow: true } => format!("{parent}->{name}"),
            Self::Member { name, arrow: false } => format!("{parent}.{name}"),
            Self::Anonymous { arrow: false, .. } => parent,
            Self::Anonymous { arrow: true, .. } | Self::Deref => format!("(*{parent})"),
            Self::Index(index) => format!("{parent}[{index}]"),
        }
    }
}

/// What the children of a value are.
enum Parts {
    None,
    Members {
        whole: Value,
        record: Arc<Type>,
        arrow: bool,
    },
    Elements {
        first: Value,
        size: u64,
        length: u64,
    },
    Target(Value),
}

impl Value {
    /// How many children it has. A pointer to a record has the record's members, another pointer what it points to.
    #[must_use]
    pub fn child_count(&self, memory: &dyn VirtualMemory) -> Children {
        match self.parts(memory) {
            Parts::None => Children::default(),
            Parts::Members { record, .. } => Children {
                named: members(&record).map_or(0, |record| record.members.len() as u64),
                indexed: 0,
            },
            Parts::Elements { length, .. } => Children {
                named: 0,
                indexed: length,
            },
            Parts::Target(_) => Children {
                named: 1,
                indexed: 0,
            },
        }
    }

    /// Up to `count` children from number `start` on. Nothing of them is read yet.
    #[must_use]
    pub fn children(&self, memory: &dyn VirtualMemory, start: u64, count: u64) -> Vec<Child> {
        let range = |length: u64| start.min(length)..start.saturating_add(count).min(length);
        match self.parts(memory) {
            Parts::None => Vec::new(),
            Parts::Members {
                whole,
                record,
                arrow,
            } => {
                let all = members(&record).map_or(&[][..], |record| &record.members);
                let range = range(all.len() as u64);
                all[range.start as usize..range.end as usize]
                    .iter()
                    .map(|member| Child {
                        step: match &member.name {
                            Some(name) => Step::Member {
                                name: name.clone(),
                                arrow,
                            },
                            None => Step::Anonymous {
                                kind: whole.record_kind(member.ty),
                                arrow,
                            },
                        },
                        value: whole.at(member.offset, member.ty, member.bits),
                    })
                    .collect()
            }
            Parts::Elements {
                first,
                size,
                length,
            } => range(length)
                .map(|index| Child {
                    step: Step::Index(index),
                    value: first.moved(index.wrapping_mul(size)),
                })
                .collect(),
            Parts::Target(value) => range(1)
                .map(|_| Child {
                    step: Step::Deref,
                    value: value.clone(),
                })
                .collect(),
        }
    }

    fn parts(&self, memory: &dyn VirtualMemory) -> Parts {
        let Some(ty) = self.stripped() else {
            return Parts::None;
        };
        match &*ty {
            Type::Record(_) => Parts::Members {
                whole: self.clone(),
                record: ty,
                arrow: false,
            },
            Type::Array { .. } => self.elements().unwrap_or(Parts::None),
            Type::Pointer { .. } => self.target(memory).unwrap_or(Parts::None),
            _ => Parts::None,
        }
    }

    fn elements(&self) -> Option<Parts> {
        let (element, length) = self.image.element(self.ty?)?;
        Some(Parts::Elements {
            first: self.at(0, element, None),
            size: self.image.size_of(element)?,
            length: length.unwrap_or(0),
        })
    }

    /// What a pointer leads to; nothing for NULL, `void *`, functions and pointers that cannot be read.
    fn target(&self, memory: &dyn VirtualMemory) -> Option<Parts> {
        let target = self.deref(memory).ok()?;
        if target.place == Place::Memory(machine::Va(0)) {
            return None;
        }
        let ty = target.stripped()?;
        match &*ty {
            Type::Record(record) if record.declaration => None,
            Type::Record(_) => Some(Parts::Members {
                whole: target,
                record: ty,
                arrow: true,
            }),
            Type::Function { .. } | Type::Typedef { .. } | Type::Qualified { .. } => None,
            _ => Some(Parts::Target(target)),
        }
    }

    fn record_kind(&self, ty: crate::TypeId) -> RecordKind {
        match self.image.type_of(self.image.strip(ty)).as_deref() {
            Ok(Type::Record(record)) => record.kind,
            _ => RecordKind::Struct,
        }
    }
}

fn members(ty: &Type) -> Option<&Record> {
    match ty {
        Type::Record(record) => Some(record),
        _ => None,
    }
}
