//! A model of a scheduler that knows what it did, and the timeline of its events beside it.

use std::collections::HashMap;

use proptest::prelude::*;

use super::*;

/// Ticks by vCPU, core and state: what the model did.
#[derive(Default)]
struct Truth {
    vcpus: HashMap<(Vcpu, u8), u64>,
    carried: HashMap<(u16, Vcpu), u64>,
}

/// A step: how much time passes, which core acts, and what it does.
type Step = (u64, usize, u8, usize);

const CORES: usize = 3;

struct Model {
    now: u64,
    states: Vec<(Vcpu, RunState, u64)>,
    cores: [(Option<usize>, u64); CORES],
    truth: Truth,
    events: Vec<Event>,
}

impl Model {
    fn new() -> Self {
        let vcpus = (0..6).map(|number| vcpu(number / 2, number % 2));
        Self {
            now: 0,
            states: vcpus.map(|vcpu| (vcpu, Blocked, 0)).collect(),
            cores: [(None, 0); CORES],
            truth: Truth::default(),
            events: Vec::new(),
        }
    }

    fn go(&mut self, core: usize, who: usize, to: RunState) {
        let (vcpu, from, since) = self.states[who];
        // The first state of all is not in the records.
        if since > 0 {
            *self.truth.vcpus.entry((vcpu, from as u8)).or_default() += self.now - since;
        }
        self.states[who] = (vcpu, to, self.now);
        self.events
            .push(goes(self.now, core as u16, vcpu, from, to));
    }

    fn idle(&mut self, core: usize, from: RunState, to: RunState) {
        let vcpu = Vcpu {
            guest: IDLE,
            index: core as u32,
        };
        self.events
            .push(goes(self.now, core as u16, vcpu, from, to));
    }

    fn leave(&mut self, core: usize, to: RunState) {
        match self.cores[core] {
            (Some(who), since) => {
                let vcpu = self.states[who].0;
                let carried = self.truth.carried.entry((core as u16, vcpu));
                *carried.or_default() += self.now - since;
                self.go(core, who, to);
            }
            (None, _) => self.idle(core, Running, Runnable),
        }
    }

    fn step(&mut self, (ticks, core, action, pick): Step) {
        self.now += ticks + 1;
        let wanted = if action == 0 { Blocked } else { Runnable };
        let fit: Vec<usize> = (0..self.states.len())
            .filter(|who| self.states[*who].1 == wanted)
            .collect();
        let picked = fit.get(pick % fit.len().max(1)).copied();
        match (action, picked) {
            (0, Some(who)) => self.go(core, who, Runnable),
            (1, Some(who)) => {
                self.leave(core, Runnable);
                self.cores[core] = (Some(who), self.now);
                self.go(core, who, Running);
            }
            (2, _) if self.cores[core].0.is_some() => {
                self.leave(core, Blocked);
                self.cores[core] = (None, self.now);
                self.idle(core, Runnable, Running);
            }
            _ => {}
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn lanes_say_what_the_scheduler_did(
        steps in prop::collection::vec((0u64..100, 0..CORES, 0u8..3, any::<usize>()), 1..600),
    ) {
        let mut model = Model::new();
        for step in steps {
            model.step(step);
        }
        if model.events.is_empty() {
            return Ok(());
        }
        let timeline = timeline(&model.events, 0);
        let until = model.now;
        model.now = timeline.view().until();
        prop_assert!(model.now <= until);
        for who in 0..model.states.len() {
            model.go(0, who, Offline);
        }
        prop_assert_eq!(timeline.notices().contradictions, 0);
        for ((vcpu, state), ticks) in &model.truth.vcpus {
            prop_assert_eq!(spent(timeline.view(), *vcpu, *state), *ticks, "{:?} {}", vcpu, state);
        }
        for ((core, vcpu), ticks) in &model.truth.carried {
            if model.cores[usize::from(*core)].0.is_none() {
                prop_assert_eq!(carried(timeline.view(), *core, *vcpu), *ticks);
            }
        }
    }
}

fn spent(view: View<'_>, vcpu: Vcpu, state: u8) -> u64 {
    let lane = view.lane(view.lane_of(Owner::Vcpu(vcpu)).unwrap());
    let spans = lane.overlapping(0, u64::MAX);
    spans
        .filter(|interval| interval.state() as u8 == state)
        .map(|interval| interval.ticks())
        .sum()
}

fn carried(view: View<'_>, core: u16, vcpu: Vcpu) -> u64 {
    let wanted = view.lane_of(Owner::Vcpu(vcpu));
    let lane = view.lane(view.lane_of(Owner::Pcpu(Pcpu(core))).unwrap());
    let spans = lane.overlapping(0, u64::MAX);
    spans
        .filter(|interval| interval.state() == State::Running)
        .filter(|interval| interval.span.party().get() == wanted)
        .map(|interval| interval.ticks())
        .sum()
}
