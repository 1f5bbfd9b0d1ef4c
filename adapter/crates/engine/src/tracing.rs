//! The hypervisor's own trace: its buffers emptied at a halt or beside the running machine, its switches, its account of time.
//!
//! A [`TraceSource`] is found at one halt and good until the machine is booted again. It does not need the engine where RAM can be shared
//! with the running machine, and may then live on a thread of its own.

use std::sync::Arc;

use awareness::{MachineView, RunTime, TracePlaces};
use machine::{MemoryFault, Pa, Pcpu, PhysicalMemory, SharedMemory, SysReg};
use trace::clock::Frequency;
use trace::event::{RunState, Ticks, What};
use trace::format::position::Position;
use trace::format::ring::{Consume, Gap};
use trace::format::xen::buffers::{Buffers, Found, LossCounters, unreported_loss};
use trace::format::xen::notes::Account;

use crate::engine::{Engine, State};
use crate::halt::Halt;
use crate::view::EngineError;

/// Where the trace of a machine is. We are its consumer: nobody else may be.
pub struct TraceSource {
    buffers: Buffers,
    places: TracePlaces,
    frequency: Option<Frequency>,
    shared: Option<Arc<dyn SharedMemory>>,
    bytes: Vec<u8>,
}

/// What one look at one pCPU's buffer gave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window<'a> {
    /// Whose buffer, by the hypervisor's number.
    pub pcpu: Pcpu,
    /// What is missing before the bytes.
    pub gap: Option<Gap>,
    /// Whole records, as they would stand in a file.
    pub bytes: &'a [u8],
}

/// What the hypervisor traces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceSwitches {
    /// Whether it traces at all.
    pub enabled: bool,
    /// Which events, by class and subclass.
    pub mask: u32,
}

/// Records that the hypervisor has dropped and not told of in its buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UntoldLoss {
    /// On which pCPU, by the hypervisor's number.
    pub pcpu: Pcpu,
    /// How many.
    pub records: u32,
    /// When the first was dropped.
    pub since: Ticks,
}

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
}

impl TraceSource {
    fn find(engine: &Engine, halt: &Halt) -> Result<Self, String> {
        let places = engine.hypervisor.trace(halt);
        let places = places.map_err(|error| error.to_string())?;
        let found = Found {
            t_info: places.t_info,
            t_info_pages: places.t_info_pages,
            data_size: places.data_size,
            pcpus: places.pcpus,
        };
        let frequency = halt.registers(Pcpu(0)).sys(SysReg::CntfrqEl0);
        Ok(Self {
            buffers: Buffers::read(halt, found).map_err(|error| error.to_string())?,
            places,
            frequency: frequency.and_then(Frequency::new),
            shared: halt.target().shared_ram(),
            bytes: Vec::new(),
        })
    }

