//! The fields of translation table descriptors, each with what it says (Arm ARM D8.3 formats, D8.4 permissions, D8.5 access flag
//! and dirty state, D8.6 memory attributes).
//!
//! For people: which descriptor leads where is [`paging`](super::paging)'s.

use super::paging::{DescriptorKind, Tables, Wide, low_mask};

/// One field of a descriptor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    /// As the manual calls it, such as `AttrIndx` or `S2AP`.
    pub name: &'static str,
    /// Its bits, and what they say.
    pub value: String,
}

/// What a stage-1 descriptor needs beside itself to be understood.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FirstStage {
    /// EL1&0 and EL2&0: there is an EL0, with permissions of its own.
    pub(crate) has_el0: bool,
    /// TCR.HPD: what table descriptors say of permissions is ignored.
    pub(crate) flat_permissions: bool,
    /// MAIR.
    pub(crate) mair: u64,
}

/// The fields of a stage-1 descriptor at `level`; none when it is invalid.
pub(crate) fn stage1(
    tables: &Tables,
    level: i8,
    descriptor: u64,
    regime: FirstStage,
) -> Vec<Field> {
    let bits = Bits(descriptor);
    match tables.kind(level, descriptor) {
        DescriptorKind::Invalid => Vec::new(),
        DescriptorKind::Table => table(bits, regime),
        DescriptorKind::Leaf => first_leaf(tables, level, bits, regime),
    }
}

/// The fields of a stage-2 descriptor at `level`; none when it is invalid. Table descriptors of stage 2 have none but the address.
/// `forced_write_back` is HCR_EL2.FWB, which changes what MemAttr means.
pub(crate) fn stage2(
    tables: &Tables,
    level: i8,
    descriptor: u64,
    forced_write_back: bool,
) -> Vec<Field> {
    match tables.kind(level, descriptor) {
        DescriptorKind::Invalid | DescriptorKind::Table => Vec::new(),
        DescriptorKind::Leaf => second_leaf(tables, level, Bits(descriptor), forced_write_back),
    }
}

#[derive(Clone, Copy)]
struct Bits(u64);

impl Bits {
    fn field(self, low: u32, width: u32) -> u64 {
        self.0 >> low & low_mask(width)
    }

    fn is_set(self, bit: u32) -> bool {
        self.field(bit, 1) == 1
    }

    /// A field of one bit.
    fn flag(self, name: &'static str, bit: u32, clear: &str, set: &str) -> Field {
        let value = if self.is_set(bit) { set } else { clear };
        named(name, format!("{}: {value}", self.field(bit, 1)))
    }
}

fn named(name: &'static str, value: String) -> Field {
    Field { name, value }
}

/// ```text
///    63       62:61      60        59
/// | NSTable | APTable | (U)XNTable | PXNTable |     (Arm ARM D8.3.1, D8.4.1)
/// ```
fn table(bits: Bits, regime: FirstStage) -> Vec<Field> {
    let ap = match bits.field(61, 2) {
        0b00 => "no restriction below",
        0b01 => "no access from EL0 below",
        0b10 => "no writes below",
        _ => "no writes and no access from EL0 below",
    };
    let mut fields = vec![
        secure_only("NSTable", bits, 63),
        named("APTable", format!("{:#04b}: {ap}", bits.field(61, 2))),
    ];
    let never = "never executable below";
    if regime.has_el0 {
        let name = "UXNTable";
        fields.push(bits.flag(name, 60, "no restriction below", "EL0 never executes below"));
        fields.push(bits.flag("PXNTable", 59, "no restriction below", never));
    } else {
        fields.push(bits.flag("XNTable", 60, "no restriction below", never));
    }
    if regime.flat_permissions {
        fields.push(named(
            "TCR.HPD",
            "1: APTable and the XNTable bits are ignored".to_owned(),
        ));
    }
    fields
}

/// ```text
///    54        53    52           51    50   16   11   10   9:8  7:6       5    4:2
/// | UXN or XN | PXN | Contiguous | DBM | GP | nT | nG | AF | SH | AP[2:1] | NS | AttrIndx |     (Arm ARM D8.3.2)
/// ```
fn first_leaf(tables: &Tables, level: i8, bits: Bits, regime: FirstStage) -> Vec<Field> {
    let index = bits.field(2, 3);
    let attribute = (regime.mair >> (index * 8)) as u8;
    let memory = memory_attribute(attribute);
    let mut fields = vec![
        named(
            "AttrIndx",
            format!("{index}: {memory} (MAIR byte {attribute:#04x})"),
        ),
        secure_only("NS", bits, 5),
        named("AP[2:1]", access(bits, regime)),
    ];
    fields.extend(shareability(tables, bits));
    fields.push(access_flag(bits));
    if regime.has_el0 {
        fields.push(bits.flag(
            "nG",
            11,
            "global: for every ASID",
            "not global: for one ASID",
        ));
    }
    fields.extend(not_yet(level, bits));
    fields.push(bits.flag("GP", 50, "not guarded", "guarded page (BTI)"));
    fields.push(bits.flag(
        "DBM",
        51,
        "the access permissions are final",
        "writable, dirty state managed by hardware",
    ));
    fields.push(contiguous(tables, level, bits));
    if regime.has_el0 {
        fields.push(bits.flag(
            "PXN",
            53,
            "may be executed above EL0",
            "never executed above EL0",
        ));
        fields.push(bits.flag("UXN", 54, "may be executed in EL0", "never executed in EL0"));
    } else {
        fields.push(bits.flag("XN", 54, "may be executed", "never executed"));
    }
    fields.push(software(bits, 55, 4));
    fields
}

