//! Opens the ELF files the user named: in parallel, each file once, its index built in the background.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use engine::Handle;
use engine::setup::Slot;
use symbols::Image;
use tokio::task::JoinSet;

use crate::config::ImageFile;

/// What is told while files are opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Progress {
    /// There is something to read.
    Started,
    /// So many files have their index, of so many.
    Indexed {
        /// With an index, or refused.
        done: usize,
        /// All.
        of: usize,
        /// The one that has it now.
        name: String,
    },
    /// Something about a file the user should know.
    Note(String),
}

/// One file, and all it was named for.
struct Wanted {
    path: PathBuf,
    slots: Vec<Slot>,
    place: String,
}

/// Opens every file and delivers it to the engine, then builds the indexes. Returns when all files are delivered; the
/// returned set ends when all indexes are built.
pub async fn load(
    images: &[ImageFile],
    engine: Handle,
    told: impl Fn(Progress) + Clone + Send + Sync + 'static,
) -> JoinSet<()> {
    let mut opening = JoinSet::new();
    if !images.is_empty() {
        told(Progress::Started);
    }
    for wanted in by_file(images) {
        opening.spawn_blocking(move || {
            let opened = open(&wanted.path);
            (wanted, opened)
        });
    }
    let mut opened = Vec::new();
    while let Some(result) = opening.join_next().await {
        opened.extend(result);
    }
    // Delivered in the user's order, so that messages about them come in that order too.
    opened.sort_by_key(|(wanted, _)| wanted.slots.first().copied().map(order));
    let of = opened.len();
    let done = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let mut indexing = JoinSet::new();
    for (wanted, outcome) in opened {
        let outcome = outcome.map_err(|reason| format!("{}: {reason}", wanted.place));
        for slot in &wanted.slots {
            engine.image(*slot, outcome.clone());
        }
        let (engine, told, done) = (engine.clone(), told.clone(), Arc::clone(&done));
        indexing.spawn_blocking(move || {
            if let Ok(image) = outcome {
                if let Some(note) = note(&image, &wanted) {
                    told(Progress::Note(note));
                }
                image.prepare();
                engine.image_prepared();
            }
            let done = done.fetch_add(1, std::sync::atomic::Ordering::Relaxed) + 1;
            let name = file_name(&wanted.path);
            told(Progress::Indexed { done, of, name });
        });
    }
    indexing
}

fn by_file(images: &[ImageFile]) -> Vec<Wanted> {
    let mut files: BTreeMap<PathBuf, Wanted> = BTreeMap::new();
    for image in images {
        let same = image
            .path
            .canonicalize()
            .unwrap_or_else(|_| image.path.clone());
        let wanted = files.entry(same).or_insert_with(|| Wanted {
            path: image.path.clone(),
            slots: Vec::new(),
            place: image.place.clone(),
        });
        wanted.slots.push(image.slot);
    }
    files.into_values().collect()
}

const fn order(slot: Slot) -> usize {
    match slot {
        Slot::Hypervisor => 0,
        Slot::Vm(index) => index + 1,
    }
}

fn open(path: &Path) -> Result<Arc<Image>, String> {
    let bytes = backends::map_file(path)
        .map_err(|error| format!("{} cannot be opened: {error}", path.display()))?;
    Image::parse(&file_name(path), bytes)
        .map(Arc::new)
        .map_err(|error| error.to_string())
}

fn file_name(path: &Path) -> String {
    path.file_name().map_or_else(
        || path.display().to_string(),
        |name| name.to_string_lossy().into_owned(),
    )
}

fn note(image: &Image, wanted: &Wanted) -> Option<String> {
    (!image.has_dwarf()).then(|| {
        format!(
            "{}: {} has no DWARF: functions have names, but there are no lines, types or variables",
            wanted.place,
            wanted.path.display()
        )
    })
}
