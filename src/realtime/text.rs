//! A short text that the network thread writes and control threads read. Neither waits for a lock of the other.

use crate::sys::address::MOST_TEXT;
use crate::sys::sync::{AtomicU32, AtomicU64, Ordering, fence};

/// The text and at least one NUL.
const WORDS: usize = MOST_TEXT / 8 + 1;

#[derive(Default)]
pub(crate) struct Text {
    /// How often it was changed, times two; odd while it is being changed.
    version: AtomicU32,
    words: [AtomicU64; WORDS],
}

impl Text {
    /// The network thread, or the thread that makes the port: sets the text. An address, or a name, which is as
    /// long at most.
    pub(crate) fn set(&self, text: &str) {
        let mut bytes = [0; WORDS * 8];
        for (to, from) in bytes.iter_mut().zip(text.bytes().take(MOST_TEXT)) {
            *to = from;
        }
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

    /// Control threads: returns the text.
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

    #[test]
    fn the_text_is_the_last_one() {
        let text = Text::default();
        assert_eq!(text.get(), "");
        for each in [
            "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff%4294967295]:65535",
            "Bühne",
            "",
        ] {
            text.set(each);
            assert_eq!(text.get(), each);
        }
        text.set(&"x".repeat(64));
        assert_eq!(text.get(), "x".repeat(63));
    }

    #[test]
    fn no_reader_sees_a_mixture() {
        let texts = ["[1111:1111:1111:1111:1111:1111:1111:1111]:11111", "2.2.2.2:2", ""];
        let (text, done) = (Text::default(), AtomicBool::new(false));
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for round in 0..20_000 {
                    text.set(texts[round % 3]);
                }
                done.store(true, Ordering::Release);
            });
            while !done.load(Ordering::Acquire) {
                let seen = text.get();
                assert!(texts.contains(&seen.as_str()), "{seen}");
            }
        });
    }
}
