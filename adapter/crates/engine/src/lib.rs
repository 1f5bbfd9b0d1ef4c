//! The debugger: halts, contexts, thread groups, breakpoints, steps, stacks, expressions.
//!
//! This room knows VMs, vCPUs and source, and nothing of DAP, JSON, async, files or how a target is reached: it is handed a
//! `Box<dyn Target>` and images that somebody else opened. One thread runs an [`Engine`]; everything reaches it as an
//! [`Input`] through a [`Handle`], and it answers with [`Event`]s. Start reading at [`engine`], then [`halt`] and [`context`].

pub mod breakpoints;
pub mod context;
mod engine;
mod evaluate;
pub mod expression;
pub mod groups;
pub mod halt;
pub mod images;
mod inspect;
mod listing;
pub mod overview;
mod passing;
mod running;
pub mod setup;
pub mod stack;
mod step;
mod stops;
pub mod tracing;
pub mod translation;
pub mod view;

pub use engine::{Engine, Handle, start};
pub use setup::Setup;
