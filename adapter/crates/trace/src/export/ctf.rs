//! CTF 1.8 (Common Trace Format, diamon.org): a metadata text and a stream per core, of changes of state and of marks.
//!
//! A change of state lies in the stream of the core on which it was caused, as far as that is known, else of the core it is
//! about. Times are ticks of the counter, so they are exact.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::Export;
use crate::store::{Cause, Mark, Owner, Party, Point, Span, State};

/// A file of the trace's folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    /// Its name.
    pub name: String,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

const MAGIC: u32 = 0xc1fc_1fc1;
const STATE: u16 = 1;
const MARK: u16 = 2;
/// Packet header and context, in bytes.
const HEAD: usize = 8 + 36;
const EVENTS_PER_PACKET: usize = 4096;

/// An event on its way into a stream.
enum Entry<'a> {
    State(Owner, Span),
    Mark(Owner, &'a Point),
}

/// The files of a trace. Holds 40 bytes for every span while it works.
pub fn files(export: &Export<'_>) -> Vec<File> {
    let mut streams: BTreeMap<u16, Vec<(u64, Entry<'_>)>> = BTreeMap::new();
    for (lane, owner) in export.lanes() {
        for interval in export.spans(lane) {
            let core = stream_of(owner, interval.span.by_pcpu(), interval.span.party());
            let entry = Entry::State(owner, interval.span);
            streams
                .entry(core)
                .or_default()
                .push((interval.start(), entry));
        }
        for point in export.points(lane) {
            let core = stream_of(owner, point.by_pcpu(), Party::NONE);
            let entry = Entry::Mark(owner, point);
            streams.entry(core).or_default().push((point.time(), entry));
        }
    }
    let mut files = vec![File {
        name: "metadata".to_owned(),
        bytes: metadata(export).into_bytes(),
    }];
    for (core, mut entries) in streams {
        entries.sort_by_key(|(time, _)| *time);
        files.push(stream(export, core, &entries));
    }
    files
}

/// The core whose stream it is; 0xffff where none is known.
fn stream_of(owner: Owner, by: Party, party: Party) -> u16 {
    match owner {
        Owner::Pcpu(pcpu) => pcpu.0,
        Owner::Vcpu(_) if by == Party::NONE => party.0,
        _ => by.0,
    }
}

fn stream(export: &Export<'_>, core: u16, entries: &[(u64, Entry<'_>)]) -> File {
    let mut bytes = Vec::new();
    for packet in entries.chunks(EVENTS_PER_PACKET) {
        let mut events = Vec::new();
        for (time, entry) in packet {
            event(export, *time, entry, &mut events);
        }
        let begin = packet.first().map_or(0, |(time, _)| *time);
        let end = packet.last().map_or(0, |(time, _)| *time);
        let bits = (HEAD + events.len()) as u64 * 8;
        bytes.extend(MAGIC.to_le_bytes());
        bytes.extend(0u32.to_le_bytes());
        for field in [begin, end, bits, bits] {
            bytes.extend(field.to_le_bytes());
        }
        bytes.extend(u32::from(core).to_le_bytes());
        bytes.extend(events);
    }
    let name = match core {
        u16::MAX => "no-pcpu".to_owned(),
        core => format!("pcpu-{core}"),
    };
    File { name, bytes }
}

fn event(export: &Export<'_>, time: u64, entry: &Entry<'_>, out: &mut Vec<u8>) {
    let id = match entry {
        Entry::State(..) => STATE,
        Entry::Mark(..) => MARK,
    };
    out.extend(id.to_le_bytes());
    out.extend(time.to_le_bytes());
    match entry {
        Entry::State(of, span) => {
            owner(*of, out);
            out.push(span.state() as u8);
            out.push(span.cause() as u8);
            // What the other side of a core is, is an owner; of a vCPU, a core.
            let party = match of {
                Owner::Pcpu(_) | Owner::Task(..) => None,
                _ => span.party().get(),
            };
            out.extend(party.unwrap_or(u16::MAX).to_le_bytes());
            let other = match of {
                Owner::Pcpu(_) | Owner::Task(..) => span.party(),
                _ => span.by_lane(),
            };
            owner(export.view.owner(other).unwrap_or(Owner::Others), out);
        }
        Entry::Mark(of, point) => {
            owner(*of, out);
            out.push(point.mark() as u8);
            out.extend(point.value().to_le_bytes());
            let by = export.view.owner(point.by_lane());
            owner(by.unwrap_or(Owner::Others), out);
        }
    }
}

/// Kind, guest and number, as `struct owner` of the metadata.
fn owner(owner: Owner, out: &mut Vec<u8>) {
    let record = owner.record();
    out.push(record.kind.get() as u8);
    out.extend(record.guest.get().to_le_bytes());
    out.extend(record.index.get().to_le_bytes());
}

fn metadata(export: &Export<'_>) -> String {
    let states = enumeration(State::ALL.map(|state| (state.name(), state as u8)));
    let causes = (0..=5).map(|number| (Cause::from_bits(number).name(), number as u8));
    let causes = enumeration(causes);
    let marks = (0..=Mark::User as u8).map(|number| (Mark::from_number(number).name(), number));
    let marks = enumeration(marks.chain([(Mark::Other.name(), Mark::Other as u8)]));
    let frequency = export.view.frequency();
    format!(
        r#"/* CTF 1.8 */
typealias integer {{ size = 8; align = 8; signed = false; }} := uint8_t;
typealias integer {{ size = 16; align = 8; signed = false; }} := uint16_t;
typealias integer {{ size = 32; align = 8; signed = false; }} := uint32_t;
typealias integer {{ size = 64; align = 8; signed = false; }} := uint64_t;
trace {{
  major = 1; minor = 8; byte_order = le;
  packet.header := struct {{ uint32_t magic; uint32_t stream_id; }};
}};
env {{ domain = "hypervisor"; tracer_name = "hvdap"; }};
clock {{ name = cntpct; freq = {frequency}; offset = 0; }};
typealias integer {{ size = 64; align = 8; signed = false; map = clock.cntpct.value; }} := ticks_t;
struct owner {{
  enum : uint8_t {{ machine = 0, pcpu = 1, vcpu = 2, task = 3, none = 4 }} kind;
  uint32_t guest; uint32_t number;
}};
stream {{
  id = 0;
  packet.context := struct {{
    ticks_t timestamp_begin; ticks_t timestamp_end; uint64_t content_size; uint64_t packet_size; uint32_t cpu_id;
  }};
  event.header := struct {{ uint16_t id; ticks_t timestamp; }};
}};
event {{
  id = {STATE}; name = "state"; stream_id = 0;
  fields := struct {{
    struct owner owner; enum : uint8_t {{ {states} }} state; enum : uint8_t {{ {causes} }} cause;
    uint16_t pcpu; struct owner other;
  }};
}};
event {{
  id = {MARK}; name = "mark"; stream_id = 0;
  fields := struct {{ struct owner owner; enum : uint8_t {{ {marks} }} mark; uint64_t value; struct owner by; }};
}};
"#
    )
}

/// `"running" = 0, "runnable" = 1`.
fn enumeration<'a>(names: impl IntoIterator<Item = (&'a str, u8)>) -> String {
    let mut text = String::new();
    for (name, number) in names {
        let comma = if text.is_empty() { "" } else { ", " };
        let name = if name.is_empty() { "unstated" } else { name };
        // Writing to a string does not fail.
        write!(text, "{comma}\"{name}\" = {number}").ok();
    }
    text
}
