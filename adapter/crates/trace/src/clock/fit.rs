//! A line through moments that two clocks know.

use crate::event::Ticks;

/// One moment on both clocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pair {
    /// On the guest's.
    pub nanoseconds: u64,
    /// On the physical counter.
    pub ticks: Ticks,
}

/// Pairs further than this many times the median residual from the line are left out: 1.4826 medians are a standard deviation of
/// normal noise, and three of those are enough.
const OUTLIER: f64 = 3.0 * 1.4826;

/// Rounds of leaving pairs out; three settle what can be settled.
const ROUNDS: usize = 5;

/// Slopes from this many pairs of pairs are looked at for a beginning.
const BEGINNINGS: usize = 1024;

/// A straight line from a guest's nanoseconds to ticks, and how well it lies.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Fit {
    /// A moment on the line, about which the line turns.
    pub origin: Pair,
    /// Ticks a nanosecond.
    pub slope: f64,
    /// How far the line passes from the origin, in ticks.
    pub offset: f64,
    /// The largest distance of a pair that was used, in ticks.
    pub residual_max: f64,
    /// The root of the mean square of those distances, in ticks.
    pub residual_rms: f64,
    /// Pairs used.
    pub used: usize,
    /// Pairs left out, being too far from the line.
    pub left_out: usize,
}

impl Fit {
    /// Lays a line through the pairs, in whatever order they are.
    ///
    /// Robust: it begins with the median slope between distant pairs (Theil and Sen), then takes least squares of the pairs near it, so that
    /// almost half of them may be wrong. `None` with fewer than two moments, or when the ticks do not go forward with the nanoseconds.
    pub fn new(pairs: &[Pair]) -> Option<Self> {
        let origin = *pairs.iter().min_by_key(|pair| pair.nanoseconds)?;
        let mut points: Vec<(f64, f64)> =
            pairs.iter().map(|pair| relative(*pair, origin)).collect();
        points.sort_by(|one, other| one.0.total_cmp(&other.0));
        let mut line = theil_sen(&points)?;
        let mut used = points.clone();
        for _ in 0..ROUNDS {
            let limit =
                (OUTLIER * median(points.iter().map(|point| line.distance(*point)))?).max(1.0);
            let near = points
                .iter()
                .filter(|point| line.distance(**point) <= limit);
            used = near.copied().collect();
            line = least_squares(&used).unwrap_or(line);
        }
        if !line.slope.is_finite() || line.slope <= 0.0 {
            return None;
        }
        let distances = || used.iter().map(|point| line.distance(*point));
        let squares: f64 = distances().map(|distance| distance * distance).sum();
        Some(Self {
            origin,
            slope: line.slope,
            offset: line.offset,
            residual_max: distances().fold(0.0, f64::max),
            residual_rms: (squares / used.len().max(1) as f64).sqrt(),
            used: used.len(),
            left_out: points.len() - used.len(),
        })
    }

    /// A guest's nanoseconds as a time of the machine; held at 0 and at the most there is.
    pub fn ticks(&self, nanoseconds: u64) -> Ticks {
        let since = i128::from(nanoseconds) - i128::from(self.origin.nanoseconds);
        let ticks = (self.slope * since as f64 + self.offset).round() as i128;
        let ticks = i128::from(self.origin.ticks.0).saturating_add(ticks);
        Ticks(ticks.clamp(0, i128::from(u64::MAX)) as u64)
    }
}

#[derive(Clone, Copy, Debug)]
struct Line {
    slope: f64,
    offset: f64,
}

impl Line {
    fn distance(self, (x, y): (f64, f64)) -> f64 {
        (self.slope * x + self.offset - y).abs()
    }
}

/// Differences are exact up to 2⁵³, which is 104 days of nanoseconds.
fn relative(pair: Pair, origin: Pair) -> (f64, f64) {
    let x = i128::from(pair.nanoseconds) - i128::from(origin.nanoseconds);
    let y = i128::from(pair.ticks.0) - i128::from(origin.ticks.0);
    (x as f64, y as f64)
}

/// The median slope of pairs half the range apart, and the median offset with it. Points are in order of x.
fn theil_sen(points: &[(f64, f64)]) -> Option<Line> {
    let half = points.len() / 2;
    let (first, second) = points.split_at(half);
    let step = half.div_ceil(BEGINNINGS).max(1);
    let pairs = first.iter().zip(second).step_by(step);
    let slope = median(
        pairs
            .filter(|(one, other)| one.0 < other.0)
            .map(|(one, other)| (other.1 - one.1) / (other.0 - one.0)),
    )?;
    let offset = median(points.iter().map(|(x, y)| y - slope * x))?;
    Some(Line { slope, offset })
}

