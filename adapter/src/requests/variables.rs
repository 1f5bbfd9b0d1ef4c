//! Scopes, variables and expressions.

use std::sync::Arc;

use dap::requests::{ScopesArguments, VariablesArguments};
use dap::types::VariablesArgumentsFilter;
use engine::Engine;
use engine::view::{FrameKind, FrameRef, GroupId, Item, ThreadId};
use serde_json::json;

use super::{Answer, body};
use crate::connection::Session;
use crate::convert;
use crate::handles::Origin;
use crate::hub::Machine;
use crate::protocol::{Evaluate, Evaluated, Scope, Variable};
use crate::wire::{Failure, Request};

/// How many children are given to a client that does not ask for a part: some never do.
const AT_ONCE: u64 = 1000;

pub(super) async fn scopes(session: &Arc<Session>, request: &Request) -> Answer {
    let arguments: ScopesArguments = request.arguments()?;
    let machine = session.machine()?;
    let frame = session.frame(arguments.frame_id)?;
    look_at(session, &machine, frame).await?;
    let scopes = machine.link.ask(move |engine| engine.scopes(frame)).await?;
    let scopes: Vec<Scope> = scopes
        .iter()
        .map(|scope| {
            let name = convert::scope_name(scope.kind);
            let reference = session.scope_number(Origin::Scope(frame, name), &scope.content);
            convert::scope(scope.kind, &scope.content, reference)
        })
        .collect();
    body(json!({ "scopes": scopes }))
}

/// Notes what the user looks at; gives its group.
async fn look_at(
    session: &Session,
    machine: &Machine,
    frame: FrameRef,
) -> Result<GroupId, Failure> {
    let group = machine.group_of(frame.thread).await?;
    session.look_at(group, frame.thread);
    Ok(group)
}

pub(super) async fn variables(session: &Arc<Session>, request: &Request) -> Answer {
    let arguments: VariablesArguments = request.arguments()?;
    let machine = session.machine()?;
    let parent = i32::try_from(arguments.variables_reference).unwrap_or(0);
    let item = session.value(arguments.variables_reference)?;
    let part = Part::of(&arguments, &item);
    let children = machine
        .link
        .ask(move |engine| engine.children(&item, part.start, Some(part.count)))
        .await?;
    let mut variables: Vec<Variable> = children
        .iter()
        .map(|child| {
            let origin = Origin::Child(parent, child.name.clone());
            convert::variable(child, session.value_number(origin, child))
        })
        .collect();
    variables.extend(part.rest());
    body(json!({ "variables": variables }))
}

/// The part of the children that is wanted; named ones come first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Part {
    start: u64,
    count: u64,
    left_out: u64,
}

impl Part {
    fn of(arguments: &VariablesArguments, item: &Item) -> Self {
        let (from, of) = match arguments.filter {
            Some(VariablesArgumentsFilter::Named) => (0, item.named),
            Some(VariablesArgumentsFilter::Indexed) => (item.named, item.indexed),
            None => (0, item.named.saturating_add(item.indexed)),
        };
        // What is in a scope is not counted before it is asked for.
        let of = if item.named == 0 && item.indexed == 0 {
            AT_ONCE
        } else {
            of
        };
        Self::cut(from, of, arguments.start, arguments.count)
    }

    /// Of the `of` children after the first `from`: those that `start` and `count` mean.
    fn cut(from: u64, of: u64, start: Option<i64>, count: Option<i64>) -> Self {
        let start = u64::try_from(start.unwrap_or(0)).unwrap_or(0).min(of);
        let wanted = count
            .and_then(|count| u64::try_from(count).ok())
            .filter(|count| *count > 0);
        let count = wanted.unwrap_or(AT_ONCE).min(of - start);
        let left_out = if wanted.is_some() {
            0
        } else {
            of - start - count
        };
        Self {
            start: from + start,
            count,
            left_out,
        }
    }

    /// A line in place of what was left out.
    fn rest(self) -> Option<Variable> {
        (self.left_out > 0).then(|| Variable {
            name: "…".to_owned(),
            value: format!("{} more", self.left_out),
            shape: crate::protocol::Shape::default(),
            evaluate_name: None,
        })
    }
}

pub(super) async fn evaluate(session: &Arc<Session>, request: &Request) -> Answer {
    let arguments: Evaluate = request.arguments()?;
    let machine = session.machine()?;
    let frame = arguments.frame_id.map(|id| session.frame(id)).transpose()?;
    let (group, thread) = match frame {
        Some(frame) => (look_at(session, &machine, frame).await?, None),
        // Some clients never say a frame: what the user looks at is meant.
        None => session.focus(),
    };
    let expression = arguments.expression.trim().to_owned();
    let origin = Origin::Expression(frame, expression.clone());
    let item = machine
        .link
        .ask(move |engine| {
            let frame = frame.or_else(|| innermost(engine, thread?));
            engine.evaluate(group, frame, &expression)
        })
        .await?;
    let reference = session.value_number(origin, &item);
    body(Evaluated {
        shape: convert::shape(&item, reference),
        result: item.value,
    })
}

/// The innermost frame of a thread that is a call.
fn innermost(engine: &mut Engine, thread: ThreadId) -> Option<FrameRef> {
    let stack = engine.stack(thread, 0, None).ok()?;
    let call = stack
        .frames
        .iter()
        .find(|frame| frame.kind == FrameKind::Code)?;
    Some(call.at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts() {
        let check = |from, of, start, count, expected: (u64, u64, u64)| {
            let part = Part::cut(from, of, start, count);
            assert_eq!((part.start, part.count, part.left_out), expected);
        };
        check(0, 5, None, None, (0, 5, 0));
        check(3, 5, None, None, (3, 5, 0));
        check(3, 5000, None, None, (3, 1000, 4000));
        check(3, 5000, Some(100), Some(50), (103, 50, 0));
        check(0, 10, Some(8), Some(50), (8, 2, 0));
        check(0, 10, Some(80), Some(50), (10, 0, 0));
        check(0, 10, Some(-1), Some(-1), (0, 10, 0));
        check(0, 10, Some(0), Some(0), (0, 10, 0));
    }
}
