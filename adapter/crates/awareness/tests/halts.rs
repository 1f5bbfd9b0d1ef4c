//! Real halts of Xen with Linux guests, when they are there: `HVDAP_HALTS` names a folder of halts and `HVDAP_XEN_TARGET` the
//! images they ran (`xen-syms`, `vmlinux-dom0`, `vmlinux-domu`). Without them nothing is tested.
//!
//! A halt is a folder with `registers` (lines `CORE NAME VALUE`, hexadecimal), `ram` (physical memory from 0x40000000, QEMU's
//! `pmemsave`), and optionally `images` (lines `DOMAIN IMAGE` where they are not the usual ones), `ram-ADDRESS` (pieces on top), `expected` (what another reader of Xen's structures found),
//! `core` (the core that was stepped along an exception's path) and `base` (the halt at the start of that path, which has the RAM).

#![allow(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "tests read the target's files"
)]

use std::collections::HashMap;
use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use awareness::{
    Evidence, GuestKind, MachineView, OnCore, Provenance, RunState, Survey, none, place,
    place_hypervisor, xen,
};
use machine::regs::SysReg;
use machine::space::{AddressSpace, View};
use machine::{
    El, GuestId, MemoryFault, Pa, Pcpu, PhysicalMemory, Register, Registers, Va, Vcpu,
    VirtualMemory,
};
use symbols::{Image, LinkVa};

const RAM: u64 = 0x4000_0000;

struct Halt {
    ram: File,
    size: u64,
    pieces: Vec<(u64, Vec<u8>)>,
    cores: Vec<Registers>,
}

impl Halt {
    fn open(folder: &Path) -> Self {
        let base = fs::read_to_string(folder.join("base")).map_or_else(
            |_| folder.to_owned(),
            |name| folder.with_file_name(name.trim()),
        );
        let ram = File::open(base.join("ram")).expect("a halt has ram");
        let size = ram.metadata().expect("its size").len();
        let pieces = fs::read_dir(folder)
            .expect("the halt's folder")
            .filter_map(|entry| {
                let path = entry.ok()?.path();
                let address = path.file_name()?.to_str()?.strip_prefix("ram-")?;
                Some((
                    u64::from_str_radix(address, 16).ok()?,
                    fs::read(&path).ok()?,
                ))
            })
            .collect();
        Self {
            ram,
            size,
            pieces,
            cores: registers(&fs::read_to_string(folder.join("registers")).expect("registers")),
        }
    }
}

fn registers(text: &str) -> Vec<Registers> {
    let mut cores: Vec<Registers> = Vec::new();
    for line in text.lines() {
        let words: Vec<&str> = line.split(' ').collect();
        let core: usize = words[0].parse().expect("a core");
        let value = u64::from_str_radix(words[2], 16).expect("a value");
        cores.resize(cores.len().max(core + 1), Registers::default());
        let register = match words[1] {
            "pc" => Register::Pc,
            "sp" => Register::Sp,
            "cpsr" => Register::Pstate,
            name => match name.strip_prefix('x').and_then(|n| n.parse().ok()) {
                Some(n) => Register::X(n),
                None => match SysReg::ALL.iter().find(|register| register.name() == name) {
                    Some(register) => Register::Sys(*register),
                    None => continue,
                },
            },
        };
        cores[core].set(register, value);
    }
    cores
}

impl PhysicalMemory for Halt {
    fn read_physical(&self, address: Pa, buffer: &mut [u8]) -> Result<(), MemoryFault> {
        for (start, bytes) in &self.pieces {
            let at = address.0.wrapping_sub(*start) as usize;
            if let Some(piece) = bytes.get(at..at.saturating_add(buffer.len())) {
                buffer.copy_from_slice(piece);
                return Ok(());
            }
        }
        let at = address.0.wrapping_sub(RAM);
        if at >= self.size {
            return Err(MemoryFault::Absent(address));
        }
        self.ram
            .read_exact_at(buffer, at)
            .map_err(|_| MemoryFault::Absent(address))
    }
}

impl MachineView for Halt {
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

struct Target {
    xen: Arc<Image>,
    dom0: Arc<Image>,
    domu: Arc<Image>,
    halts: Vec<PathBuf>,
}

fn target() -> Option<Target> {
    let art = PathBuf::from(std::env::var_os("HVDAP_XEN_TARGET")?);
    let mut halts: Vec<PathBuf> = fs::read_dir(std::env::var_os("HVDAP_HALTS")?)
        .ok()?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.join("registers").is_file())
        .collect();
    halts.sort();
    let image = |name: &str| {
        let bytes = fs::read(art.join(name)).expect("an image of the target");
        Arc::new(Image::parse(name, Arc::new(bytes)).expect("an ELF file"))
    };
    Some(Target {
        xen: image("xen-syms"),
        dom0: image("vmlinux-dom0"),
        domu: image("vmlinux-domu"),
        halts,
    })
}

