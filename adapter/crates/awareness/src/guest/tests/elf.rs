//! The smallest ELF file that has what placing an image asks for: code, a build-id note, symbols.

use symbols::Image;

/// What goes into the file.
#[derive(Clone, Default)]
pub(super) struct Elf {
    /// Bytes of `.text` and where it is linked.
    pub(super) text: (u64, Vec<u8>),
    /// Build-id, and where its note is linked.
    pub(super) note: Option<(u64, Vec<u8>)>,
    /// Name, address, size.
    pub(super) symbols: Vec<(&'static str, u64, u64)>,
}

/// The note that holds a build-id (System V gABI, "Note Section").
pub(super) fn note(id: &[u8]) -> Vec<u8> {
    let words = [4, id.len() as u32, 3];
    let mut note: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
    note.extend(b"GNU\0");
    note.extend(id);
    note
}

struct Section {
    name: &'static str,
    kind: u32,
    flags: u64,
    address: u64,
    bytes: Vec<u8>,
    link: u32,
    entry: u64,
}

fn section(name: &'static str, kind: u32, flags: u64, address: u64, bytes: Vec<u8>) -> Section {
    Section {
        name,
        kind,
        flags,
        address,
        bytes,
        link: 0,
        entry: 0,
    }
}

impl Elf {
    /// The file, opened.
    pub(super) fn image(&self) -> Image {
        Image::parse("image", std::sync::Arc::new(self.bytes())).expect("a good ELF file")
    }

    fn bytes(&self) -> Vec<u8> {
        let (names, symbols) = self.symbol_table();
        let mut sections = vec![
            section("", 0, 0, 0, Vec::new()),
            section(".text", 1, 6, self.text.0, self.text.1.clone()),
            Section {
                link: 3,
                entry: 24,
                ..section(".symtab", 2, 0, 0, symbols)
            },
            section(".strtab", 3, 0, 0, names),
        ];
        if let Some((address, id)) = &self.note {
            sections.push(section(".note.gnu.build-id", 7, 2, *address, note(id)));
        }
        let names = sections
            .iter()
            .flat_map(|section| [section.name, "\0"].concat().into_bytes());
        let names = b".shstrtab\0".iter().copied().chain(names).collect();
        sections.push(section(".shstrtab", 3, 0, 0, names));
        write(&sections)
    }

    fn symbol_table(&self) -> (Vec<u8>, Vec<u8>) {
        let (mut names, mut table) = (vec![0], vec![0; 24]);
        for (name, address, size) in &self.symbols {
            table.extend((names.len() as u32).to_le_bytes());
            table.extend([0x11, 0, 1, 0]); // STB_GLOBAL STT_OBJECT, in .text
            table.extend(address.to_le_bytes());
            table.extend(size.to_le_bytes());
            names.extend(name.bytes().chain([0]));
        }
        (names, table)
    }
}

/// ELF header, contents, section headers.
fn write(sections: &[Section]) -> Vec<u8> {
    let mut file = vec![0; 64];
    let mut headers = Vec::new();
    let mut name_at = ".shstrtab\0".len() as u32;
    for section in sections {
        let last = section.name == ".shstrtab";
        headers.extend((if last { 0 } else { name_at }).to_le_bytes());
        name_at += section.name.len() as u32 + 1;
        headers.extend(section.kind.to_le_bytes());
        for value in [
            section.flags,
            section.address,
            file.len() as u64,
            section.bytes.len() as u64,
        ] {
            headers.extend(value.to_le_bytes());
        }
        headers.extend(section.link.to_le_bytes());
        headers.extend(1_u32.to_le_bytes());
        headers.extend(8_u64.to_le_bytes());
        headers.extend(section.entry.to_le_bytes());
        file.extend(&section.bytes);
        file.resize(file.len().next_multiple_of(8), 0);
    }
    let table = file.len() as u64;
    file[..20].copy_from_slice(b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x02\0\xb7\0"); // 64-bit, little-endian, ET_EXEC, AArch64
    file[20..24].copy_from_slice(&1_u32.to_le_bytes());
    file[40..48].copy_from_slice(&table.to_le_bytes());
    file[52..54].copy_from_slice(&64_u16.to_le_bytes());
    file[58..60].copy_from_slice(&64_u16.to_le_bytes());
    file[60..62].copy_from_slice(&(sections.len() as u16).to_le_bytes());
    file[62..64].copy_from_slice(&(sections.len() as u16 - 1).to_le_bytes());
    file.extend(headers);
    file
}
