//! Address spaces: from a [`Va`] through stage 1 and stage 2 to a [`Pa`] (Arm ARM D8).
//!
//! An [`AddressSpace`] is a handful of register values, small and copyable: it says how to walk and holds no memory.
//! Start at [`AddressSpace::translate`]; [`View`] reads through it, [`AddressSpace::walk`] explains it and
//! [`AddressSpace::ranges`] lists what is mapped.

mod current;
mod ranges;
mod view;
mod walk;

pub use crate::arch::aarch64::descriptor::Field;
pub use crate::arch::aarch64::regime::{Regime, Stage1, Stage2};
pub use ranges::Ranges;
pub use view::View;
pub use walk::{Decoded, DescriptorKind, Step, Walk};

use crate::arch::aarch64::paging::{Cause, Hole, Leaf};
use crate::arch::aarch64::regime::Range;
use crate::{Ipa, MemoryFault, Pa, PhysicalMemory, Va};

/// How addresses of one piece of software become physical addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct AddressSpace {
    /// Stage 1; `None` when addresses are already intermediate physical (or, without stage 2, physical) ones.
    pub stage1: Option<Stage1>,
    /// Stage 2; `None` for the hypervisor itself and where no hypervisor is in the way.
    pub stage2: Option<Stage2>,
}

/// Where a virtual address leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Translation {
    /// The physical address.
    pub pa: Pa,
    /// The intermediate address, where there is a stage 2.
    pub ipa: Option<Ipa>,
    /// Bytes from here on that are mapped in one piece by both stages.
    pub size: u64,
    /// Either stage says that this is device memory.
    pub device: bool,
    /// Who may do what.
    pub permissions: Permissions,
}

/// What both stages together allow. A debugger reads regardless.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Permissions {
    /// The regime's own exception level may write.
    pub write: bool,
    /// The regime's own exception level may execute.
    pub execute: bool,
    /// EL0 has access.
    pub user: bool,
    /// EL0 may execute.
    pub user_execute: bool,
}

impl AddressSpace {
    /// Physical addresses as they are.
    pub const PHYSICAL: Self = Self {
        stage1: None,
        stage2: None,
    };

    /// The same guest's intermediate physical addresses: stage 2 alone.
    #[must_use]
    pub const fn ipa(&self) -> Self {
        Self {
            stage1: None,
            stage2: self.stage2,
        }
    }

    /// Translates one address.
    ///
    /// # Errors
    /// The fault of the first walk that did not arrive; an access flag that is clear is not a fault here.
    pub fn translate(
        &self,
        memory: &dyn PhysicalMemory,
        va: Va,
    ) -> Result<Translation, MemoryFault> {
        self.resolve(memory, va, &mut |_| ())
            .map_err(|gap| gap.fault)
    }

    /// Translates and tells every descriptor on the way; on failure, also how far the gap reaches.
    fn resolve(
        &self,
        memory: &dyn PhysicalMemory,
        va: Va,
        note: &mut dyn FnMut(Step),
    ) -> Result<Translation, Gap> {
        let first = match &self.stage1 {
            Some(stage1) => self.first_stage(stage1, memory, va, note)?,
            None if self.stage2.is_none() && va.0 >> 52 != 0 => {
                return Err(Gap::endless(MemoryFault::OutOfRange(va)));
            }
            None => Stage::flat(va.0),
        };
        let Some(stage2) = &self.stage2 else {
            return Ok(first.translation(Pa(first.output), None));
        };
        let ipa = Ipa(first.output);
        let second = second_stage(stage2, memory, ipa, note).map_err(|gap| Gap {
            size: gap.size.min(first.size),
            ..gap
        })?;
        Ok(first.and(second).translation(Pa(second.output), Some(ipa)))
    }

    /// Stage 1 of `va`; its tables are read through stage 2 where there is one (Arm ARM D8.2).
    fn first_stage(
        &self,
        stage1: &Stage1,
        memory: &dyn PhysicalMemory,
        va: Va,
        note: &mut dyn FnMut(Step),
    ) -> Result<Stage, Gap> {
        if !stage1.enabled {
            return stage1.flat(va.0).map(Stage::flat).map_err(Gap::endless);
        }
        let (range, input) = stage1.range_of(va.0).map_err(Gap::endless)?;
        let mut fetch = |level: i8, table: u64| {
            let entry = self.table_entry(memory, Ipa(table), note)?;
            let descriptor = memory.read_physical_u64(entry)?;
            note(Step {
                stage: 1,
                level,
                input: va.0,
                entry_ipa: self.stage2.map(|_| Ipa(table)),
                entry,
                descriptor,
                kind: range.tables.kind(level, descriptor),
            });
            Ok(descriptor)
        };
        match range.tables.walk(input, &mut fetch) {
            Ok(leaf) => Ok(Stage::of_first(stage1, &range, &leaf)),
            Err(hole) => Err(Gap::of(&hole, 1, "VA", va.0)),
        }
    }

    /// The physical address of a stage-1 table entry. Tables in device memory are not read.
    fn table_entry(
        &self,
        memory: &dyn PhysicalMemory,
        address: Ipa,
        note: &mut dyn FnMut(Step),
    ) -> Result<Pa, MemoryFault> {
        let Some(stage2) = &self.stage2 else {
            return Ok(Pa(address.0));
        };
        let stage = second_stage(stage2, memory, address, note).map_err(|gap| gap.fault)?;
        if stage.device {
            return Err(MemoryFault::Device(Pa(stage.output)));
        }
        Ok(Pa(stage.output))
    }
}

