//! `hvdap vms`, `hvdap stack` and `hvdap translate`: a halt, looked at and left.

use std::fmt::Write;

use engine::Engine;
use engine::view::{FrameView, GroupId, GroupView, ScopeKind, ThreadView};

use super::{print, to_json};
use crate::config::Config;
use crate::report::translation::{self, Translation};
use crate::report::{self, Frame, Group, Stack, Stacks, State, Thread, Vms};
use crate::visit;

pub(super) async fn vms(config: &Config, json: bool) -> Result<(), String> {
    let target = config.connect.clone();
    let groups = visit::visit(config, |engine| {
        let (groups, threads) = sorted(engine);
        let mut report = report::groups(&groups, &threads);
        for (thread, view) in report
            .iter_mut()
            .flat_map(|group| &mut group.threads)
            .zip(in_order(&groups, &threads))
        {
            locate(engine, thread, view);
        }
        Ok(report)
    })
    .await?;
    let report = Vms { target, groups };
    print(&if json {
        to_json(&report)?
    } else {
        vms_text(&report).into_bytes()
    })
}

pub(super) async fn stack(
    config: &Config,
    vm: Option<&str>,
    vcpu: Option<u32>,
    json: bool,
) -> Result<(), String> {
    let target = config.connect.clone();
    let wanted = vm.map(str::to_owned);
    let stacks = visit::visit(config, move |engine| {
        let (groups, threads) = sorted(engine);
        let groups: Vec<GroupView> = groups
            .into_iter()
            .filter(|group| {
                wanted
                    .as_deref()
                    .is_none_or(|wanted| is_named(group, wanted))
            })
            .collect();
        let found: Vec<&ThreadView> = in_order(&groups, &threads)
            .filter(|thread| vcpu.is_none_or(|index| thread.index == index))
            .collect();
        if found.is_empty() {
            return Err(no_such_vcpu(wanted.as_deref()));
        }
        Ok(found
            .into_iter()
            .map(|thread| stack_of(engine, &groups, thread))
            .collect())
    })
    .await?;
    let report = Stacks { target, stacks };
    print(&if json {
        to_json(&report)?
    } else {
        stacks_text(&report).into_bytes()
    })
}

/// Translates an address of a vCPU; without a VM, of the hypervisor.
pub(super) async fn translate(
    config: &Config,
    vm: Option<String>,
    vcpu: u32,
    address: String,
    json: bool,
) -> Result<(), String> {
    let report = visit::visit(config, move |engine| {
        let (mut groups, threads) = sorted(engine);
        groups.retain(|group| match &vm {
            Some(wanted) => is_named(group, wanted),
            None => group.id == GroupId::HYPERVISOR,
        });
        let thread = in_order(&groups, &threads)
            .find(|thread| thread.index == vcpu)
            .ok_or_else(|| no_such_vcpu(vm.as_deref()))?;
        let translation = engine.translate(thread.id, &address);
        translation
            .map(|translation| Translation::from(&translation))
            .map_err(|error| error.message)
    })
    .await?;
    print(&if json {
        to_json(&report)?
    } else {
        translation::text(&report).into_bytes()
    })
}

fn no_such_vcpu(vm: Option<&str>) -> String {
    match vm {
        Some(wanted) => format!("there is no such vCPU of a VM named `{wanted}`: see `hvdap vms`"),
        None => "there is no such vCPU: see `hvdap vms`".to_owned(),
    }
}

fn sorted(engine: &Engine) -> (Vec<GroupView>, Vec<ThreadView>) {
    let mut groups = engine.groups();
    report::sort(&mut groups);
    (groups, engine.threads(None))
}

/// Threads by group, as reports list them.
fn in_order<'a>(
    groups: &'a [GroupView],
    threads: &'a [ThreadView],
) -> impl Iterator<Item = &'a ThreadView> {
    groups.iter().flat_map(|group| {
        threads
            .iter()
            .filter(move |thread| thread.group == group.id)
    })
}

fn is_named(group: &GroupView, wanted: &str) -> bool {
    let number = wanted.parse().ok();
    group.name.eq_ignore_ascii_case(wanted) || number.is_some() && group.guest == number
}

