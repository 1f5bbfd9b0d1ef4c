//! Where a breakpoint on a source line goes.

use std::sync::Arc;

use rayon::prelude::*;
use rustc_hash::FxHashSet;

use crate::Image;
use crate::image::LinkVa;
use crate::lines::Position;
use crate::lines::table::LineTable;
use crate::names::FunctionId;

/// An address where a source line begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LineAddress {
    /// Where to stop.
    pub address: LinkVa,
    /// The line that is there: the wanted one, or a later one of the same function.
    pub position: Position,
    /// The function whose source line it is: possibly one inlined where the address is.
    pub function: Arc<str>,
}

/// Up to so many units' tables are kept after a lookup; a header that many units include would push out all others.
const UNITS_KEPT: usize = 4;

/// The rows of one unit that could serve: all of the first line with code at or after the wanted one.
struct Candidates {
    line: u32,
    rows: Vec<(u64, Position)>,
}

/// Lines to addresses.
impl Image {
    /// The addresses where a breakpoint on `line` of the files `wanted` accepts is to be set.
    ///
    /// A line without code moves forward to the next one that has some in the same function. Of the places a line has in
    /// one lexical block the lowest is taken, so that a loop stops once for each time round; every function, inlined copy
    /// and separate part has its own. On the line that opens a function, the place is after the prologue.
    #[must_use]
    pub fn addresses_of_line(&self, wanted: &dyn Fn(&str) -> bool, line: u32) -> Vec<LineAddress> {
        let files = self.files();
        let paths: FxHashSet<&str> = files
            .paths()
            .iter()
            .map(|path| &**path)
            .filter(|path| wanted(path))
            .collect();
        let numbers =
            (0..files.paths().len()).filter(|number| paths.contains(&*files.paths()[*number]));
        let mut units: Vec<u32> = numbers
            .flat_map(|number| files.units_of(number))
            .copied()
            .collect();
        units.sort_unstable();
        units.dedup();

        let mut found: Vec<(u32, Candidates)> = if units.len() <= UNITS_KEPT {
            let kept = units
                .iter()
                .filter_map(|unit| Some((*unit, self.line_table(*unit)?)));
            kept.filter_map(|(unit, table)| Some((unit, candidates(&table, &paths, line)?)))
                .collect()
        } else {
            let each = units.into_par_iter();
            each.filter_map(|unit| {
                let table = LineTable::decode(self, unit);
                Some((unit, candidates(&table, &paths, line)?))
            })
            .collect()
        };
        found.sort_by_key(|(unit, candidates)| (candidates.line, *unit));
        let mut places = Vec::new();
        for group in found.chunk_by(|(_, one), (_, other)| one.line == other.line) {
            for (unit, candidates) in group {
                let Some(table) = self.line_table(*unit) else {
                    continue;
                };
                self.place(&table, &candidates.rows, line, &mut places);
            }
            if !places.is_empty() {
                break;
            }
        }
        places.sort_by_key(|place: &LineAddress| place.address);
        places.dedup_by_key(|place| place.address);
        places
    }

    /// Chooses among the rows of one line and one unit.
    fn place(
        &self,
        table: &LineTable,
        rows: &[(u64, Position)],
        wanted: u32,
        places: &mut Vec<LineAddress>,
    ) {
        let mut taken = FxHashSet::default();
        for (address, position) in rows {
            let at = LinkVa(*address);
            let Some(function) = self.function_at(at) else {
                // Assembly code: there is no function to stay in.
                places.push(LineAddress {
                    address: at,
                    position: position.clone(),
                    function: Arc::from(self.symbol_at(at).map_or("", |(symbol, _)| symbol.name)),
                });
                continue;
            };
            let scopes = self.scopes(function);
            let owner = scopes.owner(*address, position, table, |scope| {
                let declared = self.declared_at(FunctionId {
                    unit: function.unit,
                    offset: scope.offset,
                });
                declared.is_none_or(|declared| declared.path == position.path)
            });
            if !taken.insert((function, owner, scopes.part(*address))) {
                continue;
            }
            let own = scopes.outwards(owner).find(|(_, scope)| scope.is_function);
            let own = FunctionId {
                unit: function.unit,
                offset: own.map_or(function.offset, |(_, scope)| scope.offset),
            };
            if position.line != wanted && !self.is_headed_before(own, position, wanted) {
                continue;
            }
            let opens = own == function
                && self
                    .entry_range(function)
                    .is_some_and(|code| code.start == at)
                && table.opening_line(*address) == Some(position.line);
            let body = opens.then(|| self.body_start(function)).flatten();
            places.push(LineAddress {
                address: body.unwrap_or(at),
                position: position.clone(),
                function: self.function(own).name,
            });
        }
    }

    /// Whether a line moved forward to `found` stays in the function it was in: the function's declaration, or the line of
    /// its return type before that, is not behind the wanted line.
    fn is_headed_before(&self, function: FunctionId, found: &Position, wanted: u32) -> bool {
        let declared = self.declared_at(function);
        declared.is_some_and(|declared| {
            declared.path == found.path && declared.line <= wanted.saturating_add(1)
        })
    }
}

fn candidates(table: &LineTable, paths: &FxHashSet<&str>, line: u32) -> Option<Candidates> {
    let files = table.files_where(|path| paths.contains(path));
    let stops = || {
        let rows = table.rows().iter();
        rows.filter(|row| row.is_stmt && !row.end && row.line >= line && files.contains(&row.file))
    };
    let first = stops().map(|row| row.line).min()?;
    let rows = stops().filter(|row| row.line == first);
    Some(Candidates {
        line: first,
        rows: rows
            .filter_map(|row| Some((row.address, table.position(row)?)))
            .collect(),
    })
}
