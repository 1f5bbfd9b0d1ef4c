//! A small Xen in a megabyte: its structures laid out by hand, every list, switch and damage told as a line of a test.

use std::cell::Cell;

use machine::{MemoryFault, Pa, PhysicalMemory, Register, Vcpu};
use proptest::prelude::*;

use super::*;
use crate::hypervisor::{LossPlaces, RunTime};
use crate::mirror::Slot;

const RAM: u64 = 0x4000_0000;
const SIZE: usize = 1 << 20;

// One table at the start of RAM maps it flat; then Xen's variables and structures.
const DOMAIN_LIST: u64 = RAM + 0x1000;
const PER_CPU_OFFSET: u64 = RAM + 0x1100;
const CURR_VCPU: u64 = RAM + 0x1200;
const IDLE_VCPU: u64 = RAM + 0x1300;
const T_INFO: u64 = RAM + 0x1400;
const T_INFO_PAGES: u64 = RAM + 0x1408;
const DATA_SIZE: u64 = RAM + 0x140c;
const TB_INIT_DONE: u64 = RAM + 0x1410;
const TB_EVENT_MASK: u64 = RAM + 0x1414;
const NR_CPU_IDS: u64 = RAM + 0x1418;
const BOOT_COUNT: u64 = RAM + 0x1420;
const LOST_RECORDS: u64 = RAM + 0x1500;
const LOST_SINCE: u64 = RAM + 0x1508;
const IDLE_DOMAIN: u64 = RAM + 0x2000;
const DOMAINS: u64 = RAM + 0x1_0000;
const VCPUS: u64 = RAM + 0x2_0000;
const FRAMES: u64 = RAM + 0x4_0000;

/// What separates the per-CPU areas.
const PER_CPU: u64 = 0x10;

/// `(structure, path, offset, size)`.
const FIELDS: &[(&str, &str, u64, u64)] = &[
    ("struct domain", "domain_id", 0, 2),
    ("struct domain", "max_vcpus", 4, 4),
    ("struct domain", "vcpu", 8, 8),
    ("struct domain", "next_in_list", 16, 8),
    ("struct domain", "arch.p2m.vmid", 24, 2),
    ("struct domain", "arch.p2m.vttbr", 32, 8),
    ("struct vcpu", "vcpu_id", 0, 4),
    ("struct vcpu", "processor", 4, 4),
    ("struct vcpu", "domain", 8, 8),
    ("struct vcpu", "is_running", 16, 1),
    ("struct vcpu", "runstate.state", 20, 4),
    ("struct vcpu", "runstate.time", 24, 32),
    ("struct vcpu", "arch.cpu_info", 56, 8),
    ("struct vcpu", "arch.saved_context.x19", 64, 8),
    ("struct vcpu", "arch.saved_context.fp", 72, 8),
    ("struct vcpu", "arch.saved_context.sp", 80, 8),
    ("struct vcpu", "arch.saved_context.pc", 88, 8),
    ("struct vcpu", "arch.ttbr1", 96, 8),
    ("struct vcpu", "arch.contextidr", 104, 4),
    ("struct vcpu", "arch.hcr_el2", 112, 8),
    ("struct vcpu", "runstate.state_entry_time", 120, 8),
    ("struct cpu_info", "guest_cpu_user_regs", 0x10, 0x100),
    ("struct cpu_user_regs", "x0", 0, 8),
    ("struct cpu_user_regs", "lr", 8, 8),
    ("struct cpu_user_regs", "pc", 16, 8),
    ("struct cpu_user_regs", "cpsr", 24, 8),
    ("struct cpu_user_regs", "sp_el0", 32, 8),
    ("struct cpu_user_regs", "sp_el1", 40, 8),
];

/// The facts of [`FIELDS`], without those whose path contains `without`.
struct Told {
    without: &'static str,
}

