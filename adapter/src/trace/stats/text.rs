//! [`Stats`] as tables for people.

use std::fmt::Write;

use super::super::time::Lasting;
use super::{BackendTimes, Distribution, Row, States, Stats};

impl Stats {
    /// For people.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = String::new();
        // Writing to a string does not fail.
        self.write(&mut text).unwrap_or_default();
        text
    }

    fn write(&self, text: &mut String) -> std::fmt::Result {
        let seconds = |ns: u64| ns as f64 / 1e9;
        let (from, to, counted) = (
            seconds(self.from_ns),
            seconds(self.to_ns),
            Lasting(self.counted_ns),
        );
        writeln!(
            text,
            "from {from:.6} s to {to:.6} s, {counted} counted, {} halted by the debugger",
            Lasting(self.halted_ns)
        )?;
        let names = self
            .vms
            .iter()
            .chain(&self.vcpus)
            .map(|row| row.name.chars().count());
        let titles = KINDS.map(|(title, _)| title.len());
        let width = names.chain(titles).max().unwrap_or_default();

        writeln!(
            text,
            "\n{:width$}  running runnable  blocked  offline  unknown  migrations",
            "share of time"
        )?;
        for vm in &self.vms {
            shares(text, width, vm)?;
            for vcpu in self.vcpus.iter().filter(|vcpu| belongs(vcpu, vm)) {
                shares(text, width, vcpu)?;
            }
        }
        for (title, of) in KINDS {
            writeln!(
                text,
                "\n{title:width$}     count        p50        p90        p99        max  at"
            )?;
            for row in self
                .vms
                .iter()
                .chain(&self.vcpus)
                .filter(|row| of(row).count > 0)
            {
                distribution(text, width, &row.name, of(row))?;
            }
        }
        writeln!(
            text,
            "\n{:width$}     busy     idle  unknown   switches",
            "core"
        )?;
        for core in &self.pcpus {
            let part = share(&core.states);
            let [busy, idle, gap] = [
                part(core.states.running + core.states.hypervisor),
                part(core.states.blocked + core.states.offline),
                part(core.states.lost + core.states.unknown),
            ];
            let name = format!("pCPU {}", core.pcpu);
            writeln!(
                text,
                "{name:width$} {busy:>8} {idle:>8} {gap:>8} {:>10}",
                core.switches
            )?;
        }
        if !self.preemptions.is_empty() {
            writeln!(text, "\nwho took a core from whom")?;
        }
        for one in &self.preemptions {
            let by = one.by.as_deref().unwrap_or("somebody");
            let waited = Lasting(one.waited_ns);
            writeln!(
                text,
                "  {by} from {}: {} times, waited {waited} in all",
                one.victim, one.count
            )?;
        }
        if !self.backends.is_empty() {
            writeln!(text, "\nrequests to a backend")?;
        }
        for one in &self.backends {
            requests(text, one)?;
        }
        Ok(())
    }
}

fn requests(text: &mut String, of: &BackendTimes) -> std::fmt::Result {
    let (total, low, high) = (
        Lasting(of.total_ns),
        Lasting(of.low_ns),
        Lasting(of.high_ns),
    );
    let backend = of.backend.as_deref().unwrap_or("the backend");
    let how = if of.estimated {
        ", estimated from the guest's own trace alone"
    } else {
        ""
    };
    writeln!(
        text,
        "  {}: {} answered, {} not; {total} together, of which {backend}'s at least {low}, at most {high}{how}",
        of.vcpu, of.requests, of.unanswered
    )?;
    if let Some(parts) = &of.split {
        let part = |name, ns: u64| (ns > 0).then(|| format!("{name} {}", Lasting(ns)));
        let parts = [
            part("sending", parts.out_ns),
            part("backend waits for a core", parts.backend_wait_ns),
            part("backend runs", parts.backend_run_ns),
            part("device", parts.device_ns),
            part("sender waits for a core", parts.return_wait_ns),
            part("delivery", parts.delivery_ns),
            part("not known", parts.unknown_ns),
        ];
        let parts: Vec<String> = parts.into_iter().flatten().collect();
        writeln!(text, "    {}", parts.join(", "))?;
    }
    if let Some(longest) = &of.longest {
        let (total, low, high) = (
            Lasting(longest.total_ns),
            Lasting(longest.low_ns),
            Lasting(longest.high_ns),
        );
        let at = longest.at_ns as f64 / 1e9;
        writeln!(
            text,
            "    the longest, {:#x}, sent at {at:.6} s: {total}, of which at least {low}, at most {high}",
            longest.id
        )?;
    }
    Ok(())
}

/// Takes a distribution out of a row.
type Of = fn(&Row) -> &Distribution;

/// The tables of distributions.
const KINDS: [(&str, Of); 3] = [
    ("wake to run", |row| &row.wake_to_run),
    ("off core until run", |row| &row.off_core),
    ("run length", |row| &row.runs),
];

fn belongs(vcpu: &Row, vm: &Row) -> bool {
    let rest = vcpu.name.strip_prefix(&vm.name);
    rest.is_some_and(|rest| rest.starts_with('/'))
}

fn shares(text: &mut String, width: usize, row: &Row) -> std::fmt::Result {
    let states = &row.states;
    let part = share(states);
    let columns = [
        states.running + states.hypervisor,
        states.runnable,
        states.blocked,
        states.offline,
        states.lost + states.unknown,
    ];
    let columns: Vec<_> = columns
        .iter()
        .map(|ns| format!("{:>8}", part(*ns)))
        .collect();
    let (name, columns, migrations) = (&row.name, columns.join(" "), row.migrations);
    writeln!(text, "{name:width$} {columns} {migrations:>11}")
}

/// Per cent of all states together.
fn share(states: &States) -> impl Fn(u64) -> String {
    let all = [
        states.running,
        states.runnable,
        states.blocked,
        states.offline,
        states.hypervisor,
        states.lost,
        states.unknown,
    ];
    let sum = all.iter().sum::<u64>().max(1) as f64;
    move |ns| format!("{:.2} %", ns as f64 * 100.0 / sum)
}

fn distribution(
    text: &mut String,
    width: usize,
    name: &str,
    of: &Distribution,
) -> std::fmt::Result {
    let (count, worst) = (of.count, of.worst.first());
    let [p50, p90, p99, max] = [of.p50_ns, of.p90_ns, of.p99_ns, of.max_ns].map(Lasting);
    let at = worst.map_or(String::new(), |worst| {
        format!("{:.6}s {}", worst.at_ns as f64 / 1e9, worst.who)
    });
    writeln!(
        text,
        "{name:width$} {count:>9} {p50:>10} {p90:>10} {p99:>10} {max:>10}  {at}"
    )
}
