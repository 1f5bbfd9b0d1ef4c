//! Guest awareness: where an image lies in a VM, found without being told.

use std::fmt;

use machine::space::AddressSpace;

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
}

impl fmt::Display for Evidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::BuildId => "build-id",
            Self::Banner => "version banner",
            Self::VectorBase => "exception vectors",
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
