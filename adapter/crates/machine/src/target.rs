//! What a debugger can be attached to: cores and physical memory that can be halted, read and resumed.
//!
//! A probe, a simulator's stub and a saved halt are equal here; what only some can do is an optional trait.

use std::sync::Arc;
use std::time::Duration;

use crate::{Pa, Pcpu, PhysicalMemory, Register, SharedMemory, Va};

/// Why a target did not do what was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TargetError {
    /// The link is down: nothing more will come from this target.
    #[error("the connection to {target} is lost: {reason}")]
    Lost {
        /// The target's name.
        target: String,
        /// What was seen.
        reason: String,
    },
    /// The target answered, and refused.
    #[error("{target} refused {request}: {reason}")]
    Refused {
        /// The target's name.
        target: String,
        /// What was asked.
        request: String,
        /// What it said.
        reason: String,
    },
}

/// A range of physical memory, `[start, start + size)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PhysicalRange {
    /// First byte.
    pub start: Pa,
    /// Bytes.
    pub size: u64,
}

/// One piece of a gathered read.
#[derive(Debug)]
pub struct PhysicalRead<'a> {
    /// Where.
    pub address: Pa,
    /// What is wanted; filled when `ok`.
    pub buffer: &'a mut [u8],
    /// Set by the target: whether the whole buffer was filled.
    pub ok: bool,
}

/// Cores and physical memory, halted.
///
/// Methods are called only while the target is halted, except [`RunControl::request_halt`].
pub trait Target: Send {
    /// What and where, for messages: `gdb stub at 127.0.0.1:1234`.
    fn name(&self) -> &str;

    /// The cores, in the target's order; [`Pcpu`] is the index.
    fn cores(&self) -> usize;

    /// Reads registers of one core in as few round trips as possible; `None` for those this target cannot tell.
    ///
    /// # Errors
    /// [`TargetError::Lost`].
    fn registers(
        &mut self,
        core: Pcpu,
        wanted: &[Register],
    ) -> Result<Vec<Option<u64>>, TargetError>;

    /// Reads scattered pieces of physical memory in as few round trips as possible.
    ///
    /// # Errors
    /// [`TargetError::Lost`]; a piece that cannot be read keeps `ok == false`.
    fn read_physical(&mut self, pieces: &mut [PhysicalRead<'_>]) -> Result<(), TargetError>;

    /// Where RAM lies, when the target can tell. May ask the target.
    ///
    /// # Errors
    /// [`TargetError::Lost`].
    fn ram(&mut self) -> Result<Option<Vec<PhysicalRange>>, TargetError>;

    /// Physical memory that can be read while the target runs and without a packet, when there is one.
    fn mapped_ram(&self) -> Option<Arc<dyn PhysicalMemory + Send + Sync>> {
        None
    }

    /// Physical memory that can be read and written while the target runs and without a packet, when there is such.
    fn shared_ram(&self) -> Option<Arc<dyn SharedMemory>> {
        None
    }

    /// Why the target was halted when it was attached, when it tells.
    fn first_stop(&self) -> Option<Stop> {
        None
    }

    /// Running, stepping and breakpoints, `None` for a saved halt.
    fn run_control(&mut self) -> Option<&mut dyn RunControl> {
        None
    }
}

/// A code breakpoint or watchpoint as the hardware or stub knows it: a virtual address, in whatever VM.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Trap {
    /// Before the instruction at the address executes.
    Execute(Va),
    /// After data in `[address, address + length)` was read, written, or either.
    Data {
        /// First byte.
        address: Va,
        /// Bytes.
        length: u32,
        /// Which accesses.
        access: Access,
    },
}

/// Kinds of data access.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Access {
    /// Loads.
    Read,
    /// Stores.
    Write,
    /// Both.
    Any,
}

/// How to resume.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resume {
    /// Every core runs.
    All,
    /// One instruction on one core while the others stay frozen. Traps on that core are ignored for that instruction.
    Step(Pcpu),
    /// One core runs while the others stay frozen.
    Only(Pcpu),
}

