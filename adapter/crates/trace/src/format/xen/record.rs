//! One trace record of Xen, and what it means.
//!
//! ```text
//!  31  30 28  27       16 15    12 11          0
//! +---+------+-----------+--------+-------------+
//! | t |words |   class   |subclass|    event    |   then the 64-bit time if t, low word first, then 0 to 7 words
//! +---+------+-----------+--------+-------------+
//! ```
//!
//! All little-endian on Arm (`struct t_rec`, Xen 4.17 `public/trace.h`). Records have grown words between releases, so the header's
//! count is believed, and a record with more words than expected is as good as any.

use machine::ids::{GuestId, Vcpu};

use super::notes;
use crate::event::{Reason, RunState, Ticks, What};

/// The longest record: header, time, seven words.
pub const LONGEST: usize = 40;

/// Records were dropped: count, vCPU that ran, time of the first.
pub(super) const LOST_RECORDS: u32 = 0x1f001;
/// Filler up to the end of the buffer.
pub(super) const WRAP_BUFFER: u32 = 0x1f002;
/// In files only: what follows is of another pCPU.
pub(super) const CPU_CHANGE: u32 = 0x1f003;

const RUNSTATE_CHANGE: u32 = 0x21001;
/// The event number without the states before (bits 9:8) and after (bits 5:4).
const WITHOUT_STATES: u32 = !0x330;

/// By their numbers.
pub(super) const RUN_STATES: [RunState; 4] = [
    RunState::Running,
    RunState::Runnable,
    RunState::Blocked,
    RunState::Offline,
];

/// A record's header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header(pub(super) u32);

impl Header {
    /// Class, subclass and event: 28 bits.
    pub(super) fn id(self) -> u32 {
        self.0 & 0x0fff_ffff
    }

    /// How many 32-bit words come after the time.
    pub(super) fn words(self) -> usize {
        (self.0 >> 28 & 7) as usize
    }

    pub(super) fn has_time(self) -> bool {
        self.0 >> 31 == 1
    }

    /// The whole record's length in bytes, 4 to [`LONGEST`].
    pub(super) fn size(self) -> usize {
        4 + if self.has_time() { 8 } else { 0 } + 4 * self.words()
    }

    /// Whether Xen can have written it: its mask lets nothing through without a subclass, and classes are single bits.
    pub(super) fn is_plausible(self) -> bool {
        (self.id() >> 16).is_power_of_two() && self.id() >> 12 & 0xf != 0
    }
}

/// A record that is whole: the bytes it was read from held all that its header promises.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Record {
    pub(super) header: Header,
    pub(super) time: Option<Ticks>,
    pub(super) words: [u32; 7],
}

impl Record {
    /// Reads the record at the beginning of `bytes`.
    ///
    /// # Errors
    /// [`Reason::Truncated`] when it goes over the end, [`Reason::BadValue`] when no Xen wrote such a header.
    pub(super) fn read(bytes: &[u8]) -> Result<Self, Reason> {
        let header = Header(word(bytes, 0).ok_or(Reason::Truncated)?);
        if !header.is_plausible() {
            return Err(Reason::BadValue);
        }
        let bytes = bytes.get(..header.size()).ok_or(Reason::Truncated)?;
        let time = header.has_time().then(|| {
            let half = |at| u64::from(word(bytes, at).unwrap_or(0));
            Ticks(half(4) | half(8) << 32)
        });
        let body = header.size() - 4 * header.words();
        let words = std::array::from_fn(|n| word(bytes, body + 4 * n).unwrap_or(0));
        Ok(Self {
            header,
            time,
            words,
        })
    }
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    let word = bytes.get(at..)?.first_chunk()?;
    Some(u32::from_le_bytes(*word))
}

/// The commonest record by far: a vCPU's run state changes. `None` for any other.
#[inline(always)]
pub(super) fn run_state_change(header: Header, word: u32) -> Option<(Vcpu, RunState, RunState)> {
    let state = |bit: u32| RUN_STATES[(header.id() >> bit & 3) as usize];
    let is_change = header.id() & WITHOUT_STATES == RUNSTATE_CHANGE && header.words() >= 1;
    is_change.then(|| (unit(word), state(8), state(4)))
}

