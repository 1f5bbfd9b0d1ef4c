//! One debugging information entry to one [`Type`].

use std::sync::Arc;

use gimli::{AttributeValue, DwTag, constants as dw};

use super::{
    BitField, Encoding, Enum, MAX_CHAIN, Member, Qualifier, Record, RecordKind, Type, TypeError,
    TypeId,
};
use crate::Image;
use crate::entry::{Entry, OpenUnit, constant, flag, unsigned};

/// Size of a pointer where the entry does not say (AAPCS64: 8 bytes).
const POINTER_BYTES: u64 = 8;

/// Decodes the entry `id` and its direct children.
pub(super) fn decode(image: &Image, id: TypeId) -> Result<Type, TypeError> {
    let unit = OpenUnit::open(image, id.unit)?;
    let entry = unit.entry(id.offset)?;
    let damaged = |reason| unit.damaged(id.offset, reason);
    let to = unit.type_attr(&entry);
    Ok(match entry.tag() {
        dw::DW_TAG_base_type => base(&unit, &entry),
        dw::DW_TAG_unspecified_type => Type::Typedef {
            name: name_or(&unit, &entry, "void"),
            to: None,
        },
        dw::DW_TAG_pointer_type
        | dw::DW_TAG_reference_type
        | dw::DW_TAG_rvalue_reference_type
        | dw::DW_TAG_ptr_to_member_type => Type::Pointer {
            to,
            bytes: byte_size(&entry).unwrap_or(POINTER_BYTES),
        },
        dw::DW_TAG_structure_type | dw::DW_TAG_union_type | dw::DW_TAG_class_type => {
            Type::Record(record(&unit, &entry).map_err(damaged)?)
        }
        dw::DW_TAG_enumeration_type => Type::Enum(enumeration(&unit, &entry).map_err(damaged)?),
        dw::DW_TAG_array_type => array(&unit, &entry).map_err(damaged)?,
        dw::DW_TAG_typedef => Type::Typedef {
            name: name_or(&unit, &entry, "<unnamed>"),
            to,
        },
        dw::DW_TAG_subroutine_type | dw::DW_TAG_subprogram => {
            function(&unit, &entry).map_err(damaged)?
        }
        tag => match qualifier(tag) {
            Some(qualifier) => Type::Qualified { qualifier, to },
            None => {
                return Err(TypeError::NotAType {
                    unit: id.unit,
                    offset: id.offset,
                    tag,
                });
            }
        },
    })
}

fn qualifier(tag: DwTag) -> Option<Qualifier> {
    match tag {
        dw::DW_TAG_const_type => Some(Qualifier::Const),
        dw::DW_TAG_volatile_type => Some(Qualifier::Volatile),
        dw::DW_TAG_restrict_type => Some(Qualifier::Restrict),
        dw::DW_TAG_atomic_type => Some(Qualifier::Atomic),
        _ => None,
    }
}

fn name_or<'i>(unit: &OpenUnit<'i>, entry: &Entry<'i>, otherwise: &str) -> Arc<str> {
    unit.name(entry).unwrap_or_else(|| Arc::from(otherwise))
}

fn byte_size(entry: &Entry<'_>) -> Option<u64> {
    unsigned(entry, dw::DW_AT_byte_size)
        .or_else(|| unsigned(entry, dw::DW_AT_bit_size).map(|bits| bits.div_ceil(8)))
}

fn base<'i>(unit: &OpenUnit<'i>, entry: &Entry<'i>) -> Type {
    let encoding = match entry.attr_value(dw::DW_AT_encoding) {
        Some(AttributeValue::Encoding(encoding)) => encoding,
        _ => dw::DwAte(0),
    };
    Type::Base {
        name: name_or(unit, entry, "<unnamed>"),
        bytes: byte_size(entry).unwrap_or(0),
        encoding: match encoding {
            dw::DW_ATE_boolean => Encoding::Bool,
            dw::DW_ATE_signed_char => char_or_byte(unit, entry, true),
            dw::DW_ATE_unsigned_char => char_or_byte(unit, entry, false),
            dw::DW_ATE_UTF | dw::DW_ATE_UCS | dw::DW_ATE_ASCII => Encoding::Char { signed: false },
            dw::DW_ATE_signed | dw::DW_ATE_signed_fixed => Encoding::Signed,
            dw::DW_ATE_unsigned | dw::DW_ATE_unsigned_fixed => Encoding::Unsigned,
            dw::DW_ATE_float => Encoding::Float,
            dw::DW_ATE_address => Encoding::Address,
            _ => Encoding::Other,
        },
    }
}

