//! The hypervisor's trace: its buffers emptied at a halt or beside the running machine, its switches, its account of time.
//!
//! A [`TraceSource`] is found at one halt and good until the machine is booted again. It does not need the engine where RAM can be shared
//! with the running machine, and may then live on a thread of its own. [`recording`] begins and ends a recording with it.

mod accounts;
mod hvtrace;
pub mod recording;
mod xen;

pub use accounts::Accounts;

use std::sync::Arc;

use awareness::MachineView;
use machine::{MemoryFault, Pa, Pcpu, PhysicalMemory, SharedMemory, SysReg};
use trace::clock::Frequency;
use trace::event::{Event, Ticks, What};
use trace::format::position::Position;
use trace::format::ring::{Consume, Drained, Gap};
use trace::format::xen::records::Records;

use crate::engine::{Engine, State};
use crate::halt::Halt;
use crate::view::EngineError;

/// Buffers of one format in the target's memory. To add a format: a file here, a variant of [`Format`] and a line in
/// [`TraceSource::find`]; what is drained is written down as `schemas/recording.md` says.
trait Buffers: Send {
    fn format(&self) -> Format;

    /// Where their description lies.
    fn place(&self) -> Pa;

    /// The pCPUs that have a buffer, by the hypervisor's numbers.
    fn pcpus(&self) -> Vec<Pcpu>;

    /// Bytes of records that a buffer holds.
    fn capacity(&self) -> u32;

    /// How fast the clock of its records counts, where the buffers say it.
    fn frequency(&self) -> Option<Frequency>;

    /// Appends a pCPU's new records, as they stand in a recording.
    fn drain(&mut self, memory: &dyn PhysicalMemory, pcpu: Pcpu, bytes: &mut Vec<u8>) -> Drained;

    fn untold_loss(
        &self,
        memory: &dyn PhysicalMemory,
        pcpu: Pcpu,
    ) -> Result<Option<UntoldLoss>, MemoryFault>;

    fn switches(&self, memory: &dyn PhysicalMemory) -> Result<TraceSwitches, MemoryFault>;

    /// What to write, in this order, so that the hypervisor traces as `wanted`.
    fn turned(&self, wanted: TraceSwitches) -> Vec<(Pa, Vec<u8>)>;
}

/// Whose buffers they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Xen's own.
    Xen,
    /// Those of `schemas/hvtrace.h`.
    Hvtrace,
}

/// Where the trace of a machine is. We are its consumer: nobody else may be.
pub struct TraceSource {
    buffers: Box<dyn Buffers>,
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
    /// Whole records, as they stand in a recording (`schemas/recording.md`).
    pub bytes: &'a [u8],
}

impl Window<'_> {
    /// The time of its last record; zero without one.
    #[must_use]
    pub fn newest(&self) -> Ticks {
        let mut records = Records::new(Position::start(self.pcpu), self.bytes);
        records.by_ref().for_each(drop);
        records.reached().time
    }
}

/// What the hypervisor traces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceSwitches {
    /// Whether it traces at all.
    pub enabled: bool,
    /// Which events: Xen's by class and subclass, hvtrace's by kind.
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

impl UntoldLoss {
    /// From the event that tells the same.
    fn of(event: Event) -> Option<Self> {
        let What::Lost { records, since } = event.what else {
            return None;
        };
        let pcpu = event.pcpu;
        Some(Self {
            pcpu,
            records,
            since,
        })
    }
}

impl TraceSource {
    /// hvtrace's rings where the hypervisor's image has them, else the hypervisor's own buffers.
    fn find(engine: &Engine, halt: &Halt) -> Result<Self, String> {
        let buffers = match hvtrace::find(engine, halt)? {
            Some(rings) => rings,
            None => xen::find(engine, halt)?,
        };
        let of_core = halt.registers(Pcpu(0)).sys(SysReg::CntfrqEl0);
        let frequency = buffers.frequency();
        Ok(Self {
            frequency: frequency.or(of_core.and_then(Frequency::new)),
            buffers,
            shared: halt.target().shared_ram(),
            bytes: Vec::new(),
        })
    }

    /// Whose buffers they are.
    #[must_use]
    pub fn format(&self) -> Format {
        self.buffers.format()
    }

    /// The pCPUs that have a buffer, by the hypervisor's numbers.
    #[must_use]
    pub fn pcpus(&self) -> Vec<Pcpu> {
        self.buffers.pcpus()
    }

    /// Bytes of records that a buffer holds.
    #[must_use]
    pub fn capacity(&self) -> u32 {
        self.buffers.capacity()
    }

    /// How fast the clock counts: `CNTFRQ_EL0`, where the trace or the target tells.
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
        let unshared = MemoryFault::ReadOnly(self.buffers.place());
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
        for pcpu in self.buffers.pcpus() {
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
        let halt = Self::halt_of(&self.state)?;
        let pcpus = source.buffers.pcpus().into_iter();
        let untold = pcpus.filter_map(|pcpu| source.buffers.untold_loss(halt, pcpu).transpose());
        let untold: Result<_, MemoryFault> = untold.collect();
        untold.map_err(|fault| EngineError::target(format!("the counts of lost records: {fault}")))
    }

    /// What the hypervisor traces.
    ///
    /// # Errors
    /// The target runs, or a switch cannot be read.
    pub fn trace_switches(&self, source: &TraceSource) -> Result<TraceSwitches, EngineError> {
        let switches = source.buffers.switches(Self::halt_of(&self.state)?);
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
        let mut writes = source.buffers.turned(wanted).into_iter();
        writes.try_for_each(|(place, bytes)| write(halt, place, &bytes))
    }
}

fn write(halt: &Halt, address: Pa, bytes: &[u8]) -> Result<(), EngineError> {
    let outcome = halt.write_physical(address, bytes);
    outcome.map_err(|error| EngineError::target(error.to_string()))
}
