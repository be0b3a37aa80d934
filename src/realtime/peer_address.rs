//! The address of a port's peer, as text. The network thread writes it, control threads read it, and neither waits for a
//! lock of the other.

use crate::sys::address::{Address, MOST_TEXT};
use crate::sys::sync::{AtomicU32, AtomicU64, Ordering, fence};

/// The text and at least one NUL.
const WORDS: usize = MOST_TEXT / 8 + 1;

#[derive(Default)]
pub(crate) struct PeerAddress {
    /// How often it was changed, times two; odd while it is being changed.
    version: AtomicU32,
    words: [AtomicU64; WORDS],
}

impl PeerAddress {
    /// The network thread, or the thread that makes the port: sets the peer, or that there is none.
    pub(crate) fn set(&self, address: Option<Address>) {
        let text = address.map(|address| address.text()).unwrap_or_default();
        let mut bytes = [0; WORDS * 8];
        bytes[..text.len()].copy_from_slice(text.as_bytes());
        let version = self.version.load(Ordering::Relaxed);
        self.version.store(version.wrapping_add(1), Ordering::Relaxed);
        // A reader that sees a new word also sees that the version has changed.
        fence(Ordering::Release);
        for (word, bytes) in self.words.iter().zip(bytes.chunks_exact(8)) {
            let mut value = [0; 8];
            value.copy_from_slice(bytes);
            word.store(u64::from_ne_bytes(value), Ordering::Relaxed);
        }
        self.version.store(version.wrapping_add(2), Ordering::Release);
    }

    /// Control threads: returns the text, which is empty without a peer.
    pub(crate) fn get(&self) -> String {
        loop {
            let version = self.version.load(Ordering::Acquire);
            let bytes: Vec<u8> = self
                .words
                .iter()
                .flat_map(|word| word.load(Ordering::Relaxed).to_ne_bytes())
                .take_while(|byte| *byte != 0)
                .collect();
            // The words belong together if the version is still the same after they were read.
            fence(Ordering::Acquire);
            if version & 1 == 0 && self.version.load(Ordering::Relaxed) == version {
                return String::from_utf8(bytes).unwrap_or_default();
            }
            std::thread::yield_now();
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicBool;

    fn ip(text: &str) -> Address {
        Address::Ip(text.parse().unwrap())
    }

    #[test]
    fn the_text_is_that_of_the_last_peer() {
        let peer = PeerAddress::default();
        assert_eq!(peer.get(), "");
        let longest = "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff%4294967295]:65535";
        for text in [longest, "1.2.3.4:5"] {
            peer.set(Some(ip(text)));
            assert_eq!(peer.get(), text);
        }
        peer.set(None);
        assert_eq!(peer.get(), "");
    }

    #[test]
    fn no_reader_sees_a_mixture() {
        let texts = ["[1111:1111:1111:1111:1111:1111:1111:1111]:11111", "2.2.2.2:2"];
        let (peer, done) = (PeerAddress::default(), AtomicBool::new(false));
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for round in 0..20_000 {
                    peer.set(texts.get(round % 3).map(|text| ip(text)));
                }
                done.store(true, Ordering::Release);
            });
            while !done.load(Ordering::Acquire) {
                let seen = peer.get();
                assert!(seen.is_empty() || texts.contains(&seen.as_str()), "{seen}");
            }
        });
    }
}
