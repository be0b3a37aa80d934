//! The conversation of one address's ports with their peers, without I/O.

pub(crate) mod allow;
pub(crate) mod schedule;
pub(crate) mod send_buffer;
pub(crate) mod sniff;
pub(crate) mod track;
