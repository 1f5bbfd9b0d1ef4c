//! Expressions worked out: names found in a frame and its group, operators applied to values.
//!
//! The text's grammar is [`expression`](crate::expression)'s, the types and memory layouts are `symbols`'.

mod arithmetic;
mod context;
mod names;
mod operators;

use std::sync::Arc;

use machine::Va;
use machine::space::{AddressSpace, View};
use symbols::value::Scalar;
use symbols::{Image, TypeId};

use crate::engine::Engine;
use crate::expression::{Expr, Format, Kind, TypeName, parse};
use crate::groups::{Group, Groups, PlacedImage};
use crate::halt::Halt;
use crate::inspect::{Located, Node, frame_at, register_named, symbolise, typed_item};
use crate::stack::Frame;
use crate::view::{EngineError, FrameRef, GroupId, Item, ThreadId};

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
    thread: Option<ThreadId>,
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

    /// An expression whose value is a number or an address, as 64 bits.
    pub(crate) fn evaluate_number(
        &mut self,
        group: GroupId,
        frame: Option<FrameRef>,
        expression: &str,
    ) -> Result<u64, EngineError> {
        let (operand, _) = self.operand(group, frame, expression)?;
        let halt = Self::halt_of(&self.state)?;
        operand
            .scalar(halt)
            .map(|scalar| scalar.as_int() as u64)
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
                Err(error) => text.push_str(&format!("<{}>", unpointed(&error.to_string()))),
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
            thread: frame.map(|at| at.thread),
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

/// The reason alone, without the expression and the line that points into it (see [`Problem::shown`]).
fn unpointed(error: &str) -> &str {
    match error.rsplit_once('\n') {
        Some((_, pointer)) => pointer.trim_start_matches([' ', '^']),
        None => error,
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
        // A frame may see the image at another place too, where its code alone is mapped (Linux's entry trampoline).
        let own = of_frame.map(|placed| {
            let is_same = |own: &&PlacedImage| Arc::ptr_eq(&own.image, &placed.image);
            self.group.images.iter().find(is_same).unwrap_or(placed)
        });
        own.or_else(|| self.group.images.first())
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
                Ok(Operand::Value(operators::array(
                    first,
                    i128::from(end) - i128::from(start),
                )?))
            }
            Kind::Array { first, count } => {
                let first = self.value(self.evaluate(first)?)?;
                Ok(Operand::Value(operators::array(
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

    fn register(&self, name: &str) -> Result<Operand, String> {
        if let Some(found) = self.context(name) {
            return found;
        }
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
