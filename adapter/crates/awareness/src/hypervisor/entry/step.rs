//! One instruction of an entry path: what it does to the registers that a guest left behind.

use super::State;

/// Where control goes after an instruction.
pub(super) enum Next {
    Fall,
    Jump(i64),
    Either(i64),
    /// A call, a return, or something not understood: what follows is not straight any more.
    End,
}

const SP: u32 = 31;

const fn bits(instruction: u32, high: u32, low: u32) -> u32 {
    instruction >> low & ((1 << (high - low + 1)) - 1)
}

/// The signed field `[high:low]`.
const fn signed(instruction: u32, high: u32, low: u32) -> i64 {
    ((instruction << (31 - high)) as i32 >> (31 - high + low)) as i64
}

/// Applies one instruction, by the main encoding table (Arm ARM C4.1): op0 = instruction`[28:25]`.
pub(super) fn step(instruction: u32, state: &mut State) -> Next {
    match bits(instruction, 28, 25) {
        0b1000 | 0b1001 => data_immediate(instruction, state),
        0b1010 | 0b1011 => branch_or_system(instruction, state),
        0b0100 | 0b0110 | 0b1100 | 0b1110 => load_store(instruction, state),
        0b0101 | 0b1101 => data_register(instruction, state),
        _ => Next::End,
    }
}

/// Arm ARM C4.1.92: data processing, immediate.
fn data_immediate(instruction: u32, state: &mut State) -> Next {
    let (destination, source) = (bits(instruction, 4, 0), bits(instruction, 9, 5));
    let sets_flags = bits(instruction, 29, 29) == 1;
    match bits(instruction, 25, 23) {
        0b010 if destination == SP && !sets_flags => {
            if source != SP {
                return Next::End;
            }
            let shift = 12 * bits(instruction, 22, 22);
            let amount = i64::from(bits(instruction, 21, 10)) << shift;
            let subtract = bits(instruction, 30, 30) == 1;
            state.sp += if subtract { -amount } else { amount };
        }
        0b011 => return Next::End,
        0b100 if destination == SP && bits(instruction, 30, 29) != 0b11 => return Next::End,
        _ => state.write(destination),
    }
    Next::Fall
}

/// Arm ARM C4.1.95: data processing, register.
fn data_register(instruction: u32, state: &mut State) -> Next {
    let destination = bits(instruction, 4, 0);
    let conditional_compare = bits(instruction, 28, 21) == 0b1101_0010;
    let extended = bits(instruction, 28, 24) == 0b01011 && bits(instruction, 21, 21) == 1;
    if extended && destination == SP && bits(instruction, 29, 29) == 0 {
        return Next::End;
    }
    if !conditional_compare {
        state.write(destination);
    }
    Next::Fall
}

/// Arm ARM C4.1.93: branches, exception generating and system instructions.
fn branch_or_system(instruction: u32, state: &mut State) -> Next {
    if bits(instruction, 31, 26) == 0b000101 {
        return Next::Jump(signed(instruction, 25, 0) * 4);
    }
    if bits(instruction, 31, 24) == 0x54 || bits(instruction, 30, 25) == 0b011010 {
        return Next::Either(signed(instruction, 23, 5) * 4);
    }
    if bits(instruction, 30, 25) == 0b011011 {
        return Next::Either(signed(instruction, 18, 5) * 4);
    }
    if instruction & 0xffe0_001f == 0xd400_0003 {
        (0..4).for_each(|result| state.write(result)); // SMC returns in x0 to x3 (SMCCC 1.1, 2.6)
        return Next::Fall;
    }
    if bits(instruction, 31, 22) != 0b11_0101_0100 {
        return Next::End;
    }
    if instruction & 0xffff_f01f == 0xd503_201f {
        // Hints; those of pointer authentication change x30 or x17.
        if matches!(bits(instruction, 11, 5), 7..=15 | 24..=31) {
            state.write(17);
            state.write(30);
        }
    } else if bits(instruction, 21, 21) == 1 {
        state.write(bits(instruction, 4, 0)); // MRS, SYSL
    }
    Next::Fall
}

