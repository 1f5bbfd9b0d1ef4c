//! Types found, spelled and laid out, over DWARF 4 and 5 written in the test.

mod support;

use gimli::constants as dw;
use gimli::write::AttributeValue;
use support::{Build, number, size, ty};
use symbols::types::BitField;
use symbols::{Field, Image};

/// Checks what `struct probe`'s members are spelled as.
fn check_spelling(image: &Image, wanted: &[(&str, &str)]) {
    let probe = image.type_named("struct probe").expect("it was built");
    for (member, spelled) in wanted {
        let field = image.field(probe, member).expect("it was built");
        assert_eq!(image.spell(Some(field.ty)), *spelled, "{member}");
    }
}

#[test]
fn types_are_spelled_as_in_c() {
    for version in [4, 5] {
        let mut b = Build::new(version);
        let int = b.int();
        let long = b.base("long unsigned int", 8, dw::DW_ATE_unsigned);
        let char = b.base("char", 1, dw::DW_ATE_unsigned_char);
        let probe = b.structure("probe", 200);
        let anonymous = b.top(dw::DW_TAG_union_type, vec![size(4)]);
        let constant_char = b.of(dw::DW_TAG_const_type, Some(char));
        let void_pointer = b.of(dw::DW_TAG_pointer_type, None);
        let to_constant = b.of(dw::DW_TAG_pointer_type, Some(constant_char));
        let constant_pointer = b.of(dw::DW_TAG_const_type, Some(to_constant));
        let to_that = b.of(dw::DW_TAG_pointer_type, Some(constant_pointer));
        let volatile = b.of(dw::DW_TAG_volatile_type, Some(int));
        let both = b.of(dw::DW_TAG_const_type, Some(volatile));
        let text = b.array(char, &[Some(16)]);
        let matrix = b.array(int, &[Some(2), None]);
        let to_matrix = b.of(dw::DW_TAG_pointer_type, Some(matrix));
        let pointers = b.array(void_pointer, &[Some(3)]);
        let to_probe = b.of(dw::DW_TAG_pointer_type, Some(probe));
        let prototyped = (dw::DW_AT_prototyped, AttributeValue::Flag(true));
        let function = b.top(
            dw::DW_TAG_subroutine_type,
            vec![ty(int), prototyped.clone()],
        );
        b.under(function, dw::DW_TAG_formal_parameter, vec![ty(to_probe)]);
        b.under(function, dw::DW_TAG_unspecified_parameters, vec![]);
        let callback = b.of(dw::DW_TAG_pointer_type, Some(function));
        let callbacks = b.array(callback, &[Some(4)]);
        let nothing = b.top(dw::DW_TAG_subroutine_type, vec![prototyped]);
        let to_nothing = b.of(dw::DW_TAG_pointer_type, Some(nothing));
        let name = b.typedef("handler_t", callback);
        for (member, to) in [
            ("a", long),
            ("b", to_probe),
            ("c", void_pointer),
            ("d", to_that),
            ("e", both),
            ("f", text),
            ("g", to_matrix),
            ("h", pointers),
            ("i", callbacks),
            ("j", to_nothing),
            ("k", name),
            ("l", anonymous),
        ] {
            b.member(probe, member, to, 0);
        }
        check_spelling(
            &b.image(),
            &[
                ("a", "unsigned long"),
                ("b", "struct probe *"),
                ("c", "void *"),
                ("d", "const char * const *"),
                ("e", "const volatile int"),
                ("f", "char [16]"),
                ("g", "int (*)[2][]"),
                ("h", "void *[3]"),
                ("i", "int (*[4])(struct probe *, ...)"),
                ("j", "void (*)(void)"),
                ("k", "handler_t"),
                ("l", "union {...}"),
            ],
        );
    }
}

fn check_field(image: &Image, path: &str, offset: u64, size: u64, bits: Option<(u8, u8)>) {
    let probe = image.type_named("struct probe").expect("it was built");
    let found = image.field(probe, path);
    let Some(field) = found else {
        panic!("{path} is not found");
    };
    let bits = bits.map(|(shift, width)| BitField { shift, width });
    let wanted = Field {
        offset,
        size,
        bits,
        ty: field.ty,
    };
    assert_eq!(field, wanted, "{path}");
}

#[test]
fn members_lie_where_dwarf_says() {
    let mut b = Build::new(5);
    let int = b.int();
    let inner = b.structure("inner", 16);
    b.member(inner, "x", int, 0);
    b.member(inner, "y", int, 12);
    let matrix = b.array(inner, &[Some(2), Some(3)]);
    let either = b.top(dw::DW_TAG_union_type, vec![size(4)]);
    let group = b.top(dw::DW_TAG_structure_type, vec![size(16)]);
    b.member(group, "", either, 8);
    b.member(either, "left", int, 0);
    let probe = b.structure("probe", 200);
    b.member(probe, "", group, 32);
    b.member(probe, "matrix", matrix, 64);
    let inner_name = b.typedef("inner_t", inner);
    let constant = b.of(dw::DW_TAG_const_type, Some(inner_name));
    b.member(probe, "inner", constant, 48);
    let image = b.image();
    for (path, offset, size) in [
        ("left", 40, 4),
        ("inner.y", 60, 4),
        ("matrix", 64, 96),
        ("matrix[1]", 112, 48),
        ("matrix[1][2].y", 64 + 48 + 32 + 12, 4),
    ] {
        check_field(&image, path, offset, size, None);
    }
    let probe = image.type_named("struct probe").expect("it was built");
    for wrong in ["", "right", "inner.z", "inner.x.y", "matrix[", "matrix[x]"] {
        assert_eq!(image.field(probe, wrong), None, "{wrong}");
    }
}

