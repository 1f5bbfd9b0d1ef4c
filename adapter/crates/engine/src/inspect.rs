//! What a frame has to show: its variables, its registers, and whose code it is.

use machine::space::{AddressSpace, View};
use machine::{El, Register, Registers, SysReg, Va};
use symbols::value::Viewer;
use symbols::{Value, Variable};

use crate::engine::Engine;
use crate::groups::{Group, PlacedImage, Who};
use crate::halt::Halt;
use crate::stack::{Frame, FrameAccess, symbol_offset};
use crate::view::{EngineError, FrameRef, GroupId, Item, ScopeKind, ScopeView, ThreadState};

/// More children than any view shows; clients page, but not all do.
const MAX_CHILDREN: u64 = 10_000;

/// What an item is made of, to find its children.
#[derive(Clone, Debug)]
pub(crate) enum Node {
    /// Nothing below.
    Leaf,
    /// A scope of a frame.
    Scope(ScopeKind, FrameRef),
    /// A typed value.
    Value(Box<Located>),
}

/// A value with the space its addresses are in.
#[derive(Clone, Debug)]
pub(crate) struct Located {
    pub(crate) value: Value,
    pub(crate) group: GroupId,
    pub(crate) space: AddressSpace,
}

impl Item {
    fn leaf(name: impl Into<String>, value: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            value: value.into(),
            type_name: None,
            evaluate_name: None,
            address: None,
            named: 0,
            indexed: 0,
            node: Node::Leaf,
        }
    }
}

impl Engine {
    /// The scopes of a frame: locals where its function is known, registers, context. A label without registers has none.
    ///
    /// # Errors
    /// The target runs, or the frame is not of this halt.
    pub fn scopes(&mut self, at: FrameRef) -> Result<Vec<ScopeView>, EngineError> {
        let frames = self.frames(at.thread)?;
        let frame = frame_at(&frames, at)?;
        if frame.registers.pc.is_none() {
            return Ok(Vec::new());
        }
        let locals = frame.function.map(|_| ScopeKind::Locals);
        let kinds = locals
            .into_iter()
            .chain([ScopeKind::Registers, ScopeKind::Context]);
        Ok(kinds
            .map(|kind| ScopeView {
                kind,
                content: Item {
                    node: Node::Scope(kind, at),
                    ..Item::leaf("", "")
                },
            })
            .collect())
    }

    /// The children of an item, named ones first.
    ///
    /// # Errors
    /// The target runs, or the item's frame is not of this halt.
    pub fn children(
        &mut self,
        item: &Item,
        start: u64,
        count: Option<u64>,
    ) -> Result<Vec<Item>, EngineError> {
        let page = |items: Vec<Item>| {
            items
                .into_iter()
                .skip(start as usize)
                .take(count.unwrap_or(u64::MAX).min(MAX_CHILDREN) as usize)
                .collect()
        };
        match &item.node {
            Node::Leaf => Ok(Vec::new()),
            Node::Scope(ScopeKind::Locals, at) => self.locals(*at).map(page),
            Node::Scope(ScopeKind::Registers, at) => self.registers(*at).map(page),
            Node::Scope(ScopeKind::Context, at) => self.context(*at).map(page),
            Node::Value(located) => {
                let halt = Self::halt_of(&self.state)?;
                let group = self.groups.get(located.group);
                let memory = View::new(halt, located.space);
                let parent = item.evaluate_name.as_deref();
                let children = located.value.children(
                    &memory,
                    start,
                    count.unwrap_or(MAX_CHILDREN).min(MAX_CHILDREN),
                );
                Ok(children
                    .into_iter()
                    .map(|child| {
                        let expression = parent.map(|parent| child.step.expression(parent));
                        let located = Located {
                            value: child.value,
                            ..**located
                        };
                        typed_item(halt, group, child.step.to_string(), expression, located)
                    })
                    .collect())
            }
        }
    }

