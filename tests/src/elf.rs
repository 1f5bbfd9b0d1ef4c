//! Where things lie in the target's ELF files, by another route than the adapter's own.

use std::path::Path;

use object::{Object, ObjectSection, ObjectSymbol};

/// The address of a symbol.
///
/// # Panics
/// When the file is no ELF file, or has no such symbol.
#[must_use]
pub fn symbol(file: &Path, name: &str) -> u64 {
    let data = std::fs::read(file).expect("the image can be read");
    let image = object::File::parse(&*data).expect("the image is an ELF file");
    let found = image.symbols().find(|symbol| symbol.name() == Ok(name));
    found
        .unwrap_or_else(|| panic!("{} has no {name}", file.display()))
        .address()
}

/// The address of the first instruction at or after `start` that is the word `wanted`.
///
/// # Panics
/// When there is none in that section.
#[must_use]
pub fn instruction(file: &Path, start: u64, wanted: u32) -> u64 {
    let data = std::fs::read(file).expect("the image can be read");
    let image = object::File::parse(&*data).expect("the image is an ELF file");
    let section = image
        .sections()
        .find(|section| (section.address()..section.address() + section.size()).contains(&start))
        .expect("the address lies in a section");
    let code = section.data().expect("the section has content");
    let from = usize::try_from(start - section.address()).expect("a section fits in memory");
    let at = code[from..]
        .chunks_exact(4)
        .position(|word| word == wanted.to_le_bytes())
        .expect("the instruction is there");
    start + 4 * at as u64
}
