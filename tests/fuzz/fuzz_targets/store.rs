//! The files of an index: each column's bytes are a piece of the input. What is asked of them is answered, whatever they say.
#![no_main]

use fuzz::ask;
use libfuzzer_sys::fuzz_target;
use trace::store::{Catalog, Column, Columns, Memory};

/// In the order of their pieces.
const COLUMNS: [Column; 8] = [
    Column::Header,
    Column::Lanes,
    Column::Names,
    Column::Journal,
    Column::Spans(0),
    Column::Nodes(0, 0),
    Column::Points(0),
    Column::PointNodes(0, 0),
];

fuzz_target!(|bytes: &[u8]| {
    let mut memory = Memory::default();
    let mut rest = bytes;
    for column in COLUMNS {
        let Some((size, after)) = rest.split_first_chunk::<2>() else {
            break;
        };
        let size = usize::from(u16::from_le_bytes(*size)).min(after.len());
        memory
            .append(column, &after[..size])
            .expect("there is memory");
        rest = &after[size..];
    }
    if let Ok(catalog) = Catalog::open(&memory) {
        ask(catalog.view(&memory));
    }
});
