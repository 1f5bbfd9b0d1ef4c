//! Guests laid out by hand: a kernel of six pages in a guest's memory, its tables, and the registers of a vCPU.

mod elf;

use std::collections::HashMap;

use elf::{Elf, note};
use machine::{MemoryFault, Pa, Register};
use proptest::prelude::*;

use super::*;

/// Where the kernel is linked, and where it lies in the guest's memory.
const LINK: u64 = 0xffff_ffc0_0800_0000;
const IPA: u64 = 0x4800_0000;
/// What stage 2 adds to an IPA.
const STAGE2: u64 = 0x4000_0000;
const STAGE2_ROOT: u64 = 0xc000_0000;

// Offsets in the kernel.
const VECTORS: u64 = 0x800;
const BANNER: u64 = 0x2000;
const NOTE: u64 = 0x2100;
const VOFFSET: u64 = 0x3000;
const SWAPPER: u64 = 0x4000;
const TRAMP: u64 = 0x5000;

const ID: &[u8] = b"twenty bytes of SHA1";
const TEXT: &[u8] = b"Linux version 6.1.0 (builder@host) #1 SMP\n\0";

/// A guest's kernel and one vCPU.
#[derive(Clone)]
struct Guest {
    elf: Elf,
    memory: Memory,
    vcpu: Registers,
    stage2: Option<Stage2>,
}

#[derive(Clone, Default)]
struct Memory(HashMap<u64, [u8; 4096]>);

impl Memory {
    fn write(&mut self, address: u64, bytes: &[u8]) {
        for (at, byte) in (address..).zip(bytes) {
            self.0.entry(at & !0xfff).or_insert([0; 4096])[(at & 0xfff) as usize] = *byte;
        }
    }

    fn write_u64(&mut self, address: u64, value: u64) {
        self.write(address, &value.to_le_bytes());
    }
}

impl PhysicalMemory for Memory {
    fn read_physical(&self, address: Pa, buffer: &mut [u8]) -> Result<(), MemoryFault> {
        for (at, byte) in (address.0..).zip(buffer) {
            let page = self
                .0
                .get(&(at & !0xfff))
                .ok_or(MemoryFault::Absent(Pa(at)))?;
            *byte = page[(at & 0xfff) as usize];
        }
        Ok(())
    }
}

impl Guest {
    /// A Linux that lies `slide` from its link addresses, halted in EL1.
    fn linux(slide: u64) -> Self {
        let mut text: Vec<u8> = (0..BANNER as u32 / 4)
            .flat_map(|n| n.wrapping_mul(0x9e37_79b9).to_le_bytes())
            .collect();
        text.extend(TEXT);
        let mut guest = Self {
            elf: Elf {
                text: (LINK, text.clone()),
                note: Some((LINK + NOTE, ID.to_vec())),
                symbols: vec![
                    ("vectors", LINK + VECTORS, 0x800),
                    ("linux_banner", LINK + BANNER, TEXT.len() as u64),
                    ("kimage_voffset", LINK + VOFFSET, 8),
                    ("swapper_pg_dir", LINK + SWAPPER, 0x1000),
                    ("tramp_pg_dir", LINK + TRAMP, 0x1000),
                ],
            },
            memory: Memory::default(),
            vcpu: Registers::default(),
            stage2: None,
        };
        guest.memory.write(IPA, &text);
        guest.memory.write(IPA + NOTE, &note(ID));
        let virtual_start = LINK.wrapping_add(slide);
        guest
            .memory
            .write_u64(IPA + VOFFSET, virtual_start.wrapping_sub(IPA));
        // A level-1 block of 1 GiB maps the kernel; MAIR index 0.
        let entry = virtual_start >> 30 & 0x1ff;
        guest
            .memory
            .write_u64(IPA + SWAPPER + 8 * entry, 0x4000_0000 | 0x401);
        guest.memory.write_u64(IPA + TRAMP, 0);
        guest.vcpu.pstate = Some(5);
        for (register, value) in [
            (SysReg::SctlrEl1, 1),
            (SysReg::Ttbr0El1, 0),
            (SysReg::Ttbr1El1, IPA + SWAPPER),
            (SysReg::TcrEl1, 25 | 25 << 16 | 0b10 << 30 | 0b101 << 32), // 39 bits, 4 KiB pages
            (SysReg::MairEl1, 0xff),
            (SysReg::VbarEl1, virtual_start + VECTORS),
        ] {
            guest.vcpu.set(Register::Sys(register), value);
        }
        guest
    }

