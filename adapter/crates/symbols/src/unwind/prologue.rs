//! What a function's instructions did to the stack: a run over them with symbols in place of values.
//!
//! Every register holds either what it held at the function's entry, an address on the stack, a constant, or something
//! else. What reaches an instruction by a jump is kept from the jump, so that early exits and cold parts come out right.

use std::collections::VecDeque;

use machine::arch::aarch64::insn::{Indexing, Insn, Transfer};
use rustc_hash::FxHashSet;

/// What a register or a place on the stack holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Held {
    /// The value this register had at the entry.
    Entry(u8),
    /// The stack pointer at the entry, plus this.
    Stack(i64),
    /// A number.
    Number(u64),
    /// `ELR_ELx`: where the exception came from.
    ReturnAddress(u8),
    /// `SPSR_ELx`: the state it came from.
    ReturnState(u8),
    /// Nothing that matters.
    Other,
}

/// The stack pointer's place among the registers.
const SP: usize = 31;

/// Places on the stack that are followed at once: the registers of an exception and a few more.
const PLACES: usize = 128;

/// What registers and stack hold before an instruction.
#[derive(Clone, Debug)]
pub(super) struct State {
    x: [Held; 32],
    /// Offset from the stack pointer at the entry, and content, of 8-byte places.
    stack: Vec<(i64, Held)>,
}

impl State {
    fn at_entry() -> Self {
        let mut x = [Held::Other; 32];
        for (number, held) in (0..).zip(&mut x) {
            *held = Held::Entry(number);
        }
        x[SP] = Held::Stack(0);
        Self {
            x,
            stack: Vec::new(),
        }
    }

    /// What x0 to x30 hold.
    pub(super) fn register(&self, number: usize) -> Held {
        self.x.get(number).copied().unwrap_or(Held::Other)
    }

    /// What the stack pointer holds.
    pub(super) fn stack_pointer(&self) -> Held {
        self.x[SP]
    }

    /// Where on the stack `wanted` was put, as an offset from the stack pointer at the entry.
    pub(super) fn place_of(&self, wanted: Held) -> Option<i64> {
        let place = self.stack.iter().find(|(_, held)| *held == wanted);
        place.map(|(offset, _)| *offset)
    }

    /// The register that holds `wanted`.
    pub(super) fn register_with(&self, wanted: Held) -> Option<usize> {
        self.x[..SP].iter().position(|held| *held == wanted)
    }

    /// The highest stack address at or above the entry's that was stored: a handler keeps the interrupted stack pointer.
    pub(super) fn stored_stack_pointer(&self) -> Option<i64> {
        let stored = self.stack.iter().filter_map(|(_, held)| match held {
            Held::Stack(offset) if *offset >= 0 => Some(*offset),
            _ => None,
        });
        stored.max()
    }

    fn frame_size(&self) -> i64 {
        match self.x[SP] {
            Held::Stack(offset) => offset.saturating_neg(),
            _ => 0,
        }
    }

    fn operand(&self, register: u8) -> Held {
        match register {
            31 => Held::Number(0),
            number => self.x[usize::from(number & 31)],
        }
    }

    fn set(&mut self, register: u8, held: Held) {
        self.x[usize::from(register & 31)] = held;
    }

    fn store(&mut self, offset: i64, held: Held) {
        self.stack.retain(|(at, _)| at.abs_diff(offset) >= 8);
        if self.stack.len() < PLACES && held != Held::Other {
            self.stack.push((offset, held));
        }
    }

    fn load(&self, offset: i64) -> Held {
        let place = self.stack.iter().find(|(at, _)| *at == offset);
        place.map_or(Held::Other, |(_, held)| *held)
    }

