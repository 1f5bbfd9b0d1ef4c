//! Variables of a function at an address, and where they are, over DWARF 4 and 5 written in the test.

mod support;

use gimli::constants as dw;
use gimli::write::{
    Address, AttributeValue, DebugInfoRef, Expression, Location, LocationList, UnitEntryId,
};
use gimli::{AArch64, DwTag};
use machine::{Register, Va};
use support::{Build, CODE, Memory, TestFrame, number, span, ty};
use symbols::location::Piece;
use symbols::variables::VariableKind;
use symbols::{Image, LinkVa, LocateError, Place};

/// The names at an address of the function `probe`, shadowed ones in brackets, a bar after the parameters.
fn names_at(image: &Image, pc: u64) -> String {
    let function = image.function_at(LinkVa(pc)).expect("it was built");
    let mut text = String::new();
    let mut parameters = true;
    for variable in image.locals_at(function, LinkVa(pc)) {
        if parameters && variable.kind != VariableKind::Parameter {
            text.push_str("| ");
            parameters = false;
        }
        match variable.shadowed {
            true => text.push_str(&format!("({}) ", variable.name)),
            false => text.push_str(&format!("{} ", variable.name)),
        }
    }
    text.trim_end().to_owned()
}

#[test]
fn locals_come_from_the_blocks_that_cover_the_address() {
    for version in [4, 5] {
        let mut b = Build::new(version);
        let function = b.function("probe", CODE, 0x100);
        let block = b.under(function, dw::DW_TAG_lexical_block, span(CODE + 0x10, 0x40));
        let inner = b.under(block, dw::DW_TAG_lexical_block, span(CODE + 0x20, 0x10));
        let other = b.under(function, dw::DW_TAG_lexical_block, span(CODE + 0x80, 0x10));
        let empty = b.under(function, dw::DW_TAG_lexical_block, span(CODE + 0x20, 0));
        let without = b.under(function, dw::DW_TAG_lexical_block, vec![]);
        for (parent, tag, name) in [
            (function, dw::DW_TAG_variable, "x"),
            (function, dw::DW_TAG_formal_parameter, "argument"),
            (function, dw::DW_TAG_variable, "y"),
            (block, dw::DW_TAG_variable, "x"),
            (inner, dw::DW_TAG_variable, "argument"),
            (other, dw::DW_TAG_variable, "z"),
            (empty, dw::DW_TAG_variable, "never"),
            (without, dw::DW_TAG_variable, "nowhere"),
        ] {
            b.named(parent, tag, name, vec![]);
        }
        let image = b.image();
        for (pc, names) in [
            (0, "argument | x y nowhere"),
            (0x10, "argument | x (x) y nowhere"),
            (0x20, "(argument) | argument x (x) y nowhere"),
            (0x30, "argument | x (x) y nowhere"),
            (0x50, "argument | x y nowhere"),
            (0x85, "argument | z x y nowhere"),
        ] {
            assert_eq!(names_at(&image, CODE + pc), names, "at {pc:#x}");
        }
    }
}

#[test]
fn an_inlined_copy_takes_names_and_types_from_its_origin() {
    let mut b = Build::new(5);
    let int = b.int();
    let root = b.root();
    let original = b.named(root, dw::DW_TAG_subprogram, "inlined", vec![]);
    let kept = b.named(original, dw::DW_TAG_formal_parameter, "kept", vec![ty(int)]);
    b.named(original, dw::DW_TAG_formal_parameter, "lost", vec![ty(int)]);
    let fixed = (dw::DW_AT_const_value, AttributeValue::Sdata(-7));
    b.named(original, dw::DW_TAG_variable, "fixed", vec![ty(int), fixed]);
    let function = b.function("probe", CODE, 0x100);
    let mut attributes = span(CODE, 0x10);
    let origin = |of| (dw::DW_AT_abstract_origin, AttributeValue::UnitRef(of));
    attributes.push(origin(original));
    let copy = b.under(function, dw::DW_TAG_inlined_subroutine, attributes);
    let mut in_x3 = Expression::new();
    in_x3.op_reg(AArch64::X3);
    let location = (dw::DW_AT_location, AttributeValue::Exprloc(in_x3));
    b.under(
        copy,
        dw::DW_TAG_formal_parameter,
        vec![origin(kept), location],
    );
    let image = b.image();
    let frames = image.frames_at(LinkVa(CODE));
    let inlined = frames.first().expect("the inlined frame").function;
    let mut frame = TestFrame::default();
    frame.registers.set(Register::X(3), 99);
    let shown: Vec<(String, String, Result<Place, LocateError>)> = image
        .locals_at(inlined, LinkVa(CODE))
        .iter()
        .map(|variable| {
            let place = image.locate(variable, &frame);
            (variable.name.to_string(), image.spell(variable.ty), place)
        })
        .collect();
    let register = Place::Register {
        register: Register::X(3),
        value: 99,
    };
    let constant = Place::Bytes((-7i128).to_le_bytes().as_slice().into());
    let wanted = [
        ("kept", Ok(register)),
        ("lost", Ok(Place::OptimizedOut)),
        ("fixed", Ok(constant)),
    ]
    .map(|(name, place)| (name.to_owned(), "int".to_owned(), place));
    assert_eq!(shown, wanted);
}

