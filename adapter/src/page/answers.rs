//! What the page asks: our custom requests by their names, answered by the same code as in an editor.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Shown;
use crate::trace::asked::{self, WantedWhy};
use crate::trace::{find, why};

/// A question.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Question {
    /// The name of the request.
    pub command: String,
    /// Its arguments, those of its schema.
    #[serde(default)]
    pub arguments: Value,
}

/// The answer.
#[derive(Debug, Serialize)]
#[serde(rename_all = "lowercase")]
enum Answer<T> {
    Body(T),
    Error(String),
}

/// Answers a question with `{"body": …}` or `{"error": "…"}`, in JSON.
pub async fn answer(shown: &Shown, question: &[u8]) -> Vec<u8> {
    match ask(shown, question).await {
        Ok(json) => json,
        Err(error) => written(&Answer::<()>::Error(error)).unwrap_or_default(),
    }
}

async fn ask(shown: &Shown, question: &[u8]) -> Result<Vec<u8>, String> {
    let question: Question =
        serde_json::from_slice(question).map_err(|error| format!("this is no request: {error}"))?;
    let arguments = question.arguments;
    match question.command.as_str() {
        "hvdap/schedule" => {
            let wanted = read(arguments)?;
            let answer = |view: trace::store::View<'_>, names: &_| {
                written(&Answer::Body(asked::schedule(view, names, &wanted)?))
            };
            shown.look(answer).await
        }
        "hvdap/scheduleStats" => {
            let wanted = read(arguments)?;
            let stats = shown.look(|view, names| asked::schedule_stats(view, names, &wanted));
            written(&Answer::Body(stats.await?))
        }
        "hvdap/scheduleFind" => {
            let wanted = read(arguments)?;
            let found = shown.look(|view, _| Ok(find::find(view, &wanted)));
            written(&Answer::Body(found.await?))
        }
        "hvdap/why" => {
            let wanted: WantedWhy = read(arguments)?;
            let lane = wanted
                .lane
                .ok_or("say which `lane`: a page knows no threads")?;
            let why = shown.look(|view, names| why::ask(view, names, lane, wanted.time));
            written(&Answer::Body(why.await?))
        }
        "hvdap/traceInfo" => written(&Answer::Body(shown.about().await)),
        unknown => Err(format!("unknown command `{unknown}`")),
    }
}

/// Arguments that are left out are as empty ones.
fn read<T: DeserializeOwned>(arguments: Value) -> Result<T, String> {
    let arguments = match arguments {
        Value::Null => Value::Object(serde_json::Map::new()),
        given => given,
    };
    serde_json::from_value(arguments).map_err(|error| error.to_string())
}

fn written(answer: &impl Serialize) -> Result<Vec<u8>, String> {
    serde_json::to_vec(answer).map_err(|error| format!("the answer cannot be written: {error}"))
}
