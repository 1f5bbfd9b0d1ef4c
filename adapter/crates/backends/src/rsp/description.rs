//! The target description (`target.xml`): which register has which number (GDB manual, appendix G).

use std::collections::HashMap;

use machine::{Register, SysReg};

/// Files a description may consist of, and registers in all of them.
const MOST_FILES: usize = 64;
const MOST_REGISTERS: usize = 16 * 1024;

/// A register as the stub numbers it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Numbered {
    /// For `p` and `P`.
    pub number: u32,
    /// Bytes of its value.
    pub size: u32,
}

/// What a stub describes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Description {
    /// The `<architecture>` named first, empty when none is.
    pub architecture: String,
    registers: HashMap<String, Numbered>,
    in_order: Vec<Numbered>,
}

/// Names that QEMU gives instead of the architectural ones, since the register has an AArch32 view of the same
/// definition (QEMU 7.2 to 10.0, `target/arm/helper.c`).
const OTHER_NAMES: &[(SysReg, &str)] = &[(SysReg::SctlrEl1, "SCTLR"), (SysReg::VbarEl1, "VBAR")];

impl Description {
    /// Reads `target.xml` and all it includes; `file` fetches one by name.
    ///
    /// # Errors
    /// What `file` gives, or a sentence about what is wrong with the text.
    pub fn read<E: From<String>>(
        file: &mut dyn FnMut(&str) -> Result<String, E>,
    ) -> Result<Self, E> {
        let mut description = Self::default();
        let mut next_number = 0;
        let mut files = 1;
        let mut todo = parse("target.xml", &file("target.xml")?)?;
        todo.reverse();
        while let Some(item) = todo.pop() {
            match item {
                Item::Architecture(name) if description.architecture.is_empty() => {
                    description.architecture = name;
                }
                Item::Architecture(_) => {}
                Item::Register { name, number, bits } => {
                    let number = number.unwrap_or(next_number);
                    next_number = number.saturating_add(1);
                    if description.in_order.len() == MOST_REGISTERS {
                        return Err(String::from("too many registers are described").into());
                    }
                    let register = Numbered {
                        number,
                        size: bits.div_ceil(8),
                    };
                    description.in_order.push(register);
                    description.registers.entry(name).or_insert(register);
                }
                Item::Include(name) => {
                    files += 1;
                    if files > MOST_FILES {
                        return Err(String::from("the description has too many files").into());
                    }
                    let items = parse(&name, &file(&name)?)?;
                    todo.extend(items.into_iter().rev());
                }
            }
        }
        description.in_order.sort_by_key(|register| register.number);
        Ok(description)
    }

    /// The stub's number of a register, `None` when it has none.
    #[must_use]
    pub fn find(&self, register: Register) -> Option<Numbered> {
        let named = |name: &str| self.registers.get(name).copied();
        match register {
            Register::X(n) if n < 31 => named(&format!("x{n}")),
            Register::X(_) => None,
            Register::Sp => named("sp"),
            Register::Pc => named("pc"),
            Register::Pstate => named("cpsr"),
            Register::Sys(reg) => named(reg.name()).or_else(|| {
                let (_, other) = OTHER_NAMES.iter().find(|(known, _)| *known == reg)?;
                named(other)
            }),
        }
    }

    /// Where each register lies in the `size` bytes that `g` gives, by number: the first ones, without a gap.
    #[must_use]
    pub fn general_layout(&self, size: usize) -> Vec<std::ops::Range<usize>> {
        let mut layout = Vec::new();
        let mut at = 0;
        for (expected, register) in (0..).zip(&self.in_order) {
            if register.number != expected || at + register.size as usize > size {
                break;
            }
            let end = at + register.size as usize;
            layout.push(at..end);
            at = end;
        }
        layout
    }
}

enum Item {
    Architecture(String),
    Register {
        name: String,
        number: Option<u32>,
        bits: u32,
    },
    Include(String),
}