    /// The pCPUs that have a buffer, by the hypervisor's numbers.
    pub fn pcpus(&self) -> impl Iterator<Item = Pcpu> + '_ {
        self.buffers.pcpus()
    }

    /// Bytes of records that a buffer holds.
    #[must_use]
    pub fn capacity(&self) -> u32 {
        self.places.data_size
    }

    /// `CNTFRQ_EL0`, where the target tells.
    #[must_use]
    pub fn frequency(&self) -> Option<Frequency> {
        self.frequency
    }

    /// Whether [`drain_shared`](Self::drain_shared) can be used.
    #[must_use]
    pub fn is_shared(&self) -> bool {
        self.shared.is_some()
    }

    /// Empties all buffers while the machine runs. Gives the bytes of the fullest one.
    ///
    /// # Errors
    /// RAM cannot be shared, or the place where we say how far we have read cannot be written: then nothing is gained by going on.
    pub fn drain_shared(&mut self, take: &mut dyn FnMut(Window<'_>)) -> Result<u32, MemoryFault> {
        let unshared = MemoryFault::ReadOnly(self.places.t_info);
        let ram = self.shared.clone().ok_or(unshared)?;
        let consume = |consume: Consume| ram.store_u32(consume.at, consume.value);
        self.drain(&*ram, take, consume)
    }

    /// The order matters: the bytes are read, then handed on, and only then is their room given back.
    fn drain<E>(
        &mut self,
        memory: &dyn PhysicalMemory,
        take: &mut dyn FnMut(Window<'_>),
        mut consume: impl FnMut(Consume) -> Result<(), E>,
    ) -> Result<u32, E> {
        let mut fullest = 0;
        let pcpus: Vec<Pcpu> = self.buffers.pcpus().collect();
        for pcpu in pcpus {
            self.bytes.clear();
            let drained = self.buffers.drain(memory, pcpu, &mut self.bytes);
            fullest = fullest.max(self.bytes.len() as u32);
            take(Window {
                pcpu,
                gap: drained.gap,
                bytes: &self.bytes,
            });
            if let Some(place) = drained.consume {
                consume(place)?;
            }
        }
        Ok(fullest)
    }

    fn untold_loss(&self, memory: &dyn PhysicalMemory) -> Result<Vec<UntoldLoss>, MemoryFault> {
        let mut untold = Vec::new();
        for pcpu in self.buffers.pcpus() {
            let Some(places) = self.places.loss.get(usize::from(pcpu.0)) else {
                continue;
            };
            let counters = LossCounters {
                records: places.records,
                since: places.since,
            };
            let event = unreported_loss(memory, counters, Position::start(pcpu))?;
            if let Some(What::Lost { records, since }) = event.map(|event| event.what) {
                untold.push(UntoldLoss {
                    pcpu,
                    records,
                    since,
                });
            }
        }
        Ok(untold)
    }

    fn switches(&self, memory: &dyn PhysicalMemory) -> Result<TraceSwitches, MemoryFault> {
        let (mut enabled, mut mask) = ([0], [0; 4]);
        memory.read_physical(self.places.enabled, &mut enabled)?;
        memory.read_physical(self.places.mask, &mut mask)?;
        Ok(TraceSwitches {
            enabled: enabled[0] != 0,
            mask: u32::from_le_bytes(mask),
        })
    }
}

impl Engine {
    /// Does something that needs a halt; a running target is halted for it and runs on afterwards.
    ///
    /// # Errors
    /// The target does not halt, or what `work` says.
    pub fn in_a_halt<T>(
        &mut self,
        work: impl FnOnce(&mut Self) -> Result<T, EngineError>,
    ) -> Result<T, EngineError> {
        let mut outcome = None;
        self.briefly_halted(|engine| outcome = Some(work(engine)));
        outcome.unwrap_or_else(|| {
            Err(match self.state {
                State::Ended => EngineError::target("the target is gone".to_owned()),
                _ => EngineError::target("the target does not halt".to_owned()),
            })
        })
    }

    /// Finds the hypervisor's trace at a halt.
    ///
    /// # Errors
    /// The target runs; or the hypervisor has no trace, and what to do about it.
    pub fn find_trace(&self) -> Result<TraceSource, EngineError> {
        let halt = Self::halt_of(&self.state)?;
        TraceSource::find(self, halt).map_err(EngineError::user)
    }

    /// Empties all buffers at a halt. Gives the bytes of the fullest one.
    ///
    /// # Errors
    /// The target runs, or does not let itself be written.
    pub fn drain_trace(
        &self,
        source: &mut TraceSource,
        take: &mut dyn FnMut(Window<'_>),
    ) -> Result<u32, EngineError> {
        let halt = Self::halt_of(&self.state)?;
        source.drain(halt, take, |consume| {
            write(halt, consume.at, &consume.value.to_le_bytes())
        })
    }

    /// What the hypervisor has dropped at a halt and not told of in its buffers.
    ///
    /// # Errors
    /// The target runs, or a counter cannot be read.
    pub fn untold_loss(&self, source: &TraceSource) -> Result<Vec<UntoldLoss>, EngineError> {
        let untold = source.untold_loss(Self::halt_of(&self.state)?);
        untold.map_err(|fault| EngineError::target(format!("lost_records: {fault}")))
    }

    /// What the hypervisor traces.
    ///
    /// # Errors
    /// The target runs, or a switch cannot be read.
    pub fn trace_switches(&self, source: &TraceSource) -> Result<TraceSwitches, EngineError> {
        let switches = source.switches(Self::halt_of(&self.state)?);
        switches.map_err(|fault| EngineError::target(format!("the trace's switches: {fault}")))
    }

    /// Tells the hypervisor at a halt what to trace.
    ///
    /// # Errors
    /// The target runs, or does not let itself be written.
    pub fn switch_trace(
        &self,
        source: &TraceSource,
        wanted: TraceSwitches,
    ) -> Result<(), EngineError> {
        let halt = Self::halt_of(&self.state)?;
        write(halt, source.places.mask, &wanted.mask.to_le_bytes())?;
        write(halt, source.places.enabled, &[u8::from(wanted.enabled)])
    }

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

fn write(halt: &Halt, address: Pa, bytes: &[u8]) -> Result<(), EngineError> {
    let outcome = halt.write_physical(address, bytes);
    outcome.map_err(|error| EngineError::target(error.to_string()))
}
