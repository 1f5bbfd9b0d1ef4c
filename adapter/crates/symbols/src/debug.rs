//! The DWARF sections of an image, unpacked where they are compressed, and the units in them.

use std::ops::Range;
use std::sync::Arc;

use gimli::{
    Abbreviations, AttributeValue, DebugAddrBase, DebugInfoOffset, DebugLocListsBase,
    DebugRngListsBase, DebugStrOffsetsBase, Dwarf, EndianSlice, IncompleteLineProgram,
    LittleEndian, SectionId, Unit, UnitHeader, UnitOffset, constants as dw,
};
use rayon::prelude::*;

use crate::Image;
use crate::elf::{self, Storage};
use crate::image::Slice;

/// Every section this project reads, by gimli's identifiers.
const WANTED: [SectionId; 15] = [
    SectionId::DebugAbbrev,
    SectionId::DebugAddr,
    SectionId::DebugAranges,
    SectionId::DebugInfo,
    SectionId::DebugLine,
    SectionId::DebugLineStr,
    SectionId::DebugLoc,
    SectionId::DebugLocLists,
    SectionId::DebugRanges,
    SectionId::DebugRngLists,
    SectionId::DebugStr,
    SectionId::DebugStrOffsets,
    SectionId::DebugTypes,
    SectionId::DebugFrame,
    SectionId::EhFrame,
];

/// Where one section's usable bytes are.
#[derive(Debug)]
enum Bytes {
    InFile(Range<usize>),
    Unpacked(Vec<u8>),
}

/// The debug sections of an image.
#[derive(Debug, Default)]
pub(crate) struct DebugSections {
    sections: Vec<(SectionId, u64, Bytes)>,
    /// Damage found while unpacking.
    pub(crate) notes: Vec<String>,
}

impl DebugSections {
    /// Finds the sections, and unpacks the compressed ones in parallel.
    pub(crate) fn load(image: &Image) -> Self {
        let found: Vec<_> = WANTED
            .into_par_iter()
            .filter_map(|id| {
                let section = image.elf().sections.iter().find(|section| {
                    let name = section.name.as_str();
                    name == id.name()
                        || name
                            .strip_prefix(".z")
                            .is_some_and(|rest| id.name().strip_prefix('.') == Some(rest))
                })?;
                let bytes = match section.storage {
                    Storage::Nothing => return None,
                    Storage::Plain => Ok(Bytes::InFile(section.file.clone())),
                    Storage::Compressed | Storage::Gnu => {
                        elf::decompress(section, image.data()).map(Bytes::Unpacked)
                    }
                };
                let bytes = bytes.map_err(|reason| {
                    format!(
                        "{}: {} at offset {:#x} cannot be unpacked: {reason}",
                        image.name(),
                        section.name,
                        section.file.start
                    )
                });
                Some((id, section.address, bytes))
            })
            .collect();
        let mut debug = Self::default();
        for (id, address, bytes) in found {
            match bytes {
                Ok(bytes) => debug.sections.push((id, address, bytes)),
                Err(note) => debug.notes.push(note),
            }
        }
        debug
    }

    /// The bytes of a section, empty when the image has none; and its link address.
    pub(crate) fn bytes<'a>(&'a self, id: SectionId, file: &'a [u8]) -> (&'a [u8], u64) {
        match self.sections.iter().find(|(known, ..)| *known == id) {
            Some((_, address, Bytes::InFile(range))) => {
                (file.get(range.clone()).unwrap_or(&[]), *address)
            }
            Some((_, address, Bytes::Unpacked(bytes))) => (bytes, *address),
            None => (&[], 0),
        }
    }
}

/// Where the units of `.debug_info` begin, found by hopping from header to header.
#[derive(Debug, Default)]
pub(crate) struct Units {
    offsets: Vec<usize>,
    /// Damage found on the way.
    pub(crate) note: Option<String>,
}

impl Units {
    pub(crate) fn find(image: &Image) -> Self {
        let mut units = Self::default();
        let dwarf = image.dwarf();
        let mut headers = dwarf.units();
        loop {
            match headers.next() {
                Ok(Some(header)) => match header.debug_info_offset() {
                    Some(offset) => units.offsets.push(offset.0),
                    None => return units,
                },
                Ok(None) => return units,
                Err(error) => {
                    let after = units.offsets.last().copied().unwrap_or_default();
                    units.note = Some(format!(
                        "{}: .debug_info is damaged after the unit at offset {after:#x}: {error}",
                        image.name()
                    ));
                    return units;
                }
            }
        }
    }
}

/// DWARF as it lies in the image.
impl Image {
    /// Whether there is any DWARF.
    #[must_use]
    pub fn has_dwarf(&self) -> bool {
        !self.elf().relocatable && !self.section(SectionId::DebugInfo).0.is_empty()
    }

