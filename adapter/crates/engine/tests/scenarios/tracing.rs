//! A machine whose hypervisor traces: its buffers are emptied at halts and beside the running machine, and what is not there is said.

use std::sync::Arc;

use engine::setup::{HypervisorSetup, Setup, Slot};
use engine::tracing::{TraceSource, TraceSwitches, Window};
use engine::view::EngineError;
use engine::{Engine, Handle};
use gimli::constants as dw;
use machine::{Register, SysReg};
use symbols::Image;

use crate::fake::{Machine, in_hypervisor};
use crate::session::{Do, ask, compare, happens, resume, transcript, transcript_with};
use crate::support::{Build, elf_of, symbols};

const TABLE: u64 = 0x8_0000;
const VARIABLES: u64 = 0x9_0000;
const T_INFO: u64 = 0x9_1000;
const BUFFER: u64 = 0x9_2000;
const LOST: u64 = VARIABLES + 0x40;

/// Xen's variables: name, place, bytes, value.
const XEN: [(&str, u64, usize, u64); 10] = [
    ("domain_list", VARIABLES, 8, 0),
    ("per_cpu__curr_vcpu", VARIABLES + 8, 8, 0),
    ("t_info", VARIABLES + 0x10, 8, T_INFO),
    ("t_info_pages", VARIABLES + 0x18, 4, 1),
    ("data_size", VARIABLES + 0x1c, 4, 4096 - 8),
    ("tb_init_done", VARIABLES + 0x20, 4, 0),
    ("tb_event_mask", VARIABLES + 0x24, 4, 0x0fff_f000),
    ("__per_cpu_offset", VARIABLES + 0x30, 8, 0),
    ("per_cpu__lost_records", LOST, 8, 3),
    ("per_cpu__lost_records_first_tsc", LOST + 8, 8, 77),
];

/// Xen with the few fields without which nothing is known of its domains.
fn xen() -> Arc<Image> {
    let mut b = Build::new(5);
    let word = b.base("unsigned long", 8, dw::DW_ATE_unsigned);
    for (name, fields) in [
        (
            "domain",
            &["domain_id", "max_vcpus", "vcpu", "next_in_list"][..],
        ),
        ("vcpu", &["vcpu_id", "domain"]),
    ] {
        let structure = b.structure(name, 8 * fields.len() as u64);
        for (at, field) in fields.iter().enumerate() {
            b.member(structure, field, word, 8 * at as u64);
        }
    }
    let named: Vec<(&str, u64, u64)> = XEN.iter().map(|(name, at, ..)| (*name, *at, 8)).collect();
    let mut sections = symbols(&named);
    sections.extend(b.sections());
    let bytes = elf_of(&[], &sections);
    let image = Image::parse("xen-syms", Arc::new(bytes)).expect("the test's ELF is whole");
    image.prepare();
    Arc::new(image)
}

/// One core in Xen, whose EL2 sees memory as it is; one buffer of one page, with two records in it.
fn machine() -> Machine {
    let el2 = |register, value| (Register::Sys(register), value);
    let registers = [
        el2(SysReg::SctlrEl2, 1),
        el2(SysReg::Ttbr0El2, TABLE),
        el2(SysReg::TcrEl2, 25 | 0b101 << 16),
        el2(SysReg::MairEl2, 0xff00),
        el2(SysReg::CntfrqEl0, 62_500_000),
    ];
    let place = registers
        .into_iter()
        .fold(in_hypervisor(0, 0x8000), |place, (register, value)| {
            place.with(register, value)
        });
    let mut machine = Machine::new(1).at(place);
    for page in [TABLE, VARIABLES, T_INFO, BUFFER] {
        machine.write(page, &[0; 4096]);
    }
    // A block of the first gigabyte (Arm ARM D8.3.1.2): AF, memory as MAIR's index 1 says.
    machine.write(TABLE, &(1_u64 << 10 | 1 << 2 | 1).to_le_bytes());
    for (_, at, size, value) in XEN {
        machine.write(at, &value.to_le_bytes()[..size]);
    }
    // One page; pCPU 0's list at word 1.
    machine.write(T_INFO, &[1, 0, 1, 0]);
    machine.write(T_INFO + 4, &((BUFFER >> 12) as u32).to_le_bytes());
    records(&mut machine, 0, 32);
    machine
}

/// Run-state changes from one place of the buffer to another.
fn records(machine: &mut Machine, from: u64, to: u64) {
    for at in (from..to).step_by(16) {
        let mut record = 0x9002_1021_u32.to_le_bytes().to_vec();
        record.extend((at + 1).to_le_bytes());
        record.extend([0; 4]);
        machine.write(BUFFER + 8 + at, &record);
    }
    machine.write(BUFFER + 4, &(to as u32).to_le_bytes());
}

