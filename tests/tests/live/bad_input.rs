//! When things go wrong on the way to a live machine: one plain sentence, nothing hangs, no breakpoint stays behind.

use std::time::{Duration, Instant};

use journeys::console::Reader;
use journeys::journey::XEN;
use journeys::tap::{Spoil, Tap};
use journeys::{Debugger, Presentation, Target, Variant, machine};
use serde_json::{Value, json};

const COMMAND: &str = "echo v$(cat /sys/hypervisor/version/major)v";
/// How soon the loss of the target must be said.
const SOON: Duration = Duration::from_secs(5);

/// Every session says why and ends.
#[track_caller]
fn all_end(debugger: &Debugger) {
    let reason = debugger.root().event_where("output", SOON, |body| {
        let text = body["output"].as_str().unwrap_or_default();
        text.contains("lost") || text.contains("closed")
    });
    assert!(reason.body["category"] != "stdout", "{reason:?}");
    for group in [XEN, "Dom0", "DomU"] {
        debugger
            .session(group)
            .event_where("terminated", SOON, |_| true);
    }
}

#[track_caller]
fn lose(running: bool, lose: fn(&mut Target, &Tap)) {
    let Some(mut target) = Target::boot(&Variant::plain()) else {
        return;
    };
    let tap = Tap::on(&target.gdb_socket());
    let debugger = Debugger::attach(&tap.gdb(), &machine::plain(&target), Presentation::Sessions);
    if running {
        debugger.resume(XEN);
    }
    lose(&mut target, &tap);
    if !running {
        // Nothing comes from a halted target: its loss shows at the next request that needs it.
        let thread = debugger.threads(XEN)[0].id;
        let _unanswered = debugger
            .root()
            .send("continue", json!({ "threadId": thread }));
    }
    all_end(&debugger);
}

#[test]
fn qemu_ends_while_running() {
    lose(true, |target, _| target.kill());
}

#[test]
fn qemu_ends_while_halted() {
    lose(false, |target, _| target.kill());
}

#[test]
fn the_link_drops_while_running() {
    lose(true, |_, tap| tap.cut());
}

#[test]
fn the_link_drops_while_halted() {
    lose(false, |_, tap| tap.cut());
}

#[test]
fn garbled_packets_are_asked_again() {
    let Some(target) = Target::boot(&Variant::plain()) else {
        return;
    };
    let tap = Tap::on(&target.gdb_socket());
    let debugger = Debugger::attach(&tap.gdb(), &machine::plain(&target), Presentation::Sessions);
    for spoil in [Spoil::Checksum, Spoil::Noise] {
        debugger.resume(XEN);
        tap.spoil(spoil);
        debugger.halt();
        for group in [XEN, "Dom0", "DomU"] {
            crate::looking::stacks(&debugger, group);
        }
        assert!(tap.spoiled(), "{spoil:?} was not met");
    }
    debugger.disconnect();
}

#[test]
fn an_image_of_another_build_is_refused() {
    let Some(target) = Target::boot(&Variant::plain()) else {
        return;
    };
    let mut wrong = machine::plain(&target);
    // Dom0's kernel said to be DomU's.
    wrong["vm"][1]["image"] = json!(target.file("vmlinux-dom0"));
    wrong["vm"][1]["match"] = json!({ "guest": 1 });
    let debugger = Debugger::attach(&target.gdb(), &wrong, Presentation::Flat);
    let said = debugger
        .root()
        .event_where("output", Duration::from_secs(20), |body| {
            body["output"]
                .as_str()
                .is_some_and(|text| text.contains("vmlinux-dom0"))
        });
    let text = said.body["output"].as_str().unwrap_or_default();
    assert!(text.contains("build") || text.contains("version"), "{text}");
    // Its VM is shown by addresses; the others have their symbols.
    let threads = debugger.threads("DomU");
    for frame in debugger.stack("DomU", threads[0].id) {
        assert!(frame.path.is_none(), "{frame:?}");
    }
    crate::looking::stacks(&debugger, "Dom0");
    debugger.disconnect();
}

