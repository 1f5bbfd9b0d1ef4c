//! Where a variable is: DWARF expressions (DWARF 5 sections 2.5 and 2.6) answered from one stack frame.
//!
//! A [`Place`] holds what the registers gave, so memory is all that reading a value needs later.

use std::sync::Arc;

use machine::{MemoryFault, Register, Registers, Va, VirtualMemory};

use crate::image::LinkVa;
use crate::types::TypeError;

mod scene;

pub(crate) use scene::Scene;

/// A stack frame, as far as finding its variables needs it.
pub trait Frame {
    /// The frame's registers, as far as they are known.
    fn registers(&self) -> &Registers;
    /// Memory as the frame's code sees it.
    fn memory(&self) -> &dyn VirtualMemory;
    /// How far the image was moved.
    fn slide(&self) -> u64;
    /// The canonical frame address.
    fn cfa(&self) -> Option<Va>;
    /// The address that tells which variables live: the program counter, one less for a caller.
    fn pc(&self) -> LinkVa;
    /// The frame that called the function this one is in (a real call, so of inlined frames the outermost's caller): it
    /// may still know what the arguments were.
    fn caller(&self) -> Option<&dyn Frame> {
        None
    }
}

/// An image placed in some memory without any frame: enough to find its globals.
pub struct Frameless<'a> {
    memory: &'a dyn VirtualMemory,
    slide: u64,
    registers: Registers,
}

impl<'a> Frameless<'a> {
    /// The image moved by `slide` in `memory`.
    #[must_use]
    pub fn new(memory: &'a dyn VirtualMemory, slide: u64) -> Self {
        Self {
            memory,
            slide,
            registers: Registers::default(),
        }
    }
}

impl Frame for Frameless<'_> {
    fn registers(&self) -> &Registers {
        &self.registers
    }
    fn memory(&self) -> &dyn VirtualMemory {
        self.memory
    }
    fn slide(&self) -> u64 {
        self.slide
    }
    fn cfa(&self) -> Option<Va> {
        None
    }
    fn pc(&self) -> LinkVa {
        LinkVa(u64::MAX)
    }
}

/// Where a value is, or what it is when it is nowhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// In memory.
    Memory(Va),
    /// In a register, which holds this.
    Register {
        /// The register.
        register: Register,
        /// What it holds in this frame.
        value: u64,
    },
    /// Nowhere, but these are its bytes.
    Bytes(Arc<[u8]>),
    /// Spread over several places, lowest bits first.
    Pieces(Arc<[Piece]>),
    /// A pointer that was optimised away, to something that is still known.
    Implicit {
        /// What it points into.
        target: Option<Arc<Place>>,
        /// Bytes from the start of that.
        offset: i64,
    },
    /// The compiler kept nothing that tells it here.
    OptimizedOut,
}

/// A part of a value that is spread.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece {
    /// Number of bits.
    pub bits: u64,
    /// Bits of the place below it.
    pub skip: u64,
    /// Where it is.
    pub place: Place,
}

/// Why a place could not be worked out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LocateError {
    /// The description uses a register this frame does not know.
    #[error("{0} is not known in this frame")]
    Register(String),
    /// The description reads memory that cannot be read.
    #[error(transparent)]
    Memory(#[from] MemoryFault),
    /// The description counts from the canonical frame address.
    #[error("where this frame begins is not known")]
    NoFrame,
    /// A thread-local variable.
    #[error("thread-local: where the thread keeps it is not known")]
    ThreadLocal,
    /// The description uses something that is not supported.
    #[error("its location uses {0}, which is not supported")]
    Unsupported(&'static str),
    /// The description is damaged, or takes too long.
    #[error("its location is damaged: {0}")]
    Damaged(#[from] gimli::Error),
    /// The variable's entry is damaged.
    #[error(transparent)]
    Entry(#[from] TypeError),
}
