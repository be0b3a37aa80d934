//! Tells a dead peer from one that merely does not read.
//!
//! Keep-alive probes notice a dead peer while the line is idle. While data waits, the kernel would go on for a quarter
//! of an hour; TCP_USER_TIMEOUT shortens that, but ends living peers that do not read too. So the acknowledgements
//! decide: a living peer answers probes of its closed window.

use crate::sys::clock::ms;
use crate::sys::tcp;
use socket2::{Socket, TcpKeepalive};
use std::time::Duration;

/// What one connection is watched for.
pub(super) struct Watch {
    keepalive_ns: u64,
    stall_ns: u64,
    /// Since when every look found a probe unanswered.
    probing_since: Option<u64>,
    /// Bytes the peer had acknowledged at the last look, and since when not one more while some wait.
    acknowledged: u64,
    stalled_since: Option<u64>,
}

/// What a look came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Fine,
    /// It does not answer any more.
    Dead,
    /// It answers, but read nothing for `stall_timeout_ms`.
    Stalled,
}

impl Watch {
    pub(super) fn new(keepalive_ms: u32, stall_timeout_ms: u32) -> Self {
        Self {
            keepalive_ns: ms(keepalive_ms),
            stall_ns: ms(stall_timeout_ms),
            probing_since: None,
            acknowledged: 0,
            stalled_since: None,
        }
    }

    /// How often to look; None: not at all.
    pub(super) fn interval_ns(&self) -> Option<u64> {
        let shortest = [self.keepalive_ns, self.stall_ns]
            .into_iter()
            .filter(|ns| *ns != 0)
            .min()?;
        Some((shortest / 4).clamp(ms(10), ms(5000)))
    }

    /// Looks at a connection to which `handed` bytes were handed to the system and `waiting` more wait here.
    pub(super) fn look(&mut self, socket: &Socket, handed: u64, waiting: usize, now: u64) -> Verdict {
        let progress = tcp::progress(socket);
        let unacknowledged = progress.map_or(0, |progress| progress.unacknowledged);
        let acknowledged = handed.saturating_sub(unacknowledged as u64);
        if waiting + unacknowledged == 0 || acknowledged != self.acknowledged {
            self.acknowledged = acknowledged;
            self.stalled_since = None;
        }
        if waiting + unacknowledged != 0 {
            let since = *self.stalled_since.get_or_insert(now);
            if self.stall_ns != 0 && now - since >= self.stall_ns {
                return Verdict::Stalled;
            }
        }
        let Some(progress) = progress.filter(|_| self.keepalive_ns != 0) else {
            return Verdict::Fine;
        };
        // A living peer answers whatever is sent again, if only to say that it has no room: it is silent for as long
        // as nothing is sent. One attempt may be under way, but half as much again is too long.
        let silent_to_data = progress
            .resent_every_ms
            .is_some_and(|every| progress.silent_ms * 2 >= every * 3);
        // A probe may have gone out just now, and Linux answers one in half a second: the one after that it does.
        let patience = (self.keepalive_ns / 5).max(ms(1000));
        let silent_to_probe = progress.probing && *self.probing_since.get_or_insert(now) + patience <= now;
        if !progress.probing {
            self.probing_since = None;
        }
        let too_long = progress.silent_ms * 1_000_000 >= self.keepalive_ns;
        if too_long && (silent_to_data || silent_to_probe) {
            Verdict::Dead
        } else {
            Verdict::Fine
        }
    }
}

/// Has the system probe an idle line; it counts in whole seconds.
pub(super) fn keep_alive(socket: &Socket, keepalive_ms: u32) {
    if keepalive_ms == 0 {
        return;
    }
    let total = keepalive_ms.div_ceil(1000).clamp(1, 32767);
    let (idle, interval, count) = probes(total);
    let probes = TcpKeepalive::new()
        .with_time(Duration::from_secs(idle.into()))
        .with_interval(Duration::from_secs(interval.into()))
        .with_retries(count);
    // Without it a dead peer is noticed later: no reason to refuse the connection.
    let _ = socket.set_tcp_keepalive(&probes);
    tcp::limit_retransmission_interval(socket, keepalive_ms / 2);
}

/// Seconds of idling, seconds between probes, and their number, for about `total` seconds.
fn probes(total: u32) -> (u32, u32, u32) {
    let idle = (total / 2).max(1);
    let interval = (total / 6).max(1);
    (idle, interval, (total.saturating_sub(idle) / interval).clamp(1, 10))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn probes_add_up() {
        for total in [1, 2, 3, 5, 10, 30, 60, 3600] {
            let (idle, interval, count) = probes(total);
            let sum = idle + interval * count;
            assert!(
                sum >= total && sum <= (total + 1).max(total * 5 / 4),
                "{total}: {idle} + {interval} * {count}"
            );
        }
    }
}