    /// The first address of a transfer on the stack; moves the base register where the instruction does.
    fn base(&mut self, transfer: &Transfer) -> Option<i64> {
        let Held::Stack(base) = self.x[usize::from(transfer.base & 31)] else {
            if transfer.indexing != Indexing::Offset {
                self.set(transfer.base, Held::Other);
            }
            return None;
        };
        let moved = base.wrapping_add(transfer.offset);
        if transfer.indexing != Indexing::Offset {
            self.set(transfer.base, Held::Stack(moved));
        }
        Some(match transfer.indexing {
            Indexing::Post => base,
            Indexing::Offset | Indexing::Pre => moved,
        })
    }

    fn transfer(&mut self, transfer: &Transfer, load: bool) {
        let base = self.base(transfer);
        let second = i64::from(transfer.width);
        let registers = [(Some(transfer.first), 0), (transfer.second, second)];
        for (register, step) in registers {
            let (Some(register), false) = (register, transfer.vector) else {
                continue;
            };
            let place = base.map(|base| base.wrapping_add(step));
            let whole = transfer.width == 8;
            match (load, place) {
                (true, _) if register == 31 => {}
                (true, Some(place)) if whole => self.set(register, self.load(place)),
                (true, _) => self.set(register, Held::Other),
                // SPSR is 64 bits in a register and often 32 in a structure: the state is in the low half.
                (false, Some(place)) => {
                    let held = self.operand(register);
                    let fits = whole || matches!(held, Held::ReturnState(_));
                    self.store(place, if fits { held } else { Held::Other });
                }
                (false, None) => {}
            }
        }
    }

    /// What a call may change.
    fn call(&mut self) {
        for held in &mut self.x[..=18] {
            *held = Held::Other;
        }
    }

    /// Of a guessed state: what was saved may have been overwritten since, so it is looked for on the stack alone.
    fn trust_the_stack(&mut self) {
        for (number, held) in (0..).zip(&mut self.x[..SP]) {
            let saved = Held::Entry(number);
            if *held == saved && self.stack.iter().any(|(_, place)| *place == saved) {
                *held = Held::Other;
            }
        }
    }

    fn execute(&mut self, word: u32) {
        match Insn::decode(word) {
            Insn::Store(transfer) => self.transfer(&transfer, false),
            Insn::Load(transfer) => self.transfer(&transfer, true),
            Insn::Add { to, from, value } => {
                let held = match self.x[usize::from(from & 31)] {
                    Held::Stack(offset) => Held::Stack(offset.wrapping_add(value)),
                    Held::Number(number) => Held::Number(number.wrapping_add_signed(value)),
                    held if value == 0 => held,
                    _ => Held::Other,
                };
                self.set(to, held);
            }
            Insn::AddRegister {
                to,
                from,
                register,
                subtract,
            } => {
                let held = match (self.x[usize::from(from & 31)], self.operand(register)) {
                    (Held::Stack(offset), Held::Number(number)) => {
                        let number = number.cast_signed();
                        Held::Stack(if subtract {
                            offset.wrapping_sub(number)
                        } else {
                            offset.wrapping_add(number)
                        })
                    }
                    _ => Held::Other,
                };
                self.set(to, held);
            }
            Insn::Move { to, from } if to != 31 => self.set(to, self.operand(from)),
            Insn::Set { to, value } if to != 31 => self.set(to, Held::Number(value)),
            Insn::Keep { to, shift, value } if to != 31 => {
                let held = match self.operand(to) {
                    Held::Number(old) => {
                        let cleared = old & !(0xffff_u64 << (shift & 63));
                        Held::Number(cleared | u64::from(value) << (shift & 63))
                    }
                    _ => Held::Other,
                };
                self.set(to, held);
            }
            Insn::Call { .. } | Insn::CallRegister { .. } => {
                self.call();
                self.x[30] = Held::Other;
            }
            // These come back by ERET: x30 is not written (SMC Calling Convention, 2.6).
            Insn::Svc(_) | Insn::Hvc(_) | Insn::Smc(_) => self.call(),
            Insn::StoreExclusive => self.destination((word >> 16 & 31) as u8, Held::Other),
            Insn::LoadExclusive => self.destination((word & 31) as u8, Held::Other),
            // In nearly every other instruction the lowest field is the destination.
            Insn::Other => self.destination((word & 31) as u8, system_register(word)),
            _ => {}
        }
    }

