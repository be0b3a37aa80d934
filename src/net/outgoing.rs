//! From out queues to sockets.

use super::link::{Link, Phase};
use super::net_port::{NetPort, Work};
use super::reactor::Reactor;
use crate::midi::reset::{PANIC, RESET};
use crate::realtime::consumer::Record;
use crate::realtime::drain::Step;
use crate::realtime::notifications::{Kind, Notification};
use crate::realtime::shared::Shared;
use crate::sys::clock::{ms, now_ns};
use crate::sys::tcp::SEND_FLAGS;
use slab::Slab;
use std::io::ErrorKind;
use std::sync::atomic::Ordering;

/// Not repairing: more than this does not wait for one peer outside of the out queue.
const BACKED_UP_BYTES: usize = 64 * 1024;
/// Bytes taken from one out queue in one turn.
const TURN_BYTES: usize = 256 * 1024;

impl Reactor {
    /// Takes what was pushed into every port; whether there was anything.
    pub(super) fn empty_out_queues(&mut self, now: u64) -> bool {
        let mut some = false;
        let Self {
            ports,
            links,
            dirty,
            timers,
            again,
            conversation,
            ..
        } = self;
        for (key, port) in ports.iter_mut() {
            if port.outgoing.is_none() {
                continue;
            }
            let found = port.has_work();
            port.look(now, found);
            conversation.pushed |= found && port.shared.signals;
            if found || !port.schedule.is_empty() || port.closing {
                some |= found || port.schedule.next_ns().is_some_and(|at| at <= now);
                *again |= port.empty_out_queue(links, dirty, now);
                // While a peer must read first, the write that ends this looks again.
                if let Some(at) = port.schedule.next_ns().filter(|_| !port.backed_up) {
                    let owner = super::timers::Owner::Port(key, port.shared.id);
                    timers.arm(&mut port.armed, at.max(now + 1), owner);
                }
                if !port.touched {
                    port.touched = true;
                    self.touched.push(key);
                }
            }
        }
        some
    }

    /// Writes to every link that got something.
    pub(super) fn write_dirty(&mut self, now: u64) {
        while let Some(key) = self.dirty.pop() {
            if let Some(link) = self.links.get_mut(key)
                && link.dirty
            {
                link.dirty = false;
                self.write(key, now);
            }
        }
    }

    /// The system takes something again: a congested peer reads, and is put right.
    pub(super) fn writable(&mut self, key: usize, now: u64) {
        self.write(key, now);
        let Some(link) = self.links.get_mut(key) else { return };
        if link.congested && link.out.is_empty() && !link.broken {
            self.ports[link.port].make_good(link);
            self.write(key, now);
        }
    }

    /// Writes as much as the system takes.
    pub(super) fn write(&mut self, key: usize, now: u64) {
        let link = &mut self.links[key];
        let port = &mut self.ports[link.port];
        let port_key = link.port;
        match send(link, &port.shared) {
            Ok(()) => {}
            Err(_) => {
                if link.is_live() {
                    self.broke(key, now);
                } else {
                    link.broken = true;
                    self.check_closing(key, now);
                }
                return;
            }
        }
        if port.backed_up && link.out.len() <= BACKED_UP_BYTES / 2 {
            port.backed_up = false;
            self.again = true;
        }
        let live = link.is_live();
        self.touch(port_key);
        if !live {
            self.check_closing(key, now);
        }
        if self.links.contains(key) {
            self.update_interest(key);
            self.rearm(key, now);
        }
    }

    /// Drops what is too old for a peer that does not read.
    pub(super) fn check_delay(&mut self, key: usize, now: u64) {
        let link = &self.links[key];
        let shared = &self.ports[link.port].shared;
        let max_delay = ms(shared.config.max_delay_ms);
        if !shared.repairs
            || link.broken
            || !link.is_sent_to()
            || link.out.oldest_ns().is_none_or(|since| now < since + max_delay)
        {
            return;
        }
        // It may read again just now.
        self.write(key, now);
        let Some(link) = self.links.get_mut(key) else { return };
        let port_key = link.port;
        if link.out.oldest_ns().is_some_and(|since| now >= since + max_delay) {
            self.ports[port_key].congest(link);
            self.touch(port_key);
        }
    }
}

