//! What the engine shows: plain values that cross the border to whoever asked.

use machine::{Pcpu, Va, Vmid};

use crate::inspect::Node;

/// A thread group: the hypervisor or one VM. 0 is the hypervisor; a VM keeps its number while attached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GroupId(pub u32);

impl GroupId {
    /// The hypervisor's group, which always exists.
    pub const HYPERVISOR: Self = Self(0);
}

/// A thread: a vCPU in a VM's group, a pCPU in the hypervisor's. Stable for the life of the vCPU; from 1, fits in an `i32`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ThreadId(pub u32);

/// A breakpoint the user wished for. From 1, fits in an `i32`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BreakpointId(pub u32);

/// A frame of one thread at the present halt, 0 the innermost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FrameRef {
    /// The thread.
    pub thread: ThreadId,
    /// Its place in the stack.
    pub index: u32,
}

/// One thread group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupView {
    /// Its number.
    pub id: GroupId,
    /// What the user calls it, or what the hypervisor does.
    pub name: String,
    /// The tag in `VTTBR_EL2`, for a VM.
    pub vmid: Option<Vmid>,
    /// The hypervisor's number for the VM.
    pub guest: Option<u32>,
    /// The images found to run in it.
    pub images: Vec<ImageView>,
}

/// An image as placed in a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageView {
    /// File name.
    pub name: String,
    /// Build-id in hexadecimal, empty when the file has none.
    pub build_id: String,
    /// What is known of it: `DWARF`, `symbols only`, or `loading` until its index is built.
    pub symbols: &'static str,
    /// How far it was moved from its link address.
    pub slide: u64,
    /// How it was found: `build-id`, `version banner`, `vector base`, `named by the user`.
    pub evidence: String,
}

/// Where a vCPU is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ThreadState {
    /// On a core now.
    OnCore(Pcpu),
    /// Could run, waits for a core.
    Runnable,
    /// Waits for an event.
    Blocked,
    /// Switched off.
    Offline,
    /// Not told by this hypervisor.
    Unknown,
}

/// One thread.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ThreadView {
    /// Its number.
    pub id: ThreadId,
    /// Its group.
    pub group: GroupId,
    /// `vCPU 1` or `pCPU 0`.
    pub label: String,
    /// The label with where it is: `vCPU 1 · on pCPU 0`.
    pub name: String,
    /// Where it is.
    pub state: ThreadState,
    /// The vCPU's index, or the pCPU's.
    pub index: u32,
}

/// A place in source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceView {
    /// After the group's source map.
    pub path: String,
    /// As the compiler wrote it.
    pub compiled_path: String,
    /// From 1.
    pub line: u32,
    /// From 1; 0 when not known.
    pub column: u32,
}

/// What a frame stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrameKind {
    /// A call.
    Code,
    /// No call but a border: the trap from a guest, the end of what could be walked.
    Label,
}

/// One frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FrameView {
    /// Where it is.
    pub at: FrameRef,
    /// The group whose code it is.
    pub group: GroupId,
    /// Function name, symbol+offset, or a label's text.
    pub name: String,
    /// The address executing; `None` for labels.
    pub pc: Option<Va>,
    /// Its source, when known.
    pub source: Option<SourceView>,
    /// What it stands for.
    pub kind: FrameKind,
    /// The image it is in.
    pub image: Option<String>,
}

/// A stack, or part of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StackView {
    /// The part asked for.
    pub frames: Vec<FrameView>,
    /// How many frames there are in all.
    pub total: u32,
}

/// A group of things to see in a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ScopeKind {
    /// Parameters and variables of the frame's function.
    Locals,
    /// The core registers of the frame.
    Registers,
    /// VM, VMID, exception level, vCPU, pCPU, translation roots.
    Context,
}

/// A named value that may have children. Valid during the halt at which it was made.
#[derive(Clone, Debug)]
pub struct Item {
    /// Name in its parent.
    pub name: String,
    /// One line of text.
    pub value: String,
    /// C spelling of its type.
    pub type_name: Option<String>,
    /// An expression that gives it again.
    pub evaluate_name: Option<String>,
    /// Where it lies in the group's memory.
    pub address: Option<Va>,
    /// Named children: members.
    pub named: u64,
    /// Indexed children: elements.
    pub indexed: u64,
    pub(crate) node: Node,
}

/// A scope of a frame.
#[derive(Clone, Debug)]
pub struct ScopeView {
    /// Which.
    pub kind: ScopeKind,
    /// Its content: a nameless item, to be asked for its children.
    pub content: Item,
}

/// Which groups a breakpoint is for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum BreakpointScope {
    /// One group.
    Group(GroupId),
    /// The VM of this name, in whatever case: it may not have been recognised yet.
    Named(String),
    /// Every VM and the hypervisor.
    Any,
}

