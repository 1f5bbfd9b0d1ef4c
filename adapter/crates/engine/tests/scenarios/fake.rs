//! A target of a few cores that go where a plan says. It stops where real ones do: at a trap, whoever comes by.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use machine::target::{EventSink, HaltRequest, PhysicalRange, PhysicalRead, RunControl, Trap};
use machine::{
    MemoryFault, Pa, Pcpu, PhysicalMemory, Register, Registers, Resume, SharedMemory, Stop,
    StopReason, SysReg, Target, TargetError, TargetEvent, Va,
};

/// Where a core goes next.
pub(crate) struct Move {
    core: Pcpu,
    registers: Vec<(Register, u64)>,
}

impl Move {
    /// With this register too.
    pub(crate) fn with(mut self, register: Register, value: u64) -> Self {
        self.registers.push((register, value));
        self
    }
}

/// EL1h.
const KERNEL: u64 = 0b0101;
/// EL2h.
const HYPERVISOR: u64 = 0b1001;

/// The core executes VM `vm`, whose VMID and stage-2 root follow from the number, at `pc`.
pub(crate) fn in_vm(core: u16, vm: u64, pc: u64) -> Move {
    Move {
        core: Pcpu(core),
        registers: vec![
            (Register::Pc, pc),
            (Register::Pstate, KERNEL),
            (Register::Sys(SysReg::VttbrEl2), vttbr(vm)),
        ],
    }
}

/// The core executes the hypervisor at `pc`; `VTTBR_EL2` is what it was.
pub(crate) fn in_hypervisor(core: u16, pc: u64) -> Move {
    Move {
        core: Pcpu(core),
        registers: vec![(Register::Pc, pc), (Register::Pstate, HYPERVISOR)],
    }
}

/// VMID and root of a VM.
pub(crate) fn vttbr(vm: u64) -> u64 {
    vm << 48 | root(vm)
}

/// Where a VM's stage-2 table lies.
fn root(vm: u64) -> u64 {
    vm << 16
}

/// Where the memory of a VM lies: its first gigabyte is the machine's `vm`th.
pub(crate) fn ram(vm: u64) -> u64 {
    vm << 30
}

/// The cores, their memory and what the debugger did to them.
pub(crate) struct Machine {
    cores: Vec<Registers>,
    memory: Vec<(u64, Vec<u8>)>,
    plan: VecDeque<Move>,
    armed: Vec<Trap>,
    /// What it does not take.
    refused: Vec<Trap>,
    running: bool,
    /// Cores whose next instruction does not end.
    waiting: Vec<Pcpu>,
    pending: Option<TargetEvent>,
    sink: Option<EventSink>,
    broken: bool,
    /// A saved halt has no run control.
    pub(crate) saved: bool,
    /// Its memory can be used while it runs.
    shared: bool,
    pub(crate) log: Vec<String>,
}

/// `VTCR_EL2`: 40 bits from level 1 in two tables side by side, 4 KiB pages (Arm ARM D19.2.158).
const VTCR: u64 = 1 << 31 | 2 << 16 | 1 << 6 | 24;

impl Machine {
    /// All cores in the hypervisor at 0x8000, no VM seen, stage 1 switched off.
    pub(crate) fn new(cores: u16) -> Self {
        let mut registers = Registers::default();
        for x in 0..31 {
            registers.set(Register::X(x), 0);
        }
        for reg in SysReg::ALL {
            registers.set(Register::Sys(*reg), 0);
        }
        registers.set(Register::Sp, 0x9000);
        registers.set(Register::Pc, 0x8000);
        registers.set(Register::Pstate, HYPERVISOR);
        registers.set(Register::Sys(SysReg::HcrEl2), 1);
        registers.set(Register::Sys(SysReg::VtcrEl2), VTCR);
        let mut machine = Self {
            cores: vec![registers; usize::from(cores)],
            memory: Vec::new(),
            plan: VecDeque::new(),
            armed: Vec::new(),
            refused: Vec::new(),
            running: false,
            waiting: Vec::new(),
            pending: None,
            sink: None,
            broken: false,
            saved: false,
            shared: false,
            log: Vec::new(),
        };
        for vm in 1..4 {
            // A block of normal memory (Arm ARM D8.3.1.2): AF, S2AP read and write, MemAttr write-back.
            let block: u64 = ram(vm) | 1 << 10 | 3 << 6 | 0xf << 2 | 1;
            machine.write(root(vm), &block.to_le_bytes());
            machine.write(root(vm) + 8, &vec![0; 0x2000 - 8]);
        }
        machine
    }

    /// Puts a core somewhere.
    pub(crate) fn at(mut self, place: Move) -> Self {
        self.apply(place);
        self
    }

    /// Where cores go while they run, one after the other.
    pub(crate) fn plan(mut self, moves: impl IntoIterator<Item = Move>) -> Self {
        self.plan.extend(moves);
        self
    }

    pub(crate) fn saved(mut self) -> Self {
        self.saved = true;
        self
    }

