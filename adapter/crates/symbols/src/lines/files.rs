//! Which source files there are and which units mention them, from the headers of the line programs alone.

use std::hash::{Hash as _, Hasher as _};
use std::sync::Arc;

use gimli::{AttributeValue, Dwarf, LineProgramHeader, Unit};
use rayon::prelude::*;
use rustc_hash::{FxHashMap, FxHasher};

use crate::Image;
use crate::debug::line_program;
use crate::image::Slice;

/// File names of an image.
#[derive(Debug, Default)]
pub(crate) struct Files {
    paths: Vec<Arc<str>>,
    /// Path number to the first of its `units`; one more than there are paths.
    starts: Vec<u32>,
    units: Vec<u32>,
}

/// Names met so far in one part of the units.
#[derive(Default)]
struct Met {
    paths: FxHashMap<u64, String>,
    /// `(path, unit)`.
    mentions: Vec<(u64, u32)>,
}

impl Files {
    /// Reads the header of every line program.
    pub(crate) fn read(image: &Image) -> Self {
        let dwarf = image.dwarf();
        let mut met: Vec<Met> = (0..image.unit_count())
            .into_par_iter()
            .fold(Met::default, |mut met, index| {
                // A damaged unit is noted by the index; here it just has no files.
                if let Ok(unit) = image.unit_once(&dwarf, index) {
                    met.unit(&dwarf, &unit, index);
                }
                met
            })
            .collect();

        let mut numbers: FxHashMap<u64, u32> = FxHashMap::default();
        let mut paths: Vec<Arc<str>> = Vec::new();
        for (key, path) in met.iter_mut().flat_map(|met| met.paths.drain()) {
            numbers.entry(key).or_insert_with(|| {
                paths.push(Arc::from(path));
                u32::try_from(paths.len() - 1).unwrap_or(u32::MAX)
            });
        }
        let mut mentions: Vec<(u32, u32)> = Vec::new();
        for met in &mut met {
            let found = std::mem::take(&mut met.mentions);
            mentions.extend(found.iter().map(|(key, unit)| (numbers[key], *unit)));
        }
        mentions.par_sort_unstable();
        mentions.dedup();
        let mut starts = Vec::with_capacity(paths.len() + 1);
        for number in (0..).take(paths.len() + 1) {
            let start = mentions.partition_point(|(path, _)| *path < number);
            starts.push(u32::try_from(start).unwrap_or(u32::MAX));
        }
        Self {
            paths,
            starts,
            units: mentions.into_iter().map(|(_, unit)| unit).collect(),
        }
    }

    /// Every path.
    pub(crate) fn paths(&self) -> &[Arc<str>] {
        &self.paths
    }

    /// The units that mention a path, by its place in [`paths`](Self::paths).
    pub(crate) fn units_of(&self, path: usize) -> &[u32] {
        let bound = |at: usize| self.starts.get(at).map_or(0, |start| *start as usize);
        self.units.get(bound(path)..bound(path + 1)).unwrap_or(&[])
    }
}

impl Met {
    fn unit(&mut self, dwarf: &Dwarf<Slice<'_>>, unit: &Unit<Slice<'_>>, index: u32) {
        let Ok(Some(program)) = line_program(dwarf, unit) else {
            return;
        };
        let names = FileNames::new(dwarf, unit, program.header());
        for number in names.numbers() {
            let Some((directory, name)) = names.parts(number) else {
                continue;
            };
            let mut hasher = FxHasher::default();
            (names.home.slice(), directory.slice(), name.slice()).hash(&mut hasher);
            let key = hasher.finish();
            self.paths
                .entry(key)
                .or_insert_with(|| names.join(directory, name));
            self.mentions.push((key, index));
        }
    }
}

/// The file table of one line program.
pub(crate) struct FileNames<'u, 'a> {
    dwarf: &'u Dwarf<Slice<'a>>,
    unit: &'u Unit<Slice<'a>>,
    header: &'u LineProgramHeader<Slice<'a>>,
    /// The compilation directory.
    home: Slice<'a>,
}

