//! What needs no target: the adapter's manners on the wire, and who may import whom.

mod command_line;
mod embedded;
mod hvtrace;
mod imports;
mod manners;
mod requests;
mod trace;
mod translating;
