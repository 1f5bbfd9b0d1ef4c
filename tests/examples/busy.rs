//! Writes an xentrace file of a busy machine: `busy FILE RECORDS`. For measuring with files of any size.

use std::path::Path;
use std::process::ExitCode;

use journeys::xentrace;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let records = arguments.get(1).map(|text| text.parse());
    let (Some(file), Some(Ok(records))) = (arguments.first(), records) else {
        eprintln!("usage: busy FILE RECORDS");
        return ExitCode::from(2);
    };
    match xentrace::busy(Path::new(file), records) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{file} cannot be written: {error}");
            ExitCode::FAILURE
        }
    }
}
