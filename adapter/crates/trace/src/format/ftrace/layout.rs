//! The kernel's description of an event or a page header: `format` files of tracefs.
//!
//! ```text
//! name: sched_switch
//! ID: 73
//! format:
//!     field:pid_t prev_pid; offset:24; size:4; signed:1;
//! ```

use std::collections::BTreeMap;

/// Where a number lies in a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Field {
    pub(super) offset: usize,
    pub(super) size: usize,
}

impl Field {
    /// The number, little-endian, of 1 to 8 bytes. `None` beyond the record's end or where it is no number.
    pub(super) fn read(self, record: &[u8]) -> Option<u64> {
        let end = self.offset.checked_add(self.size)?;
        let bytes = record.get(self.offset..end)?;
        let mut number = [0; 8];
        number.get_mut(..self.size)?.copy_from_slice(bytes);
        Some(u64::from_le_bytes(number))
    }
}

/// One description.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Layout {
    pub(super) name: String,
    pub(super) id: u16,
    pub(super) fields: BTreeMap<String, Field>,
}

impl Layout {
    /// Reads what it can; lines of another form say nothing.
    pub(super) fn read(text: &[u8]) -> Self {
        let text = String::from_utf8_lossy(text);
        let mut layout = Self::default();
        for line in text.lines().map(str::trim) {
            if let Some(name) = line.strip_prefix("name:") {
                layout.name = name.trim().to_owned();
            } else if let Some(id) = line.strip_prefix("ID:") {
                layout.id = id.trim().parse().unwrap_or(0);
            } else if let Some((name, field)) = field(line) {
                layout.fields.insert(name, field);
            }
        }
        layout
    }

    pub(super) fn field(&self, name: &str) -> Option<Field> {
        self.fields.get(name).copied()
    }
}

/// A line of the form `field:TYPE NAME; offset:N; size:N; signed:N;`, with tabs between, where the name may be followed by a length in brackets.
fn field(line: &str) -> Option<(String, Field)> {
    let mut parts = line.strip_prefix("field:")?.split(';').map(str::trim);
    let declaration = parts.next()?;
    let declaration = match declaration.strip_suffix(']') {
        Some(array) => array.rsplit_once('[')?.0,
        None => declaration,
    };
    let name = declaration.rsplit([' ', '*', ']']).next()?;
    let mut number = |key: &str| parts.next()?.strip_prefix(key)?.parse().ok();
    let field = Field {
        offset: number("offset:")?,
        size: number("size:")?,
    };
    Some((name.to_owned(), field))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(line: &str, name: &str, offset: usize, size: usize) {
        let expected = (name.to_owned(), Field { offset, size });
        assert_eq!(field(line), Some(expected), "{line}");
    }

    #[test]
    fn fields_have_a_name_and_a_place() {
        check(
            "field:pid_t prev_pid;\toffset:24;\tsize:4;\tsigned:1;",
            "prev_pid",
            24,
            4,
        );
        check(
            "field: u64 timestamp;\toffset:0;\tsize:8;\tsigned:0;",
            "timestamp",
            0,
            8,
        );
        check(
            "field:char prev_comm[16];\toffset:8;\tsize:16;\tsigned:0;",
            "prev_comm",
            8,
            16,
        );
        check(
            "field:__data_loc char[] name;\toffset:12;\tsize:4;",
            "name",
            12,
            4,
        );
        check("field:void * skbaddr;\toffset:8;\tsize:8;", "skbaddr", 8, 8);
        check("field:const char *name;\toffset:8;\tsize:8;", "name", 8, 8);
        assert_eq!(field("print fmt: \"x\""), None);
        assert_eq!(field("field:int x;\toffset:-1;\tsize:4;"), None);
    }

    #[test]
    fn numbers_have_one_to_eight_bytes() {
        let read = |offset, size| Field { offset, size }.read(&[1, 2, 3, 4]);
        assert_eq!(read(1, 2), Some(0x302));
        assert_eq!(read(0, 4), Some(0x0403_0201));
        assert_eq!(read(3, 2), None);
        assert_eq!(read(usize::MAX, 2), None);
        assert_eq!(Field { offset: 0, size: 9 }.read(&[0; 16]), None);
    }
}
