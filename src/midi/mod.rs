//! MIDI 1.0 bytes and messages: what a message is, and how a stream of bytes becomes messages.
//!
//! Nothing in here knows of sockets, clocks or threads, so all of it can be tested with bytes
//! alone. Section names in the documentation refer to the *MIDI 1.0 Detailed Specification*,
//! document version 4.2.

pub mod message;
pub mod parser;
pub mod reset;
pub mod state;
pub mod summary;

#[cfg(test)]
mod message_tests;
#[cfg(test)]
pub mod naive_model;
