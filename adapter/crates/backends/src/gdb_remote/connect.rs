//! From an address to a halted target, whatever a client before us left behind.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Instant;

use machine::target::PhysicalRead;
use machine::{Pcpu, PhysicalMemory, Stop, StopReason, TargetError};

use super::GdbRemote;
use super::link::{CONNECTING, Link, PATIENCE, explain};
use super::memory_map::MemoryMap;
use super::stream::{Address, Stream};
use crate::mapped::MappedRam;
use crate::rsp::description::Description;
use crate::rsp::hex;
use crate::rsp::stop_reply::{StopReply, ThreadId};
use crate::{OpenError, Options, RamFile};

/// How many places of a RAM file are compared with the target, and bytes at each.
const SAMPLES: u64 = 64;
const SAMPLE: usize = 32;

/// Cores beyond these are ignored.
const MOST_CORES: usize = 1024;

/// The longest file of a target description.
const LONGEST_FILE: usize = 1024 * 1024;

/// `m` of more bytes is refused by QEMU whatever `PacketSize` says (`MAX_PACKET_LENGTH / 2`).
const LONGEST_READ: usize = 0x800;

impl From<TargetError> for OpenError {
    fn from(error: TargetError) -> Self {
        Self(error.to_string())
    }
}

impl From<String> for OpenError {
    fn from(message: String) -> Self {
        Self(message)
    }
}

impl GdbRemote {
    /// Connects, which halts the target, and clears the traps of a client that was lost.
    ///
    /// # Errors
    /// When nothing answers within 4 s, or what answers lacks something a hypervisor's debugger needs.
    pub fn connect(address: &Address, options: &Options) -> Result<Self, OpenError> {
        let name = format!("gdb stub at {address}");
        let cannot = |reason: String| OpenError(format!("cannot connect to the {name}: {reason}"));
        let stream = Stream::connect(address, Instant::now() + CONNECTING)
            .map_err(|error| cannot(reason(&error)))?;
        let mut link =
            Link::new(name.as_str().into(), stream).map_err(|error| cannot(explain(&error)))?;

        let features = link
            .ask("qSupported:multiprocess+;swbreak+;hwbreak+;vContSupported+;xmlRegisters=aarch64")
            .map_err(|error| match error {
                TargetError::Lost { reason, .. } => {
                    cannot(format!("{reason} (is another debugger attached to it?)"))
                }
                other => other.into(),
            })?;
        link.patience = PATIENCE;
        let features = String::from_utf8_lossy(&features).into_owned();
        let offers = |wanted: &str| features.split(';').any(|feature| feature == wanted);
        let packet_size = features
            .split(';')
            .find_map(|feature| feature.strip_prefix("PacketSize="))
            .and_then(|size| hex::number(size.as_bytes()))
            .map_or(LONGEST_READ, |size| {
                usize::try_from(size / 2).unwrap_or(LONGEST_READ)
            });
        if offers("QStartNoAckMode+") && link.ask("QStartNoAckMode")? == b"OK" {
            link.reader()?.acks = false;
        }
        let lacks = |what: &str| OpenError(format!("the {name} cannot be used: {what}"));
        if !offers("qXfer:features:read+") {
            return Err(lacks(
                "it does not describe its registers (qXfer:features:read)",
            ));
        }
        if link.ask("Qqemu.PhyMemMode:1")? != b"OK" {
            return Err(lacks(
                "it gives no physical memory (Qqemu.PhyMemMode; QEMU has it since 4.1), which is needed to read VMs",
            ));
        }
        if !link.ask("vCont?")?.starts_with(b"vCont;c") {
            return Err(lacks("it cannot resume single cores (vCont)"));
        }
        let description = Description::read(&mut |file| read_file(&mut link, file))?;
        if description.architecture != "aarch64" {
            return Err(lacks(&format!(
                "its cores are `{}`, not aarch64",
                description.architecture
            )));
        }
        let threads = threads(&mut link)?;
        if threads.is_empty() {
            return Err(lacks("it lists no cores"));
        }
        let first_stop = clear_traps(&mut link, &threads)?;
        let general = description.general_layout(link.ask("g")?.len() / 2);
        let map = match link.monitor("info mtree -f") {
            Ok(text) => MemoryMap::parse(&text),
            Err(TargetError::Refused { .. }) => None,
            Err(lost) => return Err(lost.into()),
        };
        let ram = MappedRam::open(&options.ram)?.map(Arc::new);
        let mut remote = Self {
            link,
            threads: threads.into(),
            current: None,
            general,
            description,
            longest_read: packet_size.clamp(8, LONGEST_READ),
            map,
            ram,
            first_stop,
            armed: Vec::new(),
            written: BTreeSet::new(),
            resumed: first_stop.core,
        };
        remote.compare_ram(&options.ram)?;
        Ok(remote)
    }

