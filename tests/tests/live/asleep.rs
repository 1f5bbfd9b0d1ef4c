//! A halt while a VM runs nowhere: its vCPUs, registers, stacks and variables are right all the same.

use journeys::console::Reader;
use journeys::{Debugger, Presentation, Target, Variant, machine};

use crate::looking::{self, Printed};

#[test]
fn in_sessions() {
    check(Presentation::Sessions);
}

#[test]
fn in_one_session() {
    check(Presentation::Flat);
}

#[track_caller]
fn check(presentation: Presentation) {
    // Dom0 keeps both processors busy, so that DomU, idle, is on none.
    let Some(target) = Target::boot(&Variant::plain().load(3, 0)) else {
        return;
    };
    let domu = Printed::by(&target, Reader::DomU(1));
    let dom0 = Printed::by(&target, Reader::Dom0);
    let debugger = Debugger::attach(&target.gdb(), &machine::plain(&target), presentation);
    let threads = looking::off_all_cores(&debugger, "DomU");
    assert_eq!(threads.len(), 2);
    for thread in &threads {
        // Idle it blocks; just woken, it waits for a core that Dom0 has.
        let blocked = thread.name.contains("blocked");
        assert!(blocked || thread.name.contains("runnable"), "{thread:?}");
        let stack = debugger.stack("DomU", thread.id);
        let names: Vec<_> = stack.iter().map(|frame| frame.name.as_str()).collect();
        let idle = names.iter().any(|name| name.contains("idle"));
        assert!(idle || !blocked, "{names:?}");
        let pc = debugger.number("DomU", stack[0].id, "$pc");
        assert_eq!(Some(pc), stack[0].address);
        let registers = debugger.scope("DomU", stack[0].id, "Registers");
        assert_eq!(
            registers
                .keys()
                .filter(|name| name.starts_with('x'))
                .count(),
            31,
            "{registers:?}"
        );
    }
    looking::stacks(&debugger, "DomU");
    looking::variables(&debugger, "DomU", &domu);
    // The other VM's symbols, by name, from here.
    let frame = debugger.top("DomU", threads[0].id).id;
    let banner = debugger.evaluate("DomU", frame, "Dom0!linux_banner");
    assert!(banner.contains(&dom0.release), "{banner}");
    debugger.disconnect();
    assert!(target.qmp().running());
}