/// `None` when all points are at one x.
fn least_squares(points: &[(f64, f64)]) -> Option<Line> {
    let count = points.len() as f64;
    let mean_x = points.iter().map(|point| point.0).sum::<f64>() / count;
    let mean_y = points.iter().map(|point| point.1).sum::<f64>() / count;
    let (mut xx, mut xy) = (0.0, 0.0);
    for (x, y) in points {
        xx += (x - mean_x) * (x - mean_x);
        xy += (x - mean_x) * (y - mean_y);
    }
    (xx > 0.0).then(|| {
        let slope = xy / xx;
        let offset = mean_y - slope * mean_x;
        Line { slope, offset }
    })
}

/// The upper of the two in the middle. `None` of nothing.
fn median(numbers: impl Iterator<Item = f64>) -> Option<f64> {
    let mut numbers: Vec<f64> = numbers.collect();
    let middle = numbers.len() / 2;
    if numbers.is_empty() {
        return None;
    }
    let (_, median, _) = numbers.select_nth_unstable_by(middle, f64::total_cmp);
    Some(*median)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const START: u64 = 106_439_675_570_920;

    /// Moments every millisecond for `count` ms, at 62.5 MHz and 20 ppm fast, with `noise` ticks by place.
    fn pairs(count: u64, noise: impl Fn(u64) -> i64) -> Vec<Pair> {
        let pair = |n: u64| {
            let ticks = 5_000_000_000 + (n * 62_500 * 1_000_020) / 1_000_000;
            Pair {
                nanoseconds: START + n * 1_000_000,
                ticks: Ticks(ticks.saturating_add_signed(noise(n))),
            }
        };
        (0..count).map(pair).collect()
    }

    fn check(pairs: &[Pair], within: u64, left_out: usize) {
        let fit = Fit::new(pairs).unwrap();
        assert!((fit.slope / 0.0625 - 1.000_02).abs() < 1e-6, "{fit:?}");
        let at = fit.ticks(START + 500_000_000).0;
        assert!(at.abs_diff(5_000_000_000 + 31_250_625) <= within, "{fit:?}");
        assert_eq!((fit.used, fit.left_out), (pairs.len() - left_out, left_out));
        assert!(fit.residual_rms <= fit.residual_max);
    }

    #[test]
    fn a_straight_line_is_found() {
        check(&pairs(1000, |_| 0), 1, 0);
        assert!(Fit::new(&pairs(1000, |_| 0)).unwrap().residual_max <= 1.0);
        let mut backwards = pairs(1000, |_| 0);
        backwards.reverse();
        check(&backwards, 1, 0);
    }

    #[test]
    fn late_pairs_are_left_out() {
        let late = |n| if n % 5 == 0 { 40_000 + n as i64 } else { 0 };
        check(&pairs(1000, late), 1, 200);
    }

    #[test]
    fn noise_is_told() {
        let noise = |n: u64| (n as i64 * 7919) % 101 - 50;
        let pairs = pairs(1000, noise);
        check(&pairs, 5, 0);
        let fit = Fit::new(&pairs).unwrap();
        assert!((20.0..40.0).contains(&fit.residual_rms), "{fit:?}");
        assert!((50.0..60.0).contains(&fit.residual_max), "{fit:?}");
    }

    #[test]
    fn there_may_be_no_line() {
        let pair = |nanoseconds, ticks| Pair {
            nanoseconds,
            ticks: Ticks(ticks),
        };
        assert_eq!(Fit::new(&[]), None);
        assert_eq!(Fit::new(&[pair(1, 1)]), None);
        assert_eq!(Fit::new(&[pair(1, 1), pair(1, 2)]), None);
        assert_eq!(Fit::new(&[pair(1, 2), pair(2, 1)]), None);
        let two = Fit::new(&[pair(1000, 10), pair(2000, 20)]).unwrap();
        assert_eq!(two.ticks(3000), Ticks(30));
        assert_eq!(two.ticks(0), Ticks(0));
        assert!(two.ticks(u64::MAX).0.abs_diff(u64::MAX / 100) < 1 << 10);
    }

    proptest! {
        #[test]
        fn any_pairs_do_no_harm(pairs in prop::collection::vec((any::<u64>(), any::<u64>()), 0..50), at in any::<u64>()) {
            let pairs: Vec<Pair> = pairs
                .into_iter()
                .map(|(nanoseconds, ticks)| Pair { nanoseconds, ticks: Ticks(ticks) })
                .collect();
            if let Some(fit) = Fit::new(&pairs) {
                fit.ticks(at);
                prop_assert!(fit.used + fit.left_out == pairs.len());
            }
        }
    }
}
