//! Perfetto's protobuf format (`protos/perfetto/trace`, field numbers as of v50): a tree of tracks with slices and instants.
//!
//! “Physical CPUs” has a track per core, “Virtual machines” a track per guest with its vCPUs and tasks. Every lane is a
//! packet sequence of its own, with its names interned and its track as the default, so that a slice takes two small packets.
//! Times are nanoseconds since the beginning of the timeline.

mod protobuf;

use std::collections::{HashMap, HashSet};
use std::io::{self, Write};

use machine::GuestId;

use super::{Export, is_background, pass_on};
use crate::store::{Owner, Point, Span};
use protobuf::Message;

const TRACE_PACKET: u32 = 1;

mod packet {
    pub(super) const TIMESTAMP: u32 = 8;
    pub(super) const SEQUENCE: u32 = 10;
    pub(super) const TRACK_EVENT: u32 = 11;
    pub(super) const INTERNED_DATA: u32 = 12;
    pub(super) const SEQUENCE_FLAGS: u32 = 13;
    pub(super) const DEFAULTS: u32 = 59;
    pub(super) const TRACK_DESCRIPTOR: u32 = 60;
}

mod descriptor {
    pub(super) const UUID: u32 = 1;
    pub(super) const NAME: u32 = 2;
    pub(super) const PARENT: u32 = 5;
    pub(super) const CHILD_ORDERING: u32 = 11;
    pub(super) const RANK: u32 = 12;
    pub(super) const EXPLICIT: u64 = 3;
}

mod track_event {
    pub(super) const DEBUG_ANNOTATIONS: u32 = 4;
    pub(super) const TYPE: u32 = 9;
    pub(super) const NAME_IID: u32 = 10;
    pub(super) const TRACK_UUID: u32 = 11;
    pub(super) const SLICE_BEGIN: u64 = 1;
    pub(super) const SLICE_END: u64 = 2;
    pub(super) const INSTANT: u64 = 3;
}

const EVENT_NAMES: u32 = 2;
const IID: u32 = 1;
const INTERNED_NAME: u32 = 2;
const ANNOTATION_NAME: u32 = 10;
const ANNOTATION_UINT: u32 = 3;
const DEFAULT_TRACK_EVENT: u32 = 11;
const STATE_CLEARED: u64 = 1;
const NEEDS_STATE: u64 = 2;

const CORES: u64 = 1;
const GUESTS: u64 = 2;
/// Tracks of guests and lanes are numbered from here.
const GUEST: u64 = 1 << 32;
const LANE: u64 = 1 << 16;

/// Writes the whole trace.
///
/// # Errors
/// Those of `sink`.
pub fn write(export: &Export<'_>, sink: &mut dyn Write) -> io::Result<()> {
    let mut out = Vec::new();
    tracks(export, &mut out);
    for (lane, owner) in export.lanes() {
        let mut sequence = Sequence::begin(export, lane, owner, &mut out);
        for interval in export.spans(lane) {
            if !is_background(owner, &interval.span) {
                sequence.span(&interval.span, interval.end, &mut out);
                pass_on(&mut out, sink)?;
            }
        }
        for point in export.points(lane) {
            sequence.instant(point, &mut out);
            pass_on(&mut out, sink)?;
        }
    }
    sink.write_all(&out)
}

/// Describes the tree of tracks.
fn tracks(export: &Export<'_>, out: &mut Vec<u8>) {
    track(out, CORES, "Physical CPUs", None, 0);
    track(out, GUESTS, "Virtual machines", None, 1);
    let mut guests = HashSet::new();
    let mut guest = |id: GuestId, out: &mut Vec<u8>| {
        let uuid = GUEST + u64::from(id.0);
        if guests.insert(id) {
            track(out, uuid, &(export.guest)(id), Some(GUESTS), id.0);
        }
        uuid
    };
    for (lane, owner) in export.lanes() {
        let (parent, rank) = match owner {
            Owner::Machine | Owner::Others => (None, 2),
            Owner::Pcpu(pcpu) => (Some(CORES), u32::from(pcpu.0)),
            Owner::Vcpu(vcpu) => (Some(guest(vcpu.guest, out)), vcpu.index),
            Owner::Task(id, task) => (Some(guest(id, out)), task.saturating_add(1 << 16)),
        };
        let uuid = LANE + u64::from(lane);
        track(out, uuid, &(export.name)(owner), parent, rank);
    }
}

