//! Entry paths put together from single instructions; the expected place of each register is told in words.

use std::collections::HashMap;

use machine::MemoryFault;
use proptest::prelude::*;

use super::*;

const VECTORS: u64 = 0x8000;
const SYNC: u64 = VECTORS + 0x400;
const IRQ: u64 = VECTORS + 0x480;
const STACK: u64 = 0x9000;

const SAVE_X0_X1: u32 = 0xa9bf_07e0; // stp x0, x1, [sp, #-16]!
const SAVE_X0_X1_BELOW: u32 = 0xa92e_07e0; // stp x0, x1, [sp, #-288]
const RESTORE_X0_X1: u32 = 0xa8c1_07e0; // ldp x0, x1, [sp], #16
const SAVE_X28_X29: u32 = 0xa9bf_77fc; // stp x28, x29, [sp, #-16]!
const SAVE_X30: u32 = 0xf900_0bfe; // str x30, [sp, #16]
const SAVE_W0_W1: u32 = 0x29bf_07e0; // stp w0, w1, [sp, #-8]!
const RESERVE: u32 = 0xd100_83ff; // sub sp, sp, #32
const READ_ESR: u32 = 0xd53c_5201; // mrs x1, esr_el2
const SHIFT: u32 = 0xd35a_fc21; // lsr x1, x1, #26
const COMPARE: u32 = 0xf100_583f; // cmp x1, #0x16
const COMPARE_IF: u32 = 0xfa43_1820; // ccmp x1, #3, #0, ne
const BRANCH_IF: u32 = 0x5400_0201; // b.ne .+0x40
const BRANCH: u32 = 0x1400_0010; // b .+0x40
const BRANCH_ZERO: u32 = 0x3400_0200; // cbz w0, .+0x40
const BRANCH_BIT: u32 = 0x3718_0200; // tbnz w0, #3, .+0x40
const HERE: u32 = 0x1400_0000; // b .
const CALL: u32 = 0x9400_0010; // bl .+0x40
const RETURN: u32 = 0xd69f_03e0; // eret
const SECURE_CALL: u32 = 0xd400_0003; // smc #0
const SIGN: u32 = 0xd503_233f; // paciasp
const BARRIER: u32 = 0xd503_3fbf; // dmb sy
const OTHER_STACK: u32 = 0x9100_013f; // mov sp, x9
const LOAD_BYTE: u32 = 0x3940_23e3; // ldrb w3, [sp, #8]
const LITERAL: u32 = 0x5800_0202; // ldr x2, .+0x40
const FRAME: u32 = 0x9104_83f5; // add x21, sp, #0x120

#[derive(Default)]
struct Memory(HashMap<u64, u8>);

impl Memory {
    fn code(paths: &[(u64, &[u32])]) -> Self {
        let mut memory = Self::default();
        for (start, path) in paths {
            for (at, word) in (*start..).step_by(4).zip(*path) {
                memory.write(at, &word.to_le_bytes());
            }
        }
        // What stores put on the stack: each doubleword holds its own address.
        for at in (STACK - 0x200..STACK + 0x200).step_by(8) {
            memory.write(at, &at.to_le_bytes());
        }
        memory
    }

    fn write(&mut self, at: u64, bytes: &[u8]) {
        self.0.extend((at..).zip(bytes.iter().copied()));
    }
}

impl VirtualMemory for Memory {
    fn read(&self, address: Va, buffer: &mut [u8]) -> Result<(), MemoryFault> {
        for (at, byte) in (address.0..).zip(buffer) {
            *byte = *self.0.get(&at).ok_or(MemoryFault::OutOfRange(Va(at)))?;
        }
        Ok(())
    }
}

/// A core in EL2 at `pc`, whose live registers hold 100 + their number.
fn core(pc: u64, sp: u64) -> Registers {
    let mut core = Registers::default();
    core.x = std::array::from_fn(|n| Some(100 + n as u64));
    (core.pc, core.sp, core.pstate) = (Some(pc), Some(sp), Some(0x3c9));
    core.set(Register::Sys(SysReg::VbarEl2), VECTORS);
    core.set(Register::Sys(SysReg::ElrEl2), 0x1234);
    core.set(Register::Sys(SysReg::SpsrEl2), 0b0101);
    core.set(Register::Sys(SysReg::SpEl1), 0x5678);
    core
}

/// `sp` is relative to the stack pointer at the vector; `differ` lists the registers that are not live, with the offset of the
/// stack slot that holds them, if any does.
fn check(path: &[u32], steps: u64, sp: i64, differ: &[(usize, Option<i64>)]) {
    let memory = Memory::code(&[(SYNC, path)]);
    let core = core(SYNC + 4 * steps, STACK.wrapping_add(sp as u64));
    let guest = entering(&core, &memory).expect("on the entry path");
    let mut expected = core.x;
    for (register, at) in differ {
        expected[*register] = at.map(|at| STACK.wrapping_add(at as u64));
    }
    assert_eq!(guest.x, expected);
    assert_eq!(
        (guest.pc, guest.sp, guest.pstate),
        (Some(0x1234), Some(0x5678), Some(5))
    );
}

