//! A VM with an image: breakpoints by function and line, steps by line, and what becomes of them when the VM is another one.

use std::sync::Arc;

use engine::setup::{Setup, Slot, VmSetup};
use engine::view::{
    BreakpointRequest, BreakpointScope, BreakpointSet, Granularity, Place, StepKind,
};
use gimli::LineEncoding;
use gimli::write::{Address, LineProgram, LineString};
use machine::{Register, SysReg};
use symbols::Image;

use crate::fake::{Machine, Move, in_vm, ram};
use crate::session::{
    Do, Wish, ask, breakpoints, compare, counts, pause, resume, thread, transcript_with,
};
use crate::support::{Build, CODE, CODE_BYTES, elf_of, symbols};

const NOP: u32 = 0xd503_201f;
const VECTORS: u64 = CODE + 0x800;
const VBAR: Register = Register::Sys(SysReg::VbarEl1);

/// `main` calls `helper` in its second line; then the vectors, by which the VM that runs it is known.
///
/// ```text
/// main  0x1000 line 10   0x1008 line 11, calls at 0x100c   0x1010 line 12
/// helper  0x1040 line 20   0x1048 line 21
/// ```
fn image() -> Arc<Image> {
    let mut b = Build::new(5);
    let encoding = b.unit().encoding();
    let text = |text: &str| LineString::String(text.into());
    let (line, home) = (LineEncoding::default(), text("/src"));
    let mut lines = LineProgram::new(encoding, line, home, None, text("first.c"), None);
    let home = lines.default_directory();
    let file = lines.add_file(text("first.c"), home, None);
    let mut function = |start: u64, size: u64, rows: &[(u64, u64)]| {
        lines.begin_sequence(Some(Address::Constant(CODE + start)));
        for (offset, number) in rows {
            let row = lines.row();
            (row.address_offset, row.file, row.line) = (*offset, file, *number);
            row.is_statement = true;
            lines.generate_row();
        }
        lines.end_sequence(size);
    };
    function(0, 0x20, &[(0, 10), (8, 11), (0x10, 12)]);
    function(0x40, 0x10, &[(0, 20), (8, 21)]);
    b.unit().line_program = lines;
    b.function("main", CODE, 0x20);
    b.function("helper", CODE + 0x40, 0x10);
    let mut sections = symbols(&[
        ("main", CODE, 0x20),
        ("helper", CODE + 0x40, 0x10),
        ("vectors", VECTORS, 0x800),
    ]);
    sections.extend(b.sections());
    let bytes = elf_of(&[NOP; CODE_BYTES / 4], &sections);
    let image = Image::parse("guest.elf", Arc::new(bytes)).expect("the test's ELF is whole");
    image.prepare();
    Arc::new(image)
}

/// VM 1 executes the image on core 0; VM 2 on core 1 has other code at the same address.
fn machine() -> Machine {
    with_code(
        Machine::new(2)
            .at(in_vm(0, 1, CODE).with(VBAR, VECTORS))
            .at(in_vm(1, 2, CODE).with(VBAR, 0)),
    )
}

/// The image's code lies in VM 1.
fn with_code(mut machine: Machine) -> Machine {
    let code: Vec<u8> = [NOP; CODE_BYTES / 4]
        .iter()
        .flat_map(|word| word.to_le_bytes())
        .collect();
    machine.write(ram(1) + CODE, &code);
    machine
}

#[track_caller]
fn check<const N: usize>(machine: Machine, deeds: [Do; N], expected: &str) {
    let guest = VmSetup {
        name: "Guest".to_owned(),
        has_image: true,
        ..VmSetup::default()
    };
    let setup = Setup {
        vms: vec![guest],
        ..Setup::default()
    };
    let deliver = |handle: &engine::Handle| handle.image(Slot::Vm(0), Ok(image()));
    compare(&transcript_with(setup, deliver, machine, deeds), expected);
}

fn function(name: &'static str) -> Wish {
    Wish {
        function: Some(name),
        ..Wish::default()
    }
}

/// Steps the guest's vCPU by line.
fn step(kind: StepKind) -> Do {
    ask(move |engine| {
        let thread = thread(engine, "Guest", "vCPU 0");
        let outcome = engine.step(thread, kind, Granularity::Line);
        outcome.map_or_else(|error| error.to_string(), |()| String::new())
    })
}

/// The innermost frame.
fn place() -> Do {
    ask(|engine| {
        let thread = thread(engine, "Guest", "vCPU 0");
        let stack = engine.stack(thread, 0, Some(1));
        stack.map_or_else(
            |error| error.to_string(),
            |stack| {
                let frame = &stack.frames[0];
                let line = frame.source.as_ref().map_or(0, |source| source.line);
                format!("{}:{line}", frame.name)
            },
        )
    })
}

fn there(pc: u64) -> Move {
    in_vm(0, 1, CODE + pc)
}

