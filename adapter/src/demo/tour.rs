//! The stations of the tour, the same on every target.

use std::io::Write;
use std::path::Path;
use std::time::Duration;

use engine::view::{
    BreakpointRequest, BreakpointScope, BreakpointSet, Event, FrameKind, GroupId, GroupView, Place,
    SourceView, StackView, StopView, ThreadView,
};
use tokio::sync::mpsc::UnboundedReceiver;

use crate::config::read_machine;
use crate::files;
use crate::link::Link;
use crate::wire::Failure;

/// How long a breakpoint may take to be hit.
const HIT_PATIENCE: Duration = Duration::from_secs(30);
/// Frames shown of each stack.
const FRAMES: u32 = 6;
/// Hits shown.
const SHOWN: usize = 3;
/// Hits after which the other VM should have come by.
const MOST_HITS: usize = 200;

/// Why the tour ended early.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct DemoError(String);

impl DemoError {
    pub(super) fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }
}

impl From<Failure> for DemoError {
    fn from(failure: Failure) -> Self {
        Self(failure.message)
    }
}

/// What there is to see on a target.
pub(super) struct Stops {
    /// Variables to show: VM and expression.
    pub(super) variables: &'static [(&'static str, &'static str)],
    /// A VM, a function in it, and another VM that has other code at its address.
    pub(super) clash: Option<(&'static str, &'static str, &'static str)>,
    /// A VM and a function that is called there every now and then.
    pub(super) breakpoint: (&'static str, &'static str),
    /// Another VM that executes the same address or function and must not be stopped.
    pub(super) also_in: &'static str,
}

/// An attached target.
pub(super) struct Tour {
    link: Link,
    events: UnboundedReceiver<Event>,
}

pub(super) fn say(out: &mut (dyn Write + Send), text: &str) -> Result<(), DemoError> {
    writeln!(out, "{text}")
        .map_err(|error| DemoError::new(format!("the tour cannot be written: {error}")))
}

impl Tour {
    /// Attaches and waits until every image is known and indexed.
    pub(super) async fn attach(machine: &Path, target: &str) -> Result<Self, DemoError> {
        let config = read_machine(Some(machine), Some(target))
            .map_err(|error| DemoError::new(error.to_string()))?;
        let (link, events) = Link::open(&config).await?;
        files::load(&config.images, link.images(), |_| ())
            .await
            .join_all()
            .await;
        Ok(Self { link, events })
    }

    /// Everything that can be seen at a halt.
    pub(super) async fn look(
        &mut self,
        stops: &Stops,
        out: &mut (dyn Write + Send),
    ) -> Result<(), DemoError> {
        let groups = self.link.call(|engine| engine.groups()).await?;
        say(
            out,
            "== Who is there: the hypervisor and each VM is a thread group\n",
        )?;
        for group in &groups {
            self.show_group(group, out).await?;
        }
        say(out, "== Every stack, running or not\n")?;
        for group in &groups {
            self.show_stacks(group, out).await?;
        }
        say(
            out,
            "== The same names, or the same addresses, are different things in each VM\n",
        )?;
        for (vm, expression) in stops.variables {
            let group = named(&groups, vm)?.id;
            let item = self
                .link
                .ask(move |engine| engine.evaluate(group, None, expression))
                .await?;
            say(out, &format!("  {vm}: {expression} = {}", item.value))?;
        }
        if let Some((vm, function, other)) = stops.clash {
            self.show_clash(named(&groups, vm)?, function, named(&groups, other)?, out)
                .await?;
        }
        say(out, "")
    }

    async fn show_group(
        &self,
        group: &GroupView,
        out: &mut (dyn Write + Send),
    ) -> Result<(), DemoError> {
        let vmid = group.vmid.map_or(String::new(), |vmid| format!("  {vmid}"));
        say(out, &format!("  {}{vmid}", group.name))?;
        for image in &group.images {
            say(
                out,
                &format!(
                    "      image {} ({}), found by {}",
                    image.name, image.symbols, image.evidence
                ),
            )?;
        }
        for thread in self.threads(group.id).await? {
            say(out, &format!("      {}", thread.name))?;
        }
        say(out, "")
    }

    async fn show_stacks(
        &self,
        group: &GroupView,
        out: &mut (dyn Write + Send),
    ) -> Result<(), DemoError> {
        for thread in self.threads(group.id).await? {
            say(out, &format!("  {} / {}", group.name, thread.name))?;
            let id = thread.id;
            match self
                .link
                .ask(move |engine| engine.stack(id, 0, Some(FRAMES)))
                .await
            {
                Ok(stack) => show_stack(&stack, out)?,
                Err(failure) => say(out, &format!("      <{}>", failure.message))?,
            }
            say(out, "")?;
        }
        Ok(())
    }

    async fn show_clash(
        &self,
        one: &GroupView,
        function: &'static str,
        other: &GroupView,
        out: &mut (dyn Write + Send),
    ) -> Result<(), DemoError> {
        let (id, other_id) = (one.id, other.id);
        let address = self
            .link
            .ask(move |engine| engine.evaluate(id, None, function))
            .await?
            .address;
        let address =
            address.ok_or_else(|| DemoError::new(format!("{function} has no address")))?;
        for (group, name) in [(id, &one.name), (other_id, &other.name)] {
            let lines = self
                .link
                .ask(move |engine| engine.disassemble(group, None, address, 0, 1))
                .await?;
            let first = lines
                .into_iter()
                .next()
                .ok_or_else(|| DemoError::new("nothing was disassembled"))?;
            let symbol = first.symbol.unwrap_or_else(|| "?".to_owned());
            let place = first.source.as_ref().map(place).unwrap_or_default();
            say(out, &format!("  {name}: {address} is {symbol}{place}"))?;
        }
        Ok(())
    }

