//! Expressions worked out: names found in a frame and its group, operators applied to values.
//!
//! The text's grammar is [`expression`](crate::expression)'s, the types and memory layouts are `symbols`'.

mod arithmetic;
mod names;

use std::sync::Arc;

use machine::Va;
use machine::space::{AddressSpace, View};
use symbols::types::Type;
use symbols::value::Scalar;
use symbols::{Image, Place, TypeId, Value};

use crate::engine::Engine;
use crate::expression::{Binary, Expr, Format, Kind, Space, TypeName, Unary, parse};
use crate::groups::{Group, Groups, PlacedImage};
use crate::halt::Halt;
use crate::inspect::{Located, Node, frame_at, register_named, symbolise, typed_item};
use crate::stack::Frame;
use crate::view::{EngineError, FrameRef, GroupId, Item};

/// The longest array made by `@` or a slice.
const MAX_ELEMENTS: i128 = 1 << 20;

/// What an expression came to.
#[derive(Clone, Debug)]
enum Operand {
    /// A typed value, in memory or computed.
    Value(Located),
    /// A number without a type of the program.
    Number(Scalar),
    /// A function, or a symbol nobody knows the type of.
    Symbol { name: String, address: Va },
    /// A string literal.
    Text(Vec<u8>),
}

/// Where an expression is worked out.
struct Scene<'a> {
    halt: &'a Halt,
    groups: &'a Groups,
    group: &'a Group,
    space: AddressSpace,
    frames: &'a [Frame],
    frame: Option<usize>,
}

impl Engine {
    /// Works out a C expression in a frame, or in a group without one.
    ///
    /// # Errors
    /// The target runs, or the expression cannot be parsed or worked out: the message says where.
    pub fn evaluate(
        &mut self,
        group: GroupId,
        frame: Option<FrameRef>,
        expression: &str,
    ) -> Result<Item, EngineError> {
        let (operand, format) = self.operand(group, frame, expression)?;
        let halt = Self::halt_of(&self.state)?;
        let name = expression.trim().to_owned();
        Ok(match operand {
            Operand::Value(located) => {
                let group = self.groups.get(located.group);
                let formatted = format.and_then(|format| {
                    let scalar = located.value.scalar(&View::new(halt, located.space)).ok()?;
                    arithmetic::formatted(scalar, format, |address| symbolise(group?, address))
                });
                let shown = typed_item(
                    halt,
                    group,
                    name.clone(),
                    Some(strip_format(&name)),
                    located,
                );
                Item {
                    value: formatted.unwrap_or_else(|| shown.value.clone()),
                    ..shown
                }
            }
            Operand::Number(scalar) => {
                let group = self.groups.get(group);
                let formatted = format.and_then(|format| {
                    arithmetic::formatted(scalar, format, |address| symbolise(group?, address))
                });
                let text = formatted.unwrap_or_else(|| arithmetic::plain(scalar));
                Item {
                    value: text,
                    ..bare(name)
                }
            }
            Operand::Symbol {
                name: symbol,
                address,
            } => Item {
                value: format!("{{{symbol}}} {address}"),
                address: Some(address),
                ..bare(name)
            },
            Operand::Text(bytes) => Item {
                value: format!("\"{}\"", bytes.escape_ascii()),
                ..bare(name)
            },
        })
    }

    /// Whether a condition holds.
    pub(crate) fn evaluate_condition(
        &mut self,
        group: GroupId,
        frame: Option<FrameRef>,
        condition: &str,
    ) -> Result<bool, EngineError> {
        let (operand, _) = self.operand(group, frame, condition)?;
        let halt = Self::halt_of(&self.state)?;
        operand
            .scalar(halt)
            .map(Scalar::is_true)
            .map_err(EngineError::user)
    }

    /// A log message with its `{expression}` parts worked out.
    pub(crate) fn interpolate(
        &mut self,
        group: GroupId,
        frame: Option<FrameRef>,
        message: &str,
    ) -> String {
        let mut text = String::new();
        let mut rest = message;
        while let Some((before, after)) = rest.split_once('{') {
            text.push_str(before);
            let Some((expression, behind)) = after.split_once('}') else {
                text.push('{');
                rest = after;
                continue;
            };
            match self.evaluate(group, frame, expression) {
                Ok(item) => text.push_str(&item.value),
                Err(error) => text.push_str(&format!("<{error}>")),
            }
            rest = behind;
        }
        text.push_str(rest);
        text
    }

