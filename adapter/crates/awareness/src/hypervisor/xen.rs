//! Xen on Arm, read through the field names of its own DWARF. Works without Dom0, whatever the cores were halted in.
//!
//! `domain_list` gives the VMs, `struct vcpu` their vCPUs, and `per_cpu(curr_vcpu)` whom each core works for: in EL2
//! `VTTBR_EL2` may still be the last VM's or an empty one, `curr_vcpu` never lies. No version is tested: a field that this build
//! lacks leaves its fact out (`layout`). `walk` follows the lists, `registers` knows where a vCPU's registers are, `scheduling` finds
//! the trace buffers and the account of every vCPU's time.

mod layout;
mod registers;
mod scheduling;
#[cfg(test)]
mod tests;
mod walk;

use std::sync::Arc;

use machine::space::{Stage2, View};
use machine::{El, GuestId, Pcpu, Registers, SysReg, Va, VirtualMemory, Vmid};
use symbols::Image;

use super::{
    Guest, Hypervisor, MachineView, NoTrace, OnCore, Provenance, RunState, RunTimes, Survey,
    TracePlaces, VcpuState, el2_space,
};
use crate::mirror::{Facts, ImageFacts};
use layout::Layout;
use registers::Whereabouts;
use walk::{FoundDomain, FoundVcpu};

/// Xen's awareness from the symbols of `image`, which lies `slide` from its link addresses.
///
/// # Errors
/// A sentence that names what the image lacks, such as all of its DWARF.
pub fn xen(image: Arc<Image>, slide: u64) -> Result<Box<dyn Hypervisor>, String> {
    if !image.has_dwarf() {
        return Err(format!(
            "{} holds no debug information, so the layout of Xen's structures is not known",
            image.name()
        ));
    }
    let facts = ImageFacts {
        image: &image,
        slide,
    };
    match Xen::new(&facts) {
        Ok(xen) => Ok(Box::new(xen)),
        Err(missing) => Err(format!(
            "{} is not a Xen that is understood: {missing}",
            image.name()
        )),
    }
}

struct Xen {
    layout: Layout,
}

impl Xen {
    fn new(facts: &dyn Facts) -> Result<Self, String> {
        Ok(Self {
            layout: Layout::resolve(facts)?,
        })
    }
}

impl Hypervisor for Xen {
    fn name(&self) -> &str {
        "Xen"
    }

    fn survey(&self, machine: &dyn MachineView) -> Survey {
        let cores = registers_of(machine);
        let space = match el2_space(&cores) {
            Ok(space) => space,
            Err(why) => return blind(cores.len(), &why),
        };
        let memory = View::new(machine.memory(), space);
        let mut notes = Vec::new();
        let domains = walk::domains(&self.layout, &memory, &mut notes);
        let mut current = self.current(&cores, &memory, &mut notes);
        self.find_switches(&domains, &memory, &mut current);
        let halt = Halted {
            layout: &self.layout,
            memory: &memory,
            domains: &domains,
            vtcr: cores.iter().find_map(|core| core.sys(SysReg::VtcrEl2)),
            cores,
            current,
        };
        if halt.vtcr.is_none() {
            notes.push(
                "VTCR_EL2 is not known at this target, so no guest's memory can be found"
                    .to_owned(),
            );
        }
        let on_core = halt.on_core(&mut notes);
        let guests = domains.iter().map(|domain| halt.guest(domain)).collect();
        Survey {
            guests,
            on_core,
            notes,
        }
    }

    fn trace(&self, machine: &dyn MachineView) -> Result<TracePlaces, NoTrace> {
        let space = el2_space(&registers_of(machine)).map_err(NoTrace::Blind)?;
        let memory = View::new(machine.memory(), space);
        scheduling::trace(&self.layout, &memory, machine.cores())
    }

    fn run_times(&self, machine: &dyn MachineView) -> Option<RunTimes> {
        let space = el2_space(&registers_of(machine)).ok()?;
        let memory = View::new(machine.memory(), space);
        Some(scheduling::run_times(
            &self.layout,
            &memory,
            machine.cores(),
        ))
    }
}

fn registers_of(machine: &dyn MachineView) -> Vec<&Registers> {
    let cores = 0..machine.cores() as u16;
    cores.map(|core| machine.registers(Pcpu(core))).collect()
}

