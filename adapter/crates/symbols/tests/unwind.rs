//! Callers by each of the ways there are, on frames made by hand.

mod support;

use std::sync::Arc;

use gimli::write::{
    Address, CallFrameInstruction as Cfa, CommonInformationEntry, DebugFrame, EhFrame, EndianVec,
    FrameDescriptionEntry, FrameTable,
};
use gimli::{Encoding, Format, LittleEndian, Register as Dwarf};
use machine::{Register, Registers, SysReg, Va};
use support::{CODE, Memory, elf_of, symbols};
use symbols::unwind::{Caller, Method, Placed, UnwindEnd, cfa, unwind};
use symbols::{Image, LinkVa};

/// How far the image was moved.
const SLIDE: u64 = 0x7000_0000_0000;
/// The stack pointer before anything was pushed.
const TOP: u64 = 0x8000;
/// Where the function was called from.
const BACK: u64 = 0x1234_5678;

/// A function that saves x29, x30 and x19 in 32 bytes, works and returns.
const FUNCTION: [u32; 8] = [
    0xa9be_7bfd, // stp x29, x30, [sp, #-32]!
    0x9100_03fd, // mov x29, sp
    0xf900_0bf3, // str x19, [sp, #16]
    0xaa01_03f3, // mov x19, x1
    0x9400_0000, // bl
    0xf940_0bf3, // ldr x19, [sp, #16]
    0xa8c2_7bfd, // ldp x29, x30, [sp], #32
    0xd65f_03c0, // ret
];

fn frame_table() -> FrameTable {
    let encoding = Encoding {
        format: Format::Dwarf32,
        version: 1,
        address_size: 8,
    };
    let mut table = FrameTable::default();
    let mut common = CommonInformationEntry::new(encoding, 4, -8, Dwarf(30));
    common.add_instruction(Cfa::Cfa(Dwarf(31), 0));
    let common = table.add_cie(common);
    let mut entry = FrameDescriptionEntry::new(Address::Constant(CODE), 32);
    for (at, instruction) in [
        (4, Cfa::CfaOffset(32)),
        (4, Cfa::Offset(Dwarf(29), -32)),
        (4, Cfa::Offset(Dwarf(30), -24)),
        (4, Cfa::NegateRaState),
        (12, Cfa::Offset(Dwarf(19), -16)),
        (28, Cfa::CfaOffset(0)),
        (28, Cfa::Restore(Dwarf(19))),
        (28, Cfa::Restore(Dwarf(29))),
        (28, Cfa::Restore(Dwarf(30))),
    ] {
        entry.add_instruction(at, instruction);
    }
    table.add_fde(common, entry);
    table
}

fn debug_frame() -> (&'static str, Vec<u8>) {
    let mut section = DebugFrame(EndianVec::new(LittleEndian));
    frame_table()
        .write_debug_frame(&mut section)
        .expect("a good table");
    (".debug_frame", section.0.into_vec())
}

fn eh_frame() -> (&'static str, Vec<u8>) {
    let mut section = EhFrame(EndianVec::new(LittleEndian));
    frame_table()
        .write_eh_frame(&mut section)
        .expect("a good table");
    (".eh_frame", section.0.into_vec())
}