/// ```text
///    54:53     52           51    16   11    10   9:8  7:6    5:2
/// | XN[1:0] | Contiguous | DBM | nT | FnXS | AF | SH | S2AP | MemAttr |     (Arm ARM D8.3.2)
/// ```
fn second_leaf(tables: &Tables, level: i8, bits: Bits, forced_write_back: bool) -> Vec<Field> {
    let memory = bits.field(2, 4);
    let meaning = if forced_write_back {
        forced_attribute(memory).to_owned()
    } else {
        second_attribute(memory)
    };
    let access = match bits.field(6, 2) {
        0b00 => "no access",
        0b01 => "read only",
        0b10 => "write only",
        _ => "read and write",
    };
    let execute = match bits.field(53, 2) {
        0b00 => "executable in EL1 and EL0",
        0b01 => "executable in EL0, not in EL1",
        0b10 => "not executable",
        _ => "executable in EL1, not in EL0",
    };
    let mut fields = vec![
        named("MemAttr", format!("{memory:#06b}: {meaning}")),
        named("S2AP", format!("{:#04b}: {access}", bits.field(6, 2))),
    ];
    fields.extend(shareability(tables, bits));
    fields.push(access_flag(bits));
    fields.push(bits.flag("FnXS", 11, "XS as stage 1 says", "XS is 0"));
    fields.extend(not_yet(level, bits));
    fields.push(bits.flag(
        "DBM",
        51,
        "S2AP is final",
        "writable, dirty state managed by hardware",
    ));
    fields.push(contiguous(tables, level, bits));
    fields.push(named(
        "XN[1:0]",
        format!("{:#04b}: {execute}", bits.field(53, 2)),
    ));
    fields.push(software(bits, 55, 4));
    fields
}

/// NS and NSTable choose between the two physical address spaces of Secure state, and are ignored elsewhere.
fn secure_only(name: &'static str, bits: Bits, bit: u32) -> Field {
    bits.flag(
        name,
        bit,
        "Secure, if walked in Secure state",
        "Non-secure, if walked in Secure state",
    )
}

/// AP[2:1]; where there is no EL0, AP[1] means nothing (Arm ARM D8.4.1).
fn access(bits: Bits, regime: FirstStage) -> String {
    let ap = bits.field(6, 2);
    let meaning = match (regime.has_el0, ap) {
        (false, 0b00 | 0b01) => "read and write",
        (false, _) => "read only",
        (true, 0b00) => "read and write, no access from EL0",
        (true, 0b01) => "read and write, from EL0 too",
        (true, 0b10) => "read only, no access from EL0",
        (true, _) => "read only, from EL0 too",
    };
    format!("{ap:#04b}: {meaning}")
}

/// With FEAT_LPA2 these bits hold the address, and TCR or VTCR says the shareability of all (Arm ARM D8.6.2).
fn shareability(tables: &Tables, bits: Bits) -> Option<Field> {
    let meaning = match bits.field(8, 2) {
        _ if tables.wide == Wide::Lpa2 => return None,
        0b00 => "not shareable",
        0b01 => "reserved",
        0b10 => "outer shareable",
        _ => "inner shareable",
    };
    Some(named("SH", format!("{:#04b}: {meaning}", bits.field(8, 2))))
}

fn access_flag(bits: Bits) -> Field {
    let clear = "never accessed: the first access faults, unless hardware sets the flag";
    bits.flag("AF", 10, clear, "accessed")
}

/// nT of block descriptors (FEAT_BBM, Arm ARM D8.3.2).
fn not_yet(level: i8, bits: Bits) -> Option<Field> {
    let is_block = level < 3;
    is_block.then(|| {
        bits.flag(
            "nT",
            16,
            "may be cached in a TLB",
            "about to be replaced, not cached in a TLB",
        )
    })
}

fn contiguous(tables: &Tables, level: i8, bits: Bits) -> Field {
    let entries = 1 << tables.contiguous_bits(level);
    let set = match entries {
        1 => "means nothing at this level".to_owned(),
        entries => format!("one of {entries} entries that map one piece"),
    };
    bits.flag("Contiguous", 52, "by itself", &set)
}

/// Bits that hardware ignores and software keeps its own marks in.
fn software(bits: Bits, low: u32, width: u32) -> Field {
    let value = bits.field(low, width);
    named("Software", format!("{value:#06b}: for software's use"))
}

