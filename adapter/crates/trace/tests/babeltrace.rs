//! The CTF export, read back whole by babeltrace2 (Debian package of the same name) where it is installed.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::unwrap_used,
    reason = "a test that writes a trace and asks another program"
)]

use std::io::Write;
use std::process::Command;

use machine::{GuestId, Pcpu, Vcpu};
use trace::event::RunState::{Blocked, Runnable, Running};
use trace::event::{Event, Ticks, What};
use trace::export::{Export, ctf};
use trace::store::{Memory, Owner};
use trace::timeline::Timeline;

/// Two cores; on each a vCPU that is woken, runs and waits again, 3,000 times.
fn timeline() -> Timeline {
    let mut timeline = Timeline::new(Box::new(Memory::default()), 62_500_000, Ticks(500)).unwrap();
    for round in 0..3000u64 {
        let pcpu = (round % 2) as u16;
        let vcpu = Vcpu {
            guest: GuestId(1 + u32::from(pcpu)),
            index: 0,
        };
        let steps = [(Blocked, Runnable), (Runnable, Running), (Running, Blocked)];
        for (step, (from, to)) in (0..).zip(steps) {
            timeline.event(&Event {
                time: Ticks(1000 + round * 100 + step * 10),
                pcpu: Pcpu(pcpu),
                what: What::RunState { vcpu, from, to },
            });
        }
        timeline.event(&Event {
            time: Ticks(1050 + round * 100),
            pcpu: Pcpu(pcpu),
            what: What::Wake { vcpu },
        });
    }
    timeline.finish(Ticks(0)).unwrap();
    timeline
}

fn skip(test: &str, why: &str) {
    if let Some(list) = std::env::var_os("HVDAP_SKIPPED") {
        let list = std::fs::OpenOptions::new()
            .append(true)
            .create(true)
            .open(list);
        writeln!(list.unwrap(), "{test}: {why}").unwrap();
    }
}

#[test]
fn babeltrace_reads_every_event() {
    if Command::new("babeltrace2")
        .arg("--version")
        .output()
        .is_err()
    {
        return skip("babeltrace_reads_every_event", "no babeltrace2");
    }
    let timeline = timeline();
    let view = timeline.view();
    let export = Export {
        view,
        from: 0,
        to: u64::MAX,
        name: &|owner| format!("{owner:?}"),
        guest: &|guest| format!("{guest:?}"),
    };
    let folder = std::env::temp_dir().join(format!("hvdap-ctf-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    for file in ctf::files(&export) {
        std::fs::write(folder.join(file.name), file.bytes).unwrap();
    }
    let read = Command::new("babeltrace2").arg(&folder).output().unwrap();
    std::fs::remove_dir_all(&folder).unwrap();
    let errors = String::from_utf8_lossy(&read.stderr);
    assert!(read.status.success() && errors.is_empty(), "{errors}");
    let text = String::from_utf8(read.stdout).unwrap();
    let lanes = 0..view.owners().len() as u16;
    let events = lanes.map(|lane| view.lane(lane).len() + view.points(lane).all().len());
    assert_eq!(text.lines().count(), events.sum::<usize>());
    let vcpu = Owner::Vcpu(Vcpu {
        guest: GuestId(2),
        index: 0,
    });
    assert!(view.lane_of(vcpu).is_some());
    let wanted = r#"owner = { kind = ( "vcpu" : container = 2 ), guest = 2, number = 0 }, state = ( "runnable" : container = 1 ), cause = ( "woken" : container = 1 )"#;
    assert!(text.contains(wanted), "{}", text.lines().nth(20).unwrap());
}