/// The items of one file, in order.
fn parse(file: &str, text: &str) -> Result<Vec<Item>, String> {
    // QEMU uses the prefix without declaring it.
    let text = text.replace("<xi:include", "<include");
    let options = roxmltree::ParsingOptions {
        allow_dtd: true,
        nodes_limit: 100_000,
        ..Default::default()
    };
    let document = roxmltree::Document::parse_with_options(&text, options)
        .map_err(|error| format!("its description {file} is not valid: {error}"))?;
    let item = |node: roxmltree::Node<'_, '_>| match node.tag_name().name() {
        "architecture" => Some(Item::Architecture(node.text()?.trim().to_owned())),
        "include" => Some(Item::Include(node.attribute("href")?.to_owned())),
        "reg" => Some(Item::Register {
            name: node.attribute("name")?.to_owned(),
            number: node.attribute("regnum").and_then(|text| text.parse().ok()),
            bits: node
                .attribute("bitsize")?
                .parse()
                .ok()
                .filter(|bits| *bits <= 65_536)?,
        }),
        _ => None,
    };
    Ok(document.descendants().filter_map(item).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const TARGET: &str = r#"<?xml version="1.0"?><!DOCTYPE target SYSTEM "gdb-target.dtd"><target><architecture>aarch64</architecture><xi:include href="core.xml"/><xi:include href="sys.xml"/></target>"#;
    const CORE: &str = r#"<feature name="core"><reg name="x0" bitsize="64"/><reg name="x1" bitsize="64"/><reg name="sp" bitsize="64" type="data_ptr"/><reg name="pc" bitsize="64"/><reg name="cpsr" bitsize="32"/></feature>"#;
    const SYS: &str = r#"<feature name="sys"><reg name="VBAR" bitsize="64" regnum="70" group="cp_regs"/><reg name="VTTBR_EL2" bitsize="64"/></feature>"#;

    fn read(files: &[(&str, &str)]) -> Result<Description, String> {
        Description::read(&mut |name| {
            let found = files.iter().find(|(known, _)| *known == name);
            Ok::<_, String>(found.ok_or(format!("no {name}"))?.1.to_owned())
        })
    }

    #[test]
    fn registers_by_name() {
        let all = [("target.xml", TARGET), ("core.xml", CORE), ("sys.xml", SYS)];
        let description = read(&all).expect("valid");
        assert_eq!(description.architecture, "aarch64");
        for (register, number) in [
            (Register::X(1), Some(1)),
            (Register::X(2), None),
            (Register::X(31), None),
            (Register::Sp, Some(2)),
            (Register::Pc, Some(3)),
            (Register::Pstate, Some(4)),
            (Register::Sys(SysReg::VbarEl1), Some(70)),
            (Register::Sys(SysReg::VttbrEl2), Some(71)),
            (Register::Sys(SysReg::MpidrEl1), None),
        ] {
            let found = description.find(register).map(|found| found.number);
            assert_eq!(found, number, "{register:?}");
        }
        let all = [0..8, 8..16, 16..24, 24..32, 32..36];
        assert_eq!(description.general_layout(1000), all);
        assert_eq!(description.general_layout(35), all[..4]);
    }

    #[test]
    fn bad_descriptions() {
        for (files, message) in [
            (&[][..], "no target.xml"),
            (&[("target.xml", TARGET)], "no core.xml"),
            (
                &[("target.xml", "<target")],
                "its description target.xml is not valid",
            ),
            (
                &[(
                    "target.xml",
                    "<target><include href='target.xml'/></target>",
                )],
                "the description has too many files",
            ),
        ] {
            let error = read(files).expect_err(message);
            assert!(error.starts_with(message), "{error}");
        }
    }

    proptest! {
        #[test]
        fn anything(text: String, at in 0usize..200, byte: u8) {
            let _ = read(&[("target.xml", &text)]);
            let mut mutated = TARGET.as_bytes().to_vec();
            let at = at % mutated.len();
            mutated[at] = byte;
            let mutated = String::from_utf8_lossy(&mutated);
            let _ = read(&[("target.xml", &mutated), ("core.xml", CORE), ("sys.xml", SYS)]);
        }
    }
}
