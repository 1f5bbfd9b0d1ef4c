//! One folder per architecture.

pub mod aarch64;
