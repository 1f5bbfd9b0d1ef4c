//! Which image runs where. Images are opened by somebody else and arrive in any order; each finds its VM by itself.

use std::collections::HashSet;
use std::sync::Arc;

use awareness::{Evidence, GuestKind, Hypervisor, MachineView, Placement};
use machine::space::AddressSpace;
use machine::{Pcpu, Registers, Vmid};
use symbols::Image;
use symbols::source_map::SourceMap;

use crate::groups::{Group, Groups, PlacedImage};
use crate::halt::Halt;
use crate::setup::{HypervisorKind, Setup, Slot, VmMatch};
use crate::view::GroupId;

/// One image that was promised.
struct Expected {
    slot: Slot,
    image: Option<Arc<Image>>,
    source_map: Arc<SourceMap>,
}

/// The images the user named.
#[derive(Default)]
pub struct Images {
    expected: Vec<Expected>,
    told: HashSet<String>,
    /// To tell the user at the next occasion.
    pending: Vec<String>,
    prepared: HashSet<Slot>,
    aware: bool,
}

impl Images {
    /// Nothing delivered yet.
    #[must_use]
    pub fn expecting(setup: &Setup) -> Self {
        let expect = |slot, map: &[(String, String)]| Expected {
            slot,
            image: None,
            source_map: Arc::new(SourceMap::new(map.to_vec())),
        };
        let hypervisor = &setup.hypervisor;
        let hypervisor = hypervisor
            .has_image
            .then(|| expect(Slot::Hypervisor, &hypervisor.source_map));
        let vms = setup.vms.iter().enumerate().filter(|(_, vm)| vm.has_image);
        let vms = vms.map(|(index, vm)| expect(Slot::Vm(index), &vm.source_map));
        Self {
            expected: hypervisor.into_iter().chain(vms).collect(),
            ..Self::default()
        }
    }

    /// An image was opened.
    pub fn arrived(&mut self, slot: Slot, image: Arc<Image>) {
        if let Some(expected) = self
            .expected
            .iter_mut()
            .find(|expected| expected.slot == slot)
        {
            expected.image = Some(image);
        }
    }

    /// An image that was promised will not come.
    pub fn failed(&mut self, slot: Slot) {
        self.expected.retain(|expected| expected.slot != slot);
    }

    /// Whether the hypervisor's own word on its VMs is still to come. Until then nobody else is asked: the same VM would get two names.
    #[must_use]
    pub fn awaits_hypervisor(&self) -> bool {
        let hypervisor = self
            .expected
            .iter()
            .find(|expected| expected.slot == Slot::Hypervisor);
        hypervisor.is_some_and(|expected| {
            expected
                .image
                .as_ref()
                .is_none_or(|image| !image.is_prepared())
        })
    }

    /// Of these notes, those the user has not been told yet.
    pub fn untold(&mut self, notes: Vec<String>) -> Vec<String> {
        let pending = std::mem::take(&mut self.pending);
        let all = notes.into_iter().chain(pending).chain(self.damage());
        all.filter(|note| self.told.insert(note.clone())).collect()
    }

    fn damage(&self) -> Vec<String> {
        self.expected
            .iter()
            .filter_map(|expected| expected.image.as_ref())
            .flat_map(|image| image.notes())
            .collect()
    }

