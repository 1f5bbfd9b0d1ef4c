//! Version 6: one part after the other (`trace-cmd.dat.v6(5)`).

use super::{Bytes, Container, CpuData, FtraceError, clock_in_use};

/// Options that are used, of `enum` in trace-cmd's `trace-cmd.h`.
const DONE: u16 = 0;
const TRACE_CLOCK: u16 = 4;

pub(super) fn read<'a>(
    file: &'a [u8],
    mut bytes: Bytes<'a>,
    page_size: u32,
) -> Result<Container<'a>, FtraceError> {
    let mut container = Container::new(file, page_size);
    bytes.part("the description of its pages");
    container.header_info(&mut bytes)?;
    bytes.part("the formats of events");
    container.ftrace_formats(&mut bytes)?;
    container.event_formats(&mut bytes)?;
    bytes.part("the kernel's symbols");
    for _ in ["kallsyms", "printk formats"] {
        let length = bytes.u32()?;
        bytes.take(length.into())?;
    }
    bytes.part("the names of tasks");
    container.command_lines(&mut bytes)?;
    bytes.part("the list of CPUs");
    let cpus = bytes.u32()?;
    options_and_data(&mut container, &mut bytes, cpus)?;
    Ok(container)
}

/// Options, if any, then the kind of data: ten bytes each, with their zero.
fn options_and_data(
    container: &mut Container<'_>,
    bytes: &mut Bytes<'_>,
    cpus: u32,
) -> Result<(), FtraceError> {
    let mut has_clock = false;
    loop {
        match bytes.take(10)? {
            b"options  \0" => has_clock |= options(bytes)?,
            b"latency  \0" => return Err(FtraceError::Latency),
            b"flyrecord\0" => break,
            _ => {
                return Err(FtraceError::Damaged(
                    "neither options nor records after its description",
                ));
            }
        }
    }
    for number in 0..cpus {
        let (offset, size) = (bytes.u64()?, bytes.u64()?);
        container.cpus.push(CpuData {
            number,
            offset,
            size,
        });
    }
    if has_clock {
        let length = bytes.u64()?;
        container.clock = clock_in_use(bytes.take(length)?);
    }
    Ok(())
}

/// Passes over the options; true when the clock's name follows the list of CPUs.
fn options(bytes: &mut Bytes<'_>) -> Result<bool, FtraceError> {
    let mut has_clock = false;
    loop {
        let id = bytes.u16()?;
        if id == DONE {
            return Ok(has_clock);
        }
        has_clock |= id == TRACE_CLOCK;
        let length = bytes.u32()?;
        bytes.take(length.into())?;
    }
}