/// What a record says, by its header and words; words beyond the header's count are not looked at.
///
/// # Errors
/// [`Reason::BadSize`] when it has too few words, [`Reason::BadValue`] when a word or the header cannot be. Records about the buffer itself
/// (class 0x1f) are bad values
/// here, but for our own [`notes`].
pub(super) fn meaning(header: Header, words: &[u32; 7]) -> Result<What, Reason> {
    match run_state_change(header, words[0]) {
        Some((vcpu, from, to)) => Ok(What::RunState { vcpu, from, to }),
        None => rarer(header, words),
    }
}

/// The events beside run states, by number (Xen 4.17 `public/trace.h`, `common/sched/*.c`).
pub(super) fn rarer(header: Header, words: &[u32; 7]) -> Result<What, Reason> {
    let needs = |count| {
        let enough = header.words() >= count;
        enough.then_some(()).ok_or(Reason::BadSize)
    };
    match header.id() {
        RUNSTATE_CHANGE => Err(Reason::BadSize),
        id if id & !0xff0 == RUNSTATE_CHANGE => Err(Reason::BadValue),
        0x21002 => {
            needs(1)?;
            Ok(What::Continue {
                vcpu: unit(words[0]),
            })
        }
        // Created: by the scheduler and by the toolstack's call, so a guest may be said to be created twice. Likewise destroyed.
        0x28001 | 0x41001 => {
            needs(1)?;
            Ok(What::GuestAdded(guest(words[0])?))
        }
        0x28002 | 0x41002 => {
            needs(1)?;
            Ok(What::GuestRemoved(guest(words[0])?))
        }
        0x28003..=0x28006 | 0x2800a | 0x2800e | 0x2800f | 0x28011 => {
            needs(2)?;
            about_vcpu(header, words)
        }
        0x22000..=0x22fff => of_scheduler(header, words),
        0x0080_1001 => {
            needs(2)?;
            Ok(What::Frequency {
                megahertz: words[1],
            })
        }
        _ if notes::is_note(header) => notes::meaning(header, words),
        id if header.is_plausible() && id >> 12 != 0x1f => Ok(What::Other { id }),
        _ => Err(Reason::BadValue),
    }
}

/// `TRC_SCHED_VERBOSE`: domain and vCPU in a word each come first.
fn about_vcpu(header: Header, words: &[u32; 7]) -> Result<What, Reason> {
    let vcpu = vcpu(words[0], words[1])?;
    let needs = if header.id() == 0x2800e { 3 } else { 4 };
    if header.id() >= 0x2800a && header.words() < needs {
        return Err(Reason::BadSize);
    }
    Ok(match header.id() {
        0x28003 => What::Sleep { vcpu },
        0x28004 => What::Wake { vcpu },
        0x28005 => What::Yield { vcpu },
        0x28006 => What::Block { vcpu },
        0x2800a => What::Switch {
            from: vcpu,
            to: self::vcpu(words[2], words[3])?,
        },
        0x2800e => What::Ran {
            vcpu,
            nanoseconds: words[2],
        },
        0x2800f => What::Waited {
            vcpu,
            nanoseconds: words[2],
            slice: words[3],
        },
        _ => What::Continue { vcpu },
    })
}