impl Facts for Told {
    fn symbol(&self, name: &str) -> Option<Va> {
        let known = [
            ("domain_list", DOMAIN_LIST),
            ("__per_cpu_offset", PER_CPU_OFFSET),
            ("per_cpu__curr_vcpu", CURR_VCPU),
            ("idle_vcpu", IDLE_VCPU),
            ("t_info", T_INFO),
            ("t_info_pages", T_INFO_PAGES),
            ("data_size", DATA_SIZE),
            ("tb_init_done", TB_INIT_DONE),
            ("tb_event_mask", TB_EVENT_MASK),
            ("nr_cpu_ids", NR_CPU_IDS),
            ("boot_count", BOOT_COUNT),
            ("per_cpu__lost_records", LOST_RECORDS),
            ("per_cpu__lost_records_first_tsc", LOST_SINCE),
        ];
        let (_, at) = known.into_iter().find(|(known, _)| *known == name)?;
        (name != self.without).then_some(Va(at))
    }

    fn field(&self, structure: &str, path: &str) -> Option<Slot> {
        let (.., offset, size) = *FIELDS
            .iter()
            .find(|field| field.0 == structure && field.1 == path)?;
        (path != self.without).then_some(Slot { offset, size })
    }
}

fn told() -> Told {
    Told { without: "" }
}

/// The machine: two cores, idle, no domains.
#[derive(Clone)]
struct World {
    ram: Vec<u8>,
    cores: Vec<Registers>,
    reads: Cell<usize>,
}

impl World {
    fn new() -> Self {
        let mut world = Self {
            ram: vec![0; SIZE],
            cores: vec![el2_core(), el2_core()],
            reads: Cell::new(0),
        };
        world.write(RAM + 8, RAM | 0b101 | 1 << 10, 8); // 1 GiB block, MAIR index 1
        world.field("struct domain", "domain_id", IDLE_DOMAIN, 0x7fff);
        for core in 0..2 {
            let idle = world.idle(core);
            world.write(PER_CPU_OFFSET + 8 * core, core * PER_CPU, 8);
            world.write(CURR_VCPU + core * PER_CPU, idle, 8);
            world.write(IDLE_VCPU + 8 * core, idle, 8);
            world.vcpu_at(idle, IDLE_DOMAIN, core);
            world.field("struct vcpu", "processor", idle, core);
            world.field("struct vcpu", "is_running", idle, 1);
            world.cores[core as usize].set(Register::Sys(SysReg::TpidrEl2), core * PER_CPU);
        }
        world
    }

    fn idle(&self, core: u64) -> u64 {
        IDLE_DOMAIN + 0x100 * (core + 1)
    }

    fn write(&mut self, at: u64, value: u64, size: u64) {
        let at = (at - RAM) as usize;
        self.ram[at..at + size as usize].copy_from_slice(&value.to_le_bytes()[..size as usize]);
    }

    fn field(&mut self, structure: &str, path: &str, base: u64, value: u64) {
        let slot = told().field(structure, path).expect("a known field");
        self.write(base + slot.offset, value, slot.size.min(8));
    }

    fn domain(n: u64) -> u64 {
        DOMAINS + 0x1000 * n
    }

    fn vcpu(domain: u64, n: u64) -> u64 {
        VCPUS + 0x1000 * domain + 0x100 * n
    }

    fn frame(domain: u64, n: u64) -> u64 {
        FRAMES + 0x1000 * domain + 0x200 * n
    }

    fn vcpu_at(&mut self, va: u64, domain: u64, id: u64) {
        self.field("struct vcpu", "vcpu_id", va, id);
        self.field("struct vcpu", "domain", va, domain);
    }

    /// Adds domain `n` with its vCPUs, all runnable on core 0, at the end of the list.
    fn add(mut self, n: u64, vcpus: u64) -> Self {
        let domain = Self::domain(n);
        let array = domain + 0x100;
        match n {
            0 => self.write(DOMAIN_LIST, domain, 8),
            _ => self.field("struct domain", "next_in_list", Self::domain(n - 1), domain),
        }
        self.field("struct domain", "domain_id", domain, n);
        self.field("struct domain", "max_vcpus", domain, vcpus);
        self.field("struct domain", "vcpu", domain, array);
        self.field("struct domain", "arch.p2m.vmid", domain, n + 1);
        self.field("struct domain", "arch.p2m.vttbr", domain, vttbr(n));
        for id in 0..vcpus {
            let va = Self::vcpu(n, id);
            self.write(array + 8 * id, va, 8);
            self.vcpu_at(va, domain, id);
            self.field("struct vcpu", "runstate.state", va, 1);
            self.field("struct vcpu", "arch.cpu_info", va, Self::frame(n, id));
            self.field("struct vcpu", "arch.ttbr1", va, saved_ttbr1(n, id));
            self.field("struct vcpu", "arch.saved_context.pc", va, 0x25_0000);
            let frame = Self::frame(n, id) + 0x10;
            self.field("struct cpu_user_regs", "x0", frame, 0xf0 + id);
            self.field("struct cpu_user_regs", "pc", frame, FRAME_PC);
            self.field("struct cpu_user_regs", "cpsr", frame, 5);
            self.field("struct cpu_user_regs", "sp_el1", frame, 0x51);
        }
        self
    }

