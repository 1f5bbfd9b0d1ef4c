//! Variables: globals by name, and what lives in a function at one address.

use std::sync::Arc;

use gimli::{AttributeValue, DwTag, constants as dw};

use crate::Image;
use crate::debug::line_program;
use crate::entry::{Entry, OpenUnit, flag, unsigned};
use crate::image::{LinkVa, Slice};
use crate::lines::files::{FileNames, join};
use crate::location::{Frame, LocateError, Place, Scene};
use crate::names::{FunctionId, GlobalEntry};
use crate::types::{TypeError, TypeId};

/// Lexical blocks inside each other that are entered.
const MAX_BLOCKS: usize = 256;

/// A variable or parameter; [`Image::locate`] says where it is in a frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Variable {
    /// Its name.
    pub name: Arc<str>,
    /// Its type.
    pub ty: Option<TypeId>,
    /// What it is.
    pub kind: VariableKind,
    /// For a global, the whole path of the file that declares it.
    pub file: Option<Arc<str>>,
    /// The line that declares it.
    pub line: Option<u32>,
    /// Whether a variable of the same name in an inner block hides it here.
    pub shadowed: bool,
    entry: TypeId,
    declared_only: bool,
}

/// What a variable is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum VariableKind {
    /// Outside functions.
    Global {
        /// Whether other files see it.
        external: bool,
    },
    /// An argument of a function.
    Parameter,
    /// Inside a function.
    Local,
}

impl Image {
    /// The globals of that name, file statics included: every one that is defined, or one that is only declared.
    #[must_use]
    pub fn globals_named(&self, name: &str) -> Vec<Variable> {
        let found = self.globals_by_name(name);
        let declarations = found.iter().all(|global| global.is_declaration);
        let wanted = found
            .iter()
            .filter(|global| declarations || !global.is_declaration);
        let mut globals: Vec<(Variable, Option<Vec<u8>>)> =
            wanted.filter_map(|global| self.global(*global)).collect();
        if declarations {
            globals.truncate(1);
        }
        // A weak definition that another file replaced describes the same place, often without the array's length.
        globals.sort_by_key(|(variable, _)| variable.ty.and_then(|ty| self.size_of(ty)).is_none());
        let mut places: Vec<Vec<u8>> = Vec::new();
        globals.retain(|(_, place)| match place {
            Some(place) if places.contains(place) => false,
            Some(place) => {
                places.push(place.clone());
                true
            }
            None => true,
        });
        globals.into_iter().map(|(variable, _)| variable).collect()
    }

    /// A global with the bytes of its location expression.
    fn global(&self, global: GlobalEntry) -> Option<(Variable, Option<Vec<u8>>)> {
        let unit = OpenUnit::open(self, global.unit).ok()?;
        let entry = unit.entry(global.offset).ok()?;
        let external = unit.inherited(&entry, |_, entry| {
            flag(entry, dw::DW_AT_external).then_some(())
        });
        let kind = VariableKind::Global {
            external: external.is_some(),
        };
        let mut variable = variable(&unit, &entry, kind)?;
        variable.file = file(&unit, &entry).map(Arc::from);
        variable.declared_only = global.is_declaration;
        let place = entry
            .attr_value(dw::DW_AT_location)
            .and_then(|value| value.exprloc_value());
        Some((
            variable,
            place.map(|expression| expression.0.slice().to_vec()),
        ))
    }

    /// What lives at `pc` in a function or an inlined copy of one: parameters, then the variables of the innermost block
    /// outwards.
    #[must_use]
    pub fn locals_at(&self, function: FunctionId, pc: LinkVa) -> Vec<Variable> {
        let Ok(unit) = OpenUnit::open(self, function.unit) else {
            return Vec::new();
        };
        let mut locals = Locals::default();
        // What was found before damage is still worth showing.
        let _ = locals.collect(&unit, function.offset, pc);
        locals.add_missing(&unit, function.offset);
        locals.in_order()
    }

    /// Where a variable is in `frame`.
    ///
    /// # Errors
    /// The frame does not know enough, or the description is damaged.
    pub fn locate(&self, variable: &Variable, frame: &dyn Frame) -> Result<Place, LocateError> {
        if variable.declared_only {
            return Ok(match self.symbol_named(&variable.name) {
                Some(symbol) => Place::Memory(symbol.address.placed(frame.slide())),
                None => Place::OptimizedOut,
            });
        }
        let unit = OpenUnit::open(self, variable.entry.unit)?;
        let entry = unit.entry(variable.entry.offset)?;
        let located = unit.inherited(&entry, |unit, entry| {
            let described =
                entry.has_attr(dw::DW_AT_location) || entry.has_attr(dw::DW_AT_const_value);
            let scene = Scene {
                unit,
                frame,
                depth: 0,
            };
            described.then(|| scene.variable(entry))
        });
        located.unwrap_or(Ok(Place::OptimizedOut))
    }
}

/// The variables of a function, by the block they are in.
#[derive(Default)]
struct Locals {
    parameters: Vec<Variable>,
    /// The function's own first, then block in block.
    blocks: Vec<Vec<Variable>>,
    /// The abstract entries that have a concrete one.
    origins: Vec<TypeId>,
}

