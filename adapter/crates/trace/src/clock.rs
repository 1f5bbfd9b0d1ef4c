//! One clock: ticks of the physical counter, and how guests' times and nanoseconds become that.
//!
//! A guest sees the virtual counter, CNTVCT = CNTPCT - CNTVOFF (Arm ARM D12.1), and its kernel makes nanoseconds of it. Where the
//! debugger can read the kernel's own numbers the way back is exact ([`SchedClock`]); elsewhere it is a line through points that both
//! clocks know ([`Fit`]), whose residual is kept to be shown.

mod align;
mod fit;

pub use align::{Moments, align};
pub use fit::{Fit, Pair};

use crate::event::Ticks;

const NANOSECONDS: u128 = 1_000_000_000;

/// Ticks of the physical counter a second, `CNTFRQ_EL0`; not zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frequency(std::num::NonZeroU64);

impl Frequency {
    /// `None` for zero, which firmware that has not set it leaves there.
    pub fn new(hertz: u64) -> Option<Self> {
        std::num::NonZeroU64::new(hertz).map(Self)
    }

    /// Ticks a second.
    pub fn hertz(self) -> u64 {
        self.0.get()
    }

    /// Nanoseconds that so many ticks take, rounded down; the most there is if that is more.
    pub fn nanoseconds(self, ticks: u64) -> u64 {
        let nanoseconds = u128::from(ticks) * NANOSECONDS / u128::from(self.hertz());
        nanoseconds.try_into().unwrap_or(u64::MAX)
    }

    /// Ticks in so many nanoseconds, rounded down; the most there is if that is more.
    pub fn ticks(self, nanoseconds: u64) -> u64 {
        let ticks = u128::from(nanoseconds) * u128::from(self.hertz()) / NANOSECONDS;
        ticks.try_into().unwrap_or(u64::MAX)
    }
}

/// How far a guest's counter is behind: `CNTVOFF_EL2` while the guest runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct VirtualOffset(pub u64);

impl VirtualOffset {
    /// CNTPCT = CNTVCT + CNTVOFF, modulo 2⁶⁴.
    pub fn physical(self, virtual_count: u64) -> Ticks {
        Ticks(virtual_count.wrapping_add(self.0))
    }

    /// CNTVCT = CNTPCT - CNTVOFF, modulo 2⁶⁴.
    pub fn virtual_count(self, physical: Ticks) -> u64 {
        physical.0.wrapping_sub(self.0)
    }
}

/// Linux' `sched_clock`, which ftrace's `local` clock is (Linux 6.12 `kernel/time/sched_clock.c`, `struct clock_read_data`):
///
/// ```text
/// ns = epoch_ns + ((CNTVCT - epoch_cyc) * mult >> shift)
/// ```
///
/// The kernel moves the epoch from time to time, so the numbers are of one halt and good for times near it: `mult` is constant, but
/// each move of the epoch rounds a nanosecond off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SchedClock {
    /// Nanoseconds at the epoch.
    pub epoch_ns: u64,
    /// The virtual counter at the epoch.
    pub epoch_cyc: u64,
    /// Nanoseconds a tick, times 2^`shift`.
    mult: u32,
    /// Below 64.
    shift: u32,
}

impl SchedClock {
    /// `None` when the clock stands still or `shift` is none: memory of a kernel that has not set it up.
    pub fn new(epoch_ns: u64, epoch_cyc: u64, mult: u32, shift: u32) -> Option<Self> {
        (mult != 0 && shift < 64).then_some(Self {
            epoch_ns,
            epoch_cyc,
            mult,
            shift,
        })
    }

    /// The guest's nanoseconds at a count of its counter, before the epoch as well as after; held at 0 and at the most there is.
    pub fn nanoseconds(&self, virtual_count: u64) -> u64 {
        let ticks = i128::from(virtual_count) - i128::from(self.epoch_cyc);
        let since = (ticks * i128::from(self.mult)) >> self.shift;
        clamp(i128::from(self.epoch_ns) + since)
    }

    /// The first count of its counter at which the guest's clock shows so many nanoseconds or more; held at 0 and at the most there is.
    pub fn virtual_count(&self, nanoseconds: u64) -> u64 {
        let since = i128::from(nanoseconds) - i128::from(self.epoch_ns);
        let (scaled, mult) = (since << self.shift, i128::from(self.mult));
        // Rounded up: the floor of the negative, negated.
        clamp(i128::from(self.epoch_cyc) - (-scaled).div_euclid(mult))
    }

    /// The guest's nanoseconds as a time of the machine.
    pub fn ticks(&self, nanoseconds: u64, offset: VirtualOffset) -> Ticks {
        offset.physical(self.virtual_count(nanoseconds))
    }
}

fn clamp(number: i128) -> u64 {
    number.clamp(0, i128::from(u64::MAX)) as u64
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn frequency(hertz: u64) -> Frequency {
        Frequency::new(hertz).unwrap()
    }

    #[test]
    fn ticks_and_nanoseconds() {
        let check = |hertz, ticks, nanoseconds| {
            assert_eq!(frequency(hertz).nanoseconds(ticks), nanoseconds);
            assert_eq!(frequency(hertz).ticks(nanoseconds), ticks);
        };
        check(62_500_000, 1, 16);
        check(
            62_500_000,
            62_500_000 * 86_400 * 365,
            86_400 * 365 * 1_000_000_000,
        );
        check(1_000_000_000, u64::MAX, u64::MAX);
        check(54_000_000, 27, 500);
        assert_eq!(frequency(1).nanoseconds(u64::MAX), u64::MAX);
        assert_eq!(frequency(u64::MAX).ticks(u64::MAX), u64::MAX);
        assert_eq!(Frequency::new(0), None);
    }

    #[test]
    fn a_guest_counts_from_its_own_start() {
        let offset = VirtualOffset(1000);
        assert_eq!(offset.physical(5), Ticks(1005));
        assert_eq!(offset.virtual_count(Ticks(1005)), 5);
        assert_eq!(VirtualOffset(u64::MAX).physical(5), Ticks(4));
    }

    /// What Linux 6.1 computes for 62.5 MHz: 16 ns a tick.
    #[test]
    fn the_kernels_clock_goes_both_ways() {
        let clock = SchedClock::new(1_000, 500, 16 << 24, 24).unwrap();
        assert_eq!(clock.nanoseconds(501), 1_016);
        assert_eq!(clock.nanoseconds(499), 984);
        assert_eq!(clock.virtual_count(1_016), 501);
        assert_eq!(clock.virtual_count(1_017), 502);
        assert_eq!(clock.virtual_count(984), 499);
        assert_eq!(clock.ticks(1_016, VirtualOffset(7)), Ticks(508));
        assert_eq!(SchedClock::new(0, 0, 0, 24), None);
        assert_eq!(SchedClock::new(0, 0, 1, 64), None);
    }

    proptest! {
        #[test]
        fn any_clock_is_inverted(
            epoch_ns in any::<u64>(), epoch_cyc in any::<u64>(), mult in 1_u32.., shift in 0_u32..64,
            nanoseconds in any::<u64>(),
        ) {
            let clock = SchedClock::new(epoch_ns, epoch_cyc, mult, shift).unwrap();
            let count = clock.virtual_count(nanoseconds);
            // Where the counter has no such value, the nearest was taken.
            prop_assert!(count == u64::MAX || clock.nanoseconds(count) >= nanoseconds);
            prop_assert!(count == 0 || clock.nanoseconds(count - 1) <= nanoseconds);
        }
    }
}
