//! Linux on arm64: found through its own page tables, whatever KASLR did.
//!
//! `TTBR1_EL1` always holds one of a few tables that are part of the kernel image: `swapper_pg_dir`, the reduced `tramp_pg_dir` in
//! EL0 with page-table isolation, `reserved_pg_dir` for moments, `init_pg_dir` early. The image is contiguous in the guest's
//! physical memory, so the table's IPA gives the IPA of everything in it, without any virtual address:
//!
//! ```text
//! ipa(X) = BADDR(TTBR1_EL1) - link(table) + link(X)
//! ```
//!
//! The build-id or `linux_banner` at its IPA proves the image. `kimage_voffset` (Linux 4.6 and later, `arch/arm64/kernel/head.S`) is
//! the kernel's own word for VA - IPA of its image, so slide = ipa(X) - link(X) + kimage_voffset; `VBAR_EL1` is the second way. Either
//! is believed only when the kernel's tables translate the moved address to its IPA.

use machine::space::{AddressSpace, Stage2, View};
use machine::{PhysicalMemory, Registers, SysReg, VirtualMemory};
use symbols::{Image, LinkVa};

use super::{Evidence, GuestKind, Mismatch, Placement, compare_build_id, same_vectors};

/// Tables that TTBR1_EL1 may hold.
const TABLES: [&str; 4] = [
    "swapper_pg_dir",
    "tramp_pg_dir",
    "reserved_pg_dir",
    "init_pg_dir",
];

/// The kernel's vector tables: plain, and those of the Spectre-BHB mitigation, one of 0x800 bytes for each way
/// (`arch/arm64/kernel/entry.S`).
const VECTORS: [(&str, u64); 5] = [
    ("vectors", 0),
    ("__bp_harden_el1_vectors", 0),
    ("__bp_harden_el1_vectors", 0x800),
    ("__bp_harden_el1_vectors", 0x1000),
    ("__bp_harden_el1_vectors", 0x1800),
];

/// `TTBR1_BADDR_4852_OFFSET` (`arch/arm64/include/asm/pgtable-hwdef.h`): a kernel for 52-bit addresses with 64 KiB pages, on
/// hardware with 48, starts this far into its table.
const START_IN_TABLE: u64 = 0x1e00;

/// Longest banner compared.
const BANNER: u64 = 512;

/// Whether an image is a Linux kernel.
pub(super) fn is_kernel(image: &Image) -> bool {
    link(image, "linux_banner").is_some() && link(image, "swapper_pg_dir").is_some()
}

/// Looks for the kernel in the tables of every vCPU that has its MMU on.
pub(super) fn place(
    image: &Image,
    memory: &dyn PhysicalMemory,
    stage2: Option<Stage2>,
    vcpus: &[Registers],
) -> Result<Option<Placement>, Mismatch> {
    let mut mismatch = None;
    for vcpu in vcpus {
        let Ok(space) = AddressSpace::guest(vcpu, stage2) else {
            continue;
        };
        for table in TABLES {
            let Some(kernel) = Kernel::behind(image, memory, space, table) else {
                continue;
            };
            match kernel.identify() {
                Some(Ok(evidence)) => {
                    if let Some(placement) = kernel.placement(evidence, vcpus) {
                        return Ok(Some(placement));
                    }
                }
                Some(Err(other)) => mismatch = Some(other),
                None => {}
            }
        }
    }
    mismatch.map_or(Ok(None), Err)
}

/// A kernel image supposed to lie `moved` from its link addresses in the guest's physical memory.
struct Kernel<'a> {
    image: &'a Image,
    memory: &'a dyn PhysicalMemory,
    space: AddressSpace,
    moved: u64,
    /// TTBR1_EL1 points this far into the table.
    start: u64,
}

impl<'a> Kernel<'a> {
    /// Supposes that TTBR1_EL1 holds `table`. `None` when the MMU is off or the image has no such table.
    fn behind(
        image: &'a Image,
        memory: &'a dyn PhysicalMemory,
        space: AddressSpace,
        table: &str,
    ) -> Option<Self> {
        let ttbr1 = space.stage1.filter(|stage1| stage1.enabled)?.ttbr1;
        // Without ASID, CnP and the bits that 52-bit physical addresses would take.
        let (base, start) = if ttbr1 & 0xe00 == START_IN_TABLE & 0xfff {
            (ttbr1 & 0xffff_ffff_fe00, START_IN_TABLE)
        } else {
            (ttbr1 & 0xffff_ffff_f000, 0)
        };
        let table = link(image, table)?.0;
        Some(Self {
            image,
            memory,
            space,
            moved: base.wrapping_sub(start).wrapping_sub(table),
            start,
        })
    }

