//! Steps by instruction: over a hypercall, past other vCPUs, and what ends them early.

use engine::view::StepKind;
use machine::{Register, SysReg};

use crate::fake::{Machine, in_hypervisor, in_vm};
use crate::identity::two_vms;
use crate::session::{at, breakpoints, check, counts, detach, happens, pause, resume, step};

const ELR_EL2: Register = Register::Sys(SysReg::ElrEl2);
const VCPU: Register = Register::Sys(SysReg::VmpidrEl2);

#[test]
fn one_instruction() {
    check(
        two_vms(),
        [step("VM 1", "vCPU 0", StepKind::Over)],
        "> continued by thread 3
         step 0
         > step in VM 1 (VMID 1), vCPU 0 on pCPU 0, EL1",
    );
}

#[test]
fn over_a_hypercall() {
    check(
        two_vms().plan([
            in_hypervisor(0, 0x8400).with(ELR_EL2, 0x104),
            in_vm(0, 1, 0x104),
        ]),
        [step("VM 1", "vCPU 0", StepKind::Over), resume()],
        "> continued by thread 3
         step 0
         arm 0x104
         run
         > step in VM 1 (VMID 1), vCPU 0 on pCPU 0, EL1
         > continued
         disarm 0x104
         run",
    );
}

#[test]
fn into_a_hypercall() {
    check(
        two_vms().plan([in_hypervisor(0, 0x8400).with(ELR_EL2, 0x104)]),
        [step("VM 1", "vCPU 0", StepKind::In)],
        "> continued by thread 3
         step 0
         > step in Hypervisor, pCPU 0, EL2",
    );
}

#[test]
fn over_a_call_past_a_deeper_activation() {
    let called = in_vm(0, 1, 0x900).with(Register::X(30), 0x104);
    check(
        two_vms().plan([
            called,
            in_vm(0, 1, 0x104).with(Register::Sp, 0x8f00),
            in_vm(0, 1, 0x108),
            in_vm(0, 1, 0x104).with(Register::Sp, 0x9000),
        ]),
        [step("VM 1", "vCPU 0", StepKind::Over)],
        "> continued by thread 3
         step 0
         arm 0x104
         run
         step 0
         run
         > step in VM 1 (VMID 1), vCPU 0 on pCPU 0, EL1",
    );
}

/// VM 1 has both cores: vCPU 0 on pCPU 0, vCPU 1 on pCPU 1.
fn one_vm() -> Machine {
    Machine::new(2)
        .at(in_vm(0, 1, 0x100))
        .at(in_vm(1, 1, 0x200).with(VCPU, 1))
}

#[test]
fn another_vcpu_passes_first() {
    check(
        one_vm().plan([
            in_hypervisor(0, 0x8400).with(ELR_EL2, 0x104),
            in_vm(1, 1, 0x104),
            in_vm(1, 1, 0x108),
            in_vm(0, 1, 0x104),
        ]),
        [step("VM 1", "vCPU 0", StepKind::Over)],
        "> continued by thread 3
         step 0
         arm 0x104
         run
         step 1
         run
         > step in VM 1 (VMID 1), vCPU 0 on pCPU 0, EL1",
    );
}

#[test]
fn the_vcpu_comes_back_on_another_core() {
    check(
        one_vm().plan([
            in_hypervisor(0, 0x8400).with(ELR_EL2, 0x104),
            in_hypervisor(1, 0x8400),
            in_vm(1, 1, 0x104).with(VCPU, 0),
        ]),
        [step("VM 1", "vCPU 0", StepKind::Over)],
        "> continued by thread 3
         step 0
         arm 0x104
         run
         > step in VM 1 (VMID 1), vCPU 0 on pCPU 1, EL1",
    );
}

#[test]
fn a_breakpoint_elsewhere_ends_a_step() {
    check(
        two_vms().plan([
            in_hypervisor(0, 0x8400).with(ELR_EL2, 0x104),
            in_vm(1, 2, 0x1000),
            in_vm(0, 1, 0x104),
        ]),
        [
            breakpoints([at(0x1000, "VM 2")]),
            step("VM 1", "vCPU 0", StepKind::Over),
            resume(),
        ],
        "> continued by thread 3
         arm 0x1000
         step 0
         arm 0x104
         run
         > breakpoint in VM 2 (VMID 2), vCPU 0 on pCPU 1, EL1
         > continued
         disarm 0x104
         step 1
         run",
    );
}

