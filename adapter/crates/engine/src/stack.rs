//! The stack of a thread, running or not: its registers, then caller after caller.

use std::borrow::Cow;
use std::sync::Arc;

use awareness::{GuestKind, MachineView};
use machine::space::{AddressSpace, View};
use machine::{El, Pcpu, Registers, SysReg, Va, VirtualMemory};
use symbols::unwind::{Placed, UnwindEnd, cfa, unwind};
use symbols::{FunctionId, LinkVa};

use crate::groups::{Group, Groups, PlacedImage, Thread, Who, execution};
use crate::halt::Halt;
use crate::view::{EngineError, FrameKind, FrameRef, FrameView, GroupId, SourceView, ThreadId};

/// More frames than any sane stack has: the walk of a corrupt one ends here.
const MAX_FRAMES: usize = 512;

/// One frame of a stack.
#[derive(Clone)]
pub struct Frame {
    /// The group whose code it is.
    pub group: GroupId,
    /// What it stands for.
    pub kind: FrameKind,
    /// Function name or label.
    pub name: String,
    /// The registers in this frame, as far as they could be recovered.
    pub registers: Registers,
    /// The space its addresses are in; `None` for a label.
    pub space: Option<AddressSpace>,
    /// The image its code is in.
    pub placed: Option<PlacedImage>,
    /// The function, which may be inlined into the next frame's.
    pub function: Option<FunctionId>,
    /// Its place in source.
    pub source: Option<SourceView>,
    /// Whether `pc` is a return address.
    pub call_site: bool,
    /// Whether the function is inlined into the next frame's.
    pub inlined: bool,
    /// The canonical frame address.
    pub cfa: Option<Va>,
}

impl Frame {
    fn label(group: GroupId, name: String) -> Self {
        Self {
            group,
            kind: FrameKind::Label,
            name,
            registers: Registers::default(),
            space: None,
            placed: None,
            function: None,
            source: None,
            call_site: false,
            inlined: false,
            cfa: None,
        }
    }

    /// The address to look code up by: inside the call for a caller.
    #[must_use]
    pub fn lookup(&self) -> Option<LinkVa> {
        let placed = self.placed.as_ref()?;
        Some(LinkVa::of(
            lookup(self.registers.pc?, self.call_site),
            placed.slide(),
        ))
    }

    /// For the border.
    #[must_use]
    pub fn view(&self, at: FrameRef) -> FrameView {
        FrameView {
            at,
            group: self.group,
            name: self.name.clone(),
            pc: self.registers.pc.map(Va),
            source: self.source.clone(),
            kind: self.kind,
            image: self
                .placed
                .as_ref()
                .map(|placed| placed.image.name().to_owned()),
        }
    }
}

fn lookup(pc: u64, call_site: bool) -> Va {
    Va(if call_site { pc.wrapping_sub(1) } else { pc })
}

/// The frames of a thread, innermost first.
///
/// # Errors
/// Not even the innermost frame is known.
pub fn of_thread(halt: &Halt, groups: &Groups, id: ThreadId) -> Result<Vec<Frame>, EngineError> {
    let (group, thread) = groups
        .thread(id)
        .ok_or_else(|| EngineError::user(format!("there is no thread {}", id.0)))?;
    match thread.who {
        Who::Vcpu(_) => vcpu(halt, group, thread).map_err(EngineError::target),
        Who::Pcpu(core) => Ok(pcpu(halt, groups, core)),
    }
}

fn vcpu(halt: &Halt, group: &Group, thread: &Thread) -> Result<Vec<Frame>, String> {
    let (registers, space) = execution(halt, group, thread)?;
    Ok(walk(halt, group, registers, space))
}

