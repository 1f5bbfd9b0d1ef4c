//! A window of a timeline as an editor's view draws it: lanes of exact spans or of cells, never more than the view is wide.

use schemars::JsonSchema;
use serde::Serialize;
use trace::store::{Owner, State, View};
use trace::window::{Cell, LaneWindow, Points, Spans, Window, window};

use super::names::Names;
use super::packed;

/// Body of `hvdap/schedule`. Times are ticks of the counter.
///
/// Numbers in the flat arrays: `state` is 0 running, 1 runnable, 2 blocked (a core: idle), 3 offline, 4 in the hypervisor, 5 lost,
/// 6 unknown. Bit n of `flags` says that state n occurs; 7 woken, 8 preempted, 9 migrated, 10 deadline missed, 11 contradicted,
/// 12 unreadable. `cause` is 0 not known, 1 woken, 2 preempted, 3 yielded, 4 waits, 5 put to sleep. 65535 stands for nobody.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(title = "hvdap/schedule")]
pub struct Schedule {
    /// Ticks a second.
    pub frequency: u64,
    /// The first tick of the timeline.
    pub first: u64,
    /// Up to which tick it is known.
    pub until: u64,
    /// The first tick of this window.
    pub from: u64,
    /// The first tick beyond it.
    pub to: u64,
    /// How many cells a lane may have.
    pub width: usize,
    /// The lanes asked for, in their order.
    pub lanes: Vec<Lane>,
}

/// One lane.
#[derive(Debug, Default, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Lane {
    /// Its number, by which it is asked for again.
    pub lane: u16,
    /// Whose it is.
    pub kind: Kind,
    /// `pCPU 0`, `DomU/1`.
    pub name: String,
    /// The hypervisor's number of the VM.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub guest: Option<u32>,
    /// The number of the core, of the vCPU in its VM, or of the task.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub index: Option<u32>,
    /// Five numbers for each span: start, state, the other side (a vCPU's core, the lane of a core's vCPU), cause, flags. Each ends
    /// where the next begins.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub spans: Option<Vec<u64>>,
    /// Where the last span ends.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub end: Option<u64>,
    /// Nine numbers for each cell: flags, the other side that had most of it, and of 65535 the share of each state.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cells: Option<Vec<u16>>,
    /// Four numbers for each mark: time, kind, value, the lane of whoever caused it. Kinds: 0 wake, 1 hypercall, 2 inject, 3 deadline
    /// missed, 4 migrate, 5 credit, 6 exit, 7 guest interrupt, 8 system call, 9 request sent, 10 request done, 11 lost, 12 unreadable,
    /// 13 guest added, 14 guest removed, 15 frequency, 16 halted, 17 resumed, 18 user.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub marks: Option<Vec<u64>>,
    /// Two numbers for each cell, where there are more marks than cells: how many, and bit n for kind n.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub counts: Option<Vec<u32>>,
    /// In place of `spans` where `packed` was asked for: base64 of 16 bytes for each, little-endian: start (8), state (1), cause (1),
    /// the other side (2), flags (2), nothing (2).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub packed_spans: Option<String>,
    /// In place of `cells`: base64 of the nine numbers of each, 2 bytes each.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub packed_cells: Option<String>,
    /// In place of `marks`: base64 of 24 bytes for each: time (8), value (8), kind (2), the lane of whoever caused it (2), nothing (4).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub packed_marks: Option<String>,
    /// In place of `counts`: base64 of the two numbers of each cell, 4 bytes each.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub packed_counts: Option<String>,
}

/// What a lane is about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// The machine: running, or offline while the debugger holds it.
    Machine,
    /// A physical core.
    Pcpu,
    /// A virtual core.
    Vcpu,
    /// A task of a guest.
    Task,
    /// All beyond the most lanes that are kept.
    #[default]
    Others,
}

