//! Whose code a core runs: by exception level, then by VMID and stage-2 root together.

use awareness::{Guest, Survey};
use engine::Setup;
use engine::groups::Groups;
use engine::view::GroupId;
use machine::{GuestId, Register, SysReg};

use crate::fake::{Machine, in_hypervisor, in_vm, vttbr};
use crate::session::{ask, at, breakpoints, check, counts, resume};

/// VMs 1 and 2 on cores 0 and 1.
pub(crate) fn two_vms() -> Machine {
    Machine::new(2)
        .at(in_vm(0, 1, 0x100))
        .at(in_vm(1, 2, 0x200))
}

#[test]
fn el2_is_the_hypervisors_although_vttbr_names_a_vm() {
    check(
        two_vms().plan([in_hypervisor(0, 0x1000), in_hypervisor(0, 0x1004)]),
        [breakpoints([at(0x1000, "VM 1")]), resume(), counts()],
        "> continued
         arm 0x1000
         run
         step 0
         run
         = 1 of 1: 0 hits, 1 filtered",
    );
}

#[test]
fn a_stop_in_el2_belongs_to_the_core() {
    check(
        two_vms().plan([in_vm(1, 2, 0x1000), in_hypervisor(0, 0x1000)]),
        [breakpoints([at(0x1000, "Hypervisor")]), resume(), counts()],
        "> continued
         arm 0x1000
         run
         step 1
         run
         > breakpoint in Hypervisor, pCPU 0, EL2
         = 1 of 1: 1 hits, 1 filtered",
    );
}

#[test]
fn cnp_is_no_part_of_the_identity() {
    let common = in_vm(0, 1, 0x1000).with(Register::Sys(SysReg::VttbrEl2), vttbr(1) | 1);
    check(
        two_vms().plan([common]),
        [breakpoints([at(0x1000, "VM 1")]), resume()],
        "> continued
         arm 0x1000
         run
         > breakpoint in VM 1 (VMID 1), vCPU 0 on pCPU 0, EL1",
    );
}

#[test]
fn a_vm_never_seen_is_met_at_a_trap() {
    check(
        two_vms().plan([in_vm(1, 3, 0x1000)]),
        [breakpoints([at(0x1000, "VM 1")]), resume(), counts()],
        "> continued
         arm 0x1000
         run
         > groups +VM 3
         step 1
         run
         = 1 of 1: 0 hits, 1 filtered",
    );
}

#[test]
fn a_recycled_vmid_is_noticed() {
    let recycled = in_vm(0, 1, 0x1000).with(Register::Sys(SysReg::VttbrEl2), 1 << 48 | 3 << 16);
    check(
        two_vms().plan([recycled]),
        [
            breakpoints([at(0x1000, "VM 1")]),
            resume(),
            ask(|engine| format!("{} groups", engine.groups().len())),
        ],
        "> continued
         arm 0x1000
         run
         > VMID 1 has another stage-2 table than at an earlier halt: it belongs to another VM now
         > images of group 1 changed
         > breakpoint in VM 1 (VMID 1), vCPU 0 on pCPU 0, EL1
         = 3 groups",
    );
}

#[test]
fn the_number_of_a_vm_that_is_gone_is_not_given_again() {
    let survey = |ids: &[u32]| Survey {
        guests: ids.iter().map(|id| guest(*id)).collect(),
        ..Survey::default()
    };
    let mut groups = Groups::new(1);
    for (alive, added, removed) in [
        (&[0, 1][..], &[1, 2][..], &[][..]),
        (&[0, 2], &[3], &[2]),
        (&[0, 1], &[4], &[3]),
        (&[], &[], &[1, 4]),
        (&[0], &[5], &[]),
    ] {
        let changes = groups.update(survey(alive), &Setup::default());
        let new: Vec<u32> = changes.added.iter().map(|group| group.id.0).collect();
        assert_eq!(new, added, "{alive:?}");
        let removed: Vec<GroupId> = removed.iter().copied().map(GroupId).collect();
        assert_eq!(changes.removed, removed, "{alive:?}");
    }
}

fn guest(id: u32) -> Guest {
    Guest {
        id: GuestId(id),
        name: format!("Dom{id}"),
        vmid: None,
        stage2: None,
        vcpus: Vec::new(),
    }
}
