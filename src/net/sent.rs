//! What peers were left with: the other direction of "nothing is left hanging".
//!
//! A link's `sent` track follows what is written to it. When messages for it are dropped, the difference follows when
//! it reads again; when it is ended, what sounds is released first; when a client connects again, the peer is told
//! where things stand.

use super::link::Link;
use super::net_port::NetPort;
use crate::midi::message;
use crate::midi::reset::PANIC;
use crate::midi::state::ChannelState;
use crate::realtime::notifications::{Kind, Notification};
use crate::realtime::shared::Role;
use crate::session::track::Track;
use crate::sys::clock::now_ns;
use std::sync::atomic::Ordering;

impl NetPort {
    /// A message that a connected peer does not get.
    pub(super) fn lose(&self, link: &mut Link, bytes: &[u8]) {
        self.count_lost(link.sent.lose(bytes));
    }

    fn count_lost(&self, unrepaired: u64) {
        self.shared.counters.dropped_out.add(1);
        self.shared.counters.unrepaired.add(unrepaired);
    }

    /// Drops what waits for a peer: it is too late for it. Of a message partly written the rest still will be, unless
    /// the connection is broken; then it is taken for heard only if that is the safe side.
    pub(super) fn drop_waiting(&self, link: &mut Link) {
        let broken = link.broken || link.at_end;
        let Link { out, sent, .. } = link;
        let mut lost = Vec::new();
        out.drop_unwritten(|message, kept| {
            if kept && (!broken || message::is_note_on(message)) && !sent.is_lossy() {
                sent.deliver(message);
            } else {
                lost.push(sent.lose(message));
            }
        });
        for unrepaired in lost {
            self.count_lost(unrepaired);
        }
    }

    /// Messages were added that the track has taken already: they count, they are not dropped any more, and they grow
    /// old like others.
    fn note_made(&self, link: &mut Link, made: u64) {
        link.out.commit(|_| {});
        link.out.mark(self.shared.handed.load(Ordering::Relaxed), now_ns());
        self.shared.counters.synthesized.add(made);
    }

    /// A congested peer reads again: the difference goes out first.
    pub(super) fn make_good(&self, link: &mut Link) {
        let mut made = 0;
        while let Some(message) = link.sent.next_repair() {
            link.out.push(&message);
            made += 1;
        }
        self.note_made(link, made);
        link.congested = false;
        let told = std::mem::take(&mut link.congestion_told);
        self.shared
            .notifications
            .end(told, Notification::new(Kind::Recovered).client(link.client));
    }

    /// A peer will get no more of what is pushed: what sounds at it is released. Whether there was something, the
    /// first time.
    pub(super) fn release_sent(&self, link: &mut Link, release: bool) -> bool {
        if link.released || link.broken {
            return false;
        }
        link.released = true;
        link.takes_more = false;
        let sent = &mut link.sent;
        // A congested peer gets no more of the live stream; what waits for it is a message partly written.
        link.out.commit(|message| {
            if !sent.is_lossy() {
                sent.deliver(message)
            }
        });
        let mut made = 0;
        while release && let Some(message) = link.sent.next_release() {
            link.out.push(&message);
            made += 1;
        }
        self.note_made(link, made);
        made != 0
    }

    /// A connection is over: a client's port remembers where its peer was left. Unless that has surely read all that it
    /// was sent, it may hold more than it was left with.
    pub(super) fn remember(&mut self, link: &mut Link, was_worth_something: bool) {
        let all_read = link.ended_in_order() && (was_worth_something || !link.resumed);
        let repairs = self.shared.repairs;
        if self.shared.role != Role::Client || link.released {
            return self.count_unwritten(link);
        }
        if repairs {
            self.drop_waiting(link);
        }
        let mut sent = std::mem::take(&mut link.sent);
        if !all_read {
            sent.doubt();
        }
        self.memory = Some(sent);
    }

    /// A connection is over for good: what was not written whole is dropped.
    pub(super) fn count_unwritten(&self, link: &mut Link) {
        if self.shared.repairs {
            link.out
                .each_unfinished(|message| self.count_lost(ChannelState::is_event(message).into()));
        }
        link.out.clear();
    }

    /// A message pushed while there was no peer. A repairing port remembers what it does to the state.
    pub(super) fn lose_without_peer(&mut self, client: u32, bytes: &[u8]) {
        if !self.shared.repairs {
            return;
        }
        if client != 0 {
            return self.lose_for_nobody(bytes);
        }
        let unrepaired = if self.shared.role == Role::Client {
            self.memory.get_or_insert_default().lose(bytes)
        } else {
            if let Some(stands) = &mut self.stands {
                stands.apply(bytes);
            }
            ChannelState::is_event(bytes).into()
        };
        self.count_lost(unrepaired);
    }

    /// Panic and reset without a peer: what they do to the remembered state is kept.
    pub(super) fn lose_request(&mut self, messages: &[[u8; 3]]) {
        if self.shared.repairs && self.shared.role == Role::Client {
            let memory = self.memory.get_or_insert_default();
            for message in messages {
                memory.lose(message);
            }
        }
        if let Some(stands) = &mut self.stands {
            messages.iter().for_each(|message| stands.apply(message));
        }
    }

    /// Panic: what waits for a peer is dropped, and All Sound Off goes out. Where something was dropped that a
    /// repairing port makes good, the difference begins with it.
    pub(super) fn silence(&self, link: &mut Link) {
        if self.shared.repairs {
            self.drop_waiting(link);
        } else {
            let sent = &mut link.sent;
            link.out.drop_unwritten(|message, kept| {
                if kept {
                    sent.deliver(message)
                }
            });
        }
        if !link.sent.is_lossy() {
            PANIC.iter().for_each(|message| link.out.push(message));
            return;
        }
        for message in &PANIC {
            link.sent.lose(message);
        }
        if !link.congested {
            self.make_good(link);
        }
    }

    /// A message for a client that has gone.
    pub(super) fn lose_for_nobody(&self, bytes: &[u8]) {
        if self.shared.repairs {
            self.count_lost(ChannelState::is_event(bytes).into());
        }
    }

    /// A client's port is connected again: the peer is put right first.
    pub(super) fn resume_sent(&mut self, link: &mut Link) {
        let memory = self.memory.take().unwrap_or_default();
        let mut made = 0;
        let out = &mut link.out;
        link.sent = memory.reconnect(
            self.shared.config.release_on_disconnect,
            self.shared.repairs,
            |message| {
                out.push(&message);
                made += 1;
            },
        );
        link.resumed = made != 0;
        self.note_made(link, made);
    }

    /// A new client is told where controllers, programs and bends stand.
    pub(super) fn greet(&self, link: &mut Link) {
        let Some(stands) = &self.stands else { return };
        let mut made = 0;
        let out = &mut link.out;
        link.sent = Track::greet(stands, |message| {
            out.push(&message);
            made += 1;
        });
        self.note_made(link, made);
    }
}
