//! `hvdap/machine`: the whole machine at a glance.

use std::path::Path;
use std::sync::Arc;

use engine::Engine;
use engine::view::{GroupId, GroupView};
use schemars::JsonSchema;
use serde::Serialize;

use super::{Answer, body};
use crate::config::{Config, ImageFile};
use crate::connection::Session;
use crate::hub::Standing;
use crate::report::{self, Group};

/// Body of `hvdap/machine`.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(title = "hvdap/machine")]
pub struct MachineOverview {
    /// The machine is halted; else all this is as of the last halt.
    pub halted: bool,
    /// Every thread group, the hypervisor's with its pCPUs first. What is not known is left out of the threads: while the machine runs,
    /// where they are is known only when this was asked at the last halt.
    pub groups: Vec<Group>,
    /// Images of the machine file that are not found to run anywhere: not read yet, or not what a VM runs.
    pub missing: Vec<Missing>,
    /// How recording stands.
    pub recording: Standing,
}

/// An image that runs nowhere.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Missing {
    /// File name.
    pub name: String,
    /// The VM it is named for, left out for the hypervisor.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vm: Option<String>,
    /// Where the machine file names it: `hvdap.toml:6:9`.
    pub place: String,
}

pub(super) async fn overview(session: &Arc<Session>) -> Answer {
    let machine = session.machine()?;
    let recording = machine.recording().await;
    let mut overview = machine.link.call(Engine::overview).await?;
    report::sort(&mut overview.groups);
    body(MachineOverview {
        halted: overview.halted,
        missing: missing(&machine.config, &overview.groups),
        groups: report::overview(&overview),
        recording,
    })
}

fn missing(config: &Config, groups: &[GroupView]) -> Vec<Missing> {
    let runs = |image: &ImageFile, vm: Option<&str>| {
        let name = file_name(&image.path);
        let meant = groups.iter().filter(|group| match vm {
            None => group.id == GroupId::HYPERVISOR,
            Some(vm) => group.name == vm,
        });
        meant
            .flat_map(|group| &group.images)
            .any(|placed| placed.name == name)
    };
    let named = config.images.iter();
    named
        .map(|image| (image, config.vm_of(image)))
        .filter(|(image, vm)| !runs(image, *vm))
        .map(|(image, vm)| Missing {
            name: file_name(&image.path),
            vm: vm.map(str::to_owned),
            place: image.place.clone(),
        })
        .collect()
}

fn file_name(path: &Path) -> String {
    path.file_name()
        .map(|name| name.to_string_lossy().into_owned())
        .unwrap_or_default()
}
