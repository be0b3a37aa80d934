//! Summaries of lost messages, for where it is not known what the receiver got before them.

use super::channels::Channels;
use super::short::Short;
use super::state::{ChannelState, next_repair};

/// A summary of messages that were lost. It has a fixed size, however many they are, and allocates nothing for a message.
///
/// Its messages bring any receiver to where the lost ones would have brought it, even one that holds notes, has a
/// parameter selected, in whole or in part, or a sequencer running. Some of them the receiver may not need. Whoever
/// knows the receiver's state gives it the difference instead.
#[derive(Clone)]
pub struct Summary {
    sent: ChannelState,
}

/// How much of a summary was given.
pub struct Given {
    received: ChannelState,
}

impl Summary {
    /// An empty summary, on the heap from the start.
    pub fn new() -> Box<Self> {
        Box::new(Self {
            sent: ChannelState::UNKNOWN,
        })
    }

    /// Starts anew.
    pub fn clear(&mut self) {
        self.sent = ChannelState::UNKNOWN;
    }

    /// Takes a message that was lost. Returns how many messages cannot be brought back because of it.
    pub fn lose(&mut self, message: &[u8]) -> u32 {
        self.sent.lose(message)
    }

    /// Forgets what was lost on some channels.
    pub fn forget(&mut self, channels: Channels) {
        if channels.has_system() {
            self.sent.replace_lost_reset();
        }
        self.sent.forget(channels);
    }

    /// The next message that stands for those lost; `None` after the last. `lose` must not be called in between.
    pub fn next(&mut self, given: &mut Given) -> Option<Short> {
        next_repair(&mut given.received, &mut self.sent)
    }
}

impl Given {
    /// Before the first message.
    pub fn new() -> Box<Self> {
        Box::new(Self {
            received: ChannelState::UNKNOWN,
        })
    }

    /// Starts anew.
    pub fn clear(&mut self) {
        self.received = ChannelState::UNKNOWN;
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
        let mut given = Given::new();
        std::iter::from_fn(|| summary.next(&mut given))
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
    fn notes_struck_and_released_while_lost_leave_no_marks() {
        let mut summary = Summary::new();
        for note in 0..128 {
            summary.lose(&[0x90, note, 1]);
            summary.lose(&[0x80, note, 1]);
            summary.lose(&[0x90, note, 1]);
        }
        assert!(!summary.sent.has_marks());
        assert!(summary.next(&mut Given::new()).is_none());
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

    #[test]
    fn a_pedal_pressed_again_is_lifted_first() {
        let lost: &[&[u8]] = &[&[0x80, 60, 0], &[0xB0, 64, 0], &[0xB0, 64, 127]];
        assert_eq!(summary(lost), [[0x80, 60, 64], [0xB0, 64, 0], [0xB0, 64, 127]]);
        // It was pressed once: it may have been down before, and nothing was released.
        assert_eq!(summary(&[&[0xB0, 64, 127]]), [[0xB0, 64, 127]]);
        let after: &[&[u8]] = &[&[0xB0, 64, 127], &[0x80, 60, 0]];
        assert_eq!(summary(after), [[0xB0, 64, 127], [0x80, 60, 64]]);
    }

    /// It did not end: what came after the reset was taken for what every receiver has.
    #[test]
    fn a_system_reset_that_is_forgotten_leaves_what_came_after_it() {
        let system = Channels::of_known(1 << 16);
        let mut summary = Summary::new();
        for message in [&[0xFF][..], &[0xBF, 6, 127], &[0xB2, 7, 1]] {
            summary.lose(message);
        }
        summary.forget(system);
        let mut given = Given::new();
        let list: Vec<Vec<u8>> = std::iter::from_fn(|| summary.next(&mut given))
            .take(1000)
            .map(|message| message.to_vec())
            .collect();
        assert!(list.len() < 100, "{list:02x?}");
        for wanted in [
            vec![0xBF, 120, 0],
            vec![0xBF, 121, 0],
            vec![0xBF, 6, 127],
            vec![0xB2, 7, 1],
        ] {
            assert!(list.contains(&wanted), "{wanted:02x?} is not in {list:02x?}");
        }
        assert!(!list.contains(&vec![0xFF]));
    }

    #[test]
    fn a_program_without_a_bank_comes_before_the_bank() {
        let lost: &[&[u8]] = &[&[0xC0, 5], &[0xB0, 0, 9]];
        assert_eq!(summary(lost), [vec![0xC0, 5], vec![0xB0, 0, 9]]);
    }

    #[test]
    fn data_entry_goes_to_what_was_selected_before() {
        let before: &[&[u8]] = &[
            &[0xB0, 6, 5],
            &[0xB0, 101, 1],
            &[0xB0, 6, 7],
            &[0xB0, 100, 2],
            &[0xB0, 38, 3],
        ];
        // The parameter selected before, the one with only its MSB known, the one known in whole.
        assert_eq!(
            summary(before),
            [
                [0xB0, 6, 5],
                [0xB0, 101, 1],
                [0xB0, 6, 7],
                [0xB0, 101, 1],
                [0xB0, 100, 2],
                [0xB0, 38, 3]
            ]
        );
        // Before what undoes the selection.
        assert_eq!(
            summary(&[&[0xB0, 100, 1], &[0xB0, 6, 7], &[0xB0, 121, 0]])[..2],
            [[0xB0, 100, 1], [0xB0, 6, 7]]
        );
    }

    #[test]
    fn a_sequencer_that_may_run_is_stopped_before_it_is_sent_elsewhere() {
        assert_eq!(summary(&[&[0xFA]]), [vec![0xFC], vec![0xFA]]);
        assert_eq!(summary(&[&[0xFB]]), [[0xFB]]);
        assert_eq!(summary(&[&[0xFC], &[0xFB]]), [[0xFC], [0xFB]]);
        assert_eq!(summary(&[&[0xFC]]), [[0xFC]]);
    }

    /// It did not end: null, selected again after the other system, was taken for what was selected before.
    #[test]
    fn null_by_halves_is_null() {
        let lost: &[&[u8]] = &[
            &[0xB0, 101, 127],
            &[0xB0, 100, 127],
            &[0xB0, 99, 1],
            &[0xB0, 101, 127],
            &[0xB0, 6, 5],
        ];
        assert!(summary(lost).len() < 20);
    }
}
