//! Damaged DWARF and expressions of any bytes: nothing panics, nothing runs for ever.

mod support;

use std::sync::OnceLock;

use gimli::constants as dw;
use gimli::write::{AttributeValue, Expression, Location, LocationList};
use machine::{Register, Va};
use proptest::prelude::*;
use support::{Build, CODE, Memory, TestFrame, number, size, span, ty};
use symbols::value::Viewer;
use symbols::{FunctionId, Image, LinkVa, Place, TypeId, Value};

/// A unit with something of everything.
fn everything(version: u16, location: Vec<u8>) -> Build {
    let mut b = Build::new(version);
    let int = b.int();
    let char = b.base("char", 1, dw::DW_ATE_unsigned_char);
    let text = b.array(char, &[Some(16), None]);
    let probe = b.structure("probe", 64);
    let pointer = b.of(dw::DW_TAG_pointer_type, Some(probe));
    let constant = b.of(dw::DW_TAG_const_type, Some(pointer));
    let either = b.top(dw::DW_TAG_union_type, vec![size(8)]);
    b.member(either, "left", int, 0);
    b.member(either, "right", text, 0);
    b.member(probe, "", either, 8);
    b.member(probe, "next", constant, 16);
    let bits = vec![
        ty(int),
        number(dw::DW_AT_bit_size, 5),
        number(dw::DW_AT_bit_offset, 3),
        size(4),
    ];
    b.named(probe, dw::DW_TAG_member, "bits", bits);
    let root = b.root();
    let kind = b.named(root, dw::DW_TAG_enumeration_type, "kind", vec![size(4)]);
    let value = (dw::DW_AT_const_value, AttributeValue::Sdata(2));
    b.named(kind, dw::DW_TAG_enumerator, "TWO", vec![value]);
    let subroutine = b.top(dw::DW_TAG_subroutine_type, vec![ty(int)]);
    b.under(subroutine, dw::DW_TAG_formal_parameter, vec![ty(pointer)]);
    let name = b.typedef("name", subroutine);
    let function = b.function("function", CODE, 0x100);
    let mut base = Expression::new();
    base.op(dw::DW_OP_call_frame_cfa);
    b.unit()
        .get_mut(function)
        .set(dw::DW_AT_frame_base, AttributeValue::Exprloc(base));
    let exprloc = |bytes| AttributeValue::Exprloc(Expression::raw(bytes));
    let here = (dw::DW_AT_location, exprloc(location.clone()));
    b.named(
        function,
        dw::DW_TAG_formal_parameter,
        "argument",
        vec![ty(probe), here],
    );
    let list = b
        .unit()
        .locations
        .add(LocationList(vec![Location::OffsetPair {
            begin: 0,
            end: 0x80,
            data: Expression::raw(location.clone()),
        }]));
    let listed = (dw::DW_AT_location, AttributeValue::LocationListRef(list));
    let block = b.under(function, dw::DW_TAG_lexical_block, span(CODE, 0x80));
    b.named(block, dw::DW_TAG_variable, "local", vec![ty(kind), listed]);
    let here = (dw::DW_AT_location, exprloc(location));
    b.named(root, dw::DW_TAG_variable, "global", vec![ty(name), here]);
    b
}

fn frame() -> TestFrame {
    let mut frame = TestFrame {
        slide: 0x1000,
        cfa: Some(Va(0x8000)),
        pc: CODE + 4,
        memory: Memory(vec![(0x7f00, vec![0x21; 0x200]), (0, vec![3; 64])]),
        ..TestFrame::default()
    };
    for number in 0..31 {
        frame
            .registers
            .set(Register::X(number), u64::from(number) << 4);
    }
    frame.registers.set(Register::Sp, 0x7fc0);
    let caller = TestFrame {
        pc: CODE + 8,
        registers: frame.registers.clone(),
        ..TestFrame::default()
    };
    frame.caller = Some(Box::new(caller));
    frame
}

