//! Listing what is mapped.

use machine::{AddressSpace, Pa, Regime, Stage1, Stage2, Va};

use crate::builder::{Builder, MAIR, NORMAL2, Ram, TABLE, Wide, mask};

fn two_halves(ttbr0: u64, ttbr1: u64) -> AddressSpace {
    AddressSpace {
        stage1: Some(Stage1 {
            regime: Regime::El10,
            enabled: true,
            ttbr0,
            ttbr1,
            tcr: 16 | 16 << 16 | 0b10 << 30 | 0b101 << 32,
            mair: MAIR,
        }),
        stage2: None,
    }
}

const EVERYTHING: std::ops::Range<Va> = Va(0)..Va(u64::MAX);

fn listed(space: &AddressSpace, ram: &Ram, range: std::ops::Range<Va>) -> Vec<(u64, u64, u64)> {
    space
        .ranges(ram, range)
        .map(|(va, found)| (va.0, found.pa.0, found.size))
        .collect()
}

#[test]
fn pages_and_blocks_of_both_halves() {
    let ram = Ram::default();
    let mut builder = Builder::new(12, 48, 0, Wide::No);
    builder.map(&ram, 0x40_0000, 0x7000, 3, 0);
    builder.map(&ram, 0x40_1000, 0x9000, 3, 0);
    builder.map(&ram, 0x7fff_ffe0_0000, 0x4020_0000, 2, 0);
    builder.map(&ram, 0xffff_0000_4000_0000, 0x8000_0000, 1, 0);
    let space = two_halves(builder.root, builder.root);
    let half = [
        (0x40_0000, 0x7000, 0x1000),
        (0x40_1000, 0x9000, 0x1000),
        (0x4000_0000, 0x8000_0000, 0x4000_0000),
        (0x7fff_ffe0_0000, 0x4020_0000, 0x20_0000),
    ];
    let upper = half.map(|(va, pa, size)| (va | 0xffff_0000_0000_0000, pa, size));
    assert_eq!(listed(&space, &ram, EVERYTHING), [half, upper].concat());
    assert!(ram.word_reads.get() < 20_000, "{}", ram.word_reads.get());
    // Cut at both ends.
    assert_eq!(
        listed(&space, &ram, Va(0x40_0800)..Va(0x40_1004)),
        [(0x40_0800, 0x7800, 0x800), (0x40_1000, 0x9000, 4)]
    );
    assert_eq!(listed(&space, &ram, Va(5)..Va(5)), []);
    assert_eq!(listed(&space, &ram, Va(7)..Va(5)), []);
}

#[test]
fn pieces_common_to_both_stages() {
    let ram = Ram::default();
    // The guest maps 2 MiB; stage 2 has only two pages of it.
    let mut two = Builder::new(12, 40, 1, Wide::No);
    two.root = 0x9_0000_0000;
    two.free = 0x9_0001_0000;
    two.map(&ram, 0x4000_0000, 0x4000_0000, 1, NORMAL2);
    two.map(&ram, 0x8000_3000, 0x1_0000, 3, NORMAL2);
    two.map(&ram, 0x8000_5000, 0x2_0000, 3, NORMAL2);
    let mut one = Builder::new(12, 48, 0, Wide::No);
    one.map(&ram, 0x20_0000, 0x8000_0000, 2, 0);
    let space = AddressSpace {
        stage2: Some(Stage2 {
            vttbr: two.root,
            vtcr: 24 | 1 << 6 | 0b101 << 16,
        }),
        ..two_halves(one.root, 1 << 40)
    };
    assert_eq!(
        listed(&space, &ram, EVERYTHING),
        [(0x20_3000, 0x1_0000, 0x1000), (0x20_5000, 0x2_0000, 0x1000)]
    );
    assert_eq!(
        listed(&space.ipa(), &ram, EVERYTHING),
        [
            (0x4000_0000, 0x4000_0000, 0x4000_0000),
            (0x8000_3000, 0x1_0000, 0x1000),
            (0x8000_5000, 0x2_0000, 0x1000)
        ]
    );
}

#[test]
fn physical_memory_is_one_piece() {
    let ram = Ram::default();
    let all = listed(&AddressSpace::PHYSICAL, &ram, EVERYTHING);
    assert_eq!(all, [(0, 0, mask(52) + 1)]);
}

/// Every entry of the root leads to the root, so the tables describe 2^36 pages, none of which is there.
#[test]
fn tables_that_lead_to_themselves_end() {
    let ram = Ram::default();
    let root = 0x4000_0000;
    for entry in 0..512 {
        ram.write(root + entry * 8, root | TABLE);
    }
    let space = two_halves(root, root);
    let mut ranges = space.ranges(&ram, EVERYTHING);
    let (va, first) = ranges.next().expect("maps the table itself");
    assert_eq!((va, first.pa, first.size), (Va(0), Pa(root), 0x1000));
    assert!(!ranges.is_cut_short());
}
