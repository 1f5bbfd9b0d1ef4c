//! What a hypervisor keeps about scheduling: where its trace buffers are, and its account of every vCPU's time.

use machine::space::View;
use machine::{MemoryFault, Pa, Pcpu, Vcpu};
use symbols::Image;

use super::{MachineView, RunState, el2_space};
use crate::mirror::{Facts, ImageFacts};

/// Where Xen's trace is, as physical places that hold until Xen is booted again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TracePlaces {
    /// What `t_info` points to: the description of the buffers.
    pub t_info: Pa,
    /// `t_info_pages`, of 4 KiB, in one run.
    pub t_info_pages: u32,
    /// `data_size`: bytes of records in each buffer.
    pub data_size: u32,
    /// `nr_cpu_ids`: more pCPUs than this have no buffer.
    pub pcpus: u32,
    /// The counters of dropped records, by the hypervisor's number of the pCPU; empty when this build has none.
    pub loss: Vec<LossPlaces>,
    /// `tb_init_done`, of which the first byte is 1 while Xen traces and 0 while it does not: an `int` up to Xen 4.18, a `bool` since.
    pub enabled: Pa,
    /// `tb_event_mask`, 32 bits: which events Xen traces.
    pub mask: Pa,
}

/// Where one pCPU's counters of dropped records are, 64 bits each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LossPlaces {
    /// `per_cpu(lost_records)`: dropped since the last record that could be written.
    pub records: Pa,
    /// `per_cpu(lost_records_first_tsc)`: when the first of them was dropped.
    pub since: Pa,
}

/// Why there is no trace to read, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoTrace {
    /// The hypervisor is not one whose trace is known.
    #[error(
        "{0} has no trace that is known here: name the hypervisor's image as hypervisor.image, Xen's with debug information, any other's with hvtrace in it"
    )]
    Unknown(String),
    /// Xen has none.
    #[error(
        "this Xen was built without trace buffers (no symbol {0}): build it with CONFIG_TRACEBUFFER=y"
    )]
    NotBuilt(&'static str),
    /// Xen has not set its buffers up.
    #[error("Xen was given no trace buffers: boot it with tbuf_size=64")]
    NotAllocated,
    /// A variable could not be read.
    #[error("the hypervisor's {variable} cannot be read: {fault}")]
    Unreadable {
        /// Which one.
        variable: &'static str,
        /// Why not.
        fault: MemoryFault,
    },
    /// EL2's own memory cannot be read.
    #[error("the hypervisor's memory cannot be read: {0}")]
    Blind(String),
}

/// The hypervisor's account of all vCPUs at one halt.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RunTimes {
    /// Every vCPU found, the idle ones last.
    pub vcpus: Vec<RunTime>,
    /// The counter's value at which the hypervisor's nanoseconds began, where it tells.
    pub epoch: Option<u64>,
}

/// The hypervisor's account of one vCPU (Xen: `struct vcpu_runstate_info`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RunTime {
    /// Whose. The idle vCPU of pCPU n is n of guest 0x7fff.
    pub vcpu: Vcpu,
    /// The pCPU it is on or was on last, by the hypervisor's number.
    pub pcpu: Option<Pcpu>,
    /// What it is now.
    pub state: RunState,
    /// Since when, in the hypervisor's nanoseconds.
    pub since: u64,
    /// Nanoseconds spent running, runnable, blocked and offline, up to `since`.
    pub times: [u64; 4],
}

/// The physical place of a variable of the hypervisor, of whatever kind that is; `None` when its image, which lies `slide` from its link
/// addresses, has no such symbol.
///
/// # Errors
/// EL2's address space is not known at this halt, or does not map the variable.
pub fn place_of(
    name: &'static str,
    image: &Image,
    slide: u64,
    machine: &dyn MachineView,
) -> Result<Option<Pa>, NoTrace> {
    let Some(va) = (ImageFacts { image, slide }).symbol(name) else {
        return Ok(None);
    };
    let cores = 0..machine.cores() as u16;
    let cores: Vec<_> = cores.map(|core| machine.registers(Pcpu(core))).collect();
    let space = el2_space(&cores).map_err(NoTrace::Blind)?;
    let place = View::new(machine.memory(), space).translate(va);
    let place = place.map_err(|fault| NoTrace::Unreadable {
        variable: name,
        fault,
    })?;
    Ok(Some(place.pa))
}
