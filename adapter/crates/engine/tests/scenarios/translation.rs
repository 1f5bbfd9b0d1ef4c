//! Where an address of a thread leads, and which step fails.

use engine::Engine;

use crate::identity::two_vms;
use crate::session::{ask, check, resume, thread};

/// Translates and tells the steps, then the outcome.
fn translated(
    engine: &mut Engine,
    group: &'static str,
    label: &'static str,
    address: &str,
) -> String {
    let thread = thread(engine, group, label);
    let translation = match engine.translate(thread, address) {
        Ok(translation) => translation,
        Err(error) => return error.message.replace('\n', " | "),
    };
    let steps = translation.steps.iter().map(|one| {
        let step = &one.step;
        let failed = one.failed.as_ref().map_or("", |_| " fails");
        format!(
            "stage {} level {} at {}{failed}",
            step.stage, step.level, step.entry
        )
    });
    let outcome = match translation.outcome {
        Ok(led) => format!("{} is {}", translation.address, led.pa),
        Err(fault) => fault,
    };
    steps.chain([outcome]).collect::<Vec<_>>().join("; ")
}

#[test]
fn the_walk_of_a_vcpu_and_of_the_hypervisor() {
    check(
        two_vms(),
        [
            ask(|engine| translated(engine, "VM 2", "vCPU 0", "0x1234")),
            ask(|engine| translated(engine, "VM 2", "vCPU 0", " 0x1000 + 4 ")),
            ask(|engine| translated(engine, "Hypervisor", "pCPU 0", "0x1234")),
        ],
        "= stage 2 level 1 at 0x20000; 0x1234 is 0x80001234
         = stage 2 level 1 at 0x20000; 0x1004 is 0x80001004
         = 0x1234 is 0x1234",
    );
}

#[test]
fn what_leads_nowhere_names_the_step() {
    check(
        two_vms(),
        [
            ask(|engine| translated(engine, "VM 1", "vCPU 0", "0x40000000")),
            ask(|engine| translated(engine, "VM 1", "vCPU 0", "0x10000000000000")),
        ],
        "= stage 2 level 1 at 0x10008 fails; not mapped: stage 2, level 1, IPA 0x40000000, descriptor 0x0
         = not a valid address here: VA 0x10000000000000",
    );
}

#[test]
fn what_cannot_be_translated_is_said() {
    check(
        two_vms(),
        [
            ask(|engine| translated(engine, "VM 1", "vCPU 0", "0x10 +")),
            ask(|engine| translated(engine, "VM 1", "vCPU 0", "jiffies")),
            resume(),
            ask(|engine| translated(engine, "VM 1", "vCPU 0", "0x10")),
        ],
        "= 0x10 + |       ^ an expression is missing
         = jiffies | ^^^^^^^ VM 1 has no symbol jiffies in any image: none is known to run there
         > continued
         run
         = the target is running: pause it first",
    );
}
