//! Groups and threads with all that is known of where they are.

use engine::overview::{Carried as Found, Overview, Whereabouts};
use engine::view::{GroupId, ThreadView};

use super::{Carried, Carries, Group, Thread};
use crate::convert;

/// All groups of a machine at a glance.
#[must_use]
pub fn overview(overview: &Overview) -> Vec<Group> {
    let views: Vec<ThreadView> = overview
        .threads
        .iter()
        .map(|(view, _)| view.clone())
        .collect();
    let mut groups = super::groups(&overview.groups, &views);
    for group in &mut groups {
        group.breakpoints = Some(installed(overview, GroupId(group.id)));
        for thread in &mut group.threads {
            let found = overview
                .threads
                .iter()
                .find(|(view, _)| view.id.0 == thread.id);
            if let Some((_, whereabouts)) = found {
                fill(thread, whereabouts);
            }
        }
    }
    groups
}

fn installed(overview: &Overview, group: GroupId) -> usize {
    let all = overview.breakpoints.iter();
    all.filter(|(view, groups)| view.verified && groups.contains(&group))
        .count()
}

fn fill(thread: &mut Thread, found: &Whereabouts) {
    thread.el = found.el.map(|el| el.to_string());
    thread.pc = found.pc.map(convert::address);
    thread.function.clone_from(&found.symbol);
    thread.in_state_ns = found.in_state;
    thread.carries = found.carries.map(|carried| {
        let (who, vcpu) = match carried {
            Found::Vcpu(vcpu) => (Carried::Vcpu, Some(vcpu.0)),
            Found::Idle => (Carried::Idle, None),
            Found::Unknown => (Carried::Unknown, None),
        };
        Carries { who, thread: vcpu }
    });
}