#[test]
fn a_truncated_image_spoils_only_itself() {
    let Some(target) = Target::boot(&Variant::plain()) else {
        return;
    };
    let whole = std::fs::read(target.artefacts.join("vmlinux-domu")).expect("the image is there");
    let short = target.run.join("vmlinux-short");
    std::fs::write(&short, &whole[..whole.len() / 3]).expect("the folder can be written");
    let mut machine = machine::plain(&target);
    machine["vm"][1]["image"] = json!(short);
    machine["vm"][1]["match"] = json!({ "guest": 1 });
    let (debugger, answer) = Debugger::try_attach(&target.gdb(), &machine, Presentation::Flat);
    match answer {
        Err(why) => assert!(why.contains("vmlinux-short"), "{why}"),
        Ok(_) => {
            crate::looking::stacks(&debugger, "Dom0");
            assert_eq!(debugger.threads("DomU").len(), 2);
            let said = debugger.root().events("output");
            let named = |event: &journeys::session::Event| {
                event.body["output"]
                    .as_str()
                    .is_some_and(|text| text.contains("vmlinux-short"))
            };
            assert!(said.iter().any(named), "{said:?}");
            debugger.disconnect();
        }
    }
}

/// Xen's list of domains made a ring: the walk ends all the same, and says so.
#[test]
fn a_cyclic_domain_list_ends() {
    let Some(target) = Target::boot(&Variant::plain()) else {
        return;
    };
    let debugger = Debugger::attach(&target.gdb(), &machine::plain(&target), Presentation::Flat);
    let frame = debugger.top(XEN, debugger.threads(XEN)[0].id).id;
    let first = debugger.evaluate(XEN, frame, "domain_list");
    let place = debugger.evaluate(XEN, frame, "&domain_list->next_in_list->next_in_list");
    let hex = |text: &str| -> u64 {
        let word = text
            .split(|c: char| !c.is_ascii_alphanumeric())
            .find(|word| word.starts_with("0x"));
        let digits = word.and_then(|word| word.strip_prefix("0x"));
        digits
            .and_then(|digits| u64::from_str_radix(digits, 16).ok())
            .expect("a pointer")
    };
    let (first, place) = (hex(&first), hex(&place));
    debugger.disconnect();

    journeys::stub::Stub::connect(&target.gdb_socket()).write_xen(place, &first.to_le_bytes());
    let began = Instant::now();
    let debugger = Debugger::attach(&target.gdb(), &machine::plain(&target), Presentation::Flat);
    assert!(began.elapsed() < Duration::from_secs(20));
    for group in ["Dom0", "DomU"] {
        assert_eq!(debugger.threads(group).len(), 2);
    }
    let said: Vec<Value> = debugger
        .root()
        .events("output")
        .into_iter()
        .map(|e| e.body)
        .collect();
    let said = Value::from(said).to_string();
    assert!(
        said.contains("domain_list") || said.contains("loop"),
        "{said}"
    );
}

/// The adapter killed with a breakpoint set: a new attach clears what it left in the stub.
#[test]
fn a_killed_adapter_leaves_nothing_for_long() {
    let Some(target) = Target::boot(&Variant::plain()) else {
        return;
    };
    let machine = machine::plain(&target);
    let mut first = Debugger::attach(&target.gdb(), &machine, Presentation::Sessions);
    first.break_at_functions("DomU", &["major_show"]);
    first.resume(XEN);
    first.adapter.kill();
    drop(first);

    let second = Debugger::attach(&target.gdb(), &machine, Presentation::Sessions);
    second.resume(XEN);
    target.console().run(Reader::DomU(1), COMMAND, "v4v");
    second.disconnect();
    target.console().run(Reader::DomU(1), COMMAND, "v4v");
    assert!(target.qmp().running());
}

/// A client that goes without a word: its breakpoints go with it, and the machine runs on.
#[test]
fn a_client_that_crashes_leaves_nothing() {
    let Some(target) = Target::boot(&Variant::plain()) else {
        return;
    };
    let debugger = Debugger::attach(
        &target.gdb(),
        &machine::plain(&target),
        Presentation::Sessions,
    );
    debugger.break_at_functions("DomU", &["major_show"]);
    for group in ["Dom0", "DomU", XEN] {
        debugger.session(group).hang_up();
    }
    let end = Instant::now() + SOON;
    while !target.qmp().running() {
        assert!(Instant::now() < end, "the machine stays halted");
        std::thread::sleep(Duration::from_millis(50));
    }
    target.console().run(Reader::DomU(1), COMMAND, "v4v");
    assert!(target.qmp().running());
}
