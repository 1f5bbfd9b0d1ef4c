//! Instructions as far as prologue analysis and stepping ask (Arm ARM C4.1). What they do not ask about is [`Insn::Other`].
//!
//! Branch targets are offsets from the instruction's own address, so that run-time and link addresses serve alike.

/// An A64 instruction. Register 31 is SP where it is a base or an operand of an addition, else XZR.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Insn {
    /// STR, STUR, STP and STNP of general or vector registers, with an immediate offset.
    Store(Transfer),
    /// LDR, LDUR, LDP and LDNP likewise.
    Load(Transfer),
    /// ADD and SUB (immediate), 64-bit, flags not set; `MOV x29, SP` is an addition of 0.
    Add {
        /// Destination; 31 is SP.
        to: u8,
        /// Source; 31 is SP.
        from: u8,
        /// What is added.
        value: i64,
    },
    /// ADD and SUB (extended register), 64-bit, of a whole register without a shift: `SUB SP, SP, x16`.
    AddRegister {
        /// Destination; 31 is SP.
        to: u8,
        /// Source; 31 is SP.
        from: u8,
        /// The register that is added.
        register: u8,
        /// Whether it is subtracted instead.
        subtract: bool,
    },
    /// MOV between general registers, 64-bit.
    Move {
        /// Destination.
        to: u8,
        /// Source.
        from: u8,
    },
    /// MOVZ and MOVN: the whole register is set.
    Set {
        /// Destination.
        to: u8,
        /// Its new value.
        value: u64,
    },
    /// MOVK: 16 bits of the register are set.
    Keep {
        /// Destination.
        to: u8,
        /// Where the 16 bits go.
        shift: u8,
        /// The 16 bits.
        value: u16,
    },
    /// PACIASP, PACIBSP, PACIAZ, PACIBZ: x30 holds a signed address from here on.
    Sign,
    /// AUTIASP, AUTIBSP, AUTIAZ, AUTIBZ: x30 holds an address again.
    Authenticate,
    /// NOP, BTI and the other hints without effect on registers.
    Nop,
    /// WFI, WFE, WFIT, WFET: the core may sleep.
    Wait,
    /// B.
    Jump {
        /// Target, from this instruction.
        offset: i64,
    },
    /// B.cond, BC.cond, CBZ, CBNZ, TBZ, TBNZ.
    Branch {
        /// Target when taken, from this instruction.
        offset: i64,
    },
    /// BL.
    Call {
        /// Target, from this instruction.
        offset: i64,
    },
    /// BR, BRAA and variants.
    JumpRegister {
        /// The register with the target.
        register: u8,
    },
    /// BLR, BLRAA and variants.
    CallRegister {
        /// The register with the target.
        register: u8,
    },
    /// RET, RETAA, RETAB.
    Return {
        /// The register with the target, 30 unless told otherwise.
        register: u8,
    },
    /// SVC.
    Svc(u16),
    /// HVC.
    Hvc(u16),
    /// SMC.
    Smc(u16),
    /// BRK.
    Brk(u16),
    /// ERET, ERETAA, ERETAB.
    Eret,
    /// LDXR, LDAXR, LDXP, LDAXP: a single step from here to the store makes the store fail, for ever.
    LoadExclusive,
    /// STXR, STLXR, STXP, STLXP.
    StoreExclusive,
    /// Anything else, and what is no instruction.
    Other,
}

/// A load or store of one or two registers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transfer {
    /// The first register; of a pair, at the lower address.
    pub first: u8,
    /// The second register of a pair.
    pub second: Option<u8>,
    /// Whether they are vector registers.
    pub vector: bool,
    /// Bytes of each in memory.
    pub width: u8,
    /// The base register; 31 is SP.
    pub base: u8,
    /// What is added to the base.
    pub offset: i64,
    /// When it is added.
    pub indexing: Indexing,
}

/// What becomes of the base register.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Indexing {
    /// It stays: `[x0, #16]`.
    Offset,
    /// The offset is added first and kept: `[sp, #-32]!`.
    Pre,
    /// The base is the address, the offset is added after: `[sp], #32`.
    Post,
}

impl Insn {
    /// Decodes one instruction.
    #[must_use]
    pub const fn decode(word: u32) -> Self {
        // op0, bits [28:25]: the groups of Arm ARM C4.1.
        match word >> 25 & 0xf {
            0b1000 | 0b1001 => immediate(word),
            0b1010 | 0b1011 => branch(word),
            0b0100 | 0b0110 | 0b1100 | 0b1110 => load_or_store(word),
            0b0101 | 0b1101 => register(word),
            _ => Self::Other,
        }
    }
}

/// `width` bits from bit `low` on.
const fn field(word: u32, low: u32, width: u32) -> u32 {
    word >> low & ((1 << width) - 1)
}

/// The same, sign-extended.
const fn signed(word: u32, low: u32, width: u32) -> i64 {
    ((field(word, low, width) << (32 - width)) as i32 >> (32 - width)) as i64
}