    /// A breakpoint that belongs to one VM, though another runs through the same place.
    pub(super) async fn stop_in_one(
        &mut self,
        stops: &Stops,
        out: &mut (dyn Write + Send),
    ) -> Result<(), DemoError> {
        let (vm, function) = stops.breakpoint;
        say(
            out,
            &format!(
                "== A breakpoint at {function} in {vm} only; {} runs on\n",
                stops.also_in
            ),
        )?;
        let groups = self.link.call(|engine| engine.groups()).await?;
        let group = named(&groups, vm)?.id;
        let request = BreakpointRequest {
            place: self.breakpoint_place(group, stops).await?,
            scope: BreakpointScope::Group(group),
            condition: None,
            hit_condition: None,
            log_message: None,
        };
        let set = BreakpointSet {
            owner: 0,
            key: "demo".to_owned(),
        };
        self.link
            .call(move |engine| engine.set_breakpoints(&set, vec![request]))
            .await?;
        let (mut hits, mut filtered) = (0, 0);
        while hits < SHOWN || (stops.clash.is_some() && filtered == 0 && hits < MOST_HITS) {
            self.link.ask(|engine| engine.resume(None)).await?;
            let stop = self.stopped().await?;
            if stop.group != group {
                return Err(DemoError::new(format!(
                    "stopped elsewhere: {}",
                    stop.description
                )));
            }
            hits += 1;
            if hits <= SHOWN {
                say(out, &format!("  {}", stop.description))?;
                let thread = stop.thread;
                let stack = self
                    .link
                    .ask(move |engine| engine.stack(thread, 0, Some(FRAMES)))
                    .await?;
                show_stack(&stack, out)?;
            }
            let counts = self.link.call(|engine| engine.breakpoints()).await?;
            filtered = counts.iter().map(|one| one.filtered).sum();
        }
        let others = match stops.clash {
            Some(_) => format!(
                "{filtered} at the same address in {} stepped over unseen",
                stops.also_in
            ),
            None => format!(
                "{}, which has a function of that name too, was never stopped at",
                stops.also_in
            ),
        };
        say(out, &format!("\n  {hits} hits in {vm}; {others}.\n"))
    }

    /// The very address where there is a clash: the hard case.
    async fn breakpoint_place(&self, group: GroupId, stops: &Stops) -> Result<Place, DemoError> {
        let function = stops.breakpoint.1;
        if stops.clash.is_none() {
            return Ok(Place::Function(function.to_owned()));
        }
        let address = self
            .link
            .ask(move |engine| engine.evaluate(group, None, function))
            .await?
            .address;
        address
            .map(Place::Address)
            .ok_or_else(|| DemoError::new(format!("{function} has no address")))
    }

    async fn stopped(&mut self) -> Result<StopView, DemoError> {
        let wait = async {
            while let Some(event) = self.events.recv().await {
                match event {
                    Event::Stopped(stop) => return Ok(stop),
                    Event::Lost(reason) => return Err(DemoError::new(reason)),
                    _ => {}
                }
            }
            Err(DemoError::new("the debugger ended"))
        };
        let late = || {
            DemoError::new(format!(
                "the breakpoint was not hit within {} s",
                HIT_PATIENCE.as_secs()
            ))
        };
        tokio::time::timeout(HIT_PATIENCE, wait)
            .await
            .map_err(|_| late())?
    }

    /// Removes the breakpoint and lets the target run.
    pub(super) async fn leave(self) -> Result<(), DemoError> {
        Ok(self.link.ask(|engine| engine.detach(true)).await?)
    }

    async fn threads(&self, group: GroupId) -> Result<Vec<ThreadView>, DemoError> {
        Ok(self
            .link
            .call(move |engine| engine.threads(Some(group)))
            .await?)
    }
}

fn named<'a>(groups: &'a [GroupView], name: &str) -> Result<&'a GroupView, DemoError> {
    let found = groups.iter().find(|group| group.name == name);
    found.ok_or_else(|| DemoError::new(format!("{name} was not found on the target")))
}

fn show_stack(stack: &StackView, out: &mut (dyn Write + Send)) -> Result<(), DemoError> {
    for (number, frame) in stack.frames.iter().enumerate() {
        let place = frame.source.as_ref().map(place).unwrap_or_default();
        match frame.kind {
            FrameKind::Label => say(out, &format!("      -- {}", frame.name))?,
            FrameKind::Code => say(out, &format!("      #{number} {}{place}", frame.name))?,
        }
        if let Some(line) = frame.source.as_ref().filter(|_| number == 0).and_then(text) {
            say(out, &format!("            {line}"))?;
        }
    }
    Ok(())
}

fn place(source: &SourceView) -> String {
    format!(" at {}:{}", source.compiled_path, source.line)
}

/// The line itself, where the source is here.
fn text(source: &SourceView) -> Option<String> {
    let file = std::fs::read_to_string(&source.path).ok()?;
    file.lines()
        .nth(source.line as usize - 1)
        .map(|line| line.trim().to_owned())
}
