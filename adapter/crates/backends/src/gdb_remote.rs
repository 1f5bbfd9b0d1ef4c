//! A target behind a gdb remote stub: QEMU's, which alone gives physical memory (`Qqemu.PhyMemMode`).
//!
//! While the target is halted the calling thread talks to the stub itself; only [`watch`](RunControl::watch) lends the
//! read half to a thread. The facts about QEMU's stub below were seen with QEMU 7.2 and 10.0.
//!
//! Start reading at [`connect`], then [`link`]; [`run`] resumes, steps and sets traps.

mod burst;
mod connect;
mod fetch;
mod link;
mod memory;
mod memory_map;
mod run;
mod stream;
mod watch;
mod wire;

use std::collections::BTreeSet;
use std::sync::Arc;

use machine::target::{PhysicalRange, PhysicalRead};
use machine::{
    El, Pcpu, PhysicalMemory, Register, RunControl, SharedMemory, Stop, SysReg, Target,
    TargetError, target::Trap,
};

use crate::mapped::MappedRam;
use crate::rsp::description::{Description, Numbered};
use crate::rsp::hex;
use crate::rsp::stop_reply::ThreadId;
use link::Link;
use memory_map::MemoryMap;

pub use stream::Address;

/// A machine behind a stub.
#[derive(Debug)]
pub struct GdbRemote {
    link: Link,
    threads: Arc<[ThreadId]>,
    /// The thread that `g`, `p` and `P` are about.
    current: Option<Pcpu>,
    description: Description,
    general: Vec<std::ops::Range<usize>>,
    /// Bytes that one `m` gives at most.
    longest_read: usize,
    /// What the monitor says lies where, when it can tell.
    map: Option<MemoryMap>,
    /// RAM as files.
    ram: Option<Arc<MappedRam>>,
    first_stop: Stop,
    armed: Vec<Trap>,
    /// The registers that took a write.
    written: BTreeSet<Register>,
    /// The core the last resume was about.
    resumed: Pcpu,
}

impl Target for GdbRemote {
    fn name(&self) -> &str {
        self.link.name()
    }

    fn cores(&self) -> usize {
        self.threads.len()
    }

    fn registers(
        &mut self,
        core: Pcpu,
        wanted: &[Register],
    ) -> Result<Vec<Option<u64>>, TargetError> {
        let known = self.read_registers(core, &with_banks(wanted))?;
        let value = |register| known.iter().find(|(name, _)| *name == register)?.1;
        let banked = stack_pointer_in_use(value(Register::Pstate));
        Ok(wanted
            .iter()
            .map(|register| match register {
                Register::Sys(reg) if Some(*reg) == banked => value(Register::Sp),
                _ => value(*register),
            })
            .collect())
    }

