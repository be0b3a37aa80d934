//! midisock: MIDI between programs over TCP, as a C library that is safe on the audio thread.
//!
//! The C API is in [`ffi`], and `include/midisock/midisock.h` is generated from it. Below it lie the [`port`] with its
//! two [`queue`]s and [`timing`], which are all that an audio thread ever reaches; [`net`], the one network thread;
//! and [`midi`], bytes to messages and channel state, without sockets or clocks.

mod acceptance;
mod address;
mod allow;
mod beat;
mod client_table;
mod clock;
mod code;
mod config;
#[cfg(midisock_defect)]
mod defect;
mod event;
pub mod ffi;
#[cfg(fuzzing)]
#[path = "../fuzz/entries/mod.rs"]
pub mod fuzzing;
#[cfg(all(test, loom))]
mod loom_models;
mod midi;
mod net;
mod notify;
mod pair;
mod pop;
mod port;
mod push;
mod queue;
mod request;
mod shared;
mod side;
mod spill;
mod stats;
mod still_held;
mod sync;
#[cfg(loom)]
mod sync_loom;
mod sys;
mod timing;
mod wait;