    fn locals(&mut self, at: FrameRef) -> Result<Vec<Item>, EngineError> {
        let frames = self.frames(at.thread)?;
        let frame = frame_at(&frames, at)?;
        let halt = Self::halt_of(&self.state)?;
        let group = self.groups.get(frame.group);
        let items = variables(frame).into_iter().map(|variable| {
            let name = variable.name.to_string();
            match locate(halt, &frames, at.index as usize, &variable) {
                Ok(located) => {
                    let expression = (!variable.shadowed).then(|| name.clone());
                    typed_item(halt, group, name, expression, located)
                }
                Err(reason) => Item::leaf(name, format!("<{reason}>")),
            }
        });
        Ok(items.collect())
    }

    fn registers(&mut self, at: FrameRef) -> Result<Vec<Item>, EngineError> {
        let frames = self.frames(at.thread)?;
        let frame = frame_at(&frames, at)?;
        let group = self.groups.get(frame.group);
        let show = |name: &str, register: Register| {
            let value = frame.registers.get(register);
            let text = value.map_or_else(
                || "<not known in this frame>".to_owned(),
                |value| format!("{value:#018x}"),
            );
            let symbol = value.filter(|_| matches!(register, Register::Pc | Register::X(30)));
            let symbol = symbol.and_then(|value| symbolise(group?, Va(value)));
            let text = symbol.map_or_else(|| text.clone(), |symbol| format!("{text} <{symbol}>"));
            Item {
                evaluate_name: Some(format!("${name}")),
                ..Item::leaf(name, text)
            }
        };
        let general = (0..31).map(|n| show(&format!("x{n}"), Register::X(n)));
        let others = [
            ("sp", Register::Sp),
            ("pc", Register::Pc),
            ("pstate", Register::Pstate),
        ];
        let system = SysReg::ALL
            .iter()
            .filter(|reg| frame.registers.sys(**reg).is_some());
        Ok(general
            .chain(others.map(|(name, register)| show(name, register)))
            .chain(system.map(|reg| show(reg.name(), Register::Sys(*reg))))
            .collect())
    }

    fn context(&mut self, at: FrameRef) -> Result<Vec<Item>, EngineError> {
        let frames = self.frames(at.thread)?;
        let frame = frame_at(&frames, at)?;
        let halt = Self::halt_of(&self.state)?;
        let (thread_group, thread) = self
            .groups
            .thread(at.thread)
            .ok_or_else(|| EngineError::user("that thread is not there any more"))?;
        let group = self.groups.get(frame.group).unwrap_or(thread_group);
        let mut items = vec![Item::leaf(
            if group.is_hypervisor() {
                "Hypervisor"
            } else {
                "VM"
            },
            group.name.clone(),
        )];
        let mut add = |name: &str, value: Option<String>| {
            items.extend(value.map(|value| Item::leaf(name, value)))
        };
        add("Guest id", group.guest.map(|guest| guest.0.to_string()));
        add("VMID", group.vmid.map(|vmid| vmid.0.to_string()));
        add(
            "Exception level",
            frame.registers.el().map(|el| el.to_string()),
        );
        match thread.who {
            Who::Vcpu(vcpu) => add("vCPU", Some(vcpu.index.to_string())),
            Who::Pcpu(_) => {}
        }
        add(
            "pCPU",
            Some(match (thread.who, thread.state) {
                (Who::Pcpu(core), _) | (_, ThreadState::OnCore(core)) => core.0.to_string(),
                _ => "none: switched out".to_owned(),
            }),
        );
        add(
            "Registers",
            Some(provenance(halt, thread.who, thread.state, frame)),
        );
        let space = frame.space;
        let stage1 = space.and_then(|space| space.stage1);
        add(
            "Stage 1, TTBR0",
            stage1.map(|stage1| format!("{:#x}", stage1.ttbr0)),
        );
        add(
            "Stage 1, TTBR1",
            stage1.map(|stage1| format!("{:#x}", stage1.ttbr1)),
        );
        add(
            "Stage 2, VTTBR_EL2",
            space
                .and_then(|space| space.stage2)
                .map(|stage2| format!("{:#x}", stage2.vttbr)),
        );
        add(
            "CONTEXTIDR_EL1",
            frame
                .registers
                .sys(SysReg::ContextidrEl1)
                .map(|value| value.to_string()),
        );
        add("Image", frame.placed.as_ref().map(image_text));
        Ok(items)
    }
}

