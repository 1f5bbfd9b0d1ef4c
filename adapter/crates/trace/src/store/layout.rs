//! The records of the store, as they lie in its columns: little-endian, no padding, aligned to nothing.

use zerocopy::little_endian::{U16, U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::state::{Cause, Flags, Party, State};

/// How many records one summary node stands for.
pub const FAN_OUT: usize = 16;
/// Levels above the spans: 16⁷ spans under one node of the last.
pub const LEVELS: usize = 7;

/// First bytes of every store.
pub const MAGIC: [u8; 8] = *b"hvdapTL\n";
/// Of the layouts in this file.
pub const VERSION: u32 = 1;

/// One state of a lane, from `start` to the start of the next span. 16 bytes.
///
/// ```text
/// about  63        48 47        32 31        16 15      7 6 5   3 2   0
///        [ by: pCPU  ] [ by: lane ] [  party   ] [ flags ] 0 [cause][state]
/// ```
/// `party` is the other side: for a vCPU the pCPU it is on or was on last, for a pCPU the lane of the vCPU it carries, for a
/// task the lane of its vCPU. `by` is who caused the span: it woke or preempted the owner of the lane. 0xffff is nobody.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned,
)]
#[repr(C)]
pub struct Span {
    start: U64,
    about: U64,
}

impl Span {
    /// A span without a cause.
    #[inline]
    pub fn new(start: u64, state: State, party: Party) -> Self {
        let about = u64::from(u32::MAX) << 32 | u64::from(party.0) << 16 | state as u64;
        Self::raw(start, about)
    }

    #[inline]
    fn raw(start: u64, about: u64) -> Self {
        Self {
            start: U64::new(start),
            about: U64::new(about),
        }
    }

    /// The same span with its cause, and the lane and core it came from.
    #[must_use]
    #[inline]
    pub fn caused(self, cause: Cause, lane: Party, pcpu: Party) -> Self {
        let about = self.about.get() & 0xffff_fe47 | (cause as u64) << 3;
        let by = u64::from(pcpu.0) << 48 | u64::from(lane.0) << 32;
        Self::raw(self.start(), about | by | u64::from(cause.flag().0))
    }

    /// The same span with more flags.
    #[must_use]
    #[inline]
    pub fn flagged(self, flags: Flags) -> Self {
        let flags = u64::from(flags.0 & Flags::OF_SPANS);
        Self::raw(self.start(), self.about.get() | flags)
    }

    /// The same span in another state.
    #[must_use]
    #[inline]
    pub fn in_state(self, state: State) -> Self {
        Self::raw(self.start(), self.about.get() & !7 | state as u64)
    }

    /// The same span, beginning at another time.
    #[must_use]
    #[inline]
    pub fn starting(self, start: u64) -> Self {
        Self::raw(start, self.about.get())
    }

    /// The first tick of the span.
    #[inline]
    pub fn start(&self) -> u64 {
        self.start.get()
    }

    /// The state the lane's owner is in.
    #[inline]
    pub fn state(&self) -> State {
        State::from_bits(self.about.get() as u32)
    }

    /// Why the span began.
    #[inline]
    pub fn cause(&self) -> Cause {
        Cause::from_bits(self.about.get() as u32 >> 3)
    }

    /// What else is to be known; the bit of the state is among them.
    #[inline]
    pub fn flags(&self) -> Flags {
        Flags(self.about.get() as u16 & Flags::OF_SPANS | 1 << self.state() as u16)
    }

    /// The other side.
    #[inline]
    pub fn party(&self) -> Party {
        Party((self.about.get() >> 16) as u16)
    }

    /// The lane of whoever caused the span.
    #[inline]
    pub fn by_lane(&self) -> Party {
        Party((self.about.get() >> 32) as u16)
    }

    /// The core on which the cause happened.
    #[inline]
    pub fn by_pcpu(&self) -> Party {
        Party((self.about.get() >> 48) as u16)
    }

    /// All but the start, as drawn above, for answers that carry many spans.
    #[inline]
    pub fn about(&self) -> u64 {
        self.about.get()
    }
}

