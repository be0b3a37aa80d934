//! MIDI 1.0: what a message is, how a stream of bytes becomes messages, and what a stream of messages has set so far.
//!
//! # What lives here
//!
//! | module | |
//! |---|---|
//! | `channels` | sets of channels |
//! | `frame` | what peers of this library tell each other between messages |
//! | `message` | lengths, boundaries, and the questions asked of one message |
//! | `short` | a message of up to three bytes by value |
//! | `parser` | bytes in any pieces to whole messages |
//! | `reset` | what panic and reset send |
//! | `state` | the state that a stream has set at its receiver, and the difference between two states |
//! | `summary` | what lost messages amount to, for a receiver of which nothing is known |
//!
//! # Who calls whom
//!
//! `session` calls this folder for parsers and states, `realtime` for messages, summaries and states. This folder calls
//! nothing but the standard library. It knows no sockets, clocks or threads, so
//! bytes alone are enough to test it. `message`, `short`, `summary` and [`state::ChannelState`] also run on audio threads:
//! they allocate nothing after their creation, take no lock and do not panic.
//!
//! Section names in the documentation refer to the *MIDI 1.0 Detailed Specification*, document version 4.2.

pub mod channels;
#[cfg_attr(
    not(any(test, fuzzing)),
    expect(dead_code, reason = "the session does not send frames yet")
)]
pub(crate) mod frame;
pub mod message;
pub mod parser;
pub mod reset;
pub mod short;
pub mod state;
pub mod summary;

#[cfg(test)]
mod message_tests;
#[cfg(test)]
pub mod naive_model;
