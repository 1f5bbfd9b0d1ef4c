//! Finds where a guest's clock lies on the machine's, from what both saw: a vCPU that was blocked gets a core, and soon after its kernel
//! leaves the idle task.
//!
//! Differences of all moments of one with all of the other are put into bins; the right difference is the one that most moments share.
//! A line through the pairs then follows the two clocks' drift. The guest's moments are a little late, so the line is as late as most.

use std::collections::HashMap;

use super::{Fit, Frequency, Pair};
use crate::event::Ticks;

/// What happened on one vCPU, each in order of time.
#[derive(Clone, Debug, Default)]
pub struct Moments {
    /// When its kernel left the idle task, in nanoseconds of the guest's clock.
    pub guest: Vec<u64>,
    /// When it got a core after it had been blocked.
    pub machine: Vec<Ticks>,
}

/// Two moments are one if they are no further apart, in nanoseconds.
const NEAR: i64 = 200_000;

/// So many moments of a vCPU are compared with all others to find a beginning.
const FIRST: usize = 512;
/// With so many of the machine's.
const COMPARED: usize = 1 << 14;

/// A difference must be shared by so many, and by so many times more than any other that is not near it.
const LEAST: u32 = 16;
const LEAD: (u32, u32) = (3, 2);

/// The line from a guest's nanoseconds to ticks. `None` where no difference of the clocks stands out: too few moments, all of one
/// period, or two traces of different times.
pub fn align(vcpus: &[Moments], frequency: Frequency) -> Option<Fit> {
    let vcpus: Vec<Series> = vcpus
        .iter()
        .map(|vcpu| Series::new(vcpu, frequency))
        .collect();
    let difference = shared_difference(&vcpus)?;
    let mut count = FIRST;
    let near_first = |nanoseconds: i64| nanoseconds + difference;
    let mut fit = Fit::new(&pairs(&vcpus, count, near_first))?;
    while vcpus.iter().any(|vcpu| vcpu.guest.len() > count) {
        count *= 2;
        let line = |nanoseconds: i64| frequency.nanoseconds(fit.ticks(nanoseconds as u64).0) as i64;
        fit = Fit::new(&pairs(&vcpus, count, line))?;
    }
    (fit.used >= LEAST as usize).then_some(fit)
}

/// Moments of a vCPU, both in nanoseconds.
struct Series<'a> {
    guest: Vec<i64>,
    machine: Vec<i64>,
    ticks: &'a [Ticks],
}

impl<'a> Series<'a> {
    fn new(moments: &'a Moments, frequency: Frequency) -> Self {
        let nanoseconds =
            |ticks: &Ticks| frequency.nanoseconds(ticks.0).min(i64::MAX as u64) as i64;
        Self {
            guest: moments
                .guest
                .iter()
                .map(|time| (*time).min(i64::MAX as u64) as i64)
                .collect(),
            machine: moments.machine.iter().map(nanoseconds).collect(),
            ticks: &moments.machine,
        }
    }
}

