//! The records of one CPU, page after page.

use std::borrow::Cow;

use super::bytes::Bytes;
use super::container::{Container, unpack};
use super::event::{GuestEvent, GuestWhat, Schema};
use super::page::{Cursor, PageLayout, Step};
use crate::event::Reason;
use crate::format::position::believed;

/// Iterates over the events of one CPU; their times never decrease.
#[derive(Clone, Debug)]
pub struct CpuEvents<'a> {
    schema: &'a Schema,
    layout: Option<PageLayout>,
    page_size: usize,
    packed: bool,
    cpu: u32,
    /// What comes after the pages at hand.
    rest: Bytes<'a>,
    /// The file ends before the CPU's pages do.
    cut: bool,
    /// Pages, of which those before `next` have been read.
    pages: Cow<'a, [u8]>,
    next: usize,
    /// A place in the page before `next`.
    cursor: Cursor,
    /// The time of the last event.
    time: u64,
    /// Events that come before the next record, the last of them first.
    pending: Vec<GuestWhat>,
}

impl<'a> CpuEvents<'a> {
    pub(super) fn new(container: &'a Container<'a>, schema: &'a Schema, cpu: u32) -> Self {
        let data = container.cpus.iter().find(|data| data.number == cpu);
        let (offset, size) = data.map_or((0, 0), |data| (data.offset, data.size));
        // The number of pieces stands in front and does not count.
        let size = size.saturating_add(if container.packed && size > 0 { 4 } else { 0 });
        let from = usize::try_from(offset).ok();
        let from = from.and_then(|offset| container.file.get(offset..));
        let from = from.unwrap_or_default();
        let length = usize::try_from(size).map_or(from.len(), |size| size.min(from.len()));
        let mut rest = Bytes::new(&from[..length], "its records");
        if container.packed {
            let _pieces = rest.u32();
        }
        Self {
            schema,
            layout: PageLayout::new(&container.page),
            page_size: container.page_size,
            packed: container.packed,
            cpu,
            rest,
            cut: (length as u64) < size,
            pages: Cow::Borrowed(&[]),
            next: 0,
            cursor: Cursor::default(),
            time: 0,
            pending: Vec::new(),
        }
    }

    fn event(&self, task: u32, what: GuestWhat) -> GuestEvent {
        GuestEvent {
            nanoseconds: self.time,
            cpu: self.cpu,
            task,
            what,
        }
    }

    fn unreadable(reason: Reason, bytes: usize) -> GuestWhat {
        let bytes = bytes.try_into().unwrap_or(u32::MAX);
        GuestWhat::Unreadable { reason, bytes }
    }

    /// Makes the next page the one at hand. `None` at the end.
    fn turn(&mut self) -> Option<()> {
        if self.pages.len() - self.next < self.page_size && !self.fetch() {
            return None;
        }
        let page = &self.pages[self.next..self.next + self.page_size];
        self.next += self.page_size;
        let header = self.layout.and_then(|layout| layout.header(page));
        let Some((header, records)) = header else {
            self.pending
                .push(Self::unreadable(Reason::BadSize, self.page_size));
            return Some(());
        };
        let after = self.pages.get(self.next..).unwrap_or_default();
        let time = believed(self.time, header.timestamp, || {
            self.layout?.timestamp(after)
        });
        if time.is_err() {
            self.pending
                .push(Self::unreadable(Reason::TimeBackwards, 0));
        }
        if let Some(missed) = header.missed {
            self.pending.push(GuestWhat::Lost {
                records: missed.try_into().unwrap_or(u32::MAX),
                since: self.time,
            });
        }
        self.cursor = Cursor {
            left: records,
            time: time.unwrap_or_else(|instead| instead),
        };
        // A loss ends where the page begins.
        self.time = self.cursor.time;
        Some(())
    }

    /// Gets more pages to hand. What is no whole page at the end is a gap, told once.
    fn fetch(&mut self) -> bool {
        let left = self.pages.len() - self.next + self.rest.rest.len();
        if self.packed && !self.rest.is_empty() {
            match unpack(&mut self.rest) {
                Some(pages) => self.pages = pages,
                None => return self.give_up(Reason::BadValue, left),
            }
        } else {
            self.pages = Cow::Borrowed(std::mem::take(&mut self.rest.rest));
        }
        self.next = 0;
        if self.pages.len() >= self.page_size {
            return true;
        }
        let cut = std::mem::take(&mut self.cut);
        if left == 0 && !cut {
            return false;
        }
        self.give_up(Reason::Truncated, left)
    }

    /// Ends after a gap.
    fn give_up(&mut self, reason: Reason, bytes: usize) -> bool {
        self.pages = Cow::Borrowed(&[]);
        self.next = 0;
        self.rest.rest = &[];
        self.cut = false;
        self.pending.push(Self::unreadable(reason, bytes));
        false
    }

    /// The next record of the page at hand. `None` when there is none, which may leave an event pending.
    fn record(&mut self) -> Option<GuestEvent> {
        let start = self.next.checked_sub(self.page_size)?;
        let page = &self.pages[start..self.next];
        let left = self.cursor.left.len();
        match self.cursor.step(page) {
            Step::Record(bytes) => {
                self.time = self.cursor.time;
                let length = bytes.len();
                let meaning = self.schema.meaning(&page[bytes]);
                let unreadable = || (0, Self::unreadable(Reason::BadSize, length));
                let (task, what) = meaning.unwrap_or_else(unreadable);
                Some(self.event(task, what))
            }
            Step::End => {
                self.cursor.left = 0..0;
                None
            }
            Step::Bad => {
                self.cursor.left = 0..0;
                self.pending.push(Self::unreadable(Reason::BadSize, left));
                None
            }
        }
    }
}

impl Iterator for CpuEvents<'_> {
    type Item = GuestEvent;

    fn next(&mut self) -> Option<GuestEvent> {
        loop {
            if let Some(what) = self.pending.pop() {
                return Some(self.event(0, what));
            }
            if let Some(event) = self.record() {
                return Some(event);
            }
            if self.pending.is_empty() && self.turn().is_none() && self.pending.is_empty() {
                return None;
            }
        }
    }
}
