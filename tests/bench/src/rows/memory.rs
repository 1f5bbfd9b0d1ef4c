//! A guest's virtual memory through both stages: by packets, and from the file that is the machine's RAM.

use std::time::{Duration, Instant};

use journeys::journey::XEN;
use journeys::{Debugger, Presentation, Target, Variant, machine};
use serde_json::json;

use crate::memory::Guest;
use crate::table::{Bound, Gdb, Row, Unit, median};
use crate::{Effort, gdb};

/// Read at once: less than any kernel has code.
const SIZE: usize = 2 << 20;

/// Measures both ways on one machine, and what is left of it behind DAP's base64.
pub(crate) fn measure(effort: Effort) -> Vec<Row> {
    let variant = Variant::plain().with("DOMU_ARGS", "tb.busy=900").ram_file();
    let Some(target) = Target::boot(&variant) else {
        return vec![Row::missing("guest memory", "no live target")];
    };
    let file = target.ram_file.clone().expect("asked for");
    let (text, by_packets) = through_the_target(&target, None, effort);
    let (_, by_file) = through_the_target(&target, Some(&file), effort);
    let plain = machine::plain(&target);
    let dap_packets = through_dap(&target, &plain, text, effort);
    let with_ram = machine::with_ram(plain, &file, 256);
    let dap_file = through_dap(&target, &with_ram, text, effort);
    let theirs = with_gdb(&target, text, effort);
    let row = |what, ours, bound| {
        let gdb = theirs.map_or(Gdb::No, Gdb::Value);
        Row::new(what, Unit::MegabytesPerSecond, ours, bound, gdb)
    };
    vec![
        row(
            "guest memory through both stages, by gdb remote",
            by_packets,
            Some(Bound::Least(60.0)),
        ),
        row(
            "guest memory through both stages, from the RAM file",
            by_file,
            Some(Bound::Least(1000.0)),
        ),
        row("  by DAP readMemory, gdb remote", dap_packets, None),
        row("  by DAP readMemory, RAM file", dap_file, None),
    ]
}

/// Without adapter: the back end and the walks. Where DomU's kernel lies, and how fast it is read.
fn through_the_target(
    target: &Target,
    ram: Option<&std::path::Path>,
    effort: Effort,
) -> (u64, f64) {
    let mut guest = Guest::halt(&target.gdb(), ram);
    let text = guest.kernel_text();
    let mut buffer = vec![0; SIZE];
    let speeds = (0..effort.runs).map(|_| {
        let began = Instant::now();
        guest.read(text, &mut buffer);
        speed(began)
    });
    let speed = median(speeds.collect());
    guest.leave();
    (text, speed)
}

fn through_dap(target: &Target, machine: &serde_json::Value, text: u64, effort: Effort) -> f64 {
    let debugger = Debugger::attach(&target.gdb(), machine, Presentation::Sessions);
    let session = debugger.session("DomU");
    let mut speeds = Vec::new();
    for _ in 0..effort.runs {
        debugger.resume(XEN);
        debugger.halt();
        let arguments = json!({ "memoryReference": format!("{text:#x}"), "count": SIZE });
        let (took, answer) = session.timed(session.send("readMemory", arguments));
        let read = answer.expect("memory is read")["data"]
            .as_str()
            .map_or(0, str::len)
            / 4
            * 3;
        speeds.push(read as f64 / 1e6 / took.as_secs_f64());
    }
    debugger.disconnect();
    median(speeds)
}

/// gdb reads by virtual addresses of whichever VM is current: only when that is DomU.
fn with_gdb(target: &Target, text: u64, effort: Effort) -> Option<f64> {
    let socket = target.gdb_socket().display().to_string();
    let mut gdb = gdb::Gdb::start(&[]);
    gdb.connect(&socket);
    let file = target.run.join("gdb.dump").display().to_string();
    let command = format!(
        "dump binary memory {file} {text:#x} {:#x}",
        text + SIZE as u64
    );
    for _ in 0..100 {
        std::fs::remove_file(&file).ok();
        let took = gdb.ask(&command).as_secs_f64();
        if std::fs::metadata(&file).is_ok_and(|file| file.len() == SIZE as u64) {
            gdb.ask("detach");
            return Some(SIZE as f64 / 1e6 / took);
        }
        gdb.go();
        std::thread::sleep(Duration::from_millis(20));
        gdb.interrupt(effort.patience)?;
    }
    None
}

fn speed(began: Instant) -> f64 {
    SIZE as f64 / 1e6 / began.elapsed().as_secs_f64()
}
