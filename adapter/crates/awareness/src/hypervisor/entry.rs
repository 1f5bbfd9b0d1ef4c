//! A core halted on the hypervisor's entry path, before the guest's registers are saved.
//!
//! An exception from a guest arrives at one of the eight lower-EL slots of the vector table (Arm ARM D1.3.1). From there to the
//! first call, code is straight: it stores the guest's registers, then uses them. [`entering`] follows every such path with an
//! abstract state (which `x` registers are overwritten, which were stored where below `SP_EL2`) until it meets the pc of the core.
//! At that point the guest's value of a register is the live one, or the stored one, or lost, and that is sound for any
//! hypervisor: nothing is assumed about symbols, frame layouts or instruction order.
//!
//! The way out needs no counterpart in Xen: registers are loaded from a frame that stays intact until `ERET`.

mod step;
#[cfg(test)]
mod tests;

use machine::regs::SysReg;
use machine::{El, Register, Registers, Va, VirtualMemory};
use step::{Next, step};

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
    let slots = (0..8).map(|slot| vectors.wrapping_add(0x400 + slot * 0x80));
    let state = slots
        .into_iter()
        .find_map(|slot| follow(slot, core.pc?, el2))?;
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

    /// `width` bytes at `at` are overwritten.
    fn spoil(&mut self, at: i64, width: i64) {
        for held in &mut self.held {
            if held
                .stored
                .is_some_and(|old| old < at.saturating_add(width) && at < old.saturating_add(8))
            {
                held.stored = None;
            }
        }
    }

    /// Eight bytes at `at` become the value of `register`.
    fn store(&mut self, register: u32, at: i64) {
        self.spoil(at, 8);
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
