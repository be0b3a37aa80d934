//! The two times of a message that was pushed after the time it was meant for: it leaves by the time of its push, and
//! peers with sender time are told what was meant. A record has room for one word, so both are in it.

use crate::realtime::shared::TIMED;

/// The flag of such a record in an out queue.
pub(crate) const OVERDUE: u32 = TIMED;

/// How much later the push was, in µs: up to two seconds. Peers believe no more.
const LATE_BITS: u32 = 21;
const MOST_LATE_US: u64 = (1 << LATE_BITS) - 1;
/// Both times in one word. That of the push wraps after two hours.
pub(crate) fn pack(pushed_ns: u64, meant_ns: u64) -> u64 {
    let late_us = pushed_ns.saturating_sub(meant_ns) / 1000;
    pushed_ns << LATE_BITS | late_us.min(MOST_LATE_US)
}

/// When it was pushed, at most half a wrap from now, and when it was meant.
pub(crate) fn unpack(word: u64, now_ns: u64) -> (u64, u64) {
    // Sign extension makes of the difference the nearest one.
    let behind = ((now_ns << LATE_BITS).wrapping_sub(word & !MOST_LATE_US)) as i64 >> LATE_BITS;
    let pushed_ns = now_ns.wrapping_sub(behind as u64);
    (pushed_ns, pushed_ns.saturating_sub((word & MOST_LATE_US) * 1000))
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn both_times_come_back(pushed in 0u64..1 << 62, late in 0u64..2_000_000_000, waited in -1_000_000_000i64..3_600_000_000_000) {
            let meant = pushed.saturating_sub(late);
            let now = pushed.saturating_add_signed(waited);
            let (was_pushed, was_meant) = unpack(pack(pushed, meant), now);
            prop_assert_eq!(was_pushed, pushed);
            prop_assert!(was_meant.abs_diff(meant) <= 1000);
        }
    }

    #[test]
    fn what_is_later_than_peers_believe_is_cut() {
        let (pushed, meant) = unpack(pack(1 << 50, 0), 1 << 50);
        assert_eq!((pushed, pushed - meant), (1 << 50, MOST_LATE_US * 1000));
    }
}
