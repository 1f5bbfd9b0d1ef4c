//! Which numbers a client was given, and what they stand for.

use engine::view::{BreakpointId, BreakpointRequest, GroupId, Item, ThreadId};

use super::{EARLY, Early, Session};
use crate::handles::Origin;
use crate::listings::Listings;
use crate::wire::Failure;

impl Session {
    /// The number the client knows a breakpoint by.
    #[must_use]
    pub fn wire_id(&self, id: BreakpointId) -> u32 {
        self.state().early_ids.get(&id).copied().unwrap_or(id.0)
    }

    /// Keeps breakpoints until there is a machine; gives their numbers.
    pub fn keep_early(
        &self,
        key: &str,
        wanted: Vec<(BreakpointRequest, Option<String>)>,
    ) -> Vec<u32> {
        let mut state = self.state();
        state.early.retain(|early| early.key != key);
        let ids: Vec<u32> = wanted.iter().map(|_| EARLY + self.hub.number()).collect();
        state.early.push(Early {
            key: key.to_owned(),
            wanted,
            ids: ids.clone(),
        });
        ids
    }

    /// The breakpoints kept.
    #[must_use]
    pub fn take_early(&self) -> Vec<Early> {
        std::mem::take(&mut self.state().early)
    }

    /// Notes under which number the client knows a breakpoint set early.
    pub fn know_early(&self, id: BreakpointId, wire: u32) {
        self.state().early_ids.insert(id, wire);
    }

    /// The number of a value that has something in it, 0 for one that has not.
    #[must_use]
    pub fn value_number(&self, origin: Origin, item: &Item) -> i32 {
        if item.named == 0 && item.indexed == 0 {
            return 0;
        }
        self.state().values.number(origin, item)
    }

    /// The number of a scope, whatever is in it.
    #[must_use]
    pub fn scope_number(&self, origin: Origin, content: &Item) -> i32 {
        self.state().values.number(origin, content)
    }

    /// The value of a number.
    ///
    /// # Errors
    /// It is of an earlier halt.
    pub fn value(&self, number: i64) -> Result<Item, Failure> {
        self.state().values.item(number).ok_or_else(|| {
            Failure::user(format!(
                "there is no value {number}: it was of an earlier halt"
            ))
        })
    }

    /// Texts shown in place of source files.
    pub fn listings<T>(&self, use_them: impl FnOnce(&mut Listings) -> T) -> T {
        use_them(&mut self.state().listings)
    }

    /// Notes which thread the user looks at.
    pub fn look_at(&self, group: GroupId, thread: ThreadId) {
        self.state().focus = Some((group, Some(thread)));
    }

    /// The group, and the thread in it, that the user looks at: whose address space a bare address means.
    #[must_use]
    pub fn focus(&self) -> (GroupId, Option<ThreadId>) {
        let own = self.group();
        match (self.state().focus, own) {
            (Some((group, thread)), None) => (group, thread),
            (Some((group, thread)), Some(own)) if group == own => (own, thread),
            (_, own) => (own.unwrap_or(GroupId::HYPERVISOR), None),
        }
    }
}