const fn number(word: u32, low: u32) -> u8 {
    field(word, low, 5) as u8
}

/// Data processing, immediate.
///
/// ```text
///   31   30   29  28    23  22  21  10  9  5  4  0
/// | sf | op | S | 100010 | sh | imm12 |  Rn |  Rd |   ADD, SUB
/// | sf |   opc  | 100101 |  hw | imm16      |  Rd |   MOVN 00, MOVZ 10, MOVK 11
/// ```
const fn immediate(word: u32) -> Insn {
    let to = number(word, 0);
    match field(word, 23, 6) {
        0b10_0010 if field(word, 31, 1) == 1 && field(word, 29, 1) == 0 => {
            let shift = 12 * field(word, 22, 1);
            let value = ((field(word, 10, 12)) << shift) as i64;
            Insn::Add {
                to,
                from: number(word, 5),
                value: if field(word, 30, 1) == 1 {
                    -value
                } else {
                    value
                },
            }
        }
        0b10_0101 => {
            let shift = field(word, 21, 2) * 16;
            let half = field(word, 5, 16) as u16;
            let value = (half as u64) << shift;
            match (field(word, 31, 1), field(word, 29, 2)) {
                (0, _) if shift > 16 => Insn::Other,
                (0, 0b00) => Insn::Set {
                    to,
                    value: !value & 0xffff_ffff,
                },
                (1, 0b00) => Insn::Set { to, value: !value },
                (_, 0b10) => Insn::Set { to, value },
                (_, 0b11) => Insn::Keep {
                    to,
                    shift: shift as u8,
                    value: half,
                },
                _ => Insn::Other,
            }
        }
        _ => Insn::Other,
    }
}

/// Data processing, register.
///
/// ```text
///   31   30   29  28       21  20 16  15    13  12  10  9  5  4  0
/// | sf | op | S | 01011 001 |  Rm  | option | imm3  |  Rn |  Rd |   ADD, SUB (extended register); UXTX is 011
/// | sf | 01     | 01010 000 |  Rm  |      000000    | 11111 | Rd |  MOV, an alias of ORR (shifted register)
/// ```
const fn register(word: u32) -> Insn {
    let (to, from, other) = (number(word, 0), number(word, 5), number(word, 16));
    match (word & 0xbfe0_fc00, word & 0xffe0_ffe0) {
        (0x8b20_6000, _) => Insn::AddRegister {
            to,
            from,
            register: other,
            subtract: field(word, 30, 1) == 1,
        },
        (_, 0xaa00_03e0) => Insn::Move { to, from: other },
        _ => Insn::Other,
    }
}

/// Branches, exception generation, hints.
const fn branch(word: u32) -> Insn {
    match word >> 24 {
        0x14..=0x17 => Insn::Jump {
            offset: signed(word, 0, 26) * 4,
        },
        0x94..=0x97 => Insn::Call {
            offset: signed(word, 0, 26) * 4,
        },
        0x54 | 0x34 | 0x35 | 0xb4 | 0xb5 => Insn::Branch {
            offset: signed(word, 5, 19) * 4,
        },
        0x36 | 0x37 | 0xb6 | 0xb7 => Insn::Branch {
            offset: signed(word, 5, 14) * 4,
        },
        0xd4 => exception(word),
        0xd5 => hint(word),
        0xd6 | 0xd7 => branch_register(word),
        _ => Insn::Other,
    }
}

/// ```text
///   31       24  23 21  20   5  4   2  1 0
/// | 1101 0100  |  opc |  imm16 | 000  | LL |
/// ```
const fn exception(word: u32) -> Insn {
    let imm = field(word, 5, 16) as u16;
    match (field(word, 21, 3), field(word, 0, 5)) {
        (0b000, 0b00001) => Insn::Svc(imm),
        (0b000, 0b00010) => Insn::Hvc(imm),
        (0b000, 0b00011) => Insn::Smc(imm),
        (0b001, 0b00000) => Insn::Brk(imm),
        _ => Insn::Other,
    }
}

/// ```text
///   31                     12  11  8  7  5  4   0
/// | 1101 0101 0000 0011 0010 |  CRm | op2 | 11111 |    hints
/// | 1101 0101 0000 0011 0001 | 0000 | op2 |  Rd   |    WFET, WFIT
/// ```
const fn hint(word: u32) -> Insn {
    if word & 0xffff_ffc0 == 0xd503_1000 {
        return Insn::Wait;
    }
    if word & 0xffff_f01f != 0xd503_201f {
        return Insn::Other;
    }
    match field(word, 5, 7) {
        2 | 3 => Insn::Wait,
        24..=27 => Insn::Sign,
        28..=31 => Insn::Authenticate,
        // XPACLRI, PACIA1716 to AUTIB1716 change registers.
        7 | 8 | 10 | 12 | 14 => Insn::Other,
        _ => Insn::Nop,
    }
}

