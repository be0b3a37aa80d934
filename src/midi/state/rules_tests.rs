//! One example for each rule of what is state and how it is brought back.

use super::{ChannelState, Short, next_repair};
use crate::midi::channels::Channels;

/// A link, with what went over it.
struct Wire {
    received: ChannelState,
    sent: ChannelState,
    unrepaired: u32,
}

impl Wire {
    /// After `delivered`, from where on all is lost.
    fn after(delivered: &[&[u8]]) -> Wire {
        let mut wire = Wire {
            received: ChannelState::new(),
            sent: ChannelState::new(),
            unrepaired: 0,
        };
        delivered.iter().for_each(|message| wire.received.apply(message));
        wire.sent.follow(&mut wire.received);
        wire
    }

    fn losing(mut self, lost: &[&[u8]]) -> Wire {
        for message in lost {
            self.unrepaired += self.sent.lose(message);
        }
        self
    }

    fn repair(&mut self) -> Vec<Vec<u8>> {
        std::iter::from_fn(|| next_repair(&mut self.received, &mut self.sent))
            .take(10_000)
            .map(|message| message.to_vec())
            .collect()
    }
}

/// What the difference is after some messages were delivered and others lost.
#[track_caller]
fn expect(delivered: &[&[u8]], lost: &[&[u8]], repair: &[&[u8]], unrepaired: u32) {
    let mut wire = Wire::after(delivered).losing(lost);
    assert_eq!(wire.repair(), repair);
    assert_eq!(wire.unrepaired, unrepaired, "unrepaired");
    assert!(!wire.sent.has_marks());
}

#[track_caller]
fn expect_greeting(messages: &[&[u8]], greeting: &[&[u8]]) {
    let mut sent = ChannelState::new();
    messages.iter().for_each(|message| sent.apply(message));
    let received = sent.newcomer();
    let mut wire = Wire {
        received,
        sent,
        unrepaired: 0,
    };
    assert_eq!(wire.repair(), greeting);
}

fn release(held: &[&[u8]]) -> Vec<Vec<u8>> {
    let mut state = ChannelState::new();
    held.iter().for_each(|message| state.apply(message));
    std::iter::from_fn(|| state.next_release())
        .take(10_000)
        .map(|message: Short| message.to_vec())
        .collect()
}

const ON: &[u8] = &[0x90, 60, 100];
const OFF: &[u8] = &[0x80, 60, 0];
const RELEASED: &[u8] = &[0x80, 60, 64];

#[test]
fn nothing_lost_is_nothing_to_say() {
    expect(&[ON, &[0xB0, 7, 100], &[0xE3, 0, 0]], &[], &[], 0);
}

#[test]
fn a_lost_note_off_releases_the_note() {
    expect(&[ON], &[OFF], &[RELEASED], 0);
    expect(&[ON], &[&[0x90, 60, 0]], &[RELEASED], 0);
}

#[test]
fn a_lost_note_on_is_not_struck_late() {
    expect(&[], &[ON], &[], 1);
    expect(&[], &[ON, OFF], &[], 1);
}

#[test]
fn strikes_are_counted() {
    expect(&[ON, ON], &[OFF], &[RELEASED], 0);
    expect(&[ON, ON], &[OFF, OFF], &[RELEASED, RELEASED], 0);
    expect(&[ON], &[OFF, OFF], &[RELEASED], 0);
}

#[test]
fn a_note_struck_again_and_lost_keeps_what_the_receiver_holds() {
    expect(&[ON], &[ON], &[], 1);
    // Of the sender's two one is let go of: the other is still held.
    expect(&[ON], &[ON, OFF], &[], 1);
    expect(&[ON], &[ON, OFF, OFF], &[RELEASED], 1);
}

#[test]
fn a_lost_retrigger_ends_the_old_strike() {
    // What sounds there was let go of; what the sender now holds was never received.
    expect(&[ON], &[OFF, ON], &[RELEASED], 1);
}

#[test]
fn a_note_off_after_the_repair_counts_once() {
    let mut wire = Wire::after(&[ON]).losing(&[OFF]);
    assert_eq!(wire.repair(), [RELEASED]);
    wire.received.apply(OFF);
    assert_eq!(wire.received.holds_note(0, 60), 0);
    wire.received.apply(ON);
    assert_eq!(wire.received.holds_note(0, 60), 1);
}

