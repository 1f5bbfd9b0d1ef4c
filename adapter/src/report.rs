//! What commands print as JSON: plain structures with schema files in `schemas/`.

mod overview;
pub mod translation;

pub use overview::overview;

use engine::view::{
    FrameKind, FrameView, GroupId, GroupView, ImageView, SourceView, ThreadState, ThreadView,
};
use machine::GuestId;
use schemars::JsonSchema;
use serde::Serialize;

use crate::convert;

/// Output of `hvdap vms --json`.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(title = "hvdap vms")]
pub struct Vms {
    /// The target.
    pub target: String,
    /// Thread groups, the hypervisor's first.
    pub groups: Vec<Group>,
}

/// Output of `hvdap stack --json`.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(title = "hvdap stack")]
pub struct Stacks {
    /// The target.
    pub target: String,
    /// One for each thread.
    pub stacks: Vec<Stack>,
}

/// The hypervisor or a VM.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Group {
    /// Its number while attached; 0 is the hypervisor.
    pub id: u32,
    /// Its name.
    pub name: String,
    /// The hypervisor's number for a VM (Xen: domain id).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub guest: Option<u32>,
    /// The tag in `VTTBR_EL2` of a VM.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vmid: Option<u16>,
    /// The images found to run in it.
    pub images: Vec<Image>,
    /// vCPUs of a VM, pCPUs of the hypervisor.
    pub threads: Vec<Thread>,
    /// How many breakpoints are installed in it, whoever set them, where that was looked up.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub breakpoints: Option<usize>,
}

/// An image in a group.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Image {
    /// File name.
    pub name: String,
    /// Build-id in hexadecimal, empty without one.
    pub build_id: String,
    /// `DWARF`, `symbols only`, or `loading` until its index is built.
    pub symbols: String,
    /// How far it was moved from its link address, in hexadecimal.
    pub slide: String,
    /// How it was found.
    pub evidence: String,
}

/// A vCPU or pCPU.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Thread {
    /// Its number while attached.
    pub id: u32,
    /// `vCPU 1`, `pCPU 0`.
    pub name: String,
    /// The number in that.
    pub index: u32,
    /// Where it is.
    pub state: State,
    /// The core it is on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pcpu: Option<u16>,
    /// `EL0` to `EL3`, where that was looked up.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub el: Option<String>,
    /// The instruction it is at, in hexadecimal, where that was looked up.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pc: Option<String>,
    /// The function that is, where known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub function: Option<String>,
    /// Of a pCPU: whom it works for, where that was looked up.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub carries: Option<Carries>,
    /// Of a vCPU: nanoseconds it has been in its state, by the hypervisor's account, where it keeps one and that was looked up.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub in_state_ns: Option<u64>,
}

/// Whom a pCPU works for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Carries {
    /// Who.
    pub who: Carried,
    /// The vCPU's number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub thread: Option<u32>,
}

/// For whom a pCPU can work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Carried {
    /// A vCPU. In EL2 the pCPU executes the hypervisor on its behalf.
    Vcpu,
    /// Nobody.
    Idle,
    /// Cannot be told.
    Unknown,
}

/// Where a vCPU is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// On a core.
    Running,
    /// Could run.
    Runnable,
    /// Waits for an event.
    Blocked,
    /// Switched off.
    Offline,
    /// The hypervisor does not tell.
    Unknown,
}

/// The stack of one thread.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Stack {
    /// The name of its group.
    pub group: String,
    /// The thread.
    pub thread: Thread,
    /// Innermost first.
    pub frames: Vec<Frame>,
    /// Why there are no frames.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// A frame.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Frame {
    /// Function name, symbol+offset, or the text of a border between stacks.
    pub name: String,
    /// Whether it is such a border.
    pub label: bool,
    /// The instruction, in hexadecimal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pc: Option<String>,
    /// The image.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// The source file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// The line in it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<u32>,
}

/// Puts the hypervisor first, then VMs by the hypervisor's number for them, whichever was found first.
pub fn sort(groups: &mut [GroupView]) {
    groups.sort_by_key(|group| {
        (
            group.id != GroupId::HYPERVISOR,
            group.guest,
            group.vmid,
            group.id,
        )
    });
}

