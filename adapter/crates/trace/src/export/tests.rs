//! Exports of a small timeline, read back by hand.

use machine::{GuestId, Pcpu, Vcpu};

use super::*;
use crate::event::RunState::{Blocked, Runnable, Running};
use crate::event::{Event, RunState, Ticks, What};
use crate::store::Memory;
use crate::timeline::Timeline;

const A: Vcpu = Vcpu {
    guest: GuestId(1),
    index: 0,
};
const B: Vcpu = Vcpu {
    guest: GuestId(2),
    index: 0,
};

fn timeline() -> Timeline {
    let says = |time, what| Event {
        time: Ticks(time),
        pcpu: Pcpu(0),
        what,
    };
    let goes = |time, vcpu, from: RunState, to| says(time, What::RunState { vcpu, from, to });
    let memory = Box::new(Memory::default());
    let mut timeline = Timeline::new(memory, 1_000_000, Ticks(1000)).unwrap();
    for event in [
        goes(1000, A, Runnable, Running),
        goes(1020, B, Blocked, Runnable),
        says(1020, What::Wake { vcpu: B }),
        goes(1030, A, Running, Runnable),
        goes(1030, B, Runnable, Running),
        goes(1050, B, Running, Blocked),
        goes(1050, A, Runnable, Running),
    ] {
        timeline.event(&event);
    }
    timeline.finish(Ticks(1060)).unwrap();
    timeline
}

fn name(owner: Owner) -> String {
    match owner {
        Owner::Pcpu(pcpu) => pcpu.to_string(),
        Owner::Vcpu(vcpu) => format!("d{}v{}", vcpu.guest.0, vcpu.index),
        other => format!("{other:?}, \"x\""),
    }
}

fn guest(id: GuestId) -> String {
    format!("Dom\"U,{}", id.0)
}

fn exported(write: impl Fn(&Export<'_>, &mut dyn Write) -> io::Result<()>) -> Vec<u8> {
    let timeline = timeline();
    let export = Export {
        view: timeline.view(),
        from: 1010,
        to: u64::MAX,
        name: &name,
        guest: &guest,
    };
    let mut bytes = Vec::new();
    write(&export, &mut bytes).unwrap();
    bytes
}

#[test]
fn csv_has_a_line_per_span_and_mark() {
    let spans = String::from_utf8(exported(csv::spans)).unwrap();
    let lines: Vec<&str> = spans.lines().collect();
    assert_eq!(lines[0], csv::SPANS);
    assert_eq!(
        lines[1],
        "0,\"Machine, \"\"x\"\"\",running,1010,1060,10000,50000,,,,,"
    );
    assert!(lines.contains(&"2,d1v0,runnable,1030,1050,30000,20000,pCPU 0,preempted,d2v0,0,"));
    assert!(lines.contains(&"1,pCPU 0,running,1030,1050,30000,20000,d2v0,preempted,d1v0,0,"));
    assert_eq!(lines.len(), 1 + 1 + 3 + 3 + 4);
    let marks = String::from_utf8(exported(csv::marks)).unwrap();
    assert_eq!(
        marks,
        format!("{}\n3,d2v0,wake,1020,20000,0,d1v0,0\n", csv::MARKS)
    );
}

#[test]
fn chrome_json_is_json() {
    let text = String::from_utf8(exported(chrome::write)).unwrap();
    assert!(
        text.contains(r#"{"ph":"X","pid":2,"tid":2,"ts":30.000,"dur":20.000,"name":"runnable"}"#)
    );
    assert!(text.contains(r#""args":{"name":"Dom\"U,1"}"#));
    assert!(text.contains(r#""name":"wake""#));
    assert_eq!(text.matches("\"ph\":\"X\"").count(), 3 + 3 + 3);
    // Every brace and quote is closed: strings aside, there is nothing else to get wrong.
    let bare = text.replace("\\\"", "");
    let outside: String = bare.split('"').step_by(2).collect();
    let count = |letter| outside.matches(letter).count();
    assert_eq!((count('{'), count('[')), (count('}'), count(']')));
    assert!(!outside.contains(",,") && !outside.contains("}{") && !outside.contains(",]"));
}

/// The fields of a message: number, and the value or the bytes.
fn fields(mut bytes: &[u8]) -> Vec<(u64, u64, &[u8])> {
    let mut fields = Vec::new();
    while !bytes.is_empty() {
        let tag = varint(&mut bytes);
        let value = varint(&mut bytes);
        let inside = match tag & 7 {
            0 => &[][..],
            2 => {
                let (inside, rest) = bytes.split_at(value as usize);
                bytes = rest;
                inside
            }
            other => panic!("wire type {other}"),
        };
        fields.push((tag >> 3, value, inside));
    }
    fields
}

fn varint(bytes: &mut &[u8]) -> u64 {
    let mut value = 0;
    for shift in (0..).step_by(7) {
        let (byte, rest) = bytes.split_first().unwrap();
        *bytes = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            break;
        }
    }
    value
}

#[test]
fn perfetto_slices_begin_and_end_on_tracks_with_names() {
    let bytes = exported(perfetto::write);
    let (mut begun, mut names, mut tracks, mut times) = (0, Vec::new(), Vec::new(), Vec::new());
    for (field, _, packet) in fields(&bytes) {
        assert_eq!(field, 1);
        for (field, value, inside) in fields(packet) {
            match field {
                8 => times.push(value),
                11 => match fields(inside).iter().find(|(field, ..)| *field == 9) {
                    Some((_, 1, _)) => begun += 1,
                    Some((_, 2, _)) => begun -= 1,
                    _ => {}
                },
                12 => {
                    let name = fields(fields(inside)[0].2)[1].2;
                    names.push(String::from_utf8(name.to_vec()).unwrap());
                }
                60 => {
                    let name = fields(inside)[1].2;
                    tracks.push(String::from_utf8(name.to_vec()).unwrap());
                }
                _ => {}
            }
            assert!((0..=1).contains(&begun));
        }
    }
    assert_eq!(begun, 0);
    assert_eq!(times.len(), 2 * 9 + 1);
    for wanted in [
        "Physical CPUs",
        "Virtual machines",
        "Dom\"U,1",
        "d1v0",
        "pCPU 0",
    ] {
        assert!(tracks.iter().any(|track| track == wanted), "{wanted}");
    }
    assert_eq!(
        names,
        [
            "d1v0", "d2v0", "running", "runnable", "unknown", "runnable", "running", "wake"
        ]
    );
}

#[test]
fn ctf_packets_are_as_long_as_they_say() {
    let timeline = timeline();
    let export = Export {
        view: timeline.view(),
        from: 0,
        to: u64::MAX,
        name: &name,
        guest: &guest,
    };
    let files = ctf::files(&export);
    let names: Vec<_> = files.iter().map(|file| file.name.as_str()).collect();
    assert_eq!(names, ["metadata", "pcpu-0", "no-pcpu"]);
    for file in &files[1..] {
        let size = u64::from_le_bytes(file.bytes[32..40].try_into().unwrap());
        assert_eq!(size, file.bytes.len() as u64 * 8, "{}", file.name);
    }
}
