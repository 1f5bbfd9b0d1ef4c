//! `hvdap/translate`: where an address leads, through both stages.

use std::sync::Arc;

use engine::view::ThreadId;
use schemars::JsonSchema;
use serde::Deserialize;

use super::{Answer, body};
use crate::connection::Session;
use crate::report::translation::Translation;
use crate::wire::Request;

/// Arguments of `hvdap/translate`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(title = "hvdap/translate, its arguments")]
pub struct Translate {
    /// Whose address: a vCPU, on a core or not, or one of the hypervisor's pCPUs.
    pub thread_id: u32,
    /// `0x…`, or a C expression, worked out in the thread's innermost frame.
    pub address: String,
}

pub(super) async fn translate(session: &Arc<Session>, request: &Request) -> Answer {
    let Translate { thread_id, address } = request.arguments()?;
    let machine = session.machine()?;
    let translation = machine
        .link
        .ask(move |engine| engine.translate(ThreadId(thread_id), &address))
        .await?;
    body(Translation::from(&translation))
}
