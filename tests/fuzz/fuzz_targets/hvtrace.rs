//! The rings of hvtrace in memory: the input is RAM, `hvtrace_root` at its beginning.
#![no_main]

use fuzz::{Ram, exhaust};
use libfuzzer_sys::fuzz_target;
use machine::Pa;
use trace::format::hvtrace::{Records, Rings};
use trace::format::position::Position;

fuzz_target!(|bytes: &[u8]| {
    let ram = Ram(bytes);
    let Ok(mut rings) = Rings::read(&ram, Pa(0)) else {
        return;
    };
    for pcpu in rings.pcpus() {
        let mut records = Vec::new();
        let drained = rings.drain(&ram, pcpu, &mut records);
        let gap = drained
            .gap
            .map(|gap| Position::start(pcpu).gap(gap.reason, gap.bytes));
        exhaust(
            gap.into_iter()
                .chain(Records::new(Position::start(pcpu), &records)),
        );
    }
});
