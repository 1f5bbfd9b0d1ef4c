//! Walks compared with a processor: random registers and tables, and what `AT` made of them under QEMU 10.
//!
//! `par.bin` holds PAR_EL1 for each case; README.md says how it was made. The cases are made again here from the same numbers.

mod cases;

use cases::Case;
use machine::{AddressSpace, MemoryFault, PhysicalMemory, Regime, Va};

static PAR: &[u8] = include_bytes!("par.bin");

#[test]
fn walks_agree_with_the_processor() {
    let (memory, cases) = cases::all();
    assert_eq!(PAR.len(), cases.len() * 8);
    let mut mapped = 0;
    for (number, (case, par)) in cases.iter().zip(PAR.chunks_exact(8)).enumerate() {
        let par = u64::from_le_bytes(par.try_into().expect("eight bytes"));
        let theirs = Outcome::of_par(par);
        let ours = Outcome::of_walk(&case.space, &memory, Va(case.va));
        let Some(ours) = ours else {
            continue;
        };
        mapped += usize::from(matches!(ours, Outcome::Mapped { .. }));
        assert!(
            ours.agrees_with(&theirs, case),
            "case {number}: {ours:x?}, the processor says {theirs:x?} (PAR {par:#x})\n{:#x?}",
            case.space.walk(&memory, Va(case.va))
        );
    }
    assert!(mapped > cases.len() / 8, "only {mapped} cases are mapped");
}

/// What both can say.
#[derive(Debug, PartialEq)]
enum Outcome {
    Mapped {
        page: u64,
        device: bool,
    },
    /// Translation fault.
    Missing {
        stage: u8,
        level: i8,
    },
    AddressSize {
        stage: u8,
        level: i8,
    },
    /// External abort on a walk.
    Abort,
    /// A translation fault at level 0 for other reasons, or an address beyond a disabled stage.
    OutOfRange {
        stage: u8,
    },
    /// Registers that we do not walk; a processor reports some fault.
    BadControl,
}

impl Outcome {
    /// PAR_EL1, or `DFSC << 1 | 1` where the processor took the abort (Arm ARM D24.2, PAR_EL1 and ISS of Data Aborts).
    fn of_par(par: u64) -> Self {
        if par & 1 == 0 {
            return Self::Mapped {
                page: par & 0x000f_ffff_ffff_f000,
                device: par >> 60 == 0,
            };
        }
        let stage = if par >> 9 & 1 == 1 { 2 } else { 1 };
        let status = par >> 1 & 0x3f;
        let level = (status & 3) as i8;
        match status {
            0b00_0000..=0b00_0011 => Self::AddressSize { stage, level },
            0b00_0100..=0b00_0111 => Self::Missing { stage, level },
            0b01_0011..=0b01_0111 => Self::Abort,
            0b10_1001 => Self::AddressSize { stage, level: -1 },
            0b10_1011 => Self::Missing { stage, level: -1 },
            _ => panic!("no such fault is provoked: {status:#b}"),
        }
    }

    /// `None` where we refuse what a processor does: tables in device memory.
    fn of_walk(space: &AddressSpace, memory: &dyn PhysicalMemory, va: Va) -> Option<Self> {
        Some(match space.translate(memory, va) {
            Ok(found) => Self::Mapped {
                page: found.pa.align_down(0x1000).0,
                device: found.device,
            },
            Err(MemoryFault::NotMapped { stage, level, .. }) => Self::Missing { stage, level },
            Err(MemoryFault::AddressSize { stage, level, .. }) => {
                Self::AddressSize { stage, level }
            }
            Err(MemoryFault::Absent(_)) => Self::Abort,
            Err(MemoryFault::OutOfRange(_) | MemoryFault::WalkDisabled(_)) => {
                Self::OutOfRange { stage: 1 }
            }
            Err(MemoryFault::IpaOutOfRange(_)) => Self::OutOfRange { stage: 2 },
            Err(MemoryFault::BadControl(_)) => Self::BadControl,
            Err(MemoryFault::Device(_)) => return None,
            Err(fault) => panic!("{fault}"),
        })
    }

    fn agrees_with(&self, theirs: &Self, case: &Case) -> bool {
        match self {
            Self::BadControl => !matches!(theirs, Self::Mapped { .. }),
            Self::OutOfRange { stage } => matches!(
                theirs,
                Self::Missing { stage: theirs, level: 0 } | Self::AddressSize { stage: theirs, level: 0 }
                    if theirs == stage
            ),
            // Without stage 1, memory is device memory for a processor, and unknown for us.
            Self::Mapped { page, .. } if !case.enabled() => {
                matches!(theirs, Self::Mapped { page: theirs, .. } if theirs == page)
            }
            _ => self == theirs,
        }
    }
}

/// Writes what `at.S` works on; see README.md.
#[test]
#[expect(clippy::disallowed_methods, reason = "writes files for QEMU")]
fn write_input() {
    let (memory, cases) = cases::all();
    let mut input = [(cases.len() as u64).to_le_bytes(), [0; 8]].concat();
    for case in &cases {
        for word in case.words() {
            input.extend(word.to_le_bytes());
        }
    }
    let folder = std::path::Path::new(env!("CARGO_TARGET_TMPDIR"));
    std::fs::write(folder.join("cases.bin"), input).expect("written");
    std::fs::write(folder.join("tables.bin"), memory.bytes()).expect("written");
}

impl Case {
    fn enabled(&self) -> bool {
        self.space.stage1.is_some_and(|stage1| stage1.enabled)
    }

    /// As `at.S` reads them.
    fn words(&self) -> [u64; 12] {
        let stage1 = self.space.stage1.expect("each case has one");
        let (vttbr, vtcr) = self.space.stage2.map_or((0, 0), |s| (s.vttbr, s.vtcr));
        let (kind, e2h) = match stage1.regime {
            Regime::El10 => (0, 0),
            Regime::El20 => (1, 1 << 34 | 1 << 27),
            Regime::El2 => (1, 0),
        };
        let hcr = 1 << 31 | e2h | u64::from(self.space.stage2.is_some());
        let sctlr = 0x30c5_0830 | u64::from(stage1.enabled);
        [
            kind,
            hcr,
            stage1.tcr,
            stage1.ttbr0,
            stage1.ttbr1,
            stage1.mair,
            vtcr,
            vttbr,
            self.va,
            sctlr,
            0,
            0,
        ]
    }
}