    pub(crate) fn sharing(mut self) -> Self {
        self.shared = true;
        self
    }

    /// Refuses to arm a trap at an address.
    pub(crate) fn refusing(mut self, address: u64) -> Self {
        self.refused.push(Trap::Execute(Va(address)));
        self
    }

    pub(crate) fn accepts_everything(&mut self) {
        self.refused.clear();
    }

    /// The next instruction of a core takes until it is halted, as WFI does; the pc is behind it by then.
    pub(crate) fn waits(&mut self, core: u16) {
        self.waiting.push(Pcpu(core));
    }

    pub(crate) fn write(&mut self, address: u64, bytes: &[u8]) {
        self.memory.push((address, bytes.to_vec()));
    }

    /// The link breaks.
    pub(crate) fn breaks(&mut self) {
        self.broken = true;
        if self.running {
            self.pending = Some(TargetEvent::Lost(lost()));
            self.deliver();
        }
    }

    /// Adds to the plan of a machine that may be running.
    pub(crate) fn goes_on(&mut self, moves: impl IntoIterator<Item = Move>) {
        self.plan.extend(moves);
        if self.running {
            self.run(None);
        }
    }

    /// Whether it runs and nothing will happen by itself.
    pub(crate) fn is_idle(&self) -> bool {
        self.running && self.pending.is_none()
    }

    fn apply(&mut self, place: Move) {
        let core = &mut self.cores[usize::from(place.core.0)];
        for (register, value) in place.registers {
            core.set(register, value);
        }
    }

    fn is_trapped(&self, core: Pcpu) -> bool {
        let pc = self.cores[usize::from(core.0)].pc;
        pc.is_some_and(|pc| self.armed.contains(&Trap::Execute(Va(pc))))
    }

    /// Goes along the plan until a trap or its end. A core that stands at a trap springs it before anything else happens.
    fn run(&mut self, only: Option<Pcpu>) {
        let cores = (0..self.cores.len() as u16).map(Pcpu);
        let mut sprung = cores
            .filter(|core| only.is_none_or(|only| only == *core))
            .find(|core| self.is_trapped(*core));
        while sprung.is_none() {
            let Some(place) = self.plan.pop_front() else {
                return;
            };
            let core = place.core;
            self.apply(place);
            sprung = Some(core).filter(|core| self.is_trapped(*core));
        }
        self.stop(sprung.unwrap_or_default(), StopReason::Trap);
    }

    fn advance(&mut self, core: Pcpu) {
        let registers = &mut self.cores[usize::from(core.0)];
        registers.pc = registers.pc.map(|pc| pc + 4);
    }

    fn step(&mut self, core: Pcpu) {
        if let Some(at) = self.waiting.iter().position(|waiting| *waiting == core) {
            self.waiting.swap_remove(at);
            self.advance(core);
            return;
        }
        let next = self.plan.iter().position(|place| place.core == core);
        match next.and_then(|at| self.plan.remove(at)) {
            Some(place) => self.apply(place),
            None => self.advance(core),
        }
        self.stop(core, StopReason::Trap);
    }

    fn stop(&mut self, core: Pcpu, reason: StopReason) {
        self.pending = Some(TargetEvent::Stopped(Stop { core, reason }));
        self.deliver();
    }

    fn deliver(&mut self) {
        if let Some(sink) = self.sink.take() {
            if let Some(event) = self.pending.take() {
                self.running = false;
                sink(event);
            } else {
                self.sink = Some(sink);
            }
        }
    }

    fn read(&self, address: u64, buffer: &mut [u8]) -> bool {
        buffer
            .iter_mut()
            .zip(address..)
            .all(|(byte, at)| match self.byte(at) {
                Some(known) => {
                    *byte = known;
                    true
                }
                None => false,
            })
    }

    fn byte(&self, at: u64) -> Option<u8> {
        self.memory.iter().rev().find_map(|(start, bytes)| {
            let from = usize::try_from(at.checked_sub(*start)?).ok()?;
            bytes.get(from).copied()
        })
    }
}

fn lost() -> TargetError {
    TargetError::Lost {
        target: "the fake".to_owned(),
        reason: "it was unplugged".to_owned(),
    }
}

/// A machine that the test keeps a hand on.
#[derive(Clone)]
pub(crate) struct Shared(pub(crate) Arc<Mutex<Machine>>);

impl Shared {
    pub(crate) fn of(machine: Machine) -> Self {
        Self(Arc::new(Mutex::new(machine)))
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, Machine> {
        self.0.lock().expect("nothing panics while it is held")
    }

    fn linked(&self) -> Result<MutexGuard<'_, Machine>, TargetError> {
        let machine = self.lock();
        if machine.broken {
            Err(lost())
        } else {
            Ok(machine)
        }
    }

    /// The same, noting what the target was told.
    fn told(&self, what: String) -> Result<MutexGuard<'_, Machine>, TargetError> {
        let mut machine = self.linked()?;
        machine.log.push(what);
        Ok(machine)
    }
}