    fn operand(
        &mut self,
        group: GroupId,
        frame: Option<FrameRef>,
        text: &str,
    ) -> Result<(Operand, Option<Format>), EngineError> {
        let frames = match frame {
            Some(at) => self.frames(at.thread)?,
            None => Arc::default(),
        };
        let halt = Self::halt_of(&self.state)?;
        let chosen = frame.map(|at| frame_at(&frames, at)).transpose()?;
        // A label frame has no space: then it is the session's group that is meant.
        let (group, space) =
            match chosen.and_then(|frame| Some((self.groups.get(frame.group)?, frame.space?))) {
                Some(found) => found,
                None => self
                    .place_of(group, frame.map(|at| at.thread))
                    .or_else(|_| self.place_of(group, None))?,
            };
        let scene = Scene {
            halt,
            groups: &self.groups,
            group,
            space,
            frames: &frames,
            frame: frame.map(|at| at.index as usize),
        };
        let is_type = |word: &str| {
            scene
                .image()
                .is_some_and(|placed| placed.image.type_named(word).is_some())
        };
        let parsed = parse(text, &is_type).map_err(|error| EngineError::user(error.shown(text)))?;
        let operand = scene
            .evaluate(&parsed.expression)
            .map_err(|error| EngineError::user(error.shown(text)))?;
        Ok((operand, parsed.format))
    }
}

/// What went wrong, and at which part of the expression.
struct Problem {
    at: crate::expression::Span,
    message: String,
}

impl Problem {
    fn shown(self, text: &str) -> String {
        crate::expression::ParseError {
            span: self.at,
            message: self.message,
        }
        .shown(text)
    }
}

fn strip_format(text: &str) -> String {
    match text.rsplit_once(',') {
        Some((before, format)) if format.trim().len() == 1 => before.trim().to_owned(),
        _ => text.to_owned(),
    }
}

fn bare(name: String) -> Item {
    Item {
        evaluate_name: Some(name.clone()),
        name,
        value: String::new(),
        type_name: None,
        address: None,
        named: 0,
        indexed: 0,
        node: Node::Leaf,
    }
}

impl Operand {
    fn scalar(&self, halt: &Halt) -> Result<Scalar, String> {
        match self {
            Self::Value(located) => located
                .value
                .scalar(&View::new(halt, located.space))
                .map_err(|error| error.to_string()),
            Self::Number(scalar) => Ok(*scalar),
            Self::Symbol { address, .. } => Ok(Scalar::Int {
                value: i128::from(address.0),
                bytes: 8,
                signed: false,
            }),
            Self::Text(_) => Err("a string is no number".to_owned()),
        }
    }
}

