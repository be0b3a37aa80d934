//! All that an audio thread ever reaches: the two queues of a port, and what is known beside them.
//!
//! `endpoint.rs` has the caller's ends of a port, behind `side.rs`, which gives each to one thread at a time. Pushing is
//! `push.rs`, `producer.rs` and, for what had no room, `refused.rs` with `lost.rs` and `later.rs`. Popping is `pop.rs`,
//! `consumer.rs` and `skip.rs`; on a pair, `pair.rs`. `ring.rs` is the memory between the two. `requests.rs` has panic,
//! reset and cancel, and `drain.rs` the order in which an out queue is emptied. `shared.rs` is what all threads may read.
//!
//! Sessions, the network thread and the port call it. It calls `timing`, `midi` and `sys`.

pub(crate) mod acceptance;
pub(crate) mod beat;
pub(crate) mod client_table;
pub(crate) mod config;
pub(crate) mod consumer;
pub(crate) mod drain;
pub(crate) mod endpoint;
pub(crate) mod event;
pub(crate) mod flush;
pub(crate) mod later;
#[cfg(all(test, loom))]
pub(crate) mod loom_models;
pub(crate) mod lost;
pub(crate) mod notifications;
pub(crate) mod pair;
pub(crate) mod pop;
pub(crate) mod priority;
pub(crate) mod producer;
pub(crate) mod push;
pub(crate) mod refused;
pub(crate) mod requests;
pub(crate) mod ring;
pub(crate) mod shared;
pub(crate) mod side;
pub(crate) mod skip;
pub(crate) mod sleeper;
pub(crate) mod stats;
pub(crate) mod still_held;
pub(crate) mod waker;
