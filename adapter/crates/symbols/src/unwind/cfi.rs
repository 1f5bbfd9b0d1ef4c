//! Call-frame information: `.debug_frame` and `.eh_frame` (DWARF 5, 6.4; AADWARF64).

use gimli::{
    BaseAddresses, CfaRule, CieOrFde, CommonInformationEntry, DebugFrame, EhFrame, EndianSlice,
    Evaluation, EvaluationResult, LittleEndian, Location, RegisterRule, SectionId, UnwindContext,
    UnwindExpression, UnwindOffset, UnwindSection, UnwindTableRow, Value, Vendor,
};
use machine::{Registers, Va, VirtualMemory};
use rustc_hash::FxHashMap;

use crate::Image;
use crate::image::{LinkVa, Slice};
use crate::unwind::{CALLEE_SAVED, Method, Placed, Rules, Saved, UnwindEnd, known, read_register};

/// One function's entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Entry {
    start: u64,
    end: u64,
    offset: u32,
    section: Section,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Section {
    DebugFrame,
    EhFrame,
}

/// Which functions have call-frame information, by address.
#[derive(Debug, Default)]
pub(crate) struct CallFrames(Vec<Entry>);

impl CallFrames {
    /// Reads the addresses of every entry.
    pub(crate) fn read(image: &Image) -> Self {
        let mut frames = Self::default();
        let code = image.executable_ranges();
        let (section, bases) = debug_frame(image);
        frames.section(image, &section, &bases, Section::DebugFrame);
        let (section, bases) = eh_frame(image);
        frames.section(image, &section, &bases, Section::EhFrame);
        frames.0.retain(|entry| {
            let start = LinkVa(entry.start);
            code.is_empty() || code.iter().any(|range| range.contains(&start))
        });
        frames.0.sort_unstable();
        frames.0.shrink_to_fit();
        frames
    }

    fn section<'a, S: UnwindSection<Slice<'a>>>(
        &mut self,
        image: &Image,
        section: &S,
        bases: &BaseAddresses,
        kind: Section,
    ) {
        let mut common: FxHashMap<usize, CommonInformationEntry<Slice<'a>>> = FxHashMap::default();
        let mut entries = section.entries(bases);
        loop {
            let fde = match entries.next() {
                Ok(Some(CieOrFde::Fde(fde))) => fde,
                Ok(Some(CieOrFde::Cie(_))) => continue,
                Ok(None) => return,
                Err(error) => {
                    image.note(format!("{}: {kind:?} is damaged: {error}", image.name()));
                    return;
                }
            };
            let parsed = fde.parse(|section, bases, offset| {
                let key = UnwindOffset::into(offset);
                if let Some(known) = common.get(&key) {
                    return Ok(known.clone());
                }
                let entry = section.cie_from_offset(bases, offset)?;
                common.insert(key, entry.clone());
                Ok(entry)
            });
            let Ok(parsed) = parsed else { continue };
            let Ok(offset) = u32::try_from(parsed.offset()) else {
                continue;
            };
            if parsed.end_address() > parsed.initial_address() {
                self.0.push(Entry {
                    start: parsed.initial_address(),
                    end: parsed.end_address(),
                    offset,
                    section: kind,
                });
            }
        }
    }

    fn find(&self, at: LinkVa) -> Option<Entry> {
        let after = self.0.partition_point(|entry| entry.start <= at.0);
        // Two sections may both know the function.
        let near = self.0[..after].iter().rev().take(4);
        near.copied().find(|entry| at.0 < entry.end)
    }
}

fn debug_frame(image: &Image) -> (DebugFrame<Slice<'_>>, BaseAddresses) {
    let mut section = DebugFrame::from(slice(image, SectionId::DebugFrame).0);
    section.set_address_size(8);
    // Else rows of code with pointer authentication do not parse: DW_CFA_AARCH64_negate_ra_state (AADWARF64).
    section.set_vendor(Vendor::AArch64);
    (section, BaseAddresses::default())
}

fn eh_frame(image: &Image) -> (EhFrame<Slice<'_>>, BaseAddresses) {
    let (bytes, address) = slice(image, SectionId::EhFrame);
    let mut section = EhFrame::from(bytes);
    section.set_address_size(8);
    section.set_vendor(Vendor::AArch64);
    (section, BaseAddresses::default().set_eh_frame(address))
}

fn slice(image: &Image, id: SectionId) -> (Slice<'_>, u64) {
    let (bytes, address) = image.section(id);
    (EndianSlice::new(bytes, LittleEndian), address)
}

/// Where the caller's registers are, `None` when there is no call-frame information for the address.
pub(super) fn rules(
    placed: Placed<'_>,
    at: LinkVa,
    regs: &Registers,
    memory: &dyn VirtualMemory,
) -> Result<Option<Rules>, UnwindEnd> {
    let image = placed.image;
    let Some(entry) = image.call_frames().find(at) else {
        return Ok(None);
    };
    match entry.section {
        Section::DebugFrame => {
            let (section, bases) = debug_frame(image);
            row(
                &section,
                &bases,
                gimli::DebugFrameOffset(entry.offset as usize),
                at,
                regs,
                memory,
            )
        }
        Section::EhFrame => {
            let (section, bases) = eh_frame(image);
            row(
                &section,
                &bases,
                gimli::EhFrameOffset(entry.offset as usize),
                at,
                regs,
                memory,
            )
        }
    }
}