/// `key value key value …` after the identifying words of a line.
fn fields<'a>(words: &[&'a str]) -> HashMap<&'a str, &'a str> {
    words
        .chunks_exact(2)
        .map(|pair| (pair[0], pair[1]))
        .collect()
}

fn number(text: &str) -> u64 {
    u64::from_str_radix(text, 16).expect("a hexadecimal number")
}

fn compare(survey: &Survey, halt: &Halt, expected: &str, name: &str) {
    for line in expected.lines() {
        let words: Vec<&str> = line.split(' ').collect();
        if words[0] == "domain" {
            let guest = survey
                .guest(GuestId(words[1].parse().expect("an id")))
                .expect("the domain");
            assert_eq!(
                guest.vmid.map(|vmid| vmid.0.to_string()).as_deref(),
                Some(words[3])
            );
            assert_eq!(
                guest.stage2.map(|stage2| stage2.vttbr),
                Some(number(words[5])),
                "{name}"
            );
            continue;
        }
        let vcpu = Vcpu {
            guest: GuestId(words[1].parse().expect("an id")),
            index: words[2].parse().expect("an index"),
        };
        let state = survey.vcpu(vcpu).expect("the vCPU");
        let expected = fields(&words[3..]);
        let run_state = [
            RunState::Running,
            RunState::Runnable,
            RunState::Blocked,
            RunState::Offline,
        ][expected["state"].parse::<usize>().expect("a state")];
        assert_eq!(state.run_state, run_state, "{name} {vcpu:?}");
        let on = expected["on"].parse().ok().map(Pcpu);
        assert_eq!(state.on_core, on, "{name} {vcpu:?}");
        assert_eq!(
            state.last_core,
            expected["processor"].parse().ok().map(Pcpu)
        );
        let times = state
            .times
            .expect("times")
            .map(|time| time.to_string())
            .join(",");
        assert_eq!(times, expected["times"]);
        if state.provenance != Provenance::Saved {
            continue;
        }
        let saved = state.registers(halt).expect("saved registers");
        // While Xen switches away from a vCPU, the other reader tells what was saved a switch ago.
        let core = halt.registers(state.last_core.expect("a core"));
        let same = |register, key: &str| {
            let value = saved.get(register);
            let unsaved = matches!(register, Register::Sys(_)) && value == core.get(register);
            assert!(
                value == Some(number(expected[key])) || unsaved,
                "{name} {vcpu:?} {key}"
            );
        };
        same(Register::Pc, "pc");
        same(Register::Pstate, "cpsr");
        same(Register::X(30), "lr");
        for (register, key) in [
            (SysReg::SpEl0, "sp_el0"),
            (SysReg::SpEl1, "sp_el1"),
            (SysReg::ElrEl1, "elr_el1"),
            (SysReg::Ttbr0El1, "ttbr0"),
            (SysReg::Ttbr1El1, "ttbr1"),
            (SysReg::TcrEl1, "ttbcr"),
            (SysReg::VbarEl1, "vbar"),
            (SysReg::TpidrEl1, "tpidr_el1"),
            (SysReg::ContextidrEl1, "contextidr"),
        ] {
            same(Register::Sys(register), key);
        }
    }
}

#[test]
fn surveys_agree_with_another_reader() {
    let Some(target) = target() else { return };
    let xen = xen(Arc::clone(&target.xen), 0).expect("Xen's layout");
    for folder in &target.halts {
        let Ok(expected) = fs::read_to_string(folder.join("expected")) else {
            continue;
        };
        let halt = Halt::open(folder);
        let name = folder.display().to_string();
        let survey = xen.survey(&halt);
        assert_eq!(survey.notes, Vec::<String>::new(), "{name}");
        compare(&survey, &halt, &expected, &name);
        check_hypervisor_side(&survey, &target.xen, &name);
        for (core, owner) in survey.on_core.iter().enumerate() {
            assert_ne!(*owner, OnCore::Unknown, "{name}");
            let registers = &halt.cores[core];
            if registers.el() < Some(El::El2) {
                let vmid = registers.sys(SysReg::VttbrEl2).expect("VTTBR_EL2") >> 48;
                let OnCore::Vcpu(vcpu) = owner else {
                    panic!("{name}: a core in a guest is nobody's")
                };
                assert_eq!(u64::from(vcpu.guest.0) + 1, vmid, "{name}");
            }
        }
    }
}

/// A vCPU on no core will go on where Xen switches contexts, on a stack of its own.
fn check_hypervisor_side(survey: &Survey, xen: &Image, name: &str) {
    for state in survey.guests.iter().flat_map(|guest| &guest.vcpus) {
        assert_eq!(
            state.hypervisor.is_some(),
            state.on_core.is_none(),
            "{name}"
        );
        let Some(side) = &state.hypervisor else {
            continue;
        };
        let pc = LinkVa(side.pc.expect("a pc"));
        let function = xen.symbol_at(pc).expect("a function of Xen").0.name;
        assert!(
            ["context_switch", "continue_new_vcpu"].contains(&function),
            "{name} {function}"
        );
        assert!(side.sp.is_some_and(|sp| sp > 0x8000_0000_0000), "{name}");
    }
}

