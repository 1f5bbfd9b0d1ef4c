//! Stage 1: granules, input sizes, levels, attributes, tags.

use machine::{AddressSpace, MemoryFault, Pa, Regime, Stage1, Va};

use crate::builder::{Builder, CONTIGUOUS, DEVICE, MAIR, Ram, Wide, mask};

/// Page bits, TxSZ, DS, then what the manual's tables give: the start level and the levels with blocks or pages.
type Case = (u32, u64, bool, i8, &'static [i8]);

const CASES: &[Case] = &[
    (12, 16, false, 0, &[1, 2, 3]),
    (12, 24, false, 0, &[1, 2, 3]),
    (12, 25, false, 1, &[1, 2, 3]),
    (12, 33, false, 1, &[1, 2, 3]),
    (12, 34, false, 2, &[2, 3]),
    (12, 43, false, 3, &[3]),
    (12, 48, false, 3, &[3]),
    (12, 12, true, -1, &[0, 1, 2, 3]),
    (12, 15, true, -1, &[0, 1, 2, 3]),
    (12, 16, true, 0, &[0, 1, 2, 3]),
    (14, 16, false, 0, &[2, 3]),
    (14, 17, false, 1, &[2, 3]),
    (14, 28, false, 2, &[2, 3]),
    (14, 39, false, 3, &[3]),
    (14, 12, true, 0, &[1, 2, 3]),
    (14, 17, true, 1, &[1, 2, 3]),
    (16, 12, false, 1, &[1, 2, 3]),
    (16, 16, false, 1, &[1, 2, 3]),
    (16, 22, false, 2, &[2, 3]),
    (16, 35, false, 3, &[3]),
    (16, 47, false, 3, &[3]),
];

/// TCR_EL1 with both ranges alike; the output size is the largest.
fn tcr(page: u32, txsz: u64, ds: bool) -> u64 {
    let (tg0, tg1) = match page {
        12 => (0b00, 0b10),
        14 => (0b10, 0b01),
        _ => (0b01, 0b11),
    };
    txsz | txsz << 16 | tg0 << 14 | tg1 << 30 | 0b110 << 32 | u64::from(ds) << 59
}

fn wide(page: u32, ds: bool) -> Wide {
    match page {
        16 => Wide::Lpa,
        _ if ds => Wide::Lpa2,
        _ => Wide::No,
    }
}

fn el1(tcr: u64, ttbr0: u64, ttbr1: u64) -> Stage1 {
    Stage1 {
        regime: Regime::El10,
        enabled: true,
        ttbr0,
        ttbr1,
        tcr,
        mair: MAIR,
    }
}

fn alone(stage1: Stage1) -> AddressSpace {
    AddressSpace {
        stage1: Some(stage1),
        stage2: None,
    }
}

/// A 48-bit space of 4 KiB pages with one page at 0x1000, and its descriptors' addresses.
fn one_page(ram: &Ram, attributes: u64) -> (Builder, Vec<(i8, u64)>) {
    let mut builder = Builder::new(12, 48, 0, Wide::No);
    let path = builder.map(ram, 0x1000, 0x8_0000, 3, attributes);
    (builder, path)
}

fn space(tcr: u64) -> AddressSpace {
    alone(el1(tcr, 0x4000_0000, 0))
}

/// Maps one block or page of each level in each half, translates the middle of it, then breaks the walk at each level.
#[test]
fn every_granule_size_level_and_half() {
    for &(page, txsz, ds, start, leaves) in CASES {
        for &leaf in leaves {
            for upper in [false, true] {
                check_leaf((page, txsz, ds, start, &[]), leaf, upper);
            }
        }
    }
}

fn check_leaf((page, txsz, ds, start, _): Case, leaf: i8, upper: bool) {
    let name = format!("page bits {page}, TxSZ {txsz}, DS {ds}, level {leaf}, upper {upper}");
    let ram = Ram::default();
    let input_bits = 64 - txsz as u32;
    let mut builder = Builder::new(page, input_bits, start, wide(page, ds));
    let span = builder.span(leaf);
    let high = if builder.wide == Wide::No {
        0
    } else {
        0b1011 << 48
    };
    let output = (high | 0x5a00_0000_0000) & !mask(span);
    let top = if upper { !mask(input_bits) } else { 0 };
    // The last block that fits, so that every index on the way is not 0.
    let va = top | mask(input_bits) & !mask(span);
    let path = builder.map(&ram, va, output, leaf, 0);

    let unused = 0xdead_0000_0000;
    let (ttbr0, ttbr1) = if upper {
        (unused, builder.root | 1 | 0x77 << 48)
    } else {
        (builder.root | 1 | 0x77 << 48, unused)
    };
    let space = alone(el1(tcr(page, txsz, ds), ttbr0, ttbr1));
    let middle = mask(span) / 3;
    let found = space
        .translate(&ram, Va(va + middle))
        .unwrap_or_else(|fault| panic!("{name}: {fault}"));
    assert_eq!(found.pa, Pa(output + middle), "{name}");
    assert_eq!(found.size, mask(span) + 1 - middle, "{name}");
    assert_eq!(found.ipa, None);
    assert!(!found.device);

    for &(level, entry) in &path {
        let good = ram.word(entry);
        ram.write(entry, good & !1);
        let expected = MemoryFault::NotMapped {
            stage: 1,
            level,
            kind: "VA",
            address: va,
            descriptor: good & !1,
        };
        assert_eq!(space.translate(&ram, Va(va)), Err(expected), "{name}");
        ram.write(entry, good);
    }
}

/// Where the root is small, TTBR bits below 64 bytes hold address bits, or are ignored.
#[test]
fn base_register_holds_wide_addresses() {
    let ram = Ram::default();
    let mut builder = Builder::new(16, 52, 1, Wide::Lpa);
    builder.root = 0x000b_0000_4000_0000;
    builder.map(&ram, 0x1_0000, 0x7_0000, 3, 0);
    // BADDR[51:48] = 0xb in bits [5:2].
    let space = alone(el1(tcr(16, 12, false), 0x4000_0000 | 0xb << 2, 0));
    assert_eq!(
        space.translate(&ram, Va(0x1_0000)).map(|t| t.pa),
        Ok(Pa(0x7_0000))
    );
}

#[test]
fn blocks_only_where_the_granule_has_them() {
    // Page bits, TxSZ, DS, the level where bits [1:0] = 01 are reserved.
    for (page, txsz, ds, level) in [
        (12, 16, false, 0),
        (12, 12, true, -1),
        (12, 16, false, 3),
        (14, 16, false, 0),
        (14, 16, false, 1),
        (14, 12, true, 0),
        (16, 16, false, 3),
    ] {
        let ram = Ram::default();
        let (.., start, _) = *CASES
            .iter()
            .find(|case| (case.0, case.1, case.2) == (page, txsz, ds))
            .expect("listed above");
        let mut builder = Builder::new(page, 64 - txsz as u32, start, wide(page, ds));
        let path = builder.map(&ram, 0, 0, level, 0);
        let (_, entry) = path[path.len() - 1];
        ram.write(entry, 0b01);
        let space = alone(el1(tcr(page, txsz, ds), builder.root, 0));
        assert!(
            matches!(space.translate(&ram, Va(0)), Err(MemoryFault::NotMapped { level: at, .. }) if at == level),
            "page bits {page}, DS {ds}, level {level}"
        );
    }
}

/// Page bits, leaf level, entries in a contiguous group.
#[test]
fn contiguous_groups_are_one_piece() {
    for (page, level, entries) in [
        (12, 1, 16),
        (12, 2, 16),
        (12, 3, 16),
        (14, 2, 32),
        (14, 3, 128),
        (16, 2, 32),
        (16, 3, 32),
    ] {
        let ram = Ram::default();
        let start = if page == 16 { 1 } else { 0 };
        let mut builder = Builder::new(page, 48, start, Wide::No);
        builder.wide = wide(page, false);
        let piece = 1_u64 << builder.span(level);
        let group = entries * piece;
        for n in 0..entries {
            builder.map(
                &ram,
                group + n * piece,
                4 * group + n * piece,
                level,
                CONTIGUOUS,
            );
        }
        let space = alone(el1(tcr(page, 16, false), builder.root, 0));
        for n in [0, 1, entries - 1] {
            let found = space
                .translate(&ram, Va(group + n * piece + 8))
                .expect("mapped");
            assert_eq!(
                found.pa,
                Pa(4 * group + n * piece + 8),
                "{page} {level} {n}"
            );
            assert_eq!(found.size, (entries - n) * piece - 8, "{page} {level} {n}");
        }
    }
}

#[test]
fn tags_are_ignored_only_where_tbi_says_so() {
    const TBI0: u64 = 1 << 37;
    const TBI1: u64 = 1 << 38;
    let ram = Ram::default();
    let (mut builder, _) = one_page(&ram, 0);
    builder.map(&ram, 0xffff_0000_0000_2000, 0x9_0000, 3, 0);
    let plain = tcr(12, 16, false);
    let out = |va| Err(MemoryFault::OutOfRange(Va(va)));
    for (control, va, expected) in [
        (plain, 0x1000, Ok(Pa(0x8_0000))),
        (plain, 0xab00_0000_0000_1000, out(0xab00_0000_0000_1000)),
        (plain | TBI0, 0xab00_0000_0000_1000, Ok(Pa(0x8_0000))),
        (
            plain | TBI0,
            0x0001_0000_0000_1000,
            out(0x0001_0000_0000_1000),
        ),
        (
            plain | TBI1,
            0xab00_0000_0000_1000,
            out(0xab00_0000_0000_1000),
        ),
        (plain, 0xffff_0000_0000_2000, Ok(Pa(0x9_0000))),
        (plain, 0xabff_0000_0000_2000, out(0xabff_0000_0000_2000)),
        (plain | TBI1, 0xabff_0000_0000_2000, Ok(Pa(0x9_0000))),
        (
            plain | TBI1,
            0xfffe_0000_0000_2000,
            out(0xfffe_0000_0000_2000),
        ),
        // A pointer authentication code is no tag.
        (
            plain | TBI0,
            0x003b_0000_0000_1000,
            out(0x003b_0000_0000_1000),
        ),
    ] {
        let space = alone(el1(control, builder.root, builder.root));
        let found = space.translate(&ram, Va(va)).map(|found| found.pa);
        assert_eq!(found, expected, "TCR {control:#x}, VA {va:#x}");
    }
}

#[test]
fn control_registers_that_cannot_be_walked() {
    let plain = tcr(12, 16, false);
    let wide = tcr(12, 12, true);
    let ram = Ram::default();
    for (control, va, what) in [
        (plain | 0b11 << 14, 0, "TG0 is reserved"),
        (plain & !(0b11 << 30), !0, "TG1 is reserved"),
        (
            plain & !0x3f | 15,
            0,
            "TxSZ asks for more address bits than this granule has",
        ),
        (
            wide & !0x3f | 11,
            0,
            "TxSZ asks for more address bits than this granule has",
        ),
        (plain & !0x3f | 49, 0, "TxSZ leaves too few address bits"),
        (tcr(16, 48, false), 0, "TxSZ leaves too few address bits"),
    ] {
        let found = space(control).translate(&ram, Va(va));
        assert_eq!(
            found,
            Err(MemoryFault::BadControl(what)),
            "TCR {control:#x}"
        );
    }
    for (bit, va) in [(7, 0x1000), (23, !0xfff)] {
        let found = space(plain | 1 << bit).translate(&ram, Va(va));
        assert_eq!(
            found,
            Err(MemoryFault::WalkDisabled(Va(va))),
            "EPD bit {bit}"
        );
    }
}

/// Attributes of the leaf and of the tables above it: write, execute, user, user execute.
#[test]
fn permissions() {
    const USER: u64 = 1 << 6;
    const READ_ONLY: u64 = 1 << 7;
    const PXN: u64 = 1 << 53;
    const UXN: u64 = 1 << 54;
    const PXN_TABLE: u64 = 1 << 59;
    const UXN_TABLE: u64 = 1 << 60;
    const AP_TABLE_NO_USER: u64 = 1 << 61;
    const AP_TABLE_NO_WRITE: u64 = 1 << 62;
    const HPD0: u64 = 1 << 41;
    let plain = tcr(12, 16, false);
    for (leaf, table, control, expected) in [
        (0, 0, plain, [true, true, false, false]),
        (READ_ONLY, 0, plain, [false, true, false, false]),
        (USER, 0, plain, [true, false, true, true]),
        (USER | READ_ONLY, 0, plain, [false, true, true, true]),
        (USER | READ_ONLY | PXN, 0, plain, [false, false, true, true]),
        (USER | READ_ONLY | UXN, 0, plain, [false, true, true, false]),
        (
            USER | READ_ONLY,
            PXN_TABLE,
            plain,
            [false, false, true, true],
        ),
        (
            USER | READ_ONLY,
            UXN_TABLE,
            plain,
            [false, true, true, false],
        ),
        (USER, AP_TABLE_NO_USER, plain, [true, true, false, false]),
        (0, AP_TABLE_NO_WRITE, plain, [false, true, false, false]),
        (
            0,
            AP_TABLE_NO_WRITE | PXN_TABLE,
            plain | HPD0,
            [true, true, false, false],
        ),
    ] {
        let ram = Ram::default();
        let (_, path) = one_page(&ram, leaf);
        let (_, entry) = path[1];
        ram.write(entry, ram.word(entry) | table);
        let found = space(control).translate(&ram, Va(0x1000)).expect("mapped");
        let p = found.permissions;
        assert_eq!(
            [p.write, p.execute, p.user, p.user_execute],
            expected,
            "leaf {leaf:#x}, table {table:#x}, TCR {control:#x}"
        );
    }
}

#[test]
fn device_memory_by_mair() {
    let ram = Ram::default();
    one_page(&ram, DEVICE);
    let found = space(tcr(12, 16, false)).translate(&ram, Va(0x1000));
    assert_eq!(found.map(|found| found.device), Ok(true));
}

/// The configured output size binds tables and pages alike.
#[test]
fn output_size_is_checked() {
    let forty = tcr(12, 16, false) & !(7 << 32) | 0b010 << 32;
    let ram = Ram::default();
    let (_, path) = one_page(&ram, 0);
    for &(level, entry) in &path {
        let good = ram.word(entry);
        let bad = good | 1 << 40;
        ram.write(entry, bad);
        let expected = MemoryFault::AddressSize {
            stage: 1,
            level,
            kind: "VA",
            address: 0x1000,
            descriptor: bad,
        };
        assert_eq!(space(forty).translate(&ram, Va(0x1000)), Err(expected));
        ram.write(entry, good);
    }
    let beyond = alone(el1(forty, 1 << 40, 0));
    assert!(matches!(
        beyond.translate(&ram, Va(0x1000)),
        Err(MemoryFault::AddressSize { level: 0, .. })
    ));
}

#[test]
fn a_disabled_stage_passes_addresses_on() {
    let ram = Ram::default();
    let mut stage1 = el1(tcr(12, 16, false), 0, 0);
    stage1.enabled = false;
    let found = alone(stage1)
        .translate(&ram, Va(0x4008_0000))
        .expect("flat");
    assert_eq!((found.pa, found.device), (Pa(0x4008_0000), false));
    let out = alone(stage1).translate(&ram, Va(1 << 52));
    assert_eq!(out, Err(MemoryFault::OutOfRange(Va(1 << 52))));
}

/// TCR_EL2 without VHE has one range and other bit positions: T0SZ 24, 4 KiB, PS at 18:16, TBI at 20.
#[test]
fn el2_has_one_range() {
    let ram = Ram::default();
    let mut builder = Builder::new(12, 40, 0, Wide::No);
    // XN is bit 54; bit 53 means nothing here, and AP[1] is RES1.
    builder.map(&ram, 0x00ab_cde0_0000, 0x4020_0000, 2, 1 << 54 | 1 << 6);
    let space = |tcr| {
        alone(Stage1 {
            regime: Regime::El2,
            ..el1(tcr, builder.root, 0)
        })
    };
    let tcr = 24 | 0b010 << 16;
    let found = space(tcr)
        .translate(&ram, Va(0x00ab_cde0_1234))
        .expect("mapped");
    assert_eq!(found.pa, Pa(0x4020_1234));
    assert!(found.permissions.write && !found.permissions.execute && !found.permissions.user);
    let high = Va(0xffff_ffab_cde0_0000);
    assert_eq!(
        space(tcr).translate(&ram, high),
        Err(MemoryFault::OutOfRange(high))
    );
    let tagged = Va(0xff00_00ab_cde0_0000);
    assert_eq!(
        space(tcr).translate(&ram, tagged),
        Err(MemoryFault::OutOfRange(tagged))
    );
    let found = space(tcr | 1 << 20).translate(&ram, tagged).expect("TBI");
    assert_eq!(found.pa, Pa(0x4020_0000));
}
