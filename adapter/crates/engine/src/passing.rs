//! Getting a core past a trap nobody wants: its instruction is worked out here where that is possible, since a step of one
//! core costs the target as much as a halt.

use std::collections::BTreeMap;

use machine::arch::aarch64::simulate::{Effect, operands, simulate};
use machine::target::{Fetched, RunControl};
use machine::{Pcpu, Register, TargetError, Va};

use crate::halt::{Glance, Halt};

/// What was learned about the instructions under traps.
#[derive(Default)]
pub(crate) struct Passing {
    seen: BTreeMap<Va, Seen>,
    /// Where a core was taken past a trap this way, the last time: the next stop is likely to be there again.
    last: Option<Va>,
    /// What was read of the instruction together with the glance at this stop.
    foreseen: Option<(Pcpu, Va, Fetched)>,
}

/// The instructions seen at one address. VMs may differ, and code may be patched: each time it is fetched anew.
#[derive(Default)]
struct Seen {
    /// What the simple ones depend on.
    operands: Vec<Register>,
    simple: bool,
    others: bool,
}

impl Passing {
    /// Looks at a core that stopped at a trap, and at the instruction it is expected to stand at, in one round trip.
    pub(crate) fn glance(&mut self, halt: &Halt, core: Pcpu) -> Result<Glance, TargetError> {
        self.foreseen = None;
        let Some((address, seen)) = self
            .last
            .take()
            .and_then(|at| Some((at, self.seen.get(&at)?)))
        else {
            return halt.glance(core);
        };
        let wanted = [&Glance::REGISTERS, &seen.operands[..]].concat();
        let fetched = match halt.target().run_control() {
            Some(run) => run.fetch(core, address, &wanted)?,
            None => None,
        };
        let known = fetched.and_then(|fetched| Some((Glance::of(&fetched.registers)?, fetched)));
        let Some((glance, mut fetched)) = known else {
            return halt.glance(core);
        };
        if glance.pc == address.0 {
            fetched.registers.drain(..Glance::REGISTERS.len());
            self.foreseen = Some((core, address, fetched));
        }
        Ok(glance)
    }

    /// What the instruction a core stands at does; `None` when the core must execute it itself.
    pub(crate) fn effect(
        &mut self,
        run: &mut dyn RunControl,
        core: Pcpu,
        address: Va,
    ) -> Result<Option<Effect>, TargetError> {
        let seen = self.seen.entry(address).or_default();
        if seen.others && !seen.simple {
            return Ok(None);
        }
        let foreseen = self.foreseen.take();
        let foreseen = foreseen.filter(|(at, of, _)| (*at, *of) == (core, address));
        let fetched = match foreseen {
            Some((_, _, fetched)) => Some(fetched),
            None => run.fetch(core, address, &seen.operands)?,
        };
        let Some(fetched) = fetched else {
            seen.others = true;
            return Ok(None);
        };
        let read = |register| {
            let at = seen.operands.iter().position(|one| *one == register)?;
            *fetched.registers.get(at)?
        };
        let effect = simulate(fetched.word, address.0, &read);
        match effect {
            Some(_) => self.last = Some(address),
            None => seen.learn(fetched.word),
        }
        Ok(effect)
    }

    /// The user has the machine in hand: what was read may not be so any more.
    pub(crate) fn reported(&mut self) {
        self.foreseen = None;
    }

    /// Forgets an address where no trap is any more.
    pub(crate) fn forget(&mut self, address: Va) {
        self.seen.remove(&address);
    }
}

impl Seen {
    /// Next time, what this instruction depends on is asked for at once.
    fn learn(&mut self, word: u32) {
        let Some(operands) = operands(word) else {
            self.others = true;
            return;
        };
        self.simple = true;
        self.operands.extend(operands);
        self.operands.sort_unstable();
        self.operands.dedup();
    }
}