#[test]
fn a_note_off_for_a_note_never_received_does_nothing() {
    let mut wire = Wire::after(&[]).losing(&[ON]);
    assert!(wire.repair().is_empty());
    wire.received.apply(OFF);
    assert_eq!(wire.received.holds_note(0, 60), 0);
    assert!(wire.received.is_neutral());
}

#[test]
fn pairs_come_msb_first() {
    expect(
        &[],
        &[&[0xB0, 1, 64], &[0xB0, 33, 5]],
        &[&[0xB0, 1, 64], &[0xB0, 33, 5]],
        0,
    );
    expect(
        &[&[0xB0, 1, 64], &[0xB0, 33, 5]],
        &[&[0xB0, 33, 6]],
        &[&[0xB0, 33, 6]],
        0,
    );
    // The MSB came last, and sets the LSB to zero where the receiver does that.
    expect(
        &[],
        &[&[0xB0, 33, 5], &[0xB0, 1, 64]],
        &[&[0xB0, 1, 64], &[0xB0, 33, 5], &[0xB0, 1, 64]],
        0,
    );
    expect(
        &[&[0xB0, 1, 64], &[0xB0, 33, 5]],
        &[&[0xB0, 1, 64]],
        &[&[0xB0, 1, 64]],
        0,
    );
}

#[test]
fn controllers_that_returned_to_the_received_value_are_not_sent() {
    expect(&[&[0xB0, 7, 100]], &[&[0xB0, 7, 0], &[0xB0, 7, 100]], &[], 0);
}

#[test]
fn a_program_comes_with_its_bank_and_then_the_bank_selected_since() {
    expect(
        &[],
        &[&[0xB1, 0, 3], &[0xB1, 32, 4], &[0xC1, 5], &[0xB1, 0, 6]],
        &[&[0xB1, 0, 3], &[0xB1, 32, 4], &[0xC1, 5], &[0xB1, 0, 6]],
        0,
    );
    // The same number from another bank is another program.
    expect(
        &[&[0xB1, 0, 3], &[0xC1, 5]],
        &[&[0xB1, 0, 4], &[0xC1, 5]],
        &[&[0xB1, 0, 4], &[0xC1, 5]],
        0,
    );
    // A bank alone changes no program.
    expect(&[&[0xC1, 5]], &[&[0xB1, 0, 4]], &[&[0xB1, 0, 4]], 0);
    // The program was from the old bank.
    expect(
        &[&[0xB1, 0, 3], &[0xC1, 5], &[0xB1, 0, 4]],
        &[&[0xB1, 0, 3], &[0xC1, 6], &[0xB1, 0, 4]],
        &[&[0xB1, 0, 3], &[0xC1, 6], &[0xB1, 0, 4]],
        0,
    );
}

const BEND_RANGE: [&[u8]; 2] = [&[0xB0, 101, 0], &[0xB0, 100, 0]];
const NULL: [&[u8]; 2] = [&[0xB0, 101, 127], &[0xB0, 100, 127]];

#[test]
fn parameters_come_as_transactions_with_the_selection_restored() {
    let [msb, lsb] = BEND_RANGE;
    let whole: &[&[u8]] = &[msb, lsb, &[0xB0, 6, 12], &[0xB0, 38, 1]];
    expect(&[], whole, whole, 0);
    let closed: Vec<&[u8]> = [whole, &NULL].concat();
    expect(&[], &closed, &closed, 0);
    // Only the value was lost: what is selected is selected already.
    expect(&[msb, lsb], &[&[0xB0, 6, 12]], &[&[0xB0, 6, 12]], 0);
    // Only the selection was.
    expect(&[msb, lsb], &[NULL[0], NULL[1]], &NULL, 0);
}

#[test]
fn data_entry_that_follows_a_lost_selection_goes_where_it_belongs() {
    let nrpn: [&[u8]; 2] = [&[0xB0, 99, 1], &[0xB0, 98, 8]];
    let mut wire = Wire::after(&[BEND_RANGE[0], BEND_RANGE[1], &[0xB0, 6, 2]]).losing(&nrpn);
    assert_eq!(wire.repair(), nrpn);
    // Live again: the value is the NRPN's, and the bend range as it was.
    wire.received.apply(&[0xB0, 6, 77]);
    wire.sent = wire.received.clone();
    wire.received = wire.sent.newcomer();
    let greeting: &[&[u8]] = &[
        BEND_RANGE[0],
        BEND_RANGE[1],
        &[0xB0, 6, 2],
        nrpn[0],
        nrpn[1],
        &[0xB0, 6, 77],
    ];
    assert_eq!(wire.repair(), greeting);
}

