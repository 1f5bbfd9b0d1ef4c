//! What a client is told.

use engine::view::{BreakpointId, BreakpointView, GroupView, StopView, ThreadId};
use serde_json::{Value, json};

use super::Session;
use crate::convert;
use crate::files::Progress;
use crate::protocol::Breakpoint;

impl Session {
    /// A line in the client's console.
    pub fn say(&self, warning: bool, text: &str) {
        let category = if warning { "stderr" } else { "console" };
        let output = format!("{text}\n");
        self.peer
            .event("output", json!({ "category": category, "output": output }));
    }

    /// The target halted.
    pub fn stopped(&self, stop: &StopView, thread: ThreadId, focus: bool) {
        {
            let mut state = self.state();
            state.shown = Some(thread);
            if focus {
                state.focus = Some((stop.group, Some(thread)));
            }
        }
        let client = self.client();
        let ids = |ids: &[BreakpointId]| ids.iter().map(|id| self.wire_id(*id)).collect();
        self.peer.event(
            "stopped",
            convert::stopped(stop, thread, focus, &client, ids),
        );
    }

    /// The target runs: what was given out is void. `asked`: by this client, which knows.
    pub fn continued(&self, asked: bool) {
        let mut state = self.state();
        state.values.clear();
        // A thread this session shows, whichever was resumed.
        if let (Some(thread), false) = (state.shown.take(), asked) {
            self.peer.event(
                "continued",
                json!({ "threadId": thread.0, "allThreadsContinued": true }),
            );
        }
    }

    /// There is a new VM. One of its threads is named, so that the client asks for all again.
    pub fn group_came(&self, group: &GroupView, thread: Option<ThreadId>) {
        self.want_child(group);
        let ready = self.is_ready();
        if let (true, Some(thread)) = (ready && self.shows(group.id), thread) {
            self.peer.event(
                "thread",
                json!({ "reason": "started", "threadId": thread.0 }),
            );
        }
    }

    /// VMs came, went, or are known better.
    pub fn groups_changed(&self, groups: &[GroupView]) {
        self.offer_modes(groups);
        if self.state().subscribed {
            self.peer.event("hvdap/groupsChanged", Value::Null);
        }
    }

    /// There is more of the schedule, up to a tick.
    pub fn schedule_changed(&self, until: u64) {
        if self.state().subscribed {
            self.peer
                .event("hvdap/scheduleChanged", json!({ "until": until }));
        }
    }

    /// In one list of all VMs a breakpoint may be for one of them: offers these, when they changed.
    pub fn offer_modes(&self, groups: &[GroupView]) {
        let modes = convert::breakpoint_modes(groups);
        let names: Vec<String> = modes.iter().map(|mode| mode.mode.clone()).collect();
        let flat = self.group().is_none();
        let mut state = self.state();
        if state.ready && flat && state.modes != names {
            state.modes = names;
            let capabilities = json!({ "breakpointModes": modes });
            self.peer
                .event("capabilities", json!({ "capabilities": capabilities }));
        }
    }

    /// More is known now than what was shown.
    pub fn invalidated(&self) {
        let state = self.state();
        if state.shown.is_some()
            && state
                .client
                .as_ref()
                .is_some_and(|client| client.supports_invalidated_event)
        {
            self.peer.event(
                "invalidated",
                json!({ "areas": ["threads", "stacks", "variables"] }),
            );
        }
    }

    /// A breakpoint was bound, or lost its place.
    pub fn breakpoint_changed(&self, breakpoint: &BreakpointView) {
        let wire = convert::breakpoint(breakpoint, self.wire_id(breakpoint.id), &self.client());
        if self.client().is_lsp4e() {
            self.say_bound(&wire);
        }
        self.peer.event(
            "breakpoint",
            json!({ "reason": "changed", "breakpoint": wire }),
        );
    }

    /// Says what became of a breakpoint, for a client that shows it nowhere else.
    pub fn say_bound(&self, breakpoint: &Breakpoint) {
        let known = breakpoint.message.as_deref();
        if breakpoint.verified {
            let places = known.unwrap_or("its place is known");
            self.say(false, &format!("breakpoint bound: {places}"));
        } else {
            let reason = known.unwrap_or("no reason known");
            self.say(true, &format!("breakpoint not bound: {reason}"));
        }
    }

    /// Shows how far the images are, where the client shows such.
    pub fn progress(&self, progress: &Progress) {
        if !self.client().supports_progress_reporting {
            return;
        }
        const ID: &str = "symbols";
        match progress {
            Progress::Started => {
                let start =
                    json!({ "progressId": ID, "title": "Reading symbols", "percentage": 0 });
                self.peer.event("progressStart", start);
            }
            Progress::Indexed { done, of, name } => {
                let percentage = 100 * done / of;
                let update = json!({ "progressId": ID, "message": name, "percentage": percentage });
                self.peer.event("progressUpdate", update);
                if done == of {
                    self.peer.event("progressEnd", json!({ "progressId": ID }));
                }
            }
            Progress::Note(_) => {}
        }
    }
}
