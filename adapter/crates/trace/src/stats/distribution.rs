//! Distributions of durations, in buckets a thirty-second of a power of two wide.

/// A bucket is at most 1/32 of its durations wide.
const PARTS: u32 = 5;
/// The worst are kept while gathering.
const MOST_WORST: usize = 64;

/// How durations are distributed, in ticks.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Distribution {
    /// How many.
    pub count: u64,
    /// All together.
    pub sum: u64,
    /// Half are at most this, within 1/32.
    pub p50: u64,
    /// Nine in ten.
    pub p90: u64,
    /// Ninety-nine in a hundred.
    pub p99: u64,
    /// The longest, exactly.
    pub max: u64,
    /// Entry n counts those of at least 2ⁿ ticks and less than 2ⁿ⁺¹; entry 0 also those of none.
    pub histogram: Vec<u64>,
    /// The longest, longest first.
    pub worst: Vec<Worst>,
}

/// One that lasted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Worst {
    /// How long.
    pub ticks: u64,
    /// When it was over.
    pub time: u64,
    /// The lane it happened in.
    pub lane: u16,
}

/// A distribution in the making.
#[derive(Clone, Debug, Default)]
pub(super) struct Gather {
    buckets: Vec<u64>,
    count: u64,
    sum: u64,
    worst: Vec<Worst>,
}

impl Gather {
    pub(super) fn add(&mut self, one: Worst) {
        let bucket = bucket(one.ticks);
        if self.buckets.len() <= bucket {
            self.buckets.resize(bucket + 1, 0);
        }
        self.buckets[bucket] += 1;
        self.count += 1;
        self.sum = self.sum.saturating_add(one.ticks);
        self.keep(one);
    }

    pub(super) fn merge(&mut self, other: &Self) {
        if self.buckets.len() < other.buckets.len() {
            self.buckets.resize(other.buckets.len(), 0);
        }
        for (sum, more) in self.buckets.iter_mut().zip(&other.buckets) {
            *sum += more;
        }
        self.count += other.count;
        self.sum = self.sum.saturating_add(other.sum);
        for one in &other.worst {
            self.keep(*one);
        }
    }

    /// Keeps the longest, longest first.
    fn keep(&mut self, one: Worst) {
        let place = self.worst.partition_point(|kept| *kept > one);
        if place < MOST_WORST {
            self.worst.insert(place, one);
            self.worst.truncate(MOST_WORST);
        }
    }

    pub(super) fn distribution(&self, top: usize) -> Distribution {
        let max = self.worst.first().map_or(0, |worst| worst.ticks);
        let mut histogram = Vec::new();
        for (bucket, count) in self
            .buckets
            .iter()
            .enumerate()
            .filter(|(_, count)| **count > 0)
        {
            let power = last(bucket).checked_ilog2().unwrap_or(0) as usize;
            histogram.resize(histogram.len().max(power + 1), 0);
            histogram[power] += count;
        }
        Distribution {
            count: self.count,
            sum: self.sum,
            p50: self.percentile(50).min(max),
            p90: self.percentile(90).min(max),
            p99: self.percentile(99).min(max),
            max,
            histogram,
            worst: self.worst.iter().take(top).copied().collect(),
        }
    }

    /// The last tick count of the bucket that holds this part of all.
    fn percentile(&self, percent: u64) -> u64 {
        let wanted = (u128::from(self.count) * u128::from(percent)).div_ceil(100);
        let mut seen = 0;
        let holds = |count: &u64| {
            seen += u128::from(*count);
            seen >= wanted
        };
        self.buckets.iter().position(holds).map_or(0, last)
    }
}

/// Durations below 2⁵ have a bucket each; above, every power of two has 32.
fn bucket(ticks: u64) -> usize {
    let shift = (ticks | 1).ilog2().saturating_sub(PARTS);
    ((shift as usize) << PARTS) + (ticks >> shift) as usize
}

/// The last duration of a bucket.
fn last(bucket: usize) -> u64 {
    let shift = (bucket >> PARTS).saturating_sub(1);
    let part = (bucket - (shift << PARTS)) as u64;
    (part << shift) + ((1 << shift) - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_hold_what_they_say() {
        for ticks in (0..5000).chain([u64::MAX, u64::MAX / 3, 1 << 40, (1 << 40) - 1]) {
            let bucket = bucket(ticks);
            let end = last(bucket);
            assert!(end >= ticks && end - ticks <= ticks / 32, "{ticks} {end}");
            assert!(bucket == 0 || last(bucket - 1) < ticks, "{ticks}");
        }
    }

    #[test]
    fn percentiles_are_within_a_thirty_second() {
        let mut gather = Gather::default();
        for ticks in 1..=10_000 {
            let (time, lane) = (ticks, 0);
            gather.add(Worst { ticks, time, lane });
        }
        let found = gather.distribution(2);
        assert_eq!(
            (found.count, found.sum, found.max),
            (10_000, 50_005_000, 10_000)
        );
        for (percentile, right) in [(found.p50, 5000), (found.p90, 9000), (found.p99, 9900)] {
            assert!(
                (right..=right * 33 / 32).contains(&percentile),
                "{percentile}"
            );
        }
        assert_eq!(found.histogram[..4], [1, 2, 4, 8]);
        assert_eq!(found.histogram.iter().sum::<u64>(), 10_000);
        assert_eq!(
            found.worst.iter().map(|one| one.ticks).collect::<Vec<_>>(),
            [10_000, 9999]
        );
    }
}
