//! What every source is decoded into: one thing that happened at one time on one physical core.

use std::fmt;

use machine::ids::{GuestId, Pcpu, Vcpu};

/// A reading of the generic timer's physical counter, `CNTPCT_EL0`: ticks of `CNTFRQ_EL0`, the same on all cores
/// (Arm ARM D12.1). Guests' clocks are converted on the way in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticks(pub u64);

/// The guest whose vCPUs run where nothing else does; its vCPU n is the idle loop of pCPU n (Xen: `DOMID_IDLE`).
pub const IDLE: GuestId = GuestId(0x7fff);

/// What the hypervisor's scheduler says of a vCPU (Xen 4.17 `public/vcpu.h`, `RUNSTATE_*`, same numbers).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum RunState {
    /// On a core.
    Running = 0,
    /// Wants a core and has none: the guest sees it as steal time.
    Runnable = 1,
    /// Waits for an event.
    Blocked = 2,
    /// Neither runnable nor blocked: paused, shut down or never started.
    Offline = 3,
}

/// One thing that happened, at most 40 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event {
    /// When.
    pub time: Ticks,
    /// The core that recorded it. A vCPU is often woken by another core than the one it runs on next.
    pub pcpu: Pcpu,
    /// What.
    pub what: What,
}

/// The kinds of [`Event`]. To add one: decode it in a `format`, give it a meaning in `timeline`, and a row in the docs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// A vCPU went from one run state to another, or was found in the same.
    RunState {
        /// Whose.
        vcpu: Vcpu,
        /// Before.
        from: RunState,
        /// From now on.
        to: RunState,
    },
    /// The scheduler looked and let the vCPU go on.
    Continue {
        /// Which.
        vcpu: Vcpu,
    },
    /// The core was given from one vCPU to another.
    Switch {
        /// The one that ran.
        from: Vcpu,
        /// The one that runs.
        to: Vcpu,
    },
    /// The vCPU just switched away from had run this long.
    Ran {
        /// Which.
        vcpu: Vcpu,
        /// Nanoseconds, modulo 2³².
        nanoseconds: u32,
    },
    /// The vCPU just switched to had waited this long.
    Waited {
        /// Which.
        vcpu: Vcpu,
        /// Nanoseconds, modulo 2³².
        nanoseconds: u32,
        /// What it may run for, in nanoseconds modulo 2³².
        slice: u32,
    },
    /// A vCPU was woken, by whatever ran on this core.
    Wake {
        /// Which.
        vcpu: Vcpu,
    },
    /// A vCPU was put to sleep.
    Sleep {
        /// Which.
        vcpu: Vcpu,
    },
    /// A vCPU gave its core away but stays runnable.
    Yield {
        /// Which.
        vcpu: Vcpu,
    },
    /// A vCPU waits for an event.
    Block {
        /// Which.
        vcpu: Vcpu,
    },
    /// The scheduler's own measure of a vCPU's right to run (Xen credit2: credit; RTDS: remaining budget).
    Credit {
        /// Whose.
        vcpu: Vcpu,
        /// The scheduler's unit; the greater runs first.
        credit: i32,
    },
    /// The scheduler moved a vCPU between cores or run queues.
    Migrate {
        /// Which.
        vcpu: Vcpu,
        /// From this core or run queue.
        from: u16,
        /// To this one.
        to: u16,
    },
    /// A deadline passed before the vCPU had its budget.
    DeadlineMissed {
        /// Which.
        vcpu: Vcpu,
    },
    /// The guest's code was left for the hypervisor.
    Exit {
        /// Who ran.
        vcpu: Vcpu,
        /// `ESR_EL2` of the trap, or 0 for an interrupt.
        syndrome: u32,
    },
    /// The hypervisor returned to the guest's code.
    Enter {
        /// Who runs.
        vcpu: Vcpu,
    },
    /// A vCPU called the hypervisor.
    Hypercall {
        /// Who.
        vcpu: Vcpu,
        /// The hypervisor's own number of the call.
        number: u32,
    },
    /// An interrupt was made pending for a vCPU.
    Inject {
        /// Whose.
        vcpu: Vcpu,
        /// The virtual INTID.
        interrupt: u32,
    },
    /// The guest's own scheduler switched tasks on a vCPU.
    Task {
        /// On which.
        vcpu: Vcpu,
        /// The task that ran (Linux pid; 0 is the idle task).
        from: u32,
        /// The task that runs.
        to: u32,
        /// Why the first stopped: still runnable, or waiting.
        preempted: bool,
    },
    /// The guest's own scheduler woke a task.
    TaskWake {
        /// On which vCPU it was woken, if known, it will run.
        vcpu: Vcpu,
        /// Linux pid.
        task: u32,
    },
    /// The guest took an interrupt.
    GuestInterrupt {
        /// On which vCPU.
        vcpu: Vcpu,
        /// The guest's number of it.
        interrupt: u32,
        /// At its end, not at its beginning.
        end: bool,
    },
    /// A task entered or left the guest's kernel by a system call.
    SystemCall {
        /// On which vCPU.
        vcpu: Vcpu,
        /// The call's number.
        number: u32,
        /// At its return, not at its entry.
        end: bool,
    },
    /// A request left the guest for a backend (block or network), or its answer came back.
    Request {
        /// Which vCPU.
        vcpu: Vcpu,
        /// What tells requests apart (sector, packet address), as the guest gave it.
        id: u64,
        /// The answer, not the request.
        end: bool,
    },
    /// A guest was created.
    GuestAdded(GuestId),
    /// A guest was destroyed.
    GuestRemoved(GuestId),
    /// A core's frequency changed.
    Frequency {
        /// MHz.
        megahertz: u32,
    },
    /// The debugger halted the machine. The counter may have gone on.
    Halted,
    /// The debugger let the machine go on.
    Resumed,
    /// The source dropped records of this core for want of room.
    Lost {
        /// How many.
        records: u32,
        /// When the first was dropped.
        since: Ticks,
    },
    /// Bytes that make no sense were passed over, up to this event.
    Unreadable {
        /// What was wrong.
        reason: Reason,
        /// How many bytes.
        bytes: u32,
    },
    /// A mark that somebody put into the hypervisor's or guest's code.
    Mark {
        /// Which mark.
        id: u32,
        /// Anything.
        value: u32,
    },
    /// A record that says nothing about scheduling, or is not known.
    Other {
        /// The source's number of it.
        id: u32,
    },
}

