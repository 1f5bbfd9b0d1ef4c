//! Thread groups: the hypervisor's and one per VM, brought up to date by the survey of each halt.

use std::collections::HashMap;
use std::sync::Arc;

use awareness::{Guest, MachineView, OnCore, Placement, Provenance, RunState, Survey, VcpuState};
use machine::space::{AddressSpace, Stage2};
use machine::{GuestId, Pcpu, Registers, Va, Vcpu, Vmid};
use symbols::source_map::SourceMap;
use symbols::{Image, LinkVa};

use crate::halt::Halt;
use crate::setup::{Setup, Slot, VmMatch};
use crate::view::{GroupId, GroupView, ImageView, SourceView, ThreadId, ThreadState, ThreadView};

/// Who a thread is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Who {
    /// A physical core, in the hypervisor's group.
    Pcpu(Pcpu),
    /// A virtual core, in its VM's group.
    Vcpu(Vcpu),
}

/// A thread of a group.
#[derive(Clone, Debug)]
pub struct Thread {
    /// Its number.
    pub id: ThreadId,
    /// Who it is.
    pub who: Who,
    /// Where it is, as of the last survey.
    pub state: ThreadState,
    /// Where a vCPU's registers come from.
    pub provenance: Provenance,
    /// A vCPU's registers at the last survey, when they are not simply its core's: trapped, or saved by the hypervisor.
    pub saved: Option<Registers>,
}

/// An image placed in a group.
#[derive(Clone)]
pub struct PlacedImage {
    /// For whom it was opened.
    pub slot: Slot,
    /// The image.
    pub image: Arc<Image>,
    /// Where it lies, and how that is known.
    pub placement: Placement,
    /// Where its sources lie.
    pub source_map: Arc<SourceMap>,
}

impl PlacedImage {
    /// How far it was moved from its link addresses.
    #[must_use]
    pub fn slide(&self) -> u64 {
        self.placement.slide
    }

    /// Whether an address of the group's space is in this image's code.
    #[must_use]
    pub fn holds_code(&self, address: Va) -> bool {
        let link = LinkVa::of(address, self.slide());
        self.image
            .executable_ranges()
            .iter()
            .any(|range| range.contains(&link))
    }

    /// A place in source as the user knows it.
    #[must_use]
    pub fn source(&self, position: &symbols::Position) -> SourceView {
        SourceView {
            path: self.source_map.to_local(&position.path),
            compiled_path: position.path.to_string(),
            line: position.line,
            column: position.column,
        }
    }
}

/// One group.
#[derive(Clone)]
pub struct Group {
    /// Its number.
    pub id: GroupId,
    /// What to call it.
    pub name: String,
    /// The hypervisor's number for the VM; `None` for the hypervisor.
    pub guest: Option<GuestId>,
    /// The VM's tag.
    pub vmid: Option<Vmid>,
    /// The VM's stage 2.
    pub stage2: Option<Stage2>,
    /// Its threads.
    pub threads: Vec<Thread>,
    /// What runs in it.
    pub images: Vec<PlacedImage>,
}

impl Group {
    /// Whether this is the hypervisor's group.
    #[must_use]
    pub fn is_hypervisor(&self) -> bool {
        self.id == GroupId::HYPERVISOR
    }

    /// The image that holds the code at an address; the only image where none says so.
    #[must_use]
    pub fn image_at(&self, address: Va) -> Option<&PlacedImage> {
        self.images.iter().find(|placed| placed.holds_code(address))
    }

    /// The name with the VMID: `DomU (VMID 2)`.
    #[must_use]
    pub fn full_name(&self) -> String {
        match self.vmid {
            Some(vmid) => format!("{} ({vmid})", self.name),
            None => self.name.clone(),
        }
    }

    /// For the border.
    #[must_use]
    pub fn view(&self) -> GroupView {
        let images = self.images.iter().map(|placed| ImageView {
            name: placed.image.name().to_owned(),
            build_id: placed.image.build_id_text(),
            symbols: match (placed.image.is_prepared(), placed.image.has_dwarf()) {
                (false, _) => "loading",
                (true, true) => "DWARF",
                (true, false) => "symbols only",
            },
            slide: placed.slide(),
            evidence: placed.placement.evidence.to_string(),
        });
        GroupView {
            id: self.id,
            name: self.name.clone(),
            vmid: self.vmid,
            guest: self.guest.map(|guest| guest.0),
            images: images.collect(),
        }
    }
}