/// The hypervisor's frames on a core, and behind them those of the vCPU it interrupted.
fn pcpu(halt: &Halt, groups: &Groups, core: Pcpu) -> Vec<Frame> {
    let registers = halt.registers(core);
    let hypervisor = groups.hypervisor();
    let guest = groups.on_core(core);
    if registers.el() != Some(El::El2) {
        let level = registers.el().map_or_else(
            || "an unknown exception level".to_owned(),
            |el| el.to_string(),
        );
        let whom = guest.map_or_else(
            || "a VM that is not known".to_owned(),
            |(group, thread)| vcpu_name(group, thread),
        );
        let label = Frame::label(GroupId::HYPERVISOR, format!("running {whom} in {level}"));
        return vec![Frame {
            registers: registers.clone(),
            ..label
        }];
    }
    let mut frames = match AddressSpace::el2(registers) {
        Ok(space) => walk(halt, hypervisor, registers.clone(), space),
        Err(fault) => vec![Frame::label(GroupId::HYPERVISOR, format!("<{fault}>"))],
    };
    if let Some((group, thread)) = guest {
        let syndrome = registers
            .sys(SysReg::EsrEl2)
            .map(trap_name)
            .unwrap_or_default();
        frames.push(Frame::label(
            GroupId::HYPERVISOR,
            format!("trapped from {}{syndrome}", vcpu_name(group, thread)),
        ));
        frames.extend(vcpu(halt, group, thread).unwrap_or_default());
    }
    frames
}

fn vcpu_name(group: &Group, thread: &Thread) -> String {
    match thread.who {
        Who::Vcpu(vcpu) => format!("{} vCPU {}", group.name, vcpu.index),
        Who::Pcpu(core) => core.to_string(),
    }
}

/// The trap in words, for the syndromes a hypervisor sees most (Arm ARM D19.2.37, ESR_EL2.EC).
fn trap_name(esr: u64) -> String {
    match esr >> 26 & 0x3f {
        0x01 => ": WFI or WFE".to_owned(),
        0x15 => format!(": SVC #{:#x}", esr & 0xffff),
        0x16 => format!(": HVC #{:#x}", esr & 0xffff),
        0x17 => format!(": SMC #{:#x}", esr & 0xffff),
        0x18 => ": system register access".to_owned(),
        0x20 => ": instruction abort".to_owned(),
        0x24 => ": data abort".to_owned(),
        _ => String::new(),
    }
}

/// Walks from `registers` outwards.
fn walk(halt: &Halt, group: &Group, mut registers: Registers, space: AddressSpace) -> Vec<Frame> {
    let memory = View::new(halt, space);
    let mut frames = Vec::new();
    let mut call_site = false;
    while let Some(pc) = registers.pc {
        if frames.len() >= MAX_FRAMES {
            frames.push(Frame::label(
                group.id,
                format!("<more than {MAX_FRAMES} frames: the walk ends here>"),
            ));
            break;
        }
        let placed = image_at(group, lookup(pc, call_site), &memory);
        let placed = placed.as_deref();
        push_frames(
            &mut frames,
            group,
            placed,
            &registers,
            space,
            call_site,
            &memory,
        );
        let image = placed.map(|placed| Placed {
            image: &placed.image,
            slide: placed.slide(),
        });
        match unwind(image, &registers, &memory, call_site) {
            Ok(caller) => {
                call_site = caller.called();
                registers = caller.registers;
            }
            Err(UnwindEnd::Outermost) => break,
            Err(end) => {
                frames.push(Frame::label(
                    group.id,
                    format!("<the stack ends here: {end}>"),
                ));
                break;
            }
        }
    }
    frames
}

/// The image that holds the code at an address, which may be mapped at another place too: Linux's entry trampoline lies in
/// the fixmap under page-table isolation. A kernel is physically in one piece, so its intermediate physical address tells.
fn image_at<'g>(group: &'g Group, at: Va, memory: &View<'_>) -> Option<Cow<'g, PlacedImage>> {
    let alias = |placed: &PlacedImage| {
        let physical = |va| {
            let found = memory.translate(va).ok()?;
            Some(found.ipa.map_or(found.pa.0, |ipa| ipa.0))
        };
        let start = placed.image.executable_ranges().first()?.start;
        let into = physical(at)?.wrapping_sub(physical(start.placed(placed.slide()))?);
        let mut moved = placed.clone();
        moved.placement.slide = at.0.wrapping_sub(start.0.wrapping_add(into));
        moved.holds_code(at).then_some(moved)
    };
    if let Some(placed) = group.image_at(at) {
        return Some(Cow::Borrowed(placed));
    }
    let mut kernels = group
        .images
        .iter()
        .filter(|placed| placed.placement.kind == GuestKind::Linux);
    kernels.find_map(alias).map(Cow::Owned)
}