#[test]
fn at_the_vector_all_is_live() {
    check(&[BRANCH], 0, 0, &[]);
}

#[test]
fn what_is_overwritten_was_stored_first() {
    let path = [SAVE_X0_X1, READ_ESR, SHIFT, COMPARE, SAVE_X28_X29];
    check(&path, 1, -16, &[]);
    check(&path, 2, -16, &[(1, Some(-8))]);
    check(&path, 4, -16, &[(1, Some(-8))]);
    check(&path, 5, -32, &[(1, Some(-8))]);
}

#[test]
fn a_store_below_the_stack_pointer_counts() {
    check(&[SAVE_X0_X1_BELOW, READ_ESR], 2, 0, &[(1, Some(-280))]);
}

#[test]
fn a_register_loaded_back_is_live_again() {
    check(&[SAVE_X0_X1, READ_ESR, RESTORE_X0_X1], 3, 0, &[]);
}

#[test]
fn a_register_not_stored_is_lost() {
    check(&[READ_ESR], 1, 0, &[(1, None)]);
    check(&[LOAD_BYTE, LITERAL], 2, 0, &[(2, None), (3, None)]);
    check(
        &[SECURE_CALL],
        1,
        0,
        &[(0, None), (1, None), (2, None), (3, None)],
    );
    check(&[SIGN], 1, 0, &[(17, None), (30, None)]);
}

#[test]
fn a_slot_stored_over_is_lost() {
    check(
        &[SAVE_X0_X1, RESERVE, SAVE_X30, READ_ESR],
        4,
        -48,
        &[(1, Some(-8))],
    );
    let over = [
        SAVE_X0_X1,
        READ_ESR,
        0x9100_43ff, /* add sp, sp, #16 */
        SAVE_W0_W1,
    ];
    check(&over, 4, -8, &[(1, None)]);
}

#[test]
fn nothing_else_writes_a_register() {
    let path = [COMPARE, COMPARE_IF, BARRIER, RESERVE, FRAME];
    check(&path, 4, -32, &[]);
    check(&path, 5, -32, &[(21, None)]);
}

#[test]
fn branches_are_followed_both_ways() {
    for branch in [BRANCH_IF, BRANCH_ZERO, BRANCH_BIT, BRANCH] {
        let mut path = vec![HERE; 18];
        (path[0], path[1], path[16]) = (branch, RETURN, READ_ESR);
        check(&path, 16, 0, &[]);
        check(&path, 17, 0, &[(1, None)]);
    }
    check(&[BRANCH_IF, READ_ESR, HERE], 2, 0, &[(1, None)]);
}

#[test]
fn after_a_call_the_path_has_ended() {
    for end in [CALL, RETURN, OTHER_STACK, HERE, 0] {
        let memory = Memory::code(&[(SYNC, &[SAVE_X0_X1, end, BARRIER])]);
        assert!(entering(&core(SYNC + 8, STACK - 16), &memory).is_none());
    }
}

#[test]
fn every_vector_of_a_lower_level_counts() {
    let memory = Memory::code(&[(SYNC, &[RETURN]), (IRQ, &[SAVE_X0_X1, READ_ESR])]);
    let guest = entering(&core(IRQ + 8, STACK - 16), &memory).expect("on the IRQ path");
    assert_eq!((guest.x[0], guest.x[1]), (Some(100), Some(STACK - 8)));
}

#[test]
fn an_exception_of_el2_itself_is_nobodys() {
    let memory = Memory::code(&[(SYNC, &[BARRIER])]);
    let mut from_el2 = core(SYNC, STACK);
    from_el2.set(Register::Sys(SysReg::SpsrEl2), 0x3c9);
    assert!(entering(&from_el2, &memory).is_none());
    let mut in_el1 = core(SYNC, STACK);
    in_el1.pstate = Some(5);
    assert!(entering(&in_el1, &memory).is_none());
}

proptest! {
    #[test]
    fn any_code_ends(
        words in proptest::collection::vec(any::<u32>(), 1..64),
        pc in SYNC..SYNC + 0x100,
        vectors in prop_oneof![Just(VECTORS), any::<u64>()],
    ) {
        let memory = Memory::code(&[(SYNC, &words)]);
        let mut core = core(pc, STACK);
        core.set(Register::Sys(SysReg::VbarEl2), vectors);
        let _ = entering(&core, &memory);
    }
}
