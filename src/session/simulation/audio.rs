//! A simulated audio thread, and the control thread beside it: what they do with one port, and what they saw.

use super::ear::Ear;
use super::ledger::{Ledger, What};
use super::music::{Mark, PAIRED_CHANNEL};
use super::plan::AudioPlan;
use super::random::Random;
use super::trace;
use crate::midi::channels::Channels;
use crate::midi::state::receiver_model::Make;
use crate::midi::state::songs::Phrase;
use crate::realtime::endpoint::Endpoint;
use crate::realtime::flush::Flushed;
use crate::realtime::notifications::{Kind, Notification};
use crate::realtime::shared::{Role, STILL_HELD, SYNTHETIC, Shared, TIMED};
use crate::session::PortKey;
use crate::sys::code::Code;
use crate::timing::Block;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::rc::Rc;
use std::sync::Arc;

/// A message that is still to be pushed.
struct Pending {
    at_ns: u64,
    client: u32,
    bytes: Vec<u8>,
}

/// A flush that was asked for.
pub(super) struct Asked {
    pub ticket: u32,
    pub at: u64,
    /// How many messages had been pushed.
    pub pushes: usize,
}

/// One port, as its caller sees it.
pub(super) struct Audio {
    pub number: usize,
    pub node: usize,
    pub key: PortKey,
    pub shared: Arc<Shared>,
    pub endpoint: Endpoint,
    pub plan: AudioPlan,
    make: Make,
    phrases: Rc<Vec<Phrase>>,
    pending: VecDeque<Pending>,
    pub ledger: Ledger,
    /// What was popped, by client.
    pub ears: BTreeMap<u32, Ear>,
    pub popped: u64,
    pub made: u64,
    pub skipped: bool,
    /// Channels that were ever closed.
    pub touched: Channels,
    /// Pushes that were filtered.
    pub filtered: u64,
    /// Clients that were announced and have not left.
    pub clients: BTreeSet<u32>,
    pub notifications: Vec<Notification>,
    pub flushes: Vec<Asked>,
    pub shut: bool,
    /// Its handle is closed: no call on it follows.
    pub closed: bool,
    /// Pop has said that nothing will come any more.
    pub over: bool,
    /// An accepted port that nobody has accepted yet.
    pub unaccepted: bool,
}

impl Audio {
    pub(super) fn new(
        number: usize,
        node: usize,
        key: PortKey,
        endpoint: Endpoint,
        plan: AudioPlan,
        make: Make,
    ) -> Self {
        let touched = endpoint.shared().queues.filter.open().complement();
        Self {
            number,
            node,
            key,
            shared: Arc::clone(endpoint.shared()),
            endpoint,
            plan,
            make,
            phrases: super::music::phrases(make),
            pending: VecDeque::new(),
            ledger: Ledger::default(),
            ears: BTreeMap::new(),
            popped: 0,
            made: 0,
            skipped: false,
            touched,
            filtered: 0,
            clients: BTreeSet::new(),
            notifications: Vec::new(),
            flushes: Vec::new(),
            shut: false,
            closed: false,
            over: false,
            unaccepted: false,
        }
    }

    fn name(&self) -> String {
        format!("port {} ({:?})", self.number, self.shared.role)
    }

    /// It wakes; whether the network thread is to look at once.
    pub(super) fn wake(&mut self, now: u64, random: &mut Random, pushes: bool) -> bool {
        let plan = self.plan;
        let mut prompt = false;
        self.take_notifications();
        if random.chance(plan.skip) {
            self.skip();
        }
        if random.chance(plan.pop) || !pushes {
            let most = if pushes { random.between(1, plan.pops) } else { 5000 };
            let in_block = pushes && plan.blocks && self.begin_block(now);
            self.pop(most, in_block);
        }
        if pushes && plan.channels != 0 && random.chance(plan.channels) && !self.shut {
            self.change_channels(now, random);
            prompt = true;
        }
        if self.shared.role.has_queues() && pushes {
            prompt |= self.request(now, random);
            if random.chance(plan.push) {
                for _ in 0..random.between(1, plan.burst) {
                    self.compose(now, random);
                }
            }
            if random.chance(plan.flush) && !self.shut {
                self.ask_flush(now);
            }
        }
        self.push_pending(now);
        prompt
    }

    /// Now and then twice at once, so that nobody sees the first change.
    fn change_channels(&mut self, now: u64, random: &mut Random) {
        for _ in 0..random.between(1, 3) {
            let before = self.shared.queues.filter.open();
            let bits = match random.below(4) {
                0 => Channels::ALL.bits(),
                1 => random.below(1 << 17) as u32,
                2 => before.bits() & random.below(1 << 17) as u32,
                _ => before.bits() ^ 1 << random.below(17),
            };
            let channels = Channels::of_known(bits);
            self.endpoint.set_channels(channels);
            trace!(now, "{} has channels {bits:05X}", self.name());
            let cut = before.without(channels);
            self.touched = self.touched.or(cut);
            if !cut.is_empty() {
                self.ledger.add(now, What::Cut(cut));
            }
        }
    }

