//! From what the user writes (`gdb:127.0.0.1:1234`) to a [`Target`].

use std::path::{Path, PathBuf};

use machine::{Pa, Target};

use crate::gdb_remote::{Address, GdbRemote};
use crate::snapshot::Snapshot;

/// What the machine file adds to the target's address.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Files that hold the machine's RAM, readable without asking the target.
    pub ram: Vec<RamFile>,
}

/// A file that is a piece of the machine's RAM (QEMU `memory-backend-file,share=on`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RamFile {
    /// The file; its first byte is at `address`.
    pub file: PathBuf,
    /// Where the file's first byte lies.
    pub address: Pa,
    /// Bytes.
    pub size: u64,
}

/// Why a target could not be opened: one plain sentence.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct OpenError(pub(crate) String);

/// Opens a target: `gdb:HOST:PORT`, `gdb:unix:PATH` or `snapshot:FILE`.
///
/// # Errors
/// When the text is none of these, nothing answers there, or what answers cannot be debugged with.
pub fn open(spec: &str, options: &Options) -> Result<Box<dyn Target>, OpenError> {
    match spec.split_once(':') {
        Some(("gdb", place)) => {
            let address = Address::parse(place)?;
            Ok(Box::new(GdbRemote::connect(&address, options)?))
        }
        Some(("snapshot", file)) => Ok(Box::new(Snapshot::open(Path::new(file))?)),
        _ => Err(OpenError(format!(
            "`{spec}` is not a target: write gdb:HOST:PORT, gdb:unix:PATH or snapshot:FILE"
        ))),
    }
}
