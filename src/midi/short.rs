//! A short message by value.

use super::message::channel_len;
use std::ops::Deref;

/// Of the tag: the bits that hold the length.
const LENGTH: u32 = 0x03;

/// A message of one to three bytes, in one word.
///
/// The first byte of the word is a tag, and the message follows it. The two lowest bits of the tag hold the length. A
/// `Short` that a constructor made has no other bits set there. A queue may keep flags in them: see [`Short::from_word`].
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Short([u8; 4]);

impl Short {
    /// A message of its status byte alone.
    pub(crate) const fn one(status: u8) -> Self {
        Self([1, status, 0, 0])
    }

    /// A message with one data byte.
    pub(crate) const fn two(status: u8, data: u8) -> Self {
        Self([2, status, data & 0x7F, 0])
    }

    /// A message with two data bytes.
    pub(crate) const fn three(status: u8, first: u8, second: u8) -> Self {
        Self([3, status, first & 0x7F, second & 0x7F])
    }

    /// A control change. `channel` is 0 to 15.
    pub(crate) const fn control(channel: usize, controller: u8, value: u8) -> Self {
        Self::three(0xB0 | channel as u8 & 0x0F, controller, value)
    }

    /// A message of three bytes that is known to be whole.
    pub(crate) const fn whole(bytes: [u8; 3]) -> Self {
        Self([3, bytes[0], bytes[1], bytes[2]])
    }

    /// Copies bytes. Returns `None` unless there are one to three.
    #[inline(always)]
    pub(crate) fn of(bytes: &[u8]) -> Option<Self> {
        Self::read(bytes.len(), |index| bytes[index])
    }

    /// Copies bytes from a caller's memory, one by one; the volatile loads keep the compiler from merging them.
    ///
    /// The caller has often just written one of the bytes. A load that is wider than a store still on its way to the
    /// cache waits for that store, which takes longer than the rest of a push.
    #[inline(always)]
    pub(crate) fn of_callers(bytes: &[u8]) -> Option<Self> {
        // SAFETY: a reference may be read.
        Self::read(bytes.len(), |index| unsafe {
            (&raw const bytes[index]).read_volatile()
        })
    }

    #[inline(always)]
    fn read(length: usize, byte: impl Fn(usize) -> u8) -> Option<Self> {
        let at = |index| u32::from(byte(index)) << (8 + 8 * index);
        match length {
            3 => Some(Self::from_word(3 | at(0) | at(1) | at(2))),
            2 => Some(Self::from_word(2 | at(0) | at(1))),
            1 => Some(Self::from_word(1 | at(0))),
            _ => None,
        }
    }

    /// Interprets a word of a queue, whatever it holds. The lowest byte is the tag.
    #[inline(always)]
    pub(crate) const fn from_word(word: u32) -> Self {
        Self(word.to_le_bytes())
    }

    /// The word for a queue. The lowest byte is the tag.
    #[inline(always)]
    pub(crate) const fn word(self) -> u32 {
        u32::from_le_bytes(self.0)
    }

    /// Whether this is a whole Note Off, Note On, Polyphonic Key Pressure or Control Change, as nearly every message is.
    #[inline(always)]
    pub(crate) const fn is_usual(self) -> bool {
        // One comparison: three bytes, a status from 80 to BF, and data bytes below 80.
        self.word() & 0x8080_C003 == 0x8003
    }

    /// Whether this is a Note On or Note Off without flags.
    #[inline(always)]
    pub(crate) const fn is_note(self) -> bool {
        // One comparison of tag and status: three bytes, no flags, and 80 to 9F.
        self.word() & 0xE0FF == 0x8003
    }

    /// Channel and note number of a Note On or Note Off, and whether it begins the note.
    #[inline(always)]
    pub(crate) const fn note(self) -> (usize, u8, bool) {
        let word = self.word();
        let (is_on, velocity) = (word & 0x1000, word >> 24);
        (
            (word >> 8 & 0x0F) as usize,
            (word >> 16) as u8,
            is_on | velocity > 0x1000,
        )
    }

    /// Whether this is one whole channel message. Quicker than [`is_whole`](super::message::is_whole).
    #[inline(always)]
    pub(crate) const fn is_channel_message(self) -> bool {
        let word = self.word();
        let (length, status) = (word & LENGTH, word >> 8 & 0xFF);
        let second_status = word & 0x8080_0000;
        status < 0xF0 && (channel_len(status as u8) as u32 ^ length) & LENGTH | second_status == 0
    }
}

impl Deref for Short {
    type Target = [u8];

    #[inline(always)]
    fn deref(&self) -> &[u8] {
        let [tag, bytes @ ..] = &self.0;
        // At most three, whatever the tag.
        &bytes[..usize::from(*tag) & LENGTH as usize]
    }
}

impl std::fmt::Debug for Short {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:02X?}", &self[..])
    }
}

#[cfg(test)]
mod tests {
    use super::super::message::is_whole;
    use super::*;

    #[test]
    fn a_short_message_keeps_its_bytes() {
        assert_eq!(Short::of(&[]), None);
        assert_eq!(Short::of(&[1, 2, 3, 4]), None);
        for bytes in [&[0xF8][..], &[0xC0, 5], &[0x90, 60, 100], &[0x90, 0x80, 0]] {
            let short = Short::of(bytes).unwrap();
            assert_eq!(short[..], *bytes);
            assert_eq!(Short::of_callers(bytes), Some(short));
            assert_eq!(Short::from_word(short.word()), short);
        }
        assert_eq!(Short::one(0xF8)[..], [0xF8]);
        assert_eq!(Short::two(0xC1, 5)[..], [0xC1, 5]);
        assert_eq!(Short::three(0x91, 60, 100), Short::whole([0x91, 60, 100]));
        assert_eq!(Short::control(3, 7, 100)[..], [0xB3, 7, 100]);
    }

    #[test]
    fn any_word_has_at_most_three_bytes() {
        for word in [0, 1, 0xFF, 0x1234_56FC, u32::MAX] {
            assert!(Short::from_word(word).len() <= 3);
        }
    }

    /// All status bytes and lengths, with data bytes on both sides of 80.
    #[test]
    fn a_whole_channel_message_is_recognized() {
        let bytes = |index: usize| [0, 1, 0x7F, 0x80, 0xF7, 0xFF][index % 6];
        for status in 0..=255 {
            for data in 0..36 {
                let message = [status, bytes(data), bytes(data / 6)];
                for length in 1..=3 {
                    let short = Short::of(&message[..length]).unwrap();
                    let whole = is_whole(&message[..length]) && status < 0xF0;
                    assert_eq!(short.is_channel_message(), whole, "{short:?}");
                    let usual = whole && status < 0xC0;
                    assert_eq!(short.is_usual(), usual, "{short:?}");
                }
            }
        }
    }

    #[test]
    fn a_note_is_recognized_unless_it_has_flags() {
        assert_eq!(Short::three(0x95, 60, 1).note(), (5, 60, true));
        assert_eq!(Short::three(0x95, 60, 0).note(), (5, 60, false));
        assert_eq!(Short::three(0x85, 60, 9).note(), (5, 60, false));
        let note = Short::three(0x95, 60, 1);
        assert!(note.is_note() && !Short::control(5, 60, 1).is_note());
        assert!(!Short::from_word(note.word() | 4).is_note());
    }
}
