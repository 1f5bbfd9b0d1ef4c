//! Instructions whose whole effect is one general register and the pc: worked out here instead of being executed.
//!
//! A core that stands at a trap nobody wants passes it so without the step that other debuggers need. Whatever touches
//! memory, flags or system registers, or may trap, is left to the core: `None`.
//!
//! Encodings: Arm ARM DDI 0487, C4.1.

use std::cell::RefCell;

use crate::Register;

/// What an instruction does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Effect {
    /// Where the core goes on.
    pub pc: u64,
    /// The register that changes.
    pub write: Option<(Register, u64)>,
}

/// PSTATE bits that make any instruction special: nRW (AArch32), BTYPE, IL, SS (Arm ARM C5.2.19, as in SPSR_EL2).
const SPECIAL: u64 = 1 << 4 | 3 << 10 | 1 << 20 | 1 << 21;

const NOP: u32 = 0xd503_201f;
/// BTI with its targets masked out.
const BTI: u32 = 0xd503_241f;

/// Works out the instruction `word` at `pc`. `read` gives registers as they are before; of general registers, SP and PSTATE
/// only those it depends on are asked for. `None` when it is none of the simple ones or a register is not known.
pub fn simulate(word: u32, pc: u64, read: &dyn Fn(Register) -> Option<u64>) -> Option<Effect> {
    let pstate = read(Register::Pstate)?;
    if pstate & SPECIAL != 0 {
        return None;
    }
    let scene = Scene { word, pc, read };
    if word == NOP || word & !0xc0 == BTI {
        return scene.next(None);
    }
    scene.branch(pstate).or_else(|| scene.computation(pstate))
}

/// The registers `word` depends on; `None` when it is none of the simple ones.
#[must_use]
pub fn operands(word: u32) -> Option<Vec<Register>> {
    let asked = RefCell::new(Vec::new());
    let note = |register| {
        asked.borrow_mut().push(register);
        Some(0)
    };
    simulate(word, 0, &note)?;
    let mut asked = asked.into_inner();
    asked.sort_unstable();
    asked.dedup();
    Some(asked)
}

struct Scene<'a> {
    word: u32,
    pc: u64,
    read: &'a dyn Fn(Register) -> Option<u64>,
}

