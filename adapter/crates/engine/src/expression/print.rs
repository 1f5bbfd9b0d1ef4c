//! Operators with their spelling and binding power, and a tree back to text with no more parentheses than needed.

use std::fmt;

use super::lexer::{is_word_part, is_word_start};
use super::{Binary, Expr, Format, Integer, Kind, Name, Space, Unary};

/// How strongly an operator binds; more is stronger (C11 6.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Power(u8);

impl Power {
    pub(super) const LOWEST: Self = Self(0);
    pub(super) const ASSIGN: Self = Self(1);
    pub(super) const CONDITIONAL: Self = Self(2);
    /// gdb has `@` between shifts and sums.
    pub(super) const ARRAY: Self = Self(11);
    const PREFIX: Self = Self(14);
    const POSTFIX: Self = Self(15);

    pub(super) fn of_binary(operator: Binary) -> Self {
        let row = BINARY.iter().find(|(known, ..)| *known == operator);
        row.map_or(Self::LOWEST, |(.., power)| *power)
    }

    /// The least power of the right operand of an operator that groups from left to right.
    pub(super) const fn tighter(self) -> Self {
        Self(self.0 + 1)
    }
}

pub(super) const UNARY: &[(Unary, &str)] = &[
    (Unary::Dereference, "*"),
    (Unary::AddressOf, "&"),
    (Unary::Minus, "-"),
    (Unary::Plus, "+"),
    (Unary::Not, "!"),
    (Unary::Complement, "~"),
];

pub(super) const BINARY: &[(Binary, &str, Power)] = &[
    (Binary::Multiply, "*", Power(13)),
    (Binary::Divide, "/", Power(13)),
    (Binary::Remainder, "%", Power(13)),
    (Binary::Add, "+", Power(12)),
    (Binary::Subtract, "-", Power(12)),
    (Binary::ShiftLeft, "<<", Power(10)),
    (Binary::ShiftRight, ">>", Power(10)),
    (Binary::Less, "<", Power(9)),
    (Binary::Greater, ">", Power(9)),
    (Binary::LessOrEqual, "<=", Power(9)),
    (Binary::GreaterOrEqual, ">=", Power(9)),
    (Binary::Equal, "==", Power(8)),
    (Binary::NotEqual, "!=", Power(8)),
    (Binary::BitAnd, "&", Power(7)),
    (Binary::BitXor, "^", Power(6)),
    (Binary::BitOr, "|", Power(5)),
    (Binary::And, "&&", Power(4)),
    (Binary::Or, "||", Power(3)),
];

const FORMATS: &[(Format, &str)] = &[
    (Format::Hex, "x"),
    (Format::Decimal, "d"),
    (Format::Unsigned, "u"),
    (Format::Octal, "o"),
    (Format::Binary, "t"),
    (Format::Binary, "b"),
    (Format::Char, "c"),
    (Format::String, "s"),
    (Format::Address, "a"),
];

pub(super) fn format_of(letter: &str) -> Option<Format> {
    let row = FORMATS.iter().find(|(_, known)| *known == letter);
    row.map(|(format, _)| *format)
}

impl fmt::Display for Unary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let row = UNARY.iter().find(|(known, _)| known == self);
        f.write_str(row.map_or("", |(_, spelling)| spelling))
    }
}

impl fmt::Display for Binary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let row = BINARY.iter().find(|(known, ..)| known == self);
        f.write_str(row.map_or("", |(_, spelling, _)| spelling))
    }
}

impl Expr {
    fn power(&self) -> Power {
        match &self.kind {
            Kind::Assign { .. } => Power::ASSIGN,
            Kind::Conditional { .. } => Power::CONDITIONAL,
            Kind::Array { .. } => Power::ARRAY,
            Kind::Binary { operator, .. } => Power::of_binary(*operator),
            Kind::Unary { .. }
            | Kind::Cast { .. }
            | Kind::SizeOf(_)
            | Kind::SizeOfType(_)
            | Kind::Address { .. } => Power::PREFIX,
            // `(1).x`, not `1.x`.
            Kind::Integer(_) | Kind::Float { .. } => Power::PREFIX,
            _ => Power::POSTFIX,
        }
    }

    /// As an operand that must bind at least as strongly as `least`.
    fn operand(&self, least: Power) -> Operand<'_> {
        Operand(self, least)
    }
}

