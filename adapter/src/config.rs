//! What the user writes: launch and attach arguments, and the machine file `hvdap.toml`. One structure for both.
//!
//! The types here are the schema files of `schemas/` too. [`read`] finds, checks and resolves them into a [`Config`].

mod place;
mod read;

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::de::{self, Deserializer, Visitor};
use serde::{Deserialize, Serialize};

pub use read::{Config, ConfigError, ImageFile, machine_file, read_attach, read_machine};

/// The machine file: what is attached to, and which programs run in it.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(title = "hvdap machine file")]
pub struct Machine {
    /// How the machine is reached.
    pub target: Target,
    /// The hypervisor.
    pub hypervisor: Hypervisor,
    /// The virtual machines whose programs are known. VMs not listed are found and shown all the same.
    pub vm: Vec<Vm>,
    /// How VMs are shown to an editor.
    pub presentation: Option<Presentation>,
    /// What becomes of the machine when the debugger leaves.
    #[serde(rename = "onDisconnect")]
    pub on_disconnect: Option<OnDisconnect>,
    /// Stay halted after attaching (the default), or let the machine run on.
    #[serde(rename = "stopOnAttach")]
    pub stop_on_attach: Option<bool>,
}

/// How the machine is reached.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Target {
    /// `gdb:HOST:PORT`, `gdb:unix:PATH` or `snapshot:FILE`.
    pub connect: Option<String>,
    /// A command line that starts the machine, such as QEMU's, for the request `launch`. Started in the folder of the
    /// machine file; ended by the debugger.
    pub launch: Vec<String>,
    /// Files that hold RAM of the machine (QEMU: `memory-backend-file,share=on`), read without asking the target.
    pub ram: Vec<Ram>,
}

/// A file that holds RAM.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Ram {
    /// The file.
    pub file: PathBuf,
    /// Physical address of its first byte.
    pub address: Quantity,
    /// Bytes.
    pub size: Quantity,
}

/// The hypervisor.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Hypervisor {
    /// Which one it is.
    pub kind: HypervisorKind,
    /// Its ELF file with symbols: Xen's `xen-syms`.
    pub image: Option<PathBuf>,
    /// Prefixes of source paths as compiled, and the folder that stands for each here.
    #[serde(rename = "source-map")]
    pub source_map: BTreeMap<String, PathBuf>,
    /// Use the image although its build-id is not the one in memory.
    pub force: bool,
}

/// A virtual machine.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Vm {
    /// The name to show.
    pub name: String,
    /// Which VM is meant. Not needed when the image can be recognised in memory.
    #[serde(rename = "match")]
    pub matching: Option<VmMatch>,
    /// Its kernel's ELF file with symbols: Linux's `vmlinux`.
    pub image: Option<PathBuf>,
    /// Prefixes of source paths as compiled, and the folder that stands for each here.
    #[serde(default, rename = "source-map")]
    pub source_map: BTreeMap<String, PathBuf>,
    /// Folders searched for the ELF files of loadable kernel modules.
    #[serde(default)]
    pub modules: Vec<PathBuf>,
    /// ELF files of user programs.
    #[serde(default)]
    pub programs: Vec<PathBuf>,
    /// Use the image although its build-id is not the one in memory.
    #[serde(default)]
    pub force: bool,
}

/// How a VM is named.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum VmMatch {
    /// By the hypervisor's own number for it (Xen: domain id).
    Guest(u32),
    /// By the VMID in `VTTBR_EL2`.
    Vmid(u16),
}

/// Which hypervisor it is.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum HypervisorKind {
    /// What its image shows.
    #[default]
    Auto,
    /// Xen.
    Xen,
    /// The demonstration hypervisor that comes with hvdap.
    Hvdemo,
    /// Unknown: VMs are told by VMID alone.
    None,
}

