//! What the records of ftrace say about scheduling and waiting.

use std::collections::BTreeMap;

use machine::ids::{GuestId, Pcpu, Vcpu};

use super::layout::{Field, Layout};
use crate::event::{Event, Reason, Ticks, What};

/// One thing that happened in a guest, on its own clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GuestEvent {
    /// When, in nanoseconds of the guest's trace clock.
    pub nanoseconds: u64,
    /// The guest's number of the CPU that recorded it.
    pub cpu: u32,
    /// The task that ran there (Linux pid; 0 is the idle task), where a record tells.
    pub task: u32,
    /// What.
    pub what: GuestWhat,
}

/// The kinds of [`GuestEvent`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GuestWhat {
    /// `sched_switch`.
    Switch {
        /// The task that ran.
        from: u32,
        /// The task that runs.
        to: u32,
        /// The first could have gone on.
        preempted: bool,
    },
    /// `sched_wakeup`, `sched_wakeup_new`, `sched_waking`.
    Wake {
        /// Which task.
        task: u32,
        /// The CPU it will run on.
        cpu: u32,
    },
    /// `irq_handler_entry`, `irq_handler_exit`.
    Interrupt {
        /// Linux' number of it.
        number: u32,
        /// At its end.
        end: bool,
    },
    /// `sys_enter`, `sys_exit`, and those of single calls.
    SystemCall {
        /// The call's number.
        number: u32,
        /// At its return.
        end: bool,
    },
    /// `block_rq_issue`, `block_rq_complete`, `net_dev_start_xmit`.
    Request {
        /// The sector, or the packet's address.
        id: u64,
        /// The answer.
        end: bool,
    },
    /// The kernel overwrote or dropped records.
    Lost {
        /// How many, 0 where the kernel does not tell.
        records: u32,
        /// The time of the last record before.
        since: u64,
    },
    /// Bytes that make no sense were passed over.
    Unreadable {
        /// What was wrong.
        reason: Reason,
        /// How many bytes.
        bytes: u32,
    },
    /// A record of another kind.
    Other {
        /// The kernel's number of the kind, which differs from kernel to kernel.
        id: u16,
    },
}

impl GuestEvent {
    /// The event on the hypervisor's clock, as one of a guest's vCPU of the same number.
    ///
    /// A guest does not know on which core it ran: `pcpu` is what the caller knows of it. `ticks` converts the guest's nanoseconds
    /// ([`crate::clock`]).
    pub fn placed(&self, guest: GuestId, pcpu: Pcpu, ticks: impl Fn(u64) -> Ticks) -> Event {
        let on = |index| Vcpu { guest, index };
        let vcpu = on(self.cpu);
        let what = match self.what {
            GuestWhat::Switch {
                from,
                to,
                preempted,
            } => What::Task {
                vcpu,
                from,
                to,
                preempted,
            },
            GuestWhat::Wake { task, cpu } => What::TaskWake {
                vcpu: on(cpu),
                task,
            },
            GuestWhat::Interrupt { number, end } => What::GuestInterrupt {
                vcpu,
                interrupt: number,
                end,
            },
            GuestWhat::SystemCall { number, end } => What::SystemCall { vcpu, number, end },
            GuestWhat::Request { id, end } => What::Request { vcpu, id, end },
            GuestWhat::Lost { records, since } => What::Lost {
                records,
                since: ticks(since),
            },
            GuestWhat::Unreadable { reason, bytes } => What::Unreadable { reason, bytes },
            GuestWhat::Other { id } => What::Other { id: id.into() },
        };
        Event {
            time: ticks(self.nanoseconds),
            pcpu,
            what,
        }
    }
}

/// Where the numbers of one kind of record are.
#[derive(Clone, Copy, Debug)]
enum Kind {
    Switch {
        from: Field,
        to: Field,
        state: Field,
    },
    Wake {
        task: Field,
        cpu: Field,
    },
    Interrupt {
        number: Field,
        end: bool,
    },
    SystemCall {
        number: Field,
        end: bool,
    },
    Request {
        id: Field,
        end: bool,
    },
}

