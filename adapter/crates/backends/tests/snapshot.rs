//! A machine made up here, saved and opened again: whole, cut short, corrupt, compressed by others.

use std::path::PathBuf;
use std::sync::Arc;

use backends::snapshot::Snapshot;
use backends::{Options, SnapshotError, map_file, open, write_snapshot};
use machine::target::{PhysicalRange, PhysicalRead};
use machine::{
    MemoryFault, Pa, Pcpu, PhysicalMemory, Register, Stop, StopReason, SysReg, Target, TargetError,
    Va,
};
use proptest::prelude::*;

const PAGE: u64 = 4096;

/// Two cores and two pieces of RAM.
struct Machine {
    ram: Option<Vec<PhysicalRange>>,
}

fn machine() -> Machine {
    let range = |start, size| PhysicalRange {
        start: Pa(start),
        size,
    };
    // Larger than a chunk, and not of whole pages.
    let ram = vec![range(0x4000_0000, 0x28_0000), range(0x8000_0000, 0x1_0800)];
    Machine { ram: Some(ram) }
}

/// What lies in a page: `None` refuses, 0 is zero.
fn page(address: u64) -> Option<u8> {
    let number = address / PAGE;
    Some(match number & 0xfff {
        // Alone among zeros, short zeros, a refused page, data.
        0x40 | 0x240 => 7,
        0x80..0x88 => 0,
        0x90 => return None,
        0x70..0xa0 | 0x100..0x110 => number as u8 | 1,
        _ if address >= 0x8000_0000 => 9,
        _ => 0,
    })
}

fn byte(address: u64) -> Option<u8> {
    page(address).map(|byte| byte.wrapping_mul(address as u8 | 1))
}

fn register(core: u16, register: Register) -> Option<u64> {
    let all: Vec<_> = (0..31)
        .map(Register::X)
        .chain([Register::Sp, Register::Pc])
        .collect();
    let core = u64::from(core) << 56;
    match register {
        Register::Pstate => Some(core | 0x3c9),
        Register::Sys(SysReg::VttbrEl2) => Some(core | 0x0002_0000_4abc_d000),
        Register::Sys(_) => None,
        // One core does not tell x7.
        Register::X(7) if core > 0 => None,
        other => Some(core + 0x1000 + all.iter().position(|known| *known == other)? as u64),
    }
}

impl Target for Machine {
    fn name(&self) -> &str {
        "machine made up"
    }

    fn cores(&self) -> usize {
        2
    }

    fn registers(
        &mut self,
        core: Pcpu,
        wanted: &[Register],
    ) -> Result<Vec<Option<u64>>, TargetError> {
        Ok(wanted
            .iter()
            .map(|wanted| register(core.0, *wanted))
            .collect())
    }

