//! Steps belong to one vCPU (or, in the hypervisor, one core) and are made of two moves: one instruction with the other cores
//! frozen, or a run to a temporary trap that only this vCPU may spring.

use machine::target::Trap;
use machine::{El, Pcpu, Register, Registers, Resume, SysReg, TargetError, Va};
use symbols::LinkVa;

use crate::context::{Context, Owner};
use crate::engine::{Engine, State};
use crate::groups::{Groups, Who};
use crate::halt::Halt;
use crate::stops::Verdict;
use crate::view::{
    EngineError, FrameKind, Granularity, GroupId, StepKind, StopCause, ThreadId, ThreadState,
};

/// A step under way.
pub(crate) struct Stepping {
    kind: StepKind,
    by: Granularity,
    /// The group whose code was executing when the step began.
    group: GroupId,
    /// The line that is left by the step; `None` where there is no source.
    line: Option<Line>,
    /// Where the core was before the instruction under way.
    before: Va,
    /// The core that was stepped last.
    core: Pcpu,
    phase: Phase,
}

/// The line a step leaves, and the function it is in.
#[derive(Clone, Debug)]
struct Line {
    path: String,
    number: u32,
    function: String,
    /// Whether a statement begins at the address.
    begins: bool,
    /// The functions this one is inlined into.
    outer: Vec<String>,
}

impl Line {
    fn is(&self, other: &Self) -> bool {
        (self.number, &self.path, &self.function) == (other.number, &other.path, &other.function)
    }
}

enum Phase {
    /// One instruction on this core.
    Single(Pcpu),
    /// All cores run until the thread comes to an address.
    RunTo(Goal),
}

struct Goal {
    group: GroupId,
    address: Va,
    thread: ThreadId,
    /// Deeper activations of the same function have a smaller stack pointer and do not count.
    least_sp: u64,
    /// Whether arriving ends the step.
    ends: bool,
}

impl Stepping {
    /// The temporary trap that has to be armed.
    pub(crate) fn trap(&self) -> Option<Trap> {
        match &self.phase {
            Phase::RunTo(goal) => Some(Trap::Execute(goal.address)),
            Phase::Single(_) => None,
        }
    }

    /// The core that was stepped last.
    pub(crate) fn core(&self) -> Pcpu {
        self.core
    }

    /// How the target goes on with the step.
    pub(crate) fn how(&self) -> Resume {
        match self.phase {
            Phase::Single(core) => Resume::Step(core),
            Phase::RunTo(_) => Resume::All,
        }
    }

    fn run_to(&mut self, goal: Goal) -> Verdict {
        self.phase = Phase::RunTo(goal);
        Verdict::Step(Resume::All)
    }

    fn single(&mut self, core: Pcpu, pc: Va) -> Verdict {
        self.before = pc;
        self.core = core;
        self.phase = Phase::Single(core);
        Verdict::Step(Resume::Step(core))
    }
}

/// Where a core is while it is stepped: one round trip.
struct Now {
    core: Pcpu,
    el: El,
    pc: Va,
    sp: u64,
    lr: Va,
    elr_el1: Option<Va>,
    elr_el2: Option<Va>,
}

impl Now {
    fn read(halt: &Halt, core: Pcpu) -> Result<Self, TargetError> {
        let wanted = [
            Register::Pc,
            Register::Pstate,
            Register::Sp,
            Register::X(30),
            Register::Sys(SysReg::ElrEl1),
            Register::Sys(SysReg::ElrEl2),
        ];
        let values = halt.target().registers(core, &wanted)?;
        let mut registers = Registers::default();
        for (register, value) in wanted.iter().zip(values) {
            if let Some(value) = value {
                registers.set(*register, value);
            }
        }
        Ok(Self {
            core,
            el: registers.el().unwrap_or(El::El1),
            pc: Va(registers.pc.unwrap_or_default()),
            sp: registers.sp.unwrap_or_default(),
            lr: Va(registers.x[30].unwrap_or_default()),
            elr_el1: registers.sys(SysReg::ElrEl1).map(Va),
            elr_el2: registers.sys(SysReg::ElrEl2).map(Va),
        })
    }
}

