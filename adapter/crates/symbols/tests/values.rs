//! Values read, shown and taken apart, over types written in the test.

mod support;

use std::sync::Arc;

use gimli::constants as dw;
use gimli::write::{AttributeValue, UnitEntryId};
use machine::{MemoryFault, Register, Va};
use support::{Build, Memory, number, size, ty};
use symbols::location::Piece;
use symbols::value::{Child, Children, Scalar, Viewer};
use symbols::{Image, Place, Value, ValueError};

/// Where the value under test lies.
const AT: u64 = 0x4000;

/// `struct probe` with one member `it` at 0 of the type that `make` builds.
fn probe(make: impl FnOnce(&mut Build) -> UnitEntryId) -> Value {
    let mut b = Build::new(5);
    let made = make(&mut b);
    let probe = b.structure("probe", 0x1000);
    b.member(probe, "it", made, 0);
    let image = b.image();
    let probe = image.type_named("struct probe").expect("it was built");
    let field = image.field(probe, "it").expect("it was built");
    Value::new(image, Some(field.ty), Place::Memory(Va(AT)))
}

fn memory(bytes: &[u8]) -> Memory {
    Memory(vec![
        (AT, bytes.to_vec()),
        (0x5000, [&b"a \"text\"\n\x01\0"[..], &[b'z'; 64]].concat()),
        (0x5fff, b"x".to_vec()),
        (0x7000, 5u32.to_le_bytes().to_vec()),
    ])
}

fn show(value: &Value, bytes: &[u8]) -> String {
    let symbol = |address: Va| (address == Va(0x1234)).then(|| "handler".to_owned());
    let memory = memory(bytes);
    value.show(Viewer {
        memory: &memory,
        symbol: &symbol,
    })
}

fn check_base(name: &str, encoding: gimli::DwAte, rows: &[(&[u8], &str)]) {
    for (bytes, shown) in rows {
        let value = probe(|b| b.base(name, bytes.len() as u64, encoding));
        assert_eq!(show(&value, bytes), *shown, "{name} {bytes:x?}");
    }
}

#[test]
fn numbers_are_shown_as_c_writes_them() {
    check_base(
        "int",
        dw::DW_ATE_signed,
        &[
            (&[0xff; 4], "-1"),
            (&[0xfe, 0xff], "-2"),
            (&[0; 16], "0"),
            (&[0xff; 16], "-1"),
        ],
    );
    check_base(
        "unsigned",
        dw::DW_ATE_unsigned,
        &[
            (&[0xff; 4], "4294967295"),
            (&[0xff; 8], "18446744073709551615"),
            (&[0xff; 16], "340282366920938463463374607431768211455"),
        ],
    );
    check_base(
        "_Bool",
        dw::DW_ATE_boolean,
        &[(&[0], "false"), (&[1], "true"), (&[7], "7")],
    );
    check_base(
        "char",
        dw::DW_ATE_unsigned_char,
        &[
            (b"A", "65 'A'"),
            (b"'", "39 '\\''"),
            (&[0x80], "128 '\\200'"),
        ],
    );
    check_base("char", dw::DW_ATE_signed_char, &[(&[0x80], "-128 '\\200'")]);
    check_base("unsigned char", dw::DW_ATE_unsigned_char, &[(b"A", "65")]);
    check_base("float", dw::DW_ATE_float, &[(&1.1f32.to_le_bytes(), "1.1")]);
    check_base(
        "double",
        dw::DW_ATE_float,
        &[
            (&(-0.5f64).to_le_bytes(), "-0.5"),
            (&f64::NAN.to_le_bytes(), "NaN"),
        ],
    );
    let wide: Vec<u8> = (0..16).collect();
    check_base(
        "long double",
        dw::DW_ATE_float,
        &[(&wide, "0x0f0e0d0c0b0a09080706050403020100")],
    );
}

fn enumeration(b: &mut Build, bytes: u64, names: &[(&str, i64)]) -> UnitEntryId {
    let root = b.root();
    let it = b.named(root, dw::DW_TAG_enumeration_type, "kind", vec![size(bytes)]);
    for (name, value) in names {
        let value = (dw::DW_AT_const_value, AttributeValue::Sdata(*value));
        b.named(it, dw::DW_TAG_enumerator, name, vec![value]);
    }
    it
}

