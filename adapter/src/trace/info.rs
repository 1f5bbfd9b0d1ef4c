//! What a trace is: kind, who is in it, its time, its records, what it lost.

use std::collections::BTreeMap;
use std::fmt::Write;

use schemars::JsonSchema;
use serde::Serialize;
use trace::store::{Flags, Mark, Owner, State, Wanted};

use super::names::Names;
use super::open::Recording;
use super::time::{self, Lasting};

/// Output of `hvdap trace info --json`.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(title = "hvdap trace info")]
pub struct Info {
    /// The file.
    pub file: String,
    /// `xentrace`, `hvtrace` (recorded by `hvdap trace record`) or `trace.dat`.
    pub kind: String,
    /// Ticks a second, where known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub frequency: Option<u64>,
    /// The first tick.
    pub first_ticks: u64,
    /// The first tick beyond the last record.
    pub until_ticks: u64,
    /// How long the trace is, in nanoseconds, where the frequency is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub duration_ns: Option<u64>,
    /// Physical cores, by number.
    pub pcpus: Vec<u16>,
    /// Virtual machines.
    pub vms: Vec<Vm>,
    /// Guests' own traces joined with this one.
    pub guests: Vec<Joined>,
    /// How many records there are of each class.
    pub records: BTreeMap<String, u64>,
    /// Records the source dropped for want of room.
    pub lost: u64,
    /// Stretches in which a core is not known to have done anything.
    pub gaps: Vec<Gap>,
    /// How many such stretches there are; `gaps` has the first of each core.
    pub gap_count: usize,
    /// Records that contradict the one before, with nothing lost in between.
    pub contradictions: u64,
    /// Records about vCPUs and tasks beyond the most that are kept apart.
    pub without_lane: u64,
    /// Bytes passed over, by reason.
    pub unreadable: BTreeMap<String, Unreadable>,
}

/// A virtual machine.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Vm {
    /// The hypervisor's number.
    pub guest: u32,
    /// Its name.
    pub name: String,
    /// Its vCPUs, by number.
    pub vcpus: Vec<u32>,
    /// How many tasks of it were seen.
    pub tasks: usize,
}

/// How well a guest's own trace lies on the machine's clock.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Joined {
    /// The guest.
    pub guest: u32,
    /// Moments that both traces know.
    pub pairs: usize,
    /// Their mean distance (root of the mean square), in ticks.
    pub residual_rms_ticks: f64,
    /// The largest, in ticks.
    pub residual_max_ticks: f64,
}

/// A stretch without records of a core.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Gap {
    /// The core.
    pub pcpu: u16,
    /// `lost` or `unknown`.
    pub state: String,
    /// Its first tick.
    pub from_ticks: u64,
    /// The first tick beyond.
    pub to_ticks: u64,
    /// Records lost in it, where the source counts them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub records: Option<u64>,
}

/// Bytes that make no sense.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Unreadable {
    /// How often.
    pub times: u64,
    /// How many bytes.
    pub bytes: u64,
}

/// So many gaps of a core are listed.
const MOST_GAPS: usize = 8;

/// Looks at a trace.
#[must_use]
pub fn info(recording: &Recording, names: &Names) -> Info {
    let (view, about) = (recording.view(), &recording.about);
    let mut info = Info {
        file: recording.file.display().to_string(),
        kind: about.kind.clone(),
        frequency: recording.frequency().map(|frequency| frequency.hertz()),
        first_ticks: view.first(),
        until_ticks: view.until(),
        duration_ns: recording
            .frequency()
            .map(|frequency| frequency.nanoseconds(view.until() - view.first())),
        pcpus: Vec::new(),
        vms: Vec::new(),
        guests: about.guests.iter().map(Joined::from).collect(),
        records: about.records.clone(),
        lost: about.lost,
        gaps: Vec::new(),
        gap_count: 0,
        contradictions: about.contradictions,
        without_lane: about.without_lane,
        unreadable: about.unreadable.iter().map(unreadable).collect(),
    };
    let mut vms: BTreeMap<u32, Vm> = BTreeMap::new();
    for (lane, owner) in (0..).zip(view.owners()) {
        let guest = match owner {
            Owner::Pcpu(pcpu) => {
                info.pcpus.push(pcpu.0);
                info.find_gaps(recording, lane, pcpu.0);
                continue;
            }
            Owner::Vcpu(vcpu) => vcpu.guest,
            Owner::Task(guest, _) => *guest,
            Owner::Machine | Owner::Others => continue,
        };
        let vm = vms.entry(guest.0).or_insert_with(|| Vm {
            guest: guest.0,
            name: names.guest(view, guest),
            vcpus: Vec::new(),
            tasks: 0,
        });
        match owner {
            Owner::Vcpu(vcpu) => vm.vcpus.push(vcpu.index),
            _ => vm.tasks += 1,
        }
    }
    info.pcpus.sort_unstable();
    info.gaps.sort_by_key(|gap| (gap.from_ticks, gap.pcpu));
    info.vms = vms.into_values().collect();
    for vm in &mut info.vms {
        vm.vcpus.sort_unstable();
    }
    info
}

