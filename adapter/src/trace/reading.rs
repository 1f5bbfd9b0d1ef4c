//! A trace file that can be looked at while it is read: what is ready so far, in files that only grow.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use trace::clock::Frequency;
use trace::store::{Catalog, View};

use super::asked::About;
use super::columns::FileColumns;
use super::join::Guest;
use super::names::Names;
use super::open::{self, Growth, Recording, open};
use super::source::Source;

/// How often what was read is looked at anew.
const EVERY: Duration = Duration::from_millis(150);

/// What to read.
pub struct Request {
    /// The trace file.
    pub file: PathBuf,
    /// The folder of the index; where it is not told, it is beside the file.
    pub index: Option<PathBuf>,
    /// How fast the counter counts, where the file does not say.
    pub frequency: Option<Frequency>,
    /// Guests' own traces.
    pub guests: Vec<Guest>,
}

/// A trace file that is being read, or has been.
pub struct Reading {
    file: PathBuf,
    frequency: Frequency,
    names: Names,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// What there was when somebody last looked.
    seen: Option<(Arc<Seen>, Instant)>,
    events: u64,
    lost: u64,
    end: Option<End>,
    unwanted: bool,
}

/// How reading ended.
enum End {
    /// The index is held as long as it is shown.
    Read(#[expect(dead_code, reason = "holds the lock of the index")] Box<Recording>),
    Failed(String),
}

/// A timeline in files, as it was once.
struct Seen {
    columns: FileColumns,
    catalog: Catalog,
}

impl Seen {
    fn open(folder: &Path, frequency: Frequency) -> Result<Self, String> {
        let columns = FileColumns::open(folder)
            .map_err(|error| format!("{} cannot be read: {error}", folder.display()))?;
        let catalog = Catalog::open(&columns).map_err(|error| error.to_string());
        let mut catalog = catalog.map_err(|error| format!("{}: {error}", folder.display()))?;
        catalog.count_by(frequency);
        Ok(Self { columns, catalog })
    }
}

impl Reading {
    /// Prepares to read a file.
    ///
    /// # Errors
    /// One sentence: it is no trace, or its clock is not known.
    pub fn new(request: &Request, names: Names) -> Result<Arc<Self>, String> {
        let source = Source::open(&request.file)?;
        let frequency = request.frequency.or_else(|| source.frequency());
        Ok(Arc::new(Self {
            file: request.file.clone(),
            frequency: frequency.ok_or_else(|| open::no_frequency(&request.file))?,
            names: match source.is_hvtrace() {
                true => names.without_domains(),
                false => names,
            },
            state: Mutex::default(),
        }))
    }

    /// Reads it. Takes its time, in which others look at what there is.
    pub fn read(&self, request: &Request) {
        let opened = open(
            &open::Request {
                file: &request.file,
                index: request.index.as_deref(),
                frequency: request.frequency,
                guests: &request.guests,
                in_files: true,
            },
            &mut |growth| self.grown(growth),
        );
        let end = opened.and_then(|recording| {
            let folder = recording.folder().unwrap_or_default();
            let seen = Seen::open(&folder, self.frequency)?;
            let mut state = self.state();
            state.seen = Some((Arc::new(seen), Instant::now()));
            state.events = recording.about.records.values().sum();
            state.lost = recording.about.lost;
            Ok(recording)
        });
        self.state().end = Some(match end {
            Ok(recording) => End::Read(Box::new(recording)),
            Err(why) => End::Failed(why),
        });
    }

    /// Nobody looks any more: reading ends soon, and what cannot be used again is removed.
    pub fn give_up(&self) {
        self.state().unwanted = true;
    }

    /// On the thread that writes the files, so that all of them are of the same moment.
    fn grown(&self, growth: Growth<'_>) -> ControlFlow<()> {
        let mut state = self.state();
        if state.unwanted {
            return ControlFlow::Break(());
        }
        let notices = growth.timeline.notices();
        (state.events, state.lost) = (notices.events, notices.lost_records);
        let is_due = |(_, at): &(Arc<Seen>, Instant)| at.elapsed() >= EVERY;
        let Some(folder) = growth
            .folder
            .filter(|_| state.seen.as_ref().is_none_or(is_due))
        else {
            return ControlFlow::Continue(());
        };
        drop(state);
        match Seen::open(folder, self.frequency) {
            Ok(seen) => self.state().seen = Some((Arc::new(seen), Instant::now())),
            Err(error) => tracing::warn!("what is read so far cannot be shown: {error}"),
        }
        ControlFlow::Continue(())
    }

    /// Looks at what there is.
    ///
    /// # Errors
    /// Nothing is there yet, or never will be; or what `look` says.
    pub fn look<T>(
        &self,
        look: impl FnOnce(View<'_>, &Names) -> Result<T, String>,
    ) -> Result<T, String> {
        let seen = {
            let state = self.state();
            match (&state.seen, &state.end) {
                (Some((seen, _)), _) => Arc::clone(seen),
                (None, Some(End::Failed(why))) => return Err(why.clone()),
                (None, _) => return Err(format!("{} is being read", self.file.display())),
            }
        };
        look(seen.catalog.view(&seen.columns), &self.names)
    }

    /// What is shown.
    #[must_use]
    pub fn about(&self) -> About {
        let lanes = self.look(|view, _| Ok(view.owners().len())).unwrap_or(0);
        let state = self.state();
        About {
            title: self.file.display().to_string(),
            growing: state.end.is_none(),
            events: state.events,
            lost: state.lost,
            lanes,
            failure: match &state.end {
                Some(End::Failed(why)) => Some(why.clone()),
                _ => None,
            },
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
