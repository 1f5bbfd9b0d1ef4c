//! Journeys on the live target, one real machine booted for each: Xen with Linux guests under QEMU.

mod asleep;
mod bad_input;
mod debian;
mod headline;
mod kaslr;
mod looking;
mod requests;
mod schedule;
mod snapshot;
mod target;
mod three_guests;
mod trace;
mod view;
