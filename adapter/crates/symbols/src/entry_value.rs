//! What an argument's register held when the function was entered, as the caller's call site tells it.
//!
//! Optimised code forgets its arguments early and describes them by `DW_OP_entry_value` (DWARF 5 section 2.5.1.7). The
//! caller's `DW_TAG_call_site_parameter` (section 3.4.2) says how it made that value, from registers it still has.

use gimli::{DW_AT_location, Expression, Location, UnitOffset, constants as dw};

use crate::entry::{Entry, OpenUnit};
use crate::image::{LinkVa, Slice};
use crate::location::{Frame, Scene};
use crate::names::FunctionId;

/// The value the register named by `register` had on entry to the function of `frame`; `None` when nobody can tell.
pub(crate) fn entry_value(
    unit: &OpenUnit<'_>,
    frame: &dyn Frame,
    register: Expression<Slice<'_>>,
    depth: u8,
) -> Option<u64> {
    let caller = frame.caller()?;
    let image = unit.image;
    let callee = image.function_at(frame.pc())?;
    let function = image.function_at(caller.pc())?;
    let home = OpenUnit::open(image, function.unit).ok()?;
    let site = call_site(&home, function, LinkVa(caller.pc().0.wrapping_add(1)))?;
    if !calls(&home, site, callee) {
        return None;
    }
    let mut found = None;
    let _ = home.children(site, |parameter| {
        let place = parameter
            .attr_value(DW_AT_location)
            .and_then(|value| value.exprloc_value());
        if place.is_some_and(|place| place.0.slice() == register.0.slice()) {
            found = parameter
                .attr_value(dw::DW_AT_call_value)
                .or_else(|| parameter.attr_value(dw::DW_AT_GNU_call_site_value))
                .and_then(|value| value.exprloc_value());
        }
        found.is_none()
    });
    let scene = Scene {
        unit: &home,
        frame: caller,
        depth,
    };
    match scene.single(found?).ok()?? {
        Location::Address { address } => Some(address),
        Location::Value { value } => value.to_u64(u64::MAX).ok(),
        _ => None,
    }
}

/// The call site in `function` that returns to `returns`: by `DW_AT_call_return_pc`, or GCC's older `DW_AT_low_pc`.
fn call_site(unit: &OpenUnit<'_>, function: FunctionId, returns: LinkVa) -> Option<usize> {
    let start = UnitOffset(function.offset);
    let mut entries = unit.unit.entries_raw(Some(start)).ok()?;
    let mut entry = Entry::null();
    let mut inside = false;
    while !entries.is_empty() && (!inside || entries.next_depth() > 0) {
        inside = true;
        if !entries.read_entry(&mut entry).ok()? {
            continue;
        }
        let address = match entry.tag() {
            dw::DW_TAG_call_site => dw::DW_AT_call_return_pc,
            dw::DW_TAG_GNU_call_site => dw::DW_AT_low_pc,
            _ => continue,
        };
        let value = entry.attr_value(address)?;
        let found = unit.dwarf.attr_address(&unit.unit, value);
        if found == Ok(Some(returns.0)) {
            return Some(entry.offset().0);
        }
    }
    None
}

/// Whether the call is to `callee` by name. After a tail call it is not, and an indirect call does not say.
fn calls(unit: &OpenUnit<'_>, site: usize, callee: FunctionId) -> bool {
    let image = unit.image;
    let name = |id: FunctionId| {
        let unit = OpenUnit::open(image, id.unit).ok()?;
        let entry = unit.entry(id.offset).ok()?;
        unit.inherited(&entry, OpenUnit::name)
    };
    let called = unit.entry(site).ok().and_then(|entry| {
        unit.reference(&entry, dw::DW_AT_call_origin)
            .or_else(|| unit.reference(&entry, dw::DW_AT_abstract_origin))
    });
    let called = called.and_then(|id| {
        name(FunctionId {
            unit: id.unit,
            offset: id.offset,
        })
    });
    called.is_some() && called == name(callee)
}
