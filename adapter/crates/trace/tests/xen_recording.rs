//! Recordings: what is drained and noted stands in the file as it was, and is passed over by who does not know notes.

#![allow(clippy::unwrap_used, reason = "a test")]

use machine::ids::{GuestId, Pcpu, Vcpu};
use proptest::prelude::*;
use trace::clock::Frequency;
use trace::event::{Event, Reason, RunState, Ticks, What};
use trace::format::ring::Gap;
use trace::format::xen::file::{File, window_header};
use trace::format::xen::notes::{Account, Clock, Note, Notes};
use trace::format::xen::recording::{Recording, Totals};

const VCPU: Vcpu = Vcpu {
    guest: GuestId(2),
    index: 1,
};

fn clock() -> Clock {
    Clock {
        frequency: Frequency::new(62_500_000).unwrap(),
        epoch: Some(1000),
    }
}

fn account() -> Account {
    Account {
        vcpu: VCPU,
        state: RunState::Runnable,
        since: 0x1_0000_0001,
        times: [1 << 40, 2, 3 << 33, u64::MAX],
    }
}

/// `VCPU` goes from running to blocked.
fn blocks(time: u64) -> Vec<u8> {
    record(0x9002_1021, time, &[0x2_0001])
}

fn record(header: u32, time: u64, words: &[u32]) -> Vec<u8> {
    let mut bytes = header.to_le_bytes().to_vec();
    bytes.extend(time.to_le_bytes());
    bytes.extend(words.iter().flat_map(|word| word.to_le_bytes()));
    bytes
}

fn lost(time: u64, records: u32, since: u32) -> Vec<u8> {
    record(0xc001_f001, time, &[records, 0x7fff, since, 0])
}

fn two_pcpus(now: u64) -> Recording {
    Recording::begin([Pcpu(0), Pcpu(1)], Ticks(now))
}

fn events(file: &[u8], pcpu: u16) -> Vec<(u64, What)> {
    let file = File::read(file).unwrap();
    let events = file.events(Pcpu(pcpu));
    events
        .map(|Event { time, what, .. }| (time.0, what))
        .collect()
}

#[test]
fn notes_are_read_as_they_were_written() {
    let mut recording = two_pcpus(500);
    let name = |guest, name: &str| Note::GuestName(GuestId(guest), name.to_owned());
    recording.note(&[
        Note::Clock(clock()),
        name(0, "Dom0"),
        name(1, "a name of more than 24 characters"),
        name(2, "twenty-three in all: \u{e9}\u{e9}"),
    ]);
    recording.note_on(Pcpu(1), &[Note::Account(account())]);
    recording.advance(Ticks(900));
    // Read later, though it stands with a pCPU that is read first.
    recording.note(&[Note::Account(account()), Note::Ended]);
    let bytes = recording.take_unwritten();
    assert_eq!(recording.totals().bytes, bytes.len() as u64);
    let names = [
        (0, "Dom0"),
        (1, "a name of more than 24 c"),
        (2, "twenty-three in all: \u{e9}"),
    ];
    let names = names.map(|(guest, name)| (GuestId(guest), name.to_owned()));
    let expected = Notes {
        began: Some(Ticks(500)),
        ended: Some(Ticks(900)),
        clock: Some(clock()),
        names: names.into(),
        accounts: vec![(Ticks(500), account()), (Ticks(900), account())],
        hvtrace: false,
    };
    assert_eq!(File::read(&bytes).unwrap().notes(), expected);
    let found = What::RunState {
        vcpu: VCPU,
        from: RunState::Runnable,
        to: RunState::Runnable,
    };
    let other = |id| (500, What::Other { id });
    assert_eq!(
        events(&bytes, 1),
        [other(0x1f0e0), (500, found), other(0x1f0e8)]
    );
}

/// A hypervisor whose nanoseconds begin with the counter is not one of which that is not known.
#[test]
fn where_nanoseconds_begin_is_kept() {
    for epoch in [None, Some(0), Some(7)] {
        let mut recording = two_pcpus(500);
        let clock = Clock { epoch, ..clock() };
        recording.note(&[Note::Clock(clock)]);
        let bytes = recording.take_unwritten();
        assert_eq!(File::read(&bytes).unwrap().notes().clock, Some(clock));
    }
}

