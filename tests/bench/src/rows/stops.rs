//! From the stub's stop reply to the client's `stopped`, from there to every stack, and the memory held meanwhile.

use std::time::{Duration, Instant};

use journeys::journey::XEN;
use journeys::tap::{Packet, Sender, Tap};
use journeys::{Debugger, Presentation, Target, Variant, machine};
use serde_json::json;

use crate::resident::megabytes;
use crate::table::{Bound, Gdb, Row, Unit, median};
use crate::{Effort, gdb};

/// Measures on a machine whose guests both work.
pub(crate) fn measure(effort: Effort) -> Vec<Row> {
    let Some(target) = Target::boot(&Variant::plain().load(2, 3)) else {
        return vec![Row::missing("stops", "no live target")];
    };
    let (stop, stacks, resident) = ours(&target, effort);
    let (their_stop, their_stacks) = with_gdb(&target, effort);
    vec![
        Row::new(
            "stop reply on the wire → `stopped` received",
            Unit::Seconds,
            stop,
            Some(Bound::Most(0.010)),
            Gdb::Value(their_stop),
        ),
        Row::new(
            "`stopped` → threads and whole stacks of three groups",
            Unit::Seconds,
            stacks,
            Some(Bound::Most(0.060)),
            Gdb::Value(their_stacks),
        ),
        Row::new(
            "most memory resident, attached, three images",
            Unit::Megabytes,
            resident,
            Some(Bound::Most(300.0)),
            Gdb::No,
        ),
    ]
}

fn ours(target: &Target, effort: Effort) -> (f64, f64, f64) {
    let tap = Tap::on(&target.gdb_socket());
    let debugger = Debugger::attach(&tap.gdb(), &machine::plain(target), Presentation::Sessions);
    let (mut stops, mut stacks) = (Vec::new(), Vec::new());
    for _ in 0..effort.runs {
        debugger.resume(XEN);
        std::thread::sleep(Duration::from_millis(100));
        drop(tap.take());
        debugger
            .root()
            .request("pause", json!({ "threadId": debugger.threads(XEN)[0].id }));
        let halt = debugger.stopped();
        let asked = Instant::now();
        all_stacks(&debugger);
        stacks.push(asked.elapsed().as_secs_f64());
        if let Some(reply) = stop_reply(&tap.take()) {
            stops.push(halt.at.saturating_duration_since(reply).as_secs_f64());
        }
    }
    let resident = megabytes(debugger.adapter.peak_memory().unwrap_or_default());
    debugger.disconnect();
    (median(stops), median(stacks), resident)
}

/// What an editor asks after a stop, all groups at once.
fn all_stacks(debugger: &Debugger) {
    let groups = [XEN, "Dom0", "DomU"].map(|group| debugger.session(group));
    let lists = groups.map(|session| (session, session.send("threads", json!({}))));
    let mut stacks = Vec::new();
    for (session, list) in lists {
        let threads = session.answer(list).expect("threads are answered");
        for thread in threads["threads"].as_array().into_iter().flatten() {
            let arguments = json!({ "threadId": thread["id"] });
            stacks.push((session, session.send("stackTrace", arguments)));
        }
    }
    for (session, stack) in stacks {
        session.answer(stack).expect("stacks are answered");
    }
}

fn stop_reply(packets: &[Packet]) -> Option<Instant> {
    let reply = |packet: &&Packet| packet.sender == Sender::Stub && packet.text.starts_with('T');
    packets.iter().find(reply).map(|packet| packet.at)
}

fn with_gdb(target: &Target, effort: Effort) -> (f64, f64) {
    let tap = Tap::on(&target.gdb_socket());
    let socket = tap.gdb().replace("gdb:unix:", "");
    let mut gdb = gdb::Gdb::start(&gdb::images(target.artefacts));
    gdb.connect(&socket);
    let (mut stops, mut stacks) = (Vec::new(), Vec::new());
    for _ in 0..effort.runs {
        gdb.go();
        std::thread::sleep(Duration::from_millis(100));
        drop(tap.take());
        let Some(stopped) = gdb.interrupt(effort.patience) else {
            break;
        };
        stacks.push(gdb.ask("thread apply all backtrace").as_secs_f64());
        if let Some(reply) = stop_reply(&tap.take()) {
            stops.push(stopped.at.saturating_duration_since(reply).as_secs_f64());
        }
    }
    gdb.ask("detach");
    (median(stops), median(stacks))
}
