//! The columns of a timeline as files of a folder.

use std::collections::HashMap;
use std::io;
use std::path::Path;

use backends::{ColumnFolder, ColumnId};
use trace::store::{Column, Columns, NoRoom};

/// Columns in a folder, by the names that [`Column`] suggests: `spans-17`, `nodes-17-0`.
#[derive(Debug)]
pub struct FileColumns {
    folder: ColumnFolder,
    /// Of columns appended to: looking up a number is quicker than spelling a name.
    numbers: HashMap<Column, ColumnId>,
}

impl FileColumns {
    /// Begins in a new folder.
    ///
    /// # Errors
    /// When the folder exists or cannot be made.
    pub fn create(folder: &Path) -> io::Result<Self> {
        ColumnFolder::create(folder).map(Self::over)
    }

    /// Reads what is in a folder.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub fn open(folder: &Path) -> io::Result<Self> {
        ColumnFolder::open(folder).map(Self::over)
    }

    fn over(folder: ColumnFolder) -> Self {
        Self {
            folder,
            numbers: HashMap::new(),
        }
    }

    /// The published bytes of all columns together.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.folder.sizes().map(|(_, size)| size).sum()
    }
}

impl Columns for FileColumns {
    fn append(&mut self, column: Column, bytes: &[u8]) -> Result<(), NoRoom> {
        let folder = &mut self.folder;
        let made = || folder.column(&name(column));
        let id = *self.numbers.entry(column).or_insert_with(made);
        self.folder.append(id, bytes).map_err(no_room)
    }

    fn publish(&mut self) -> Result<(), NoRoom> {
        self.folder.publish().map_err(no_room)
    }

    fn bytes(&self, column: Column) -> &[u8] {
        let number = self.numbers.get(&column).copied();
        let id = number.or_else(|| self.folder.find(&name(column)));
        id.map_or(&[], |id| self.folder.bytes(id))
    }
}

fn no_room(error: io::Error) -> NoRoom {
    NoRoom(error.to_string())
}

fn name(column: Column) -> String {
    match column {
        Column::Header => "header".to_owned(),
        Column::Lanes => "lanes".to_owned(),
        Column::Names => "names".to_owned(),
        Column::Journal => "journal".to_owned(),
        Column::Spans(lane) => format!("spans-{lane}"),
        Column::Nodes(lane, level) => format!("nodes-{lane}-{level}"),
        Column::Points(lane) => format!("points-{lane}"),
        Column::PointNodes(lane, level) => format!("point-nodes-{lane}-{level}"),
    }
}

#[cfg(test)]
mod tests {
    use machine::{GuestId, Pcpu, Vcpu};
    use trace::store::{Catalog, Owner, Party, Span, State, Writer};

    use super::*;

    /// Written, dropped and opened again, with one column cut short: a store is read as far as it goes.
    #[test]
    fn a_store_in_files_outlives_its_writer() {
        let folder = std::env::temp_dir().join(format!("hvdap-store-{}", std::process::id()));
        std::fs::remove_dir_all(&folder).ok();
        let columns = FileColumns::create(&folder).expect("a new folder");
        let mut writer = Writer::new(Box::new(columns), 1000, 0).expect("begun");
        let vcpu = Owner::Vcpu(Vcpu {
            guest: GuestId(1),
            index: 0,
        });
        for owner in [Owner::Pcpu(Pcpu(0)), vcpu] {
            let lane = writer.add_lane(owner).expect("room");
            for time in 1..5000 {
                writer.push(lane, Span::new(time, State::Running, Party::NONE));
            }
        }
        writer.publish(5000).expect("published");
        let written = [0, 1].map(|lane| writer.view().lane(lane).len());
        assert_eq!(written, [5000, 5000]);
        drop(writer);

        let cut = std::fs::OpenOptions::new()
            .write(true)
            .open(folder.join("spans-1"));
        cut.and_then(|file| file.set_len(1608)).expect("cut");
        let columns = FileColumns::open(&folder).expect("opened");
        let catalog = Catalog::open(&columns).expect("a store");
        let view = catalog.view(&columns);
        assert_eq!(view.lane_of(vcpu), Some(1));
        assert_eq!([0, 1].map(|lane| view.lane(lane).len()), [5000, 100]);
        let last = view.lane(1).get(99).map(|interval| interval.state());
        assert_eq!(last, Some(State::Lost));
        std::fs::remove_dir_all(&folder).expect("removed");
    }
}
