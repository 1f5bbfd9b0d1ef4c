//! From a frame's registers to its caller's.
//!
//! In this order: in the NOPs before a function, the caller is in x30; call-frame information ([`cfi`]), where the image has
//! some; the function's own instructions ([`code`]), which is what there is for a hypervisor without such information and
//! for assembly; and the chain of frame records (AAPCS64, 6.4.6), which needs no image at all.

mod cfi;
mod code;
mod prologue;

use machine::{El, MemoryFault, Register, Registers, SysReg, Va, VirtualMemory};

use crate::Image;
use crate::image::LinkVa;

pub(crate) use cfi::CallFrames;

/// An image where it lies.
#[derive(Clone, Copy, Debug)]
pub struct Placed<'a> {
    /// The image.
    pub image: &'a Image,
    /// How far it was moved.
    pub slide: u64,
}

/// The caller of a frame.
#[derive(Clone, Debug)]
pub struct Caller {
    /// Its registers, as far as they are known: the program counter, and what the callee had to preserve.
    pub registers: Registers,
    /// The callee's canonical frame address: the caller's stack pointer at the call.
    pub cfa: Option<Va>,
    /// How it was found.
    pub by: Method,
}

impl Caller {
    /// Whether the caller made a call, so that its program counter is behind the instruction it executes. It did not when
    /// it was interrupted by an exception.
    #[must_use]
    pub fn called(&self) -> bool {
        self.by != Method::Exception
    }
}

/// How a caller was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// The function has not executed anything of its own yet: the caller is in x30.
    Entry,
    /// `.debug_frame` or `.eh_frame`.
    Cfi,
    /// What the function's instructions did to the stack up to here.
    Instructions,
    /// The frame record that x29 points to.
    FramePointer,
    /// The registers an exception handler saved when it interrupted the same exception level.
    Exception,
}

/// Why there is no caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnwindEnd {
    /// This is the outermost frame of its exception level.
    #[error("the outermost frame")]
    Outermost,
    /// The stack cannot be read.
    #[error("the stack cannot be read: {0}")]
    Unreadable(#[from] MemoryFault),
    /// What the stack holds cannot be: it does not lead on.
    #[error("the stack is corrupt: {0}")]
    Corrupt(&'static str),
}

/// Where a register of the caller is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Saved {
    #[default]
    Unknown,
    Value(u64),
    Memory(u64),
}

/// Where everything of the caller is.
#[derive(Clone, Copy, Debug)]
struct Rules {
    cfa: Option<u64>,
    x: [Saved; 31],
    sp: Saved,
    pc: Saved,
    pstate: Saved,
    by: Method,
}

impl Rules {
    fn new(by: Method, cfa: Option<u64>) -> Self {
        Self {
            cfa,
            x: [Saved::Unknown; 31],
            sp: cfa.map_or(Saved::Unknown, Saved::Value),
            pc: Saved::Unknown,
            pstate: Saved::Unknown,
            by,
        }
    }
}

/// The first register a function has to preserve (AAPCS64, 6.1.1): x19 to x28, then x29 and, as the way back, x30.
const CALLEE_SAVED: usize = 19;

fn known(value: Option<u64>) -> Saved {
    value.map_or(Saved::Unknown, Saved::Value)
}

/// Registers of the caller of the frame `regs`. `call_site`: false for the innermost frame, whose pc is the instruction
/// executed next; true for a caller, whose pc is behind its call, so that one less is looked up.
///
/// # Errors
/// [`UnwindEnd`].
pub fn unwind(
    image: Option<Placed<'_>>,
    regs: &Registers,
    memory: &dyn VirtualMemory,
    call_site: bool,
) -> Result<Caller, UnwindEnd> {
    let rules = rules(image, regs, memory, call_site)?;
    let value = |saved| match saved {
        Saved::Unknown => Ok(None),
        Saved::Value(value) => Ok(Some(value)),
        Saved::Memory(address) => memory.read_u64(Va(address)).map(Some),
    };
    let pc = value(rules.pc)?.ok_or(UnwindEnd::Corrupt("the return address is not known"))?;
    let pc = strip(pc, regs);
    if pc == 0 {
        return Err(UnwindEnd::Outermost);
    }
    let mut registers = regs.clone();
    for (register, saved) in registers.x.iter_mut().zip(rules.x) {
        *register = value(saved).ok().flatten();
    }
    registers.sp = value(rules.sp).ok().flatten();
    registers.pc = Some(pc);
    if rules.by == Method::Exception {
        registers.pstate = value(rules.pstate).ok().flatten().or(regs.pstate);
    } else {
        registers.x[30] = Some(pc);
    }
    if rules.by == Method::Instructions && stack_was_reset(rules.cfa, registers.x[29]) {
        return Err(UnwindEnd::Outermost);
    }
    leads_on(regs, &registers, call_site)?;
    Ok(Caller {
        registers,
        cfa: rules.cfa.map(Va),
        by: rules.by,
    })
}

/// The canonical frame address of the frame `regs`, when it can be told.
#[must_use]
pub fn cfa(
    image: Option<Placed<'_>>,
    regs: &Registers,
    memory: &dyn VirtualMemory,
    call_site: bool,
) -> Option<Va> {
    rules(image, regs, memory, call_site).ok()?.cfa.map(Va)
}

