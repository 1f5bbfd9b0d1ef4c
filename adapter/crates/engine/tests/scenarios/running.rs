//! Running, pausing, the loss of the link, saved halts and giving the target back.

use machine::Va;

use crate::fake::{in_vm, ram};
use crate::identity::two_vms;
use crate::session::{
    Do, ask, at, breakpoints, breakpoints_of, check, counts, detach, group_id, happens, pause,
    resume, step, thread,
};

const IN_VM_1: &str = "vCPU 0";

/// The first word of VM 1's memory.
fn read() -> Do {
    ask(|engine| {
        let group = group_id(engine, "VM 1");
        match engine.read_memory(group, None, Va(0), 4) {
            Ok(memory) => match memory.unreadable {
                Some((count, why)) => format!("{count} bytes unreadable: {why}"),
                None => format!("{:02x?}", memory.bytes),
            },
            Err(error) => error.to_string(),
        }
    })
}

fn stack() -> Do {
    ask(|engine| {
        let thread = thread(engine, "VM 1", IN_VM_1);
        match engine.stack(thread, 0, Some(1)) {
            Ok(stack) => stack.frames[0].name.clone(),
            Err(error) => error.to_string(),
        }
    })
}

#[test]
fn a_running_target_is_not_read() {
    check(
        two_vms(),
        [
            stack(),
            resume(),
            resume(),
            stack(),
            read(),
            pause(),
            pause(),
        ],
        "= 0x100
         > continued
         run
         = the target is running: pause it first
         = the target is running: pause it first
         halt
         > paused in VM 1 (VMID 1), vCPU 0 on pCPU 0, EL1",
    );
}

#[test]
fn a_breakpoint_set_where_the_core_was_found_is_not_hit_before_it_moves() {
    check(
        two_vms(),
        [
            resume(),
            pause(),
            breakpoints([at(0x100, "VM 1")]),
            resume(),
            counts(),
        ],
        "> continued
         run
         halt
         > paused in VM 1 (VMID 1), vCPU 0 on pCPU 0, EL1
         > continued
         arm 0x100
         step 0
         run
         = 1 of 1: 0 hits, 0 filtered",
    );
}

#[test]
fn a_pause_shows_the_thread_that_was_asked_for() {
    check(
        two_vms(),
        [
            resume(),
            ask(|engine| {
                let thread = thread(engine, "VM 2", "vCPU 0");
                engine
                    .pause(Some(thread))
                    .map_or_else(|error| error.to_string(), |()| String::new())
            }),
        ],
        "> continued
         run
         halt
         > paused in VM 2 (VMID 2), vCPU 0 on pCPU 1, EL1",
    );
}

#[test]
fn a_pause_is_answered_while_foreign_hits_pour_in() {
    let pour = (0..1000).flat_map(|_| [in_vm(1, 2, 0x1000), in_vm(1, 2, 0x1004)]);
    let lines = crate::session::transcript(
        two_vms().plan(pour),
        [
            breakpoints([at(0x1000, "VM 1")]),
            resume_and_pause(),
            counts(),
        ],
    );
    let last = lines.iter().rev().find(|line| line.starts_with("> "));
    assert!(
        last.is_some_and(|line| line.starts_with("> paused in VM ")),
        "{last:?}"
    );
    let counted = lines.last().map(String::as_str).unwrap_or_default();
    assert!(!counted.contains(" 1000 filtered"), "{counted}");
}

/// Two requests in a row, without waiting for rest between them.
fn resume_and_pause() -> Do {
    ask(|engine| {
        let outcome = engine.resume(None).and_then(|()| engine.pause(None));
        outcome.map_or_else(|error| error.to_string(), |()| String::new())
    })
}

#[test]
fn a_link_lost_while_running_is_told_once() {
    check(
        two_vms(),
        [
            breakpoints([at(0x1000, "VM 1")]),
            resume(),
            happens(|machine| machine.breaks()),
            resume(),
            pause(),
            stack(),
            detach(),
        ],
        "> continued
         arm 0x1000
         run
         > lost: the connection to the fake is lost: it was unplugged
         = the target is gone
         = the target is gone
         = the target is gone",
    );
}

