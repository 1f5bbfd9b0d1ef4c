//! Opens a recorded trace as a timeline: from its index where there is one, else from its records.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use trace::clock::Frequency;
use trace::store::{Catalog, Columns, Memory, View};
use trace::timeline::Timeline;

use super::columns::FileColumns;
use super::index::{Found, Index, Origin};
use super::join::Guest;
use super::source::{About, Source};

/// The timeline of a smaller file is made anew each time, in memory: that takes a twentieth of a second.
const SMALL: u64 = 16 << 20;

/// What to open, and how.
#[derive(Clone, Copy)]
pub struct Request<'a> {
    /// The trace file.
    pub file: &'a Path,
    /// The folder of the index; where it is not told, large files have theirs beside them.
    pub index: Option<&'a Path>,
    /// How fast the counter counts, whatever the file says.
    pub frequency: Option<Frequency>,
    /// Guests' own traces.
    pub guests: &'a [Guest],
    /// Keep a small file's timeline in a folder, too, where others can read along.
    pub in_files: bool,
}

/// A timeline that is being made, as far as it is.
#[derive(Clone, Copy)]
pub struct Growth<'a> {
    /// What there is.
    pub timeline: &'a Timeline,
    /// The folder of its columns, where they are in files: nothing is written to them while this is held.
    pub folder: Option<&'a Path>,
}

/// Sees a timeline grow that has to be made first, and says whether it is still wanted.
pub type Watch<'a> = dyn FnMut(Growth<'_>) -> ControlFlow<()> + 'a;

/// A trace, opened.
pub struct Recording {
    /// The file.
    pub file: PathBuf,
    /// What is to be said about it.
    pub about: About,
    catalog: Catalog,
    columns: Held,
    frequency: Option<Frequency>,
    /// Holds the lock, and removes what is temporary; after the columns.
    index: Option<Index>,
}

/// Who keeps the bytes of a timeline.
enum Held {
    Memory(Box<Timeline>),
    Files(FileColumns),
}

/// Opens a trace.
///
/// # Errors
/// One sentence that names the file, the reason, and what to do.
pub fn open(request: &Request<'_>, watch: &mut Watch<'_>) -> Result<Recording, String> {
    let source = Source::open(request.file)?;
    let small = is_small(&source, request);
    let (about, columns, index) = if small && !request.in_files {
        let memory = Box::new(Memory::default());
        let mut look = |timeline: &Timeline| {
            let folder = None;
            watch(Growth { timeline, folder })
        };
        let (about, timeline) = source.timeline(request.guests, memory, &mut look)?;
        (about, Held::Memory(Box::new(timeline)), None)
    } else {
        let (about, columns, index) = indexed(&source, request, watch)?;
        (about, Held::Files(columns), Some(index))
    };
    let catalog = Catalog::open(columns.columns());
    let mut catalog = catalog.map_err(|error| format!("{}: {error}", request.file.display()))?;
    let known = about.frequency.and_then(Frequency::new);
    let frequency = request.frequency.or(known);
    if let Some(frequency) = frequency {
        catalog.count_by(frequency);
    }
    Ok(Recording {
        file: request.file.to_owned(),
        about,
        catalog,
        columns,
        frequency,
        index,
    })
}

fn indexed(
    source: &Source,
    request: &Request<'_>,
    watch: &mut Watch<'_>,
) -> Result<(About, FileColumns, Index), String> {
    let mut files = vec![(String::new(), source.identity)];
    for guest in request.guests {
        let (number, hertz) = (guest.number.0, guest.frequency.hertz());
        files.push((
            format!("guest {number} at {hertz} Hz"),
            guest.source.identity,
        ));
    }
    let origin = Origin::new(files);
    let (index, columns) = match find(source, request, &origin)? {
        Found::Ready(index, about, columns) => return Ok((about, columns, index)),
        Found::ToBuild(index, columns) => (index, columns),
    };
    let folder = index.columns();
    let mut look = |timeline: &Timeline| {
        let folder = Some(folder.as_path());
        watch(Growth { timeline, folder })
    };
    let made = source.timeline(request.guests, Box::new(columns), &mut look);
    // Its writer is done with.
    let about = made
        .map(|(about, _)| about)
        .inspect_err(|_| index.give_up())?;
    let unusable = |error: std::io::Error| {
        format!(
            "the index of {} cannot be kept: {error}",
            request.file.display()
        )
    };
    let columns = index.built(origin, &about).map_err(unusable)?;
    Ok((about, columns, index))
}

fn is_small(source: &Source, request: &Request<'_>) -> bool {
    source.identity.size < SMALL && request.index.is_none()
}

/// The index where it was asked for, or beside the file, or where nobody else looks.
fn find(source: &Source, request: &Request<'_>, origin: &Origin) -> Result<Found, String> {
    if let Some(folder) = request.index {
        return Index::at(folder, origin).map_err(|error| {
            let shown = folder.display();
            format!("the index folder {shown} cannot be used: {error}; name a new or empty one with --index")
        });
    }
    if is_small(source, request) {
        return private();
    }
    let beside = Index::beside(&source.path);
    Index::at(&beside, origin).or_else(|error| {
        let shown = beside.display();
        tracing::warn!("no index can be kept in {shown}: {error}; the file is read anew each time (--index DIR names another folder)");
        private()
    })
}

fn private() -> Result<Found, String> {
    let (index, columns) = Index::private().map_err(|error| {
        format!(
            "there is no room for an index: {error}; name a folder on another disk with --index"
        )
    })?;
    Ok(Found::ToBuild(index, columns))
}

impl Held {
    fn columns(&self) -> &dyn Columns {
        match self {
            Self::Memory(timeline) => timeline.columns(),
            Self::Files(columns) => columns,
        }
    }
}

impl Recording {
    /// The timeline. Where the frequency is not known, a tick counts as a nanosecond.
    #[must_use]
    pub fn view(&self) -> View<'_> {
        self.catalog.view(self.columns.columns())
    }

    /// The folder of its columns, where they are in files.
    #[must_use]
    pub fn folder(&self) -> Option<PathBuf> {
        self.index.as_ref().map(Index::columns)
    }

    /// The frequency of the counter, where it is known.
    #[must_use]
    pub fn frequency(&self) -> Option<Frequency> {
        self.frequency
    }

    /// The timeline, where ticks can be told as time.
    ///
    /// # Errors
    /// Asks for the frequency.
    pub fn timed(&self) -> Result<View<'_>, String> {
        match self.frequency {
            Some(_) => Ok(self.view()),
            None => Err(no_frequency(&self.file)),
        }
    }
}

/// What to say when ticks cannot be told as time.
#[must_use]
pub fn no_frequency(file: &Path) -> String {
    format!(
        "{} does not say how fast its clock counts: add --hz with CNTFRQ_EL0 of the machine (QEMU 62.5M; boards often 24M, 50M, \
         54M, 100M or 1G; Xen prints it at boot as “Generic Timer IRQ … Freq: 62500 KHz”), or with the TSC's frequency of an x86 \
         machine (such as 2.4G)",
        file.display()
    )
}