/// Arm ARM C4.1.94: loads and stores.
fn load_store(instruction: u32, state: &mut State) -> Next {
    match bits(instruction, 29, 27) {
        0b101 => pair(instruction, state),
        0b111 => single(instruction, state),
        0b011 => {
            if bits(instruction, 26, 26) == 0 {
                state.write(bits(instruction, 4, 0)); // literal
            }
            Next::Fall
        }
        _ => Next::End,
    }
}

/// How a load or store forms its address.
enum Index {
    Offset,
    Before,
    After,
}

/// One load or store.
struct Access {
    /// Relative to the stack pointer at the vector; `None` for another base.
    at: Option<i64>,
    width: i64,
    load: bool,
    simd: bool,
}

fn pair(instruction: u32, state: &mut State) -> Next {
    let index = match bits(instruction, 25, 23) {
        0b001 => Index::After,
        0b011 => Index::Before,
        _ => Index::Offset,
    };
    let simd = bits(instruction, 26, 26) == 1;
    let size = bits(instruction, 31, 30);
    let width = match (simd, size) {
        (true, _) => 4 << size,
        (false, 0b10) => 8,
        (false, _) => 4,
    };
    let offset = signed(instruction, 21, 15) * width;
    let first = Access {
        at: address(instruction, offset, &index, state),
        width,
        load: bits(instruction, 22, 22) == 1,
        simd,
    };
    transfer(bits(instruction, 4, 0), &first, state);
    let second = Access {
        at: first.at.map(|at| at.saturating_add(width)),
        ..first
    };
    transfer(bits(instruction, 14, 10), &second, state);
    Next::Fall
}

fn single(instruction: u32, state: &mut State) -> Next {
    let simd = bits(instruction, 26, 26) == 1;
    let size = bits(instruction, 31, 30);
    let unscaled = signed(instruction, 20, 12);
    let at = match (
        bits(instruction, 24, 24),
        bits(instruction, 21, 21),
        bits(instruction, 11, 10),
    ) {
        (1, _, _) => {
            let offset = i64::from(bits(instruction, 21, 10)) << size;
            address(instruction, offset, &Index::Offset, state)
        }
        (_, 0, 0b01) => address(instruction, unscaled, &Index::After, state),
        (_, 0, 0b11) => address(instruction, unscaled, &Index::Before, state),
        (_, 0, _) => address(instruction, unscaled, &Index::Offset, state),
        (_, _, 0b10) => None,  // register offset
        _ => return Next::End, // atomics
    };
    let access = Access {
        at,
        width: if simd { 16 } else { 1 << size },
        load: bits(instruction, 23, 22) & if simd { 1 } else { 3 } != 0,
        simd,
    };
    transfer(bits(instruction, 4, 0), &access, state);
    Next::Fall
}

/// The address relative to the stack pointer at the vector, `None` for another base; applies write-back.
fn address(instruction: u32, offset: i64, index: &Index, state: &mut State) -> Option<i64> {
    let base = bits(instruction, 9, 5);
    let write_back = !matches!(index, Index::Offset);
    if base != SP {
        if write_back {
            state.write(base);
        }
        return None;
    }
    let before = state.sp;
    let after = before.saturating_add(offset);
    if write_back {
        state.sp = after;
    }
    Some(match index {
        Index::After => before,
        Index::Before | Index::Offset => after,
    })
}

fn transfer(register: u32, access: &Access, state: &mut State) {
    let whole = access.width == 8 && !access.simd;
    match (access.load, access.at) {
        (true, _) if access.simd => {}
        (true, at) => state.load(register, at.filter(|_| whole)),
        (false, Some(at)) if whole => state.store(register, at),
        (false, Some(at)) => state.spoil(at, access.width),
        (false, None) => {}
    }
}
