//! One stop of the whole target. Every read goes through it and is cached; dropping it forgets everything.
//!
//! A [`Halt`] owns the target while it is halted and gives it back on resume, so reading a running target does not compile.

use std::cell::{OnceCell, RefCell, RefMut};
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

use awareness::MachineView;
use machine::target::PhysicalRead;
use machine::{
    El, MemoryFault, Pa, Pcpu, PhysicalMemory, Register, Registers, SysReg, Target, TargetError,
};

const PAGE: u64 = 4096;
/// Longer reads go to the target as they are: caching them would only cost.
const CACHED_READ: usize = 16 * PAGE as usize;

type Page = Option<Box<[u8]>>;

/// A halted target.
pub struct Halt {
    target: RefCell<Box<dyn Target>>,
    mapped: Option<Arc<dyn PhysicalMemory + Send + Sync>>,
    pages: RefCell<HashMap<u64, Page>>,
    registers: Vec<OnceCell<Registers>>,
    lost: RefCell<Option<TargetError>>,
}

/// The little that tells whose code a core runs: read in one round trip at every stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Glance {
    /// The program counter.
    pub pc: u64,
    /// The exception level.
    pub el: El,
    /// `VTTBR_EL2`; `None` where the target cannot tell.
    pub vttbr: Option<u64>,
}

impl Glance {
    /// What is read.
    pub const REGISTERS: [Register; 3] = [
        Register::Pc,
        Register::Pstate,
        Register::Sys(SysReg::VttbrEl2),
    ];

    /// From the values of [`REGISTERS`](Self::REGISTERS); `None` without pc or PSTATE.
    #[must_use]
    pub fn of(values: &[Option<u64>]) -> Option<Self> {
        match *values {
            [Some(pc), Some(pstate), vttbr, ..] => Some(Self {
                pc,
                el: El::of_pstate(pstate),
                vttbr,
            }),
            _ => None,
        }
    }
}

impl Halt {
    /// Takes a target that is halted.
    #[must_use]
    pub fn of(target: Box<dyn Target>) -> Self {
        Self {
            mapped: target.mapped_ram(),
            registers: (0..target.cores()).map(|_| OnceCell::new()).collect(),
            target: RefCell::new(target),
            pages: RefCell::default(),
            lost: RefCell::default(),
        }
    }

    /// Gives the target back and forgets everything read.
    #[must_use]
    pub fn release(self) -> Box<dyn Target> {
        self.target.into_inner()
    }

