//! The formats, one room each, and how a file's own first bytes tell which it is.

pub mod ftrace;
pub mod hvtrace;
pub mod position;
pub mod ring;
pub mod xen;

/// A kind of file that can be read here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// What `xentrace` writes: see [`xen::file`].
    Xentrace,
    /// What `trace-cmd` writes: see [`ftrace`].
    TraceDat,
}

/// Tells a file's kind from its first bytes, twelve of which are enough. `None` for anything else.
pub fn detect(bytes: &[u8]) -> Option<Kind> {
    if xen::file::is_xentrace(bytes) {
        return Some(Kind::Xentrace);
    }
    if ftrace::is_trace_dat(bytes) {
        return Some(Kind::TraceDat);
    }
    None
}
