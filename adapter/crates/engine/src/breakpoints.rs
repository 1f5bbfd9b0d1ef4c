//! Breakpoints: the wish, and the places where it is installed.
//!
//! The target knows only virtual addresses and stops every VM there. Whose hit it was is decided at each stop; see
//! [`Breakpoints::at`] and the engine's verdict.

use std::collections::BTreeSet;

use machine::Va;
use machine::target::Trap;
use symbols::LinkVa;

use crate::groups::{Group, Groups, PlacedImage};
use crate::view::{
    BreakpointId, BreakpointRequest, BreakpointScope, BreakpointSet, BreakpointView, GroupId,
    Place, SourceView,
};

/// More places than a wish can sensibly have.
const MAX_LOCATIONS: usize = 1000;

/// Where a breakpoint is installed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Location {
    /// In which group's space.
    pub group: GroupId,
    /// The address.
    pub address: Va,
    /// The function there.
    pub function: String,
    /// The source there.
    pub source: Option<SourceView>,
}

/// A wish and what became of it.
#[derive(Debug)]
pub struct Breakpoint {
    /// Its number.
    pub id: BreakpointId,
    set: BreakpointSet,
    /// The wish.
    pub request: BreakpointRequest,
    /// Where it is installed.
    pub locations: Vec<Location>,
    refused: Option<String>,
    /// Hits reported or counted towards the hit condition.
    pub hits: u64,
    /// Hits that were none of it.
    pub filtered: u64,
    /// Whether the user was told that the condition cannot be evaluated.
    pub complained: bool,
}

/// All breakpoints of all clients.
#[derive(Default)]
pub struct Breakpoints {
    list: Vec<Breakpoint>,
    last_id: u32,
}

impl Breakpoints {
    /// Replaces one set. A request that was in it before keeps its number and counts.
    pub fn replace(
        &mut self,
        set: &BreakpointSet,
        wanted: Vec<BreakpointRequest>,
        groups: &Groups,
    ) -> Vec<BreakpointView> {
        let (mut old, others): (Vec<_>, Vec<_>) = std::mem::take(&mut self.list)
            .into_iter()
            .partition(|one| one.set == *set);
        self.list = others;
        wanted
            .into_iter()
            .map(|request| {
                let kept = old
                    .iter()
                    .position(|one| one.request == request)
                    .map(|at| old.swap_remove(at));
                let breakpoint = kept.unwrap_or_else(|| {
                    self.last_id += 1;
                    Breakpoint {
                        id: BreakpointId(self.last_id),
                        set: set.clone(),
                        locations: locate(&request, groups),
                        request,
                        refused: None,
                        hits: 0,
                        filtered: 0,
                        complained: false,
                    }
                });
                let view = breakpoint.view(groups);
                self.list.push(breakpoint);
                view
            })
            .collect()
    }

    /// Forgets a client's breakpoints.
    pub fn forget_owner(&mut self, owner: u32) {
        self.list.retain(|one| one.set.owner != owner);
    }

    /// Looks for every wish anew, after groups or images changed; gives those that came out differently.
    pub fn bind(&mut self, groups: &Groups) -> Vec<BreakpointView> {
        let mut changed = Vec::new();
        for one in &mut self.list {
            let locations = locate(&one.request, groups);
            if locations != one.locations {
                one.locations = locations;
                one.refused = None;
                changed.push(one.view(groups));
            }
        }
        changed
    }

    /// The traps that have to be armed.
    #[must_use]
    pub fn traps(&self) -> BTreeSet<Trap> {
        self.list
            .iter()
            .flat_map(|one| &one.locations)
            .map(|location| Trap::Execute(location.address))
            .collect()
    }