impl Engine {
    /// Begins a step of a thread; where it ends arrives as an event.
    ///
    /// # Errors
    /// The target runs or cannot run, or the thread is not known, or there is nothing to step out of.
    pub fn step(
        &mut self,
        thread: ThreadId,
        kind: StepKind,
        by: Granularity,
    ) -> Result<(), EngineError> {
        self.must_run()?;
        let frames = self.frames(thread)?;
        let halt = Self::halt_of(&self.state)?;
        let (group, who) = self
            .groups
            .thread(thread)
            .ok_or_else(|| EngineError::user(format!("there is no thread {}", thread.0)))?;
        let top = frames.first().filter(|frame| frame.kind == FrameKind::Code);
        let pc = top.and_then(|frame| frame.registers.pc).map(Va);
        let mut stepping = Stepping {
            kind,
            by,
            group: group.id,
            line: pc.and_then(|pc| line_at(&self.groups, group.id, pc)),
            before: pc.unwrap_or_default(),
            core: Pcpu(0),
            phase: Phase::Single(Pcpu(0)),
        };
        let core = stepped_core(halt, who.who, who.state);
        stepping.core = core.unwrap_or_default();
        let verdict = match (kind, core, pc) {
            (StepKind::Out, _, _) => {
                // The first frame that is a function of its own: inlined ones are left with the one they are in.
                let whole = frames.iter().position(|frame| !frame.inlined).unwrap_or(0);
                let caller = frames
                    .iter()
                    .skip(whole + 1)
                    .find(|frame| frame.kind == FrameKind::Code && frame.registers.pc.is_some());
                let caller = caller.ok_or_else(|| {
                    EngineError::user("there is no caller to step out to".to_owned())
                })?;
                let thread = if caller.group == group.id {
                    thread
                } else {
                    vcpu_behind(&self.groups, who.who, thread)
                };
                let least_sp = if caller.group == group.id {
                    caller.registers.sp.unwrap_or(0)
                } else {
                    0
                };
                let address = Va(caller.registers.pc.unwrap_or_default());
                stepping.run_to(Goal {
                    group: caller.group,
                    address,
                    thread,
                    least_sp,
                    ends: true,
                })
            }
            (_, Some(core), _) => stepping.single(core, pc.unwrap_or_default()),
            // Not executing now: wherever it is switched in again is where its step is done, or goes on.
            (_, None, Some(address)) => {
                let goal = Goal {
                    group: group.id,
                    address,
                    thread,
                    least_sp: 0,
                    ends: by == Granularity::Instruction,
                };
                stepping.run_to(goal)
            }
            (_, None, None) => {
                return Err(EngineError::user(
                    "where this thread executes is not known".to_owned(),
                ));
            }
        };
        self.stepping = Some(stepping);
        self.announce_continued(Some(thread));
        if let Verdict::Step(how) = verdict {
            self.go(how);
        }
        Ok(())
    }

    /// What a stop means for the step under way.
    pub(crate) fn step_verdict(&mut self, context: Context) -> Result<Verdict, TargetError> {
        let State::Halted(halt) = &self.state else {
            return Ok(Verdict::PassOn);
        };
        let Some(mut stepping) = self.stepping.take() else {
            return Ok(Verdict::PassOn);
        };
        let now = Now::read(halt, context.core)?;
        let verdict = match &stepping.phase {
            Phase::Single(core) if *core == context.core => {
                Some(self.after_instruction(&mut stepping, &now, context))
            }
            Phase::Single(_) => None,
            Phase::RunTo(goal) => {
                let there = context.pc == goal.address
                    && context.owner == Owner::Group(goal.group)
                    && now.sp >= goal.least_sp;
                let (thread, ends) = (goal.thread, goal.ends);
                if there {
                    self.refresh();
                }
                match (there && self.thread_at(context.core) == Some(thread), ends) {
                    (false, _) => None,
                    (true, true) => Some(self.finished()),
                    (true, false) => Some(self.after_instruction(&mut stepping, &now, context)),
                }
            }
        };
        self.stepping = Some(stepping);
        Ok(verdict.unwrap_or(Verdict::PassOn))
    }

    fn finished(&mut self) -> Verdict {
        self.refresh();
        Verdict::Report(StopCause::Step)
    }

    /// The core executed one instruction of the step, or came back to it.
    fn after_instruction(
        &mut self,
        stepping: &mut Stepping,
        now: &Now,
        context: Context,
    ) -> Verdict {
        let after = stepping.before.offset(4);
        let entered_hypervisor = now.el == El::El2 && stepping.group != GroupId::HYPERVISOR;
        let entered_kernel =
            now.el == El::El1 && stepping.before.0 >> 63 == 0 && now.pc.0 >> 63 == 1;
        // HVC and SVC leave the address behind them in ELR; aborts and trapped instructions their own.
        let by_call = |elr: Option<Va>| elr == Some(after);
        if stepping.by == Granularity::Instruction {
            let called = now.lr == after && now.pc != after;
            return match stepping.kind {
                StepKind::Over if entered_hypervisor => {
                    self.come_back(stepping, now, now.elr_el2, true)
                }
                StepKind::Over if called => self.come_back(stepping, now, Some(now.lr), true),
                _ => self.finished(),
            };
        }
        if entered_hypervisor {
            return match stepping.kind {
                StepKind::In if by_call(now.elr_el2) => self.finished(),
                _ => self.come_back(stepping, now, now.elr_el2, false),
            };
        }
        if entered_kernel {
            return self.come_back(stepping, now, now.elr_el1, false);
        }
        let Owner::Group(group) = context.owner else {
            return self.finished();
        };
        let here = line_at(&self.groups, group, now.pc);
        if now.lr == after && now.pc != after {
            return self.called(stepping, now, group);
        }
        match (&stepping.line, &here) {
            (Some(left), Some(here)) if left.is(here) => stepping.single(now.core, now.pc),
            // In a function inlined here, which is as good as called.
            (Some(left), Some(here))
                if stepping.kind == StepKind::Over && here.outer.contains(&left.function) =>
            {
                stepping.single(now.core, now.pc)
            }
            // Another line of the function, entered in its middle: not a place to stop at.
            (Some(left), Some(here)) if left.function == here.function && !here.begins => {
                stepping.line = Some(here.clone());
                stepping.single(now.core, now.pc)
            }
            // Code without lines that was not called: a tail call, a trampoline. Out of it again, if it was entered from a line.
            (Some(_), None) => self.come_back(stepping, now, Some(now.lr), false),
            _ => self.finished(),
        }
    }

