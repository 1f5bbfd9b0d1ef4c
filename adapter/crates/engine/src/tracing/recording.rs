//! A recording's beginning and its end, the same whoever keeps what is recorded; and the trace of a saved halt.

use machine::{GuestId, Pcpu};
use trace::event::Ticks;
use trace::format::position::believed_after;
use trace::format::ring::Gap;

use super::{Accounts, Format, TraceSource, TraceSwitches, UntoldLoss, Window};
use crate::engine::Engine;
use crate::view::EngineError;

/// Which events to record, in the bits of each format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mask {
    /// By class and subclass (Xen 4.17 `public/trace.h`).
    pub xen: u32,
    /// By kind: bit k for records of kind k.
    pub hvtrace: u32,
}

impl Mask {
    /// What every timeline needs: run states, and what the scheduler did and why; of hvtrace also VMs that come and go, and marks.
    pub const USUAL: Self = Self {
        xen: 0x2_9000,
        hvtrace: 1 | 1 << 1 | 1 << 2 | 0b1111 << 7,
    };

    /// The same number for either, by somebody who knows which it is.
    #[must_use]
    pub const fn bits(bits: u32) -> Self {
        let (xen, hvtrace) = (bits, bits);
        Self { xen, hvtrace }
    }

    const fn of(self, format: Format) -> u32 {
        match format {
            Format::Xen => self.xen,
            Format::Hvtrace => self.hvtrace,
        }
    }
}

/// A recording that has begun.
pub struct Begun {
    /// To be emptied again and again.
    pub source: TraceSource,
    /// What is recorded, in the bits of the source's format.
    pub mask: u32,
    /// When: at or after every record thrown away, and at or before every record to come; zero where no account of time tells.
    pub at: Ticks,
    /// The account of time at the beginning; empty where none is kept.
    pub accounts: Accounts,
    /// What the hypervisor traced before.
    before: TraceSwitches,
}

/// What is known at the end of a recording.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ending {
    /// What was dropped and not told of.
    pub untold: Vec<UntoldLoss>,
    /// The account of time; empty where none is kept.
    pub accounts: Accounts,
}

/// A window that is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Taken {
    pcpu: Pcpu,
    gap: Option<Gap>,
    bytes: Vec<u8>,
}

impl Taken {
    /// Keeps a window.
    #[must_use]
    pub fn of(window: Window<'_>) -> Self {
        Self {
            pcpu: window.pcpu,
            gap: window.gap,
            bytes: window.bytes.to_vec(),
        }
    }

    /// The window.
    #[must_use]
    pub fn window(&self) -> Window<'_> {
        Window {
            pcpu: self.pcpu,
            gap: self.gap,
            bytes: &self.bytes,
        }
    }
}

/// All that a saved halt has of a trace.
pub struct Saved {
    /// Where it is.
    pub source: TraceSource,
    /// What its buffers hold.
    pub taken: Vec<Taken>,
    /// What is known beside that.
    pub ending: Ending,
}

impl Engine {
    /// Whether the target is a saved halt, which never ran and cannot be written.
    #[must_use]
    pub fn is_saved(&self) -> bool {
        let halt = Self::halt_of(&self.state);
        halt.is_ok_and(|halt| halt.target().run_control().is_none())
    }

    /// Begins a recording at a halt: throws away what the buffers hold, for it is of some time before, and switches tracing on.
    ///
    /// Without a mask the usual is recorded, whatever is traced already: Xen that is given buffers and no `tevt_mask` traces everything.
    ///
    /// # Errors
    /// There is no trace and why, or the target does not let itself be written.
    pub fn begin_trace(&self, mask: Option<Mask>) -> Result<Begun, EngineError> {
        let mut source = self.find_trace()?;
        let before = self.trace_switches(&source)?;
        let mask = mask.unwrap_or(Mask::USUAL).of(source.format());
        let mut newest = Ticks(0);
        self.drain_trace(&mut source, &mut |window| {
            newest = newest.max(window.newest());
        })?;
        let enabled = true;
        self.switch_trace(&source, TraceSwitches { enabled, mask })?;
        let accounts = self.accounts().unwrap_or_default();
        let now = accounts.newest(source.frequency());
        Ok(Begun {
            at: now.map_or(Ticks(0), |now| believed_after(newest, now)),
            source,
            mask,
            accounts,
            before,
        })
    }

    /// Ends a recording at a halt: takes what is left, and puts the hypervisor's switches back.
    ///
    /// # Errors
    /// The target runs, or does not let itself be written.
    pub fn end_trace(
        &self,
        begun: &mut Begun,
        take: &mut dyn FnMut(Window<'_>),
    ) -> Result<Ending, EngineError> {
        self.drain_trace(&mut begun.source, take)?;
        let ending = self.ending(&begun.source)?;
        self.switch_trace(&begun.source, begun.before)?;
        Ok(ending)
    }

    /// Reads what the buffers hold at a halt, and leaves it there.
    ///
    /// # Errors
    /// There is no trace and why.
    pub fn look_at_trace(&self) -> Result<Saved, EngineError> {
        let mut source = self.find_trace()?;
        let halt = Self::halt_of(&self.state)?;
        let mut taken = Vec::new();
        let mut take = |window: Window<'_>| taken.push(Taken::of(window));
        let Ok(_) = source.drain(halt, &mut take, |_| Ok::<_, std::convert::Infallible>(()));
        Ok(Saved {
            ending: self.ending(&source)?,
            source,
            taken,
        })
    }

    /// The VMs as the user sees them, by their numbers in a trace; none where only VMIDs are known, which those numbers are not.
    #[must_use]
    pub fn traced_guests(&self) -> Vec<(GuestId, String)> {
        if !self.hypervisor.numbers_guests() {
            return Vec::new();
        }
        let groups = self.groups.iter();
        groups
            .filter_map(|group| Some((group.guest?, group.name.clone())))
            .collect()
    }

    fn ending(&self, source: &TraceSource) -> Result<Ending, EngineError> {
        Ok(Ending {
            untold: self.untold_loss(source)?,
            accounts: self.accounts().unwrap_or_default(),
        })
    }
}