/// `TRC_SCHED_CLASS`: bits 11:9 name the scheduler, 8:0 its event. What says nothing of a vCPU's place or right to run stays
/// [`What::Other`].
///
/// Credit and budget come as signed numbers; a budget of RTDS has 64 bits of nanoseconds, of which 2³¹ - 1 (2.1 s) is the most shown.
fn of_scheduler(header: Header, words: &[u32; 7]) -> Result<What, Reason> {
    let vcpu = unit(words[0]);
    let low_high = |word: u32| (word as u16, (word >> 16) as u16);
    let credit = |word: u32| What::Credit {
        vcpu,
        credit: word as i32,
    };
    let budget = |low: u32, high: u32| What::Credit {
        vcpu,
        credit: if high == 0 { low } else { u32::MAX }.min(i32::MAX as u32) as i32,
    };
    let migrate = |vcpu, (from, to)| What::Migrate { vcpu, from, to };
    Ok(match (header.id(), header.words()) {
        // credit2: burn, tickle_check, reset, tickle_new, candidate.
        (0x22203 | 0x22205, 2..) => credit(words[1]),
        (0x22207 | 0x2220d | 0x22214, 3..) => credit(words[2]),
        (0x2220f, 2..) => migrate(vcpu, low_high(words[1])),
        // RTDS: burn; pick and replenish, whose last two words are the budget with and without a priority before them.
        (0x22803, 3..) => budget(words[1], words[2]),
        (0x22802 | 0x22804, count @ 5..) => budget(words[count - 2], words[count - 1]),
        (0x22a04, 2..) => migrate(vcpu, low_high(words[1])),
        (0x22203 | 0x22205 | 0x22207 | 0x2220d | 0x2220f | 0x22214, _)
        | (0x22802..=0x22804 | 0x22a04, _) => return Err(Reason::BadSize),
        (id, _) => What::Other { id },
    })
}

/// A vCPU in one word: domain in the high half.
pub(super) fn unit(word: u32) -> Vcpu {
    Vcpu {
        guest: GuestId(word >> 16),
        index: word & 0xffff,
    }
}

/// A vCPU in two words. Domain and vCPU ids have 16 bits in Xen's interface.
fn vcpu(domain: u32, index: u32) -> Result<Vcpu, Reason> {
    let guest = guest(domain)?;
    if index > 0xffff {
        return Err(Reason::BadValue);
    }
    Ok(Vcpu { guest, index })
}

