//! Times and frequencies as they are typed and printed.

use std::fmt;
use std::str::FromStr;

use trace::clock::Frequency;
use trace::store::View;

/// A moment as typed: `1.5s`, `20ms`, `7us`, `300ns` since the start of the trace, or `@123456`, a count of ticks as in
/// the trace itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// Nanoseconds since the start.
    Since(u64),
    /// The counter.
    At(u64),
}

impl FromStr for Moment {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || {
            format!(
                "`{text}` is no time: write 1.5s, 20ms, 7us or 300ns since the start, or @TICKS"
            )
        };
        if let Some(ticks) = text.strip_prefix('@') {
            return ticks.parse().map(Self::At).map_err(|_| wrong());
        }
        let units = [
            ("ns", 0),
            ("us", 3),
            ("µs", 3),
            ("ms", 6),
            ("s", 9),
            ("", 9),
        ];
        let found = units
            .iter()
            .find_map(|(unit, zeros)| Some((text.strip_suffix(unit)?, *zeros)));
        found
            .and_then(|(number, zeros)| scaled(number, zeros))
            .map(Self::Since)
            .ok_or_else(wrong)
    }
}

impl Moment {
    /// As a tick of a timeline.
    #[must_use]
    pub fn ticks(self, view: View<'_>) -> u64 {
        let since = |nanoseconds| {
            let ticks = u128::from(nanoseconds) * u128::from(view.frequency()) / 1_000_000_000;
            u64::try_from(ticks).unwrap_or(u64::MAX)
        };
        match self {
            Self::Since(nanoseconds) => view.first().saturating_add(since(nanoseconds)),
            Self::At(ticks) => ticks,
        }
    }
}

/// Reads a length of time such as `20us`, as nanoseconds.
///
/// # Errors
/// What it should look like.
pub fn length(text: &str) -> Result<u64, String> {
    match text.parse() {
        Ok(Moment::Since(nanoseconds)) => Ok(nanoseconds),
        _ => Err(format!(
            "`{text}` is no length of time: write 1.5s, 20ms, 7us or 300ns"
        )),
    }
}

/// Reads `62.5M`, `62.5MHz`, `2400 MHz`, `62500000`.
///
/// # Errors
/// When it is no frequency.
pub fn frequency(text: &str) -> Result<Frequency, String> {
    let plain = text
        .trim()
        .trim_end_matches("Hz")
        .trim_end_matches("hz")
        .trim_end();
    let units = [("k", 3), ("K", 3), ("M", 6), ("G", 9), ("", 0)];
    let found = units
        .iter()
        .find_map(|(unit, zeros)| Some((plain.strip_suffix(unit)?, *zeros)));
    let hertz = found.and_then(|(number, zeros)| scaled(number.trim_end(), zeros));
    hertz
        .and_then(Frequency::new)
        .ok_or_else(|| format!("`{text}` is no frequency: write 62.5M, 1G or 62500000"))
}

/// A decimal number times a power of ten, exactly; further digits are cut off.
fn scaled(number: &str, zeros: usize) -> Option<u64> {
    let (whole, part) = number.split_once('.').unwrap_or((number, ""));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !digits(whole) || !digits(part) {
        return None;
    }
    let part: String = part
        .chars()
        .chain(std::iter::repeat('0'))
        .take(zeros)
        .collect();
    format!("{whole}{part}").parse().ok()
}

/// `1.204000 s`: a time since the start.
#[must_use]
pub fn since(view: View<'_>, ticks: u64) -> String {
    let seconds = ticks.saturating_sub(view.first()) as f64 / view.frequency() as f64;
    format!("{seconds:.6} s")
}

/// Nanoseconds that so many ticks take.
#[must_use]
pub fn nanoseconds(view: View<'_>, ticks: u64) -> u64 {
    Frequency::new(view.frequency()).map_or(0, |frequency| frequency.nanoseconds(ticks))
}

/// Nanoseconds as people read them, three or four digits: `1.204 s`, `20.3 ms`, `7.1 µs`.
#[derive(Clone, Copy, Debug)]
pub struct Lasting(pub u64);

impl fmt::Display for Lasting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self.0 {
            ns @ 0..1000 => format!("{ns} ns"),
            ns @ 1000..1_000_000 => format!("{:.1} µs", ns as f64 / 1e3),
            ns @ 1_000_000..1_000_000_000 => format!("{:.1} ms", ns as f64 / 1e6),
            ns => format!("{:.3} s", ns as f64 / 1e9),
        };
        f.pad(&text)
    }
}

/// `62.5 MHz`.
#[must_use]
pub fn hertz(hertz: u64) -> String {
    match hertz {
        1_000_000.. => format!("{} MHz", hertz as f64 / 1e6),
        1000.. => format!("{} kHz", hertz as f64 / 1e3),
        _ => format!("{hertz} Hz"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments() {
        let check = |text: &str, moment| assert_eq!(text.parse(), Ok(moment), "{text}");
        check("1.5s", Moment::Since(1_500_000_000));
        check("20ms", Moment::Since(20_000_000));
        check("7us", Moment::Since(7000));
        check("0.25µs", Moment::Since(250));
        check("300ns", Moment::Since(300));
        check("2", Moment::Since(2_000_000_000));
        check("1.0000000019s", Moment::Since(1_000_000_001));
        check("@123", Moment::At(123));
        for wrong in [
            "",
            "s",
            "-1s",
            "1.5x",
            "@",
            "@1.5",
            "1e3s",
            "1..2s",
            "99999999999999999999s",
            ".5s",
        ] {
            let error = wrong.parse::<Moment>().expect_err(wrong);
            assert!(error.contains("20ms"), "{error}");
        }
    }

    #[test]
    fn frequencies() {
        let check =
            |text, hertz| assert_eq!(frequency(text).map(Frequency::hertz), Ok(hertz), "{text}");
        check("62.5M", 62_500_000);
        check("62.5MHz", 62_500_000);
        check("2400 MHz", 2_400_000_000);
        check("1G", 1_000_000_000);
        check("32768", 32_768);
        for wrong in ["", "0", "M", "-1M", "fast"] {
            assert!(frequency(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn durations() {
        let shown = [5, 7100, 20_340_000, 1_204_000_000].map(|ns| Lasting(ns).to_string());
        assert_eq!(shown, ["5 ns", "7.1 µs", "20.3 ms", "1.204 s"]);
        assert_eq!(format!("{:>8}", Lasting(5)), "    5 ns");
        assert_eq!(
            [62_500_000, 19_200_000, 32_768].map(hertz),
            ["62.5 MHz", "19.2 MHz", "32.768 kHz"]
        );
    }
}
