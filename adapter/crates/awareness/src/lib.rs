//! What software keeps in memory: hypervisors ([`hypervisor`]) and guest operating systems ([`guest`]).
//!
//! This room knows Xen and Linux and how their structures are found. It does not know DAP, files, or how memory is
//! reached: it is given a [`MachineView`] of one halt and images from `symbols`. Start reading at [`hypervisor`].

pub mod guest;
pub mod hypervisor;
pub mod mirror;

pub use guest::{Evidence, GuestKind, Mismatch, Placement, place, place_hypervisor};
pub use hypervisor::{
    Guest, Hypervisor, LossPlaces, MachineView, NoTrace, OnCore, Provenance, RunState, RunTime,
    RunTimes, Survey, TracePlaces, VcpuState, hvdemo, none, place_of, xen,
};
