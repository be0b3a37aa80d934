//! Scheduled messages that must not be forgotten: those that end what sounds at a peer, or put to rest what is not.

use super::link::Link;
use super::net_port::NetPort;
use crate::midi::message;
use crate::realtime::shared::scheduled_cost;
use slab::Slab;
use std::sync::atomic::Ordering;

impl Link {
    /// How many releases like this the peer needs, for what has been given to it or waits in its outbox.
    fn count_held(&self, release: &[u8]) -> usize {
        let mut held = self.sent.count(release);
        let (status, number) = (release[0], release[1]);
        let is_note = status < 0xA0;
        self.out.each_untold(|waiting| {
            if waiting[0] & 0xF0 == 0xB0 && waiting[0] & 15 == status & 15 && (120..).contains(&waiting[1]) {
                // All Sound Off, All Notes Off and the others that end notes; 121 and 122 leave them.
                if is_note && !(121..=122).contains(&waiting[1]) {
                    held = 0;
                }
            } else if is_note && waiting.len() == 3 && waiting[0] & 15 == status & 15 && waiting[1] == number {
                if message::is_note_on(waiting) {
                    held += 1;
                } else if message::is_note_off(waiting) {
                    held = held.saturating_sub(1);
                }
            } else if !is_note && waiting[0] == status && waiting[1] == number {
                held = (waiting[2] >= 64).into();
            }
        });
        held
    }

    /// Whether a message puts to rest what is not at rest at the peer, after what waits in its outbox.
    fn is_let_go_by(&self, bytes: &[u8]) -> bool {
        let ahead = self.sent.ahead(|give| self.out.each_untold(give));
        ahead.is_let_go_by(bytes)
    }
}

impl NetPort {
    /// Those whom a message for `client` reaches.
    fn reached<'a>(&'a self, client: u32, links: &'a Slab<Link>) -> impl Iterator<Item = &'a Link> {
        let all = self.links.iter().map(|key| &links[*key]);
        all.filter(move |link| client == 0 || link.client == client)
    }

    /// How many releases like this those need whom a message for `client` reaches: who needs the most counts.
    pub(super) fn count_held(&self, client: u32, release: &[u8], links: &Slab<Link>) -> usize {
        let needed = self.reached(client, links).map(|link| link.count_held(release));
        needed.max().unwrap_or(0)
    }

    /// Whether a scheduled message ends something that sounds, and that no other one that stays will end.
    fn matters(&self, client: u32, bytes: &[u8], links: &Slab<Link>) -> bool {
        if message::is_note_off(bytes) {
            self.count_held(client, bytes, links) > self.schedule.note_offs(client, bytes)
        } else if message::is_pedal_up(bytes) {
            self.count_held(client, bytes, links) > 0
        } else {
            message::lets_go(bytes) && self.reached(client, links).any(|link| link.is_let_go_by(bytes))
        }
    }

    /// Forgets what is scheduled, but what ends what sounds: that stays as it is.
    pub(super) fn forget_schedule(&mut self, links: &Slab<Link>) {
        for waiting in self.schedule.take_all() {
            if self.matters(waiting.client, &waiting.bytes, links) {
                self.schedule.add(waiting.time_ns, waiting.client, &waiting.bytes);
            } else {
                self.unschedule(waiting.bytes.len());
            }
        }
    }

    /// Whether a message that was pushed before a `cancel`, and that is only found now, is to be forgotten with the
    /// others.
    pub(super) fn is_forgotten(&self, client: u32, bytes: &[u8], links: &Slab<Link>) -> bool {
        !self.matters(client, bytes, links)
    }

    /// The port is being closed, and all that was to be sent now has been given to the peers: so is what ends what
    /// sounds, whatever its time.
    pub(super) fn send_last(&mut self, links: &mut Slab<Link>, dirty: &mut Vec<usize>) {
        for waiting in self.schedule.take_all() {
            self.unschedule(waiting.bytes.len());
            // None is left in the schedule: each that is sent is counted at the peer.
            if self.matters(waiting.client, &waiting.bytes, links) {
                self.deliver(waiting.client, &waiting.bytes, links, dirty);
            }
        }
    }

    /// A message is not scheduled any more.
    pub(super) fn unschedule(&self, size: usize) {
        self.shared
            .scheduled_bytes
            .fetch_sub(scheduled_cost(size), Ordering::Relaxed);
    }

    /// A message for now has to wait.
    pub(super) fn schedule_more(&self, size: usize) {
        self.shared
            .scheduled_bytes
            .fetch_add(scheduled_cost(size), Ordering::Relaxed);
    }
}
