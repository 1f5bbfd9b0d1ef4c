//! Programs that lie where they were linked, or moved as a whole: bare-metal guests, hypervisors.

use machine::space::{AddressSpace, View};
use machine::{PhysicalMemory, Va};
use symbols::Image;

use super::{Evidence, GuestKind, Mismatch, Placement, compare_build_id, same_vectors};

/// Names under which programs keep their vector table. The vector base register minus the symbol is how far they were moved.
const VECTORS: &[&str] = &[
    "vectors",
    "hyp_traps_vector",
    "vector_table",
    "exception_vectors",
    "exception_vector_table",
    "_vectors",
];

/// Looks at every address space with its vector base register, where it is known.
pub(super) fn place(
    image: &Image,
    memory: &dyn PhysicalMemory,
    looks: impl Iterator<Item = (AddressSpace, Option<u64>)>,
) -> Result<Option<Placement>, Mismatch> {
    let mut mismatch = None;
    for (space, vector_base) in looks {
        let view = View::new(memory, space);
        let by_vectors = vector_base.and_then(|base| moved_by(image, base));
        for slide in by_vectors.map(|(slide, _)| slide).into_iter().chain([0]) {
            match compare_build_id(image, &view, slide) {
                Some(Ok(evidence)) => return Ok(Some(placement(slide, evidence))),
                Some(Err(other)) => mismatch = Some(other),
                None => {}
            }
        }
        if image.build_id_address().is_none()
            && let Some((slide, symbol)) = by_vectors
            && let Some(base) = vector_base
            && same_vectors(image, &view, symbol, Va(base))
        {
            return Ok(Some(placement(slide, Evidence::VectorBase)));
        }
    }
    mismatch.map_or(Ok(None), Err)
}

/// How far the image was moved if its vector table is what `base` points at. Images move by whole pages.
fn moved_by(image: &Image, base: u64) -> Option<(u64, &'static str)> {
    VECTORS.iter().find_map(|name| {
        let slide = base.wrapping_sub(image.symbol_named(name)?.address.0);
        (slide & 0xfff == 0).then_some((slide, *name))
    })
}

const fn placement(slide: u64, evidence: Evidence) -> Placement {
    Placement {
        slide,
        evidence,
        kind: GuestKind::Plain,
        kernel_ttbr1: None,
    }
}
