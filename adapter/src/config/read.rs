//! Reads the user's settings, checks them, and resolves them to absolute paths and the engine's set-up.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use backends::RamFile;
use engine::setup::{self, Setup, Slot};
use machine::Pa;
use serde_json::Value;

use super::place::{Origin, Step};
use super::{Attach, HypervisorKind, Machine, OnDisconnect, Presentation, VmMatch};

/// A setting that cannot be used: where it stands, what is wrong, what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {message}")]
pub struct ConfigError {
    /// `FILE:LINE:COLUMN`, or the name of the argument.
    pub place: String,
    /// One sentence.
    pub message: String,
}

/// Settings, checked: every file named exists, every path is absolute.
#[derive(Clone, Debug)]
pub struct Config {
    /// What to attach to.
    pub connect: String,
    /// A command line that starts it.
    pub launch: Vec<String>,
    /// Where `launch` is run.
    pub folder: PathBuf,
    /// RAM as files.
    pub ram: Vec<RamFile>,
    /// The ELF files to open.
    pub images: Vec<ImageFile>,
    /// How VMs are shown.
    pub presentation: Presentation,
    /// What becomes of the machine at the end.
    pub on_disconnect: OnDisconnect,
    /// Stay halted after attaching.
    pub stop_on_attach: bool,
    hypervisor: (HypervisorKind, bool, Vec<(String, String)>),
    vms: Vec<VmConfig>,
}

#[derive(Clone, Debug)]
struct VmConfig {
    name: String,
    matching: Option<VmMatch>,
    force: bool,
    source_map: Vec<(String, String)>,
}

/// An ELF file the user named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageFile {
    /// For whom.
    pub slot: Slot,
    /// The file.
    pub path: PathBuf,
    /// Where the user named it, for messages.
    pub place: String,
}

impl Config {
    /// What the engine is told before it starts.
    #[must_use]
    pub fn setup(&self) -> Setup {
        let has_image = |slot| self.images.iter().any(|image| image.slot == slot);
        let (kind, force, source_map) = &self.hypervisor;
        let hypervisor = setup::HypervisorSetup {
            kind: match kind {
                HypervisorKind::Auto => setup::HypervisorKind::Auto,
                HypervisorKind::Xen => setup::HypervisorKind::Xen,
                HypervisorKind::Hvdemo => setup::HypervisorKind::Hvdemo,
                HypervisorKind::None => setup::HypervisorKind::None,
            },
            has_image: has_image(Slot::Hypervisor),
            force: *force,
            source_map: source_map.clone(),
        };
        let vm = |(index, vm): (usize, &VmConfig)| setup::VmSetup {
            name: vm.name.clone(),
            matching: vm.matching.map(|matching| match matching {
                VmMatch::Guest(id) => setup::VmMatch::Guest(id),
                VmMatch::Vmid(vmid) => setup::VmMatch::Vmid(vmid),
            }),
            has_image: has_image(Slot::Vm(index)),
            force: vm.force,
            source_map: vm.source_map.clone(),
        };
        Setup {
            hypervisor,
            vms: self.vms.iter().enumerate().map(vm).collect(),
        }
    }

    /// Whether a VM of this name, in whatever case, is described.
    #[must_use]
    pub fn names_vm(&self, name: &str) -> bool {
        self.vms.iter().any(|vm| vm.name.eq_ignore_ascii_case(name))
    }

    /// The name of the VM an image is for; `None` for the hypervisor's.
    #[must_use]
    pub fn vm_of(&self, image: &ImageFile) -> Option<&str> {
        match image.slot {
            Slot::Hypervisor => None,
            Slot::Vm(index) => self.vms.get(index).map(|vm| vm.name.as_str()),
        }
    }

    /// A message that begins with an image's name, with the place where the user named that image before it.
    #[must_use]
    pub fn with_place(&self, text: &str) -> String {
        let is_first_word = |image: &&ImageFile| {
            let name = image.path.file_name().map(|name| name.to_string_lossy());
            let rest = name.and_then(|name| text.strip_prefix(&*name));
            rest.is_some_and(|rest| rest.starts_with([' ', ':']))
        };
        match self.images.iter().find(is_first_word) {
            Some(image) => format!("{}: {text}", image.place),
            None => text.to_owned(),
        }
    }

    /// What tells this machine from another one of the same process.
    #[must_use]
    pub fn key(&self) -> &str {
        &self.connect
    }
}

/// Reads the arguments of `attach` or `launch`.
///
/// # Errors
/// Names the argument, or the place in the machine file.
pub fn read_attach(attach: &Attach) -> Result<Config, ConfigError> {
    let (mut machine, origin) = match &attach.machine {
        None => (Machine::default(), Origin::Arguments),
        Some(Value::String(path)) => parse_file(Path::new(path))?,
        Some(inline) => {
            let machine = serde_json::from_value(inline.clone())
                .map_err(|error| argument("machine", error.to_string()))?;
            (machine, Origin::Arguments)
        }
    };
    machine.target.connect = attach.target.clone().or(machine.target.connect);
    machine.presentation = attach.presentation.or(machine.presentation);
    machine.on_disconnect = attach.on_disconnect.or(machine.on_disconnect);
    machine.stop_on_attach = attach.stop_on_attach.or(machine.stop_on_attach);
    resolve(machine, &origin)
}