/// How VMs are shown to an editor.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Presentation {
    /// A session for each VM where the editor can do it, else one session.
    #[default]
    Auto,
    /// A session for each VM.
    Sessions,
    /// One session with the threads of all.
    Flat,
}

/// What becomes of the machine when the debugger leaves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum OnDisconnect {
    /// It runs.
    #[default]
    Resume,
    /// It stays halted.
    Halt,
}

/// Arguments of the requests `attach` and `launch`.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
#[schemars(title = "hvdap launch and attach arguments")]
pub struct Attach {
    /// `gdb:HOST:PORT`, `gdb:unix:PATH` or `snapshot:FILE`; in place of the machine file's `target.connect`.
    pub target: Option<String>,
    /// The machine file, or its content as an object.
    #[schemars(with = "Option<MachineSource>")]
    pub machine: Option<serde_json::Value>,
    /// How VMs are shown; in place of the machine file's.
    pub presentation: Option<Presentation>,
    /// What becomes of the machine at the end; in place of the machine file's.
    pub on_disconnect: Option<OnDisconnect>,
    /// Stay halted after attaching; in place of the machine file's.
    pub stop_on_attach: Option<bool>,
    /// The editor's name for this adapter.
    #[serde(rename = "type")]
    #[schemars(skip)]
    pub kind: Option<String>,
    /// Set by hvdap in the configurations it gives to `startDebugging`.
    #[serde(rename = "__hvdap")]
    #[schemars(skip)]
    pub child: Option<Child>,
}

/// Either form of the argument `machine`.
#[derive(JsonSchema)]
#[serde(untagged)]
#[allow(
    dead_code,
    reason = "only its schema is used: errors of untagged enums say nothing"
)]
enum MachineSource {
    /// Path of a machine file.
    File(PathBuf),
    /// Its content.
    Inline(Box<Machine>),
}

/// The marker by which a session started by `startDebugging` is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Child {
    /// The root session that asked for it.
    pub root: u32,
    /// The attached machine's number in this process.
    pub machine: u32,
    /// The thread group's.
    pub group: u32,
}

/// An address or size: a number, or text such as `0x4000_0000` or `256M`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quantity(pub u64);

impl Quantity {
    fn parse(text: &str) -> Option<Self> {
        let text = text.trim().replace('_', "");
        let (digits, unit) = match text.strip_suffix(['K', 'M', 'G']) {
            Some(digits) if text.ends_with('K') => (digits, 1 << 10),
            Some(digits) if text.ends_with('M') => (digits, 1 << 20),
            Some(digits) => (digits, 1 << 30),
            None => (text.as_str(), 1),
        };
        let number = match digits.strip_prefix("0x") {
            Some(digits) => u64::from_str_radix(digits, 16),
            None => digits.parse(),
        };
        number.ok()?.checked_mul(unit).map(Self)
    }
}

impl<'de> Deserialize<'de> for Quantity {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Quantities;
        impl Visitor<'_> for Quantities {
            type Value = Quantity;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number, or text such as \"0x40000000\" or \"256M\"")
            }
            fn visit_u64<E: de::Error>(self, number: u64) -> Result<Quantity, E> {
                Ok(Quantity(number))
            }
            fn visit_i64<E: de::Error>(self, number: i64) -> Result<Quantity, E> {
                u64::try_from(number)
                    .map(Quantity)
                    .map_err(|_| E::invalid_value(de::Unexpected::Signed(number), &self))
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Quantity, E> {
                Quantity::parse(text)
                    .ok_or_else(|| E::invalid_value(de::Unexpected::Str(text), &self))
            }
        }
        deserializer.deserialize_any(Quantities)
    }
}

impl JsonSchema for Quantity {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Quantity".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "description": "An address or size: a number, or text such as 0x40000000 or 256M.",
            "anyOf": [
                { "type": "integer", "minimum": 0 },
                { "type": "string", "pattern": "^(0x[0-9a-fA-F_]+|[0-9_]+)[KMG]?$" }
            ]
        })
    }
}
