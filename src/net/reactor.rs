//! The network thread's loop: one turn after the other, each with a bounded effort for every port and connection.

use super::bind::Bound;
use super::connector::Connector;
use super::conversation::Conversation;
use super::link::{Interest, Link};
use super::net_port::{NetPort, Work};
use super::thread::{Command, Control, Task};
use super::timers::{Owner, Timers};
use crate::realtime::client_table::Ids;
use crate::realtime::endpoint::NetworkHalf;
use crate::realtime::producer::Producer;
use crate::realtime::shared::State;
use crate::realtime::waker::Waker;
use crate::sys::clock::{ms, now_ns};
use crate::sys::code::Code;
use crate::sys::poller::{Event, Events};
use slab::Slab;
use socket2::Socket;
use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// Bytes read by one call; a turn reads once from each connection that has something.
const READ_BYTES: usize = 64 * 1024;
/// While a connection waits for room in an in queue, the thread looks again after this many ns, then twice as many,
/// up to the second number: the audio thread takes messages without telling anybody.
const STALL_PAUSE_NS: (u64, u64) = (20_000, 1_000_000);

/// So long, in ns, the thread looks for that room without sleeping, as long as it finds some.
const STALL_LOOK_NS: u64 = 20_000;
/// Pauses of the processor between two looks: about a microsecond.
const STALL_LOOK_SPINS: u32 = 64;

/// Out of descriptors: how long a listener is not looked at. Looking at once would spin.
const SILENCE_MS: u32 = 100;

/// A socket that listens.
pub(super) struct Listener {
    pub socket: Socket,
    pub port: usize,
    /// Out of descriptors: not looked at before this time.
    pub silent_until: u64,
}

/// What a poller key stands for.
#[derive(Clone, Copy)]
pub(super) enum Key {
    Link(usize),
    Listener(usize),
    Connecting(usize),
}

impl Key {
    pub(super) fn number(self) -> usize {
        match self {
            Key::Link(index) => index << 2,
            Key::Listener(index) => index << 2 | 1,
            Key::Connecting(index) => index << 2 | 2,
        }
    }

    fn of(number: usize) -> Self {
        match number & 3 {
            0 => Key::Link(number >> 2),
            1 => Key::Listener(number >> 2),
            _ => Key::Connecting(number >> 2),
        }
    }
}

pub(super) struct Reactor {
    pub control: Arc<Control>,
    pub waker: Arc<Waker>,
    pub ports: Slab<NetPort>,
    pub by_id: HashMap<u64, usize>,
    pub links: Slab<Link>,
    pub listeners: Slab<Listener>,
    pub timers: Timers,
    pub scratch: Box<[u8]>,
    /// Links that wait for room in an in queue.
    pub stalled: Vec<usize>,
    /// Links with something new in their outbox.
    pub dirty: Vec<usize>,
    /// Ports whose waiters are to be told at the end of the turn.
    pub touched: Vec<usize>,
    /// Links that were read from, and whose peers are to be acknowledged once all else is done.
    pub unacknowledged: Vec<usize>,
    pub serial: u64,
    pub stall_pause_ns: u64,
    /// Until when the thread looks again and again rather than sleep: see `busy_poll_us`.
    pub busy_until: u64,
    /// The same where messages are answers to one another.
    pub conversation: Conversation,
    /// The realtime priority that is wanted, the one there is, and why it is another: see `review_priority`.
    pub priority_wanted: u32,
    pub priority: u32,
    pub priority_error: Option<(Code, i32)>,
    /// Something was left over for the next turn.
    pub again: bool,
}

impl Reactor {
    pub(super) fn new(control: Arc<Control>) -> Self {
        Self {
            waker: Arc::clone(&control.waker),
            control,
            ports: Slab::new(),
            by_id: HashMap::new(),
            links: Slab::new(),
            listeners: Slab::new(),
            timers: Timers::default(),
            scratch: vec![0; READ_BYTES].into(),
            stalled: Vec::new(),
            dirty: Vec::new(),
            touched: Vec::new(),
            unacknowledged: Vec::new(),
            serial: 0,
            stall_pause_ns: STALL_PAUSE_NS.0,
            busy_until: 0,
            conversation: Conversation::default(),
            priority_wanted: 0,
            priority: 0,
            priority_error: None,
            again: false,
        }
    }

