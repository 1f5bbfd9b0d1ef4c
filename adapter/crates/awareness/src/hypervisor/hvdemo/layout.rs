//! Which of hvdemo's symbols and fields are used, by the names of `adapter/demo/src/hypervisor/hv.h`.

use machine::{Register, SysReg, Va};
use symbols::Image;

use crate::mirror::{Facts, ImageFacts, Slot};

/// A damaged symbol table may claim anything.
const MOST_ELEMENTS: u64 = 64;

/// An array in the hypervisor's data.
#[derive(Clone, Copy, Debug)]
pub(super) struct Array {
    pub(super) base: Va,
    pub(super) stride: u64,
    pub(super) count: u64,
}

impl Array {
    pub(super) fn element(&self, index: u64) -> Va {
        self.base.offset(self.stride.wrapping_mul(index))
    }

    /// Which element begins at `va`.
    pub(super) fn index_of(&self, va: Va) -> Option<u64> {
        (0..self.count).find(|index| self.element(*index) == va)
    }
}

/// Everything used of hvdemo.
#[derive(Clone, Debug)]
pub(super) struct Layout {
    /// `struct vm vms[]`.
    pub(super) vms: Array,
    /// `struct pcpu pcpus[]`.
    pub(super) pcpus: Array,
    /// `struct pcpu`: `current` and `idle`.
    pub(super) current: Slot,
    pub(super) idle: Slot,
    pub(super) vm: VmFields,
    pub(super) vcpu: VcpuFields,
}

/// `struct vm`.
#[derive(Clone, Debug)]
pub(super) struct VmFields {
    pub(super) name: Slot,
    pub(super) vmid: Slot,
    pub(super) vttbr: Slot,
    pub(super) vcpu_count: Slot,
    /// The array of `struct vcpu` inside.
    pub(super) vcpus: Slot,
    pub(super) vcpu_size: u64,
}

/// `struct vcpu`.
#[derive(Clone, Debug)]
pub(super) struct VcpuFields {
    pub(super) state: Slot,
    pub(super) pcpu: Slot,
    pub(super) loaded: Slot,
    pub(super) state_since: Slot,
    pub(super) time_in: Slot,
    /// `regs`: the guest's general registers.
    pub(super) general: Vec<(Register, Slot)>,
    /// `el1`: the guest's system registers.
    pub(super) system: Vec<(Register, Slot)>,
    /// `hyp`: the hypervisor's own registers on the vCPU's EL2 stack.
    pub(super) own: Vec<(Register, Slot)>,
}

/// `struct el1_regs`: its fields are the registers' names in lower case.
const SYSTEM: [SysReg; 16] = [
    SysReg::SpEl0,
    SysReg::SpEl1,
    SysReg::ElrEl1,
    SysReg::SpsrEl1,
    SysReg::SctlrEl1,
    SysReg::Ttbr0El1,
    SysReg::Ttbr1El1,
    SysReg::TcrEl1,
    SysReg::MairEl1,
    SysReg::VbarEl1,
    SysReg::EsrEl1,
    SysReg::FarEl1,
    SysReg::ContextidrEl1,
    SysReg::TpidrEl0,
    SysReg::TpidrroEl0,
    SysReg::TpidrEl1,
];

impl Layout {
    /// Finds everything, or says what is missing.
    pub(super) fn resolve(image: &Image, slide: u64) -> Result<Self, String> {
        let facts = ImageFacts { image, slide };
        let pcpu = |path| facts.need_field("struct pcpu", path);
        let vm = |path| facts.need_field("struct vm", path);
        Ok(Self {
            vms: array(image, slide, "vms", "struct vm")?,
            pcpus: array(image, slide, "pcpus", "struct pcpu")?,
            current: pcpu("current")?,
            idle: pcpu("idle")?,
            vm: VmFields {
                name: vm("name")?,
                vmid: vm("vmid")?,
                vttbr: vm("vttbr")?,
                vcpu_count: vm("vcpu_count")?,
                vcpus: vm("vcpus")?,
                vcpu_size: size_of(image, "struct vcpu")?,
            },
            vcpu: VcpuFields::resolve(&facts)?,
        })
    }
}

impl VmFields {
    pub(super) fn slots(&self) -> [Slot; 4] {
        [self.name, self.vmid, self.vttbr, self.vcpu_count]
    }
}

impl VcpuFields {
    fn resolve(facts: &dyn Facts) -> Result<Self, String> {
        let field = |path: &str| facts.need_field("struct vcpu", path);
        let x = field("regs.x")?;
        let mut general: Vec<_> = (0..31)
            .map(|n| (Register::X(n), x.element(u64::from(n), 31)))
            .collect();
        general.push((Register::Pc, field("regs.pc")?));
        general.push((Register::Pstate, field("regs.pstate")?));

        let saved = field("hyp.x19_x28")?;
        let mut own: Vec<_> = (0..10)
            .map(|n| (Register::X(19 + n), saved.element(u64::from(n), 10)))
            .collect();
        own.push((Register::X(29), field("hyp.fp")?));
        own.push((Register::X(30), field("hyp.lr")?));
        own.push((Register::Sp, field("hyp.sp")?));

        let system = SYSTEM.iter().map(|register| {
            let slot = field(&format!("el1.{}", register.name().to_ascii_lowercase()))?;
            Ok((Register::Sys(*register), slot))
        });
        Ok(Self {
            state: field("state")?,
            pcpu: field("pcpu")?,
            loaded: field("loaded")?,
            state_since: field("state_since")?,
            time_in: field("time_in")?,
            system: system.collect::<Result<_, String>>()?,
            general,
            own,
        })
    }

    pub(super) fn slots(&self) -> impl Iterator<Item = Slot> {
        let registers = [&self.general, &self.system, &self.own];
        let scheduling = self.scheduling().into_iter().chain([self.loaded]);
        scheduling.chain(registers.into_iter().flatten().map(|(_, slot)| *slot))
    }

    /// What is known of when it ran.
    pub(super) fn scheduling(&self) -> [Slot; 4] {
        [self.state, self.pcpu, self.state_since, self.time_in]
    }
}

fn array(image: &Image, slide: u64, name: &str, element: &str) -> Result<Array, String> {
    let symbol = image
        .symbol_named(name)
        .ok_or_else(|| format!("it has no symbol {name}"))?;
    let stride = size_of(image, element)?;
    Ok(Array {
        base: symbol.address.placed(slide),
        stride,
        count: (symbol.size / stride).min(MOST_ELEMENTS),
    })
}

fn size_of(image: &Image, name: &str) -> Result<u64, String> {
    image
        .type_named(name)
        .and_then(|ty| image.size_of(ty))
        .filter(|size| *size != 0)
        .ok_or_else(|| format!("its debug information has no {name}"))
}
