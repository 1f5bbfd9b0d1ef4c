//! What a stretch of time comes to: shares of states, latencies, runs, migrations, loads, and who preempted whom.
//!
//! Everything is counted from the spans themselves, none of it from summaries. Times are in ticks. Where halts are cut, the
//! ticks during which the debugger held the machine count for nothing, in shares as in latencies.

mod distribution;
mod halts;
mod vcpu;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap};

use machine::{GuestId, Pcpu, Vcpu};

use crate::store::{LaneView, Owner, Party, State, View};
use distribution::Gather;
pub use distribution::{Distribution, Worst};
pub use halts::Halts;

/// What to count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Request {
    /// The first tick.
    pub from: u64,
    /// The first tick beyond.
    pub to: u64,
    /// Leave out the time during which the debugger held the machine.
    pub cut_halts: bool,
    /// How many of the worst latencies and the most frequent preemptions are wanted.
    pub top: usize,
}

/// The answer.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Stats {
    /// How long the window was, without the halts where they are cut.
    pub ticks: u64,
    /// How long the debugger held the machine in it.
    pub halted: u64,
    /// By vCPU, in the order of their lanes.
    pub vcpus: Vec<VcpuStats>,
    /// By guest, in the order of their ids.
    pub guests: Vec<GuestStats>,
    /// By core, in the order of their lanes.
    pub pcpus: Vec<PcpuStats>,
    /// Who preempted whom, the longest waits first.
    pub preemptions: Vec<Preemption>,
}

/// What a vCPU did.
#[derive(Clone, Debug, PartialEq)]
pub struct VcpuStats {
    /// Its lane.
    pub lane: u16,
    /// Which.
    pub vcpu: Vcpu,
    /// What it did and how.
    pub did: Did,
}

/// What the vCPUs of a guest did, together.
#[derive(Clone, Debug, PartialEq)]
pub struct GuestStats {
    /// Which.
    pub guest: GuestId,
    /// How many vCPUs were seen.
    pub vcpus: usize,
    /// What they did and how.
    pub did: Did,
}

/// Ticks by state and distributions.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Did {
    /// Ticks spent in each [`State`]; runnable is what the guest sees as steal.
    pub ticks: [u64; State::COUNT],
    /// From a wake until it ran.
    pub wake_to_run: Distribution,
    /// From the loss of its core, taken or yielded, until it ran again.
    pub off_core: Distribution,
    /// How long it kept a core.
    pub runs: Distribution,
    /// How often it ran on another core than before.
    pub migrations: u64,
}

/// What a core did.
#[derive(Clone, Debug, PartialEq)]
pub struct PcpuStats {
    /// Its lane.
    pub lane: u16,
    /// Which.
    pub pcpu: Pcpu,
    /// Ticks spent in each [`State`]: running is carrying a vCPU, blocked is idle.
    pub ticks: [u64; State::COUNT],
    /// How often it was given to another vCPU or to idle.
    pub switches: u64,
}

/// One taking its core from another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Preemption {
    /// The lane of the one that had to wait.
    pub victim: u16,
    /// The lane of the one that got the core, if known.
    pub by: Party,
    /// How often.
    pub count: u64,
    /// How long the victim waited, in all.
    pub waited: u64,
}

/// A vCPU's numbers in the making.
#[derive(Default)]
struct Tally {
    ticks: [u64; State::COUNT],
    wake_to_run: Gather,
    off_core: Gather,
    runs: Gather,
    migrations: u64,
}

/// By victim and culprit: how often, and how long the victim waited.
type Preemptions = HashMap<(u16, Party), (u64, u64)>;

/// Counts.
pub fn stats(view: View<'_>, request: &Request) -> Stats {
    let all = Halts::of(view);
    let halted = all.within(request.from, request.to);
    let halts = if request.cut_halts {
        all
    } else {
        Halts::default()
    };
    let mut stats = Stats {
        ticks: halts.going(request.from, request.to),
        halted,
        ..Stats::default()
    };
    let (mut guests, mut preemptions) = (BTreeMap::new(), Preemptions::new());
    for (lane, owner) in (0..).zip(view.owners()) {
        match owner {
            Owner::Pcpu(pcpu) => {
                let (ticks, switches) = core(&view.lane(lane), request, &halts);
                let pcpu = *pcpu;
                stats.pcpus.push(PcpuStats {
                    lane,
                    pcpu,
                    ticks,
                    switches,
                });
            }
            Owner::Vcpu(vcpu) => {
                let tally = vcpu::tally(view, lane, request, &halts, &mut preemptions);
                let guest: &mut (usize, Tally) = guests.entry(vcpu.guest).or_default();
                guest.0 += 1;
                guest.1.add(&tally);
                let (vcpu, did) = (*vcpu, tally.did(request.top));
                stats.vcpus.push(VcpuStats { lane, vcpu, did });
            }
            _ => {}
        }
    }
    let of_guest = |(guest, (vcpus, tally)): (GuestId, (usize, Tally))| GuestStats {
        guest,
        vcpus,
        did: tally.did(request.top),
    };
    stats.guests = guests.into_iter().map(of_guest).collect();
    stats.preemptions = ranked(preemptions, request.top);
    stats
}

fn core(lane: &LaneView<'_>, request: &Request, halts: &Halts) -> ([u64; State::COUNT], u64) {
    let (mut ticks, mut switches) = ([0_u64; State::COUNT], 0);
    let mut carried = None;
    for interval in lane.overlapping(request.from, request.to) {
        let sum = &mut ticks[interval.state() as usize];
        *sum = sum.saturating_add(request.ticks(halts, interval.start(), interval.end));
        let carries = (interval.span.party(), interval.state().is_gap());
        if interval.start() >= request.from && carried.is_some_and(|before| before != carries) {
            switches += 1;
        }
        carried = Some(carries);
    }
    (ticks, switches)
}

fn ranked(preemptions: Preemptions, top: usize) -> Vec<Preemption> {
    let mut all: Vec<_> = preemptions
        .into_iter()
        .map(|((victim, by), (count, waited))| Preemption {
            victim,
            by,
            count,
            waited,
        })
        .collect();
    all.sort_by_key(|one| (u64::MAX - one.waited, one.victim, one.by));
    all.truncate(top);
    all
}

impl Request {
    /// How much of `[start, end)` counts.
    fn ticks(&self, halts: &Halts, start: u64, end: u64) -> u64 {
        halts.going(start.max(self.from), end.min(self.to))
    }
}

impl Tally {
    fn add(&mut self, other: &Self) {
        for (sum, more) in self.ticks.iter_mut().zip(other.ticks) {
            *sum = sum.saturating_add(more);
        }
        self.wake_to_run.merge(&other.wake_to_run);
        self.off_core.merge(&other.off_core);
        self.runs.merge(&other.runs);
        self.migrations += other.migrations;
    }

    fn did(&self, top: usize) -> Did {
        Did {
            ticks: self.ticks,
            wake_to_run: self.wake_to_run.distribution(top),
            off_core: self.off_core.distribution(top),
            runs: self.runs.distribution(top),
            migrations: self.migrations,
        }
    }
}