impl HaltRequest for Shared {
    fn request_halt(&self) {
        let mut machine = self.lock();
        if machine.running && machine.pending.is_none() {
            machine.log.push("halt".to_owned());
            machine.stop(Pcpu(0), StopReason::Halted);
        }
    }
}

impl Target for Shared {
    fn name(&self) -> &str {
        "the fake"
    }

    fn cores(&self) -> usize {
        self.lock().cores.len()
    }

    fn registers(
        &mut self,
        core: Pcpu,
        wanted: &[Register],
    ) -> Result<Vec<Option<u64>>, TargetError> {
        let machine = self.linked()?;
        let registers = &machine.cores[usize::from(core.0)];
        Ok(wanted.iter().map(|one| registers.get(*one)).collect())
    }

    fn read_physical(&mut self, pieces: &mut [PhysicalRead<'_>]) -> Result<(), TargetError> {
        let machine = self.linked()?;
        for piece in pieces {
            piece.ok = machine.read(piece.address.0, piece.buffer);
        }
        Ok(())
    }

    fn ram(&mut self) -> Result<Option<Vec<PhysicalRange>>, TargetError> {
        Ok(None)
    }

    fn shared_ram(&self) -> Option<Arc<dyn SharedMemory>> {
        let shared = self.lock().shared;
        shared.then(|| Arc::new(self.clone()) as Arc<_>)
    }

    fn run_control(&mut self) -> Option<&mut dyn RunControl> {
        let saved = self.lock().saved;
        if saved { None } else { Some(self) }
    }
}

impl PhysicalMemory for Shared {
    fn read_physical(&self, address: Pa, buffer: &mut [u8]) -> Result<(), MemoryFault> {
        let read = self.lock().read(address.0, buffer);
        read.then_some(()).ok_or(MemoryFault::Absent(address))
    }
}

impl SharedMemory for Shared {
    fn store_u32(&self, address: Pa, value: u32) -> Result<(), MemoryFault> {
        self.lock().write(address.0, &value.to_le_bytes());
        Ok(())
    }
}

impl RunControl for Shared {
    fn resume(&mut self, how: Resume) -> Result<(), TargetError> {
        let text = match how {
            Resume::All => "run".to_owned(),
            Resume::Step(core) => format!("step {}", core.0),
            Resume::Only(core) => format!("run {}", core.0),
        };
        let mut machine = self.told(text)?;
        assert!(!machine.running, "resumed while running");
        machine.running = true;
        machine.pending = None;
        match how {
            Resume::All => machine.run(None),
            Resume::Only(core) => machine.run(Some(core)),
            Resume::Step(core) => machine.step(core),
        }
        Ok(())
    }

    /// Time stands still here: either it has stopped already or it does not by itself.
    fn wait(&mut self, _at_most: Duration) -> Result<Option<Stop>, TargetError> {
        let mut machine = self.linked()?;
        match machine.pending.take() {
            Some(TargetEvent::Stopped(stop)) => {
                machine.running = false;
                Ok(Some(stop))
            }
            _ => Ok(None),
        }
    }

    fn watch(&mut self, sink: EventSink) {
        let mut machine = self.lock();
        machine.sink = Some(sink);
        machine.deliver();
    }

    fn halt_request(&self) -> Arc<dyn HaltRequest> {
        Arc::new(self.clone())
    }

    fn insert(&mut self, trap: Trap) -> Result<(), TargetError> {
        let mut machine = self.told(format!("arm {}", spell(trap)))?;
        assert!(!machine.running, "armed while running");
        if machine.refused.contains(&trap) {
            return Err(TargetError::Refused {
                target: "the fake".to_owned(),
                request: "a trap".to_owned(),
                reason: "no comparator is left".to_owned(),
            });
        }
        machine.armed.push(trap);
        Ok(())
    }

    fn remove(&mut self, trap: Trap) -> Result<(), TargetError> {
        let mut machine = self.told(format!("disarm {}", spell(trap)))?;
        assert!(!machine.running, "disarmed while running");
        machine.armed.retain(|armed| *armed != trap);
        Ok(())
    }

    fn write_register(
        &mut self,
        core: Pcpu,
        register: Register,
        value: u64,
    ) -> Result<(), TargetError> {
        self.linked()?.cores[usize::from(core.0)].set(register, value);
        Ok(())
    }

    fn write_physical(&mut self, address: Pa, bytes: &[u8]) -> Result<(), TargetError> {
        self.linked()?.write(address.0, bytes);
        Ok(())
    }

    fn detach(&mut self, leave_running: bool) -> Result<(), TargetError> {
        let how = if leave_running { "running" } else { "halted" };
        let mut machine = self.told(format!("detach, left {how}"))?;
        assert!(!machine.running, "detached while running");
        machine.armed.clear();
        Ok(())
    }
}

fn spell(trap: Trap) -> String {
    match trap {
        Trap::Execute(address) => address.to_string(),
        Trap::Data { address, .. } => format!("data {address}"),
    }
}
