//! The hypervisor's account of every vCPU's time.

use awareness::RunTime;
use machine::Pcpu;
use trace::clock::Frequency;
use trace::event::{RunState, Ticks};
use trace::format::xen::notes::{Account, Clock};

use crate::engine::Engine;
use crate::view::EngineError;

/// The hypervisor's account of every vCPU's time at one halt.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Accounts {
    /// Of each vCPU, and the pCPU it is on or was on last, by the hypervisor's number. The idle ones are of [`trace::event::IDLE`].
    pub vcpus: Vec<(Option<Pcpu>, Account)>,
    /// The counter's value at which the hypervisor's nanoseconds began, where it tells.
    pub epoch: Option<u64>,
}

impl Accounts {
    /// The hypervisor's newest time that is known, in its nanoseconds: when a vCPU changed its state last. No target tells the counter
    /// itself, and on a machine that does anything at all this is a few milliseconds old at most.
    #[must_use]
    pub fn now(&self) -> u64 {
        let since = self.vcpus.iter().map(|(_, account)| account.since);
        since.max().unwrap_or(0)
    }

    /// The same by the counter, where that can be told.
    #[must_use]
    pub fn newest(&self, frequency: Option<Frequency>) -> Option<Ticks> {
        let epoch = self.epoch;
        let frequency = frequency?;
        Clock { frequency, epoch }.ticks(self.now())
    }
}

impl Engine {
    /// The hypervisor's account of every vCPU's time, at a halt.
    ///
    /// # Errors
    /// The target runs, or the hypervisor keeps no account that is known.
    pub fn accounts(&self) -> Result<Accounts, EngineError> {
        let times = self.hypervisor.run_times(Self::halt_of(&self.state)?);
        let times = times.ok_or_else(|| {
            EngineError::user(format!(
                "{} keeps no account of its vCPUs' time that is known here: name Xen's image with debug information as hypervisor.image",
                self.hypervisor.name()
            ))
        })?;
        let known = times.vcpus.iter();
        Ok(Accounts {
            vcpus: known
                .filter_map(|one| Some((one.pcpu, account(one)?)))
                .collect(),
            epoch: times.epoch,
        })
    }
}

/// `None` for a vCPU in a state that does not exist.
fn account(time: &RunTime) -> Option<Account> {
    Some(Account {
        vcpu: time.vcpu,
        state: match time.state {
            awareness::RunState::Running => RunState::Running,
            awareness::RunState::Runnable => RunState::Runnable,
            awareness::RunState::Blocked => RunState::Blocked,
            awareness::RunState::Offline => RunState::Offline,
            awareness::RunState::Unknown => return None,
        },
        since: time.since,
        times: time.times,
    })
}
