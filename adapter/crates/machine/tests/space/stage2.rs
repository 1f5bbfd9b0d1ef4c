//! Stage 2: start levels, concatenated tables, and a guest's tables read through it.

use machine::space::DescriptorKind;
use machine::{AddressSpace, Ipa, MemoryFault, Pa, Regime, Stage1, Stage2, Va, Vmid};

use crate::builder::{Builder, MAIR, NORMAL2, Path, Ram, Wide, mask};

/// VTCR_EL2 with the largest output size.
fn vtcr(page: u32, t0sz: u64, sl0: u64, sl2: u64, ds: u64) -> u64 {
    let tg0 = match page {
        12 => 0b00,
        14 => 0b10,
        _ => 0b01,
    };
    t0sz | sl0 << 6 | tg0 << 14 | 0b110 << 16 | ds << 32 | sl2 << 33
}

fn second(stage2: Stage2) -> AddressSpace {
    AddressSpace {
        stage1: None,
        stage2: Some(stage2),
    }
}

/// Page bits, T0SZ, SL0, SL2, DS, and the start level they mean. Where T0SZ is larger than one table of that level
/// resolves, 2 to 16 tables are concatenated.
const STARTS: &[(u32, u64, u64, u64, u64, i8)] = &[
    (12, 16, 2, 0, 0, 0),
    (12, 20, 2, 0, 0, 0),
    (12, 24, 1, 0, 0, 1), // 40 bits: two tables
    (12, 21, 1, 0, 0, 1), // 43 bits: sixteen
    (12, 25, 1, 0, 0, 1),
    (12, 33, 1, 0, 0, 1),
    (12, 32, 0, 0, 0, 2), // 32 bits: four
    (12, 34, 0, 0, 0, 2),
    (12, 40, 3, 0, 0, 3), // 24 bits: eight
    (12, 12, 0, 1, 1, -1),
    (12, 15, 2, 0, 1, 0), // 49 bits: two
    (14, 16, 2, 0, 0, 1), // 48 bits: two
    (14, 24, 2, 0, 0, 1),
    (14, 25, 1, 0, 0, 2), // 39 bits: eight
    (14, 39, 0, 0, 0, 3),
    (14, 12, 3, 0, 1, 0),
    (16, 12, 2, 0, 0, 1),
    (16, 24, 1, 0, 0, 2),
    (16, 18, 1, 0, 0, 2), // 46 bits: sixteen
    (16, 35, 0, 0, 0, 3),
];

#[test]
fn every_start_level() {
    for &(page, t0sz, sl0, sl2, ds, start) in STARTS {
        let name = format!("page bits {page}, T0SZ {t0sz}, SL0 {sl0}");
        let ram = Ram::default();
        let wide = match (page, ds) {
            (16, _) => Wide::Lpa,
            (_, 1) => Wide::Lpa2,
            _ => Wide::No,
        };
        let input_bits = 64 - t0sz as u32;
        let mut builder = Builder::new(page, input_bits, start, wide);
        let ipa = mask(input_bits) & !mask(page);
        let path = builder.map(&ram, ipa, 0x5_0000, 3, NORMAL2);
        let stage2 = Stage2 {
            vttbr: builder.root | 7 << 48,
            vtcr: vtcr(page, t0sz, sl0, sl2, ds),
        };
        assert_eq!(stage2.root(), Ok(Pa(builder.root)), "{name}");
        let space = second(stage2);
        let found = space
            .translate(&ram, Va(ipa + 0x123))
            .unwrap_or_else(|fault| panic!("{name}: {fault}"));
        assert_eq!(found.pa, Pa(0x5_0123), "{name}");
        assert_eq!(found.ipa, Some(Ipa(ipa + 0x123)), "{name}");
        for (level, entry) in path {
            let good = ram.word(entry);
            ram.write(entry, 0);
            let expected = MemoryFault::NotMapped {
                stage: 2,
                level,
                kind: "IPA",
                address: ipa,
                descriptor: 0,
            };
            assert_eq!(space.translate(&ram, Va(ipa)), Err(expected), "{name}");
            ram.write(entry, good);
        }
        let beyond = 1 << input_bits;
        let expected = Err(MemoryFault::IpaOutOfRange(Ipa(beyond)));
        assert_eq!(space.translate(&ram, Va(beyond)), expected, "{name}");
    }
}

