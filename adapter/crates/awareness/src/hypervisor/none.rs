//! No hypervisor awareness: VMs told by `VTTBR_EL2` alone.
//!
//! In EL1 and EL0 the pair (VMID, stage-2 root) is always right, and `VMPIDR_EL2` says which vCPU it is. In EL2 it may lie about
//! the present: an idle hypervisor keeps the last VM's value or loads an empty table under VMID 0. So a core there carries nobody,
//! unless it is still on the [entry path](super::entry); but the VM whose VMID it holds was there, and most likely its EL1 registers
//! still are. VMs and vCPUs seen once stay listed, with the registers a kernel sets once and for all, which make its memory readable;
//! until their VMID shows up with another root: then another VM has it.

#[cfg(test)]
mod tests;

use std::cell::RefCell;

use machine::regs::SysReg;
use machine::space::{AddressSpace, Stage2, View};
use machine::{El, GuestId, Pcpu, Register, Registers, Vcpu};

use super::entry::entering;
use super::{Guest, Hypervisor, MachineView, OnCore, Provenance, RunState, Survey, VcpuState};

/// HCR_EL2.VM: stage 2 is in use.
const VM: u64 = 1 << 0;
/// HCR_EL2.TGE: EL0 belongs to the hypervisor's operating system.
const TGE: u64 = 1 << 27;

/// The id of software in EL1 that no stage 2 confines; beyond every VMID.
const UNCONFINED: GuestId = GuestId(0x1_0000);

/// What a kernel sets once, and what confines it. TTBR0_EL1 is the process of that time; an address space is not whole without.
const LASTING: [SysReg; 9] = [
    SysReg::SctlrEl1,
    SysReg::Ttbr0El1,
    SysReg::Ttbr1El1,
    SysReg::TcrEl1,
    SysReg::MairEl1,
    SysReg::VbarEl1,
    SysReg::VttbrEl2,
    SysReg::VtcrEl2,
    SysReg::HcrEl2,
];

/// Awareness for a machine whose hypervisor has no symbols.
#[must_use]
pub fn none() -> Box<dyn Hypervisor> {
    Box::new(ByVmid::default())
}

#[derive(Default)]
struct ByVmid {
    seen: RefCell<Vec<Seen>>,
}

/// A VM that was on a core once.
struct Seen {
    guest: GuestId,
    stage2: Option<Stage2>,
    /// By index, with their lasting registers.
    vcpus: Vec<(u32, Registers)>,
}

/// A VM that a core tells of.
struct Sighting {
    core: Pcpu,
    guest: GuestId,
    stage2: Option<Stage2>,
    index: u32,
    how: How,
    lasting: Registers,
}

enum How {
    /// The core executes it.
    Executing,
    /// The core has just left it, with these registers.
    Trapped(Box<Registers>),
    /// The core is in EL2, with nobody or whomever.
    Past,
}

impl Hypervisor for ByVmid {
    fn name(&self) -> &str {
        "unknown hypervisor"
    }

    fn numbers_guests(&self) -> bool {
        false
    }

    fn survey(&self, machine: &dyn MachineView) -> Survey {
        let mut survey = Survey::default();
        let mut sightings = Vec::new();
        for core in (0..machine.cores()).map(|core| Pcpu(core as u16)) {
            let sighting = look(machine, core).unwrap_or_else(|unknown| {
                survey.notes.push(format!(
                    "{core}: its VM is not known, since {unknown} is not known at this target"
                ));
                None
            });
            survey.on_core.push(match &sighting {
                Some(sighting) if sighting.is_present() => OnCore::Vcpu(sighting.vcpu()),
                _ => OnCore::Unknown,
            });
            sightings.extend(sighting);
        }
        // What is certain first: the rest must not be taken for news.
        sightings.sort_by_key(|sighting| !sighting.is_present());
        let mut seen = self.seen.borrow_mut();
        for sighting in &sightings {
            survey.notes.extend(remember(&mut seen, sighting));
        }
        survey.guests = seen.iter().map(|seen| describe(seen, &sightings)).collect();
        survey
    }
}

impl Sighting {
    fn is_present(&self) -> bool {
        !matches!(self.how, How::Past)
    }

    fn vcpu(&self) -> Vcpu {
        Vcpu {
            guest: self.guest,
            index: self.index,
        }
    }
}

