//! hvtrace's rings (`schemas/hvtrace.md`), found by their symbol in the image of whatever hypervisor it is.

use awareness::place_of;
use machine::{MemoryFault, Pa, Pcpu, PhysicalMemory};
use trace::clock::Frequency;
use trace::format::hvtrace::recorded::Recorded;
use trace::format::hvtrace::{Rings, SYMBOL};
use trace::format::position::Position;
use trace::format::ring::Drained;

use super::{Buffers, Format, TraceSwitches, UntoldLoss};
use crate::engine::Engine;
use crate::halt::Halt;

struct Hvtrace(Recorded);

/// Finds the rings; `None` where the hypervisor's image has none.
pub(super) fn find(engine: &Engine, halt: &Halt) -> Result<Option<Box<dyn Buffers>>, String> {
    let hypervisor = engine.groups.iter().find(|group| group.is_hypervisor());
    let images = hypervisor.into_iter().flat_map(|group| &group.images);
    for placed in images {
        let root = place_of(SYMBOL, &placed.image, placed.slide(), halt);
        let Some(root) = root.map_err(|error| error.to_string())? else {
            continue;
        };
        let rings = Rings::read(halt, root).map_err(|error| error.to_string())?;
        return Ok(Some(Box::new(Hvtrace(Recorded::new(rings)))));
    }
    Ok(None)
}

impl Buffers for Hvtrace {
    fn format(&self) -> Format {
        Format::Hvtrace
    }

    fn place(&self) -> Pa {
        self.0.rings().enabled
    }

    fn pcpus(&self) -> Vec<Pcpu> {
        self.0.rings().pcpus().collect()
    }

    fn capacity(&self) -> u32 {
        self.0.rings().capacity()
    }

    fn frequency(&self) -> Option<Frequency> {
        Frequency::new(self.0.rings().frequency)
    }

    fn drain(&mut self, memory: &dyn PhysicalMemory, pcpu: Pcpu, bytes: &mut Vec<u8>) -> Drained {
        self.0.drain(memory, pcpu, bytes)
    }

    fn untold_loss(
        &self,
        memory: &dyn PhysicalMemory,
        pcpu: Pcpu,
    ) -> Result<Option<UntoldLoss>, MemoryFault> {
        let position = Position::start(pcpu);
        let event = self.0.rings().unreported_loss(memory, position)?;
        Ok(event.and_then(UntoldLoss::of))
    }

    fn switches(&self, memory: &dyn PhysicalMemory) -> Result<TraceSwitches, MemoryFault> {
        let mut mask = [0; 4];
        memory.read_physical(self.0.rings().enabled, &mut mask)?;
        let mask = u32::from_le_bytes(mask);
        let enabled = mask != 0;
        Ok(TraceSwitches { enabled, mask })
    }

    fn turned(&self, wanted: TraceSwitches) -> Vec<(Pa, Vec<u8>)> {
        let mask = if wanted.enabled { wanted.mask } else { 0 };
        vec![(self.0.rings().enabled, mask.to_le_bytes().to_vec())]
    }
}
