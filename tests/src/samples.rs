//! The sample traces, which are kept beside the repository and are not part of it.

use std::path::PathBuf;
use std::process::Command;

use crate::skip::skip;
use crate::target::root;

/// A sample by its path below the shared folder; where there is none, notes that the test is skipped.
#[must_use]
pub fn sample(path: &str) -> Option<PathBuf> {
    let shared = std::env::var_os("HVDAP_SHARED").map(PathBuf::from);
    let shared = shared.unwrap_or_else(|| root().join("../shared"));
    let file = shared.join(path);
    if file.exists() {
        return Some(file);
    }
    skip(&format!("no sample {path}"));
    None
}

/// A sample whose name ends in `.gz`, unpacked into `folder`.
///
/// # Panics
/// When it cannot be unpacked.
#[must_use]
pub fn unpacked(path: &str, folder: &Folder) -> Option<PathBuf> {
    let packed = sample(path)?;
    let bytes = Command::new("gzip").arg("-dc").arg(&packed).output();
    let bytes = bytes.expect("gzip unpacks").stdout;
    let name = packed.file_stem().expect("a file");
    Some(folder.file(name.to_str().expect("plain"), &bytes))
}

/// A folder of one test, removed with it.
pub struct Folder(PathBuf);

impl Folder {
    /// A new folder for temporary files.
    ///
    /// # Panics
    /// When it cannot be made.
    #[must_use]
    pub fn new(name: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("hvdap-{name}-{}", std::process::id()));
        std::fs::remove_dir_all(&folder).ok();
        std::fs::create_dir_all(&folder).expect("the temporary folder can be written");
        Self(folder)
    }

    /// The path of a file in it.
    #[must_use]
    pub fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// Writes a file in it.
    ///
    /// # Panics
    /// When it cannot be written.
    #[must_use]
    pub fn file(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, bytes).expect("the temporary folder can be written");
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.0).ok();
    }
}
