//! What is refused comes out once, in its place.

use super::*;
use crate::midi::summary::Given;
use crate::realtime::shared::scheduled_cost;

fn refuse(end: &mut RefusedIn, client: u32, message: &[u8]) -> u32 {
    end.refuse(client, message, &Moment::default(), &AtomicUsize::new(0))
}

fn all(out: &mut RefusedOut) -> Vec<(u32, Vec<u8>)> {
    let mut given_back = Vec::new();
    if let Some(lost) = out.take() {
        for (client, summary) in lost.summaries() {
            let mut given = Given::new();
            given_back
                .extend(std::iter::from_fn(|| summary.next(&mut given)).map(|message| (client, message.to_vec())));
        }
    }
    out.give_back();
    given_back
}

fn to_all<const N: usize>(messages: [[u8; 3]; N]) -> Vec<(u32, Vec<u8>)> {
    messages.iter().map(|message| (0, message.to_vec())).collect()
}

#[test]
fn what_was_refused_comes_out_once() {
    let (mut end, mut out) = refused(0, 0);
    assert!(!end.is_lossy() && !out.has_some());
    refuse(&mut end, 0, &[0x80, 60, 0]);
    refuse(&mut end, 0, &[0xB0, 7, 5]);
    assert!(end.is_lossy() && out.has_some());
    assert_eq!(all(&mut out), to_all([[0x80, 60, 64], [0xB0, 7, 5]]));
    assert!(!end.is_lossy() && !out.has_some());
    assert!(all(&mut out).is_empty());
}

#[test]
fn a_summary_being_worked_off_is_not_added_to() {
    let (mut end, mut out) = refused(0, 0);
    refuse(&mut end, 0, &[0xB0, 7, 1]);
    assert!(out.take().is_some());
    assert!(!end.is_lossy(), "taken: what is queued comes after it");
    refuse(&mut end, 0, &[0xB0, 7, 2]);
    assert!(end.is_lossy() && out.take().is_none());
    out.give_back();
    assert_eq!(all(&mut out), to_all([[0xB0, 7, 2]]));
}

#[test]
fn resets_have_their_places() {
    let around = |first, last, done, asked| {
        let (mut end, mut out) = refused(0, 0);
        for resets in [first, last] {
            let moment = Moment {
                resets,
                ..Moment::default()
            };
            end.refuse(0, &[0xB0, 7, 1], &moment, &AtomicUsize::new(0));
        }
        let resets = out.take().unwrap().resets_around(done, asked);
        (resets.before, resets.after, resets.done)
    };
    assert_eq!(around(0, 0, 0, 0), (false, false, 0));
    assert_eq!(around(1, 1, 0, 1), (true, false, 1));
    assert_eq!(around(0, 0, 0, 1), (false, true, 1));
    assert_eq!(around(0, 1, 0, 2), (false, true, 2));
    // Asked for, and pushed after it, since it was read how many there are: it is in it.
    assert_eq!(around(0, 1, 0, 0), (false, false, 1));
    assert_eq!(around(1, 2, 0, 1), (true, false, 2));
    // Round the end of the count.
    assert_eq!(around(u32::MAX, 0, u32::MAX, u32::MAX), (false, false, 0));
}

#[test]
fn clients_are_distinguished() {
    let (mut end, mut out) = refused(2, 0);
    for (client, message) in [
        (0, [0xB0, 7, 1]),
        (8, [0xB0, 7, 2]),
        (9, [0xB0, 10, 3]),
        (0, [0xB0, 11, 4]),
        (8, [0x80, 60, 0]),
    ] {
        assert_eq!(refuse(&mut end, client, &message), 0);
    }
    // One client too many: releases go to all clients, the rest is counted.
    assert_eq!(refuse(&mut end, 10, &[0x80, 61, 0]), 0);
    assert_eq!(refuse(&mut end, 10, &[0xB0, 12, 5]), 1);
    assert_eq!(refuse(&mut end, 10, &[0xB1, 66, 63]), 0);
    assert_eq!(refuse(&mut end, 10, &[0xB2, 121, 0]), 1);
    let lifted = |(_, message): &(u32, Vec<u8>)| matches!(message[..], [0xB1 | 0xB2, 64..=67, ..]);
    let (pedals, mut others): (Vec<_>, Vec<_>) = all(&mut out).into_iter().partition(lifted);
    others.sort();
    for client in [0, 8, 9] {
        let to = |pedal: [u8; 3]| pedals.contains(&(client, pedal.to_vec()));
        assert!(
            to([0xB1, 66, 63]) && (64..=67).all(|pedal| to([0xB2, pedal, 0])),
            "{pedals:?}"
        );
    }
    assert_eq!(
        others,
        [
            (0, vec![0x80, 61, 64]),
            (0, vec![0xB0, 7, 1]),
            (0, vec![0xB0, 11, 4]),
            (8, vec![0x80, 60, 64]),
            (8, vec![0x80, 61, 64]),
            (8, vec![0xB0, 7, 2]),
            (8, vec![0xB0, 11, 4]),
            (9, vec![0x80, 61, 64]),
            (9, vec![0xB0, 7, 1]),
            (9, vec![0xB0, 10, 3]),
            (9, vec![0xB0, 11, 4]),
        ]
    );
}

