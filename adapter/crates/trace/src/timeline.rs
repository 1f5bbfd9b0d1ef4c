//! Events become lanes: what every core, vCPU and task did, and what is not known of them.
//!
//! The stream is in order of time. Each lane holds the state its owner was left in by the last record about it. A record
//! that says the owner was in another state makes the span in between unknown, and is counted; time is never shifted, since
//! the counter is the same on all cores. Where records were lost, the core and the vCPU it carried are lost until a record
//! shows them again. Halts of the debugger are a lane of their own and cut nothing: see [`crate::stats`].
//! Start reading at [`Timeline::event`].

mod cores;
mod gaps;
mod lanes;
mod table;
mod task;
mod vcpu;

#[cfg(test)]
mod tests;

use std::collections::VecDeque;

use machine::Pcpu;

use crate::event::{Event, RunState, Ticks, What};
use crate::store::{Columns, Mark, NoRoom, Owner, Party, Point, State, Subject, View, Writer};
use cores::Core;
use lanes::Lanes;

/// The lane of [`Owner::Machine`].
pub const MACHINE: u16 = 0;

/// A timeline in the making.
pub struct Timeline {
    writer: Writer,
    lanes: Lanes,
    cores: Vec<Core>,
    now: u64,
    /// The source records run states, so that other records need not be guessed from.
    has_run_states: bool,
    /// When records were last lost, on any core.
    last_gap: Option<u64>,
    /// When the latest contradictions were found.
    doubts: VecDeque<u64>,
    notices: Notices,
}

/// What is to be said about a timeline besides its lanes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Notices {
    /// Events taken in.
    pub events: u64,
    /// Records that said their vCPU was in another state than it had been left in, with nothing lost in between.
    pub contradictions: u64,
    /// Events earlier than the one before, taken as of the same time.
    pub backwards: u64,
    /// Records that the source dropped.
    pub lost_records: u64,
    /// Bytes that were passed over.
    pub unreadable_bytes: u64,
    /// Events about vCPUs and tasks beyond [`MOST_LANES`](crate::store::MOST_LANES).
    pub without_lane: u64,
}

/// When and where.
#[derive(Clone, Copy, Debug)]
struct At {
    time: u64,
    pcpu: u16,
}

impl Timeline {
    /// A timeline that begins at `first`, the time of its first event, and counts `frequency` ticks a second.
    ///
    /// # Errors
    /// When nothing can be appended to the columns.
    pub fn new(
        columns: Box<dyn Columns + Send>,
        frequency: u64,
        first: Ticks,
    ) -> Result<Self, NoRoom> {
        let mut writer = Writer::new(columns, frequency, first.0)?;
        writer.add_lane(Owner::Machine);
        let going = writer.open_mut(MACHINE);
        *going = going.in_state(State::Running);
        Ok(Self {
            writer,
            lanes: Lanes::default(),
            cores: Vec::new(),
            now: first.0,
            has_run_states: false,
            last_gap: None,
            doubts: VecDeque::new(),
            notices: Notices::default(),
        })
    }

    /// Takes in the next event.
    pub fn event(&mut self, event: &Event) {
        if !self.usual_change(event) {
            self.any(event);
        }
    }

    #[inline(never)]
    fn any(&mut self, event: &Event) {
        let at = self.arrive(event);
        match event.what {
            What::RunState { vcpu, from, to } => self.run_state(at, vcpu, from, to),
            What::Continue { vcpu } => self.goes_on(at, vcpu),
            What::Switch { from, to } => self.switch(at, from, to),
            What::Exit { vcpu, syndrome } => self.exit(at, vcpu, syndrome),
            What::Enter { vcpu } => self.enter(at, vcpu),
            What::Wake { vcpu } => self.wake(at, vcpu),
            What::Block { vcpu } => self.hint(vcpu, RunState::Blocked),
            What::Sleep { vcpu } => self.hint(vcpu, RunState::Offline),
            What::Yield { vcpu } => self.hint(vcpu, RunState::Runnable),
            What::DeadlineMissed { vcpu } => self.deadline_missed(at, vcpu),
            What::Task {
                vcpu,
                from,
                to,
                preempted,
            } => self.task(at, vcpu, from, to, preempted),
            What::TaskWake { vcpu, task } => self.task_wake(at, vcpu, task),
            What::Halted | What::Resumed => self.halt(at, event.what == What::Halted),
            What::Lost { records, since } => self.lost(at, records, since.0),
            What::Unreadable { bytes, .. } => self.unreadable(at, bytes),
            _ => self.mark(at, event),
        }
        self.cores[usize::from(at.pcpu)].last = at.time;
    }