/// The summary of [`FAN_OUT`] spans or nodes, up to the start of the next node. 32 bytes.
///
/// Node j of level i covers exactly the spans `[j·16^(i+1), (j+1)·16^(i+1))`, so there are no counts and no pointers.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned,
)]
#[repr(C)]
pub struct Node {
    pub(crate) start: U64,
    /// What occurs below, by [`Flags`]: one bit is enough to be seen from any height.
    pub(crate) flags: U16,
    /// The part of the time spent in each [`State`], of 65535.
    pub(crate) shares: [U16; State::COUNT],
    /// The party with most time, and its part of 65535.
    pub(crate) party: U16,
    pub(crate) party_share: U16,
    /// The longest running and runnable span below, as [`magnitude`].
    pub(crate) longest: [u8; 2],
    pub(crate) zero: [u8; 2],
}

impl Node {
    /// The first tick.
    #[inline]
    pub fn start(&self) -> u64 {
        self.start.get()
    }

    /// What occurs below.
    #[inline]
    pub fn flags(&self) -> Flags {
        Flags(self.flags.get())
    }

    /// Whether a span of this state and at least this many ticks may lie below.
    pub fn may_last(&self, state: State, ticks: u64) -> bool {
        match state {
            State::Running => self.longest[0] >= magnitude(ticks),
            State::Runnable => self.longest[1] >= magnitude(ticks),
            _ => true,
        }
    }
}

/// Rounds down to a power of two times 1, 5/4, 6/4 or 7/4; monotonic, so that comparing magnitudes rules nothing out wrongly.
pub(crate) fn magnitude(ticks: u64) -> u8 {
    let Some(exponent) = ticks.checked_ilog2() else {
        return 0;
    };
    let quarter = (ticks << (63 - exponent) >> 61) as u32 & 3;
    (1 + exponent * 4 + quarter).min(255) as u8
}

/// Something that takes no time. 24 bytes.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned,
)]
#[repr(C)]
pub struct Point {
    pub(crate) time: U64,
    pub(crate) value: U64,
    pub(crate) kind: u8,
    pub(crate) zero: u8,
    pub(crate) by_lane: U16,
    pub(crate) by_pcpu: U16,
    pub(crate) zero2: U16,
}

/// The summary of [`FAN_OUT`] points or point nodes. 16 bytes; how many there are follows from its place.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned,
)]
#[repr(C)]
pub struct PointNode {
    pub(crate) time: U64,
    /// Bit n: a point of kind n is below.
    pub(crate) kinds: U32,
    pub(crate) zero: U32,
}

/// The first record. 32 bytes.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct Header {
    pub(crate) magic: [u8; 8],
    pub(crate) version: U32,
    pub(crate) zero: U32,
    /// Ticks a second.
    pub(crate) frequency: U64,
    /// Where the timeline begins.
    pub(crate) first: U64,
}

/// One lane. 16 bytes.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct LaneRecord {
    pub(crate) kind: U32,
    pub(crate) guest: U32,
    pub(crate) index: U32,
    pub(crate) zero: U32,
}

/// The name of a guest or a task. 64 bytes.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct NameRecord {
    pub(crate) kind: U32,
    pub(crate) guest: U32,
    pub(crate) task: U32,
    pub(crate) length: U32,
    pub(crate) name: [u8; 48],
}

/// How much of a lane is published, or (lane 0xffff_ffff) that a group of such records is whole. 32 bytes.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned,
)]
#[repr(C)]
pub struct JournalRecord {
    pub(crate) lane: U32,
    pub(crate) spans: U32,
    pub(crate) points: U32,
    pub(crate) zero: U32,
    /// The span that has begun and not ended; of the last record of a group only `start` counts: all is known up to there.
    pub(crate) open: Span,
}

impl JournalRecord {
    pub(crate) const UNTIL: u32 = u32::MAX;
}

/// The whole records at the front of `bytes`, at most `most` of them.
pub(crate) fn records<T>(bytes: &[u8], most: usize) -> &[T]
where
    T: FromBytes + Immutable + KnownLayout + Unaligned,
{
    let count = (bytes.len() / size_of::<T>()).min(most);
    <[T]>::ref_from_prefix_with_elems(bytes, count).map_or(&[], |(records, _)| records)
}
