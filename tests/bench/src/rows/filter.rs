//! A breakpoint in the hot loop that both guests run, wanted by neither: what a hit costs, how many pass, and whether
//! `pause` still works.

use std::time::{Duration, Instant};

use journeys::elf;
use journeys::journey::XEN;
use journeys::tap::{Packet, Sender, Tap};
use journeys::{Debugger, Presentation, Target, Variant, machine};
use serde_json::json;

use crate::table::{Bound, Gdb, Row, Unit, median};
use crate::{Effort, gdb};

/// `eor x0, x0, x0, lsr #7`: the first instruction of the loop in `mix`.
const LOOP: u32 = 0xca40_1c00;

/// Measures on a machine whose guests both work.
pub(crate) fn measure(effort: Effort) -> Vec<Row> {
    let Some(target) = Target::boot(&Variant::plain().load(3, 3)) else {
        return vec![Row::missing("filtered hits", "no live target")];
    };
    let program = target.artefacts.join("tbapp");
    let address = elf::instruction(&program, elf::symbol(&program, "mix"), LOOP);
    let ours = ours(&target, address, effort);
    let theirs = with_gdb(&target, address, effort);
    let pause = theirs
        .pause
        .map_or(Gdb::Longer(effort.patience), Gdb::Value);
    vec![
        Row::new(
            "hit in a wrong VM: stop reply → resume sent, median",
            Unit::Seconds,
            ours.cost,
            Some(Bound::Most(0.0006)),
            Gdb::Value(theirs.cost),
        ),
        Row::new(
            "  round trips",
            Unit::Count,
            ours.round_trips,
            Some(Bound::Most(4.0)),
            Gdb::Value(theirs.round_trips),
        ),
        Row::new(
            "  filtered hits",
            Unit::PerSecond,
            ours.rate,
            None,
            Gdb::Value(theirs.rate),
        )
        .must_beat(1.5),
        Row::new(
            "  `pause` answered meanwhile",
            Unit::Seconds,
            ours.pause.unwrap_or(f64::INFINITY),
            Some(Bound::Most(0.2)),
            pause,
        ),
    ]
}

struct Figures {
    cost: f64,
    round_trips: f64,
    rate: f64,
    pause: Option<f64>,
}

fn ours(target: &Target, address: u64, effort: Effort) -> Figures {
    let tap = Tap::on(&target.gdb_socket());
    let debugger = Debugger::attach(&tap.gdb(), &machine::plain(target), Presentation::Sessions);
    // The hypervisor never executes there: every hit is a guest's, and wrong.
    let wanted = json!({ "breakpoints": [{ "instructionReference": format!("{address:#x}") }] });
    debugger.root().request("setInstructionBreakpoints", wanted);
    drop(tap.take());
    debugger.resume(XEN);
    std::thread::sleep(effort.counting);
    let packets = tap.take();
    let thread = debugger.threads(XEN)[0].id;
    let asked = Instant::now();
    debugger
        .root()
        .request("pause", json!({ "threadId": thread }));
    let pause = (debugger.stopped().at - asked).as_secs_f64();
    debugger.disconnect();
    figures(&packets, effort.counting, Some(pause))
}

fn with_gdb(target: &Target, address: u64, effort: Effort) -> Figures {
    let tap = Tap::on(&target.gdb_socket());
    let socket = tap.gdb().replace("gdb:unix:", "");
    let mut gdb = gdb::Gdb::attach(&gdb::images(target.artefacts), &socket);
    gdb.ask(&format!("break *{address:#x} if ($VTTBR_EL2 >> 48) == 7"));
    drop(tap.take());
    gdb.go();
    std::thread::sleep(effort.counting);
    let packets = tap.take();
    let asked = Instant::now();
    let pause = gdb
        .interrupt(effort.patience)
        .map(|line| (line.at - asked).as_secs_f64());
    figures(&packets, effort.counting, pause)
}

/// A hit is a stop reply after `c`, and over when `c` is sent again; the step between is part of it.
fn figures(packets: &[Packet], time: Duration, pause: Option<f64>) -> Figures {
    let (mut costs, mut trips) = (Vec::new(), Vec::new());
    let mut hit: Option<(Instant, u32)> = None;
    let mut last = Sender::Debugger;
    for packet in packets {
        let turn = packet.sender == Sender::Debugger && last == Sender::Stub;
        last = packet.sender;
        hit = match hit {
            None if packet.sender == Sender::Stub && packet.text.starts_with('T') => {
                Some((packet.at, 0))
            }
            Some((began, round_trips)) if turn && resumes(&packet.text) => {
                costs.push((packet.at - began).as_secs_f64());
                trips.push(f64::from(round_trips));
                None
            }
            Some((began, round_trips)) => Some((began, round_trips + u32::from(turn))),
            None => None,
        };
    }
    let rate = costs.len() as f64 / time.as_secs_f64();
    Figures {
        cost: median(costs),
        round_trips: median(trips),
        rate,
        pause,
    }
}

/// Whether a packet lets all cores run, rather than step one.
fn resumes(text: &str) -> bool {
    text == "c" || text.starts_with("vCont;c")
}