/// ```text
///   31     25  24 21  20  16  15  10  9  5  4  0
/// | 1101 011 |  opc | 11111 |  op3  |  Rn | op4 |     op3 00001m: with pointer authentication
/// ```
const fn branch_register(word: u32) -> Insn {
    let (opc, op3, op4) = (field(word, 21, 4), field(word, 10, 6), field(word, 0, 5));
    let register = number(word, 5);
    if field(word, 16, 5) != 31 {
        return Insn::Other;
    }
    match (opc, op3, op4) {
        (0b0000, 0, 0) | (0b0000, 2 | 3, 31) | (0b1000, 2 | 3, _) => {
            Insn::JumpRegister { register }
        }
        (0b0001, 0, 0) | (0b0001, 2 | 3, 31) | (0b1001, 2 | 3, _) => {
            Insn::CallRegister { register }
        }
        (0b0010, 0, 0) => Insn::Return { register },
        (0b0010, 2 | 3, 31) if register == 31 => Insn::Return { register: 30 },
        (0b0100, 0, 0) | (0b0100, 2 | 3, 31) if register == 31 => Insn::Eret,
        _ => Insn::Other,
    }
}

/// Loads and stores with an immediate offset, and exclusives.
///
/// ```text
///   31 30  29 27  26  25 24  23 22  21   15  14  10  9  5  4  0
/// | opc  | 101  | V | 0 | mode | L | imm7  |  Rt2  |  Rn |  Rt |   pairs; mode 0 STNP, 1 post, 2 offset, 3 pre
/// | size | 111  | V | 01  | opc  |   imm12          |  Rn |  Rt |   unsigned offset
/// | size | 111  | V | 00  | opc  0 | imm9 | mode    |  Rn |  Rt |   mode 0 unscaled, 1 post, 3 pre (bits 11:10)
/// | size | 001000       o2 L o1 | Rs | o0 | Rt2     |  Rn |  Rt |   exclusives: o2 0
/// ```
const fn load_or_store(word: u32) -> Insn {
    match (field(word, 27, 3), field(word, 24, 2)) {
        (0b101, 0b00 | 0b01) => pair(word),
        (0b111, 0b01) => single(word, field(word, 10, 12) as i64, Indexing::Offset, true),
        (0b111, 0b00) if field(word, 21, 1) == 0 => {
            let offset = signed(word, 12, 9);
            match field(word, 10, 2) {
                0 => single(word, offset, Indexing::Offset, false),
                1 => single(word, offset, Indexing::Post, false),
                3 => single(word, offset, Indexing::Pre, false),
                _ => Insn::Other,
            }
        }
        (0b001, 0b00) if field(word, 26, 1) == 0 => exclusive(word),
        _ => Insn::Other,
    }
}

const fn pair(word: u32) -> Insn {
    let vector = field(word, 26, 1) == 1;
    let load = field(word, 22, 1) == 1;
    let scale = match (vector, field(word, 30, 2)) {
        (false, 0b00) => 2,
        // LDPSW; as a store it would be STGP.
        (false, 0b01) if load => 2,
        (false, 0b10) => 3,
        (true, opc @ 0..=2) => 2 + opc,
        _ => return Insn::Other,
    };
    let transfer = Transfer {
        first: number(word, 0),
        second: Some(number(word, 10)),
        vector,
        width: 1 << scale,
        base: number(word, 5),
        offset: signed(word, 15, 7) << scale,
        indexing: match field(word, 23, 2) {
            0b01 => Indexing::Post,
            0b11 => Indexing::Pre,
            _ => Indexing::Offset,
        },
    };
    if load {
        Insn::Load(transfer)
    } else {
        Insn::Store(transfer)
    }
}

const fn single(word: u32, offset: i64, indexing: Indexing, scaled: bool) -> Insn {
    let vector = field(word, 26, 1) == 1;
    let (size, opc) = (field(word, 30, 2), field(word, 22, 2));
    let (scale, load) = match (vector, size, opc) {
        // PRFM.
        (false, 3, 2..) | (false, 2, 3) => return Insn::Other,
        (false, _, _) => (size, opc != 0),
        (true, 0, 2..) => (4, opc == 3),
        (true, _, 2..) => return Insn::Other,
        (true, _, _) => (size, opc == 1),
    };
    let transfer = Transfer {
        first: number(word, 0),
        second: None,
        vector,
        width: 1 << scale,
        base: number(word, 5),
        offset: if scaled { offset << scale } else { offset },
        indexing,
    };
    if load {
        Insn::Load(transfer)
    } else {
        Insn::Store(transfer)
    }
}

/// Of the group, o2 = 1 is load-acquire, store-release and CAS; o1 = 1 with a size below 32 bits is CASP.
const fn exclusive(word: u32) -> Insn {
    let pair_size = field(word, 31, 1) == 1;
    if field(word, 23, 1) == 1 || (field(word, 21, 1) == 1 && !pair_size) {
        return Insn::Other;
    }
    if field(word, 22, 1) == 1 {
        Insn::LoadExclusive
    } else {
        Insn::StoreExclusive
    }
}
