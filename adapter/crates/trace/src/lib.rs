//! What trace bytes say: records of hypervisors and guests become [`event::Event`]s on one clock, and those become lanes
//! of spans that any window can be drawn from.
//!
//! Knows the formats (Xen's trace buffers and files, hvtrace, Linux' trace.dat), the counter, and what scheduling means.
//! Does not know targets, symbols, files or drawing: bytes come in, values go out. Bad bytes become gaps with a reason.
//! Start reading at [`event`], then [`timeline`], which makes lanes of them, [`store`], which keeps them, and [`window`].

pub mod backend_time;
pub mod clock;
pub mod event;
pub mod export;
pub mod format;
pub mod merge;
pub mod stats;
pub mod store;
pub mod timeline;
pub mod why;
pub mod window;