    fn physical(&self) -> View<'a> {
        View::new(self.memory, self.space.ipa())
    }

    /// Compares the build-id, else the banner, else the vectors. `None` when nothing like it lies there.
    fn identify(&self) -> Option<Result<Evidence, Mismatch>> {
        let memory = self.physical();
        if self.image.build_id_address().is_some() {
            return compare_build_id(self.image, &memory, self.moved);
        }
        compare_banner(self.image, &memory, self.moved).or_else(|| {
            let vectors = link(self.image, "vectors")?.placed(self.moved);
            same_vectors(self.image, &memory, "vectors", vectors)
                .then_some(Ok(Evidence::VectorBase))
        })
    }

    /// Where the kernel sees itself. `None` while its own tables do not map it.
    fn placement(&self, evidence: Evidence, vcpus: &[Registers]) -> Option<Placement> {
        let swapper = link(self.image, "swapper_pg_dir")?.placed(self.moved).0;
        let roots = [swapper.wrapping_add(self.start), self.space.stage1?.ttbr1];
        self.told_slide()
            .into_iter()
            .chain(self.vector_slides(vcpus))
            .flat_map(|slide| roots.map(|root| (slide, root)))
            .find(|(slide, root)| self.maps_itself(*slide, *root))
            .map(|(slide, root)| Placement {
                slide,
                evidence,
                kind: GuestKind::Linux,
                kernel_ttbr1: Some(root),
            })
    }

    /// What `kimage_voffset` says.
    fn told_slide(&self) -> Option<u64> {
        let variable = link(self.image, "kimage_voffset")?.placed(self.moved);
        let offset = self.physical().read_u64(variable).ok()?;
        Some(self.moved.wrapping_add(offset))
    }

    /// What `VBAR_EL1` says. In EL0 with page-table isolation it is the trampoline's, which says nothing.
    fn vector_slides(&self, vcpus: &[Registers]) -> impl Iterator<Item = u64> {
        let bases = vcpus.iter().filter_map(|vcpu| vcpu.sys(SysReg::VbarEl1));
        bases.flat_map(move |base| {
            VECTORS.into_iter().filter_map(move |(symbol, offset)| {
                let symbol = link(self.image, symbol)?.0.wrapping_add(offset);
                Some(base.wrapping_sub(symbol))
            })
        })
    }

    /// Whether the tables at `root` put the moved banner where the image has it.
    fn maps_itself(&self, slide: u64, root: u64) -> bool {
        let Some(banner) = link(self.image, "linux_banner") else {
            return false;
        };
        let mut space = self.space;
        if let Some(stage1) = &mut space.stage1 {
            stage1.ttbr1 = root;
        }
        let found = space.translate(self.memory, banner.placed(slide));
        let wanted = banner.placed(self.moved).0;
        found.is_ok_and(|found| found.ipa.map_or(found.pa.0, |ipa| ipa.0) == wanted)
    }
}

/// Compares `linux_banner`: `Linux version …`.
fn compare_banner(
    image: &Image,
    memory: &dyn VirtualMemory,
    moved: u64,
) -> Option<Result<Evidence, Mismatch>> {
    let symbol = image.symbol_named("linux_banner")?;
    let wanted = image.bytes_at(symbol.address, symbol.size.min(BANNER) as usize)?;
    let mut found = vec![0; wanted.len()];
    memory.read(symbol.address.placed(moved), &mut found).ok()?;
    const START: &[u8] = b"Linux version ";
    if !wanted.starts_with(START) || !found.starts_with(START) {
        return None;
    }
    if found == wanted {
        return Some(Ok(Evidence::Banner));
    }
    let text = |bytes: &[u8]| {
        let text = bytes.split(|byte| matches!(byte, 0 | b'\n')).next();
        String::from_utf8_lossy(text.unwrap_or_default()).into_owned()
    };
    Some(Err(Mismatch {
        wanted: text(wanted),
        found: text(&found),
    }))
}

fn link(image: &Image, symbol: &str) -> Option<LinkVa> {
    Some(image.symbol_named(symbol)?.address)
}
