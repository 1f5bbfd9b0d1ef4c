//! Guests' own traces (`trace.dat`) joined with the hypervisor's: tasks beside vCPUs, on one clock.

use std::collections::{BTreeMap, HashMap};

use machine::{GuestId, Pcpu, Vcpu};
use serde::{Deserialize, Serialize};
use trace::clock::{Fit, Frequency, Moments, align};
use trace::event::{Event, RunState, What};
use trace::format::ftrace::{self, CpuEvents, GuestWhat};
use trace::format::xen::file::{File, PcpuEvents};
use trace::merge::{Stream, merge};

use super::source::Source;

/// A guest's own trace, as asked for.
pub struct Guest {
    /// Whose.
    pub number: GuestId,
    /// The `trace.dat` file.
    pub source: Source,
    /// The counter's, without which the clocks cannot be compared.
    pub frequency: Frequency,
}

/// How well a guest's trace was put on the machine's clock.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct JoinedAbout {
    /// The hypervisor's number for the guest.
    pub guest: u32,
    /// Moments that both traces know.
    pub pairs: usize,
    /// The root of the mean square of their distances, in ticks.
    pub residual_rms: f64,
    /// The largest of them.
    pub residual_max: f64,
}

/// A guest's trace with its clock.
pub(super) struct Joined<'a> {
    pub(super) guest: GuestId,
    pub(super) file: &'a ftrace::File<'a>,
    pub(super) about: JoinedAbout,
    fit: Fit,
}

/// Reads the descriptions of the guests' files.
pub(super) fn read(guests: &[Guest]) -> Result<Vec<ftrace::File<'_>>, String> {
    guests.iter().map(description).collect()
}

fn description(guest: &Guest) -> Result<ftrace::File<'_>, String> {
    let file = ftrace::File::read((*guest.source.bytes).as_ref());
    file.map_err(|error| format!("{}: {error}", guest.source.path.display()))
}

/// Finds each guest's clock.
pub(super) fn match_clocks<'a>(
    machine: &File<'_>,
    guests: &[Guest],
    files: &'a [ftrace::File<'a>],
) -> Result<Vec<Joined<'a>>, String> {
    if guests.is_empty() {
        return Ok(Vec::new());
    }
    let mut moments: BTreeMap<Vcpu, Moments> = BTreeMap::new();
    for (guest, file) in guests.iter().zip(files) {
        for index in file.cpus() {
            let guest = guest.number;
            moments.entry(Vcpu { guest, index }).or_default().guest = left_idle(file.events(index));
        }
    }
    got_a_core(machine, &mut moments);
    let one = |(guest, file): (&Guest, &'a ftrace::File<'a>)| {
        let of_guest = moments
            .iter()
            .filter(|(vcpu, _)| vcpu.guest == guest.number);
        let of_guest: Vec<Moments> = of_guest.map(|(_, moments)| moments.clone()).collect();
        let fit = align(&of_guest, guest.frequency).ok_or_else(|| {
            let shown = guest.source.path.display();
            let number = guest.number.0;
            format!(
                "the clock of {shown} cannot be matched with that of guest {number} here: both must have been recorded at the \
                 same time, with sched_switch in the guest, and the guest must have been idle at times; and --hz must be right"
            )
        })?;
        let about = JoinedAbout {
            guest: guest.number.0,
            pairs: fit.used,
            residual_rms: fit.residual_rms,
            residual_max: fit.residual_max,
        };
        let guest = guest.number;
        Ok(Joined {
            guest,
            file,
            about,
            fit,
        })
    };
    guests.iter().zip(files).map(one).collect()
}

/// When a CPU left its idle task.
fn left_idle(events: CpuEvents<'_>) -> Vec<u64> {
    let left = |event: &ftrace::GuestEvent| matches!(event.what, GuestWhat::Switch { from: 0, .. });
    events.filter(left).map(|event| event.nanoseconds).collect()
}

/// When these vCPUs got a core after they had been blocked.
fn got_a_core(file: &File<'_>, moments: &mut BTreeMap<Vcpu, Moments>) {
    let mut blocked: HashMap<Vcpu, bool> = HashMap::new();
    for event in file.merged() {
        let What::RunState { vcpu, from, to } = event.what else {
            continue;
        };
        let Some(moments) = moments.get_mut(&vcpu) else {
            continue;
        };
        let was_blocked = blocked.entry(vcpu).or_default();
        *was_blocked |= from == RunState::Blocked;
        if to == RunState::Running && std::mem::take(was_blocked) {
            moments.machine.push(event.time);
        }
    }
}

/// The events of all, in order of time; those of guests on the core that their vCPU was on.
pub(super) fn events<'a>(
    machine: &'a File<'a>,
    joined: &'a [Joined<'a>],
) -> impl Iterator<Item = Event> + use<'a> {
    let cores = machine
        .pcpus()
        .map(|pcpu| Part::Machine(machine.stream(pcpu)));
    let guests = joined.iter().flat_map(|one| {
        let cpus = one.file.cpus();
        cpus.map(move |cpu| Part::Guest(one, one.file.events(cpu)))
    });
    let mut on: HashMap<Vcpu, Pcpu> = HashMap::new();
    merge(cores.chain(guests)).map(move |mut event| {
        match event.what {
            What::RunState {
                vcpu,
                to: RunState::Running,
                ..
            } => {
                on.insert(vcpu, event.pcpu);
            }
            _ if event.pcpu == NOT_KNOWN => {
                let pcpu = event.vcpu().and_then(|vcpu| on.get(&vcpu));
                event.pcpu = pcpu.copied().unwrap_or(Pcpu(0));
            }
            _ => {}
        }
        event
    })
}

/// What a guest knows of its core.
const NOT_KNOWN: Pcpu = Pcpu(u16::MAX);

/// A pCPU's records, or those of a guest's CPU.
enum Part<'a> {
    Machine(PcpuEvents<'a>),
    Guest(&'a Joined<'a>, CpuEvents<'a>),
}

impl Stream for Part<'_> {
    fn read(&mut self, block: &mut Vec<Event>, most: usize) {
        match self {
            Self::Machine(stream) => stream.read(block, most),
            Self::Guest(joined, events) => {
                let place = |event: ftrace::GuestEvent| {
                    event.placed(joined.guest, NOT_KNOWN, |nanoseconds| {
                        joined.fit.ticks(nanoseconds)
                    })
                };
                // Losses of the guest's buffers are none of a core's.
                let is_said = |event: &Event| {
                    !matches!(event.what, What::Lost { .. } | What::Unreadable { .. })
                };
                block.extend(events.map(place).filter(is_said).take(most));
            }
        }
    }
}
