//! Numbers by C's rules: types of literals, promotions, the usual arithmetic conversions (C11 6.3.1, 6.4.4, 6.5).

use machine::Va;
use symbols::value::Scalar;

use crate::expression::{Binary, Format, Integer, Unary};

/// The type C gives a literal: the first of its list that holds the value (C11 6.4.4.1).
pub(super) fn literal(integer: Integer) -> Scalar {
    let value = i128::from(integer.value);
    let fits = |bits: u32| value < 1 << bits;
    let may_be_unsigned = integer.unsigned || !integer.decimal;
    let (bytes, signed) = match integer.longs {
        0 if !integer.unsigned && fits(31) => (4, true),
        0 if may_be_unsigned && fits(32) => (4, false),
        _ if !integer.unsigned && fits(63) => (8, true),
        _ => (8, false),
    };
    Scalar::Int {
        value,
        bytes,
        signed,
    }
}

/// `-a`, `+a`, `~a` after promotion.
pub(super) fn unary(operator: Unary, operand: Scalar) -> Result<Scalar, String> {
    match (operator, promoted(operand)) {
        (Unary::Plus, number) => Ok(number),
        (
            Unary::Minus,
            Scalar::Int {
                value,
                bytes,
                signed,
            },
        ) => Ok(Scalar::wrapped(value.wrapping_neg(), bytes, signed)),
        (
            Unary::Complement,
            Scalar::Int {
                value,
                bytes,
                signed,
            },
        ) => Ok(Scalar::wrapped(!value, bytes, signed)),
        (Unary::Minus, Scalar::Float { value, bytes }) => Ok(Scalar::Float {
            value: -value,
            bytes,
        }),
        _ => Err("~ needs a whole number".to_owned()),
    }
}

/// Any operator of two numbers but `&&` and `||`, which may not work out their right side.
pub(super) fn binary(operator: Binary, left: Scalar, right: Scalar) -> Result<Scalar, String> {
    let (left, right) = (promoted(left), promoted(right));
    if let (
        Scalar::Int {
            value: left,
            bytes,
            signed,
        },
        Binary::ShiftLeft | Binary::ShiftRight,
    ) = (left, operator)
    {
        return shift(operator, left, bytes, signed, right);
    }
    match (left, right) {
        (Scalar::Int { .. }, Scalar::Int { .. }) => whole(operator, left, right),
        _ => floating(operator, left, right),
    }
}

/// Types smaller than `int` become `int` (C11 6.3.1.1).
fn promoted(scalar: Scalar) -> Scalar {
    match scalar {
        Scalar::Int { value, bytes, .. } if bytes < 4 => Scalar::Int {
            value,
            bytes: 4,
            signed: true,
        },
        other => other,
    }
}

fn shift(
    operator: Binary,
    left: i128,
    bytes: u8,
    signed: bool,
    right: Scalar,
) -> Result<Scalar, String> {
    let count = match right {
        Scalar::Int { value, .. } if (0..i128::from(bytes) * 8).contains(&value) => value as u32,
        _ => {
            return Err(format!(
                "a shift count is 0 to {}",
                u32::from(bytes) * 8 - 1
            ));
        }
    };
    let value = if operator == Binary::ShiftLeft {
        left.wrapping_shl(count)
    } else {
        left >> count
    };
    Ok(Scalar::wrapped(value, bytes, signed))
}

fn whole(operator: Binary, left: Scalar, right: Scalar) -> Result<Scalar, String> {
    let (
        Scalar::Int {
            bytes: a,
            signed: sa,
            ..
        },
        Scalar::Int {
            bytes: b,
            signed: sb,
            ..
        },
    ) = (left, right)
    else {
        return Err("whole numbers are needed".to_owned());
    };
    // C11 6.3.1.8: the larger type; of equal ones the unsigned.
    let bytes = a.max(b);
    let signed = (sa || a < bytes) && (sb || b < bytes);
    let common = |scalar: Scalar| Scalar::wrapped(scalar.as_int(), bytes, signed).as_int();
    let (left, right) = (common(left), common(right));
    let truth = |holds: bool| {
        Ok(Scalar::Int {
            value: i128::from(holds),
            bytes: 4,
            signed: true,
        })
    };
    let value = match operator {
        Binary::Multiply => left.wrapping_mul(right),
        Binary::Divide | Binary::Remainder if right == 0 => {
            return Err("division by zero".to_owned());
        }
        Binary::Divide => left.wrapping_div(right),
        Binary::Remainder => left.wrapping_rem(right),
        Binary::Add => left.wrapping_add(right),
        Binary::Subtract => left.wrapping_sub(right),
        Binary::BitAnd => left & right,
        Binary::BitXor => left ^ right,
        Binary::BitOr => left | right,
        Binary::Less => return truth(left < right),
        Binary::Greater => return truth(left > right),
        Binary::LessOrEqual => return truth(left <= right),
        Binary::GreaterOrEqual => return truth(left >= right),
        Binary::Equal => return truth(left == right),
        Binary::NotEqual => return truth(left != right),
        Binary::ShiftLeft | Binary::ShiftRight | Binary::And | Binary::Or => {
            return Err("this operator cannot be used here".to_owned());
        }
    };
    Ok(Scalar::wrapped(value, bytes, signed))
}

