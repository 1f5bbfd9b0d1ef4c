//! Linux' ftrace, as `trace-cmd` saves it: `trace.dat` of version 6 and 7, from little-endian machines.
//!
//! A file holds the kernel's own description of its ring-buffer pages and of each event, the names of tasks, and for each CPU the raw
//! pages (`trace-cmd.dat.v6(5)`, `trace-cmd.dat.v7(5)`). Everything is found by the description's names, never by a fixed place.
//!
//! Times are the guest's: nanoseconds of the clock named in the file, `local` if nothing else was asked for. [`GuestEvent::placed`]
//! puts them on the hypervisor's clock.

mod bytes;
mod container;
mod event;
mod layout;
mod page;
mod stream;

use std::collections::BTreeMap;

pub use bytes::Cut;
pub use event::{GuestEvent, GuestWhat};
pub use stream::CpuEvents;

use container::Container;
use event::Schema;

/// Why a file is not read at all.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FtraceError {
    /// The file does not begin with trace-cmd's magic bytes.
    #[error("not a trace.dat file")]
    Foreign,
    /// Another version of the file's layout.
    #[error("trace.dat of version {0}, of which only 6 and 7 are known")]
    Version(String),
    /// The traced machine stores the high byte first.
    #[error("trace.dat of a big-endian machine")]
    BigEndian,
    /// Packed with something else than zstd.
    #[error("trace.dat packed with {0}; `trace-cmd convert --compression zstd` packs it again")]
    Compression(String),
    /// A latency trace: text, not records.
    #[error("trace.dat of a latency tracer, which holds text and no records")]
    Latency,
    /// The file ends in its description.
    #[error("trace.dat ends in {0}")]
    Cut(#[from] Cut),
    /// The description contradicts itself.
    #[error("trace.dat is damaged: {0}")]
    Damaged(&'static str),
}

/// Whether the bytes begin like a trace.dat file.
pub fn is_trace_dat(bytes: &[u8]) -> bool {
    bytes.starts_with(container::MAGIC)
}

/// A trace.dat file whose description has been read.
#[derive(Clone, Debug)]
pub struct File<'a> {
    container: Container<'a>,
    schema: Schema,
}

impl<'a> File<'a> {
    /// Reads the description; the records are read on the way through [`events`](Self::events).
    ///
    /// # Errors
    /// When it is no such file, or its description cannot be read. Records that are cut off are no error.
    pub fn read(bytes: &'a [u8]) -> Result<Self, FtraceError> {
        let container = Container::read(bytes)?;
        let schema = Schema::new(container.formats.iter());
        Ok(Self { container, schema })
    }

    /// The CPUs of the guest that have records, by number.
    pub fn cpus(&self) -> impl Iterator<Item = u32> + '_ {
        self.container.cpus.iter().map(|cpu| cpu.number)
    }

    /// The events of one CPU, in order of time.
    pub fn events(&self, cpu: u32) -> CpuEvents<'_> {
        CpuEvents::new(&self.container, &self.schema, cpu)
    }

    /// Names of the tasks that ran, by pid, as far as the kernel remembered them when the trace was saved.
    pub fn tasks(&self) -> &BTreeMap<u32, String> {
        &self.container.tasks
    }

    /// The name of the kernel's clock that stamped the records, where the file tells.
    pub fn clock(&self) -> Option<&str> {
        self.container.clock.as_deref()
    }
}
