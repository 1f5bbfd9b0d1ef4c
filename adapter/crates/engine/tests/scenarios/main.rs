//! The engine against a machine of the test's making: what is asked, what the target is told, what the user sees.
//!
//! A scenario is a [`fake::Machine`], whose cores go where its plan says and stop only at what is armed, a list of things to
//! do, and the transcript expected: what the target was told in order, with the engine's events as `> ...` and the answers to
//! requests as `= ...`. Start at [`session::check`].

mod breakpoints;
mod fake;
mod identity;
mod images;
mod overview;
mod running;
mod session;
mod steps;
mod tracing;
mod translation;

#[path = "../../../symbols/tests/support/mod.rs"]
mod support;