    /// Lets go of everything but the way to be reached.
    pub(super) fn into_control(self) -> Arc<Control> {
        self.control
    }

    /// Runs until no port is left and nothing more is to be written.
    pub(super) fn run(&mut self) {
        let mut events = Events::new();
        loop {
            let outcome = catch_unwind(AssertUnwindSafe(|| self.turn(&mut events)));
            match outcome {
                Ok(true) => {}
                Ok(false) => return,
                // A defect: no port can be trusted any more, but the host goes on.
                Err(payload) => {
                    std::mem::forget(payload);
                    self.give_up();
                }
            }
        }
    }

    /// One turn; false when the thread is to end.
    fn turn(&mut self, events: &mut Events) -> bool {
        self.wait(events);
        #[cfg(midisock_defect)]
        crate::sys::defect::in_network_thread();
        let now = now_ns();
        let had_something = !events.is_empty();
        self.again = false;
        // Before the commands, which may end what an event is about and give its key to another.
        for event in events.iter() {
            self.handle(event, now);
        }
        // Who has left gives its place before others are let in.
        for event in events.iter() {
            if let Key::Listener(key) = Key::of(event.key) {
                self.accept(key, now);
            }
        }
        while let Some(command) = self.control.commands.pop() {
            self.obey(command, now);
        }
        self.retry_stalled();
        if self.empty_out_queues(now) | had_something {
            let busy_poll_ns = self.busy_poll_ns();
            self.busy_until = if busy_poll_ns == 0 { 0 } else { now + busy_poll_ns };
        }
        let look_until = self.conversation.turn(now);
        self.waker.set_conversing(look_until != 0);
        self.write_dirty(now);
        while let Some((at, owner)) = self.timers.take_due(now) {
            match owner {
                Owner::Link(key, serial) => {
                    let link = self.links.get_mut(key).filter(|link| link.serial == serial);
                    if link.is_some_and(|link| link.armed.comes(at)) {
                        self.link_timer(key, now);
                    }
                }
                Owner::Port(key, id) => {
                    let port = self.ports.get_mut(key).filter(|port| port.shared.id == id);
                    if port.is_some_and(|port| port.armed.comes(at)) {
                        self.port_timer(key, now);
                    }
                }
            }
        }
        // What the timers let go is written in this turn too.
        self.write_dirty(now);
        self.tell_touched();
        self.acknowledge_heard(now);
        let idle = self.links.is_empty() && self.ports.is_empty();
        !(self.control.life.is_unused() && idle && self.control.commands.is_empty() && self.control.life.may_end())
    }

    /// Whether going on with a stalled link is worth while: with each message the audio thread takes, a little room
    /// comes, and handing over one by one would cost both sides more.
    fn has_room(&self, link: &Link) -> bool {
        self.ports[link.port]
            .incoming
            .as_ref()
            .is_none_or(Producer::is_half_free)
    }

    /// Where messages are taken as fast as they come there is room again sooner than a sleep would end.
    fn look_for_room(&self) {
        if self.stall_pause_ns != STALL_PAUSE_NS.0 {
            return;
        }
        let until = now_ns() + STALL_LOOK_NS;
        let room = |key: &usize| self.links.get(*key).is_some_and(|link| self.has_room(link));
        while !self.stalled.iter().any(room) && now_ns() < until {
            // Each look takes the consumer's cache line away from it.
            for _ in 0..STALL_LOOK_SPINS {
                std::hint::spin_loop();
            }
        }
    }

