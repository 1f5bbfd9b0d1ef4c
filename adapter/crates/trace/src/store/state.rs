//! What a span can say: states, causes, flags, and who.

/// What the owner of a lane does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum State {
    /// A vCPU or task: on a core. A pCPU: carries a vCPU.
    Running = 0,
    /// Wants a core and has none. Never of a pCPU.
    Runnable = 1,
    /// Waits for an event. A pCPU: idle.
    Blocked = 2,
    /// Paused, shut down or never started. The machine: halted by the debugger.
    Offline = 3,
    /// The hypervisor runs on the vCPU's behalf, where the source can tell.
    Hypervisor = 4,
    /// Records were lost: anything may have happened.
    Lost = 5,
    /// Nothing has been said yet, or what was said contradicts itself.
    Unknown = 6,
}

impl State {
    /// How many there are.
    pub const COUNT: usize = 7;
    /// All, by number.
    pub const ALL: [Self; Self::COUNT] = [
        Self::Running,
        Self::Runnable,
        Self::Blocked,
        Self::Offline,
        Self::Hypervisor,
        Self::Lost,
        Self::Unknown,
    ];

    /// From the low three bits. A table, since what comes next cannot be predicted.
    #[inline]
    pub fn from_bits(bits: u32) -> Self {
        const BY_BITS: [State; 8] = [
            State::Running,
            State::Runnable,
            State::Blocked,
            State::Offline,
            State::Hypervisor,
            State::Lost,
            State::Unknown,
            State::Unknown,
        ];
        BY_BITS[bits as usize & 7]
    }

    /// Its name for people and files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Runnable => "runnable",
            Self::Blocked => "blocked",
            Self::Offline => "offline",
            Self::Hypervisor => "hypervisor",
            Self::Lost => "lost",
            Self::Unknown => "unknown",
        }
    }

    /// Whether the owner has a core: in its own code or in the hypervisor on its behalf.
    #[inline]
    pub fn on_core(self) -> bool {
        matches!(self, Self::Running | Self::Hypervisor)
    }

    /// Whether the state says that nothing is known.
    #[inline]
    pub fn is_gap(self) -> bool {
        matches!(self, Self::Lost | Self::Unknown)
    }
}

/// Why a span began.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Cause {
    /// The source does not tell.
    Unstated = 0,
    /// It was woken.
    Woken = 1,
    /// Its core was taken away.
    Preempted = 2,
    /// It gave its core away.
    Yielded = 3,
    /// It asked to wait for an event (`WFI`, a poll).
    Waits = 4,
    /// It was put to sleep from outside.
    Slept = 5,
}

impl Cause {
    /// From the low three bits.
    pub fn from_bits(bits: u32) -> Self {
        match bits & 7 {
            1 => Self::Woken,
            2 => Self::Preempted,
            3 => Self::Yielded,
            4 => Self::Waits,
            5 => Self::Slept,
            _ => Self::Unstated,
        }
    }

    /// Its name for people and files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Unstated => "",
            Self::Woken => "woken",
            Self::Preempted => "preempted",
            Self::Yielded => "yielded",
            Self::Waits => "waits",
            Self::Slept => "put to sleep",
        }
    }

    #[inline]
    pub(crate) fn flag(self) -> Flags {
        let flag = |cause: Self, flag: Flags| u16::from(self == cause) * flag.0;
        Flags(flag(Self::Woken, Flags::WOKEN) | flag(Self::Preempted, Flags::PREEMPTED))
    }
}

/// What occurs in a span or below a node: bits 0 to 6 are the [`State`]s, the rest as named here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Flags(pub u16);

impl Flags {
    /// The span began with a wake.
    pub const WOKEN: Self = Self(1 << 7);
    /// The span began with a preemption.
    pub const PREEMPTED: Self = Self(1 << 8);
    /// The vCPU runs on another core than before.
    pub const MIGRATED: Self = Self(1 << 9);
    /// A deadline was missed.
    pub const DEADLINE_MISSED: Self = Self(1 << 10);
    /// The next record said that the lane's owner was not in the state it had been left in.
    pub const CONTRADICTED: Self = Self(1 << 11);
    /// Bytes of the trace could not be read.
    pub const UNREADABLE: Self = Self(1 << 12);
    /// The bits that a span's tag holds.
    pub(crate) const OF_SPANS: u16 = 0xff80;

