//! Who is who: physical cores, virtual cores, and the two names of a virtual machine.

use std::fmt;

/// A physical core, numbered from 0 in the order the target lists them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Pcpu(pub u16);

/// The hypervisor's own name for a virtual machine (Xen: domain id). Where no hypervisor is known, the VMID.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GuestId(pub u32);

/// The tag in `VTTBR_EL2` that the TLBs use. Some hypervisors recycle it, so it is not a [`GuestId`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Vmid(pub u16);

/// A virtual core: a guest and the index within it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Vcpu {
    /// The guest it belongs to.
    pub guest: GuestId,
    /// Its index in the guest, from 0.
    pub index: u32,
}

impl fmt::Display for Pcpu {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "pCPU {}", self.0)
    }
}

impl fmt::Display for Vmid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "VMID {}", self.0)
    }
}
