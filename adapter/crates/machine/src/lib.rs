//! What the silicon defines: addresses, identities, registers, page tables, and the [`Target`] that gives access to them.
//!
//! This room knows Armv8-A and nothing of ELF, hypervisors, guests, files or protocols.
//! Start reading at [`target`], then [`space`]: an [`AddressSpace`] turns a [`Va`] into a [`Pa`] by walking tables
//! read through [`PhysicalMemory`].

pub mod addr;
pub mod arch;
pub mod ids;
pub mod memory;
pub mod regs;
pub mod space;
pub mod target;

pub use addr::{Ipa, Pa, Va};
pub use ids::{GuestId, Pcpu, Vcpu, Vmid};
pub use memory::{MemoryFault, PhysicalMemory, SharedMemory, VirtualMemory};
pub use regs::{El, Register, Registers, SysReg};
pub use space::{AddressSpace, Regime, Stage1, Stage2, Translation, View};
pub use target::{Resume, RunControl, Stop, StopReason, Target, TargetError, TargetEvent};