    /// Notes whether the target refused a trap, and why; gives the breakpoints for which that is news.
    pub fn answered(
        &mut self,
        trap: Trap,
        refused: Option<String>,
        groups: &Groups,
    ) -> Vec<BreakpointView> {
        let is_meant = |one: &&mut Breakpoint| {
            one.locations
                .iter()
                .any(|location| Trap::Execute(location.address) == trap)
        };
        let note = |one: &mut Breakpoint| {
            let before = std::mem::replace(&mut one.refused, refused.clone());
            (before != one.refused).then(|| one.view(groups))
        };
        self.list
            .iter_mut()
            .filter(is_meant)
            .filter_map(note)
            .collect()
    }

    /// The breakpoints of `group` at an address; those of other groups there count a filtered hit.
    pub fn at(&mut self, group: Option<GroupId>, address: Va) -> Vec<BreakpointId> {
        let mut hit = Vec::new();
        for one in &mut self.list {
            let mut here = one
                .locations
                .iter()
                .filter(|location| location.address == address)
                .peekable();
            if here.peek().is_none() {
                continue;
            }
            if here.any(|location| Some(location.group) == group) {
                hit.push(one.id);
            } else {
                one.filtered += 1;
            }
        }
        hit
    }

    /// A breakpoint by number.
    pub fn get_mut(&mut self, id: BreakpointId) -> Option<&mut Breakpoint> {
        self.list.iter_mut().find(|one| one.id == id)
    }

    /// Every breakpoint, with the groups in which it is installed.
    #[must_use]
    pub fn placed_views(&self, groups: &Groups) -> Vec<(BreakpointView, Vec<GroupId>)> {
        let placed_in = |one: &Breakpoint| {
            let all = one.locations.iter().map(|location| location.group);
            all.collect::<BTreeSet<_>>().into_iter().collect()
        };
        self.list
            .iter()
            .map(|one| (one.view(groups), placed_in(one)))
            .collect()
    }

    /// Every breakpoint, for the border.
    #[must_use]
    pub fn views(&self, groups: &Groups) -> Vec<BreakpointView> {
        self.list.iter().map(|one| one.view(groups)).collect()
    }
}

impl Breakpoint {
    /// For the border.
    #[must_use]
    pub fn view(&self, groups: &Groups) -> BreakpointView {
        let first = self.locations.first();
        BreakpointView {
            id: self.id,
            owner: self.set.owner,
            verified: first.is_some() && self.refused.is_none(),
            message: self.message(groups),
            source: first.and_then(|location| location.source.clone()),
            address: first.map(|location| location.address),
            hits: self.hits,
            filtered: self.filtered,
        }
    }

    fn message(&self, groups: &Groups) -> String {
        if let Some(reason) = &self.refused {
            return reason.clone();
        }
        if self.locations.is_empty() {
            return unbound(&self.request, groups);
        }
        let name = |location: &Location| {
            let group = groups.get(location.group).map_or("?", |group| &group.name);
            format!("{group}: {}", location.function)
        };
        self.locations
            .iter()
            .map(name)
            .collect::<Vec<_>>()
            .join(", ")
    }

    /// Whether the hit that was just counted is one to stop at, by the hit condition: `N`, `==N`, `>=N`, `>N`, `<N`, `<=N`, `%N`.
    ///
    /// # Errors
    /// The condition is none of these.
    pub fn is_due(&self) -> Result<bool, String> {
        let Some(text) = self
            .request
            .hit_condition
            .as_deref()
            .map(str::trim)
            .filter(|text| !text.is_empty())
        else {
            return Ok(true);
        };
        let digits = text.trim_start_matches(['<', '>', '=', '%', ' ']);
        let operator = text[..text.len() - digits.len()].trim();
        let number: u64 = digits
            .trim()
            .parse()
            .map_err(|_| hit_condition_help(text))?;
        Ok(match operator {
            "" | "=" | "==" => self.hits == number,
            ">=" => self.hits >= number,
            ">" => self.hits > number,
            "<=" => self.hits <= number,
            "<" => self.hits < number,
            "%" if number != 0 => self.hits.is_multiple_of(number),
            _ => return Err(hit_condition_help(text)),
        })
    }
}

fn hit_condition_help(text: &str) -> String {
    format!("'{text}' is no hit condition: write 5, >=5 or %10")
}

