//! The files `xentrace` writes: the buffers' bytes, window after window.
//!
//! ```text
//! 0x2001f003 | pCPU | bytes | that many bytes of the pCPU's buffer | 0x2001f003 | …
//! ```
//!
//! Xen's tool asks the pCPUs in turn, so windows of different pCPUs overlap in time, and those of one follow each other (Xen 4.17
//! `tools/xentrace/xentrace.c`; since before 4.11). A file says nothing of the counter's frequency, unless we
//! recorded it ([`super::notes`]).

use machine::ids::Pcpu;

use super::notes::Notes;
use super::record::CPU_CHANGE;
use super::records::Records;
use super::switches::Switches;
use crate::clock::Frequency;
use crate::event::Event;
use crate::format::position::Position;
use crate::merge::{Merge, Stream, merge};

/// In front of each window: header, pCPU, bytes.
const WINDOW_HEADER: usize = 12;

/// The header of a window: no time, two words.
const WINDOW: u32 = 2 << 28 | CPU_CHANGE;

/// Most bytes a buffer of Xen can have: 65,535 pages.
const LARGEST: u32 = 65_535 * 4096;

/// pCPUs that a file may name.
const PCPUS: u32 = 65_535;

/// Why a file is not read at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FileError {
    /// The file begins like one of a machine that stores the high byte first.
    #[error("an xentrace file of a big-endian machine, which Xen does not run on")]
    BigEndian,
    /// The file does not begin with a window.
    #[error("not an xentrace file: it does not begin with a window of a pCPU's buffer")]
    Foreign,
}

/// Whether the bytes begin like an xentrace file.
pub fn is_xentrace(bytes: &[u8]) -> bool {
    window_at(bytes, 0).is_some()
}

/// The twelve bytes in front of a pCPU's drained bytes that make them a window of a file.
///
/// Xen's tools take at most 65,535 pages as a window, and whole records only.
pub fn window_header(pcpu: Pcpu, bytes: u32) -> [u8; WINDOW_HEADER] {
    let mut header = [0; WINDOW_HEADER];
    header[..4].copy_from_slice(&WINDOW.to_le_bytes());
    header[4..8].copy_from_slice(&u32::from(pcpu.0).to_le_bytes());
    header[8..].copy_from_slice(&bytes.to_le_bytes());
    header
}

/// An xentrace file whose windows have been found. Takes 16 bytes of memory for each.
#[derive(Clone, Debug)]
pub struct File<'a> {
    bytes: &'a [u8],
    /// The windows of each pCPU, by its number.
    windows: Vec<Vec<Window>>,
    /// The counter's, where it is known for certain.
    frequency: Option<Frequency>,
}

/// Where the records of one window are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Window {
    start: usize,
    end: usize,
}

impl<'a> File<'a> {
    /// Finds the windows of a file.
    ///
    /// Where a window's end is not the next one's beginning, its size is wrong or the file ends in it: it then goes on to where the next
    /// window can be seen, or to the end, and its records tell what is missing.
    ///
    /// # Errors
    /// When the file does not begin with a window.
    pub fn read(bytes: &'a [u8]) -> Result<Self, FileError> {
        let Some((pcpu, _)) = window_at(bytes, 0) else {
            return Err(foreign(bytes));
        };
        let mut windows: Vec<Vec<Window>> = Vec::new();
        let mut last = pcpu;
        let mut at = 0;
        while let Some((pcpu, size)) = window_at(bytes, at) {
            let start = at + WINDOW_HEADER;
            at = end_of_window(bytes, start, size);
            push(&mut windows, pcpu, Window { start, end: at });
            last = pcpu;
        }
        // The beginning of a window's header at the end of the file.
        let end = bytes.len();
        push(&mut windows, last, Window { start: at, end });
        Ok(Self {
            bytes,
            windows,
            frequency: None,
        })
    }

    /// The same file, with each switch at the time when it happened ([`Switches`]), which can be told where the counter's own frequency is known.
    #[must_use]
    pub fn counted_by(self, frequency: Option<Frequency>) -> Self {
        Self { frequency, ..self }
    }

