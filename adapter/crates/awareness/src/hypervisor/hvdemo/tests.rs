//! The embedded target's own ELF file, laid out in memory as QEMU does, with fields written by their DWARF names.

use std::sync::{Arc, LazyLock};

use machine::{MemoryFault, Pa, Pcpu, PhysicalMemory, Register, Registers, SysReg, Va, Vmid};
use symbols::{Image, LinkVa};

use proptest::prelude::*;

use super::layout::Layout;
use super::*;

const ELF: &[u8] = include_bytes!("../../../../../demo/hypervisor.elf");
const RAM: u64 = 0x4000_0000;
/// From link addresses to physical ones (`hypervisor.lds`).
const DISTANCE: u64 = 0x1f_c000_0000;
/// One level 1 table at the start of RAM: the GiB of link addresses onto RAM (Arm ARM D8.3.1, block).
const BLOCK: u64 = RAM | 1 << 10 | 1;

struct Machine {
    ram: Vec<u8>,
    cores: Vec<Registers>,
    layout: Layout,
}

impl PhysicalMemory for Machine {
    fn read_physical(&self, address: Pa, buffer: &mut [u8]) -> Result<(), MemoryFault> {
        let start = address.0.wrapping_sub(RAM) as usize;
        let bytes = self
            .ram
            .get(start..)
            .and_then(|ram| ram.get(..buffer.len()));
        buffer.copy_from_slice(bytes.ok_or(MemoryFault::Absent(address))?);
        Ok(())
    }
}

impl MachineView for Machine {
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

impl Machine {
    fn new(image: &Image) -> Self {
        let layout = Layout::resolve(image, 0).expect("the committed image is hvdemo");
        let mut machine = Self {
            ram: vec![0; 4 << 20],
            cores: Vec::new(),
            layout,
        };
        machine.ram[8 * 128..8 * 129].copy_from_slice(&BLOCK.to_le_bytes());
        let vms = image.symbol_named("vms").expect("a symbol");
        machine.load(image, vms.address, vms.size as usize);
        for vm in 0..2 {
            let pointer = machine.layout.vms.element(vm).0 + machine.layout.vm.name.offset;
            let bytes = image.bytes_at(LinkVa(pointer), 8).expect("vm.name");
            let name = bytes
                .iter()
                .rev()
                .fold(0, |word, byte| word << 8 | u64::from(*byte));
            machine.load(image, LinkVa(name), "courier\0".len());
        }
        for core in 0..2 {
            let mut registers = Registers::default();
            registers.set(Register::Pstate, 0x3c9);
            for (register, value) in [
                (SysReg::SctlrEl2, 0x30c5_183d),
                (SysReg::TcrEl2, 0x8082_3519),
                (SysReg::Ttbr0El2, RAM),
                (SysReg::MairEl2, 0xff),
                (SysReg::HcrEl2, 0x8008_2039),
                (SysReg::VtcrEl2, 0x8002_3559),
                (SysReg::CntfrqEl0, 62_500_000),
                (SysReg::TpidrEl2, machine.layout.pcpus.element(core).0),
            ] {
                registers.set(Register::Sys(register), value);
            }
            machine.cores.push(registers);
        }
        machine
    }

    fn load(&mut self, image: &Image, from: LinkVa, size: usize) {
        let bytes = image.bytes_at(from, size).expect("file content");
        let start = (from.0 - DISTANCE - RAM) as usize;
        self.ram[start..start + size].copy_from_slice(bytes);
    }

    fn write(&mut self, base: Va, slot: Slot, value: u64) {
        let start = (base.0 + slot.offset - DISTANCE - RAM) as usize;
        let size = slot.size.min(8) as usize;
        self.ram[start..start + size].copy_from_slice(&value.to_le_bytes()[..size]);
    }

    fn vcpu(&self, vm: u64, vcpu: u64) -> Va {
        let fields = &self.layout.vm;
        let vm = self.layout.vms.element(vm);
        vm.offset(fields.vcpus.offset + vcpu * fields.vcpu_size)
    }