/// Why bytes could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reason {
    /// A record goes over the end of what there is.
    Truncated,
    /// A size that the format does not allow.
    BadSize,
    /// A number outside what the format or the machine allows.
    BadValue,
    /// The time is before that of the record in front of it.
    TimeBackwards,
    /// Somebody else takes records from the same buffer.
    OtherConsumer,
    /// The memory could not be read.
    NotMapped,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Truncated => "a record goes over the end",
            Self::BadSize => "a size the format does not allow",
            Self::BadValue => "a value the format does not allow",
            Self::TimeBackwards => "time goes backwards",
            Self::OtherConsumer => "somebody else reads the same buffer",
            Self::NotMapped => "memory that cannot be read",
        })
    }
}

impl Event {
    /// The vCPU the event is about, where it is about one.
    pub fn vcpu(&self) -> Option<Vcpu> {
        match self.what {
            What::RunState { vcpu, .. }
            | What::Continue { vcpu }
            | What::Ran { vcpu, .. }
            | What::Waited { vcpu, .. }
            | What::Wake { vcpu }
            | What::Sleep { vcpu }
            | What::Yield { vcpu }
            | What::Block { vcpu }
            | What::Credit { vcpu, .. }
            | What::Migrate { vcpu, .. }
            | What::DeadlineMissed { vcpu }
            | What::Exit { vcpu, .. }
            | What::Enter { vcpu }
            | What::Hypercall { vcpu, .. }
            | What::Inject { vcpu, .. }
            | What::Task { vcpu, .. }
            | What::TaskWake { vcpu, .. }
            | What::GuestInterrupt { vcpu, .. }
            | What::SystemCall { vcpu, .. }
            | What::Request { vcpu, .. } => Some(vcpu),
            What::Switch { to, .. } => Some(to),
            _ => None,
        }
    }
}
