//! Where an address of a thread leads and why: the walk through both stages, every descriptor decoded.

use machine::space::{Decoded, Step};
use machine::{Regime, SysReg, Va};

use crate::engine::Engine;
use crate::groups::{Group, Thread, execution};
use crate::view::{EngineError, FrameRef, GroupId, ThreadId};

/// HCR_EL2: stage 2 may force write-back, and MemAttr means something else then.
const FWB: u64 = 1 << 46;

/// One address, translated.
#[derive(Clone, Debug)]
pub struct Translation {
    /// The virtual address.
    pub address: Va,
    /// Whose addresses these are.
    pub regime: Option<Regime>,
    /// Every descriptor that was read, in the order a processor reads them.
    pub steps: Vec<Described>,
    /// Where it led, or why it leads nowhere.
    pub outcome: Result<machine::Translation, String>,
}

/// A descriptor and what it says.
#[derive(Clone, Debug)]
pub struct Described {
    /// The descriptor.
    pub step: Step,
    /// What it says.
    pub decoded: Decoded,
    /// Why the walk ends here without an address.
    pub failed: Option<String>,
}

impl Engine {
    /// Translates an address of a thread, on a core or not, by the tables it uses: `0x…` or a C expression, worked out in its
    /// innermost frame.
    ///
    /// # Errors
    /// The target runs, there is no such thread, its registers are not known, or `address` is no number.
    pub fn translate(
        &mut self,
        thread: ThreadId,
        address: &str,
    ) -> Result<Translation, EngineError> {
        let group = self.owner_of(thread)?.0.id;
        let va = self.address_of(group, thread, address)?;
        let halt = Self::halt_of(&self.state)?;
        let (group, found) = self.owner_of(thread)?;
        let (registers, space) = execution(halt, group, found).map_err(EngineError::target)?;
        let forced = registers
            .sys(SysReg::HcrEl2)
            .is_some_and(|hcr| hcr & FWB != 0);
        let walk = space.walk(halt, va);
        let fault = walk.outcome.err().map(|fault| fault.to_string());
        let last = walk.steps.len().saturating_sub(1);
        let describe = |(index, step): (usize, Step)| Described {
            decoded: space.decode(&step, forced),
            failed: fault.clone().filter(|_| index == last),
            step,
        };
        Ok(Translation {
            address: va,
            regime: space.stage1.map(|stage1| stage1.regime),
            steps: walk.steps.into_iter().enumerate().map(describe).collect(),
            outcome: walk.outcome.map_err(|fault| fault.to_string()),
        })
    }

    fn owner_of(&self, thread: ThreadId) -> Result<(&Group, &Thread), EngineError> {
        self.groups
            .thread(thread)
            .ok_or_else(|| EngineError::user(format!("there is no thread {}", thread.0)))
    }

    /// A number needs no frame, so it works where there is none.
    fn address_of(
        &mut self,
        group: GroupId,
        thread: ThreadId,
        text: &str,
    ) -> Result<Va, EngineError> {
        let text = text.trim();
        let digits = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X"));
        if let Some(Ok(number)) = digits.map(|digits| u64::from_str_radix(digits, 16)) {
            return Ok(Va(number));
        }
        let innermost = FrameRef { thread, index: 0 };
        self.evaluate_number(group, Some(innermost), text).map(Va)
    }
}
