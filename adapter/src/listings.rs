//! Texts shown where no source file is found: the disassembly of a function, by `sourceReference`.

use std::collections::HashMap;
use std::sync::Arc;

use engine::view::{GroupId, ThreadId};
use machine::Va;

use crate::convert::without_offset;

/// A function listing, or where to get it.
#[derive(Clone, Debug)]
pub struct Listing {
    /// Whose function.
    pub group: GroupId,
    /// A thread that sees it.
    pub thread: ThreadId,
    /// An address in it.
    pub at: Va,
    /// The text; `None` before it is asked for.
    pub text: Option<Arc<str>>,
}

/// The listings of one session. A number stays valid while it lives.
#[derive(Debug, Default)]
pub struct Listings {
    numbers: HashMap<(GroupId, String), i32>,
    listings: Vec<Listing>,
}

impl Listings {
    /// The number of a function's listing, from 1. A frame's name without its offset tells the function.
    pub fn number(&mut self, name: &str, listing: Listing) -> i32 {
        let key = (listing.group, without_offset(name).to_owned());
        if let Some(number) = self.numbers.get(&key) {
            return *number;
        }
        self.listings.push(listing);
        let number = i32::try_from(self.listings.len()).unwrap_or(i32::MAX);
        self.numbers.insert(key, number);
        number
    }

    /// A listing by its number.
    #[must_use]
    pub fn get(&self, number: i64) -> Option<&Listing> {
        self.listings
            .get(usize::try_from(number).ok()?.checked_sub(1)?)
    }

    /// Keeps the text of a listing.
    pub fn keep(&mut self, number: i32, text: Arc<str>) {
        let index = usize::try_from(number).ok().and_then(|n| n.checked_sub(1));
        if let Some(listing) = index.and_then(|index| self.listings.get_mut(index)) {
            listing.text = Some(text);
        }
    }
}

/// The line, from 1, on which the instruction at an address stands.
#[must_use]
pub fn line_of(text: &str, at: Va) -> Option<u32> {
    let line = text.lines().position(|line| address_on(line) == Some(at))?;
    u32::try_from(line + 1).ok()
}

/// The address of the first instruction on a line, from 1, or after it.
#[must_use]
pub fn address_of(text: &str, line: u32) -> Option<Va> {
    let before = usize::try_from(line).ok()?.saturating_sub(1);
    text.lines().skip(before).find_map(address_on)
}

/// The address a line of a listing begins with.
fn address_on(line: &str) -> Option<Va> {
    let digits = line.trim_start().strip_prefix("0x")?;
    let end = digits
        .find(|c: char| !c.is_ascii_hexdigit())
        .unwrap_or(digits.len());
    u64::from_str_radix(&digits[..end], 16).ok().map(Va)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_and_addresses() {
        let text = "start:\n  0x1000: nop\n  0x1004  ret\nmain.c:3\n  0x1008: nop\n";
        assert_eq!(line_of(text, Va(0x1004)), Some(3));
        assert_eq!(line_of(text, Va(0x100c)), None);
        assert_eq!(address_of(text, 1), Some(Va(0x1000)));
        assert_eq!(address_of(text, 4), Some(Va(0x1008)));
        assert_eq!(address_of(text, 6), None);
    }
}