#[test]
fn enumerators_are_shown_by_name() {
    let flags = [("NONE", 0), ("READ", 1), ("WRITE", 2), ("BOTH_HIGH", 0x30)];
    let states = [("UNKNOWN", -1), ("FIRST", 0), ("SECOND", 1), ("THIRD", 3)];
    for (names, bytes, shown) in [
        (&flags, 0u32, "NONE"),
        (&flags, 2, "WRITE"),
        (&flags, 0x33, "READ | WRITE | BOTH_HIGH"),
        (&flags, 0x41, "READ | 0x40"),
        (&flags, 0x40, "64"),
        (&states, 3, "THIRD"),
        (&states, 2, "2"),
        (&states, u32::MAX, "UNKNOWN"),
    ] {
        let value = probe(|b| enumeration(b, 4, names));
        assert_eq!(show(&value, &bytes.to_le_bytes()), shown, "{bytes:#x}");
    }
}

#[test]
fn pointers_show_what_helps() {
    let character = |b: &mut Build| {
        let char = b.base("char", 1, dw::DW_ATE_unsigned_char);
        let constant = b.of(dw::DW_TAG_const_type, Some(char));
        b.of(dw::DW_TAG_pointer_type, Some(constant))
    };
    let function = |b: &mut Build| {
        let function = b.top(dw::DW_TAG_subroutine_type, vec![]);
        b.of(dw::DW_TAG_pointer_type, Some(function))
    };
    let plain = |b: &mut Build| b.of(dw::DW_TAG_pointer_type, None);
    type Make<'a> = &'a dyn Fn(&mut Build) -> UnitEntryId;
    let rows: [(Make<'_>, u64, &str); 8] = [
        (&plain, 0, "NULL"),
        (&plain, 0x1234, "0x1234"),
        (&function, 0x1234, "0x1234 <handler>"),
        (&function, 0x1238, "0x1238"),
        (&character, 0x5000, "0x5000 \"a \\\"text\\\"\\n\\001\""),
        (
            &character,
            0x5fff,
            "0x5fff \"x\"... <not a valid address here: VA 0x6000>",
        ),
        (
            &character,
            0x9000,
            "0x9000 <not a valid address here: VA 0x9000>",
        ),
        (&character, 0, "NULL"),
    ];
    for (make, address, shown) in rows {
        let value = probe(|b| make(b));
        assert_eq!(show(&value, &address.to_le_bytes()), shown, "{address:#x}");
    }
    let value = probe(plain);
    assert_eq!(show(&value, &[]), "<not a valid address here: VA 0x4000>");
}

/// struct counter { int counter; union { char tag[4]; int : 4, low : 4, high : 9; }; }
fn counter(b: &mut Build) -> UnitEntryId {
    let int = b.int();
    let char = b.base("char", 1, dw::DW_ATE_unsigned_char);
    let tag = b.array(char, &[Some(4)]);
    let either = b.top(dw::DW_TAG_union_type, vec![size(4)]);
    b.member(either, "tag", tag, 0);
    for (name, first, width) in [("low", 4, 4), ("high", 8, 9)] {
        let attributes = vec![
            ty(int),
            number(dw::DW_AT_bit_size, width),
            number(dw::DW_AT_data_bit_offset, first),
        ];
        b.named(either, dw::DW_TAG_member, name, attributes);
    }
    let counter = b.structure("counter", 8);
    b.member(counter, "counter", int, 0);
    b.member(counter, "", either, 4);
    counter
}

#[test]
fn records_and_arrays_are_shown_in_one_line() {
    let bytes = [3, 0, 0, 0, b'h', b'i', 0, 0x80];
    let value = probe(counter);
    assert_eq!(
        show(&value, &bytes),
        "{counter = 3, {tag = \"hi\", low = 6, high = 105}}"
    );
    assert_eq!(show(&value, &[]), "<not a valid address here: VA 0x4000>");
    assert_eq!(
        show(&value, &[3, 0, 0, 0]),
        "{counter = 3, <not a valid address here: VA 0x4004>}"
    );
    let numbers = |lengths: &'static [Option<u64>]| {
        probe(move |b| {
            let byte = b.base("unsigned char", 1, dw::DW_ATE_unsigned_char);
            b.array(byte, lengths)
        })
    };
    for (lengths, shown) in [
        (&[Some(3)][..], "{1, 2, 3}"),
        (&[Some(2), Some(2)], "{{1, 2}, {3, 0}}"),
        (&[Some(8)], "{1, 2, 3, 0 <repeats 5 times>}"),
        (
            &[Some(1 << 40)],
            "{1, 2, 3, 0 <repeats 61 or more times>, ...}",
        ),
        (&[None], "0x4000"),
    ] {
        let mut bytes = vec![0; 256];
        bytes[..3].copy_from_slice(&[1, 2, 3]);
        assert_eq!(show(&numbers(lengths), &bytes), shown, "{lengths:?}");
    }
    let many: Vec<u8> = (0..200).collect();
    let long = show(&numbers(&[Some(200)]), &many);
    assert!(long.ends_with(", ...}") && long.len() < 200, "{long}");
    let text = probe(|b| {
        let char = b.base("char", 1, dw::DW_ATE_unsigned_char);
        b.array(char, &[Some(1000)])
    });
    let shown = show(&text, &[b'y'; 1000]);
    assert_eq!(shown, format!("\"{}\"...", "y".repeat(256)));
}

