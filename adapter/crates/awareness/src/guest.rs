//! Guest awareness: where an image lies in a VM, found without being told.
//!
//! [`place`] compares what memory holds with the image: the GNU build-id, else the version banner, else the code at the exception
//! vectors. A guest system is one file here that knows how its kernel is found and moved; [`linux`] does, and [`plain`] is for all
//! that lies where it was linked. To add one: a file with a `place` like theirs, a [`GuestKind`], a line in [`place`].

mod linux;
mod plain;
#[cfg(test)]
mod tests;

use std::fmt;

use machine::space::{AddressSpace, Stage2};
use machine::{PhysicalMemory, Registers, SysReg, Va, VirtualMemory};
use symbols::Image;
use symbols::image::hexadecimal;

/// Looks for `image` in a VM: its memory under `stage2` (`None` without a hypervisor), seen by its `vcpus`, running or not.
///
/// `None` when it is not there, or cannot be found yet, as before the guest switches its MMU on.
///
/// # Errors
/// [`Mismatch`] when all fits except the identity: the VM runs another build. Where an image is tried on every VM, the VM of
/// another build of the same sources answers so too.
pub fn place(
    image: &Image,
    memory: &dyn PhysicalMemory,
    stage2: Option<Stage2>,
    vcpus: &[Registers],
) -> Result<Option<Placement>, Mismatch> {
    if linux::is_kernel(image) {
        return linux::place(image, memory, stage2, vcpus);
    }
    let looks = vcpus.iter().filter_map(|vcpu| {
        let space = AddressSpace::guest(vcpu, stage2).ok()?;
        Some((space, vcpu.sys(SysReg::VbarEl1)))
    });
    plain::place(image, memory, looks)
}

/// Looks for the hypervisor's `image` in EL2, seen by the `cores`.
///
/// # Errors
/// [`Mismatch`] when EL2 runs another build.
pub fn place_hypervisor<'a>(
    image: &Image,
    memory: &dyn PhysicalMemory,
    cores: impl IntoIterator<Item = &'a Registers>,
) -> Result<Option<Placement>, Mismatch> {
    let looks = cores.into_iter().filter_map(|core| {
        let space = AddressSpace::el2(core).ok()?;
        Some((space, core.sys(SysReg::VbarEl2)))
    });
    plain::place(image, memory, looks)
}

/// Where an image lies in a VM (or in EL2), and how that is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Placement {
    /// What is added to a link address to get the virtual address.
    pub slide: u64,
    /// What was compared.
    pub evidence: Evidence,
    /// What the image is.
    pub kind: GuestKind,
    /// The kernel's own `TTBR1_EL1`. A vCPU halted in EL0 with page-table isolation has a reduced table there.
    pub kernel_ttbr1: Option<u64>,
}

impl Placement {
    /// The address space of the guest's kernel, from that of one of its vCPUs.
    #[must_use]
    pub fn kernel_space(&self, of_vcpu: AddressSpace) -> AddressSpace {
        let mut space = of_vcpu;
        if let (Some(stage1), Some(ttbr1)) = (&mut space.stage1, self.kernel_ttbr1) {
            stage1.ttbr1 = ttbr1;
        }
        space
    }
}

/// How it is known that an image runs in a VM, from the strongest to the weakest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Evidence {
    /// The GNU build-id in memory is the image's.
    BuildId,
    /// The version banner in memory is the image's.
    Banner,
    /// The exception vectors in memory are the image's.
    VectorBase,
    /// Nothing in memory: somebody said so.
    Told,
}

impl fmt::Display for Evidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::BuildId => "build-id",
            Self::Banner => "version banner",
            Self::VectorBase => "exception vectors",
            Self::Told => "the user's word",
        })
    }
}

/// What kind of program an image is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum GuestKind {
    /// A Linux kernel.
    Linux,
    /// Anything that is simply there: bare-metal programs, hypervisors.
    Plain,
}

impl fmt::Display for GuestKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Linux => "Linux",
            Self::Plain => "plain",
        })
    }
}

/// Memory holds another build of the image.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the image has {wanted}, memory has {found}")]
pub struct Mismatch {
    /// What the image says, such as `build-id 1f2e…`.
    pub wanted: String,
    /// What memory says.
    pub found: String,
}

/// A GNU build-id note as it lies before its descriptor: name size, descriptor size, type 3, `GNU`
/// (System V gABI, "Note Section"; `NT_GNU_BUILD_ID` of binutils' `elf/common.h`).
const NOTE_HEADER: u64 = 16;

/// Longest build-id believed; SHA-1 has 20 bytes.
const LONGEST_ID: u32 = 64;

/// Compares the build-id that memory holds `moved` from its link address. `None` when no build-id note lies there.
fn compare_build_id(
    image: &Image,
    memory: &dyn VirtualMemory,
    moved: u64,
) -> Option<Result<Evidence, Mismatch>> {
    let wanted = image.build_id()?;
    let note = image
        .build_id_address()?
        .placed(moved)
        .offset(NOTE_HEADER.wrapping_neg());
    let mut header = [0; NOTE_HEADER as usize];
    memory.read(note, &mut header).ok()?;
    let word = |at: usize| {
        u32::from_le_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]])
    };
    let size = word(4);
    if word(0) != 4 || word(8) != 3 || &header[12..] != b"GNU\0" || size > LONGEST_ID {
        return None;
    }
    let mut found = vec![0; size as usize];
    memory.read(note.offset(NOTE_HEADER), &mut found).ok()?;
    if found == wanted {
        return Some(Ok(Evidence::BuildId));
    }
    let spell = |id: &[u8]| format!("build-id {}", hexadecimal(id));
    Some(Err(Mismatch {
        wanted: spell(wanted),
        found: spell(&found),
    }))
}

/// Compares the code at a vector table, 0x800 bytes. Kernels patch instructions at boot, so a quarter may differ.
fn same_vectors(image: &Image, memory: &dyn VirtualMemory, symbol: &str, at: Va) -> bool {
    const TABLE: usize = 0x800;
    let Some(wanted) = image
        .symbol_named(symbol)
        .and_then(|symbol| image.bytes_at(symbol.address, TABLE))
    else {
        return false;
    };
    let mut found = [0; TABLE];
    if memory.read(at, &mut found).is_err() {
        return false;
    }
    let words = wanted.chunks_exact(4).zip(found.chunks_exact(4));
    let (same, filled) = words.fold((0, 0), |(same, filled), (wanted, found)| {
        (
            same + usize::from(wanted == found),
            filled + usize::from(wanted != [0; 4]),
        )
    });
    filled > 0 && same * 4 >= TABLE / 4 * 3
}