    fn read_physical(&mut self, pieces: &mut [PhysicalRead<'_>]) -> Result<(), TargetError> {
        self.read_memory(pieces)
    }

    fn ram(&mut self) -> Result<Option<Vec<PhysicalRange>>, TargetError> {
        self.link.halted()?;
        let told = self.map.as_ref().map(|map| map.ram.clone());
        Ok(told.or_else(|| Some(self.ram.as_ref()?.ranges().collect())))
    }

    fn mapped_ram(&self) -> Option<Arc<dyn PhysicalMemory + Send + Sync>> {
        Some(Arc::clone(self.ram.as_ref()?) as Arc<_>)
    }

    fn shared_ram(&self) -> Option<Arc<dyn SharedMemory>> {
        Some(Arc::clone(self.ram.as_ref()?) as Arc<_>)
    }

    fn first_stop(&self) -> Option<Stop> {
        Some(self.first_stop)
    }

    fn run_control(&mut self) -> Option<&mut dyn RunControl> {
        Some(self)
    }
}

/// The stack pointers that are banked by exception level.
const STACK_POINTERS: [SysReg; 3] = [SysReg::SpEl0, SysReg::SpEl1, SysReg::SpEl2];

/// `wanted`, with what is needed to tell which banked stack pointer is in use.
fn with_banks(wanted: &[Register]) -> Vec<Register> {
    let mut all = wanted.to_vec();
    if STACK_POINTERS
        .iter()
        .any(|reg| wanted.contains(&Register::Sys(*reg)))
    {
        all.extend([Register::Sp, Register::Pstate]);
    }
    all.sort_unstable();
    all.dedup();
    all
}

/// The banked stack pointer that `sp` now stands for: PSTATE.SP picks `SP_EL0` or the level's own (Arm ARM D1.6.2).
/// QEMU keeps its value in `sp` alone and gives an old one under the banked name (`aarch64_save_sp` runs only when
/// the level changes).
fn stack_pointer_in_use(pstate: Option<u64>) -> Option<SysReg> {
    let pstate = pstate?;
    match (pstate & 1, El::of_pstate(pstate)) {
        (0, _) => Some(SysReg::SpEl0),
        (_, El::El1) => Some(SysReg::SpEl1),
        (_, El::El2) => Some(SysReg::SpEl2),
        _ => None,
    }
}

/// From so many general registers on, all of them by one `g` are quicker than each by a `p`.
const WORTH_ALL: usize = 4;

impl GdbRemote {
    fn thread(&self, core: Pcpu) -> Option<ThreadId> {
        self.threads.get(usize::from(core.0)).copied()
    }

    /// What makes `core` the thread that registers are read of, when it is not yet.
    fn select(&self, core: Pcpu) -> Result<Option<String>, TargetError> {
        let Some(thread) = self.thread(core) else {
            return Err(self
                .link
                .refused("a register", format!("there is no {core}")));
        };
        Ok((self.current != Some(core)).then(|| format!("Hg{}", thread.text())))
    }

    /// Reads registers, one burst for all.
    fn read_registers(
        &mut self,
        core: Pcpu,
        wanted: &[Register],
    ) -> Result<Vec<(Register, Option<u64>)>, TargetError> {
        let numbered: Vec<(Register, Option<Numbered>)> = wanted
            .iter()
            .map(|register| (*register, self.description.find(*register)))
            .collect();
        let general = |numbered: &Numbered| (numbered.number as usize) < self.general.len();
        let generals = numbered
            .iter()
            .filter_map(|(_, n)| *n)
            .filter(general)
            .count();
        let all = generals >= WORTH_ALL;

        let mut requests: Vec<String> = self.select(core)?.into_iter().collect();
        let selects = requests.len();
        if all {
            requests.push("g".into());
        }
        let single = |numbered: &Numbered| !(all && general(numbered));
        let singles: Vec<Numbered> = numbered
            .iter()
            .filter_map(|(_, n)| *n)
            .filter(single)
            .collect();
        requests.extend(
            singles
                .iter()
                .map(|register| format!("p{:x}", register.number)),
        );
        if requests.len() == selects {
            return Ok(numbered
                .into_iter()
                .map(|(register, _)| (register, None))
                .collect());
        }

        let mut replies = vec![Vec::new(); requests.len()];
        self.link.burst(
            requests.len(),
            &|index, out| out.extend(requests[index].as_bytes()),
            &mut |index, text| replies[index] = text.to_vec(),
        )?;
        if selects > 0 {
            self.current = None;
            if replies[0] != b"OK" {
                let reason = String::from_utf8_lossy(&replies[0]);
                return Err(self.link.refused(&requests[0], reason));
            }
            self.current = Some(core);
        }
        let value = |wanted: &Numbered| {
            if let Some(at) = singles.iter().position(|n| n == wanted) {
                return hex::register(&replies[selects + usize::from(all) + at]);
            }
            let place = self.general.get(wanted.number as usize)?;
            hex::register(replies[selects].get(place.start * 2..place.end * 2)?)
        };
        Ok(numbered
            .into_iter()
            .map(|(register, numbered)| (register, numbered.as_ref().and_then(value)))
            .collect())
    }
}