impl Scene<'_> {
    /// Bits `[high:low]`.
    fn bits(&self, high: u32, low: u32) -> u32 {
        self.word >> low & ((1 << (high - low + 1)) - 1)
    }

    /// Bits `[high:low]` as a signed number.
    fn signed(&self, high: u32, low: u32) -> i64 {
        let unused = 63 - (high - low);
        i64::from(self.bits(high, low)) << unused >> unused
    }

    fn is_64_bit(&self) -> bool {
        self.bits(31, 31) == 1
    }

    /// A general register, 31 being zero.
    fn x(&self, low: u32) -> Option<u64> {
        match self.bits(low + 4, low) {
            31 => Some(0),
            number => (self.read)(Register::X(number as u8)).map(|value| self.sized(value)),
        }
    }

    /// A general register, 31 being SP.
    fn x_or_sp(&self, low: u32) -> Option<u64> {
        match self.bits(low + 4, low) {
            31 => (self.read)(Register::Sp).map(|value| self.sized(value)),
            _ => self.x(low),
        }
    }

    /// The low half of it where the instruction works on W registers.
    fn sized(&self, value: u64) -> u64 {
        if self.is_64_bit() {
            value
        } else {
            value & 0xffff_ffff
        }
    }

    fn next(&self, write: Option<(Register, u64)>) -> Option<Effect> {
        Some(Effect {
            pc: self.pc.wrapping_add(4),
            write,
        })
    }

    /// The result in Rd, 31 being nothing.
    fn result(&self, value: u64) -> Option<Effect> {
        let to = self.bits(4, 0) as u8;
        self.next((to != 31).then(|| (Register::X(to), self.sized(value))))
    }

    /// The result in Rd, 31 being SP.
    fn result_or_sp(&self, value: u64) -> Option<Effect> {
        match self.bits(4, 0) {
            31 => self.next(Some((Register::Sp, self.sized(value)))),
            _ => self.result(value),
        }
    }

    fn jump(&self, taken: bool, words: i64) -> Option<Effect> {
        let distance = if taken { words * 4 } else { 4 };
        Some(Effect {
            pc: self.pc.wrapping_add_signed(distance),
            write: None,
        })
    }

    /// C4.1.94, branches without BR and BLR, which set BTYPE.
    fn branch(&self, pstate: u64) -> Option<Effect> {
        if self.bits(30, 26) == 0b00101 {
            let link = self.bits(31, 31) == 1;
            let write = link.then(|| (Register::X(30), self.pc.wrapping_add(4)));
            return Some(Effect {
                write,
                ..self.jump(true, self.signed(25, 0))?
            });
        }
        match (self.bits(31, 24), self.bits(30, 25)) {
            (0x54, _) if self.bits(4, 4) == 0 => {
                self.jump(holds(self.bits(3, 0), pstate), self.signed(23, 5))
            }
            (_, 0b01_1010) => {
                let taken = (self.x(0)? == 0) != (self.bits(24, 24) == 1);
                self.jump(taken, self.signed(23, 5))
            }
            (_, 0b01_1011) => {
                let bit = self.bits(31, 31) << 5 | self.bits(23, 19);
                let register = match self.bits(4, 0) {
                    31 => 0,
                    number => (self.read)(Register::X(number as u8))?,
                };
                let taken = (register >> bit & 1 == 1) == (self.bits(24, 24) == 1);
                self.jump(taken, self.signed(18, 5))
            }
            _ if self.word & 0xffff_fc1f == 0xd65f_0000 => {
                let pc = self.x(5)?;
                // Which bits of a tagged address count depends on the regime.
                let plain = matches!(pc >> 56, 0 | 0xff) && pc & 3 == 0;
                plain.then_some(Effect { pc, write: None })
            }
            _ => None,
        }
    }

    fn computation(&self, pstate: u64) -> Option<Effect> {
        match self.bits(28, 23) {
            0b10_0000 | 0b10_0001 => self.address(),
            0b10_0010 => self.add_immediate(),
            0b10_0100 => self.logical_immediate(),
            0b10_0101 => self.move_wide(),
            0b10_0110 => self.bitfield(),
            _ => match (self.bits(28, 24), self.bits(30, 21)) {
                (0b0_1010, _) => self.logical_register(),
                (0b0_1011, _) => self.add_register(),
                (_, 0b00_1101_1000) => self.multiply(),
                (_, select) if select & 0b01_1111_1111 == 0b00_1101_0100 => self.select(pstate),
                _ => None,
            },
        }
    }

    /// ADR and ADRP.
    fn address(&self) -> Option<Effect> {
        let offset = self.signed(23, 5) << 2 | i64::from(self.bits(30, 29));
        let value = if self.is_64_bit() {
            (self.pc & !0xfff).wrapping_add_signed(offset << 12)
        } else {
            self.pc.wrapping_add_signed(offset)
        };
        // Always a whole register: bit 31 tells the two apart.
        let to = self.bits(4, 0) as u8;
        self.next((to != 31).then_some((Register::X(to), value)))
    }

    /// ADD and SUB (immediate).
    fn add_immediate(&self) -> Option<Effect> {
        let value = u64::from(self.bits(21, 10)) << (12 * self.bits(22, 22));
        let sum = self.sum(self.x_or_sp(5)?, value)?;
        self.result_or_sp(sum)
    }

    /// ADD and SUB (shifted register).
    fn add_register(&self) -> Option<Effect> {
        if self.bits(21, 21) == 1 || self.bits(23, 22) == 3 {
            return None;
        }
        let sum = self.sum(self.x(5)?, self.shifted()?)?;
        self.result(sum)
    }

    /// By bit 30; not when the flags are to be set.
    fn sum(&self, left: u64, right: u64) -> Option<u64> {
        match self.bits(30, 29) {
            0b00 => Some(left.wrapping_add(right)),
            0b10 => Some(left.wrapping_sub(right)),
            _ => None,
        }
    }

    /// AND, ORR and EOR (immediate).
    fn logical_immediate(&self) -> Option<Effect> {
        let mask = bit_mask(self.bits(22, 22), self.bits(15, 10), self.bits(21, 16))?;
        if !self.is_64_bit() && self.bits(22, 22) == 1 {
            return None;
        }
        let value = self.combined(self.x(5)?, mask)?;
        self.result_or_sp(value)
    }

    /// AND, ORR, EOR and their negated forms (shifted register).
    fn logical_register(&self) -> Option<Effect> {
        let right = self.shifted()?;
        let right = if self.bits(21, 21) == 1 {
            !right
        } else {
            right
        };
        let value = self.combined(self.x(5)?, right)?;
        self.result(value)
    }

    /// By bits 30 and 29; not when the flags are to be set.
    fn combined(&self, left: u64, right: u64) -> Option<u64> {
        match self.bits(30, 29) {
            0b00 => Some(left & right),
            0b01 => Some(left | right),
            0b10 => Some(left ^ right),
            _ => None,
        }
    }

    /// Rm, shifted as bits `[23:22]` and `[15:10]` say.
    fn shifted(&self) -> Option<u64> {
        let (value, by) = (self.x(16)?, self.bits(15, 10));
        if self.is_64_bit() {
            return Some(match self.bits(23, 22) {
                0 => value << by,
                1 => value >> by,
                2 => (value as i64 >> by) as u64,
                _ => value.rotate_right(by),
            });
        }
        let value = value as u32;
        (by < 32).then(|| match self.bits(23, 22) {
            0 => u64::from(value << by),
            1 => u64::from(value >> by),
            2 => u64::from((value as i32 >> by) as u32),
            _ => u64::from(value.rotate_right(by)),
        })
    }

    /// MOVN, MOVZ and MOVK.
    fn move_wide(&self) -> Option<Effect> {
        let shift = 16 * self.bits(22, 21);
        if shift > 16 && !self.is_64_bit() {
            return None;
        }
        let value = u64::from(self.bits(20, 5)) << shift;
        match self.bits(30, 29) {
            0b00 => self.result(!value),
            0b10 => self.result(value),
            0b11 => self.result(self.x(0)? & !(0xffff << shift) | value),
            _ => None,
        }
    }

    /// SBFM, BFM and UBFM: shifts by an immediate, extensions, fields.
    fn bitfield(&self) -> Option<Effect> {
        let (immr, imms, n) = (self.bits(21, 16), self.bits(15, 10), self.bits(22, 22));
        let width = if self.is_64_bit() { 64 } else { 32 };
        if n != self.bits(31, 31) || immr >= width || imms >= width {
            return None;
        }
        let source = self.x(5)?;
        // The field of the source, and where it goes.
        let (field, length, to) = if imms >= immr {
            (source >> immr, imms - immr + 1, 0)
        } else {
            (source, imms + 1, width - immr)
        };
        let ones = u64::MAX >> (64 - length);
        let placed = (field & ones) << to;
        match self.bits(30, 29) {
            0b00 => {
                let unused = 64 - length;
                let extended = ((field << unused) as i64 >> unused) as u64;
                self.result(extended << to)
            }
            0b01 => self.result(self.x(0)? & !(ones << to) | placed),
            0b10 => self.result(placed),
            _ => None,
        }
    }

    /// MADD and MSUB.
    fn multiply(&self) -> Option<Effect> {
        let product = self.x(5)?.wrapping_mul(self.x(16)?);
        let addend = self.x(10)?;
        self.result(if self.bits(15, 15) == 1 {
            addend.wrapping_sub(product)
        } else {
            addend.wrapping_add(product)
        })
    }

    /// CSEL, CSINC, CSINV and CSNEG.
    fn select(&self, pstate: u64) -> Option<Effect> {
        let (yes, no) = (self.x(5)?, self.x(16)?);
        let no = match (self.bits(30, 30), self.bits(11, 10)) {
            (0, 0) => no,
            (0, 1) => no.wrapping_add(1),
            (1, 0) => !no,
            (1, 1) => no.wrapping_neg(),
            _ => return None,
        };
        let value = if holds(self.bits(15, 12), pstate) {
            yes
        } else {
            no
        };
        self.result(value)
    }
}