    /// The instruction was a call.
    fn called(&mut self, stepping: &mut Stepping, now: &Now, group: GroupId) -> Verdict {
        let body = match stepping.kind {
            StepKind::In => body_of(&self.groups, group, now.pc),
            StepKind::Over | StepKind::Out => None,
        };
        match body {
            Some(body) if body == now.pc => self.finished(),
            Some(body) => {
                let Some(thread) = self.thread_stepped(now.core) else {
                    return self.finished();
                };
                stepping.run_to(Goal {
                    group,
                    address: body,
                    thread,
                    least_sp: 0,
                    ends: true,
                })
            }
            None => self.come_back(stepping, now, Some(now.lr), false),
        }
    }

    /// Runs until the code that was stepped goes on at `address`.
    fn come_back(
        &mut self,
        stepping: &mut Stepping,
        now: &Now,
        address: Option<Va>,
        ends: bool,
    ) -> Verdict {
        let thread = match stepping.group {
            GroupId::HYPERVISOR => self.groups.pcpu(now.core).map(|thread| thread.id),
            _ => self.groups.on_core(now.core).map(|(_, thread)| thread.id),
        };
        let (Some(address), Some(thread)) = (address, thread) else {
            return self.finished();
        };
        let same_stack = now.el != El::El2 || stepping.group == GroupId::HYPERVISOR;
        let least_sp = if same_stack && now.elr_el1 != Some(address) {
            now.sp
        } else {
            0
        };
        stepping.run_to(Goal {
            group: stepping.group,
            address,
            thread,
            least_sp,
            ends,
        })
    }

    fn thread_stepped(&mut self, core: Pcpu) -> Option<ThreadId> {
        self.refresh();
        self.thread_at(core)
    }
}

/// The core to step to move a thread by one instruction; `None` when it is not executing its own code now.
fn stepped_core(halt: &Halt, who: Who, state: ThreadState) -> Option<Pcpu> {
    use awareness::MachineView;
    match (who, state) {
        (Who::Pcpu(core), _) => Some(core),
        (Who::Vcpu(_), ThreadState::OnCore(core)) => {
            matches!(halt.registers(core).el(), Some(El::El0 | El::El1)).then_some(core)
        }
        (Who::Vcpu(_), _) => None,
    }
}

/// The vCPU a core of the hypervisor works for.
fn vcpu_behind(groups: &Groups, who: Who, otherwise: ThreadId) -> ThreadId {
    match who {
        Who::Pcpu(core) => groups
            .on_core(core)
            .map_or(otherwise, |(_, thread)| thread.id),
        Who::Vcpu(_) => otherwise,
    }
}

/// The source line of an address, in the innermost inlined function.
fn line_at(groups: &Groups, group: GroupId, pc: Va) -> Option<Line> {
    let placed = groups
        .get(group)?
        .image_at(pc)
        .filter(|placed| placed.image.is_prepared())?;
    let link = LinkVa::of(pc, placed.slide());
    let mut frames = placed.image.frames_at(link).into_iter();
    let frame = frames.next()?;
    let position = frame.position?;
    let span = placed.image.line_span(link);
    Some(Line {
        begins: span.is_none_or(|span| span.range.start == link && span.is_statement),
        path: position.path.to_string(),
        number: position.line,
        function: frame.name.to_string(),
        outer: frames.map(|frame| frame.name.to_string()).collect(),
    })
}

/// Where the body of the function that begins at `pc` does.
fn body_of(groups: &Groups, group: GroupId, pc: Va) -> Option<Va> {
    let placed = groups
        .get(group)?
        .image_at(pc)
        .filter(|placed| placed.image.is_prepared())?;
    let link = LinkVa::of(pc, placed.slide());
    let function = placed.image.function_at(link).or_else(|| {
        // Called at the symbol, which may lie before what DWARF calls the function (ftrace's NOPs).
        let (symbol, _) = placed.image.symbol_at(link)?;
        placed.image.functions_named(symbol.name).into_iter().next()
    })?;
    placed
        .image
        .body_start(function)
        .map(|body| body.placed(placed.slide()))
}