/// What is to be added to the guest's nanoseconds.
fn shared_difference(vcpus: &[Series<'_>]) -> Option<i64> {
    let mut bins: HashMap<i64, u32> = HashMap::new();
    for vcpu in vcpus {
        for guest in vcpu.guest.iter().take(FIRST) {
            for machine in vcpu.machine.iter().take(COMPARED) {
                *bins.entry((machine - guest).div_euclid(NEAR)).or_default() += 1;
            }
        }
    }
    // A difference near the edge of a bin is shared by the next.
    let votes = |bin: i64| {
        bins.get(&bin).copied().unwrap_or(0) + bins.get(&(bin + 1)).copied().unwrap_or(0)
    };
    let best = bins.keys().copied().max_by_key(|bin| (votes(*bin), *bin))?;
    let far = bins.keys().filter(|bin| (**bin - best).abs() > 2);
    let second = far.map(|bin| votes(*bin)).max().unwrap_or(0);
    let stands_out = votes(best) >= LEAST && votes(best) * LEAD.1 > second * LEAD.0;
    // The guest is late: of the two bins, what is common to both ends at the border.
    stands_out.then_some((best + 1) * NEAR)
}

/// Each of the guest's first moments with the nearest of the machine's.
fn pairs(vcpus: &[Series<'_>], count: usize, line: impl Fn(i64) -> i64) -> Vec<Pair> {
    let mut found = Vec::new();
    for vcpu in vcpus {
        for guest in vcpu.guest.iter().take(count) {
            let expected = line(*guest);
            let after = vcpu.machine.partition_point(|machine| *machine < expected);
            let around = [after.checked_sub(1), Some(after)].into_iter().flatten();
            let distance = |index: &usize| {
                vcpu.machine
                    .get(*index)
                    .map(|machine| (machine - expected).abs())
            };
            let near =
                around.filter(|index| distance(index).is_some_and(|distance| distance <= NEAR));
            if let Some(index) = near.min_by_key(distance) {
                let (nanoseconds, ticks) = (*guest as u64, vcpu.ticks[index]);
                found.push(Pair { nanoseconds, ticks });
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Moments at random distances of about a millisecond; the guest's clock is 77 s behind, 30 ppm fast, and late by up to 40 µs.
    fn moments(count: usize, steps: impl Iterator<Item = u64>) -> (Moments, Frequency) {
        let frequency = Frequency::new(62_500_000).unwrap();
        let (mut moments, mut time) = (Moments::default(), 100_000_000_000_u64);
        for (number, step) in (0..count as u64).zip(steps) {
            time += step;
            moments.machine.push(Ticks(frequency.ticks(time)));
            // Of some wakes the guest's scheduler sees nothing.
            if number % 3 != 0 {
                let late = step % 40_000;
                let guest = time - 77_000_000_000 + late;
                moments
                    .guest
                    .push(guest + (guest - 23_000_000_000) * 30 / 1_000_000);
            }
        }
        (moments, frequency)
    }

    fn random() -> impl Iterator<Item = u64> {
        let mut state = 88_172_645_463_325_252_u64;
        std::iter::repeat_with(move || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            100_000 + state % 2_000_000
        })
    }

    #[test]
    fn a_guests_clock_is_found_and_its_drift_followed() {
        let (moments, frequency) = moments(20_000, random());
        let fit = align(std::slice::from_ref(&moments), frequency).unwrap();
        assert!((fit.slope * 16.0 - 1.0 + 30e-6).abs() < 2e-6, "{fit:?}");
        let last = *moments.guest.last().unwrap();
        let right = moments.machine.last().unwrap().0;
        // 20 µs are 1250 ticks.
        assert!(fit.ticks(last).0.abs_diff(right) < 4000, "{fit:?}");
        assert!(fit.residual_max < 5000.0, "{fit:?}");
    }

    #[test]
    fn clocks_that_cannot_be_told_are_not() {
        let (periodic, frequency) = moments(2000, std::iter::repeat(4_000_000));
        assert_eq!(align(&[periodic], frequency), None);
        let (mut apart, _) = moments(2000, random());
        let (other, _) = moments(4000, random());
        apart.guest = other.guest[1500..].to_vec();
        apart.machine.truncate(700);
        assert_eq!(align(&[apart], frequency), None);
        assert_eq!(align(&[], frequency), None);
        assert_eq!(align(&[Moments::default()], frequency), None);
    }

    proptest! {
        #[test]
        fn any_moments_do_no_harm(
            mut guest in prop::collection::vec(any::<u64>(), 0..100), mut machine in prop::collection::vec(any::<u64>(), 0..100),
            hertz in 1_u64..,
        ) {
            guest.sort_unstable();
            machine.sort_unstable();
            let machine = machine.into_iter().map(Ticks).collect();
            align(&[Moments { guest, machine }], Frequency::new(hertz).unwrap());
        }
    }
}
