//! Words as the assembler makes them, and what they mean; the texts are objdump's.

use machine::arch::aarch64::insn::{Indexing, Insn, Transfer};
use proptest::prelude::*;

fn check(cases: &[(u32, &str, Insn)]) {
    for (word, text, expected) in cases {
        assert_eq!(Insn::decode(*word), *expected, "{word:08x} {text}");
    }
}

/// General registers of 8 bytes.
fn x(first: u8, second: Option<u8>, base: u8, offset: i64, indexing: Indexing) -> Transfer {
    Transfer {
        first,
        second,
        vector: false,
        width: 8,
        base,
        offset,
        indexing,
    }
}

fn w(first: u8, width: u8, base: u8, offset: i64) -> Transfer {
    Transfer {
        width,
        ..x(first, None, base, offset, Indexing::Offset)
    }
}

fn v(width: u8, transfer: Transfer) -> Transfer {
    Transfer {
        vector: true,
        width,
        ..transfer
    }
}

#[test]
fn loads_and_stores() {
    use Indexing::{Offset, Post, Pre};
    use Insn::{Load, LoadExclusive, Other, Store, StoreExclusive};
    check(&[
        (
            0xa9be_7bfd,
            "stp x29, x30, [sp, #-32]!",
            Store(x(29, Some(30), 31, -32, Pre)),
        ),
        (
            0xa901_53f3,
            "stp x19, x20, [sp, #16]",
            Store(x(19, Some(20), 31, 16, Offset)),
        ),
        (
            0x6dbc_27e8,
            "stp d8, d9, [sp, #-64]!",
            Store(v(8, x(8, Some(9), 31, -64, Pre))),
        ),
        (
            0xad01_27e8,
            "stp q8, q9, [sp, #32]",
            Store(v(16, x(8, Some(9), 31, 32, Offset))),
        ),
        (
            0xa8c2_7bfd,
            "ldp x29, x30, [sp], #32",
            Load(x(29, Some(30), 31, 32, Post)),
        ),
        (
            0x2901_0801,
            "stp w1, w2, [x0, #8]",
            Store(Transfer {
                width: 4,
                ..x(1, Some(2), 0, 8, Offset)
            }),
        ),
        (
            0x6941_0801,
            "ldpsw x1, x2, [x0, #8]",
            Load(Transfer {
                width: 4,
                ..x(1, Some(2), 0, 8, Offset)
            }),
        ),
        (
            0xa83f_0801,
            "stnp x1, x2, [x0, #-16]",
            Store(x(1, Some(2), 0, -16, Offset)),
        ),
        (
            0xf81f_0ffe,
            "str x30, [sp, #-16]!",
            Store(x(30, None, 31, -16, Pre)),
        ),
        (
            0xf900_0bf3,
            "str x19, [sp, #16]",
            Store(x(19, None, 31, 16, Offset)),
        ),
        (
            0xf81f_83b3,
            "stur x19, [x29, #-8]",
            Store(x(19, None, 29, -8, Offset)),
        ),
        (0xb900_0fe0, "str w0, [sp, #12]", Store(w(0, 4, 31, 12))),
        (
            0xf841_07fe,
            "ldr x30, [sp], #16",
            Load(x(30, None, 31, 16, Post)),
        ),
        (
            0xf97f_fc01,
            "ldr x1, [x0, #32760]",
            Load(x(1, None, 0, 32760, Offset)),
        ),
        (0xb980_0401, "ldrsw x1, [x0, #4]", Load(w(1, 4, 0, 4))),
        (0x3900_0401, "strb w1, [x0, #1]", Store(w(1, 1, 0, 1))),
        (
            0xfd00_07e8,
            "str d8, [sp, #8]",
            Store(v(8, x(8, None, 31, 8, Offset))),
        ),
        (
            0x3c9e_0fe8,
            "str q8, [sp, #-32]!",
            Store(v(16, x(8, None, 31, -32, Pre))),
        ),
        (
            0x3dc0_0401,
            "ldr q1, [x0, #16]",
            Load(v(16, x(1, None, 0, 16, Offset))),
        ),
        (0xf980_0000, "prfm pldl1keep, [x0]", Other),
        (0x5800_0040, "ldr x0, 14c", Other),
        (0xf862_6820, "ldr x0, [x1, x2]", Other),
        (0xc85f_7c20, "ldxr x0, [x1]", LoadExclusive),
        (0x085f_fc20, "ldaxrb w0, [x1]", LoadExclusive),
        (0xc87f_8820, "ldaxp x0, x2, [x1]", LoadExclusive),
        (0xc802_7c20, "stxr w2, x0, [x1]", StoreExclusive),
        (0xc823_8820, "stlxp w3, x0, x2, [x1]", StoreExclusive),
        (0xc8df_fc20, "ldar x0, [x1]", Other),
        (0xc89f_fc20, "stlr x0, [x1]", Other),
        (0xc8e0_7c41, "casa x0, x1, [x2]", Other),
        (0x4820_7c82, "casp x0, x1, x2, x3, [x4]", Other),
    ]);
}

