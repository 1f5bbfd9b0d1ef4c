//! Which of Xen's symbols and fields are used, and where this build has them.
//!
//! Names are those of Xen 4.17 (`xen/include/xen/sched.h`, `xen/arch/arm/include/asm/{domain,p2m,current}.h`,
//! `asm/arm64/processor.h`, `xen/common/trace.c`). What a survey cannot do without is a [`Slot`], all else an `Option`.

use machine::Va;
use machine::regs::SysReg;

use crate::mirror::{Facts, Slot};

/// Everything used of Xen.
#[derive(Clone, Debug)]
pub(super) struct Layout {
    /// `struct domain *domain_list`.
    pub(super) domain_list: Va,
    /// `unsigned long __per_cpu_offset[]`.
    pub(super) per_cpu_offset: Va,
    /// The per-CPU variable `struct vcpu *curr_vcpu`.
    pub(super) curr_vcpu: Va,
    /// `struct vcpu *idle_vcpu[]`.
    pub(super) idle_vcpu: Option<Va>,
    /// `unsigned int nr_cpu_ids`.
    pub(super) nr_cpu_ids: Option<Va>,
    /// `uint64_t boot_count`: the counter when Xen's nanoseconds began.
    pub(super) boot_count: Option<Va>,
    /// The variables of `common/trace.c`, or the name of the first that this build lacks.
    pub(super) trace: Result<TraceSymbols, &'static str>,
    pub(super) domain: Domain,
    pub(super) vcpu: VcpuFields,
    pub(super) frame: Frame,
}

/// Variables of `common/trace.c`.
#[derive(Clone, Debug)]
pub(super) struct TraceSymbols {
    /// `struct t_info *t_info`.
    pub(super) t_info: Va,
    /// `unsigned int t_info_pages`.
    pub(super) t_info_pages: Va,
    /// `uint32_t data_size`.
    pub(super) data_size: Va,
    pub(super) tb_init_done: Va,
    /// `u32 tb_event_mask`.
    pub(super) tb_event_mask: Va,
    /// Per-CPU `unsigned long`.
    pub(super) lost_records: Option<Va>,
    /// Per-CPU `unsigned long`.
    pub(super) lost_records_first_tsc: Option<Va>,
}

/// `struct domain`.
#[derive(Clone, Debug)]
pub(super) struct Domain {
    pub(super) domain_id: Slot,
    pub(super) max_vcpus: Slot,
    pub(super) vcpu: Slot,
    pub(super) next_in_list: Slot,
    pub(super) vmid: Option<Slot>,
    pub(super) vttbr: Option<Slot>,
}

/// `struct vcpu`.
#[derive(Clone, Debug)]
pub(super) struct VcpuFields {
    pub(super) vcpu_id: Slot,
    pub(super) domain: Slot,
    pub(super) processor: Option<Slot>,
    pub(super) is_running: Option<Slot>,
    pub(super) state: Option<Slot>,
    pub(super) state_entry_time: Option<Slot>,
    pub(super) time: Option<Slot>,
    pub(super) cpu_info: Option<Slot>,
    /// `arch.saved_context`: x19 to x28, fp, sp, pc.
    pub(super) saved_x: Vec<(u8, Slot)>,
    pub(super) saved_sp: Option<Slot>,
    pub(super) saved_pc: Option<Slot>,
    /// EL1 registers while the vCPU is on no core.
    pub(super) system: Vec<(SysReg, Slot)>,
}

/// `struct cpu_user_regs` as it lies in `struct cpu_info`.
#[derive(Clone, Debug)]
pub(super) struct Frame {
    pub(super) x: Vec<(u8, Slot)>,
    pub(super) pc: Option<Slot>,
    pub(super) cpsr: Option<Slot>,
    pub(super) system: Vec<(SysReg, Slot)>,
}

/// `struct arch_vcpu`: its name for each register that `ctxt_switch_from` saves.
const SYSTEM: &[(SysReg, &str)] = &[
    (SysReg::Ttbr0El1, "arch.ttbr0"),
    (SysReg::Ttbr1El1, "arch.ttbr1"),
    (SysReg::TcrEl1, "arch.ttbcr"),
    (SysReg::SctlrEl1, "arch.sctlr"),
    (SysReg::VbarEl1, "arch.vbar"),
    (SysReg::MairEl1, "arch.mair"),
    (SysReg::ContextidrEl1, "arch.contextidr"),
    (SysReg::TpidrEl0, "arch.tpidr_el0"),
    (SysReg::TpidrEl1, "arch.tpidr_el1"),
    (SysReg::TpidrroEl0, "arch.tpidrro_el0"),
    (SysReg::EsrEl1, "arch.esr"),
    (SysReg::FarEl1, "arch.far"),
    (SysReg::HcrEl2, "arch.hcr_el2"),
    (SysReg::VmpidrEl2, "arch.vmpidr"),
];

/// `struct cpu_user_regs`: the system registers that the entry code saves with the general ones.
const FRAME_SYSTEM: &[(SysReg, &str)] = &[
    (SysReg::SpEl0, "sp_el0"),
    (SysReg::SpEl1, "sp_el1"),
    (SysReg::ElrEl1, "elr_el1"),
    (SysReg::SpsrEl1, "spsr_el1"),
];