fn unbound(request: &BreakpointRequest, groups: &Groups) -> String {
    let mut asked = groups
        .iter()
        .filter(|group| in_scope(&request.scope, group))
        .peekable();
    if asked.peek().is_none() {
        return "the VM this breakpoint is for is not there: it binds when it appears".to_owned();
    }
    if asked.all(|group| group.images.is_empty()) {
        return "no image is found in this VM yet: the breakpoint binds when one is".to_owned();
    }
    match &request.place {
        Place::Line { path, line } => {
            format!("no image has code for {path}:{line}: check the source-map of the machine file")
        }
        Place::Function(name) => format!("no image has a function {name}"),
        Place::Address(address) => format!("no VM for {address}"),
    }
}

fn in_scope(scope: &BreakpointScope, group: &Group) -> bool {
    match scope {
        BreakpointScope::Any => true,
        BreakpointScope::Group(id) => group.id == *id,
        BreakpointScope::Named(name) => group.name.eq_ignore_ascii_case(name),
    }
}

fn locate(request: &BreakpointRequest, groups: &Groups) -> Vec<Location> {
    let mut locations = Vec::new();
    let (vm, function) = match &request.place {
        Place::Function(name) => match name.split_once('!') {
            Some((vm, function)) => (Some(vm.trim()), function.trim()),
            None => (None, name.trim()),
        },
        _ => (None, ""),
    };
    let named = |group: &&Group| vm.is_none_or(|vm| group.name.eq_ignore_ascii_case(vm));
    for group in groups
        .iter()
        .filter(|group| in_scope(&request.scope, group))
        .filter(named)
    {
        match &request.place {
            Place::Address(address) => locations.push(at_address(group, *address)),
            Place::Line { path, line } => {
                for placed in group
                    .images
                    .iter()
                    .filter(|placed| placed.image.is_prepared())
                {
                    locations.extend(at_line(group, placed, path, *line));
                }
            }
            Place::Function(_) => {
                for placed in group
                    .images
                    .iter()
                    .filter(|placed| placed.image.is_prepared())
                {
                    locations.extend(at_function(group, placed, function));
                }
            }
        }
    }
    locations.truncate(MAX_LOCATIONS);
    locations
}

fn at_line(group: &Group, placed: &PlacedImage, path: &str, line: u32) -> Vec<Location> {
    let found = placed
        .image
        .addresses_of_line(&|compiled| placed.source_map.matches(path, compiled), line);
    let location = |found: symbols::LineAddress| Location {
        group: group.id,
        address: found.address.placed(placed.slide()),
        function: found.function.to_string(),
        source: Some(placed.source(&found.position)),
    };
    found.into_iter().map(location).collect()
}

/// By DWARF behind the prologue, else by symbol at its first byte.
fn at_function(group: &Group, placed: &PlacedImage, name: &str) -> Vec<Location> {
    let image = &placed.image;
    let mut addresses: Vec<LinkVa> = image
        .functions_named(name)
        .into_iter()
        .filter_map(|id| image.body_start(id))
        .collect();
    if addresses.is_empty() {
        addresses.extend(
            image
                .symbol_named(name)
                .filter(|symbol| symbol.is_function)
                .map(|symbol| symbol.address),
        );
    }
    addresses.sort_unstable();
    addresses.dedup();
    addresses
        .into_iter()
        .map(|address| at_address(group, address.placed(placed.slide())))
        .collect()
}

fn at_address(group: &Group, address: Va) -> Location {
    let placed = group
        .image_at(address)
        .filter(|placed| placed.image.is_prepared());
    let frame = placed.and_then(|placed| {
        let frame = placed
            .image
            .frames_at(LinkVa::of(address, placed.slide()))
            .into_iter()
            .next()?;
        let source = frame
            .position
            .as_ref()
            .map(|position| placed.source(position));
        Some((frame.name.to_string(), source))
    });
    let (function, source) = frame.unwrap_or_else(|| (address.to_string(), None));
    Location {
        group: group.id,
        address,
        function,
        source,
    }
}
