//! Lines, inlined frames and places for breakpoints, on a small program in DWARF 4 and 5.

mod support;

use gimli::LineEncoding;
use gimli::write::{Address, AttributeValue, FileId, LineProgram, LineString, Range, RangeList};
use gimli::{DwAt, constants as dw};
use support::{Build, CODE, elf, image, number, span, symbols};
use symbols::{Image, LinkVa};

/// `outer` with `helper` inlined twice, then two NOPs and `second`, which DWARF begins only behind them.
///
/// ```text
/// offset  line            offset  line
///      0  first.c:10          40  inc.h:5, inlined at first.c:14
///      8  first.c:11          48  first.c:16
///     16  inc.h:5, inlined at first.c:12, and first.c:12 before it at the same address
///     24  first.c:13          64  first.c:20
///     32  first.c:11          72  first.c:22
/// ```
fn program(version: u16) -> Build {
    let mut b = Build::new(version);
    let encoding = b.unit().encoding();
    let text = |text: &str| LineString::String(text.into());
    let home = text("/src");
    let mut lines = LineProgram::new(
        encoding,
        LineEncoding::default(),
        home,
        None,
        text("first.c"),
        None,
    );
    let home = lines.default_directory();
    let first = lines.add_file(text("first.c"), home, None);
    let include = lines.add_directory(text("../include/./x"));
    let header = lines.add_file(text("inc.h"), include, None);
    let mut rows = |start: u64, rows: &[(u64, FileId, u64)], end: u64| {
        lines.begin_sequence(Some(Address::Constant(CODE + start)));
        for (offset, file, line) in rows {
            let row = lines.row();
            (row.address_offset, row.file, row.line) = (offset - start, *file, *line);
            row.is_statement = true;
            lines.generate_row();
        }
        lines.end_sequence(end - start);
    };
    let outer = [
        (0, first, 10),
        (8, first, 11),
        (16, first, 12),
        (16, header, 5),
        (24, first, 13),
        (32, first, 11),
        (40, header, 5),
        (48, first, 16),
    ];
    rows(0, &outer, 56);
    rows(64, &[(64, first, 20), (72, first, 22)], 96);
    b.unit().line_program = lines;
    let root = b.root();
    let directory = b.text("/src");
    b.unit().get_mut(root).set(dw::DW_AT_comp_dir, directory);

    let declared = |file, line| -> Vec<(DwAt, AttributeValue)> {
        vec![
            (dw::DW_AT_decl_file, AttributeValue::FileIndex(Some(file))),
            number(dw::DW_AT_decl_line, line),
        ]
    };
    let mut helper = declared(header, 4);
    helper.push((dw::DW_AT_inline, AttributeValue::Inline(dw::DW_INL_inlined)));
    let helper = b.named(root, dw::DW_TAG_subprogram, "helper", helper);
    let outer = b.function("outer", CODE, 56);
    for (name, value) in declared(first, 10) {
        b.unit().get_mut(outer).set(name, value);
    }
    let block = b.under(outer, dw::DW_TAG_lexical_block, span(CODE + 40, 8));
    let ranges = b
        .unit()
        .ranges
        .add(RangeList(vec![Range::OffsetPair { begin: 16, end: 24 }]));
    let calls = [
        (
            outer,
            vec![(dw::DW_AT_ranges, AttributeValue::RangeListRef(ranges))],
            12,
        ),
        (block, span(CODE + 40, 8), 14),
    ];
    for (parent, mut attributes, line) in calls {
        attributes.extend([
            (dw::DW_AT_abstract_origin, AttributeValue::UnitRef(helper)),
            (dw::DW_AT_call_file, AttributeValue::FileIndex(Some(first))),
            number(dw::DW_AT_call_line, line),
            number(dw::DW_AT_call_column, 3),
        ]);
        b.under(parent, dw::DW_TAG_inlined_subroutine, attributes);
    }
    // Its name and declaration are at another entry, as of a function declared in a class or inlined elsewhere.
    let mut second = declared(first, 20);
    second.push((dw::DW_AT_declaration, AttributeValue::Flag(true)));
    let second = b.named(root, dw::DW_TAG_subprogram, "second", second);
    let mut attributes = span(CODE + 64, 32);
    attributes.push((dw::DW_AT_specification, AttributeValue::UnitRef(second)));
    b.top(dw::DW_TAG_subprogram, attributes);
    b
}

fn with_symbols(b: Build) -> Vec<(&'static str, Vec<u8>)> {
    let mut sections = symbols(&[("outer", CODE, 56), ("second", CODE + 56, 40)]);
    sections.extend(b.sections());
    sections
}

fn each_version(check: impl Fn(&Image)) {
    for version in [4, 5] {
        check(&image(&with_symbols(program(version))));
    }
}

#[test]
fn frames() {
    each_version(|image| {
        let check = |offset: u64, expected: &[&str]| {
            let frames = image.frames_at(LinkVa(CODE + offset));
            let shown: Vec<String> = frames
                .iter()
                .map(|frame| {
                    let position = frame.position.as_ref().expect("every frame has a line");
                    assert_eq!(frame.inlined, &*frame.name == "helper");
                    format!("{} {}:{}", frame.name, position.path, position.line)
                })
                .collect();
            assert_eq!(shown, expected, "{offset}");
        };
        check(0, &["outer /src/first.c:10"]);
        check(12, &["outer /src/first.c:11"]);
        // A statement of the calling line: the call is not made yet.
        check(16, &["outer /src/first.c:12"]);
        check(20, &["helper /include/x/inc.h:5", "outer /src/first.c:12"]);
        check(40, &["helper /include/x/inc.h:5", "outer /src/first.c:14"]);
        check(48, &["outer /src/first.c:16"]);
        check(56, &["second /src/first.c:20"]);
        check(64, &["second /src/first.c:20"]);
        check(95, &["second /src/first.c:22"]);
        check(96, &[]);
    });
}