impl Layout {
    /// Finds everything, or says what is missing that a survey cannot do without.
    pub(super) fn resolve(facts: &dyn Facts) -> Result<Self, String> {
        Ok(Self {
            domain_list: facts.need_symbol("domain_list")?,
            per_cpu_offset: facts.need_symbol("__per_cpu_offset")?,
            curr_vcpu: facts.need_symbol("per_cpu__curr_vcpu")?,
            idle_vcpu: facts.symbol("idle_vcpu"),
            nr_cpu_ids: facts.symbol("nr_cpu_ids"),
            boot_count: facts.symbol("boot_count"),
            trace: TraceSymbols::resolve(facts),
            domain: Domain::resolve(facts)?,
            vcpu: VcpuFields::resolve(facts)?,
            frame: Frame::resolve(facts),
        })
    }
}

impl TraceSymbols {
    fn resolve(facts: &dyn Facts) -> Result<Self, &'static str> {
        let need = |name| facts.symbol(name).ok_or(name);
        Ok(Self {
            t_info: need("t_info")?,
            t_info_pages: need("t_info_pages")?,
            data_size: need("data_size")?,
            tb_init_done: need("tb_init_done")?,
            tb_event_mask: need("tb_event_mask")?,
            lost_records: facts.symbol("per_cpu__lost_records"),
            lost_records_first_tsc: facts.symbol("per_cpu__lost_records_first_tsc"),
        })
    }
}

impl Domain {
    fn resolve(facts: &dyn Facts) -> Result<Self, String> {
        let need = |path| facts.need_field("struct domain", path);
        Ok(Self {
            domain_id: need("domain_id")?,
            max_vcpus: need("max_vcpus")?,
            vcpu: need("vcpu")?,
            next_in_list: need("next_in_list")?,
            vmid: facts.field("struct domain", "arch.p2m.vmid"),
            vttbr: facts.field("struct domain", "arch.p2m.vttbr"),
        })
    }

    pub(super) fn slots(&self) -> impl Iterator<Item = Slot> {
        let needed = [self.domain_id, self.max_vcpus, self.vcpu, self.next_in_list];
        needed.into_iter().chain(self.vmid).chain(self.vttbr)
    }
}

impl VcpuFields {
    fn resolve(facts: &dyn Facts) -> Result<Self, String> {
        let field = |path: &str| facts.field("struct vcpu", path);
        let saved = |name: &str| field(&format!("arch.saved_context.{name}"));
        let mut saved_x: Vec<_> = (19..29)
            .filter_map(|n| Some((n, saved(&format!("x{n}"))?)))
            .collect();
        saved_x.extend(saved("fp").map(|slot| (29, slot)));
        Ok(Self {
            vcpu_id: facts.need_field("struct vcpu", "vcpu_id")?,
            domain: facts.need_field("struct vcpu", "domain")?,
            processor: field("processor"),
            is_running: field("is_running"),
            state: field("runstate.state"),
            state_entry_time: field("runstate.state_entry_time"),
            time: field("runstate.time"),
            cpu_info: field("arch.cpu_info"),
            saved_x,
            saved_sp: saved("sp"),
            saved_pc: saved("pc"),
            system: known(SYSTEM, field),
        })
    }

    pub(super) fn slots(&self) -> impl Iterator<Item = Slot> {
        let options = [
            self.processor,
            self.is_running,
            self.state,
            self.state_entry_time,
            self.time,
            self.cpu_info,
            self.saved_sp,
            self.saved_pc,
        ];
        [self.vcpu_id, self.domain]
            .into_iter()
            .chain(options.into_iter().flatten())
            .chain(self.saved_x.iter().map(|(_, slot)| *slot))
            .chain(self.system.iter().map(|(_, slot)| *slot))
    }
}

impl Frame {
    fn resolve(facts: &dyn Facts) -> Self {
        let outer = facts.field("struct cpu_info", "guest_cpu_user_regs");
        let field = |name: &str| {
            let mut slot = facts.field("struct cpu_user_regs", name)?;
            slot.offset = slot.offset.checked_add(outer?.offset)?;
            Some(slot)
        };
        let mut x: Vec<_> = (0..29)
            .filter_map(|n| Some((n, field(&format!("x{n}"))?)))
            .collect();
        x.extend(field("fp").map(|slot| (29, slot)));
        x.extend(field("lr").map(|slot| (30, slot)));
        Self {
            x,
            pc: field("pc"),
            cpsr: field("cpsr"),
            system: known(FRAME_SYSTEM, field),
        }
    }

    pub(super) fn slots(&self) -> impl Iterator<Item = Slot> {
        let system = self.system.iter().map(|(_, slot)| *slot);
        let x = self.x.iter().map(|(_, slot)| *slot);
        x.chain(system).chain(self.pc).chain(self.cpsr)
    }
}

fn known(table: &[(SysReg, &str)], field: impl Fn(&str) -> Option<Slot>) -> Vec<(SysReg, Slot)> {
    table
        .iter()
        .filter_map(|(register, path)| Some((*register, field(path)?)))
        .collect()
}
