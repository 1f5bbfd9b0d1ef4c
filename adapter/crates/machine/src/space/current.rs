//! Which address space a core or vCPU uses, told by its registers (Arm ARM D8.1).

use super::{AddressSpace, Regime, Stage1, Stage2};
use crate::{El, MemoryFault, Registers, SysReg};

/// HCR_EL2: stage 2 is enabled.
const VM: u64 = 1 << 0;
/// HCR_EL2: default cacheability; acts as VM = 1 and stage 1 off.
const DC: u64 = 1 << 12;
/// HCR_EL2: EL0 belongs to the hypervisor's operating system.
const TGE: u64 = 1 << 27;
/// HCR_EL2: EL1 is AArch64.
const RW: u64 = 1 << 31;
/// HCR_EL2: virtualisation host extensions.
const E2H: u64 = 1 << 34;

impl AddressSpace {
    /// The address space in which the core executes now.
    ///
    /// # Errors
    /// [`MemoryFault::Unknown`] names the register that is not known; [`MemoryFault::BadControl`] for AArch32 kernels.
    pub fn current(registers: &Registers) -> Result<Self, MemoryFault> {
        let pstate = registers.pstate.ok_or(MemoryFault::Unknown("PSTATE"))?;
        let el = exception_level(registers, pstate)?;
        match el {
            El::El3 => Err(MemoryFault::Unknown("TTBR0_EL3")),
            El::El2 => Self::el2(registers),
            El::El1 | El::El0 => Self::below_el2(registers, el),
        }
    }

    /// The hypervisor's own address space, whatever the core executes.
    ///
    /// # Errors
    /// [`MemoryFault::Unknown`] names the register that is not known.
    pub fn el2(registers: &Registers) -> Result<Self, MemoryFault> {
        let host = known(registers, SysReg::HcrEl2)? & E2H != 0;
        let stage1 = Stage1 {
            regime: if host { Regime::El20 } else { Regime::El2 },
            enabled: known(registers, SysReg::SctlrEl2)? & 1 == 1,
            ttbr0: known(registers, SysReg::Ttbr0El2)?,
            ttbr1: if host {
                known(registers, SysReg::Ttbr1El2)?
            } else {
                0
            },
            tcr: known(registers, SysReg::TcrEl2)?,
            mair: known(registers, SysReg::MairEl2)?,
        };
        Ok(Self {
            stage1: Some(stage1),
            stage2: None,
        })
    }

    /// A guest's EL1&0 address space from its EL1 registers, under the stage 2 its hypervisor gives it.
    ///
    /// # Errors
    /// [`MemoryFault::Unknown`] names the register that is not known.
    pub fn guest(registers: &Registers, stage2: Option<Stage2>) -> Result<Self, MemoryFault> {
        let stage1 = Stage1 {
            regime: Regime::El10,
            enabled: known(registers, SysReg::SctlrEl1)? & 1 == 1,
            ttbr0: known(registers, SysReg::Ttbr0El1)?,
            ttbr1: known(registers, SysReg::Ttbr1El1)?,
            tcr: known(registers, SysReg::TcrEl1)?,
            mair: known(registers, SysReg::MairEl1)?,
        };
        Ok(Self {
            stage1: Some(stage1),
            stage2,
        })
    }

    /// EL1 and EL0 (`S1Enabled` and `EffectiveHCR_EL2` of the pseudocode).
    fn below_el2(registers: &Registers, el: El) -> Result<Self, MemoryFault> {
        let hcr = known(registers, SysReg::HcrEl2)?;
        if el == El::El0 && hcr & (E2H | TGE) == E2H | TGE {
            return Self::el2(registers);
        }
        let stage2 = if hcr & (VM | DC) == 0 {
            None
        } else {
            Some(Stage2 {
                vttbr: known(registers, SysReg::VttbrEl2)?,
                vtcr: known(registers, SysReg::VtcrEl2)?,
            })
        };
        let mut space = Self::guest(registers, stage2)?;
        if let Some(stage1) = &mut space.stage1 {
            stage1.enabled &= hcr & (DC | TGE) == 0;
        }
        Ok(space)
    }
}

/// PSTATE's exception level. A 32-bit application is EL0; 32-bit kernels use other tables, which are not walked here.
fn exception_level(registers: &Registers, pstate: u64) -> Result<El, MemoryFault> {
    if pstate & 0x10 == 0 {
        return Ok(El::of_pstate(pstate));
    }
    if pstate & 0xf == 0 && known(registers, SysReg::HcrEl2)? & RW != 0 {
        return Ok(El::El0);
    }
    Err(MemoryFault::BadControl("the core is in AArch32 state"))
}

fn known(registers: &Registers, register: SysReg) -> Result<u64, MemoryFault> {
    registers
        .sys(register)
        .ok_or(MemoryFault::Unknown(register.name()))
}
