//! How far a long piece of work is, for clients that show such.

use std::sync::Arc;

use serde_json::json;

use super::Session;
use crate::wire::Peer;

/// Work that is shown until this is dropped.
pub struct Shown {
    /// `None` where the client shows no progress.
    peer: Option<Arc<Peer>>,
    id: String,
    percentage: u64,
}

impl Session {
    /// Begins to show work; `id` tells it from other work of this session.
    #[must_use]
    pub fn show_progress(&self, id: &str, title: &str) -> Shown {
        let peer = self
            .client()
            .supports_progress_reporting
            .then(|| Arc::clone(&self.peer));
        if let Some(peer) = &peer {
            let start = json!({ "progressId": id, "title": title, "percentage": 0 });
            peer.event("progressStart", start);
        }
        Shown {
            peer,
            id: id.to_owned(),
            percentage: 0,
        }
    }
}

impl Shown {
    /// Tells how much is done, when that is at least a hundredth more than was told.
    pub fn update(&mut self, done: u64, of: u64) {
        let percentage = done.saturating_mul(100) / of.max(1);
        if let Some(peer) = &self.peer
            && percentage > self.percentage
        {
            self.percentage = percentage;
            let update = json!({ "progressId": self.id, "percentage": percentage });
            peer.event("progressUpdate", update);
        }
    }
}

impl Drop for Shown {
    fn drop(&mut self) {
        if let Some(peer) = &self.peer {
            peer.event("progressEnd", json!({ "progressId": self.id }));
        }
    }
}
