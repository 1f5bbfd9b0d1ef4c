//! Hypervisor awareness: which VMs exist, which vCPU is on which core, and the registers of every vCPU.
//!
//! A hypervisor is one file here that implements [`Hypervisor`]. To add one: read its structures through DWARF by field
//! name (see [`mirror`](crate::mirror)), fill a [`Survey`], bound every walk, say in `notes` what could not be read, and
//! never test a version number.

pub mod entry;
mod hvdemo;
mod none;
mod scheduling;
mod xen;

pub use hvdemo::hvdemo;
pub use none::none;
pub use scheduling::{LossPlaces, NoTrace, RunTime, RunTimes, TracePlaces, place_of};
pub use xen::xen;

use std::fmt;

use machine::space::{AddressSpace, Stage2};
use machine::{GuestId, Pcpu, PhysicalMemory, Registers, Vcpu, Vmid};

/// One halt of the machine, as far as awareness looks at it: memory and the cores' registers.
pub trait MachineView {
    /// Physical memory, cached for the halt.
    fn memory(&self) -> &dyn PhysicalMemory;

    /// How many cores there are.
    fn cores(&self) -> usize;

    /// The registers of a core: core registers and every system register that the target knows.
    fn registers(&self, core: Pcpu) -> &Registers;
}

/// EL2's own address space, which all cores share once they have it. The error is half a sentence.
fn el2_space(cores: &[&Registers]) -> Result<AddressSpace, String> {
    let mut why = "there is no core".to_owned();
    for core in cores {
        match AddressSpace::el2(core) {
            Ok(space) if space.stage1.is_some_and(|stage1| stage1.enabled) => return Ok(space),
            Ok(_) => "its address translation is not on yet".clone_into(&mut why),
            Err(fault) => why = fault.to_string(),
        }
    }
    Err(why)
}

/// What a hypervisor (or its absence) tells about the VMs.
pub trait Hypervisor: Send {
    /// Its name, such as `Xen`.
    fn name(&self) -> &str;

    /// Looks at one halt. Never fails: what could not be read is missing and named in [`Survey::notes`].
    fn survey(&self, machine: &dyn MachineView) -> Survey;

    /// Whether a [`GuestId`] is its own number of a VM, which its trace tells too, and not the VMID.
    fn numbers_guests(&self) -> bool {
        true
    }

    /// Where its own trace buffers are. Those of hvtrace, which any hypervisor may have, are found by their symbol.
    ///
    /// # Errors
    /// It has none, or they cannot be found at this halt.
    fn trace(&self, machine: &dyn MachineView) -> Result<TracePlaces, NoTrace> {
        let _ = machine;
        Err(NoTrace::Unknown(self.name().to_owned()))
    }

    /// Its account of every vCPU's time, `None` when it keeps none or it cannot be read.
    fn run_times(&self, machine: &dyn MachineView) -> Option<RunTimes> {
        let _ = machine;
        None
    }
}

/// The VMs of one halt.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Survey {
    /// Every VM found, in the hypervisor's order.
    pub guests: Vec<Guest>,
    /// Whose vCPU each core carries, by [`Pcpu`].
    pub on_core: Vec<OnCore>,
    /// What could not be read or looked wrong, one sentence each.
    pub notes: Vec<String>,
}

impl Survey {
    /// The VM with this id.
    #[must_use]
    pub fn guest(&self, id: GuestId) -> Option<&Guest> {
        self.guests.iter().find(|guest| guest.id == id)
    }

    /// The state of a vCPU.
    #[must_use]
    pub fn vcpu(&self, vcpu: Vcpu) -> Option<&VcpuState> {
        self.guest(vcpu.guest)?
            .vcpus
            .iter()
            .find(|state| state.vcpu == vcpu)
    }

    /// The vCPU that `core` carries.
    #[must_use]
    pub fn vcpu_on(&self, core: Pcpu) -> Option<Vcpu> {
        match self.on_core.get(usize::from(core.0)) {
            Some(OnCore::Vcpu(vcpu)) => Some(*vcpu),
            _ => None,
        }
    }
}