    fn request(&mut self, now: u64, random: &mut Random) -> bool {
        if self.shut || !self.pending.is_empty() {
            return false;
        }
        if random.chance(self.plan.cancel) {
            // SAFETY: the simulation is one thread.
            let code = unsafe { self.endpoint.cancel() };
            trace!(now, "{} cancels: {code:?}", self.name());
            self.ledger.add(now, What::Cancel);
            return true;
        }
        if random.chance(self.plan.request) {
            let panics = random.chance(500);
            let code = if panics {
                self.endpoint.panic()
            } else {
                self.endpoint.reset()
            };
            trace!(
                now,
                "{} {}: {code:?}",
                self.name(),
                if panics { "panics" } else { "resets" }
            );
            if code != Code::Closed {
                self.ledger.add(now, if panics { What::Panic } else { What::Reset });
            }
            return true;
        }
        false
    }

    /// Decides what is pushed next.
    fn compose(&mut self, now: u64, random: &mut Random) {
        let named = random.chance(self.plan.named) && !self.clients.is_empty();
        let client = if named {
            let clients: Vec<u32> = self.clients.iter().copied().collect();
            random.pick(&clients)
        } else {
            0
        };
        let ahead = |random: &mut Random| now + random.between(1, self.plan.horizon_ns);
        let at_ns = if random.chance(self.plan.scheduled) {
            ahead(random)
        } else {
            0
        };
        let push = |pending: &mut VecDeque<Pending>, at_ns, bytes| pending.push_back(Pending { at_ns, client, bytes });
        match random.below(10) {
            0..3 => {
                let mark = Mark {
                    source: self.number as u8,
                    client: client & 0x1F_FFFF,
                    number: 0,
                };
                push(&mut self.pending, at_ns, mark.message());
            }
            3..5 => {
                // What is begun is ended, though perhaps in an odd order.
                let (on, off) = if random.chance(700) {
                    let note = 100 + random.below(4) as u8;
                    let velocity = if random.chance(500) { 0x90 } else { 0x80 };
                    let off = [velocity | PAIRED_CHANNEL, note, if velocity == 0x90 { 0 } else { 64 }];
                    ([0x90 | PAIRED_CHANNEL, note, 1], off)
                } else {
                    let pedal = random.pick(&[64, 66]);
                    ([0xB0 | PAIRED_CHANNEL, pedal, 127], [0xB0 | PAIRED_CHANNEL, pedal, 0])
                };
                let is_note = on[0] & 0xF0 == 0x90;
                let until = match at_ns {
                    0 if random.chance(self.plan.scheduled) => ahead(random),
                    0 => 0,
                    _ if is_note && random.chance(300) => 0,
                    _ => at_ns + random.below(self.plan.horizon_ns),
                };
                push(&mut self.pending, at_ns, on.to_vec());
                push(&mut self.pending, until, off.to_vec());
            }
            _ => {
                let phrase = &self.phrases[random.below(self.phrases.len() as u64) as usize];
                for message in phrase {
                    push(&mut self.pending, at_ns, message.clone());
                }
            }
        }
    }

    fn push_pending(&mut self, now: u64) {
        while let Some(mut next) = self.pending.pop_front() {
            let number = self.ledger.len();
            if let Some(mark) = Mark::of(&next.bytes) {
                next.bytes = Mark {
                    number: number as u32,
                    ..mark
                }
                .message();
            }
            let is_open = self.shared.queues.filter.open().has(&next.bytes);
            let filtered = self.shared.counters.push.filtered.get();
            // SAFETY: the simulation is one thread.
            let code = unsafe { self.endpoint.push(next.at_ns, next.client, &next.bytes) };
            let filtered = self.shared.counters.push.filtered.get() - filtered;
            assert_eq!(filtered, u64::from(!is_open && code == Code::Ok), "filtered");
            if !is_open {
                assert!(matches!(
                    code,
                    Code::Ok | Code::TooLarge | Code::NoSuchClient | Code::Closed
                ));
                self.filtered += filtered;
                continue;
            }
            let (at, client) = (next.at_ns, next.client);
            let due = if at > now {
                format!(" at {}", trace::ms(at))
            } else {
                String::new()
            };
            trace!(
                now,
                "{} pushes {:02X?} to {client}{due}: {code:?}",
                self.name(),
                next.bytes
            );
            let repairs = self.shared.repairs;
            match code {
                Code::Full if !repairs => {
                    self.pending.push_front(next);
                    return;
                }
                Code::Ok | Code::Full | Code::Offline => {
                    // Without a peer it is remembered at once, whatever its time.
                    let at = if code == Code::Offline { 0 } else { at };
                    self.ledger.push(now, at, client, next.bytes, code == Code::Ok);
                }
                Code::TooLarge | Code::NoSuchClient | Code::Closed => {}
                other => panic!("a push gave {other:?}"),
            }
        }
    }

