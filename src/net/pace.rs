//! When the network thread sleeps and until when, and how late it wakes.

use super::net_port::NetPort;
use super::reactor::Reactor;
use crate::sys::clock::now_ns;
use crate::sys::poller::Events;
use std::time::Duration;

/// Looks at several ports that are due within so many ns are one.
const TOGETHER_NS: u64 = 50_000;

impl Reactor {
    /// Waits for something to do, or looks whether there is.
    pub(super) fn wait(&mut self, events: &mut Events) {
        if self.is_busy() {
            self.look(events);
        } else {
            self.conversation.give_up();
            self.waker.set_conversing(false);
            self.sleep(events);
        }
    }

    /// Whether to look again at once rather than sleep.
    fn is_busy(&self) -> bool {
        let until = self.busy_until.max(self.conversation.until());
        until != 0 && now_ns() < until
    }

    /// The longest that any port wants to be looked at before the thread sleeps.
    pub(super) fn busy_poll_ns(&self) -> u64 {
        let longest = self.ports.iter().map(|(_, port)| port.shared.config.busy_poll_us).max();
        u64::from(longest.unwrap_or(0)) * 1000
    }

    /// Looks at the sockets without waiting. Pushes need not wake the thread: it does not say that it sleeps.
    fn look(&mut self, events: &mut Events) {
        let _ = self.waker.poller.wait(events, Some(Duration::ZERO));
        if events.is_empty() {
            // Whoever is waited for may need this processor.
            std::thread::yield_now();
        }
    }

    /// Waits for sockets, commands, pushes that signal, deadlines and looks.
    fn sleep(&mut self, events: &mut Events) {
        self.waker.fall_asleep();
        let unused = self.control.life.is_unused() && self.links.is_empty() && self.ports.is_empty();
        let now = now_ns();
        let until = if self.again || unused || self.is_signalled() || !self.control.commands.is_empty() {
            Some(now)
        } else {
            self.sleeps_until(now)
        };
        let timeout = until.map(|until| Duration::from_nanos(until.saturating_sub(now)));
        // An interrupted wait is a turn without events.
        let _ = self.waker.poller.wait(events, timeout);
        self.waker.awake();
        if timeout != Some(Duration::ZERO) {
            self.note_wake(until);
        }
    }

    /// The thread has slept.
    fn note_wake(&mut self, until: Option<u64>) {
        self.waker.lateness.woke();
        let late_ns = until.and_then(|until| now_ns().checked_sub(until));
        let Some(late_ns) = late_ns else { return };
        self.waker.lateness.was_late(late_ns);
        for (_, port) in &self.ports {
            port.shared.counters.note_late(late_ns);
        }
    }

    /// Whether a push that signals came before the thread said that it sleeps.
    fn is_signalled(&mut self) -> bool {
        self.ports
            .iter_mut()
            .any(|(_, port)| port.shared.signals && port.has_work())
    }

    /// Until when there is nothing to do; None: for ever.
    fn sleeps_until(&self, now: u64) -> Option<u64> {
        let stall = (!self.stalled.is_empty()).then(|| now + self.stall_pause_ns);
        let others = [stall, self.timers.next(), self.next_acknowledgement()];
        [self.next_look(), others.into_iter().flatten().min()]
            .into_iter()
            .flatten()
            .min()
    }

    /// When to look at ports whose pushes wake nobody: at several of them at once, where that is not much later.
    fn next_look(&self) -> Option<u64> {
        let looks = || self.ports.iter().filter_map(|(_, port)| NetPort::next_look_ns(port));
        let first = looks().min()?;
        looks().filter(|at| *at <= first.saturating_add(TOGETHER_NS)).max()
    }
}