fn open(words: &[u32], extra: Vec<(&'static str, Vec<u8>)>) -> Image {
    let mut sections = symbols(&[("function", CODE, 4 * words.len() as u64)]);
    sections.extend(extra);
    Image::parse("test", Arc::new(elf_of(words, &sections))).expect("the ELF is whole")
}

/// Registers before the instruction numbered `index` of [`FUNCTION`], and the stack then.
fn at(index: u64) -> (Registers, Memory) {
    let pushed = (1..=6).contains(&index);
    let mut regs = Registers::default();
    let values = [
        (Register::Pc, (CODE + 4 * index).wrapping_add(SLIDE)),
        (Register::Pstate, 0x3c5),
        (Register::Sp, if pushed { TOP - 32 } else { TOP }),
        (Register::X(0), 7),
        (
            Register::X(19),
            if (4..=5).contains(&index) { 0xbad } else { 19 },
        ),
        (Register::X(20), 20),
        (
            Register::X(29),
            if (2..=6).contains(&index) {
                TOP - 32
            } else {
                TOP + 0x40
            },
        ),
        (
            Register::X(30),
            if (5..=6).contains(&index) {
                0xbad
            } else {
                BACK
            },
        ),
    ];
    for (register, value) in values {
        regs.set(register, value);
    }
    let words = [TOP + 0x40, BACK, 19, 0];
    let stack = words
        .iter()
        .flat_map(|word: &u64| word.to_le_bytes())
        .collect();
    (regs, Memory(vec![(TOP - 32, stack)]))
}

fn check_caller(caller: &Caller, by: Method, what: &str) {
    let regs = &caller.registers;
    assert_eq!(caller.by, by, "{what}");
    assert_eq!(caller.cfa, Some(Va(TOP)), "{what}");
    assert_eq!((regs.pc, regs.sp), (Some(BACK), Some(TOP)), "{what}");
    let kept = [0, 19, 20, 29, 30].map(|n| regs.x[n]);
    assert_eq!(
        kept,
        [None, Some(19), Some(20), Some(TOP + 0x40), Some(BACK)],
        "{what}"
    );
}

#[test]
fn every_instruction_of_a_function_has_its_caller() {
    let images = [
        (open(&FUNCTION, vec![debug_frame()]), Method::Cfi),
        (open(&FUNCTION, vec![eh_frame()]), Method::Cfi),
        (open(&FUNCTION, vec![]), Method::Instructions),
    ];
    for (image, by) in &images {
        let placed = Placed {
            image,
            slide: SLIDE,
        };
        for index in 0..8 {
            let (regs, memory) = at(index);
            let what = format!("{by:?}, instruction {index}");
            let caller = unwind(Some(placed), &regs, &memory, false).expect(&what);
            check_caller(&caller, *by, &what);
            assert_eq!(
                cfa(Some(placed), &regs, &memory, false),
                Some(Va(TOP)),
                "{what}"
            );
        }
        // As a caller: behind its call.
        let (regs, memory) = at(5);
        let caller = unwind(Some(placed), &regs, &memory, true).expect("a caller");
        check_caller(&caller, *by, "at a call");
    }
}

#[test]
fn a_function_on_a_stack_that_was_reset_is_outermost() {
    let image = open(&FUNCTION, vec![]);
    let placed = Placed {
        image: &image,
        slide: SLIDE,
    };
    let (regs, mut memory) = at(5);
    memory.0[0].1[..8].copy_from_slice(&(TOP - 16).to_le_bytes());
    let end = unwind(Some(placed), &regs, &memory, true).map(|_| ());
    assert_eq!(end.unwrap_err(), UnwindEnd::Outermost);
}

#[test]
fn signed_return_addresses_lose_their_signature() {
    let image = open(&FUNCTION, vec![debug_frame()]);
    let placed = Placed {
        image: &image,
        slide: SLIDE,
    };
    let check = |signed: u64, tcr: Option<u64>, plain: u64| {
        let (mut regs, memory) = at(0);
        regs.x[30] = Some(signed);
        regs.set(Register::Pstate, 0x5);
        if let Some(tcr) = tcr {
            regs.set(Register::Sys(SysReg::TcrEl1), tcr);
        }
        let caller = unwind(Some(placed), &regs, &memory, false).expect("a caller");
        assert_eq!(caller.registers.pc, Some(plain), "{signed:#x}");
    };
    check(0x0025_ffc0_0801_0000, None, 0x0000_ffc0_0801_0000);
    check(0xbf83_8000_8001_0000, None, 0xffff_8000_8001_0000);
    // T1SZ and T0SZ of 25: 39-bit addresses.
    check(
        0xbf83_0000_0801_0000,
        Some(25 << 16 | 25),
        0xffff_ff80_0801_0000,
    );
}

#[test]
fn without_an_image_frame_records_lead_on_and_end() {
    let memory = |record: [u64; 2]| {
        let bytes = record.iter().flat_map(|word| word.to_le_bytes()).collect();
        Memory(vec![(TOP, bytes)])
    };
    let mut regs = Registers::default();
    regs.set(Register::Pc, 0x4000);
    regs.set(Register::Sp, TOP - 16);
    regs.set(Register::X(29), TOP);
    let caller = unwind(None, &regs, &memory([TOP + 64, BACK]), false).expect("a caller");
    assert_eq!((caller.by, caller.cfa), (Method::FramePointer, None));
    assert_eq!(caller.registers.pc, Some(BACK));
    assert_eq!(caller.registers.x[29], Some(TOP + 64));

    let end = |regs: &Registers, record| {
        unwind(None, regs, &memory(record), true)
            .map(|_| ())
            .unwrap_err()
    };
    assert_eq!(end(&regs, [0, 0]), UnwindEnd::Outermost);
    assert!(matches!(end(&regs, [TOP, BACK]), UnwindEnd::Corrupt(_)));
    assert!(matches!(end(&regs, [TOP - 8, BACK]), UnwindEnd::Corrupt(_)));
    regs.set(Register::X(29), TOP + 0x100);
    assert!(matches!(end(&regs, [0, 0]), UnwindEnd::Unreadable(_)));
    regs.set(Register::X(29), 0);
    assert_eq!(end(&regs, [0, 0]), UnwindEnd::Outermost);
}

/// A handler as Linux writes it: all that matters is saved below the interrupted stack pointer.
const HANDLER: [u32; 8] = [
    0xd105_43ff, // sub sp, sp, #336
    0xa90e_77fc, // stp x28, x29, [sp, #224]
    0x9105_43f5, // add x21, sp, #336
    0xd538_4036, // mrs x22, elr_el1
    0xd538_4017, // mrs x23, spsr_el1
    0xa90f_57fe, // stp x30, x21, [sp, #240]
    0xa910_5ff6, // stp x22, x23, [sp, #256]
    0x9400_0000, // bl
];

#[test]
fn an_interrupted_function_is_the_caller_when_it_ran_at_the_same_level() {
    let code = [&HANDLER[..], &[0xd69f_03e0]].concat(); // eret
    let image = open(&code, vec![]);
    let placed = Placed {
        image: &image,
        slide: 0,
    };
    let caller = |pstate: u64| {
        let mut frame = vec![0; 336];
        for (offset, value) in [
            (224, 28),
            (232, 29),
            (240, 30),
            (248, TOP),
            (256, BACK),
            (264, pstate),
        ] {
            frame[offset..offset + 8].copy_from_slice(&value.to_le_bytes());
        }
        let mut regs = Registers::default();
        regs.set(Register::Pc, CODE + 32);
        regs.set(Register::Pstate, 0x3c5);
        regs.set(Register::Sp, TOP - 336);
        unwind(Some(placed), &regs, &Memory(vec![(TOP - 336, frame)]), true)
    };
    let interrupted = caller(0x6000_0005).expect("EL1 was interrupted");
    assert_eq!(interrupted.by, Method::Exception);
    assert!(!interrupted.called());
    let regs = interrupted.registers;
    assert_eq!(
        (regs.pc, regs.sp, regs.pstate),
        (Some(BACK), Some(TOP), Some(0x6000_0005))
    );
    assert_eq!(
        [28, 29, 30].map(|n| regs.x[n]),
        [Some(28), Some(29), Some(30)]
    );
    assert_eq!(caller(0x0).map(|_| ()).unwrap_err(), UnwindEnd::Outermost);
}

#[test]
fn code_at_a_link_address_is_found_where_it_was_moved_to() {
    assert_eq!(LinkVa(CODE).placed(SLIDE), Va(CODE + SLIDE));
    assert_eq!(LinkVa::of(Va(CODE + SLIDE), SLIDE), LinkVa(CODE));
}
