//! `hvdap trace loads`: what share of time each vCPU ran, by the hypervisor's own account at two halts.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::Duration;

use clap::Args;
use engine::Engine;
use engine::tracing::Accounts;
use tokio::time::{Instant, sleep_until};

use super::super::{MachineArguments, print};
use super::written;
use crate::report::{Load, Loads, Shares};
use crate::visit::Visit;

#[derive(Debug, Args)]
pub(in crate::cli) struct Arguments {
    #[command(flatten)]
    machine: MachineArguments,
    /// The time between two halts.
    #[arg(long, value_name = "TIME", value_parser = written::duration, default_value = "1s")]
    interval: Duration,
    /// How long, such as 1m; otherwise one interval.
    #[arg(long = "for", value_name = "TIME", value_parser = written::duration)]
    length: Option<Duration>,
    /// Print JSON, one object a line for each interval (schemas/loads.schema.json).
    #[arg(long)]
    json: bool,
}

pub(super) async fn loads(arguments: Arguments) -> Result<(), String> {
    let config = arguments.machine.config()?;
    let mut visit = Visit::begin(&config).await?;
    let looking = async {
        visit.read_images().await;
        let names = visit.call(|engine| Ok(names(engine))).await?;
        let first = visit.call(look).await?;
        visit.call(go).await?;
        Ok((names, first))
    };
    let outcome = tokio::select! {
        outcome = looking => outcome,
        _ = tokio::signal::ctrl_c() => Err("interrupted".to_owned()),
    };
    let outcome = match outcome {
        Ok((names, first)) => sample(&mut visit, &names, first, &arguments).await,
        Err(why) => Err(why),
    };
    visit.end(outcome).await
}

/// Looks again and again, until it has been long enough or the user has seen enough.
async fn sample(
    visit: &mut Visit<'_>,
    names: &BTreeMap<u32, String>,
    mut last: Accounts,
    arguments: &Arguments,
) -> Result<(), String> {
    let mut next = Instant::now();
    let end = next + arguments.length.unwrap_or(arguments.interval);
    while next + arguments.interval <= end {
        next += arguments.interval;
        tokio::select! {
            () = sleep_until(next) => {}
            why = visit.interrupted() => return Err(why),
            _ = tokio::signal::ctrl_c() => return Ok(()),
        }
        let now = visit.call(look).await?;
        let report = between(&last, &now, names);
        last = now;
        print(&if arguments.json {
            let line = serde_json::to_string(&report).map_err(|error| error.to_string())?;
            (line + "\n").into_bytes()
        } else {
            text(&report).into_bytes()
        })?;
    }
    Ok(())
}

fn look(engine: &mut Engine) -> Result<Accounts, String> {
    let accounts = engine.in_a_halt(|engine| engine.accounts());
    accounts.map_err(|error| error.message)
}

fn go(engine: &mut Engine) -> Result<(), String> {
    engine.resume(None).map_err(|error| error.message)
}

fn names(engine: &Engine) -> BTreeMap<u32, String> {
    let groups = engine.groups().into_iter();
    groups
        .filter_map(|group| Some((group.guest?, group.name)))
        .collect()
}

/// The shares of the time between two looks, by VM and vCPU.
fn between(before: &Accounts, after: &Accounts, names: &BTreeMap<u32, String>) -> Loads {
    let (from, to) = (before.now(), after.now());
    let mut loads: Vec<Load> = Vec::new();
    for (_, account) in &after.vcpus {
        let mut earlier = before.vcpus.iter().map(|(_, account)| account);
        let Some(earlier) = earlier.find(|earlier| earlier.vcpu == account.vcpu) else {
            continue;
        };
        let (old, new) = (earlier.until(from), account.until(to));
        let spent = std::array::from_fn(|state| new[state].saturating_sub(old[state]));
        let shares = Shares::of(spent, to.saturating_sub(from));
        let guest = account.vcpu.guest;
        let load = match loads.iter_mut().find(|load| load.guest == guest.0) {
            Some(load) => load,
            None => {
                loads.push(Load::new(guest, names.get(&guest.0)));
                loads.last_mut().expect("it was just added")
            }
        };
        load.add(account.vcpu.index, shares);
    }
    Loads {
        seconds: to.saturating_sub(from) as f64 / 1e9,
        loads,
    }
}

fn text(report: &Loads) -> String {
    let mut text = format!(
        "{:<16}  running  runnable  blocked  offline   in {:.3} s\n",
        "", report.seconds
    );
    let (idle, guests): (Vec<&Load>, Vec<&Load>) =
        (report.loads.iter()).partition(|load| load.guest == trace::event::IDLE.0);
    for load in guests {
        line(&load.name, &load.all, &mut text);
        for vcpu in &load.vcpus {
            line(&format!("  vCPU {}", vcpu.index), &vcpu.shares, &mut text);
        }
    }
    for pcpu in idle.iter().flat_map(|idle| &idle.vcpus) {
        let share = 100.0 * pcpu.shares.running;
        let _ = writeln!(text, "pCPU {} idle {share:12.1}%", pcpu.index);
    }
    text
}

fn line(name: &str, shares: &Shares, text: &mut String) {
    let [running, runnable, blocked, offline] = [
        shares.running,
        shares.runnable,
        shares.blocked,
        shares.offline,
    ]
    .map(|share| 100.0 * share);
    let _ = writeln!(
        text,
        "{name:<16}  {running:6.1}%  {runnable:7.1}%  {blocked:6.1}%  {offline:6.1}%"
    );
}
