//! A walk through the translation tables, as `hvdap/translate` answers and `hvdap translate` prints it.

use std::fmt::Write;

use engine::translation::{self, Described};
use machine::Regime;
use machine::space::{DescriptorKind, Permissions};
use schemars::JsonSchema;
use serde::Serialize;

use crate::convert::{address, hexadecimal};

/// Body of `hvdap/translate`, and output of `hvdap translate --json`.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(title = "hvdap/translate")]
pub struct Translation {
    /// The virtual address, in hexadecimal.
    pub address: String,
    /// Every descriptor that was read, in the order a processor reads them: the steps of stage 2 before one of stage 1 find the
    /// table it lies in, those after the last of stage 1 translate its output. None where no table is used.
    pub steps: Vec<Step>,
    /// Where it leads.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub result: Option<Led>,
    /// Why it leads nowhere.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fault: Option<String>,
}

/// One descriptor. Addresses and the descriptor are in hexadecimal.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Step {
    /// 1 or 2.
    pub stage: u8,
    /// Level of the table, -1 to 3.
    pub level: i8,
    /// What this stage translates: a virtual address at stage 1, an intermediate one at stage 2.
    pub input: String,
    /// Where the descriptor lies, as who keeps the tables sees it: an intermediate address of stage 1 under a stage 2, else a
    /// physical one.
    pub descriptor_address: String,
    /// Where the descriptor lies.
    pub physical_address: String,
    /// The descriptor.
    pub descriptor: String,
    /// What it is.
    pub kind: Kind,
    /// The next table, or the first byte of the block or page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output: Option<String>,
    /// Its other fields, by the manual's names.
    pub attributes: Vec<Attribute>,
    /// Why the walk ends here without an address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failed: Option<String>,
}

/// What a descriptor is.
#[derive(Clone, Copy, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// It points to the next table.
    Table,
    /// It maps more than a page.
    Block,
    /// It maps a page.
    Page,
    /// It maps nothing.
    Invalid,
}

/// A field of a descriptor.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Attribute {
    /// As the manual calls it.
    pub name: String,
    /// Its bits, and what they say.
    pub value: String,
}

/// Where a walk led.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Led {
    /// The intermediate physical address, in hexadecimal, where there is a stage 2.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ipa: Option<String>,
    /// The physical address, in hexadecimal.
    pub pa: String,
    /// Bytes from there that are mapped in one piece by both stages.
    pub size: u64,
    /// Whether either stage says that it is device memory.
    pub device: bool,
    /// What both stages together allow at each exception level: `EL1 rw-, EL0 ---`.
    pub permissions: String,
}

impl From<&translation::Translation> for Translation {
    fn from(translation: &translation::Translation) -> Self {
        let led = translation.outcome.as_ref().ok();
        Self {
            address: address(translation.address),
            steps: translation.steps.iter().map(Step::from).collect(),
            result: led.map(|led| Led {
                ipa: led.ipa.map(|ipa| hexadecimal(ipa.0)),
                pa: hexadecimal(led.pa.0),
                size: led.size,
                device: led.device,
                permissions: permissions(translation.regime, led.permissions),
            }),
            fault: translation.outcome.as_ref().err().cloned(),
        }
    }
}

impl From<&Described> for Step {
    fn from(described: &Described) -> Self {
        let step = &described.step;
        let attribute = |field: &machine::space::Field| Attribute {
            name: field.name.to_owned(),
            value: field.value.clone(),
        };
        Self {
            stage: step.stage,
            level: step.level,
            input: hexadecimal(step.input),
            descriptor_address: hexadecimal(step.entry_ipa.map_or(step.entry.0, |ipa| ipa.0)),
            physical_address: hexadecimal(step.entry.0),
            descriptor: hexadecimal(step.descriptor),
            kind: match (step.kind, step.level) {
                (DescriptorKind::Invalid, _) => Kind::Invalid,
                (DescriptorKind::Table, _) => Kind::Table,
                (DescriptorKind::Leaf, 3) => Kind::Page,
                (DescriptorKind::Leaf, _) => Kind::Block,
            },
            output: described.decoded.output.map(hexadecimal),
            attributes: described.decoded.fields.iter().map(attribute).collect(),
            failed: described.failed.clone(),
        }
    }
}

fn permissions(regime: Option<Regime>, allowed: Permissions) -> String {
    let letters = |read, write, execute| {
        let letter = |is_allowed, letter| if is_allowed { letter } else { '-' };
        [letter(read, 'r'), letter(write, 'w'), letter(execute, 'x')]
            .into_iter()
            .collect::<String>()
    };
    let own = letters(true, allowed.write, allowed.execute);
    let user = letters(
        allowed.user,
        allowed.user && allowed.write,
        allowed.user_execute,
    );
    match regime {
        Some(Regime::El2) => format!("EL2 {own}"),
        Some(Regime::El20) => format!("EL2 {own}, EL0 {user}"),
        Some(Regime::El10) | None => format!("EL1 {own}, EL0 {user}"),
    }
}

/// The walk for a terminal: a line for each descriptor, its fields below.
#[must_use]
pub fn text(translation: &Translation) -> String {
    let mut text = String::new();
    for step in &translation.steps {
        let _ = writeln!(text, "{}", headline(step));
        for attribute in &step.attributes {
            let _ = writeln!(text, "    {:<10} {}", attribute.name, attribute.value);
        }
        if let Some(reason) = &step.failed {
            let _ = writeln!(text, "    the walk ends here: {reason}");
        }
    }
    let outcome = match (&translation.result, &translation.fault) {
        (Some(led), _) => format!("VA {} is {}", translation.address, led_text(led)),
        (None, Some(fault)) => format!("VA {} leads nowhere: {fault}", translation.address),
        (None, None) => return text,
    };
    let _ = writeln!(text, "{outcome}");
    text
}

/// `stage 1, level 0: 0x4100_0000 holds 0x41001003, a table at 0x41001000`
fn headline(step: &Step) -> String {
    let is = match (step.kind, &step.output) {
        (Kind::Table, Some(output)) => format!("a table at {output}"),
        (Kind::Block, Some(output)) => format!("a block at {output}"),
        (Kind::Page, Some(output)) => format!("a page at {output}"),
        _ => "invalid".to_owned(),
    };
    let Step {
        stage,
        level,
        input,
        descriptor_address,
        descriptor,
        ..
    } = step;
    let kind = if *stage == 1 { "VA" } else { "IPA" };
    format!(
        "stage {stage}, level {level}, {kind} {input}: {descriptor_address} holds {descriptor}, {is}"
    )
}

fn led_text(led: &Led) -> String {
    let ipa = led
        .ipa
        .as_ref()
        .map(|ipa| format!("IPA {ipa}, "))
        .unwrap_or_default();
    let device = if led.device { ", device memory" } else { "" };
    format!(
        "{ipa}PA {}: {} bytes in one piece, {}{device}",
        led.pa, led.size, led.permissions
    )
}
