//! Whose code a core was running: the question every stop starts with.

use machine::{El, Pcpu, Va};

use crate::groups::Groups;
use crate::halt::Glance;
use crate::view::GroupId;

/// Whose code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner {
    /// A group that is known.
    Group(GroupId),
    /// A VM not seen before, or one whose stage 2 is another than at the last survey.
    Stranger,
}

/// A core at a stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Context {
    /// The core.
    pub core: Pcpu,
    /// Its exception level.
    pub el: El,
    /// Where it is.
    pub pc: Va,
    /// Whose code it runs.
    pub owner: Owner,
}

/// Tells whose code a core runs. EL first: in EL2 and above it is the hypervisor's, whatever `VTTBR_EL2` says, for there it may be
/// stale; in EL1 and EL0 `VTTBR_EL2` is right.
#[must_use]
pub fn identify(groups: &Groups, core: Pcpu, glance: Glance) -> Context {
    let owner = match (glance.el, glance.vttbr) {
        (El::El2 | El::El3, _) => Owner::Group(GroupId::HYPERVISOR),
        (_, Some(vttbr)) => groups
            .by_vttbr(vttbr)
            .map_or(Owner::Stranger, |group| Owner::Group(group.id)),
        (_, None) => groups
            .on_core(core)
            .map_or(Owner::Stranger, |(group, _)| Owner::Group(group.id)),
    };
    Context {
        core,
        el: glance.el,
        pc: Va(glance.pc),
        owner,
    }
}