fn track(out: &mut Vec<u8>, uuid: u64, name: &str, parent: Option<u64>, rank: u32) {
    let mut track = Message::default();
    track.number(descriptor::UUID, uuid);
    track.bytes(descriptor::NAME, name.as_bytes());
    if let Some(parent) = parent {
        track.number(descriptor::PARENT, parent);
    }
    track.number(descriptor::CHILD_ORDERING, descriptor::EXPLICIT);
    // The field is a signed 32-bit number.
    track.number(descriptor::RANK, u64::from(rank & 0x7fff_ffff));
    let mut packet = Message::default();
    packet.number(packet::SEQUENCE, 1);
    packet.message(packet::TRACK_DESCRIPTOR, &track);
    packet.append_to(out, TRACE_PACKET);
}

/// The packets of one lane.
struct Sequence<'a> {
    export: &'a Export<'a>,
    owner: Owner,
    number: u64,
    /// What a span's name depends on, or a mark's number, to the interned name.
    names: HashMap<(u8, u16), u64>,
    new_names: Message,
    event: Message,
    packet: Message,
}

/// In place of a state where the name is a mark's.
const A_MARK: u8 = 255;

impl<'a> Sequence<'a> {
    /// The first packet forgets all state and sets the track.
    fn begin(export: &'a Export<'a>, lane: u16, owner: Owner, out: &mut Vec<u8>) -> Self {
        let mut event = Message::default();
        event.number(track_event::TRACK_UUID, LANE + u64::from(lane));
        let mut defaults = Message::default();
        defaults.message(DEFAULT_TRACK_EVENT, &event);
        let number = 2 + u64::from(lane);
        let mut packet = Message::default();
        packet.number(packet::SEQUENCE, number);
        packet.number(packet::SEQUENCE_FLAGS, STATE_CLEARED);
        packet.message(packet::DEFAULTS, &defaults);
        packet.append_to(out, TRACE_PACKET);
        Self {
            export,
            owner,
            number,
            names: HashMap::new(),
            new_names: Message::default(),
            event: Message::default(),
            packet,
        }
    }

    fn span(&mut self, span: &Span, end: u64, out: &mut Vec<u8>) {
        let party = match span.state().on_core() {
            true => span.party().0,
            false => 0,
        };
        let (export, owner) = (self.export, self.owner);
        let name = self.name((span.state() as u8, party), || export.title(owner, span));
        self.event
            .number(track_event::TYPE, track_event::SLICE_BEGIN);
        self.event.number(track_event::NAME_IID, name);
        self.packet(span.start(), out);
        self.event.number(track_event::TYPE, track_event::SLICE_END);
        self.packet(end, out);
    }

    fn instant(&mut self, point: &Point, out: &mut Vec<u8>) {
        let mark = point.mark();
        let name = self.name((A_MARK, mark as u16), || mark.name().to_owned());
        let mut value = Message::default();
        value.number(ANNOTATION_UINT, point.value());
        value.bytes(ANNOTATION_NAME, b"value");
        self.event.message(track_event::DEBUG_ANNOTATIONS, &value);
        self.event.number(track_event::TYPE, track_event::INSTANT);
        self.event.number(track_event::NAME_IID, name);
        self.packet(point.time(), out);
    }

    /// Writes the event and the new names at hand, fields in the order of their numbers as the official writer does.
    fn packet(&mut self, time: u64, out: &mut Vec<u8>) {
        let packet = &mut self.packet;
        packet.clear();
        packet.number(packet::TIMESTAMP, self.export.nanoseconds(time));
        packet.number(packet::SEQUENCE, self.number);
        packet.message(packet::TRACK_EVENT, &self.event);
        if !self.new_names.is_empty() {
            packet.message(packet::INTERNED_DATA, &self.new_names);
        }
        packet.number(packet::SEQUENCE_FLAGS, NEEDS_STATE);
        packet.append_to(out, TRACE_PACKET);
        self.event.clear();
        self.new_names.clear();
    }

    /// The number of a name; a new one goes into the packet at hand.
    fn name(&mut self, key: (u8, u16), text: impl Fn() -> String) -> u64 {
        let next = self.names.len() as u64 + 1;
        let number = *self.names.entry(key).or_insert(next);
        if number == next {
            let mut name = Message::default();
            name.number(IID, number);
            name.bytes(INTERNED_NAME, text().as_bytes());
            self.new_names.message(EVENT_NAMES, &name);
        }
        number
    }
}