    fn set(mut self, register: SysReg, value: u64) -> Self {
        self.vcpu.set(Register::Sys(register), value);
        self
    }

    fn without(mut self, symbol: &str) -> Self {
        self.elf.symbols.retain(|(name, ..)| *name != symbol);
        self
    }

    fn without_note(mut self) -> Self {
        self.elf.note = None;
        self
    }

    /// The same memory, behind a stage 2 that adds [`STAGE2`].
    fn behind_stage2(mut self) -> Self {
        let pages = std::mem::take(&mut self.memory.0);
        self.memory.0 = pages
            .into_iter()
            .map(|(at, page)| (at + STAGE2, page))
            .collect();
        self.memory
            .write_u64(STAGE2_ROOT + 8, (0x4000_0000 + STAGE2) | 0x7fd); // IPA 0x40000000: normal memory, read-write
        self.stage2 = Some(Stage2 {
            vttbr: 1 << 48 | STAGE2_ROOT,
            vtcr: 25 | 0b01 << 6 | 0b101 << 16,
        });
        self
    }

    fn place(&self) -> Result<Option<Placement>, Mismatch> {
        let off = Registers::default();
        place(
            &self.elf.image(),
            &self.memory,
            self.stage2,
            &[off, self.vcpu.clone()],
        )
    }

    /// Slide and evidence.
    fn check(&self, slide: u64, evidence: Evidence) {
        let found = self.place().expect("no other build").expect("a placement");
        assert_eq!((found.slide, found.evidence), (slide, evidence));
        if found.kind == GuestKind::Linux {
            assert_eq!(found.kernel_ttbr1, Some(IPA + SWAPPER));
        }
    }
}

/// Slides that keep the kernel in another 1 GiB block.
const MOVED: u64 = 5 << 30;

#[test]
fn linux_is_found_where_it_is_linked_and_where_it_was_moved() {
    for slide in [0, MOVED] {
        Guest::linux(slide).check(slide, Evidence::BuildId);
        Guest::linux(slide)
            .behind_stage2()
            .check(slide, Evidence::BuildId);
    }
}

#[test]
fn ttbr1_may_hold_more_than_an_address() {
    Guest::linux(0)
        .set(SysReg::Ttbr1El1, 0x37 << 48 | (IPA + SWAPPER) | 1)
        .check(0, Evidence::BuildId);
}

#[test]
fn with_page_table_isolation_el0_has_a_reduced_table_and_other_vectors() {
    Guest::linux(MOVED)
        .set(SysReg::Ttbr1El1, IPA + TRAMP)
        .set(SysReg::VbarEl1, 0xffff_ffff_ff5f_8000)
        .behind_stage2()
        .check(MOVED, Evidence::BuildId);
}

#[test]
fn vbar_tells_what_kimage_voffset_does_not() {
    Guest::linux(MOVED)
        .without("kimage_voffset")
        .check(MOVED, Evidence::BuildId);
    let mut wrong = Guest::linux(MOVED);
    wrong.memory.write_u64(IPA + VOFFSET, 0x1234_5678);
    wrong.check(MOVED, Evidence::BuildId);
    let nothing = wrong.set(SysReg::VbarEl1, 0xffff_ffff_ff5f_8000);
    assert_eq!(nothing.place(), Ok(None));
}

#[test]
fn a_kernel_for_52_bits_starts_within_its_table() {
    // 48 bits and 64 KiB pages: the last 64 entries of a table for 52 bits, then a level-2 block of 512 MiB.
    let root = IPA + SWAPPER + 0x1e00;
    let mut guest = Guest::linux(0)
        .set(SysReg::Ttbr1El1, root)
        .set(SysReg::TcrEl1, 16 | 16 << 16 | 0b11 << 30 | 0b101 << 32);
    let level2 = IPA + 0x1_0000;
    guest.memory.write_u64(root + 8 * 63, level2 | 3);
    let entry = LINK >> 29 & 0x1fff;
    guest
        .memory
        .write_u64(level2 + 8 * entry, 0x4000_0000 | 0x401);
    let found = guest.place().expect("no other build").expect("a placement");
    assert_eq!((found.slide, found.kernel_ttbr1), (0, Some(root)));
}

