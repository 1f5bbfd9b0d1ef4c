//! hvdemo, the hypervisor of the embedded target (`adapter/demo`), read through the field names of its own DWARF.
//!
//! `vms` holds the VMs with their vCPUs inside, `pcpus` whom each core works for; TPIDR_EL2 of a core points into `pcpus`.
//! A vCPU's general registers are the core's while it executes and in `vcpu.regs` otherwise; its EL1 registers are the core's
//! while `vcpu.loaded` and in `vcpu.el1` otherwise.

mod layout;
mod scheduling;

use std::sync::Arc;

use machine::space::{Stage2, View};
use machine::{El, GuestId, Pcpu, Register, Registers, SysReg, Va, Vcpu, VirtualMemory};
use symbols::Image;

use super::entry::{entering, guest_sp};
use super::{
    Guest, Hypervisor, MachineView, OnCore, Provenance, RunState, RunTimes, Survey, VcpuState,
    el2_space,
};
use crate::mirror::{Record, Slot};
use layout::Layout;

/// hvdemo's awareness from the symbols of `image`, which lies `slide` from its link addresses.
///
/// # Errors
/// A sentence that names what the image lacks.
pub fn hvdemo(image: &Arc<Image>, slide: u64) -> Result<Box<dyn Hypervisor>, String> {
    match Layout::resolve(image, slide) {
        Ok(layout) => Ok(Box::new(Demo { layout })),
        Err(missing) => Err(format!("{} is not hvdemo: {missing}", image.name())),
    }
}

/// A damaged `vcpu_count` may claim anything.
const MOST_VCPUS: u64 = 64;
/// Names are shorter.
const LONGEST_NAME: usize = 32;
/// PSTATE of hvdemo at a switch: EL2h, everything masked.
const OWN_PSTATE: u64 = 0x3c9;
const EL2: [SysReg; 7] = [
    SysReg::HcrEl2,
    SysReg::SctlrEl2,
    SysReg::Ttbr0El2,
    SysReg::TcrEl2,
    SysReg::MairEl2,
    SysReg::VbarEl2,
    SysReg::CntfrqEl0,
];

struct Demo {
    layout: Layout,
}

impl Hypervisor for Demo {
    fn name(&self) -> &str {
        "hvdemo"
    }

    fn survey(&self, machine: &dyn MachineView) -> Survey {
        let cores = registers_of(machine);
        let unknown = vec![OnCore::Unknown; cores.len()];
        match self.look(machine, cores, |halt| halt.survey()) {
            Ok(survey) => survey,
            Err(why) => Survey {
                guests: Vec::new(),
                on_core: unknown,
                notes: vec![format!("hvdemo's memory cannot be read: {why}")],
            },
        }
    }

    fn run_times(&self, machine: &dyn MachineView) -> Option<RunTimes> {
        let cores = registers_of(machine);
        self.look(machine, cores, |halt| halt.run_times()).ok()?
    }
}

fn registers_of(machine: &dyn MachineView) -> Vec<&Registers> {
    let cores = 0..machine.cores() as u16;
    cores.map(|core| machine.registers(Pcpu(core))).collect()
}

impl Demo {
    /// Looks at hvdemo's memory, or says in half a sentence why that cannot be.
    fn look<T>(
        &self,
        machine: &dyn MachineView,
        cores: Vec<&Registers>,
        work: impl FnOnce(&Halt<'_>) -> T,
    ) -> Result<T, String> {
        let space = el2_space(&cores)?;
        let memory = View::new(machine.memory(), space);
        Ok(work(&Halt {
            layout: &self.layout,
            memory: &memory,
            cores,
        }))
    }
}

/// What is the same for every vCPU of one halt.
struct Halt<'a> {
    layout: &'a Layout,
    memory: &'a dyn VirtualMemory,
    cores: Vec<&'a Registers>,
}