    /// Connections that found no room in an in queue try again.
    fn retry_stalled(&mut self) {
        if self.stalled.is_empty() {
            return;
        }
        self.look_for_room();
        let mut progress = false;
        for key in std::mem::take(&mut self.stalled) {
            match self.links.get(key) {
                Some(link) if link.stalled && !self.has_room(link) => self.stalled.push(key),
                Some(link) if link.stalled => progress |= self.resume(key),
                _ => {}
            }
        }
        // The first of them finds the most room: let each be first in its turn.
        if !self.stalled.is_empty() {
            self.stalled.rotate_left(1);
        }
        self.stall_pause_ns = if progress {
            STALL_PAUSE_NS.0
        } else {
            (self.stall_pause_ns * 2).min(STALL_PAUSE_NS.1)
        };
    }

    fn handle(&mut self, event: Event, now: u64) {
        match Key::of(event.key) {
            Key::Link(key) => {
                if event.writable && self.links.contains(key) {
                    self.writable(key, now);
                }
                if event.readable && self.links.contains(key) {
                    self.readable(key, now);
                }
            }
            Key::Listener(_) => {}
            Key::Connecting(key) => self.connecting(key, now),
        }
    }

    fn obey(&mut self, command: Command, now: u64) {
        match command {
            Command::Add(ends, task) => self.add(*ends, task, now),
            Command::ShutDown { port } => {
                if let Some(&key) = self.by_id.get(&port) {
                    self.shut_down(key, now);
                }
            }
            Command::Close { port, done } => {
                if let Some(&key) = self.by_id.get(&port) {
                    self.shut_down(key, now);
                    if let Some(port) = self.ports.get_mut(key) {
                        port.released = true;
                        port.departed.clear();
                    }
                    self.forget_if_done(key);
                }
                done.tell(true);
            }
            Command::Disconnect { port, client, done } => {
                let link = self.by_id.get(&port).and_then(|key| match &self.ports[*key].work {
                    Work::Server { by_client, .. } => by_client.get(&client).copied(),
                    _ => None,
                });
                let live = link.filter(|link| self.links[*link].is_live());
                if let Some(link) = live {
                    self.disconnect(link, now);
                }
                done.tell(live.is_some());
            }
            Command::Prioritize { port, priority } => {
                if let Some(&key) = self.by_id.get(&port) {
                    self.ports[key].priority = priority;
                    self.review_priority(Some(key));
                }
            }
            Command::TellProgress { port, done } => {
                if let Some(&key) = self.by_id.get(&port) {
                    self.ports[key].asked = true;
                    self.ports[key].askers.extend(done);
                    self.touch(key);
                }
            }
            Command::Resolved { port, resolution } => {
                if let Some(&key) = self.by_id.get(&port) {
                    self.resolved(key, resolution, now);
                }
            }
        }
    }

    fn add(&mut self, ends: NetworkHalf, task: Task, now: u64) {
        let shared = Arc::clone(&ends.shared);
        let listen_retry_ms = shared.config.listen_retry_ms;
        match task {
            Task::Serve {
                addresses,
                listeners,
                accepted,
            } => {
                let until = if listen_retry_ms == u32::MAX {
                    u64::MAX
                } else {
                    now + ms(listen_retry_ms)
                };
                let work = Work::Server {
                    listeners: Vec::new(),
                    binding: listeners.is_none().then_some((addresses, until)),
                    ids: Ids::new(&shared.clients),
                    by_client: HashMap::new(),
                    accepted,
                };
                let key = self.insert(ends, work);
                self.review_priority(Some(key));
                match listeners {
                    Some(bound) => self.start_listening(key, bound),
                    None => self.try_to_bind(key, now),
                }
            }
            Task::Connect { host, port } => {
                let key = self.insert(ends, Work::Client(Connector::new(host, port, &shared)));
                self.review_priority(Some(key));
                self.start_connecting(key, now);
            }
        }
    }

    pub(super) fn insert(&mut self, ends: NetworkHalf, work: Work) -> usize {
        let id = ends.shared.id;
        let key = self.ports.insert(NetPort::new(ends, work));
        self.by_id.insert(id, key);
        key
    }

    pub(super) fn start_listening(&mut self, key: usize, bound: Bound) {
        self.ports[key].shared.local_port.store(bound.port, Ordering::Relaxed);
        self.ports[key].shared.set_state(State::Listening);
        for socket in bound.listeners {
            let listener = self.listeners.insert(Listener {
                socket,
                port: key,
                silent_until: 0,
            });
            if let Work::Server { listeners, .. } = &mut self.ports[key].work {
                listeners.push(listener);
            }
            self.hear(listener, now_ns());
        }
        self.touch(key);
    }

