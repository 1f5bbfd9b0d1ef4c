//! Address spaces over tables built by hand: each granule, both stages, every level, every way to fail.

mod builder;
mod current;
mod descriptor;
mod model;
mod ranges;
mod stage1;
mod stage2;
mod view;
