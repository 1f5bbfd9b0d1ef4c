//! The gdb remote serial protocol as text: packets, hexadecimal, stop replies. No input or output here.
//!
//! The standard is the GDB manual, appendix E "gdb Remote Serial Protocol" (GDB 13).

pub mod codec;
pub mod description;
pub mod hex;
pub mod stop_reply;