fn row<'a, S: UnwindSection<Slice<'a>>>(
    section: &S,
    bases: &BaseAddresses,
    offset: S::Offset,
    at: LinkVa,
    regs: &Registers,
    memory: &dyn VirtualMemory,
) -> Result<Option<Rules>, UnwindEnd> {
    let mut context = UnwindContext::new();
    let Ok(fde) = section.fde_from_offset(bases, offset, S::cie_from_offset) else {
        return Ok(None);
    };
    let Ok(row) = fde.unwind_info_for_address(section, bases, &mut context, at.0) else {
        return Ok(None);
    };
    let scene = Scene {
        section,
        encoding: fde.cie().encoding(),
        regs,
        memory,
    };
    let Some(cfa) = scene.cfa(row) else {
        return Ok(None);
    };
    let mut rules = Rules::new(Method::Cfi, Some(cfa));
    for (number, saved) in (0_u16..).zip(&mut rules.x) {
        *saved = scene.register(row, number, cfa);
    }
    if let Some(rule) = row.register(gimli::Register(31)) {
        rules.sp = scene.saved(31, &rule, cfa);
    }
    let back = fde.cie().return_address_register();
    if row.register(back) == Some(RegisterRule::Undefined) {
        return Err(UnwindEnd::Outermost);
    }
    rules.pc = scene.register(row, back.0, cfa);
    Ok(Some(rules))
}

/// One row being evaluated.
struct Scene<'s, S> {
    section: &'s S,
    encoding: gimli::Encoding,
    regs: &'s Registers,
    memory: &'s dyn VirtualMemory,
}

impl<'a, S: UnwindSection<Slice<'a>>> Scene<'_, S> {
    fn cfa(&self, row: &UnwindTableRow<usize>) -> Option<u64> {
        match row.cfa() {
            CfaRule::RegisterAndOffset { register, offset } => {
                Some(read_register(self.regs, register.0)?.wrapping_add_signed(*offset))
            }
            CfaRule::Expression(expression) => self.evaluate(expression, None),
        }
    }

    fn register(&self, row: &UnwindTableRow<usize>, number: u16, cfa: u64) -> Saved {
        match row.register(gimli::Register(number)) {
            Some(rule) => self.saved(number, &rule, cfa),
            // Without a rule the calling standard decides.
            None if usize::from(number) >= CALLEE_SAVED => known(read_register(self.regs, number)),
            None => Saved::Unknown,
        }
    }

    fn saved(&self, number: u16, rule: &RegisterRule<usize>, cfa: u64) -> Saved {
        match rule {
            RegisterRule::SameValue => known(read_register(self.regs, number)),
            RegisterRule::Offset(offset) => Saved::Memory(cfa.wrapping_add_signed(*offset)),
            RegisterRule::ValOffset(offset) => Saved::Value(cfa.wrapping_add_signed(*offset)),
            RegisterRule::Register(other) => known(read_register(self.regs, other.0)),
            RegisterRule::Expression(expression) => self
                .evaluate(expression, Some(cfa))
                .map_or(Saved::Unknown, Saved::Memory),
            RegisterRule::ValExpression(expression) => known(self.evaluate(expression, Some(cfa))),
            RegisterRule::Constant(value) => Saved::Value(*value),
            RegisterRule::Undefined | RegisterRule::Architectural => Saved::Unknown,
        }
    }

    /// The value of an expression, with the CFA on the stack where the rule says so.
    fn evaluate(&self, expression: &UnwindExpression<usize>, cfa: Option<u64>) -> Option<u64> {
        let expression = expression.get(self.section).ok()?;
        let mut evaluation: Evaluation<Slice<'a>> = expression.evaluation(self.encoding);
        evaluation.set_max_iterations(OPERATIONS);
        if let Some(cfa) = cfa {
            evaluation.set_initial_value(cfa);
        }
        let mut state = evaluation.evaluate().ok()?;
        loop {
            state = match state {
                EvaluationResult::Complete => break,
                EvaluationResult::RequiresMemory { address, size, .. } => {
                    let mut bytes = [0; 8];
                    let wanted = bytes.get_mut(..usize::from(size))?;
                    self.memory.read(Va(address), wanted).ok()?;
                    let value = Value::Generic(u64::from_le_bytes(bytes));
                    evaluation.resume_with_memory(value).ok()?
                }
                EvaluationResult::RequiresRegister { register, .. } => {
                    let value = Value::Generic(read_register(self.regs, register.0)?);
                    evaluation.resume_with_register(value).ok()?
                }
                _ => return None,
            };
        }
        match evaluation.as_result() {
            [piece] => match piece.location {
                Location::Address { address } => Some(address),
                Location::Value { value } => value.to_u64(u64::MAX).ok(),
                _ => None,
            },
            _ => None,
        }
    }
}

/// Operations one expression may take.
const OPERATIONS: u32 = 1000;