#[test]
fn a_location_list_is_chosen_by_address() {
    for version in [4, 5] {
        let mut b = Build::new(version);
        let function = b.function("probe", CODE, 0x100);
        let mut register = Expression::new();
        register.op_reg(AArch64::X5);
        let mut number_nine = Expression::new();
        number_nine.op_constu(9);
        number_nine.op(dw::DW_OP_stack_value);
        let list = LocationList(vec![
            Location::OffsetPair {
                begin: 0x10,
                end: 0x20,
                data: register,
            },
            Location::OffsetPair {
                begin: 0x20,
                end: 0x30,
                data: number_nine,
            },
        ]);
        let list = b.unit().locations.add(list);
        let location = (dw::DW_AT_location, AttributeValue::LocationListRef(list));
        b.named(function, dw::DW_TAG_variable, "moving", vec![location]);
        let image = b.image();
        let mut frame = TestFrame::default();
        frame.registers.set(Register::X(5), 5);
        let register = Place::Register {
            register: Register::X(5),
            value: 5,
        };
        for (pc, place) in [
            (0x0f, Place::OptimizedOut),
            (0x10, register.clone()),
            (0x1f, register),
            (0x20, Place::Bytes(9u64.to_le_bytes().as_slice().into())),
            (0x30, Place::OptimizedOut),
        ] {
            frame.pc = CODE + pc;
            assert_eq!(located(&image, &frame), Ok(place), "{version} at {pc:#x}");
        }
    }
}

/// Where the only variable of the function `probe` is.
fn located(image: &Image, frame: &TestFrame) -> Result<Place, LocateError> {
    let function = image.function_at(LinkVa(CODE)).expect("it was built");
    let locals = image.locals_at(function, LinkVa(CODE));
    image.locate(locals.first().expect("it was built"), frame)
}

/// An image of one function whose only variable is where `expression` says; its frame base is the CFA.
fn image_of(
    expression: impl FnOnce(&mut Build, UnitEntryId) -> Expression,
) -> std::sync::Arc<Image> {
    let mut b = Build::new(5);
    let function = b.function("probe", CODE, 0x100);
    let mut base = Expression::new();
    base.op(dw::DW_OP_call_frame_cfa);
    let base = AttributeValue::Exprloc(base);
    b.unit().get_mut(function).set(dw::DW_AT_frame_base, base);
    let variable = b.named(function, dw::DW_TAG_variable, "variable", vec![]);
    let expression = AttributeValue::Exprloc(expression(&mut b, variable));
    b.unit()
        .get_mut(variable)
        .set(dw::DW_AT_location, expression);
    b.image()
}

fn frame() -> TestFrame {
    let mut frame = TestFrame {
        slide: 0x10_0000,
        cfa: Some(Va(0x8000)),
        pc: CODE,
        ..TestFrame::default()
    };
    frame.registers.set(Register::X(1), 0x11);
    frame.registers.set(Register::X(2), 0xffff_ffff_ffff_fff0);
    frame.registers.set(Register::Sp, 0x7f00);
    frame.memory = Memory(vec![(0x7f08, 0x1234_5678u64.to_le_bytes().to_vec())]);
    frame
}

fn check(
    what: &str,
    expression: impl FnOnce(&mut Build, UnitEntryId) -> Expression,
    wanted: Result<Place, LocateError>,
) {
    assert_eq!(located(&image_of(expression), &frame()), wanted, "{what}");
}

fn simple(
    write: impl FnOnce(&mut Expression),
) -> impl FnOnce(&mut Build, UnitEntryId) -> Expression {
    move |_, _| {
        let mut expression = Expression::new();
        write(&mut expression);
        expression
    }
}

fn bytes(value: &[u8]) -> Result<Place, LocateError> {
    Ok(Place::Bytes(value.into()))
}