struct Operand<'a>(&'a Expr, Power);

impl fmt::Display for Operand<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(expr, least) = self;
        if expr.power() < *least {
            write!(f, "({expr})")
        } else {
            write!(f, "{expr}")
        }
    }
}

impl fmt::Display for Expr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            Kind::Name(name) => write!(f, "{name}"),
            Kind::Register(name) => write!(f, "${name}"),
            Kind::Integer(integer) => write!(f, "{integer}"),
            Kind::Float { value, single } => {
                write!(f, "{value:?}{}", if *single { "f" } else { "" })
            }
            Kind::Char(byte) => quoted(f, '\'', &[*byte]),
            Kind::String(bytes) => quoted(f, '"', bytes),
            Kind::Unary { operator, operand } => {
                // `- -x`, not `--x`.
                let space = if matches!(operand.kind, Kind::Unary { .. }) {
                    " "
                } else {
                    ""
                };
                write!(f, "{operator}{space}{}", operand.operand(Power::PREFIX))
            }
            Kind::Binary {
                operator,
                left,
                right,
            } => {
                let power = Power::of_binary(*operator);
                let (left, right) = (left.operand(power), right.operand(power.tighter()));
                write!(f, "{left} {operator} {right}")
            }
            Kind::Conditional { condition, yes, no } => {
                let condition = condition.operand(Power::CONDITIONAL.tighter());
                write!(
                    f,
                    "{condition} ? {yes} : {}",
                    no.operand(Power::CONDITIONAL)
                )
            }
            Kind::Assign {
                operator,
                target,
                value,
            } => {
                write!(f, "{} ", target.operand(Power::PREFIX))?;
                if let Some(operator) = operator {
                    write!(f, "{operator}")?;
                }
                write!(f, "= {}", value.operand(Power::ASSIGN))
            }
            Kind::Member { base, name, arrow } => {
                let dot = if *arrow { "->" } else { "." };
                write!(f, "{}{dot}{name}", base.operand(Power::POSTFIX))
            }
            Kind::Index { base, index } => write!(f, "{}[{index}]", base.operand(Power::POSTFIX)),
            Kind::Slice { base, start, end } => {
                write!(f, "{}[{start} .. {end}]", base.operand(Power::POSTFIX))
            }
            Kind::Array { first, count } => {
                let (first, count) = (
                    first.operand(Power::ARRAY),
                    count.operand(Power::ARRAY.tighter()),
                );
                write!(f, "{first} @ {count}")
            }
            Kind::Cast { to, operand } => write!(f, "({to}){}", operand.operand(Power::PREFIX)),
            Kind::SizeOf(operand) => write!(f, "sizeof({operand})"),
            Kind::SizeOfType(name) => write!(f, "sizeof({name})"),
            Kind::Address { space, operand } => {
                let prefix = match space {
                    Space::Physical => "{pa}",
                    Space::Intermediate => "{ipa}",
                };
                write!(f, "{prefix}{}", operand.operand(Power::PREFIX))
            }
        }
    }
}

impl fmt::Display for Integer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.decimal {
            write!(f, "{}", self.value)?;
        } else {
            write!(f, "{:#x}", self.value)?;
        }
        if self.unsigned {
            f.write_str("u")?;
        }
        f.write_str(["", "l", "ll"][usize::from(self.longs.min(2))])
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(vm) = &self.vm {
            if vm.starts_with(is_word_start) && vm.chars().all(is_word_part) {
                write!(f, "{vm}!")?;
            } else {
                quoted(f, '"', vm.as_bytes())?;
                f.write_str("!")?;
            }
        }
        if let Some(scope) = &self.scope {
            write!(f, "\"{scope}\"::")?;
        }
        f.write_str(&self.name)
    }
}

/// A literal; octal escapes, because hexadecimal ones have no end.
fn quoted(f: &mut fmt::Formatter<'_>, quote: char, bytes: &[u8]) -> fmt::Result {
    write!(f, "{quote}")?;
    for &byte in bytes {
        match byte {
            b'\\' | b'"' | b'\'' => write!(f, "\\{}", char::from(byte))?,
            b' '..=b'~' => write!(f, "{}", char::from(byte))?,
            _ => write!(f, "\\{byte:03o}")?,
        }
    }
    write!(f, "{quote}")
}