#[test]
fn breakpoints() {
    each_version(|image| {
        let check = |file: &str, line: u32, expected: &[(u64, u32, &str)]| {
            let found = image.addresses_of_line(&|path| path.ends_with(file), line);
            let shown: Vec<(u64, u32, &str)> = found
                .iter()
                .map(|place| {
                    (
                        place.address.0 - CODE,
                        place.position.line,
                        &*place.function,
                    )
                })
                .collect();
            assert_eq!(shown, expected, "{file}:{line}");
        };
        // The line before a function is where its return type stands; the line that opens it is left behind the prologue.
        check("first.c", 8, &[]);
        check("first.c", 9, &[(8, 10, "outer")]);
        check("first.c", 10, &[(8, 10, "outer")]);
        // A loop has its line twice: one place.
        check("first.c", 11, &[(8, 11, "outer")]);
        check("first.c", 12, &[(16, 12, "outer")]);
        check("first.c", 14, &[(48, 16, "outer")]);
        check("first.c", 17, &[]);
        check("first.c", 19, &[(72, 20, "second")]);
        check("first.c", 21, &[(72, 22, "second")]);
        check("first.c", 23, &[]);
        check(
            "/include/x/inc.h",
            4,
            &[(16, 5, "helper"), (40, 5, "helper")],
        );
        check("/include/x/inc.h", 6, &[]);
        check("other.c", 1, &[]);
    });
}

#[test]
fn spans_names_and_entries() {
    each_version(|image| {
        let span = |offset: u64| {
            let span = image.line_span(LinkVa(CODE + offset))?;
            let (start, end) = (span.range.start.0 - CODE, span.range.end.0 - CODE);
            Some((start..end, span.position.line))
        };
        assert_eq!(span(12), Some((8..16, 11)));
        assert_eq!(span(48), Some((48..56, 16)));
        assert_eq!(span(60), Some((56..72, 20)));
        assert_eq!(span(100), None);

        let [outer] = image.functions_named("outer")[..] else {
            panic!("one function is called outer")
        };
        let [second] = image.functions_named("second")[..] else {
            panic!("one function is called second")
        };
        assert_eq!(image.function_at(LinkVa(CODE + 20)), Some(outer));
        assert_eq!(image.function_at(LinkVa(CODE + 60)), None);
        assert_eq!(&*image.function(second).name, "second");
        assert_eq!(image.body_start(second), Some(LinkVa(CODE + 72)));
        assert_eq!(image.functions_named("helper"), []);
        assert_eq!(image.inline_functions_named("helper").len(), 1);
        let mut paths = image.source_paths();
        paths.sort();
        paths.dedup();
        let paths: Vec<&str> = paths.iter().map(|path| &**path).collect();
        assert_eq!(paths, ["/include/x/inc.h", "/src/first.c"]);
        assert_eq!(image.notes(), Vec::<String>::new());
    });
}

/// A zlib stream (RFC 1950) of one stored block behind an `Elf64_Chdr`.
fn compressed(bytes: &[u8]) -> Vec<u8> {
    let mut section = Vec::new();
    section.extend_from_slice(&[1, 0, 0, 0, 0, 0, 0, 0]);
    section.extend_from_slice(&(bytes.len() as u64).to_le_bytes());
    section.extend_from_slice(&1u64.to_le_bytes());
    section.extend_from_slice(&[0x78, 0x01, 1]);
    let length = u16::try_from(bytes.len()).expect("a small section");
    section.extend_from_slice(&length.to_le_bytes());
    section.extend_from_slice(&(!length).to_le_bytes());
    section.extend_from_slice(bytes);
    let (mut low, mut high) = (1u32, 0u32);
    for byte in bytes {
        low = (low + u32::from(*byte)) % 65521;
        high = (high + low) % 65521;
    }
    section.extend_from_slice(&(high << 16 | low).to_be_bytes());
    section
}

#[test]
fn compressed_sections_are_unpacked_and_damaged_ones_are_named() {
    let plain = program(5).sections();
    let packed = |damage: bool| -> Vec<(String, Vec<u8>)> {
        let sections = plain.iter().map(|(name, bytes)| {
            let mut bytes = compressed(bytes);
            if damage && *name == ".debug_line" {
                bytes[24] = 0;
            }
            (format!("compressed {name}"), bytes)
        });
        sections.collect()
    };
    let open = |sections: &[(String, Vec<u8>)]| {
        let sections: Vec<(&str, Vec<u8>)> = sections
            .iter()
            .map(|(name, bytes)| (name.as_str(), bytes.clone()))
            .collect();
        Image::parse("packed", std::sync::Arc::new(elf(&sections))).expect("the ELF is whole")
    };
    let whole = open(&packed(false));
    assert_eq!(whole.frames_at(LinkVa(CODE + 20)).len(), 2);
    assert_eq!(whole.notes(), Vec::<String>::new());

    let damaged = open(&packed(true));
    let frames = damaged.frames_at(LinkVa(CODE + 20));
    assert_eq!((frames.len(), frames[0].position.clone()), (2, None));
    let notes = damaged.notes();
    assert!(
        notes
            .iter()
            .any(|note| note.contains(".debug_line at offset 0x")),
        "{notes:?}"
    );
}
