//! The short messages that the state itself makes.

use std::ops::Deref;

/// One whole message of at most three bytes, by value.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Msg {
    bytes: [u8; 3],
    len: u8,
}

impl Msg {
    /// A message of its status alone.
    pub(super) fn one(status: u8) -> Msg {
        Msg {
            bytes: [status, 0, 0],
            len: 1,
        }
    }

    /// A message of three bytes that is known to be whole.
    pub const fn of(bytes: [u8; 3]) -> Msg {
        Msg { bytes, len: 3 }
    }

    /// A message with one data byte.
    pub(super) fn two(status: u8, data: u8) -> Msg {
        Msg {
            bytes: [status, data & 0x7F, 0],
            len: 2,
        }
    }

    /// A message with two data bytes.
    pub(super) fn three(status: u8, first: u8, second: u8) -> Msg {
        Msg {
            bytes: [status, first & 0x7F, second & 0x7F],
            len: 3,
        }
    }

    /// A control change; `channel` is 0 to 15.
    pub(super) fn control(channel: usize, controller: u8, value: u8) -> Msg {
        Msg::three(0xB0 | channel as u8 & 0x0F, controller, value)
    }
}

impl Deref for Msg {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        // `len` is 1, 2 or 3.
        &self.bytes[..usize::from(self.len)]
    }
}

impl std::fmt::Debug for Msg {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:02X?}", &self[..])
    }
}
