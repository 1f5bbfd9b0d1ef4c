//! Stores against brute force: what went in comes out, through summaries, torn columns and random bytes.

use std::collections::HashMap;

use machine::{GuestId, Pcpu, Vcpu};
use proptest::prelude::*;
use zerocopy::IntoBytes;

use super::layout::{FAN_OUT, LEVELS};
use super::*;

/// A lane as plain data: (ticks, state number, party).
type Plain = Vec<(u64, u8, u16)>;

fn state(number: u8) -> State {
    State::from_bits(u32::from(number))
}

fn plain_lane(most: usize) -> impl Strategy<Value = Plain> {
    let ticks = prop_oneof![6 => 0u64..50, 1 => 50u64..5000];
    prop::collection::vec((ticks, 0u8..7, 0u16..5), 0..most)
}

/// A writer with one vCPU lane that holds these spans, from tick 100.
fn written(lane: &Plain) -> (Writer, u16, u64) {
    let mut writer = Writer::new(Box::new(Memory::default()), 1000, 100).unwrap();
    let vcpu = Vcpu {
        guest: GuestId(1),
        index: 0,
    };
    let number = writer.add_lane(Owner::Vcpu(vcpu)).unwrap();
    let mut time = 100;
    for (ticks, kind, party) in lane {
        writer.push(number, Span::new(time, state(*kind), Party(*party)));
        time += ticks;
    }
    writer.publish(time).unwrap();
    (writer, number, time)
}

/// The intervals that [`written`] stores, the unknown one in front included.
fn intervals(lane: &Plain) -> Vec<(u64, u64, State)> {
    let mut time = 100;
    let mut all = vec![(100, 100, State::Unknown)];
    for (ticks, kind, _) in lane {
        all.push((time, time + ticks, state(*kind)));
        time += ticks;
    }
    all
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn what_was_pushed_is_read(lane in plain_lane(2000)) {
        let (writer, number, _) = written(&lane);
        let view = writer.view().lane(number);
        let read: Vec<_> = (0..view.len())
            .map(|index| view.get(index).unwrap())
            .map(|interval| (interval.start(), interval.end, interval.state()))
            .collect();
        prop_assert_eq!(read, intervals(&lane));
    }

    #[test]
    fn searches_agree_with_looking_at_all(
        lane in plain_lane(3000),
        at in any::<prop::sample::Index>(),
        kind in 0u8..7,
        ticks in prop_oneof![Just(0), 1u64..3000],
    ) {
        let (writer, number, until) = written(&lane);
        let view = writer.view().lane(number);
        let all = intervals(&lane);
        let from = at.index(all.len() + 1);
        let wanted = Wanted::longer(state(kind), ticks);
        let met = |index: &usize| all[*index].2 == state(kind) && all[*index].1 - all[*index].0 >= ticks;
        prop_assert_eq!(view.next(from, wanted), (from..all.len()).find(met));
        prop_assert_eq!(view.previous(from, wanted), (0..from).rev().find(met));
        let time = 90 + at.index((until - 80) as usize) as u64;
        let holds = all.iter().position(|(start, end, _)| (*start..*end).contains(&time));
        prop_assert_eq!(view.at(time).map(|found| found.start()), holds.map(|index| all[index].0));
    }

    #[test]
    fn nodes_sum_up_what_is_below(lane in plain_lane(3000)) {
        let (writer, number, _) = written(&lane);
        let view = writer.view().lane(number);
        for level in 0..LEVELS {
            let size = FAN_OUT << (4 * level);
            for (index, node) in view.levels()[level].iter().enumerate() {
                let below: Vec<_> = (index * size..(index + 1) * size)
                    .map(|number| view.get(number).unwrap())
                    .collect();
                check_node(node, &below);
            }
        }
    }

    #[test]
    fn a_crash_anywhere_leaves_a_readable_store(
        lane in plain_lane(1500),
        cut in any::<prop::sample::Index>(),
        keep in 0.0f64..1.0,
    ) {
        let (writer, number, until) = written(&lane);
        let columns = [
            Column::Lanes, Column::Journal, Column::Spans(number),
            Column::Nodes(number, 0), Column::Nodes(number, 1),
        ];
        let torn = columns[cut.index(columns.len())];
        let cut = (writer.columns().bytes(torn).len() as f64 * keep) as usize;
        let torn = Torn { whole: writer.columns(), cut: HashMap::from([(torn, cut)]) };
        let catalog = Catalog::open(&torn).unwrap();
        let view = catalog.view(&torn).lane(number);
        let all = intervals(&lane);
        for (index, (start, _, state)) in all.iter().enumerate().take(view.len()) {
            let found = view.get(index).unwrap();
            prop_assert_eq!(found.start(), *start);
            if found.state() == State::Lost && index + 1 == view.len() {
                prop_assert!(found.end == until.max(found.start()));
            } else {
                prop_assert_eq!(found.state(), *state);
            }
        }
    }

    #[test]
    fn random_bytes_never_panic(
        journal in prop::collection::vec(any::<u8>(), 0..400),
        spans in prop::collection::vec(any::<u8>(), 0..2000),
        nodes in prop::collection::vec(any::<u8>(), 0..2000),
        time in any::<u64>(),
    ) {
        let (writer, number, _) = written(&vec![(5, 0, 0); 40]);
        let mut journal = journal;
        let end = journal.len() / 32 * 32;
        journal.truncate(end);
        for entry in journal.chunks_mut(32) {
            entry[0..4].copy_from_slice(&u32::from(number).to_le_bytes());
        }
        journal.extend(writer.columns().bytes(Column::Journal));
        let changed = Changed(HashMap::from([
            (Column::Header, writer.columns().bytes(Column::Header).to_vec()),
            (Column::Lanes, writer.columns().bytes(Column::Lanes).to_vec()),
            (Column::Journal, journal),
            (Column::Spans(number), spans),
            (Column::Nodes(number, 0), nodes.clone()),
            (Column::Nodes(number, 1), nodes),
        ]));
        let catalog = Catalog::open(&changed).unwrap();
        let view = catalog.view(&changed);
        let lane = view.lane(number);
        lane.at(time);
        lane.next(0, Wanted::longer(State::Runnable, time));
        lane.previous(usize::MAX, Wanted::flag(Flags::PREEMPTED));
        let window = crate::window::Window { from: time / 2, to: time, width: 7 };
        crate::window::window(view, &[number, 77], window);
    }
}

