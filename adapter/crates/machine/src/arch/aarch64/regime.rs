//! Translation regimes: what TTBR, TCR, VTTBR and VTCR say about the tables (Arm ARM D8.1, D8.2 and the registers in D24.2).

use super::paging::{Granule, Tables, Wide, low_mask};
use crate::{MemoryFault, Vmid};

/// Who translates with these registers (Arm ARM D8.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Regime {
    /// EL1&0: two ranges, stage 2 where the hypervisor has one.
    El10,
    /// EL2&0, with HCR_EL2.E2H = 1 (VHE): two ranges, TCR_EL2 in the layout of TCR_EL1.
    El20,
    /// EL2: one range.
    El2,
}

/// The registers of a stage-1 translation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Stage1 {
    /// Whose.
    pub regime: Regime,
    /// SCTLR.M: when clear, virtual addresses are passed on as they are.
    pub enabled: bool,
    /// TTBR0.
    pub ttbr0: u64,
    /// TTBR1; not used by [`Regime::El2`].
    pub ttbr1: u64,
    /// TCR.
    pub tcr: u64,
    /// MAIR.
    pub mair: u64,
}

/// The registers of a stage-2 translation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Stage2 {
    /// VTTBR_EL2.
    pub vttbr: u64,
    /// VTCR_EL2.
    pub vtcr: u64,
}

/// One of the address ranges of a regime.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Range {
    pub(crate) tables: Tables,
    /// HPD: APTable, XNTable and PXNTable are ignored.
    pub(crate) flat_permissions: bool,
}

impl Stage1 {
    /// The range that `va` belongs to, told by bit 55, and the input address of the walk in it (Arm ARM D8.1,
    /// `VAIsOutOfRange` of the pseudocode). The top byte matters unless TBI says otherwise.
    pub(crate) fn range_of(&self, va: u64) -> Result<(Range, u64), MemoryFault> {
        let upper = self.has_upper() && va >> 55 & 1 == 1;
        let range = self
            .range(upper)?
            .ok_or(MemoryFault::WalkDisabled(crate::Va(va)))?;
        let input_mask = low_mask(range.tables.input_bits);
        let above = self.canonical_mask(upper) & !input_mask;
        let expected = if upper { above } else { 0 };
        if va & above != expected {
            return Err(MemoryFault::OutOfRange(crate::Va(va)));
        }
        Ok((range, va & input_mask))
    }

    /// The output of a disabled stage 1: the address without its tag, at most 52 bits (Arm ARM D8.2).
    pub(crate) fn flat(&self, va: u64) -> Result<u64, MemoryFault> {
        let upper = self.has_upper() && va >> 55 & 1 == 1;
        let address = va & self.canonical_mask(upper);
        if address & !low_mask(52) != 0 {
            return Err(MemoryFault::OutOfRange(crate::Va(va)));
        }
        Ok(address)
    }

    /// The lower or upper range; `None` when its walks are disabled by EPD.
    pub(crate) fn range(&self, upper: bool) -> Result<Option<Range>, MemoryFault> {
        let layout = self.layout(upper);
        let tcr = self.tcr;
        if layout.epd.is_some_and(|bit| flag(tcr, bit)) {
            return Ok(None);
        }
        let granule = if upper {
            granule_tg1(field(tcr, 30, 2))?
        } else {
            granule_tg0(field(tcr, 14, 2))?
        };
        let ds = flag(tcr, layout.ds);
        let output = field(tcr, layout.ps, 3);
        let input_bits = input_bits(field(tcr, layout.size, 6), granule, ds)?;
        let wide = wide(granule, ds, output);
        let stride = granule.stride();
        let levels_below = (input_bits - 1 - granule.bits()) / stride;
        let ttbr = if upper { self.ttbr1 } else { self.ttbr0 };
        Ok(Some(Range {
            tables: Tables {
                granule,
                input_bits,
                start_level: 3 - levels_below as i8,
                root: base_address(ttbr, wide),
                output_bits: output_bits(output, granule, ds),
                wide,
            },
            flat_permissions: flag(tcr, layout.hpd),
        }))
    }

    /// Whether there is a second range, at the top of the address space.
    pub(crate) fn has_upper(&self) -> bool {
        self.regime != Regime::El2
    }

    /// Address bits that must be canonical: all, or without the top byte where TBI is set.
    fn canonical_mask(&self, upper: bool) -> u64 {
        if flag(self.tcr, self.layout(upper).tbi) {
            low_mask(56)
        } else {
            u64::MAX
        }
    }

    fn layout(&self, upper: bool) -> Layout {
        match (self.regime, upper) {
            (Regime::El2, _) => EL2,
            (_, false) => LOWER,
            (_, true) => UPPER,
        }
    }
}

impl Stage2 {
    /// The VMID: 16 bits where VTCR_EL2.VS is set, else 8 (Arm ARM D24.2, VTTBR_EL2).
    #[must_use]
    pub const fn vmid(&self) -> Vmid {
        let wide = self.vtcr >> 19 & 1 == 1;
        let vmid = (self.vttbr >> 48) as u16;
        Vmid(if wide { vmid } else { vmid & 0xff })
    }

    /// Where the first table lies.
    ///
    /// # Errors
    /// [`MemoryFault::BadControl`] when VTCR_EL2 holds a combination that no walk can start from.
    pub fn root(&self) -> Result<crate::Pa, MemoryFault> {
        Ok(crate::Pa(self.tables()?.root_address()))
    }

