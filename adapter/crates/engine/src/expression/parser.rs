//! Tokens to a tree: operator precedence by binding powers (Pratt), C11 6.5 with gdb's `@` between shifts and sums.

use super::lexer::{Token, TokenKind, tokens};
use super::print::{self, Power};
use super::{
    Binary, DEEPEST, Expr, Format, Kind, Name, ParseError, Parsed, Space, Span, TypeName, Unary,
};

/// Parses a text; `is_type` tells whether a word names a type where it is used.
///
/// # Errors
/// What is wrong, and where.
pub fn parse(text: &str, is_type: &dyn Fn(&str) -> bool) -> Result<Parsed, ParseError> {
    let mut parser = Parser {
        tokens: tokens(text)?,
        at: 0,
        end: text.trim_end().len(),
        depth: 0,
        is_type,
    };
    let expression = parser.expression(Power::LOWEST)?.expr;
    let format = parser.format()?;
    if parser.at < parser.tokens.len() {
        return Err(parser.error_here("the expression ends before this"));
    }
    Ok(Parsed { expression, format })
}

pub(super) struct Parser<'a> {
    pub(super) tokens: Vec<Token>,
    /// The next token.
    pub(super) at: usize,
    /// Where the text ends.
    pub(super) end: usize,
    depth: usize,
    pub(super) is_type: &'a dyn Fn(&str) -> bool,
}

/// A tree under construction with its height, which bounds whoever walks it later.
pub(super) struct Node {
    pub(super) expr: Expr,
    pub(super) height: usize,
}

impl Node {
    pub(super) fn boxed(self) -> Box<Expr> {
        Box::new(self.expr)
    }
}