/// Whether a condition holds (Arm ARM C1.2.4).
fn holds(condition: u32, pstate: u64) -> bool {
    let flag = |bit: u32| pstate >> bit & 1 == 1;
    let (n, z, c, v) = (flag(31), flag(30), flag(29), flag(28));
    let base = match condition >> 1 {
        0 => z,
        1 => c,
        2 => n,
        3 => v,
        4 => c && !z,
        5 => n == v,
        6 => n == v && !z,
        _ => return true,
    };
    base != (condition & 1 == 1)
}

/// The mask of a logical immediate (Arm ARM, shared pseudocode `DecodeBitMasks`): a run of ones, rotated, repeated.
fn bit_mask(n: u32, imms: u32, immr: u32) -> Option<u64> {
    let combined = n << 6 | (!imms & 0x3f);
    let size = 1u32 << combined.checked_ilog2()?;
    let levels = size - 1;
    let (ones, rotation) = (imms & levels, immr & levels);
    if size < 2 || ones == levels {
        return None;
    }
    let run = u64::MAX >> (63 - ones);
    let element = if rotation == 0 {
        run
    } else {
        (run >> rotation | run << (size - rotation)) & (u64::MAX >> (64 - size))
    };
    let copies = (0..64 / size).fold(0, |mask, copy| mask | element << (copy * size));
    Some(copies)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Effect, bit_mask, operands, simulate};
    use crate::Register;

    const PC: u64 = 0xffff_8000_1000_0ff8;
    /// N and C are set, EL1h.
    const PSTATE: u64 = 0xa000_03c5;

    /// x`n` is `n` times this; SP is above them all.
    const STEP: u64 = 0x0123_4567_89ab_cdef;
    const SP: u64 = 0xffff_0000_0000_4000;

    fn value(register: Register) -> Option<u64> {
        match register {
            Register::X(n) => Some(STEP.wrapping_mul(u64::from(n))),
            Register::Sp => Some(SP),
            Register::Pstate => Some(PSTATE),
            _ => None,
        }
    }

    fn x(n: u8) -> u64 {
        STEP.wrapping_mul(u64::from(n))
    }

    #[track_caller]
    fn writes(word: u32, register: Register, expected: u64) {
        let effect = Effect {
            pc: PC + 4,
            write: Some((register, expected)),
        };
        assert_eq!(simulate(word, PC, &value), Some(effect), "{word:#x}");
    }

    #[track_caller]
    fn goes(word: u32, pc: u64) {
        let effect = simulate(word, PC, &value).expect("it is a simple one");
        assert_eq!((effect.pc, effect.write), (pc, None), "{word:#x}");
    }

    #[test]
    fn computations() {
        let to = Register::X;
        writes(0xca40_1c00, to(0), x(0)); // eor x0, x0, x0, lsr #7
        writes(0xca42_1c23, to(3), x(1) ^ x(2) >> 7); // eor x3, x1, x2, lsr #7
        writes(0x9100_43e1, to(1), SP + 16); // add x1, sp, #16
        writes(0xd100_83ff, Register::Sp, SP - 32); // sub sp, sp, #32
        writes(0x1140_0441, to(1), u64::from(x(2) as u32) + 0x1000); // add w1, w2, #1, lsl #12
        writes(0x8b02_0c20, to(0), x(1).wrapping_add(x(2) << 3)); // add x0, x1, x2, lsl #3
        writes(
            0xcb82_1020,
            to(0),
            x(1).wrapping_sub((x(2) as i64 >> 4) as u64),
        ); // sub x0, x1, x2, asr #4
        writes(0xaa01_03e0, to(0), x(1)); // mov x0, x1
        writes(0x2a22_03e0, to(0), u64::from(!(x(2) as u32))); // mvn w0, w2
        writes(0x9240_1c20, to(0), x(1) & 0xff); // and x0, x1, #0xff
        writes(0xb201_f3e0, to(0), 0xaaaa_aaaa_aaaa_aaaa); // mov x0, #0xaaaaaaaaaaaaaaaa
        writes(0xd2a2_4680, to(0), 0x1234_0000); // mov x0, #0x12340000
        writes(0x1280_0000, to(0), 0xffff_ffff); // mov w0, #-1
        writes(0xf2c0_0021, to(1), x(1) & !(0xffff << 32) | 1 << 32); // movk x1, #1, lsl #32
        writes(0xd378_dc20, to(0), x(1) << 8); // lsl x0, x1, #8
        writes(0x5307_7c20, to(0), u64::from(x(1) as u32 >> 7)); // lsr w0, w1, #7
        writes(0x9340_7c20, to(0), x(1) as u32 as i32 as u64); // sxtw x0, w1
        writes(
            0x3300_1c41,
            to(1),
            u64::from(x(1) as u32 & !0xff | x(2) as u32 & 0xff),
        ); // bfxil w1, w2, #0, #8
        writes(
            0x9b02_0c20,
            to(0),
            x(3).wrapping_add(x(1).wrapping_mul(x(2))),
        ); // madd x0, x1, x2, x3
        writes(0x9b02_fc20, to(0), x(1).wrapping_mul(x(2)).wrapping_neg()); // mneg x0, x1, x2
        writes(0x9a82_4020, to(0), x(1)); // csel x0, x1, x2, mi
        writes(0x9a82_0420, to(0), x(2) + 1); // csinc x0, x1, x2, eq
        writes(0x9000_0000, to(0), PC & !0xfff); // adrp x0, .
        writes(0x1000_0040, to(0), PC + 8); // adr x0, .+8
    }

    #[test]
    fn branches() {
        goes(0xd503_201f, PC + 4); // nop
        goes(0xd503_245f, PC + 4); // bti c
        goes(0x1400_0004, PC + 16); // b .+16
        goes(0x17ff_ffff, PC - 4); // b .-4
        goes(0xb400_0081, PC + 4); // cbz x1, .+16
        goes(0xb500_0081, PC + 16); // cbnz x1, .+16
        goes(0xb400_0080, PC + 16); // cbz x0, .+16
        goes(0x3700_0081, PC + 16); // tbnz w1, #0, .+16
        goes(0x3600_0081, PC + 4); // tbz w1, #0, .+16
        goes(0x5400_0084, PC + 16); // b.mi .+16
        goes(0x5400_0080, PC + 4); // b.eq .+16
        goes(0x5400_008e, PC + 16); // b.al .+16
        goes(0xd65f_0000, 0); // ret x0
        let call = simulate(0x9400_0004, PC, &value); // bl .+16
        let link = Some((Register::X(30), PC + 4));
        let effect = Effect {
            pc: PC + 16,
            write: link,
        };
        assert_eq!(call, Some(effect));
    }

    #[test]
    fn the_rest_is_left_to_the_core() {
        let left = [
            0xa9bf_7bfd, // stp x29, x30, [sp, #-16]!
            0xf940_0000, // ldr x0, [x0]
            0xf100_001f, // cmp x0, #0
            0x6a00_001f, // tst w0, w0
            0xd61f_0000, // br x0
            0xd63f_0000, // blr x0
            0xd503_233f, // paciasp
            0xd503_207f, // wfi
            0xd503_205f, // wfe
            0xd400_0002, // hvc #0
            0xd420_0000, // brk #0
            0xd538_0000, // mrs x0, midr_el1
            0xd65f_0be0, // retaa
            0xd69f_03e0, // eret
            0x0e20_1c00, // and v0.8b, v0.8b, v0.8b
            0x0000_0000, // udf #0
        ];
        for word in left {
            assert_eq!(simulate(word, PC, &value), None, "{word:#x}");
        }
        assert_eq!(
            simulate(0xd65f_0020, PC, &value),
            None,
            "ret x1 to a tagged address"
        );
    }

    #[test]
    fn nothing_is_simple_in_a_special_state() {
        for bit in [4, 10, 11, 20, 21] {
            let special = |register| match register {
                Register::Pstate => Some(PSTATE | 1 << bit),
                register => value(register),
            };
            assert_eq!(simulate(super::NOP, PC, &special), None, "bit {bit}");
        }
    }

    #[test]
    fn only_what_counts_is_asked_for() {
        let asked = |word| operands(word);
        assert_eq!(asked(super::NOP), Some(vec![Register::Pstate]));
        let both = [Register::X(1), Register::X(2), Register::Pstate];
        assert_eq!(asked(0xca42_1c23), Some(both.to_vec()));
        let stack = [Register::Sp, Register::Pstate];
        assert_eq!(asked(0xd100_83ff), Some(stack.to_vec()));
        assert_eq!(asked(0xf940_0000), None);
    }

    #[test]
    fn masks() {
        assert_eq!(bit_mask(1, 0b00_0000, 0), Some(1));
        assert_eq!(bit_mask(0, 0b11_1100, 0), Some(0x5555_5555_5555_5555));
        assert_eq!(bit_mask(0, 0b11_1100, 1), Some(0xaaaa_aaaa_aaaa_aaaa));
        assert_eq!(bit_mask(0, 0b00_0111, 0), Some(0x0000_00ff_0000_00ff));
        assert_eq!(bit_mask(1, 0b11_1111, 0), None);
        assert_eq!(bit_mask(0, 0b11_1111, 0), None);
    }

    proptest! {
        /// Any word is taken or left, with the same operands each time.
        #[test]
        fn any_word(word: u32, seed: u64) {
            let asked = operands(word);
            let given = |register| {
                assert!(asked.as_ref().is_none_or(|asked| asked.contains(&register)));
                Some(if register == Register::Pstate { seed & 0xf000_0000 } else { seed })
            };
            let effect = simulate(word, seed & !3, &given);
            prop_assert!(asked.is_some() || effect.is_none() || word & 0xffff_fc1f == 0xd65f_0000);
        }
    }
}
