//! Whole journeys through the real adapter.
//!
//! This room knows the adapter only as a program that speaks DAP and a command line, never from inside. A test in
//! `tests/` is a journey: a [`Target`] booted by `tests/live/xen`, a [`Debugger`] attached to it, a few verbs, and
//! what must be seen. Every message both ways is kept in a log and checked by [`conformance`].
//!
//! Start reading at [`journey`], then `tests/headline.rs`.

pub mod journey;

pub mod adapter;
pub mod clients;
pub mod conformance;
pub mod log;
pub mod schema;
pub mod session;
pub mod viewer;
pub mod wire;

pub mod console;
pub mod demo;
pub mod elf;
pub mod machine;
pub mod qmp;
pub mod stub;
pub mod tap;
pub mod target;

pub mod python;
pub mod samples;
pub mod skip;
pub mod xentrace;

pub use adapter::{Adapter, Transport};
pub use journey::{Debugger, Presentation};
pub use session::Session;
pub use target::{Target, Variant};