fn rules(
    image: Option<Placed<'_>>,
    regs: &Registers,
    memory: &dyn VirtualMemory,
    call_site: bool,
) -> Result<Rules, UnwindEnd> {
    let pc = regs
        .pc
        .ok_or(UnwindEnd::Corrupt("the program counter is not known"))?;
    if !call_site && took_exception_from_below(pc, regs) {
        return Err(UnwindEnd::Outermost);
    }
    if let Some(placed) = image {
        let lookup = pc.wrapping_sub(u64::from(call_site));
        let at = LinkVa::of(Va(lookup), placed.slide);
        if !call_site && placed.image.past_nops(at) != at {
            return Ok(at_entry(regs));
        }
        if let Some(rules) = cfi::rules(placed, at, regs, memory)? {
            return Ok(rules);
        }
        if let Some(rules) = code::rules(placed, at, regs, memory)? {
            return Ok(rules);
        }
    }
    by_frame_record(regs)
}

/// Before the first instruction of a function: everything is as at the call.
fn at_entry(regs: &Registers) -> Rules {
    let mut rules = Rules::new(Method::Entry, regs.sp);
    for (saved, value) in rules.x.iter_mut().zip(regs.x).skip(CALLEE_SAVED) {
        *saved = known(value);
    }
    rules.pc = known(regs.x[30]);
    rules
}

/// x29 points to the caller's x29 and the return address.
fn by_frame_record(regs: &Registers) -> Result<Rules, UnwindEnd> {
    let record = regs.x[29].ok_or(UnwindEnd::Corrupt("the frame pointer is not known"))?;
    if record == 0 {
        return Err(UnwindEnd::Outermost);
    }
    if record % 8 != 0 || regs.sp.is_some_and(|sp| record < sp) {
        return Err(UnwindEnd::Corrupt(
            "the frame pointer does not point into the stack",
        ));
    }
    let mut rules = Rules::new(Method::FramePointer, None);
    rules.x[29] = Saved::Memory(record);
    rules.pc = Saved::Memory(record.wrapping_add(8));
    Ok(rules)
}

/// How far apart two frames of one stack are at most. Further off is another stack, as after a switch to one for interrupts.
const STACK_BYTES: u64 = 1 << 20;

/// Whether the frame pointer a function was entered with points below that function's own frame: whoever jumped there had
/// thrown its stack away before, as an idle loop is entered, and what x30 held was nobody's way back.
fn stack_was_reset(cfa: Option<u64>, frame_pointer: Option<u64>) -> bool {
    let (Some(cfa), Some(record)) = (cfa, frame_pointer) else {
        return false;
    };
    record != 0 && record < cfa && cfa - record <= STACK_BYTES
}

/// Refuses a caller that does not lead on: stacks grow down, so a caller's frame is above its callee's.
fn leads_on(callee: &Registers, caller: &Registers, call_site: bool) -> Result<(), UnwindEnd> {
    let above = |inner: Option<u64>, outer: Option<u64>, equal: bool| match (inner, outer) {
        (Some(inner), Some(outer)) if outer == inner => Some(equal),
        (Some(inner), Some(outer)) => Some(outer > inner || inner - outer > STACK_BYTES),
        _ => None,
    };
    // Only the innermost function may have no frame of its own.
    let leaf = !call_site && caller.pc != callee.pc;
    let progress = above(callee.sp, caller.sp, leaf)
        .or_else(|| above(callee.x[29], caller.x[29], false))
        .unwrap_or(caller.pc != callee.pc);
    if progress {
        Ok(())
    } else {
        Err(UnwindEnd::Corrupt(
            "a caller's frame lies below its callee's",
        ))
    }
}

/// An address without a pointer authentication code: the bits above the virtual address repeat bit 55 (Arm ARM D8.10).
fn strip(address: u64, regs: &Registers) -> u64 {
    let upper = address >> 55 & 1 == 1;
    let control = match regs.el() {
        Some(El::El2) => SysReg::TcrEl2,
        _ => SysReg::TcrEl1,
    };
    // TCR_ELx.T0SZ is bits [5:0], T1SZ bits [21:16] (Arm ARM D19.2.139).
    let unused = regs
        .sys(control)
        .map(|tcr| if upper { tcr >> 16 & 0x3f } else { tcr & 0x3f });
    let unused = unused.filter(|bits| (12..=48).contains(bits)).unwrap_or(16);
    let mask = u64::MAX << (64 - unused);
    if upper {
        address | mask
    } else {
        address & !mask
    }
}

/// Whether `pc` is in the exception vectors, and what was interrupted ran at a lower level: nothing was saved yet, and no
/// image may be known there, as in the trampoline a kernel maps beside user space.
fn took_exception_from_below(pc: u64, regs: &Registers) -> bool {
    let vectors = match regs.el() {
        Some(El::El1) => regs.sys(SysReg::VbarEl1),
        Some(El::El2) => regs.sys(SysReg::VbarEl2),
        _ => None,
    };
    let Some(offset) = vectors.and_then(|vectors| pc.checked_sub(vectors)) else {
        return false;
    };
    // Vectors of lower exception levels are the upper half of 2 KiB (Arm ARM D1.3.1.5).
    (0x400..0x800).contains(&offset)
}

/// What `pc`'s exception level is left with: the registers `ELR_ELx` and `SPSR_ELx`.
const fn exception_registers(el: El) -> Option<(SysReg, SysReg)> {
    match el {
        El::El1 => Some((SysReg::ElrEl1, SysReg::SpsrEl1)),
        El::El2 => Some((SysReg::ElrEl2, SysReg::SpsrEl2)),
        El::El0 | El::El3 => None,
    }
}

fn read_register(regs: &Registers, number: u16) -> Option<u64> {
    match number {
        0..=30 => regs.get(Register::X(u8::try_from(number).ok()?)),
        31 => regs.sp,
        _ => None,
    }
}