#[test]
fn a_newcomer_gets_what_is_lost_of_the_sequencer_even_if_it_is_as_it_was() {
    let messages: [&[u8]; 4] = [&[0xF3, 1], &[0xF2, 0, 1], &[0xFA], &[0xFC]];
    expect_greeting(&messages, &[]);
    let mut stream = ChannelState::new();
    messages.iter().for_each(|message| stream.apply(message));
    let received = stream.newcomer();
    let mut wire = Wire {
        sent: received.clone(),
        received,
        unrepaired: 0,
    };
    wire = wire.losing(&[&[0xF3, 1], &[0xFC]]);
    let repair: &[&[u8]] = &[&[0xFC], &[0xF3, 1]];
    assert_eq!(wire.repair(), repair);
}

#[test]
fn other_parameters_are_bounded_and_what_gives_way_is_counted() {
    let mut wire = Wire::after(&[]);
    for number in 0..100 {
        let messages = [[0xB0, 99, 1], [0xB0, 98, number], [0xB0, 6, number]];
        wire = wire.losing(&messages.each_ref().map(|message| &message[..]));
    }
    assert_eq!(wire.unrepaired, 100 - super::parameters::OTHERS as u32);
    let repair = wire.repair();
    let values: Vec<u8> = repair
        .iter()
        .filter(|message| message[1] == 6)
        .map(|message| message[2])
        .collect();
    assert_eq!(
        values,
        (36..100).collect::<Vec<u8>>(),
        "the ones written last, oldest first"
    );
    // Registered ones never give way.
    let mut wire = wire.losing(&[BEND_RANGE[0], BEND_RANGE[1], &[0xB0, 6, 12]]);
    assert_eq!(wire.unrepaired, 36);
    assert_eq!(wire.repair().last().unwrap()[..], [0xB0, 6, 12]);
}

#[test]
fn a_place_that_moved_is_found_again() {
    let write =
        |number: u8, value: u8| [[0xB0, 99, 1], [0xB0, 98, number], [0xB0, 6, value]].map(|message| message.to_vec());
    let all: Vec<Vec<u8>> = (0..64).flat_map(|number| write(number, 5)).collect();
    let all: Vec<&[u8]> = all.iter().map(Vec::as_slice).collect();
    // The first gives way to a new one, comes back in another place, and is still
    // what the receiver has.
    let lost = [write(99, 1), write(0, 5), write(99, 2)].concat();
    let lost: Vec<&[u8]> = lost.iter().map(Vec::as_slice).collect();
    let mut wire = Wire::after(&all).losing(&lost);
    assert_eq!(wire.repair(), [[0xB0, 99, 1], [0xB0, 98, 99], [0xB0, 6, 2]]);
    // Everything is known by its name still.
    wire.sent = wire.received.clone();
    wire.received = wire.sent.newcomer();
    let greeting = wire.repair().concat();
    for known in [write(0, 5), write(2, 5), write(63, 5), write(99, 2)] {
        let tail = known[1..].concat();
        assert!(greeting.windows(6).any(|part| part == tail), "{known:?}");
    }
}

#[test]
fn a_number_sent_by_half_since_the_other_system_was_in_use_is_sent_whole() {
    let [msb, lsb] = BEND_RANGE;
    let nrpn: [&[u8]; 2] = [&[0xB0, 99, 1], &[0xB0, 98, 8]];
    expect(
        &[msb, lsb, nrpn[0], nrpn[1], msb],
        &[lsb, &[0xB0, 6, 12]],
        &[msb, lsb, &[0xB0, 6, 12]],
        0,
    );
    expect(&[msb, lsb, nrpn[0], nrpn[1], msb], &[lsb], &[msb, lsb], 0);
    // Where the sender leaves it at that, so does the repair.
    expect(&[msb, lsb, nrpn[0], nrpn[1]], &[msb], &[msb, lsb], 0);
}