    /// The DWARF sections as gimli reads them. Cheap: slices put together on each call.
    #[must_use]
    pub fn dwarf(&self) -> Dwarf<Slice<'_>> {
        let load = |id: SectionId| -> Result<Slice<'_>, std::convert::Infallible> {
            let bytes = if self.elf().relocatable {
                &[]
            } else {
                self.section(id).0
            };
            Ok(EndianSlice::new(bytes, LittleEndian))
        };
        match Dwarf::load(load) {
            Ok(dwarf) => dwarf,
            Err(never) => match never {},
        }
    }

    /// How many units `.debug_info` has.
    #[must_use]
    pub fn unit_count(&self) -> u32 {
        u32::try_from(self.units().offsets.len()).unwrap_or(u32::MAX)
    }

    /// Opens a unit: its header, abbreviations and root entry. Without its line program, whose header lists hundreds of
    /// files and may be damaged on its own.
    ///
    /// # Errors
    /// What gimli found damaged, also when there is no such unit.
    pub fn unit(&self, index: u32) -> Result<Unit<Slice<'_>>, gimli::Error> {
        let dwarf = self.dwarf();
        let header = self.unit_header(&dwarf, index)?;
        let abbreviations = self.abbreviations(&dwarf, &header)?;
        open(&dwarf, header, abbreviations)
    }

    /// The same for going once through all units, which would only fill the cache.
    pub(crate) fn unit_once<'a>(
        &'a self,
        dwarf: &Dwarf<Slice<'a>>,
        index: u32,
    ) -> Result<Unit<Slice<'a>>, gimli::Error> {
        let header = self.unit_header(dwarf, index)?;
        let abbreviations = dwarf.abbreviations(&header)?;
        open(dwarf, header, abbreviations)
    }

    /// The unit that holds an offset of `.debug_info`, and the offset within it.
    #[must_use]
    pub fn unit_of_offset(&self, offset: DebugInfoOffset) -> Option<(u32, UnitOffset)> {
        let offsets = &self.units().offsets;
        let index = offsets
            .partition_point(|start| *start <= offset.0)
            .checked_sub(1)?;
        let within = offset.0 - offsets[index];
        Some((u32::try_from(index).ok()?, UnitOffset(within)))
    }

    /// Where a unit begins in `.debug_info`.
    #[must_use]
    pub fn unit_start(&self, index: u32) -> Option<DebugInfoOffset> {
        let start = self.units().offsets.get(usize::try_from(index).ok()?)?;
        Some(DebugInfoOffset(*start))
    }

    pub(crate) fn unit_header<'a>(
        &'a self,
        dwarf: &Dwarf<Slice<'a>>,
        index: u32,
    ) -> Result<UnitHeader<Slice<'a>>, gimli::Error> {
        let start = self.unit_start(index).ok_or(gimli::Error::MissingUnitDie)?;
        dwarf.unit_header(start)
    }

    /// The abbreviations of a unit; the latest few are kept.
    fn abbreviations(
        &self,
        dwarf: &Dwarf<Slice<'_>>,
        header: &UnitHeader<Slice<'_>>,
    ) -> Result<Arc<Abbreviations>, gimli::Error> {
        self.abbreviation_cache()
            .get_or_try(header.debug_abbrev_offset().0, || {
                dwarf.abbreviations(header)
            })
    }
}

/// Reads the root entry as [`Unit::new`] does, the line program excepted.
fn open<'a>(
    dwarf: &Dwarf<Slice<'a>>,
    header: UnitHeader<Slice<'a>>,
    abbreviations: Arc<Abbreviations>,
) -> Result<Unit<Slice<'a>>, gimli::Error> {
    let (encoding, file) = (header.encoding(), dwarf.file_type);
    let mut unit = Unit {
        abbreviations,
        name: None,
        comp_dir: None,
        low_pc: 0,
        str_offsets_base: DebugStrOffsetsBase::default_for_encoding_and_file(encoding, file),
        addr_base: DebugAddrBase(0),
        loclists_base: DebugLocListsBase::default_for_encoding_and_file(encoding, file),
        rnglists_base: DebugRngListsBase::default_for_encoding_and_file(encoding, file),
        line_program: None,
        dwo_id: None,
        header,
    };
    let root = unit.entry(unit.header.root_offset())?;
    let value = |name| root.attr_value(name);
    // The bases first: what follows may be read through them.
    if let Some(AttributeValue::DebugStrOffsetsBase(base)) = value(dw::DW_AT_str_offsets_base) {
        unit.str_offsets_base = base;
    }
    let addresses = value(dw::DW_AT_addr_base).or_else(|| value(dw::DW_AT_GNU_addr_base));
    if let Some(AttributeValue::DebugAddrBase(base)) = addresses {
        unit.addr_base = base;
    }
    if let Some(AttributeValue::DebugLocListsBase(base)) = value(dw::DW_AT_loclists_base) {
        unit.loclists_base = base;
    }
    let ranges = value(dw::DW_AT_rnglists_base).or_else(|| value(dw::DW_AT_GNU_ranges_base));
    if let Some(AttributeValue::DebugRngListsBase(base)) = ranges {
        unit.rnglists_base = base;
    }
    let text = |name| value(name).and_then(|value| dwarf.attr_string(&unit, value).ok());
    (unit.name, unit.comp_dir) = (text(dw::DW_AT_name), text(dw::DW_AT_comp_dir));
    if let Some(low) = value(dw::DW_AT_low_pc) {
        unit.low_pc = dwarf.attr_address(&unit, low)?.unwrap_or(0);
    }
    Ok(unit)
}

/// The line program of a unit, `None` when it has none.
pub(crate) fn line_program<'a>(
    dwarf: &Dwarf<Slice<'a>>,
    unit: &Unit<Slice<'a>>,
) -> Result<Option<IncompleteLineProgram<Slice<'a>>>, gimli::Error> {
    let root = unit.entry(unit.header.root_offset())?;
    let Some(AttributeValue::DebugLineRef(offset)) = root.attr_value(dw::DW_AT_stmt_list) else {
        return Ok(None);
    };
    let size = unit.header.address_size();
    let program = dwarf
        .debug_line
        .program(offset, size, unit.comp_dir, unit.name)?;
    Ok(Some(program))
}
