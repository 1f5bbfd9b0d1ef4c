//! Small images built in the test: DWARF by gimli's writer, wrapped in an ELF by hand.
#![allow(
    dead_code,
    unreachable_pub,
    reason = "a module of several test programs, each of which uses its own part"
)]

use std::sync::Arc;

use gimli::write::{
    Address, AttributeValue, Dwarf, EndianVec, LineProgram, Sections, Unit, UnitEntryId, UnitId,
};
use gimli::{DwAt, DwAte, DwTag, Encoding, Format, LittleEndian, constants as dw};
use machine::{MemoryFault, Registers, Va, VirtualMemory};
use symbols::{Frame, Image, LinkVa};

/// Where the image's one code section begins.
pub const CODE: u64 = 0x1000;
/// Its size.
pub const CODE_BYTES: usize = 0x1000;

/// DWARF being written, into its newest unit.
pub struct Build {
    pub dwarf: Dwarf,
    pub unit: UnitId,
}

impl Build {
    /// One empty unit of a DWARF version.
    pub fn new(version: u16) -> Self {
        let mut dwarf = Dwarf::new();
        let unit = dwarf.units.add(new_unit(version));
        let mut build = Self { dwarf, unit };
        build.name_unit("first.c");
        build
    }

    /// Goes on in another unit.
    pub fn next_unit(&mut self, name: &str) {
        let version = self.unit().version();
        self.unit = self.dwarf.units.add(new_unit(version));
        self.name_unit(name);
    }

    fn name_unit(&mut self, name: &str) {
        let name = self.text(name);
        let root = self.unit().root();
        let root = self.unit().get_mut(root);
        root.set(dw::DW_AT_name, name);
        root.set(
            dw::DW_AT_low_pc,
            AttributeValue::Address(Address::Constant(CODE)),
        );
        root.set(dw::DW_AT_high_pc, AttributeValue::Udata(CODE_BYTES as u64));
    }

    pub fn unit(&mut self) -> &mut Unit {
        self.dwarf.units.get_mut(self.unit)
    }

    /// A string attribute.
    pub fn text(&mut self, text: &str) -> AttributeValue {
        AttributeValue::StringRef(self.dwarf.strings.add(text))
    }

    /// An entry at the top of the unit.
    pub fn top(&mut self, tag: DwTag, attributes: Vec<(DwAt, AttributeValue)>) -> UnitEntryId {
        let root = self.unit().root();
        self.under(root, tag, attributes)
    }

    /// An entry below another.
    pub fn under(
        &mut self,
        parent: UnitEntryId,
        tag: DwTag,
        attributes: Vec<(DwAt, AttributeValue)>,
    ) -> UnitEntryId {
        let entry = self.unit().add(parent, tag);
        for (name, value) in attributes {
            self.unit().get_mut(entry).set(name, value);
        }
        entry
    }

    /// The same with a name.
    pub fn named(
        &mut self,
        parent: UnitEntryId,
        tag: DwTag,
        name: &str,
        mut attributes: Vec<(DwAt, AttributeValue)>,
    ) -> UnitEntryId {
        attributes.push((dw::DW_AT_name, self.text(name)));
        self.under(parent, tag, attributes)
    }

    pub fn root(&mut self) -> UnitEntryId {
        self.unit().root()
    }

    /// A base type.
    pub fn base(&mut self, name: &str, bytes: u64, encoding: DwAte) -> UnitEntryId {
        let root = self.root();
        self.named(
            root,
            dw::DW_TAG_base_type,
            name,
            vec![
                size(bytes),
                (dw::DW_AT_encoding, AttributeValue::Encoding(encoding)),
            ],
        )
    }

    pub fn int(&mut self) -> UnitEntryId {
        self.base("int", 4, dw::DW_ATE_signed)
    }

    /// A type made of one other: pointer, typedef, qualifier.
    pub fn of(&mut self, tag: DwTag, to: Option<UnitEntryId>) -> UnitEntryId {
        self.top(tag, to.map(ty).into_iter().collect())
    }

    pub fn typedef(&mut self, name: &str, to: UnitEntryId) -> UnitEntryId {
        let root = self.root();
        self.named(root, dw::DW_TAG_typedef, name, vec![ty(to)])
    }

    pub fn structure(&mut self, name: &str, bytes: u64) -> UnitEntryId {
        let root = self.root();
        self.named(root, dw::DW_TAG_structure_type, name, vec![size(bytes)])
    }