#[track_caller]
fn check<const N: usize>(machine: Machine, deeds: [Do; N], expected: &str) {
    let hypervisor = HypervisorSetup {
        has_image: true,
        force: true,
        ..HypervisorSetup::default()
    };
    let setup = Setup {
        hypervisor,
        ..Setup::default()
    };
    let deliver = |handle: &Handle| {
        handle.image(Slot::Hypervisor, Ok(xen()));
    };
    compare(&transcript_with(setup, deliver, machine, deeds), expected);
}

/// What a look gave: bytes by pCPU.
fn shown(windows: &[(u16, usize)]) -> String {
    let one = |(pcpu, bytes): &(u16, usize)| format!("pCPU {pcpu}: {bytes} bytes");
    windows.iter().map(one).collect::<Vec<_>>().join(", ")
}

fn told(outcome: Result<String, EngineError>) -> String {
    outcome.unwrap_or_else(|error| error.message)
}

/// Drains at a halt, brief if need be, as often as `times`.
fn drain(times: usize) -> Do {
    ask(move |engine| {
        told(engine.in_a_halt(|engine| {
            let mut source = engine.find_trace()?;
            let mut windows = Vec::new();
            for _ in 0..times {
                engine.drain_trace(&mut source, &mut |window: Window<'_>| {
                    windows.push((window.pcpu.0, window.bytes.len()));
                })?;
            }
            Ok(shown(&windows))
        }))
    })
}

#[test]
fn buffers_are_emptied_at_a_halt() {
    check(machine(), [drain(2)], "= pCPU 0: 32 bytes, pCPU 0: 0 bytes");
}

#[test]
fn a_running_machine_is_halted_for_it() {
    check(
        machine(),
        [
            resume(),
            drain(1),
            happens(|machine| records(machine, 32, 80)),
            drain(1),
        ],
        "> continued
         run
         halt
         run
         = pCPU 0: 32 bytes
         halt
         run
         = pCPU 0: 48 bytes",
    );
}

#[test]
fn shared_ram_needs_no_halt() {
    let beside = |engine: &mut Engine| {
        let mut source = engine.find_trace()?;
        engine.resume(None)?;
        let mut windows = Vec::new();
        for _ in 0..2 {
            let drained = source.drain_shared(&mut |window| {
                windows.push((window.pcpu.0, window.bytes.len()));
            });
            drained.map_err(|fault| EngineError::target(fault.to_string()))?;
        }
        Ok(shown(&windows))
    };
    check(
        machine().sharing(),
        [ask(move |engine| told(beside(engine)))],
        "> continued
         run
         = pCPU 0: 32 bytes, pCPU 0: 0 bytes",
    );
    check(
        machine(),
        [ask(move |engine| told(beside(engine)))],
        "> continued
         run
         = may not be written: PA 0x91000",
    );
}

#[test]
fn the_clock_the_switches_and_the_loss_are_known() {
    let look = |engine: &mut Engine| {
        let source = engine.find_trace()?;
        let switches = |engine: &Engine, source: &TraceSource| {
            let TraceSwitches { enabled, mask } = engine.trace_switches(source)?;
            Ok::<_, EngineError>(format!("{enabled} {mask:#x}"))
        };
        let before = switches(engine, &source)?;
        let wanted = TraceSwitches {
            enabled: true,
            mask: 0x2_9000,
        };
        engine.switch_trace(&source, wanted)?;
        let after = switches(engine, &source)?;
        let loss = engine.untold_loss(&source)?[0];
        let hertz = source.frequency().map_or(0, |frequency| frequency.hertz());
        let (records, since) = (loss.records, loss.since.0);
        Ok(format!(
            "{hertz} Hz, {before}, then {after}, {records} lost since {since}"
        ))
    };
    check(
        machine(),
        [ask(move |engine| told(look(engine)))],
        "= 62500000 Hz, false 0xffff000, then true 0x29000, 3 lost since 77",
    );
}

#[test]
fn what_is_not_there_is_said() {
    let log = transcript(
        Machine::new(1),
        [drain(1), happens(Machine::breaks), drain(1)],
    );
    assert!(log[0].contains("name Xen's image"), "{log:?}");
    let mut unallocated = machine();
    unallocated.write(VARIABLES + 0x10, &[0; 8]);
    check(
        unallocated,
        [drain(1)],
        "= Xen was given no trace buffers: boot it with tbuf_size=64",
    );
    check(
        machine().saved(),
        [drain(1)],
        "= the fake refused a write at PA 0x92000: a saved halt cannot be written",
    );
    let accounts = ask(|engine| told(engine.accounts().map(|accounts| format!("{accounts:?}"))));
    check(
        machine(),
        [accounts],
        "= Accounts { vcpus: [], epoch: None }",
    );
}
