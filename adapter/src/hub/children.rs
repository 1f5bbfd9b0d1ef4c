//! Sessions for single VMs: asks the client for each with `startDebugging`, one after the other.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use engine::view::{GroupId, GroupView};
use serde_json::{Value, json};
use tokio::sync::mpsc;

use crate::config::Child;
use crate::wire::Peer;

/// Some clients never answer a request of ours.
const PATIENCE: Duration = Duration::from_secs(10);

/// The VMs a root session wants sessions for.
pub struct Children(mpsc::UnboundedSender<GroupView>);

impl Children {
    /// Starts asking `peer`, the client of the root session `root`; `kind` is the `type` of its configuration.
    #[must_use]
    pub fn start(peer: Arc<Peer>, machine: u32, root: u32, kind: String) -> Self {
        let (queue, mut groups) = mpsc::unbounded_channel::<GroupView>();
        tokio::spawn(async move {
            let mut asked: HashSet<GroupId> = HashSet::new();
            while let Some(group) = groups.recv().await {
                let child = Child {
                    machine,
                    root,
                    group: group.id.0,
                };
                if !asked.insert(group.id) {
                    continue;
                }
                let arguments = start_debugging(&kind, &group.name, child);
                if let Err(reason) = peer.request("startDebugging", arguments, PATIENCE).await {
                    let output = format!("no session for {}: {reason}\n", group.name);
                    peer.event("output", json!({ "category": "stderr", "output": output }));
                }
            }
        });
        Self(queue)
    }

    /// Wants a session for a VM, once.
    pub fn add(&self, group: &GroupView) {
        let _ = self.0.send(group.clone());
    }
}

/// The verb stands inside too, since some clients look only there; the marker is what we know the child by.
fn start_debugging(kind: &str, name: &str, child: Child) -> Value {
    json!({
        "request": "attach",
        "configuration": { "type": kind, "request": "attach", "name": name, "program": name, "__hvdap": child },
    })
}