#[test]
fn increments_are_events_and_make_the_value_uncertain() {
    let [msb, lsb] = BEND_RANGE;
    expect(&[msb, lsb, &[0xB0, 6, 12]], &[&[0xB0, 96, 0]], &[], 1);
    // The receiver moved off 12: to be at 12 it has to be sent 12.
    expect(
        &[msb, lsb, &[0xB0, 6, 12], &[0xB0, 97, 0]],
        &[&[0xB0, 6, 12]],
        &[&[0xB0, 6, 12]],
        0,
    );
    // So too where the sender then moved it again, by whatever means.
    expect(
        &[msb, lsb, &[0xB0, 6, 12], &[0xB0, 97, 0]],
        &[&[0xB0, 6, 12], &[0xB0, 96, 0]],
        &[&[0xB0, 6, 12]],
        1,
    );
    expect(
        &[msb, lsb, &[0xB0, 6, 12], &[0xB0, 38, 3], &[0xB0, 96, 0]],
        &[&[0xB0, 38, 3]],
        &[&[0xB0, 38, 3]],
        0,
    );
}

#[test]
fn data_entry_with_half_a_number_selected_is_lost_for_good() {
    expect(&[], &[&[0xB0, 99, 1], &[0xB0, 6, 5]], &[&[0xB0, 99, 1]], 1);
}

#[test]
fn data_entry_without_parameters_is_a_controller() {
    expect(&[], &[&[0xB0, 6, 5]], &[&[0xB0, 6, 5]], 0);
    let [msb, lsb] = BEND_RANGE;
    // Null was selected, the value set, and a parameter selected again.
    expect(
        &[msb, lsb],
        &[NULL[0], NULL[1], &[0xB0, 6, 5], msb, lsb],
        &[NULL[0], NULL[1], &[0xB0, 6, 5], msb, lsb],
        0,
    );
}

#[test]
fn a_lost_mode_message_comes_first() {
    expect(
        &[ON, &[0xB1, 7, 1]],
        &[&[0xB1, 7, 9], OFF, &[0xB2, 120, 0], &[0xB1, 123, 0]],
        &[&[0xB1, 123, 0], &[0xB2, 120, 0], RELEASED, &[0xB1, 7, 9]],
        0,
    );
    // It ends the notes itself; what was struck after it was never received.
    expect(&[ON], &[&[0xB0, 123, 0], ON], &[&[0xB0, 123, 0]], 1);
    expect(&[ON], &[&[0xB0, 120, 0]], &[&[0xB0, 120, 0]], 0);
    expect(&[], &[&[0xB0, 120, 0]], &[&[0xB0, 120, 0]], 0);
}

#[test]
fn modes_are_state_and_end_notes() {
    expect(&[ON], &[&[0xB0, 126, 4]], &[&[0xB0, 126, 4]], 0);
    expect(&[&[0xB0, 126, 4], ON], &[&[0xB0, 126, 4]], &[&[0xB0, 126, 4]], 0);
    expect(&[], &[&[0xB0, 124, 0], &[0xB0, 125, 0]], &[&[0xB0, 125, 0]], 0);
    expect(&[], &[&[0xB0, 126, 4], &[0xB0, 127, 0]], &[&[0xB0, 127, 0]], 0);
    expect(&[], &[&[0xB0, 122, 0]], &[&[0xB0, 122, 0]], 0);
}

#[test]
fn reset_all_controllers_resets_what_rp_015_says() {
    let before: &[&[u8]] = &[
        &[0xB0, 1, 9],
        &[0xB0, 7, 9],
        &[0xB0, 11, 9],
        &[0xB0, 64, 9],
        &[0xB0, 65, 9],
        &[0xB0, 66, 9],
        &[0xB0, 67, 9],
        &[0xB0, 68, 9],
        &[0xB0, 91, 9],
        &[0xB0, 0, 9],
        &[0xC0, 9],
        &[0xA0, 60, 9],
        &[0xD0, 9],
        &[0xE0, 0, 9],
    ];
    let after: &[&[u8]] = &[
        &[0xB0, 1, 0],
        &[0xB0, 11, 127],
        &[0xB0, 64, 0],
        &[0xB0, 65, 0],
        &[0xB0, 66, 0],
        &[0xB0, 67, 0],
        &[0xA0, 60, 0],
        &[0xD0, 0],
        &[0xE0, 0, 64],
        &[0xB0, 101, 127],
        &[0xB0, 98, 127],
        &[0xB0, 99, 127],
        &[0xB0, 101, 127],
        &[0xB0, 100, 127],
    ];
    // What it resets is equal to having received so; nothing else is touched.
    expect(before, &[&[0xB0, 121, 0]], &[&[0xB0, 121, 0]], 0);
    let reset: Vec<&[u8]> = [before, &[&[0xB0, 121, 0]]].concat();
    expect(&reset, after, &[], 0);
    // A program, banks and volume lost before it come after it.
    expect(
        &[],
        &[&[0xC0, 3], &[0xB0, 7, 9], &[0xB0, 1, 9], &[0xB0, 121, 0]],
        &[&[0xB0, 121, 0], &[0xC0, 3], &[0xB0, 7, 9]],
        0,
    );
}

