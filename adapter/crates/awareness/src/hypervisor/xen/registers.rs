//! Where the registers of a vCPU are at a halt.
//!
//! | the vCPU is | x0-x30, pc, sp, PSTATE | EL1 system registers |
//! | --- | --- | --- |
//! | executing | the core's | the core's |
//! | trapped: its core is in EL2 for it | `arch.cpu_info`'s frame; the core's on the entry path | the core's |
//! | arriving: a switch to it is not finished | `arch.cpu_info`'s frame | `arch.*` |
//! | away | `arch.cpu_info`'s frame | `arch.*` |
//! | leaving: a switch away from it is not finished | `arch.cpu_info`'s frame | `arch.*` if already written, else the core's |
//!
//! `context_switch` (Xen 4.17 `arch/arm/domain.c`) sets `curr_vcpu` to the next vCPU first, then saves the previous one's EL1
//! registers, loads the next one's, and clears the previous one's `is_running` last (`vcpu_context_saved`). The scheduler sets the
//! next one's `is_running` and both run states before all that. So between `curr_vcpu` and the end of the switch, and only then,
//! the current vCPU is in state running while another one of its core still has `is_running`.

use machine::space::Stage2;
use machine::{Pcpu, Register, Registers, SysReg, Va};

use super::super::entry::{entering, guest_sp};
use super::layout::VcpuFields;
use super::walk::FoundVcpu;
use super::{Halted, run_state};
use crate::hypervisor::RunState;
use crate::mirror::{Record, Slot};

/// How a vCPU relates to the cores.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Whereabouts {
    Executing,
    Trapped,
    Arriving,
    Away,
    Leaving,
}

/// EL2 registers that make a set of saved registers describe a core of its own.
const EL2: [SysReg; 7] = [
    SysReg::HcrEl2,
    SysReg::SctlrEl2,
    SysReg::Ttbr0El2,
    SysReg::Ttbr1El2,
    SysReg::TcrEl2,
    SysReg::MairEl2,
    SysReg::VbarEl2,
];

/// Kept in `struct arch_vcpu`, but not part of the guest's own state.
const OF_EL2: [SysReg; 2] = [SysReg::HcrEl2, SysReg::VmpidrEl2];

/// PSTATE of Xen at a context switch: EL2h, everything masked.
const XEN_PSTATE: u64 = 0x3c9;