/// All groups with their threads.
#[must_use]
pub fn groups(groups: &[GroupView], threads: &[ThreadView]) -> Vec<Group> {
    let of = |id: GroupId| threads.iter().filter(move |thread| thread.group == id);
    groups
        .iter()
        .map(|group| Group {
            id: group.id.0,
            name: group.name.clone(),
            guest: group.guest,
            vmid: group.vmid.map(|vmid| vmid.0),
            images: group.images.iter().map(Image::from).collect(),
            threads: of(group.id).map(Thread::from).collect(),
            breakpoints: None,
        })
        .collect()
}

impl From<&ImageView> for Image {
    fn from(image: &ImageView) -> Self {
        Self {
            name: image.name.clone(),
            build_id: image.build_id.clone(),
            symbols: image.symbols.to_owned(),
            slide: format!("{:#x}", image.slide),
            evidence: image.evidence.to_owned(),
        }
    }
}

impl From<&ThreadView> for Thread {
    fn from(thread: &ThreadView) -> Self {
        let (state, pcpu) = match thread.state {
            ThreadState::OnCore(core) => (State::Running, Some(core.0)),
            ThreadState::Runnable => (State::Runnable, None),
            ThreadState::Blocked => (State::Blocked, None),
            ThreadState::Offline => (State::Offline, None),
            ThreadState::Unknown => (State::Unknown, None),
        };
        Self {
            id: thread.id.0,
            name: thread.label.clone(),
            index: thread.index,
            state,
            pcpu,
            el: None,
            pc: None,
            function: None,
            carries: None,
            in_state_ns: None,
        }
    }
}

impl From<&FrameView> for Frame {
    fn from(frame: &FrameView) -> Self {
        let source: Option<&SourceView> = frame.source.as_ref();
        Self {
            name: frame.name.clone(),
            label: frame.kind == FrameKind::Label,
            pc: frame.pc.map(convert::address),
            image: frame.image.clone(),
            file: source.map(|source| source.path.clone()),
            line: source.map(|source| source.line),
        }
    }
}

/// One line of `hvdap trace loads --json`: what the vCPUs did in one interval.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(title = "hvdap trace loads")]
pub struct Loads {
    /// The interval, by the hypervisor's clock.
    pub seconds: f64,
    /// VMs in the hypervisor's order, then what stands for idle cores.
    pub loads: Vec<Load>,
}

/// What a VM's vCPUs did.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Load {
    /// The hypervisor's number for the VM; Xen's 32767 stands for idle cores, whose vCPU n is pCPU n.
    pub guest: u32,
    /// Its name.
    pub name: String,
    /// The sums over its vCPUs.
    pub all: Shares,
    /// Each vCPU.
    pub vcpus: Vec<VcpuLoad>,
}

/// What a vCPU did.
#[derive(Debug, Serialize, JsonSchema)]
pub struct VcpuLoad {
    /// Its index in the VM.
    pub index: u32,
    /// Of the interval.
    pub shares: Shares,
}

/// Shares of an interval; those of one vCPU are 1 in sum.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, JsonSchema)]
pub struct Shares {
    /// On a core.
    pub running: f64,
    /// Waiting for a core.
    pub runnable: f64,
    /// Waiting for an event.
    pub blocked: f64,
    /// Switched off or paused.
    pub offline: f64,
}

impl Shares {
    /// From the time in each state, in the order of the fields.
    #[must_use]
    pub fn of(spent: [u64; 4], interval: u64) -> Self {
        let share = |time: u64| time as f64 / interval.max(1) as f64;
        let [running, runnable, blocked, offline] = spent.map(share);
        Self {
            running,
            runnable,
            blocked,
            offline,
        }
    }
}

impl Load {
    /// Nothing yet.
    #[must_use]
    pub fn new(guest: GuestId, name: Option<&String>) -> Self {
        let name = match name {
            Some(name) => name.clone(),
            None if guest == trace::event::IDLE => "idle".to_owned(),
            None => format!("guest {}", guest.0),
        };
        Self {
            guest: guest.0,
            name,
            all: Shares::default(),
            vcpus: Vec::new(),
        }
    }

    /// Adds a vCPU.
    pub fn add(&mut self, index: u32, shares: Shares) {
        self.all.running += shares.running;
        self.all.runnable += shares.runnable;
        self.all.blocked += shares.blocked;
        self.all.offline += shares.offline;
        self.vcpus.push(VcpuLoad { index, shares });
    }
}
