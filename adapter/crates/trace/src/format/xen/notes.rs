//! What a recording says beside the hypervisor's own records: the clock, names, halts, gaps and the hypervisor's account of every vCPU's
//! time.
//!
//! Notes are records of the general class with numbers that Xen does not use, in windows of their own, so that every reader of xentrace
//! files passes over them and ours finds them without reading the rest. All have the time.
//!
//! | number | words |
//! | --- | --- |
//! | 0x1f0e0 recording began | none; on every pCPU, whose records before that were not kept |
//! | 0x1f0e1 recording ended | none |
//! | 0x1f0e2 clock | `CNTFRQ_EL0` (2), the counter where the hypervisor's nanoseconds begin (2) unless that is not known |
//! | 0x1f0e3 a guest's name | domain, UTF-8 (6), zeros after it |
//! | 0x1f0e4 the debugger halted the machine | none |
//! | 0x1f0e5 the debugger let it go on | none |
//! | 0x1f0e6 bytes not read | reason, bytes |
//! | 0x1f0e7 `runstate` of a vCPU | vCPU and domain as in run-state changes, state, `state_entry_time` (2), `time[0]` (2) |
//! | 0x1f0e8 the rest of it | vCPU and domain, `time[1]` (2), `time[2]` (2), `time[3]` (2) |
//!
//! One more number, 0x1f0e9, is of a hypervisor's records and no note: [`crate::format::hvtrace::recorded`].

use std::collections::BTreeMap;

use machine::ids::{GuestId, Vcpu};

use super::record::{Header, RUN_STATES, Record, unit};
use crate::clock::Frequency;
use crate::event::{Reason, RunState, Ticks, What};
use crate::format::hvtrace::recorded;

const BEGAN: u32 = 0x1f0e0;
const ENDED: u32 = 0x1f0e1;
const CLOCK: u32 = 0x1f0e2;
const GUEST_NAME: u32 = 0x1f0e3;
const HALTED: u32 = 0x1f0e4;
const RESUMED: u32 = 0x1f0e5;
const GAP: u32 = 0x1f0e6;
const ACCOUNT: u32 = 0x1f0e7;
const ACCOUNT_REST: u32 = 0x1f0e8;
const HVTRACE: u32 = 0x1f0e9;

/// Bytes of a guest's name that are kept.
const NAME: usize = 24;

/// By the numbers that stand in notes.
const REASONS: [Reason; 6] = [
    Reason::Truncated,
    Reason::BadSize,
    Reason::BadValue,
    Reason::TimeBackwards,
    Reason::OtherConsumer,
    Reason::NotMapped,
];

/// Something that is written beside Xen's records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Note {
    /// From here on records were kept.
    Began,
    /// Up to here.
    Ended,
    /// The clock of all times.
    Clock(Clock),
    /// What a guest is called.
    GuestName(GuestId, String),
    /// The debugger halted the machine.
    Halted,
    /// The debugger let the machine go on.
    Resumed,
    /// Bytes of the pCPU's buffer that were not read.
    Gap {
        /// Why not.
        reason: Reason,
        /// How many, where it is known.
        bytes: u32,
    },
    /// The hypervisor's account of a vCPU's time.
    Account(Account),
}

/// What ticks are worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Clock {
    /// Of the counter.
    pub frequency: Frequency,
    /// The counter where the hypervisor's nanoseconds begin.
    pub epoch: Option<u64>,
}

impl Clock {
    /// A time of the hypervisor's in nanoseconds, as ticks.
    pub fn ticks(&self, nanoseconds: u64) -> Option<Ticks> {
        let since = self.frequency.ticks(nanoseconds);
        Some(Ticks(self.epoch?.checked_add(since)?))
    }
}

