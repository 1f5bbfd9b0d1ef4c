//! Chrome's JSON trace format (“Trace Event Format”): complete events, instants, and names of processes and threads.
//!
//! Cores are threads of process 0, vCPUs and tasks threads of process 1 + guest. Times are microseconds with three decimals.

use std::io::{self, Write};

use super::{Export, is_background, pass_on};
use crate::store::Owner;

/// Writes the whole document.
///
/// # Errors
/// Those of `sink`.
pub fn write(export: &Export<'_>, sink: &mut dyn Write) -> io::Result<()> {
    let mut buffer = b"{\"displayTimeUnit\":\"ns\",\"traceEvents\":[\n".to_vec();
    write!(
        buffer,
        r#"{{"ph":"M","pid":0,"name":"process_name","args":{{"name":"Physical CPUs"}}}}"#
    )?;
    for (lane, owner) in export.lanes() {
        head(export, lane, owner, &mut buffer)?;
        spans(export, lane, owner, &mut buffer, sink)?;
        for point in export.points(lane) {
            write!(
                buffer,
                ",\n{{\"ph\":\"i\",\"s\":\"t\",\"pid\":{},\"tid\":{lane},\"ts\":{},\"name\":\"{}\",\"args\":{{\"value\":{}}}}}",
                process(owner),
                Micros(export.nanoseconds(point.time())),
                point.mark().name(),
                point.value(),
            )?;
            pass_on(&mut buffer, sink)?;
        }
    }
    buffer.extend(b"\n]}\n");
    sink.write_all(&buffer)
}

fn head(export: &Export<'_>, lane: u16, owner: Owner, buffer: &mut Vec<u8>) -> io::Result<()> {
    let pid = process(owner);
    if let Owner::Vcpu(vcpu) = owner {
        let name = (export.guest)(vcpu.guest);
        write!(
            buffer,
            ",\n{{\"ph\":\"M\",\"pid\":{pid},\"name\":\"process_name\",\"args\":{{\"name\":{}}}}}",
            Text(&name)
        )?;
    }
    let name = (export.name)(owner);
    write!(
        buffer,
        ",\n{{\"ph\":\"M\",\"pid\":{pid},\"tid\":{lane},\"name\":\"thread_name\",\"args\":{{\"name\":{}}}}}",
        Text(&name)
    )
}

fn spans(
    export: &Export<'_>,
    lane: u16,
    owner: Owner,
    buffer: &mut Vec<u8>,
    sink: &mut dyn Write,
) -> io::Result<()> {
    for interval in export.spans(lane) {
        let span = interval.span;
        if is_background(owner, &span) {
            continue;
        }
        let start = export.nanoseconds(span.start());
        write!(
            buffer,
            ",\n{{\"ph\":\"X\",\"pid\":{},\"tid\":{lane},\"ts\":{},\"dur\":{},\"name\":{}",
            process(owner),
            Micros(start),
            Micros(export.nanoseconds(interval.end) - start),
            Text(&export.title(owner, &span)),
        )?;
        if let (true, Some(pcpu)) = (span.state().on_core(), span.party().get()) {
            write!(buffer, ",\"args\":{{\"on\":{pcpu}}}")?;
        }
        buffer.push(b'}');
        pass_on(buffer, sink)?;
    }
    Ok(())
}

fn process(owner: Owner) -> u64 {
    match owner {
        Owner::Machine | Owner::Pcpu(_) | Owner::Others => 0,
        Owner::Vcpu(vcpu) => 1 + u64::from(vcpu.guest.0),
        Owner::Task(guest, _) => 1 + u64::from(guest.0),
    }
}

/// Nanoseconds as microseconds; exact, where a floating-point number would not be.
struct Micros(u64);

impl std::fmt::Display for Micros {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{:03}", self.0 / 1000, self.0 % 1000)
    }
}

/// A JSON string (RFC 8259, section 7).
struct Text<'a>(&'a str);

impl std::fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("\"")?;
        for letter in self.0.chars() {
            match letter {
                '"' => f.write_str("\\\"")?,
                '\\' => f.write_str("\\\\")?,
                control if control < ' ' => write!(f, "\\u{:04x}", u32::from(control))?,
                other => write!(f, "{other}")?,
            }
        }
        f.write_str("\"")
    }
}