impl Halted<'_> {
    pub(super) fn whereabouts(&self, found: &FoundVcpu, on_core: Option<Pcpu>) -> Whereabouts {
        match on_core {
            Some(core) if self.is_below_el2(core) => Whereabouts::Executing,
            Some(core) if self.is_switching(core) => Whereabouts::Arriving,
            Some(_) => Whereabouts::Trapped,
            None if is_leaving(&self.layout.vcpu, &found.record) => Whereabouts::Leaving,
            None => Whereabouts::Away,
        }
    }

    /// Whether `core` has a new `curr_vcpu` but has not finished with the one before.
    fn is_switching(&self, core: Pcpu) -> bool {
        self.current
            .get(usize::from(core.0))
            .is_some_and(|current| current.switching)
    }

    /// The guest's registers where they are not the core's own.
    pub(super) fn guest_registers(
        &self,
        found: &FoundVcpu,
        stage2: Option<Stage2>,
        on_core: Option<Pcpu>,
        whereabouts: Whereabouts,
    ) -> Option<Registers> {
        let core = on_core.and_then(|core| self.core(core));
        let mut guest = match (whereabouts, core) {
            (Whereabouts::Executing, _) => return None,
            (Whereabouts::Trapped, Some(core)) => self.trapped(found, core)?,
            (Whereabouts::Leaving, _) => self.leaving(found)?,
            _ => self.away(found)?,
        };
        if let Some(stage2) = stage2 {
            guest.set(Register::Sys(SysReg::VttbrEl2), stage2.vttbr);
            guest.set(Register::Sys(SysReg::VtcrEl2), stage2.vtcr);
        }
        guest.sp = guest_sp(&guest);
        Some(guest)
    }

    fn trapped(&self, found: &FoundVcpu, core: &Registers) -> Option<Registers> {
        let frame = found.record.get_known(self.layout.vcpu.cpu_info)?;
        // Entry code fills the frame from its top down and calls nothing before it is full.
        if core.sp.is_some_and(|sp| sp >= frame)
            && let Some(guest) = entering(core, self.memory)
        {
            return Some(guest);
        }
        let mut guest = core.clone();
        self.load_frame(Va(frame), &mut guest)?;
        Some(guest)
    }

    fn away(&self, found: &FoundVcpu) -> Option<Registers> {
        let mut guest = self.el2_registers(found);
        for (register, slot) in &self.layout.vcpu.system {
            set(&mut guest, Register::Sys(*register), &found.record, *slot);
        }
        let frame = found.record.get_known(self.layout.vcpu.cpu_info)?;
        self.load_frame(Va(frame), &mut guest)?;
        Some(guest)
    }

    /// As [`away`](Self::away), unless its EL1 registers are still those of its core: then at least one of them is neither what was
    /// saved for this vCPU nor what will be loaded for the next one. (The idle vCPU loads nothing.)
    fn leaving(&self, found: &FoundVcpu) -> Option<Registers> {
        let mut guest = self.away(found)?;
        let core = self.last_core(found)?;
        let next = self.current_on(core);
        let core = self.core(core)?;
        let live = || {
            let system = self.layout.vcpu.system.iter();
            let below_el2 = system.filter(|(register, _)| !OF_EL2.contains(register));
            below_el2.filter_map(|(register, slot)| Some((*register, *slot, core.sys(*register)?)))
        };
        let saved = |found: &FoundVcpu, slot, live| {
            found
                .record
                .get(slot)
                .is_some_and(|saved| same(saved, live, slot))
        };
        let unsaved = live().any(|(_, slot, live)| {
            !saved(found, slot, live) && !next.is_some_and(|next| saved(next, slot, live))
        });
        if unsaved {
            live().for_each(|(register, _, live)| guest.set(Register::Sys(register), live));
        }
        Some(guest)
    }

    /// `struct cpu_user_regs` at the top of the vCPU's Xen stack.
    fn load_frame(&self, cpu_info: Va, guest: &mut Registers) -> Option<()> {
        let frame = &self.layout.frame;
        let record = Record::read(self.memory, cpu_info, frame.slots()).ok()?;
        guest.x = [None; 31];
        for (number, slot) in &frame.x {
            set(guest, Register::X(*number), &record, *slot);
        }
        for (register, slot) in &frame.system {
            set(guest, Register::Sys(*register), &record, *slot);
        }
        guest.pc = record.get_known(frame.pc);
        guest.pstate = record.get_known(frame.cpsr);
        Some(())
    }

    /// Xen's own registers of a vCPU that is on no core: `arch.saved_context`, where `__context_switch` will return to.
    pub(super) fn hypervisor_registers(&self, found: &FoundVcpu) -> Option<Registers> {
        let fields = &self.layout.vcpu;
        let mut xen = self.el2_registers(found);
        for (number, slot) in &fields.saved_x {
            set(&mut xen, Register::X(*number), &found.record, *slot);
        }
        xen.sp = found.record.get_known(fields.saved_sp);
        xen.pc = found.record.get_known(fields.saved_pc);
        xen.x[30] = xen.pc;
        xen.pstate = Some(XEN_PSTATE);
        xen.pc.filter(|pc| *pc != 0).map(|_| xen)
    }

    /// EL2's registers of the core the vCPU was on last, or of any.
    fn el2_registers(&self, found: &FoundVcpu) -> Registers {
        let core = self.last_core(found).unwrap_or(Pcpu(0));
        let mut registers = Registers::default();
        for register in EL2 {
            if let Some(value) = self.core(core).and_then(|core| core.sys(register)) {
                registers.set(Register::Sys(register), value);
            }
        }
        registers
    }
}

/// Whether a vCPU that is not current still has a switch away from it to finish.
pub(super) fn is_leaving(fields: &VcpuFields, record: &Record) -> bool {
    record
        .get_known(fields.is_running)
        .is_some_and(|flag| flag != 0)
        && record
            .get_known(fields.state)
            .is_some_and(|state| run_state(Some(state)) != RunState::Running)
}

/// Whether a register holds what was saved, in a field that may be narrower.
fn same(saved: u64, live: u64, slot: Slot) -> bool {
    let unused = 64 - 8 * slot.size.clamp(1, 8) as u32;
    (saved ^ live) << unused == 0
}

fn set(registers: &mut Registers, register: Register, record: &Record, slot: Slot) {
    if let Some(value) = record.get(slot) {
        registers.set(register, value);
    }
}
