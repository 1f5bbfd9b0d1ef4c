//! What is written on the command line: lengths of time, and what to trace.

use std::time::Duration;

use engine::tracing::recording::Mask;

/// What can be traced by name: Xen's classes and subclasses of events (Xen 4.17 `public/trace.h`), and hvtrace's kinds by bit.
const MASKS: [(&str, u32, u32); 10] = [
    ("run-states", 0x2_1000, 1 << 2),
    ("scheduler", 0x2_2000, 1 << 10),
    ("switches", 0x2_8000, 1 << 1 | 1 << 10),
    ("domains", 0x4_1000, 1 << 7 | 1 << 8),
    ("exits", 0, 1 << 3 | 1 << 4),
    ("calls", 0, 1 << 5 | 1 << 6),
    ("memory", 0x10_f000, 0),
    ("hardware", 0x80_f000, 0),
    ("marks", 0, 1 << 9),
    ("all", 0xfff_f000, u32::MAX),
];

/// A length of time such as `10s`, `200ms`, `1.5s` or `2m`.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let scale = match &text[digits.len()..] {
        "ms" => 0.001,
        "s" => 1.0,
        "m" => 60.0,
        "h" => 3600.0,
        _ => return Err("write a number and a unit: 200ms, 10s, 2m, 1h".to_owned()),
    };
    let number: f64 = digits
        .parse()
        .map_err(|_| format!("`{digits}` is not a number"))?;
    match Duration::try_from_secs_f64(number * scale) {
        Ok(duration) if !duration.is_zero() => Ok(duration),
        _ => Err("it must be more than nothing, and not for ever".to_owned()),
    }
}

/// A mask such as `0x29000`, or names such as `run-states+switches`.
pub(super) fn mask(text: &str) -> Result<Mask, String> {
    if let Some(digits) = text.strip_prefix("0x") {
        let bits = u32::from_str_radix(digits, 16);
        return bits.map(Mask::bits).map_err(|error| error.to_string());
    }
    let mut mask = Mask { xen: 0, hvtrace: 0 };
    for name in text.split('+') {
        let known = MASKS.iter().find(|(known, ..)| *known == name);
        let (_, xen, hvtrace) = known.ok_or_else(|| {
            let names = MASKS.map(|(name, ..)| name).join(", ");
            format!(
                "`{name}` is not known: write a mask as 0x29000, or some of {names} with + between"
            )
        })?;
        mask.xen |= xen;
        mask.hvtrace |= hvtrace;
    }
    Ok(mask)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_of_time() {
        let check = |text, milliseconds| {
            assert_eq!(duration(text), Ok(Duration::from_millis(milliseconds)));
        };
        check("10s", 10_000);
        check("200ms", 200);
        check("1.5s", 1500);
        check("2m", 120_000);
        check("1h", 3_600_000);
        for wrong in [
            "", "10", "s", "0s", "-1s", "1e99h", "10 s", "nans", "infs", "1d",
        ] {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn masks() {
        let check = |text, xen, hvtrace| assert_eq!(mask(text), Ok(Mask { xen, hvtrace }));
        check("0x29000", 0x2_9000, 0x2_9000);
        check("run-states+switches", 0x2_9000, 0x406);
        check("all", 0xfff_f000, u32::MAX);
        for wrong in [
            "",
            "29000",
            "0x",
            "0x1_0000_0000",
            "run-states+",
            "everything",
        ] {
            assert!(mask(wrong).is_err(), "{wrong}");
        }
    }
}
