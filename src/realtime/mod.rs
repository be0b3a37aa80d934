//! All that an audio thread ever reaches.

pub(crate) mod acceptance;
pub(crate) mod beat;
pub(crate) mod client_table;
pub(crate) mod config;
pub(crate) mod endpoint;
pub(crate) mod event;
#[cfg(all(test, loom))]
pub(crate) mod loom_models;
pub(crate) mod notifications;
pub(crate) mod pair;
pub(crate) mod pop;
pub(crate) mod push;
pub(crate) mod refused;
pub(crate) mod requests;
pub(crate) mod ring;
pub(crate) mod shared;
pub(crate) mod side;
pub(crate) mod sleeper;
pub(crate) mod stats;
pub(crate) mod still_held;
pub(crate) mod waker;
