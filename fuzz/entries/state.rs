//! The channel state and its difference, judged by the independent receiver: any messages, delivered and lost in any
//! order, with repairs that are interrupted anywhere.

use super::bytes::Bytes;
use crate::midi::state::ChannelState;
use crate::midi::state::judge::{ENDLESS, Link};
use crate::midi::state::receiver_model::{Make, Receiver};
use crate::midi::summary::Summary;

/// Runs one input.
pub fn run(data: &[u8]) {
    let mut bytes = Bytes(data);
    let what = bytes.byte();
    let bit = |bit: u8| what & 1 << bit != 0;
    let make = Make {
        // MPE is younger than the habit of keeping the LSB.
        zeroes_lsb: bit(0) || bit(2),
        one_number: bit(1),
        mpe: bit(2),
        steps: bit(3),
        half_pedal: bit(6),
        captures_sustained: bit(7),
    };
    match what >> 4 & 3 {
        0 => lose_and_repair(make, bytes),
        1 => release(make, bytes),
        way => sum_up(make, bytes, way == 2),
    }
}

/// The next messages that belong together: a parameter is selected by both halves where half a selection would not
/// mean the same to every receiver.
fn phrase(bytes: &mut Bytes, make: Make) -> Vec<Vec<u8>> {
    let message = bytes.message();
    match *message {
        [status @ 0xB0..=0xBF, controller @ 98..=101, value] if make.one_number => {
            vec![
                vec![status, controller | 1, value],
                vec![status, controller & !1, value],
            ]
        }
        _ => vec![message],
    }
}

fn lose_and_repair(make: Make, mut bytes: Bytes) {
    let mut link = Link::new(make);
    while !bytes.is_empty() {
        let fate = bytes.byte();
        for message in phrase(&mut bytes, make) {
            if fate & 1 != 0 || link.sent.is_some() {
                link.lose(&message);
            } else {
                link.deliver(&message);
            }
        }
        link.repair(usize::from(fate >> 1 & 7));
        if fate & 0xF0 == 0xF0 {
            link.repair(usize::MAX);
        }
    }
    link.finish();
}

/// What is lost is summed up without knowing what the receiver has received.
fn sum_up(make: Make, mut bytes: Bytes, difference: bool) {
    let mut link = Link::new(make);
    let mut summary = Summary::new();
    while !bytes.is_empty() {
        let fate = bytes.byte();
        let lossy = fate & 3 != 0;
        for _ in 0..fate >> 3 {
            for message in phrase(&mut bytes, make) {
                if lossy {
                    link.lose_into(&mut summary, &message);
                } else {
                    link.deliver(&message);
                }
            }
        }
        if lossy && difference {
            link.receive_difference(&mut summary);
        } else if lossy {
            link.receive_summary(&mut summary);
        }
    }
}

fn release(make: Make, mut bytes: Bytes) {
    let (mut state, mut receiver) = (ChannelState::new(), Receiver::new(make));
    while !bytes.is_empty() {
        for message in phrase(&mut bytes, make) {
            state.apply(&message);
            receiver.receive(&message);
        }
    }
    let mut given = 0;
    while let Some(message) = state.next_release() {
        given += 1;
        assert!(given < ENDLESS);
        receiver.receive(&message);
    }
    assert!(state.is_neutral() && receiver.held.is_empty());
}