/// Whom a core works for. A core in EL2 with [`OnCore::Vcpu`] executes the hypervisor on that vCPU's behalf.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnCore {
    /// No guest: the hypervisor's idle loop.
    Idle,
    /// This vCPU.
    Vcpu(Vcpu),
    /// Cannot be told.
    Unknown,
}

/// A virtual machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Guest {
    /// The hypervisor's name for it; the VMID where no hypervisor is known.
    pub id: GuestId,
    /// For people: `Dom0`, `DomU1`, `VM 2`.
    pub name: String,
    /// The TLB tag at this halt.
    pub vmid: Option<Vmid>,
    /// Where its stage-2 tables lie, at this halt.
    pub stage2: Option<Stage2>,
    /// Its virtual cores, by index.
    pub vcpus: Vec<VcpuState>,
}

impl Guest {
    /// The registers of every vCPU as far as they are known.
    #[must_use]
    pub fn registers(&self, machine: &dyn MachineView) -> Vec<Registers> {
        self.vcpus
            .iter()
            .filter_map(|state| state.registers(machine).cloned())
            .collect()
    }
}

/// One virtual core at one halt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VcpuState {
    /// Who it is.
    pub vcpu: Vcpu,
    /// What the hypervisor's scheduler says of it.
    pub run_state: RunState,
    /// Nanoseconds spent running, runnable, blocked and offline, up to its last change of state.
    pub times: Option<[u64; 4]>,
    /// The core it ran on last, or will run on.
    pub last_core: Option<Pcpu>,
    /// The core that carries it now; that core may be in EL2.
    pub on_core: Option<Pcpu>,
    /// Where its registers come from.
    pub provenance: Provenance,
    /// The guest's registers where they are not simply those of the core: x0 to x30, pc, sp by mode, PSTATE, EL1 system
    /// registers, and its VM's `VTTBR_EL2`, `VTCR_EL2` and `HCR_EL2`, so that they describe a core of their own.
    /// `None` for [`Provenance::Live`] and [`Provenance::Unknown`].
    pub saved: Option<Registers>,
    /// The hypervisor's own registers for a vCPU that is on no core: x19 to x30, sp and pc, where its EL2 stack can be unwound.
    pub hypervisor: Option<Registers>,
}

impl VcpuState {
    /// The guest's registers, live or saved.
    #[must_use]
    pub fn registers<'a>(&'a self, machine: &'a dyn MachineView) -> Option<&'a Registers> {
        match (self.provenance, self.on_core) {
            (Provenance::Live, Some(core)) if usize::from(core.0) < machine.cores() => {
                Some(machine.registers(core))
            }
            _ => self.saved.as_ref(),
        }
    }
}

/// Where the registers of a vCPU come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Provenance {
    /// The core executes the guest: the core's registers are the guest's.
    Live,
    /// The core is in EL2 on the guest's behalf: core registers from where the hypervisor's entry code put them (or is
    /// about to put them), EL1 system registers live.
    Trapped,
    /// On no core: all from where the hypervisor saved them.
    Saved,
    /// On no core and the hypervisor is not known: only what a kernel sets once (TTBR1_EL1, TCR_EL1 …), as last seen. No pc.
    Remembered,
    /// Not known.
    Unknown,
}

impl fmt::Display for Provenance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Live => "live",
            Self::Trapped => "trapped to the hypervisor",
            Self::Saved => "saved by the hypervisor",
            Self::Remembered => "as last seen",
            Self::Unknown => "unknown",
        })
    }
}

/// What the scheduler says of a vCPU.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RunState {
    /// On a core.
    Running,
    /// Waiting for a core.
    Runnable,
    /// Waiting for an event.
    Blocked,
    /// Switched off or paused.
    Offline,
    /// Not known.
    Unknown,
}

impl fmt::Display for RunState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Running => "running",
            Self::Runnable => "runnable",
            Self::Blocked => "blocked",
            Self::Offline => "offline",
            Self::Unknown => "unknown",
        })
    }
}