fn check_node(node: &Node, below: &[Interval]) {
    let total: u64 = below.iter().map(Interval::ticks).sum();
    let flags = below
        .iter()
        .fold(Flags::default(), |all, one| all.with(one.span.flags()));
    assert_eq!(
        (node.start(), node.flags()),
        (below[0].start(), flags),
        "start and flags"
    );
    for wanted in State::ALL {
        let with = below.iter().filter(|one| one.state() == wanted);
        let ticks: u64 = with.clone().map(Interval::ticks).sum();
        let share = f64::from(node.shares[wanted as usize].get()) / 65535.0;
        let true_share = ticks as f64 / total.max(1) as f64;
        assert!((share - true_share).abs() < 1e-5, "{share} {true_share}");
        for one in with {
            assert!(node.may_last(wanted, one.ticks()), "longest");
        }
    }
}

/// Columns cut at a byte.
struct Torn<'a> {
    whole: &'a dyn Columns,
    cut: HashMap<Column, usize>,
}

impl Columns for Torn<'_> {
    fn append(&mut self, _: Column, _: &[u8]) -> Result<(), NoRoom> {
        Err(NoRoom("read only".to_owned()))
    }

    fn publish(&mut self) -> Result<(), NoRoom> {
        Ok(())
    }

    fn bytes(&self, column: Column) -> &[u8] {
        let whole = self.whole.bytes(column);
        &whole[..self.cut.get(&column).map_or(whole.len(), |cut| *cut)]
    }
}

/// Columns with these bytes.
struct Changed(HashMap<Column, Vec<u8>>);

impl Columns for Changed {
    fn append(&mut self, _: Column, _: &[u8]) -> Result<(), NoRoom> {
        Err(NoRoom("read only".to_owned()))
    }

    fn publish(&mut self) -> Result<(), NoRoom> {
        Ok(())
    }

    fn bytes(&self, column: Column) -> &[u8] {
        self.0.get(&column).map_or(&[], Vec::as_slice)
    }
}

/// Columns with room for so many bytes.
struct Small {
    memory: Memory,
    room: usize,
}

impl Columns for Small {
    fn append(&mut self, column: Column, bytes: &[u8]) -> Result<(), NoRoom> {
        let fits = bytes.len().min(self.room);
        self.room -= fits;
        self.memory.append(column, &bytes[..fits])?;
        if fits < bytes.len() {
            return Err(NoRoom("no space left on device".to_owned()));
        }
        Ok(())
    }

    fn publish(&mut self) -> Result<(), NoRoom> {
        Ok(())
    }

    fn bytes(&self, column: Column) -> &[u8] {
        self.memory.bytes(column)
    }
}

