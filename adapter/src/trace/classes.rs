//! How many records of which kind a trace has.

use std::collections::BTreeMap;

use trace::event::{Event, What};

/// Counts of records, by number of kind.
#[derive(Clone, Debug)]
pub struct Classes {
    kinds: [u64; KINDS.len()],
    /// Records of no kind that is understood, by the class bit of Xen's event numbers (bits 16 to 27), the last without.
    others: [u64; XEN.len()],
}

/// The kinds, as people read them.
const KINDS: [&str; 20] = [
    "run state changes",
    "continue running",
    "switches",
    "run and wait times of switches",
    "wakes",
    "sleep, yield and block",
    "credit and budget",
    "migrations",
    "deadlines missed",
    "exits and entries of guests",
    "hypercalls",
    "injected interrupts",
    "task switches and wakes",
    "guests' interrupts",
    "system calls",
    "requests to backends",
    "guests added and removed",
    "frequency changes",
    "halts and marks",
    "losses",
];

/// Xen's classes (`public/trace.h`, `TRC_CLS_SHIFT`), by bit of the event number.
const XEN: [&str; 13] = [
    "general",
    "scheduler",
    "Dom0 operations",
    "HVM",
    "memory",
    "PV",
    "shadow paging",
    "hardware",
    "class 8",
    "class 9",
    "class 10",
    "guest",
    "no class",
];

impl Default for Classes {
    fn default() -> Self {
        Self {
            kinds: [0; KINDS.len()],
            others: [0; XEN.len()],
        }
    }
}

impl Classes {
    /// Counts an event.
    #[inline]
    pub fn count(&mut self, event: &Event) {
        let kind = match event.what {
            What::RunState { .. } => 0,
            What::Continue { .. } => 1,
            What::Switch { .. } => 2,
            What::Ran { .. } | What::Waited { .. } => 3,
            What::Wake { .. } => 4,
            What::Sleep { .. } | What::Yield { .. } | What::Block { .. } => 5,
            What::Credit { .. } => 6,
            What::Migrate { .. } => 7,
            What::DeadlineMissed { .. } => 8,
            What::Exit { .. } | What::Enter { .. } => 9,
            What::Hypercall { .. } => 10,
            What::Inject { .. } => 11,
            What::Task { .. } | What::TaskWake { .. } => 12,
            What::GuestInterrupt { .. } => 13,
            What::SystemCall { .. } => 14,
            What::Request { .. } => 15,
            What::GuestAdded(_) | What::GuestRemoved(_) => 16,
            What::Frequency { .. } => 17,
            What::Halted | What::Resumed | What::Mark { .. } => 18,
            What::Lost { .. } => 19,
            What::Unreadable { .. } => return,
            What::Other { id } => return self.other(id),
        };
        self.kinds[kind] += 1;
    }

    fn other(&mut self, id: u32) {
        let class = (id >> 16 & 0xfff).checked_ilog2();
        let class = class.map_or(XEN.len() - 1, |bit| bit as usize);
        self.others[class] += 1;
    }

    /// The kinds that occur, in a fixed order, with their counts; what is not understood by Xen's class.
    #[must_use]
    pub fn found(&self) -> BTreeMap<String, u64> {
        let known = KINDS.iter().map(|kind| (*kind).to_owned()).zip(self.kinds);
        let others = XEN
            .iter()
            .map(|class| format!("others: {class}"))
            .zip(self.others);
        known
            .chain(others)
            .filter(|(_, count)| *count > 0)
            .collect()
    }
}
