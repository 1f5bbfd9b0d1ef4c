//! A recording of the hypervisor's trace: what it is made of, and the file it goes to.
//!
//! What the buffers hold when recording begins is thrown away: boot fills them, and a recording tells of the time it was made in. It begins
//! and ends at a halt, where the hypervisor's account of every vCPU's time is noted, against which the trace can be checked. Of a saved halt
//! what the buffers hold is all there is, and is kept.

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use engine::Engine;
use engine::tracing::recording::{Begun, Ending, Mask, Taken};
use engine::tracing::{Accounts, TraceSource, Window};
use engine::view::EngineError;
use machine::GuestId;
use trace::event::Ticks;
use trace::format::position::Position;
use trace::format::xen::notes::{Clock, Note};
use trace::format::xen::recording::{Recording, Totals};
use trace::format::xen::records::Records;

/// A recording that has begun.
pub struct Recorder {
    begun: Begun,
    recording: Recording,
    output: Output,
    /// The VMs whose names are noted.
    named: Vec<(GuestId, String)>,
}

/// How full the buffers were.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fill {
    /// Bytes in the fullest one.
    pub fullest: u32,
    /// Bytes that one holds.
    pub capacity: u32,
}

impl Recorder {
    /// Empties the buffers at a halt, switches tracing on and notes what is known.
    ///
    /// # Errors
    /// One sentence: there is no trace and why, or the target does not let itself be written, or the file does not.
    pub fn begin(engine: &Engine, output: Output, mask: Option<Mask>) -> Result<Self, String> {
        let begun = engine.begin_trace(mask).map_err(told)?;
        let mut recording = Recording::begin(begun.source.pcpus(), begun.at);
        let named = engine.traced_guests();
        introduce(&mut recording, &named, &begun.source, &begun.accounts);
        note_accounts(&mut recording, &begun.accounts);
        let mut recorder = Self {
            begun,
            recording,
            output,
            named,
        };
        recorder.write()?;
        Ok(recorder)
    }

    /// Writes down what the buffers of a saved halt hold.
    ///
    /// # Errors
    /// One sentence: there is no trace and why, it holds nothing, or the file cannot be written.
    pub fn of_saved_halt(engine: &Engine, mut output: Output) -> Result<Totals, String> {
        let saved = engine.look_at_trace().map_err(told)?;
        let first = saved.taken.iter().filter_map(first_time).min();
        let first = first.ok_or("the trace buffers of this halt hold no record")?;
        let mut recording = Recording::begin(saved.source.pcpus(), first);
        introduce(
            &mut recording,
            &engine.traced_guests(),
            &saved.source,
            &saved.ending.accounts,
        );
        for taken in &saved.taken {
            add(&mut recording, taken.window());
        }
        finish(&mut recording, &saved.source, &saved.ending);
        output.write(&recording.take_unwritten())?;
        Ok(recording.totals())
    }

    /// Whether the buffers can be emptied while the machine runs.
    #[must_use]
    pub fn is_shared(&self) -> bool {
        self.begun.source.is_shared()
    }

    /// What has been recorded.
    #[must_use]
    pub fn totals(&self) -> Totals {
        self.recording.totals()
    }

    /// Empties the buffers while the machine runs.
    ///
    /// # Errors
    /// One sentence: RAM cannot be written, or the file.
    pub fn drain_shared(&mut self) -> Result<Fill, String> {
        let recording = &mut self.recording;
        let mut take = |window: Window<'_>| add(recording, window);
        let drained = self.begun.source.drain_shared(&mut take);
        self.write()?;
        let fullest = drained.map_err(|fault| format!("the RAM file: {fault}"))?;
        Ok(self.filled(fullest))
    }

    /// Empties the buffers in a halt that is made for it, and notes the halt.
    ///
    /// # Errors
    /// One sentence: the target does not halt or does not let itself be written, or the file.
    pub fn drain_in_a_halt(&mut self, engine: &mut Engine) -> Result<Fill, String> {
        let drained = engine.in_a_halt(|engine| {
            let recording = &mut self.recording;
            engine.drain_trace(&mut self.begun.source, &mut |window| add(recording, window))
        });
        if drained.is_ok() {
            self.recording.note(&[Note::Halted, Note::Resumed]);
        }
        self.write()?;
        Ok(self.filled(drained.map_err(|error| error.message)?))
    }