impl Halt<'_> {
    fn survey(&self) -> Survey {
        let mut notes = Vec::new();
        let current: Vec<Option<Va>> = self.cores.iter().map(|core| self.current(core)).collect();
        let guests: Vec<Guest> = (0..self.layout.vms.count)
            .filter_map(|index| self.guest(index, &current, &mut notes))
            .collect();
        let on_core = (self.cores.iter().zip(&current).enumerate())
            .map(|(n, (core, current))| self.owner(Pcpu(n as u16), core, *current, &guests))
            .collect();
        Survey {
            guests,
            on_core,
            notes,
        }
    }

    /// `struct pcpu` of a core, once it has one.
    fn pcpu(&self, core: &Registers) -> Option<Va> {
        let pcpu = Va(core.sys(SysReg::TpidrEl2)?);
        self.layout.pcpus.index_of(pcpu).map(|_| pcpu)
    }

    /// `pcpu.current`: the vCPU on whose EL2 stack the core is.
    fn current(&self, core: &Registers) -> Option<Va> {
        let field = self.pcpu(core)?.offset(self.layout.current.offset);
        self.memory.read_u64(field).ok().map(Va)
    }

    fn owner(
        &self,
        core: Pcpu,
        registers: &Registers,
        current: Option<Va>,
        guests: &[Guest],
    ) -> OnCore {
        let mut vcpus = guests.iter().flat_map(|guest| &guest.vcpus);
        if let Some(state) = vcpus.find(|state| state.on_core == Some(core)) {
            return OnCore::Vcpu(state.vcpu);
        }
        let idle = self
            .pcpu(registers)
            .map(|pcpu| pcpu.offset(self.layout.idle.offset));
        if idle.is_some() && idle == current {
            OnCore::Idle
        } else {
            OnCore::Unknown
        }
    }

    fn guest(&self, index: u64, current: &[Option<Va>], notes: &mut Vec<String>) -> Option<Guest> {
        let fields = &self.layout.vm;
        let base = self.layout.vms.element(index);
        let vm = match Record::read(self.memory, base, fields.slots()) {
            Ok(vm) => vm,
            Err(fault) => {
                notes.push(format!("vms[{index}] cannot be read: {fault}"));
                return None;
            }
        };
        let id = GuestId(index as u32);
        let vttbr = vm.get(fields.vttbr).filter(|vttbr| *vttbr != 0);
        let stage2 = vttbr.zip(self.cores.iter().find_map(|core| core.sys(SysReg::VtcrEl2)));
        let stage2 = stage2.map(|(vttbr, vtcr)| Stage2 { vttbr, vtcr });
        let vcpus = self.vcpus(base, &vm).filter_map(|(index, base)| {
            let vcpu = Vcpu { guest: id, index };
            match Record::read(self.memory, base, self.layout.vcpu.slots()) {
                Ok(record) => Some(self.vcpu(vcpu, &record, stage2, current)),
                Err(fault) => {
                    notes.push(format!(
                        "vms[{}].vcpus[{index}] cannot be read: {fault}",
                        id.0
                    ));
                    None
                }
            }
        });
        Some(Guest {
            id,
            name: self
                .name(vm.get(fields.name))
                .unwrap_or_else(|| format!("VM {}", id.0)),
            vmid: stage2.map(|stage2| stage2.vmid()),
            vcpus: vcpus.collect(),
            stage2,
        })
    }

    /// Index and place of each vCPU of the VM at `base`.
    fn vcpus(&self, base: Va, vm: &Record) -> impl Iterator<Item = (u32, Va)> + use<> {
        let fields = &self.layout.vm;
        let (first, size) = (base.offset(fields.vcpus.offset), fields.vcpu_size);
        let count = vm.get(fields.vcpu_count).unwrap_or(0);
        let count = count.min(fields.vcpus.size / size).min(MOST_VCPUS);
        (0..count).map(move |index| (index as u32, first.offset(index * size)))
    }

    /// The text at `vm.name`.
    fn name(&self, at: Option<u64>) -> Option<String> {
        let mut bytes = [0; LONGEST_NAME];
        self.memory.read(Va(at?), &mut bytes).ok()?;
        let length = bytes.iter().position(|byte| *byte == 0)?;
        let name = std::str::from_utf8(&bytes[..length]).ok()?;
        (!name.is_empty()).then(|| name.to_owned())
    }

    fn vcpu(
        &self,
        vcpu: Vcpu,
        record: &Record,
        stage2: Option<Stage2>,
        current: &[Option<Va>],
    ) -> VcpuState {
        let fields = &self.layout.vcpu;
        let on_core = current
            .iter()
            .position(|va| *va == Some(record.base))
            .map(|core| Pcpu(core as u16));
        let last_core = record
            .get(fields.pcpu)
            .and_then(|number| self.target_core(number));
        let run_state = run_state(record.get(fields.state));
        let provenance = match on_core.and_then(|core| self.core(core)?.el()) {
            Some(el) if el < El::El2 => Provenance::Live,
            Some(_) => Provenance::Trapped,
            None if run_state == RunState::Offline => Provenance::Unknown,
            None => Provenance::Saved,
        };
        let is_saved = matches!(provenance, Provenance::Trapped | Provenance::Saved);
        let core = on_core.or(last_core).and_then(|core| self.core(core));
        VcpuState {
            vcpu,
            run_state,
            times: self.times(record),
            last_core,
            on_core,
            provenance,
            saved: is_saved.then(|| self.guest_registers(record, stage2, core)),
            hypervisor: (provenance == Provenance::Saved).then(|| self.own_registers(record, core)),
        }
    }

    fn core(&self, core: Pcpu) -> Option<&Registers> {
        self.cores.get(usize::from(core.0)).copied()
    }

    /// The core whose TPIDR_EL2 points to `pcpus[number]`.
    fn target_core(&self, number: u64) -> Option<Pcpu> {
        let pcpu = self.layout.pcpus.element(number);
        let core = self
            .cores
            .iter()
            .position(|core| self.pcpu(core) == Some(pcpu))?;
        Some(Pcpu(core as u16))
    }

    /// The guest's registers where they are not simply those of `core`, the one the vCPU is or was on.
    fn guest_registers(
        &self,
        record: &Record,
        stage2: Option<Stage2>,
        core: Option<&Registers>,
    ) -> Registers {
        let fields = &self.layout.vcpu;
        let enters = core.filter(|core| core.sp == Some(record.base.0));
        if let Some(guest) = enters.and_then(|core| entering(core, self.memory)) {
            return guest;
        }
        let is_loaded = record.get(fields.loaded) == Some(1);
        let mut guest = core
            .filter(|_| is_loaded)
            .cloned()
            .unwrap_or_else(|| self.el2_registers(core));
        fill(&mut guest, record, &fields.general);
        if !is_loaded {
            fill(&mut guest, record, &fields.system);
        }
        if let Some(stage2) = stage2 {
            guest.set(Register::Sys(SysReg::VttbrEl2), stage2.vttbr);
            guest.set(Register::Sys(SysReg::VtcrEl2), stage2.vtcr);
        }
        guest.sp = guest_sp(&guest);
        guest
    }

    /// The hypervisor's own registers of a vCPU that is on no core, as `cpu_switch` left them.
    fn own_registers(&self, record: &Record, core: Option<&Registers>) -> Registers {
        let mut own = self.el2_registers(core);
        fill(&mut own, record, &self.layout.vcpu.own);
        own.pc = own.x[30];
        own.pstate = Some(OWN_PSTATE);
        own
    }

    /// The registers that configure EL2, which are the same on every core, so that what is saved describes a core of its own.
    fn el2_registers(&self, core: Option<&Registers>) -> Registers {
        let mut registers = Registers::default();
        for register in EL2 {
            if let Some(value) = core.and_then(|core| core.sys(register)) {
                registers.set(Register::Sys(register), value);
            }
        }
        registers
    }
}

fn fill(registers: &mut Registers, record: &Record, slots: &[(Register, Slot)]) {
    for (register, slot) in slots {
        if let Some(value) = record.get(*slot) {
            registers.set(*register, value);
        }
    }
}

/// `enum run_state`.
const OFFLINE: u64 = 0;
const BLOCKED: u64 = 1;
const RUNNABLE: u64 = 2;
const RUNNING: u64 = 3;

fn run_state(state: Option<u64>) -> RunState {
    match state {
        Some(OFFLINE) => RunState::Offline,
        Some(BLOCKED) => RunState::Blocked,
        Some(RUNNABLE) => RunState::Runnable,
        Some(RUNNING) => RunState::Running,
        _ => RunState::Unknown,
    }
}

#[cfg(test)]
mod tests;
