//! A walk told step by step, for whoever asks why an address leads where it does.

use super::{AddressSpace, Translation};
use crate::arch::aarch64::descriptor::{self, Field, FirstStage};
pub use crate::arch::aarch64::paging::DescriptorKind;
use crate::arch::aarch64::paging::Tables;
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

/// What a descriptor says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Decoded {
    /// The next table, or the first byte of the block or page: an output address of the step's stage. `None` when it is invalid.
    pub output: Option<u64>,
    /// Its other fields.
    pub fields: Vec<Field>,
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

    /// What the descriptor of a step says; nothing for a step that is not of this address space.
    /// `forced_write_back` is HCR_EL2.FWB, which changes what MemAttr of stage 2 means.
    #[must_use]
    pub fn decode(&self, step: &Step, forced_write_back: bool) -> Decoded {
        let Step {
            level, descriptor, ..
        } = *step;
        let decoded = |tables: &Tables, fields| Decoded {
            output: tables.output(level, descriptor),
            fields,
        };
        match (step.stage, &self.stage1, &self.stage2) {
            (1, Some(stage1), _) => {
                let Ok((range, _)) = stage1.range_of(step.input) else {
                    return Decoded::default();
                };
                let regime = FirstStage {
                    has_el0: stage1.has_upper(),
                    flat_permissions: range.flat_permissions,
                    mair: stage1.mair,
                };
                let fields = descriptor::stage1(&range.tables, level, descriptor, regime);
                decoded(&range.tables, fields)
            }
            (2, _, Some(stage2)) => {
                let Ok(tables) = stage2.tables() else {
                    return Decoded::default();
                };
                let fields = descriptor::stage2(&tables, level, descriptor, forced_write_back);
                decoded(&tables, fields)
            }
            _ => Decoded::default(),
        }
    }
}