fn parts(value: &Value, memory: &Memory, start: u64, count: u64) -> Vec<String> {
    let children = value.children(memory, start, count);
    let expression = |child: &Child| child.step.expression("it");
    children
        .iter()
        .map(|child| {
            let shown = child.value.show(Viewer::new(memory));
            format!(
                "{} {} = {shown}",
                child.value.type_name(),
                expression(child)
            )
        })
        .collect()
}

#[test]
fn children_come_in_pages() {
    let bytes = [3, 0, 0, 0, b'h', b'i', 0, 0];
    let memory = memory(&bytes);
    let value = probe(counter);
    let named = |named| Children { named, indexed: 0 };
    assert_eq!(value.child_count(&memory), named(2));
    assert_eq!(parts(&value, &memory, 0, 1), ["int it.counter = 3"]);
    assert_eq!(
        parts(&value, &memory, 1, 9),
        ["union {...} it = {tag = \"hi\", low = 6, high = 105}"]
    );
    let huge = probe(|b| {
        let int = b.int();
        b.array(int, &[Some(u64::MAX - 1), Some(3)])
    });
    let count = Children {
        named: 0,
        indexed: u64::MAX - 1,
    };
    assert_eq!(huge.child_count(&memory), count);
    let page = huge.children(&memory, 1 << 33, 2);
    let steps: Vec<_> = page.iter().map(|child| child.step.to_string()).collect();
    assert_eq!(steps, ["[8589934592]", "[8589934593]"]);
    let row = &page[0].value;
    assert_eq!(row.type_name(), "int [3]");
    assert_eq!(row.address(), Ok(Va(AT + (12 << 33))));
    assert_eq!(huge.children(&memory, u64::MAX, 2).len(), 0);
}

#[test]
fn a_pointer_has_the_members_of_what_it_points_to() {
    let pointer = |b: &mut Build| {
        let counter = counter(b);
        b.of(dw::DW_TAG_pointer_type, Some(counter))
    };
    let value = probe(pointer);
    let memory = memory(&0x7000u64.to_le_bytes());
    assert_eq!(
        parts(&value, &memory, 0, 9),
        [
            "int it->counter = 5",
            "union {...} (*it) = <not a valid address here: VA 0x7004>"
        ]
    );
    let to_it = probe(|b| {
        let inner = pointer(b);
        b.of(dw::DW_TAG_pointer_type, Some(inner))
    });
    assert_eq!(
        parts(&to_it, &memory, 0, 9),
        ["struct counter * (*it) = <not a valid address here: VA 0x7000>"]
    );
    for empty in [[0; 8], [0xff; 8]] {
        let null = Memory(vec![(AT, empty.to_vec())]);
        let wanted = if empty[0] == 0 { 0 } else { 2 };
        assert_eq!(value.child_count(&null).named, wanted);
    }
    assert_eq!(value.child_count(&Memory::default()), Children::default());
}

fn int(value: i128, bytes: u8, signed: bool) -> Result<Scalar, ValueError> {
    Ok(Scalar::Int {
        value,
        bytes,
        signed,
    })
}

