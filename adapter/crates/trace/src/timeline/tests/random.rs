//! Any events at all: nothing panics, and lanes stay in order.

use proptest::prelude::*;

use super::*;

fn any_vcpu() -> impl Strategy<Value = Vcpu> {
    let guest = prop_oneof![0u32..3, Just(IDLE.0), any::<u32>()];
    (guest, prop_oneof![0u32..3, any::<u32>()]).prop_map(|(guest, index)| vcpu(guest, index))
}

fn any_state() -> impl Strategy<Value = RunState> {
    prop::sample::select(vec![Running, Runnable, Blocked, Offline])
}

fn any_what() -> impl Strategy<Value = What> {
    prop_oneof![
        8 => (any_vcpu(), any_state(), any_state())
            .prop_map(|(vcpu, from, to)| What::RunState { vcpu, from, to }),
        1 => any_vcpu().prop_map(|vcpu| What::Continue { vcpu }),
        1 => (any_vcpu(), any_vcpu()).prop_map(|(from, to)| What::Switch { from, to }),
        1 => any_vcpu().prop_map(|vcpu| What::Wake { vcpu }),
        1 => any_vcpu().prop_map(|vcpu| What::Block { vcpu }),
        1 => any_vcpu().prop_map(|vcpu| What::Sleep { vcpu }),
        1 => any_vcpu().prop_map(|vcpu| What::Enter { vcpu }),
        1 => any_vcpu().prop_map(|vcpu| What::DeadlineMissed { vcpu }),
        1 => (any_vcpu(), any::<u32>()).prop_map(|(vcpu, syndrome)| What::Exit { vcpu, syndrome }),
        1 => (any_vcpu(), 0u32..9, 0u32..9, any::<bool>())
            .prop_map(|(vcpu, from, to, preempted)| What::Task { vcpu, from, to, preempted }),
        1 => (any_vcpu(), 0u32..9).prop_map(|(vcpu, task)| What::TaskWake { vcpu, task }),
        1 => (any_vcpu(), any::<u64>(), any::<bool>())
            .prop_map(|(vcpu, id, end)| What::Request { vcpu, id, end }),
        1 => (any::<u32>(), any::<u64>())
            .prop_map(|(records, since)| What::Lost { records, since: Ticks(since) }),
        1 => any::<u32>().prop_map(|bytes| What::Unreadable { reason: Reason::BadSize, bytes }),
        1 => Just(What::Halted),
        1 => Just(What::Resumed),
        1 => any::<u32>().prop_map(|megahertz| What::Frequency { megahertz }),
        1 => any::<u32>().prop_map(|guest| What::GuestAdded(GuestId(guest))),
    ]
}

fn any_event() -> impl Strategy<Value = Event> {
    let time = prop_oneof![9 => 0u64..500, 1 => any::<u64>()];
    let pcpu = prop_oneof![9 => 0u16..4, 1 => any::<u16>()];
    (time, pcpu, any_what()).prop_map(|(time, pcpu, what)| at(time, pcpu, what))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn any_events_leave_lanes_in_order(events in prop::collection::vec(any_event(), 1..300)) {
        let timeline = timeline(&events, 0);
        let view = timeline.view();
        for number in 0..view.owners().len() as u16 {
            let lane = view.lane(number);
            let mut before = view.first();
            for index in 0..lane.len() {
                let interval = lane.get(index).unwrap();
                prop_assert!(interval.start() >= before && interval.end >= interval.start());
                before = interval.start();
            }
            let times: Vec<_> = view.points(number).all().iter().map(|point| point.time()).collect();
            prop_assert!(times.is_sorted());
        }
    }
}