#[test]
fn an_mpe_configuration_comes_before_the_bend_ranges_set_after_it() {
    let configuration: [&[u8]; 3] = [&[0xB0, 101, 0], &[0xB0, 100, 6], &[0xB0, 6, 5]];
    let range: [&[u8]; 3] = [&[0xB1, 101, 0], &[0xB1, 100, 0], &[0xB1, 6, 24]];
    let song: Vec<&[u8]> = [configuration, range].concat();
    expect(&[], &song, &song, 0);
    // The same once more resets the range: it is not equal to having been received.
    expect(&song, &configuration, &[&[0xB0, 6, 5]], 0);
    expect(&song, &song, &[&[0xB0, 6, 5], &[0xB1, 6, 24]], 0);
    // The upper zone counts downwards from channel 16.
    let configuration: [&[u8]; 3] = [&[0xBF, 101, 0], &[0xBF, 100, 6], &[0xBF, 6, 2]];
    let range: [&[u8]; 3] = [&[0xBD, 101, 0], &[0xBD, 100, 0], &[0xBD, 6, 24]];
    let outside: [&[u8]; 3] = [&[0xBC, 101, 0], &[0xBC, 100, 0], &[0xBC, 6, 24]];
    let upper: Vec<&[u8]> = [configuration, range, outside].concat();
    expect(&upper, &upper, &[&[0xBF, 6, 2], &[0xBD, 6, 24]], 0);
    // A fine adjustment made after it comes after it, too.
    expect_greeting(
        &[
            &[0xB1, 101, 0],
            &[0xB1, 100, 0],
            &[0xB1, 6, 12],
            &[0xB0, 101, 0],
            &[0xB0, 100, 6],
            &[0xB0, 6, 5],
            &[0xB1, 38, 7],
        ],
        &[
            &[0xB1, 101, 0],
            &[0xB1, 100, 0],
            &[0xB1, 6, 12],
            &[0xB1, 38, 7],
            &[0xB0, 101, 0],
            &[0xB0, 100, 6],
            &[0xB0, 6, 5],
            &[0xB1, 38, 7],
        ],
    );
    // Bend, pressure and timbre of its member channels are those channels'.
    expect(
        &song,
        &[&[0xE1, 0, 90], &[0xB1, 74, 3], &[0xD1, 8], &[0xE2, 0, 64]],
        &[&[0xB1, 74, 3], &[0xD1, 8], &[0xE1, 0, 90], &[0xE2, 0, 64]],
        0,
    );
}

#[test]
fn the_sequencer_is_state() {
    expect(&[], &[&[0xFA]], &[&[0xFA]], 0);
    expect(&[&[0xFA]], &[&[0xFC]], &[&[0xFC]], 0);
    expect(&[&[0xFA]], &[&[0xFC], &[0xFB]], &[&[0xFC], &[0xFB]], 0);
    // Started over: it runs, but from another place.
    expect(&[&[0xFA]], &[&[0xFC], &[0xFA]], &[&[0xFC], &[0xFA]], 0);
    expect(
        &[&[0xFA]],
        &[&[0xFC], &[0xF2, 1, 2], &[0xF3, 4], &[0xFB]],
        &[&[0xFC], &[0xF3, 4], &[0xF2, 1, 2], &[0xFB]],
        0,
    );
    expect(&[], &[&[0xF2, 1, 2]], &[&[0xF2, 1, 2]], 0);
}

#[test]
fn a_lost_system_reset_comes_first_and_leaves_nothing() {
    expect(
        &[ON, &[0xB0, 7, 9], &[0xB0, 64, 127], &[0xFA]],
        &[&[0xB0, 7, 10], &[0xFF], &[0xB0, 10, 3]],
        &[&[0xFF], &[0xB0, 10, 3]],
        0,
    );
    let mut state = ChannelState::new();
    for message in [ON, &[0xFA], &[0xB0, 64, 127], &[0xFF]] {
        state.apply(message);
    }
    assert!(state.is_neutral());
}

