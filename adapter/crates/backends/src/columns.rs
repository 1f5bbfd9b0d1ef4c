//! Named columns of bytes in a folder, a file each: appended to by one writer, read through maps.
//!
//! What is appended waits in memory, [`PIECE`] bytes a column and [`MOST_WAITING`] in all, and can be read once it is
//! [published](ColumnFolder::publish). Files only grow: nothing is overwritten and nothing is cut, so a crash or a full disk
//! leaves every column as a prefix of what was appended, and maps of it stay good. Files are open only while they are written,
//! for there may be more of them than a process may have open.
//!
//! Handing bytes to the kernel is a good part of the time it takes to make an index, so pieces begin and end at multiples of
//! [`PIECE`] in the file, where the kernel needs no half pages; whole pieces are written from where the caller has them; and
//! buffers are used again, for memory that is given back and asked for anew is cleared by the kernel page by page. Storing
//! through a map instead would take a page fault for every page, dearer than the copy.
//! Nothing is forced onto the disk: a power failure may take what the kernel had not written.

use std::collections::HashMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use memmap2::Mmap;

use crate::mapped::map_prefix;

/// A column is written when this many bytes wait in it.
const PIECE: usize = 1 << 16;
/// All columns are written, and give up their buffers, when the buffers of all together reach this many bytes.
const MOST_WAITING: usize = 16 << 20;
/// Files up to this size are read, not mapped: a process may have only so many maps.
const SMALL: u64 = 1 << 14;

/// A column of a [`ColumnFolder`], by number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ColumnId(usize);

/// Columns in a folder, for one who appends or for any number who read what there is.
#[derive(Debug)]
pub struct ColumnFolder {
    folder: PathBuf,
    numbers: HashMap<String, ColumnId>,
    columns: Vec<Column>,
    /// Those with bytes that wait.
    changed: Vec<ColumnId>,
    /// Bytes of all buffers.
    waiting: usize,
}

#[derive(Debug, Default)]
struct Column {
    name: String,
    /// Bytes in the file.
    written: u64,
    waiting: Vec<u8>,
    /// What was last published, once somebody has looked.
    published: OnceLock<Bytes>,
    published_size: u64,
}

/// The bytes of a file.
#[derive(Debug)]
enum Bytes {
    Read(Vec<u8>),
    Mapped(Mmap),
}

impl ColumnFolder {
    /// Begins with no columns in a new folder.
    ///
    /// # Errors
    /// When the folder exists or cannot be made.
    pub fn create(folder: &Path) -> io::Result<Self> {
        fs::create_dir(folder)?;
        Ok(Self::empty(folder))
    }

    /// Reads the columns of a folder as long as they are now. Nothing may be appended.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub fn open(folder: &Path) -> io::Result<Self> {
        let mut opened = Self::empty(folder);
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            let (name, size) = (entry.file_name(), entry.metadata()?.len());
            if let Some(name) = name.to_str() {
                let id = opened.column(name);
                let column = &mut opened.columns[id.0];
                (column.written, column.published_size) = (size, size);
            }
        }
        Ok(opened)
    }

    fn empty(folder: &Path) -> Self {
        Self {
            folder: folder.to_owned(),
            numbers: HashMap::new(),
            columns: Vec::new(),
            changed: Vec::new(),
            waiting: 0,
        }
    }

    /// The number of a column, which is made if there is none of this name: a file name, without folders.
    pub fn column(&mut self, name: &str) -> ColumnId {
        if let Some(id) = self.numbers.get(name) {
            return *id;
        }
        let id = ColumnId(self.columns.len());
        self.numbers.insert(name.to_owned(), id);
        self.columns.push(Column {
            name: name.to_owned(),
            ..Column::default()
        });
        id
    }

    /// The number of a column, if there is one of this name.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<ColumnId> {
        self.numbers.get(name).copied()
    }

    /// Appends to a column.
    ///
    /// # Errors
    /// When its file cannot be written. Part of what was appended may be in it; nothing must be appended afterwards.
    pub fn append(&mut self, id: ColumnId, bytes: &[u8]) -> io::Result<()> {
        let column = &mut self.columns[id.0];
        let before = column.waiting.capacity();
        let mut rest = bytes;
        while let Some((piece, after)) = rest.split_at_checked(column.missing()) {
            column.write(&self.folder, piece)?;
            rest = after;
        }
        if column.waiting.is_empty() && !rest.is_empty() {
            self.changed.push(id);
        }
        column.waiting.extend_from_slice(rest);
        self.waiting += column.waiting.capacity() - before;
        if self.waiting >= MOST_WAITING {
            self.write_all()?;
            self.give_up_buffers();
        }
        Ok(())
    }

    /// Lets [`bytes`](Self::bytes) show all that was appended, after it was handed to the operating system.
    ///
    /// # Errors
    /// As [`append`](Self::append); what was published before can still be read.
    pub fn publish(&mut self) -> io::Result<()> {
        self.write_all()?;
        for column in &mut self.columns {
            if column.published_size != column.written {
                column.published_size = column.written;
                column.published = OnceLock::new();
            }
        }
        Ok(())
    }

    /// What was published of a column; less where somebody else has cut its file.
    #[must_use]
    pub fn bytes(&self, id: ColumnId) -> &[u8] {
        let column = &self.columns[id.0];
        let read = || Bytes::of(&self.folder.join(&column.name), column.published_size);
        match column.published.get_or_init(read) {
            Bytes::Read(bytes) => bytes,
            Bytes::Mapped(map) => map,
        }
    }

    /// The name and the published size of every column.
    pub fn sizes(&self) -> impl Iterator<Item = (&str, u64)> {
        let columns = self.columns.iter();
        columns.map(|column| (column.name.as_str(), column.published_size))
    }

    fn write_all(&mut self) -> io::Result<()> {
        for id in std::mem::take(&mut self.changed) {
            self.columns[id.0].write(&self.folder, &[])?;
        }
        Ok(())
    }

    fn give_up_buffers(&mut self) {
        for column in &mut self.columns {
            column.waiting = Vec::new();
        }
        self.waiting = 0;
    }
}

