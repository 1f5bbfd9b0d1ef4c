//! How a target is reached: a gdb remote stub (QEMU), or a file with a saved halt; and how large data is kept in files.
//!
//! This room knows sockets, files and the protocols spoken over them; it knows nothing of symbols, hypervisors or DAP.
//! Start reading at [`open`]; [`gdb_remote`] is a target that runs, [`snapshot`] one that does not.

pub mod columns;
pub mod gdb_remote;
mod mapped;
pub mod open;
pub mod rsp;
pub mod snapshot;

pub use columns::{ColumnFolder, ColumnId};
pub use mapped::{FileBytes, map_file};
pub use open::{OpenError, Options, RamFile, open};
pub use snapshot::{SnapshotError, write_snapshot};