#[test]
fn events_are_counted_and_never_repeated() {
    let events: &[&[u8]] = &[
        &[0xF0, 1, 2, 0xF7],
        &[0xF1, 3],
        &[0xF6],
        &[0xF8],
        &[0xFE],
        &[0xB0, 84, 60],
        &[0xB0, 88, 60],
        &[0xB0, 96, 0],
        &[0xB0, 97, 0],
        ON,
    ];
    for event in events {
        assert!(ChannelState::is_event(event), "{event:02X?}");
    }
    expect(&[], events, &[], 10);
    for state in [OFF, &[0x90, 60, 0], &[0xB0, 7, 1], &[0xFA], &[0xF2, 0, 0], &[0xFF]] {
        assert!(!ChannelState::is_event(state), "{state:02X?}");
    }
}

#[test]
fn a_greeting_has_what_was_set_and_no_notes() {
    expect_greeting(
        &[
            ON,
            &[0xFA],
            &[0xB0, 120, 0],
            &[0xB0, 1, 5],
            &[0xB0, 121, 0],
            &[0xB0, 7, 80],
            &[0xC0, 3],
            &[0xE0, 0, 70],
            &[0xD0, 0],
            ON,
        ],
        &[&[0xB0, 121, 0], &[0xC0, 3], &[0xB0, 7, 80], &[0xE0, 0, 70]],
    );
    expect_greeting(&[], &[]);
}

#[test]
fn a_receiver_that_comes_back_gets_what_its_sequencer_missed() {
    let mut wire = Wire::after(&[&[0xFA], &[0xB0, 64, 127]]).losing(&[&[0xB0, 7, 9]]);
    let mut released = Vec::new();
    while let Some(message) = wire.received.next_release() {
        released.push(message.to_vec());
    }
    assert_eq!(released, [&[0xB0, 64, 0][..], &[0xFC]]);
    wire.received = wire.sent.newcomer_after(&wire.received, Channels::ALL);
    // It goes on where it stopped: it is not started again.
    assert_eq!(wire.repair(), [&[0xB0, 7, 9][..], &[0xB0, 64, 127], &[0xFB]]);
}

#[test]
fn a_peer_that_left_is_released_in_order() {
    let held: &[&[u8]] = &[
        &[0xE1, 0, 0],
        &[0xD1, 9],
        &[0xB1, 68, 127],
        &[0xB1, 66, 127],
        &[0xB1, 64, 127],
        &[0xB1, 67, 127],
        &[0xFA],
        &[0x91, 60, 1],
        ON,
        ON,
    ];
    let released: &[&[u8]] = &[
        RELEASED,
        RELEASED,
        &[0x81, 60, 64],
        &[0xB1, 64, 0],
        &[0xB1, 66, 0],
        &[0xB1, 68, 0],
        &[0xD1, 0],
        &[0xE1, 0, 64],
        &[0xFC],
    ];
    assert_eq!(release(held), released);
    assert!(release(&[ON, OFF, &[0xB0, 64, 0], &[0xD0, 0], &[0xE0, 0, 64], &[0xFC]]).is_empty());
    assert!(release(&[ON, &[0xB0, 123, 0]]).is_empty());
}

#[test]
fn what_is_held_can_be_asked() {
    let mut state = ChannelState::new();
    for message in [ON, ON, &[0xB0, 64, 127]] {
        state.apply(message);
    }
    assert_eq!(state.holds_note(0, 60), 2);
    assert_eq!(state.holds_note(1, 60), 0);
    assert!(state.holds_pedal(0, 64));
    assert!(!state.holds_pedal(0, 66));
    assert!(!state.is_neutral());
}

#[test]
fn more_strikes_than_can_be_counted_are_still_released() {
    let mut state = ChannelState::new();
    for _ in 0..5000 {
        state.apply(ON);
    }
    let mut released = 0;
    while state.next_release().is_some() {
        released += 1;
    }
    assert_eq!(released, super::notes::MOST_STRIKES);
    let mut wire = Wire::after(&[ON]);
    for _ in 0..100 {
        wire = wire.losing(&[ON]);
    }
    for _ in 0..101 {
        wire = wire.losing(&[OFF]);
    }
    assert_eq!(wire.repair(), [RELEASED]);
}

