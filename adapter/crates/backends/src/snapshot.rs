//! A saved halt: an ELF core with physical memory and the registers of every core. Nothing in it runs.
//!
//! Our own files carry system registers and the reason of the halt in notes (`schemas/snapshot.md`); those of QEMU's
//! `dump-guest-memory` lack them, so nothing can be translated there but what needs no system register.

mod layout;
mod memory;
mod note;
mod output;
mod read;
mod storage;
mod write;

use std::path::Path;
use std::sync::Arc;

use machine::target::{PhysicalRange, PhysicalRead};
use machine::{Pcpu, PhysicalMemory, Register, Registers, Stop, Target, TargetError};

use crate::OpenError;
use crate::mapped::{FileBytes, map_file};
use memory::SavedMemory;

pub use write::{SnapshotError, write_snapshot};

/// A saved halt, opened.
#[derive(Debug)]
pub struct Snapshot {
    name: String,
    cores: Vec<Registers>,
    memory: Arc<SavedMemory>,
    first_stop: Option<Stop>,
    damage: Vec<String>,
}

impl Snapshot {
    /// Opens a snapshot file.
    ///
    /// # Errors
    /// When it cannot be read, is no core of an AArch64 machine, or not even one core's registers are whole.
    pub fn open(path: &Path) -> Result<Self, OpenError> {
        let bytes = map_file(path)
            .map_err(|error| OpenError(format!("cannot open {}: {error}", path.display())))?;
        Self::from_bytes(&path.display().to_string(), bytes)
    }

    /// Takes the bytes of a snapshot file; `name` is for messages.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn from_bytes(name: &str, bytes: FileBytes) -> Result<Self, OpenError> {
        let wrong = |what: String| OpenError(format!("{name} is not a usable snapshot: {what}"));
        let storage = storage::Storage::new(bytes).map_err(wrong)?;
        let saved = read::read(&storage).map_err(wrong)?;
        let mut damage = saved.damage;
        damage.extend(storage.damage().map(str::to_owned));
        let mut title = format!("snapshot {name}");
        if let Some(first) = damage.first() {
            title.push_str(&format!(" (damaged: {first})"));
        }
        Ok(Self {
            name: title,
            cores: saved.cores,
            memory: Arc::new(SavedMemory::new(storage, saved.loads)),
            first_stop: saved.stop,
            damage,
        })
    }

    /// What is wrong with the file, with offsets; the rest is usable.
    #[must_use]
    pub fn damage(&self) -> &[String] {
        &self.damage
    }
}

impl Target for Snapshot {
    fn name(&self) -> &str {
        &self.name
    }

    fn cores(&self) -> usize {
        self.cores.len()
    }

    fn registers(
        &mut self,
        core: Pcpu,
        wanted: &[Register],
    ) -> Result<Vec<Option<u64>>, TargetError> {
        let core = self.cores.get(usize::from(core.0));
        Ok(wanted.iter().map(|register| core?.get(*register)).collect())
    }

    fn read_physical(&mut self, pieces: &mut [PhysicalRead<'_>]) -> Result<(), TargetError> {
        for piece in pieces {
            piece.ok = self
                .memory
                .read_physical(piece.address, piece.buffer)
                .is_ok();
        }
        Ok(())
    }

    fn ram(&mut self) -> Result<Option<Vec<PhysicalRange>>, TargetError> {
        Ok(Some(self.memory.ranges()))
    }

    fn mapped_ram(&self) -> Option<Arc<dyn PhysicalMemory + Send + Sync>> {
        Some(Arc::clone(&self.memory) as Arc<_>)
    }

    fn first_stop(&self) -> Option<Stop> {
        self.first_stop
    }
}