    fn destination(&mut self, register: u8, held: Held) {
        if register != 31 {
            self.set(register, held);
        }
    }
}

/// What `MRS` reads, where that is the return address or state of an exception (Arm ARM C5.2).
///
/// ```text
///   31           20  19  18  16  15  12  11   8  7   5  4  0
/// | 1101 0101 0011 | o0 |  op1  |  CRn  |  CRm  |  op2 |  Rt |
/// ```
const fn system_register(word: u32) -> Held {
    match word >> 5 {
        0x6a9_c201 => Held::ReturnAddress(1),
        0x6a9_c200 => Held::ReturnState(1),
        0x6a9_e201 => Held::ReturnAddress(2),
        0x6a9_e200 => Held::ReturnState(2),
        _ => Held::Other,
    }
}

/// Instructions of one function that are run at most.
const LONGEST: usize = 1 << 14;

/// The state before the instruction at `stop`, of a function whose code begins at offset 0. `called` says that `stop` is
/// behind a call that is still out, so that how control gets to `stop` otherwise does not matter.
pub(super) fn state_before(code: &[u8], stop: u64, called: bool, from: Option<State>) -> State {
    let words = code.as_chunks::<4>().0;
    let word = |at: u64| {
        let index = usize::try_from(at / 4).ok()?;
        words.get(index).map(|word| u32::from_le_bytes(*word))
    };
    let wanted = if called { stop.saturating_sub(4) } else { stop };
    let mut state = run(&word, wanted, from.unwrap_or_else(State::at_entry));
    if called && let Some(word) = word(wanted) {
        state.execute(word);
    }
    state
}

/// Follows every way through the code from its beginning until one leads to `stop`. Where none does, as behind a jump
/// through a table, the state with the largest frame met is the best guess.
fn run(word: &dyn Fn(u64) -> Option<u32>, stop: u64, from: State) -> State {
    let mut largest = from.clone();
    let mut seen = FxHashSet::default();
    let mut open = VecDeque::from([(0_u64, from)]);
    while let Some((mut at, mut state)) = open.pop_front() {
        while seen.len() < LONGEST && at != stop && seen.insert(at) {
            let Some(word) = word(at) else { break };
            let instruction = Insn::decode(word);
            if let Insn::Jump { offset } | Insn::Branch { offset } = instruction
                && let Some(target) = at.checked_add_signed(offset)
                && !seen.contains(&target)
            {
                open.push_back((target, state.clone()));
            }
            // Whether code behind a trap is reached from there is not known: any other way to it is better.
            if matches!(instruction, Insn::Brk(_)) {
                open.push_back((at + 4, state.clone()));
            }
            if leaves(instruction) {
                break;
            }
            state.execute(word);
            if state.frame_size() >= largest.frame_size() {
                largest.clone_from(&state);
            }
            at += 4;
        }
        if at == stop {
            return state;
        }
    }
    largest.trust_the_stack();
    largest
}

/// The state with which a function jumps to `target`, an offset outside of its code: to its own cold part.
pub(super) fn state_at_jump(code: &[u8], target: i64) -> Option<State> {
    let words = code.as_chunks::<4>().0.iter().take(LONGEST);
    let mut at = 0_i64;
    for word in words {
        if let Insn::Jump { offset } | Insn::Branch { offset } =
            Insn::decode(u32::from_le_bytes(*word))
            && at.checked_add(offset) == Some(target)
        {
            return Some(state_before(code, at.unsigned_abs(), false, None));
        }
        at += 4;
    }
    None
}

/// Whether the next instruction is reached only by a jump to it.
const fn leaves(instruction: Insn) -> bool {
    matches!(
        instruction,
        Insn::Jump { .. }
            | Insn::JumpRegister { .. }
            | Insn::Return { .. }
            | Insn::Eret
            | Insn::Brk(_)
    )
}