#[test]
fn control_registers_that_cannot_be_walked() {
    for (page, t0sz, sl0, sl2, ds, what) in [
        (
            12,
            24,
            0,
            1,
            0,
            "VTCR_EL2.T0SZ does not fit the start level SL0",
        ), // SL2 means nothing without DS
        (
            12,
            20,
            1,
            0,
            0,
            "VTCR_EL2.T0SZ does not fit the start level SL0",
        ),
        (
            12,
            25,
            2,
            0,
            0,
            "VTCR_EL2.T0SZ does not fit the start level SL0",
        ),
        (12, 12, 1, 1, 1, "VTCR_EL2.SL0 and SL2 are reserved"),
        (16, 24, 3, 0, 0, "VTCR_EL2.SL0 and SL2 are reserved"),
        (14, 16, 3, 0, 0, "VTCR_EL2.SL0 and SL2 are reserved"),
        (12, 63, 0, 0, 0, "TxSZ leaves too few address bits"),
    ] {
        let stage2 = Stage2 {
            vttbr: 0,
            vtcr: vtcr(page, t0sz, sl0, sl2, ds),
        };
        let found = second(stage2).translate(&Ram::default(), Va(0));
        assert_eq!(
            found,
            Err(MemoryFault::BadControl(what)),
            "{page} {t0sz} {sl0}"
        );
    }
}

#[test]
fn vmid_width_by_vs() {
    let vttbr = 0x1234_0000_4000_0000;
    for (vtcr, vmid) in [(0, 0x34), (1 << 19, 0x1234)] {
        assert_eq!(Stage2 { vttbr, vtcr }.vmid(), Vmid(vmid));
    }
}

/// MemAttr, S2AP and XN: device, write, execute, user, user execute.
#[test]
fn attributes() {
    let normal = 0b1111 << 2;
    let all = normal | 0b11 << 6;
    for (leaf, expected) in [
        (all, [false, true, true, true, true]),
        (0b0001 << 2 | 0b11 << 6, [true, true, true, true, true]),
        (0b0111 << 2 | 0b11 << 6, [false, true, true, true, true]),
        (normal | 0b01 << 6, [false, false, true, true, true]),
        (all | 0b10 << 53, [false, true, false, true, false]),
        (all | 0b01 << 53, [false, true, false, true, true]),
        (all | 0b11 << 53, [false, true, true, true, false]),
    ] {
        let ram = Ram::default();
        let mut builder = Builder::new(12, 40, 1, Wide::No);
        builder.map(&ram, 0x4000_0000, 0x8000_0000, 2, leaf);
        let space = second(Stage2 {
            vttbr: builder.root,
            vtcr: vtcr(12, 24, 1, 0, 0),
        });
        let found = space.translate(&ram, Va(0x4000_0000)).expect("mapped");
        let p = found.permissions;
        assert_eq!(
            [found.device, p.write, p.execute, p.user, p.user_execute],
            expected,
            "leaf {leaf:#x}"
        );
    }
}

/// A guest whose memory begins at IPA 0x4000_0000, lies at PA 0x1_4000_0000, and maps VA 0xffff_8000_0000_1000 to the
/// page IPA 0x4800_0000.
struct Guest {
    ram: Ram,
    space: AddressSpace,
    first: Path,
    /// Stage-2 path of the page itself.
    second: Path,
}

const GUEST_VA: u64 = 0xffff_8000_0000_1000;