fn unreadable((reason, (times, bytes)): (&String, &(u64, u64))) -> (String, Unreadable) {
    let (times, bytes) = (*times, *bytes);
    (reason.clone(), Unreadable { times, bytes })
}

impl From<&super::join::JoinedAbout> for Joined {
    fn from(about: &super::join::JoinedAbout) -> Self {
        Self {
            guest: about.guest,
            pairs: about.pairs,
            residual_rms_ticks: about.residual_rms,
            residual_max_ticks: about.residual_max,
        }
    }
}

impl Info {
    fn find_gaps(&mut self, recording: &Recording, lane: u16, pcpu: u16) {
        let view = recording.view();
        let spans = view.lane(lane);
        let gaps = Flags::state(State::Lost).with(Flags::state(State::Unknown));
        let (mut from, mut count) = (0, 0);
        while let Some(index) = spans.next(from, Wanted::flag(gaps)) {
            from = index + 1;
            let Some(gap) = spans.get(index) else { break };
            // Before its first record, a core is one that had not been asked yet.
            if index == 0 && gap.state() == State::Unknown {
                continue;
            }
            count += 1;
            if count <= MOST_GAPS {
                let lost = view
                    .points(lane)
                    .between(gap.start(), gap.end.saturating_add(1));
                let lost = lost.iter().filter(|point| point.mark() == Mark::Lost);
                let records: u64 = lost.map(|point| point.value()).sum();
                self.gaps.push(Gap {
                    pcpu,
                    state: gap.state().name().to_owned(),
                    from_ticks: gap.start(),
                    to_ticks: gap.end,
                    records: (records > 0).then_some(records),
                });
            }
        }
        self.gap_count += count;
    }

    /// For people.
    #[must_use]
    pub fn text(&self, recording: &Recording) -> String {
        let view = recording.view();
        let mut text = String::new();
        // Writing to a string does not fail.
        let mut line = |line: std::fmt::Arguments<'_>| writeln!(text, "{line}").unwrap_or_default();
        line(format_args!("{}: {}", self.file, self.kind));
        let ticks = (self.first_ticks, self.until_ticks);
        match (self.duration_ns, self.frequency) {
            (Some(duration), Some(frequency)) => line(format_args!(
                "  time       {}, ticks {} to {} of {}",
                Lasting(duration),
                ticks.0,
                ticks.1,
                time::hertz(frequency)
            )),
            _ => line(format_args!(
                "  time       ticks {} to {} of an unknown frequency: name it with --hz",
                ticks.0, ticks.1
            )),
        }
        let pcpus: Vec<_> = self.pcpus.iter().map(u16::to_string).collect();
        line(format_args!("  pCPUs      {}", listed(&pcpus)));
        for vm in &self.vms {
            let vcpus: Vec<_> = vm.vcpus.iter().map(u32::to_string).collect();
            let tasks = match vm.tasks {
                0 => String::new(),
                tasks => format!(", {tasks} tasks"),
            };
            line(format_args!(
                "  VM {:<7} {}: vCPUs {}{tasks}",
                vm.guest,
                vm.name,
                listed(&vcpus)
            ));
        }
        for guest in &self.guests {
            line(format_args!(
                "  joined     the trace of guest {}: {} common moments, {:.0} ticks apart on average, at most {:.0}",
                guest.guest, guest.pairs, guest.residual_rms_ticks, guest.residual_max_ticks
            ));
        }
        line(format_args!(
            "  records    {}",
            self.records.values().sum::<u64>()
        ));
        for (class, count) in &self.records {
            line(format_args!("  {count:>12} {class}"));
        }
        line(format_args!("  lost       {} records", self.lost));
        for gap in &self.gaps {
            let records = gap
                .records
                .map_or(String::new(), |count| format!(", {count} records"));
            let (from, to) = match self.frequency {
                Some(_) => (
                    time::since(view, gap.from_ticks),
                    time::since(view, gap.to_ticks),
                ),
                None => (format!("@{}", gap.from_ticks), format!("@{}", gap.to_ticks)),
            };
            line(format_args!(
                "  gap        pCPU {}: {} from {from} to {to}{records}",
                gap.pcpu, gap.state
            ));
        }
        if self.gap_count > self.gaps.len() {
            line(format_args!("  gaps       {} in all", self.gap_count));
        }
        for (reason, unreadable) in &self.unreadable {
            let Unreadable { times, bytes } = unreadable;
            line(format_args!(
                "  unreadable {bytes} bytes in {times} places: {reason}"
            ));
        }
        if self.contradictions > 0 {
            line(format_args!(
                "  doubtful   {} records contradict the one before",
                self.contradictions
            ));
        }
        if self.without_lane > 0 {
            line(format_args!(
                "  crowded    {} records are of vCPUs and tasks beyond the most that are kept apart",
                self.without_lane
            ));
        }
        text
    }
}

/// The first and the number of many, all of few.
fn listed(items: &[String]) -> String {
    const FEW: usize = 32;
    match items.get(..FEW) {
        Some(first) if items.len() > FEW => {
            format!("{}, … ({} in all)", first.join(" "), items.len())
        }
        _ => items.join(" "),
    }
}