    /// Puts a vCPU on a core.
    fn run(&mut self, core: u64, vcpu: Va) {
        let pcpu = self.layout.pcpus.element(core);
        self.write(pcpu, self.layout.current, vcpu.0);
        self.write(vcpu, self.layout.vcpu.pcpu, core);
        self.write(vcpu, self.layout.vcpu.state, RUNNING);
        self.write(vcpu, self.layout.vcpu.loaded, 1);
    }

    fn set_register(&mut self, vcpu: Va, register: Register, value: u64) {
        let fields = &self.layout.vcpu;
        let mut slots = fields.general.iter().chain(&fields.system);
        let (_, slot) = *slots
            .find(|(known, _)| *known == register)
            .expect("a field");
        self.write(vcpu, slot, value);
    }
}

fn image() -> Arc<Image> {
    static IMAGE: LazyLock<Arc<Image>> = LazyLock::new(|| {
        Arc::new(Image::parse("hypervisor.elf", Arc::new(ELF)).expect("an ELF file"))
    });
    IMAGE.clone()
}

fn survey(machine: &Machine, image: &Arc<Image>) -> Survey {
    let demo = hvdemo(image, 0).expect("the committed image is hvdemo");
    demo.survey(machine)
}

#[test]
fn names_the_vms_and_counts_their_vcpus() {
    let image = image();
    let machine = Machine::new(&image);
    let survey = survey(&machine, &image);
    let told: Vec<_> = survey
        .guests
        .iter()
        .map(|guest| (guest.name.as_str(), guest.vcpus.len()))
        .collect();
    assert_eq!(told, [("blinky", 2), ("courier", 1)]);
    assert_eq!(survey.on_core, [OnCore::Unknown; 2]);
}

#[test]
fn tells_live_trapped_and_saved_registers_apart() {
    let image = image();
    let mut machine = Machine::new(&image);
    let [live, saved, trapped] = [machine.vcpu(0, 0), machine.vcpu(0, 1), machine.vcpu(1, 0)];
    let vttbr = machine.layout.vm.vttbr;
    machine.write(machine.layout.vms.element(1), vttbr, 2 << 48 | 0x4021_4000);
    machine.run(0, live);
    machine.cores[0].set(Register::Pstate, 0x3c5);
    machine.run(1, trapped);
    for (vcpu, pc) in [(saved, 0x1000), (trapped, 0x2000)] {
        machine.set_register(vcpu, Register::Pc, pc);
        machine.set_register(vcpu, Register::X(30), pc + 1);
        machine.set_register(vcpu, Register::Pstate, 0x3c5);
        machine.set_register(vcpu, Register::Sys(SysReg::SpEl1), pc + 2);
    }
    machine.write(saved, machine.layout.vcpu.state, BLOCKED);
    machine.write(saved, machine.layout.vcpu.time_in.element(BLOCKED, 4), 125);
    machine.cores[1].set(Register::Sys(SysReg::SpEl1), 0x7000);

    let survey = survey(&machine, &image);
    let [blinky, courier] = &survey.guests[..] else {
        panic!("two VMs");
    };
    assert_eq!(courier.vmid, Some(Vmid(2)));
    let [first, second] = &blinky.vcpus[..] else {
        panic!("two vCPUs");
    };
    assert_eq!(
        survey.on_core,
        [
            OnCore::Vcpu(first.vcpu),
            OnCore::Vcpu(courier.vcpus[0].vcpu)
        ]
    );
    assert_eq!((first.provenance, &first.saved), (Provenance::Live, &None));

    assert_eq!(second.provenance, Provenance::Saved);
    assert_eq!(second.run_state, RunState::Blocked);
    assert_eq!(second.times, Some([0, 0, 2000, 0]));
    let registers = second.saved.as_ref().expect("saved registers");
    assert_eq!(
        (registers.pc, registers.x[30], registers.sp),
        (Some(0x1000), Some(0x1001), Some(0x1002))
    );

    let trapped = &courier.vcpus[0];
    assert_eq!(trapped.provenance, Provenance::Trapped);
    let registers = trapped.saved.as_ref().expect("trapped registers");
    assert_eq!(
        (registers.pc, registers.x[30], registers.sp),
        (Some(0x2000), Some(0x2001), Some(0x7000)),
        "general registers from memory, SP_EL1 from the core"
    );
}

#[test]
fn an_idle_core_is_idle() {
    let image = image();
    let mut machine = Machine::new(&image);
    let pcpu = machine.layout.pcpus.element(1);
    let idle = pcpu.offset(machine.layout.idle.offset);
    machine.write(pcpu, machine.layout.current, idle.0);
    let survey = survey(&machine, &image);
    assert_eq!(survey.on_core, [OnCore::Unknown, OnCore::Idle]);
}

#[test]
fn damage_is_noted_and_bounded() {
    let image = image();
    let mut machine = Machine::new(&image);
    let vm = machine.layout.vms.element(0);
    let fields = machine.layout.vm.clone();
    machine.write(vm, fields.vcpu_count, u64::from(u32::MAX));
    machine.write(vm, fields.name, 0x1234);
    machine
        .ram
        .truncate((machine.layout.vms.element(1).0 - DISTANCE - RAM) as usize);
    let survey = survey(&machine, &image);
    assert_eq!(survey.guests.len(), 1);
    assert_eq!(survey.guests[0].name, "VM 0");
    assert_eq!(survey.guests[0].vcpus.len(), 2);
    assert_eq!(survey.notes.len(), 1);
}

#[test]
fn the_account_of_time_is_told_in_nanoseconds() {
    let image = image();
    let mut machine = Machine::new(&image);
    let fields = machine.layout.vcpu.clone();
    let (blocked, idle) = (machine.vcpu(0, 1), machine.layout.pcpus.element(1));
    let idle = idle.offset(machine.layout.idle.offset);
    machine.write(blocked, fields.state, BLOCKED);
    machine.write(blocked, fields.pcpu, 1);
    machine.write(blocked, fields.state_since, 1000);
    machine.write(blocked, fields.time_in.element(RUNNING, 4), 125);
    machine.write(idle, fields.state, RUNNABLE);
    machine.write(idle, fields.time_in.element(RUNNABLE, 4), 250);

    let demo = hvdemo(&image, 0).expect("the committed image is hvdemo");
    let times = demo.run_times(&machine).expect("an account");
    assert_eq!(times.epoch, Some(0));
    let found: Vec<(u32, u32)> = times
        .vcpus
        .iter()
        .map(|time| (time.vcpu.guest.0, time.vcpu.index))
        .collect();
    assert_eq!(found, [(0, 0), (0, 1), (1, 0), (0x7fff, 0), (0x7fff, 1)]);
    let second = times.vcpus[1];
    assert_eq!(
        (second.pcpu, second.state),
        (Some(Pcpu(1)), RunState::Blocked)
    );
    assert_eq!((second.since, second.times), (16_000, [2000, 0, 0, 0]));
    assert_eq!(times.vcpus[4].times, [0, 4000, 0, 0]);
}

proptest! {
    #[test]
    fn any_memory_is_survived(seed in proptest::collection::vec(any::<u64>(), 64)) {
        let image = image();
        let mut machine = Machine::new(&image);
        let vms = machine.layout.vms.base.0 - DISTANCE - RAM;
        let words = machine.ram[vms as usize..].chunks_exact_mut(8);
        for (word, value) in words.zip(seed.iter().cycle()).take(2048) {
            word.copy_from_slice(&value.to_le_bytes());
        }
        let survey = survey(&machine, &image);
        prop_assert_eq!(survey.on_core.len(), 2);
    }
}
