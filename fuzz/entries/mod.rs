//! What is fuzzed: one function for each target in `fuzz/fuzz_targets`, which takes any bytes. Part of the library only
//! with `--cfg fuzzing`, so that it reaches what is private.

pub mod address;
pub mod frame;
pub mod parser;
pub mod port;
pub mod state;

mod bytes;
mod cut;
#[path = "../../src/midi/naive_model.rs"]
mod naive_model;
