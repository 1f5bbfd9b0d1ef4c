//! What every decoder's events must stand: they are in order, and a timeline of them answers.

use machine::{MemoryFault, Pa, PhysicalMemory};
use trace::backend_time::{Question, backend_time};
use trace::event::Event;
use trace::stats::{Request, stats};
use trace::store::{Memory, View};
use trace::timeline::Timeline;
use trace::why::why;
use trace::window::{Window, window};

/// Hertz, as many as QEMU's counter has.
const FREQUENCY: u64 = 62_500_000;

/// More lanes than this are not looked at each.
const LANES: u16 = 24;

/// Makes a timeline of events, which must be in order, and asks it everything.
pub fn exhaust(events: impl IntoIterator<Item = Event>) {
    let mut events = events.into_iter().peekable();
    let Some(first) = events.peek().map(|event| event.time) else {
        return;
    };
    let columns = Box::new(Memory::default());
    let mut timeline = Timeline::new(columns, FREQUENCY, first).expect("there is memory");
    let mut last = first;
    for event in events {
        assert!(last <= event.time, "time goes back: {last:?} {event:?}");
        last = event.time;
        timeline.event(&event);
    }
    timeline.finish(last).expect("there is memory");
    ask(timeline.view());
}

/// Asks a timeline for everything that it can tell.
pub fn ask(view: View<'_>) {
    let (from, to) = (view.first(), view.until());
    let lanes: Vec<u16> = (0..LANES).collect();
    for width in [7, 4000] {
        let answered = window(view, &lanes, Window { from, to, width });
        assert!(answered.len() <= lanes.len());
    }
    let request = Request {
        from,
        to,
        cut_halts: true,
        top: 3,
    };
    stats(view, &request);
    for lane in &lanes {
        let question = Question {
            frontend: *lane,
            backends: &lanes[..3],
            from,
            to,
            floor: 0,
        };
        backend_time(view, &question);
    }
    for lane in lanes {
        for time in [from, from / 2 + to / 2, to] {
            if let Some(why) = why(view, lane, time) {
                why.sentence(view, &|owner| format!("{owner:?}"));
            }
        }
    }
}

/// The input as a machine's memory, from address 0.
pub struct Ram<'a>(pub &'a [u8]);

impl PhysicalMemory for Ram<'_> {
    fn read_physical(&self, address: Pa, buffer: &mut [u8]) -> Result<(), MemoryFault> {
        let start = usize::try_from(address.0).ok();
        let bytes = start.and_then(|start| self.0.get(start..)?.get(..buffer.len()));
        buffer.copy_from_slice(bytes.ok_or(MemoryFault::Absent(address))?);
        Ok(())
    }
}