#[test]
fn what_happened_to_the_recording_is_in_the_stream() {
    let mut recording = two_pcpus(500);
    recording.drained(Pcpu(1), None, &blocks(600));
    recording.note(&[Note::Halted, Note::Resumed]);
    let gap = Gap {
        reason: Reason::OtherConsumer,
        bytes: 32,
    };
    recording.drained(Pcpu(1), Some(gap), &blocks(700));
    recording.lost(Pcpu(1), 7, Ticks(650));
    recording.lost(Pcpu(0), 9, Ticks(10));
    let bytes = recording.take_unwritten();
    let began = |time| (time, What::Other { id: 0x1f0e0 });
    assert_eq!(
        events(&bytes, 0),
        [began(500), (600, What::Halted), (600, What::Resumed)]
    );
    let blocked = What::RunState {
        vcpu: VCPU,
        from: RunState::Running,
        to: RunState::Blocked,
    };
    let unreadable = What::Unreadable {
        reason: Reason::OtherConsumer,
        bytes: 32,
    };
    // Held at the record before it: a loss cannot begin earlier.
    let since = Ticks(700);
    let lost = What::Lost { records: 7, since };
    let expected = [
        began(500),
        (600, blocked),
        (600, unreadable),
        (700, blocked),
        (700, lost),
    ];
    assert_eq!(events(&bytes, 1), expected);
    let totals = Totals {
        records: 2,
        lost: 7,
        gaps: 1,
        bytes: bytes.len() as u64,
    };
    assert_eq!(recording.totals(), totals);
}

/// Times that counters in a broken memory tell do not move the end of a recording out of sight.
#[test]
fn a_leap_of_days_is_not_believed() {
    let mut recording = two_pcpus(500);
    recording.drained(Pcpu(1), None, &blocks(600));
    recording.advance(Ticks(u64::MAX));
    recording.lost(Pcpu(1), 7, Ticks(u64::MAX - 1));
    assert_eq!(recording.newest(), Ticks(600));
    let since = Ticks(600);
    let lost = What::Lost { records: 7, since };
    let told = events(&recording.take_unwritten(), 1);
    assert_eq!(told.last(), Some(&(600, lost)));
}

#[test]
fn a_loss_before_the_recording_is_not_its_loss() {
    let filler = 0x1001_f002_u32.to_le_bytes();
    for before in [
        lost(600, 3, 5),
        [&filler[..], &[0; 4], &lost(600, 3, 5)].concat(),
    ] {
        let mut recording = two_pcpus(500);
        recording.drained(Pcpu(0), None, &[]);
        recording.drained(Pcpu(0), None, &[before, blocks(601)].concat());
        recording.drained(Pcpu(0), None, &[lost(602, 4, 5), blocks(603)].concat());
        let totals = recording.totals();
        assert_eq!((totals.records, totals.lost, totals.gaps), (2, 4, 0));
    }
}

#[test]
fn accounts_go_on_until_now() {
    let account = Account {
        times: [1, 2, 3, 4],
        since: 100,
        ..account()
    };
    assert_eq!(account.until(150), [1, 52, 3, 4]);
    assert_eq!(account.until(50), [1, 2, 3, 4]);
    assert_eq!(clock().ticks(160), Some(Ticks(1010)));
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn random_notes_do_no_harm(words in prop::collection::vec((0x1f0de_u32..0x1f0ec, 0..8_u32, any::<[u32; 7]>()), 1..20)) {
        let records = words.iter().flat_map(|(id, count, words)| {
            record(1 << 31 | count << 28 | id, 5, &words[..*count as usize])
        });
        let records: Vec<u8> = records.collect();
        let mut bytes = window_header(Pcpu(0), records.len() as u32).to_vec();
        bytes.extend(&records);
        let file = File::read(&bytes).unwrap();
        file.notes();
        file.merged().for_each(drop);
        let mut recording = two_pcpus(0);
        recording.drained(Pcpu(0), None, &records);
    }

    #[test]
    fn random_bytes_are_recorded_as_they_are(bytes in prop::collection::vec(any::<u8>(), 4..200)) {
        let mut recording = two_pcpus(0);
        recording.drained(Pcpu(1), None, &blocks(9));
        recording.drained(Pcpu(1), None, &bytes);
        prop_assert!(recording.take_unwritten().ends_with(&bytes));
    }
}