impl Thread {
    fn view(&self, group: GroupId) -> ThreadView {
        let (label, index) = match self.who {
            Who::Pcpu(core) => (core.to_string(), u32::from(core.0)),
            Who::Vcpu(vcpu) => (format!("vCPU {}", vcpu.index), vcpu.index),
        };
        let name = match (self.who, self.state) {
            (Who::Pcpu(_), _) | (_, ThreadState::Unknown) => label.clone(),
            (_, ThreadState::OnCore(core)) => format!("{label} · on {core}"),
            (_, ThreadState::Runnable) => format!("{label} · runnable"),
            (_, ThreadState::Blocked) => format!("{label} · blocked"),
            (_, ThreadState::Offline) => format!("{label} · offline"),
        };
        ThreadView {
            id: self.id,
            group,
            label,
            name,
            state: self.state,
            index,
        }
    }
}

/// All groups.
#[derive(Default)]
pub struct Groups {
    list: Vec<Group>,
    group_ids: HashMap<GuestId, GroupId>,
    thread_ids: HashMap<Who, ThreadId>,
    /// The newest VM's number: none is given twice.
    last: u32,
    /// Whom each core works for, as of the last survey.
    on_core: Vec<OnCore>,
}

/// What a survey changed.
#[derive(Debug, Default)]
pub struct Changes {
    /// New groups.
    pub added: Vec<GroupView>,
    /// Groups that are no more.
    pub removed: Vec<GroupId>,
    /// Groups whose VM is another now: same number, another stage-2 table.
    pub replaced: Vec<GroupId>,
}

impl Groups {
    /// The hypervisor's group alone, with a thread per core.
    #[must_use]
    pub fn new(cores: usize) -> Self {
        let mut groups = Self::default();
        let threads = (0..cores)
            .map(|core| Pcpu(core as u16))
            .map(|core| Thread {
                id: groups.thread_id(Who::Pcpu(core)),
                who: Who::Pcpu(core),
                state: ThreadState::OnCore(core),
                provenance: Provenance::Live,
                saved: None,
            })
            .collect();
        groups.list.push(Group {
            id: GroupId::HYPERVISOR,
            name: "Hypervisor".to_owned(),
            guest: None,
            vmid: None,
            stage2: None,
            threads,
            images: Vec::new(),
        });
        groups
    }

    /// Every group, the hypervisor's first.
    pub fn iter(&self) -> impl Iterator<Item = &Group> {
        self.list.iter()
    }

