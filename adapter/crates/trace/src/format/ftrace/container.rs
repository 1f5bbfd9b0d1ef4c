//! What lies where in a trace.dat file.

mod v6;
mod v7;

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::FtraceError;
use super::bytes::{Bytes, Cut};
use super::layout::Layout;

pub(super) const MAGIC: &[u8] = b"\x17\x08\x44tracing";

/// Most bytes a packed piece may unpack to.
const LARGEST: u32 = 64 << 20;

/// Ring-buffer pages that are believed: Linux allows sub-buffers of up to 64 pages of up to 64 KiB.
const PAGE_SIZES: std::ops::RangeInclusive<u32> = 64..=4 << 20;

/// The file's description, and where the pages of each CPU are.
#[derive(Clone, Debug)]
pub(super) struct Container<'a> {
    pub(super) file: &'a [u8],
    pub(super) page_size: usize,
    /// How a page's header is laid out.
    pub(super) page: Layout,
    pub(super) formats: Vec<Layout>,
    pub(super) tasks: BTreeMap<u32, String>,
    pub(super) clock: Option<String>,
    pub(super) cpus: Vec<CpuData>,
    /// The pages are packed with zstd.
    pub(super) packed: bool,
}

/// Where the pages of one CPU are in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct CpuData {
    pub(super) number: u32,
    pub(super) offset: u64,
    pub(super) size: u64,
}

impl<'a> Container<'a> {
    pub(super) fn read(file: &'a [u8]) -> Result<Self, FtraceError> {
        let rest = file.strip_prefix(MAGIC).ok_or(FtraceError::Foreign)?;
        let mut bytes = Bytes::new(rest, "its first words");
        let version = bytes.string()?;
        if bytes.u8()? != 0 {
            return Err(FtraceError::BigEndian);
        }
        let _long = bytes.u8()?;
        let page_size = bytes.u32()?;
        let container = match version {
            b"6" => v6::read(file, bytes, page_size),
            b"7" => v7::read(file, bytes, page_size),
            other => Err(FtraceError::Version(text(other))),
        }?;
        if !PAGE_SIZES.contains(&(container.page_size as u32)) {
            return Err(FtraceError::Damaged(
                "no ring buffer has pages of such a size",
            ));
        }
        Ok(container)
    }

    fn new(file: &'a [u8], page_size: u32) -> Self {
        Self {
            file,
            page_size: page_size as usize,
            page: Layout::default(),
            formats: Vec::new(),
            tasks: BTreeMap::new(),
            clock: None,
            cpus: Vec::new(),
            packed: false,
        }
    }

    /// `header_page`, then `header_event`, which has never changed.
    fn header_info(&mut self, bytes: &mut Bytes<'_>) -> Result<(), FtraceError> {
        if bytes.string()? != b"header_page" {
            return Err(FtraceError::Damaged("no description of pages"));
        }
        let length = bytes.u64()?;
        self.page = Layout::read(bytes.take(length)?);
        if bytes.string()? != b"header_event" {
            return Err(FtraceError::Damaged("no description of event headers"));
        }
        let length = bytes.u64()?;
        bytes.take(length)?;
        Ok(())
    }

    /// Formats of ftrace's own events.
    fn ftrace_formats(&mut self, bytes: &mut Bytes<'_>) -> Result<(), Cut> {
        for _ in 0..bytes.u32()? {
            let length = bytes.u64()?;
            self.formats.push(Layout::read(bytes.take(length)?));
        }
        Ok(())
    }

    /// Formats of all other events, by system.
    fn event_formats(&mut self, bytes: &mut Bytes<'_>) -> Result<(), Cut> {
        for _ in 0..bytes.u32()? {
            let _system = bytes.string()?;
            self.ftrace_formats(bytes)?;
        }
        Ok(())
    }

    /// `saved_cmdlines`: a pid and a name on each line.
    fn command_lines(&mut self, bytes: &mut Bytes<'_>) -> Result<(), Cut> {
        let length = bytes.u64()?;
        let lines = text(bytes.take(length)?);
        let task = |line: &str| {
            let (pid, name) = line.trim_start().split_once(' ')?;
            Some((pid.parse().ok()?, name.to_owned()))
        };
        self.tasks = lines.lines().filter_map(task).collect();
        Ok(())
    }
}

/// Unpacks a piece: packed size, unpacked size, bytes. `None` when it is none.
pub(super) fn unpack<'a>(bytes: &mut Bytes<'a>) -> Option<Cow<'a, [u8]>> {
    let (packed, unpacked) = (bytes.u32().ok()?, bytes.u32().ok()?);
    let packed = bytes.take(packed.into()).ok()?;
    if unpacked > LARGEST {
        return None;
    }
    let unpacked = zstd::bulk::decompress(packed, unpacked as usize);
    unpacked.ok().map(Cow::Owned)
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The clock in use of a `trace_clock` file, where it stands in brackets, or alone.
fn clock_in_use(bytes: &[u8]) -> Option<String> {
    let text = text(bytes);
    let text = text.trim_matches(['\0', '\n', ' ']);
    let named = text
        .split_once('[')
        .and_then(|(_, rest)| rest.split_once(']'));
    let name = named.map_or(text, |(name, _)| name);
    (!name.is_empty()).then(|| name.to_owned())
}
