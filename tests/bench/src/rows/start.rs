//! From nothing to the address of a source line and the members of `struct task_struct`, and the memory it takes.

use std::process::{Command, Stdio};
use std::time::Instant;

use journeys::{Debugger, Presentation, Target, Variant, machine};

use crate::resident::{megabytes, wait_and_peak};
use crate::table::{Bound, Gdb, Row, Unit, median};
use crate::{Effort, gdb};

/// Measures with the Xen target's three images. On our side the time includes attaching to the machine.
pub(crate) fn measure(effort: Effort) -> Vec<Row> {
    let Some(target) = Target::boot(&Variant::plain()) else {
        return vec![Row::missing("start", "no live target")];
    };
    let (seconds, resident): (Vec<_>, Vec<_>) = (0..effort.runs).map(|_| ours(&target)).unzip();
    let (theirs, their_resident) = with_gdb(&target);
    vec![
        Row::new(
            "start → file:line and struct task_struct, three images",
            Unit::Seconds,
            median(seconds),
            Some(Bound::Most(0.5)),
            Gdb::Value(theirs),
        ),
        Row::new(
            "  most memory resident, then",
            Unit::Megabytes,
            median(resident),
            Some(Bound::Most(250.0)),
            Gdb::Value(their_resident),
        ),
    ]
}

fn ours(target: &Target) -> (f64, f64) {
    let source = target.file("src/linux-source-6.1/drivers/xen/sys-hypervisor.c");
    let line = machine::line_of(
        &source,
        "int version = HYPERVISOR_xen_version(XENVER_version",
    );
    let began = Instant::now();
    let debugger = Debugger::attach(&target.gdb(), &machine::plain(target), Presentation::Flat);
    debugger.break_at_lines("DomU", &source, &[(line, "")]);
    let frame = debugger.top("DomU", debugger.threads("DomU")[0].id);
    let members = debugger.members("DomU", frame.id, "init_task");
    let took = began.elapsed().as_secs_f64();
    assert!(
        members.len() > 50,
        "the members of struct task_struct: {members:?}"
    );
    let peak = debugger.adapter.peak_memory().unwrap_or_default();
    debugger.disconnect();
    (took, megabytes(peak))
}

fn with_gdb(target: &Target) -> (f64, f64) {
    let mut command = Command::new("gdb-multiarch");
    command.args(["-nx", "-q", "-batch"]);
    for image in gdb::images(target.artefacts) {
        command.args(["-ex", &image]);
    }
    command.args([
        "-ex",
        "info line major_show",
        "-ex",
        "ptype struct task_struct",
    ]);
    let began = Instant::now();
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("gdb-multiarch is installed");
    let peak = wait_and_peak(&mut child);
    (began.elapsed().as_secs_f64(), peak)
}
