//! Xen's buffers in memory: the first eight bytes say where `t_info` is and how large, the whole input is RAM.
#![no_main]

use fuzz::{Ram, exhaust};
use libfuzzer_sys::fuzz_target;
use machine::Pa;
use trace::event::Event;
use trace::format::position::Position;
use trace::format::xen::buffers::{Buffers, Found};
use trace::format::xen::records::Records;

fuzz_target!(|bytes: &[u8]| {
    let Some([page, pages, pcpus, size @ ..]) = bytes.first_chunk::<8>() else {
        return;
    };
    let [low, high, ..] = *size;
    let found = Found {
        t_info: Pa(u64::from(*page) << 12),
        t_info_pages: (*pages).into(),
        data_size: (u32::from(u16::from_le_bytes([low, high])) << 12).saturating_sub(8),
        pcpus: (*pcpus).into(),
    };
    let ram = Ram(bytes);
    let Ok(mut buffers) = Buffers::read(&ram, found) else {
        return;
    };
    let pcpus: Vec<_> = buffers.pcpus().collect();
    for pcpu in pcpus {
        let mut records = Vec::new();
        let drained = buffers.drain(&ram, pcpu, &mut records);
        let gap = drained
            .gap
            .map(|gap| Position::start(pcpu).gap(gap.reason, gap.bytes));
        let events = Records::new(Position::start(pcpu), &records);
        exhaust(gap.into_iter().chain(events).collect::<Vec<Event>>());
    }
});
