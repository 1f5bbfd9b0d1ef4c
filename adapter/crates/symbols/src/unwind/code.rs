//! Unwinding by the function's own instructions, where there is no call-frame information.

use machine::arch::aarch64::insn::Insn;
use machine::{El, Registers, Va, VirtualMemory};

use crate::Image;
use crate::image::LinkVa;
use crate::unwind::prologue::{Held, State, state_at_jump, state_before};
use crate::unwind::{
    CALLEE_SAVED, Method, Placed, Rules, Saved, UnwindEnd, exception_registers, known,
};

/// Where the caller's registers are, `None` when the instructions do not tell.
pub(super) fn rules(
    placed: Placed<'_>,
    at: LinkVa,
    regs: &Registers,
    memory: &dyn VirtualMemory,
) -> Result<Option<Rules>, UnwindEnd> {
    let Some(pc) = regs.pc else { return Ok(None) };
    let pc = LinkVa::of(Va(pc), placed.slide);
    let Some(state) = state(placed.image, at, pc) else {
        return Ok(None);
    };
    let frame = Frame::new(&state, regs);
    if returns_from_exception(placed.image, pc) {
        return frame.interrupted(memory).map(Some);
    }
    Ok(frame.caller())
}

/// The state before the instruction at `pc`, of the function that holds `at`.
fn state(image: &Image, at: LinkVa, pc: LinkVa) -> Option<State> {
    let (start, code) = code_around(image, at)?;
    let stop = pc.0.checked_sub(start.0).filter(|stop| stop % 4 == 0)?;
    let (symbol, _) = image.symbol_at(at)?;
    let from = match symbol.name.split_once(".cold") {
        Some((whole, _)) => {
            let whole = image.symbol_named(whole)?;
            let (begin, code) = code_around(image, whole.address)?;
            Some(state_at_jump(
                code,
                start.0.wrapping_sub(begin.0).cast_signed(),
            )?)
        }
        None => None,
    };
    Some(state_before(code, stop, at != pc, from))
}

/// The bytes of an instruction.
const WORD: u64 = 4;

/// What is read of code whose symbol has no size: assembly.
const UNSIZED: usize = 4096;

/// The code of the function that holds an address, from its first instruction on.
fn code_around(image: &Image, at: LinkVa) -> Option<(LinkVa, &[u8])> {
    let (symbol, _) = image
        .symbol_at(at)
        .filter(|(symbol, _)| symbol.is_function)?;
    let start = symbol.address;
    let code = match usize::try_from(symbol.size).ok()? {
        0 => image.bytes_to_section_end(start, UNSIZED)?,
        size => image.bytes_at(start, size)?,
    };
    Some((start, code))
}

/// How many instructions are looked through for an exception return: saving and restoring all registers takes about 150.
const LOOKED_THROUGH: usize = 512;

/// Whether the straight way from an instruction leads to ERET before any RET: it is code between an exception and the
/// return from it, which nobody called.
fn returns_from_exception(image: &Image, pc: LinkVa) -> bool {
    let mut at = pc;
    for _ in 0..LOOKED_THROUGH {
        let word = image
            .bytes_at(at, 4)
            .and_then(|bytes| bytes.first_chunk().copied());
        let Some(word) = word else { return false };
        at = match Insn::decode(u32::from_le_bytes(word)) {
            Insn::Eret => return true,
            Insn::Return { .. } | Insn::JumpRegister { .. } | Insn::Brk(_) => return false,
            Insn::Jump { offset } => LinkVa(at.0.wrapping_add_signed(offset)),
            _ => LinkVa(at.0.wrapping_add(WORD)),
        };
    }
    false
}

/// A state together with the values the registers have there.
struct Frame<'a> {
    state: &'a State,
    regs: &'a Registers,
    cfa: Option<u64>,
}

impl<'a> Frame<'a> {
    fn new(state: &'a State, regs: &'a Registers) -> Self {
        let base = |held, value: Option<u64>| match held {
            Held::Stack(offset) => Some(value?.wrapping_add_signed(offset.wrapping_neg())),
            _ => None,
        };
        // The frame pointer first: it stays right when the stack pointer moves by an amount nobody can see.
        let cfa =
            base(state.register(29), regs.x[29]).or_else(|| base(state.stack_pointer(), regs.sp));
        Self { state, regs, cfa }
    }

    fn find(&self, wanted: Held) -> Saved {
        let place = || {
            Some(Saved::Memory(
                self.cfa?.wrapping_add_signed(self.state.place_of(wanted)?),
            ))
        };
        let register = || {
            self.state
                .register_with(wanted)
                .map(|register| known(self.regs.x[register]))
        };
        let unchanged = match wanted {
            Held::Entry(own) if self.state.register(usize::from(own)) == wanted => {
                self.regs.x[usize::from(own)].map(Saved::Value)
            }
            _ => None,
        };
        unchanged
            .or_else(place)
            .or_else(register)
            .unwrap_or_default()
    }

    fn registers(&self, rules: &mut Rules, from: usize) {
        for (number, saved) in (0_u8..).zip(&mut rules.x).skip(from) {
            *saved = self.find(Held::Entry(number));
        }
    }

    fn caller(&self) -> Option<Rules> {
        let mut rules = Rules::new(Method::Instructions, Some(self.cfa?));
        self.registers(&mut rules, CALLEE_SAVED);
        rules.pc = rules.x[30];
        (rules.pc != Saved::Unknown).then_some(rules)
    }

    /// What an exception interrupted, when that was code of the same exception level; else this is the outermost frame.
    fn interrupted(&self, memory: &dyn VirtualMemory) -> Result<Rules, UnwindEnd> {
        let el = self.regs.el().ok_or(UnwindEnd::Outermost)?;
        let (elr, spsr) = exception_registers(el).ok_or(UnwindEnd::Outermost)?;
        let saved = |wanted, register| match self.find(wanted) {
            Saved::Unknown => known(self.regs.sys(register)),
            found => found,
        };
        let level = el as u8;
        let before = match saved(Held::ReturnState(level), spsr) {
            Saved::Value(value) => value,
            Saved::Memory(address) => u64::from(memory.read_u32(Va(address))?),
            Saved::Unknown => return Err(UnwindEnd::Outermost),
        };
        if El::of_pstate(before) != el {
            return Err(UnwindEnd::Outermost);
        }
        let cfa = self.cfa.ok_or(UnwindEnd::Outermost)?;
        let mut rules = Rules::new(Method::Exception, Some(cfa));
        self.registers(&mut rules, 0);
        let stored = self.state.stored_stack_pointer().unwrap_or(0);
        rules.sp = Saved::Value(cfa.wrapping_add_signed(stored));
        rules.pc = saved(Held::ReturnAddress(level), elr);
        rules.pstate = Saved::Value(before);
        Ok(rules)
    }
}