#[test]
fn places_in_memory_and_registers() {
    check(
        "fbreg",
        simple(|e| e.op_fbreg(-16)),
        Ok(Place::Memory(Va(0x7ff0))),
    );
    check(
        "breg31",
        simple(|e| e.op_breg(AArch64::SP, 8)),
        Ok(Place::Memory(Va(0x7f08))),
    );
    let address = Address::Constant(0x2000);
    check(
        "addr",
        simple(|e| e.op_addr(address)),
        Ok(Place::Memory(Va(0x10_2000))),
    );
    let read = |e: &mut Expression| {
        e.op_breg(AArch64::SP, 8);
        e.op_deref();
        e.op_plus_uconst(8);
    };
    check("deref", simple(read), Ok(Place::Memory(Va(0x1234_5680))));
    let register = Place::Register {
        register: Register::X(1),
        value: 0x11,
    };
    check("reg1", simple(|e| e.op_reg(AArch64::X1)), Ok(register));
    let unknown = |name: &str| Err(LocateError::Register(name.to_owned()));
    check("reg0", simple(|e| e.op_reg(AArch64::X0)), unknown("x0"));
    check("v0", simple(|e| e.op_reg(AArch64::V0)), unknown("v0"));
}

#[test]
fn values_without_a_place() {
    let sum = |e: &mut Expression| {
        e.op_breg(AArch64::X1, 1);
        e.op_constu(3);
        e.op(dw::DW_OP_mul);
        e.op(dw::DW_OP_stack_value);
    };
    check("stack_value", simple(sum), bytes(&0x36u64.to_le_bytes()));
    check(
        "implicit_value",
        simple(|e| e.op_implicit_value(Box::new([1, 2, 3]))),
        bytes(&[1, 2, 3]),
    );
    check(
        "convert",
        |b, _| {
            let int = b.int();
            let mut e = Expression::new();
            e.op_regval_type(AArch64::X2, int);
            e.op_convert(None);
            e.op(dw::DW_OP_stack_value);
            e
        },
        bytes(&(-16i64).to_le_bytes()),
    );
    check(
        "character",
        |b, _| {
            let byte = b.base("unsigned char", 1, dw::DW_ATE_unsigned_char);
            let mut e = Expression::new();
            e.op_regval_type(AArch64::X2, byte);
            e.op(dw::DW_OP_stack_value);
            e
        },
        bytes(&[0xf0]),
    );
    let pieces = |e: &mut Expression| {
        e.op_reg(AArch64::X1);
        e.op_piece(4);
        e.op_piece(2);
        e.op_reg(AArch64::X0);
        e.op_piece(2);
    };
    let piece = |bits, place| Piece {
        bits,
        skip: 0,
        place,
    };
    let wanted = [
        piece(
            32,
            Place::Register {
                register: Register::X(1),
                value: 0x11,
            },
        ),
        piece(16, Place::OptimizedOut),
        piece(16, Place::OptimizedOut),
    ];
    check(
        "pieces",
        simple(pieces),
        Ok(Place::Pieces(wanted.as_slice().into())),
    );
}

#[test]
fn a_pointer_without_a_place_keeps_what_it_points_to() {
    check(
        "implicit_pointer",
        |b, _| {
            let root = b.root();
            let unit = b.unit;
            let value = (dw::DW_AT_const_value, AttributeValue::Sdata(77));
            let target = b.named(root, dw::DW_TAG_variable, "target", vec![value]);
            let mut e = Expression::new();
            e.op_implicit_pointer(DebugInfoRef::Entry(unit, target), 4);
            e
        },
        Ok(Place::Implicit {
            target: bytes(&77i128.to_le_bytes()).ok().map(Into::into),
            offset: 4,
        }),
    );
    let endless = located(
        &image_of(|b, own| {
            let mut e = Expression::new();
            e.op_implicit_pointer(DebugInfoRef::Entry(b.unit, own), 0);
            e
        }),
        &frame(),
    );
    assert!(matches!(endless, Ok(Place::Implicit { .. })), "{endless:?}");
}

#[test]
fn what_cannot_be_told_says_why() {
    let tls = |e: &mut Expression| {
        e.op_constu(8);
        e.op(dw::DW_OP_form_tls_address);
    };
    check("tls", simple(tls), Err(LocateError::ThreadLocal));
    let unmapped = |e: &mut Expression| {
        e.op_constu(64);
        e.op_deref();
    };
    let fault = machine::MemoryFault::OutOfRange(Va(64));
    check(
        "unmapped",
        simple(unmapped),
        Err(LocateError::Memory(fault)),
    );
    let endless = |e: &mut Expression| {
        e.op(dw::DW_OP_nop);
        let skip = e.op_skip();
        e.set_target(skip, 0);
    };
    let reason = gimli::Error::TooManyIterations;
    check(
        "endless",
        simple(endless),
        Err(LocateError::Damaged(reason)),
    );
    check(
        "calls itself",
        |_, own| {
            let mut e = Expression::new();
            e.op_call(own);
            e
        },
        Err(LocateError::Damaged(reason)),
    );
    let image = image_of(simple(|e| e.op_fbreg(0)));
    let frame = TestFrame {
        cfa: None,
        ..frame()
    };
    assert_eq!(located(&image, &frame), Err(LocateError::NoFrame));
}