impl Parser<'_> {
    /// An expression whose operators bind at least as strongly as `least`.
    pub(super) fn expression(&mut self, least: Power) -> Result<Node, ParseError> {
        self.deeper(|parser| {
            let mut left = parser.prefix()?;
            while let Some(infix) = parser.infix()
                && infix.power() >= least
            {
                parser.bump();
                left = parser.after_infix(left, infix)?;
            }
            Ok(left)
        })
    }

    /// Runs `inner` one level further down.
    fn deeper(
        &mut self,
        inner: impl FnOnce(&mut Self) -> Result<Node, ParseError>,
    ) -> Result<Node, ParseError> {
        if self.depth >= DEEPEST {
            return Err(self.error_here("this expression is nested too deeply"));
        }
        self.depth += 1;
        let node = inner(self);
        self.depth -= 1;
        node
    }

    fn infix(&self) -> Option<Infix> {
        match self.peek() {
            Some(TokenKind::Symbol(symbol)) => Infix::of(symbol),
            _ => None,
        }
    }

    /// The rest of an infix operation, whose operator has been taken.
    fn after_infix(&mut self, left: Node, infix: Infix) -> Result<Node, ParseError> {
        match infix {
            Infix::Assign(operator) => {
                let value = self.expression(Power::ASSIGN)?;
                self.join(left, value, |target, value| Kind::Assign {
                    operator,
                    target,
                    value,
                })
            }
            Infix::Conditional => {
                let yes = self.expression(Power::LOWEST)?;
                self.expect(":")?;
                let no = self.expression(Power::CONDITIONAL)?;
                let span = Span {
                    start: left.expr.span.start,
                    end: no.expr.span.end,
                };
                let height = left.height.max(yes.height).max(no.height);
                let kind = Kind::Conditional {
                    condition: left.boxed(),
                    yes: yes.boxed(),
                    no: no.boxed(),
                };
                self.node(kind, span, height)
            }
            Infix::Array => {
                let count = self.expression(Power::ARRAY.tighter())?;
                self.join(left, count, |first, count| Kind::Array { first, count })
            }
            Infix::Binary(operator) => {
                let right = self.expression(Power::of_binary(operator).tighter())?;
                self.join(left, right, |left, right| Kind::Binary {
                    operator,
                    left,
                    right,
                })
            }
        }
    }

    /// Operators before an operand, then the operand with what follows it.
    fn prefix(&mut self) -> Result<Node, ParseError> {
        let start = self.position();
        if let Some(operator) = self.unary() {
            self.bump();
            return self.operand(start, |operand| Kind::Unary { operator, operand });
        }
        if let Some(space) = self.address_prefix() {
            return self.operand(start, |operand| Kind::Address { space, operand });
        }
        match self.peek() {
            Some(TokenKind::Symbol("{")) => self.memory_as_type(start),
            Some(TokenKind::Symbol("(")) if self.is_type_at(1) => {
                let to = self.parenthesized_type()?;
                self.operand(start, |operand| Kind::Cast { to, operand })
            }
            Some(TokenKind::Symbol("++" | "--")) => {
                Err(self.error_here("to change a value, assign to it: `a += 1`"))
            }
            Some(TokenKind::Word(word)) if word == "sizeof" => self.size_of(start),
            _ => {
                let primary = self.primary()?;
                self.postfix(primary)
            }
        }
    }

    /// The operand of a prefix operator that began at `start`.
    fn operand(
        &mut self,
        start: usize,
        kind: impl FnOnce(Box<Expr>) -> Kind,
    ) -> Result<Node, ParseError> {
        let operand = self.deeper(Self::prefix)?;
        let span = Span {
            start,
            end: operand.expr.span.end,
        };
        let height = operand.height;
        self.node(kind(operand.boxed()), span, height)
    }

    fn unary(&self) -> Option<Unary> {
        let Some(TokenKind::Symbol(symbol)) = self.peek() else {
            return None;
        };
        print::UNARY
            .iter()
            .find(|(_, spelling)| spelling == symbol)
            .map(|(operator, _)| *operator)
    }

    /// Takes `{pa}`, `{ipa}`, `pa:` or `ipa:`; the colon follows the word at once, so that `c ? pa : 0` stays possible.
    fn address_prefix(&mut self) -> Option<Space> {
        let braced = self.at("{") && self.symbol_at(2) == Some("}");
        let word = self.word_at(usize::from(braced))?;
        let space = match word {
            "pa" => Space::Physical,
            "ipa" => Space::Intermediate,
            _ => return None,
        };
        let colon = self.symbol_at(1) == Some(":") && self.touches_next();
        if !braced && !colon {
            return None;
        }
        self.at += if braced { 3 } else { 2 };
        Some(space)
    }

    /// gdb's `{type}address`.
    fn memory_as_type(&mut self, start: usize) -> Result<Node, ParseError> {
        self.bump();
        let mut to = self.type_name()?;
        self.expect("}")?;
        if !to.arrays.is_empty() {
            return Err(self.error_since(start, "arrays cannot be written here, use `@`"));
        }
        to.pointers += 1;
        let pointer = self.operand(start, |operand| Kind::Cast { to, operand })?;
        let (span, height) = (pointer.expr.span, pointer.height);
        self.node(dereference(pointer.boxed()), span, height)
    }

    fn parenthesized_type(&mut self) -> Result<TypeName, ParseError> {
        self.expect("(")?;
        let name = self.type_name()?;
        self.expect(")")?;
        Ok(name)
    }

    fn size_of(&mut self, start: usize) -> Result<Node, ParseError> {
        self.bump();
        if !(self.at("(") && self.is_type_at(1)) {
            return self.operand(start, Kind::SizeOf);
        }
        let name = self.parenthesized_type()?;
        let span = self.since(start);
        self.node(Kind::SizeOfType(name), span, 0)
    }

    fn primary(&mut self) -> Result<Node, ParseError> {
        let Some(token) = self.tokens.get(self.at).cloned() else {
            return Err(self.error_here("an expression is missing"));
        };
        let kind = match token.kind {
            TokenKind::Symbol("(") => {
                self.bump();
                let mut inner = self.expression(Power::LOWEST)?;
                self.expect(")")?;
                inner.expr.span = self.since(token.span.start);
                return Ok(inner);
            }
            TokenKind::Symbol(_) => return Err(self.error_here("an expression is missing")),
            TokenKind::Word(word) => return self.word(word, token.span),
            TokenKind::Qualified(name) => Kind::Name(name),
            TokenKind::Register(name) => Kind::Register(name),
            TokenKind::Integer(integer) => Kind::Integer(integer),
            TokenKind::Float { value, single } => Kind::Float { value, single },
            TokenKind::Char(byte) => Kind::Char(byte),
            TokenKind::String(bytes) => Kind::String(bytes),
        };
        self.bump();
        self.node(kind, token.span, 0)
    }

    fn word(&mut self, word: String, span: Span) -> Result<Node, ParseError> {
        let macro_like = self.symbol_at(1) == Some("(");
        match word.as_str() {
            "offsetof" | "__builtin_offsetof" if macro_like => return self.offset_of(),
            "container_of" if macro_like => return self.container_of(),
            _ if self.is_type_at(0) => {
                return Err(self.error_here(format!("`{word}` is a type, not a value")));
            }
            _ => self.bump(),
        }
        let name = Name {
            vm: None,
            scope: None,
            name: word,
        };
        self.node(Kind::Name(name), span, 0)
    }

    /// Members and indices after an operand.
    pub(super) fn postfix(&mut self, mut base: Node) -> Result<Node, ParseError> {
        loop {
            base = match self.peek() {
                Some(TokenKind::Symbol(".")) => {
                    self.bump();
                    self.member(base, false)?
                }
                Some(TokenKind::Symbol("->")) => {
                    self.bump();
                    self.member(base, true)?
                }
                Some(TokenKind::Symbol("[")) => self.index(base)?,
                Some(TokenKind::Symbol("(")) => {
                    return Err(self.error_here("functions of the target cannot be called"));
                }
                Some(TokenKind::Symbol("++" | "--")) => {
                    return Err(self.error_here("to change a value, assign to it: `a += 1`"));
                }
                _ => return Ok(base),
            };
        }
    }

    /// A member's name, after the dot or arrow.
    pub(super) fn member(&mut self, base: Node, arrow: bool) -> Result<Node, ParseError> {
        let Some(name) = self.word_at(0).map(str::to_owned) else {
            return Err(self.error_here("the name of a member is missing"));
        };
        self.bump();
        let span = self.since(base.expr.span.start);
        let height = base.height;
        let kind = Kind::Member {
            base: base.boxed(),
            name,
            arrow,
        };
        self.node(kind, span, height)
    }

    fn index(&mut self, base: Node) -> Result<Node, ParseError> {
        self.bump();
        let first = self.expression(Power::LOWEST)?;
        let last = if self.eat("..") {
            Some(self.expression(Power::LOWEST)?)
        } else {
            None
        };
        self.expect("]")?;
        let span = self.since(base.expr.span.start);
        let mut height = base.height.max(first.height);
        let base = base.boxed();
        let kind = match last {
            None => Kind::Index {
                base,
                index: first.boxed(),
            },
            Some(end) => {
                height = height.max(end.height);
                Kind::Slice {
                    base,
                    start: first.boxed(),
                    end: end.boxed(),
                }
            }
        };
        self.node(kind, span, height)
    }

    fn format(&mut self) -> Result<Option<Format>, ParseError> {
        if !self.eat(",") {
            return Ok(None);
        }
        let format = self.word_at(0).and_then(print::format_of);
        if format.is_none() {
            return Err(self.error_here("a format is one of x d u o t c s a"));
        }
        self.bump();
        Ok(format)
    }

    pub(super) fn join(
        &self,
        left: Node,
        right: Node,
        kind: impl FnOnce(Box<Expr>, Box<Expr>) -> Kind,
    ) -> Result<Node, ParseError> {
        let span = Span {
            start: left.expr.span.start.min(right.expr.span.start),
            end: left.expr.span.end.max(right.expr.span.end),
        };
        let height = left.height.max(right.height);
        self.node(kind(left.boxed(), right.boxed()), span, height)
    }

    /// A node above children of height `below`.
    pub(super) fn node(&self, kind: Kind, span: Span, below: usize) -> Result<Node, ParseError> {
        if below >= DEEPEST {
            return Err(ParseError {
                span,
                message: "this expression has too many parts".into(),
            });
        }
        Ok(Node {
            expr: Expr { kind, span },
            height: below + 1,
        })
    }
}

