//! A hypervisor-aware debug adapter: the only room that speaks DAP, JSON or async.
//!
//! It turns what a client asks into calls of [`engine`], and what the engine says into messages; it knows nothing of page
//! tables, DWARF or a particular hypervisor. Start reading at [`connection`] (one client's life) and [`hub`] (who shows what).

pub mod cli;
pub mod config;
pub mod connection;
pub mod convert;
pub mod demo;
pub mod files;
pub mod handles;
pub mod hub;
pub mod link;
pub mod listings;
pub mod page;
pub mod protocol;
pub mod recorder;
pub mod report;
pub mod requests;
#[cfg(test)]
mod schemas;
pub mod trace;
pub mod visit;
pub mod wire;
