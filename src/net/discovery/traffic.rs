//! The engine's inputs and outputs: links, messages to be sent, and its random delays.

use std::hash::{BuildHasher, RandomState};
use std::net::{IpAddr, SocketAddr};

/// A second, in ns.
pub(super) const SECOND: u64 = 1_000_000_000;
/// The port of multicast DNS.
pub(super) const PORT: u16 = 5353;

/// A network interface, and the addresses that this machine has there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Link {
    pub index: u32,
    pub addresses: Vec<IpAddr>,
}

/// A message to be sent.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Transmit {
    /// The index of the interface.
    pub link: u32,
    /// None: everybody there.
    pub to: Option<SocketAddr>,
    pub bytes: Vec<u8>,
}

/// Numbers for delays, so that machines do not all speak at once, and for names. Nothing secret depends on them.
#[derive(Clone)]
pub(super) struct Random(u64);

impl Random {
    #[cfg(test)]
    pub(super) fn with_seed(seed: u64) -> Self {
        Self(seed)
    }

    pub(super) fn of_system() -> Self {
        Self(RandomState::new().hash_one(0))
    }

    /// The next number of the sequence splitmix64.
    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ mixed >> 31
    }

    /// A number below `limit`, which is not 0.
    pub(super) fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }
}
