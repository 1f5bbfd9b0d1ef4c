//! What is written on the command line: lengths of time, and what to trace.

use std::time::Duration;

/// Xen's classes and subclasses of events by name (Xen 4.17 `public/trace.h`).
const MASKS: [(&str, u32); 7] = [
    ("run-states", 0x2_1000),
    ("scheduler", 0x2_2000),
    ("switches", 0x2_8000),
    ("domains", 0x4_1000),
    ("memory", 0x10_f000),
    ("hardware", 0x80_f000),
    ("all", 0xfff_f000),
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
pub(super) fn mask(text: &str) -> Result<u32, String> {
    if let Some(digits) = text.strip_prefix("0x") {
        return u32::from_str_radix(digits, 16).map_err(|error| error.to_string());
    }
    let known = |name: &str| MASKS.iter().find(|(known, _)| *known == name);
    let mut mask = 0;
    for name in text.split('+') {
        let (_, bits) = known(name).ok_or_else(|| {
            let names = MASKS.map(|(name, _)| name).join(", ");
            format!(
                "`{name}` is not known: write Xen's mask as 0x29000, or some of {names} with + between"
            )
        })?;
        mask |= bits;
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
        assert_eq!(mask("0x29000"), Ok(0x2_9000));
        assert_eq!(mask("run-states+switches"), Ok(0x2_9000));
        assert_eq!(mask("all"), Ok(0xfff_f000));
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