/// Looks at everything there is.
fn look_around(image: &std::sync::Arc<Image>, unit_bytes: usize) {
    let frame = frame();
    let viewer = Viewer::new(&frame.memory);
    let look = |value: Value| {
        let _ = value.show(viewer);
        for child in value.children(&frame.memory, 0, 8) {
            let _ = child.value.show(viewer);
            let _ = child.value.child_count(&frame.memory);
        }
    };
    for offset in 0..unit_bytes {
        let id = TypeId { unit: 0, offset };
        if image.type_of(id).is_ok() {
            let _ = image.spell(Some(id));
            let _ = image.size_of(id);
            let _ = image.field(id, "left");
            look(Value::new(
                image.clone(),
                Some(id),
                Place::Memory(Va(0x7f00)),
            ));
        }
        for pc in [CODE, CODE + 0x90] {
            for local in image.locals_at(FunctionId { unit: 0, offset }, LinkVa(pc)) {
                let _ = image.locate(&local, &frame);
            }
        }
    }
    for name in ["global", "argument", "local"] {
        for variable in image.globals_named(name) {
            if let Ok(place) = image.locate(&variable, &frame) {
                look(Value::new(image.clone(), variable.ty, place));
            }
        }
    }
    for name in ["struct probe", "name", "enum kind", "union left *[3]"] {
        image
            .type_named(name)
            .and_then(|found| image.size_of(found));
    }
    if let Some(function) = image.function_at(LinkVa(CODE)) {
        for local in image.locals_at(function, LinkVa(CODE + 4)) {
            if let Ok(place) = image.locate(&local, &frame) {
                look(Value::new(image.clone(), local.ty, place));
            }
        }
    }
}

/// The sections of [`everything`] in one DWARF version, written once.
fn sections(version: u16) -> &'static [(&'static str, Vec<u8>)] {
    static FOUR: OnceLock<Vec<(&str, Vec<u8>)>> = OnceLock::new();
    static FIVE: OnceLock<Vec<(&str, Vec<u8>)>> = OnceLock::new();
    let cell = if version == 4 { &FOUR } else { &FIVE };
    // DW_OP_fbreg -32
    cell.get_or_init(|| everything(version, vec![0x91, 0x60]).sections())
}

proptest! {
    #[test]
    fn any_bytes_may_be_an_expression(bytes in prop::collection::vec(any::<u8>(), 0..48)) {
        look_around(&everything(5, bytes).image(), 0);
    }

    #[test]
    fn likely_operations_in_any_order(
        ops in prop::collection::vec((0usize..18, any::<u8>()), 0..24),
    ) {
        // deref, fbreg, breg31, piece, bit_piece, stack_value, entry_value, call2, implicit_value, implicit_pointer,
        // skip, bra, convert, plus, dup, lit1, call_frame_cfa, const1u
        const OPS: [u8; 18] = [
            0x06, 0x91, 0x8f, 0x93, 0x9d, 0x9f, 0xa3, 0x98, 0x9e, 0xa0, 0x2f, 0x28, 0xa8, 0x22, 0x12, 0x31, 0x9c, 0x08,
        ];
        let bytes = ops.into_iter().flat_map(|(op, operand)| [OPS[op], operand]).collect();
        look_around(&everything(4, bytes).image(), 0);
    }

    #[test]
    fn any_bytes_may_be_damaged(
        version in prop::sample::select(vec![4u16, 5]),
        hits in prop::collection::vec((0usize..8, any::<prop::sample::Index>(), any::<u8>()), 1..6),
    ) {
        let mut sections = sections(version).to_vec();
        let count = sections.len();
        for (section, at, value) in hits {
            let bytes = &mut sections[section % count].1;
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        let unit_bytes = sections
            .iter()
            .find(|(name, _)| *name == ".debug_info")
            .map_or(0, |(_, bytes)| bytes.len());
        look_around(&support::image(&sections), unit_bytes);
    }

    #[test]
    fn any_text_may_be_a_type_or_a_path(text in "[a-z_\\[\\]*. 0-9]{0,24}", any_text in ".{0,24}") {
        static IMAGE: OnceLock<std::sync::Arc<Image>> = OnceLock::new();
        let image = IMAGE.get_or_init(|| support::image(sections(5)));
        let probe = image.type_named("struct probe").expect("it was built");
        for text in [text, any_text] {
            let _ = image.type_named(&text);
            let _ = image.type_named(&format!("struct probe {text}"));
            let _ = image.field(probe, &text);
        }
    }
}
