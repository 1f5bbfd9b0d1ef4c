//! Framing and the request/response/event envelope, over any byte stream.
//!
//! This room knows the base protocol of the Debug Adapter Protocol (header, body, `seq`, three kinds of message) and no
//! command. Start at [`Frames`] for bytes, [`Incoming`] for what a client sends, [`Peer`] for what is sent to it.

mod codec;
mod message;
mod peer;
mod trace;

pub use codec::{Codec, Frames};
pub use message::{Failure, Incoming, Request, Response, Whose};
pub use peer::{Peer, write_all};
pub use trace::Trace;
