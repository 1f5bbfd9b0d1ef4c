//! Xen's trace buffers (`common/trace.c`), found through the hypervisor's awareness.

use awareness::TracePlaces;
use machine::{MemoryFault, Pa, Pcpu, PhysicalMemory};
use trace::clock::Frequency;
use trace::format::position::Position;
use trace::format::ring::Drained;
use trace::format::xen::buffers::{self, Found, LossCounters, unreported_loss};

use super::{Buffers, Format, TraceSwitches, UntoldLoss};
use crate::engine::Engine;
use crate::halt::Halt;

struct Xen {
    buffers: buffers::Buffers,
    places: TracePlaces,
}

/// Finds the buffers, or says why there are none.
pub(super) fn find(engine: &Engine, halt: &Halt) -> Result<Box<dyn Buffers>, String> {
    let places = engine.hypervisor.trace(halt);
    let places = places.map_err(|error| error.to_string())?;
    let found = Found {
        t_info: places.t_info,
        t_info_pages: places.t_info_pages,
        data_size: places.data_size,
        pcpus: places.pcpus,
    };
    let buffers = buffers::Buffers::read(halt, found).map_err(|error| error.to_string())?;
    Ok(Box::new(Xen { buffers, places }))
}

impl Buffers for Xen {
    fn format(&self) -> Format {
        Format::Xen
    }

    fn place(&self) -> Pa {
        self.places.t_info
    }

    fn pcpus(&self) -> Vec<Pcpu> {
        self.buffers.pcpus().collect()
    }

    fn capacity(&self) -> u32 {
        self.places.data_size
    }

    fn frequency(&self) -> Option<Frequency> {
        None
    }

    fn drain(&mut self, memory: &dyn PhysicalMemory, pcpu: Pcpu, bytes: &mut Vec<u8>) -> Drained {
        self.buffers.drain(memory, pcpu, bytes)
    }

    fn untold_loss(
        &self,
        memory: &dyn PhysicalMemory,
        pcpu: Pcpu,
    ) -> Result<Option<UntoldLoss>, MemoryFault> {
        let Some(places) = self.places.loss.get(usize::from(pcpu.0)) else {
            return Ok(None);
        };
        let counters = LossCounters {
            records: places.records,
            since: places.since,
        };
        let event = unreported_loss(memory, counters, Position::start(pcpu))?;
        Ok(event.and_then(UntoldLoss::of))
    }

    fn switches(&self, memory: &dyn PhysicalMemory) -> Result<TraceSwitches, MemoryFault> {
        let (mut enabled, mut mask) = ([0], [0; 4]);
        memory.read_physical(self.places.enabled, &mut enabled)?;
        memory.read_physical(self.places.mask, &mut mask)?;
        Ok(TraceSwitches {
            enabled: enabled[0] != 0,
            mask: u32::from_le_bytes(mask),
        })
    }

    fn turned(&self, wanted: TraceSwitches) -> Vec<(Pa, Vec<u8>)> {
        vec![
            (self.places.mask, wanted.mask.to_le_bytes().to_vec()),
            (self.places.enabled, vec![u8::from(wanted.enabled)]),
        ]
    }
}