    /// Makes sure that the RAM files hold what the target has: a file of another run, or one that QEMU maps without
    /// `share=on`, would show memory that is not there.
    fn compare_ram(&mut self, files: &[RamFile]) -> Result<(), OpenError> {
        for file in files {
            if (self.map.as_ref()).is_some_and(|map| !map.is_memory(file.address, file.size)) {
                return Err(OpenError(format!(
                    "the RAM file {}: the {} has no RAM of {:#x} bytes at PA {}",
                    file.file.display(),
                    self.link.name(),
                    file.size,
                    file.address,
                )));
            }
            let step = file.size / SAMPLES;
            let places = (0..SAMPLES).map(|n| file.address.offset(n * step));
            let mut theirs = [[0; SAMPLE]; SAMPLES as usize];
            let mut reads: Vec<PhysicalRead<'_>> = (places.zip(&mut theirs))
                .map(|(address, buffer)| PhysicalRead {
                    address,
                    buffer,
                    ok: false,
                })
                .collect();
            self.ask_memory(&mut reads.iter_mut().collect::<Vec<_>>())?;
            for read in reads.iter().filter(|read| read.ok) {
                let mut ours = [0; SAMPLE];
                let ram = self.ram.as_ref();
                if ram.is_some_and(|ram| ram.read_physical(read.address, &mut ours).is_ok())
                    && ours != *read.buffer
                {
                    return Err(OpenError(format!(
                        "the RAM file {} does not hold what the {} has at PA {}: is it this machine's, with share=on?",
                        file.file.display(),
                        self.link.name(),
                        read.address,
                    )));
                }
            }
        }
        Ok(())
    }
}

/// Why connecting failed.
fn reason(error: &std::io::Error) -> String {
    match error.kind() {
        std::io::ErrorKind::TimedOut | std::io::ErrorKind::WouldBlock => {
            format!("nothing answers within {} s", CONNECTING.as_secs())
        }
        std::io::ErrorKind::ConnectionRefused => "nothing listens there".into(),
        _ => error.to_string(),
    }
}

/// Fetches a file of the target description, piece by piece.
fn read_file(link: &mut Link, file: &str) -> Result<String, OpenError> {
    let mut text = Vec::new();
    loop {
        let piece = link.ask(&format!("qXfer:features:read:{file}:{:x},7f0", text.len()))?;
        match piece.split_first() {
            Some((b'l', last)) => {
                text.extend(last);
                return Ok(String::from_utf8_lossy(&text).into_owned());
            }
            Some((b'm', part)) if !part.is_empty() && text.len() < LONGEST_FILE => {
                text.extend(part);
            }
            _ => {
                let name = link.name();
                return Err(OpenError(format!("the {name} does not give its {file}")));
            }
        }
    }
}

/// The stub's threads, which are the cores.
fn threads(link: &mut Link) -> Result<Vec<ThreadId>, OpenError> {
    let mut threads = Vec::new();
    let mut reply = link.ask("qfThreadInfo")?;
    while let Some(list) = reply.strip_prefix(b"m") {
        threads.extend(list.split(|byte| *byte == b',').filter_map(ThreadId::parse));
        if threads.len() >= MOST_CORES {
            break;
        }
        reply = link.ask("qsThreadInfo")?;
    }
    threads.truncate(MOST_CORES);
    Ok(threads)
}

/// Removes what a lost client left: QEMU drops the traps of the current thread's core when asked for its state.
/// Gives the first stop; a stub cannot tell what halted the target before, so it counts as halted.
fn clear_traps(link: &mut Link, threads: &[ThreadId]) -> Result<Stop, OpenError> {
    let mut core = Pcpu(0);
    if let Some(StopReply::Stopped { thread, .. }) = link.state()? {
        core = core_of(threads, thread).unwrap_or(core);
    }
    for thread in threads {
        link.command(&format!("Hc{}", thread.text()))?;
        link.state()?;
    }
    let reason = StopReason::Halted;
    Ok(Stop { core, reason })
}

/// The index of a thread among the cores.
pub(super) fn core_of(threads: &[ThreadId], thread: Option<ThreadId>) -> Option<Pcpu> {
    let thread = thread?;
    let index = threads.iter().position(|known| *known == thread)?;
    Some(Pcpu(u16::try_from(index).ok()?))
}
