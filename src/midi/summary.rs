//! What lost messages come to, where it is not known what the receiver heard before them.

use super::state::{ChannelState, Msg, next_repair};

/// A summary of messages that were lost: however many they are, of fixed size, and nothing is allocated for a message.
pub struct Summary {
    heard: ChannelState,
    wanted: ChannelState,
}

impl Summary {
    /// An empty summary, on the heap from the start.
    pub fn new() -> Box<Self> {
        Box::new(Self {
            heard: ChannelState::UNKNOWN,
            wanted: ChannelState::UNKNOWN,
        })
    }

    /// Starts afresh.
    pub fn clear(&mut self) {
        self.heard = ChannelState::UNKNOWN;
        self.wanted = ChannelState::UNKNOWN;
    }

    /// Takes a message that was lost; how many messages cannot be brought back for it.
    pub fn lose(&mut self, message: &[u8]) -> u32 {
        self.wanted.lose(message)
    }

    /// The next message that stands for those lost; `None`: that was all. Not to be mixed with `lose`.
    pub fn next(&mut self) -> Option<Msg> {
        next_repair(&mut self.heard, &mut self.wanted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn summary(lost: &[&[u8]]) -> Vec<Vec<u8>> {
        let mut summary = Summary::new();
        for message in lost {
            summary.lose(message);
        }
        std::iter::from_fn(|| summary.next())
            .map(|message| message.to_vec())
            .collect()
    }

    #[test]
    fn nothing_lost_is_nothing() {
        assert!(summary(&[]).is_empty());
    }

    #[test]
    fn lost_note_offs_come_and_lost_note_ons_do_not() {
        assert_eq!(summary(&[&[0x80, 60, 0]]), [[0x80, 60, 64]]);
        assert_eq!(summary(&[&[0x80, 60, 0], &[0x90, 60, 0]]).len(), 2);
        assert!(summary(&[&[0x90, 60, 1], &[0x90, 61, 1]]).is_empty());
        assert!(summary(&[&[0x90, 60, 1], &[0x80, 60, 1]]).is_empty());
    }

    #[test]
    fn the_last_value_of_a_controller_comes() {
        assert_eq!(
            summary(&[&[0xB0, 7, 1], &[0xB0, 7, 2], &[0xE1, 3, 4]]),
            [[0xB0, 7, 2], [0xE1, 3, 4]]
        );
    }

    #[test]
    fn a_lost_mode_message_comes_and_spares_the_note_offs() {
        assert_eq!(summary(&[&[0xB0, 123, 0]]), [[0xB0, 123, 0]]);
    }
}