impl Scene<'_> {
    /// The image whose types and names are meant: the frame's, else the group's.
    fn image(&self) -> Option<&PlacedImage> {
        let of_frame = self
            .frame
            .and_then(|index| self.frames[index].placed.as_ref());
        of_frame
            .or_else(|| self.group.images.first())
            .filter(|placed| placed.image.is_prepared())
    }

    fn evaluate(&self, expression: &Expr) -> Result<Operand, Problem> {
        self.evaluate_kind(&expression.kind)
            .map_err(|error| match error {
                Trouble::Here(message) => Problem {
                    at: expression.span,
                    message,
                },
                Trouble::Inside(problem) => problem,
            })
    }

    fn evaluate_kind(&self, kind: &Kind) -> Result<Operand, Trouble> {
        match kind {
            Kind::Name(name) => Ok(self.name(name)?),
            Kind::Register(name) => Ok(self.register(name)?),
            Kind::Integer(integer) => Ok(Operand::Number(arithmetic::literal(*integer))),
            Kind::Float { value, single } => Ok(Operand::Number(Scalar::Float {
                value: *value,
                bytes: if *single { 4 } else { 8 },
            })),
            Kind::Char(byte) => Ok(int(i128::from(*byte))),
            Kind::String(bytes) => Ok(Operand::Text(bytes.clone())),
            Kind::Unary { operator, operand } => self.unary(*operator, operand),
            Kind::Binary {
                operator,
                left,
                right,
            } => self.binary(*operator, left, right),
            Kind::Conditional { condition, yes, no } => {
                let holds = self.evaluate(condition)?.scalar(self.halt)?.is_true();
                Ok(self.evaluate(if holds { yes } else { no })?)
            }
            Kind::Assign { .. } => Err("values cannot be changed here".to_owned().into()),
            Kind::Member { base, name, .. } => {
                let base = self.value(self.evaluate(base)?)?;
                let member = base
                    .value
                    .member(&self.view(&base), name)
                    .map_err(|error| error.to_string())?;
                Ok(Operand::Value(Located {
                    value: member,
                    ..base
                }))
            }
            Kind::Index { base, index } => {
                let base = self.value(self.evaluate(base)?)?;
                let index = self.whole(index)?;
                Ok(Operand::Value(self.element(&base, index)?))
            }
            Kind::Slice { base, start, end } => {
                let base = self.value(self.evaluate(base)?)?;
                let (start, end) = (self.whole(start)?, self.whole(end)?);
                let first = self.element(&base, start)?;
                Ok(Operand::Value(array(
                    first,
                    i128::from(end) - i128::from(start),
                )?))
            }
            Kind::Array { first, count } => {
                let first = self.value(self.evaluate(first)?)?;
                Ok(Operand::Value(array(
                    first,
                    i128::from(self.whole(count)?),
                )?))
            }
            Kind::Cast { to, operand } => self.cast(to, operand),
            Kind::SizeOf(operand) => {
                let size = match self.evaluate(operand)? {
                    Operand::Value(located) => located.value.size(),
                    Operand::Number(Scalar::Int { bytes, .. } | Scalar::Float { bytes, .. }) => {
                        Some(u64::from(bytes))
                    }
                    Operand::Text(bytes) => Some(bytes.len() as u64 + 1),
                    Operand::Symbol { .. } => None,
                };
                Ok(size_number(size)?)
            }
            Kind::SizeOfType(name) => {
                let (image, ty) = self.type_named(name)?;
                Ok(size_number(image.size_of(ty))?)
            }
            Kind::Address { space, operand } => self.in_space(*space, operand),
        }
    }

    fn view(&self, located: &Located) -> View<'_> {
        View::new(self.halt, located.space)
    }

    fn whole(&self, expression: &Expr) -> Result<i64, Trouble> {
        let scalar = self.evaluate(expression)?.scalar(self.halt)?;
        Ok(i64::try_from(scalar.as_int()).map_err(|_| "this number is too large".to_owned())?)
    }

    fn value(&self, operand: Operand) -> Result<Located, String> {
        match operand {
            Operand::Value(located) => Ok(located),
            Operand::Number(_) => Err(
                "this is a plain number: cast it to a type first, such as (struct vcpu *)"
                    .to_owned(),
            ),
            Operand::Symbol { name, .. } => Err(format!(
                "the type of {name} is not known: take its address and cast it, such as *(int *)&{name}"
            )),
            Operand::Text(_) => Err("a string cannot be used here".to_owned()),
        }
    }

    fn element(&self, base: &Located, index: i64) -> Result<Located, String> {
        let value = base
            .value
            .index(&self.view(base), index)
            .map_err(|error| error.to_string())?;
        Ok(Located {
            value,
            ..base.clone()
        })
    }

    fn type_named(&self, name: &TypeName) -> Result<(Arc<Image>, TypeId), String> {
        let image = self
            .image()
            .ok_or_else(|| format!("no types are known in {}", self.group.name))?;
        let name = name.to_string();
        let ty = image
            .image
            .type_named(&name)
            .ok_or_else(|| format!("{} has no type {name}", image.image.name()))?;
        Ok((Arc::clone(&image.image), ty))
    }

    fn cast(&self, to: &TypeName, operand: &Expr) -> Result<Operand, Trouble> {
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
    fn in_space(&self, space: Space, operand: &Expr) -> Result<Operand, Trouble> {
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

    fn unary(&self, operator: Unary, operand: &Expr) -> Result<Operand, Trouble> {
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

    fn binary(&self, operator: Binary, left: &Expr, right: &Expr) -> Result<Operand, Trouble> {
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

    fn register(&self, name: &str) -> Result<Operand, String> {
        let index = self
            .frame
            .ok_or_else(|| "registers need a frame: select one".to_owned())?;
        let value = register_named(&self.frames[index].registers, name)
            .ok_or_else(|| format!("${name} is no register that is known in this frame"))?;
        Ok(Operand::Number(Scalar::Int {
            value: i128::from(value),
            bytes: 8,
            signed: false,
        }))
    }
}

/// A failure of this node, or of one below that has its own place.
enum Trouble {
    Here(String),
    Inside(Problem),
}

impl From<String> for Trouble {
    fn from(message: String) -> Self {
        Self::Here(message)
    }
}

impl From<Problem> for Trouble {
    fn from(problem: Problem) -> Self {
        Self::Inside(problem)
    }
}

fn int(value: i128) -> Operand {
    Operand::Number(Scalar::Int {
        value,
        bytes: 4,
        signed: true,
    })
}

fn size_number(size: Option<u64>) -> Result<Operand, String> {
    let size = size.ok_or_else(|| "its size is not known".to_owned())?;
    Ok(Operand::Number(Scalar::Int {
        value: i128::from(size),
        bytes: 8,
        signed: false,
    }))
}

/// `count` objects from `first` on, as one array.
fn array(first: Located, count: i128) -> Result<Located, String> {
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
