//! A small cache of decoded things: the least recently used goes first.

use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};

use rustc_hash::FxHashMap;

/// At most `capacity` values, shared with whoever uses them.
#[derive(Debug)]
pub(crate) struct Cache<K, V> {
    capacity: usize,
    inner: Mutex<Inner<K, V>>,
}

#[derive(Debug)]
struct Inner<K, V> {
    clock: u64,
    values: FxHashMap<K, (u64, Arc<V>)>,
}

impl<K: Copy + Eq + Hash, V> Cache<K, V> {
    pub(crate) fn new(capacity: usize) -> Self {
        Self {
            capacity,
            inner: Mutex::new(Inner {
                clock: 0,
                values: FxHashMap::default(),
            }),
        }
    }

    /// The value of `key`, made by `make` when it is not there. Two threads may both make it; one result is kept.
    pub(crate) fn get_or_try<E>(
        &self,
        key: K,
        make: impl FnOnce() -> Result<Arc<V>, E>,
    ) -> Result<Arc<V>, E> {
        if let Some(found) = self.find(key) {
            return Ok(found);
        }
        let made = make()?;
        self.insert(key, Arc::clone(&made));
        Ok(made)
    }

    /// As [`get_or_try`](Self::get_or_try) for what cannot fail.
    pub(crate) fn get_or(&self, key: K, make: impl FnOnce() -> V) -> Arc<V> {
        if let Some(found) = self.find(key) {
            return found;
        }
        let made = Arc::new(make());
        self.insert(key, Arc::clone(&made));
        made
    }

    fn find(&self, key: K) -> Option<Arc<V>> {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        inner.clock += 1;
        let now = inner.clock;
        inner.values.get_mut(&key).map(|(used, value)| {
            *used = now;
            Arc::clone(value)
        })
    }

    fn insert(&self, key: K, value: Arc<V>) {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        if inner.values.len() >= self.capacity {
            let oldest = inner.values.iter().min_by_key(|(_, (used, _))| *used);
            if let Some(oldest) = oldest.map(|(key, _)| *key) {
                inner.values.remove(&oldest);
            }
        }
        inner.clock += 1;
        let now = inner.clock;
        inner.values.insert(key, (now, value));
    }
}

#[cfg(test)]
mod tests {
    use super::Cache;

    #[test]
    fn the_least_recently_used_goes_first() {
        let cache = Cache::new(2);
        for key in [1, 2, 1, 3] {
            cache.get_or(key, || key * 10);
        }
        assert_eq!(cache.find(1).as_deref(), Some(&10));
        assert_eq!(cache.find(2), None);
        assert_eq!(cache.find(3).as_deref(), Some(&30));
    }
}