/// The kinds of records of one kernel that are understood, by its own numbers.
#[derive(Clone, Debug)]
pub(super) struct Schema {
    kinds: BTreeMap<u16, Kind>,
    id: Field,
    task: Field,
}

impl Schema {
    pub(super) fn new<'a>(formats: impl Iterator<Item = &'a Layout> + Clone) -> Self {
        let common = |name, offset, size| {
            let found = formats.clone().find_map(|format| format.field(name));
            found.unwrap_or(Field { offset, size })
        };
        let (id, task) = (common("common_type", 0, 2), common("common_pid", 4, 4));
        let kinds = formats.filter_map(|format| Some((format.id, kind(format)?)));
        Self {
            kinds: kinds.collect(),
            id,
            task,
        }
    }

    /// The task that ran, and what a record says. `None` when it is too short.
    pub(super) fn meaning(&self, record: &[u8]) -> Option<(u32, GuestWhat)> {
        let id = self.id.read(record)? as u16;
        let task = self.task.read(record)? as u32;
        let what = match self.kinds.get(&id) {
            Some(kind) => kind.read(record)?,
            None => GuestWhat::Other { id },
        };
        Some((task, what))
    }
}

impl Kind {
    fn read(self, record: &[u8]) -> Option<GuestWhat> {
        let long = |field: Field| field.read(record);
        let number = |field: Field| Some(long(field)? as u32);
        Some(match self {
            Self::Switch { from, to, state } => GuestWhat::Switch {
                from: number(from)?,
                to: number(to)?,
                preempted: is_runnable(long(state)?),
            },
            Self::Wake { task, cpu } => GuestWhat::Wake {
                task: number(task)?,
                cpu: number(cpu)?,
            },
            Self::Interrupt { number: field, end } => GuestWhat::Interrupt {
                number: number(field)?,
                end,
            },
            Self::SystemCall { number: field, end } => GuestWhat::SystemCall {
                number: number(field)?,
                end,
            },
            Self::Request { id, end } => GuestWhat::Request { id: long(id)?, end },
        })
    }
}

/// How an event of this name is read, if it says something here and has the fields for it.
fn kind(format: &Layout) -> Option<Kind> {
    let field = |name| format.field(name);
    Some(match format.name.as_str() {
        "sched_switch" => Kind::Switch {
            from: field("prev_pid")?,
            to: field("next_pid")?,
            state: field("prev_state")?,
        },
        "sched_wakeup" | "sched_wakeup_new" | "sched_waking" => Kind::Wake {
            task: field("pid")?,
            cpu: field("target_cpu")?,
        },
        name @ ("irq_handler_entry" | "irq_handler_exit") => Kind::Interrupt {
            number: field("irq")?,
            end: name.ends_with("exit"),
        },
        name @ ("block_rq_issue" | "block_rq_complete") => Kind::Request {
            id: field("sector")?,
            end: name.ends_with("complete"),
        },
        "net_dev_start_xmit" => Kind::Request {
            id: field("skbaddr")?,
            end: false,
        },
        // `id` in raw_syscalls; in the events of single calls `__syscall_nr`, or `nr` before Linux 4.6.
        name if name.starts_with("sys_enter") || name.starts_with("sys_exit") => Kind::SystemCall {
            number: field("id").or(field("__syscall_nr")).or(field("nr"))?,
            end: name.starts_with("sys_exit"),
        },
        _ => return None,
    })
}

/// Whether a task that was switched away from still wanted to run: none of the bits for sleeping, stopped, dead, parked or idle is set.
///
/// The bit for "preempted" is 0x100 since Linux 4.14 and the one above all states before (0x400 and more).
fn is_runnable(state: u64) -> bool {
    state & 0x2ff == 0
}
