//! The target itself, before any debugger is attached.

use journeys::console::Reader;
use journeys::{Target, Variant};

#[track_caller]
fn check(variant: &Variant, shells: &[(Reader, &str)]) {
    let Some(target) = Target::boot(variant) else {
        return;
    };
    assert!(target.qmp().running());
    for (reader, name) in shells {
        target.console().run(*reader, "echo :$(hostname):", name);
    }
}

#[test]
fn both_guests_answer() {
    check(
        &Variant::plain(),
        &[(Reader::Dom0, ":dom0:"), (Reader::DomU(1), ":domu1:")],
    );
}

#[test]
fn twins_answer() {
    check(
        &Variant::twins(),
        &[(Reader::Dom0, ":dom0:"), (Reader::DomU(1), ":domu1:")],
    );
}

#[test]
fn three_guests_answer() {
    check(
        &Variant::three_guests(),
        &[(Reader::DomU(1), ":domu1:"), (Reader::DomU(2), ":domu2:")],
    );
}

#[test]
fn cpu_max_and_ram_file_answer() {
    check(
        &Variant::cpu_max().ram_file(),
        &[(Reader::DomU(1), ":domu1:")],
    );
}