    pub fn member(
        &mut self,
        of: UnitEntryId,
        name: &str,
        to: UnitEntryId,
        offset: u64,
    ) -> UnitEntryId {
        let attributes = vec![ty(to), number(dw::DW_AT_data_member_location, offset)];
        match name {
            "" => self.under(of, dw::DW_TAG_member, attributes),
            name => self.named(of, dw::DW_TAG_member, name, attributes),
        }
    }

    /// An array; `None` is a dimension of unknown length.
    pub fn array(&mut self, of: UnitEntryId, lengths: &[Option<u64>]) -> UnitEntryId {
        let array = self.top(dw::DW_TAG_array_type, vec![ty(of)]);
        for length in lengths {
            let bound = length.map(|length| number(dw::DW_AT_upper_bound, length - 1));
            self.under(array, dw::DW_TAG_subrange_type, bound.into_iter().collect());
        }
        array
    }

    /// A function with code.
    pub fn function(&mut self, name: &str, start: u64, bytes: u64) -> UnitEntryId {
        let root = self.root();
        self.named(root, dw::DW_TAG_subprogram, name, span(start, bytes))
    }

    /// The sections as gimli writes them.
    pub fn sections(mut self) -> Vec<(&'static str, Vec<u8>)> {
        let mut sections = Sections::new(EndianVec::new(LittleEndian));
        self.dwarf
            .write(&mut sections)
            .expect("the test's DWARF is consistent");
        let mut written = Vec::new();
        sections
            .for_each(|id, data| {
                if !data.slice().is_empty() {
                    written.push((id.name(), data.slice().to_vec()));
                }
                Ok::<(), std::convert::Infallible>(())
            })
            .expect("nothing fails");
        written
    }

    pub fn image(self) -> Arc<Image> {
        image(&self.sections())
    }
}

fn new_unit(version: u16) -> Unit {
    let encoding = Encoding {
        address_size: 8,
        format: Format::Dwarf32,
        version,
    };
    Unit::new(encoding, LineProgram::none())
}

pub fn ty(to: UnitEntryId) -> (DwAt, AttributeValue) {
    (dw::DW_AT_type, AttributeValue::UnitRef(to))
}

pub fn size(bytes: u64) -> (DwAt, AttributeValue) {
    number(dw::DW_AT_byte_size, bytes)
}

pub fn number(name: DwAt, value: u64) -> (DwAt, AttributeValue) {
    (name, AttributeValue::Udata(value))
}

pub fn span(start: u64, bytes: u64) -> Vec<(DwAt, AttributeValue)> {
    vec![
        (
            dw::DW_AT_low_pc,
            AttributeValue::Address(Address::Constant(start)),
        ),
        number(dw::DW_AT_high_pc, bytes),
    ]
}

/// An image of one code section and these debug sections.
pub fn image(debug: &[(&str, Vec<u8>)]) -> Arc<Image> {
    let bytes = elf(debug);
    Arc::new(Image::parse("test", Arc::new(bytes)).expect("the test's ELF is whole"))
}

/// `.symtab` and `.strtab` of global functions: name, address, size.
pub fn symbols(functions: &[(&str, u64, u64)]) -> Vec<(&'static str, Vec<u8>)> {
    let (mut table, mut strings) = (vec![0; 24], vec![0]);
    for (name, address, size) in functions {
        table.extend_from_slice(&(strings.len() as u32).to_le_bytes());
        table.extend_from_slice(&[0x12, 0, 1, 0]);
        table.extend_from_slice(&address.to_le_bytes());
        table.extend_from_slice(&size.to_le_bytes());
        strings.extend_from_slice(name.as_bytes());
        strings.push(0);
    }
    vec![(".symtab", table), (".strtab", strings)]
}

/// A little-endian AArch64 ET_EXEC of `.text` at [`CODE`] and sections that are not loaded.
pub fn elf(debug: &[(&str, Vec<u8>)]) -> Vec<u8> {
    elf_of(&[], debug)
}