#[test]
fn a_function_binds_in_the_vm_that_has_it() {
    check(
        machine().plan([in_vm(1, 2, CODE + 0x48), in_vm(1, 2, CODE), there(0x48)]),
        [
            breakpoints([function("helper"), function("nothing")]),
            resume(),
            counts(),
            place(),
        ],
        "> continued
         arm 0x1048
         run
         step 1
         run
         > breakpoint in Guest (VMID 1), vCPU 0 on pCPU 0, EL1
         = 1 of 1: 1 hits, 1 filtered; 2 of 1: 0 hits, 0 filtered, no image has a function nothing
         = helper:21",
    );
}

#[test]
fn an_image_is_looked_for_past_a_vm_that_is_not_up() {
    let machine = with_code(
        Machine::new(2)
            .at(in_vm(0, 2, 0x4000).with(VBAR, 0))
            .at(in_vm(1, 1, CODE).with(VBAR, VECTORS)),
    );
    check(machine, [place()], "= main:10");
}

#[test]
fn a_line_binds_where_its_code_is() {
    check_lines(
        BreakpointScope::Any,
        "= 0x1008: Guest: main
         = 0x1048: Guest: helper
         = nowhere: no image has code for /src/first.c:99: check the source-map of the machine file",
    );
}

#[test]
fn a_vm_may_be_named_before_it_is_recognised() {
    let named = |name: &str| BreakpointScope::Named(name.to_owned());
    check_lines(
        named("guest"),
        "= 0x1008: Guest: main
         = 0x1048: Guest: helper
         = nowhere: no image has code for /src/first.c:99: check the source-map of the machine file",
    );
    check_lines(
        named("Other"),
        "= nowhere: the VM this breakpoint is for is not there: it binds when it appears
         = nowhere: the VM this breakpoint is for is not there: it binds when it appears
         = nowhere: the VM this breakpoint is for is not there: it binds when it appears",
    );
}

/// Breakpoints at a line of `main`, one of `helper` and one nowhere.
#[track_caller]
fn check_lines(scope: BreakpointScope, expected: &str) {
    let line = |line| {
        let scope = scope.clone();
        ask(move |engine| {
            let request = BreakpointRequest {
                place: Place::Line {
                    path: "/src/first.c".to_owned(),
                    line,
                },
                scope: scope.clone(),
                condition: None,
                hit_condition: None,
                log_message: None,
            };
            let set = BreakpointSet {
                owner: 1,
                key: "line:/src/first.c".to_owned(),
            };
            let views = engine.set_breakpoints(&set, vec![request]);
            let at = views[0]
                .address
                .map_or("nowhere".to_owned(), |at| at.to_string());
            format!("{at}: {}", views[0].message)
        })
    };
    check(machine(), [line(11), line(21), line(99)], expected);
}

#[test]
fn a_line_is_stepped_instruction_by_instruction() {
    check(
        machine(),
        [step(StepKind::Over), place()],
        "> continued by thread 3
         step 0
         step 0
         > step in Guest (VMID 1), vCPU 0 on pCPU 0, EL1
         = main:11",
    );
}

#[test]
fn a_line_with_a_call_is_stepped_over() {
    let called = there(0x40).with(Register::X(30), CODE + 0x10);
    check(
        machine()
            .at(there(8))
            .plan([there(0xc), called, there(0x48), there(0x10)]),
        [step(StepKind::Over), place()],
        "> continued by thread 3
         step 0
         step 0
         arm 0x1010
         run
         > step in Guest (VMID 1), vCPU 0 on pCPU 0, EL1
         = main:12",
    );
}

#[test]
fn a_line_with_a_call_is_stepped_into() {
    let called = there(0x40).with(Register::X(30), CODE + 0x10);
    check(
        machine()
            .at(there(8))
            .plan([there(0xc), called, there(0x44), there(0x48)]),
        [step(StepKind::In), place()],
        "> continued by thread 3
         step 0
         step 0
         arm 0x1048
         run
         > step in Guest (VMID 1), vCPU 0 on pCPU 0, EL1
         = helper:21",
    );
}

#[test]
fn breakpoints_do_not_outlive_their_vm() {
    let other = in_vm(0, 1, 0x5000)
        .with(Register::Sys(SysReg::VttbrEl2), 1 << 48 | 3 << 16)
        .with(VBAR, 0);
    check(
        machine().plan([other]),
        [breakpoints([function("helper")]), resume(), pause(), resume(), counts()],
        "> continued
         arm 0x1048
         run
         halt
         > VMID 1 has another stage-2 table than at an earlier halt: it belongs to another VM now
         > images of group 1 changed
         > breakpoint 1: no image is found in this VM yet: the breakpoint binds when one is
         > paused in VM 1 (VMID 1), vCPU 0 on pCPU 0, EL1
         > continued
         disarm 0x1048
         run
         = 1 of 1: 0 hits, 0 filtered, no image is found in this VM yet: the breakpoint binds when one is",
    );
}
