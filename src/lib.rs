//! midisock: MIDI between programs over TCP, as a C library that is safe on the audio thread.
//!
//! The C API is in [`ffi`], and `include/midisock/midisock.h` is generated from it. Below it lie the [`port`] with its
//! two [`queue`]s and [`timing`], which are all that an audio thread ever reaches; [`net`], the one network thread;
//! and [`midi`], bytes to messages and channel state, without sockets or clocks.

pub mod ffi;
#[cfg(fuzzing)]
#[path = "../fuzz/entries/mod.rs"]
pub mod fuzzing;
mod midi;
mod net;
mod port;
mod realtime;
mod session;
mod sys;
mod timing;