    /// The flag of a state.
    pub fn state(state: State) -> Self {
        Self(1 << state as u16)
    }

    /// Whether any of `other` is set.
    #[inline]
    pub fn any(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// Both together.
    #[must_use]
    #[inline]
    pub fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// A pCPU or a lane, by number, or nobody.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Party(pub u16);

impl Party {
    /// Nobody, or not known.
    pub const NONE: Self = Self(u16::MAX);

    /// The number, unless nobody.
    #[inline]
    pub fn get(self) -> Option<u16> {
        (self != Self::NONE).then_some(self.0)
    }
}

/// What a [`Point`](super::Point) marks. The numbers are the file's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Mark {
    /// The vCPU or task was woken; from where is in the point.
    Wake = 0,
    /// It called the hypervisor; the value is the call's number.
    Hypercall = 1,
    /// An interrupt was made pending; the value is the INTID.
    Inject = 2,
    /// A deadline passed.
    DeadlineMissed = 3,
    /// The scheduler moved it; the value is from (bits 31:16) and to (15:0).
    Migrate = 4,
    /// Its credit or budget; the value is the 32-bit two's complement.
    Credit = 5,
    /// It left the hypervisor's guest code; the value is `ESR_EL2`.
    Exit = 6,
    /// The guest took an interrupt; the value is its number.
    GuestInterrupt = 7,
    /// A system call; the value is its number.
    SystemCall = 8,
    /// A request left for a backend; the value is its id.
    RequestSent = 9,
    /// The answer of a request came; the value is its id.
    RequestDone = 10,
    /// Records were lost up to here; the value is how many.
    Lost = 11,
    /// Bytes were passed over up to here; the value is how many.
    Unreadable = 12,
    /// A guest was created; the value is its id.
    GuestAdded = 13,
    /// A guest was destroyed; the value is its id.
    GuestRemoved = 14,
    /// The core's frequency changed; the value is in MHz.
    Frequency = 15,
    /// The debugger halted the machine.
    Halted = 16,
    /// The debugger let the machine go on.
    Resumed = 17,
    /// Somebody put it into the code of the hypervisor or guest; the value is its number (63:32) and what it carries (31:0).
    User = 18,
    /// Written by a newer version.
    Other = 31,
}

impl Mark {
    const ALL: [Self; 19] = [
        Self::Wake,
        Self::Hypercall,
        Self::Inject,
        Self::DeadlineMissed,
        Self::Migrate,
        Self::Credit,
        Self::Exit,
        Self::GuestInterrupt,
        Self::SystemCall,
        Self::RequestSent,
        Self::RequestDone,
        Self::Lost,
        Self::Unreadable,
        Self::GuestAdded,
        Self::GuestRemoved,
        Self::Frequency,
        Self::Halted,
        Self::Resumed,
        Self::User,
    ];

    /// From the file's number.
    pub fn from_number(number: u8) -> Self {
        Self::ALL
            .get(usize::from(number))
            .copied()
            .unwrap_or(Self::Other)
    }

    /// Its name for people and files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Wake => "wake",
            Self::Hypercall => "hypercall",
            Self::Inject => "inject",
            Self::DeadlineMissed => "deadline missed",
            Self::Migrate => "migrate",
            Self::Credit => "credit",
            Self::Exit => "exit",
            Self::GuestInterrupt => "guest interrupt",
            Self::SystemCall => "system call",
            Self::RequestSent => "request sent",
            Self::RequestDone => "request done",
            Self::Lost => "lost",
            Self::Unreadable => "unreadable",
            Self::GuestAdded => "guest added",
            Self::GuestRemoved => "guest removed",
            Self::Frequency => "frequency",
            Self::Halted => "halted",
            Self::Resumed => "resumed",
            Self::User => "mark",
            Self::Other => "other",
        }
    }
}