#[test]
fn expressions_walk_values() {
    let bytes = [&0x7000u64.to_le_bytes()[..], &[0xff; 8]].concat();
    let memory = &memory(&bytes);
    let value = probe(|b| {
        let counter = counter(b);
        let pointer = b.of(dw::DW_TAG_pointer_type, Some(counter));
        b.typedef("counter_p", pointer)
    });
    let member = value.member(memory, "counter").expect("it was built");
    assert_eq!(member.scalar(memory), int(5, 4, true));
    assert_eq!(member.address(), Ok(Va(0x7000)));
    let back = member.address_of().expect("it is in memory");
    assert_eq!(back.type_name(), "int *");
    assert_eq!(back.scalar(memory), int(0x7000, 8, false));
    assert_eq!(
        back.deref(memory).expect("a pointer").address(),
        Ok(Va(0x7000))
    );
    let next = value.advanced(memory, -2).expect("a pointer");
    assert_eq!(next.scalar(memory), int(0x7000 - 16, 8, false));
    let indexed = value.index(memory, 3).expect("a pointer");
    assert_eq!(indexed.address(), Ok(Va(0x7000 + 24)));
    let image: Arc<Image> = value.image().clone();
    let cast = |name: &str| {
        let to = image.type_named(name).expect("C's own");
        value.cast(memory, to).expect("a number")
    };
    assert_eq!(cast("unsigned char").scalar(memory), int(0, 1, false));
    assert_eq!(cast("short").scalar(memory), int(0x7000, 2, true));
    assert_eq!(cast("_Bool").scalar(memory), int(1, 1, false));
    assert_eq!(cast("double").show(Viewer::new(memory)), "28672");
    assert_eq!(cast("struct counter *").type_name(), "struct counter *");
    let low = value.at(8, image.type_named("signed char").expect("C's own"), None);
    let wide = image.type_named("long").expect("C's own");
    let wide = low.cast(memory, wide).expect("a number");
    assert_eq!(wide.scalar(memory), int(-1, 8, true));
    let no_member = value.member(memory, "missing").expect_err("not built");
    assert_eq!(
        no_member.to_string(),
        "struct counter has no member `missing`"
    );
    let no_pointer = member.deref(memory).expect_err("a number");
    assert_eq!(no_pointer, ValueError::NotPointer("int".to_owned()));
    let no_record = member.member(memory, "x").expect_err("a number");
    assert_eq!(no_record, ValueError::NotRecord("int".to_owned()));
    let fault = ValueError::Memory(MemoryFault::OutOfRange(Va(AT)));
    assert_eq!(value.deref(&Memory::default()).err(), Some(fault));
}

#[test]
fn a_value_may_be_spread_or_gone() {
    let counter = probe(counter);
    let at = |place: Place| Value::new(counter.image().clone(), counter.ty(), place);
    let register = Place::Register {
        register: Register::X(4),
        value: u64::from_le_bytes(*b"\x09\0\0\0okay"),
    };
    let memory = Memory::default();
    let shown = |place: Place| at(place).show(Viewer::new(&memory));
    assert_eq!(
        shown(register.clone()),
        "{counter = 9, {tag = \"okay\", low = 6, high = -149}}"
    );
    let piece = |bits, skip, place| Piece { bits, skip, place };
    let pieces = |second| {
        Place::Pieces(
            [
                piece(4, 0, register.clone()),
                piece(28, 36, register.clone()),
                second,
            ]
            .as_slice()
            .into(),
        )
    };
    assert_eq!(
        shown(pieces(piece(32, 32, register.clone()))),
        format!(
            "{{counter = {}, {{tag = \"okay\", low = 6, high = -149}}}}",
            (0x7961_6b6f_i32 >> 4) << 4 | 9
        )
    );
    assert_eq!(
        shown(pieces(piece(32, 0, Place::OptimizedOut))),
        format!(
            "{{counter = {}, <optimized out>}}",
            (0x7961_6b6f_i32 >> 4) << 4 | 9
        )
    );
    assert_eq!(shown(Place::OptimizedOut), "<optimized out>");
    assert_eq!(
        shown(Place::Bytes(Arc::new([1, 0]))),
        "{counter = <optimized out>, <optimized out>}"
    );
    let pointer = counter.image().pointer_to(counter.ty());
    let implicit = Place::Implicit {
        target: Some(Arc::new(Place::Bytes(Arc::new([7; 8])))),
        offset: 0,
    };
    let implicit = Value::new(counter.image().clone(), Some(pointer), implicit);
    let member = implicit.member(&memory, "counter").expect("it was built");
    assert_eq!(member.scalar(&memory), int(0x0707_0707, 4, true));
    assert_eq!(
        implicit.show(Viewer::new(&memory)),
        "<optimized out pointer to> {...}"
    );
    assert_eq!(member.address(), Err(ValueError::NoAddress));
}
