//! The points of one lane: written with their summaries, and read.

use zerocopy::little_endian::{U16, U32, U64};

use super::columns::{Column, Columns};
use super::layout::{FAN_OUT, LEVELS, Point, PointNode, records};
use super::state::{Mark, Party};

impl Point {
    /// A point without an originator.
    pub fn new(time: u64, mark: Mark, value: u64) -> Self {
        Self {
            time: U64::new(time),
            value: U64::new(value),
            kind: mark as u8,
            zero: 0,
            by_lane: U16::new(u16::MAX),
            by_pcpu: U16::new(u16::MAX),
            zero2: U16::new(0),
        }
    }

    /// The same point, with the lane and core it came from.
    #[must_use]
    pub fn caused(mut self, lane: Party, pcpu: Party) -> Self {
        self.by_lane = U16::new(lane.0);
        self.by_pcpu = U16::new(pcpu.0);
        self
    }

    /// When.
    pub fn time(&self) -> u64 {
        self.time.get()
    }

    /// What it marks.
    pub fn mark(&self) -> Mark {
        Mark::from_number(self.kind)
    }

    /// What the mark says its value is.
    pub fn value(&self) -> u64 {
        self.value.get()
    }

    /// The lane of the originator.
    pub fn by_lane(&self) -> Party {
        Party(self.by_lane.get())
    }

    /// The core of the originator.
    pub fn by_pcpu(&self) -> Party {
        Party(self.by_pcpu.get())
    }
}

/// The points of a lane on their way to its columns.
#[derive(Debug, Default)]
pub(crate) struct PointWriter {
    pub(crate) count: u32,
    pub(crate) waiting: Vec<Point>,
    levels: Vec<(usize, PointNode, Vec<PointNode>)>,
}

impl PointWriter {
    pub(crate) fn add(&mut self, point: Point) {
        self.waiting.push(point);
        let mut node = PointNode {
            time: point.time,
            kinds: U32::new(1 << (point.kind & 31)),
            zero: U32::new(0),
        };
        for level in 0..LEVELS {
            if self.levels.len() == level {
                self.levels.push((0, node, Vec::new()));
            }
            let (count, group, ready) = &mut self.levels[level];
            if *count == 0 {
                *group = node;
            }
            group.kinds = U32::new(group.kinds.get() | node.kinds.get());
            *count += 1;
            if *count < FAN_OUT {
                return;
            }
            *count = 0;
            node = *group;
            ready.push(node);
        }
    }

    /// The nodes that became whole since the last call, level by level.
    pub(crate) fn ready(&mut self) -> impl Iterator<Item = (u8, &mut Vec<PointNode>)> {
        (0..)
            .zip(&mut self.levels)
            .map(|(level, (_, _, ready))| (level, ready))
            .filter(|(_, ready)| !ready.is_empty())
    }
}

/// The published points of a lane, in order of time.
#[derive(Clone, Copy, Debug)]
pub struct PointView<'a> {
    points: &'a [Point],
    levels: [&'a [PointNode]; LEVELS],
}

impl<'a> PointView<'a> {
    pub(crate) fn new(columns: &'a dyn Columns, lane: u16, count: usize) -> Self {
        let points = records::<Point>(columns.bytes(Column::Points(lane)), count);
        let mut most = points.len();
        let levels = std::array::from_fn(|level| {
            most /= FAN_OUT;
            if most == 0 {
                return &[] as &[PointNode];
            }
            records(columns.bytes(Column::PointNodes(lane, level as u8)), most)
        });
        Self { points, levels }
    }

    /// All of them.
    pub fn all(&self) -> &'a [Point] {
        self.points
    }

    /// How many lie before `time`. Searches the small levels first, which stay in the cache.
    pub fn count_before(&self, time: u64) -> usize {
        let (mut low, mut high) = (0, self.points.len());
        for (level, nodes) in self.levels.iter().enumerate().rev() {
            let size = 1usize << (4 * (level + 1));
            let (first, last) = (low / size, high.div_ceil(size).min(nodes.len()));
            let within = nodes.get(first..last).unwrap_or_default();
            let before = first + within.partition_point(|node| node.time.get() < time);
            low = low.max(before.saturating_sub(1) * size);
            if before < nodes.len() {
                high = high.min(before * size);
            }
        }
        let within = self.points.get(low..high).unwrap_or_default();
        low + within.partition_point(|point| point.time() < time)
    }

    /// Those in `[from, to)`.
    pub fn between(&self, from: u64, to: u64) -> &'a [Point] {
        let (first, last) = (self.count_before(from), self.count_before(to));
        self.points.get(first..last).unwrap_or_default()
    }

    /// The kinds that occur among the points `[first, last)`, bit n for mark n.
    pub fn kinds(&self, first: usize, last: usize) -> u32 {
        let mut kinds = 0;
        let mut index = first;
        while index < last.min(self.points.len()) {
            let node = self
                .levels
                .iter()
                .enumerate()
                .rev()
                .find_map(|(level, nodes)| {
                    let size = 1usize << (4 * (level + 1));
                    let fits = index.is_multiple_of(size) && index + size <= last;
                    fits.then(|| nodes.get(index / size))?
                        .map(|node| (node.kinds.get(), size))
                });
            let (found, size) = node.unwrap_or((1 << (self.points[index].kind & 31), 1));
            kinds |= found;
            index += size;
        }
        kinds
    }
}