/// Where a breakpoint is wished.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// A line of a source file, by the path the user's editor knows.
    Line {
        /// Path.
        path: String,
        /// From 1.
        line: u32,
    },
    /// A function by name.
    Function(String),
    /// An address.
    Address(Va),
}

/// A breakpoint as the user wishes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BreakpointRequest {
    /// Where.
    pub place: Place,
    /// For which groups.
    pub scope: BreakpointScope,
    /// A C expression; stops only where it is not 0.
    pub condition: Option<String>,
    /// `N`, `>=N`, `==N`, `%N`: stops at these hits.
    pub hit_condition: Option<String>,
    /// Text with `{expression}` parts, printed instead of stopping.
    pub log_message: Option<String>,
}

/// Breakpoints are replaced as a set: all of one kind and owner at once.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct BreakpointSet {
    /// The client connection that owns it, a number of the adapter's choosing.
    pub owner: u32,
    /// Which of the owner's sets: `line:PATH`, `function`, `instruction`.
    pub key: String,
}

/// A breakpoint as it came out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BreakpointView {
    /// Its number, kept when the set is sent again with the same request in it.
    pub id: BreakpointId,
    /// The client connection that owns it.
    pub owner: u32,
    /// Whether it is installed somewhere.
    pub verified: bool,
    /// Where it is bound, or why not: `DomU: major_show`.
    pub message: String,
    /// The first place.
    pub source: Option<SourceView>,
    /// The first address.
    pub address: Option<Va>,
    /// Hits reported.
    pub hits: u64,
    /// Hits in other VMs, or where the condition did not hold, stepped over.
    pub filtered: u64,
}

/// Why the target halted, for the user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StopCause {
    /// The halt that came with attaching.
    Attached,
    /// The user asked.
    Paused,
    /// Breakpoints of the user.
    Breakpoint(Vec<BreakpointId>),
    /// A step is finished.
    Step,
    /// A signal or exception the target reported.
    Exception(String),
}

/// One halt as the user sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StopView {
    /// Why.
    pub cause: StopCause,
    /// The group whose code caused it.
    pub group: GroupId,
    /// The thread that caused it.
    pub thread: ThreadId,
    /// Who, in full: `breakpoint in DomU (VMID 2), vCPU 0 on pCPU 1, EL1`.
    pub description: String,
}

/// What the engine reports by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A halt to show.
    Stopped(StopView),
    /// All cores run again.
    Continued {
        /// The thread that was asked to.
        thread: Option<ThreadId>,
    },
    /// Groups came or went.
    Groups {
        /// New ones.
        added: Vec<GroupView>,
        /// Those that are no more.
        removed: Vec<GroupId>,
    },
    /// An image was placed in a group: frames and variables shown so far may say more now.
    ImagesChanged(GroupId),
    /// A breakpoint was bound, unbound or refused.
    Breakpoint(BreakpointView),
    /// Something to tell the user.
    Message {
        /// Whom it concerns; `None`: all.
        group: Option<GroupId>,
        /// The text, without a line end.
        text: String,
        /// Whether it is a problem.
        warning: bool,
    },
    /// The target is gone; nothing more will come.
    Lost(String),
}

/// How far to step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StepKind {
    /// Over calls.
    Over,
    /// Into calls.
    In,
    /// Out of the function.
    Out,
}

/// What counts as one step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Granularity {
    /// A source line.
    Line,
    /// An instruction.
    Instruction,
}

/// One instruction of a listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InstructionView {
    /// Where.
    pub address: Va,
    /// As in memory; empty when unreadable.
    pub bytes: Vec<u8>,
    /// Mnemonic and operands, or why there is none.
    pub text: String,
    /// Set at the first instruction of a symbol.
    pub symbol: Option<String>,
    /// Set where the line changes.
    pub source: Option<SourceView>,
}

/// Memory of a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemoryView {
    /// Bytes readable from the start.
    pub bytes: Vec<u8>,
    /// How many of those asked for could not be read, and why.
    pub unreadable: Option<(u64, String)>,
}

/// Whose fault a failure is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Blame {
    /// What was asked cannot be.
    User,
    /// The target did not do it.
    Target,
}

/// Why a request failed: what, why, and what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct EngineError {
    /// Whose fault.
    pub blame: Blame,
    /// One sentence.
    pub message: String,
}

impl EngineError {
    /// What was asked cannot be.
    #[must_use]
    pub fn user(message: impl Into<String>) -> Self {
        Self {
            blame: Blame::User,
            message: message.into(),
        }
    }

    /// The target did not do it.
    #[must_use]
    pub fn target(message: impl Into<String>) -> Self {
        Self {
            blame: Blame::Target,
            message: message.into(),
        }
    }
}