/// C's `signed char` and `unsigned char` are its 8-bit numbers (`s8`, `u8`); only plain `char` holds text.
fn char_or_byte<'i>(unit: &OpenUnit<'i>, entry: &Entry<'i>, signed: bool) -> Encoding {
    match unit.name(entry).as_deref() {
        Some("unsigned char") => Encoding::Unsigned,
        Some("signed char") => Encoding::Signed,
        _ => Encoding::Char { signed },
    }
}

fn record<'i>(unit: &OpenUnit<'i>, entry: &Entry<'i>) -> Result<Record, gimli::Error> {
    let kind = match entry.tag() {
        dw::DW_TAG_union_type => RecordKind::Union,
        dw::DW_TAG_class_type => RecordKind::Class,
        _ => RecordKind::Struct,
    };
    let mut members = Vec::new();
    unit.children(entry.offset().0, |child| {
        if matches!(child.tag(), dw::DW_TAG_member | dw::DW_TAG_inheritance)
            && !flag(child, dw::DW_AT_external)
            && let Some(member) = member(unit, child)
        {
            members.push(member);
        }
        true
    })?;
    Ok(Record {
        kind,
        name: unit.name(entry),
        bytes: byte_size(entry).unwrap_or(0),
        members,
        declaration: flag(entry, dw::DW_AT_declaration),
    })
}

/// A data member (DWARF 5 section 5.7.6). `None` when it has no type.
fn member<'i>(unit: &OpenUnit<'i>, entry: &Entry<'i>) -> Option<Member> {
    let ty = unit.type_attr(entry)?;
    let bytes = member_location(entry);
    let (offset, bits) = match unsigned(entry, dw::DW_AT_bit_size) {
        Some(width) => {
            let first = bytes
                .wrapping_mul(8)
                .wrapping_add(lowest_bit(unit, entry, ty, width));
            let bits = BitField {
                shift: (first % 8) as u8,
                width: u8::try_from(width.min(128)).ok()?,
            };
            (first / 8, Some(bits))
        }
        None => (bytes, None),
    };
    Some(Member {
        name: unit.name(entry).filter(|name| !name.is_empty()),
        ty,
        offset,
        bits,
    })
}

/// `DW_AT_data_member_location`: a number, or in old DWARF an expression of one `DW_OP_plus_uconst`.
fn member_location(entry: &Entry<'_>) -> u64 {
    let Some(value) = entry.attr_value(dw::DW_AT_data_member_location) else {
        return 0;
    };
    if let Some(number) = value.udata_value() {
        return number;
    }
    let Some(expression) = value.exprloc_value() else {
        return 0;
    };
    let bytes = expression.0.slice();
    match bytes.split_first() {
        Some((&op, rest)) if op == dw::DW_OP_plus_uconst.0 => {
            let mut rest = gimli::EndianSlice::new(rest, gimli::LittleEndian);
            gimli::Reader::read_uleb128(&mut rest).unwrap_or(0)
        }
        _ => 0,
    }
}

/// The lowest bit of a bit-field, counted from `DW_AT_data_member_location`.
///
/// DWARF 4 and 5: `DW_AT_data_bit_offset`, which on a little-endian target counts from the lowest bit. Before (DWARF 3
/// section 5.5.6, still written by GCC in DWARF 4 files): `DW_AT_bit_offset` counts from the *highest* bit of a storage
/// unit of `DW_AT_byte_size` bytes, so `lowest = 8 * bytes - bit_offset - width`.
fn lowest_bit<'i>(unit: &OpenUnit<'i>, entry: &Entry<'i>, ty: TypeId, width: u64) -> u64 {
    if let Some(bit) = unsigned(entry, dw::DW_AT_data_bit_offset) {
        return bit;
    }
    let Some(from_top) = entry
        .attr_value(dw::DW_AT_bit_offset)
        .and_then(|value| match value {
            AttributeValue::Sdata(bits) => Some(bits as u64),
            other => other.udata_value(),
        })
    else {
        return 0;
    };
    let storage = unsigned(entry, dw::DW_AT_byte_size)
        .or_else(|| storage_size(unit, ty))
        .unwrap_or(4);
    storage
        .wrapping_mul(8)
        .wrapping_sub(from_top)
        .wrapping_sub(width)
}