    /// Starts to look at a listener.
    pub(super) fn hear(&mut self, key: usize, now: u64) {
        let event = Event::readable(Key::Listener(key).number());
        self.listeners[key].silent_until = 0;
        // It is taken out before it is dropped: see `deafen`.
        if self.waker.poller.add(&self.listeners[key].socket, event).is_err() {
            self.silence_listener(key, now);
        }
    }

    /// Stops looking at a listener.
    pub(super) fn deafen(&mut self, key: usize) {
        let _ = self.waker.poller.delete(&self.listeners[key].socket);
    }

    /// Looks at a listener again after a while.
    pub(super) fn silence_listener(&mut self, key: usize, now: u64) {
        let listener = &mut self.listeners[key];
        listener.silent_until = now + ms(SILENCE_MS);
        let (port, until) = (listener.port, listener.silent_until);
        self.arm_port(port, until);
    }

    /// Has the poller watch a link for what it waits for now.
    pub(super) fn update_interest(&mut self, key: usize) {
        let link = &mut self.links[key];
        let wanted = link.wanted_interest();
        let wanted = (wanted != Interest::default()).then_some(wanted);
        if link.interest == wanted {
            return;
        }
        let poller = &self.waker.poller;
        let event = |interest: Interest| Event::new(Key::Link(key).number(), interest.read, interest.write);
        // An event that nobody waits for would come for ever at a socket that was hung up: rather take it out.
        let outcome = match (link.interest, wanted) {
            (None, None) => Ok(()),
            (Some(_), None) => poller.delete(&link.socket),
            // It is taken out before it is dropped: see `remove_link`.
            (None, Some(interest)) => poller.add(&link.socket, event(interest)),
            (Some(_), Some(interest)) => poller.modify(&link.socket, event(interest)),
        };
        if outcome.is_ok() {
            link.interest = wanted;
        } else {
            // Out of memory in the kernel: try again soon.
            self.again = true;
        }
    }

    /// Calls a link's timer at `at`, or sooner.
    pub(super) fn arm_link(&mut self, key: usize, at: u64) {
        let link = &mut self.links[key];
        self.timers.arm(&mut link.armed, at, Owner::Link(key, link.serial));
    }

    /// Calls a port's timer at `at`, or sooner.
    pub(super) fn arm_port(&mut self, key: usize, at: u64) {
        let port = &mut self.ports[key];
        self.timers.arm(&mut port.armed, at, Owner::Port(key, port.shared.id));
    }

    /// Has the port's waiters told at the end of the turn.
    pub(super) fn touch(&mut self, key: usize) {
        if let Some(port) = self.ports.get_mut(key)
            && !port.touched
        {
            port.touched = true;
            self.touched.push(key);
        }
    }

    fn tell_touched(&mut self) {
        for key in std::mem::take(&mut self.touched) {
            if let Some(port) = self.ports.get_mut(key)
                && port.touched
            {
                port.tell(&self.links);
            }
        }
    }

    /// After a defect: every port ends, and the thread goes on to serve those that are made from now on.
    fn give_up(&mut self) {
        for (_, link) in &self.links {
            if link.interest.is_some() {
                let _ = self.waker.poller.delete(&link.socket);
            }
        }
        self.links.clear();
        for (_, listener) in &self.listeners {
            let _ = self.waker.poller.delete(&listener.socket);
        }
        self.listeners.clear();
        for (_, port) in &mut self.ports {
            port.shared.set_up(false);
            port.shared.end();
            port.shared.event.signal();
            if let Work::Client(connector) = &mut port.work {
                connector.abandon(&self.waker.poller);
            }
        }
        self.ports.clear();
        self.by_id.clear();
        self.timers = Timers::default();
        self.stalled.clear();
        self.dirty.clear();
        self.touched.clear();
        self.unacknowledged.clear();
    }
}