fn blind(cores: usize, why: &str) -> Survey {
    Survey {
        guests: Vec::new(),
        on_core: vec![OnCore::Unknown; cores],
        notes: vec![format!("Xen's memory cannot be read: {why}")],
    }
}

impl Xen {
    /// `per_cpu(curr_vcpu)` of each core, with Xen's number for the core.
    fn current(
        &self,
        cores: &[&Registers],
        memory: &dyn VirtualMemory,
        notes: &mut Vec<String>,
    ) -> Vec<Current> {
        let offsets: Vec<Option<u64>> = (0..cores.len() as u64)
            .map(|number| {
                memory
                    .read_u64(self.layout.per_cpu_offset.offset(8 * number))
                    .ok()
            })
            .collect();
        let numbers = xen_numbers(cores, &offsets);
        let current = numbers.into_iter().enumerate().map(|(core, number)| {
            let vcpu = offsets[number]
                .and_then(|offset| memory.read_u64(self.layout.curr_vcpu.offset(offset)).ok());
            if vcpu.is_none() {
                notes.push(format!("{}: curr_vcpu cannot be read", Pcpu(core as u16)));
            }
            Current {
                number,
                vcpu: vcpu.filter(|vcpu| *vcpu != 0).map(Va),
                switching: false,
            }
        });
        current.collect()
    }

    /// Marks the cores that have a new `curr_vcpu` but have not finished with the vCPU before, which may be the idle one.
    fn find_switches(
        &self,
        domains: &[FoundDomain],
        memory: &dyn VirtualMemory,
        current: &mut [Current],
    ) {
        let fields = &self.layout.vcpu;
        let all = || domains.iter().flat_map(|domain| &domain.vcpus);
        for core in current {
            let guest = all().any(|vcpu| Some(vcpu.record.base) == core.vcpu);
            core.switching = guest
                && all()
                    .map(|vcpu| &vcpu.record)
                    .chain(walk::idle(&self.layout, memory, core.number).as_ref())
                    .filter(|record| Some(record.base) != core.vcpu)
                    .filter(|record| record.get_known(fields.processor) == Some(core.number as u64))
                    .any(|record| registers::is_leaving(fields, record));
        }
    }
}

/// Xen's number for each core of the target: `TPIDR_EL2` holds `__per_cpu_offset[number]` (`set_processor_id`). The target's
/// own order where that does not give every core a number of its own, as before all are up.
fn xen_numbers(cores: &[&Registers], offsets: &[Option<u64>]) -> Vec<usize> {
    let told: Option<Vec<usize>> = cores
        .iter()
        .map(|core| {
            let offset = core.sys(SysReg::TpidrEl2)?;
            offsets.iter().position(|known| *known == Some(offset))
        })
        .collect();
    let identity = || (0..cores.len()).collect();
    let Some(numbers) = told else {
        return identity();
    };
    let mut sorted = numbers.clone();
    sorted.sort_unstable();
    sorted.dedup();
    if sorted.len() == numbers.len() {
        numbers
    } else {
        identity()
    }
}

/// Whom a core works for.
struct Current {
    /// Xen's number for the core.
    number: usize,
    /// `per_cpu(curr_vcpu)`.
    vcpu: Option<Va>,
    /// The core is within `context_switch`.
    switching: bool,
}

/// What is the same for every vCPU of one halt.
struct Halted<'a> {
    layout: &'a Layout,
    memory: &'a dyn VirtualMemory,
    domains: &'a [FoundDomain],
    cores: Vec<&'a Registers>,
    current: Vec<Current>,
    vtcr: Option<u64>,
}