    /// Puts a vCPU on a core: current, running, its EL1 registers loaded.
    fn run(mut self, domain: u64, vcpu: u64, core: u64, el: El) -> Self {
        let va = Self::vcpu(domain, vcpu);
        self.write(CURR_VCPU + core * PER_CPU, va, 8);
        let idle = self.idle(core);
        self.field("struct vcpu", "is_running", idle, 0);
        self.field("struct vcpu", "runstate.state", idle, 1);
        self.set(domain, vcpu, "is_running", 1);
        self.set(domain, vcpu, "runstate.state", 0);
        self.set(domain, vcpu, "processor", core);
        let core = &mut self.cores[core as usize];
        core.set(Register::Sys(SysReg::VttbrEl2), vttbr(domain));
        core.set(Register::Sys(SysReg::Ttbr1El1), LIVE_TTBR1);
        core.pc = Some(LIVE_PC);
        core.pstate = Some(match el {
            El::El0 => 0,
            El::El1 => 5,
            _ => 9,
        });
        self
    }

    fn set(&mut self, domain: u64, vcpu: u64, path: &str, value: u64) {
        self.field("struct vcpu", path, Self::vcpu(domain, vcpu), value);
    }

    /// Trace buffers of 64 pages, described at the very end of RAM.
    fn with_trace(mut self) -> Self {
        self.write(T_INFO, RAM + SIZE as u64 - 0x1000, 8);
        self.write(T_INFO_PAGES, 1, 4);
        self.write(DATA_SIZE, 64 * 4096 - 8, 4);
        self.write(NR_CPU_IDS, 2, 4);
        self
    }

    fn survey(&self) -> Survey {
        Xen::new(&told()).expect("all facts").survey(self)
    }

    fn trace(&self, told: &Told) -> Result<TracePlaces, NoTrace> {
        Xen::new(told).expect("enough facts").trace(self)
    }

    fn run_times(&self) -> RunTimes {
        let xen = Xen::new(&told()).expect("all facts");
        xen.run_times(self).expect("EL2 can be read")
    }
}

const FRAME_PC: u64 = 0xffff_8000_1234;
const LIVE_PC: u64 = 0x20_0000;
const LIVE_TTBR1: u64 = 0x4100_0000;

fn vttbr(domain: u64) -> u64 {
    (domain + 1) << 48 | 0x4800_0000 | domain << 12
}

fn saved_ttbr1(domain: u64, vcpu: u64) -> u64 {
    0x4200_0000 | domain << 16 | vcpu << 12
}

fn el2_core() -> Registers {
    let mut core = Registers::default();
    core.x = [Some(7); 31];
    (core.sp, core.pc, core.pstate) = (Some(0x10), Some(LIVE_PC), Some(9));
    for (register, value) in [
        (SysReg::HcrEl2, 1),
        (SysReg::SctlrEl2, 1),
        (SysReg::Ttbr0El2, RAM),
        (SysReg::TcrEl2, 25 | 0b101 << 16), // 39 bits, 4 KiB pages, 48 bits out
        (SysReg::MairEl2, 0xff00),
        (SysReg::VtcrEl2, 0x8004_3594),
        (SysReg::VttbrEl2, 0),
        (SysReg::Ttbr1El1, LIVE_TTBR1),
        (SysReg::ContextidrEl1, 0),
    ] {
        core.set(Register::Sys(register), value);
    }
    core
}