    /// Whether one peer may hold up the others.
    pub(super) fn blocks(&self) -> bool {
        !self.shared.repairs
    }

    /// From now on it only pushes what belongs to what it has begun.
    pub(super) fn finish_pushing(&mut self) {
        let paired = |next: &Pending| next.bytes[0] & 0x0F == PAIRED_CHANNEL && next.bytes[0] < 0xF0;
        self.pending.retain(paired);
    }

    fn skip(&mut self) {
        if self.unaccepted || !self.shared.role.has_queues() {
            return;
        }
        // SAFETY: the simulation is one thread.
        let code = unsafe { self.endpoint.skip() };
        self.skipped = true;
        trace!(now: "{} skips: {code:?}", self.name());
    }

    /// Begins a block of audio; false: this port has none.
    fn begin_block(&mut self, now: u64) -> bool {
        let block = Block {
            start_ns: now,
            sample_rate: 48_000.0,
            frames: (self.plan.period_ns * 48 / 1_000_000) as u32,
            offline: false,
            discontinuity: false,
            position: None,
            device_time: false,
        };
        // SAFETY: the simulation is one thread.
        unsafe { self.endpoint.begin_block(block) == Code::Ok }
    }

    /// Takes up to so many messages, of a block or of all; how many there were.
    pub(super) fn pop(&mut self, most: u64, in_block: bool) -> u64 {
        if self.unaccepted || !self.shared.role.has_queues() {
            return 0;
        }
        for count in 0..most {
            let popped = if in_block {
                // SAFETY: the simulation is one thread.
                unsafe { self.endpoint.pop_block() }
            } else {
                // SAFETY: as above.
                unsafe { self.endpoint.pop() }
            };
            let popped = match popped {
                Ok(popped) => popped,
                Err(Code::Closed) => {
                    if !std::mem::replace(&mut self.over, true) {
                        trace!(now: "{} is over", self.name());
                    }
                    return count;
                }
                Err(code) => {
                    assert_eq!(code, Code::Empty);
                    assert!(!self.over, "{}: empty after it was over", self.name());
                    return count;
                }
            };
            // SAFETY: it is valid until the next pop.
            let message = unsafe { popped.data.as_ref() }.to_vec();
            assert!(!self.over, "{}: {message:02X?} after it was over", self.name());
            self.popped_one(popped.client, popped.flags, &message);
        }
        most
    }

    fn popped_one(&mut self, client: u32, flags: u32, message: &[u8]) {
        let made = flags & SYNTHETIC != 0;
        let mark = if made { ", made" } else { "" };
        let held = if flags & STILL_HELD != 0 { ", still held" } else { "" };
        trace!(now: "{} pops {message:02X?} of {client}{mark}{held}", self.name());
        assert_eq!(
            client != 0,
            self.shared.role == Role::Merged,
            "the client of what was popped"
        );
        let is_off = matches!(*message, [0x80..=0x8F, ..] | [0x90..=0x9F, _, 0] | [0xB0..=0xBF, 64, 0]);
        if made
            && is_off
            && !self.touched.has(message)
            && !self.skipped
            && self.shared.config.delivery.release_on_disconnect
        {
            let others = self.ears.iter().filter(|(other, _)| **other != client);
            let held = others.into_iter().any(|(_, ear)| ear.holds(message));
            assert_eq!(
                held,
                flags & STILL_HELD != 0,
                "STILL_HELD of {message:02X?} of client {client}"
            );
        }
        assert!(made || flags & !TIMED == 0);
        if made {
            self.made += 1;
        } else {
            self.popped += 1;
        }
        let make = self.make;
        self.ears.entry(client).or_insert_with(|| Ear::new(make)).hear(message);
    }

    fn ask_flush(&mut self, now: u64) {
        let ticket = self.shared.control.flush.ask();
        trace!(now, "{} asks for flush {ticket}", self.name());
        self.flushes.push(Asked {
            ticket,
            at: now,
            pushes: self.ledger.len(),
        });
    }

    /// Flushes that are done, and whether something was lost.
    pub(super) fn take_flushed(&mut self) -> Vec<(Asked, Flushed)> {
        let mut flushed = Vec::new();
        while let Some(first) = self.flushes.first() {
            let Some(outcome) = self.shared.control.flush.outcome(first.ticket) else {
                break;
            };
            flushed.push((self.flushes.remove(0), outcome));
        }
        flushed
    }

    pub(super) fn take_notifications(&mut self) {
        while let Some(notification) = self.endpoint.poll_notification() {
            trace!(
                now: "{} is told {:?} of client {}: {:?}", self.name(), notification.kind, notification.client,
                (notification.reason, notification.address)
            );
            match notification.kind {
                Kind::ClientJoined => drop(self.clients.insert(notification.client)),
                Kind::ClientLeft => drop(self.clients.remove(&notification.client)),
                _ => {}
            }
            self.notifications.push(notification);
        }
    }
}
