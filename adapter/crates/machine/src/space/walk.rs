//! A walk told step by step, for whoever asks why an address leads where it does.

use super::{AddressSpace, Translation};
pub use crate::arch::aarch64::paging::DescriptorKind;
use crate::{Ipa, MemoryFault, Pa, PhysicalMemory, Va};

/// One descriptor that was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// 1 or 2. The stage-2 steps before a stage-1 step found that step's table.
    pub stage: u8,
    /// Table level, -1 to 3.
    pub level: i8,
    /// The address being translated: a VA at stage 1, an IPA at stage 2.
    pub input: u64,
    /// Where the descriptor lies for the guest (stage 1 under a stage 2).
    pub entry_ipa: Option<Ipa>,
    /// Where the descriptor lies.
    pub entry: Pa,
    /// The descriptor.
    pub descriptor: u64,
    /// What it is.
    pub kind: DescriptorKind,
}

/// Every descriptor of both stages for one address, and the outcome.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Walk {
    /// The address asked for.
    pub va: Va,
    /// In the order they were read.
    pub steps: Vec<Step>,
    /// Where it led.
    pub outcome: Result<Translation, MemoryFault>,
}

impl AddressSpace {
    /// Translates one address and explains how.
    #[must_use]
    pub fn walk(&self, memory: &dyn PhysicalMemory, va: Va) -> Walk {
        let mut steps = Vec::new();
        let outcome = self
            .resolve(memory, va, &mut |step| steps.push(step))
            .map_err(|gap| gap.fault);
        Walk { va, steps, outcome }
    }
}