impl Column {
    /// How many more bytes make the piece whole that ends at the next multiple of [`PIECE`] in the file.
    fn missing(&self) -> usize {
        PIECE - self.written as usize % PIECE - self.waiting.len()
    }

    /// Writes what waits, and `more` behind it.
    fn write(&mut self, folder: &Path, more: &[u8]) -> io::Result<()> {
        let bytes = if self.waiting.is_empty() {
            more
        } else {
            self.waiting.extend_from_slice(more);
            &self.waiting
        };
        if bytes.is_empty() {
            return Ok(());
        }
        let mut options = OpenOptions::new();
        options.append(true).create(true);
        let mut file = options.open(folder.join(&self.name))?;
        file.write_all(bytes)?;
        self.written += bytes.len() as u64;
        self.waiting.clear();
        Ok(())
    }
}

impl Bytes {
    /// The first bytes of a file; none where it cannot be read at all.
    fn of(path: &Path, size: u64) -> Self {
        let nothing = || Self::Read(Vec::new());
        let Ok(file) = File::open(path) else {
            return nothing();
        };
        let size = size.min(file.metadata().map_or(0, |now| now.len()));
        if let (true, Ok(size)) = (size > SMALL, usize::try_from(size))
            && let Ok(map) = map_prefix(&file, size)
        {
            return Self::Mapped(map);
        }
        let mut bytes = Vec::new();
        match file.take(size).read_to_end(&mut bytes) {
            Ok(_) => Self::Read(bytes),
            Err(_) => nothing(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A folder that does not exist yet.
    fn folder(name: &str) -> PathBuf {
        let folder =
            std::env::temp_dir().join(format!("hvdap-columns-{}-{name}", std::process::id()));
        fs::remove_dir_all(&folder).ok();
        folder
    }

    #[test]
    fn what_was_published_can_be_read_while_more_is_appended() {
        let folder = folder("grow");
        let mut columns = ColumnFolder::create(&folder).unwrap();
        let (long, short) = (columns.column("long"), columns.column("short"));
        let mut expected = Vec::new();
        for round in 0..300_u32 {
            let piece: Vec<u8> = (0..1000).map(|n| (n + round) as u8).collect();
            columns.append(long, &piece).unwrap();
            expected.extend(piece);
            if round % 100 == 0 {
                columns.append(short, &[round as u8]).unwrap();
                columns.publish().unwrap();
            }
            let published = round as usize / 100 * 100_000 + 1000;
            assert!(columns.bytes(long) == &expected[..published]);
        }
        assert_eq!(columns.bytes(short), [0, 100, 200]);
        columns.publish().unwrap();
        assert!(columns.bytes(long) == expected);
        assert_eq!(
            columns.sizes().collect::<Vec<_>>(),
            [("long", 300_000), ("short", 3)]
        );

        let opened = ColumnFolder::open(&folder).unwrap();
        assert!(opened.bytes(opened.find("long").unwrap()) == expected);
        assert_eq!(opened.find("none"), None);
        assert!(ColumnFolder::create(&folder).is_err());
        fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn many_columns_wait_in_little_memory() {
        let folder = folder("many");
        let mut columns = ColumnFolder::create(&folder).unwrap();
        let ids: Vec<_> = (0..2000).map(|n| columns.column(&n.to_string())).collect();
        for round in 0..3_u8 {
            for id in &ids {
                columns.append(*id, &[round; 6000]).unwrap();
                assert!(columns.waiting < MOST_WAITING);
            }
        }
        columns.publish().unwrap();
        assert!(ids.iter().all(|id| columns.bytes(*id).len() == 18_000));
        fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn columns_that_were_cut_or_removed_are_shorter() {
        let folder = folder("cut");
        let mut columns = ColumnFolder::create(&folder).unwrap();
        for name in ["a", "b", "c"] {
            let id = columns.column(name);
            columns.append(id, &[7; 100_000]).unwrap();
        }
        columns.publish().unwrap();
        let opened = ColumnFolder::open(&folder).unwrap();
        let file = OpenOptions::new().write(true).open(folder.join("a"));
        file.unwrap().set_len(99_999).unwrap();
        fs::remove_file(folder.join("b")).unwrap();
        let size = |name| opened.bytes(opened.find(name).unwrap()).len();
        assert_eq!([size("a"), size("b"), size("c")], [99_999, 0, 100_000]);
        fs::remove_dir_all(&folder).unwrap();
    }

    /// `/dev/full` answers every write as a full disk does.
    #[test]
    #[cfg(target_os = "linux")]
    fn a_full_disk_is_an_error_and_what_was_published_stays() {
        let folder = folder("full");
        let mut columns = ColumnFolder::create(&folder).unwrap();
        let (good, bad) = (columns.column("good"), columns.column("bad"));
        columns.append(good, b"before").unwrap();
        columns.publish().unwrap();
        std::os::unix::fs::symlink("/dev/full", folder.join("bad")).unwrap();
        columns.append(bad, b"lost").unwrap();
        let error = columns.publish().unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::StorageFull);
        assert_eq!(columns.bytes(good), b"before");
        assert_eq!(columns.bytes(bad), b"");
        fs::remove_dir_all(&folder).unwrap();
    }
}
