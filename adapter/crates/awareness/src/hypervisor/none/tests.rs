//! Halts told as the few registers that say who a core works for.

use machine::{MemoryFault, Pa, PhysicalMemory, Register, Vmid};

use super::*;

/// Stage 2 with a root of one 4 KiB page; VMIDs of 8 bits.
const VTCR: u64 = 0x8000_3594;

struct View(Vec<Registers>);

impl PhysicalMemory for View {
    fn read_physical(&self, address: Pa, _: &mut [u8]) -> Result<(), MemoryFault> {
        Err(MemoryFault::Absent(address))
    }
}

impl MachineView for View {
    fn memory(&self) -> &dyn PhysicalMemory {
        self
    }
    fn cores(&self) -> usize {
        self.0.len()
    }
    fn registers(&self, core: Pcpu) -> &Registers {
        &self.0[usize::from(core.0)]
    }
}

/// A core in an exception level, with a VMID, a stage-2 root and the vCPU number its guest sees.
fn core(el: u64, vmid: u64, root: u64, vcpu: u64) -> Registers {
    let mut core = Registers::default();
    core.pstate = Some(el << 2 | 1);
    for (register, value) in [
        (SysReg::HcrEl2, VM),
        (SysReg::VttbrEl2, vmid << 48 | root),
        (SysReg::VtcrEl2, VTCR),
        (SysReg::VmpidrEl2, 1 << 31 | vcpu),
        (SysReg::SctlrEl1, 1),
        (SysReg::Ttbr0El1, 0x5000),
        (SysReg::Ttbr1El1, 0x6000),
        (SysReg::TcrEl1, 25 | 25 << 16 | 0b10 << 30),
        (SysReg::MairEl1, 0xff),
    ] {
        core.set(Register::Sys(register), value);
    }
    core
}

fn vcpu(guest: u32, index: u32) -> OnCore {
    let guest = GuestId(guest);
    OnCore::Vcpu(Vcpu { guest, index })
}

/// The VMIDs and vCPU numbers listed.
fn listed(survey: &Survey) -> Vec<(Option<u16>, Vec<u32>)> {
    let guests = survey.guests.iter();
    guests
        .map(|guest| {
            let vcpus = guest.vcpus.iter().map(|state| state.vcpu.index);
            (guest.vmid.map(|Vmid(vmid)| vmid), vcpus.collect())
        })
        .collect()
}

#[test]
fn those_in_el1_and_el0_are_told_by_vmid() {
    let survey = none().survey(&View(vec![
        core(1, 2, 0x1000, 1),
        core(0, 1, 0x2000, 0x102),
    ]));
    assert_eq!(survey.on_core, [vcpu(2, 1), vcpu(1, 0x12)]);
    assert_eq!(listed(&survey), [(Some(1), vec![0x12]), (Some(2), vec![1])]);
    assert!(
        survey
            .guests
            .iter()
            .all(|guest| guest.vcpus[0].provenance == Provenance::Live)
    );
    assert_eq!(survey.guests[0].name, "VM 1");
}

#[test]
fn those_seen_earlier_stay_listed() {
    let hypervisor = none();
    hypervisor.survey(&View(vec![core(1, 1, 0x1000, 0)]));
    let survey = hypervisor.survey(&View(vec![core(1, 2, 0x2000, 0)]));
    assert_eq!(listed(&survey), [(Some(1), vec![0]), (Some(2), vec![0])]);
    let away = &survey.guests[0].vcpus[0];
    assert_eq!(away.run_state, RunState::Unknown);
    let (provenance, saved) = (away.provenance, away.saved.as_ref().expect("what lasts"));
    assert_eq!(provenance, Provenance::Remembered);
    assert_eq!(saved.sys(SysReg::VttbrEl2), Some(1 << 48 | 0x1000));
    assert_eq!((saved.pc, saved.el()), (None, None));
    assert!(AddressSpace::guest(saved, survey.guests[0].stage2).is_ok());
    assert_eq!(
        survey.guests[0].stage2.map(|stage2| stage2.vttbr),
        Some(1 << 48 | 0x1000)
    );
}

#[test]
fn a_vmid_with_another_root_is_another_vm() {
    let hypervisor = none();
    hypervisor.survey(&View(vec![core(1, 1, 0x1000, 3)]));
    let survey = hypervisor.survey(&View(vec![core(1, 1, 0x7000, 0)]));
    assert_eq!(listed(&survey), [(Some(1), vec![0])]);
    assert!(survey.notes[0].contains("VMID 1"), "{:?}", survey.notes);
    assert!(
        hypervisor
            .survey(&View(vec![core(1, 1, 0x7000, 0)]))
            .notes
            .is_empty()
    );
}

#[test]
fn in_el2_the_vmid_tells_of_the_past() {
    let hypervisor = none();
    let survey = hypervisor.survey(&View(vec![core(2, 5, 0x1000, 1), core(2, 0, 0x3000, 0)]));
    assert_eq!(survey.on_core, [OnCore::Unknown; 2]);
    assert_eq!(listed(&survey), [(Some(5), vec![1])]);
    assert_eq!(survey.guests[0].vcpus[0].provenance, Provenance::Remembered);
    // What is certain replaces it, and is not replaced by it.
    let survey = hypervisor.survey(&View(vec![core(1, 5, 0x2000, 1), core(2, 5, 0x1000, 0)]));
    assert_eq!(listed(&survey), [(Some(5), vec![1])]);
    assert_eq!(survey.guests[0].vcpus[0].provenance, Provenance::Live);
    assert_eq!(
        survey.guests[0].stage2.map(|stage2| stage2.vttbr),
        Some(5 << 48 | 0x2000)
    );
}

#[test]
fn software_that_no_stage_2_confines_has_no_vmid() {
    let mut bare = core(1, 0, 0, 2);
    bare.set(Register::Sys(SysReg::HcrEl2), 0);
    let mut host = core(0, 0, 0, 0);
    host.set(Register::Sys(SysReg::HcrEl2), TGE);
    let survey = none().survey(&View(vec![bare, host]));
    assert_eq!(survey.on_core, [vcpu(UNCONFINED.0, 2), OnCore::Unknown]);
    assert_eq!(listed(&survey), [(None, vec![2])]);
}

#[test]
fn what_is_not_known_is_named() {
    let survey = none().survey(&View(vec![Registers::default(), {
        let mut core = Registers::default();
        core.pstate = Some(5);
        core
    }]));
    assert_eq!(survey.on_core, [OnCore::Unknown; 2]);
    assert!(survey.notes[0].contains("PSTATE"), "{:?}", survey.notes);
    assert!(survey.notes[1].contains("HCR_EL2"), "{:?}", survey.notes);
}