impl PhysicalMemory for World {
    fn read_physical(&self, address: Pa, buffer: &mut [u8]) -> Result<(), MemoryFault> {
        self.reads.set(self.reads.get() + 1);
        let at = address.0.wrapping_sub(RAM) as usize;
        let bytes = self.ram.get(at..at.saturating_add(buffer.len()));
        buffer.copy_from_slice(bytes.ok_or(MemoryFault::Absent(address))?);
        Ok(())
    }
}

impl MachineView for World {
    fn memory(&self) -> &dyn PhysicalMemory {
        self
    }
    fn cores(&self) -> usize {
        self.cores.len()
    }
    fn registers(&self, core: Pcpu) -> &Registers {
        &self.cores[usize::from(core.0)]
    }
}

fn id(guest: u32, index: u32) -> Vcpu {
    Vcpu {
        guest: GuestId(guest),
        index,
    }
}

fn state(survey: &Survey, guest: u32, index: u32) -> &VcpuState {
    survey.vcpu(id(guest, index)).expect("a vCPU")
}

/// Provenance, pc and TTBR1_EL1 of a vCPU's registers.
fn look(survey: &Survey, guest: u32, index: u32) -> (Provenance, Option<u64>, Option<u64>) {
    let state = state(survey, guest, index);
    let saved = state.saved.as_ref();
    (
        state.provenance,
        saved.and_then(|saved| saved.pc),
        saved.and_then(|saved| saved.sys(SysReg::Ttbr1El1)),
    )
}

#[test]
fn domains_and_their_vcpus_are_listed() {
    let survey = World::new().add(0, 2).add(1, 2).add(2, 1).survey();
    assert_eq!(survey.notes, Vec::<String>::new());
    assert_eq!(survey.on_core, [OnCore::Idle, OnCore::Idle]);
    let names: Vec<_> = survey
        .guests
        .iter()
        .map(|guest| guest.name.as_str())
        .collect();
    assert_eq!(names, ["Dom0", "DomU1", "DomU2"]);
    let guest = &survey.guests[1];
    assert_eq!(guest.vmid, Some(Vmid(2)));
    assert_eq!(guest.stage2.map(|stage2| stage2.vttbr), Some(vttbr(1)));
    assert_eq!(guest.vcpus.len(), 2);
    assert_eq!(state(&survey, 1, 0).run_state, RunState::Runnable);
}

#[test]
fn a_vcpu_on_no_core_has_all_from_memory() {
    let survey = World::new().add(0, 2).survey();
    let expected = (Provenance::Saved, Some(FRAME_PC), Some(saved_ttbr1(0, 1)));
    assert_eq!(look(&survey, 0, 1), expected);
    let state = state(&survey, 0, 1);
    let saved = state.saved.as_ref().expect("registers");
    assert_eq!(
        (saved.x[0], saved.sp, saved.el()),
        (Some(0xf1), Some(0x51), Some(El::El1))
    );
    assert_eq!(saved.sys(SysReg::VttbrEl2), Some(vttbr(0)));
    let xen = state.hypervisor.as_ref().expect("Xen's side");
    assert_eq!((xen.pc, xen.el()), (Some(0x25_0000), Some(El::El2)));
}

#[test]
fn a_vcpu_that_executes_has_the_cores_registers() {
    let world = World::new().add(0, 2).run(0, 1, 1, El::El1);
    let survey = world.survey();
    assert_eq!(survey.on_core, [OnCore::Idle, OnCore::Vcpu(id(0, 1))]);
    assert_eq!(look(&survey, 0, 1), (Provenance::Live, None, None));
    let registers = state(&survey, 0, 1).registers(&world).expect("registers");
    assert_eq!(registers.pc, Some(LIVE_PC));
}

#[test]
fn a_trapped_vcpu_has_its_frame_and_live_el1_registers() {
    let survey = World::new().add(0, 2).run(0, 1, 1, El::El2).survey();
    assert_eq!(survey.on_core[1], OnCore::Vcpu(id(0, 1)));
    assert_eq!(
        look(&survey, 0, 1),
        (Provenance::Trapped, Some(FRAME_PC), Some(LIVE_TTBR1))
    );
}

