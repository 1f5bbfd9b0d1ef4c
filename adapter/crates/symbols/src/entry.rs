//! What types and variables both read from a debugging information entry.

use std::sync::Arc;

use gimli::{
    AttributeValue, DW_AT_abstract_origin, DW_AT_name, DW_AT_specification, DW_AT_type, DwAt,
    UnitOffset,
};

use crate::Image;
use crate::image::Slice;
use crate::types::{TypeError, TypeId};

/// How many references are followed from an entry to the one that says what was asked.
const MAX_HOPS: usize = 8;

/// An entry as gimli reads it.
pub(crate) type Entry<'i> = gimli::DebuggingInformationEntry<Slice<'i>>;

/// A unit opened for reading entries.
pub(crate) struct OpenUnit<'i> {
    pub(crate) image: &'i Image,
    pub(crate) index: u32,
    pub(crate) dwarf: gimli::Dwarf<Slice<'i>>,
    pub(crate) unit: gimli::Unit<Slice<'i>>,
}

impl<'i> OpenUnit<'i> {
    /// Opens unit `index` of `image`.
    pub(crate) fn open(image: &'i Image, index: u32) -> Result<Self, TypeError> {
        Ok(Self {
            image,
            index,
            dwarf: image.dwarf(),
            unit: image.unit(index).map_err(|_| TypeError::Unit(index))?,
        })
    }

    /// The entry at `offset`.
    pub(crate) fn entry(&self, offset: usize) -> Result<Entry<'i>, TypeError> {
        self.unit
            .entry(UnitOffset(offset))
            .map_err(|reason| self.damaged(offset, reason))
    }

    /// Gives `visit` every child of the entry at `offset`, until it says `false`.
    pub(crate) fn children(
        &self,
        offset: usize,
        mut visit: impl FnMut(&Entry<'i>) -> bool,
    ) -> Result<(), gimli::Error> {
        let mut cursor = self.unit.entries_at_offset(UnitOffset(offset))?;
        if !cursor.next_entry()? || !cursor.current().is_some_and(Entry::has_children) {
            return Ok(());
        }
        if !cursor.next_entry()? {
            return Ok(());
        }
        let mut child = cursor.current();
        while let Some(entry) = child {
            if !visit(entry) {
                break;
            }
            child = cursor.next_sibling()?;
        }
        Ok(())
    }

    /// The error that says the entry at `offset` is damaged.
    pub(crate) fn damaged(&self, offset: usize, reason: gimli::Error) -> TypeError {
        TypeError::Damaged {
            unit: self.index,
            offset,
            reason,
        }
    }

    /// `DW_AT_name`, with bytes that are no UTF-8 replaced.
    pub(crate) fn name(&self, entry: &Entry<'i>) -> Option<Arc<str>> {
        let value = entry.attr_value(DW_AT_name)?;
        let name = self.dwarf.attr_string(&self.unit, value).ok()?;
        Some(Arc::from(name.to_string_lossy()))
    }

    /// What `find` finds at the entry, or at the entry it stands for (`DW_AT_abstract_origin`, `DW_AT_specification`).
    pub(crate) fn inherited<T>(
        &self,
        entry: &Entry<'i>,
        find: impl Fn(&OpenUnit<'i>, &Entry<'i>) -> Option<T>,
    ) -> Option<T> {
        if let Some(found) = find(self, entry) {
            return Some(found);
        }
        let mut next = self.origin(entry)?;
        for _ in 0..MAX_HOPS {
            let home = OpenUnit::open(self.image, next.unit).ok()?;
            let entry = home.entry(next.offset).ok()?;
            if let Some(found) = find(&home, &entry) {
                return Some(found);
            }
            next = home.origin(&entry)?;
        }
        None
    }

    /// The entry this one stands for.
    pub(crate) fn origin(&self, entry: &Entry<'i>) -> Option<TypeId> {
        self.reference(entry, DW_AT_abstract_origin)
            .or_else(|| self.reference(entry, DW_AT_specification))
    }

    /// `DW_AT_type`.
    pub(crate) fn type_attr(&self, entry: &Entry<'i>) -> Option<TypeId> {
        self.reference(entry, DW_AT_type)
    }

    /// A reference to another entry, in this unit or elsewhere in `.debug_info`.
    pub(crate) fn reference(&self, entry: &Entry<'i>, attr: DwAt) -> Option<TypeId> {
        match entry.attr_value(attr)? {
            AttributeValue::UnitRef(offset) => Some(TypeId {
                unit: self.index,
                offset: offset.0,
            }),
            AttributeValue::DebugInfoRef(offset) => {
                let (unit, offset) = self.image.unit_of_offset(offset)?;
                Some(TypeId {
                    unit,
                    offset: offset.0,
                })
            }
            _ => None,
        }
    }
}

/// A constant attribute that is not negative.
pub(crate) fn unsigned(entry: &Entry<'_>, attr: DwAt) -> Option<u64> {
    entry.attr_value(attr)?.udata_value()
}

/// A flag, `false` when absent.
pub(crate) fn flag(entry: &Entry<'_>, attr: DwAt) -> bool {
    matches!(entry.attr_value(attr), Some(AttributeValue::Flag(true)))
}

/// A constant attribute of either sign, wide enough for both.
pub(crate) fn constant(entry: &Entry<'_>, attr: DwAt, signed: bool) -> Option<i128> {
    let value = entry.attr_value(attr)?;
    match (&value, signed) {
        (AttributeValue::Sdata(value), _) => Some(i128::from(*value)),
        (AttributeValue::Data16(value), _) => Some(*value as i128),
        (_, true) => value.sdata_value().map(i128::from),
        (_, false) => value.udata_value().map(i128::from),
    }
}