#[test]
fn a_pedal_lifted_and_pressed_again_releases_what_it_held() {
    let up: &[u8] = &[0xB0, 64, 0];
    let down: &[u8] = &[0xB0, 64, 127];
    expect(&[ON, down], &[OFF, up, down], &[RELEASED, up, down], 0);
    expect(&[ON, down, OFF], &[up, down], &[up, down], 0);
    for pedal in [66, 68] {
        let (up, down): (&[u8], &[u8]) = (&[0xB0, pedal, 0], &[0xB0, pedal, 127]);
        expect(&[ON, down], &[OFF, up, down], &[RELEASED, up, down], 0);
    }
    // Half-pedalling: the lowest position counts, and the last one is restored.
    expect(
        &[ON, &[0xB0, 64, 90]],
        &[OFF, &[0xB0, 64, 50], &[0xB0, 64, 20], &[0xB0, 64, 100]],
        &[RELEASED, &[0xB0, 64, 20], &[0xB0, 64, 100]],
        0,
    );
    // Reset All Controllers lifts it as well.
    expect(
        &[ON, down],
        &[OFF, &[0xB0, 121, 0], down],
        &[&[0xB0, 121, 0], RELEASED, down],
        0,
    );
    // It was up at the receiver.
    expect(&[up, ON], &[OFF, down, up, down], &[RELEASED, down], 0);
    // All pedals are lifted before any is pressed.
    expect(
        &[ON, down, &[0xB0, 66, 127]],
        &[up, down, &[0xB0, 66, 0], &[0xB0, 66, 127]],
        &[up, &[0xB0, 66, 0], down, &[0xB0, 66, 127]],
        0,
    );
    // The lowest position of a pedal that was never moved presses it, so it comes after the pedals that are lifted.
    for lowest in [40, 64] {
        let (lowest, raised): (&[u8], &[u8]) = (&[0xB0, 64, lowest], &[0xB0, 64, 90]);
        expect(
            &[ON, &[0xB0, 66, 127]],
            &[OFF, &[0xB0, 66, 0], lowest, raised],
            &[RELEASED, &[0xB0, 66, 0], lowest, raised],
            0,
        );
    }
}

#[test]
fn a_note_released_under_the_new_pedal_is_released_after_it() {
    let up: &[u8] = &[0xB0, 64, 0];
    let down: &[u8] = &[0xB0, 64, 127];
    let other: &[u8] = &[0x90, 64, 100];
    expect(
        &[ON, other, down],
        &[OFF, up, down, &[0x80, 64, 0]],
        &[RELEASED, up, down, &[0x80, 64, 64]],
        0,
    );
    // The sostenuto pedal captures what is held when it is pressed.
    expect(&[ON], &[&[0xB0, 66, 127], OFF], &[&[0xB0, 66, 127], RELEASED], 0);
    expect(&[ON], &[OFF, &[0xB0, 66, 127]], &[RELEASED, &[0xB0, 66, 127]], 0);
    // All Notes Off leaves to a pedal what was held when it was pressed.
    let all_off: &[u8] = &[0xB0, 123, 0];
    expect(&[ON], &[down, all_off], &[down, all_off], 0);
    expect(&[ON], &[all_off, down], &[all_off, down], 0);
    expect(&[ON, down], &[up, all_off, down], &[all_off, up, down], 0);
}

#[test]
fn a_program_chosen_without_a_bank_is_not_chosen_from_a_later_one() {
    let reconnect = |received: &[&[u8]], lost: &[&[u8]]| {
        let mut wire = Wire::after(received).losing(lost);
        wire.received = wire.sent.newcomer_after(&wire.received, Channels::ALL);
        wire.repair()
    };
    let (program, msb, lsb): (&[u8], &[u8], &[u8]) = (&[0xC0, 5], &[0xB0, 0, 9], &[0xB0, 32, 1]);
    assert_eq!(reconnect(&[program, msb, lsb], &[]), [msb, lsb]);
    // MSB alone, and LSB alone.
    assert_eq!(reconnect(&[msb, program, lsb], &[]), [msb, lsb]);
    assert_eq!(reconnect(&[lsb, program, msb], &[]), [msb, lsb, msb]);
    // Nothing was selected since, or not at this receiver: then it comes before the bank.
    assert_eq!(reconnect(&[program], &[]), [program]);
    assert_eq!(reconnect(&[program], &[msb]), [program, msb]);
    assert_eq!(reconnect(&[msb, program], &[lsb]), [msb, program, lsb]);
    // With the bank known it is chosen again.
    assert_eq!(reconnect(&[msb, lsb, program], &[]), [msb, lsb, program]);
    // A connection later still.
    let mut wire = Wire::after(&[program, msb, lsb]);
    for _ in 0..2 {
        wire.received = wire.sent.newcomer_after(&wire.received, Channels::ALL);
        assert_eq!(wire.repair(), [msb, lsb]);
        wire.sent.follow(&mut wire.received);
    }
}