    /// Every group, to place images in.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut Group> {
        self.list.iter_mut()
    }

    /// The hypervisor's group.
    ///
    /// # Panics
    /// Never: it is made first and never removed.
    #[must_use]
    pub fn hypervisor(&self) -> &Group {
        &self.list[0]
    }

    /// A group by number.
    #[must_use]
    pub fn get(&self, id: GroupId) -> Option<&Group> {
        self.list.iter().find(|group| group.id == id)
    }

    /// A group by the name the user knows.
    #[must_use]
    pub fn named(&self, name: &str) -> Option<&Group> {
        self.list
            .iter()
            .find(|group| group.name.eq_ignore_ascii_case(name))
    }

    /// A thread and its group.
    #[must_use]
    pub fn thread(&self, id: ThreadId) -> Option<(&Group, &Thread)> {
        self.list
            .iter()
            .find_map(|group| Some((group, group.threads.iter().find(|thread| thread.id == id)?)))
    }

    /// The hypervisor's thread for a core.
    #[must_use]
    pub fn pcpu(&self, core: Pcpu) -> Option<&Thread> {
        self.hypervisor()
            .threads
            .iter()
            .find(|thread| thread.who == Who::Pcpu(core))
    }

    /// The vCPU on a core, as of the last survey.
    #[must_use]
    pub fn on_core(&self, core: Pcpu) -> Option<(&Group, &Thread)> {
        self.list[1..].iter().find_map(|group| {
            Some((
                group,
                group
                    .threads
                    .iter()
                    .find(|thread| thread.state == ThreadState::OnCore(core))?,
            ))
        })
    }

    /// Whom a core works for, by the hypervisor's own word at the last survey.
    #[must_use]
    pub fn carried_by(&self, core: Pcpu) -> OnCore {
        let known = self.on_core.get(usize::from(core.0)).copied();
        known.unwrap_or(OnCore::Unknown)
    }

    /// The VM whose stage 2 `VTTBR_EL2` selects. The tag and the table must both agree: tags are recycled.
    #[must_use]
    pub fn by_vttbr(&self, vttbr: u64) -> Option<&Group> {
        /// Bit 0 is CnP, no part of the identity (Arm ARM D19.2.160).
        const CNP: u64 = 1;
        self.list[1..].iter().find(|group| {
            group
                .stage2
                .is_some_and(|stage2| stage2.vttbr & !CNP == vttbr & !CNP)
        })
    }

    /// Threads of one group or of all.
    #[must_use]
    pub fn threads(&self, group: Option<GroupId>) -> Vec<ThreadView> {
        let wanted = |candidate: &&Group| group.is_none_or(|id| id == candidate.id);
        self.list
            .iter()
            .filter(wanted)
            .flat_map(|group| group.threads.iter().map(|thread| thread.view(group.id)))
            .collect()
    }

    /// Takes over what a halt's survey found.
    pub fn update(&mut self, survey: Survey, setup: &Setup) -> Changes {
        let mut changes = Changes::default();
        self.on_core = survey.on_core;
        let gone: Vec<GroupId> = self.list[1..]
            .iter()
            .filter(|group| {
                !survey
                    .guests
                    .iter()
                    .any(|guest| Some(guest.id) == group.guest)
            })
            .map(|group| group.id)
            .collect();
        self.list.retain(|group| !gone.contains(&group.id));
        self.group_ids.retain(|_, id| !gone.contains(id));
        changes.removed = gone;
        for guest in survey.guests {
            self.update_guest(guest, setup, &mut changes);
        }
        changes
    }

    fn update_guest(&mut self, guest: Guest, setup: &Setup, changes: &mut Changes) {
        let last = &mut self.last;
        let id = *self.group_ids.entry(guest.id).or_insert_with(|| {
            *last += 1;
            GroupId(*last)
        });
        let threads = guest
            .vcpus
            .into_iter()
            .map(|vcpu| self.thread_of(vcpu))
            .collect();
        let matched = setup.vms.iter().find(|vm| match vm.matching {
            Some(VmMatch::Guest(number)) => number == guest.id.0,
            Some(VmMatch::Vmid(vmid)) => guest.vmid == Some(Vmid(vmid)),
            None => false,
        });
        match self.list.iter_mut().find(|group| group.id == id) {
            Some(known) => {
                if known.stage2.map(|stage2| stage2.root())
                    != guest.stage2.map(|stage2| stage2.root())
                {
                    known.images.clear();
                    known.name = matched.map_or(guest.name, |vm| vm.name.clone());
                    changes.replaced.push(id);
                }
                known.vmid = guest.vmid;
                known.stage2 = guest.stage2;
                known.threads = threads;
            }
            None => {
                let group = Group {
                    id,
                    name: matched.map_or(guest.name, |vm| vm.name.clone()),
                    guest: Some(guest.id),
                    vmid: guest.vmid,
                    stage2: guest.stage2,
                    threads,
                    images: Vec::new(),
                };
                changes.added.push(group.view());
                self.list.push(group);
            }
        }
    }

    fn thread_of(&mut self, state: VcpuState) -> Thread {
        let who = Who::Vcpu(state.vcpu);
        Thread {
            id: self.thread_id(who),
            who,
            state: match (state.on_core, state.run_state) {
                (Some(core), _) => ThreadState::OnCore(core),
                (None, RunState::Unknown) => ThreadState::Unknown,
                // "Running" on no core: it is just being switched.
                (None, RunState::Running | RunState::Runnable) => ThreadState::Runnable,
                (None, RunState::Blocked) => ThreadState::Blocked,
                (None, RunState::Offline) => ThreadState::Offline,
            },
            provenance: state.provenance,
            saved: state.saved,
        }
    }

    fn thread_id(&mut self, who: Who) -> ThreadId {
        let next = ThreadId(self.thread_ids.len() as u32 + 1);
        *self.thread_ids.entry(who).or_insert(next)
    }
}

/// A thread's registers; `None` where they are not known.
#[must_use]
pub fn registers(halt: &Halt, thread: &Thread) -> Option<Registers> {
    match (thread.who, thread.provenance, thread.state) {
        (Who::Pcpu(core), _, _) | (_, Provenance::Live, ThreadState::OnCore(core)) => {
            Some(halt.registers(core).clone())
        }
        _ => thread.saved.clone(),
    }
}

/// The registers a thread executes with, and the address space they see.
///
/// # Errors
/// What is not known, for the user.
pub fn execution(
    halt: &Halt,
    group: &Group,
    thread: &Thread,
) -> Result<(Registers, AddressSpace), String> {
    let registers = registers(halt, thread)
        .ok_or("its registers are not known: this hypervisor is not, and it does not run now")?;
    let space = match thread.who {
        Who::Pcpu(_) => AddressSpace::el2(&registers),
        Who::Vcpu(_) => AddressSpace::guest(&registers, group.stage2),
    };
    let space = space.map_err(|fault| fault.to_string())?;
    // In EL0 with page-table isolation TTBR1 holds a table without the kernel; the kernel's own shows more.
    let kernel = group
        .images
        .iter()
        .fold(space, |space, placed| placed.placement.kernel_space(space));
    Ok((registers, kernel))
}

/// The address space in which a group's addresses mean something when no thread is named: that of its first vCPU that has one.
///
/// # Errors
/// What is not known, for the user.
pub fn space_of(halt: &Halt, group: &Group) -> Result<AddressSpace, String> {
    let mut why = format!("{} has no vCPU", group.name);
    for thread in &group.threads {
        match execution(halt, group, thread) {
            Ok((_, space)) => return Ok(space),
            Err(reason) => why = reason,
        }
    }
    Err(why)
}
