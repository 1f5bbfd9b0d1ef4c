//! The next or the last time that something happened in a lane: what a view's search asks for.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use trace::store::{Flags, Interval, Owner, State, View, Wanted};

/// Arguments of `hvdap/scheduleFind`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(title = "hvdap/scheduleFind, its arguments")]
pub struct WantedFind {
    /// In which lane; in every vCPU's when left out.
    pub lane: Option<u16>,
    /// From which tick on. What begins just there is not found, so that the answer is where to go on from.
    pub from: u64,
    /// What to look for.
    pub what: What,
    /// For `wait-longer-than` and `run-longer-than`: how many ticks it lasts at least.
    #[serde(default)]
    pub ticks: u64,
    /// Which way to look.
    #[serde(default)]
    pub direction: Direction,
}

/// What to look for.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum What {
    /// The lane's owner lost its core to another.
    Preempted,
    /// It wanted a core and had none for some time.
    WaitLongerThan,
    /// It kept a core for some time.
    RunLongerThan,
    /// It went on on another core than before.
    Migrated,
    /// It missed a deadline.
    DeadlineMissed,
    /// Records were lost, or contradict each other.
    NotKnown,
    /// The lane changed its state.
    Change,
}

/// Which way to look.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    /// Later.
    #[default]
    Forward,
    /// Earlier.
    Backward,
}

/// Body of `hvdap/scheduleFind`: where it is; empty where there is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(title = "hvdap/scheduleFind")]
pub struct Found {
    /// In which lane.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lane: Option<u16>,
    /// Its first tick.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time: Option<u64>,
    /// The first tick beyond.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<u64>,
}

/// Looks for it. Of several lanes, the nearest counts.
#[must_use]
pub fn find(view: View<'_>, wanted: &WantedFind) -> Found {
    let lanes: Vec<u16> = match wanted.lane {
        Some(lane) => vec![lane],
        None => (0..)
            .zip(view.owners())
            .filter(|(_, owner)| matches!(owner, Owner::Vcpu(_)))
            .map(|(lane, _)| lane)
            .collect(),
    };
    let found = lanes
        .into_iter()
        .filter_map(|lane| Some((lane, in_lane(view, lane, wanted)?)));
    let nearest = match wanted.direction {
        Direction::Forward => found.min_by_key(|(_, interval)| interval.start()),
        Direction::Backward => found.max_by_key(|(_, interval)| interval.start()),
    };
    nearest.map_or(Found::default(), |(lane, interval)| Found {
        lane: Some(lane),
        time: Some(interval.start()),
        until: Some(interval.end),
    })
}

fn in_lane(view: View<'_>, lane: u16, wanted: &WantedFind) -> Option<Interval> {
    let spans = view.lane(lane);
    let condition = wanted.condition();
    let index = match wanted.direction {
        Direction::Forward => {
            let after = wanted.from.checked_add(1)?;
            spans.next(spans.count_before(after), condition)?
        }
        Direction::Backward => spans.previous(spans.count_before(wanted.from), condition)?,
    };
    spans.get(index)
}

impl WantedFind {
    fn condition(&self) -> Wanted {
        let states = |states: &[State]| {
            let all = states.iter().map(|state| Flags::state(*state));
            all.fold(Flags::default(), Flags::with)
        };
        match self.what {
            What::Preempted => Wanted::flag(Flags::PREEMPTED),
            What::WaitLongerThan => Wanted::longer(State::Runnable, self.ticks),
            What::RunLongerThan => Wanted::longer(State::Running, self.ticks),
            What::Migrated => Wanted::flag(Flags::MIGRATED),
            What::DeadlineMissed => Wanted::flag(Flags::DEADLINE_MISSED),
            What::NotKnown => {
                Wanted::flag(states(&[State::Lost, State::Unknown]).with(Flags::CONTRADICTED))
            }
            What::Change => Wanted::flag(states(&State::ALL)),
        }
    }
}

#[cfg(test)]
mod tests {
    use machine::{GuestId, Vcpu};
    use trace::store::{Memory, Party, Span, Writer};

    use super::*;

    /// Two vCPUs; the first waits at 100 for 10 and at 300 for 50, the second at 200 for 20.
    fn written() -> Writer {
        let mut writer = Writer::new(Box::new(Memory::default()), 1000, 0).expect("room");
        let lanes = [[(100, 110), (300, 350)].as_slice(), &[(200, 220)]];
        for (index, waits) in (0..).zip(lanes) {
            let guest = GuestId(1);
            let owner = Owner::Vcpu(Vcpu { guest, index });
            let lane = writer.add_lane(owner).expect("room");
            writer.push(lane, Span::new(0, State::Running, Party(0)));
            for (from, to) in waits {
                writer.push(lane, Span::new(*from, State::Runnable, Party(0)));
                writer.push(lane, Span::new(*to, State::Running, Party(0)));
            }
        }
        writer.publish(1000).expect("room");
        writer
    }

    #[track_caller]
    fn check(wanted: serde_json::Value, expected: Option<(u16, u64, u64)>) {
        let wanted = serde_json::from_value(wanted).expect("arguments");
        let found = find(written().view(), &wanted);
        let found = found
            .lane
            .zip(found.time)
            .zip(found.until)
            .map(|((lane, time), until)| (lane, time, until));
        assert_eq!(found, expected, "{wanted:?}");
    }

    #[test]
    fn the_nearest_is_found_either_way() {
        use serde_json::json;
        let wait = |from: u64, ticks: u64, direction: &str| json!({ "from": from, "what": "wait-longer-than", "ticks": ticks, "direction": direction });
        check(wait(0, 5, "forward"), Some((0, 100, 110)));
        check(wait(100, 5, "forward"), Some((1, 200, 220)));
        check(wait(0, 30, "forward"), Some((0, 300, 350)));
        check(wait(300, 5, "forward"), None);
        check(wait(300, 5, "backward"), Some((1, 200, 220)));
        check(wait(100, 5, "backward"), None);
        check(wait(u64::MAX, 5, "forward"), None);
        check(wait(u64::MAX, 5, "backward"), Some((0, 300, 350)));
        check(
            json!({ "lane": 1, "from": 0, "what": "change" }),
            Some((1, 200, 220)),
        );
        check(json!({ "lane": 9, "from": 0, "what": "change" }), None);
    }
}