/// Whose a core is. The error names a register that is not known.
fn look(machine: &dyn MachineView, core: Pcpu) -> Result<Option<Sighting>, &'static str> {
    let registers = machine.registers(core);
    let el = registers.el().ok_or("PSTATE")?;
    if el == El::El3 {
        return Ok(None);
    }
    let hcr = registers.sys(SysReg::HcrEl2).ok_or("HCR_EL2")?;
    let sighting = |guest, stage2, how| {
        Ok(Some(Sighting {
            core,
            guest,
            stage2,
            index: index(registers, core),
            how,
            lasting: lasting(registers),
        }))
    };
    if el < El::El2 && hcr & VM == 0 {
        let host = hcr & TGE != 0;
        return if host {
            Ok(None)
        } else {
            sighting(UNCONFINED, None, How::Executing)
        };
    }
    let stage2 = Stage2 {
        vttbr: registers.sys(SysReg::VttbrEl2).ok_or("VTTBR_EL2")?,
        vtcr: registers.sys(SysReg::VtcrEl2).ok_or("VTCR_EL2")?,
    };
    let guest = GuestId(u32::from(stage2.vmid().0));
    let how = match trapped(machine, registers) {
        _ if el < El::El2 => How::Executing,
        Some(trapped) => How::Trapped(Box::new(trapped)),
        None if guest.0 == 0 || hcr & VM == 0 => return Ok(None),
        None => How::Past,
    };
    sighting(guest, Some(stage2), how)
}

fn trapped(machine: &dyn MachineView, core: &Registers) -> Option<Registers> {
    let el2 = View::new(machine.memory(), AddressSpace::el2(core).ok()?);
    entering(core, &el2)
}

fn lasting(registers: &Registers) -> Registers {
    let mut lasting = Registers::default();
    for register in LASTING {
        if let Some(value) = registers.sys(register) {
            lasting.set(Register::Sys(register), value);
        }
    }
    lasting
}

/// The vCPU's index by the affinity its guest sees: 16 in Aff0, 256 in Aff1, as Xen (`vcpuid_to_vaffinity`) and KVM
/// (`reset_mpidr`) number them. The core's own number where the target does not tell.
fn index(registers: &Registers, core: Pcpu) -> u32 {
    match registers.sys(SysReg::VmpidrEl2) {
        Some(mpidr) => (mpidr & 0xf | mpidr >> 4 & 0xff0 | mpidr >> 4 & 0xff000) as u32,
        None => u32::from(core.0),
    }
}

/// Notes a VM and its vCPU; says so when the VMID belonged to another.
fn remember(seen: &mut Vec<Seen>, sighting: &Sighting) -> Option<String> {
    let (guest, index) = (sighting.guest, sighting.index);
    let place = match seen.binary_search_by_key(&guest, |seen| seen.guest) {
        Ok(place) => place,
        Err(place) => {
            let stage2 = sighting.stage2;
            let vcpus = Vec::new();
            seen.insert(
                place,
                Seen {
                    guest,
                    stage2,
                    vcpus,
                },
            );
            place
        }
    };
    let known = &mut seen[place];
    let root = |stage2: Option<Stage2>| stage2.map(|stage2| stage2.root());
    let same = root(known.stage2) == root(sighting.stage2);
    if !same && !sighting.is_present() {
        return None;
    }
    if !same {
        known.vcpus.clear();
    }
    known.stage2 = sighting.stage2;
    match known
        .vcpus
        .binary_search_by_key(&index, |(index, _)| *index)
    {
        Ok(place) if sighting.is_present() => known.vcpus[place].1 = sighting.lasting.clone(),
        Ok(_) => {}
        Err(place) => known.vcpus.insert(place, (index, sighting.lasting.clone())),
    }
    (!same).then(|| {
        format!(
            "VMID {} has another stage-2 table than at an earlier halt: it belongs to another VM now",
            guest.0
        )
    })
}

fn describe(seen: &Seen, sightings: &[Sighting]) -> Guest {
    Guest {
        id: seen.guest,
        name: match seen.stage2 {
            Some(_) => format!("VM {}", seen.guest.0),
            None => "EL1 without stage 2".to_owned(),
        },
        vmid: seen.stage2.map(|stage2| stage2.vmid()),
        stage2: seen.stage2,
        vcpus: seen
            .vcpus
            .iter()
            .map(|(index, lasting)| {
                let vcpu = Vcpu {
                    guest: seen.guest,
                    index: *index,
                };
                let mut here = sightings.iter().filter(|sighting| sighting.vcpu() == vcpu);
                state(vcpu, lasting, here.next())
            })
            .collect(),
    }
}

fn state(vcpu: Vcpu, lasting: &Registers, here: Option<&Sighting>) -> VcpuState {
    let (provenance, saved) = match here.map(|here| &here.how) {
        Some(How::Executing) => (Provenance::Live, None),
        Some(How::Trapped(registers)) => (Provenance::Trapped, Some((**registers).clone())),
        Some(How::Past) | None => (Provenance::Remembered, Some(lasting.clone())),
    };
    let present = here.filter(|here| here.is_present());
    VcpuState {
        vcpu,
        run_state: if present.is_some() {
            RunState::Running
        } else {
            RunState::Unknown
        },
        times: None,
        last_core: here.map(|here| here.core),
        on_core: present.map(|here| here.core),
        provenance,
        saved,
        hypervisor: None,
    }
}
