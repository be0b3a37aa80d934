//! Everything that an audio thread reaches: the two queues of a port, and the state beside them that threads share.
//!
//! Nothing in the path of an audio thread allocates, locks, makes a system call by default, or repeats an attempt without
//! a bound. The memory is allocated, and touched, when a port is made.
//!
//! | path | files |
//! |---|---|
//! | the caller's end of a port | `endpoint.rs`; `side.rs` gives each side to one thread at a time |
//! | push | `push.rs`, `producer.rs` |
//! | messages that push could not queue | `refused.rs` hands them over; `lost.rs` and `later.rs` summarise them |
//! | pop | `pop.rs`, `consumer.rs`, `placing.rs` with `rush.rs`, `skip.rs` with `still_held.rs`; on a pair, `pair.rs` |
//! | the memory between the two threads | `ring.rs` |
//! | channels | `filter.rs` |
//! | panic, reset, cancel | `requests.rs`; `drain.rs` has the order in which an out queue is emptied |
//! | shared state | `shared.rs`, `role.rs`, `config.rs`, `stats.rs`, `client_table.rs`, `peer.rs`, `text.rs`, `overdue.rs`, `acceptance.rs`, `beat.rs` |
//! | waking and waiting | `waker.rs` and `sleeper.rs`, `bell.rs` for the network thread; `readiness.rs` and `event.rs` for others; `wait_handle.rs` for event loops |
//! | control threads | `notifications.rs` with `log.rs`, `flush.rs`, `priority.rs`, `latency.rs` |
//!
//! `session`, `net`, `port` and `ffi` call this module. It calls `timing`, `midi` and `sys`.

pub(crate) mod acceptance;
pub(crate) mod beat;
pub(crate) mod bell;
pub(crate) mod client_table;
pub(crate) mod config;
pub(crate) mod consumer;
pub(crate) mod drain;
pub(crate) mod endpoint;
pub(crate) mod event;
pub(crate) mod filter;
pub(crate) mod flush;
pub(crate) mod latency;
pub(crate) mod later;
pub(crate) mod log;
#[cfg(all(test, loom))]
pub(crate) mod loom_models;
pub(crate) mod lost;
pub(crate) mod notifications;
pub(crate) mod overdue;
pub(crate) mod pair;
pub(crate) mod peer;
pub(crate) mod placing;
pub(crate) mod pop;
pub(crate) mod priority;
pub(crate) mod producer;
pub(crate) mod push;
pub(crate) mod readiness;
pub(crate) mod refused;
pub(crate) mod requests;
pub(crate) mod ring;
pub(crate) mod role;
pub(crate) mod rush;
pub(crate) mod shared;
pub(crate) mod side;
pub(crate) mod skip;
pub(crate) mod sleeper;
pub(crate) mod stats;
pub(crate) mod still_held;
pub(crate) mod text;
#[cfg(all(test, not(loom)))]
mod timed_tests;
pub(crate) mod wait_handle;
pub(crate) mod waker;
