//! What C's operators do to values of the target: arithmetic, pointers, casts, and addresses in another space.

use std::sync::Arc;

use machine::space::AddressSpace;
use symbols::types::Type;
use symbols::value::Scalar;
use symbols::{Place, Value};

use super::{Operand, Scene, Trouble, arithmetic, int};
use crate::expression::{Binary, Expr, Space, TypeName, Unary};
use crate::inspect::Located;

/// The longest array made by `@` or a slice.
const MAX_ELEMENTS: i128 = 1 << 20;

impl Scene<'_> {
    pub(super) fn cast(&self, to: &TypeName, operand: &Expr) -> Result<Operand, Trouble> {
        let (image, ty) = self.type_named(to)?;
        let operand = self.evaluate(operand)?;
        if let Operand::Value(located) = &operand
            && Arc::ptr_eq(located.value.image(), &image)
        {
            let value = located
                .value
                .cast(&self.view(located), ty)
                .map_err(|error| error.to_string())?;
            return Ok(Operand::Value(Located {
                value,
                ..located.clone()
            }));
        }
        let (group, space) = match &operand {
            Operand::Value(located) => (located.group, located.space),
            _ => (self.group.id, self.space),
        };
        let scalar = operand
            .scalar(self.halt)?
            .converted(&image, image.strip(ty))
            .map_err(|error| error.to_string())?;
        let value = Value::new(image, Some(ty), Place::Bytes(scalar.to_bytes().into()));
        Ok(Operand::Value(Located {
            value,
            group,
            space,
        }))
    }

    /// A pointer whose target is physical, or of the guest's intermediate physical space.
    pub(super) fn in_space(&self, space: Space, operand: &Expr) -> Result<Operand, Trouble> {
        let space = match space {
            Space::Physical => AddressSpace {
                stage1: None,
                stage2: None,
            },
            Space::Intermediate => self.space.ipa(),
        };
        let operand = self.evaluate(operand)?;
        let address = operand.scalar(self.halt)?.as_int();
        let known = match &operand {
            Operand::Value(located) => located
                .value
                .ty()
                .map(|ty| (Arc::clone(located.value.image()), ty)),
            _ => None,
        };
        let (image, ty) = match known.filter(|(image, ty)| {
            matches!(
                image.type_of(image.strip(*ty)).as_deref(),
                Ok(Type::Pointer { .. })
            )
        }) {
            Some(known) => known,
            None => self.type_named(&TypeName {
                base: "unsigned long".to_owned(),
                pointers: 1,
                arrays: Vec::new(),
            })?,
        };
        Ok(Operand::Value(Located {
            value: Value::constant(image, ty, address),
            group: self.group.id,
            space,
        }))
    }

    pub(super) fn unary(&self, operator: Unary, operand: &Expr) -> Result<Operand, Trouble> {
        let operand = self.evaluate(operand)?;
        match operator {
            Unary::Dereference => {
                let located = self.value(operand)?;
                let value = located
                    .value
                    .deref(&self.view(&located))
                    .map_err(|error| error.to_string())?;
                Ok(Operand::Value(Located { value, ..located }))
            }
            Unary::AddressOf => match operand {
                Operand::Symbol { address, .. } => Ok(Operand::Number(Scalar::Int {
                    value: i128::from(address.0),
                    bytes: 8,
                    signed: false,
                })),
                operand => {
                    let located = self.value(operand)?;
                    let value = located
                        .value
                        .address_of()
                        .map_err(|error| error.to_string())?;
                    Ok(Operand::Value(Located { value, ..located }))
                }
            },
            Unary::Not => Ok(int(i128::from(!operand.scalar(self.halt)?.is_true()))),
            Unary::Plus | Unary::Minus | Unary::Complement => Ok(Operand::Number(
                arithmetic::unary(operator, operand.scalar(self.halt)?)?,
            )),
        }
    }

    pub(super) fn binary(
        &self,
        operator: Binary,
        left: &Expr,
        right: &Expr,
    ) -> Result<Operand, Trouble> {
        let left = self.evaluate(left)?;
        match operator {
            Binary::And | Binary::Or => {
                let decided = left.scalar(self.halt)?.is_true() == (operator == Binary::Or);
                let holds = if decided {
                    operator == Binary::Or
                } else {
                    self.evaluate(right)?.scalar(self.halt)?.is_true()
                };
                return Ok(int(i128::from(holds)));
            }
            _ => {}
        }
        let right = self.evaluate(right)?;
        match (
            operator,
            self.pointed_size(&left),
            self.pointed_size(&right),
        ) {
            (Binary::Subtract, Some(size), Some(_)) => {
                let distance = left.scalar(self.halt)?.as_int() - right.scalar(self.halt)?.as_int();
                Ok(Operand::Number(Scalar::Int {
                    value: distance / i128::from(size.max(1)),
                    bytes: 8,
                    signed: true,
                }))
            }
            (Binary::Add | Binary::Subtract, Some(_), None) => {
                self.advance(left, &right, operator == Binary::Subtract)
            }
            (Binary::Add, None, Some(_)) => self.advance(right, &left, false),
            _ => Ok(Operand::Number(arithmetic::binary(
                operator,
                left.scalar(self.halt)?,
                right.scalar(self.halt)?,
            )?)),
        }
    }

    /// The size of what a pointer or array holds; `None` for what is neither.
    fn pointed_size(&self, operand: &Operand) -> Option<u64> {
        let Operand::Value(located) = operand else {
            return None;
        };
        let image = located.value.image();
        match image
            .type_of(image.strip(located.value.ty()?))
            .as_deref()
            .ok()?
        {
            Type::Pointer { to, .. } => Some(to.and_then(|to| image.size_of(to)).unwrap_or(1)),
            Type::Array { element, .. } => image.size_of(*element),
            _ => None,
        }
    }

    fn advance(&self, pointer: Operand, by: &Operand, back: bool) -> Result<Operand, Trouble> {
        let located = self.value(pointer)?;
        let elements = by.scalar(self.halt)?.as_int();
        let elements = i64::try_from(if back { -elements } else { elements })
            .map_err(|_| "this number is too large".to_owned())?;
        let value = located
            .value
            .advanced(&self.view(&located), elements)
            .map_err(|error| error.to_string())?;
        Ok(Operand::Value(Located { value, ..located }))
    }
}

/// `count` objects from `first` on, as one array.
pub(super) fn array(first: Located, count: i128) -> Result<Located, String> {
    if !(1..=MAX_ELEMENTS).contains(&count) {
        return Err(format!(
            "an array has 1 to {MAX_ELEMENTS} elements here, not {count}"
        ));
    }
    first.value.address().map_err(|error| error.to_string())?;
    let element = first
        .value
        .ty()
        .ok_or_else(|| "void has no elements".to_owned())?;
    let ty = first
        .value
        .image()
        .array_of(element, vec![Some(count as u64)]);
    let value = first.value.at(0, ty, None);
    Ok(Located { value, ..first })
}