fn guest() -> Guest {
    let ram = Ram::default();
    let mut two = Builder::new(12, 40, 1, Wide::No);
    two.root = 0x9_0000_0000;
    two.free = 0x9_0001_0000;
    for block in [0x4000_0000, 0x4020_0000, 0x4100_0000, 0x4120_0000] {
        two.map(&ram, block, block + 0x1_0000_0000, 2, NORMAL2);
    }
    let second = two.map(&ram, 0x4800_0000, 0x1_4800_0000, 3, NORMAL2);
    let mut one = Builder::new(12, 48, 0, Wide::No);
    one.offset = 0x1_0000_0000;
    let first = one.map(&ram, GUEST_VA, 0x4800_0000, 3, 0);
    let space = AddressSpace {
        stage1: Some(Stage1 {
            regime: Regime::El10,
            enabled: true,
            ttbr0: 0,
            ttbr1: one.root,
            tcr: 16 | 16 << 16 | 0b10 << 30 | 0b101 << 32,
            mair: MAIR,
        }),
        stage2: Some(Stage2 {
            vttbr: two.root,
            vtcr: vtcr(12, 24, 1, 0, 0),
        }),
    };
    Guest {
        ram,
        space,
        first,
        second,
    }
}

#[test]
fn a_guest_through_both_stages() {
    let Guest { ram, space, .. } = guest();
    let found = space.translate(&ram, Va(GUEST_VA + 8)).expect("mapped");
    assert_eq!(found.pa, Pa(0x1_4800_0008));
    assert_eq!(found.ipa, Some(Ipa(0x4800_0008)));
    assert_eq!(found.size, 0xff8);
    let ipa = space
        .ipa()
        .translate(&ram, Va(0x4800_0008))
        .expect("mapped");
    assert_eq!((ipa.pa, ipa.ipa), (found.pa, found.ipa));
}

#[test]
fn a_walk_tells_every_descriptor() {
    let Guest {
        ram,
        space,
        first,
        second,
    } = guest();
    let walk = space.walk(&ram, Va(GUEST_VA));
    // Four stage-1 descriptors, each found by two stage-2 ones (level 1 and a block at 2), then three for the page.
    assert_eq!(walk.steps.len(), 4 * 3 + 3);
    let of = |stage| walk.steps.iter().filter(move |step| step.stage == stage);
    let found: Path = of(1).map(|step| (step.level, step.entry.0)).collect();
    assert_eq!(found, first);
    assert!(of(1).all(|step| {
        step.entry_ipa
            .is_some_and(|ipa| ipa.0 + 0x1_0000_0000 == step.entry.0)
    }));
    let last: Path = of(2)
        .skip(8)
        .map(|step| (step.level, step.entry.0))
        .collect();
    assert_eq!(last, second);
    assert_eq!(walk.steps[14].kind, DescriptorKind::Leaf);
    assert_eq!(walk.outcome, space.translate(&ram, Va(GUEST_VA)));
}

#[test]
fn failures_of_either_stage_name_it() {
    let Guest {
        ram,
        space,
        first,
        second,
    } = guest();
    let fault = |entry: u64| {
        let good = ram.word(entry);
        ram.write(entry, 0);
        let fault = space.translate(&ram, Va(GUEST_VA)).expect_err("broken");
        ram.write(entry, good);
        fault.to_string()
    };
    assert_eq!(
        fault(first[2].1),
        "not mapped: stage 1, level 2, VA 0xffff800000001000, descriptor 0x0"
    );
    assert_eq!(
        fault(second[2].1),
        "not mapped: stage 2, level 3, IPA 0x48000000, descriptor 0x0"
    );
    // The stage-2 table that holds the blocks of the guest's own tables.
    assert_eq!(
        fault(second[0].1),
        "not mapped: stage 2, level 1, IPA 0x40000800, descriptor 0x0"
    );
}

#[test]
fn tables_in_device_memory_are_not_read() {
    let Guest { ram, space, .. } = guest();
    let walk = space.walk(&ram, Va(GUEST_VA));
    let block = walk.steps[1];
    assert_eq!((block.stage, block.level), (2, 2));
    ram.write(block.entry.0, block.descriptor & !(0b1111 << 2));
    let found = space.translate(&ram, Va(GUEST_VA));
    assert_eq!(found, Err(MemoryFault::Device(Pa(0x1_4000_0800))));
}

#[test]
fn tables_where_there_is_no_memory() {
    let Guest {
        mut ram,
        space,
        first,
        ..
    } = guest();
    let (_, entry) = first[3];
    ram.absent.push(entry & !0xfff..(entry | 0xfff) + 1);
    let found = space.translate(&ram, Va(GUEST_VA));
    assert_eq!(found, Err(MemoryFault::Absent(Pa(entry))));
}