impl Locals {
    /// Enters the function, then whichever block in it covers `pc`, and so on inwards.
    fn collect(
        &mut self,
        unit: &OpenUnit<'_>,
        function: usize,
        pc: LinkVa,
    ) -> Result<(), TypeError> {
        let mut open = vec![(function, 0)];
        let mut entered = 0;
        while let Some((offset, level)) = open.pop() {
            entered += 1;
            if entered > MAX_BLOCKS {
                break;
            }
            if self.blocks.len() <= level {
                self.blocks.resize(level + 1, Vec::new());
            }
            unit.children(offset, |child| {
                match child.tag() {
                    dw::DW_TAG_lexical_block => match covers(unit, child, pc) {
                        Some(true) => open.push((child.offset().0, level + 1)),
                        Some(false) => {}
                        // A block without addresses holds what has none either; it counts as its parent.
                        None => open.push((child.offset().0, level)),
                    },
                    tag => self.add(unit, child, tag, level),
                }
                true
            })
            .map_err(|reason| unit.damaged(offset, reason))?;
        }
        Ok(())
    }

    fn add<'i>(&mut self, unit: &OpenUnit<'i>, entry: &Entry<'i>, tag: DwTag, level: usize) {
        let kind = match tag {
            dw::DW_TAG_formal_parameter => VariableKind::Parameter,
            dw::DW_TAG_variable => VariableKind::Local,
            _ => return,
        };
        self.origins.extend(unit.origin(entry));
        let hidden = flag(entry, dw::DW_AT_artificial) || flag(entry, dw::DW_AT_declaration);
        if hidden {
            return;
        }
        if let Some(variable) = variable(unit, entry, kind) {
            match kind {
                VariableKind::Parameter => self.parameters.push(variable),
                _ => self.blocks[level].push(variable),
            }
        }
    }

    /// Adds what the abstract function has and this copy of it leaves out, since nothing of it is left.
    fn add_missing(&mut self, unit: &OpenUnit<'_>, function: usize) {
        let Some(origin) = unit
            .entry(function)
            .ok()
            .and_then(|entry| unit.origin(&entry))
        else {
            return;
        };
        let Ok(home) = OpenUnit::open(unit.image, origin.unit) else {
            return;
        };
        let known = std::mem::take(&mut self.origins);
        let _ = home.children(origin.offset, |child| {
            let id = TypeId {
                unit: home.index,
                offset: child.offset().0,
            };
            if !known.contains(&id) {
                self.add(&home, child, child.tag(), 0);
            }
            true
        });
    }

    fn in_order(mut self) -> Vec<Variable> {
        self.blocks.reverse();
        let mut seen: Vec<Arc<str>> = Vec::new();
        for block in &mut self.blocks {
            let inner = seen.len();
            for variable in block {
                variable.shadowed = seen[..inner].contains(&variable.name);
                seen.push(variable.name.clone());
            }
        }
        for parameter in &mut self.parameters {
            parameter.shadowed = seen.contains(&parameter.name);
        }
        let mut all = self.parameters;
        all.extend(self.blocks.into_iter().flatten());
        all
    }
}

/// Whether a block covers `pc`; `None` when it has no addresses.
fn covers<'i>(unit: &OpenUnit<'i>, entry: &Entry<'i>, pc: LinkVa) -> Option<bool> {
    if !entry.has_attr(dw::DW_AT_low_pc) && !entry.has_attr(dw::DW_AT_ranges) {
        return None;
    }
    let Ok(mut ranges) = unit.dwarf.die_ranges(&unit.unit, entry) else {
        return Some(false);
    };
    while let Ok(Some(range)) = ranges.next() {
        if range.begin <= pc.0 && pc.0 < range.end {
            return Some(true);
        }
    }
    Some(false)
}

/// The file that declares an entry, by the line table's list of files; else the unit's own.
fn file<'i>(unit: &OpenUnit<'i>, entry: &Entry<'i>) -> Option<String> {
    let declared = unit.inherited(entry, |home, entry| {
        let number = match entry.attr_value(dw::DW_AT_decl_file)? {
            AttributeValue::FileIndex(number) => number,
            other => other.udata_value()?,
        };
        let program = line_program(&home.dwarf, &home.unit).ok()??;
        FileNames::new(&home.dwarf, &home.unit, program.header()).path(number)
    });
    declared.or_else(|| {
        let text = |part: Option<Slice<'i>>| part.map(|part| part.to_string_lossy().into_owned());
        let home = text(unit.unit.comp_dir).unwrap_or_default();
        Some(join(&[&home, &text(unit.unit.name)?]))
    })
}

/// `None` when it has no name: the compiler's own.
fn variable<'i>(unit: &OpenUnit<'i>, entry: &Entry<'i>, kind: VariableKind) -> Option<Variable> {
    let name = unit.inherited(entry, OpenUnit::name)?;
    let line = unit.inherited(entry, |_, entry| unsigned(entry, dw::DW_AT_decl_line));
    Some(Variable {
        name,
        ty: unit.inherited(entry, OpenUnit::type_attr),
        kind,
        file: None,
        line: line.and_then(|line| u32::try_from(line).ok()),
        shadowed: false,
        entry: TypeId {
            unit: unit.index,
            offset: entry.offset().0,
        },
        declared_only: false,
    })
}
