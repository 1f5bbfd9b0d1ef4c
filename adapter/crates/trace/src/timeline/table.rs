//! From the ids that a trace gives to lanes, in constant time whatever the ids.

/// An open-addressed table. A key that finds no place within [`PROBES`] steps is refused, now and ever after.
#[derive(Debug, Default)]
pub(super) struct Table {
    slots: Vec<Slot>,
    used: usize,
}

#[derive(Clone, Copy, Debug, Default)]
struct Slot {
    key: u64,
    /// One more than the lane; 0 is an empty slot.
    lane: u32,
}

const PROBES: usize = 32;

/// Slots to a key, at least: with few in use two keys seldom meet, and which key comes next cannot be predicted.
const SPARSE: usize = 8;

impl Table {
    /// The lane of a key, nearly always in the first place.
    #[inline]
    pub(super) fn get(&self, key: u64) -> Option<u16> {
        let mask = self.slots.len().checked_sub(1)?;
        let slot = &self.slots[hash(key) & mask];
        if slot.key == key && slot.lane != 0 {
            return Some((slot.lane - 1) as u16);
        }
        self.get_beyond(key, mask)
    }

    #[cold]
    fn get_beyond(&self, key: u64, mask: usize) -> Option<u16> {
        let first = hash(key);
        let slots = (0..PROBES).map(|step| &self.slots[(first + step) & mask]);
        let mut used = slots.take_while(|slot| slot.lane != 0);
        let found = used.find(|slot| slot.key == key)?;
        Some((found.lane - 1) as u16)
    }

    /// Whether there is a place for a new key. Makes room for it if needed, but not for the sake of one crowded spot.
    pub(super) fn has_room(&mut self, key: u64) -> bool {
        if self.used * SPARSE >= self.slots.len() {
            let more = (self.slots.len() * 2).max(64);
            let old = std::mem::replace(&mut self.slots, vec![Slot::default(); more]);
            self.used = 0;
            for slot in old.into_iter().filter(|slot| slot.lane != 0) {
                self.put(slot);
            }
        }
        self.place(key).is_some()
    }

    /// Adds a key that [`has_room`](Self::has_room).
    pub(super) fn insert(&mut self, key: u64, lane: u16) {
        self.put(Slot {
            key,
            lane: u32::from(lane) + 1,
        });
    }

    fn put(&mut self, slot: Slot) {
        if let Some(place) = self.place(slot.key) {
            self.slots[place] = slot;
            self.used += 1;
        }
    }

    fn place(&self, key: u64) -> Option<usize> {
        let mask = self.slots.len().checked_sub(1)?;
        let first = hash(key);
        let mut places = (0..PROBES).map(|step| (first + step) & mask);
        places.find(|place| self.slots[*place].lane == 0)
    }
}

/// Fibonacci hashing; the folded upper half takes in all bits of the key.
#[inline]
fn hash(key: u64) -> usize {
    let spread = key.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (spread >> 32 ^ spread >> 48) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_keep_their_lanes() {
        let mut table = Table::default();
        let keys: Vec<u64> = (0..3000)
            .map(|number| (number % 7) << 32 | number)
            .collect();
        for (lane, key) in (0..).zip(&keys) {
            assert_eq!(table.get(*key), None);
            assert!(table.has_room(*key));
            table.insert(*key, lane);
        }
        for (lane, key) in (0..).zip(&keys) {
            assert_eq!(table.get(*key), Some(lane));
        }
    }

    #[test]
    fn hostile_keys_are_refused_and_not_searched_for() {
        let mut table = Table::default();
        let same_spot = (0..u64::MAX).filter(|key| hash(*key) & 63 == 5);
        let lanes = same_spot
            .take(40)
            .map(|key| {
                let room = table.has_room(key);
                if room {
                    table.insert(key, 1);
                }
                room
            })
            .filter(|room| *room)
            .count();
        assert!(lanes >= PROBES);
    }
}
