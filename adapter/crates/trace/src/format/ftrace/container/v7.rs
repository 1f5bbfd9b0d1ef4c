//! Version 7: sections anywhere in the file, found by options (`trace-cmd.dat.v7(5)`).
//!
//! Where the manual is behind trace-cmd 3.1.6: a section's size has 8 bytes, and a buffer's option has the size of its pages before the
//! number of CPUs.

use std::borrow::Cow;
use std::collections::BTreeSet;

use super::{Bytes, Container, CpuData, FtraceError, clock_in_use, unpack};

/// Options that are used.
const DONE: u16 = 0;
const BUFFER: u16 = 3;
const HEADER_INFO: u16 = 16;
const FTRACE_EVENTS: u16 = 17;
const EVENT_FORMATS: u16 = 18;
const COMMAND_LINES: u16 = 21;
const BUFFER_TEXT: u16 = 22;

/// More sections of options than this are a loop.
const MOST_SECTIONS: usize = 1024;

const LOST_SECTION: &str = "a section that its options name";

pub(super) fn read<'a>(
    file: &'a [u8],
    mut bytes: Bytes<'a>,
    page_size: u32,
) -> Result<Container<'a>, FtraceError> {
    let mut container = Container::new(file, page_size);
    let packer = bytes.string()?;
    let _version = bytes.string()?;
    if packer != b"none" && packer != b"zstd" {
        return Err(FtraceError::Compression(super::text(packer)));
    }
    let mut next = bytes.u64()?;
    let mut seen = BTreeSet::new();
    for _ in 0..MOST_SECTIONS {
        if next == 0 {
            break;
        }
        let section = section(file, next)?;
        next = options(&mut container, &section, &mut seen)?;
    }
    if next != 0 {
        return Err(FtraceError::Damaged("its options go in a circle"));
    }
    if container.cpus.is_empty() && seen.contains(&BUFFER_TEXT) {
        return Err(FtraceError::Latency);
    }
    Ok(container)
}

/// Follows the options of one section, each kind of description once; the offset of the next, or 0.
fn options(
    container: &mut Container<'_>,
    section: &[u8],
    seen: &mut BTreeSet<u16>,
) -> Result<u64, FtraceError> {
    let mut bytes = Bytes::new(section, "its options");
    while !bytes.is_empty() {
        let id = bytes.u16()?;
        let length = bytes.u32()?;
        let mut option = Bytes::new(bytes.take(length.into())?, "its options");
        match id {
            DONE => return Ok(option.u64()?),
            BUFFER => buffer(container, &mut option)?,
            HEADER_INFO | FTRACE_EVENTS | EVENT_FORMATS | COMMAND_LINES if !seen.contains(&id) => {
                let section = self::section(container.file, option.u64()?)?;
                description(container, id, &section)?;
            }
            _ => {}
        }
        seen.insert(id);
    }
    Ok(0)
}

fn description(container: &mut Container<'_>, id: u16, section: &[u8]) -> Result<(), FtraceError> {
    let mut bytes = Bytes::new(section, LOST_SECTION);
    match id {
        HEADER_INFO => container.header_info(&mut bytes)?,
        FTRACE_EVENTS => container.ftrace_formats(&mut bytes)?,
        EVENT_FORMATS => container.event_formats(&mut bytes)?,
        _ => container.command_lines(&mut bytes)?,
    }
    Ok(())
}

/// The top instance's buffer, which has no name; the first, where none is without.
fn buffer(container: &mut Container<'_>, option: &mut Bytes<'_>) -> Result<(), FtraceError> {
    let section = option.u64()?;
    let is_top = option.string()?.is_empty();
    if !is_top && !container.cpus.is_empty() {
        return Ok(());
    }
    container.clock = clock_in_use(option.string()?);
    container.page_size = option.u32()? as usize;
    container.cpus.clear();
    for _ in 0..option.u32()? {
        container.cpus.push(CpuData {
            number: option.u32()?,
            offset: option.u64()?,
            size: option.u64()?,
        });
    }
    container.packed = header(container.file, section)?.0;
    Ok(())
}

/// Whether a section is packed, its size, and what comes after its header.
fn header(file: &[u8], offset: u64) -> Result<(bool, u64, Bytes<'_>), FtraceError> {
    let mut bytes = Bytes::at(file, offset, LOST_SECTION)?;
    let _id = bytes.u16()?;
    let flags = bytes.u16()?;
    let _description = bytes.u32()?;
    let size = bytes.u64()?;
    Ok((flags & 1 != 0, size, bytes))
}

/// A section's content, unpacked.
fn section(file: &[u8], offset: u64) -> Result<Cow<'_, [u8]>, FtraceError> {
    let (packed, size, mut bytes) = header(file, offset)?;
    if packed {
        return unpack(&mut bytes).ok_or(FtraceError::Damaged("a section cannot be unpacked"));
    }
    Ok(Cow::Borrowed(bytes.take(size)?))
}
