//! A breakpoint in the hot loop that both guests run, wanted by neither: what a hit costs, how many pass, and whether
//! `pause` still works.

use std::time::Instant;

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
    let (mut ours, mut theirs) = (Figures::default(), Figures::default());
    let mut gdb = None;
    // In turns: what else the machine does, and where the guests are, then weighs on both alike.
    for _ in 0..effort.rounds {
        with_hvdap(&target, address, effort, &mut ours);
        gdb = with_gdb(&target, address, effort, gdb, &mut theirs);
    }
    let (ours, theirs) = (ours.summed_up(effort), theirs.summed_up(effort));
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

/// What all rounds gave, one entry for each hit or pause.
#[derive(Default)]
struct Figures {
    costs: Vec<f64>,
    round_trips: Vec<f64>,
    /// `None` where it was not answered in time.
    pauses: Vec<Option<f64>>,
}

struct Sum {
    cost: f64,
    round_trips: f64,
    rate: f64,
    /// `None` when one was not answered in time.
    pause: Option<f64>,
}

fn with_hvdap(target: &Target, address: u64, effort: Effort, figures: &mut Figures) {
    let tap = Tap::on(&target.gdb_socket());
    let debugger = Debugger::attach(&tap.gdb(), &machine::plain(target), Presentation::Sessions);
    // The hypervisor never executes there: every hit is a guest's, and wrong.
    let wanted = json!({ "breakpoints": [{ "instructionReference": format!("{address:#x}") }] });
    debugger.root().request("setInstructionBreakpoints", wanted);
    drop(tap.take());
    debugger.resume(XEN);
    std::thread::sleep(effort.counting);
    figures.add(&tap.take());
    let thread = debugger.threads(XEN)[0].id;
    let asked = Instant::now();
    debugger
        .root()
        .request("pause", json!({ "threadId": thread }));
    let pause = (debugger.stopped().at - asked).as_secs_f64();
    figures.pauses.push(Some(pause));
    debugger.disconnect();
}

/// Gives gdb back for the next round, unless it does not answer any more.
fn with_gdb(
    target: &Target,
    address: u64,
    effort: Effort,
    gdb: Option<gdb::Gdb>,
    figures: &mut Figures,
) -> Option<gdb::Gdb> {
    let mut gdb = gdb.unwrap_or_else(|| gdb::Gdb::start(&gdb::images(target.artefacts)));
    let tap = Tap::on(&target.gdb_socket());
    gdb.connect(&tap.gdb().replace("gdb:unix:", ""));
    gdb.ask(&format!("break *{address:#x} if ($VTTBR_EL2 >> 48) == 7"));
    drop(tap.take());
    gdb.go();
    std::thread::sleep(effort.counting);
    figures.add(&tap.take());
    let asked = Instant::now();
    let pause = gdb.interrupt(effort.patience);
    let answered = pause.is_some();
    let pause = pause.map(|line| (line.at - asked).as_secs_f64());
    figures.pauses.push(pause);
    if !answered {
        return None;
    }
    gdb.ask("delete");
    gdb.ask("detach");
    Some(gdb)
}

impl Figures {
    /// A hit is a stop reply after `c`, and over when `c` is sent again; the step between is part of it.
    fn add(&mut self, packets: &[Packet]) {
        let mut hit: Option<(Instant, u32)> = None;
        let mut last = Sender::Debugger;
        for packet in packets {
            let turn = packet.sender == Sender::Debugger && last == Sender::Stub;
            last = packet.sender;
            hit = match hit {
                None if packet.sender == Sender::Stub && packet.text.starts_with('T') => {
                    Some((packet.at, 0))
                }
                Some((began, round_trips))
                    if packet.sender == Sender::Debugger && resumes(&packet.text) =>
                {
                    self.costs.push((packet.at - began).as_secs_f64());
                    // What went out together with it waited for nothing.
                    self.round_trips
                        .push(f64::from(round_trips - u32::from(!turn)));
                    None
                }
                Some((began, round_trips)) => Some((began, round_trips + u32::from(turn))),
                None => None,
            };
        }
    }

    fn summed_up(self, effort: Effort) -> Sum {
        let pauses: Option<Vec<f64>> = self.pauses.into_iter().collect();
        let time = effort.counting.as_secs_f64() * effort.rounds as f64;
        Sum {
            rate: self.costs.len() as f64 / time,
            cost: median(self.costs),
            round_trips: median(self.round_trips),
            pause: pauses.map(median),
        }
    }
}

/// Whether a packet lets all cores run, rather than step one.
fn resumes(text: &str) -> bool {
    text == "c" || text.starts_with("vCont;c")
}