    /// Empties the buffers a last time in a halt, notes what the hypervisor has not told of, and puts its switches back.
    ///
    /// # Errors
    /// As [`drain_in_a_halt`](Self::drain_in_a_halt).
    pub fn end(&mut self, engine: &mut Engine) -> Result<(), String> {
        let ended = engine.in_a_halt(|engine| {
            let recording = &mut self.recording;
            engine.refresh();
            engine.end_trace(&mut self.begun, &mut |window| add(recording, window))
        });
        // VMs that have come, or whose images have been found.
        let mut guests = engine.traced_guests();
        guests.retain(|guest| !self.named.contains(guest));
        name(&mut self.recording, &guests);
        if let Ok(ending) = &ended {
            finish(&mut self.recording, &self.begun.source, ending);
        }
        self.write()?;
        ended.map(drop).map_err(told)
    }

    fn write(&mut self) -> Result<(), String> {
        self.output.write(&self.recording.take_unwritten())
    }

    fn filled(&self, fullest: u32) -> Fill {
        let capacity = self.begun.source.capacity();
        Fill { fullest, capacity }
    }
}

fn add(recording: &mut Recording, window: Window<'_>) {
    recording.drained(window.pcpu, window.gap, window.bytes);
}

fn told(error: EngineError) -> String {
    error.message
}

fn first_time(taken: &Taken) -> Option<Ticks> {
    let window = taken.window();
    let mut records = Records::new(Position::start(window.pcpu), window.bytes);
    let timed = records.find(|event| event.time.0 > 0);
    timed.map(|event| event.time)
}

/// The clock and the guests' names.
fn introduce(
    recording: &mut Recording,
    guests: &[(GuestId, String)],
    source: &TraceSource,
    accounts: &Accounts,
) {
    let clock = source.frequency().map(|frequency| Clock {
        frequency,
        epoch: accounts.epoch,
    });
    recording.note(clock.map(Note::Clock).as_slice());
    name(recording, guests);
}

fn name(recording: &mut Recording, guests: &[(GuestId, String)]) {
    for (guest, name) in guests {
        recording.note(&[Note::GuestName(*guest, name.clone())]);
    }
}

/// What is known beside the last records.
fn finish(recording: &mut Recording, source: &TraceSource, ending: &Ending) {
    let now = ending.accounts.newest(source.frequency());
    recording.advance(now.unwrap_or_default());
    for loss in &ending.untold {
        recording.lost(loss.pcpu, loss.records, loss.since);
    }
    if !ending.untold.is_empty() {
        // What is known all the same is known after every core's loss.
        recording.advance(Ticks(recording.newest().0.saturating_add(1)));
    }
    note_accounts(recording, &ending.accounts);
    recording.note(&[Note::Ended]);
}

/// Each in the window of its pCPU: a vCPU that runs does so there.
fn note_accounts(recording: &mut Recording, accounts: &Accounts) {
    for (pcpu, account) in &accounts.vcpus {
        let note = [Note::Account(*account)];
        match pcpu {
            Some(pcpu) => recording.note_on(*pcpu, &note),
            None => recording.note(&note),
        }
    }
}

/// The file of a recording, which at any time ends with a whole window.
pub struct Output {
    file: File,
    path: PathBuf,
    whole: u64,
}

impl Output {
    /// Creates the file, or empties it.
    ///
    /// # Errors
    /// One sentence.
    pub fn create(path: &Path) -> Result<Self, String> {
        let path = path.to_owned();
        match File::create(&path) {
            Ok(file) => Ok(Self {
                file,
                path,
                whole: 0,
            }),
            Err(error) => Err(format!("{} cannot be written: {error}", path.display())),
        }
    }

    /// Appends windows. When that fails, what was there before stays and nothing after it.
    fn write(&mut self, windows: &[u8]) -> Result<(), String> {
        let written = self.file.write_all(windows);
        written.map_err(|error| self.broken(&error))?;
        self.whole += windows.len() as u64;
        Ok(())
    }

    fn broken(&mut self, error: &io::Error) -> String {
        // Where even that fails the last window is cut, which readers know how to deal with.
        let _ = self.file.set_len(self.whole);
        let (path, whole) = (self.path.display(), self.whole);
        format!("{path} cannot be written any more: {error}; its {whole} bytes can be read")
    }
}
