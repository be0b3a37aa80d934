//! Tells a dead peer, and one that has not read for too long, from one that merely reads slowly.
//!
//! Keep-alive probes notice a dead peer while the line is idle. While data waits, the kernel would go on for a quarter
//! of an hour; TCP_USER_TIMEOUT shortens that, but it also ends living peers that do not read. So acknowledgements
//! decide: a living peer answers probes of its closed window.

use crate::sys::clock::ms;
use crate::sys::tcp::Progress;

/// Watches one connection.
pub(super) struct Liveness {
    keepalive_ns: u64,
    stall_ns: u64,
    next_check_ns: u64,
    /// Since when every check found a probe unanswered.
    probing_since: Option<u64>,
    /// Bytes the peer had acknowledged at the last check.
    acknowledged: u64,
    /// Since when the peer has not acknowledged one byte more, while some wait.
    stalled_since: Option<u64>,
}

impl Liveness {
    pub(super) fn new(keepalive_ms: u32, stall_timeout_ms: u32, now: u64) -> Self {
        Self {
            keepalive_ns: ms(keepalive_ms),
            stall_ns: ms(stall_timeout_ms),
            next_check_ns: now,
            probing_since: None,
            acknowledged: 0,
            stalled_since: None,
        }
    }

    /// When to check next; None: never.
    pub(super) fn next_check_ns(&self) -> Option<u64> {
        self.interval_ns().map(|_| self.next_check_ns)
    }

    fn interval_ns(&self) -> Option<u64> {
        let shortest = [self.keepalive_ns, self.stall_ns]
            .into_iter()
            .filter(|ns| *ns != 0)
            .min()?;
        Some((shortest / 4).clamp(ms(10), ms(5000)))
    }

    /// Takes a measurement of a connection to which `handed` bytes were handed to the system while `waiting` more wait
    /// here. False: the peer is dead, or has read nothing for `stall_timeout_ms`.
    pub(super) fn check(&mut self, progress: Option<&Progress>, handed: u64, waiting: usize, now: u64) -> bool {
        match self.interval_ns() {
            Some(interval) if now >= self.next_check_ns => self.next_check_ns = now + interval,
            _ => return true,
        }
        let unacknowledged = progress.map_or(0, |progress| progress.unacknowledged);
        !self.has_stalled(handed, waiting, unacknowledged, now)
            && !progress.is_some_and(|progress| self.is_dead(progress, now))
    }

    fn has_stalled(&mut self, handed: u64, waiting: usize, unacknowledged: usize, now: u64) -> bool {
        let acknowledged = handed.saturating_sub(unacknowledged as u64);
        let idle = waiting + unacknowledged == 0;
        if idle || acknowledged != self.acknowledged {
            self.acknowledged = acknowledged;
            self.stalled_since = None;
        }
        if idle {
            return false;
        }
        let since = *self.stalled_since.get_or_insert(now);
        self.stall_ns != 0 && now - since >= self.stall_ns
    }

    fn is_dead(&mut self, progress: &Progress, now: u64) -> bool {
        if self.keepalive_ns == 0 {
            return false;
        }
        // A living peer answers whatever is sent again, if only to say that it has no room. One attempt may be under
        // way, but half as much again is too long.
        let silent_to_data = progress
            .resent_every_ms
            .is_some_and(|every| progress.silent_ms * 2 >= every * 3);
        // A probe may have gone out just now. Linux answers every second one within half a second.
        let patience = (self.keepalive_ns / 5).max(ms(1000));
        let silent_to_probe = progress.probing && *self.probing_since.get_or_insert(now) + patience <= now;
        if !progress.probing {
            self.probing_since = None;
        }
        progress.silent_ms * 1_000_000 >= self.keepalive_ns && (silent_to_data || silent_to_probe)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn progress(unacknowledged: usize, silent_ms: u64) -> Progress {
        Progress {
            unacknowledged,
            probing: false,
            resent_every_ms: (unacknowledged != 0).then_some(200),
            silent_ms,
            ended: false,
        }
    }

    #[test]
    fn a_peer_that_acknowledges_nothing_is_dead() {
        let mut liveness = Liveness::new(1000, 0, 0);
        assert!(liveness.check(Some(&progress(3, 900)), 3, 0, 0));
        assert!(liveness.check(Some(&progress(3, 1100)), 3, 0, 1), "not yet due");
        assert!(!liveness.check(Some(&progress(3, 1100)), 3, 0, ms(300)));
    }

    #[test]
    fn a_peer_that_answers_but_does_not_read_has_stalled() {
        let mut liveness = Liveness::new(0, 1000, 0);
        for step in 0..4 {
            assert!(liveness.check(Some(&progress(3, 0)), 3, 10, ms(250) * step));
        }
        assert!(!liveness.check(Some(&progress(3, 0)), 3, 10, ms(1000)));
    }

    #[test]
    fn each_byte_acknowledged_starts_the_stall_anew() {
        let mut liveness = Liveness::new(0, 1000, 0);
        for step in 0..40 {
            assert!(liveness.check(Some(&progress(1, 0)), 3 + step, 10, ms(250) * step));
        }
    }

    #[test]
    fn without_time_outs_nothing_is_checked() {
        let mut liveness = Liveness::new(0, 0, 0);
        assert_eq!(liveness.next_check_ns(), None);
        assert!(liveness.check(Some(&progress(3, u64::MAX / 4)), 3, 10, u64::MAX / 2));
    }
}