/// Reads a machine file for a command; `target` stands in place of its `target.connect`.
///
/// # Errors
/// Names the place in the machine file.
pub fn read_machine(file: Option<&Path>, target: Option<&str>) -> Result<Config, ConfigError> {
    read_attach(&Attach {
        target: target.map(str::to_owned),
        machine: file.map(|file| Value::String(file.to_string_lossy().into_owned())),
        ..Attach::default()
    })
}

/// Reads a machine file as it stands, for those who attach to nothing.
///
/// # Errors
/// Names the place in the machine file.
pub fn machine_file(file: &Path) -> Result<Machine, ConfigError> {
    parse_file(file).map(|(machine, _)| machine)
}

fn argument(name: &str, message: String) -> ConfigError {
    ConfigError {
        place: name.to_owned(),
        message,
    }
}

fn parse_file(path: &Path) -> Result<(Machine, Origin), ConfigError> {
    let text = fs::read_to_string(path).map_err(|error| {
        argument(
            &path.display().to_string(),
            format!("the machine file cannot be read: {error}"),
        )
    })?;
    let parsed = toml::from_str(&text);
    let origin = Origin::File {
        path: path.to_owned(),
        text: text.clone(),
    };
    match parsed {
        Ok(machine) => Ok((machine, origin)),
        Err(error) => Err(ConfigError {
            place: origin.at(path, &text, error.span().map_or(0, |span| span.start)),
            message: error.message().to_owned(),
        }),
    }
}

/// Makes paths absolute and sees that what they name exists.
struct Resolver<'a> {
    origin: &'a Origin,
    folder: PathBuf,
}

fn resolve(machine: Machine, origin: &Origin) -> Result<Config, ConfigError> {
    let folder = match origin {
        Origin::File { path, .. } => path.parent().map(Path::to_owned).unwrap_or_default(),
        Origin::Arguments => PathBuf::new(),
    };
    let folder = std::path::absolute(folder.join("."))
        .map_err(|error| argument("machine", format!("no current folder: {error}")))?;
    let resolver = Resolver { origin, folder };
    let connect = machine.target.connect.clone().ok_or_else(|| ConfigError {
        place: origin.of(&[Step::Key("target")]),
        message: "no target to connect to: give `target`, such as \"gdb:127.0.0.1:1234\", or a machine file with `target.connect`".to_owned(),
    })?;
    let mut images = Vec::new();
    images.extend(resolver.image(
        Slot::Hypervisor,
        machine.hypervisor.image.as_deref(),
        &[Step::Key("hypervisor")],
    )?);
    for (index, vm) in machine.vm.iter().enumerate() {
        let at = [Step::Key("vm"), Step::Index(index)];
        images.extend(resolver.image(Slot::Vm(index), vm.image.as_deref(), &at)?);
        for (key, files) in [("modules", &vm.modules), ("programs", &vm.programs)] {
            for (index, file) in files.iter().enumerate() {
                resolver.existing(
                    file,
                    &[&at[..], &[Step::Key(key), Step::Index(index)]].concat(),
                )?;
            }
        }
    }
    Ok(Config {
        connect: resolver.target(&connect),
        launch: machine.target.launch,
        ram: machine
            .target
            .ram
            .iter()
            .map(|ram| RamFile {
                file: resolver.absolute(&ram.file),
                address: Pa(ram.address.0),
                size: ram.size.0,
            })
            .collect(),
        images,
        presentation: machine.presentation.unwrap_or_default(),
        on_disconnect: machine.on_disconnect.unwrap_or_default(),
        stop_on_attach: machine.stop_on_attach.unwrap_or(true),
        hypervisor: (
            machine.hypervisor.kind,
            machine.hypervisor.force,
            resolver.source_map(&machine.hypervisor.source_map),
        ),
        vms: machine
            .vm
            .into_iter()
            .map(|vm| VmConfig {
                source_map: resolver.source_map(&vm.source_map),
                name: vm.name,
                matching: vm.matching,
                force: vm.force,
            })
            .collect(),
        folder: resolver.folder,
    })
}

impl Resolver<'_> {
    fn absolute(&self, path: &Path) -> PathBuf {
        self.folder.join(path).components().collect()
    }

    /// A target that names a file means one beside the machine file.
    fn target(&self, connect: &str) -> String {
        for prefix in ["snapshot:", "gdb:unix:"] {
            if let Some(path) = connect.strip_prefix(prefix) {
                let path = self.absolute(Path::new(path));
                return format!("{prefix}{}", path.display());
            }
        }
        connect.to_owned()
    }

    fn existing(&self, path: &Path, at: &[Step]) -> Result<PathBuf, ConfigError> {
        let path = self.absolute(path);
        match fs::metadata(&path) {
            Ok(_) => Ok(path),
            Err(error) => Err(ConfigError {
                place: self.origin.of(at),
                message: format!("{} cannot be read: {error}", path.display()),
            }),
        }
    }

    fn image(
        &self,
        slot: Slot,
        path: Option<&Path>,
        at: &[Step],
    ) -> Result<Option<ImageFile>, ConfigError> {
        let Some(path) = path else { return Ok(None) };
        let at = [at, &[Step::Key("image")]].concat();
        Ok(Some(ImageFile {
            slot,
            path: self.existing(path, &at)?,
            place: self.origin.of(&at),
        }))
    }

    fn source_map(&self, map: &BTreeMap<String, PathBuf>) -> Vec<(String, String)> {
        map.iter()
            .map(|(from, to)| {
                let to = self.absolute(to).to_string_lossy().into_owned();
                (from.clone(), to)
            })
            .collect()
    }
}

#[cfg(test)]
mod tests;
