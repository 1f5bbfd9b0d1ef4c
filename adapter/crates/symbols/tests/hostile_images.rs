//! Damaged files: whatever an image's bytes are, it is refused or it answers; nothing panics, nothing runs for ever.

mod support;

use std::sync::{Arc, OnceLock};

use gimli::write::{
    Address, AttributeValue, CallFrameInstruction as Cfa, CommonInformationEntry, DebugFrame,
    EndianVec, FrameDescriptionEntry, FrameTable, LineProgram, LineString,
};
use gimli::{LineEncoding, LittleEndian, constants as dw};
use machine::{Register, Registers};
use proptest::prelude::*;
use support::{Build, CODE, Memory, elf_of, number, span, symbols};
use symbols::unwind::{Placed, cfa, unwind};
use symbols::{Image, LinkVa};

/// A whole image with something of everything.
fn image(version: u16) -> Vec<u8> {
    let mut b = Build::new(version);
    let encoding = b.unit().encoding();
    let text = |text: &str| LineString::String(text.into());
    let (home, name) = (text("/src"), text("first.c"));
    let mut lines = LineProgram::new(encoding, LineEncoding::default(), home, None, name, None);
    let directory = lines.default_directory();
    let file = lines.add_file(text("first.c"), directory, None);
    lines.begin_sequence(Some(Address::Constant(CODE)));
    for (offset, line) in [(0, 10), (8, 11), (16, 12), (32, 11)] {
        let row = lines.row();
        (row.address_offset, row.file, row.line) = (offset, file, line);
        lines.generate_row();
    }
    lines.end_sequence(64);
    b.unit().line_program = lines;
    let root = b.root();
    let inlined = (dw::DW_AT_inline, AttributeValue::Inline(dw::DW_INL_inlined));
    let helper = b.named(root, dw::DW_TAG_subprogram, "helper", vec![inlined]);
    let outer = b.function("outer", CODE, 64);
    let mut call = span(CODE + 16, 16);
    call.push((dw::DW_AT_abstract_origin, AttributeValue::UnitRef(helper)));
    call.push((dw::DW_AT_call_file, AttributeValue::FileIndex(Some(file))));
    call.push(number(dw::DW_AT_call_line, 12));
    b.under(outer, dw::DW_TAG_inlined_subroutine, call);

    let mut table = FrameTable::default();
    let common = CommonInformationEntry::new(
        gimli::Encoding {
            version: 4,
            ..encoding
        },
        4,
        -8,
        gimli::Register(30),
    );
    let common = table.add_cie(common);
    let mut entry = FrameDescriptionEntry::new(Address::Constant(CODE), 64);
    entry.add_instruction(0, Cfa::Cfa(gimli::Register(31), 0));
    entry.add_instruction(4, Cfa::CfaOffset(32));
    entry.add_instruction(4, Cfa::Offset(gimli::Register(30), -24));
    table.add_fde(common, entry);
    let mut frames = DebugFrame(EndianVec::new(LittleEndian));
    table.write_debug_frame(&mut frames).expect("a good table");

    let mut sections = symbols(&[("outer", CODE, 64), ("other", CODE + 64, 64)]);
    sections.extend(b.sections());
    sections.push((".debug_frame", frames.0.into_vec()));
    elf_of(&[0xa9be_7bfd, 0x9100_03fd, 0xd65f_03c0], &sections)
}

fn whole(version: u16) -> &'static [u8] {
    static WHOLE: OnceLock<[Vec<u8>; 2]> = OnceLock::new();
    let [four, five] = WHOLE.get_or_init(|| [image(4), image(5)]);
    if version == 4 { four } else { five }
}

/// Asks everything there is to ask.
fn ask(bytes: Vec<u8>) {
    let Ok(image) = Image::parse("hostile", Arc::new(bytes)) else {
        return;
    };
    let _ = (
        image.build_id(),
        image.build_id_address(),
        image.executable_ranges(),
    );
    for symbol in image.symbols().take(100) {
        let _ = image.symbol_at(symbol.address);
    }
    for name in ["outer", "helper", "other"] {
        for id in image
            .functions_named(name)
            .into_iter()
            .chain(image.inline_functions_named(name))
        {
            let _ = (image.function(id), image.body_start(id));
        }
    }
    for line in [1, 10, 11, 12] {
        let _ = image.addresses_of_line(&|_| true, line);
    }
    let _ = image.source_paths();
    for offset in (0..140).step_by(4) {
        let at = LinkVa(CODE + offset);
        let _ = (
            image.frames_at(at),
            image.line_span(at),
            image.position_at(at),
        );
        let mut regs = Registers::default();
        regs.set(Register::Pc, at.0);
        regs.set(Register::Sp, 0x8000);
        regs.set(Register::X(29), 0x8000);
        regs.set(Register::X(30), CODE);
        let placed = Some(Placed {
            image: &image,
            slide: 0,
        });
        let memory = Memory(vec![(0x7f00, vec![1; 0x200])]);
        let _ = unwind(placed, &regs, &memory, offset % 8 == 0);
        let _ = cfa(placed, &regs, &memory, true);
    }
    let _ = image.notes();
}

#[test]
fn a_whole_image_answers() {
    for version in [4, 5] {
        ask(whole(version).to_vec());
        let image = Image::parse("whole", Arc::new(whole(version).to_vec())).expect("it is whole");
        assert_eq!(image.frames_at(LinkVa(CODE + 20)).len(), 2);
        assert_eq!(image.notes(), Vec::<String>::new());
    }
}

#[test]
fn a_file_cut_short_says_so() {
    let bytes = whole(5);
    for length in [0, 3, 19, 40, 63, bytes.len() / 2, bytes.len() - 1] {
        let error = Image::parse("cut", Arc::new(bytes[..length].to_vec()));
        let message = error.expect_err("too short").to_string();
        assert!(
            message.starts_with("cut is not a readable ELF file"),
            "{message}"
        );
    }
}

proptest! {
    #[test]
    fn damage_anywhere_is_survived(
        version in 4_u16..=5,
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..12),
        cut in prop::option::of(any::<prop::sample::Index>()),
    ) {
        let mut bytes = whole(version).to_vec();
        for (at, value) in damage {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        ask(bytes);
    }

    #[test]
    fn any_instructions_are_survived(words in prop::collection::vec(any::<u32>(), 1..64)) {
        let size = 4 * words.len() as u64;
        ask(elf_of(&words, &symbols(&[("outer", CODE, size)])));
    }

    #[test]
    fn any_bytes_are_survived(bytes in prop::collection::vec(any::<u8>(), 0..512)) {
        ask([&[0x7f, b'E', b'L', b'F', 2, 1, 1][..], &bytes].concat());
    }
}
