//! What readers know of a store: its header, its lanes, and how much of each is published.

use std::collections::HashMap;

use machine::{GuestId, Pcpu, Vcpu};

use super::columns::{Column, Columns};
use super::lane::LaneView;
use super::layout::{
    Header, JournalRecord, LaneRecord, MAGIC, NameRecord, Point, Span, VERSION, records,
};
use super::points::PointView;
use super::state::{Party, State};
use crate::clock::Frequency;

/// More than this many lanes are not kept; the last stands for all further vCPUs and tasks.
pub const MOST_LANES: usize = 16384;

/// Whose lane it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Owner {
    /// The whole machine: going, or halted by the debugger.
    Machine,
    /// A physical core.
    Pcpu(Pcpu),
    /// A virtual core.
    Vcpu(Vcpu),
    /// A task of a guest's own scheduler (Linux pid).
    Task(GuestId, u32),
    /// All vCPUs and tasks beyond [`MOST_LANES`].
    Others,
}

impl Owner {
    pub(crate) fn record(self) -> LaneRecord {
        let (kind, guest, index) = match self {
            Self::Machine => (0, 0, 0),
            Self::Pcpu(pcpu) => (1, 0, u32::from(pcpu.0)),
            Self::Vcpu(vcpu) => (2, vcpu.guest.0, vcpu.index),
            Self::Task(guest, task) => (3, guest.0, task),
            Self::Others => (4, 0, 0),
        };
        LaneRecord {
            kind: kind.into(),
            guest: guest.into(),
            index: index.into(),
            zero: 0.into(),
        }
    }

    /// A kind that this version does not know is one of the others.
    fn from_record(record: &LaneRecord) -> Self {
        let (guest, index) = (GuestId(record.guest.get()), record.index.get());
        match record.kind.get() {
            0 => Self::Machine,
            1 => Self::Pcpu(Pcpu(index as u16)),
            2 => Self::Vcpu(Vcpu { guest, index }),
            3 => Self::Task(guest, index),
            _ => Self::Others,
        }
    }
}

/// What can have a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Subject {
    /// A guest.
    Guest(GuestId),
    /// A task of a guest.
    Task(GuestId, u32),
}

/// How much of a lane counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Published {
    pub(crate) spans: usize,
    pub(crate) points: usize,
    pub(crate) open: Option<Span>,
}

/// Why bytes are no store.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotAStore {
    /// The first bytes are others.
    #[error("this is not a timeline")]
    Magic,
    /// A layout that this version does not know.
    #[error("this timeline has layout {0}, and only {VERSION} is known")]
    Version(u32),
    /// A counter that does not count.
    #[error("this timeline has a counter of 0 Hz")]
    Frequency,
}

/// The lanes of a store and what is published of them.
#[derive(Clone, Debug)]
pub struct Catalog {
    pub(crate) frequency: u64,
    pub(crate) first: u64,
    pub(crate) until: u64,
    pub(crate) owners: Vec<Owner>,
    pub(crate) published: Vec<Published>,
    pub(crate) names: HashMap<Subject, String>,
    names_read: usize,
    journal_read: usize,
}

impl Catalog {
    pub(crate) fn new(frequency: u64, first: u64) -> Self {
        Self {
            frequency,
            first,
            until: first,
            owners: Vec::new(),
            published: Vec::new(),
            names: HashMap::new(),
            names_read: 0,
            journal_read: 0,
        }
    }

    /// Reads what is published. Columns that a crash cut short are used as far as they go: such a lane is
    /// [`State::Lost`] from its last span on.
    ///
    /// # Errors
    /// When the bytes are no store at all.
    pub fn open(columns: &dyn Columns) -> Result<Self, NotAStore> {
        let header = records::<Header>(columns.bytes(Column::Header), 1);
        let header = header.first().ok_or(NotAStore::Magic)?;
        if header.magic != MAGIC {
            return Err(NotAStore::Magic);
        }
        if header.version.get() != VERSION {
            return Err(NotAStore::Version(header.version.get()));
        }
        if header.frequency.get() == 0 {
            return Err(NotAStore::Frequency);
        }
        let mut catalog = Self::new(header.frequency.get(), header.first.get());
        catalog.refresh(columns);
        Ok(catalog)
    }

    /// Counts by another frequency than was known when the store was begun: ticks stay what they are.
    pub fn count_by(&mut self, frequency: Frequency) {
        self.frequency = frequency.hertz();
    }

