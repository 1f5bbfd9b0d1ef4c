//! `hvdap trace export`: a timeline as files for other programs.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use clap::ValueEnum;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use trace::export::{Export, chrome, csv, ctf, perfetto};
use trace::store::View;

use super::asked::within;
use super::names::Names;

/// What to write.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// A file for ui.perfetto.dev and trace_processor.
    Perfetto,
    /// A JSON file for chrome://tracing, Speedscope and the Firefox profiler; for small traces.
    Chrome,
    /// A folder in the Common Trace Format 1.8 for babeltrace2 and Trace Compass; takes 40 bytes of memory a span.
    Ctf,
    /// A folder with spans.csv and marks.csv.
    Csv,
    /// A folder with spans.parquet and marks.parquet for DuckDB, Spark and DataFusion.
    Parquet,
}

/// Arguments of `hvdap/traceExport`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "hvdap/traceExport, its arguments")]
pub struct WantedExport {
    /// What to write.
    pub format: Format,
    /// The file to write; the folder to make for `ctf`, `csv` and `parquet`. On the adapter's machine.
    pub output: PathBuf,
    /// The first tick; the timeline's when left out.
    pub from: Option<u64>,
    /// The first tick beyond; the timeline's end when left out.
    pub to: Option<u64>,
}

/// Body of `hvdap/traceExport`.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(title = "hvdap/traceExport")]
pub struct Exported {
    /// What was written.
    pub output: PathBuf,
}

/// Writes what a view asks for.
///
/// # Errors
/// As [`write`]; or the window ends before it begins.
pub fn asked(view: View<'_>, names: &Names, wanted: &WantedExport) -> Result<Exported, String> {
    let bounds = within(view, wanted.from, wanted.to)?;
    named(view, names, bounds, |export| {
        write(export, wanted.format, &wanted.output)
    })?;
    let output = wanted.output.clone();
    Ok(Exported { output })
}

/// Hands a window of a timeline on to be exported, with the names that people know.
pub fn named<T>(
    view: View<'_>,
    names: &Names,
    (from, to): (u64, u64),
    write: impl FnOnce(&Export<'_>) -> T,
) -> T {
    write(&Export {
        view,
        from,
        to,
        name: &|owner| names.owner(view, owner),
        guest: &|guest| names.guest(view, guest),
    })
}

/// Writes an export: a file, or the files of a new folder.
///
/// # Errors
/// One sentence that names the file and the reason. What was there before under the same name stays.
pub fn write(export: &Export<'_>, format: Format, output: &Path) -> Result<(), String> {
    match format {
        Format::Perfetto => file(output, |sink| perfetto::write(export, sink)),
        Format::Chrome => file(output, |sink| chrome::write(export, sink)),
        Format::Ctf => {
            folder(output)?;
            for one in ctf::files(export) {
                file(&output.join(&one.name), |sink| sink.write_all(&one.bytes))?;
            }
            Ok(())
        }
        Format::Csv => {
            folder(output)?;
            file(&output.join("spans.csv"), |sink| csv::spans(export, sink))?;
            file(&output.join("marks.csv"), |sink| csv::marks(export, sink))
        }
        Format::Parquet => write_parquet(export, output),
    }
}

#[cfg(feature = "parquet")]
fn write_parquet(export: &Export<'_>, output: &Path) -> Result<(), String> {
    use super::parquet;
    folder(output)?;
    file(&output.join("spans.parquet"), |sink| {
        parquet::spans(export, sink)
    })?;
    file(&output.join("marks.parquet"), |sink| {
        parquet::marks(export, sink)
    })
}

#[cfg(not(feature = "parquet"))]
fn write_parquet(_: &Export<'_>, _: &Path) -> Result<(), String> {
    Err("this hvdap was built without Parquet: build it with `--features parquet`, or export to csv".to_owned())
}

/// Makes a folder, or takes one that is empty: a reader takes all files in it for parts of the trace.
fn folder(path: &Path) -> Result<(), String> {
    let shown = path.display();
    let wrong = |error: io::Error| format!("the folder {shown} cannot be made: {error}");
    fs::create_dir_all(path).map_err(wrong)?;
    match fs::read_dir(path).map_err(wrong)?.next() {
        Some(_) => Err(format!(
            "the folder {shown} is not empty: name a new one with -o"
        )),
        None => Ok(()),
    }
}

/// Writes a file beside its place first, so that it is there whole or not at all.
fn file(
    path: &Path,
    write: impl FnOnce(&mut (dyn Write + Send)) -> io::Result<()>,
) -> Result<(), String> {
    let part = part_of(path);
    let written = File::create(&part).and_then(|file| {
        let mut sink = BufWriter::with_capacity(1 << 18, file);
        write(&mut sink)?;
        sink.flush()?;
        fs::rename(&part, path)
    });
    written.map_err(|error| {
        fs::remove_file(&part).ok();
        format!("{} cannot be written: {error}", path.display())
    })
}

fn part_of(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".part");
    name.into()
}
