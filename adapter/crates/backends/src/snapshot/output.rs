//! The file being written: two temporary ones beside it until it is whole.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

/// Content of one compressed frame.
const FRAME: usize = 1 << 20;

/// Compression level: more gains little on memory and takes longer than reading it.
const LEVEL: i32 = 3;

/// A file written from front to end, perhaps as zstd frames.
pub(super) struct Output {
    file: BufWriter<File>,
    frame: Option<Vec<u8>>,
    written: u64,
}

impl Output {
    pub(super) fn new(path: &Path, compress: bool) -> io::Result<Self> {
        Ok(Self {
            file: BufWriter::new(File::create(path)?),
            frame: compress.then(Vec::new),
            written: 0,
        })
    }

    /// Bytes written so far, before compression.
    pub(super) fn written(&self) -> u64 {
        self.written
    }

    pub(super) fn write(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        self.written += bytes.len() as u64;
        let Some(frame) = &mut self.frame else {
            return self.file.write_all(bytes);
        };
        while !bytes.is_empty() {
            let (now, later) = bytes.split_at(bytes.len().min(FRAME - frame.len()));
            frame.extend(now);
            bytes = later;
            if frame.len() == FRAME {
                self.file.write_all(&zstd::bulk::compress(frame, LEVEL)?)?;
                frame.clear();
            }
        }
        Ok(())
    }

    pub(super) fn finish(mut self) -> io::Result<File> {
        if let Some(frame) = self.frame.filter(|frame| !frame.is_empty()) {
            self.file.write_all(&zstd::bulk::compress(&frame, LEVEL)?)?;
        }
        self.file
            .into_inner()
            .map_err(io::IntoInnerError::into_error)
    }
}

/// A snapshot that is not yet whole; what there is of it vanishes with this.
pub(super) struct Unfinished {
    path: PathBuf,
    whole: PathBuf,
    /// Where the memory goes, which is known before the headers are.
    pub(super) body: PathBuf,
}

impl Unfinished {
    pub(super) fn new(path: &Path) -> Self {
        let beside = |suffix: &str| {
            let mut name = path.as_os_str().to_owned();
            name.push(suffix);
            PathBuf::from(name)
        };
        Self {
            path: path.to_owned(),
            whole: beside(".unfinished"),
            body: beside(".memory"),
        }
    }

    /// Puts the headers in front of the memory and gives the file its name.
    pub(super) fn finish(self, head: &[u8], compress: bool) -> io::Result<()> {
        let mut output = Output::new(&self.whole, compress)?;
        output.write(head)?;
        let mut whole = output.finish()?;
        io::copy(&mut File::open(&self.body)?, &mut whole)?;
        drop(whole);
        fs::rename(&self.whole, &self.path)
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        for file in [&self.whole, &self.body] {
            // Usually the first has been renamed.
            let _ = fs::remove_file(file);
        }
    }
}