    /// The pCPUs that have records in the file, by number.
    pub fn pcpus(&self) -> impl Iterator<Item = Pcpu> + '_ {
        let numbered = self.windows.iter().enumerate();
        numbered.filter_map(|(pcpu, windows)| {
            let pcpu = u16::try_from(pcpu).ok()?;
            (!windows.is_empty()).then_some(Pcpu(pcpu))
        })
    }

    /// What was noted in the file by whoever recorded it, if that was us.
    pub fn notes(&self) -> Notes {
        let mut notes = Notes::default();
        for window in self.windows.iter().flatten() {
            notes.read(&self.bytes[window.start..window.end]);
        }
        notes.accounts.sort_by_key(|(time, _)| *time);
        notes
    }

    /// The events of one pCPU, in order of time.
    pub fn events(&self, pcpu: Pcpu) -> Merge<PcpuEvents<'_>> {
        merge([self.stream(pcpu)])
    }

    /// The events of one pCPU, to be merged with others.
    pub fn stream(&self, pcpu: Pcpu) -> PcpuEvents<'_> {
        let windows = self.windows.get(usize::from(pcpu.0));
        PcpuEvents {
            bytes: self.bytes,
            windows: windows.map(Vec::as_slice).unwrap_or_default().iter(),
            records: Records::new(Position::start(pcpu), &[]),
            switches: self.frequency.map(Switches::new),
        }
    }

    /// The events of all pCPUs, in order of time.
    pub fn merged(&self) -> Merge<PcpuEvents<'_>> {
        merge(self.pcpus().map(|pcpu| self.stream(pcpu)))
    }
}

/// The events of one pCPU of a [`File`], window after window.
#[derive(Clone, Debug)]
pub struct PcpuEvents<'a> {
    bytes: &'a [u8],
    windows: std::slice::Iter<'a, Window>,
    records: Records<'a>,
    switches: Option<Switches>,
}

impl PcpuEvents<'_> {
    fn place(&mut self, events: &mut [Event]) {
        if let Some(switches) = &mut self.switches {
            events.iter_mut().for_each(|event| switches.place(event));
        }
    }
}

impl Stream for PcpuEvents<'_> {
    fn read(&mut self, block: &mut Vec<Event>, most: usize) {
        let (begin, enough) = (block.len(), block.len() + most);
        loop {
            self.records.read_into(block, enough - block.len());
            if block.len() == enough {
                break;
            }
            let Some(window) = self.windows.next() else {
                break;
            };
            let bytes = &self.bytes[window.start..window.end];
            self.records = Records::new(self.records.reached(), bytes);
        }
        self.place(&mut block[begin..]);
    }
}

fn push(windows: &mut Vec<Vec<Window>>, pcpu: Pcpu, window: Window) {
    let pcpu = usize::from(pcpu.0);
    if windows.len() <= pcpu {
        windows.resize_with(pcpu + 1, Vec::new);
    }
    if window.start < window.end {
        windows[pcpu].push(window);
    }
}

/// The pCPU and size of the window whose header is at `at`, if a header can be there.
fn window_at(bytes: &[u8], at: usize) -> Option<(Pcpu, usize)> {
    let header = bytes.get(at..)?.first_chunk::<WINDOW_HEADER>()?;
    let [window, pcpu, size] = [0, 4, 8]
        .map(|n| u32::from_le_bytes([header[n], header[n + 1], header[n + 2], header[n + 3]]));
    let plausible = window == WINDOW && pcpu < PCPUS && size <= LARGEST && size.is_multiple_of(4);
    plausible.then_some((Pcpu(pcpu as u16), size as usize))
}

fn end_of_window(bytes: &[u8], start: usize, size: usize) -> usize {
    let end = start.saturating_add(size);
    let cut_header = |rest: &[u8]| {
        let word = WINDOW.to_le_bytes();
        rest.len() < WINDOW_HEADER && rest.iter().zip(word).all(|(byte, of)| *byte == of)
    };
    if window_at(bytes, end).is_some() || bytes.get(end..).is_some_and(cut_header) {
        return end;
    }
    (start..bytes.len())
        .step_by(4)
        .find(|at| window_at(bytes, *at).is_some())
        .unwrap_or(bytes.len())
}

fn foreign(bytes: &[u8]) -> FileError {
    if bytes.starts_with(&WINDOW.to_be_bytes()) {
        FileError::BigEndian
    } else {
        FileError::Foreign
    }
}