/// The same with these instructions at [`CODE`], then zeros.
pub fn elf_of(words: &[u32], debug: &[(&str, Vec<u8>)]) -> Vec<u8> {
    const HEADER: usize = 64;
    let mut code: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
    code.resize(CODE_BYTES, 0);
    let mut names = vec![0u8];
    let mut data = vec![0u8; HEADER];
    let mut headers = vec![[0u64; 10]];
    let mut add = |name: &str, kind: u64, flags: u64, address: u64, link: u64, bytes: &[u8]| {
        let at = names.len() as u64;
        names.extend_from_slice(name.as_bytes());
        names.push(0);
        headers.push([
            at,
            kind,
            flags,
            address,
            data.len() as u64,
            bytes.len() as u64,
            link,
            0,
            1,
            0,
        ]);
        data.extend_from_slice(bytes);
    };
    add(".text", 1, 6, CODE, 0, &code);
    for (index, (name, bytes)) in debug.iter().enumerate() {
        let (kind, flags, link) = match *name {
            // Its strings come next; section 0 is empty and section 1 the code.
            ".symtab" => (2, 0, index as u64 + 3),
            ".strtab" => (3, 0, 0),
            name if name.starts_with("compressed ") => (1, 0x800, 0),
            _ => (1, 0, 0),
        };
        let name = name.trim_start_matches("compressed ");
        add(name, kind, flags, 0, link, bytes);
    }
    // Its own name is the last added, so the table is complete before it is written.
    let mut table = names.clone();
    let at = table.len() as u64;
    table.extend_from_slice(b".shstrtab\0");
    headers.push([
        at,
        3,
        0,
        0,
        data.len() as u64,
        table.len() as u64,
        0,
        0,
        1,
        0,
    ]);
    data.extend_from_slice(&table);
    let section_table = data.len() as u64;
    for [
        name,
        kind,
        flags,
        address,
        offset,
        size,
        link,
        info,
        align,
        entry,
    ] in &headers
    {
        for word in [*name as u32, *kind as u32] {
            data.extend_from_slice(&word.to_le_bytes());
        }
        for word in [flags, address, offset, size] {
            data.extend_from_slice(&word.to_le_bytes());
        }
        for word in [*link as u32, *info as u32] {
            data.extend_from_slice(&word.to_le_bytes());
        }
        for word in [align, entry] {
            data.extend_from_slice(&word.to_le_bytes());
        }
    }
    data[..8].copy_from_slice(&[0x7f, b'E', b'L', b'F', 2, 1, 1, 0]);
    data[16..18].copy_from_slice(&2u16.to_le_bytes());
    data[18..20].copy_from_slice(&183u16.to_le_bytes());
    data[20..24].copy_from_slice(&1u32.to_le_bytes());
    data[40..48].copy_from_slice(&section_table.to_le_bytes());
    data[52..54].copy_from_slice(&64u16.to_le_bytes());
    data[58..60].copy_from_slice(&64u16.to_le_bytes());
    data[60..62].copy_from_slice(&(headers.len() as u16).to_le_bytes());
    data[62..64].copy_from_slice(&(headers.len() as u16 - 1).to_le_bytes());
    data
}

/// Memory of a few known bytes; everything else is not mapped.
#[derive(Clone, Default)]
pub struct Memory(pub Vec<(u64, Vec<u8>)>);

impl VirtualMemory for Memory {
    fn read(&self, address: Va, buffer: &mut [u8]) -> Result<(), MemoryFault> {
        let known = self.0.iter().find_map(|(start, bytes)| {
            let from = usize::try_from(address.0.checked_sub(*start)?).ok()?;
            bytes.get(from..from.checked_add(buffer.len())?)
        });
        buffer.copy_from_slice(known.ok_or(MemoryFault::OutOfRange(address))?);
        Ok(())
    }
}

/// A frame made for a test.
#[derive(Default)]
pub struct TestFrame {
    pub registers: Registers,
    pub memory: Memory,
    pub slide: u64,
    pub cfa: Option<Va>,
    pub pc: u64,
    pub caller: Option<Box<TestFrame>>,
}

impl Frame for TestFrame {
    fn registers(&self) -> &Registers {
        &self.registers
    }
    fn memory(&self) -> &dyn VirtualMemory {
        &self.memory
    }
    fn slide(&self) -> u64 {
        self.slide
    }
    fn cfa(&self) -> Option<Va> {
        self.cfa
    }
    fn pc(&self) -> LinkVa {
        LinkVa(self.pc)
    }
    fn caller(&self) -> Option<&dyn Frame> {
        self.caller.as_deref().map(|caller| caller as &dyn Frame)
    }
}