fn floating(operator: Binary, left: Scalar, right: Scalar) -> Result<Scalar, String> {
    let (left, right) = (left.as_float(), right.as_float());
    let number = |value: f64| Ok(Scalar::Float { value, bytes: 8 });
    let truth = |holds: bool| {
        Ok(Scalar::Int {
            value: i128::from(holds),
            bytes: 4,
            signed: true,
        })
    };
    match operator {
        Binary::Multiply => number(left * right),
        Binary::Divide => number(left / right),
        Binary::Add => number(left + right),
        Binary::Subtract => number(left - right),
        Binary::Less => truth(left < right),
        Binary::Greater => truth(left > right),
        Binary::LessOrEqual => truth(left <= right),
        Binary::GreaterOrEqual => truth(left >= right),
        #[expect(clippy::float_cmp, reason = "C's == is exact")]
        Binary::Equal => truth(left == right),
        #[expect(clippy::float_cmp, reason = "C's != is exact")]
        Binary::NotEqual => truth(left != right),
        _ => Err("this operator needs whole numbers".to_owned()),
    }
}

/// A number as it is shown unasked: signed ones and small ones in decimal, large unsigned ones, likely addresses, in hexadecimal.
pub(super) fn plain(scalar: Scalar) -> String {
    match scalar {
        Scalar::Int {
            value,
            bytes: 8,
            signed: false,
        } if value > 0xffff_ffff => format!("{value:#x}"),
        Scalar::Int { value, .. } => value.to_string(),
        Scalar::Float { value, .. } => value.to_string(),
    }
}

/// A number in a format that was asked for; `None` where it has none in it.
pub(super) fn formatted(
    scalar: Scalar,
    format: Format,
    symbol: impl Fn(Va) -> Option<String>,
) -> Option<String> {
    let Scalar::Int { value, bytes, .. } = scalar else {
        return None;
    };
    let bits = Scalar::wrapped(value, bytes, false).as_int();
    Some(match format {
        Format::Hex => format!("{bits:#x}"),
        Format::Decimal => Scalar::wrapped(value, bytes, true).as_int().to_string(),
        Format::Unsigned => bits.to_string(),
        Format::Octal => format!("{bits:#o}"),
        Format::Binary => format!("{bits:#b}"),
        Format::Char => format!("{value} '{}'", (bits as u8).escape_ascii()),
        Format::Address => match symbol(Va(bits as u64)) {
            Some(symbol) => format!("{bits:#x} <{symbol}>"),
            None => format!("{bits:#x}"),
        },
        Format::String => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn int(value: i128, bytes: u8, signed: bool) -> Scalar {
        Scalar::Int {
            value,
            bytes,
            signed,
        }
    }

    fn check(operator: Binary, left: Scalar, right: Scalar, expected: Scalar) {
        assert_eq!(
            binary(operator, left, right),
            Ok(expected),
            "{left:?} {operator:?} {right:?}"
        );
    }

    #[test]
    fn numbers_follow_c() {
        let (one, minus_one) = (int(1, 4, true), int(-1, 4, true));
        check(Binary::Less, minus_one, int(1, 4, false), int(0, 4, true));
        check(Binary::Less, minus_one, int(1, 8, true), int(1, 4, true));
        check(Binary::Add, int(0xff, 1, false), one, int(0x100, 4, true));
        check(
            Binary::Add,
            int(0xffff_ffff, 4, false),
            one,
            int(0, 4, false),
        );
        check(
            Binary::Divide,
            int(-7, 4, true),
            int(2, 4, true),
            int(-3, 4, true),
        );
        check(
            Binary::Remainder,
            int(-7, 4, true),
            int(2, 4, true),
            int(-1, 4, true),
        );
        check(Binary::ShiftRight, int(-8, 4, true), one, int(-4, 4, true));
        check(
            Binary::ShiftLeft,
            int(1, 8, false),
            int(63, 4, true),
            int(1 << 63, 8, false),
        );
        check(
            Binary::Multiply,
            Scalar::Float {
                value: 1.5,
                bytes: 4,
            },
            int(2, 4, true),
            Scalar::Float {
                value: 3.0,
                bytes: 8,
            },
        );
    }

    #[test]
    fn what_c_leaves_undefined_is_an_error() {
        for (operator, right) in [
            (Binary::Divide, 0),
            (Binary::Remainder, 0),
            (Binary::ShiftLeft, 32),
            (Binary::ShiftRight, -1),
        ] {
            assert!(
                binary(operator, int(1, 4, true), int(right, 4, true)).is_err(),
                "{operator:?} {right}"
            );
        }
    }

    #[test]
    fn literals_have_the_first_type_that_holds_them() {
        let literal = |value, decimal, unsigned| match literal(Integer {
            value,
            decimal,
            unsigned,
            longs: 0,
        }) {
            Scalar::Int { bytes, signed, .. } => (bytes, signed),
            Scalar::Float { .. } => unreachable!("an integer literal"),
        };
        assert_eq!(literal(0x7fff_ffff, true, false), (4, true));
        assert_eq!(literal(0x8000_0000, true, false), (8, true));
        assert_eq!(literal(0x8000_0000, false, false), (4, false));
        assert_eq!(literal(1, true, true), (4, false));
        assert_eq!(literal(u64::MAX, false, false), (8, false));
    }
}
