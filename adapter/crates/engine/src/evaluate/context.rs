//! `$vmid`, `$guest`, `$vcpu`, `$pcpu`, `$el`: whose code a frame is and where it runs, as numbers for conditions.

use symbols::value::Scalar;

use super::{Operand, Scene};
use crate::groups::{Thread, Who};
use crate::view::ThreadState;

/// What stands for "none": the hypervisor has no VMID, a vCPU that is switched out no pCPU. A condition that asks for a number is
/// then simply not met.
const NONE: i64 = -1;

impl Scene<'_> {
    /// The value of such a name, in whatever case; `None` when it is none of them.
    pub(super) fn context(&self, name: &str) -> Option<Result<Operand, String>> {
        let value = match name.to_ascii_lowercase().as_str() {
            "vmid" => Ok(self.group.vmid.map_or(NONE, |vmid| i64::from(vmid.0))),
            "guest" => Ok(self.group.guest.map_or(NONE, |guest| i64::from(guest.0))),
            "vcpu" => self.thread(name).map(|thread| self.vcpu(thread)),
            "pcpu" => self.thread(name).map(pcpu),
            "el" => self.level(),
            _ => return None,
        };
        Some(value.map(|value| {
            Operand::Number(Scalar::Int {
                value: i128::from(value),
                bytes: 8,
                signed: true,
            })
        }))
    }

    fn thread(&self, name: &str) -> Result<&Thread, String> {
        let found = self.thread.and_then(|id| self.groups.thread(id));
        found
            .map(|(_, thread)| thread)
            .ok_or_else(|| format!("${name} needs a frame: select one"))
    }

    /// A core's stack goes on into the guest it works for: those frames are of the vCPU.
    fn vcpu(&self, thread: &Thread) -> i64 {
        match thread.who {
            Who::Vcpu(vcpu) => i64::from(vcpu.index),
            Who::Pcpu(core) => match self.groups.on_core(core) {
                Some((
                    group,
                    Thread {
                        who: Who::Vcpu(vcpu),
                        ..
                    },
                )) if group.id == self.group.id => i64::from(vcpu.index),
                _ => NONE,
            },
        }
    }

    fn level(&self) -> Result<i64, String> {
        let frame = self
            .frame
            .ok_or_else(|| "$el needs a frame: select one".to_owned())?;
        let level = self.frames[frame].registers.el();
        level
            .map(|el| i64::from(el as u8))
            .ok_or_else(|| "the exception level of this frame is not known".to_owned())
    }
}

fn pcpu(thread: &Thread) -> i64 {
    match (thread.who, thread.state) {
        (Who::Pcpu(core), _) | (_, ThreadState::OnCore(core)) => i64::from(core.0),
        _ => NONE,
    }
}