#[test]
fn in_el2_the_vmid_is_not_believed() {
    let mut world = World::new().add(0, 1).add(1, 1).run(0, 0, 0, El::El2);
    world.cores[0].set(Register::Sys(SysReg::VttbrEl2), vttbr(1));
    let survey = world.survey();
    assert_eq!(survey.on_core[0], OnCore::Vcpu(id(0, 0)));
    let saved = state(&survey, 0, 0).saved.as_ref().expect("registers");
    assert_eq!(saved.sys(SysReg::VttbrEl2), Some(vttbr(0)));
}

/// `context_switch` from DomU1 vCPU 0 to Dom0 vCPU 0, `curr_vcpu` already set.
fn switching() -> World {
    let mut world = World::new().add(0, 1).add(1, 1);
    world.set(1, 0, "is_running", 1);
    world.set(1, 0, "runstate.state", 2);
    world.run(0, 0, 0, El::El2)
}

#[test]
fn within_a_switch_the_next_vcpus_registers_are_still_the_saved_ones() {
    let survey = switching().survey();
    assert_eq!(
        look(&survey, 0, 0),
        (Provenance::Trapped, Some(FRAME_PC), Some(saved_ttbr1(0, 0)))
    );
}

#[test]
fn within_a_switch_the_last_vcpus_registers_are_live_until_saved() {
    let mut world = switching();
    let live = (Provenance::Saved, Some(FRAME_PC), Some(LIVE_TTBR1));
    assert_eq!(look(&world.survey(), 1, 0), live);
    // Once saved, the core holds either its value or the next one's.
    let saved = (Provenance::Saved, Some(FRAME_PC), Some(saved_ttbr1(1, 0)));
    for now in [saved_ttbr1(1, 0), saved_ttbr1(0, 0)] {
        world.cores[0].set(Register::Sys(SysReg::Ttbr1El1), now);
        assert_eq!(look(&world.survey(), 1, 0), saved);
    }
}

#[test]
fn a_switch_from_idle_is_seen() {
    let mut world = World::new().add(0, 1).run(0, 0, 0, El::El2);
    let idle = world.idle(0);
    world.field("struct vcpu", "is_running", idle, 1);
    assert_eq!(look(&world.survey(), 0, 0).2, Some(saved_ttbr1(0, 0)));
}

#[test]
fn before_curr_vcpu_changes_nothing_has_happened() {
    // The scheduler has decided for vCPU 1, core 0 still works for vCPU 0.
    let mut world = World::new().add(0, 2).run(0, 0, 0, El::El2);
    world.set(0, 0, "runstate.state", 1);
    world.set(0, 1, "runstate.state", 0);
    world.set(0, 1, "is_running", 1);
    let survey = world.survey();
    assert_eq!(
        look(&survey, 0, 0),
        (Provenance::Trapped, Some(FRAME_PC), Some(LIVE_TTBR1))
    );
    assert_eq!(
        look(&survey, 0, 1),
        (Provenance::Saved, Some(FRAME_PC), Some(saved_ttbr1(0, 1)))
    );
}

#[test]
fn xen_numbers_cores_its_own_way() {
    let mut world = World::new().add(0, 1).run(0, 0, 0, El::El2);
    world.cores.swap(0, 1);
    let survey = world.survey();
    assert_eq!(survey.on_core, [OnCore::Idle, OnCore::Vcpu(id(0, 0))]);
    assert_eq!(state(&survey, 0, 0).last_core, Some(Pcpu(1)));
    // A core that is still off says nothing: then the target's order counts.
    world.cores[0].set(Register::Sys(SysReg::TpidrEl2), 0);
    assert_eq!(
        world.survey().on_core,
        [OnCore::Vcpu(id(0, 0)), OnCore::Idle]
    );
}

/// What is left of three domains after a damage, and one word of the note.
fn damaged(damage: impl FnOnce(&mut World), left: usize, word: &str) {
    let mut world = World::new().add(0, 1).add(1, 1).add(2, 1);
    damage(&mut world);
    let survey = world.survey();
    assert_eq!(survey.guests.len(), left, "{:?}", survey.notes);
    assert!(
        survey.notes.iter().any(|note| note.contains(word)),
        "{:?}",
        survey.notes
    );
}

