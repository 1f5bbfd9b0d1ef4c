//! No hypervisor awareness: VMs told by `VTTBR_EL2` alone.
//!
//! In EL1 and EL0 the pair (VMID, stage-2 root) is always right, and `VMPIDR_EL2` says which vCPU it is. In EL2 it may lie:
//! an idle hypervisor keeps the last VM's value or loads an empty table under VMID 0, so a core there counts for nobody unless it
//! is still on the [entry path](super::entry). VMs seen at earlier halts stay listed, their memory readable, until their VMID
//! shows up with another root: then another VM has it.

#[cfg(test)]
mod tests;

use std::cell::RefCell;

use machine::regs::SysReg;
use machine::space::{AddressSpace, Stage2, View};
use machine::{El, GuestId, Pcpu, Registers, Vcpu};

use super::entry::entering;
use super::{Guest, Hypervisor, MachineView, OnCore, Provenance, RunState, Survey, VcpuState};

/// HCR_EL2.VM: stage 2 is in use.
const VM: u64 = 1 << 0;
/// HCR_EL2.TGE: EL0 belongs to the hypervisor's operating system.
const TGE: u64 = 1 << 27;

/// The id of software in EL1 that no stage 2 confines; beyond every VMID.
const UNCONFINED: GuestId = GuestId(0x1_0000);

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
    vcpus: Vec<u32>,
}

/// What one core tells.
struct Sighting {
    guest: GuestId,
    stage2: Option<Stage2>,
    /// The vCPU and its registers, where they are not the core's own; `None` in EL2.
    vcpu: Option<(u32, Option<Registers>)>,
}

impl Hypervisor for ByVmid {
    fn name(&self) -> &str {
        "unknown hypervisor"
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
                Some(Sighting {
                    guest,
                    vcpu: Some((index, _)),
                    ..
                }) => OnCore::Vcpu(Vcpu {
                    guest: *guest,
                    index: *index,
                }),
                _ => OnCore::Unknown,
            });
            sightings.extend(sighting.map(|sighting| (core, sighting)));
        }
        let mut seen = self.seen.borrow_mut();
        for (_, sighting) in &sightings {
            survey.notes.extend(remember(&mut seen, sighting));
        }
        survey.guests = seen.iter().map(|seen| describe(seen, &sightings)).collect();
        let passing = sightings.iter().map(|(_, sighting)| sighting);
        for sighting in passing {
            if survey.guest(sighting.guest).is_none() {
                survey.guests.push(guest(sighting.guest, sighting.stage2));
            }
        }
        survey.guests.sort_by_key(|guest| guest.id);
        survey
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
    if el < El::El2 && hcr & VM == 0 {
        let host = hcr & TGE != 0;
        return Ok((!host).then(|| Sighting {
            guest: UNCONFINED,
            stage2: None,
            vcpu: Some((index(registers, core), None)),
        }));
    }
    let stage2 = Stage2 {
        vttbr: registers.sys(SysReg::VttbrEl2).ok_or("VTTBR_EL2")?,
        vtcr: registers.sys(SysReg::VtcrEl2).ok_or("VTCR_EL2")?,
    };
    let guest = GuestId(u32::from(stage2.vmid().0));
    let vcpu = if el < El::El2 {
        Some((index(registers, core), None))
    } else {
        trapped(machine, registers).map(|trapped| (index(registers, core), Some(trapped)))
    };
    let stale = vcpu.is_none() && (guest.0 == 0 || hcr & VM == 0);
    Ok((!stale).then_some(Sighting {
        guest,
        stage2: Some(stage2),
        vcpu,
    }))
}

fn trapped(machine: &dyn MachineView, core: &Registers) -> Option<Registers> {
    let el2 = View::new(machine.memory(), AddressSpace::el2(core).ok()?);
    entering(core, &el2)
}

/// The vCPU's index by the affinity its guest sees: 16 in Aff0, 256 in Aff1, as Xen (`vcpuid_to_vaffinity`) and KVM
/// (`reset_mpidr`) number them. The core's own number where the target does not tell.
fn index(registers: &Registers, core: Pcpu) -> u32 {
    match registers.sys(SysReg::VmpidrEl2) {
        Some(mpidr) => (mpidr & 0xf | mpidr >> 4 & 0xff0 | mpidr >> 4 & 0xff000) as u32,
        None => u32::from(core.0),
    }
}

/// Notes a VM that was met in EL1 or EL0; says so when its VMID belonged to another.
fn remember(seen: &mut Vec<Seen>, sighting: &Sighting) -> Option<String> {
    let (index, _) = sighting.vcpu.as_ref()?;
    let Some(known) = seen.iter_mut().find(|seen| seen.guest == sighting.guest) else {
        seen.push(Seen {
            guest: sighting.guest,
            stage2: sighting.stage2,
            vcpus: vec![*index],
        });
        return None;
    };
    let mut note = None;
    if known.stage2.map(|old| old.root()) != sighting.stage2.map(|new| new.root()) {
        known.vcpus.clear();
        note = Some(format!(
            "VMID {} has another stage-2 table than at an earlier halt: it belongs to another VM now",
            sighting.guest.0
        ));
    }
    known.stage2 = sighting.stage2;
    if let Err(place) = known.vcpus.binary_search(index) {
        known.vcpus.insert(place, *index);
    }
    note
}

fn describe(seen: &Seen, sightings: &[(Pcpu, Sighting)]) -> Guest {
    let vcpus = seen.vcpus.iter().map(|&index| {
        let here = sightings
            .iter()
            .find_map(|(core, sighting)| match &sighting.vcpu {
                Some((found, saved)) if sighting.guest == seen.guest && *found == index => {
                    Some((*core, saved))
                }
                _ => None,
            });
        VcpuState {
            vcpu: Vcpu {
                guest: seen.guest,
                index,
            },
            run_state: if here.is_some() {
                RunState::Running
            } else {
                RunState::Unknown
            },
            times: None,
            last_core: here.map(|(core, _)| core),
            on_core: here.map(|(core, _)| core),
            provenance: match here {
                Some((_, None)) => Provenance::Live,
                Some((_, Some(_))) => Provenance::Trapped,
                None => Provenance::Unknown,
            },
            saved: here.and_then(|(_, saved)| saved.clone()),
            hypervisor: None,
        }
    });
    Guest {
        vcpus: vcpus.collect(),
        ..guest(seen.guest, seen.stage2)
    }
}

fn guest(id: GuestId, stage2: Option<Stage2>) -> Guest {
    Guest {
        id,
        name: match stage2 {
            Some(_) => format!("VM {}", id.0),
            None => "EL1 without stage 2".to_owned(),
        },
        vmid: stage2.map(|stage2| stage2.vmid()),
        stage2,
        vcpus: Vec::new(),
    }
}
