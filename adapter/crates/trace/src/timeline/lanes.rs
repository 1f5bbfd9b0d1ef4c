//! Which lane belongs to whom, and what the last records said that the next will need.

use machine::{GuestId, Vcpu};

use super::table::Table;
use super::{At, Timeline};
use crate::event::{IDLE, RunState};
use crate::store::{MOST_LANES, Owner, Party};

/// Cores have lanes of their own up to here; vCPUs and tasks share the rest.
const MOST_CORES: usize = 4096;
const MOST_OTHERS: usize = MOST_LANES - MOST_CORES - 2;

/// The lanes of vCPUs and tasks.
#[derive(Debug, Default)]
pub(super) struct Lanes {
    vcpus: Table,
    tasks: Table,
    /// Of vCPUs alone.
    pub(super) of_vcpus: Vec<u16>,
    /// Of vCPUs and tasks.
    count: usize,
    cores: usize,
    others: Option<u16>,
    /// By lane.
    hints: Vec<Hint>,
}

/// What was said of a vCPU since its last change of state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Hint {
    /// Where it is about to go of its own will, or because it was told.
    pub(super) to: Option<RunState>,
    /// Its state was guessed from a switch, and the next record may know better.
    pub(super) guessed: bool,
}

impl Hint {
    /// One more than there are states.
    pub(super) const NUMBERS: usize = 5;

    /// The number of the state it is about to go to, or the last.
    #[inline]
    pub(super) fn number(self) -> usize {
        self.to.map_or(Self::NUMBERS - 1, |state| state as usize)
    }
}

impl Lanes {
    /// The lane of a vCPU that has one of its own already.
    #[inline]
    pub(super) fn known(&self, vcpu: Vcpu) -> Option<u16> {
        self.vcpus.get(key(vcpu))
    }
}

fn key(vcpu: Vcpu) -> u64 {
    u64::from(vcpu.guest.0) << 32 | u64::from(vcpu.index)
}

impl Timeline {
    /// The lane of a vCPU, made when it is first seen; the others' when there are too many. `None` for an idle vCPU.
    #[inline]
    pub(super) fn vcpu_lane(&mut self, vcpu: Vcpu) -> Option<u16> {
        if vcpu.guest == IDLE {
            return None;
        }
        let key = key(vcpu);
        match self.lanes.vcpus.get(key) {
            Some(lane) => Some(lane),
            None => self.new_vcpu(vcpu, key),
        }
    }

    #[cold]
    fn new_vcpu(&mut self, vcpu: Vcpu, key: u64) -> Option<u16> {
        if self.lanes.count >= MOST_OTHERS || !self.lanes.vcpus.has_room(key) {
            return self.others();
        }
        let lane = self.new_lane(Owner::Vcpu(vcpu))?;
        self.lanes.vcpus.insert(key, lane);
        self.lanes.of_vcpus.push(lane);
        Some(lane)
    }

    /// The lane of a task, likewise.
    pub(super) fn task_lane(&mut self, guest: GuestId, task: u32) -> Option<u16> {
        let key = u64::from(guest.0) << 32 | u64::from(task);
        if let Some(lane) = self.lanes.tasks.get(key) {
            return Some(lane);
        }
        if self.lanes.count >= MOST_OTHERS || !self.lanes.tasks.has_room(key) {
            return self.others();
        }
        let lane = self.new_lane(Owner::Task(guest, task))?;
        self.lanes.tasks.insert(key, lane);
        Some(lane)
    }

    fn new_lane(&mut self, owner: Owner) -> Option<u16> {
        self.lanes.count += 1;
        self.writer.add_lane(owner)
    }

    fn others(&mut self) -> Option<u16> {
        self.notices.without_lane += 1;
        if self.lanes.others.is_none() {
            self.lanes.others = self.writer.add_lane(Owner::Others);
        }
        self.lanes.others
    }

    /// Whether this lane stands for many: it has no state of its own.
    #[inline]
    pub(super) fn is_others(&self, lane: u16) -> bool {
        self.lanes.others == Some(lane)
    }

    /// Makes a core known, with a lane if there is room for one.
    #[cold]
    pub(super) fn core(&mut self, pcpu: u16) {
        let wanted = usize::from(pcpu) + 1;
        if self.cores.len() < wanted {
            self.cores.resize_with(wanted, Default::default);
        }
        if self.cores[usize::from(pcpu)].lane == Party::NONE && self.lanes.cores < MOST_CORES {
            self.lanes.cores += 1;
            let lane = self.writer.add_lane(Owner::Pcpu(machine::Pcpu(pcpu)));
            self.cores[usize::from(pcpu)].lane = lane.map_or(Party::NONE, Party);
        }
    }

    /// Notes where a vCPU is about to go.
    pub(super) fn hint(&mut self, vcpu: Vcpu, to: RunState) {
        if let Some(lane) = self.vcpu_lane(vcpu) {
            self.hint_mut(lane).to = Some(to);
        }
    }

    pub(super) fn hint_mut(&mut self, lane: u16) -> &mut Hint {
        let wanted = usize::from(lane) + 1;
        if self.lanes.hints.len() < wanted {
            self.lanes.hints.resize(wanted, Hint::default());
        }
        &mut self.lanes.hints[usize::from(lane)]
    }

    /// Takes the hint of a lane, for the change of state that it foretold.
    #[inline]
    pub(super) fn take_hint(&mut self, lane: u16) -> Hint {
        match self.lanes.hints.get_mut(usize::from(lane)) {
            Some(hint) => std::mem::take(hint),
            None => Hint::default(),
        }
    }

    /// Who wakes, sends or injects at this place and time: the vCPU that its core carries.
    pub(super) fn originator(&self, at: At) -> (Party, Party) {
        (self.cores[usize::from(at.pcpu)].current, Party(at.pcpu))
    }
}
