//! Registers by their architectural names (Arm ARM DDI 0487, C5 and D19).

use std::fmt;

/// An exception level.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum El {
    /// Applications.
    El0,
    /// Guest kernels.
    El1,
    /// The hypervisor.
    El2,
    /// Secure firmware.
    El3,
}

impl El {
    /// The exception level in PSTATE/SPSR bits `[3:2]`.
    #[must_use]
    pub const fn of_pstate(pstate: u64) -> Self {
        match pstate >> 2 & 3 {
            0 => Self::El0,
            1 => Self::El1,
            2 => Self::El2,
            _ => Self::El3,
        }
    }
}

impl fmt::Display for El {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EL{}", *self as u8)
    }
}

macro_rules! system_registers {
    ($($variant:ident = $name:literal $encoding:expr;)*) => {
        /// A system register this project reads or shows.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u8)]
        #[allow(missing_docs, reason = "the name is the documentation: Arm ARM D19")]
        pub enum SysReg { $($variant),* }

        impl SysReg {
            /// Every register of the table.
            pub const ALL: &'static [SysReg] = &[$(SysReg::$variant),*];

            /// The architectural name, such as `VTTBR_EL2`.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(SysReg::$variant => $name),* }
            }

            /// `(op0, op1, CRn, CRm, op2)` of MRS and MSR (Arm ARM C5.3).
            #[must_use]
            pub const fn encoding(self) -> (u8, u8, u8, u8, u8) {
                match self { $(SysReg::$variant => $encoding),* }
            }
        }
    };
}

system_registers! {
    CntfrqEl0 = "CNTFRQ_EL0" (3, 3, 14, 0, 0);
    CntvoffEl2 = "CNTVOFF_EL2" (3, 4, 14, 0, 3);
    ContextidrEl1 = "CONTEXTIDR_EL1" (3, 0, 13, 0, 1);
    ElrEl1 = "ELR_EL1" (3, 0, 4, 0, 1);
    ElrEl2 = "ELR_EL2" (3, 4, 4, 0, 1);
    EsrEl1 = "ESR_EL1" (3, 0, 5, 2, 0);
    EsrEl2 = "ESR_EL2" (3, 4, 5, 2, 0);
    FarEl1 = "FAR_EL1" (3, 0, 6, 0, 0);
    FarEl2 = "FAR_EL2" (3, 4, 6, 0, 0);
    HcrEl2 = "HCR_EL2" (3, 4, 1, 1, 0);
    HpfarEl2 = "HPFAR_EL2" (3, 4, 6, 0, 4);
    MairEl1 = "MAIR_EL1" (3, 0, 10, 2, 0);
    MairEl2 = "MAIR_EL2" (3, 4, 10, 2, 0);
    MpidrEl1 = "MPIDR_EL1" (3, 0, 0, 0, 5);
    SctlrEl1 = "SCTLR_EL1" (3, 0, 1, 0, 0);
    SctlrEl2 = "SCTLR_EL2" (3, 4, 1, 0, 0);
    SpEl0 = "SP_EL0" (3, 0, 4, 1, 0);
    SpEl1 = "SP_EL1" (3, 4, 4, 1, 0);
    SpEl2 = "SP_EL2" (3, 6, 4, 1, 0);
    SpsrEl1 = "SPSR_EL1" (3, 0, 4, 0, 0);
    SpsrEl2 = "SPSR_EL2" (3, 4, 4, 0, 0);
    TcrEl1 = "TCR_EL1" (3, 0, 2, 0, 2);
    TcrEl2 = "TCR_EL2" (3, 4, 2, 0, 2);
    TpidrEl0 = "TPIDR_EL0" (3, 3, 13, 0, 2);
    TpidrEl1 = "TPIDR_EL1" (3, 0, 13, 0, 4);
    TpidrEl2 = "TPIDR_EL2" (3, 4, 13, 0, 2);
    TpidrroEl0 = "TPIDRRO_EL0" (3, 3, 13, 0, 3);
    Ttbr0El1 = "TTBR0_EL1" (3, 0, 2, 0, 0);
    Ttbr0El2 = "TTBR0_EL2" (3, 4, 2, 0, 0);
    Ttbr1El1 = "TTBR1_EL1" (3, 0, 2, 0, 1);
    Ttbr1El2 = "TTBR1_EL2" (3, 4, 2, 0, 1);
    VbarEl1 = "VBAR_EL1" (3, 0, 12, 0, 0);
    VbarEl2 = "VBAR_EL2" (3, 4, 12, 0, 0);
    VmpidrEl2 = "VMPIDR_EL2" (3, 4, 0, 0, 5);
    VtcrEl2 = "VTCR_EL2" (3, 4, 2, 1, 2);
    VttbrEl2 = "VTTBR_EL2" (3, 4, 2, 1, 0);
}

/// A register a target may be asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Register {
    /// General register x0 to x30.
    X(u8),
    /// The stack pointer in use.
    Sp,
    /// The program counter.
    Pc,
    /// PSTATE in the layout of SPSR.
    Pstate,
    /// A system register.
    Sys(SysReg),
}

/// The registers of a core, a vCPU or a stack frame, as far as they are known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Registers {
    /// x0 to x30.
    pub x: [Option<u64>; 31],
    /// The stack pointer in use.
    pub sp: Option<u64>,
    /// The program counter.
    pub pc: Option<u64>,
    /// PSTATE in the layout of SPSR.
    pub pstate: Option<u64>,
    sys: Vec<(SysReg, u64)>,
}

impl Registers {
    /// The value of a register, `None` when not known.
    #[must_use]
    pub fn get(&self, register: Register) -> Option<u64> {
        match register {
            Register::X(n) => self.x.get(usize::from(n)).copied().flatten(),
            Register::Sp => self.sp,
            Register::Pc => self.pc,
            Register::Pstate => self.pstate,
            Register::Sys(reg) => self.sys(reg),
        }
    }

    /// Notes a value; an `x` register beyond 30 is ignored.
    pub fn set(&mut self, register: Register, value: u64) {
        match register {
            Register::X(n) => {
                if let Some(slot) = self.x.get_mut(usize::from(n)) {
                    *slot = Some(value);
                }
            }
            Register::Sp => self.sp = Some(value),
            Register::Pc => self.pc = Some(value),
            Register::Pstate => self.pstate = Some(value),
            Register::Sys(reg) => match self.sys.iter_mut().find(|(known, _)| *known == reg) {
                Some((_, old)) => *old = value,
                None => self.sys.push((reg, value)),
            },
        }
    }

    /// The value of a system register, `None` when not known.
    #[must_use]
    pub fn sys(&self, reg: SysReg) -> Option<u64> {
        self.sys
            .iter()
            .find(|(known, _)| *known == reg)
            .map(|(_, value)| *value)
    }

    /// The exception level, `None` when PSTATE is not known.
    #[must_use]
    pub fn el(&self) -> Option<El> {
        self.pstate.map(El::of_pstate)
    }
}
