//! Fields of descriptors, set bit by bit as the manual's figures show them (Arm ARM D8.3).

use machine::space::{Decoded, Step};
use machine::{AddressSpace, Regime, Stage1, Stage2, Va};

use crate::builder::{Builder, MAIR, Ram, Wide};

const INPUT: u64 = 0x1_2340_0000;
const OUTPUT: u64 = 0x8_0000_0000;

/// 4 KiB pages, 48-bit addresses in and out.
fn first(regime: Regime, hpd: bool) -> AddressSpace {
    let tcr = match regime {
        Regime::El2 => 16 | 0b101 << 16 | u64::from(hpd) << 24,
        Regime::El10 | Regime::El20 => 16 | 0b101 << 32 | u64::from(hpd) << 41,
    };
    AddressSpace {
        stage1: Some(Stage1 {
            regime,
            enabled: true,
            ttbr0: 0x4000_0000,
            ttbr1: 0,
            tcr,
            mair: MAIR,
        }),
        stage2: None,
    }
}

/// The same by stage 2, from level 0.
fn second() -> AddressSpace {
    AddressSpace {
        stage1: None,
        stage2: Some(Stage2 {
            vttbr: 0x4000_0000,
            vtcr: 16 | 2 << 6 | 0b101 << 16,
        }),
    }
}

/// The steps of the walk to a leaf of `level` with these attributes.
fn steps(space: &AddressSpace, level: i8, attributes: u64, table: u64) -> Vec<Step> {
    let ram = Ram::default();
    let mut builder = Builder::new(12, 48, 0, Wide::No);
    let path = builder.map(&ram, INPUT, OUTPUT, level, attributes);
    let (_, root) = path[0];
    ram.write(root, ram.word(root) | table);
    space.walk(&ram, Va(INPUT)).steps
}

fn text(decoded: &Decoded) -> String {
    let fields = decoded.fields.iter();
    let lines: Vec<String> = fields
        .map(|field| format!("{} {}", field.name, field.value))
        .collect();
    lines.join("\n")
}

#[track_caller]
fn check(space: &AddressSpace, level: i8, attributes: u64, expected: &str) {
    let steps = steps(space, level, attributes, 0);
    let decoded = space.decode(steps.last().expect("it has a leaf"), false);
    assert_eq!(decoded.output, Some(OUTPUT));
    assert_eq!(text(&decoded), expected.trim());
}

#[test]
fn a_page_of_el1_and_el0() {
    let attributes =
        1 << 54 | 1 << 52 | 1 << 51 | 1 << 11 | 1 << 10 | 0b11 << 8 | 0b01 << 6 | 1 << 2;
    check(
        &first(Regime::El10, false),
        3,
        attributes | 0b1010 << 55,
        "
AttrIndx 1: Device-nGnRE (MAIR byte 0x04)
NS 0: Secure, if walked in Secure state
AP[2:1] 0b01: read and write, from EL0 too
SH 0b11: inner shareable
AF 1: accessed
nG 1: not global: for one ASID
GP 0: not guarded
DBM 1: writable, dirty state managed by hardware
Contiguous 1: one of 16 entries that map one piece
PXN 0: may be executed above EL0
UXN 1: never executed in EL0
Software 0b1010: for software's use",
    );
}

#[test]
fn a_block_of_the_hypervisor() {
    let attributes = 1 << 54 | 1 << 53 | 1 << 50 | 1 << 16 | 0b10 << 8 | 0b11 << 6 | 1 << 5;
    check(
        &first(Regime::El2, false),
        2,
        attributes,
        "
AttrIndx 0: Normal, write-back, read- and write-allocate (MAIR byte 0xff)
NS 1: Non-secure, if walked in Secure state
AP[2:1] 0b11: read only
SH 0b10: outer shareable
AF 0: never accessed: the first access faults, unless hardware sets the flag
nT 1: about to be replaced, not cached in a TLB
GP 1: guarded page (BTI)
DBM 0: the access permissions are final
Contiguous 0: by itself
XN 1: never executed
Software 0b0000: for software's use",
    );
}