/// `probe` calls `callee` at `CODE + 0x20`, giving it x19 + 1 in x0; `callee` has forgotten x0.
fn call(version: u16, direct: bool) -> Build {
    let (site_tag, returns, value, site_parameter): (DwTag, _, _, DwTag) = match version {
        4 => (
            dw::DW_TAG_GNU_call_site,
            dw::DW_AT_low_pc,
            dw::DW_AT_GNU_call_site_value,
            dw::DW_TAG_GNU_call_site_parameter,
        ),
        _ => (
            dw::DW_TAG_call_site,
            dw::DW_AT_call_return_pc,
            dw::DW_AT_call_value,
            dw::DW_TAG_call_site_parameter,
        ),
    };
    let mut b = Build::new(version);
    let mut x0 = Expression::new();
    x0.op_reg(AArch64::X0);
    let mut on_entry = Expression::new();
    on_entry.op_entry_value(x0.clone());
    on_entry.op(dw::DW_OP_stack_value);
    let callee = b.function("callee", CODE + 0x800, 0x100);
    let location = (dw::DW_AT_location, AttributeValue::Exprloc(on_entry));
    b.named(
        callee,
        dw::DW_TAG_formal_parameter,
        "argument",
        vec![location],
    );
    let caller = b.function("probe", CODE, 0x100);
    let block = b.under(caller, dw::DW_TAG_lexical_block, span(CODE, 0x80));
    let at = AttributeValue::Address(Address::Constant(CODE + 0x24));
    let site = b.under(block, site_tag, vec![(returns, at)]);
    if direct {
        let name = match version {
            4 => dw::DW_AT_abstract_origin,
            _ => dw::DW_AT_call_origin,
        };
        b.unit()
            .get_mut(site)
            .set(name, AttributeValue::UnitRef(callee));
    }
    let mut given = Expression::new();
    given.op_breg(AArch64::X19, 1);
    b.under(
        site,
        site_parameter,
        vec![
            (dw::DW_AT_location, AttributeValue::Exprloc(x0)),
            (value, AttributeValue::Exprloc(given)),
        ],
    );
    b
}

#[test]
fn a_forgotten_argument_is_known_to_the_caller() {
    for (version, direct, wanted) in [
        (4, true, bytes(&42u64.to_le_bytes())),
        (5, true, bytes(&42u64.to_le_bytes())),
        (5, false, Ok(Place::OptimizedOut)),
    ] {
        let image = call(version, direct).image();
        let mut caller = TestFrame {
            pc: CODE + 0x23,
            ..TestFrame::default()
        };
        caller.registers.set(Register::X(19), 41);
        let mut frame = TestFrame {
            pc: CODE + 0x840,
            ..TestFrame::default()
        };
        let function = image.function_at(LinkVa(frame.pc)).expect("it was built");
        let locals = image.locals_at(function, LinkVa(frame.pc));
        assert_eq!(image.locate(&locals[0], &frame), Ok(Place::OptimizedOut));
        frame.caller = Some(Box::new(caller));
        assert_eq!(
            image.locate(&locals[0], &frame),
            wanted,
            "{version} {direct}"
        );
    }
}

#[test]
fn globals_of_one_name_are_all_found_once() {
    let mut b = Build::new(5);
    let at = |address: u64| {
        let mut e = Expression::new();
        e.op_addr(Address::Constant(address));
        (dw::DW_AT_location, AttributeValue::Exprloc(e))
    };
    let external = (dw::DW_AT_external, AttributeValue::Flag(true));
    for (file, length, external, address) in [
        ("weak.c", None, Some(external.clone()), 0x2000),
        ("strong.c", Some(8), Some(external), 0x2000),
        ("static.c", Some(4), None, 0x3000),
    ] {
        b.next_unit(file);
        let int = b.int();
        let array = b.array(int, &[length]);
        let root = b.root();
        let mut attributes = vec![ty(array), at(address), number(dw::DW_AT_decl_line, 7)];
        attributes.extend(external);
        b.named(root, dw::DW_TAG_variable, "table", attributes);
    }
    let image = b.image();
    let shown: Vec<_> = image
        .globals_named("table")
        .into_iter()
        .map(|variable| {
            let file = variable.file.as_deref().unwrap_or("").to_owned();
            (file, image.spell(variable.ty), variable.kind, variable.line)
        })
        .collect();
    let global = |external| VariableKind::Global { external };
    let row = |file: &str, ty: &str, kind| (file.to_owned(), ty.to_owned(), kind, Some(7));
    assert_eq!(
        shown,
        [
            row("strong.c", "int [8]", global(true)),
            row("static.c", "int [4]", global(false)),
        ]
    );
}
