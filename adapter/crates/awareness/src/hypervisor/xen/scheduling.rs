//! Xen's own records of scheduling: its trace buffers (`common/trace.c`) and every vCPU's `runstate`.

use machine::space::View;
use machine::{GuestId, MemoryFault, Pa, Pcpu, Va, Vcpu, VirtualMemory};

use super::layout::{Layout, TraceSymbols};
use super::{run_state, walk};
use crate::hypervisor::scheduling::{LossPlaces, NoTrace, RunTime, RunTimes, TracePlaces};
use crate::mirror::Record;

/// The domain of the idle vCPUs, `DOMID_IDLE`.
const IDLE: GuestId = GuestId(0x7fff);

/// Most pCPUs that Xen on Arm can be built for (`NR_CPUS`).
const MOST_PCPUS: u32 = 4096;

/// Finds the trace buffers and their switches.
pub(super) fn trace(
    layout: &Layout,
    memory: &View<'_>,
    cores: usize,
) -> Result<TracePlaces, NoTrace> {
    let symbols = layout
        .trace
        .as_ref()
        .map_err(|name| NoTrace::NotBuilt(name))?;
    let number = |variable, at| {
        let outcome = memory.read_u32(at);
        outcome.map_err(|fault| NoTrace::Unreadable { variable, fault })
    };
    let t_info = memory.read_u64(symbols.t_info);
    let t_info = t_info.map_err(unreadable("t_info"))?;
    let data_size = number("data_size", symbols.data_size)?;
    if t_info == 0 || data_size == 0 {
        return Err(NoTrace::NotAllocated);
    }
    let pcpus = match layout.nr_cpu_ids {
        Some(at) => number("nr_cpu_ids", at)?.min(MOST_PCPUS),
        None => cores as u32,
    };
    Ok(TracePlaces {
        t_info: physical(memory, Va(t_info)).map_err(unreadable("t_info"))?,
        t_info_pages: number("t_info_pages", symbols.t_info_pages)?,
        data_size,
        pcpus,
        loss: loss(layout, symbols, memory, pcpus).map_err(unreadable("lost_records"))?,
        enabled: physical(memory, symbols.tb_init_done).map_err(unreadable("tb_init_done"))?,
        mask: physical(memory, symbols.tb_event_mask).map_err(unreadable("tb_event_mask"))?,
    })
}

fn unreadable(variable: &'static str) -> impl Fn(MemoryFault) -> NoTrace {
    move |fault| NoTrace::Unreadable { variable, fault }
}

fn physical(memory: &View<'_>, va: Va) -> Result<Pa, MemoryFault> {
    memory.translate(va).map(|translation| translation.pa)
}

/// The counters of each pCPU that is up; the offset of one that never was leads nowhere, and so ends the list.
fn loss(
    layout: &Layout,
    symbols: &TraceSymbols,
    memory: &View<'_>,
    pcpus: u32,
) -> Result<Vec<LossPlaces>, MemoryFault> {
    let (Some(records), Some(since)) = (symbols.lost_records, symbols.lost_records_first_tsc)
    else {
        return Ok(Vec::new());
    };
    let mut found = Vec::new();
    for pcpu in 0..u64::from(pcpus) {
        let offset = memory.read_u64(layout.per_cpu_offset.offset(8 * pcpu))?;
        let place = |variable: Va| physical(memory, Va(variable.0.wrapping_add(offset)));
        match (place(records), place(since)) {
            (Ok(records), Ok(since)) => found.push(LossPlaces { records, since }),
            _ => break,
        }
    }
    Ok(found)
}

/// Reads `runstate` of every vCPU, of the idle ones too.
pub(super) fn run_times(layout: &Layout, memory: &View<'_>, cores: usize) -> RunTimes {
    let domains = walk::domains(layout, memory, &mut Vec::new());
    let of_guests = domains.iter().flat_map(|domain| {
        let vcpus = domain.vcpus.iter();
        vcpus.filter_map(|vcpu| run_time(layout, vcpu.id(domain), &vcpu.record))
    });
    let idle = (0..cores).filter_map(|number| {
        let vcpu = Vcpu {
            guest: IDLE,
            index: number as u32,
        };
        run_time(layout, vcpu, &walk::idle(layout, memory, number)?)
    });
    let epoch = layout.boot_count.and_then(|at| memory.read_u64(at).ok());
    RunTimes {
        vcpus: of_guests.chain(idle).collect(),
        epoch,
    }
}

fn run_time(layout: &Layout, vcpu: Vcpu, record: &Record) -> Option<RunTime> {
    let fields = &layout.vcpu;
    let mut times = [0; 4];
    for (index, time) in times.iter_mut().enumerate() {
        *time = record.get(fields.time?.element(index as u64, 4))?;
    }
    Some(RunTime {
        vcpu,
        pcpu: record
            .get_known(fields.processor)
            .map(|number| Pcpu(number as u16)),
        state: run_state(record.get_known(fields.state)),
        since: record.get_known(fields.state_entry_time)?,
        times,
    })
}
