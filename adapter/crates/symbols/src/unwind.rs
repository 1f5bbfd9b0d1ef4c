//! From a frame to its caller.

use machine::{MemoryFault, Registers, Va, VirtualMemory};

use crate::Image;

/// An image where it lies.
#[derive(Clone, Copy)]
pub struct Placed<'a> {
    /// The image.
    pub image: &'a Image,
    /// How far it was moved.
    pub slide: u64,
}

/// How a caller was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// By the frame record x29 points to (AAPCS64 6.4.6).
    FramePointer,
}

/// The frame that called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// Its registers, as far as they are known.
    pub registers: Registers,
    /// The canonical frame address of the frame that was left.
    pub cfa: Va,
    /// How it was found.
    pub by: Method,
}

/// Why there is no caller.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnwindEnd {
    /// The frame is the outermost.
    #[error("this is the outermost frame")]
    Outermost,
    /// The stack cannot be read.
    #[error(transparent)]
    Unreadable(#[from] MemoryFault),
    /// The stack contradicts itself.
    #[error("the stack is damaged: {0}")]
    Corrupt(&'static str),
}

/// The registers of the caller of a frame.
///
/// # Errors
/// There is none, or the stack does not tell.
pub fn unwind(
    _image: Option<Placed<'_>>,
    registers: &Registers,
    memory: &dyn VirtualMemory,
    _call_site: bool,
) -> Result<Caller, UnwindEnd> {
    let Some(record) = registers.x[29].filter(|record| *record != 0) else {
        return Err(UnwindEnd::Outermost);
    };
    if record % 8 != 0 || registers.sp.is_some_and(|sp| record < sp) {
        return Err(UnwindEnd::Corrupt("the frame pointer is no frame record"));
    }
    let frame_pointer = memory.read_u64(Va(record))?;
    let pc = memory.read_u64(Va(record).offset(8))?;
    if pc == 0 {
        return Err(UnwindEnd::Outermost);
    }
    let mut caller = registers.clone();
    caller.x = [None; 31];
    caller.x[29] = Some(frame_pointer);
    caller.pc = Some(pc);
    let cfa = Va(record).offset(16);
    caller.sp = Some(cfa.0);
    Ok(Caller {
        registers: caller,
        cfa,
        by: Method::FramePointer,
    })
}

/// The canonical frame address of a frame.
#[must_use]
pub fn cfa(
    _image: Option<Placed<'_>>,
    registers: &Registers,
    _memory: &dyn VirtualMemory,
    _call_site: bool,
) -> Option<Va> {
    Some(Va(registers.x[29]?).offset(16))
}
