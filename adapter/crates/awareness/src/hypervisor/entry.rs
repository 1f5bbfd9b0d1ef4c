//! A core halted on the hypervisor's entry path, before the guest's registers are saved.
//!
//! An exception from a guest arrives at one of the eight lower-EL slots of the vector table (Arm ARM D1.3.1). From there to the
//! first call, code is straight: it stores the guest's registers, then uses them. [`entering`] follows every such path with an
//! abstract state (which `x` registers are overwritten, which were stored where below `SP_EL2`) until it meets the pc of the core.
//! At that point the guest's value of a register is the live one, or the stored one, or lost, and that is sound for any
//! hypervisor: nothing is assumed about symbols, frame layouts or instruction order.
//!
//! The way out needs no counterpart in Xen: registers are loaded from a frame that stays intact until `ERET`.

use machine::regs::SysReg;
use machine::{El, Register, Registers, Va, VirtualMemory};

/// Instructions followed from each vector slot. Xen 4.17's longest path has 50, KVM's 20.
const PATH_LIMIT: usize = 160;

/// The guest's core registers when `core` is on an entry path from a guest, `None` when it is not.
///
/// `el2` is memory as EL2 sees it.
#[must_use]
pub fn entering(core: &Registers, el2: &dyn VirtualMemory) -> Option<Registers> {
    if core.el()? != El::El2 || El::of_pstate(core.sys(SysReg::SpsrEl2)?) >= El::El2 {
        return None;
    }
    let vectors = core.sys(SysReg::VbarEl2)?;
    let state = (0..8).find_map(|slot| follow(vectors + 0x400 + slot * 0x80, core.pc?, el2))?;
    let entry_sp = core.sp?.wrapping_sub(state.sp as u64);
    let mut guest = trapped(core);
    for (number, held) in state.held.iter().enumerate() {
        guest.x[number] = match held {
            Held {
                overwritten: false, ..
            } => core.x[number],
            Held {
                stored: Some(at), ..
            } => el2.read_u64(Va(entry_sp.wrapping_add(*at as u64))).ok(),
            Held { stored: None, .. } => None,
        };
    }
    Some(guest)
}

/// What EL2's exception registers say of the interrupted guest: pc, PSTATE and sp, with the EL1 registers that the core still holds.
fn trapped(core: &Registers) -> Registers {
    let mut guest = core.clone();
    guest.x = [None; 31];
    guest.pc = core.sys(SysReg::ElrEl2);
    guest.pstate = core.sys(SysReg::SpsrEl2);
    guest.sp = guest_sp(&guest);
    guest
}

/// The stack pointer in use according to PSTATE (Arm ARM D1.2.2): `SP_EL1` with SPSel in EL1, else `SP_EL0`; none in AArch32.
#[must_use]
pub fn guest_sp(guest: &Registers) -> Option<u64> {
    match guest.pstate? & 0x1f {
        0b00101 => guest.get(Register::Sys(SysReg::SpEl1)),
        0b00000 | 0b00100 => guest.get(Register::Sys(SysReg::SpEl0)),
        _ => None,
    }
}

/// Where the guest's value of one `x` register is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Held {
    overwritten: bool,
    /// Offset from the stack pointer at the vector.
    stored: Option<i64>,
}

#[derive(Clone, Debug, Default)]
struct State {
    /// The stack pointer, relative to its value at the vector.
    sp: i64,
    held: [Held; 31],
}

impl State {
    fn write(&mut self, register: u32) {
        if let Some(held) = self.held.get_mut(register as usize) {
            held.overwritten = true;
        }
    }

    /// Eight bytes at `at` become the value of `register`.
    fn store(&mut self, register: u32, at: i64) {
        for held in &mut self.held {
            if held.stored.is_some_and(|old| (old - at).abs() < 8) {
                held.stored = None;
            }
        }
        if let Some(held) = self.held.get_mut(register as usize)
            && !held.overwritten
        {
            held.stored = Some(at);
        }
    }

    fn load(&mut self, register: u32, at: Option<i64>) {
        if let Some(held) = self.held.get_mut(register as usize) {
            held.overwritten = at.is_none() || held.stored != at;
        }
    }
}

/// Where control goes after an instruction.
enum Next {
    Fall,
    Jump(i64),
    Either(i64),
    /// A call, a return, or something not understood: what follows is not straight any more.
    End,
}

/// The state at `wanted` on a path from `start`, if it lies on one.
fn follow(start: u64, wanted: u64, el2: &dyn VirtualMemory) -> Option<State> {
    let mut pending = vec![(start, State::default())];
    let mut visited: Vec<u64> = Vec::with_capacity(PATH_LIMIT);
    while let Some((mut pc, mut state)) = pending.pop() {
        while visited.len() < PATH_LIMIT && !visited.contains(&pc) {
            if pc == wanted {
                return Some(state);
            }
            visited.push(pc);
            let Ok(instruction) = el2.read_u32(Va(pc)) else {
                break;
            };
            match step(instruction, &mut state) {
                Next::Fall => pc = pc.wrapping_add(4),
                Next::Jump(by) => pc = pc.wrapping_add(by as u64),
                Next::Either(by) => {
                    pending.push((pc.wrapping_add(by as u64), state.clone()));
                    pc = pc.wrapping_add(4);
                }
                Next::End => break,
            }
        }
    }
    None
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
fn step(instruction: u32, state: &mut State) -> Next {
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
    let at = address(
        instruction,
        signed(instruction, 21, 15) * width,
        &index,
        state,
    );
    if simd {
        return Next::Fall;
    }
    let load = bits(instruction, 22, 22) == 1;
    let registers = [bits(instruction, 4, 0), bits(instruction, 14, 10)];
    for (register, at) in registers.into_iter().zip([at, at.map(|at| at + width)]) {
        transfer(register, at.filter(|_| width == 8), load, state);
    }
    Next::Fall
}

fn single(instruction: u32, state: &mut State) -> Next {
    let size = bits(instruction, 31, 30);
    let (offset, index) = match (bits(instruction, 24, 24), bits(instruction, 21, 21)) {
        (1, _) => (i64::from(bits(instruction, 21, 10)) << size, Index::Offset),
        (_, 0) => match bits(instruction, 11, 10) {
            0b01 => (signed(instruction, 20, 12), Index::After),
            0b11 => (signed(instruction, 20, 12), Index::Before),
            _ => (signed(instruction, 20, 12), Index::Offset),
        },
        _ if bits(instruction, 11, 10) == 0b10 => (i64::MAX, Index::Offset), // register offset
        _ => return Next::End,                                               // atomics
    };
    let at = if offset == i64::MAX {
        None
    } else {
        address(instruction, offset, &index, state)
    };
    if bits(instruction, 26, 26) == 0 {
        let load = bits(instruction, 23, 22) != 0;
        transfer(
            bits(instruction, 4, 0),
            at.filter(|_| size == 3),
            load,
            state,
        );
    }
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
    if write_back {
        state.sp = state.sp.saturating_add(offset);
    }
    Some(match index {
        Index::After => before,
        Index::Before | Index::Offset => before.saturating_add(offset),
    })
}

fn transfer(register: u32, at: Option<i64>, load: bool, state: &mut State) {
    match (load, at) {
        (true, at) => state.load(register, at),
        (false, Some(at)) => state.store(register, at),
        (false, None) => {}
    }
}
