//! What the user said about the machine, as the engine needs it.

/// Everything the engine is told before it starts. Images arrive later, by [`Slot`].
#[derive(Debug, Default)]
pub struct Setup {
    /// The hypervisor.
    pub hypervisor: HypervisorSetup,
    /// The VMs the user named, in the order of the machine file.
    pub vms: Vec<VmSetup>,
}

/// Which hypervisor awareness to use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum HypervisorKind {
    /// What the hypervisor's image shows itself to be.
    #[default]
    Auto,
    /// Xen on Arm.
    Xen,
    /// The demo hypervisor that comes with the project.
    Hvdemo,
    /// VMs are told by VMID alone.
    None,
}

/// The hypervisor as the user described it.
#[derive(Debug, Default)]
pub struct HypervisorSetup {
    /// Which awareness.
    pub kind: HypervisorKind,
    /// Whether an image will be delivered for [`Slot::Hypervisor`].
    pub has_image: bool,
    /// Use the image although its build-id is not the one in memory.
    pub force: bool,
    /// Prefixes of compiled paths and what stands for them here.
    pub source_map: Vec<(String, String)>,
}

/// A VM as the user described it.
#[derive(Debug, Default)]
pub struct VmSetup {
    /// The name to show.
    pub name: String,
    /// How the VM is found; `None`: by its image.
    pub matching: Option<VmMatch>,
    /// Whether an image will be delivered for [`Slot::Vm`].
    pub has_image: bool,
    /// Use the image although its build-id is not the one in memory.
    pub force: bool,
    /// Prefixes of compiled paths and what stands for them here.
    pub source_map: Vec<(String, String)>,
}

/// How the user names a VM.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VmMatch {
    /// The hypervisor's own number (Xen: domain id).
    Guest(u32),
    /// The tag in `VTTBR_EL2`.
    Vmid(u16),
}

/// For whom an image was opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Slot {
    /// The hypervisor.
    Hypervisor,
    /// The VM at this index of [`Setup::vms`].
    Vm(usize),
}