impl Halted<'_> {
    fn on_core(&self, notes: &mut Vec<String>) -> Vec<OnCore> {
        let mut on_core = Vec::with_capacity(self.current.len());
        for (core, current) in self.current.iter().enumerate() {
            on_core.push(match current.vcpu {
                Some(va) => self.owner(va).unwrap_or_else(|| {
                    notes.push(format!(
                        "{}: curr_vcpu is {va}, which no domain lists",
                        Pcpu(core as u16)
                    ));
                    OnCore::Unknown
                }),
                None => OnCore::Unknown,
            });
        }
        on_core
    }

    fn owner(&self, va: Va) -> Option<OnCore> {
        let known = self.domains.iter().find_map(|domain| {
            let vcpu = domain.vcpus.iter().find(|vcpu| vcpu.record.base == va)?;
            Some(OnCore::Vcpu(vcpu.id(domain)))
        });
        known.or_else(|| walk::is_idle(self.layout, self.memory, va).then_some(OnCore::Idle))
    }

    fn guest(&self, domain: &FoundDomain) -> Guest {
        let stage2 = self.stage2(domain);
        Guest {
            id: domain.id,
            name: name(domain.id),
            vmid: vmid(self.layout, domain).or(stage2.map(|stage2| stage2.vmid())),
            stage2,
            vcpus: domain
                .vcpus
                .iter()
                .map(|vcpu| self.vcpu(domain, vcpu, stage2))
                .collect(),
        }
    }

    fn stage2(&self, domain: &FoundDomain) -> Option<Stage2> {
        let vttbr = domain.record.get_known(self.layout.domain.vttbr)?;
        (vttbr != 0).then_some(Stage2 {
            vttbr,
            vtcr: self.vtcr?,
        })
    }

    fn vcpu(&self, domain: &FoundDomain, found: &FoundVcpu, stage2: Option<Stage2>) -> VcpuState {
        let fields = &self.layout.vcpu;
        let on_core = self
            .current
            .iter()
            .position(|current| current.vcpu == Some(found.record.base))
            .map(|core| Pcpu(core as u16));
        let whereabouts = self.whereabouts(found, on_core);
        let saved = self.guest_registers(found, stage2, on_core, whereabouts);
        VcpuState {
            vcpu: found.id(domain),
            run_state: run_state(found.record.get_known(fields.state)),
            times: fields.time.map(|time| {
                std::array::from_fn(|n| found.record.get(time.element(n as u64, 4)).unwrap_or(0))
            }),
            last_core: self.last_core(found),
            on_core,
            provenance: match (whereabouts, &saved) {
                (Whereabouts::Executing, _) => Provenance::Live,
                (_, None) => Provenance::Unknown,
                (Whereabouts::Trapped | Whereabouts::Arriving, _) => Provenance::Trapped,
                (Whereabouts::Away | Whereabouts::Leaving, _) => Provenance::Saved,
            },
            saved,
            hypervisor: on_core
                .is_none()
                .then(|| self.hypervisor_registers(found))
                .flatten(),
        }
    }

    /// `vcpu.processor`, Xen's number, as the target's.
    fn last_core(&self, found: &FoundVcpu) -> Option<Pcpu> {
        let number = found.record.get_known(self.layout.vcpu.processor)?;
        let core = self
            .current
            .iter()
            .position(|current| current.number as u64 == number)?;
        Some(Pcpu(core as u16))
    }

    /// The guest's vCPU that `core` works for.
    fn current_on(&self, core: Pcpu) -> Option<&FoundVcpu> {
        let va = self.current.get(usize::from(core.0))?.vcpu?;
        let vcpus = self.domains.iter().flat_map(|domain| &domain.vcpus);
        vcpus.into_iter().find(|vcpu| vcpu.record.base == va)
    }

    fn core(&self, core: Pcpu) -> Option<&Registers> {
        self.cores.get(usize::from(core.0)).copied()
    }

    fn is_below_el2(&self, core: Pcpu) -> bool {
        self.core(core)
            .and_then(Registers::el)
            .is_some_and(|el| el < El::El2)
    }
}

/// `Dom0` is the one that boots first and owns the hardware.
fn name(id: GuestId) -> String {
    match id.0 {
        0 => "Dom0".to_owned(),
        n => format!("DomU{n}"),
    }
}

fn vmid(layout: &Layout, domain: &FoundDomain) -> Option<Vmid> {
    let vmid = domain.record.get_known(layout.domain.vmid)?;
    Some(Vmid(vmid as u16))
}

/// `RUNSTATE_*` of `xen/include/public/vcpu.h`.
fn run_state(state: Option<u64>) -> RunState {
    match state.map(|state| state as u32) {
        Some(0) => RunState::Running,
        Some(1) => RunState::Runnable,
        Some(2) => RunState::Blocked,
        Some(3) => RunState::Offline,
        _ => RunState::Unknown,
    }
}
