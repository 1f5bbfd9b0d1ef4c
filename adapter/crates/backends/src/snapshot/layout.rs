//! Where things lie in the file: the structures of an ELF core as bytes.
//!
//! ELF-64 object file format 1.5 draft 2; `struct elf_prstatus` of Linux's `include/linux/elfcore.h` (6.12) with the
//! registers of `arch/arm64/include/uapi/asm/ptrace.h`, as QEMU writes it too (`target/arm/arch_dump.c`, 10.0).

use machine::Register;

/// A range of physical memory in the file: what lacks from `file_size` to `memory_size` is zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Load {
    /// The physical address.
    pub(super) address: u64,
    /// Bytes of memory.
    pub(super) memory_size: u64,
    /// Where in the file.
    pub(super) offset: u64,
    /// Bytes in the file.
    pub(super) file_size: u64,
}

/// Bytes of an ELF header, a program header, a section header.
pub(super) const HEADER: usize = 64;
pub(super) const PROGRAM_HEADER: usize = 56;
pub(super) const SECTION_HEADER: usize = 64;

/// The values of the fields that matter here.
pub(super) const ET_CORE: u16 = 4;
pub(super) const EM_AARCH64: u16 = 183;
pub(super) const PN_XNUM: u16 = 0xffff;
pub(super) const PT_LOAD: u32 = 1;
pub(super) const PT_NOTE: u32 = 4;
/// Segment flags: readable, writable, executable.
pub(super) const PF_RWX: u32 = 7;

/// Owner of the notes that every debugger knows, and of ours.
pub(super) const CORE: &[u8] = b"CORE";
pub(super) const VENDOR: &[u8] = b"HVDAP";

/// Type of the note with a core's registers, owner [`CORE`].
pub(super) const NT_PRSTATUS: u32 = 1;

/// Type of our note with all registers of a core.
pub(super) const NT_REGISTERS: u32 = 1;

/// Type of our note on the halt as a whole.
pub(super) const NT_HALT: u32 = 2;

/// Bytes of `elf_prstatus`, and where the registers lie in it.
pub(super) const PRSTATUS: usize = 392;
pub(super) const PRSTATUS_ID: usize = 32;
pub(super) const PRSTATUS_REGISTERS: usize = 112;

/// The registers of `elf_prstatus`, in order.
pub(super) fn general_registers() -> impl Iterator<Item = Register> {
    let others = [Register::Sp, Register::Pc, Register::Pstate];
    (0..31).map(Register::X).chain(others)
}

/// A little-endian integer of `N` bytes at `at`, `None` beyond the end.
pub(super) fn word<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..)?.first_chunk().copied()
}

/// A 16-bit integer.
pub(super) fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    word(bytes, at).map(u16::from_le_bytes)
}

/// A 32-bit integer.
pub(super) fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    word(bytes, at).map(u32::from_le_bytes)
}

/// A 64-bit integer.
pub(super) fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    word(bytes, at).map(u64::from_le_bytes)
}