/// Fills in where a thread is.
fn locate(engine: &mut Engine, thread: &mut Thread, view: &ThreadView) {
    let Ok(stack) = engine.stack(view.id, 0, Some(1)) else {
        return;
    };
    let Some(frame) = stack.frames.first() else {
        return;
    };
    thread.pc = frame.pc.map(crate::convert::address);
    thread.function = Some(frame.name.clone());
    thread.el = level(engine, frame);
}

fn level(engine: &mut Engine, frame: &FrameView) -> Option<String> {
    let scopes = engine.scopes(frame.at).ok()?;
    let context = scopes
        .iter()
        .find(|scope| scope.kind == ScopeKind::Context)?;
    let items = engine.children(&context.content, 0, None).ok()?;
    let level = items
        .into_iter()
        .find(|item| item.name == "Exception level");
    level.map(|item| item.value)
}

fn stack_of(engine: &mut Engine, groups: &[GroupView], view: &ThreadView) -> Stack {
    let mut thread = Thread::from(view);
    locate(engine, &mut thread, view);
    let group = groups.iter().find(|group| group.id == view.group);
    let (frames, error) = match engine.stack(view.id, 0, None) {
        Ok(stack) => (stack.frames.iter().map(Frame::from).collect(), None),
        Err(error) => (Vec::new(), Some(error.message)),
    };
    Stack {
        group: group.map_or_else(String::new, |group| group.name.clone()),
        thread,
        frames,
        error,
    }
}

fn vms_text(report: &Vms) -> String {
    let mut text = String::new();
    for group in &report.groups {
        let _ = writeln!(text, "{}", headline(group));
        let names: Vec<String> = group.threads.iter().map(where_it_is).collect();
        let width = names
            .iter()
            .map(|name| name.chars().count())
            .max()
            .unwrap_or(0);
        for (thread, name) in group.threads.iter().zip(names) {
            let pc = thread.pc.as_deref().unwrap_or_default();
            let el = thread.el.as_deref().unwrap_or_default();
            let function = thread.function.as_deref().unwrap_or_default();
            let _ = writeln!(text, "  {name:width$}  {el:3}  {pc:>18}  {function}");
        }
    }
    text
}

/// `DomU (guest 1, VMID 2): vmlinux-domu`
fn headline(group: &Group) -> String {
    let guest = group.guest.map(|guest| format!("guest {guest}"));
    let vmid = group.vmid.map(|vmid| format!("VMID {vmid}"));
    let numbers: Vec<String> = guest.into_iter().chain(vmid).collect();
    let numbers = match numbers.as_slice() {
        [] => String::new(),
        numbers => format!(" ({})", numbers.join(", ")),
    };
    let images: Vec<&str> = group
        .images
        .iter()
        .map(|image| image.name.as_str())
        .collect();
    let images = match images.as_slice() {
        [] => "no image".to_owned(),
        images => images.join(", "),
    };
    format!("{}{numbers}: {images}", group.name)
}

fn where_it_is(thread: &Thread) -> String {
    let state = match (thread.state, thread.pcpu) {
        (_, Some(core)) => format!("on pCPU {core}"),
        (State::Running, None) => "running".to_owned(),
        (State::Runnable, None) => "runnable".to_owned(),
        (State::Blocked, None) => "blocked".to_owned(),
        (State::Offline, None) => "offline".to_owned(),
        (State::Unknown, None) => "not running".to_owned(),
    };
    if thread.name.starts_with("pCPU") {
        thread.name.clone()
    } else {
        format!("{}, {state}", thread.name)
    }
}

fn stacks_text(report: &Stacks) -> String {
    let mut text = String::new();
    for stack in &report.stacks {
        let el = stack.thread.el.as_deref().unwrap_or("EL?");
        let _ = writeln!(text, "{} {}, {el}", stack.group, where_it_is(&stack.thread));
        if let Some(error) = &stack.error {
            let _ = writeln!(text, "  <{error}>");
        }
        for (index, frame) in stack.frames.iter().enumerate() {
            let _ = writeln!(text, "  {}", frame_text(index, frame));
        }
        text.push('\n');
    }
    text
}

fn frame_text(index: usize, frame: &Frame) -> String {
    let Frame {
        name, file, line, ..
    } = frame;
    if frame.label {
        return format!("    -- {name} --");
    }
    let pc = frame.pc.as_deref().unwrap_or("?");
    let place = match (file, line) {
        (Some(file), Some(line)) => format!(" at {file}:{line}"),
        _ => String::new(),
    };
    format!("#{index:<3}{pc:>18} {name}{place}")
}
