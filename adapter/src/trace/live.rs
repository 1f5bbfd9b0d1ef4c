//! The timeline of a machine that is attached to: records as they are taken out of the hypervisor's buffers.

use std::collections::BTreeMap;

use engine::tracing::{UntoldLoss, Window};
use machine::{GuestId, Pcpu};
use trace::clock::Frequency;
use trace::event::{Event, Ticks, What};
use trace::format::position::{Position, believed_after};
use trace::format::xen::recording::without_earlier_loss;
use trace::format::xen::records::Records;
use trace::format::xen::switches::Switches;
use trace::store::{Memory, NoRoom, Subject, View};
use trace::timeline::Timeline;

/// The buffers of a running machine are emptied one after the other: what is newer than this may still be preceded by what another
/// core records, and waits for the next time.
const UNSETTLED_MS: u64 = 20;

/// A timeline that grows.
pub struct Live {
    frequency: Frequency,
    /// `None` before the first event: it begins there.
    timeline: Option<Timeline>,
    names: BTreeMap<GuestId, String>,
    cores: BTreeMap<Pcpu, (Position, Switches)>,
    /// Events that are not in order with others' yet.
    held: Vec<Event>,
    latest: Ticks,
}

impl Live {
    /// Nothing recorded yet.
    #[must_use]
    pub fn new(frequency: Frequency) -> Self {
        Self {
            frequency,
            timeline: None,
            names: BTreeMap::new(),
            cores: BTreeMap::new(),
            held: Vec::new(),
            latest: Ticks(0),
        }
    }

    /// Takes the records of one look at one buffer.
    pub fn take(&mut self, window: Window<'_>) {
        let core = self.cores.entry(window.pcpu);
        let start = || (Position::start(window.pcpu), Switches::new(self.frequency));
        let (position, switches) = core.or_insert_with(start);
        let gap = window.gap.map(|gap| position.gap(gap.reason, gap.bytes));
        // Told late, it happened before the recording.
        let bytes = match position.time {
            Ticks(0) => without_earlier_loss(window.bytes),
            _ => window.bytes,
        };
        let mut records = Records::new(*position, bytes);
        self.held
            .extend(gap.into_iter().chain(records.by_ref()).map(|mut event| {
                switches.place(&mut event);
                event
            }));
        *position = records.reached();
    }

    /// What the hypervisor has dropped at the end and not told of; `now` is at or after everything it has recorded.
    ///
    /// # Errors
    /// No memory is left for the timeline.
    pub fn lost(&mut self, untold: &[UntoldLoss], now: Ticks) -> Result<(), NoRoom> {
        self.settle(true)?;
        for loss in untold {
            // Before its first record, it happened before the recording.
            let Some((position, _)) = self.cores.get_mut(&loss.pcpu) else {
                continue;
            };
            if position.time > Ticks(0) {
                let known = believed_after(self.latest, now);
                position.time = believed_after(known, loss.since);
                self.held.push(Event {
                    time: position.time,
                    pcpu: loss.pcpu,
                    what: What::Lost {
                        records: loss.records,
                        since: loss.since.min(position.time),
                    },
                });
            }
        }
        self.settle(true)
    }

    /// What the debugger did to the machine, after everything it has recorded.
    ///
    /// # Errors
    /// No memory is left for the timeline.
    pub fn debugger(&mut self, what: What) -> Result<(), NoRoom> {
        self.settle(true)?;
        if self.timeline.is_some() {
            self.held.push(Event {
                time: self.latest,
                pcpu: Pcpu(0),
                what,
            });
        }
        self.settle(true)
    }