/// The hypervisor's account of a vCPU's time; Xen's `struct vcpu_runstate_info`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Account {
    /// Whose.
    pub vcpu: Vcpu,
    /// What it is.
    pub state: RunState,
    /// Since when, in the hypervisor's nanoseconds.
    pub since: u64,
    /// Nanoseconds in each [`RunState`], by its number, up to `since`.
    pub times: [u64; 4],
}

impl Account {
    /// Nanoseconds in each [`RunState`] up to `now`, the hypervisor's nanoseconds too.
    pub fn until(&self, now: u64) -> [u64; 4] {
        let mut times = self.times;
        let time = &mut times[self.state as usize];
        *time = time.saturating_add(now.saturating_sub(self.since));
        times
    }
}

/// All that the notes of a recording say, but for what has become events. Empty for a file that Xen's tools wrote.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Notes {
    /// When recording began.
    pub began: Option<Ticks>,
    /// When it ended; `None` also when it was broken off.
    pub ended: Option<Ticks>,
    /// The clock.
    pub clock: Option<Clock>,
    /// The guests' names.
    pub names: BTreeMap<GuestId, String>,
    /// Xen's accounts in order of when they were read: when recording began, and when it ended.
    pub accounts: Vec<(Ticks, Account)>,
    /// There are records of hvtrace.
    pub hvtrace: bool,
}

impl Note {
    /// Appends the note's records.
    pub fn write(&self, time: Ticks, out: &mut Vec<u8>) {
        match self {
            Self::Began => push(BEGAN, time, &[], out),
            Self::Ended => push(ENDED, time, &[], out),
            Self::Clock(clock) => {
                let numbers = [Some(clock.frequency.hertz()), clock.epoch];
                let words: Vec<u32> = numbers.into_iter().flatten().flat_map(halves).collect();
                push(CLOCK, time, &words, out);
            }
            Self::GuestName(guest, name) => push(GUEST_NAME, time, &name_words(*guest, name), out),
            Self::Halted => push(HALTED, time, &[], out),
            Self::Resumed => push(RESUMED, time, &[], out),
            Self::Gap { reason, bytes } => {
                let number = REASONS.iter().position(|known| known == reason);
                push(GAP, time, &[number.unwrap_or(0) as u32, *bytes], out);
            }
            Self::Account(account) => account.write(time, out),
        }
    }
}

impl Account {
    fn write(&self, time: Ticks, out: &mut Vec<u8>) {
        let unit = self.vcpu.guest.0 << 16 | self.vcpu.index & 0xffff;
        let [since_low, since_high] = halves(self.since);
        let [running, runnable, blocked, offline] = self.times.map(halves);
        let state = self.state as u32;
        let first = [unit, state, since_low, since_high, running[0], running[1]];
        push(ACCOUNT, time, &first, out);
        let [[a, b], [c, d], [e, f]] = [runnable, blocked, offline];
        push(ACCOUNT_REST, time, &[unit, a, b, c, d, e, f], out);
    }
}

impl Notes {
    /// Takes in the notes that begin a window, if any do, up to what is none.
    pub(super) fn read(&mut self, mut window: &[u8]) {
        while let Ok(record) = Record::read(window) {
            let of_ours = is_note(record.header) && record.header.id() != HVTRACE;
            self.hvtrace |= record.header.id() == HVTRACE;
            let (true, Some(time)) = (of_ours, record.time) else {
                return;
            };
            self.take(time, record.header, &record.words);
            window = &window[record.header.size()..];
        }
    }

    fn take(&mut self, time: Ticks, header: Header, words: &[u32; 7]) {
        match header.id() {
            BEGAN => self.began = self.began.or(Some(time)),
            ENDED => self.ended = Some(time),
            CLOCK => {
                let epoch = (header.words() >= 4).then(|| long(words, 2));
                let frequency = Frequency::new(long(words, 0));
                self.clock = frequency.map(|frequency| Clock { frequency, epoch });
            }
            GUEST_NAME => {
                self.names.insert(GuestId(words[0]), name_of(words));
            }
            ACCOUNT => self.accounts.push((time, first_half(words))),
            ACCOUNT_REST => {
                let last = self.accounts.last_mut();
                if let Some((_, account)) = last.filter(|last| last.1.vcpu == unit(words[0])) {
                    let [_, rest @ ..] = &mut account.times;
                    *rest = [1, 3, 5].map(|at| long(words, at));
                }
            }
            _ => {}
        }
    }
}

