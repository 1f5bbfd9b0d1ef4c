//! What needs no target: the adapter's manners on the wire, and who may import whom.

mod clients;
mod command_line;
mod eclipse;
mod embedded;
mod hvtrace;
mod imports;
mod manners;
mod nvim;
mod requests;
mod trace;
mod translating;
