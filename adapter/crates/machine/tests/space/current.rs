//! Which address space registers mean.

use machine::{AddressSpace, MemoryFault, Regime, Register, Registers, SysReg};

const EL0: u64 = 0b0000;
const EL1: u64 = 0b0101;
const EL2: u64 = 0b1001;
const EL3: u64 = 0b1101;
const AARCH32_USER: u64 = 0b1_0000;
const AARCH32_SVC: u64 = 0b1_0011;

const VM: u64 = 1;
const DC: u64 = 1 << 12;
const TGE: u64 = 1 << 27;
const RW: u64 = 1 << 31;
const E2H: u64 = 1 << 34;

/// Each register's value tells which one it is.
fn registers(pstate: u64, hcr: u64) -> Registers {
    let mut registers = Registers::default();
    registers.set(Register::Pstate, pstate);
    for (value, &register) in SysReg::ALL.iter().enumerate() {
        registers.set(Register::Sys(register), value as u64);
    }
    registers.set(Register::Sys(SysReg::HcrEl2), hcr);
    registers.set(Register::Sys(SysReg::SctlrEl1), 1);
    registers.set(Register::Sys(SysReg::SctlrEl2), 1);
    registers
}

#[test]
fn by_exception_level_and_hcr() {
    // PSTATE, HCR_EL2, regime, stage 1 on, stage 2 there.
    for (pstate, hcr, regime, enabled, guest) in [
        (EL2, VM, Regime::El2, true, false),
        (EL2, VM | E2H, Regime::El20, true, false),
        (EL1, VM | RW, Regime::El10, true, true),
        (EL1, RW, Regime::El10, true, false),
        (EL1, DC, Regime::El10, false, true),
        (EL0, VM, Regime::El10, true, true),
        (EL0, E2H | TGE | VM, Regime::El20, true, false),
        (EL0, TGE, Regime::El10, false, false),
        (EL1, E2H | VM, Regime::El10, true, true),
        (AARCH32_USER, RW | VM, Regime::El10, true, true),
    ] {
        let name = format!("PSTATE {pstate:#x}, HCR {hcr:#x}");
        let registers = registers(pstate, hcr);
        let space = AddressSpace::current(&registers).expect(&name);
        let stage1 = space.stage1.expect(&name);
        assert_eq!((stage1.regime, stage1.enabled), (regime, enabled), "{name}");
        assert_eq!(space.stage2.is_some(), guest, "{name}");
        let el1 = regime == Regime::El10;
        let tcr = if el1 { SysReg::TcrEl1 } else { SysReg::TcrEl2 };
        assert_eq!(Some(stage1.tcr), registers.sys(tcr), "{name}");
        let ttbr = if el1 {
            SysReg::Ttbr0El1
        } else {
            SysReg::Ttbr0El2
        };
        assert_eq!(Some(stage1.ttbr0), registers.sys(ttbr), "{name}");
    }
}

#[test]
fn what_cannot_be_told() {
    let aarch32 = MemoryFault::BadControl("the core is in AArch32 state");
    for (pstate, hcr, expected) in [
        (EL3, 0, MemoryFault::Unknown("TTBR0_EL3")),
        (AARCH32_SVC, VM, aarch32),
        (AARCH32_USER, VM, aarch32),
    ] {
        let found = AddressSpace::current(&registers(pstate, hcr));
        assert_eq!(found, Err(expected), "PSTATE {pstate:#x}");
    }
}

#[test]
fn a_register_that_is_not_known_is_named() {
    let mut few = Registers::default();
    let named = |registers: &Registers| AddressSpace::current(registers);
    assert_eq!(named(&few), Err(MemoryFault::Unknown("PSTATE")));
    few.set(Register::Pstate, EL1);
    assert_eq!(named(&few), Err(MemoryFault::Unknown("HCR_EL2")));
    few.set(Register::Sys(SysReg::HcrEl2), VM);
    assert_eq!(named(&few), Err(MemoryFault::Unknown("VTTBR_EL2")));
}
