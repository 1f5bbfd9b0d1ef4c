//! Following Xen's lists: bounded, and a damaged list gives its readable part and a note.

use machine::{GuestId, Va, Vcpu, VirtualMemory};

use super::layout::Layout;
use crate::mirror::Record;

/// Domains followed before a list counts as endless.
const MOST_DOMAINS: usize = 1024;
/// vCPUs read of one domain (`MAX_VIRT_CPUS` of Arm is 128).
const MOST_VCPUS: u64 = 4096;
/// vCPUs of one domain that may be damaged before its array counts as such.
const MOST_BAD: usize = 4;
/// The first of Xen's own domain ids (`DOMID_FIRST_RESERVED` of `xen/include/public/xen.h`); the idle domain is 0x7fff.
const FIRST_RESERVED: u64 = 0x7ff0;

/// A `struct domain`.
pub(super) struct FoundDomain {
    pub(super) id: GuestId,
    pub(super) record: Record,
    pub(super) vcpus: Vec<FoundVcpu>,
}

/// A `struct vcpu`.
pub(super) struct FoundVcpu {
    pub(super) index: u32,
    pub(super) record: Record,
}

impl FoundVcpu {
    pub(super) fn id(&self, domain: &FoundDomain) -> Vcpu {
        Vcpu {
            guest: domain.id,
            index: self.index,
        }
    }
}

/// Every domain on `domain_list`.
pub(super) fn domains(
    layout: &Layout,
    memory: &dyn VirtualMemory,
    notes: &mut Vec<String>,
) -> Vec<FoundDomain> {
    let fields = &layout.domain;
    let mut found: Vec<FoundDomain> = Vec::new();
    let mut next = memory.read_u64(layout.domain_list);
    let why = loop {
        let va = match next {
            Ok(0) => return found,
            Ok(va) => Va(va),
            Err(fault) => break fault.to_string(),
        };
        if found.iter().any(|domain| domain.record.base == va) {
            break format!("it leads back to the domain at {va}");
        }
        if found.len() == MOST_DOMAINS {
            break format!("it has more than {MOST_DOMAINS} domains");
        }
        let record = match Record::read(memory, va, fields.slots()) {
            Ok(record) => record,
            Err(fault) => break format!("the domain at {va} cannot be read: {fault}"),
        };
        let id = record.get(fields.domain_id).unwrap_or(FIRST_RESERVED);
        if id >= FIRST_RESERVED {
            break format!("what lies at {va} is no domain");
        }
        next = Ok(record.get(fields.next_in_list).unwrap_or(0));
        let id = GuestId(id as u32);
        let vcpus = vcpus(layout, memory, id, &record, notes);
        found.push(FoundDomain { id, record, vcpus });
    };
    notes.push(format!(
        "domain_list is followed only as far as its first {} domains: {why}",
        found.len()
    ));
    found
}

/// The vCPUs that a domain's array names.
fn vcpus(
    layout: &Layout,
    memory: &dyn VirtualMemory,
    id: GuestId,
    domain: &Record,
    notes: &mut Vec<String>,
) -> Vec<FoundVcpu> {
    let count = domain.get(layout.domain.max_vcpus).unwrap_or(0);
    let array = Va(domain.get(layout.domain.vcpu).unwrap_or(0));
    let mut pointers = vec![0; 8 * count.min(MOST_VCPUS) as usize];
    if let Err(fault) = memory.read(array, &mut pointers) {
        notes.push(format!(
            "domain {}: its array of {count} vCPUs at {array} cannot be read: {fault}",
            id.0
        ));
        return Vec::new();
    }
    let pointers = pointers.chunks_exact(8).enumerate();
    let named = pointers.map(|(index, bytes)| {
        let pointer = bytes
            .iter()
            .rev()
            .fold(0, |word, byte| word << 8 | u64::from(*byte));
        (index as u32, Va(pointer))
    });
    let mut found = Vec::new();
    let mut bad = 0;
    // An array entry is empty while the domain is being built.
    for (index, va) in named.filter(|(_, va)| va.0 != 0) {
        match vcpu(layout, memory, domain.base, index, va) {
            Ok(vcpu) => found.push(vcpu),
            Err(why) if bad < MOST_BAD => {
                bad += 1;
                notes.push(format!("domain {} vCPU {index} at {va}: {why}", id.0));
            }
            Err(_) => break,
        }
    }
    found
}

fn vcpu(
    layout: &Layout,
    memory: &dyn VirtualMemory,
    domain: Va,
    index: u32,
    va: Va,
) -> Result<FoundVcpu, String> {
    let record =
        Record::read(memory, va, layout.vcpu.slots()).map_err(|fault| fault.to_string())?;
    if record.get(layout.vcpu.domain) != Some(domain.0)
        || record.get(layout.vcpu.vcpu_id) != Some(u64::from(index))
    {
        return Err("what lies there is not that vCPU".to_owned());
    }
    Ok(FoundVcpu { index, record })
}

/// Whether the vCPU at `va` is an idle one: of Xen's own domain 0x7fff.
pub(super) fn is_idle(layout: &Layout, memory: &dyn VirtualMemory, va: Va) -> bool {
    let idle = || {
        let vcpu = Record::read(memory, va, [layout.vcpu.domain]).ok()?;
        let domain = Va(vcpu.get(layout.vcpu.domain)?);
        let domain = Record::read(memory, domain, [layout.domain.domain_id]).ok()?;
        domain.get(layout.domain.domain_id)
    };
    idle().is_some_and(|id| id >= FIRST_RESERVED)
}

/// The idle vCPU of the core that Xen numbers `number`.
pub(super) fn idle(layout: &Layout, memory: &dyn VirtualMemory, number: usize) -> Option<Record> {
    let entry = layout.idle_vcpu?.offset(8 * number as u64);
    let vcpu = memory.read_u64(entry).ok().filter(|vcpu| *vcpu != 0)?;
    let fields = &layout.vcpu;
    let slots = [
        fields.processor,
        fields.is_running,
        fields.state,
        fields.state_entry_time,
        fields.time,
    ];
    Record::read(memory, Va(vcpu), slots.into_iter().flatten()).ok()
}