fn image_text(placed: &PlacedImage) -> String {
    let name = placed.image.name();
    let evidence = placed.placement.evidence;
    match placed.slide() {
        0 => format!("{name}, found by {evidence}"),
        slide => format!("{name}, found by {evidence}, moved by {slide:#x}"),
    }
}

/// Where the registers of a thread's innermost frame come from.
fn provenance(halt: &Halt, who: Who, state: ThreadState, frame: &Frame) -> String {
    use awareness::MachineView;
    let origin = match (who, state) {
        (Who::Pcpu(core), _) => format!("live, of {core}"),
        (_, ThreadState::OnCore(core)) => match halt.registers(core).el() {
            Some(El::El0 | El::El1) => format!("live, of {core}"),
            _ => format!("saved by the hypervisor when it trapped on {core}"),
        },
        _ => "saved by the hypervisor when it was switched out".to_owned(),
    };
    if frame.call_site {
        format!("{origin}, then unwound")
    } else {
        origin
    }
}

/// A value as an item.
pub(crate) fn typed_item(
    halt: &Halt,
    group: Option<&Group>,
    name: String,
    expression: Option<String>,
    located: Located,
) -> Item {
    let memory = View::new(halt, located.space);
    let symbol = |address| symbolise(group?, address);
    let children = located.value.child_count(&memory);
    Item {
        name,
        value: located.value.show(Viewer {
            memory: &memory,
            symbol: &symbol,
        }),
        type_name: Some(located.value.type_name()),
        evaluate_name: expression,
        address: located.value.address().ok(),
        named: children.named,
        indexed: children.indexed,
        node: Node::Value(Box::new(located)),
    }
}

/// The frame a reference names.
pub(crate) fn frame_at(frames: &[Frame], at: FrameRef) -> Result<&Frame, EngineError> {
    frames
        .get(at.index as usize)
        .ok_or_else(|| EngineError::user("that frame is not of the present halt"))
}

/// Parameters and variables visible in a frame.
pub(crate) fn variables(frame: &Frame) -> Vec<Variable> {
    match (&frame.placed, frame.function, frame.lookup()) {
        (Some(placed), Some(function), Some(pc)) => placed.image.locals_at(function, pc),
        _ => Vec::new(),
    }
}

/// A variable of a frame as a value.
pub(crate) fn locate(
    halt: &Halt,
    frames: &[Frame],
    index: usize,
    variable: &Variable,
) -> Result<Located, String> {
    let (frame, access) = frames
        .get(index)
        .zip(FrameAccess::new(halt, frames, index))
        .ok_or_else(|| "a label has no variables".to_owned())?;
    let (placed, space) = frame
        .placed
        .as_ref()
        .zip(frame.space)
        .ok_or_else(|| "no image is known here".to_owned())?;
    let place = placed
        .image
        .locate(variable, &access)
        .map_err(|error| error.to_string())?;
    let value = Value::new(std::sync::Arc::clone(&placed.image), variable.ty, place);
    Ok(Located {
        value,
        group: frame.group,
        space,
    })
}

/// `symbol+offset` of an address in a group's code.
pub(crate) fn symbolise(group: &Group, address: Va) -> Option<String> {
    let placed = group.image_at(address)?;
    let (symbol, offset) = placed
        .image
        .symbol_at(symbols::LinkVa::of(address, placed.slide()))?;
    Some(symbol_offset(symbol.name, offset))
}

/// The registers a system-register name stands for in expressions, by the names users write.
pub(crate) fn register_named(registers: &Registers, name: &str) -> Option<u64> {
    let lower = name.to_ascii_lowercase();
    let register = match lower.as_str() {
        "sp" => Register::Sp,
        "pc" => Register::Pc,
        "pstate" | "cpsr" => Register::Pstate,
        "fp" => Register::X(29),
        "lr" => Register::X(30),
        _ => match lower
            .strip_prefix('x')
            .and_then(|number| number.parse::<u8>().ok())
        {
            Some(number) if number <= 30 => Register::X(number),
            _ => Register::Sys(
                *SysReg::ALL
                    .iter()
                    .find(|reg| reg.name().eq_ignore_ascii_case(name))?,
            ),
        },
    };
    registers.get(register)
}
