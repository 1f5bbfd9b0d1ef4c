//! Three guests, two of which run the same kernel: each its own group, one image between them.

use journeys::console::Reader;
use journeys::journey::XEN;
use journeys::{Debugger, Presentation, Target, Variant, machine};

#[test]
fn each_has_its_group() {
    let Some(target) = Target::boot(&Variant::three_guests()) else {
        return;
    };
    let machine = machine::three_guests(&target);
    let debugger = Debugger::attach(&target.gdb(), &machine, Presentation::Sessions);
    assert_eq!(debugger.children(), ["Dom0", "DomU", "DomU2"]);
    assert_eq!(debugger.threads("DomU2").len(), 1);
    let id = debugger.break_at_functions("DomU2", &["major_show"])[0];
    debugger.resume(XEN);
    let command = "echo v$(cat /sys/hypervisor/version/major)v";
    target.console().run(Reader::DomU(1), command, "v4v");
    let printed = target.console().start(Reader::DomU(2), command, "v4v");
    let stop = debugger.stopped();
    assert_eq!(stop.group, "DomU2", "{stop:?}");
    assert_eq!(debugger.top("DomU2", stop.thread).name, "major_show");
    let (hits, filtered) = debugger.hits("DomU2", id);
    assert!(
        hits == 1 && filtered > 0,
        "{hits} hits, {filtered} filtered"
    );
    debugger.disconnect();
    printed.join().expect("DomU2 prints its 4");
}
