//! A recording of the hypervisor's trace: what it is made of, and the file it goes to.
//!
//! What the buffers hold when recording begins is thrown away: boot fills them, and a recording tells of the time it was made in. It begins
//! and ends at a halt, where Xen's account of every vCPU's time is noted, against which the trace can be checked.

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use engine::Engine;
use engine::tracing::{Accounts, TraceSource, TraceSwitches, Window};
use machine::GuestId;
use trace::clock::Frequency;
use trace::event::Ticks;
use trace::format::position::Position;
use trace::format::xen::notes::{Clock, Note};
use trace::format::xen::recording::{Recording, Totals};
use trace::format::xen::records::Records;

/// What is recorded when nobody says what and the hypervisor does not trace yet: run states, and the scheduler's switches and wakes.
pub const USUAL_MASK: u32 = 0x2_9000;

/// A recording that has begun.
pub struct Recorder {
    source: TraceSource,
    recording: Recording,
    output: Output,
    /// What the hypervisor traced before.
    before: TraceSwitches,
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
    pub fn begin(engine: &Engine, output: Output, mask: Option<u32>) -> Result<Self, String> {
        let told = |error: engine::view::EngineError| error.message;
        let mut source = engine.find_trace().map_err(told)?;
        let before = engine.trace_switches(&source).map_err(told)?;
        let mut now = Ticks(0);
        let mut newest = |window: Window<'_>| {
            let mut records = Records::new(Position::start(window.pcpu), window.bytes);
            records.by_ref().for_each(drop);
            now = now.max(records.reached().time);
        };
        engine.drain_trace(&mut source, &mut newest).map_err(told)?;
        let wanted = TraceSwitches {
            enabled: true,
            mask: mask.unwrap_or(if before.enabled {
                before.mask
            } else {
                USUAL_MASK
            }),
        };
        engine.switch_trace(&source, wanted).map_err(told)?;
        let accounts = engine.accounts().unwrap_or_default();
        let now = now.max(time_of(&accounts, source.frequency()).unwrap_or_default());
        let recording = Recording::begin(source.pcpus(), now);
        let mut recorder = Self {
            source,
            recording,
            output,
            before,
        };
        recorder.introduce(engine, &accounts);
        recorder.write()?;
        Ok(recorder)
    }

    /// Whether the buffers can be emptied while the machine runs.
    #[must_use]
    pub fn is_shared(&self) -> bool {
        self.source.is_shared()
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
        let drained = self.source.drain_shared(&mut take);
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
            engine.drain_trace(&mut self.source, &mut |window| add(recording, window))
        });
        if drained.is_ok() {
            self.recording.note(&[Note::Halted, Note::Resumed]);
        }
        self.write()?;
        Ok(self.filled(drained.map_err(|error| error.message)?))
    }

    /// Empties the buffers a last time in a halt, notes what Xen has not told of, and puts Xen's switches back.
    ///
    /// # Errors
    /// As [`drain_in_a_halt`](Self::drain_in_a_halt).
    pub fn end(&mut self, engine: &mut Engine) -> Result<(), String> {
        let told = engine.in_a_halt(|engine| {
            let recording = &mut self.recording;
            engine.drain_trace(&mut self.source, &mut |window| add(recording, window))?;
            let accounts = engine.accounts().unwrap_or_default();
            let now = time_of(&accounts, self.source.frequency());
            recording.advance(now.unwrap_or_default());
            for loss in engine.untold_loss(&self.source)? {
                recording.lost(loss.pcpu, loss.records, loss.since);
            }
            note_accounts(recording, &accounts);
            recording.note(&[Note::Ended]);
            engine.switch_trace(&self.source, self.before)
        });
        self.write()?;
        told.map_err(|error| error.message)
    }

    /// The clock, the guests' names and every vCPU's account.
    fn introduce(&mut self, engine: &Engine, accounts: &Accounts) {
        let clock = self.source.frequency().map(|frequency| Clock {
            frequency,
            epoch: accounts.epoch,
        });
        let groups = engine.groups();
        let names = groups.iter().filter_map(|group| {
            let guest = GuestId(group.guest?);
            Some(Note::GuestName(guest, group.name.clone()))
        });
        let notes: Vec<Note> = clock.map(Note::Clock).into_iter().chain(names).collect();
        self.recording.note(&notes);
        note_accounts(&mut self.recording, accounts);
    }

    fn write(&mut self) -> Result<(), String> {
        self.output.write(&self.recording.take_unwritten())
    }

    fn filled(&self, fullest: u32) -> Fill {
        let capacity = self.source.capacity();
        Fill { fullest, capacity }
    }
}

fn add(recording: &mut Recording, window: Window<'_>) {
    recording.drained(window.pcpu, window.gap, window.bytes);
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

fn time_of(accounts: &Accounts, frequency: Option<Frequency>) -> Option<Ticks> {
    let epoch = accounts.epoch;
    let frequency = frequency?;
    Clock { frequency, epoch }.ticks(accounts.now())
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
