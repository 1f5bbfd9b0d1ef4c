//! Why a vCPU was not running: the sentence, and what it rests on.

use std::collections::BTreeMap;
use std::fmt::Write;

use machine::Pcpu;
use schemars::JsonSchema;
use serde::Serialize;
use trace::store::{Interval, Owner, View};
use trace::why::{Verdict, why};

use super::names::Names;
use super::time::{self, Lasting};

/// Output of `hvdap trace why --json`.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(title = "hvdap trace why")]
pub struct Why {
    /// The vCPU.
    pub vcpu: String,
    /// The moment, in nanoseconds since the start of the trace.
    pub at_ns: u64,
    /// The moment, in ticks.
    pub at_ticks: u64,
    /// The answer in one sentence.
    pub sentence: String,
    /// What it did then, what it had done before, and what it did next.
    pub spans: Vec<Span>,
    /// Who had the core that it waited for, the longest first.
    pub core: Vec<Occupant>,
    /// Which core that is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pcpu: Option<u16>,
    /// Its credit or budget then, where the trace tells.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub credit: Option<i32>,
    /// The debugger held the machine then.
    pub halted: bool,
}

/// A stretch of time.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Span {
    /// `running`, `runnable`, `blocked`, `offline`, `hypervisor`, `lost` or `unknown`.
    pub state: String,
    /// Nanoseconds since the start of the trace.
    pub from_ns: u64,
    /// How long, in nanoseconds.
    pub duration_ns: u64,
    /// Why it began, where known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cause: Option<String>,
    /// Who caused it, where known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// The core it is or was on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pcpu: Option<u16>,
}

/// Who had a core, and how long.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Occupant {
    /// A vCPU, or what the core did without one.
    pub who: String,
    /// Nanoseconds within the wait.
    pub duration_ns: u64,
    /// In so many runs.
    pub runs: u64,
}

/// So many occupants of a core are listed.
const MOST_OCCUPANTS: usize = 5;

/// Looks at a vCPU at a time.
///
/// # Errors
/// When the trace does not reach that far.
pub fn ask(view: View<'_>, names: &Names, lane: u16, at: u64) -> Result<Why, String> {
    let named = |owner| names.owner(view, owner);
    let known = why(view, lane, at).ok_or_else(|| {
        let (first, last) = (
            time::since(view, view.first()),
            time::since(view, view.until()),
        );
        format!(
            "{} is not within the trace, which goes from {first} to {last}",
            time::since(view, at)
        )
    })?;
    let waited_for = match &known.verdict {
        Verdict::Runnable { culprit, .. } => culprit.map(|culprit| culprit.pcpu),
        _ => None,
    };
    let since = |ticks: u64| time::nanoseconds(view, ticks.saturating_sub(view.first()));
    let spans = view.lane(lane);
    let here = spans.index_at(at).unwrap_or(0);
    let around = here.saturating_sub(1)..=here + 1;
    Ok(Why {
        vcpu: view
            .owners()
            .get(usize::from(lane))
            .copied()
            .map(named)
            .unwrap_or_default(),
        at_ns: since(at),
        at_ticks: at,
        sentence: known.sentence(view, &named),
        spans: around
            .filter_map(|index| spans.get(index))
            .map(|interval| span(view, names, &interval))
            .collect(),
        core: waited_for.map_or(Vec::new(), |pcpu| {
            occupants(view, names, pcpu, known.since, known.until)
        }),
        pcpu: waited_for,
        credit: known.credit,
        halted: known.halted,
    })
}

fn span(view: View<'_>, names: &Names, interval: &Interval) -> Span {
    let span = interval.span;
    Span {
        state: span.state().name().to_owned(),
        from_ns: time::nanoseconds(view, interval.start().saturating_sub(view.first())),
        duration_ns: time::nanoseconds(view, interval.ticks()),
        cause: Some(span.cause().name().to_owned()).filter(|cause| !cause.is_empty()),
        by: view
            .owner(span.by_lane())
            .map(|owner| names.owner(view, owner)),
        pcpu: span.party().get(),
    }
}

fn occupants(view: View<'_>, names: &Names, pcpu: u16, from: u64, to: u64) -> Vec<Occupant> {
    let Some(lane) = view.lane_of(Owner::Pcpu(Pcpu(pcpu))) else {
        return Vec::new();
    };
    let mut found: BTreeMap<String, (u64, u64)> = BTreeMap::new();
    for interval in view.lane(lane).overlapping(from, to) {
        let who = match view.owner(interval.span.party()) {
            Some(owner) if interval.state().on_core() => names.owner(view, owner),
            _ if interval.state() == trace::store::State::Blocked => "idle".to_owned(),
            _ => interval.state().name().to_owned(),
        };
        let sum = found.entry(who).or_default();
        *sum = (
            sum.0 + interval.end.min(to) - interval.start().max(from),
            sum.1 + 1,
        );
    }
    let mut found: Vec<Occupant> = found
        .into_iter()
        .map(|(who, (ticks, runs))| Occupant {
            who,
            duration_ns: time::nanoseconds(view, ticks),
            runs,
        })
        .collect();
    found.sort_by_key(|one| std::cmp::Reverse(one.duration_ns));
    found.truncate(MOST_OCCUPANTS);
    found
}

impl Why {
    /// For people.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = format!("{}\n", self.sentence);
        for span in &self.spans {
            let from = span.from_ns as f64 / 1e9;
            let on = span
                .pcpu
                .map_or(String::new(), |pcpu| format!("  pCPU {pcpu}"));
            let cause = match (&span.by, &span.cause) {
                (_, None) => String::new(),
                (Some(by), Some(cause)) => format!("  {cause} by {by}"),
                (None, Some(cause)) => format!("  {cause}"),
            };
            let (state, lasted) = (&span.state, Lasting(span.duration_ns));
            writeln!(
                text,
                "  {from:>14.6} s  {lasted:>10}  {state:<10}{on}{cause}"
            )
            .unwrap_or_default();
        }
        for one in &self.core {
            let pcpu = self.pcpu.unwrap_or_default();
            let (who, lasted, runs) = (&one.who, Lasting(one.duration_ns), one.runs);
            writeln!(
                text,
                "  meanwhile on pCPU {pcpu}: {who} {lasted} in {runs} spans"
            )
            .unwrap_or_default();
        }
        text
    }
}