    fn read_physical(&mut self, pieces: &mut [PhysicalRead<'_>]) -> Result<(), TargetError> {
        for piece in pieces {
            piece.ok = true;
            for (address, to) in (piece.address.0..).zip(&mut *piece.buffer) {
                match byte(address) {
                    Some(byte) => *to = byte,
                    None => piece.ok = false,
                }
            }
        }
        Ok(())
    }

    fn ram(&mut self) -> Result<Option<Vec<PhysicalRange>>, TargetError> {
        Ok(self.ram.clone())
    }

    fn first_stop(&self) -> Option<Stop> {
        Some(stop())
    }
}

fn stop() -> Stop {
    let reason = StopReason::Data(Va(0xffff_8000_1234_5678));
    Stop {
        core: Pcpu(1),
        reason,
    }
}

fn file(name: &str) -> PathBuf {
    std::env::temp_dir().join(format!("hvdap-{}-{name}", std::process::id()))
}

/// Saves the machine; gives the file's bytes.
fn saved(name: &str) -> Vec<u8> {
    let path = file(name);
    let mut last = (0, 0);
    write_snapshot(&mut machine(), &path, &mut |done, total| {
        assert!(done >= last.0 && done <= total);
        last = (done, total);
    })
    .expect("written");
    assert_eq!(last, (0x29_0800, 0x29_0800));
    for suffix in ["unfinished", "memory"] {
        assert!(!file(&format!("{name}.{suffix}")).exists());
    }
    let bytes = std::fs::read(&path).expect("read");
    assert_eq!(
        *map_file(&path).expect("mapped").as_ref().as_ref(),
        bytes[..]
    );
    std::fs::remove_file(path).expect("removed");
    bytes
}

fn opened(bytes: &[u8]) -> Result<Snapshot, String> {
    Snapshot::from_bytes("halt.core", Arc::new(bytes.to_vec())).map_err(|error| error.to_string())
}

fn memory(snapshot: &Snapshot) -> Arc<dyn PhysicalMemory + Send + Sync> {
    snapshot.mapped_ram().expect("memory is there")
}

/// The snapshot holds what the machine does.
#[track_caller]
fn same(snapshot: &mut Snapshot) {
    let all: Vec<_> = (0..31)
        .map(Register::X)
        .chain([Register::Sp, Register::Pc, Register::Pstate])
        .chain(SysReg::ALL.iter().copied().map(Register::Sys))
        .collect();
    assert_eq!(snapshot.cores(), 2);
    for core in [0, 1] {
        let expected = all.iter().map(|wanted| register(core, *wanted)).collect();
        assert_eq!(snapshot.registers(Pcpu(core), &all), Ok(expected));
    }
    let beyond = snapshot.registers(Pcpu(2), &[Register::Pc]);
    assert_eq!(beyond, Ok(vec![None]));
    assert_eq!(snapshot.first_stop(), Some(stop()));
    assert!(snapshot.run_control().is_none());
    assert_eq!(snapshot.damage(), [""; 0]);

    let memory = memory(snapshot);
    for range in machine().ram.expect("known") {
        let end = range.start.0 + range.size;
        for address in (range.start.0..end).step_by(PAGE as usize) {
            let size = (end - address).min(PAGE);
            let mut read = vec![0xff; size as usize];
            let result = memory.read_physical(Pa(address), &mut read);
            match (address..address + size)
                .map(byte)
                .collect::<Option<Vec<u8>>>()
            {
                Some(expected) => assert!(result.is_ok() && read == expected, "{address:#x}"),
                None => assert_eq!(result, Err(MemoryFault::Absent(Pa(address)))),
            }
        }
    }
    let mut across = vec![0; 0x20_0000 - 0x9_1000];
    memory
        .read_physical(Pa(0x4009_1000), &mut across)
        .expect("one piece");
    let expected = (0x4009_1000..).map(|address| byte(address).expect("there"));
    assert!(across.iter().copied().eq(expected.take(across.len())));
    for outside in [0, 0x3fff_ffff, 0x4028_0000, 0x8001_0800, u64::MAX] {
        let result = memory.read_physical(Pa(outside), &mut [0]);
        assert_eq!(result, Err(MemoryFault::Absent(Pa(outside))));
    }
}

#[test]
fn round_trip() {
    let plain = saved("plain");
    let compressed = saved("small.zst");
    assert!(
        plain.len() < 0xa_0000,
        "zeros are left out: {:#x}",
        plain.len()
    );
    assert!(compressed.len() < plain.len() / 10);
    same(&mut opened(&plain).expect("plain"));
    same(&mut opened(&compressed).expect("compressed"));
    let ranges = opened(&plain)
        .expect("plain")
        .ram()
        .expect("told")
        .expect("known");
    let expected = [
        (0x4000_0000, 0x9_0000),
        (0x4009_1000, 0x1e_f000),
        (0x8000_0000, 0x1_0800),
    ];
    assert!(
        ranges
            .iter()
            .map(|range| (range.start.0, range.size))
            .eq(expected),
        "{ranges:x?}"
    );
}

#[test]
fn of_a_snapshot() {
    let mut first = opened(&saved("first")).expect("opens");
    let path = file("second");
    write_snapshot(&mut first, &path, &mut |_, _| {}).expect("written");
    let spec = format!("snapshot:{}", path.display());
    let again = open(&spec, &Options::default()).expect("opens");
    assert_eq!(again.name(), format!("snapshot {}", path.display()));
    same(&mut Snapshot::open(&path).expect("opens"));
    std::fs::remove_file(path).expect("removed");
}

#[test]
fn compressed_by_others() {
    let plain = saved("others");
    let one_frame = zstd::encode_all(&plain[..], 1).expect("compressed");
    same(&mut opened(&one_frame).expect("opens"));
    let cut = opened(&one_frame[..one_frame.len() - 5]);
    let damage = cut.expect("the headers are whole").damage().to_vec();
    let ours = |damage: &String| damage.contains("bytes could be decompressed");
    assert!(damage.iter().any(ours), "{damage:?}");
    let error = opened(&one_frame[..50]).expect_err("nothing is whole");
    assert!(
        error.contains("only 0x0 bytes could be decompressed"),
        "{error}"
    );
}

#[test]
fn cannot_be_written() {
    let mut unknown = Machine { ram: None };
    let error = write_snapshot(&mut unknown, &file("unknown"), &mut |_, _| {});
    assert!(matches!(error, Err(SnapshotError::RamUnknown(name)) if name == "machine made up"));
    let path = std::env::temp_dir().join("missing-folder").join("file");
    let error = write_snapshot(&mut machine(), &path, &mut |_, _| {}).expect_err("no such folder");
    assert!(error.to_string().contains("missing-folder"), "{error}");
}

#[test]
fn cut_short() {
    let plain = saved("cut");
    for size in [0, 3, 40, 63] {
        let error = opened(&plain[..size]).expect_err("no header");
        assert!(
            error.starts_with("halt.core is not a usable snapshot: "),
            "{error}"
        );
    }
    for size in [64, 130, 200, 600] {
        let error = opened(&plain[..size]).expect_err("no registers");
        let end = format!("ends at offset {size:#x}");
        assert!(error.contains(&end), "{size}: {error}");
    }
    let half = plain.len() / 2;
    let mut snapshot = opened(&plain[..half]).expect("the headers are whole");
    let damage = snapshot.damage().to_vec();
    assert!(damage[0].starts_with(&format!(
        "it ends at offset {half:#x}, within the memory at PA "
    )));
    assert!(snapshot.name().contains(&damage[0]));
    assert_eq!(
        snapshot.registers(Pcpu(0), &[Register::Pc]),
        Ok(vec![register(0, Register::Pc)])
    );
    let memory = memory(&snapshot);
    let mut word = [0; 8];
    memory
        .read_physical(Pa(0x4004_0000), &mut word)
        .expect("before the cut");
    assert!(memory.read_physical(Pa(0x8000_0000), &mut word).is_err());

    let compressed = saved("cut.zst");
    let snapshot = opened(&compressed[..compressed.len() - 5]).expect("the first frame is whole");
    assert!(
        snapshot
            .damage()
            .iter()
            .any(|damage| damage.contains("compressed file is cut short"))
    );
}

#[test]
fn other_files() {
    let change = |at: usize, byte: u8| {
        let mut bytes = saved(&format!("other-{at}"));
        bytes[at] = byte;
        opened(&bytes).expect_err("not ours")
    };
    for (error, message) in [
        (
            opened(b"hello").expect_err("text"),
            "offset 0x0: not a 64-bit",
        ),
        (
            opened(b"KDUMP   \0\0").expect_err("kdump"),
            "kdump-compressed",
        ),
        (change(4, 1), "offset 0x0: not a 64-bit"),
        (change(16, 2), "offset 0x10: an ELF file, but not a core"),
        (change(18, 62), "offset 0x12: a core, but not of AArch64"),
        (change(0x80, 0), "holds no core's registers"),
    ] {
        assert!(error.contains(message), "{error}");
    }
    let error = open("snapshot:/nowhere/halt.core", &Options::default())
        .err()
        .expect("no file");
    assert!(error.to_string().contains("/nowhere/halt.core"), "{error}");
}

/// Looks at everything: nothing may panic.
fn poke(bytes: &[u8]) {
    let Ok(mut snapshot) = opened(bytes) else {
        return;
    };
    let memory = memory(&snapshot);
    let ranges = snapshot.ram().expect("told").expect("known");
    for range in ranges.iter().take(20) {
        for address in [
            range.start.0,
            range.start.0.wrapping_add(range.size - 1),
            range.start.0 ^ PAGE,
        ] {
            let _ = memory.read_physical(Pa(address), &mut [0; 5000]);
        }
    }
    let _ = snapshot.registers(Pcpu(0), &[Register::Pc, Register::Sys(SysReg::VttbrEl2)]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_bytes(bytes: Vec<u8>, start in 0usize..3) {
        let magic = [&b""[..], b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x04\0\xb7\0", b"\x28\xb5\x2f\xfd"];
        poke(&[magic[start], &bytes].concat());
    }
}

#[test]
fn mutated_and_cut() {
    let files = [saved("mutated"), saved("mutated.zst")];
    proptest!(ProptestConfig::with_cases(300), |(
        which in 0usize..2,
        changes in proptest::collection::vec((0.0f64..1.0, any::<u8>()), 1..6),
        in_head: bool,
        keep in 0.0f64..4.0,
    )| {
        let mut bytes = files[which].clone();
        let reach = if in_head { bytes.len().min(3000) } else { bytes.len() };
        for (place, byte) in changes {
            bytes[(reach as f64 * place) as usize] = byte;
        }
        bytes.truncate((bytes.len() as f64 * keep) as usize);
        poke(&bytes);
    });
}
