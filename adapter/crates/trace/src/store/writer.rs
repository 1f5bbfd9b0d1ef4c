//! The one who writes a store: spans and points go in, columns grow.

use zerocopy::IntoBytes;
use zerocopy::little_endian::{U32, U64};

use super::catalog::{Catalog, MOST_LANES, Owner, Subject, View};
use super::columns::{Column, Columns, NoRoom};
use super::layout::{FAN_OUT, Header, JournalRecord, MAGIC, NameRecord, Point, Span, VERSION};
use super::points::PointWriter;
use super::state::{Flags, Party, State};
use super::summary::Summary;

/// Spans are handed to their column in pieces of at most this many: 64 KiB, which columns in files write without a copy.
const PIECE: usize = 4096;
/// At most this many wait in all lanes together (16 MiB), unless there are so many lanes that pieces would get too small.
const MOST_WAITING: usize = 1 << 20;
const LEAST_PIECE: usize = 256;
/// Points likewise.
const POINT_PIECE: usize = 64;

/// Writes a store. After the first failure to append, further spans are dropped; what was published stays readable.
pub struct Writer {
    columns: Box<dyn Columns + Send>,
    catalog: Catalog,
    lanes: Vec<Lane>,
    changed: Vec<u16>,
    failed: Option<NoRoom>,
}

/// What is not in the columns yet.
struct Lane {
    /// The span that has begun. It may still change its mind: see [`Writer::open_mut`].
    open: Span,
    changed: bool,
    /// Spans that have ended, from the last whole group of sixteen on.
    closed: Vec<Span>,
    /// How many of `closed` are in the column already.
    kept: usize,
    /// When `closed` is this long, the rest goes there too.
    due: usize,
    appended: u32,
    summary: Summary,
    points: PointWriter,
}

impl Writer {
    /// Begins a store at tick `first` of a counter with `frequency` ticks a second.
    ///
    /// # Errors
    /// When not even the header can be appended.
    pub fn new(
        mut columns: Box<dyn Columns + Send>,
        frequency: u64,
        first: u64,
    ) -> Result<Self, NoRoom> {
        let header = Header {
            magic: MAGIC,
            version: U32::new(VERSION),
            zero: U32::new(0),
            frequency: U64::new(frequency),
            first: U64::new(first),
        };
        columns.append(Column::Header, header.as_bytes())?;
        columns.publish()?;
        Ok(Self {
            columns,
            catalog: Catalog::new(frequency, first),
            lanes: Vec::new(),
            changed: Vec::new(),
            failed: None,
        })
    }

    /// Adds a lane that is unknown from the beginning of the timeline; `None` when there are [`MOST_LANES`].
    pub fn add_lane(&mut self, owner: Owner) -> Option<u16> {
        if self.lanes.len() >= MOST_LANES {
            return None;
        }
        let number = self.lanes.len() as u16;
        self.append(Column::Lanes, owner.record().as_bytes());
        self.catalog.owners.push(owner);
        self.catalog.published.push(Default::default());
        self.lanes.push(Lane {
            open: Span::new(self.catalog.first, State::Unknown, Party::NONE),
            changed: true,
            closed: Vec::new(),
            kept: 0,
            due: self.piece(),
            appended: 0,
            summary: Summary::default(),
            points: PointWriter::default(),
        });
        self.changed.push(number);
        Some(number)
    }

    /// How many lanes there are.
    pub fn lanes(&self) -> usize {
        self.lanes.len()
    }

    /// Names a guest or a task; the first 48 bytes are kept.
    pub fn name(&mut self, subject: Subject, name: &str) {
        let (kind, guest, task) = match subject {
            Subject::Guest(guest) => (0, guest, 0),
            Subject::Task(guest, task) => (1, guest, task),
        };
        let mut bytes = [0; 48];
        let fits = |end: &usize| *end <= bytes.len() && name.is_char_boundary(*end);
        let length = (0..=name.len()).take(bytes.len() + 1).filter(fits).last();
        let length = length.unwrap_or(0);
        bytes[..length].copy_from_slice(&name.as_bytes()[..length]);
        let record = NameRecord {
            kind: U32::new(kind),
            guest: U32::new(guest.0),
            task: U32::new(task),
            length: U32::new(length as u32),
            name: bytes,
        };
        self.append(Column::Names, record.as_bytes());
        self.catalog.learn(&record);
    }

    /// The span of a lane that has begun.
    ///
    /// # Panics
    /// When there is no such lane (all methods that take a lane).
    #[inline]
    pub fn open(&self, lane: u16) -> Span {
        self.lanes[usize::from(lane)].open
    }

    /// The span that has begun, to be corrected in hindsight. Its start must not move before the span in front.
    #[inline]
    pub fn open_mut(&mut self, lane: u16) -> &mut Span {
        self.touch(lane);
        &mut self.lanes[usize::from(lane)].open
    }

    /// Sets flags of the span that has begun.
    pub fn flag(&mut self, lane: u16, flags: Flags) {
        let open = self.open_mut(lane);
        *open = open.flagged(flags);
    }