/// A byte of MAIR (Arm ARM D24.2, MAIR_EL1).
///
/// | byte | memory |
/// | --- | --- |
/// | `0000dd0x` | device of kind `dd`; `x`: without the XS attribute |
/// | `01000000`, `10100000` | normal non-cacheable or write-through, without the XS attribute |
/// | `11110000` | normal write-back, tagged |
/// | `oooo iiii` | normal: outer and inner cacheability |
fn memory_attribute(byte: u8) -> String {
    match byte {
        0b0100_0000 => "Normal, non-cacheable, XS 0".to_owned(),
        0b1010_0000 => "Normal, write-through, XS 0".to_owned(),
        0b1111_0000 => "Normal, write-back, tagged".to_owned(),
        _ if byte >> 4 == 0 && byte & 0b10 == 0 => {
            let xs = if byte & 1 == 1 { ", XS 0" } else { "" };
            format!("{}{xs}", device(u64::from(byte >> 2)))
        }
        _ => match (cacheability(byte >> 4), cacheability(byte & 0xf)) {
            (Some(outer), Some(inner)) if outer == inner => format!("Normal, {outer}"),
            (Some(outer), Some(inner)) => format!("Normal, outer {outer}, inner {inner}"),
            _ => "unpredictable".to_owned(),
        },
    }
}

/// Half a byte of MAIR: transient or not, the policy, then whether reads and writes allocate.
fn cacheability(bits: u8) -> Option<String> {
    let policy = match bits {
        0b0000 => return None,
        0b0001..=0b0011 => "write-through transient",
        0b0100 => return Some("non-cacheable".to_owned()),
        0b0101..=0b0111 => "write-back transient",
        0b1000..=0b1011 => "write-through",
        _ => "write-back",
    };
    let allocates = match bits & 0b11 {
        0b00 => "",
        0b01 => ", write-allocate",
        0b10 => ", read-allocate",
        _ => ", read- and write-allocate",
    };
    Some(format!("{policy}{allocates}"))
}

const fn device(kind: u64) -> &'static str {
    match kind & 0b11 {
        0b00 => "Device-nGnRnE",
        0b01 => "Device-nGnRE",
        0b10 => "Device-nGRE",
        _ => "Device-GRE",
    }
}

/// MemAttr of stage 2 with HCR_EL2.FWB = 0 (Arm ARM D8.6.5).
fn second_attribute(bits: u64) -> String {
    let cache = |bits: u64| match bits & 0b11 {
        0b01 => Some("non-cacheable"),
        0b10 => Some("write-through"),
        0b11 => Some("write-back"),
        _ => None,
    };
    match (cache(bits >> 2), cache(bits)) {
        (None, _) => device(bits).to_owned(),
        (Some(outer), Some(inner)) if outer == inner => format!("Normal, {outer}"),
        (Some(outer), Some(inner)) => format!("Normal, outer {outer}, inner {inner}"),
        (Some(_), None) => "reserved".to_owned(),
    }
}

/// MemAttr of stage 2 with HCR_EL2.FWB = 1 (FEAT_S2FWB, Arm ARM D8.6.6).
const fn forced_attribute(bits: u64) -> &'static str {
    match bits {
        0b0000..=0b0011 => device(bits),
        0b0101 => "Normal, non-cacheable",
        0b0110 => "Normal, write-back",
        0b0111 => "as stage 1 says",
        _ => "reserved",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_of_mair() {
        for (byte, expected) in [
            (0x00, "Device-nGnRnE"),
            (0x04, "Device-nGnRE"),
            (0x05, "Device-nGnRE, XS 0"),
            (0x0c, "Device-GRE"),
            (0x02, "unpredictable"),
            (0x40, "Normal, non-cacheable, XS 0"),
            (0x44, "Normal, non-cacheable"),
            (0xbb, "Normal, write-through, read- and write-allocate"),
            (0xf0, "Normal, write-back, tagged"),
            (0xff, "Normal, write-back, read- and write-allocate"),
            (
                0x4f,
                "Normal, outer non-cacheable, inner write-back, read- and write-allocate",
            ),
            (
                0x33,
                "Normal, write-through transient, read- and write-allocate",
            ),
            (
                0x71,
                "Normal, outer write-back transient, read- and write-allocate, inner write-through transient, write-allocate",
            ),
            (0x30, "unpredictable"),
        ] {
            assert_eq!(memory_attribute(byte), expected, "{byte:#04x}");
        }
    }

    #[test]
    fn stage_2_memory_with_and_without_forced_write_back() {
        for (bits, plain, forced) in [
            (0b0000, "Device-nGnRnE", "Device-nGnRnE"),
            (0b0001, "Device-nGnRE", "Device-nGnRE"),
            (0b0011, "Device-GRE", "Device-GRE"),
            (0b0100, "reserved", "reserved"),
            (0b0101, "Normal, non-cacheable", "Normal, non-cacheable"),
            (
                0b0110,
                "Normal, outer non-cacheable, inner write-through",
                "Normal, write-back",
            ),
            (
                0b0111,
                "Normal, outer non-cacheable, inner write-back",
                "as stage 1 says",
            ),
            (0b1111, "Normal, write-back", "reserved"),
        ] {
            assert_eq!(second_attribute(bits), plain, "{bits:#06b}");
            assert_eq!(forced_attribute(bits), forced, "{bits:#06b}");
        }
    }
}
