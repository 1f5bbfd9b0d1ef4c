//! A trace file, mapped, and the timeline that its records make.

use std::collections::BTreeMap;
use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use backends::{FileBytes, map_file};
use machine::{GuestId, Pcpu};
use serde::{Deserialize, Serialize};
use trace::clock::Frequency;
use trace::event::{Event, Ticks, What};
use trace::format::{Kind, detect, ftrace, xen};
use trace::merge::merge;
use trace::store::{Columns, NoRoom, Subject};
use trace::timeline::Timeline;

use super::classes::Classes;
use super::join::{self, Guest, JoinedAbout};

/// A file of a known kind.
pub struct Source {
    /// Its path, as given.
    pub path: PathBuf,
    /// Its bytes.
    pub bytes: FileBytes,
    /// Its kind.
    pub kind: Kind,
    /// What tells it from a later one of the same path.
    pub identity: Identity,
}

/// What tells a file from a later one of the same path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// Bytes.
    pub size: u64,
    /// Nanoseconds of the last change since 1970, modulo 2⁶⁴; 0 where the file system does not tell.
    pub modified: u64,
}

/// What is to be said of a trace besides its lanes. Kept beside them.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct About {
    /// `xentrace`, [`HVTRACE`] or `trace.dat`.
    pub kind: String,
    /// The counter's frequency in hertz, where the file tells.
    pub frequency: Option<u64>,
    /// Guests' own traces that were put on the same clock.
    pub guests: Vec<JoinedAbout>,
    /// Records by class.
    pub records: BTreeMap<String, u64>,
    /// Records that the source dropped.
    pub lost: u64,
    /// Records that contradict the one before with nothing lost in between.
    pub contradictions: u64,
    /// Records about vCPUs and tasks beyond the most that have a lane.
    pub without_lane: u64,
    /// By reason, how often bytes were passed over, and how many.
    pub unreadable: BTreeMap<String, (u64, u64)>,
}

/// The kind of a recording of hvtrace, which stands in a file of xentrace.
pub const HVTRACE: &str = "hvtrace";

/// Events until who watches a timeline grow first sees it; each time twice as many more, up to a tenth of a second's.
const FIRST_LOOK: usize = 1 << 17;
const LATER_LOOK: usize = 1 << 20;

/// Sees a timeline grow, and says whether it is still wanted.
pub type Watch<'a> = dyn FnMut(&Timeline) -> ControlFlow<()> + 'a;

/// So many gaps in front of the first record are kept.
const MOST_EARLY: usize = 4096;

/// A guest's `trace.dat` counts nanoseconds.
const NANOSECONDS: u64 = 1_000_000_000;

/// The guest of a `trace.dat` that is looked at alone.
const ALONE: GuestId = GuestId(1);

impl Source {
    /// Maps a file and tells its kind.
    ///
    /// # Errors
    /// One sentence that names the file, the reason, and what to do.
    pub fn open(path: &Path) -> Result<Self, String> {
        let shown = path.display();
        let unread = |error: std::io::Error| format!("{shown} cannot be read: {error}");
        let about = fs::metadata(path).map_err(unread)?;
        if about.is_dir() {
            return Err(format!("{shown} is a folder: name the trace file in it"));
        }
        if about.len() == 0 {
            return Err(format!("{shown} is empty: was anything recorded?"));
        }
        let bytes = map_file(path).map_err(unread)?;
        let kind = detect((*bytes).as_ref()).ok_or_else(|| {
            format!("{shown} is no trace that is known: neither a file of xentrace nor a trace.dat of trace-cmd")
        })?;
        let modified = about.modified().ok();
        let modified = modified.and_then(|time| time.duration_since(UNIX_EPOCH).ok());
        let identity = Identity {
            size: about.len(),
            modified: modified.map_or(0, |since| since.as_nanos() as u64),
        };
        let path = path.to_owned();
        Ok(Self {
            path,
            bytes,
            kind,
            identity,
        })
    }

    /// Whether it is a recording of hvtrace.
    #[must_use]
    pub fn is_hvtrace(&self) -> bool {
        let file = xen::file::File::read((*self.bytes).as_ref());
        self.kind == Kind::Xentrace && file.is_ok_and(|file| file.notes().hvtrace)
    }

    /// How fast the counter counts, where the file says it.
    #[must_use]
    pub fn frequency(&self) -> Option<Frequency> {
        let bytes = (*self.bytes).as_ref();
        match self.kind {
            Kind::Xentrace => {
                let notes = xen::file::File::read(bytes).ok()?.notes();
                notes.clock.map(|clock| clock.frequency)
            }
            Kind::TraceDat => Frequency::new(NANOSECONDS),
        }
    }

    /// Reads all records into a timeline over `columns`, with guests' own traces where there are any. `watch` sees it grow.
    ///
    /// # Errors
    /// One sentence: no records, clocks that cannot be matched, no room for the timeline, or `watch` had enough.
    pub fn timeline(
        &self,
        guests: &[Guest],
        columns: Box<dyn Columns + Send>,
        watch: &mut Watch<'_>,
    ) -> Result<(About, Timeline), String> {
        let bytes = (*self.bytes).as_ref();
        let made = match self.kind {
            Kind::Xentrace => {
                let file = xen::file::File::read(bytes).map_err(|error| error.to_string());
                file.and_then(|file| of_xentrace(file, guests, columns, watch))
            }
            Kind::TraceDat => {
                let file = ftrace::File::read(bytes).map_err(|error| error.to_string());
                file.and_then(|file| of_guest(&file, columns, watch))
            }
        };
        made.map_err(|error| format!("{}: {error}", self.path.display()))
    }
}