#[test]
fn a_pause_ends_a_step() {
    check(
        two_vms().plan([in_hypervisor(0, 0x8400).with(ELR_EL2, 0x104)]),
        [step("VM 1", "vCPU 0", StepKind::Over), pause(), detach()],
        "> continued by thread 3
         step 0
         arm 0x104
         run
         halt
         > paused in Hypervisor, pCPU 0, EL2
         detach, left running",
    );
}

#[test]
fn breakpoints_set_during_a_step_leave_it_alone() {
    check(
        two_vms().plan([in_hypervisor(0, 0x8400).with(ELR_EL2, 0x104)]),
        [
            step("VM 1", "vCPU 0", StepKind::Over),
            breakpoints([at(0x1000, "VM 2")]),
            happens(|machine| machine.goes_on([in_vm(0, 1, 0x104)])),
        ],
        "> continued by thread 3
         step 0
         arm 0x104
         run
         halt
         arm 0x1000
         run
         > step in VM 1 (VMID 1), vCPU 0 on pCPU 0, EL1",
    );
}

#[test]
fn a_step_that_ends_at_a_breakpoint_is_a_hit_once() {
    check(
        two_vms(),
        [
            breakpoints([at(0x104, "VM 1")]),
            step("VM 1", "vCPU 0", StepKind::Over),
            resume(),
            counts(),
        ],
        "> continued by thread 3
         arm 0x104
         step 0
         > breakpoint in VM 1 (VMID 1), vCPU 0 on pCPU 0, EL1
         > continued
         step 0
         run
         = 1 of 1: 1 hits, 0 filtered",
    );
}

#[test]
fn a_step_that_ends_at_a_breakpoint_of_another_vm_is_passed_over_once() {
    check(
        two_vms(),
        [
            breakpoints([at(0x104, "VM 2")]),
            step("VM 1", "vCPU 0", StepKind::Over),
            resume(),
            counts(),
        ],
        "> continued by thread 3
         arm 0x104
         step 0
         > step in VM 1 (VMID 1), vCPU 0 on pCPU 0, EL1
         > continued
         step 0
         run
         = 1 of 1: 0 hits, 1 filtered",
    );
}

#[test]
fn a_step_over_an_instruction_that_waits_survives_new_breakpoints() {
    let mut machine = two_vms();
    machine.waits(0);
    check(
        machine,
        [
            step("VM 1", "vCPU 0", StepKind::Over),
            breakpoints([at(0x1000, "VM 1")]),
        ],
        "> continued by thread 3
         step 0
         halt
         arm 0x1000
         step 0
         > step in VM 1 (VMID 1), vCPU 0 on pCPU 0, EL1",
    );
}

#[test]
fn an_instruction_that_waits_can_be_paused() {
    let mut machine = two_vms();
    machine.waits(0);
    check(
        machine,
        [step("VM 1", "vCPU 0", StepKind::Over), pause()],
        "> continued by thread 3
         step 0
         halt
         > paused in VM 1 (VMID 1), vCPU 0 on pCPU 0, EL1",
    );
}

#[test]
fn a_vcpu_that_is_not_there_has_nowhere_to_step_to() {
    check(
        two_vms(),
        [
            resume(),
            happens(|machine| {
                machine.goes_on([in_hypervisor(0, 0x8100), in_hypervisor(1, 0x8200)]);
            }),
            pause(),
            step("VM 1", "vCPU 0", StepKind::Over),
            step("VM 1", "vCPU 0", StepKind::Out),
        ],
        "> continued
         run
         halt
         > paused in Hypervisor, pCPU 0, EL2
         = where this thread executes is not known
         = there is no caller to step out to",
    );
}

#[test]
fn a_step_without_a_trap_for_its_end_does_not_run_away() {
    check(
        two_vms()
            .refusing(0x104)
            .plan([in_hypervisor(0, 0x8400).with(ELR_EL2, 0x104)]),
        [step("VM 1", "vCPU 0", StepKind::Over)],
        "> continued by thread 3
         step 0
         arm 0x104
         > the step ends here: the fake refused a trap: no comparator is left
         > step in Hypervisor, pCPU 0, EL2",
    );
}