    /// Places the hypervisor's image and picks the awareness that fits it. Gives the group when something changed.
    pub fn settle_hypervisor(
        &mut self,
        halt: &Halt,
        setup: &Setup,
        groups: &mut Groups,
        hypervisor: &mut Box<dyn Hypervisor>,
    ) -> Option<GroupId> {
        let expected = self
            .expected
            .iter()
            .find(|expected| expected.slot == Slot::Hypervisor)?;
        let image = Arc::clone(expected.image.as_ref()?);
        let source_map = Arc::clone(&expected.source_map);
        let prepared = image.is_prepared() && self.prepared.insert(Slot::Hypervisor);
        let group = groups.iter_mut().next()?;
        if group.images.is_empty() {
            let cores: Vec<_> = (0..halt.cores())
                .map(|core| halt.registers(Pcpu(core as u16)))
                .collect();
            let found = awareness::place_hypervisor(&image, halt, cores);
            let why = match &found {
                Ok(_) => "nothing of it is in EL2's memory".to_owned(),
                Err(mismatch) => mismatch.to_string(),
            };
            let placement = match found {
                Ok(Some(placement)) => placement,
                _ if setup.hypervisor.force => TOLD,
                _ => {
                    self.refuse(&image, &why, Some("this machine's hypervisor"));
                    return None;
                }
            };
            group
                .images
                .push(placed(Slot::Hypervisor, &image, placement, source_map));
        } else if !prepared {
            return None;
        }
        if image.is_prepared() && !self.aware {
            self.aware = true;
            let slide = group.images.first().map_or(0, PlacedImage::slide);
            match aware_of(setup.hypervisor.kind, &image, slide) {
                Ok(aware) => {
                    group.name = aware.name().to_owned();
                    *hypervisor = aware;
                }
                Err(reason) => self.pending.push(reason),
            }
        }
        Some(GroupId::HYPERVISOR)
    }

    /// Places the images of VMs. Gives the groups that changed.
    pub fn settle_vms(&mut self, halt: &Halt, setup: &Setup, groups: &mut Groups) -> Vec<GroupId> {
        let mut changed = Vec::new();
        for index in 0..self.expected.len() {
            let Expected {
                slot: Slot::Vm(vm),
                image: Some(image),
                source_map,
            } = &self.expected[index]
            else {
                continue;
            };
            let (vm, image, source_map) = (*vm, Arc::clone(image), Arc::clone(source_map));
            let slot = Slot::Vm(vm);
            if image.is_prepared() && self.prepared.insert(slot) {
                changed.extend(
                    groups
                        .iter()
                        .filter(|group| runs(group, slot))
                        .map(|group| group.id),
                );
            }
            if groups.iter().any(|group| runs(group, slot)) {
                continue;
            }
            let Some((id, placement)) = self.find_vm(halt, setup, groups, vm, &image) else {
                continue;
            };
            let Some(group) = groups.iter_mut().find(|group| group.id == id) else {
                continue;
            };
            group.name.clone_from(&setup.vms[vm].name);
            group
                .images
                .push(placed(slot, &image, placement, source_map));
            changed.push(id);
        }
        changed.extend(self.share(halt, groups));
        changed
    }

    /// VMs nobody named that run a build somebody else's entry gives: they share its image.
    fn share(&self, halt: &Halt, groups: &mut Groups) -> Vec<GroupId> {
        let mut changed = Vec::new();
        let settled = |slot| groups.iter().any(|group| runs(group, slot));
        let vms = self
            .expected
            .iter()
            .filter(|expected| expected.slot != Slot::Hypervisor);
        let settled: Vec<&Expected> = vms
            .clone()
            .filter(|expected| settled(expected.slot))
            .collect();
        if settled.len() < vms.count() {
            return changed;
        }
        for group in groups
            .iter_mut()
            .filter(|group| !group.is_hypervisor() && group.images.is_empty())
        {
            let registers = registers_of(halt, group);
            let found = settled.iter().find_map(|expected| {
                let image = expected.image.as_ref()?;
                let placement = awareness::place(image, halt, group.stage2, &registers)
                    .ok()
                    .flatten()?;
                Some(placed(
                    expected.slot,
                    image,
                    placement,
                    Arc::clone(&expected.source_map),
                ))
            });
            if let Some(image) = found {
                group.images.push(image);
                changed.push(group.id);
            }
        }
        changed
    }