impl<'u, 'a> FileNames<'u, 'a> {
    pub(crate) fn new(
        dwarf: &'u Dwarf<Slice<'a>>,
        unit: &'u Unit<Slice<'a>>,
        header: &'u LineProgramHeader<Slice<'a>>,
    ) -> Self {
        let home = unit.comp_dir.unwrap_or_default();
        Self {
            dwarf,
            unit,
            header,
            home,
        }
    }

    /// The file numbers in use: from 0 since DWARF 5, from 1 before (DWARF 5, 6.2.4).
    pub(crate) fn numbers(&self) -> std::ops::Range<u64> {
        let count = self.header.file_names().len() as u64;
        match self.header.version() {
            ..=4 => 1..count + 1,
            _ => 0..count,
        }
    }

    /// The directory and the name of a file as they are written.
    fn parts(&self, number: u64) -> Option<(Slice<'a>, Slice<'a>)> {
        let file = self.header.file(number)?;
        let name = self.text(file.path_name())?;
        let directory = match (self.header.version(), file.directory_index()) {
            (..=4, 0) => Slice::default(),
            (_, index) => self
                .header
                .directory(index)
                .and_then(|directory| self.text(directory))
                .unwrap_or_default(),
        };
        Some((directory, name))
    }

    fn text(&self, value: AttributeValue<Slice<'a>>) -> Option<Slice<'a>> {
        match value {
            AttributeValue::String(text) => Some(text),
            other => self.dwarf.attr_string(self.unit, other).ok(),
        }
    }

    fn join(&self, directory: Slice<'a>, name: Slice<'a>) -> String {
        join(&[
            &self.home.to_string_lossy(),
            &directory.to_string_lossy(),
            &name.to_string_lossy(),
        ])
    }

    /// The whole path of a file.
    pub(crate) fn path(&self, number: u64) -> Option<String> {
        let (directory, name) = self.parts(number)?;
        Some(self.join(directory, name))
    }
}

/// Joins path parts, each relative to those before it, and resolves `.` and `..`.
pub(crate) fn join(parts: &[&str]) -> String {
    let from = parts
        .iter()
        .rposition(|part| part.starts_with('/'))
        .unwrap_or(0);
    let mut path = String::new();
    let absolute = parts.get(from).is_some_and(|part| part.starts_with('/'));
    for step in parts[from..].iter().flat_map(|part| part.split('/')) {
        match step {
            "" | "." => {}
            ".." if path.is_empty() && absolute => {}
            ".." if path.is_empty() || path == ".." || path.ends_with("/..") => {
                push(&mut path, "..", absolute);
            }
            ".." => path.truncate(path.rfind('/').unwrap_or(0)),
            step => push(&mut path, step, absolute),
        }
    }
    path
}

fn push(path: &mut String, step: &str, absolute: bool) {
    if absolute || !path.is_empty() {
        path.push('/');
    }
    path.push_str(step);
}

#[cfg(test)]
mod tests {
    use super::join;

    #[test]
    fn paths_are_joined_and_resolved() {
        let check = |parts: &[&str], expected| assert_eq!(join(parts), expected, "{parts:?}");
        check(
            &["/usr/src/xen", "", "common/bitmap.c"],
            "/usr/src/xen/common/bitmap.c",
        );
        check(
            &["/usr/src/xen", "./include/xen", "lib.h"],
            "/usr/src/xen/include/xen/lib.h",
        );
        check(
            &["/b/k", "/usr/src/linux/init", "main.c"],
            "/usr/src/linux/init/main.c",
        );
        check(&["/b/k", "..", "../x.h"], "/x.h");
        check(&["/", "../..", "x.h"], "/x.h");
        check(&["", "../lib", "x.c"], "../lib/x.c");
        check(&["a", "../..", "x.c"], "../x.c");
        check(&["", "", "x.c"], "x.c");
        check(&["a/b", "..", "x.c"], "a/x.c");
    }
}