#[test]
fn a_link_lost_while_halted_is_told_once() {
    check(
        two_vms(),
        [
            happens(|machine| machine.breaks()),
            read(),
            read(),
            resume(),
        ],
        "= 4 bytes unreadable: the target did not give PA 0x10000
         > lost: the connection to the fake is lost: it was unplugged
         = the target is gone
         = the target is gone",
    );
}

#[test]
fn a_link_lost_at_resume_is_told_once() {
    check(
        two_vms(),
        [
            breakpoints([at(0x1000, "VM 1")]),
            happens(|machine| machine.breaks()),
            resume(),
            resume(),
        ],
        "> continued
         > lost: the connection to the fake is lost: it was unplugged
         = the target is gone",
    );
}

#[test]
fn a_saved_halt_is_read_but_not_run() {
    let mut machine = two_vms().saved();
    machine.write(ram(1), &[1, 2, 3, 4]);
    check(
        machine,
        [
            read(),
            stack(),
            resume(),
            pause(),
            step("VM 1", IN_VM_1, engine::view::StepKind::In),
            detach(),
        ],
        "= [01, 02, 03, 04]
         = 0x100
         = this is a saved halt: it can be looked at, but not run
         = this is a saved halt: it can be looked at, but not run
         = this is a saved halt: it can be looked at, but not run",
    );
}

#[test]
fn detaching_halts_what_runs() {
    check(
        two_vms(),
        [
            breakpoints([at(0x1000, "VM 1")]),
            resume(),
            detach(),
            resume(),
            Do::Leave,
        ],
        "> continued
         arm 0x1000
         run
         halt
         detach, left running
         = the target is gone",
    );
}

#[test]
fn who_leaves_without_a_word_is_detached() {
    check(two_vms(), [Do::Leave], "detach, left running");
    check(
        two_vms(),
        [breakpoints([at(0x1000, "VM 1")]), resume(), Do::Leave],
        "> continued
         arm 0x1000
         run
         halt
         detach, left running",
    );
}

#[test]
fn a_trap_at_an_instruction_that_waits_is_stepped_over() {
    let mut machine = two_vms().plan([in_vm(1, 2, 0x1000)]);
    machine.waits(1);
    check(
        machine,
        [breakpoints([at(0x1000, "VM 1")]), resume(), counts()],
        "> continued
         arm 0x1000
         run
         step 1
         halt
         run
         = 1 of 1: 0 hits, 1 filtered",
    );
}

#[test]
fn breakpoints_of_a_client_that_leaves_go_at_once() {
    check(
        two_vms(),
        [
            breakpoints([at(0x1000, "VM 1")]),
            breakpoints_of(2, [at(0x2000, "VM 1")]),
            resume(),
            ask(|engine| {
                engine.forget_owner(1);
                String::new()
            }),
            counts(),
        ],
        "> continued
         arm 0x1000
         arm 0x2000
         run
         halt
         disarm 0x1000
         run
         = 2 of 2: 0 hits, 0 filtered",
    );
}

#[test]
fn a_trap_dealt_with_is_not_met_again_after_a_step_elsewhere() {
    check(
        two_vms().plan([in_vm(0, 1, 0x1000)]),
        [
            breakpoints([at(0x1000, "VM 1")]),
            resume(),
            step("VM 2", "vCPU 0", engine::view::StepKind::In),
            resume(),
            counts(),
        ],
        "> continued
         arm 0x1000
         run
         > breakpoint in VM 1 (VMID 1), vCPU 0 on pCPU 0, EL1
         > continued by thread 4
         step 1
         > step in VM 2 (VMID 2), vCPU 0 on pCPU 1, EL1
         > continued
         step 0
         run
         = 1 of 1: 1 hits, 0 filtered",
    );
}

#[test]
fn a_fault_of_ours_in_a_request_ends_nothing() {
    check(
        two_vms(),
        [
            ask(|_| unreachable!("on purpose, for this test")),
            stack(),
            resume(),
        ],
        "> a fault in hvdap itself spoilt this request; the session goes on. Please report what was asked
= 0x100
> continued
run",
    );
}