/// One frame, or several where functions are inlined at `pc`.
fn push_frames(
    frames: &mut Vec<Frame>,
    group: &Group,
    placed: Option<&PlacedImage>,
    registers: &Registers,
    space: AddressSpace,
    call_site: bool,
    memory: &dyn VirtualMemory,
) {
    let pc = registers.pc.unwrap_or_default();
    let base = Frame {
        kind: FrameKind::Code,
        registers: registers.clone(),
        space: Some(space),
        placed: placed.cloned(),
        call_site,
        ..Frame::label(group.id, format!("{pc:#x}"))
    };
    let Some(placed) = placed else {
        frames.push(base);
        return;
    };
    let link = LinkVa::of(lookup(pc, call_site), placed.slide());
    let cfa = cfa(
        Some(Placed {
            image: &placed.image,
            slide: placed.slide(),
        }),
        registers,
        memory,
        call_site,
    );
    let prepared = placed.image.is_prepared();
    let known = if prepared {
        placed.image.frames_at(link)
    } else {
        Vec::new()
    };
    if known.is_empty() {
        let name = placed.image.symbol_at(link).map_or_else(
            || base.name.clone(),
            |(symbol, _)| {
                symbol_offset(
                    symbol.name,
                    pc.wrapping_sub(symbol.address.placed(placed.slide()).0),
                )
            },
        );
        // Assembly has lines, but no functions.
        let position = prepared.then(|| placed.image.position_at(link)).flatten();
        let source = position.map(|position| placed.source(&position));
        frames.push(Frame {
            name,
            cfa,
            source,
            ..base
        });
        return;
    }
    frames.extend(known.into_iter().map(|source_frame| {
        Frame {
            name: source_frame.name.to_string(),
            function: Some(source_frame.function),
            source: source_frame
                .position
                .as_ref()
                .map(|position| placed.source(position)),
            inlined: source_frame.inlined,
            cfa,
            ..base.clone()
        }
    }));
}

/// `name+0x10`, and the bare name at its first byte.
#[must_use]
pub fn symbol_offset(name: &str, offset: u64) -> String {
    if offset == 0 {
        name.to_owned()
    } else {
        format!("{name}+{offset:#x}")
    }
}

/// A frame with the memory its code sees: what variables are located with.
pub struct FrameAccess<'a> {
    frame: &'a Frame,
    memory: View<'a>,
    caller: Option<Box<FrameAccess<'a>>>,
}

impl<'a> FrameAccess<'a> {
    /// `None` for a label.
    #[must_use]
    pub fn new(halt: &'a Halt, frames: &'a [Frame], index: usize) -> Option<Self> {
        let mut access = Self::alone(halt, frames.get(index)?)?;
        let whole = index + frames[index..].iter().position(|frame| !frame.inlined)?;
        access.caller = frames
            .get(whole + 1)
            .and_then(|caller| Self::alone(halt, caller))
            .map(Box::new);
        Some(access)
    }

    fn alone(halt: &'a Halt, frame: &'a Frame) -> Option<Self> {
        Some(Self {
            frame,
            memory: View::new(halt, frame.space?),
            caller: None,
        })
    }
}

impl symbols::Frame for FrameAccess<'_> {
    fn registers(&self) -> &Registers {
        &self.frame.registers
    }

    fn memory(&self) -> &dyn VirtualMemory {
        &self.memory
    }

    fn slide(&self) -> u64 {
        self.frame.placed.as_ref().map_or(0, PlacedImage::slide)
    }

    fn cfa(&self) -> Option<Va> {
        self.frame.cfa
    }

    fn pc(&self) -> LinkVa {
        self.frame.lookup().unwrap_or_default()
    }

    fn caller(&self) -> Option<&dyn symbols::Frame> {
        self.caller
            .as_deref()
            .map(|caller| caller as &dyn symbols::Frame)
    }
}

/// The stacks walked at this halt.
pub type Stacks = std::collections::HashMap<ThreadId, Arc<Vec<Frame>>>;
