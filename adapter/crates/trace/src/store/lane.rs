//! The spans of one lane, read: by number, by time, and through their summaries.

use std::ops::Range;

use super::catalog::Published;
use super::columns::{Column, Columns};
use super::layout::{FAN_OUT, LEVELS, Node, Span, records};
use super::state::{Flags, State};

/// A span with its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Interval {
    /// The state and all about it.
    pub span: Span,
    /// The first tick after it.
    pub end: u64,
}

impl Interval {
    /// The first tick.
    pub fn start(&self) -> u64 {
        self.span.start()
    }

    /// How long it lasted; so far, for the last of a lane.
    pub fn ticks(&self) -> u64 {
        self.end.saturating_sub(self.span.start())
    }

    /// What the lane's owner did.
    pub fn state(&self) -> State {
        self.span.state()
    }
}

/// What to look for in a lane. All conditions must hold.
#[derive(Clone, Copy, Debug)]
pub struct Wanted {
    /// Any of these flags or states.
    pub flags: Flags,
    /// At least this long. Skips fastest for one state, running or runnable.
    pub ticks: u64,
}

impl Wanted {
    /// A state, however short.
    pub fn state(state: State) -> Self {
        Self {
            flags: Flags::state(state),
            ticks: 0,
        }
    }

    /// A flag.
    pub fn flag(flags: Flags) -> Self {
        Self { flags, ticks: 0 }
    }

    /// A state that lasted.
    pub fn longer(state: State, ticks: u64) -> Self {
        Self {
            flags: Flags::state(state),
            ticks,
        }
    }

    fn met(&self, interval: &Interval) -> bool {
        interval.span.flags().any(self.flags) && interval.ticks() >= self.ticks
    }

    fn may_be_below(&self, node: &Node) -> bool {
        let long = |state| self.flags != Flags::state(state) || node.may_last(state, self.ticks);
        node.flags().any(self.flags) && long(State::Running) && long(State::Runnable)
    }
}

/// The published spans of a lane and their summaries.
#[derive(Clone, Copy, Debug)]
pub struct LaneView<'a> {
    spans: &'a [Span],
    open: Option<Span>,
    levels: [&'a [Node]; LEVELS],
    until: u64,
}

impl<'a> LaneView<'a> {
    pub(crate) fn new(
        columns: &'a dyn Columns,
        lane: u16,
        published: Published,
        until: u64,
    ) -> Self {
        let spans = records::<Span>(columns.bytes(Column::Spans(lane)), published.spans);
        let mut most = spans.len();
        let levels = std::array::from_fn(|level| {
            most /= FAN_OUT;
            if most == 0 {
                return &[] as &[Node];
            }
            records(columns.bytes(Column::Nodes(lane, level as u8)), most)
        });
        Self {
            spans,
            open: published.open,
            levels,
            until,
        }
    }

    /// How many spans there are, with the one that has not ended.
    pub fn len(&self) -> usize {
        self.spans.len() + usize::from(self.open.is_some())
    }

    /// Whether nothing is known of the lane at any time.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The span with this number.
    pub fn get(&self, index: usize) -> Option<Interval> {
        let span = match self.spans.get(index) {
            Some(span) => *span,
            None => self.open.filter(|_| index == self.spans.len())?,
        };
        let end = self.start(index + 1);
        Some(Interval { span, end })
    }

    /// The start of a span, or where the lane ends.
    #[inline]
    pub(crate) fn start(&self, index: usize) -> u64 {
        match (self.spans.get(index), self.open) {
            (Some(span), _) => span.start(),
            (None, Some(open)) if index == self.spans.len() => open.start(),
            // A span may begin at the very tick up to which all is known, or a store be cut so.
            (None, Some(open)) => self.until.max(open.start()),
            (None, None) => self.until,
        }
    }

    pub(crate) fn spans(&self) -> &'a [Span] {
        self.spans
    }

    pub(crate) fn levels(&self) -> &[&'a [Node]; LEVELS] {
        &self.levels
    }

    /// The end of node `index` of `level`.
    #[inline]
    pub(crate) fn node_end(&self, level: usize, index: usize) -> u64 {
        match self.levels[level].get(index + 1) {
            Some(next) => next.start(),
            None => self.start((index + 1) << (4 * (level + 1))),
        }
    }

    /// How many spans begin before `time`.
    pub fn count_before(&self, time: u64) -> usize {
        let open = usize::from(self.open.is_some_and(|open| open.start() < time));
        let closed = self.spans.partition_point(|span| span.start() < time);
        if closed == self.spans.len() {
            closed + open
        } else {
            closed
        }
    }

    /// The number of the span in which `time` lies.
    pub fn index_at(&self, time: u64) -> Option<usize> {
        let after = match time.checked_add(1) {
            Some(next) => self.count_before(next),
            None => self.len(),
        };
        after.checked_sub(1)
    }

    /// The span in which `time` lies.
    pub fn at(&self, time: u64) -> Option<Interval> {
        self.get(self.index_at(time)?)
            .filter(|interval| time < interval.end)
    }

    /// The numbers of the spans that overlap `[from, to)`. Spans without length count where they lie inside.
    pub fn numbers(&self, from: u64, to: u64) -> Range<usize> {
        let first = self.index_at(from).unwrap_or(0);
        let gone = |index: usize| self.start(index) < from && self.start(index + 1) <= from;
        let first = first + usize::from(gone(first));
        first..self.count_before(to).max(first)
    }

    /// The spans that overlap `[from, to)`, in order.
    pub fn overlapping(&self, from: u64, to: u64) -> impl Iterator<Item = Interval> + use<'a> {
        let lane = *self;
        self.numbers(from, to)
            .filter_map(move |index| lane.get(index))
    }

    /// The number of the first span at or after number `from` that is wanted.
    pub fn next(&self, from: usize, wanted: Wanted) -> Option<usize> {
        let mut index = from;
        while index < self.len() {
            if let Some(beyond) =
                self.passed_over(index, wanted, |index, size| index.is_multiple_of(size))
            {
                index = beyond.1;
                continue;
            }
            if wanted.met(&self.get(index)?) {
                return Some(index);
            }
            index += 1;
        }
        None
    }

    /// The number of the last span before number `before` that is wanted.
    pub fn previous(&self, before: usize, wanted: Wanted) -> Option<usize> {
        let mut index = before.min(self.len());
        while index > 0 {
            let last = index - 1;
            let ends = |index: usize, size: usize| index % size == size - 1;
            if let Some(beyond) = self.passed_over(last, wanted, ends) {
                index = beyond.0;
                continue;
            }
            if wanted.met(&self.get(last)?) {
                return Some(last);
            }
            index = last;
        }
        None
    }

    /// The spans of the largest node that has span `index` at its edge and nothing wanted below.
    fn passed_over(
        &self,
        index: usize,
        wanted: Wanted,
        at_edge: impl Fn(usize, usize) -> bool,
    ) -> Option<(usize, usize)> {
        let mut passed = None;
        for (level, nodes) in self.levels.iter().enumerate() {
            let size = 1usize << (4 * (level + 1));
            if !at_edge(index, size) {
                break;
            }
            let number = index / size;
            match nodes.get(number) {
                Some(node) if !wanted.may_be_below(node) => {
                    passed = Some((number * size, (number + 1) * size));
                }
                _ => break,
            }
        }
        passed
    }
}