/// Answers a window, its arrays packed or not. Without `lanes`, the machine's, the cores' and the vCPUs'.
#[must_use]
pub fn report(
    view: View<'_>,
    names: &Names,
    lanes: Option<&[u16]>,
    wanted: Window,
    shape: Shape,
) -> Schedule {
    let all = (0_u16..).zip(view.owners());
    let usual = all.filter(|(_, owner)| !matches!(owner, Owner::Task(..)));
    let lanes = lanes.map_or_else(|| usual.map(|(lane, _)| lane).collect(), <[u16]>::to_vec);
    let answered = window(view, &lanes, wanted);
    let lane = |answer: LaneWindow| {
        let owner = view.owners().get(usize::from(answer.lane)).copied()?;
        let (kind, guest, index) = identity(owner);
        let mut lane = Lane {
            lane: answer.lane,
            kind,
            name: names.owner(view, owner),
            guest,
            index,
            ..Lane::default()
        };
        match shape {
            Shape::Numbers => lane.fill(&answer),
            Shape::Packed => lane.pack(&answer),
        }
        Some(lane)
    };
    Schedule {
        frequency: view.frequency(),
        first: view.first(),
        until: view.until(),
        from: wanted.from,
        to: wanted.to,
        width: wanted.width,
        lanes: answered.into_iter().filter_map(lane).collect(),
    }
}

/// How the arrays of a lane are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// As numbers.
    Numbers,
    /// As bytes, in base64.
    Packed,
}

impl Lane {
    fn fill(&mut self, answer: &LaneWindow) {
        match &answer.spans {
            Spans::Exact { spans, end } => {
                (self.spans, self.end) = (Some(exact(spans)), Some(*end));
            }
            Spans::Cells(cells) => self.cells = Some(cells.iter().flat_map(numbers).collect()),
        }
        match &answer.points {
            Points::Exact(points) => self.marks = Some(points.iter().flat_map(mark).collect()),
            Points::Counts(counts) => {
                let counts = counts.iter().flat_map(|one| [one.points, one.marks]);
                self.counts = Some(counts.collect());
            }
        }
    }

    fn pack(&mut self, answer: &LaneWindow) {
        match &answer.spans {
            Spans::Exact { spans, end } => {
                (self.packed_spans, self.end) = (Some(packed::spans(spans)), Some(*end));
            }
            Spans::Cells(cells) => self.packed_cells = Some(packed::cells(cells)),
        }
        match &answer.points {
            Points::Exact(points) => self.packed_marks = Some(packed::marks(points)),
            Points::Counts(counts) => self.packed_counts = Some(packed::counts(counts)),
        }
    }
}

fn identity(owner: Owner) -> (Kind, Option<u32>, Option<u32>) {
    match owner {
        Owner::Machine => (Kind::Machine, None, None),
        Owner::Pcpu(pcpu) => (Kind::Pcpu, None, Some(u32::from(pcpu.0))),
        Owner::Vcpu(vcpu) => (Kind::Vcpu, Some(vcpu.guest.0), Some(vcpu.index)),
        Owner::Task(guest, task) => (Kind::Task, Some(guest.0), Some(task)),
        Owner::Others => (Kind::Others, None, None),
    }
}

fn exact(spans: &[trace::store::Span]) -> Vec<u64> {
    let five = |span: &trace::store::Span| {
        [
            span.start(),
            span.state() as u64,
            u64::from(span.party().0),
            span.cause() as u64,
            u64::from(span.flags().0),
        ]
    };
    spans.iter().flat_map(five).collect()
}

pub(super) fn numbers(cell: &Cell) -> [u16; 2 + State::COUNT] {
    let mut all = [0; 2 + State::COUNT];
    (all[0], all[1]) = (cell.flags.0, cell.party);
    all[2..].copy_from_slice(&cell.shares);
    all
}

fn mark(point: &trace::store::Point) -> [u64; 4] {
    [
        point.time(),
        point.mark() as u64,
        point.value(),
        u64::from(point.by_lane().0),
    ]
}