#[test]
fn a_full_disk_keeps_what_was_published() {
    for room in [200, 3000, 9000, 20000] {
        let small = Small {
            memory: Memory::default(),
            room,
        };
        let mut writer = Writer::new(Box::new(small), 1000, 0).unwrap();
        let lane = writer.add_lane(Owner::Pcpu(Pcpu(0))).unwrap();
        let mut published = None;
        for time in 0..2000 {
            writer.push(lane, Span::new(time, state((time % 3) as u8), Party(0)));
            if time % 100 == 99 && writer.publish(time + 1).is_ok() {
                published = Some(time + 1);
            }
        }
        let failure = writer.publish(2000);
        assert_eq!(
            failure,
            Err(NoRoom("no space left on device".to_owned())),
            "room {room}"
        );
        let catalog = Catalog::open(writer.columns()).unwrap();
        for view in [writer.view(), catalog.view(writer.columns())] {
            assert_eq!(
                (view.until(), view.lane(lane).len() as u64),
                (
                    published.unwrap_or(0),
                    published.map_or(0, |until| until + 1)
                )
            );
        }
    }
}

#[test]
fn readers_see_what_is_published_and_no_more() {
    let mut writer = Writer::new(Box::new(Memory::default()), 1000, 0).unwrap();
    let lane = writer.add_lane(Owner::Pcpu(Pcpu(3))).unwrap();
    writer.push(lane, Span::new(10, State::Running, Party(9)));
    writer.publish(20).unwrap();
    let mut catalog = Catalog::open(writer.columns()).unwrap();
    writer.push(lane, Span::new(30, State::Blocked, Party::NONE));
    writer.flag(lane, Flags::UNREADABLE);
    assert_eq!(catalog.view(writer.columns()).lane(lane).len(), 2);
    writer.name(Subject::Guest(GuestId(1)), "DomU1");
    writer.publish(40).unwrap();
    catalog.refresh(writer.columns());
    let view = catalog.view(writer.columns());
    assert_eq!(view.owners(), [Owner::Pcpu(Pcpu(3))]);
    assert_eq!(view.name(Subject::Guest(GuestId(1))), Some("DomU1"));
    let last = view.lane(lane).at(39).unwrap();
    assert_eq!(
        (last.start(), last.end, last.span.flags()),
        (30, 40, Flags::UNREADABLE.with(Flags::state(State::Blocked)))
    );
}

#[test]
fn foreign_bytes_are_refused() {
    let header = |bytes: &[u8]| Changed(HashMap::from([(Column::Header, bytes.to_vec())]));
    let check = |bytes: &[u8], why: NotAStore| {
        assert_eq!(Catalog::open(&header(bytes)).unwrap_err(), why);
    };
    let writer = Writer::new(Box::new(Memory::default()), 1000, 0).unwrap();
    let good = writer.columns().bytes(Column::Header);
    check(&[], NotAStore::Magic);
    check(&good[..31], NotAStore::Magic);
    check(&[b'x'; 64], NotAStore::Magic);
    let changed = |at: usize, byte: u8| {
        let mut bytes = good.to_vec();
        bytes[at] = byte;
        bytes
    };
    check(&changed(8, 9), NotAStore::Version(9));
    check(
        &[&good[..16], 0u64.as_bytes(), &good[24..]].concat(),
        NotAStore::Frequency,
    );
}

#[test]
fn points_are_found_by_time() {
    let mut writer = Writer::new(Box::new(Memory::default()), 1000, 0).unwrap();
    let lane = writer.add_lane(Owner::Pcpu(Pcpu(0))).unwrap();
    for number in 0..10_000u64 {
        let mark = if number == 7777 {
            Mark::Lost
        } else {
            Mark::Wake
        };
        writer.mark(lane, Point::new(number / 3 * 3, mark, number));
    }
    writer.publish(20_000).unwrap();
    let points = writer.view().points(lane);
    assert_eq!(points.all().len(), 10_000);
    for time in [0, 1, 2, 3, 4, 299, 300, 301, 9998, 9999, 10_000, u64::MAX] {
        let before = points.all().partition_point(|point| point.time() < time);
        assert_eq!(points.count_before(time), before, "{time}");
    }
    assert_eq!(points.between(9, 12)[0].value(), 9);
    assert_eq!(points.kinds(0, 7777), 1);
    assert_eq!(points.kinds(16, 7778), 1 | 1 << Mark::Lost as u32);
}

#[test]
fn lanes_are_bounded() {
    let mut writer = Writer::new(Box::new(Memory::default()), 1000, 0).unwrap();
    for index in 0..MOST_LANES as u32 {
        let owner = Owner::Task(GuestId(1), index);
        assert_eq!(writer.add_lane(owner), Some(index as u16));
    }
    assert_eq!(writer.add_lane(Owner::Others), None);
}