    /// The target itself, for what is not reading.
    pub fn target(&self) -> RefMut<'_, Box<dyn Target>> {
        self.target.borrow_mut()
    }

    /// The loss of the link, when a read met it.
    pub fn lost(&self) -> Option<TargetError> {
        self.lost.borrow().clone()
    }

    /// Reads what tells whose code `core` runs, without the cache.
    ///
    /// # Errors
    /// The link is lost, or the target does not even tell the program counter.
    pub fn glance(&self, core: Pcpu) -> Result<Glance, TargetError> {
        let mut target = self.target.borrow_mut();
        let values = target.registers(core, &Glance::REGISTERS)?;
        Glance::of(&values).ok_or_else(|| TargetError::Refused {
            target: target.name().to_owned(),
            request: format!("pc and PSTATE of {core}"),
            reason: "they are not known".to_owned(),
        })
    }

    /// Writes physical memory.
    ///
    /// # Errors
    /// The link is lost, or the target does not let itself be written.
    pub fn write_physical(&self, address: Pa, bytes: &[u8]) -> Result<(), TargetError> {
        let mut target = self.target.borrow_mut();
        let refused = TargetError::Refused {
            target: target.name().to_owned(),
            request: format!("a write at PA {address}"),
            reason: "a saved halt cannot be written".to_owned(),
        };
        let run = target.run_control().ok_or(refused)?;
        run.write_physical(address, bytes)?;
        let last = address.offset(bytes.len().saturating_sub(1) as u64);
        let written = address.align_down(PAGE).0..=last.align_down(PAGE).0;
        let mut pages = self.pages.borrow_mut();
        pages.retain(|page, _| !written.contains(page));
        Ok(())
    }

    fn note<T>(&self, outcome: Result<T, TargetError>) -> Option<T> {
        outcome
            .map_err(|error| *self.lost.borrow_mut() = Some(error))
            .ok()
    }

    fn read_uncached(&self, address: Pa, buffer: &mut [u8]) -> Result<(), MemoryFault> {
        let mut piece = [PhysicalRead {
            address,
            buffer,
            ok: false,
        }];
        let outcome = self.target.borrow_mut().read_physical(&mut piece);
        match self.note(outcome) {
            Some(()) if piece[0].ok => Ok(()),
            Some(()) => Err(MemoryFault::Absent(address)),
            None => Err(MemoryFault::Refused(address)),
        }
    }

    /// Fetches the pages of `[first, last]` that are not there yet, in one gathered read.
    fn fetch(&self, first: u64, last: u64) {
        let mut pages = self.pages.borrow_mut();
        let missing: Vec<u64> = (first..=last)
            .step_by(PAGE as usize)
            .filter(|page| !pages.contains_key(page))
            .collect();
        if missing.is_empty() {
            return;
        }
        let mut buffers: Vec<Box<[u8]>> = missing
            .iter()
            .map(|_| vec![0; PAGE as usize].into())
            .collect();
        let mut pieces: Vec<PhysicalRead<'_>> = missing
            .iter()
            .zip(&mut buffers)
            .map(|(page, buffer)| PhysicalRead {
                address: Pa(*page),
                buffer,
                ok: false,
            })
            .collect();
        let outcome = self.target.borrow_mut().read_physical(&mut pieces);
        let read: Vec<bool> = pieces.iter().map(|piece| piece.ok).collect();
        if self.note(outcome).is_some() {
            for ((page, buffer), ok) in missing.into_iter().zip(buffers).zip(read) {
                if let Entry::Vacant(slot) = pages.entry(page) {
                    slot.insert(ok.then_some(buffer));
                }
            }
        }
    }
}

impl PhysicalMemory for Halt {
    fn read_physical(&self, address: Pa, buffer: &mut [u8]) -> Result<(), MemoryFault> {
        if buffer.is_empty() {
            return Ok(());
        }
        if let Some(mapped) = &self.mapped
            && mapped.read_physical(address, buffer).is_ok()
        {
            return Ok(());
        }
        let last_byte = address
            .0
            .checked_add(buffer.len() as u64 - 1)
            .ok_or(MemoryFault::Absent(address))?;
        if buffer.len() > CACHED_READ {
            return self.read_uncached(address, buffer);
        }
        self.fetch(address.align_down(PAGE).0, Pa(last_byte).align_down(PAGE).0);
        let mut at = address;
        let mut rest = buffer;
        while !rest.is_empty() {
            let page = at.align_down(PAGE).0;
            let within = (at.0 - page) as usize;
            let (now, later) = rest.split_at_mut(rest.len().min(PAGE as usize - within));
            let whole = match self.pages.borrow().get(&page) {
                Some(Some(bytes)) => {
                    now.copy_from_slice(&bytes[within..within + now.len()]);
                    true
                }
                _ => false,
            };
            if !whole {
                self.read_uncached(at, now)?;
            }
            at = at.offset(now.len() as u64);
            rest = later;
        }
        Ok(())
    }
}

impl MachineView for Halt {
    fn memory(&self) -> &dyn PhysicalMemory {
        self
    }

    fn cores(&self) -> usize {
        self.registers.len()
    }

    fn registers(&self, core: Pcpu) -> &Registers {
        let Some(cell) = self.registers.get(usize::from(core.0)) else {
            static NONE: std::sync::LazyLock<Registers> =
                std::sync::LazyLock::new(Registers::default);
            return &NONE;
        };
        cell.get_or_init(|| {
            let wanted: Vec<Register> = (0..31)
                .map(Register::X)
                .chain([Register::Sp, Register::Pc, Register::Pstate])
                .chain(SysReg::ALL.iter().copied().map(Register::Sys))
                .collect();
            let outcome = self.target.borrow_mut().registers(core, &wanted);
            let mut registers = Registers::default();
            for (register, value) in wanted.iter().zip(self.note(outcome).unwrap_or_default()) {
                if let Some(value) = value {
                    registers.set(*register, value);
                }
            }
            registers
        })
    }
}