fn of_xentrace(
    file: xen::file::File<'_>,
    guests: &[Guest],
    columns: Box<dyn Columns + Send>,
    watch: &mut Watch<'_>,
) -> Result<(About, Timeline), String> {
    let notes = file.notes();
    let frequency = notes.clock.map(|clock| clock.frequency);
    let file = file.counted_by(frequency);
    let frequency = frequency.map(Frequency::hertz);
    let kind = if notes.hvtrace { HVTRACE } else { "xentrace" };
    let files = join::read(guests)?;
    let joined = join::match_clocks(&file, guests, &files)?;
    let mut making = match joined.as_slice() {
        [] => Making::all(kind, frequency, file.merged(), columns, watch)?,
        joined => {
            let events = join::events(&file, joined);
            Making::all(kind, frequency, events, columns, watch)?
        }
    };
    for one in &joined {
        making.name_tasks(one.guest, one.file.tasks());
        making.about.guests.push(one.about.clone());
    }
    for (guest, name) in &notes.names {
        making.timeline.name(Subject::Guest(*guest), name);
    }
    making.finish(notes.ended.unwrap_or_default())
}

/// A guest's own trace without the hypervisor's: its CPUs stand for cores, its nanoseconds for ticks.
fn of_guest(
    file: &ftrace::File<'_>,
    columns: Box<dyn Columns + Send>,
    watch: &mut Watch<'_>,
) -> Result<(About, Timeline), String> {
    let placed = |event: ftrace::GuestEvent| {
        let pcpu = Pcpu(u16::try_from(event.cpu).unwrap_or(u16::MAX));
        event.placed(ALONE, pcpu, Ticks)
    };
    let events = merge(file.cpus().map(|cpu| file.events(cpu).map(placed)));
    let mut making = Making::all("trace.dat", Some(NANOSECONDS), events, columns, watch)?;
    making.timeline.name(Subject::Guest(ALONE), "guest");
    making.name_tasks(ALONE, file.tasks());
    making.finish(Ticks(0))
}

/// A timeline and what is said about it, in the making.
struct Making {
    timeline: Timeline,
    classes: Classes,
    about: About,
}

impl Making {
    fn all(
        kind: &str,
        frequency: Option<u64>,
        mut events: impl Iterator<Item = Event>,
        columns: Box<dyn Columns + Send>,
        watch: &mut Watch<'_>,
    ) -> Result<Self, String> {
        let (early, first) = first_of(&mut events).ok_or("it has no records")?;
        // Ticks of an unknown frequency are kept as such: who looks says how fast they count.
        let timeline = Timeline::new(columns, frequency.unwrap_or(NANOSECONDS), first.time);
        let mut making = Self {
            timeline: timeline.map_err(no_room)?,
            classes: Classes::default(),
            about: About {
                kind: kind.to_owned(),
                frequency,
                ..About::default()
            },
        };
        let late = |event: Event| Event {
            time: first.time,
            ..event
        };
        early
            .into_iter()
            .map(late)
            .chain([first])
            .for_each(|event| making.take(&event));
        let (mut until_look, mut step) = (FIRST_LOOK, FIRST_LOOK);
        let mut ended = Ok(());
        // Handed in by those who merge, which is quicker than asking for each; after an end before its time the rest is passed over.
        events.for_each(|event| {
            if ended.is_err() {
                return;
            }
            making.take(&event);
            until_look -= 1;
            if until_look == 0 {
                step = LATER_LOOK.min(step * 2);
                until_look = step;
                ended = making.look(watch);
            }
        });
        ended?;
        Ok(making)
    }

    /// Shows the timeline so far to whoever watches.
    fn look(&mut self, watch: &mut Watch<'_>) -> Result<(), String> {
        self.timeline.publish().map_err(no_room)?;
        match watch(&self.timeline) {
            ControlFlow::Continue(()) => Ok(()),
            ControlFlow::Break(()) => Err("it was not read to its end".to_owned()),
        }
    }

    #[inline]
    fn take(&mut self, event: &Event) {
        self.timeline.event(event);
        self.classes.count(event);
        if let What::Unreadable { reason, bytes } = event.what {
            let gaps = self.about.unreadable.entry(reason.to_string());
            let gaps = gaps.or_default();
            *gaps = (gaps.0 + 1, gaps.1 + u64::from(bytes));
        }
    }

    fn name_tasks(&mut self, guest: GuestId, tasks: &BTreeMap<u32, String>) {
        for (task, name) in tasks {
            self.timeline.name(Subject::Task(guest, *task), name);
        }
    }

    /// Known up to the last event, or to `until` if that is later.
    fn finish(mut self, until: Ticks) -> Result<(About, Timeline), String> {
        self.timeline.finish(until).map_err(no_room)?;
        let notices = self.timeline.notices();
        self.about.records = self.classes.found();
        self.about.lost = notices.lost_records;
        self.about.contradictions = notices.contradictions;
        self.about.without_lane = notices.without_lane;
        Ok((self.about, self.timeline))
    }
}

fn no_room(error: NoRoom) -> String {
    format!("{error}: make room, or name a folder on another disk with --index")
}

/// The first event that has a time, and the gaps in front of it, which have none.
fn first_of(events: &mut impl Iterator<Item = Event>) -> Option<(Vec<Event>, Event)> {
    let mut early = Vec::new();
    for event in events {
        if event.time.0 > 0 {
            return Some((early, event));
        }
        if early.len() < MOST_EARLY {
            early.push(event);
        }
    }
    None
}
