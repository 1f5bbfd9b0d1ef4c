//! What a view asks of a timeline, whether by DAP or by the page of `hvdap trace view`. Times are ticks of the counter.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use trace::stats::Request as Counted;
use trace::store::View;
use trace::window::Window;

use super::names::Names;
use super::stats::{self, Stats};
use super::window::{self, Schedule, Shape};

/// Cells of a lane when nobody says how many.
const USUAL_WIDTH: usize = 1000;
/// Worst latencies and most frequent preemptions.
const USUAL_TOP: usize = 10;

/// Arguments of `hvdap/schedule`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "hvdap/schedule, its arguments")]
pub struct Wanted {
    /// The first tick; the timeline's when left out.
    pub from: Option<u64>,
    /// The first tick beyond; the timeline's end when left out.
    pub to: Option<u64>,
    /// How many cells a lane may have, and how many exact spans instead: the pixels of the view. 1000 when left out.
    pub width: Option<usize>,
    /// Which lanes; all but tasks' when left out.
    pub lanes: Option<Vec<u16>>,
    /// Give the arrays as bytes in base64, not as numbers: for a view that draws them again and again.
    #[serde(default)]
    pub packed: bool,
}

/// Arguments of `hvdap/scheduleStats`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(title = "hvdap/scheduleStats, its arguments")]
pub struct WantedStats {
    /// The first tick; the timeline's when left out.
    pub from: Option<u64>,
    /// The first tick beyond; the timeline's end when left out.
    pub to: Option<u64>,
    /// Leave out the time during which the debugger held the machine.
    #[serde(default)]
    pub cut_halts: bool,
}

/// Arguments of `hvdap/why`: a vCPU, by its lane or by its thread, and a time.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(title = "hvdap/why, its arguments")]
pub struct WantedWhy {
    /// The lane.
    pub lane: Option<u16>,
    /// The thread of the vCPU.
    pub thread_id: Option<u32>,
    /// The tick.
    pub time: u64,
}

/// Body of `hvdap/traceInfo`: what is shown, and whether more of it is to come.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(title = "hvdap/traceInfo")]
pub struct About {
    /// The file, or what is attached to.
    pub title: String,
    /// It is being recorded, or its file is still being read.
    pub growing: bool,
    /// Events so far.
    pub events: u64,
    /// Records that the source lost for want of room, so far.
    pub lost: u64,
    /// How many lanes there are, tasks' included. They are numbered from 0.
    pub lanes: usize,
    /// Why there is no more of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
}

/// A window of the timeline.
///
/// # Errors
/// The window ends before it begins.
pub fn schedule(view: View<'_>, names: &Names, wanted: &Wanted) -> Result<Schedule, String> {
    // What happened at the very end is within, too.
    let to = wanted.to.unwrap_or(view.until().saturating_add(1));
    let (from, to) = within(view, wanted.from, Some(to))?;
    let width = wanted.width.unwrap_or(USUAL_WIDTH);
    let window = Window { from, to, width };
    let shape = match wanted.packed {
        true => Shape::Packed,
        false => Shape::Numbers,
    };
    let lanes = wanted.lanes.as_deref();
    Ok(window::report(view, names, lanes, window, shape))
}

/// Statistics of a stretch of the timeline.
///
/// # Errors
/// It ends before it begins.
pub fn schedule_stats(
    view: View<'_>,
    names: &Names,
    wanted: &WantedStats,
) -> Result<Stats, String> {
    let (from, to) = within(view, wanted.from, wanted.to)?;
    let request = Counted {
        from,
        to,
        cut_halts: wanted.cut_halts,
        top: USUAL_TOP,
    };
    Ok(stats::report(
        view,
        names,
        &request,
        stats::Backend::default(),
    ))
}

/// The bounds of a window, the timeline's where they are left out.
///
/// # Errors
/// It ends before it begins.
pub fn within(view: View<'_>, from: Option<u64>, to: Option<u64>) -> Result<(u64, u64), String> {
    let (from, to) = (from.unwrap_or(view.first()), to.unwrap_or(view.until()));
    if from > to {
        return Err(format!(
            "the window begins at tick {from}, after its end at {to}"
        ));
    }
    Ok((from, to))
}