    /// Says that the records of a core end here: what it does afterwards is unknown, not unchanged.
    pub fn end_of(&mut self, pcpu: Pcpu, time: Ticks) {
        let at = At {
            time: time.0.max(self.now),
            pcpu: pcpu.0,
        };
        self.core(pcpu.0);
        self.gap(at, time.0, State::Unknown);
    }

    /// Names a guest or a task.
    pub fn name(&mut self, subject: Subject, name: &str) {
        self.writer.name(subject, name);
    }

    /// Lets readers see everything up to the last event.
    ///
    /// # Errors
    /// When the columns cannot grow; what was published before stays.
    pub fn publish(&mut self) -> Result<(), NoRoom> {
        self.writer.publish(self.now)
    }

    /// Publishes a timeline that gets no more events: known up to `until`, or to the last event if that is later.
    ///
    /// # Errors
    /// As [`publish`](Self::publish).
    pub fn finish(&mut self, until: Ticks) -> Result<(), NoRoom> {
        self.settle();
        self.now = self.now.max(until.0);
        self.publish()
    }

    /// The timeline as published.
    pub fn view(&self) -> View<'_> {
        self.writer.view()
    }

    /// The columns, for those who copy or measure them.
    pub fn columns(&self) -> &dyn Columns {
        self.writer.columns()
    }

    /// What is to be said about it.
    pub fn notices(&self) -> Notices {
        self.notices
    }

    /// Puts an event in its place; afterwards its core is known.
    fn arrive(&mut self, event: &Event) -> At {
        self.notices.events += 1;
        let mut time = event.time.0;
        if time < self.now {
            self.notices.backwards += 1;
            time = self.now;
        }
        self.now = time;
        match self.cores.get(usize::from(event.pcpu.0)) {
            Some(core) if core.lane != Party::NONE => {}
            _ => self.core(event.pcpu.0),
        }
        At {
            time,
            pcpu: event.pcpu.0,
        }
    }

    /// Events that only leave a point.
    fn mark(&mut self, at: At, event: &Event) {
        let (mark, value) = match event.what {
            What::Hypercall { number, .. } => (Mark::Hypercall, u64::from(number)),
            What::Inject { interrupt, .. } => (Mark::Inject, u64::from(interrupt)),
            What::Migrate { from, to, .. } => {
                (Mark::Migrate, u64::from(from) << 16 | u64::from(to))
            }
            What::Credit { credit, .. } => (Mark::Credit, u64::from(credit as u32)),
            What::GuestInterrupt {
                interrupt,
                end: false,
                ..
            } => (Mark::GuestInterrupt, u64::from(interrupt)),
            What::SystemCall {
                number, end: false, ..
            } => (Mark::SystemCall, u64::from(number)),
            What::Request { id, end: false, .. } => (Mark::RequestSent, id),
            What::Request { id, end: true, .. } => (Mark::RequestDone, id),
            What::GuestAdded(guest) => (Mark::GuestAdded, u64::from(guest.0)),
            What::GuestRemoved(guest) => (Mark::GuestRemoved, u64::from(guest.0)),
            What::Mark { id, value } => (Mark::User, u64::from(id) << 32 | u64::from(value)),
            What::Frequency { megahertz } => (Mark::Frequency, u64::from(megahertz)),
            _ => return,
        };
        let core = &self.cores[usize::from(at.pcpu)];
        let point = Point::new(at.time, mark, value).caused(core.current, Party(at.pcpu));
        let lane = match (event.vcpu(), mark) {
            (Some(vcpu), _) => self.vcpu_lane(vcpu),
            (None, Mark::Frequency | Mark::User) => self.cores[usize::from(at.pcpu)].lane.get(),
            (None, _) => Some(MACHINE),
        };
        if let Some(lane) = lane {
            self.writer.mark(lane, point);
        }
    }

    /// The debugger halted or resumed the machine. Lanes go on: a halt cuts none of them.
    fn halt(&mut self, at: At, halted: bool) {
        let (state, mark) = match halted {
            true => (State::Offline, Mark::Halted),
            false => (State::Running, Mark::Resumed),
        };
        if self.writer.open(MACHINE).state() != state {
            let span = crate::store::Span::new(at.time, state, Party::NONE);
            self.writer.push(MACHINE, span);
            self.writer.mark(MACHINE, Point::new(at.time, mark, 0));
        }
    }
}
