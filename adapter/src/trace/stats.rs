//! Shares, latencies, loads and preemptions of a stretch of a trace, as reports.

mod backend;
mod text;

pub use backend::{Backend, BackendTimes};

use schemars::JsonSchema;
use serde::Serialize;
use trace::stats::{self as counted, Did, Request, stats};
use trace::store::{Owner, Party, State, View};

use super::names::Names;
use super::time;

/// Output of `hvdap trace stats --json`. Times are nanoseconds, moments such since the start of the trace.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(title = "hvdap trace stats")]
pub struct Stats {
    /// Where the stretch begins.
    pub from_ns: u64,
    /// Where it ends.
    pub to_ns: u64,
    /// How much of it counts: without the debugger's halts, where they are cut.
    pub counted_ns: u64,
    /// How long the debugger held the machine in it.
    pub halted_ns: u64,
    /// By VM.
    pub vms: Vec<Row>,
    /// By vCPU.
    pub vcpus: Vec<Row>,
    /// By core.
    pub pcpus: Vec<Core>,
    /// Who took a core from whom, the longest waits first.
    pub preemptions: Vec<Preemption>,
    /// What guests' requests to their backends took, by vCPU that sent some; none where no guest's own trace tells of requests.
    pub backends: Vec<BackendTimes>,
}

/// What a vCPU, or all vCPUs of a VM together, did.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Row {
    /// `DomU`, `DomU/0`.
    pub name: String,
    /// How many vCPUs it is about.
    pub vcpus: usize,
    /// Time in each state.
    pub states: States,
    /// From a wake until it ran.
    pub wake_to_run: Distribution,
    /// From the loss of its core until it ran again.
    pub off_core: Distribution,
    /// How long it kept a core.
    pub runs: Distribution,
    /// How often it ran on another core than before.
    pub migrations: u64,
}

/// Nanoseconds in each state.
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
pub struct States {
    /// On a core.
    pub running: u64,
    /// Wanted a core and had none: steal time.
    pub runnable: u64,
    /// Waited for an event. A core: idle.
    pub blocked: u64,
    /// Paused, shut down or not started.
    pub offline: u64,
    /// In the hypervisor on its behalf, where the trace tells.
    pub hypervisor: u64,
    /// Records were lost.
    pub lost: u64,
    /// Nothing is known.
    pub unknown: u64,
}

/// How durations are distributed, in nanoseconds; percentiles within 1/32.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Distribution {
    /// How many.
    pub count: u64,
    /// All together.
    pub sum_ns: u64,
    /// Half are at most this.
    pub p50_ns: u64,
    /// Nine in ten.
    pub p90_ns: u64,
    /// Ninety-nine in a hundred.
    pub p99_ns: u64,
    /// The longest.
    pub max_ns: u64,
    /// The longest ones, longest first.
    pub worst: Vec<Worst>,
    /// Entry n counts those of at least 2ⁿ ticks and less than 2ⁿ⁺¹; entry 0 also those of none.
    pub histogram: Vec<u64>,
}

/// One that lasted.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Worst {
    /// How long.
    pub duration_ns: u64,
    /// When it was over.
    pub at_ns: u64,
    /// When it was over, in ticks.
    pub at_ticks: u64,
    /// The vCPU.
    pub who: String,
}

/// What a core did.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Core {
    /// Its number.
    pub pcpu: u16,
    /// Time in each state: running is carrying a vCPU, blocked is idle.
    pub states: States,
    /// How often it was given to another vCPU or to idle.
    pub switches: u64,
}

/// One taking a core from another.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Preemption {
    /// Who had to wait.
    pub victim: String,
    /// Who got the core, where known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// How often.
    pub count: u64,
    /// How long the victim waited, in all.
    pub waited_ns: u64,
}

/// Counts, and names what was counted; requests go to `backend`.
#[must_use]
pub fn report(view: View<'_>, names: &Names, request: &Request, backend: Backend) -> Stats {
    let mut found = stats(view, request);
    found
        .vcpus
        .sort_by_key(|one| (one.vcpu.guest, one.vcpu.index));
    found.pcpus.sort_by_key(|core| core.pcpu);
    let reporter = Reporter { view, names };
    let row = |name, vcpus, did: &Did| reporter.row(name, vcpus, did);
    Stats {
        from_ns: reporter.since(request.from),
        to_ns: reporter.since(request.to),
        counted_ns: reporter.ns(found.ticks),
        halted_ns: reporter.ns(found.halted),
        vms: found
            .guests
            .iter()
            .map(|guest| row(names.guest(view, guest.guest), guest.vcpus, &guest.did))
            .collect(),
        vcpus: found
            .vcpus
            .iter()
            .map(|one| row(names.owner(view, Owner::Vcpu(one.vcpu)), 1, &one.did))
            .collect(),
        pcpus: found
            .pcpus
            .iter()
            .map(|core| Core {
                pcpu: core.pcpu.0,
                states: reporter.states(&core.ticks),
                switches: core.switches,
            })
            .collect(),
        preemptions: found
            .preemptions
            .iter()
            .map(|one| reporter.preemption(one))
            .collect(),
        backends: reporter.backends(request, backend),
    }
}

struct Reporter<'a> {
    view: View<'a>,
    names: &'a Names,
}

impl Reporter<'_> {
    fn ns(&self, ticks: u64) -> u64 {
        time::nanoseconds(self.view, ticks)
    }

    fn since(&self, ticks: u64) -> u64 {
        self.ns(ticks.saturating_sub(self.view.first()))
    }

    fn who(&self, lane: Party) -> Option<String> {
        let owner = self.view.owner(lane)?;
        Some(self.names.owner(self.view, owner))
    }

    fn row(&self, name: String, vcpus: usize, did: &Did) -> Row {
        Row {
            name,
            vcpus,
            states: self.states(&did.ticks),
            wake_to_run: self.distribution(&did.wake_to_run),
            off_core: self.distribution(&did.off_core),
            runs: self.distribution(&did.runs),
            migrations: did.migrations,
        }
    }

    fn states(&self, ticks: &[u64; State::COUNT]) -> States {
        let of = |state: State| self.ns(ticks[state as usize]);
        States {
            running: of(State::Running),
            runnable: of(State::Runnable),
            blocked: of(State::Blocked),
            offline: of(State::Offline),
            hypervisor: of(State::Hypervisor),
            lost: of(State::Lost),
            unknown: of(State::Unknown),
        }
    }

    fn distribution(&self, of: &counted::Distribution) -> Distribution {
        let worst = |worst: &counted::Worst| Worst {
            duration_ns: self.ns(worst.ticks),
            at_ns: self.since(worst.time),
            at_ticks: worst.time,
            who: self.who(Party(worst.lane)).unwrap_or_default(),
        };
        Distribution {
            count: of.count,
            sum_ns: self.ns(of.sum),
            p50_ns: self.ns(of.p50),
            p90_ns: self.ns(of.p90),
            p99_ns: self.ns(of.p99),
            max_ns: self.ns(of.max),
            worst: of.worst.iter().map(worst).collect(),
            histogram: of.histogram.clone(),
        }
    }

    fn preemption(&self, one: &counted::Preemption) -> Preemption {
        Preemption {
            victim: self.who(Party(one.victim)).unwrap_or_default(),
            by: self.who(one.by),
            count: one.count,
            waited_ns: self.ns(one.waited),
        }
    }
}