/// What stands between operands.
#[derive(Clone, Copy)]
enum Infix {
    Assign(Option<Binary>),
    Conditional,
    Array,
    Binary(Binary),
}

impl Infix {
    fn of(symbol: &str) -> Option<Self> {
        let binary = |spelling: &str| {
            print::BINARY
                .iter()
                .find(|(_, known, _)| *known == spelling)
                .map(|(operator, ..)| *operator)
        };
        match symbol {
            "=" => Some(Self::Assign(None)),
            "?" => Some(Self::Conditional),
            "@" => Some(Self::Array),
            _ => binary(symbol).map(Self::Binary).or_else(|| {
                let operator = binary(symbol.strip_suffix('=')?)?;
                Some(Self::Assign(Some(operator)))
            }),
        }
    }

    fn power(self) -> Power {
        match self {
            Self::Assign(_) => Power::ASSIGN,
            Self::Conditional => Power::CONDITIONAL,
            Self::Array => Power::ARRAY,
            Self::Binary(operator) => Power::of_binary(operator),
        }
    }
}

fn dereference(operand: Box<Expr>) -> Kind {
    Kind::Unary {
        operator: Unary::Dereference,
        operand,
    }
}

pub(super) fn cast(to: TypeName, operand: Box<Expr>) -> Kind {
    Kind::Cast { to, operand }
}