#[test]
fn a_damaged_list_gives_its_readable_part() {
    let next = |world: &mut World, of: u64, to: u64| {
        world.field("struct domain", "next_in_list", World::domain(of), to);
    };
    damaged(|world| next(world, 2, World::domain(0)), 3, "leads back");
    damaged(|world| next(world, 1, World::domain(1)), 2, "leads back");
    damaged(|world| next(world, 0, 0x1234), 1, "cannot be read");
    damaged(|world| next(world, 0, IDLE_DOMAIN), 1, "no domain");
    damaged(
        |world| world.write(DOMAIN_LIST, 0xffff_ffff_ffff_fff8, 8),
        0,
        "cannot be read",
    );
}

#[test]
fn a_damaged_vcpu_is_left_out() {
    let array = World::domain(1) + 0x100;
    damaged(|world| world.write(array, 0x1234, 8), 3, "domain 1 vCPU 0");
    damaged(
        |world| world.write(array, World::vcpu(2, 0), 8),
        3,
        "not that vCPU",
    );
    damaged(
        |world| world.field("struct domain", "vcpu", World::domain(1), 8),
        3,
        "array",
    );
    damaged(
        |world| world.field("struct domain", "max_vcpus", World::domain(1), 0xffff_ffff),
        3,
        "vCPU",
    );
}

#[test]
fn a_wild_current_vcpu_is_nobody() {
    let mut world = World::new().add(0, 1);
    world.write(CURR_VCPU, 0x1238, 8);
    let survey = world.survey();
    assert_eq!(survey.on_core, [OnCore::Unknown, OnCore::Idle]);
    assert_eq!(survey.notes.len(), 1);
}

#[test]
fn what_a_build_lacks_is_named_or_left_out() {
    for needed in [
        "domain_list",
        "__per_cpu_offset",
        "max_vcpus",
        "next_in_list",
        "vcpu_id",
    ] {
        let why = Xen::new(&Told { without: needed })
            .err()
            .expect("cannot do without");
        assert!(why.contains(needed), "{why}");
    }
    let world = World::new().add(0, 1);
    let without = |without| {
        Xen::new(&Told { without })
            .expect("can do without")
            .survey(&world)
    };
    assert_eq!(without("arch.p2m.vttbr").guests[0].stage2, None);
    assert_eq!(without("arch.p2m.vttbr").guests[0].vmid, Some(Vmid(1)));
    assert_eq!(without("arch.p2m.vmid").guests[0].vmid, Some(Vmid(1)));
    assert_eq!(look(&without("arch.cpu_info"), 0, 0).0, Provenance::Unknown);
    assert_eq!(look(&without("arch.ttbr1"), 0, 0).2, None);
    assert_eq!(state(&without("runstate.time"), 0, 0).times, None);
    assert_eq!(
        state(&without("runstate.state"), 0, 0).run_state,
        RunState::Unknown
    );
}

#[test]
fn the_trace_is_found_in_physical_memory() {
    let places = World::new().with_trace().trace(&told());
    let loss = |core| LossPlaces {
        records: Pa(LOST_RECORDS + core * PER_CPU),
        since: Pa(LOST_SINCE + core * PER_CPU),
    };
    let expected = TracePlaces {
        t_info: Pa(RAM + SIZE as u64 - 0x1000),
        t_info_pages: 1,
        data_size: 64 * 4096 - 8,
        pcpus: 2,
        loss: vec![loss(0), loss(1)],
        enabled: Pa(TB_INIT_DONE),
        mask: Pa(TB_EVENT_MASK),
    };
    assert_eq!(places, Ok(expected));
}

