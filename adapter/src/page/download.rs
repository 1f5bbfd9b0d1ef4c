//! Exports as files for a browser to save.

use std::fs::File;
use std::io::{self, BufWriter, Read, Seek, Write};

use bytes::Bytes;
use clap::ValueEnum;
use trace::export::{Export, chrome, csv, perfetto};

use super::Shown;
use super::server::Sender;
use crate::trace::asked::within;
use crate::trace::export::named;

/// What a browser can save: one file each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// For ui.perfetto.dev.
    Perfetto,
    /// For chrome://tracing and Speedscope.
    Chrome,
    /// All spans, for a spreadsheet.
    Spans,
    /// All marks, for a spreadsheet.
    Marks,
}

/// An export that is wanted.
pub(super) struct Wanted {
    format: Format,
    from: Option<u64>,
    to: Option<u64>,
}

/// Bytes that are handed on at once.
const PIECE: usize = 1 << 16;

impl Wanted {
    /// Reads `format=perfetto&from=1&to=2`.
    pub(super) fn read(query: &str) -> Result<Self, String> {
        let field = |name: &str| {
            let mut fields = query.split('&').filter_map(|field| field.split_once('='));
            fields.find(|(key, _)| *key == name).map(|(_, value)| value)
        };
        let number = |name: &str| {
            let read = |text: &str| text.parse().map_err(|_| format!("`{name}` is no tick"));
            field(name).map(read).transpose()
        };
        Ok(Self {
            format: Format::from_str(field("format").unwrap_or(""), true)?,
            from: number("from")?,
            to: number("to")?,
        })
    }

    /// The name of the file.
    pub(super) fn name(&self) -> &'static str {
        match self.format {
            Format::Perfetto => "schedule.pftrace",
            Format::Chrome => "schedule.json",
            Format::Spans => "spans.csv",
            Format::Marks => "marks.csv",
        }
    }

    /// Writes it to a file without a name first, so that a slow browser keeps nobody from looking.
    pub(super) async fn write(&self, shown: &Shown) -> Result<File, String> {
        let write = |export: &Export<'_>| -> io::Result<File> {
            let mut file = BufWriter::with_capacity(1 << 18, tempfile::tempfile()?);
            match self.format {
                Format::Perfetto => perfetto::write(export, &mut file)?,
                Format::Chrome => chrome::write(export, &mut file)?,
                Format::Spans => csv::spans(export, &mut file)?,
                Format::Marks => csv::marks(export, &mut file)?,
            }
            file.flush()?;
            let mut file = file.into_inner().map_err(io::IntoInnerError::into_error)?;
            file.rewind()?;
            Ok(file)
        };
        let written = shown.look(|view, names| {
            let bounds = within(view, self.from, self.to)?;
            named(view, names, bounds, write).map_err(|error| format!("no export: {error}"))
        });
        written.await
    }
}

/// Hands a file on, piece by piece, as long as somebody takes them.
pub(super) fn send(mut file: File, sender: &Sender) {
    loop {
        let mut piece = Vec::with_capacity(PIECE);
        let read = (&mut file).take(PIECE as u64).read_to_end(&mut piece);
        if !matches!(read, Ok(1..)) || sender.blocking_send(Bytes::from(piece)).is_err() {
            return;
        }
    }
}
