//! Putting the popping thread right: what a full in queue lost is made good, and what a peer that has gone left
//! sounding is released, as soon as there is room.

use super::link::{Link, Phase};
use super::net_port::NetPort;
use super::reactor::Reactor;
use crate::midi::message;
use crate::realtime::notifications::{Kind, Notification};
use crate::realtime::shared::{Role, STILL_HELD, SYNTHETIC};
use crate::session::track::Track;
use crate::sys::clock::now_ns;
use slab::Slab;

/// The longest message that is made here.
const LONGEST: usize = 3;
/// A server with few places remembers at least so many clients that went while the audio thread slept.
const LEAST_DEPARTED: usize = 16;

/// A peer that has gone, and what the popping thread got of what it sent.
pub(super) struct Departed {
    client: u32,
    track: Track,
}

impl NetPort {
    /// Whether the popping thread is owed something.
    pub(super) fn owes(&self) -> bool {
        self.in_lossy || !self.departed.is_empty()
    }

    /// Whether what comes from a peer must wait: on a port with one peer, for the last one's messages and releases.
    pub(super) fn must_wait(&self, link: &Link) -> bool {
        let behind = self.draining != 0 && !matches!(link.phase, Phase::Draining);
        self.shared.role != Role::Merged && (behind || !self.departed.is_empty())
    }

    /// Whether one more peer's releases can be remembered. While the audio thread sleeps, no more are than this.
    pub(super) fn can_remember(&self) -> bool {
        self.departed.len() < LEAST_DEPARTED.max(self.shared.config.max_clients as usize)
    }

    /// The first loss: it is told, and its end will be.
    pub(super) fn note_loss(&mut self) {
        if !self.in_lossy {
            self.in_lossy = true;
            self.in_lossy_told = self.shared.notifications.begin(Notification::new(Kind::Congested));
        }
    }

    /// Keeps what would have to be released if a link ended now known to the popping side.
    pub(super) fn note_held(&mut self, link: &mut Link) {
        let holds = self.shared.config.release_on_disconnect && !link.received.is_neutral();
        if holds != link.holds {
            link.holds = holds;
            if holds {
                self.holders += 1
            } else {
                self.holders -= 1
            }
            self.tell_holds();
        }
    }

    /// Before something is handed over that may have to be released: whoever pops it and then shuts the port down must
    /// not be told that nothing comes any more. Whether `tell_holds` has to follow.
    pub(super) fn expect_held(&self) -> bool {
        let expects = self.shared.config.release_on_disconnect && !self.shared.holds();
        if expects {
            self.shared.set_holds(true);
        }
        expects
    }

    pub(super) fn tell_holds(&self) {
        self.shared.set_holds(self.holders != 0 || !self.departed.is_empty());
    }

    /// A peer goes: from now on it is owed what releases what it holds.
    pub(super) fn depart(&mut self, link: &mut Link) {
        let track = std::mem::take(&mut link.received);
        if self.shared.config.release_on_disconnect && !self.released && !track.is_neutral() {
            self.departed.push_back(Departed {
                client: self.client_of(link),
                track,
            });
        }
        self.note_held(link);
        self.tell_holds();
    }

    /// The id that messages of a link carry.
    pub(super) fn client_of(&self, link: &Link) -> u32 {
        if self.shared.role == Role::Merged {
            link.client
        } else {
            0
        }
    }

    /// Gives what is owed, as far as there is room.
    pub(super) fn settle(&mut self, links: &mut Slab<Link>) {
        if !self.owes() {
            return;
        }
        let Some(mut queue) = self.incoming.take() else { return };
        // Half of the room first, or the live stream would be lost again at once.
        if queue.is_half_free() {
            self.expect_held();
            let now = now_ns();
            let mut given = 0;
            for key in &self.links {
                while links[*key].received.is_lossy() && queue.has_room(LONGEST) {
                    let Some(message) = links[*key].received.next_repair() else {
                        break;
                    };
                    let flags = self.made_for(Some(*key), &message, links);
                    _ = queue.write(now, self.client_of(&links[*key]), flags, &message);
                    given += 1;
                }
            }
            while let Some(mut departed) = self.departed.pop_front() {
                while queue.has_room(LONGEST) {
                    let Some(message) = departed.track.next_release() else {
                        break;
                    };
                    let flags = self.made_for(None, &message, links);
                    _ = queue.write(now, departed.client, flags, &message);
                    given += 1;
                }
                if !departed.track.is_neutral() {
                    self.departed.push_front(departed);
                    break;
                }
            }
            queue.publish();
            self.shared.counters.synthesized.add(given);
        }
        self.incoming = Some(queue);
        for index in 0..self.links.len() {
            self.note_held(&mut links[self.links[index]]);
        }
        let lossy = self.links.iter().any(|key| links[*key].received.is_lossy());
        if self.in_lossy && !lossy {
            self.in_lossy = false;
            self.shared
                .notifications
                .end(self.in_lossy_told, Notification::new(Kind::Recovered));
        }
        self.tell_holds();
    }

    /// The flags of a message that is made in the name of a client: whether another one of a merged server holds what
    /// it releases.
    fn made_for(&self, link: Option<usize>, message: &[u8], links: &Slab<Link>) -> u32 {
        let mut others = self.links.iter().filter(|key| Some(**key) != link);
        let held = self.shared.role == Role::Merged
            && (message::is_note_off(message) || message::is_switch_off(message))
            && (others.any(|key| links[*key].received.holds(message))
                || self.departed.iter().any(|departed| departed.track.holds(message)));
        if held { SYNTHETIC | STILL_HELD } else { SYNTHETIC }
    }
}

impl Reactor {
    /// Gives what is owed, and looks again as often as the audio thread may make room. A port whose peer has gone for
    /// good ends when nothing is owed any more.
    pub(super) fn settle_port(&mut self, key: usize, now: u64) {
        let Some(port) = self.ports.get_mut(key) else { return };
        if port.owes() {
            port.settle(&mut self.links);
            self.touch(key);
        }
        let port = &mut self.ports[key];
        if port.owes() {
            let soon = now + u64::from(port.shared.config.tick_us) * 1000;
            self.arm_port(key, soon);
        } else if port.gone && port.draining == 0 {
            port.shared.end();
            self.touch(key);
        }
    }

    /// The peer of a port has gone for good, or the port was shut down.
    pub(super) fn peer_is_gone(&mut self, key: usize, now: u64) {
        let port = &mut self.ports[key];
        port.gone = true;
        port.shared.close();
        self.touch(key);
        self.settle_port(key, now);
    }
}
