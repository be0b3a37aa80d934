#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::midi::summary::Given;

    fn all(out: &mut SpillOut) -> Vec<(u32, Vec<u8>)> {
        let mut told = Vec::new();
        let taken = out.take(|lost| {
            for (client, summary) in lost.summaries() {
                let mut given = Given::new();
                told.extend(std::iter::from_fn(|| summary.next(&mut given)).map(|message| (client, message.to_vec())));
            }
        });
        if taken.is_some() {
            out.give_back();
        }
        told
    }

    fn to_all<const N: usize>(messages: [[u8; 3]; N]) -> Vec<(u32, Vec<u8>)> {
        messages.iter().map(|message| (0, message.to_vec())).collect()
    }

    #[test]
    fn what_was_refused_comes_out_once() {
        let (mut spill, mut out) = spill(0);
        assert!(!spill.is_lossy() && !out.has_some());
        spill.lose(0, &[0x80, 60, 0], Refused::default());
        spill.lose(0, &[0xB0, 7, 5], Refused::default());
        assert!(spill.is_lossy() && out.has_some());
        assert_eq!(all(&mut out), to_all([[0x80, 60, 64], [0xB0, 7, 5]]));
        assert!(!spill.is_lossy() && !out.has_some());
        assert!(all(&mut out).is_empty());
    }

    #[test]
    fn a_summary_being_worked_off_is_not_added_to() {
        let (mut spill, mut out) = spill(0);
        spill.lose(0, &[0xB0, 7, 1], Refused::default());
        assert!(out.take(|_| ()).is_some());
        assert!(!spill.is_lossy(), "taken: what is queued comes after it");
        spill.lose(0, &[0xB0, 7, 2], Refused::default());
        assert!(spill.is_lossy() && out.take(|_| ()).is_none());
        out.give_back();
        assert_eq!(all(&mut out), to_all([[0xB0, 7, 2]]));
    }

    #[test]
    fn resets_have_their_places() {
        let around = |first, last, done, asked| {
            let (mut spill, mut out) = spill(0);
            for resets in [first, last] {
                spill.lose(0, &[0xB0, 7, 1], Refused { resets, due_ns: 0 });
            }
            let resets = out.take(|lost| lost.resets_around(done, asked)).unwrap();
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
    fn clients_are_told_apart() {
        let (mut spill, mut out) = spill(2);
        for (client, message) in [
            (0, [0xB0, 7, 1]),
            (8, [0xB0, 7, 2]),
            (9, [0xB0, 10, 3]),
            (0, [0xB0, 11, 4]),
            (8, [0x80, 60, 0]),
        ] {
            assert_eq!(spill.lose(client, &message, Refused::default()), 0);
        }
        // One too many to be told apart: what lets go goes to all, the rest is counted.
        assert_eq!(spill.lose(10, &[0x80, 61, 0], Refused::default()), 0);
        assert_eq!(spill.lose(10, &[0xB0, 12, 5], Refused::default()), 1);
        assert_eq!(spill.lose(10, &[0xB1, 66, 63], Refused::default()), 0);
        assert_eq!(spill.lose(10, &[0xB2, 121, 0], Refused::default()), 1);
        let mut told = all(&mut out);
        told.sort();
        let lifted = |(_, message): &(u32, Vec<u8>)| matches!(message[..], [0xB1 | 0xB2, 64..=67, ..]);
        let pedals: Vec<_> = told.extract_if(.., |each| lifted(each)).collect();
        for client in [0, 8, 9] {
            let to = |pedal: [u8; 3]| pedals.contains(&(client, pedal.to_vec()));
            assert!(
                to([0xB1, 66, 63]) && (64..=67).all(|pedal| to([0xB2, pedal, 0])),
                "{pedals:?}"
            );
        }
        assert_eq!(
            told,
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
        let (mut spill, mut out) = spill(0);
        let done = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
        let ended = std::sync::Arc::clone(&done);
        let pusher = std::thread::spawn(move || {
            for round in 0..200_000u32 {
                if !spill.is_lossy() || round % 3 != 0 {
                    spill.lose(
                        0,
                        &[0xB0, (round % 4) as u8 + 16, (round / 4 % 128) as u8],
                        Refused::default(),
                    );
                }
            }
            for controller in 16..20 {
                spill.lose(0, &[0xB0, controller, 99], Refused::default());
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
}
