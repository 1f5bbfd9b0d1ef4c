//! The headline: a hypercall of one VM followed from its source line into Xen and back, while the other VM makes the
//! same call and nobody notices.

use journeys::console::Reader;
use journeys::elf;
use journeys::journey::{Frame, Step, XEN};
use journeys::{Debugger, Presentation, Target, Variant, machine};

const COMMAND: &str = "echo v$(cat /sys/hypervisor/version/major)v";
/// The offset of a synchronous exception from a lower EL in AArch64 state within the vectors (Arm ARM D1.3.1.5).
const LOWER_EL_SYNC: u64 = 0x400;
/// `hvc #0xea1`, Xen's hypercall.
const HVC: u32 = 0xd400_0002 | 0xea1 << 5;
/// What Xen 4.17 answers to XENVER_version.
const VERSION: u64 = 4 << 16 | 17;

struct Case {
    variant: Variant,
    machine: fn(&Target) -> serde_json::Value,
    kernel: &'static str,
    source: &'static str,
    /// Whether Dom0 runs over DomU's breakpoint: only where both run the same kernel.
    dom0_passes: bool,
}

fn plain() -> Case {
    Case {
        variant: Variant::plain(),
        machine: machine::plain,
        kernel: "vmlinux-domu",
        source: "src/linux-source-6.1/drivers/xen/sys-hypervisor.c",
        dom0_passes: false,
    }
}

fn twins() -> Case {
    Case {
        variant: Variant::twins(),
        machine: machine::twins,
        kernel: "vmlinux-dom0",
        source: "src/linux-source-6.12/drivers/xen/sys-hypervisor.c",
        dom0_passes: true,
    }
}

#[test]
fn in_sessions() {
    check(&plain(), Presentation::Sessions);
}

#[test]
fn in_one_session() {
    check(&plain(), Presentation::Flat);
}

#[test]
fn on_qemu_7_2() {
    let Some(variant) = Variant::on_qemu_7_2() else {
        return;
    };
    check(&Case { variant, ..plain() }, Presentation::Sessions);
}

#[test]
fn twins_in_sessions() {
    check(&twins(), Presentation::Sessions);
}

#[test]
fn twins_in_one_session() {
    check(&twins(), Presentation::Flat);
}

#[track_caller]
fn check(case: &Case, presentation: Presentation) {
    let Some(target) = Target::boot(&case.variant) else {
        return;
    };
    let debugger = Debugger::attach(&target.gdb(), &(case.machine)(&target), presentation);
    three_groups(&debugger);

    let source = target.file(case.source);
    let line = machine::line_of(
        &source,
        "int version = HYPERVISOR_xen_version(XENVER_version",
    );
    let breakpoint = debugger.break_at_lines("DomU", &source, &[(line, "")])[0];
    debugger.resume(XEN);

    target.console().run(Reader::Dom0, COMMAND, "v4v");
    let in_domu = target.console().start(Reader::DomU(1), COMMAND, "v4v");
    let stop = debugger.stopped();
    assert_eq!(stop.group, "DomU", "{stop:?}");
    assert_eq!(stop.reason, "breakpoint", "{stop:?}");
    assert_eq!(stop.breakpoints, [breakpoint]);
    for part in ["DomU", "VMID 2", "EL1", "pCPU"] {
        assert!(
            stop.description.contains(part),
            "{part} in {:?}",
            stop.description
        );
    }
    let (hits, filtered) = debugger.hits("DomU", breakpoint);
    assert_eq!(hits, 1);
    assert_eq!(filtered > 0, case.dom0_passes, "{filtered} hits of others");
    at_major_show(&debugger, stop.thread, &source, line);

    debugger.break_at_lines("DomU", &source, &[]);
    let kernel = target.artefacts.join(case.kernel);
    let hvc = elf::instruction(&kernel, elf::symbol(&kernel, "HYPERVISOR_xen_version"), HVC);
    step_to(&debugger, stop.thread, hvc);
    let in_xen = into_xen(&debugger, &target, stop.thread);
    in_the_hypercall(&debugger, in_xen, &source);
    back_in_domu(&debugger, hvc + 4);

    debugger.disconnect();
    in_domu.join().expect("DomU prints its 4");
    assert!(target.qmp().running());
    target
        .console()
        .run(Reader::Dom0, "echo up$((40+2))", "up42");
    target
        .console()
        .run(Reader::DomU(1), "echo up$((40+2))", "up42");
}

#[track_caller]
fn three_groups(debugger: &Debugger) {
    if debugger.presentation == Presentation::Sessions {
        assert_eq!(debugger.children(), ["Dom0", "DomU"]);
    }
    for (group, threads) in [(XEN, 2), ("Dom0", 2), ("DomU", 2)] {
        let found = debugger.threads(group);
        assert_eq!(found.len(), threads, "{group}: {found:?}");
    }
}