#[test]
fn notes_left_held_on_a_new_connection_are_released_when_the_sender_releases_them() {
    let mut wire = Wire::after(&[ON, &[0x90, 64, 100]]).losing(&[OFF]);
    wire.received = wire.sent.newcomer_after(&wire.received, Channels::ALL);
    assert_eq!(wire.repair(), [RELEASED]);
    assert_eq!(wire.received.holds_note(0, 64), 1);
}

#[test]
fn what_a_message_would_release_can_be_asked() {
    let state = |messages: &[&[u8]]| {
        let mut state = ChannelState::new();
        messages.iter().for_each(|message| state.apply(message));
        state
    };
    let reset: &[u8] = &[0xFF];
    // A held thing, and the messages that release it.
    let cases: &[(&[u8], &[&[u8]])] = &[
        (
            ON,
            &[
                OFF,
                &[0x90, 60, 0],
                &[0xB0, 120, 0],
                &[0xB0, 123, 0],
                &[0xB0, 127, 0],
                reset,
            ],
        ),
        (
            &[0xB0, 64, 127],
            &[&[0xB0, 64, 0], &[0xB0, 64, 63], &[0xB0, 120, 0], &[0xB0, 121, 0], reset],
        ),
        (&[0xB0, 64, 40], &[&[0xB0, 64, 0], &[0xB0, 64, 39]]),
        (&[0xB0, 67, 127], &[&[0xB0, 67, 0], &[0xB0, 121, 0]]),
        (&[0xB0, 69, 127], &[&[0xB0, 69, 0]]),
        (&[0xD0, 9], &[&[0xD0, 0], &[0xB0, 121, 0], reset]),
        (&[0xE0, 0, 0], &[&[0xE0, 0, 64], &[0xB0, 121, 0], reset]),
        (&[0xFA], &[&[0xFC], reset]),
    ];
    for (held, releases) in cases {
        let state = state(&[held]);
        for message in *releases {
            assert!(state.releases(message), "{message:02X?} after {held:02X?}");
            assert!(!ChannelState::new().releases(message), "{message:02X?}");
        }
    }
    let held = state(&[ON, &[0xB0, 64, 90], &[0xD0, 9], &[0xE0, 0, 0], &[0xFA]]);
    let keeps: &[&[u8]] = &[
        ON,
        &[0x80, 61, 0],
        &[0x81, 60, 0],
        &[0xB0, 64, 127],
        &[0xB0, 64, 64],
        &[0xB1, 64, 0],
        &[0xB1, 123, 0],
        &[0xB0, 122, 0],
        &[0xB0, 7, 0],
        &[0xD0, 1],
        &[0xE0, 1, 64],
        &[0xF8],
        &[],
    ];
    for message in keeps {
        assert!(!held.releases(message), "{message:02X?}");
    }
}

#[test]
fn a_difference_may_stop_anywhere_and_go_on() {
    let mut wire = Wire::after(&[ON]).losing(&[OFF, BEND_RANGE[0], BEND_RANGE[1], &[0xB0, 6, 12], &[0xB0, 7, 1]]);
    let mut given = Vec::new();
    for lost in 0..5 {
        given.extend(next_repair(&mut wire.received, &mut wire.sent));
        wire = wire.losing(&[&[0xB0, 7, lost]]);
    }
    let rest = wire.repair();
    let given: Vec<Vec<u8>> = given.iter().map(|message| message.to_vec()).chain(rest).collect();
    let last: Vec<&Vec<u8>> = given.iter().filter(|message| message[1] == 7).collect();
    assert_eq!(given[0], RELEASED);
    assert_eq!(last.last().unwrap()[..], [0xB0, 7, 4]);
}

#[test]
fn a_state_is_of_the_size_that_is_documented() {
    assert!(size_of::<ChannelState>() <= 12 * 1024, "{}", size_of::<ChannelState>());
}
