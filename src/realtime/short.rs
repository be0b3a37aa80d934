//! A message of up to three bytes in one word: what nearly every message is.

use crate::midi::message::channel_len;

/// Of a word: the bits that hold the length of a short message.
pub(super) const LENGTH: u32 = 0x03;

/// A message of one to three bytes in a word, as it lies in the queue.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Short(pub(super) u32);

impl Short {
    /// Packs one to three bytes; `None` for any other number.
    #[inline(always)]
    #[must_use]
    pub(crate) fn of(bytes: &[u8]) -> Option<Self> {
        Self::read(bytes.len(), |index| bytes[index])
    }

    /// Does the same with bytes in a caller's memory, and reads them one by one, which volatile makes sure of. The
    /// caller has often just written one of them. A load that is wider than a store still on its way to the cache
    /// waits for that store, which takes longer than the rest of a push.
    #[inline(always)]
    #[must_use]
    pub(crate) fn of_callers(bytes: &[u8]) -> Option<Self> {
        // SAFETY: the pointer comes from a reference to an initialized byte.
        Self::read(bytes.len(), |index| unsafe {
            (&raw const bytes[index]).read_volatile()
        })
    }

    #[inline(always)]
    fn read(length: usize, byte: impl Fn(usize) -> u8) -> Option<Self> {
        let at = |index| u32::from(byte(index)) << (8 + 8 * index);
        match length {
            3 => Some(Self(3 | at(0) | at(1) | at(2))),
            2 => Some(Self(2 | at(0) | at(1))),
            1 => Some(Self(1 | at(0))),
            _ => None,
        }
    }

    /// Whether it is a whole Note Off, Note On, Polyphonic Key Pressure or Control Change, as nearly every message is.
    #[inline(always)]
    #[must_use]
    pub(crate) fn is_usual(self) -> bool {
        // One comparison: three bytes, a status from 80 to BF, and data bytes below 80.
        self.0 & 0x8080_C003 == 0x8003
    }

    /// Whether it is a Note On or Note Off without flags.
    #[inline(always)]
    #[must_use]
    pub(crate) fn is_note(self) -> bool {
        // One comparison of the tag and the status: three bytes, no flags, and 80 to 9F.
        self.0 & 0xE0FF == 0x8003
    }

    /// Takes a Note On or Note Off apart: its channel, its note, and whether it begins one.
    #[inline(always)]
    #[must_use]
    pub(crate) fn note(self) -> (usize, u8, bool) {
        let (is_on, velocity) = (self.0 & 0x1000, self.0 >> 24);
        (
            (self.0 >> 8 & 0x0F) as usize,
            (self.0 >> 16) as u8,
            is_on | velocity > 0x1000,
        )
    }

    /// Whether it is one whole channel message; quicker than `message::is_whole`.
    #[inline(always)]
    #[must_use]
    pub(crate) fn is_channel_message(self) -> bool {
        let (length, status) = (self.0 & LENGTH, self.0 >> 8 & 0xFF);
        let second_status = self.0 & 0x8080_0000;
        status < 0xF0 && (channel_len(status as u8) as u32 ^ length) & LENGTH | second_status == 0
    }
}
