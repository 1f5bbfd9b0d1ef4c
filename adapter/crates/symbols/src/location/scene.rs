//! Running DWARF expressions, and answering what they ask of the frame.

use std::sync::Arc;

use gimli::{
    AttributeValue, DW_AT_const_value, DW_AT_frame_base, DW_AT_location, DebugInfoOffset, DwAt,
    EvaluationResult, Expression, Location, UnitOffset, Value, ValueType, constants as dw,
};
use machine::{Register, Va};

use super::{Frame, LocateError, Piece, Place};
use crate::entry::{Entry, OpenUnit, unsigned};
use crate::entry_value::entry_value;
use crate::image::Slice;

/// Operations one expression may take; compilers need a dozen.
const MAX_OPERATIONS: u32 = 10_000;

/// Descriptions that lead to other descriptions (frame base, implicit pointer) are followed this far.
const MAX_DEPTH: u8 = 4;

/// One description being worked out: the unit it is in and the frame it is about.
pub(crate) struct Scene<'a, 'i> {
    pub(crate) unit: &'a OpenUnit<'i>,
    pub(crate) frame: &'a dyn Frame,
    pub(crate) depth: u8,
}

impl<'i> Scene<'_, 'i> {
    /// Where the variable of `entry` is: by its constant, its location, or its location list at the frame's pc.
    pub(crate) fn variable(&self, entry: &Entry<'i>) -> Result<Place, LocateError> {
        if let Some(value) = entry.attr_value(DW_AT_const_value) {
            return Ok(constant(self.unit, value));
        }
        match self.expression(entry, DW_AT_location)? {
            Some(expression) => self.place(expression),
            None => Ok(Place::OptimizedOut),
        }
    }

    /// The expression of an attribute that is one, or the one of its location list that covers the frame's pc.
    fn expression(
        &self,
        entry: &Entry<'i>,
        attr: DwAt,
    ) -> Result<Option<Expression<Slice<'i>>>, gimli::Error> {
        let Some(value) = entry.attr_value(attr) else {
            return Ok(None);
        };
        if let Some(expression) = value.exprloc_value() {
            return Ok(Some(expression).filter(|expression| !expression.0.is_empty()));
        }
        let unit = &self.unit.unit;
        let Some(mut list) = self.unit.dwarf.attr_locations(unit, value)? else {
            return Ok(None);
        };
        let pc = self.frame.pc().0;
        while let Some(entry) = list.next()? {
            if entry.range.begin <= pc && pc < entry.range.end {
                return Ok(Some(entry.data).filter(|expression| !expression.0.is_empty()));
            }
        }
        Ok(None)
    }

    /// The place an expression describes.
    pub(crate) fn place(&self, expression: Expression<Slice<'i>>) -> Result<Place, LocateError> {
        let Some(pieces) = self.evaluate(expression)? else {
            return Ok(Place::OptimizedOut);
        };
        if let [single] = pieces.as_slice()
            && single.size_in_bits.is_none()
        {
            return self.piece(&single.location);
        }
        let pieces: Result<Vec<Piece>, LocateError> = pieces
            .iter()
            .map(|piece| {
                Ok(Piece {
                    bits: piece.size_in_bits.unwrap_or(u64::MAX),
                    skip: piece.bit_offset.unwrap_or(0),
                    place: match self.piece(&piece.location) {
                        Err(LocateError::Register(_)) => Place::OptimizedOut,
                        other => other?,
                    },
                })
            })
            .collect();
        match pieces? {
            none if none.is_empty() => Ok(Place::OptimizedOut),
            some => Ok(Place::Pieces(some.into())),
        }
    }

    /// What an expression leaves behind, when that is one thing.
    pub(crate) fn single(
        &self,
        expression: Expression<Slice<'i>>,
    ) -> Result<Option<Location<Slice<'i>>>, LocateError> {
        let pieces = self.evaluate(expression)?.unwrap_or_default();
        Ok(match pieces.as_slice() {
            [piece] if piece.size_in_bits.is_none() => Some(piece.location),
            _ => None,
        })
    }

    fn piece(&self, location: &Location<Slice<'i>>) -> Result<Place, LocateError> {
        Ok(match location {
            Location::Empty => Place::OptimizedOut,
            Location::Address { address } => Place::Memory(Va(*address)),
            Location::Register { register } => {
                let (register, value) = self.register(*register)?;
                Place::Register { register, value }
            }
            Location::Value { value } => Place::Bytes(bytes_of(*value).into()),
            Location::Bytes { value } => Place::Bytes(value.slice().into()),
            Location::ImplicitPointer { value, byte_offset } => Place::Implicit {
                target: self.implicit_target(*value).map(Arc::new),
                offset: *byte_offset,
            },
        })
    }

    /// Where the variable that an implicit pointer points to is.
    fn implicit_target(&self, offset: DebugInfoOffset) -> Option<Place> {
        let depth = self.depth.checked_add(1).filter(|d| *d < MAX_DEPTH)?;
        let (index, offset) = self.unit.image.unit_of_offset(offset)?;
        let unit = OpenUnit::open(self.unit.image, index).ok()?;
        let entry = unit.entry(offset.0).ok()?;
        let scene = Scene {
            unit: &unit,
            frame: self.frame,
            depth,
        };
        scene.variable(&entry).ok()
    }

    /// Runs an expression; `None` when it needs what the frame's function was called with and nobody knows.
    fn evaluate(
        &self,
        expression: Expression<Slice<'i>>,
    ) -> Result<Option<Vec<gimli::Piece<Slice<'i>>>>, LocateError> {
        let slide = self.frame.slide();
        let mut evaluation = expression.evaluation(self.unit.unit.encoding());
        evaluation.set_max_iterations(MAX_OPERATIONS);
        let mut state = evaluation.evaluate()?;
        loop {
            state = match state {
                EvaluationResult::Complete => return Ok(Some(evaluation.result())),
                EvaluationResult::RequiresMemory { space: Some(_), .. } => {
                    return Err(LocateError::Unsupported("an address space"));
                }
                EvaluationResult::RequiresMemory {
                    address,
                    size,
                    base_type,
                    ..
                } => {
                    let mut bytes = [0; 8];
                    let wanted = bytes
                        .get_mut(..usize::from(size))
                        .ok_or(LocateError::Unsupported("a wide memory operand"))?;
                    self.frame.memory().read(Va(address), wanted)?;
                    evaluation.resume_with_memory(self.typed(base_type, bytes)?)?
                }
                EvaluationResult::RequiresRegister {
                    register,
                    base_type,
                } => {
                    let (_, value) = self.register(register)?;
                    evaluation.resume_with_register(self.typed(base_type, value.to_le_bytes())?)?
                }
                EvaluationResult::RequiresFrameBase => {
                    evaluation.resume_with_frame_base(self.frame_base()?)?
                }
                EvaluationResult::RequiresCallFrameCfa => {
                    evaluation.resume_with_call_frame_cfa(self.cfa()?)?
                }
                EvaluationResult::RequiresTls(_) => return Err(LocateError::ThreadLocal),
                EvaluationResult::RequiresAtLocation(reference) => {
                    evaluation.resume_with_at_location(self.called(reference)?)?
                }
                EvaluationResult::RequiresEntryValue(register) => {
                    let depth = self.depth + 1;
                    let known = (depth < MAX_DEPTH)
                        .then(|| entry_value(self.unit, self.frame, register, depth))
                        .flatten();
                    match known {
                        Some(value) => evaluation.resume_with_entry_value(Value::Generic(value))?,
                        None => return Ok(None),
                    }
                }
                EvaluationResult::RequiresParameterRef(_) => return Ok(None),
                EvaluationResult::RequiresRelocatedAddress(address) => {
                    evaluation.resume_with_relocated_address(address.wrapping_add(slide))?
                }
                EvaluationResult::RequiresIndexedAddress { index, relocate } => {
                    let address = self.unit.dwarf.address(&self.unit.unit, index)?;
                    let moved = if relocate { slide } else { 0 };
                    evaluation.resume_with_indexed_address(address.wrapping_add(moved))?
                }
                EvaluationResult::RequiresBaseType(offset) => {
                    evaluation.resume_with_base_type(self.value_type(offset)?)?
                }
                EvaluationResult::RequiresWasmLocal { .. }
                | EvaluationResult::RequiresWasmGlobal { .. }
                | EvaluationResult::RequiresWasmStack { .. } => {
                    return Err(LocateError::Unsupported("WebAssembly"));
                }
            };
        }
    }

    /// A register by its number in the AArch64 DWARF ABI (section 4.1): 0 to 30 are x0 to x30, 31 is SP, 32 is PC.
    fn register(&self, number: gimli::Register) -> Result<(Register, u64), LocateError> {
        let register = match number.0 {
            0..=30 => Register::X(number.0 as u8),
            31 => Register::Sp,
            32 => Register::Pc,
            _ => return Err(LocateError::Register(register_name(number.0))),
        };
        match self.frame.registers().get(register) {
            Some(value) => Ok((register, value)),
            None => Err(LocateError::Register(register_name(number.0))),
        }
    }

    fn cfa(&self) -> Result<u64, LocateError> {
        Ok(self.frame.cfa().ok_or(LocateError::NoFrame)?.0)
    }

    /// `DW_AT_frame_base` of the function the frame is in.
    fn frame_base(&self) -> Result<u64, LocateError> {
        let image = self.unit.image;
        let function = image
            .function_at(self.frame.pc())
            .ok_or(LocateError::NoFrame)?;
        let unit = OpenUnit::open(image, function.unit)?;
        let entry = unit.entry(function.offset)?;
        let scene = Scene {
            unit: &unit,
            frame: self.frame,
            depth: self.depth + 1,
        };
        if scene.depth >= MAX_DEPTH {
            return Err(LocateError::NoFrame);
        }
        let expression = scene.expression(&entry, DW_AT_frame_base)?;
        match scene.place(expression.ok_or(LocateError::NoFrame)?)? {
            Place::Memory(base) => Ok(base.0),
            Place::Register { value, .. } => Ok(value),
            _ => Err(LocateError::NoFrame),
        }
    }

    /// The expression that `DW_OP_call2` and its like call.
    fn called(&self, reference: gimli::DieReference) -> Result<Slice<'i>, LocateError> {
        let offset = match reference {
            gimli::DieReference::UnitRef(offset) => offset,
            gimli::DieReference::DebugInfoRef(_) => {
                return Err(LocateError::Unsupported("a call into another unit"));
            }
        };
        let entry = self.unit.entry(offset.0)?;
        let value = entry.attr_value(DW_AT_location);
        Ok(value.and_then(|value| value.exprloc_value()).map_or_else(
            || Slice::new(&[], gimli::LittleEndian),
            |expression| expression.0,
        ))
    }

    /// Eight bytes as the base type at `base_type`; 0 is the untyped machine word.
    fn typed(&self, base_type: UnitOffset, bytes: [u8; 8]) -> Result<Value, LocateError> {
        match self.value_type(base_type)? {
            ValueType::Generic => Ok(Value::Generic(u64::from_le_bytes(bytes))),
            known => Ok(Value::parse(
                known,
                Slice::new(&bytes, gimli::LittleEndian),
            )?),
        }
    }

    fn value_type(&self, base_type: UnitOffset) -> Result<ValueType, LocateError> {
        if base_type.0 == 0 {
            return Ok(ValueType::Generic);
        }
        let entry = self.unit.entry(base_type.0)?;
        let encoding = match entry.attr_value(dw::DW_AT_encoding) {
            Some(AttributeValue::Encoding(dw::DW_ATE_signed_char)) => dw::DW_ATE_signed,
            Some(AttributeValue::Encoding(dw::DW_ATE_unsigned_char | dw::DW_ATE_boolean)) => {
                dw::DW_ATE_unsigned
            }
            Some(AttributeValue::Encoding(other)) => other,
            _ => return Err(LocateError::Unsupported("a type without encoding")),
        };
        let bytes = unsigned(&entry, dw::DW_AT_byte_size).unwrap_or(0);
        ValueType::from_encoding(encoding, bytes)
            .ok_or(LocateError::Unsupported("arithmetic on a wide type"))
    }
}

