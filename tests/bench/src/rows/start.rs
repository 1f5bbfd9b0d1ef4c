//! From nothing to the address of a source line and the members of `struct task_struct`, and the memory it takes.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use journeys::{Debugger, Presentation, Target, Variant, machine};
use serde_json::{Value, json};

use crate::resident::{megabytes, wait_and_peak};
use crate::table::{Bound, Gdb, Row, Unit, median};
use crate::{Effort, gdb};

/// The function whose line is asked for in Debian's kernel, of which there are no sources.
const FUNCTION: &str = "kernel_clone";

/// What is attached to, and the line asked for.
struct Question {
    machine: Value,
    path: String,
    line: u32,
}

/// Measures with the Xen target's three images. On our side the time includes attaching to the machine.
pub(crate) fn measure(effort: Effort) -> Vec<Row> {
    let Some(target) = Target::boot(&Variant::plain()) else {
        return vec![Row::missing("start", "no live target")];
    };
    let path = target.file("src/linux-source-6.1/drivers/xen/sys-hypervisor.c");
    let text = "int version = HYPERVISOR_xen_version(XENVER_version";
    let question = Question {
        machine: machine::plain(&target),
        line: machine::line_of(&path, text),
        path,
    };
    let ours = repeated(&target, &question, effort);
    let theirs = with_gdb(&gdb::images(target.artefacts), "major_show");
    rows(
        "start → file:line and struct task_struct, three images",
        (0.5, 250.0),
        ours,
        theirs,
    )
}

/// The same with Debian's kernel, whose image is many times larger. No rows unless `HVDAP_DEBUG_KERNEL` names the folder
/// it is in.
pub(crate) fn measure_large(effort: Effort) -> Vec<Row> {
    let what = "start → file:line and struct task_struct, Debian's vmlinux";
    let Some(folder) = std::env::var_os("HVDAP_DEBUG_KERNEL").map(PathBuf::from) else {
        return Vec::new();
    };
    let Some(target) = Target::boot(&Variant::plain()) else {
        return vec![Row::missing(what, "no live target")];
    };
    let image = folder.join("vmlinux");
    let question = question_of(&target, &image);
    let ours = repeated(&target, &question, effort);
    let theirs = with_gdb(&[format!("file {}", image.display())], FUNCTION);
    let size = std::fs::metadata(&image).map_or(0, |meta| meta.len() / 1_000_000);
    rows(&format!("{what} of {size} MB"), (1.0, 300.0), ours, theirs)
}

fn rows(what: &str, most: (f64, f64), ours: (f64, f64), theirs: (f64, f64)) -> Vec<Row> {
    vec![
        Row::new(
            what,
            Unit::Seconds,
            ours.0,
            Some(Bound::Most(most.0)),
            Gdb::Value(theirs.0),
        ),
        Row::new(
            "  most memory resident, then",
            Unit::Megabytes,
            ours.1,
            Some(Bound::Most(most.1)),
            Gdb::Value(theirs.1),
        ),
    ]
}

/// Where the function lies in the source, by its own breakpoint. DomU runs another kernel: what is asked for is in the image
/// alone.
fn question_of(target: &Target, image: &Path) -> Question {
    let machine = json!({
        "hypervisor": { "image": target.file("xen-syms") },
        "vm": [{ "name": "DomU", "image": image, "match": { "guest": 1 }, "force": true }],
    });
    let debugger = Debugger::attach(&target.gdb(), &machine, Presentation::Flat);
    // Once to have the image loaded, once to be answered at once.
    debugger.break_at_functions("DomU", &[FUNCTION]);
    let wanted = json!({ "breakpoints": [{ "name": FUNCTION }] });
    let body = debugger.root().request("setFunctionBreakpoints", wanted);
    debugger.disconnect();
    let bound = &body["breakpoints"][0];
    let (path, line) = (&bound["source"]["path"], &bound["line"]);
    let known = path.as_str().zip(line.as_u64());
    let (path, line) = known.unwrap_or_else(|| panic!("{FUNCTION} has a line: {body}"));
    Question {
        machine,
        path: path.to_owned(),
        line: u32::try_from(line).expect("files are short"),
    }
}

/// Seconds and megabytes in the middle of all runs.
fn repeated(target: &Target, question: &Question, effort: Effort) -> (f64, f64) {
    let runs = (0..effort.runs).map(|_| ours(target, question));
    let (seconds, resident): (Vec<_>, Vec<_>) = runs.unzip();
    (median(seconds), median(resident))
}

fn ours(target: &Target, question: &Question) -> (f64, f64) {
    let began = Instant::now();
    let debugger = Debugger::attach(&target.gdb(), &question.machine, Presentation::Flat);
    debugger.break_at_lines("DomU", &question.path, &[(question.line, "")]);
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

fn with_gdb(images: &[String], function: &str) -> (f64, f64) {
    let mut command = Command::new("gdb-multiarch");
    command.args(["-nx", "-q", "-batch"]);
    for image in images {
        command.args(["-ex", image]);
    }
    command.args([
        "-ex",
        &format!("info line {function}"),
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
