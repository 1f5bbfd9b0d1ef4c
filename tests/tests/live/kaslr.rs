//! A processor with FEAT_RNG: both guests moved by KASLR, page-table isolation on. The slide is found by itself,
//! wherever the halt falls.

use journeys::console::Reader;
use journeys::elf;
use journeys::journey::XEN;
use journeys::{Debugger, Presentation, Target, Variant, machine};

use crate::looking::{self, Printed};

#[test]
fn slides_are_found() {
    // Shells that loop are mostly in EL0.
    let variant = Variant::cpu_max()
        .with("DOM0_ARGS", "tb.busy=900")
        .with("DOMU_ARGS", "tb.busy=900");
    let Some(target) = Target::boot(&variant) else {
        return;
    };
    let printed = [("Dom0", Reader::Dom0), ("DomU", Reader::DomU(1))]
        .map(|(group, reader)| (group, Printed::by(&target, reader)));
    let debugger = Debugger::attach(
        &target.gdb(),
        &machine::plain(&target),
        Presentation::Sessions,
    );
    let mut seen = [false; 3];
    for _ in 0..100 {
        for (group, printed) in &printed {
            looking::stacks(&debugger, group);
            looking::variables(&debugger, group, printed);
        }
        note_levels(&debugger, &mut seen);
        if seen == [true; 3] {
            break;
        }
        debugger.resume(XEN);
        std::thread::sleep(std::time::Duration::from_millis(20));
        debugger.halt();
    }
    assert_eq!(seen, [true; 3], "halted in EL0, EL1 and EL2");

    for (group, kernel) in [("Dom0", "vmlinux-dom0"), ("DomU", "vmlinux-domu")] {
        let frame = debugger.top(group, debugger.threads(group)[0].id).id;
        let there = debugger.number(group, frame, "&linux_banner");
        let linked = elf::symbol(&target.artefacts.join(kernel), "linux_banner");
        assert_ne!(there, linked, "{group} should have been moved");
    }
    breakpoint_in_a_moved_kernel(&debugger, &target);
}

#[track_caller]
fn breakpoint_in_a_moved_kernel(debugger: &Debugger, target: &Target) {
    debugger.break_at_functions("DomU", &["major_show"]);
    debugger.resume(XEN);
    let printed = target.console().start(
        Reader::DomU(1),
        "echo v$(cat /sys/hypervisor/version/major)v",
        "v4v",
    );
    let stop = debugger.stopped();
    assert_eq!(stop.group, "DomU", "{stop:?}");
    assert_eq!(debugger.top("DomU", stop.thread).name, "major_show");
    debugger.break_at_functions("DomU", &[]);
    debugger.resume("DomU");
    printed.join().expect("DomU prints its 4");
}

/// Notes at which exception levels the cores were halted: one that runs a VM says so in place of a stack.
#[track_caller]
fn note_levels(debugger: &Debugger, seen: &mut [bool; 3]) {
    for thread in debugger.threads(XEN) {
        let top = debugger.top(XEN, thread.id);
        let level = (0..3).find(|level| top.name.ends_with(&format!("in EL{level}")));
        seen[level.unwrap_or(2)] = true;
    }
}