    /// Brings what is in order by now to the timeline, or everything when the machine is `halted`.
    ///
    /// # Errors
    /// No memory is left for the timeline.
    pub fn settle(&mut self, halted: bool) -> Result<(), NoRoom> {
        self.held.sort_by_key(|event| event.time);
        let newest = self.held.last().map_or(Ticks(0), |event| event.time);
        let unsettled = self.frequency.hertz() / 1000 * UNSETTLED_MS;
        let settled = match halted {
            true => self.held.len(),
            false => {
                let until = newest.0.saturating_sub(unsettled);
                self.held.partition_point(|event| event.time.0 < until)
            }
        };
        let Some(first) = self.held[..settled].first().map(|event| event.time) else {
            return Ok(());
        };
        let timeline = match &mut self.timeline {
            Some(timeline) => timeline,
            none => {
                let columns = Box::new(Memory::default());
                let mut timeline = Timeline::new(columns, self.frequency.hertz(), first)?;
                for (guest, name) in &self.names {
                    timeline.name(Subject::Guest(*guest), name);
                }
                none.insert(timeline)
            }
        };
        for event in self.held.drain(..settled) {
            timeline.event(&event);
            self.latest = self.latest.max(event.time);
        }
        timeline.publish()
    }

    /// A guest's name, as the user sees it.
    pub fn name(&mut self, guest: GuestId, name: &str) {
        if self.names.insert(guest, name.to_owned()).as_deref() == Some(name) {
            return;
        }
        if let Some(timeline) = &mut self.timeline {
            timeline.name(Subject::Guest(guest), name);
        }
    }

    /// The timeline so far; `None` before anything was recorded.
    #[must_use]
    pub fn view(&self) -> Option<View<'_>> {
        self.timeline.as_ref().map(Timeline::view)
    }

    /// Events so far, and the records that the hypervisor lost.
    #[must_use]
    pub fn counts(&self) -> (u64, u64) {
        let notices = self.timeline.as_ref().map(Timeline::notices);
        notices.map_or((0, 0), |notices| (notices.events, notices.lost_records))
    }
}

#[cfg(test)]
mod tests {
    use machine::Vcpu;
    use trace::event::RunState;
    use trace::store::{Owner, State};

    use super::*;

    /// A run-state record of Xen (`public/trace.h`): event, time, vCPU.
    fn change(time: u64, vcpu: u32, from: RunState, to: RunState) -> Vec<u8> {
        let event = 1 << 31 | 1 << 28 | 0x2_1001 | (from as u32) << 8 | (to as u32) << 4;
        let words = [event, time as u32, (time >> 32) as u32, 1 << 16 | vcpu];
        words.iter().flat_map(|word| word.to_le_bytes()).collect()
    }

    fn window(pcpu: u16, bytes: &[u8]) -> Window<'_> {
        Window {
            pcpu: Pcpu(pcpu),
            gap: None,
            bytes,
        }
    }

    /// The second core's buffer is read later than the first's: what it holds beyond waits until the first has told as much.
    #[test]
    fn cores_read_one_after_the_other_are_brought_in_order() {
        let mut live = Live::new(Frequency::new(1_000_000).expect("a frequency"));
        use RunState::{Blocked, Runnable, Running};
        live.take(window(0, &change(1_000, 0, Runnable, Running)));
        live.take(window(1, &change(50_000, 0, Runnable, Running)));
        live.settle(false).expect("room");
        live.take(window(0, &change(49_000, 0, Running, Runnable)));
        live.take(window(1, &change(60_000, 0, Running, Blocked)));
        live.debugger(What::Halted).expect("room");
        let view = live.view().expect("recorded");
        let vcpu = Owner::Vcpu(Vcpu {
            guest: GuestId(1),
            index: 0,
        });
        let lane = view.lane(view.lane_of(vcpu).expect("its lane"));
        let states: Vec<_> = lane
            .overlapping(0, u64::MAX)
            .map(|span| span.state())
            .collect();
        let ran = [
            State::Running,
            State::Runnable,
            State::Running,
            State::Blocked,
        ];
        assert!(states.ends_with(&ran), "{states:?}");
        assert_eq!(live.counts(), (5, 0));
    }
}
