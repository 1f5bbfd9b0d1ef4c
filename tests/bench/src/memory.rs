//! A guest's memory read by the back end and the walks alone, without the adapter around them.

use std::cell::RefCell;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use backends::{Options, RamFile};
use machine::space::{AddressSpace, View};
use machine::target::PhysicalRead;
use machine::{
    El, MemoryFault, Pa, Pcpu, PhysicalMemory, Register, Registers, Resume, SysReg, Target, Va,
    VirtualMemory,
};

const PAGE: u64 = 4096;
/// DomU's tag in VTTBR_EL2.
const DOMU: u64 = 2;

/// A machine halted while a core runs DomU.
pub(crate) struct Guest {
    target: Memory,
    space: AddressSpace,
    vectors: u64,
}

/// Physical memory of a halted target, as the walks want it: pages with tables are read once.
struct Memory {
    target: RefCell<Box<dyn Target>>,
    tables: RefCell<HashMap<u64, Vec<u8>>>,
    file: Option<Arc<dyn PhysicalMemory + Send + Sync>>,
}

impl PhysicalMemory for Memory {
    fn read_physical(&self, address: Pa, buffer: &mut [u8]) -> Result<(), MemoryFault> {
        if let Some(file) = &self.file {
            return file.read_physical(address, buffer);
        }
        if buffer.len() == size_of::<u64>() {
            return self.read_descriptor(address, buffer);
        }
        self.read_by_packets(address, buffer)
    }
}

impl Memory {
    fn read_by_packets(&self, address: Pa, buffer: &mut [u8]) -> Result<(), MemoryFault> {
        let mut piece = [PhysicalRead {
            address,
            buffer,
            ok: false,
        }];
        let read = self.target.borrow_mut().read_physical(&mut piece);
        if read.is_ok() && piece[0].ok {
            Ok(())
        } else {
            Err(MemoryFault::Refused(address))
        }
    }

    fn read_descriptor(&self, address: Pa, buffer: &mut [u8]) -> Result<(), MemoryFault> {
        let page = address.align_down(PAGE);
        let mut tables = self.tables.borrow_mut();
        if let Entry::Vacant(slot) = tables.entry(page.0) {
            let mut bytes = vec![0; PAGE as usize];
            self.read_by_packets(page, &mut bytes)?;
            slot.insert(bytes);
        }
        let at = (address.0 - page.0) as usize;
        buffer.copy_from_slice(&tables[&page.0][at..at + buffer.len()]);
        Ok(())
    }
}

impl Guest {
    /// Halts the machine again and again until a core runs DomU.
    pub(crate) fn halt(spec: &str, ram: Option<&Path>) -> Guest {
        let ram = ram.map(|file| RamFile {
            file: file.to_owned(),
            address: Pa(0x4000_0000),
            size: 256 << 20,
        });
        let options = Options {
            ram: ram.into_iter().collect(),
        };
        let mut target = backends::open(spec, &options).expect("the target can be opened");
        for _ in 0..1000 {
            for core in 0..target.cores() {
                let core = Pcpu(u16::try_from(core).expect("few cores"));
                let registers = registers(target.as_mut(), core);
                let vmid = registers.sys(SysReg::VttbrEl2).map(|vttbr| vttbr >> 48);
                if registers.el() != Some(El::El2) && vmid == Some(DOMU) {
                    let space = AddressSpace::current(&registers).expect("all registers are known");
                    let vectors = registers.sys(SysReg::VbarEl1).expect("asked for");
                    let file = target.mapped_ram();
                    let target = Memory {
                        target: RefCell::new(target),
                        tables: RefCell::default(),
                        file,
                    };
                    return Guest {
                        target,
                        space,
                        vectors,
                    };
                }
            }
            let control = target.run_control().expect("it runs");
            control.resume(Resume::All).expect("it runs");
            std::thread::sleep(Duration::from_millis(5));
            control.halt_request().request_halt();
            control.wait(Duration::from_secs(10)).expect("it halts");
        }
        panic!("no core runs DomU");
    }

    /// Where the kernel's code begins, near enough: its vectors are in its first pages.
    pub(crate) fn kernel_text(&self) -> u64 {
        self.vectors & !0xffff
    }

    /// Reads by the guest's own addresses.
    pub(crate) fn read(&mut self, address: u64, buffer: &mut [u8]) {
        let view = View::new(&self.target, self.space);
        view.read(Va(address), buffer)
            .expect("the kernel's code is mapped");
    }

    /// Lets the machine run on.
    pub(crate) fn leave(self) {
        let mut target = self.target.target.into_inner();
        target
            .run_control()
            .expect("it runs")
            .detach(true)
            .expect("it is there");
    }
}

fn registers(target: &mut dyn Target, core: Pcpu) -> Registers {
    let system = [
        SysReg::HcrEl2,
        SysReg::MairEl1,
        SysReg::SctlrEl1,
        SysReg::TcrEl1,
        SysReg::Ttbr0El1,
        SysReg::Ttbr1El1,
        SysReg::VbarEl1,
        SysReg::VtcrEl2,
        SysReg::VttbrEl2,
    ];
    let wanted: Vec<_> = system
        .map(Register::Sys)
        .into_iter()
        .chain([Register::Pstate])
        .collect();
    let values = target.registers(core, &wanted).expect("the target answers");
    let mut found = Registers::default();
    for (register, value) in wanted.into_iter().zip(values) {
        if let Some(value) = value {
            found.set(register, value);
        }
    }
    found
}
