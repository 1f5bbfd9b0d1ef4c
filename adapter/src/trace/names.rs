//! What guests, vCPUs, cores and tasks are called, and which vCPU is meant by a name.

use std::collections::BTreeMap;

use machine::{GuestId, Vcpu};
use trace::store::{Owner, Subject, View};

use crate::config::{Machine, VmMatch};

/// Names of guests that the user gave, in place of those in the trace.
#[derive(Clone, Debug, Default)]
pub struct Names {
    guests: BTreeMap<GuestId, String>,
    /// A guest that nobody has named is `VM 1`, and not one of Xen's.
    by_number: bool,
}

/// `1=DomU`: the hypervisor's number for a guest, and its name.
///
/// # Errors
/// When it is not that.
pub fn parse(text: &str) -> Result<(u32, String), String> {
    let wrong = || format!("`{text}` names no guest: write NUMBER=NAME, such as 1=DomU");
    let (number, name) = text.split_once('=').ok_or_else(wrong)?;
    let number = number.parse().map_err(|_| wrong())?;
    if name.is_empty() || name.contains('/') {
        return Err(wrong());
    }
    Ok((number, name.to_owned()))
}

impl Names {
    /// The names of a machine file's VMs that are matched by the hypervisor's number.
    pub fn of_machine(machine: &Machine) -> Self {
        let numbered = machine.vm.iter().filter_map(|vm| match vm.matching {
            Some(VmMatch::Guest(number)) => Some((GuestId(number), vm.name.clone())),
            _ => None,
        });
        Self {
            guests: numbered.collect(),
            by_number: false,
        }
    }

    /// The same for a trace of another hypervisor than Xen, whose guests are no domains.
    #[must_use]
    pub fn without_domains(self) -> Self {
        let by_number = true;
        Self { by_number, ..self }
    }

    /// Names a guest.
    pub fn give(&mut self, guest: GuestId, name: &str) {
        self.guests.insert(guest, name.to_owned());
    }

    /// The number of a guest named by the user, or by its number.
    ///
    /// # Errors
    /// Says how to name it.
    pub fn number(&self, wanted: &str) -> Result<GuestId, String> {
        let named = self
            .guests
            .iter()
            .find(|(_, name)| name.eq_ignore_ascii_case(wanted));
        let number = wanted
            .trim_start_matches("DomU")
            .trim_start_matches("Dom")
            .parse();
        let found = named.map(|(guest, _)| *guest).or(number.ok().map(GuestId));
        found.ok_or_else(|| {
            format!("nobody says which guest `{wanted}` is: add --name NUMBER={wanted}")
        })
    }

    /// The name of a guest: the user's, the trace's, or one by its number.
    #[must_use]
    pub fn guest(&self, view: View<'_>, guest: GuestId) -> String {
        let given = self.guests.get(&guest).map(String::as_str);
        match given.or_else(|| view.name(Subject::Guest(guest))) {
            Some(name) => name.to_owned(),
            None if self.by_number => format!("VM {}", guest.0),
            None if guest.0 == 0 => "Dom0".to_owned(),
            None => format!("DomU{}", guest.0),
        }
    }

    /// The name of a lane's owner: `pCPU 0`, `DomU/1`, `DomU: sh[45]`.
    #[must_use]
    pub fn owner(&self, view: View<'_>, owner: Owner) -> String {
        match owner {
            Owner::Machine => "machine".to_owned(),
            Owner::Pcpu(pcpu) => pcpu.to_string(),
            Owner::Vcpu(vcpu) => format!("{}/{}", self.guest(view, vcpu.guest), vcpu.index),
            Owner::Task(guest, task) => {
                let name = view.name(Subject::Task(guest, task)).unwrap_or_default();
                format!("{}: {name}[{task}]", self.guest(view, guest))
            }
            Owner::Others => "others".to_owned(),
        }
    }

    /// The lane of a vCPU named `DomU/0` or `1/0`.
    ///
    /// # Errors
    /// Lists the vCPUs that there are.
    pub fn vcpu(&self, view: View<'_>, wanted: &str) -> Result<u16, String> {
        let (guest, index) = wanted.rsplit_once('/').unwrap_or((wanted, ""));
        let number = guest.parse().ok();
        let is_meant = |vcpu: &Vcpu| {
            let named = self.guest(view, vcpu.guest).eq_ignore_ascii_case(guest);
            (named || number == Some(vcpu.guest.0)) && index.parse() == Ok(vcpu.index)
        };
        let lanes = (0_u16..).zip(view.owners());
        let vcpus = lanes.filter_map(|(lane, owner)| match owner {
            Owner::Vcpu(vcpu) => Some((lane, *vcpu)),
            _ => None,
        });
        let mut vcpus: Vec<(u16, Vcpu)> = vcpus.collect();
        let found = vcpus.iter().find(|(_, vcpu)| is_meant(vcpu));
        found.map(|(lane, _)| *lane).ok_or_else(|| {
            vcpus.sort_by_key(|(_, vcpu)| *vcpu);
            let mut vcpus = vcpus.iter();
            let known = vcpus.by_ref().take(MOST_LISTED);
            let known: Vec<_> = known
                .map(|(_, vcpu)| self.owner(view, Owner::Vcpu(*vcpu)))
                .collect();
            let more = if vcpus.next().is_some() { ", …" } else { "" };
            let known = known.join(", ");
            format!("the trace has no vCPU `{wanted}`: write VM/NUMBER, one of {known}{more}")
        })
    }
}

/// A message lists so many names.
const MOST_LISTED: usize = 16;