#[track_caller]
fn at_major_show(debugger: &Debugger, thread: i64, source: &str, line: u32) {
    let top = debugger.top("DomU", thread);
    assert_eq!(top.name, "major_show");
    assert_eq!(top.path.as_deref(), Some(source));
    assert_eq!(top.line, i64::from(line));
    let stack = names(&debugger.stack("DomU", thread));
    for caller in ["hyp_sysfs_show", "sysfs_kf_seq_show", "el0t_64_sync"] {
        assert!(
            stack.iter().any(|name| name.starts_with(caller)),
            "{caller} in {stack:?}"
        );
    }
    let locals = debugger.scope("DomU", top.id, "Locals");
    for name in ["attr", "buffer"] {
        assert!(locals.contains_key(name), "{name} in {locals:?}");
    }
    assert!(locals["attr"].contains("0x"), "{locals:?}");
    let name = debugger.evaluate("DomU", top.id, "attr->attr.name");
    assert!(name.contains("\"major\""), "{name}");
}

/// Steps by instruction until a thread of DomU stands at an address.
#[track_caller]
fn step_to(debugger: &Debugger, thread: i64, address: u64) {
    for _ in 0..60 {
        if debugger.top("DomU", thread).address == Some(address) {
            return;
        }
        let stop = debugger.step("DomU", thread, Step::Instruction);
        assert_eq!(
            (stop.group.as_str(), stop.thread),
            ("DomU", thread),
            "{stop:?}"
        );
    }
    panic!("60 steps did not lead to {address:#x}");
}

/// Steps into the hypercall: the stop is Xen's, at its vector. The pCPU's thread.
#[track_caller]
fn into_xen(debugger: &Debugger, target: &Target, thread: i64) -> i64 {
    let stop = debugger.step("DomU", thread, Step::Instruction);
    assert_eq!(stop.group, XEN, "{stop:?}");
    let vectors = elf::symbol(&target.artefacts.join("xen-syms"), "hyp_traps_vector");
    let top = debugger.top(XEN, stop.thread);
    assert_eq!(top.address, Some(vectors + LOWER_EL_SYNC), "{top:?}");
    stop.thread
}

#[track_caller]
fn in_the_hypercall(debugger: &Debugger, thread: i64, source: &str) {
    let breakpoint = debugger.break_at_functions(XEN, &["do_xen_version"])[0];
    debugger.resume(XEN);
    let stop = debugger.stopped();
    assert_eq!(
        (stop.group.as_str(), stop.thread),
        (XEN, thread),
        "{stop:?}"
    );
    assert_eq!(stop.breakpoints, [breakpoint]);
    let stack = debugger.stack(XEN, thread);
    let names = names(&stack);
    assert_eq!(names[0], "do_xen_version", "{names:?}");
    let path = [
        "do_trap_hypercall",
        "trapped from DomU",
        "HYPERVISOR_xen_version",
        "major_show",
    ];
    let mut rest = names.iter();
    for wanted in path {
        assert!(
            rest.any(|name| name.starts_with(wanted)),
            "{wanted} in order in {names:?}"
        );
    }
    let label = stack
        .iter()
        .find(|frame| frame.label)
        .expect("a label frame");
    assert!(label.name.contains("0xea1"), "{label:?}");
    let caller = stack
        .iter()
        .find(|frame| frame.name == "major_show")
        .expect("found above");
    assert_eq!(
        caller.path.as_deref(),
        Some(source),
        "the guest's own source"
    );
    debugger.break_at_functions(XEN, &[]);
}

/// Steps out of the trap handler until the guest goes on behind its HVC, with Xen's answer in x0.
#[track_caller]
fn back_in_domu(debugger: &Debugger, address: u64) {
    let mut thread = debugger.threads(XEN)[0].id;
    for candidate in debugger.threads(XEN) {
        if debugger.top(XEN, candidate.id).name == "do_xen_version" {
            thread = candidate.id;
        }
    }
    for _ in 0..8 {
        let stop = debugger.step(XEN, thread, Step::Out);
        if stop.group == "DomU" {
            let top = debugger.top("DomU", stop.thread);
            assert_eq!(top.address, Some(address), "{top:?}");
            assert_eq!(debugger.number("DomU", top.id, "$x0"), VERSION);
            return;
        }
        assert_eq!(stop.group, XEN, "{stop:?}");
        thread = stop.thread;
    }
    panic!("8 steps out did not lead back to DomU");
}

fn names(stack: &[Frame]) -> Vec<String> {
    stack.iter().map(|frame| frame.name.clone()).collect()
}