#[test]
fn a_trace_that_is_not_there_is_missed_by_name() {
    let world = World::new().with_trace();
    for symbol in ["t_info", "data_size", "tb_init_done", "tb_event_mask"] {
        let missing = Told { without: symbol };
        assert_eq!(world.trace(&missing), Err(NoTrace::NotBuilt(symbol)));
    }
    let without = Told {
        without: "per_cpu__lost_records",
    };
    assert_eq!(world.trace(&without).map(|places| places.loss), Ok(vec![]));
    assert_eq!(World::new().trace(&told()), Err(NoTrace::NotAllocated));
    let mut lost = World::new().with_trace();
    lost.write(T_INFO, 1 << 38, 8);
    let variable = "t_info";
    let outcome = lost.trace(&told());
    assert!(
        matches!(outcome, Err(NoTrace::Unreadable { variable: of, .. }) if of == variable),
        "{outcome:?}"
    );
    let mut blind = World::new().with_trace();
    blind.cores = vec![Registers::default(); 2];
    assert!(matches!(blind.trace(&told()), Err(NoTrace::Blind(_))));
}

#[test]
fn a_pcpu_that_never_was_ends_the_counters() {
    let mut world = World::new().with_trace();
    world.write(NR_CPU_IDS, 4, 4);
    world.write(PER_CPU_OFFSET + 16, 0_u64.wrapping_sub(LOST_RECORDS), 8);
    let places = world.trace(&told()).expect("found");
    assert_eq!((places.pcpus, places.loss.len()), (4, 2));
}

#[test]
fn every_vcpu_has_its_account_the_idle_ones_too() {
    let mut world = World::new().add(0, 1).add(1, 1).run(1, 0, 1, El::El1);
    world.set(1, 0, "runstate.state_entry_time", 500);
    for (index, nanoseconds) in [100, 200, 150, 50].into_iter().enumerate() {
        let times = told().field("struct vcpu", "runstate.time");
        let time = times.expect("a field").element(index as u64, 4);
        world.write(World::vcpu(1, 0) + time.offset, nanoseconds, 8);
    }
    world.write(BOOT_COUNT, 0x1234, 8);
    let times = world.run_times();
    let who: Vec<Vcpu> = times.vcpus.iter().map(|one| one.vcpu).collect();
    assert_eq!(who, [id(0, 0), id(1, 0), id(0x7fff, 0), id(0x7fff, 1)]);
    let expected = RunTime {
        vcpu: id(1, 0),
        pcpu: Some(Pcpu(1)),
        state: RunState::Running,
        since: 500,
        times: [100, 200, 150, 50],
    };
    assert_eq!((times.vcpus[1], times.epoch), (expected, Some(0x1234)));
}

#[test]
fn without_el2_registers_nothing_is_claimed() {
    let mut world = World::new().add(0, 1);
    world.cores = vec![Registers::default(); 2];
    let survey = world.survey();
    assert_eq!(
        (survey.guests.len(), survey.on_core),
        (0, vec![OnCore::Unknown; 2])
    );
    assert!(survey.notes[0].contains("HCR_EL2"), "{:?}", survey.notes);
}

proptest! {
    /// Whatever memory holds, a survey ends, soon.
    #[test]
    fn any_damage_is_survived(
        damage in proptest::collection::vec((0..0x5_0000_u64, any::<u64>(), 1..9_u64), 1..24),
    ) {
        let mut world = World::new().add(0, 2).add(1, 2).add(2, 1).run(0, 0, 0, El::El2);
        for (at, value, size) in damage {
            // Mostly where something is.
            world.write(RAM + (at & !7), value, size);
        }
        world.survey();
        world.run_times();
        let _ = world.trace(&told());
        prop_assert!(world.reads.get() < 100_000);
    }

    /// The same with each structure's first words, where the lists are.
    #[test]
    fn any_links_are_survived(links in proptest::collection::vec((0..12_usize, 0..8_u64, 0..16_usize), 1..24)) {
        let places = [
            World::domain(0), World::domain(1), World::domain(2), World::domain(1) + 0x100, World::vcpu(0, 0), World::vcpu(1, 1),
            IDLE_DOMAIN, IDLE_VCPU, DOMAIN_LIST, PER_CPU_OFFSET, CURR_VCPU, FRAMES, 0, 8, u64::MAX, 0xffff_ffff,
        ];
        let mut world = World::new().add(0, 2).add(1, 2).add(2, 1).run(1, 0, 0, El::El2);
        for (place, word, value) in links {
            world.write(places[place] + 8 * word, places[value], 8);
        }
        world.survey();
        prop_assert!(world.reads.get() < 100_000);
    }
}