/// The size of a bit-field's declared type, when that type is in the same unit.
fn storage_size(unit: &OpenUnit<'_>, mut ty: TypeId) -> Option<u64> {
    for _ in 0..MAX_CHAIN {
        if ty.unit != unit.index {
            return None;
        }
        let entry = unit.entry(ty.offset).ok()?;
        if let Some(size) = byte_size(&entry) {
            return Some(size);
        }
        ty = unit.type_attr(&entry)?;
    }
    None
}

fn enumeration<'i>(unit: &OpenUnit<'i>, entry: &Entry<'i>) -> Result<Enum, gimli::Error> {
    let signed = is_signed(unit, entry);
    let mut enumerators = Vec::new();
    unit.children(entry.offset().0, |child| {
        if child.tag() == dw::DW_TAG_enumerator
            && let Some(name) = unit.name(child)
        {
            let value = constant(child, dw::DW_AT_const_value, signed).unwrap_or(0);
            enumerators.push((name, value));
        }
        true
    })?;
    Ok(Enum {
        name: unit.name(entry),
        bytes: byte_size(entry).unwrap_or(4),
        signed: signed || enumerators.iter().any(|(_, value)| *value < 0),
        enumerators,
        declaration: flag(entry, dw::DW_AT_declaration),
    })
}

/// Whether an enumeration's values are signed: GCC says so by `DW_AT_encoding` or by the underlying `DW_AT_type`.
fn is_signed<'i>(unit: &OpenUnit<'i>, entry: &Entry<'i>) -> bool {
    let signed = |entry: &Entry<'_>| match entry.attr_value(dw::DW_AT_encoding) {
        Some(AttributeValue::Encoding(encoding)) => Some(matches!(
            encoding,
            dw::DW_ATE_signed | dw::DW_ATE_signed_char
        )),
        _ => None,
    };
    signed(entry)
        .or_else(|| {
            let underlying = unit.type_attr(entry)?;
            let underlying = (underlying.unit == unit.index).then_some(underlying)?;
            signed(&unit.entry(underlying.offset).ok()?)
        })
        .unwrap_or(false)
}

fn array<'i>(unit: &OpenUnit<'i>, entry: &Entry<'i>) -> Result<Type, gimli::Error> {
    let mut dimensions = Vec::new();
    unit.children(entry.offset().0, |child| {
        if child.tag() == dw::DW_TAG_subrange_type {
            dimensions.push(dimension(child));
        }
        true
    })?;
    if dimensions.is_empty() {
        dimensions.push(None);
    }
    Ok(match unit.type_attr(entry) {
        Some(element) => Type::Array {
            element,
            dimensions,
        },
        None => Type::Base {
            name: Arc::from("<array of nothing>"),
            bytes: 0,
            encoding: Encoding::Other,
        },
    })
}

/// The number of elements: `DW_AT_count`, else `DW_AT_upper_bound + 1` (DWARF 5 section 5.13). An upper bound of -1,
/// which GCC writes for `[0]` in every width, is no element.
fn dimension(entry: &Entry<'_>) -> Option<u64> {
    if let Some(count) = unsigned(entry, dw::DW_AT_count) {
        return Some(count);
    }
    let bound = entry.attr_value(dw::DW_AT_upper_bound)?;
    match bound {
        AttributeValue::Sdata(-1) | AttributeValue::Data8(u64::MAX) => Some(0),
        AttributeValue::Udata(u64::MAX) => Some(0),
        _ => bound.udata_value()?.checked_add(1),
    }
}

fn function<'i>(unit: &OpenUnit<'i>, entry: &Entry<'i>) -> Result<Type, gimli::Error> {
    let mut parameters = Vec::new();
    let mut variadic = false;
    unit.children(entry.offset().0, |child| {
        match child.tag() {
            dw::DW_TAG_formal_parameter => parameters.push(unit.type_attr(child)),
            dw::DW_TAG_unspecified_parameters => variadic = true,
            _ => {}
        }
        true
    })?;
    Ok(Type::Function {
        returns: unit.type_attr(entry),
        parameters,
        variadic,
        prototyped: flag(entry, dw::DW_AT_prototyped),
    })
}