#[test]
fn arithmetic() {
    let add = |to, from, value| Insn::Add { to, from, value };
    let add_register = |to, from, register, subtract| Insn::AddRegister {
        to,
        from,
        register,
        subtract,
    };
    check(&[
        (0xd100_83ff, "sub sp, sp, #0x20", add(31, 31, -0x20)),
        (
            0xd140_07ff,
            "sub sp, sp, #0x1, lsl #12",
            add(31, 31, -0x1000),
        ),
        (
            0xd140_43ff,
            "sub sp, sp, #0x10, lsl #12",
            add(31, 31, -0x1_0000),
        ),
        (0x9100_43fd, "add x29, sp, #0x10", add(29, 31, 0x10)),
        (0x9100_03fd, "mov x29, sp", add(29, 31, 0)),
        (0x9100_03bf, "mov sp, x29", add(31, 29, 0)),
        (0x9101_03ff, "add sp, sp, #0x40", add(31, 31, 0x40)),
        (0xb100_0441, "adds x1, x2, #0x1", Insn::Other),
        (0x5100_0441, "sub w1, w2, #0x1", Insn::Other),
        (
            0xcb30_63ff,
            "sub sp, sp, x16",
            add_register(31, 31, 16, true),
        ),
        (
            0x8b30_63ff,
            "add sp, sp, x16",
            add_register(31, 31, 16, false),
        ),
        (0x8b23_c841, "add x1, x2, w3, sxtw #2", Insn::Other),
        (
            0xd282_4690,
            "mov x16, #0x1234",
            Insn::Set {
                to: 16,
                value: 0x1234,
            },
        ),
        (
            0x9280_0010,
            "mov x16, #-1",
            Insn::Set {
                to: 16,
                value: u64::MAX,
            },
        ),
        (
            0x1280_0010,
            "mov w16, #-1",
            Insn::Set {
                to: 16,
                value: 0xffff_ffff,
            },
        ),
        (
            0xf2a0_0030,
            "movk x16, #0x1, lsl #16",
            Insn::Keep {
                to: 16,
                shift: 16,
                value: 1,
            },
        ),
        (0xaa1e_03e9, "mov x9, x30", Insn::Move { to: 9, from: 30 }),
        (0x2a1e_03e9, "mov w9, w30", Insn::Other),
        (0x9000_0000, "adrp x0, 0", Insn::Other),
    ]);
}

#[test]
fn branches_and_exceptions() {
    check(&[
        (0x1400_0002, "b +8", Insn::Jump { offset: 8 }),
        (0x17ff_ffff, "b -4", Insn::Jump { offset: -4 }),
        (0x9400_0400, "bl +0x1000", Insn::Call { offset: 0x1000 }),
        (0x54ff_ffc0, "b.eq -8", Insn::Branch { offset: -8 }),
        (0xb400_0083, "cbz x3, +16", Insn::Branch { offset: 16 }),
        (0x35ff_ff83, "cbnz w3, -16", Insn::Branch { offset: -16 }),
        (0xb618_0063, "tbz x3, #35, +12", Insn::Branch { offset: 12 }),
        (
            0x370f_ffa3,
            "tbnz w3, #1, -12",
            Insn::Branch { offset: -12 },
        ),
        (0xd61f_0220, "br x17", Insn::JumpRegister { register: 17 }),
        (0xd61f_08bf, "braaz x5", Insn::JumpRegister { register: 5 }),
        (0xd63f_0100, "blr x8", Insn::CallRegister { register: 8 }),
        (
            0xd73f_0ca6,
            "blrab x5, x6",
            Insn::CallRegister { register: 5 },
        ),
        (0xd65f_03c0, "ret", Insn::Return { register: 30 }),
        (0xd65f_0020, "ret x1", Insn::Return { register: 1 }),
        (0xd65f_0bff, "retaa", Insn::Return { register: 30 }),
        (0xd65f_0fff, "retab", Insn::Return { register: 30 }),
        (0xd69f_03e0, "eret", Insn::Eret),
        (0xd69f_0bff, "eretaa", Insn::Eret),
        (0xd401_d422, "hvc #0xea1", Insn::Hvc(0xea1)),
        (0xd400_0001, "svc #0x0", Insn::Svc(0)),
        (0xd400_0023, "smc #0x1", Insn::Smc(1)),
        (0xd421_0000, "brk #0x800", Insn::Brk(0x800)),
        (0xd440_0000, "hlt #0x0", Insn::Other),
    ]);
}

#[test]
fn hints() {
    check(&[
        (0xd503_233f, "paciasp", Insn::Sign),
        (0xd503_237f, "pacibsp", Insn::Sign),
        (0xd503_231f, "paciaz", Insn::Sign),
        (0xd503_23bf, "autiasp", Insn::Authenticate),
        (0xd503_23ff, "autibsp", Insn::Authenticate),
        (0xd503_245f, "bti c", Insn::Nop),
        (0xd503_201f, "nop", Insn::Nop),
        (0xd503_203f, "yield", Insn::Nop),
        (0xd503_205f, "wfe", Insn::Wait),
        (0xd503_207f, "wfi", Insn::Wait),
        (0xd503_1000, "wfet x0", Insn::Wait),
        (0xd503_1025, "wfit x5", Insn::Wait),
        (0xd503_20ff, "xpaclri", Insn::Other),
        (0xd503_3fdf, "isb", Insn::Other),
        (0xd53c_2100, "mrs x0, vttbr_el2", Insn::Other),
        (0x0000_0000, "udf #0", Insn::Other),
    ]);
}

proptest! {
    #[test]
    fn every_word_decodes_to_something(word: u32) {
        if let Insn::Store(transfer) | Insn::Load(transfer) = Insn::decode(word) {
            prop_assert!(transfer.base < 32 && transfer.first < 32);
            prop_assert!([1, 2, 4, 8, 16].contains(&transfer.width));
        }
    }
}