/// What an AArch64 DWARF register number is called (AArch64 DWARF ABI section 4.1).
fn register_name(number: u16) -> String {
    match number {
        0..=30 => format!("x{number}"),
        31 => "sp".to_owned(),
        32 => "pc".to_owned(),
        34 => "ra_sign_state".to_owned(),
        64..=95 => format!("v{}", number - 64),
        other => format!("register {other}"),
    }
}

/// The bytes of `DW_AT_const_value`; numbers are widened as their form says.
fn constant<'i>(unit: &OpenUnit<'i>, value: AttributeValue<Slice<'i>>) -> Place {
    let wide = |number: i128| Place::Bytes(number.to_le_bytes().as_slice().into());
    match value {
        AttributeValue::Block(bytes) => Place::Bytes(bytes.slice().into()),
        AttributeValue::Sdata(number) => wide(i128::from(number)),
        AttributeValue::Data16(number) => wide(number as i128),
        other => match (
            other.udata_value(),
            unit.dwarf.attr_string(&unit.unit, other),
        ) {
            (Some(number), _) => wide(i128::from(number)),
            (None, Ok(text)) => {
                let mut bytes = text.slice().to_vec();
                bytes.push(0);
                Place::Bytes(bytes.into())
            }
            (None, Err(_)) => Place::OptimizedOut,
        },
    }
}

/// A value of the expression stack as it would lie in memory.
fn bytes_of(value: Value) -> Vec<u8> {
    match value {
        Value::Generic(value) | Value::U64(value) => value.to_le_bytes().to_vec(),
        Value::I64(value) => value.to_le_bytes().to_vec(),
        Value::I32(value) => value.to_le_bytes().to_vec(),
        Value::U32(value) => value.to_le_bytes().to_vec(),
        Value::I16(value) => value.to_le_bytes().to_vec(),
        Value::U16(value) => value.to_le_bytes().to_vec(),
        Value::I8(value) => value.to_le_bytes().to_vec(),
        Value::U8(value) => vec![value],
        Value::F32(value) => value.to_le_bytes().to_vec(),
        Value::F64(value) => value.to_le_bytes().to_vec(),
    }
}