#[cfg(test)]
mod tests {
    use super::{Held, State, state_before};

    /// Checks the state after all of `words`.
    fn check(words: &[u32], expected: impl Fn(&State) -> bool) {
        let code: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        let state = state_before(&code, code.len() as u64, false, None);
        assert!(expected(&state), "{state:?}");
    }

    const PROLOGUE: [u32; 4] = [
        0xa9be_7bfd, // stp x29, x30, [sp, #-32]!
        0x9100_03fd, // mov x29, sp
        0xf900_0bf3, // str x19, [sp, #16]
        0xaa01_03f3, // mov x19, x1
    ];

    #[test]
    fn a_prologue_is_followed() {
        check(&PROLOGUE[..1], |state| {
            state.stack_pointer() == Held::Stack(-32) && state.register(29) == Held::Entry(29)
        });
        check(&PROLOGUE, |state| {
            state.register(29) == Held::Stack(-32)
                && state.place_of(Held::Entry(29)) == Some(-32)
                && state.place_of(Held::Entry(30)) == Some(-24)
                && state.place_of(Held::Entry(19)) == Some(-16)
                && state.register(19) == Held::Entry(1)
        });
    }

    #[test]
    fn an_epilogue_undoes_it_and_a_jump_over_it_does_not() {
        let epilogue = [
            0xf940_0bf3, // ldr x19, [sp, #16]
            0xa8c2_7bfd, // ldp x29, x30, [sp], #32
        ];
        let undone = [&PROLOGUE[..], &epilogue].concat();
        check(&undone, |state| {
            state.stack_pointer() == Held::Stack(0)
                && [19, 29, 30].map(|n| state.register(n)) == [19, 29, 30].map(Held::Entry)
        });
        // cbz w0, past the return
        let jumped = [&PROLOGUE[..], &[0x3400_0080], &epilogue, &[0xd65f_03c0]].concat();
        check(&jumped, |state| state.stack_pointer() == Held::Stack(-32));
        // b to the instruction before the end, which jumps back to the one before the return: reached from below only
        let from_below = [
            &PROLOGUE[..],
            &[0x1400_0005], // b +20
            &epilogue,
            &[0xd65f_03c0, 0xd503_201f, 0x17ff_ffff], // ret; nop; b -4
        ]
        .concat();
        let code: Vec<u8> = from_below
            .iter()
            .flat_map(|word| word.to_le_bytes())
            .collect();
        let state = state_before(&code, 32, false, None);
        assert_eq!(state.stack_pointer(), Held::Stack(-32), "{state:?}");
    }

    #[test]
    fn behind_a_jump_through_a_table_the_stack_is_trusted() {
        // br x2; bl +8; nop
        let code = [&PROLOGUE[..], &[0xd61f_0040, 0x9400_0002]].concat();
        check(&code, |state| {
            state.register(29) == Held::Stack(-32)
                && state.register(30) == Held::Other
                && state.place_of(Held::Entry(30)) == Some(-24)
        });
    }

    #[test]
    fn a_hypercall_keeps_the_way_back() {
        // mov x16, #17; hvc #0xea1
        check(&[0xd280_0230, 0xd401_d422], |state| {
            state.register(30) == Held::Entry(30) && state.register(0) == Held::Other
        });
    }

    #[test]
    fn large_frames_and_exceptions() {
        // mov x16, #0x1230; sub sp, sp, x16
        check(&[0xd282_4610, 0xcb30_63ff], |state| {
            state.stack_pointer() == Held::Stack(-0x1230)
        });
        let handler = [
            0xd105_43ff, // sub sp, sp, #336
            0xd538_4036, // mrs x22, elr_el1
            0xd538_4017, // mrs x23, spsr_el1
            0xa910_5ff6, // stp x22, x23, [sp, #256]
        ];
        check(&handler, |state| {
            state.place_of(Held::ReturnAddress(1)) == Some(-80)
                && state.place_of(Held::ReturnState(1)) == Some(-72)
        });
    }
}
