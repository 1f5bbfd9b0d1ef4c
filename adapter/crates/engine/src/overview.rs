//! What a view of the whole machine shows: where every thread is, from its registers alone, without a stack. Cheap enough to be asked at
//! each halt of a machine with hundreds of vCPUs, and kept while the machine runs.

use std::collections::HashMap;

use awareness::OnCore;
use machine::{El, Pcpu, Va, Vcpu};
use symbols::LinkVa;

use crate::engine::{Engine, State};
use crate::groups::{Group, Groups, Thread, Who, registers};
use crate::halt::Halt;
use crate::view::{BreakpointView, GroupId, GroupView, ThreadId, ThreadView};

/// Everything known of the machine, without asking it more than a halt's survey did.
#[derive(Clone, Debug)]
pub struct Overview {
    /// The machine is halted; else all this is as of the last halt.
    pub halted: bool,
    /// Every group, the hypervisor's first.
    pub groups: Vec<GroupView>,
    /// Every thread, by group.
    pub threads: Vec<(ThreadView, Whereabouts)>,
    /// Every breakpoint, with the groups in which it is installed.
    pub breakpoints: Vec<(BreakpointView, Vec<GroupId>)>,
}

/// Where a thread is. What is not known is `None`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Whereabouts {
    /// Its exception level.
    pub el: Option<El>,
    /// The instruction it is at.
    pub pc: Option<Va>,
    /// The symbol that is in.
    pub symbol: Option<String>,
    /// Of a core: whom it works for.
    pub carries: Option<Carried>,
    /// Of a vCPU: nanoseconds it has been in its state, by the hypervisor's account.
    pub in_state: Option<u64>,
}

/// Whom a core works for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Carried {
    /// A vCPU; in EL2 the core executes the hypervisor on its behalf.
    Vcpu(ThreadId),
    /// Nobody: the hypervisor's idle loop.
    Idle,
    /// Cannot be told.
    Unknown,
}

impl Engine {
    /// The machine at a glance. While it runs: as it was found at the last halt.
    pub fn overview(&mut self) -> Overview {
        if let (State::Halted(halt), true) = (&self.state, self.whereabouts.is_empty()) {
            self.whereabouts = locate(halt, &self.groups, &self.times_in_state());
        }
        let known = |thread: &ThreadView| self.whereabouts.get(&thread.id).cloned();
        Overview {
            halted: self.is_halted(),
            groups: self.groups(),
            threads: self
                .threads(None)
                .into_iter()
                .map(|thread| (thread.clone(), known(&thread).unwrap_or_default()))
                .collect(),
            breakpoints: self.breakpoints.placed_views(&self.groups),
        }
    }

    /// Nanoseconds that each vCPU has been in its state, up to the hypervisor's newest time; empty where it keeps no account.
    fn times_in_state(&self) -> HashMap<Vcpu, u64> {
        let Ok(accounts) = self.accounts() else {
            return HashMap::new();
        };
        let now = accounts.now();
        let known = accounts.vcpus.iter();
        known
            .map(|(_, account)| (account.vcpu, now.saturating_sub(account.since)))
            .collect()
    }
}

fn locate(
    halt: &Halt,
    groups: &Groups,
    times: &HashMap<Vcpu, u64>,
) -> HashMap<ThreadId, Whereabouts> {
    let all = groups
        .iter()
        .flat_map(|group| group.threads.iter().map(move |thread| (group, thread)));
    all.map(|(group, thread)| (thread.id, locate_one(halt, groups, group, thread, times)))
        .collect()
}

fn locate_one(
    halt: &Halt,
    groups: &Groups,
    group: &Group,
    thread: &Thread,
    times: &HashMap<Vcpu, u64>,
) -> Whereabouts {
    let registers = registers(halt, thread).unwrap_or_default();
    let (el, pc) = (registers.el(), registers.pc.map(Va));
    let (carries, in_state, owner) = match thread.who {
        Who::Vcpu(vcpu) => (None, times.get(&vcpu).copied(), Some(group)),
        // Below EL2 the core is at an address of the guest.
        Who::Pcpu(core) if matches!(el, Some(El::El0 | El::El1)) => {
            let guest = groups.on_core(core).map(|(guest, _)| guest);
            (Some(carried(groups, core)), None, guest)
        }
        Who::Pcpu(core) => (Some(carried(groups, core)), None, Some(group)),
    };
    Whereabouts {
        el,
        pc,
        symbol: owner.zip(pc).and_then(|(owner, pc)| symbol(owner, pc)),
        carries,
        in_state,
    }
}

fn carried(groups: &Groups, core: Pcpu) -> Carried {
    match (groups.on_core(core), groups.carried_by(core)) {
        (Some((_, thread)), _) => Carried::Vcpu(thread.id),
        (None, OnCore::Idle) => Carried::Idle,
        (None, OnCore::Vcpu(_) | OnCore::Unknown) => Carried::Unknown,
    }
}

/// The symbol alone: which function is inlined there is not looked up.
fn symbol(group: &Group, at: Va) -> Option<String> {
    let placed = group.image_at(at)?;
    let found = placed.image.symbol_at(LinkVa::of(at, placed.slide()))?;
    Some(found.0.name.to_owned())
}
