//! Making an xentrace file of what is drained from the buffers, with notes of our own.
//!
//! A recording begins with empty buffers: what they held before is thrown away, and so is Xen's word on what it dropped before.

use machine::ids::Pcpu;

use super::file::window_header;
use super::notes::Note;
use super::record::{LOST_RECORDS, Record, WRAP_BUFFER};
use super::records::Records;
use crate::event::{Ticks, What};
use crate::format::position::{Position, believed_after};
use crate::format::ring::Gap;

/// How far a recording has come, and the bytes that were not written yet.
#[derive(Clone, Debug)]
pub struct Recording {
    pcpus: Vec<Progress>,
    newest: Ticks,
    totals: Totals,
    unwritten: Vec<u8>,
}

#[derive(Clone, Copy, Debug)]
struct Progress {
    position: Position,
    /// Nothing was drained yet, so a loss that stands first is older than the recording.
    fresh: bool,
}

/// What has been recorded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Records of the hypervisor's.
    pub records: u64,
    /// Records that it dropped for want of room, as far as it has told.
    pub lost: u64,
    /// Places where bytes could not be read or make no sense.
    pub gaps: u64,
    /// Bytes of the file.
    pub bytes: u64,
}

impl Recording {
    /// Begins at a time at or after that of every record thrown away, and at or before that of every record to come.
    pub fn begin(pcpus: impl IntoIterator<Item = Pcpu>, now: Ticks) -> Self {
        let progress = |pcpu| Progress {
            position: Position { pcpu, time: now },
            fresh: true,
        };
        let mut recording = Self {
            pcpus: pcpus.into_iter().map(progress).collect(),
            newest: now,
            totals: Totals::default(),
            unwritten: Vec::new(),
        };
        for at in 0..recording.pcpus.len() {
            recording.note_at(at, &[Note::Began]);
        }
        recording
    }

    /// The time of the newest record of all.
    pub fn newest(&self) -> Ticks {
        self.newest
    }

    /// What has been recorded.
    pub fn totals(&self) -> Totals {
        self.totals
    }

    /// The bytes that have come to the file since the last call; they are cleared by the next.
    pub fn take_unwritten(&mut self) -> Vec<u8> {
        self.totals.bytes += self.unwritten.len() as u64;
        std::mem::take(&mut self.unwritten)
    }

    /// Adds what one look at a pCPU's buffer gave.
    pub fn drained(&mut self, pcpu: Pcpu, gap: Option<Gap>, bytes: &[u8]) {
        let Some(at) = self.place(pcpu) else {
            return;
        };
        if let Some(Gap { reason, bytes }) = gap {
            self.totals.gaps += 1;
            self.note_at(at, &[Note::Gap { reason, bytes }]);
        }
        let progress = &mut self.pcpus[at];
        let bytes = if progress.fresh {
            without_earlier_loss(bytes)
        } else {
            bytes
        };
        progress.fresh &= bytes.is_empty();
        let mut records = Records::new(progress.position, bytes);
        for event in records.by_ref() {
            self.totals.add(event.what);
        }
        progress.position = records.reached();
        self.newest = self.newest.max(progress.position.time);
        window(pcpu, bytes, &mut self.unwritten);
    }

    /// Adds notes to the window of the first pCPU, at the time of the newest record of all.
    pub fn note(&mut self, notes: &[Note]) {
        if let Some(first) = self.pcpus.first_mut() {
            first.position.time = self.newest;
            self.note_at(0, notes);
        }
    }

    /// Adds notes about what happens on a pCPU, at the time of the newest record of all.
    pub fn note_on(&mut self, pcpu: Pcpu, notes: &[Note]) {
        if let Some(at) = self.place(pcpu) {
            self.pcpus[at].position.time = self.newest;
            self.note_at(at, notes);
        }
    }

    /// Moves on to a time at or before that of every record to come; one that leaps days ahead is not believed.
    pub fn advance(&mut self, now: Ticks) {
        self.newest = believed_after(self.newest, now);
    }

    /// Adds a loss that Xen has counted on a pCPU but could not tell before recording ended.
    pub fn lost(&mut self, pcpu: Pcpu, records: u32, since: Ticks) {
        let Some(at) = self.place(pcpu) else {
            return;
        };
        let progress = &mut self.pcpus[at];
        if progress.fresh || records == 0 {
            return;
        }
        let time = believed_after(self.newest, since);
        let since = since.min(time);
        progress.position.time = time;
        self.newest = time;
        self.totals.add(What::Lost { records, since });
        let mut record = Vec::new();
        push_loss(progress.position, records, since, &mut record);
        window(pcpu, &record, &mut self.unwritten);
    }

    fn place(&self, pcpu: Pcpu) -> Option<usize> {
        let mut pcpus = self.pcpus.iter();
        pcpus.position(|progress| progress.position.pcpu == pcpu)
    }

    fn note_at(&mut self, at: usize, notes: &[Note]) {
        let Position { pcpu, time } = self.pcpus[at].position;
        let mut bytes = Vec::new();
        for note in notes {
            note.write(time, &mut bytes);
        }
        window(pcpu, &bytes, &mut self.unwritten);
    }
}

impl Totals {
    fn add(&mut self, what: What) {
        match what {
            What::Lost { records, .. } => self.lost += u64::from(records),
            What::Unreadable { .. } => self.gaps += 1,
            _ => self.records += 1,
        }
    }
}

fn window(pcpu: Pcpu, bytes: &[u8], out: &mut Vec<u8>) {
    if !bytes.is_empty() {
        out.extend(window_header(pcpu, bytes.len() as u32));
        out.extend(bytes);
    }
}

/// Appends Xen's own record of lost records (`TRC_LOST_RECORDS`), told where a pCPU's records have come to.
pub(crate) fn push_loss(position: Position, records: u32, since: Ticks, out: &mut Vec<u8>) {
    out.extend((1_u32 << 31 | 4 << 28 | LOST_RECORDS).to_le_bytes());
    out.extend(position.time.0.to_le_bytes());
    out.extend(records.to_le_bytes());
    // Whose vCPU ran is not known here: the idle one of that pCPU is what says nothing of a guest.
    out.extend((0x7fff | u32::from(position.pcpu.0) << 16).to_le_bytes());
    out.extend(since.0.to_le_bytes());
}

/// The bytes after a loss that stands before everything else, fillers excepted.
pub fn without_earlier_loss(bytes: &[u8]) -> &[u8] {
    let mut rest = bytes;
    loop {
        let Ok(record) = Record::read(rest) else {
            return bytes;
        };
        let after = &rest[record.header.size()..];
        match record.header.id() {
            WRAP_BUFFER => rest = after,
            LOST_RECORDS => return after,
            _ => return bytes,
        }
    }
}