/// The last value of every controller arrives, whatever two real threads do to each other; and never an older one
/// after a newer one.
#[test]
fn between_two_threads() {
    let (mut end, mut out) = refused(0, 0);
    let done = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let ended = std::sync::Arc::clone(&done);
    let pusher = std::thread::spawn(move || {
        for round in 0..200_000u32 {
            if !end.is_lossy() || round % 3 != 0 {
                let message = [0xB0, (round % 4) as u8 + 16, (round / 4 % 128) as u8];
                refuse(&mut end, 0, &message);
            }
        }
        for controller in 16..20 {
            refuse(&mut end, 0, &[0xB0, controller, 99]);
        }
        ended.store(true, std::sync::atomic::Ordering::Release);
    });
    let mut last = [0; 4];
    loop {
        let over = done.load(std::sync::atomic::Ordering::Acquire);
        for (_, message) in all(&mut out) {
            last[usize::from(message[1] - 16)] = message[2];
        }
        if over && !out.has_some() {
            break;
        }
        std::thread::yield_now();
    }
    pusher.join().unwrap();
    assert_eq!(last, [99; 4]);
}

/// Refuses messages for times ahead, and one for now (0); what is for later then, and the scheduled bytes.
fn later(end: &mut RefusedIn, messages: &[(u64, [u8; 3])], now_ns: u64, panics: u32, scheduled: &AtomicUsize) {
    for (due_ns, message) in messages {
        let moment = Moment {
            panics,
            due_ns: *due_ns,
            now_ns,
            ..Moment::default()
        };
        end.refuse(0, message, &moment, scheduled);
    }
}

fn times(out: &mut RefusedOut) -> Vec<u64> {
    let lost = out.take().unwrap();
    lost.later().map(|later| later.due_ns).collect()
}

#[test]
fn scheduled_messages_keep_their_times() {
    let (mut end, mut out) = refused(0, 8);
    let scheduled = AtomicUsize::new(100);
    let cc = |value| [0xB0, 7, value];
    later(
        &mut end,
        &[(50, [0x80, 60, 0]), (40, cc(4)), (30, cc(3))],
        0,
        0,
        &scheduled,
    );
    assert_eq!(scheduled.load(Ordering::Relaxed), 100 + 2 * scheduled_cost(3));
    // One for now comes after what was due before it, and before what is due after it.
    later(&mut end, &[(0, cc(5))], 45, 0, &scheduled);
    assert_eq!(scheduled.load(Ordering::Relaxed), 100 + scheduled_cost(3));
    assert_eq!(times(&mut out), [50]);
    let summary: Vec<_> = out
        .taken()
        .unwrap()
        .summaries()
        .map(|(_, summary)| summary.next(&mut Given::new()))
        .collect();
    assert_eq!(
        summary
            .iter()
            .flatten()
            .map(|message| message.to_vec())
            .collect::<Vec<_>>(),
        [cc(5)]
    );
    out.give_back();
    // They were passed on with their count.
    later(&mut end, &[(0, cc(6))], 46, 0, &scheduled);
    assert_eq!(scheduled.load(Ordering::Relaxed), 100 + scheduled_cost(3));
}

#[test]
fn a_cancel_leaves_releases_of_what_was_refused() {
    let (mut end, mut out) = refused(0, 8);
    let scheduled = AtomicUsize::new(0);
    later(&mut end, &[(40, [0xB0, 7, 4]), (50, [0x80, 60, 0])], 0, 0, &scheduled);
    end.cancel(&scheduled);
    later(&mut end, &[(45, [0xB0, 10, 4])], 0, 0, &scheduled);
    assert_eq!(scheduled.load(Ordering::Relaxed), 2 * scheduled_cost(3));
    let lost = out.take().unwrap();
    let waiting: Vec<_> = lost.later().map(|later| (later.due_ns, later.cancelled)).collect();
    assert_eq!(waiting, [(45, false), (50, true)]);
    // It is the other side's now: the request finds it in the schedule.
    end.cancel(&scheduled);
    assert_eq!(scheduled.load(Ordering::Relaxed), 2 * scheduled_cost(3));
}

#[test]
fn a_panic_takes_out_what_was_refused_for_later() {
    let (mut end, mut out) = refused(0, 8);
    let scheduled = AtomicUsize::new(0);
    later(&mut end, &[(40, [0x80, 60, 0])], 0, 0, &scheduled);
    later(&mut end, &[(50, [0x80, 61, 0])], 0, 1, &scheduled);
    assert_eq!(times(&mut out), [50]);
    out.taken().unwrap().forget_before_panic(1);
    assert_eq!(out.taken().unwrap().later().count(), 1);
    out.taken().unwrap().forget_before_panic(2);
    assert_eq!(out.taken().unwrap().later().count(), 0);
}

#[test]
fn more_than_can_be_kept_comes_early() {
    let (mut end, mut out) = refused(0, 2);
    let scheduled = AtomicUsize::new(0);
    let off = |note| [0x80, note, 0];
    later(
        &mut end,
        &[(40, off(60)), (50, off(61)), (60, off(62)), (30, off(63))],
        0,
        0,
        &scheduled,
    );
    assert_eq!(scheduled.load(Ordering::Relaxed), 2 * scheduled_cost(3));
    assert_eq!(times(&mut out), [50, 60]);
}