/// Hands bytes to the system until it takes no more.
fn send(link: &mut Link, shared: &Shared) -> std::io::Result<()> {
    let counters = &shared.counters;
    // Nothing goes to what may be a browser.
    if matches!(link.phase, Phase::Sniffing { .. }) {
        return Ok(());
    }
    while !link.out.is_empty() && !link.broken {
        match link.socket.send_with_flags(link.out.pending(), SEND_FLAGS) {
            Ok(count) => {
                let all = count == link.out.len();
                let sent = &mut link.sent;
                let messages = link.out.advance(count, |message| sent.deliver(message));
                link.written += count as u64;
                link.answers.sent(now_ns());
                counters.messages_out.add(messages);
                counters.bytes_out.add(count as u64);
                if !all {
                    return Ok(());
                }
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

impl NetPort {
    /// Moves what is due from the out queue and the schedule to the outboxes; true when some was left for the next
    /// turn.
    pub(super) fn empty_out_queue(&mut self, links: &mut Slab<Link>, dirty: &mut Vec<usize>, now: u64) -> bool {
        let Some(mut outgoing) = self.outgoing.take() else {
            return false;
        };
        let mut from = outgoing.position();
        let mut left = false;
        let mut budget = TURN_BYTES;
        loop {
            while let Some(step) = outgoing.next_request() {
                self.take_step(step, links, dirty, now);
            }
            self.backed_up = self.is_backed_up(links);
            if self.backed_up {
                break;
            }
            if !self.closing
                && let Some(due) = self.schedule.take_due(now)
            {
                self.unschedule(due.bytes.len());
                self.deliver(due.client, &due.bytes, links, dirty);
                continue;
            }
            if budget == 0 {
                left = outgoing.has_work(false);
                break;
            }
            let Some(step) = outgoing.next() else { break };
            let bytes = match &step {
                Step::Message { record, .. } => record.data.len(),
                _ => 64,
            };
            budget = budget.saturating_sub(bytes);
            if matches!(step, Step::Refused(_)) {
                // It has no place in the queue: who waits for what was in it waits for this too, and must not be told
                // that all is with the system between the moment when the summary is given back and the writing.
                from = from.wrapping_sub(1);
                self.shared.handed.store(from, Ordering::Release);
            }
            self.take_step(step, links, dirty, now);
        }
        outgoing.release();
        let emptied = outgoing.position() == outgoing.end();
        if self.closing && emptied {
            self.send_last(links, dirty);
        }
        for key in &self.links {
            let link = &mut links[*key];
            link.out.mark(from, now);
            if self.closing && emptied && link.takes_more {
                link.takes_more = false;
                self.release_sent(link, self.shared.config.release_on_close);
                mark_dirty(*key, link, dirty);
            }
        }
        self.outgoing = Some(outgoing);
        left
    }

    fn take_step(&mut self, step: Step<'_>, links: &mut Slab<Link>, dirty: &mut Vec<usize>, now: u64) {
        match step {
            Step::Dropped(record) => {
                if record.is_scheduled() {
                    self.unschedule(record.data.len());
                }
                if record.due_ns() <= now {
                    self.drop_for_panic(record.client, record.data, links);
                }
            }
            Step::Panic => {
                for waiting in self.schedule.take_all() {
                    self.unschedule(waiting.bytes.len());
                }
                for key in &self.links {
                    let link = &mut links[*key];
                    if link.takes() {
                        self.silence(link);
                        mark_dirty(*key, link, dirty);
                    }
                }
                self.tell_state(&PANIC);
            }
            Step::Cancel => self.forget_schedule(links),
            Step::Reset => self.send_all(&RESET, links, dirty),
            Step::Message { record, cancelled } => self.take_pushed(&record, cancelled, links, dirty, now),
            Step::Refused(lost) => self.deliver_refused(lost, links, dirty, now),
        }
    }

    /// Gives one client what is still in the out queue for it, without taking it from the others.
    pub(super) fn bring_forward(&mut self, key: usize, links: &mut Slab<Link>, dirty: &mut Vec<usize>, now: u64) {
        let Some(mut outgoing) = self.outgoing.take() else {
            return;
        };
        let client = links[key].client;
        outgoing.scan(|record, cancelled| {
            if record.client != 0 && record.client != client || record.due_ns() > now {
                return;
            }
            let forgotten = record.is_scheduled() && cancelled && self.is_forgotten(client, record.data, links);
            if !forgotten {
                self.offer(key, record.data, links, dirty);
            }
        });
        self.outgoing = Some(outgoing);
    }

    /// Sends or schedules a message from the out queue.
    fn take_pushed(
        &mut self,
        record: &Record<'_>,
        cancelled: bool,
        links: &mut Slab<Link>,
        dirty: &mut Vec<usize>,
        now: u64,
    ) {
        let bytes = record.data;
        let (client, scheduled) = (record.client, record.is_scheduled());
        if scheduled && cancelled && self.is_forgotten(client, bytes, links) {
            return self.unschedule(bytes.len());
        }
        let mut time_ns = record.due_ns().max(now);
        if !self.schedule.is_empty() {
            let sounding = || self.count_held(client, bytes, links);
            time_ns = self.schedule.time_of(time_ns, client, bytes, sounding);
        }
        if time_ns > now {
            if !scheduled {
                self.schedule_more(bytes.len());
            }
            self.schedule.add(time_ns, client, bytes);
        } else {
            if scheduled {
                // Its time has come while it was in the queue.
                self.unschedule(bytes.len());
            }
            self.deliver(client, bytes, links, dirty);
        }
    }

    /// Throws away what is scheduled for a peer that is gone. A repairing port remembers what it would have done.
    fn lose_schedule(&mut self) {
        for waiting in self.schedule.take_all() {
            self.unschedule(waiting.bytes.len());
            self.lose_without_peer(waiting.client, &waiting.bytes);
        }
    }

    /// Throws away what was pushed for a peer that is gone.
    pub(super) fn discard_outgoing(&mut self) {
        self.lose_schedule();
        let Some(mut outgoing) = self.outgoing.take() else {
            return;
        };
        while let Some(step) = outgoing.next() {
            match step {
                Step::Dropped(record) | Step::Message { record, .. } => {
                    if record.is_scheduled() {
                        self.unschedule(record.data.len());
                    }
                    self.lose_without_peer(record.client, record.data);
                }
                Step::Panic => self.lose_request(&PANIC),
                Step::Reset => self.lose_request(&RESET),
                Step::Cancel => {}
                Step::Refused(lost) => self.lose_refused(lost),
            }
        }
        outgoing.release();
        self.outgoing = Some(outgoing);
        self.backed_up = false;
    }

    pub(super) fn send_all(&mut self, messages: &[[u8; 3]], links: &mut Slab<Link>, dirty: &mut Vec<usize>) {
        for message in messages {
            for key in &self.links {
                self.offer(*key, message, links, dirty);
            }
        }
        self.tell_state(messages);
    }

    /// A message that a panic takes out of the queue: a repairing port makes good what it did to the state.
    fn drop_for_panic(&mut self, client: u32, bytes: &[u8], links: &mut Slab<Link>) {
        if self.links.is_empty() {
            return self.lose_without_peer(client, bytes);
        }
        if let Some(stands) = self.stands.as_mut().filter(|_| client == 0) {
            stands.apply(bytes);
        }
        if self.shared.repairs {
            for key in &self.links {
                let link = &mut links[*key];
                if link.takes() && (client == 0 || client == link.client) {
                    // What waits before it has to be lost first.
                    self.drop_waiting(link);
                    self.lose(link, bytes);
                }
            }
        }
    }

    /// What is sent to everybody, for those who will be greeted, and for a peer that is not there.
    fn tell_state(&mut self, messages: &[[u8; 3]]) {
        if self.links.is_empty() {
            self.lose_request(messages);
        } else if let Some(stands) = &mut self.stands {
            messages.iter().for_each(|message| stands.apply(message));
        }
    }

    /// Not repairing: whether a peer must read before more is taken from the out queue.
    fn is_backed_up(&self, links: &Slab<Link>) -> bool {
        let full = |key: &usize| links[*key].takes() && links[*key].out.len() >= BACKED_UP_BYTES;
        !self.shared.repairs && self.links.iter().any(full)
    }

    /// Adds a message to the outbox of one client, or of all.
    pub(super) fn deliver(&mut self, client: u32, bytes: &[u8], links: &mut Slab<Link>, dirty: &mut Vec<usize>) {
        if self.links.is_empty() {
            self.lose_without_peer(client, bytes);
        } else if client == 0 {
            if let Some(stands) = &mut self.stands {
                stands.apply(bytes);
            }
            for key in &self.links {
                self.offer(*key, bytes, links, dirty);
            }
        } else if let Work::Server { by_client, .. } = &self.work
            && let Some(key) = by_client.get(&client)
        {
            self.offer(*key, bytes, links, dirty);
        } else if let Some(key) = self.links.iter().find(|key| links[**key].client == client) {
            // One that is being closed: what was pushed before is still for it.
            self.offer(*key, bytes, links, dirty);
        } else {
            self.lose_for_nobody(bytes);
        }
    }

    /// Adds a message to an outbox, unless its peer is congested.
    pub(super) fn offer(&self, key: usize, bytes: &[u8], links: &mut Slab<Link>, dirty: &mut Vec<usize>) {
        let link = &mut links[key];
        if !link.takes() {
            return;
        }
        if self.shared.repairs {
            let limit = self.shared.config.client_buffer_bytes as usize;
            let too_much = |link: &Link| !link.out.is_empty() && link.out.len() + bytes.len() > limit;
            if !link.congested && too_much(link) {
                // The system may take some now. An error will come again with the next write.
                let _ = send(link, &self.shared);
                if too_much(link) {
                    link.out.mark(0, now_ns());
                    self.congest(link);
                    // So that the poller tells when it reads again.
                    mark_dirty(key, link, dirty);
                }
            }
            if link.congested {
                self.lose(link, bytes);
                return;
            }
        }
        add(key, link, bytes, dirty);
    }

    /// A peer does not read: what waits for it is too late.
    fn congest(&self, link: &mut Link) {
        if link.congested {
            return;
        }
        self.drop_waiting(link);
        link.congested = true;
        // Nobody was told of one that may be a browser.
        if !matches!(link.phase, Phase::Sniffing { .. }) {
            let congested = Notification::new(Kind::Congested)
                .client(link.client)
                .address(Some(link.address));
            link.congestion_told = self.shared.notifications.begin(congested);
        }
    }

    /// Tells those who wait that something has changed.
    pub(super) fn tell(&mut self, links: &Slab<Link>) {
        self.touched = false;
        if std::mem::take(&mut self.asked) || self.shared.event.is_awaited() {
            self.tell_handed(links);
            for asker in self.askers.drain(..) {
                asker.tell(true);
            }
        }
        self.shared.event.signal();
    }

    /// Tells `flush` how far the out queue is with the system.
    fn tell_handed(&self, links: &Slab<Link>) {
        let Some(outgoing) = &self.outgoing else { return };
        let position = outgoing.position();
        let awaited = || {
            self.links
                .iter()
                .map(|key| &links[*key])
                .filter(|link| link.takes() && !link.congested)
        };
        let handed = awaited().map(|link| link.out.handed(position));
        let handed = handed
            .min_by_key(|at| at.wrapping_sub(position) as isize)
            .unwrap_or(position);
        self.shared.handed.store(handed, Ordering::Release);
        if awaited().all(|link| link.out.is_empty()) {
            outgoing.serve_requests();
        }
    }
}

fn add(key: usize, link: &mut Link, bytes: &[u8], dirty: &mut Vec<usize>) {
    link.out.push(bytes);
    mark_dirty(key, link, dirty);
}

fn mark_dirty(key: usize, link: &mut Link, dirty: &mut Vec<usize>) {
    if !link.dirty {
        link.dirty = true;
        dirty.push(key);
    }
}