    /// Ends the open span of a lane and begins the next, not before the other began.
    #[inline(always)]
    pub fn push(&mut self, lane: u16, span: Span) {
        let state = &mut self.lanes[usize::from(lane)];
        if !state.changed {
            state.changed = true;
            self.changed.push(lane);
        }
        let before = state.open;
        state.open = span.starting(span.start().max(before.start()));
        state.closed.push(before);
        if state.closed.len() >= state.due {
            self.flush_spans(lane);
        }
    }

    /// Adds a point to a lane, not before the one in front.
    pub fn mark(&mut self, lane: u16, point: Point) {
        self.touch(lane);
        let points = &mut self.lanes[usize::from(lane)].points;
        points.add(point);
        if points.waiting.len() >= POINT_PIECE {
            self.flush_points(lane);
        }
    }

    #[inline]
    fn touch(&mut self, lane: u16) {
        let state = &mut self.lanes[usize::from(lane)];
        if !state.changed {
            state.changed = true;
            self.changed.push(lane);
        }
    }

    /// Lets readers see everything up to tick `until`.
    ///
    /// # Errors
    /// The first failure to append, ever: nothing has been published since.
    pub fn publish(&mut self, until: u64) -> Result<(), NoRoom> {
        let changed = std::mem::take(&mut self.changed);
        let mut group = Vec::with_capacity(changed.len() + 1);
        for lane in &changed {
            self.flush_spans(*lane);
            self.flush_points(*lane);
            let state = &mut self.lanes[usize::from(*lane)];
            state.changed = false;
            group.push(entry(
                u32::from(*lane),
                state.appended,
                state.points.count,
                state.open,
            ));
        }
        let end = Span::new(until, State::Unknown, Party::NONE);
        group.push(entry(JournalRecord::UNTIL, 0, 0, end));
        if self.failed.is_none() {
            self.failed = self.columns.publish().err();
        }
        self.append(Column::Journal, group.as_bytes());
        if let Some(failure) = &self.failed {
            return Err(failure.clone());
        }
        for record in &group {
            self.catalog.apply(record);
        }
        self.columns.publish()
    }

    /// The store as published.
    pub fn view(&self) -> View<'_> {
        self.catalog.view(&*self.columns)
    }

    /// The columns, for those who measure or copy them.
    pub fn columns(&self) -> &dyn Columns {
        &*self.columns
    }

    /// How many spans a lane hands to its column at once.
    fn piece(&self) -> usize {
        let share = MOST_WAITING / self.lanes.len().max(1);
        share.next_power_of_two().clamp(LEAST_PIECE, PIECE)
    }

    fn append(&mut self, column: Column, bytes: &[u8]) {
        if self.failed.is_none() {
            self.failed = self.columns.append(column, bytes).err();
        }
    }

    /// Appends the closed spans, and the nodes of every group that is whole.
    #[cold]
    #[inline(never)]
    fn flush_spans(&mut self, lane: u16) {
        let piece = self.piece();
        let state = &mut self.lanes[usize::from(lane)];
        let new = &state.closed[state.kept..];
        let count = u32::try_from(new.len()).ok();
        // A lane that is full keeps its first 2³² spans.
        let Some(appended) = count.and_then(|count| state.appended.checked_add(count)) else {
            state.closed.truncate(state.kept);
            return;
        };
        state.appended = appended;
        let mut done = match &self.failed {
            None => self.columns.append(Column::Spans(lane), new.as_bytes()),
            Some(_) => Ok(()),
        };
        let groups = state.summarise();
        for (level, nodes) in state.summary.ready() {
            if self.failed.is_none() {
                let column = Column::Nodes(lane, level);
                done = done.and_then(|()| self.columns.append(column, nodes.as_bytes()));
            }
            nodes.clear();
        }
        state.closed.drain(..groups * FAN_OUT);
        state.kept = state.closed.len();
        state.due = state.kept + piece - state.appended as usize % piece;
        self.failed = self.failed.take().or(done.err());
    }

    fn flush_points(&mut self, lane: u16) {
        let points = &mut self.lanes[usize::from(lane)].points;
        let count = u32::try_from(points.waiting.len()).unwrap_or(u32::MAX);
        points.count = points.count.saturating_add(count);
        if self.failed.is_none() {
            let column = Column::Points(lane);
            let mut done = self.columns.append(column, points.waiting.as_bytes());
            for (level, nodes) in points.ready() {
                let column = Column::PointNodes(lane, level);
                done = done.and_then(|()| self.columns.append(column, nodes.as_bytes()));
                nodes.clear();
            }
            self.failed = done.err();
        }
        points.waiting.clear();
    }
}

impl Lane {
    /// Hands the whole groups among the closed spans to the summary; gives their number.
    fn summarise(&mut self) -> usize {
        let (groups, rest) = self.closed.as_chunks::<FAN_OUT>();
        let end = rest.first().unwrap_or(&self.open).start();
        self.summary.add(groups, end);
        groups.len()
    }
}

fn entry(lane: u32, spans: u32, points: u32, open: Span) -> JournalRecord {
    JournalRecord {
        lane: U32::new(lane),
        spans: U32::new(spans),
        points: U32::new(points),
        zero: U32::new(0),
        open,
    }
}
