//! The random cases: registers of all three regimes, all granules, 48 and 52 bits, over a heap of descriptors that point at
//! each other.

use machine::{AddressSpace, MemoryFault, Pa, PhysicalMemory, Regime, Stage1, Stage2};

const CASES: usize = 4000;
/// The heap of descriptors.
const TABLES: u64 = 0x5000_0000;
const SIZE: u64 = 0x20_0000;
/// RAM that is all zero, as far as descriptors lead there.
const RAM: std::ops::Range<u64> = 0x4000_0000..0x6000_0000;

pub(crate) struct Case {
    pub(crate) space: AddressSpace,
    pub(crate) va: u64,
}

pub(crate) struct Memory {
    words: Vec<u64>,
}

impl Memory {
    pub(crate) fn bytes(&self) -> Vec<u8> {
        self.words
            .iter()
            .flat_map(|word| word.to_le_bytes())
            .collect()
    }
}

impl PhysicalMemory for Memory {
    fn read_physical(&self, address: Pa, buffer: &mut [u8]) -> Result<(), MemoryFault> {
        assert_eq!((address.0 % 8, buffer.len()), (0, 8), "walks read words");
        let word = match address.0.checked_sub(TABLES) {
            Some(offset) if offset < SIZE => self.words[(offset / 8) as usize],
            _ if RAM.contains(&address.0) => 0,
            _ => return Err(MemoryFault::Absent(address)),
        };
        buffer.copy_from_slice(&word.to_le_bytes());
        Ok(())
    }
}

pub(crate) fn all() -> (Memory, Vec<Case>) {
    let mut random = Random(1);
    let words = (0..SIZE / 8).map(|_| descriptor(&mut random)).collect();
    let cases = (0..CASES).map(|_| case(&mut random)).collect();
    (Memory { words }, cases)
}

/// SplitMix64 (Steele, Lea, Flood 2014).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }

    fn chance(&mut self, percent: u64) -> bool {
        self.next() % 100 < percent
    }

    fn bits(&mut self, width: u32) -> u64 {
        self.next() & ((1 << width) - 1)
    }

    fn of(&mut self, values: &[u64]) -> u64 {
        values[(self.next() % values.len() as u64) as usize]
    }
}

/// Mostly valid, mostly a table, mostly in the heap. The access flag and the read permission are set, the contiguous bit is
/// clear: QEMU does not act on it.
fn descriptor(random: &mut Random) -> u64 {
    let address = match random.next() % 16 {
        0 => 0x5400_0000 + random.bits(24),
        1 => random.bits(48) | 1 << 40,
        _ => TABLES + random.bits(21),
    };
    let mut word =
        address & !0xfff | 1 << 10 | 1 << 6 | random.bits(6) << 2 & !(1 << 6) | random.bits(1) << 7;
    if random.chance(5) {
        // Address bits 51:48 where FEAT_LPA or FEAT_LPA2 have them.
        word |= random.bits(4) << 12 | random.bits(2) << 8 | random.bits(2) << 48;
    }
    if random.chance(20) {
        word |= random.bits(5) << 59 | random.bits(2) << 53;
    }
    word | u64::from(random.chance(92)) | u64::from(random.chance(85)) << 1
}

fn case(random: &mut Random) -> Case {
    let regime = match random.next() % 6 {
        0 => Regime::El2,
        1 => Regime::El20,
        _ => Regime::El10,
    };
    let guest = regime == Regime::El10 && random.chance(60);
    let enabled = regime != Regime::El10 || random.chance(85);
    let (size0, size1) = (size(random), size(random));
    let stage1 = Stage1 {
        regime,
        enabled,
        ttbr0: base(random),
        ttbr1: base(random),
        tcr: tcr(random, regime, size0, size1),
        mair: (0..8).fold(0, |mair, n| {
            mair | random.of(&[0xff, 0x44, 0x04, 0x00, 0x0c, 0xee, 0xbb]) << (8 * n)
        }),
    };
    let upper = regime != Regime::El2 && random.chance(50);
    let va = if enabled {
        address(random, if upper { size1 } else { size0 }, upper)
    } else {
        let size = random.of(&[22, 33, 43, 43, 43]);
        TABLES ^ random.bits(64 - size as u32)
    };
    let stage2 = guest.then(|| Stage2 {
        vttbr: base(random),
        vtcr: vtcr(random),
    });
    Case {
        space: AddressSpace {
            stage1: Some(stage1),
            stage2,
        },
        va,
    }
}

/// TxSZ.
fn size(random: &mut Random) -> u64 {
    match random.next() % 4 {
        0 => 12 + random.next() % 37,
        1 => 16,
        2 => random.of(&[12, 16, 17, 22, 25, 28, 34, 39]),
        _ => 16 + random.next() % 24,
    }
}

/// PS: 52 bits with DS, and no less than the largest block of 64 KiB pages.
fn output_size(random: &mut Random, ds: u64) -> u64 {
    if ds == 1 {
        6
    } else {
        random.of(&[3, 4, 5, 5, 6, 6])
    }
}

fn tcr(random: &mut Random, regime: Regime, size0: u64, size1: u64) -> u64 {
    let (tg0, tg1) = (random.of(&[0, 0, 1, 2]), random.of(&[2, 2, 1, 3]));
    let ds = u64::from(random.chance(25));
    let ps = output_size(random, ds);
    let (tbi, hpd) = (random.bits(2), random.bits(2));
    if regime == Regime::El2 {
        return size0
            | tg0 << 14
            | ps << 16
            | (tbi & 1) << 20
            | 1 << 23
            | (hpd & 1) << 24
            | 1 << 31
            | ds << 32;
    }
    let epd = u64::from(random.chance(5)) << 7 | u64::from(random.chance(5)) << 23;
    size0 | size1 << 16 | tg0 << 14 | tg1 << 30 | ps << 32 | tbi << 37 | hpd << 41 | ds << 59 | epd
}

/// VTCR_EL2 whose start level mostly fits.
fn vtcr(random: &mut Random) -> u64 {
    let tg = random.of(&[0, 0, 1, 2]);
    let ds = u64::from(random.chance(25));
    let ps = output_size(random, ds);
    let size = size(random) as i64;
    let page = [12, 16, 14][tg as usize];
    let mut level = 3 - (64 - size - 1 - page).max(0) / (page - 3);
    if random.chance(40) {
        // Concatenated.
        level += 1;
    }
    let (sl0, sl2) = match (tg, level) {
        (0, -1) => (0, 1),
        (0, 0..=2) => (2 - level as u64, 0),
        (0, _) => (3, 0),
        (_, level) => (3 - level.clamp(0, 3) as u64, 0),
    };
    let vs = random.bits(1);
    size as u64 | sl0 << 6 | tg << 14 | ps << 16 | vs << 19 | 1 << 31 | ds << 32 | sl2 << 33
}

/// A base register: a table of the heap, sometimes with low bits, always with an ASID or VMID.
fn base(random: &mut Random) -> u64 {
    let low = if random.chance(10) {
        random.bits(12)
    } else {
        0
    };
    (TABLES + random.bits(21)) & !0xfff | low | random.bits(16) << 48
}

/// An address mostly in range, sometimes with a tag, sometimes wild.
fn address(random: &mut Random, size: u64, upper: bool) -> u64 {
    let within = random.bits(64 - size as u32);
    let mut va = if upper {
        within | !0 << (64 - size)
    } else {
        within
    };
    if random.chance(10) {
        va ^= random.bits(8) << 56;
    }
    if random.chance(5) {
        va ^= 1 << random.bits(6);
    }
    va
}
