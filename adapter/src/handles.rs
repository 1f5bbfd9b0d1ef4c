//! Integers that stand for engine values on the wire: within an `i32`, emptied when the target resumes.
//!
//! A frame's number is made from the frame itself, so it is the same at every halt. A value's number is given out once and,
//! while it lives, again for the same value; a number of an earlier halt is refused instead of meaning something else.

use std::collections::HashMap;

use engine::view::{FrameRef, Item, ThreadId};

/// More frames than any stack shows.
const FRAMES: i64 = 1 << 12;

/// The wire's number for a frame.
#[must_use]
pub fn frame_id(frame: FrameRef) -> i32 {
    let id = i64::from(frame.thread.0) * FRAMES + i64::from(frame.index).min(FRAMES - 1);
    i32::try_from(id).unwrap_or(0)
}

/// The frame of a number, if it can be one.
#[must_use]
pub fn frame_of(id: i64) -> Option<FrameRef> {
    let thread = u32::try_from(id / FRAMES).ok().filter(|id| *id > 0)?;
    let index = u32::try_from(id % FRAMES).ok()?;
    Some(FrameRef {
        thread: ThreadId(thread),
        index,
    })
}

/// What identifies a value during a halt: where it was found, and its name there.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Origin {
    /// In a scope of a frame.
    Scope(FrameRef, &'static str),
    /// In the value with this number.
    Child(i32, String),
    /// The result of an expression in a frame, or in none.
    Expression(Option<FrameRef>, String),
}

/// The values of one session that a client may ask for.
#[derive(Debug, Default)]
pub struct Values {
    last: i32,
    numbers: HashMap<Origin, i32>,
    items: HashMap<i32, Item>,
}

impl Values {
    /// The number of a value, from 1.
    pub fn number(&mut self, origin: Origin, item: &Item) -> i32 {
        let known = self.numbers.get(&origin).copied();
        let number = known.unwrap_or_else(|| {
            self.last = self.last.checked_add(1).unwrap_or(1);
            self.numbers.insert(origin, self.last);
            self.last
        });
        self.items.insert(number, item.clone());
        number
    }

    /// The value of a number, `None` for one of an earlier halt.
    #[must_use]
    pub fn item(&self, number: i64) -> Option<Item> {
        self.items.get(&i32::try_from(number).ok()?).cloned()
    }

    /// Forgets every value: the target resumes.
    pub fn clear(&mut self) {
        self.numbers.clear();
        self.items.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_number_gives_the_frame() {
        for (thread, index) in [(1, 0), (1, 4095), (64, 17), (500_000, 3)] {
            let frame = FrameRef {
                thread: ThreadId(thread),
                index,
            };
            assert_eq!(frame_of(i64::from(frame_id(frame))), Some(frame));
        }
        for id in [0, -1, 4095, i64::MAX, i64::MIN] {
            assert_eq!(frame_of(id).filter(|frame| frame.thread.0 < 1 << 20), None);
        }
    }
}
