//! A trace.dat of a guest.
#![no_main]

use fuzz::exhaust;
use libfuzzer_sys::fuzz_target;
use machine::{GuestId, Pcpu};
use trace::event::Ticks;
use trace::format::ftrace::File;
use trace::merge::merge;

/// CPUs that are looked at.
const CPUS: usize = 16;

fuzz_target!(|bytes: &[u8]| {
    let Ok(file) = File::read(bytes) else {
        return;
    };
    let events = |cpu| {
        file.events(cpu)
            .map(|event| event.placed(GuestId(1), Pcpu(0), Ticks))
    };
    exhaust(merge(file.cpus().take(CPUS).map(events)));
});
