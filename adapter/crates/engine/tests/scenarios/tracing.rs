//! A machine whose hypervisor traces: its buffers are emptied at halts and beside the running machine, and what is not there is said.

use std::sync::Arc;

use engine::setup::{HypervisorKind, HypervisorSetup, Setup, Slot};
use engine::tracing::recording::{Mask, Taken};
use engine::tracing::{Format, TraceSource, TraceSwitches, Window};
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

/// One core in EL2, which sees memory as it is.
fn in_el2() -> Machine {
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
    machine
}

/// Xen; one buffer of one page, with two records in it.
fn machine() -> Machine {
    let mut machine = in_el2();
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

/// Attaches to a machine that runs a hypervisor of this image.
#[track_caller]
fn check_with<const N: usize>(
    (kind, image): (HypervisorKind, Arc<Image>),
    machine: Machine,
    deeds: [Do; N],
    expected: &str,
) {
    let hypervisor = HypervisorSetup {
        kind,
        has_image: true,
        force: true,
        ..HypervisorSetup::default()
    };
    let setup = Setup {
        hypervisor,
        ..Setup::default()
    };
    let deliver = |handle: &Handle| {
        handle.image(Slot::Hypervisor, Ok(image));
    };
    compare(&transcript_with(setup, deliver, machine, deeds), expected);
}

#[track_caller]
fn check<const N: usize>(machine: Machine, deeds: [Do; N], expected: &str) {
    check_with((HypervisorKind::Auto, xen()), machine, deeds, expected);
}

/// What a look gave: bytes by pCPU.
fn shown(windows: &[(u16, usize)]) -> String {
    let one = |(pcpu, bytes): &(u16, usize)| format!("pCPU {pcpu}: {bytes} bytes");
    windows.iter().map(one).collect::<Vec<_>>().join(", ")
}

fn told(outcome: Result<String, EngineError>) -> String {
    outcome.unwrap_or_else(|error| error.message)
}

/// What a saved halt holds.
fn look(engine: &mut Engine) -> Result<String, EngineError> {
    let saved = engine.look_at_trace()?;
    let windows = saved.taken.iter().map(Taken::window);
    let windows: Vec<_> = windows
        .map(|window| (window.pcpu.0, window.bytes.len()))
        .collect();
    let untold = saved.ending.untold.iter();
    let untold = untold.map(|loss| format!(", then {} lost since {}", loss.records, loss.since.0));
    Ok(shown(&windows) + &untold.collect::<String>())
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
    assert!(log[0].contains("name the hypervisor's image"), "{log:?}");
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
    let saved = [ask(|engine| told(look(engine)))];
    check(
        machine().saved(),
        saved,
        "= pCPU 0: 32 bytes, then 3 lost since 77",
    );
    let accounts = ask(|engine| told(engine.accounts().map(|accounts| format!("{accounts:?}"))));
    check(
        machine(),
        [accounts],
        "= Accounts { vcpus: [], epoch: None }",
    );
}

const ROOT: u64 = VARIABLES;
const RING: u64 = BUFFER;

/// A hypervisor of which nothing is known but that it has hvtrace.
fn with_hvtrace() -> (HypervisorKind, Arc<Image>) {
    let bytes = elf_of(&[], &symbols(&[("hvtrace_root", ROOT, 56)]));
    let image = Image::parse("other.elf", Arc::new(bytes)).expect("the test's ELF is whole");
    image.prepare();
    (HypervisorKind::None, Arc::new(image))
}

/// One core with room for four records, of which two were written; seven dropped since 300.
fn traced() -> Machine {
    let mut machine = in_el2();
    let root = [1, 32, 1_000_000, 0, 1, 4, RING as u32, 0, 0b110, 0];
    machine.write(ROOT, b"HVTRACE\0");
    machine.write(ROOT + 8, &root.map(u32::to_le_bytes).concat());
    machine.write(RING, &[2, 0, 7, 0, 300, 0].map(u32::to_le_bytes).concat());
    for number in 0..2 {
        let record = [
            100 + number,
            0,
            2 | number << 16,
            5,
            0,
            number,
            1 - number,
            0,
        ];
        let at = RING + 64 + u64::from(number) * 32;
        machine.write(at, &record.map(u32::to_le_bytes).concat());
    }
    machine
}

#[test]
fn any_hypervisor_with_hvtrace_is_recorded() {
    let record = |engine: &mut Engine| {
        let mut begun = engine.begin_trace(Some(Mask::bits(0x406)))?;
        assert_eq!(begun.source.format(), Format::Hvtrace);
        let hertz = begun.source.frequency().map(|frequency| frequency.hertz());
        let during = engine.trace_switches(&begun.source)?.mask;
        let mut left = 0;
        let ending = engine.end_trace(&mut begun, &mut |window| left += window.bytes.len())?;
        let (after, untold) = (engine.trace_switches(&begun.source)?.mask, ending.untold[0]);
        Ok(format!(
            "{hertz:?} Hz, from {}, mask {during:#x} and then {after:#x}, {left} bytes left, {} lost since {}",
            begun.at.0, untold.records, untold.since.0
        ))
    };
    check_with(
        with_hvtrace(),
        traced(),
        [ask(move |engine| told(record(engine)))],
        "= Some(1000000) Hz, from 0, mask 0x406 and then 0x6, 0 bytes left, 7 lost since 300",
    );
    let again = [drain(2)];
    check_with(
        with_hvtrace(),
        traced(),
        again,
        "= pCPU 0: 64 bytes, pCPU 0: 0 bytes",
    );
    let saved = [ask(|engine| told(look(engine)))];
    let expected = "= pCPU 0: 64 bytes, then 7 lost since 300";
    check_with(with_hvtrace(), traced().saved(), saved, expected);
}

/// VMIDs are not given for the hypervisor's numbers.
#[test]
fn the_usual_is_recorded_whatever_is_traced() {
    let begin = |engine: &mut Engine| {
        let begun = engine.begin_trace(None)?;
        Ok(format!("{:#x}, {:?}", begun.mask, engine.traced_guests()))
    };
    let begin = move || [ask(move |engine| told(begin(engine)))];
    let mut traced = traced();
    traced.write(ROOT + 40, &[1 << 5]);
    check_with(with_hvtrace(), traced, begin(), "= 0x787, []");
    check(machine(), begin(), "= 0x29000, []");
    let mut tracing = machine();
    tracing.write(VARIABLES + 0x20, &[1]);
    tracing.write(VARIABLES + 0x24, &0x2_2000_u32.to_le_bytes());
    check(tracing, begin(), "= 0x29000, []");
}

#[test]
fn a_vm_that_came_meanwhile_has_a_name() {
    const DOMAIN: u64 = VARIABLES + 0x100;
    let guests = || {
        ask(|engine| {
            let outcome = engine.in_a_halt(|engine| {
                engine.refresh();
                Ok(format!("{:?}", engine.traced_guests()))
            });
            told(outcome)
        })
    };
    let comes = |machine: &mut Machine| {
        // `domain_id`, `max_vcpus`, `vcpu`, `next_in_list`.
        machine.write(DOMAIN, &[3, 0, 0, 0].map(u64::to_le_bytes).concat());
        machine.write(VARIABLES, &DOMAIN.to_le_bytes());
    };
    check(
        machine(),
        [resume(), guests(), happens(comes), guests()],
        "> continued
         run
         halt
         run
         = []
         halt
         > groups +DomU3
         run
         = [(GuestId(3), \"DomU3\")]",
    );
}

#[test]
fn what_cannot_be_of_hvtrace_is_said() {
    let check = |at: u64, bytes: &[u8], expected: &str| {
        let mut machine = traced();
        machine.write(at, bytes);
        check_with(with_hvtrace(), machine, [drain(1)], expected);
    };
    check(
        ROOT,
        b"h",
        "= what lies at hvtrace_root is no hvtrace buffer",
    );
    check(
        ROOT + 8,
        &[2],
        "= hvtrace of version 2, of which only 1 is known",
    );
    check(
        ROOT + 16,
        &[0; 8],
        "= the hypervisor has not called hvtrace_init yet",
    );
    check(
        ROOT + 24,
        &[0; 4],
        "= hvtrace_root tells of 0 cores with 4 records of 32 bytes each, which cannot be",
    );
    check(
        ROOT + 32,
        &[1],
        "= hvtrace_root tells of rings at 0x92001, which is no place for them: was hvtrace_init given the right offset?",
    );
    // More records than the ring has room for: none of them is one.
    check(RING, &[0xff; 4], "= pCPU 0: 0 bytes");
}