#[test]
fn images_find_their_guests() {
    let Some(target) = target() else { return };
    let xen = xen(Arc::clone(&target.xen), 0).expect("Xen's layout");
    for folder in &target.halts {
        if folder.join("base").exists() {
            continue;
        }
        let halt = Halt::open(folder);
        let name = folder.display().to_string();
        let placed = place_hypervisor(&target.xen, &halt, &halt.cores).expect("this Xen");
        assert_eq!(
            placed.map(|placed| (placed.slide, placed.evidence)),
            Some((0, Evidence::BuildId))
        );
        let survey = xen.survey(&halt);
        let booted = folder.join("expected").exists();
        let images = fs::read_to_string(folder.join("images"))
            .unwrap_or_else(|_| "0 vmlinux-dom0\n1 vmlinux-domu\n".to_owned());
        for guest in &survey.guests {
            let vcpus = guest.registers(&halt);
            for image in [&target.dom0, &target.domu] {
                let found = place(image, &halt, guest.stage2, &vcpus).expect("no other build");
                let runs = images.contains(&format!("{} {}\n", guest.id.0, image.name()));
                assert!(runs || found.is_none(), "{name} {}", guest.name);
                assert!(
                    !(runs && booted) || found.is_some(),
                    "{name} {}",
                    guest.name
                );
                let Some(found) = found else { continue };
                assert_eq!(
                    (found.evidence, found.kind),
                    (Evidence::BuildId, GuestKind::Linux)
                );
                let comm = read_comm(&halt, image, &found, guest.stage2, &vcpus[0]);
                assert!(comm.starts_with("swapper"), "{name}: {comm}");
            }
        }
    }
}

/// `init_task.comm`, through the kernel's own space.
fn read_comm(
    halt: &Halt,
    image: &Image,
    placement: &awareness::Placement,
    stage2: Option<machine::space::Stage2>,
    vcpu: &Registers,
) -> String {
    let space = placement.kernel_space(AddressSpace::guest(vcpu, stage2).expect("a space"));
    let task = image.type_named("struct task_struct").expect("a type");
    let comm = image.field(task, "comm").expect("a field");
    let at = image
        .symbol_named("init_task")
        .expect("a symbol")
        .address
        .placed(placement.slide);
    let mut text = [0; 16];
    View::new(halt, space)
        .read(Va(at.0 + comm.offset), &mut text)
        .expect("kernel memory");
    String::from_utf8_lossy(&text).into_owned()
}

#[test]
fn the_entry_path_gives_the_interrupted_registers() {
    let Some(target) = target() else { return };
    let xen = xen(Arc::clone(&target.xen), 0).expect("Xen's layout");
    for folder in &target.halts {
        let Ok(core) = fs::read_to_string(folder.join("core")) else {
            continue;
        };
        let core = Pcpu(core.trim().parse().expect("a core"));
        let halt = Halt::open(folder);
        let base = fs::read_to_string(folder.join("base")).map_or_else(
            |_| folder.clone(),
            |name| folder.with_file_name(name.trim()),
        );
        let at_vector = Halt::open(&base);
        let wanted = at_vector.registers(core);
        let name = folder.display().to_string();
        let survey = xen.survey(&halt);
        let vcpu = survey.vcpu_on(core).expect("a vCPU");
        let state = survey.vcpu(vcpu).expect("its state");
        let now = halt.registers(core);
        if now.el() < Some(El::El2) {
            assert_eq!(state.provenance, Provenance::Live);
            continue;
        }
        assert_eq!(state.provenance, Provenance::Trapped, "{name}");
        let saved = state.saved.as_ref().expect("trapped registers");
        agree(saved, wanted, &name);
        assert_eq!(saved.pc, wanted.sys(SysReg::ElrEl2), "{name}");
        assert_eq!(saved.pstate, wanted.sys(SysReg::SpsrEl2), "{name}");
        assert_eq!(
            saved.sys(SysReg::SpEl1),
            wanted.sys(SysReg::SpEl1),
            "{name}"
        );
        // Without symbols the same is known as far as the entry path goes.
        let survey = none().survey(&halt);
        if let Some(vcpu) = survey.vcpu_on(core) {
            let state = survey.vcpu(vcpu).expect("its state");
            agree(
                state.saved.as_ref().expect("trapped registers"),
                wanted,
                &name,
            );
        }
    }
}

/// Every register that is known is right. Xen's answer to SMCCC_ARCH_WORKAROUND_2 drops x0 to x3 without saving them.
fn agree(saved: &Registers, wanted: &Registers, name: &str) {
    for (number, (saved, wanted)) in saved.x.iter().zip(wanted.x).enumerate() {
        assert!(saved.is_some() || number < 4, "{name} x{number}");
        assert!(saved.is_none() || *saved == wanted, "{name} x{number}");
    }
}
