//! Windows against brute force.

use machine::Pcpu;
use proptest::prelude::*;

use super::*;
use crate::store::{Mark, Memory, Owner, Point, Writer};

/// A pCPU lane with spans of these (ticks, state, party), from tick 0; `rare` is lost for one tick.
fn written(lane: &[(u64, u8, u16)], rare: usize) -> (Writer, Vec<(u64, u64, State)>) {
    let mut writer = Writer::new(Box::new(Memory::default()), 1000, 0).unwrap();
    let number = writer.add_lane(Owner::Pcpu(Pcpu(0))).unwrap();
    let mut time = 0;
    let mut plain = Vec::new();
    for (index, (ticks, state, party)) in lane.iter().enumerate() {
        let state = State::from_bits(u32::from(*state));
        let (state, ticks) = if index == rare {
            (State::Lost, 1)
        } else {
            (state, *ticks)
        };
        writer.push(number, Span::new(time, state, Party(*party)));
        plain.push((time, time + ticks, state));
        time += ticks;
    }
    writer.publish(time).unwrap();
    (writer, plain)
}

/// Ticks of a state within `[from, to)`.
fn ticks(plain: &[(u64, u64, State)], wanted: State, from: u64, to: u64) -> u64 {
    let of = |(start, end, state): &(u64, u64, State)| {
        let inside = (*end).min(to).saturating_sub((*start).max(from));
        if *state == wanted { inside } else { 0 }
    };
    plain.iter().map(of).sum()
}

fn lanes() -> impl Strategy<Value = Vec<(u64, u8, u16)>> {
    let ticks = prop_oneof![8 => 0u64..40, 1 => 40u64..4000];
    prop::collection::vec((ticks, 0u8..5, 0u16..4), 1..4000)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn sums_are_right_within_half_a_pixel_at_each_edge(
        lane in lanes(),
        rare in any::<prop::sample::Index>(),
        bounds in (0.0f64..1.0, 0.0f64..1.0),
        width in 1usize..300,
    ) {
        let rare = rare.index(lane.len());
        let (writer, plain) = written(&lane, rare);
        let until = writer.view().until().max(2);
        let (from, to) = (bounds.0 * until as f64, bounds.1 * until as f64);
        let (from, to) = (from.min(to) as u64, from.max(to) as u64 + 1);
        let answer = window(writer.view(), &[0], Window { from, to, width });
        let pixel = (to - from) as f64 / width as f64;
        match &answer[0].spans {
            Spans::Exact { spans, end } => {
                let mut sums = [0u64; State::COUNT];
                for (index, span) in spans.iter().enumerate() {
                    let end = spans.get(index + 1).map_or(*end, Span::start).min(to);
                    sums[span.state() as usize] += end.saturating_sub(span.start().max(from));
                }
                for state in State::ALL {
                    prop_assert_eq!(sums[state as usize], ticks(&plain, state, from, to));
                }
            }
            Spans::Cells(cells) => {
                prop_assert_eq!(cells.len(), width);
                for state in State::ALL {
                    let shares = cells.iter().map(|cell| f64::from(cell.shares[state as usize]));
                    let sum = shares.sum::<f64>() / 65535.0;
                    let right = ticks(&plain, state, from, to) as f64 / pixel;
                    prop_assert!((sum - right).abs() <= 1.0, "{state:?}: {sum} pixels, not {right}");
                }
                let (start, _, _) = plain[rare];
                if start >= from && start < to {
                    let lost = Flags::state(State::Lost);
                    let near = (start - from) as f64 / pixel;
                    let seen = |(index, cell): (usize, &Cell)| {
                        cell.flags.any(lost) && (index as f64 - near).abs() <= 2.0
                    };
                    prop_assert!(cells.iter().enumerate().any(seen), "the lost tick is gone");
                }
            }
        }
    }

    #[test]
    fn every_pixel_that_the_lane_covers_is_full(lane in lanes(), width in 1usize..200) {
        let (writer, _) = written(&lane, usize::MAX);
        let to = writer.view().until().max(1);
        if let Spans::Cells(cells) = &window(writer.view(), &[0], Window { from: 0, to, width })[0].spans {
            for cell in cells {
                let sum: u32 = cell.shares.iter().map(|share| u32::from(*share)).sum();
                prop_assert!(sum.abs_diff(65535) < 200, "{sum}");
                prop_assert!(u32::from(cell.party_share) <= u32::from(cell.shares[0]) + u32::from(cell.shares[4]) + 9);
            }
        }
    }
}

#[test]
fn the_party_with_most_time_is_named() {
    // Vectors of (ticks, running, party): party 2 has half of every pixel, the others a quarter each.
    let lane: Vec<_> = (0..64_000u64)
        .map(|index| match index % 3 {
            0 => (10, 0, 2),
            1 => (5, 0, 0),
            _ => (5, 0, 1),
        })
        .collect();
    let (writer, _) = written(&lane, usize::MAX);
    let all = Window {
        from: 0,
        to: writer.view().until(),
        width: 50,
    };
    let Spans::Cells(cells) = &window(writer.view(), &[0], all)[0].spans else {
        panic!("64,000 spans do not fit into 50 pixels");
    };
    for cell in cells {
        assert_eq!(cell.party(), Party(2));
        assert!(cell.party_share.abs_diff(32768) < 3000, "{cell:?}");
    }
}

#[test]
fn points_are_counted_per_pixel() {
    let (mut writer, _) = written(&[(1000, 0, 0)], usize::MAX);
    for time in 0..1000 {
        let mark = if time == 503 {
            Mark::DeadlineMissed
        } else {
            Mark::Wake
        };
        writer.mark(0, Point::new(time, mark, 0));
    }
    writer.publish(1000).unwrap();
    let ask = |width| {
        let window = Window {
            from: 100,
            to: 600,
            width,
        };
        super::window(writer.view(), &[0], window).remove(0).points
    };
    let Points::Counts(counts) = ask(100) else {
        panic!("500 points do not fit into 100 pixels");
    };
    assert!(counts.iter().all(|count| count.points == 5));
    let missed = |count: &Count| count.marks >> Mark::DeadlineMissed as u32 & 1 == 1;
    assert_eq!(counts.iter().position(missed), Some(80));
    assert!(matches!(ask(500), Points::Exact(points) if points.len() == 500));
}

#[test]
fn strange_windows_are_answered() {
    let (writer, _) = written(&[(10, 0, 0); 100], usize::MAX);
    let check = |from, to, width| {
        let answer = window(writer.view(), &[0, 9], Window { from, to, width });
        assert_eq!(answer.len(), 2);
    };
    check(0, 0, 0);
    check(500, 20, 5);
    check(u64::MAX, u64::MAX, 3);
    check(0, u64::MAX, usize::MAX);
    check(5000, 6000, 10);
}
