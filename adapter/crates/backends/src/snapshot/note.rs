//! Notes: taking a segment apart, and our own as lines of `name=value`.

use machine::{Pcpu, Register, Registers, Stop, StopReason, SysReg, Va};

use super::layout::{general_registers, u32_at};

/// A note of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Note<'a> {
    /// Who defined it, without the closing zero.
    pub(super) owner: &'a [u8],
    /// Its meaning to the owner.
    pub(super) kind: u32,
    /// Its content.
    pub(super) content: &'a [u8],
}

/// The notes of a segment, with the offset of the first that is not whole.
pub(super) fn notes(segment: &[u8]) -> (Vec<Note<'_>>, Option<usize>) {
    let mut notes = Vec::new();
    let mut at = 0;
    while at < segment.len() {
        let Some((note, size)) = note(&segment[at..]) else {
            return (notes, Some(at));
        };
        notes.push(note);
        at = at.saturating_add(size);
    }
    (notes, None)
}

/// The first note and all its bytes: three words, then owner and content, each padded to four bytes.
fn note(bytes: &[u8]) -> Option<(Note<'_>, usize)> {
    let owner_size = u32_at(bytes, 0)? as usize;
    let content_size = u32_at(bytes, 4)? as usize;
    let kind = u32_at(bytes, 8)?;
    let owner_end = owner_size.checked_add(12)?;
    let owner = bytes.get(12..owner_end)?;
    let content_start = owner_end.checked_next_multiple_of(4)?;
    let content_end = content_start.checked_add(content_size)?;
    let content = bytes.get(content_start..content_end)?;
    let owner = owner.strip_suffix(&[0]).unwrap_or(owner);
    let note = Note {
        owner,
        kind,
        content,
    };
    Some((note, content_end.checked_next_multiple_of(4)?))
}

/// Appends a note.
pub(super) fn append(note: &Note<'_>, out: &mut Vec<u8>) {
    for word in [note.owner.len() + 1, note.content.len(), note.kind as usize] {
        out.extend((word as u32).to_le_bytes());
    }
    for part in [&[note.owner, &[0]].concat(), note.content] {
        out.extend(part);
        out.resize(out.len().next_multiple_of(4), 0);
    }
}

/// The name a register has in our notes.
fn name(register: Register) -> String {
    match register {
        Register::X(n) => format!("x{n}"),
        Register::Sp => "sp".into(),
        Register::Pc => "pc".into(),
        Register::Pstate => "pstate".into(),
        Register::Sys(reg) => reg.name().into(),
    }
}

/// Every register that a note may hold.
pub(super) fn all_registers() -> impl Iterator<Item = Register> {
    let system = SysReg::ALL.iter().copied().map(Register::Sys);
    general_registers().chain(system)
}

/// Writes the registers of a core that are known.
pub(super) fn write_registers(core: Pcpu, registers: &Registers) -> String {
    let mut text = format!("core={}\n", core.0);
    for register in all_registers() {
        if let Some(value) = registers.get(register) {
            text.push_str(&format!("{}={value:#x}\n", name(register)));
        }
    }
    text
}

/// Reads the registers of a core; unknown names are skipped, since later releases may know more.
pub(super) fn read_registers(content: &[u8]) -> Option<(Pcpu, Registers)> {
    let mut core = None;
    let mut registers = Registers::default();
    for (key, value) in pairs(content) {
        if key == "core" {
            core = value.parse().ok().map(Pcpu);
        } else if let Some(register) = all_registers().find(|known| name(*known) == key)
            && let Some(value) = number(value)
        {
            registers.set(register, value);
        }
    }
    Some((core?, registers))
}

/// Writes why the target was halted.
pub(super) fn write_halt(stop: Option<Stop>, source: &str) -> String {
    let mut text = format!("version=1\nsource={}\n", source.replace('\n', " "));
    if let Some(Stop { core, reason }) = stop {
        let reason = match reason {
            StopReason::Trap => "trap".into(),
            StopReason::Halted => "halted".into(),
            StopReason::Data(address) => format!("data:{address}"),
            StopReason::Signal(signal) => format!("signal:{signal:#x}"),
        };
        text.push_str(&format!("stop-core={}\nstop-reason={reason}\n", core.0));
    }
    text
}

/// Reads why the target was halted.
pub(super) fn read_halt(content: &[u8]) -> Option<Stop> {
    let value = |wanted| {
        pairs(content)
            .find(|(key, _)| *key == wanted)
            .map(|(_, value)| value)
    };
    let core = Pcpu(value("stop-core")?.parse().ok()?);
    let reason = value("stop-reason")?;
    let reason = match reason.split_once(':') {
        None if reason == "trap" => StopReason::Trap,
        None if reason == "halted" => StopReason::Halted,
        Some(("data", address)) => StopReason::Data(Va(number(address)?)),
        Some(("signal", signal)) => StopReason::Signal(number(signal)?.try_into().ok()?),
        _ => return None,
    };
    Some(Stop { core, reason })
}

/// The lines of a note.
fn pairs(content: &[u8]) -> impl Iterator<Item = (&str, &str)> {
    let lines = content.split(|byte| *byte == b'\n');
    lines.filter_map(|line| std::str::from_utf8(line).ok()?.split_once('='))
}

/// A number as we write it.
fn number(text: &str) -> Option<u64> {
    u64::from_str_radix(text.strip_prefix("0x")?, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn registers_and_halts() {
        let mut registers = Registers::default();
        for (value, register) in all_registers().enumerate().step_by(3) {
            registers.set(register, (value as u64) << 40);
        }
        let text = write_registers(Pcpu(3), &registers) + "LATER_EL2=0x1\n";
        assert_eq!(read_registers(text.as_bytes()), Some((Pcpu(3), registers)));
        assert_eq!(read_registers(b"x0=0x1"), None);
        for reason in [
            StopReason::Trap,
            StopReason::Halted,
            StopReason::Data(Va(0xffff_0000_1234_5678)),
            StopReason::Signal(11),
        ] {
            let stop = Stop {
                core: Pcpu(1),
                reason,
            };
            let text = write_halt(Some(stop), "gdb stub");
            assert_eq!(read_halt(text.as_bytes()), Some(stop));
        }
        assert_eq!(
            read_halt(write_halt(None, "gdb\nstop-core=1").as_bytes()),
            None
        );
    }

    proptest! {
        #[test]
        fn round_trip(parts in proptest::collection::vec((any::<Vec<u8>>(), any::<u32>(), any::<Vec<u8>>()), 0..5)) {
            let wanted: Vec<Note<'_>> = parts
                .iter()
                .map(|(owner, kind, content)| Note { owner, kind: *kind, content })
                .collect();
            let mut segment = Vec::new();
            wanted.iter().for_each(|note| append(note, &mut segment));
            prop_assert_eq!(notes(&segment), (wanted, None));
        }

        #[test]
        fn anything(bytes: Vec<u8>, text: String) {
            let (found, bad) = notes(&bytes);
            prop_assert!(found.len() <= bytes.len() / 12 && bad.is_none_or(|at| at < bytes.len()));
            for content in [&bytes[..], text.as_bytes()] {
                let _ = (read_registers(content), read_halt(content));
            }
        }
    }
}