fn second_stage(
    stage2: &Stage2,
    memory: &dyn PhysicalMemory,
    ipa: Ipa,
    note: &mut dyn FnMut(Step),
) -> Result<Stage, Gap> {
    let tables = stage2.tables().map_err(Gap::endless)?;
    if ipa.0 >> tables.input_bits != 0 {
        return Err(Gap::endless(MemoryFault::IpaOutOfRange(ipa)));
    }
    let mut fetch = |level: i8, entry: u64| {
        let descriptor = memory.read_physical_u64(Pa(entry))?;
        note(Step {
            stage: 2,
            level,
            input: ipa.0,
            entry_ipa: None,
            entry: Pa(entry),
            descriptor,
            kind: tables.kind(level, descriptor),
        });
        Ok(descriptor)
    };
    match tables.walk(ipa.0, &mut fetch) {
        Ok(leaf) => Ok(Stage::of_second(&leaf)),
        Err(hole) => Err(Gap::of(&hole, 2, "IPA", ipa.0)),
    }
}

/// An address that leads nowhere.
struct Gap {
    fault: MemoryFault,
    /// Bytes from the address on that are known to lead nowhere either.
    size: u64,
}

impl Gap {
    fn endless(fault: MemoryFault) -> Self {
        Self {
            fault,
            size: u64::MAX,
        }
    }

    fn of(hole: &Hole, stage: u8, kind: &'static str, address: u64) -> Self {
        let Hole {
            level, descriptor, ..
        } = *hole;
        let fault = match hole.cause {
            Cause::Fetch(fault) => fault,
            Cause::Invalid => MemoryFault::NotMapped {
                stage,
                level,
                kind,
                address,
                descriptor,
            },
            Cause::AddressSize => MemoryFault::AddressSize {
                stage,
                level,
                kind,
                address,
                descriptor,
            },
        };
        Self {
            fault,
            size: hole.size,
        }
    }
}

/// What one stage says of an address.
#[derive(Clone, Copy)]
struct Stage {
    output: u64,
    size: u64,
    device: bool,
    permissions: Permissions,
}

impl Stage {
    /// No translation: all 52 address bits in one piece. Nothing says what kind of memory it is, so nothing is refused.
    fn flat(address: u64) -> Self {
        Self {
            output: address,
            size: (1_u64 << 52).saturating_sub(address).max(1),
            device: false,
            permissions: Permissions {
                write: true,
                execute: true,
                user: true,
                user_execute: true,
            },
        }
    }

    /// ```text
    ///   54    53    7:6       4:2
    /// | UXN | PXN | AP[2:1] | AttrIndx |     (Arm ARM D8.3, D8.4; MAIR_ELx)
    /// ```
    fn of_first(stage1: &Stage1, range: &Range, leaf: &Leaf) -> Self {
        let bit = |n: u32| leaf.descriptor >> n & 1 == 1;
        let attribute = stage1.mair >> ((leaf.descriptor >> 2 & 7) * 8) & 0xff;
        let table = if range.flat_permissions {
            Default::default()
        } else {
            leaf.hierarchy
        };
        let write = !bit(7) && !table.read_only;
        let permissions = if stage1.has_upper() {
            let user = bit(6) && !table.privileged_only;
            Permissions {
                write,
                // What EL0 may write, the level above never executes.
                execute: !(bit(53) || table.privileged_execute_never || user && write),
                user,
                user_execute: user && !bit(54) && !table.user_execute_never,
            }
        } else {
            Permissions {
                write,
                execute: !bit(54) && !table.user_execute_never,
                user: false,
                user_execute: false,
            }
        };
        Self {
            output: leaf.output,
            size: leaf.size,
            device: attribute >> 4 == 0,
            permissions,
        }
    }

    /// ```text
    ///   54:53     7:6         5:2
    /// | XN[1:0] | S2AP[1:0] | MemAttr |      (Arm ARM D8.3, D8.4, D8.6)
    /// ```
    /// MemAttr `00xx` is device memory with and without HCR_EL2.FWB.
    fn of_second(leaf: &Leaf) -> Self {
        let field = |low: u32| leaf.descriptor >> low & 3;
        let xn = field(53);
        Self {
            output: leaf.output,
            size: leaf.size,
            device: field(4) == 0,
            permissions: Permissions {
                write: field(6) & 0b10 != 0,
                execute: matches!(xn, 0b00 | 0b11),
                user: field(6) & 0b01 != 0,
                user_execute: matches!(xn, 0b00 | 0b01),
            },
        }
    }

    fn and(self, other: Self) -> Self {
        let (a, b) = (self.permissions, other.permissions);
        Self {
            output: other.output,
            size: self.size.min(other.size),
            device: self.device || other.device,
            permissions: Permissions {
                write: a.write && b.write,
                execute: a.execute && b.execute,
                user: a.user && b.user,
                user_execute: a.user_execute && b.user_execute,
            },
        }
    }

    fn translation(self, pa: Pa, ipa: Option<Ipa>) -> Translation {
        Translation {
            pa,
            ipa,
            size: self.size,
            device: self.device,
            permissions: self.permissions,
        }
    }
}
