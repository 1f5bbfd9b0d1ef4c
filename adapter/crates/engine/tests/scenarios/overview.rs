//! The machine at a glance, halted and running.

use engine::Engine;
use engine::overview::{Carried, Whereabouts};

use crate::fake::{Machine, in_hypervisor};
use crate::identity::two_vms;
use crate::session::{ask, at, breakpoints, check, resume, transcript};

/// A line for each thread, and how many breakpoints are where.
fn glance(engine: &mut Engine) -> String {
    let overview = engine.overview();
    let state = if overview.halted { "halted" } else { "running" };
    let threads = overview.threads.iter().map(|(view, found)| {
        let group = overview.groups.iter().find(|group| group.id == view.group);
        let group = group.map_or("?", |group| &group.name);
        format!("{group} {}{}", view.label, place(found))
    });
    let installed = overview.breakpoints.iter().map(|(view, groups)| {
        let groups: Vec<String> = groups.iter().map(|id| id.0.to_string()).collect();
        format!("breakpoint {} in {}", view.id.0, groups.join(" "))
    });
    let all = std::iter::once(state.to_owned())
        .chain(threads)
        .chain(installed);
    all.collect::<Vec<_>>().join("; ")
}

fn place(found: &Whereabouts) -> String {
    let carries = match found.carries {
        None => String::new(),
        Some(Carried::Vcpu(thread)) => format!(" carries {}", thread.0),
        Some(Carried::Idle) => " idle".to_owned(),
        Some(Carried::Unknown) => " carries ?".to_owned(),
    };
    match (found.el, found.pc) {
        (Some(el), Some(pc)) => format!("{carries} {el} {pc}"),
        _ => carries,
    }
}

#[test]
fn every_thread_has_its_place() {
    check(
        two_vms(),
        [breakpoints([at(0x1000, "VM 2")]), ask(glance)],
        "= halted; Hypervisor pCPU 0 carries 3 EL1 0x100; Hypervisor pCPU 1 carries 4 EL1 0x200; \
VM 1 vCPU 0 EL1 0x100; VM 2 vCPU 0 EL1 0x200; breakpoint 1 in 2",
    );
}

#[test]
fn while_it_runs_it_is_as_of_the_last_halt() {
    let seen = transcript(
        two_vms().plan([in_hypervisor(0, 0x4000)]),
        [ask(glance), resume(), ask(glance)],
    );
    let (halted, running) = (&seen[0], &seen[3]);
    assert_eq!(running, &halted.replace("halted", "running"));
}

#[test]
fn what_nobody_asked_for_at_the_halt_is_not_known_while_it_runs() {
    let seen = transcript(Machine::new(1), [resume(), ask(glance)]);
    assert_eq!(seen[2], "= running; Hypervisor pCPU 0");
}