#[test]
fn without_build_id_the_banner_decides() {
    Guest::linux(MOVED)
        .without_note()
        .behind_stage2()
        .check(MOVED, Evidence::Banner);
}

#[test]
fn another_build_is_a_mismatch() {
    let mut guest = Guest::linux(0);
    guest.memory.write(IPA + NOTE + 16, b"another");
    let other = guest.place().expect_err("another build");
    assert!(other.wanted.starts_with("build-id 7477656e7479"), "{other}");
    assert!(
        other.found.starts_with("build-id 616e6f74686572"),
        "{other}"
    );
    let mut guest = Guest::linux(0).without_note();
    guest.memory.write(IPA + BANNER + 14, b"5");
    let other = guest.place().expect_err("another version");
    assert_eq!(other.found, "Linux version 5.1.0 (builder@host) #1 SMP");
}

#[test]
fn another_program_is_nothing() {
    let mut guest = Guest::linux(0);
    guest.memory.write(IPA + NOTE, &[0; 64]);
    assert_eq!(guest.place(), Ok(None));
    assert_eq!(
        Guest::linux(0)
            .without_note()
            .set(SysReg::Ttbr1El1, 0x1000)
            .place(),
        Ok(None)
    );
}

#[test]
fn with_the_mmu_off_nothing_is_claimed() {
    assert_eq!(Guest::linux(0).set(SysReg::SctlrEl1, 0).place(), Ok(None));
}

#[test]
fn plain_programs_are_found_by_build_id() {
    let plain = |slide| Guest::linux(slide).without("swapper_pg_dir");
    for slide in [0, MOVED] {
        plain(slide).check(slide, Evidence::BuildId);
        plain(slide).behind_stage2().check(slide, Evidence::BuildId);
    }
    plain(0).set(SysReg::VbarEl1, 0).check(0, Evidence::BuildId);
    assert_eq!(plain(MOVED).set(SysReg::VbarEl1, 0).place(), Ok(None));
}

#[test]
fn plain_programs_without_build_id_are_found_by_their_vectors() {
    let mut plain = Guest::linux(MOVED).without("swapper_pg_dir").without_note();
    plain.check(MOVED, Evidence::VectorBase);
    plain.memory.write(IPA + VECTORS, &[0; 0x200]);
    plain.check(MOVED, Evidence::VectorBase);
    plain.memory.write(IPA + VECTORS, &[0; 0x240]);
    assert_eq!(plain.place(), Ok(None));
}

#[test]
fn a_plain_program_of_another_build_is_a_mismatch() {
    let mut plain = Guest::linux(0).without("swapper_pg_dir");
    plain.memory.write(IPA + NOTE + 16, b"another");
    assert!(plain.place().is_err());
}

#[test]
fn the_kernels_space_is_the_one_with_its_own_table() {
    let guest = Guest::linux(MOVED)
        .set(SysReg::Ttbr1El1, IPA + TRAMP)
        .behind_stage2();
    let found = guest.place().expect("no other build").expect("a placement");
    let space = AddressSpace::guest(&guest.vcpu, guest.stage2).expect("a space");
    let banner = Va((LINK + BANNER).wrapping_add(MOVED));
    assert!(space.translate(&guest.memory, banner).is_err());
    let there = found.kernel_space(space).translate(&guest.memory, banner);
    assert_eq!(there.map(|there| there.pa), Ok(Pa(IPA + BANNER + STAGE2)));
}

proptest! {
    #[test]
    fn any_guest_is_survived(
        registers in proptest::collection::vec((0..6_usize, any::<u64>()), 0..4),
        words in proptest::collection::vec((0..0xc00_u64, any::<u64>()), 0..24),
    ) {
        const USED: [SysReg; 6] = [SysReg::SctlrEl1, SysReg::Ttbr0El1, SysReg::Ttbr1El1, SysReg::TcrEl1, SysReg::MairEl1, SysReg::VbarEl1];
        let mut guest = Guest::linux(MOVED).behind_stage2();
        for (register, value) in registers {
            guest = guest.set(USED[register], value);
        }
        for (word, value) in words {
            guest.memory.write_u64(IPA + STAGE2 + 8 * word, value);
        }
        let _ = guest.place();
        let _ = guest.without("swapper_pg_dir").place();
    }
}