    /// The first VM that runs this image and has none yet.
    fn find_vm(
        &mut self,
        halt: &Halt,
        setup: &Setup,
        groups: &Groups,
        vm: usize,
        image: &Image,
    ) -> Option<(GroupId, Placement)> {
        let matching = setup.vms[vm].matching;
        let candidates = groups
            .iter()
            .filter(|group| !group.is_hypervisor() && group.images.is_empty());
        let (mut other, mut awaited) = (None, false);
        for group in
            candidates.filter(|group| is_meant(group, matching) && !is_claimed(group, setup, vm))
        {
            let registers = registers_of(halt, group);
            match awareness::place(image, halt, group.stage2, &registers) {
                Ok(Some(placement)) => return Some((group.id, placement)),
                Ok(None) if !is_up(group, &registers) => awaited = true,
                Ok(None) => other = Some((group, "nothing of it is in its memory".to_owned())),
                Err(mismatch) => other = Some((group, mismatch.to_string())),
            }
        }
        let (group, why) = other?;
        // The one that is not up yet may be the one: nothing is wrong before it is.
        if awaited {
            return None;
        }
        let entry = &setup.vms[vm];
        if entry.force {
            return Some((group.id, TOLD));
        }
        self.refuse(image, &why, matching.map(|_| group.name.as_str()));
        None
    }

    /// Says that an image is not the one in memory, and what to do.
    fn refuse(&mut self, image: &Image, why: &str, whose: Option<&str>) {
        let id = image.build_id_text();
        let (name, id) = (
            image.name(),
            if id.is_empty() {
                "without build-id".to_owned()
            } else {
                format!("build-id {id}")
            },
        );
        self.pending.push(match whose {
            Some(whose) => format!(
                "{name} ({id}) is not what {whose} runs: {why}. Give the image it was booted from, or set force = true in the machine file"
            ),
            None => format!(
                "{name} ({id}) is run by no VM: {why}. Give the build that was booted, or name the VM with match; it is looked for again at each halt"
            ),
        });
    }
}

/// The user's word is all there is: as it was linked, for nothing tells where another build was moved to.
const TOLD: Placement = Placement {
    slide: 0,
    evidence: Evidence::Told,
    kind: GuestKind::Plain,
    kernel_ttbr1: None,
};

/// Whether a VM has come so far that its program could be recognised: it translates addresses.
fn is_up(group: &Group, registers: &[Registers]) -> bool {
    let space = |registers| AddressSpace::guest(registers, group.stage2).ok();
    registers
        .iter()
        .filter_map(space)
        .any(|space| space.stage1.is_some_and(|stage1| stage1.enabled))
}

fn registers_of(halt: &Halt, group: &Group) -> Vec<Registers> {
    group
        .threads
        .iter()
        .filter_map(|thread| crate::groups::registers(halt, thread))
        .collect()
}

/// Whether the user's match key allows this group.
fn is_meant(group: &Group, matching: Option<VmMatch>) -> bool {
    match matching {
        None => true,
        Some(VmMatch::Guest(number)) => group.guest.is_some_and(|guest| guest.0 == number),
        Some(VmMatch::Vmid(vmid)) => group.vmid == Some(Vmid(vmid)),
    }
}

/// Whether another entry of the machine file names this group outright.
fn is_claimed(group: &Group, setup: &Setup, vm: usize) -> bool {
    let others = setup
        .vms
        .iter()
        .enumerate()
        .filter(|(index, _)| *index != vm);
    others
        .filter_map(|(_, other)| other.matching)
        .any(|matching| is_meant(group, Some(matching)))
}

fn runs(group: &Group, slot: Slot) -> bool {
    group.images.iter().any(|placed| placed.slot == slot)
}

fn placed(
    slot: Slot,
    image: &Arc<Image>,
    placement: Placement,
    source_map: Arc<SourceMap>,
) -> PlacedImage {
    PlacedImage {
        slot,
        image: Arc::clone(image),
        placement,
        source_map,
    }
}

/// The awareness for a hypervisor's image.
fn aware_of(
    kind: HypervisorKind,
    image: &Arc<Image>,
    slide: u64,
) -> Result<Box<dyn Hypervisor>, String> {
    match kind {
        HypervisorKind::None => Ok(awareness::none()),
        HypervisorKind::Xen => awareness::xen(Arc::clone(image), slide),
        HypervisorKind::Hvdemo => awareness::hvdemo(image, slide),
        HypervisorKind::Auto => awareness::xen(Arc::clone(image), slide)
            .or_else(|why| awareness::hvdemo(image, slide).map_err(|_| why)),
    }
}