    /// The tables as VTCR_EL2 and VTTBR_EL2 describe them (Arm ARM D8.2; `S2StartLevel` and `S2InconsistentSL` of the
    /// pseudocode).
    pub(crate) fn tables(&self) -> Result<Tables, MemoryFault> {
        let vtcr = self.vtcr;
        let granule = granule_tg0(field(vtcr, 14, 2))?;
        let ds = flag(vtcr, 32);
        let output = field(vtcr, 16, 3);
        let input_bits = input_bits(field(vtcr, 0, 6), granule, ds)?;
        let start_level = start_level(granule, ds, flag(vtcr, 33), field(vtcr, 6, 2))?;
        let below = u32::from(start_level.abs_diff(3)) * granule.stride() + granule.bits();
        // The root resolves at least one bit, and at most a whole table's plus four for 16 concatenated tables.
        if input_bits < below + 1 || input_bits > below + granule.stride() + 4 {
            return Err(MemoryFault::BadControl(
                "VTCR_EL2.T0SZ does not fit the start level SL0",
            ));
        }
        let wide = wide(granule, ds, output);
        Ok(Tables {
            granule,
            input_bits,
            start_level,
            root: base_address(self.vttbr, wide),
            output_bits: output_bits(output, granule, ds),
            wide,
        })
    }
}

/// Where TCR keeps what is said of one range: bit numbers of the lowest bit.
struct Layout {
    size: u32,
    epd: Option<u32>,
    ps: u32,
    tbi: u32,
    hpd: u32,
    ds: u32,
}

/// TCR_EL1, and TCR_EL2 with E2H = 1, for TTBR0.
const LOWER: Layout = Layout {
    size: 0,
    epd: Some(7),
    ps: 32,
    tbi: 37,
    hpd: 41,
    ds: 59,
};

/// The same for TTBR1.
const UPPER: Layout = Layout {
    size: 16,
    epd: Some(23),
    ps: 32,
    tbi: 38,
    hpd: 42,
    ds: 59,
};

/// TCR_EL2 with E2H = 0.
const EL2: Layout = Layout {
    size: 0,
    epd: None,
    ps: 16,
    tbi: 20,
    hpd: 24,
    ds: 32,
};

fn field(register: u64, low: u32, width: u32) -> u64 {
    register >> low & low_mask(width)
}

fn flag(register: u64, bit: u32) -> bool {
    register >> bit & 1 == 1
}

/// TG0 of TCR and VTCR.
fn granule_tg0(tg: u64) -> Result<Granule, MemoryFault> {
    match tg {
        0b00 => Ok(Granule::K4),
        0b01 => Ok(Granule::K64),
        0b10 => Ok(Granule::K16),
        _ => Err(MemoryFault::BadControl("TG0 is reserved")),
    }
}

/// TG1 is encoded differently.
fn granule_tg1(tg: u64) -> Result<Granule, MemoryFault> {
    match tg {
        0b01 => Ok(Granule::K16),
        0b10 => Ok(Granule::K4),
        0b11 => Ok(Granule::K64),
        _ => Err(MemoryFault::BadControl("TG1 is reserved")),
    }
}

/// 64 - TxSZ, within what FEAT_TTST, FEAT_LVA and FEAT_LPA2 allow at most (Arm ARM D8.1).
fn input_bits(txsz: u64, granule: Granule, ds: bool) -> Result<u32, MemoryFault> {
    let least = if ds || granule == Granule::K64 {
        12
    } else {
        16
    };
    let most = if granule == Granule::K64 { 47 } else { 48 };
    if txsz < least {
        return Err(MemoryFault::BadControl(
            "TxSZ asks for more address bits than this granule has",
        ));
    }
    if txsz > most {
        return Err(MemoryFault::BadControl("TxSZ leaves too few address bits"));
    }
    Ok(64 - txsz as u32)
}

/// The PS and IPS fields, limited to what descriptors can hold (`PhysicalAddressSize` of the pseudocode).
fn output_bits(ps: u64, granule: Granule, ds: bool) -> u32 {
    let bits = match ps {
        0 => 32,
        1 => 36,
        2 => 40,
        3 => 42,
        4 => 44,
        5 => 48,
        _ => 52,
    };
    if granule == Granule::K64 || ds {
        bits
    } else {
        bits.min(48)
    }
}

/// DS means nothing with 64 KiB pages, where the output size alone chooses FEAT_LPA's layout.
fn wide(granule: Granule, ds: bool, ps: u64) -> Wide {
    match granule {
        Granule::K64 if ps >= 6 => Wide::Lpa,
        Granule::K64 => Wide::No,
        _ if ds => Wide::Lpa2,
        _ => Wide::No,
    }
}

/// BADDR of TTBR and VTTBR: bits `[5:2]` hold address bits `[51:48]` where addresses are wide (`TTBaseAddress`).
fn base_address(ttbr: u64, wide: Wide) -> u64 {
    match wide {
        Wide::No => ttbr & low_mask(48) & !1,
        Wide::Lpa | Wide::Lpa2 => ttbr & low_mask(48) & !low_mask(6) | field(ttbr, 2, 4) << 48,
    }
}

/// SL2 and SL0 of VTCR_EL2 (`S2StartLevel` and `S2InvalidSL` of the pseudocode, as far as they do not ask for the processor's
/// physical address size).
fn start_level(granule: Granule, ds: bool, sl2: bool, sl0: u64) -> Result<i8, MemoryFault> {
    match (granule, ds && sl2, sl0) {
        (Granule::K4, false, 0) => Ok(2),
        (Granule::K4, false, 1) => Ok(1),
        (Granule::K4, false, 2) => Ok(0),
        (Granule::K4, false, 3) => Ok(3),
        (Granule::K4, true, 0) => Ok(-1),
        (Granule::K16, _, 3) if ds => Ok(0),
        (Granule::K16 | Granule::K64, _, sl0 @ 0..=2) => Ok(3 - sl0 as i8),
        _ => Err(MemoryFault::BadControl("VTCR_EL2.SL0 and SL2 are reserved")),
    }
}