    /// Takes in what was published since.
    pub fn refresh(&mut self, columns: &dyn Columns) {
        let lanes = records::<LaneRecord>(columns.bytes(Column::Lanes), MOST_LANES);
        let new = lanes.get(self.owners.len()..).unwrap_or_default();
        self.owners.extend(new.iter().map(Owner::from_record));
        self.published
            .resize(self.owners.len(), Published::default());
        self.read_names(columns);
        self.read_journal(columns);
        for lane in 0..self.owners.len() {
            self.mend(lane, columns);
        }
    }

    fn read_names(&mut self, columns: &dyn Columns) {
        let names = records::<NameRecord>(columns.bytes(Column::Names), usize::MAX);
        for record in names.get(self.names_read..).unwrap_or_default() {
            self.learn(record);
        }
        self.names_read = self.names_read.max(names.len());
    }

    pub(crate) fn learn(&mut self, record: &NameRecord) {
        let guest = GuestId(record.guest.get());
        let subject = match record.kind.get() {
            0 => Subject::Guest(guest),
            _ => Subject::Task(guest, record.task.get()),
        };
        let length = (record.length.get() as usize).min(record.name.len());
        let name = String::from_utf8_lossy(&record.name[..length]).into_owned();
        self.names.insert(subject, name);
    }

    /// Applies the groups that are whole.
    fn read_journal(&mut self, columns: &dyn Columns) {
        let journal = records::<JournalRecord>(columns.bytes(Column::Journal), usize::MAX);
        let new = journal.get(self.journal_read..).unwrap_or_default();
        let is_end = |record: &JournalRecord| record.lane.get() == JournalRecord::UNTIL;
        let whole = new.iter().rposition(is_end).map_or(0, |last| last + 1);
        for record in &new[..whole] {
            self.apply(record);
        }
        self.journal_read += whole;
    }

    pub(crate) fn apply(&mut self, record: &JournalRecord) {
        if record.lane.get() == JournalRecord::UNTIL {
            self.until = self.until.max(record.open.start());
        } else if let Some(lane) = self.published.get_mut(record.lane.get() as usize) {
            *lane = Published {
                spans: record.spans.get() as usize,
                points: record.points.get() as usize,
                open: Some(record.open),
            };
        }
    }

    /// Cuts a lane back to what its columns hold.
    fn mend(&mut self, lane: usize, columns: &dyn Columns) {
        let published = &mut self.published[lane];
        let number = lane as u16;
        let points = columns.bytes(Column::Points(number)).len() / size_of::<Point>();
        published.points = published.points.min(points);
        let spans = records::<Span>(columns.bytes(Column::Spans(number)), published.spans);
        if spans.len() < published.spans {
            published.open = spans.last().map(|span| span.in_state(State::Lost));
            published.spans = spans.len().saturating_sub(1);
        }
    }

    /// The store as published, over its columns.
    pub fn view<'a>(&'a self, columns: &'a dyn Columns) -> View<'a> {
        View {
            catalog: self,
            columns,
        }
    }
}

/// A store as it was published last: everything that analyses and drawings start from.
#[derive(Clone, Copy)]
pub struct View<'a> {
    catalog: &'a Catalog,
    columns: &'a dyn Columns,
}

impl<'a> View<'a> {
    /// Ticks a second.
    pub fn frequency(self) -> u64 {
        self.catalog.frequency
    }

    /// The first tick.
    pub fn first(self) -> u64 {
        self.catalog.first
    }

    /// Everything is known up to this tick, which is not part of the timeline.
    pub fn until(self) -> u64 {
        self.catalog.until
    }

    /// Whose lanes there are, by lane number.
    pub fn owners(self) -> &'a [Owner] {
        &self.catalog.owners
    }

    /// The owner of a lane.
    pub fn owner(self, lane: Party) -> Option<Owner> {
        self.catalog.owners.get(usize::from(lane.get()?)).copied()
    }

    /// The lane of an owner. Looks at every lane.
    pub fn lane_of(self, owner: Owner) -> Option<u16> {
        let lane = self.catalog.owners.iter().position(|one| *one == owner)?;
        Some(lane as u16)
    }

    /// The name given to a guest or task.
    pub fn name(self, subject: Subject) -> Option<&'a str> {
        self.catalog.names.get(&subject).map(String::as_str)
    }

    /// The spans of a lane; none for a number that is not a lane's.
    pub fn lane(self, lane: u16) -> LaneView<'a> {
        let published = self.published(lane);
        LaneView::new(self.columns, lane, published, self.catalog.until)
    }

    /// The points of a lane; none for a number that is not a lane's.
    pub fn points(self, lane: u16) -> PointView<'a> {
        PointView::new(self.columns, lane, self.published(lane).points)
    }

    fn published(self, lane: u16) -> Published {
        let published = self.catalog.published.get(usize::from(lane));
        published.copied().unwrap_or_default()
    }
}
