//! The debugger: halts, contexts, thread groups, breakpoints, steps, stacks, expressions.
//!
//! This room knows VMs, vCPUs and source, and nothing of DAP, JSON, async, files or how a target is reached: it is handed a
//! `Box<dyn Target>` and images that somebody else opened. One thread runs an [`Engine`]; everything reaches it as an
//! [`Input`] through a [`Handle`], and it answers with [`Event`]s. Start reading at [`engine`], then [`halt`] and [`context`].

pub mod setup;

pub use setup::Setup;
