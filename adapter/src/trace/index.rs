//! Where the timeline of a large file is kept, so that it is made once.
//!
//! The index is a folder: `index.json` says of which files it is, `columns/` has the timeline, `lock` is held by who builds
//! it alone and by who reads it together. It is used as long as the files have the same size and time of change.

use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::columns::FileColumns;
use super::source::{About, Identity};

/// Changes whenever a timeline would be built otherwise from the same file.
const VERSION: u32 = 1;

/// What an index was made from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    version: u32,
    /// The trace file, then the guests' own traces by what they were given as.
    files: Vec<(String, Identity)>,
}

impl Origin {
    /// The index of these files.
    #[must_use]
    pub fn new(files: Vec<(String, Identity)>) -> Self {
        Self {
            version: VERSION,
            files,
        }
    }
}

#[derive(Serialize, Deserialize)]
struct Manifest {
    /// `None` while it is being built.
    origin: Option<Origin>,
    about: About,
    /// Bytes of all columns: an index that was cut is made anew.
    size: u64,
}

/// How often, and how long apart, the lock is asked for before it is given up: others look at an index for a moment when they open it.
const ATTEMPTS: u32 = 25;
const PAUSE: Duration = Duration::from_millis(20);

/// An index folder with its lock held.
#[derive(Debug)]
pub struct Index {
    folder: PathBuf,
    lock: File,
    /// Nobody else can find it, so it goes away with this.
    private: bool,
}

/// What was found in a folder.
pub enum Found {
    /// A timeline of just these files.
    Ready(Index, About, FileColumns),
    /// Nothing usable: the folder is held alone, to build in.
    ToBuild(Index, FileColumns),
}

impl Index {
    /// The usual place: beside the file, with `.hvdap-index` after its name.
    #[must_use]
    pub fn beside(file: &Path) -> PathBuf {
        let mut name = file.as_os_str().to_owned();
        name.push(".hvdap-index");
        name.into()
    }

    /// Opens or begins an index in `folder`. Waits while another program builds it.
    ///
    /// # Errors
    /// When the folder cannot be used: no rights, something else in it, or another program reads an older index in it.
    pub fn at(folder: &Path, origin: &Origin) -> io::Result<Found> {
        let index = Self::locked(folder)?;
        index.lock.lock_shared()?;
        if let Some((about, columns)) = index.ready(origin) {
            return Ok(Found::Ready(index, about, columns));
        }
        index.lock.unlock()?;
        index.lock_alone()?;
        // Another program may have built it before we got the lock.
        if let Some((about, columns)) = index.ready(origin) {
            return Ok(Found::Ready(index, about, columns));
        }
        let columns = index.begin()?;
        Ok(Found::ToBuild(index, columns))
    }

    /// Begins an index that is removed when it is dropped.
    ///
    /// # Errors
    /// When there is no room for temporary files.
    pub fn private() -> io::Result<(Self, FileColumns)> {
        let unique = format!("hvdap-index-{}", std::process::id());
        let folder = (0..100).map(|n| std::env::temp_dir().join(format!("{unique}-{n}")));
        let made = folder
            .map(|folder| fs::create_dir(&folder).map(|()| folder))
            .find(|made| !matches!(made, Err(error) if error.kind() == ErrorKind::AlreadyExists));
        let folder = made.unwrap_or(Err(ErrorKind::AlreadyExists.into()))?;
        let mut index = Self::locked(&folder)?;
        index.private = true;
        let columns = index.begin()?;
        Ok((index, columns))
    }

    /// A folder of ours, or one that has nothing in it.
    fn locked(folder: &Path) -> io::Result<Self> {
        fs::create_dir_all(folder)?;
        let ours = folder.join("index.json").exists() || folder.join("lock").exists();
        if !ours && fs::read_dir(folder)?.next().is_some() {
            return Err(ErrorKind::DirectoryNotEmpty.into());
        }
        let lock = folder.join("lock");
        let lock = File::options().create(true).append(true).open(lock)?;
        Ok(Self {
            folder: folder.to_owned(),
            lock,
            private: false,
        })
    }

    fn lock_alone(&self) -> io::Result<()> {
        for _ in 0..ATTEMPTS {
            if self.lock.try_lock().is_ok() {
                return Ok(());
            }
            std::thread::sleep(PAUSE);
        }
        Err(ErrorKind::ResourceBusy.into())
    }

    fn ready(&self, origin: &Origin) -> Option<(About, FileColumns)> {
        let text = fs::read(self.folder.join("index.json")).ok()?;
        let manifest: Manifest = serde_json::from_slice(&text).ok()?;
        if manifest.origin.as_ref() != Some(origin) {
            return None;
        }
        let columns = FileColumns::open(&self.columns()).ok()?;
        (columns.size() == manifest.size).then_some((manifest.about, columns))
    }

    /// Takes away what is there, and says so first.
    fn begin(&self) -> io::Result<FileColumns> {
        self.write(None, &About::default(), 0)?;
        match fs::remove_dir_all(self.columns()) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
            _ => FileColumns::create(&self.columns()),
        }
    }

    /// Says of what the timeline is that was built, and opens it.
    ///
    /// # Errors
    /// When it cannot be written or read.
    pub fn built(&self, origin: Origin, about: &About) -> io::Result<FileColumns> {
        let columns = FileColumns::open(&self.columns())?;
        self.write(Some(origin), about, columns.size())?;
        // From now on others may read along; where the lock cannot be exchanged, they cannot.
        if !self.private {
            self.lock.unlock()?;
            self.lock.lock_shared()?;
        }
        Ok(columns)
    }

    /// Takes away what could not be finished.
    pub fn give_up(&self) {
        fs::remove_dir_all(self.columns()).ok();
    }

    fn write(&self, origin: Option<Origin>, about: &About, size: u64) -> io::Result<()> {
        let manifest = Manifest {
            origin,
            about: about.clone(),
            size,
        };
        let text = serde_json::to_vec_pretty(&manifest)?;
        let (new, place) = (
            self.folder.join("index.new"),
            self.folder.join("index.json"),
        );
        fs::write(&new, text)?;
        fs::rename(new, place)
    }

    /// Where the timeline's columns lie.
    #[must_use]
    pub fn columns(&self) -> PathBuf {
        self.folder.join("columns")
    }
}

impl Drop for Index {
    fn drop(&mut self) {
        if self.private {
            fs::remove_dir_all(&self.folder).ok();
        }
    }
}