/// Why the target halted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StopReason {
    /// A trap, a finished step or a halt that somebody else caused: the stub does not tell them apart (SIGTRAP).
    Trap,
    /// A data trap, with the address of the access.
    Data(Va),
    /// Halted because [`RunControl::request_halt`] asked (SIGINT), or before that.
    Halted,
    /// Another signal of the gdb remote protocol.
    Signal(u8),
}

/// One halt of the whole target: the core that caused it, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stop {
    /// The core that caused it.
    pub core: Pcpu,
    /// Why.
    pub reason: StopReason,
}

/// What a running target reports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TargetEvent {
    /// All cores are halted.
    Stopped(Stop),
    /// The link is down.
    Lost(TargetError),
}

/// Receives the next event of a running target, on a thread of the back end.
pub type EventSink = Arc<dyn Fn(TargetEvent) + Send + Sync>;

/// What [`RunControl::fetch`] gives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fetched {
    /// The instruction.
    pub word: u32,
    /// The registers wanted, in that order, as far as they are known.
    pub registers: Vec<Option<u64>>,
}

/// Asks a running target to halt, from any thread.
pub trait HaltRequest: Send + Sync {
    /// Asks; the halt arrives as a [`TargetEvent::Stopped`]. Harmless when already halted.
    fn request_halt(&self);
}

/// Running, stepping and breakpoints: all-stop.
pub trait RunControl {
    /// Resumes and returns at once. Then either [`wait`](Self::wait) or [`watch`](Self::watch).
    ///
    /// # Errors
    /// [`TargetError::Lost`].
    fn resume(&mut self, how: Resume) -> Result<(), TargetError>;

    /// The instruction `core` would fetch from `address`, and some of its registers, in one exchange. `None` where the target
    /// does not read memory as its cores see it, or nothing is mapped there.
    ///
    /// # Errors
    /// [`TargetError::Lost`].
    fn fetch(
        &mut self,
        core: Pcpu,
        address: Va,
        wanted: &[Register],
    ) -> Result<Option<Fetched>, TargetError> {
        let _ = (core, address, wanted);
        Ok(None)
    }

    /// Writes core registers and resumes all cores, in one exchange where the target can.
    ///
    /// # Errors
    /// As [`write_register`](Self::write_register); then nothing runs.
    fn resume_with(&mut self, core: Pcpu, writes: &[(Register, u64)]) -> Result<(), TargetError> {
        for (register, value) in writes {
            self.write_register(core, *register, *value)?;
        }
        self.resume(Resume::All)
    }

    /// Waits on the calling thread, at most so long; `None` when still running.
    ///
    /// # Errors
    /// [`TargetError::Lost`].
    fn wait(&mut self, at_most: Duration) -> Result<Option<Stop>, TargetError>;

    /// Hands the next stop (or the loss of the link) to `sink`, once, from another thread. No other method may be called until then.
    fn watch(&mut self, sink: EventSink);

    /// The handle that asks for a halt while the target runs.
    fn halt_request(&self) -> Arc<dyn HaltRequest>;

    /// Arms a trap on every core. Arming twice is the same as once.
    ///
    /// # Errors
    /// [`TargetError::Refused`] when it has no resource left or does not know the kind.
    fn insert(&mut self, trap: Trap) -> Result<(), TargetError>;

    /// Removes a trap.
    ///
    /// # Errors
    /// [`TargetError::Lost`].
    fn remove(&mut self, trap: Trap) -> Result<(), TargetError>;

    /// Writes a core register (x0 to x30, sp, pc, PSTATE).
    ///
    /// # Errors
    /// [`TargetError::Refused`] when the target cannot.
    fn write_register(
        &mut self,
        core: Pcpu,
        register: Register,
        value: u64,
    ) -> Result<(), TargetError>;

    /// Writes physical memory.
    ///
    /// # Errors
    /// [`TargetError::Refused`] when the target cannot.
    fn write_physical(&mut self, address: Pa, bytes: &[u8]) -> Result<(), TargetError>;

    /// Removes every trap and ends the connection, leaving the target running or halted.
    ///
    /// # Errors
    /// [`TargetError::Lost`].
    fn detach(&mut self, leave_running: bool) -> Result<(), TargetError>;
}