#[test]
fn bit_fields_count_from_the_lowest_bit() {
    // struct { int a : 3; int b : 7 (crosses a byte); long c : 40 at bit 70; } as each DWARF version writes it.
    let bits = [("a", 0, 3), ("b", 5, 7), ("c", 70, 40)];
    for old in [false, true] {
        let mut b = Build::new(if old { 4 } else { 5 });
        let long = b.base("long int", 8, dw::DW_ATE_signed);
        let probe = b.structure("probe", 16);
        for (name, first, width) in bits {
            let place = match old {
                false => vec![number(dw::DW_AT_data_bit_offset, first)],
                true => vec![
                    number(dw::DW_AT_data_member_location, first / 64 * 8),
                    size(8),
                    number(dw::DW_AT_bit_offset, 64 - first % 64 - width),
                ],
            };
            let mut attributes = vec![ty(long), number(dw::DW_AT_bit_size, width)];
            attributes.extend(place);
            b.named(probe, dw::DW_TAG_member, name, attributes);
        }
        let image = b.image();
        check_field(&image, "a", 0, 8, Some((0, 3)));
        check_field(&image, "b", 0, 8, Some((5, 7)));
        check_field(&image, "c", 8, 8, Some((6, 40)));
    }
}

#[test]
fn a_declaration_leads_to_the_definition_in_another_unit() {
    let mut b = Build::new(4);
    let root = b.root();
    let declaration = (dw::DW_AT_declaration, AttributeValue::Flag(true));
    let opaque = b.named(root, dw::DW_TAG_structure_type, "hidden", vec![declaration]);
    let probe = b.structure("probe", 8);
    b.member(probe, "hidden", opaque, 4);
    b.next_unit("second.c");
    let int = b.int();
    let hidden = b.structure("hidden", 4);
    b.member(hidden, "value", int, 0);
    let image = b.image();
    check_field(&image, "hidden.value", 4, 4, None);
    let found = image.type_named("struct hidden").expect("it is defined");
    assert_eq!((found.unit, image.size_of(found)), (1, Some(4)));
}

fn check_named(image: &Image, text: &str, spelled: Option<&str>, size: Option<u64>) {
    let found = image.type_named(text);
    let name = found.map(|found| image.spell(Some(found)));
    assert_eq!(name.as_deref(), spelled, "{text}");
    assert_eq!(found.and_then(|found| image.size_of(found)), size, "{text}");
}

#[test]
fn types_are_found_by_the_names_c_gives_them() {
    let mut b = Build::new(5);
    let long = b.base("long unsigned int", 8, dw::DW_ATE_unsigned);
    b.typedef("ulong", long);
    b.structure("same", 3);
    let root = b.root();
    b.named(root, dw::DW_TAG_union_type, "same", vec![size(5)]);
    b.named(root, dw::DW_TAG_enumeration_type, "same", vec![size(4)]);
    let image = b.image();
    for (text, spelled, size) in [
        ("unsigned long", Some("unsigned long"), Some(8)),
        ("long unsigned", Some("unsigned long"), Some(8)),
        ("const unsigned long int", Some("unsigned long"), Some(8)),
        ("ulong", Some("ulong"), Some(8)),
        ("unsigned", Some("unsigned int"), Some(4)),
        ("signed char", Some("signed char"), Some(1)),
        ("long long *", Some("long long *"), Some(8)),
        ("double", Some("double"), Some(8)),
        ("struct same", Some("struct same"), Some(3)),
        ("union same", Some("union same"), Some(5)),
        ("enum same", Some("enum same"), Some(4)),
        ("struct same *const *", Some("struct same **"), Some(8)),
        ("struct same[2][3]", Some("struct same [2][3]"), Some(18)),
        ("void *", Some("void *"), Some(8)),
        ("void", None, None),
        ("same", None, None),
        ("struct other", None, None),
        ("int)", None, None),
        ("", None, None),
        ("*", None, None),
        ("int[", None, None),
    ] {
        check_named(&image, text, spelled, size);
    }
}

#[test]
fn base_types_need_no_dwarf() {
    let image = support::image(&[]);
    check_named(&image, "unsigned long", Some("unsigned long"), Some(8));
    check_named(&image, "char *[4]", Some("char *[4]"), Some(32));
    check_named(&image, "struct vcpu *", None, None);
}

#[test]
fn types_that_contain_themselves_end() {
    let mut b = Build::new(5);
    let root = b.root();
    let endless = b.named(root, dw::DW_TAG_typedef, "endless", vec![]);
    b.unit()
        .get_mut(endless)
        .set(dw::DW_AT_type, AttributeValue::UnitRef(endless));
    let array = b.array(endless, &[Some(2)]);
    b.unit()
        .get_mut(array)
        .set(dw::DW_AT_type, AttributeValue::UnitRef(array));
    let probe = b.structure("probe", 8);
    b.member(probe, "", probe, 0);
    b.member(probe, "array", array, 0);
    let function = b.top(dw::DW_TAG_subroutine_type, vec![]);
    for _ in 0..8 {
        b.under(function, dw::DW_TAG_formal_parameter, vec![ty(function)]);
    }
    b.member(probe, "function", function, 0);
    let image = b.image();
    let endless = image.type_named("endless").expect("it was built");
    assert_eq!(image.size_of(endless), None);
    assert_eq!(image.spell(Some(endless)), "endless");
    let probe = image.type_named("struct probe").expect("it was built");
    assert_eq!(image.field(probe, "missing"), None);
    let array = image.field(probe, "array").expect("it was built");
    assert_eq!(array.size, 0);
    assert!(image.spell(Some(array.ty)).len() < 1000);
    let function = image.field(probe, "function").expect("it was built");
    assert!(image.spell(Some(function.ty)).len() < 10_000);
}