fn guest(domain: u32) -> Result<GuestId, Reason> {
    u16::try_from(domain)
        .map(|domain| GuestId(domain.into()))
        .map_err(|_| Reason::BadValue)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vcpu_of(domain: u32, index: u32) -> Vcpu {
        Vcpu {
            guest: GuestId(domain),
            index,
        }
    }

    fn check(id: u32, words: &[u32], expected: Result<What, Reason>) {
        let mut all = [0; 7];
        all[..words.len()].copy_from_slice(words);
        let header = Header(1 << 31 | (words.len() as u32) << 28 | id);
        assert_eq!(meaning(header, &all), expected, "{id:#x} {words:?}");
    }

    #[test]
    fn run_states_are_in_the_number() {
        let change = |from, to| {
            Ok(What::RunState {
                vcpu: vcpu_of(5, 2),
                from,
                to,
            })
        };
        check(
            0x21011,
            &[0x5_0002],
            change(RunState::Running, RunState::Runnable),
        );
        check(
            0x21121,
            &[0x5_0002],
            change(RunState::Runnable, RunState::Blocked),
        );
        check(
            0x21231,
            &[0x5_0002],
            change(RunState::Blocked, RunState::Offline),
        );
        check(
            0x21301,
            &[0x5_0002, 9],
            change(RunState::Offline, RunState::Running),
        );
        check(0x21041, &[0x5_0002], Err(Reason::BadValue));
        check(0x21001, &[], Err(Reason::BadSize));
    }

    #[test]
    fn the_scheduler_core_says_who() {
        let vcpu = vcpu_of(1, 3);
        check(0x21002, &[0x1_0003], Ok(What::Continue { vcpu }));
        check(0x28001, &[7], Ok(What::GuestAdded(GuestId(7))));
        check(0x41002, &[7], Ok(What::GuestRemoved(GuestId(7))));
        check(0x41002, &[0x1_0000], Err(Reason::BadValue));
        check(0x28003, &[1, 3], Ok(What::Sleep { vcpu }));
        check(0x28004, &[1, 3], Ok(What::Wake { vcpu }));
        check(0x28005, &[1, 3], Ok(What::Yield { vcpu }));
        check(0x28006, &[1, 3], Ok(What::Block { vcpu }));
        check(0x28006, &[1], Err(Reason::BadSize));
        check(0x28006, &[1, 0x1_0000], Err(Reason::BadValue));
        let to = vcpu_of(0x7fff, 0);
        let switch = What::Switch { from: vcpu, to };
        check(0x2800a, &[1, 3, 0x7fff, 0], Ok(switch));
        check(0x2800a, &[1, 3, 0x7fff], Err(Reason::BadSize));
        let ran = What::Ran {
            vcpu,
            nanoseconds: 77,
        };
        check(0x2800e, &[1, 3, 77], Ok(ran));
        let waited = What::Waited {
            vcpu,
            nanoseconds: 8,
            slice: 9,
        };
        check(0x2800f, &[1, 3, 8, 9], Ok(waited));
        check(0x2800f, &[1, 3, 8], Err(Reason::BadSize));
        check(0x28011, &[1, 3, 8, 9], Ok(What::Continue { vcpu }));
        check(0x28007, &[1, 3, 0], Ok(What::Other { id: 0x28007 }));
    }

    #[test]
    fn each_scheduler_has_its_own() {
        let vcpu = vcpu_of(2, 1);
        let credit = |credit| Ok(What::Credit { vcpu, credit });
        let unit = 0x2_0001;
        check(0x22203, &[unit, -5_i32 as u32, 0, 0], credit(-5));
        check(0x22205, &[unit, 6, 0], credit(6));
        check(0x22207, &[unit, 1, 10_500_000], credit(10_500_000));
        check(0x2220d, &[unit, 3, 44], credit(44));
        check(0x22214, &[unit, 3, 45], credit(45));
        check(0x22214, &[unit, 3], Err(Reason::BadSize));
        let moved = What::Migrate {
            vcpu,
            from: 1,
            to: 2,
        };
        check(0x2220f, &[unit, 0x2_0001], Ok(moved));
        check(0x22a04, &[unit, 0x2_0001], Ok(moved));
        // RTDS, with the word that 4.18 added and without.
        check(0x22803, &[unit, 900, 0, 5, 0], credit(900));
        check(0x22803, &[unit, 900, 0, 5, 0, 1], credit(900));
        check(0x22803, &[unit, 900, 1, 5, 0, 1], credit(i32::MAX));
        check(0x22802, &[unit, 1, 2, 800, 0], credit(800));
        check(0x22804, &[unit, 0, 1, 2, 700, 0], credit(700));
        check(0x22a05, &[0, 0], Ok(What::Other { id: 0x22a05 }));
        check(0x22009, &[0], Ok(What::Other { id: 0x22009 }));
    }

    #[test]
    fn the_rest_is_other_or_cannot_be() {
        check(
            0x0080_1001,
            &[1200, 600],
            Ok(What::Frequency { megahertz: 600 }),
        );
        check(0x0010_f005, &[1], Ok(What::Other { id: 0x0010_f005 }));
        check(0x0800_f123, &[], Ok(What::Other { id: 0x0800_f123 }));
        for id in [0, 0x20_001, 0x3_1001, 0x1f004, 0xfff_ffff] {
            check(id, &[1, 2, 3, 4], Err(Reason::BadValue));
        }
    }

    #[test]
    fn a_record_is_as_long_as_its_header_says() {
        let size = |header| Header(header).size();
        assert_eq!(size(0x0010_f005), 4);
        assert_eq!(size(0xf002_1001), LONGEST);
        assert_eq!(size(0x9002_1001), 16);
        let bytes = [0x01, 0x10, 0x02, 0x90, 1, 0, 0, 0, 2, 0, 0, 0, 3, 0, 4, 0];
        let record = Record::read(&bytes).unwrap();
        assert_eq!(record.time, Some(Ticks(0x2_0000_0001)));
        assert_eq!(record.words, [0x4_0003, 0, 0, 0, 0, 0, 0]);
        assert_eq!(Record::read(&bytes[..15]), Err(Reason::Truncated));
        assert_eq!(Record::read(&bytes[4..]), Err(Reason::BadValue));
    }
}