#[test]
fn a_page_of_stage_2() {
    let attributes = 0b10 << 53 | 1 << 51 | 1 << 11 | 1 << 10 | 0b11 << 8 | 0b01 << 6 | 0b1111 << 2;
    check(
        &second(),
        3,
        attributes,
        "
MemAttr 0b1111: Normal, write-back
S2AP 0b01: read only
SH 0b11: inner shareable
AF 1: accessed
FnXS 1: XS is 0
DBM 1: writable, dirty state managed by hardware
Contiguous 0: by itself
XN[1:0] 0b10: not executable
Software 0b0000: for software's use",
    );
}

#[test]
fn access_and_execution_of_stage_2() {
    let value = |attributes: u64, name: &str| {
        let space = second();
        let steps = steps(&space, 3, attributes, 0);
        let fields = space.decode(&steps[3], false).fields;
        let found = fields.into_iter().find(|field| field.name == name);
        found.map(|field| field.value).unwrap_or_default()
    };
    let s2ap = ["no access", "read only", "write only", "read and write"];
    for (bits, expected) in (0..).zip(s2ap) {
        assert!(value(bits << 6, "S2AP").ends_with(expected), "{bits}");
    }
    let xn = [
        "executable in EL1 and EL0",
        "executable in EL0, not in EL1",
        "not executable",
        "executable in EL1, not in EL0",
    ];
    for (bits, expected) in (0..).zip(xn) {
        assert!(value(bits << 53, "XN[1:0]").ends_with(expected), "{bits}");
    }
}

#[test]
fn what_forced_write_back_changes() {
    let space = second();
    let steps = steps(&space, 3, 0b0110 << 2, 0);
    let memory = |forced| space.decode(&steps[3], forced).fields[0].value.clone();
    assert_eq!(memory(true), "0b0110: Normal, write-back");
    assert_eq!(
        memory(false),
        "0b0110: Normal, outer non-cacheable, inner write-through"
    );
}

#[test]
fn table_descriptors_restrict_what_is_below() {
    let check = |regime, hpd, bits: u64, expected: &str| {
        let space = first(regime, hpd);
        let steps = steps(&space, 3, 0, bits);
        let decoded = space.decode(&steps[0], false);
        assert_eq!(decoded.output, Some(0x4100_0000));
        assert_eq!(text(&decoded), expected.trim());
    };
    check(
        Regime::El10,
        false,
        1 << 63 | 0b11 << 61 | 1 << 60,
        "
NSTable 1: Non-secure, if walked in Secure state
APTable 0b11: no writes and no access from EL0 below
UXNTable 1: EL0 never executes below
PXNTable 0: no restriction below",
    );
    check(
        Regime::El2,
        true,
        0b10 << 61 | 1 << 60,
        "
NSTable 0: Secure, if walked in Secure state
APTable 0b10: no writes below
XNTable 1: never executable below
TCR.HPD 1: APTable and the XNTable bits are ignored",
    );
    let space = second();
    let decoded = space.decode(&steps(&space, 3, 0, 0)[0], false);
    assert_eq!(
        (decoded.output, text(&decoded).as_str()),
        (Some(0x4100_0000), "")
    );
}

#[test]
fn an_invalid_descriptor_says_nothing() {
    let space = second();
    let ram = Ram::default();
    let walk = space.walk(&ram, Va(INPUT));
    assert_eq!(walk.steps.len(), 1);
    assert_eq!(space.decode(&walk.steps[0], false), Decoded::default());
}

#[test]
fn a_step_of_another_address_space_says_nothing() {
    let foreign = steps(&second(), 3, 0, 0)[3];
    let space = first(Regime::El10, false);
    assert_eq!(space.decode(&foreign, false), Decoded::default());
}