/// Whether a record is a note, or a record of hvtrace.
pub(super) fn is_note(header: Header) -> bool {
    (BEGAN..=HVTRACE).contains(&header.id())
}

/// Appends a record of hvtrace: its kind, and the words that it has.
pub(crate) fn push_hvtrace(time: Ticks, kind: u16, words: [u32; 4], out: &mut Vec<u8>) {
    let [a, b, c, d] = words;
    push(HVTRACE, time, &[kind.into(), a, b, c, d], out);
}

/// What a note says in the stream of events.
///
/// # Errors
/// [`Reason::BadSize`] when it has too few words, [`Reason::BadValue`] when a word cannot be.
pub(super) fn meaning(header: Header, words: &[u32; 7]) -> Result<What, Reason> {
    let needs = match header.id() {
        CLOCK | GAP => 2,
        GUEST_NAME | ACCOUNT_REST => 7,
        ACCOUNT => 6,
        HVTRACE => 5,
        _ => 0,
    };
    if header.words() < needs {
        return Err(Reason::BadSize);
    }
    Ok(match header.id() {
        HALTED => What::Halted,
        RESUMED => What::Resumed,
        GAP => What::Unreadable {
            reason: *REASONS.get(words[0] as usize).ok_or(Reason::BadValue)?,
            bytes: words[1],
        },
        ACCOUNT => {
            let state = RUN_STATES.get(words[1] as usize).ok_or(Reason::BadValue)?;
            What::RunState {
                vcpu: unit(words[0]),
                from: *state,
                to: *state,
            }
        }
        HVTRACE => {
            let [kind, a, b, c, d, ..] = *words;
            recorded::meaning(kind, [a, b, c, d])?
        }
        id => What::Other { id },
    })
}

fn first_half(words: &[u32; 7]) -> Account {
    let state = RUN_STATES.get(words[1] as usize).copied();
    Account {
        vcpu: unit(words[0]),
        state: state.unwrap_or(RunState::Offline),
        since: long(words, 2),
        times: [long(words, 4), 0, 0, 0],
    }
}

/// A record with time.
fn push(id: u32, time: Ticks, words: &[u32], out: &mut Vec<u8>) {
    let header = 1 << 31 | (words.len() as u32) << 28 | id;
    out.extend(header.to_le_bytes());
    out.extend(time.0.to_le_bytes());
    out.extend(words.iter().flat_map(|word| word.to_le_bytes()));
}

fn halves(long: u64) -> [u32; 2] {
    [long as u32, (long >> 32) as u32]
}

fn long(words: &[u32; 7], at: usize) -> u64 {
    u64::from(words[at]) | u64::from(words[at + 1]) << 32
}

/// As much of the name as fits, cut between two characters.
fn name_words(guest: GuestId, name: &str) -> [u32; 7] {
    let ends = name.char_indices().map(|(at, char)| at + char.len_utf8());
    let end = ends.take_while(|end| *end <= NAME).last().unwrap_or(0);
    let mut words = [0; 7];
    words[0] = guest.0;
    for (at, byte) in name.as_bytes()[..end].iter().enumerate() {
        words[1 + at / 4] |= u32::from(*byte) << (8 * (at % 4));
    }
    words
}

fn name_of(words: &[u32; 7]) -> String {
    let bytes: Vec<u8> = words[1..]
        .iter()
        .flat_map(|word| word.to_le_bytes())
        .collect();
    let text = bytes.split(|byte| *byte == 0).next().unwrap_or_default();
    String::from_utf8_lossy(text).into_owned()
}
