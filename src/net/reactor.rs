//! The network thread's loop: one turn after the other, each with a bounded effort for every port and connection.

use super::command::{Command, NewPort, SharingPort, Task};
use super::connector::{ConnectSettings, Connector};
use super::control::Control;
use super::driver::Driver;
use super::listener::Listeners;
use super::registry::Source;
use super::seat::Seat;
use super::sleep::Sleep;
use super::socket::SocketSettings;
use super::work::{Work, listens, until};
use crate::realtime::endpoint::NetworkHalf;
use crate::realtime::log::Level;
use crate::realtime::shared::Shared;
use crate::session::conversation::Conversation;
use crate::session::options::Options;
use crate::sys::clock::{ms, now_ns, soonest};
use crate::sys::poller::Events;
use slab::Slab;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

/// Commands carried out in one turn.
const MOST_COMMANDS: usize = 64;

/// The outcome of a turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turned {
    /// There was nothing to do, but perhaps a queue to look at.
    Nothing,
    Something,
    /// A defect, which was contained.
    Defect,
    /// There is no user, and nothing left to write.
    Ended,
}

pub(super) struct Reactor {
    driver: Driver,
    seats: Slab<Seat>,
    /// Something may have happened to some seat since `settle`.
    touched: bool,
    /// The system told of something since `do_rest`.
    had_events: bool,
    /// HOST mode: events were handled, and the rest of that turn is still to be done.
    is_unfinished: bool,
    sleep: Sleep,
}

impl Reactor {
    pub(super) fn new(control: Arc<Control>) -> Self {
        Self {
            driver: Driver::new(control),
            seats: Slab::new(),
            touched: false,
            had_events: false,
            is_unfinished: false,
            sleep: Sleep::default(),
        }
    }

    /// Lets go of everything but the way to be reached.
    pub(super) fn into_control(self) -> Arc<Control> {
        self.driver.control
    }

    /// A thread's work: runs until no user is left and nothing more is to be written.
    pub(super) fn run(&mut self) {
        let mut events = Events::new();
        while self.turn(&mut events, None, false) != Turned::Ended {
            self.driver.control.deliver_log();
        }
        self.driver.control.deliver_log();
    }

    /// One turn. It waits for something to do until `limit` at most. `hands_over`: it may return as soon as sockets were
    /// handled. Nearly always the caller pushes an answer then, which the rest of the turn finds at the next call.
    pub(super) fn turn(&mut self, events: &mut Events, limit: Option<u64>, hands_over: bool) -> Turned {
        match catch_unwind(AssertUnwindSafe(|| self.take_turn(events, limit, hands_over))) {
            Ok(turned) => turned,
            // A defect: no port can be trusted any more, but the host goes on.
            Err(payload) => {
                std::mem::forget(payload);
                self.give_up();
                let text = || "a defect of midisock was contained: every port of this context is closed".to_owned();
                self.driver.control.write(Level::Error, text);
                Turned::Defect
            }
        }
    }

    fn take_turn(&mut self, events: &mut Events, limit: Option<u64>, hands_over: bool) -> Turned {
        let mut did_something = false;
        if self.is_unfinished {
            let rest = self.do_rest(now_ns());
            did_something = rest == Turned::Something;
            if rest == Turned::Ended || hands_over && did_something {
                return rest;
            }
        }
        let limit = if did_something { Some(0) } else { limit };
        let now = self.begin_turn(events, limit);
        #[cfg(midisock_defect)]
        crate::sys::defect::in_network_thread();
        self.driver.again = false;
        let handled = self.handle(events, now);
        if handled && hands_over {
            self.is_unfinished = true;
            self.driver.wake();
            self.end_conversation(now);
            self.acknowledge(now);
            return Turned::Something;
        }
        match self.do_rest(now) {
            Turned::Nothing if handled || did_something => Turned::Something,
            rest => rest,
        }
    }

    /// Finds out what there is to do. The time at which the turn begins.
    fn begin_turn(&mut self, events: &mut Events, limit: Option<u64>) -> u64 {
        self.settle();
        let now = self.sleep.wait(&mut self.driver, &mut self.seats, events, limit);
        self.had_events |= !events.is_empty();
        now
    }

    /// All but what sockets tell: commands, connections that wait for room, pushes, deadlines.
    fn do_rest(&mut self, now: u64) -> Turned {
        self.is_unfinished = false;
        let had_events = std::mem::take(&mut self.had_events);
        let obeyed = self.obey(now);
        let retried = self.retry_waiting(now, had_events | obeyed);
        let found = self.drain(now);
        if found || had_events {
            self.sleep.stay_awake(now);
        }
        self.end_conversation(now);
        let timed_out = self.end_turn(now);
        if self.may_end() {
            Turned::Ended
        } else if obeyed || retried || found || timed_out {
            Turned::Something
        } else {
            Turned::Nothing
        }
    }

    /// Whether answers come soon is judged by what this turn took.
    fn end_conversation(&mut self, now: u64) {
        let look_until = self.driver.conversation.end_turn(now);
        self.driver.control.waker.set_conversing(look_until != 0);
    }

    /// HOST mode: the caller does something else until the handle is readable, because there is more to do.
    pub(super) fn park(&mut self) {
        // Events were handled before there was a handle, and the rest of that turn is still to be done.
        self.driver.again |= self.is_unfinished;
        self.settle();
        self.sleep.park(&mut self.driver, &mut self.seats);
    }

    /// Whether there is no user, and nothing left to do. After true nobody can join.
    fn may_end(&mut self) -> bool {
        let control = &self.driver.control;
        let is_left = |(_, seat): (usize, &Seat)| !seat.is_empty();
        if !control.life.is_unused() || self.seats.iter().any(is_left) || !control.commands.is_empty() {
            return false;
        }
        self.settle();
        self.driver.control.life.may_end()
    }

    /// Whether anything happened to a socket.
    fn handle(&mut self, events: &Events, now: u64) -> bool {
        let (mut any, mut newcomers) = (false, false);
        for event in events.iter() {
            any = true;
            let Some((seat, source)) = self.driver.registry.get(event.key) else {
                continue;
            };
            newcomers |= matches!(source, Source::Listener(_));
            if let Some(seat) = self.seats.get_mut(seat) {
                seat.handle(source, &event, &mut self.driver, now);
            }
        }
        if newcomers {
            self.accept(events, now);
        }
        any
    }

    /// Clients that have left give their places before others are let in.
    fn accept(&mut self, events: &Events, now: u64) {
        for event in events.iter() {
            let Some((seat, Source::Listener(index))) = self.driver.registry.get(event.key) else {
                continue;
            };
            if let Some(seat) = self.seats.get_mut(seat) {
                seat.accept(index, &mut self.driver, now);
            }
        }
    }

    /// Whether there was a command.
    fn obey(&mut self, now: u64) -> bool {
        if self.driver.control.commands.is_empty() {
            return false;
        }
        for count in 0..MOST_COMMANDS {
            let Some(command) = self.driver.control.commands.pop() else {
                return count != 0;
            };
            self.carry_out(command, now);
        }
        self.driver.again = true;
        true
    }

    fn carry_out(&mut self, command: Command, now: u64) {
        let port = match &command {
            Command::Add(_) | Command::Join(_) | Command::Report(_) => None,
            Command::ShutDown { port }
            | Command::Close { port, .. }
            | Command::Disconnect { port, .. }
            | Command::SetAllow { port, .. }
            | Command::SetName { port, .. }
            | Command::Resolved { port, .. } => Some(*port),
        };
        let place = port.and_then(|port| self.driver.ports.get(&port).copied());
        let seat = place.and_then(|(seat, key)| Some((self.seats.get_mut(seat)?, key)));
        let driver = &mut self.driver;
        match (command, seat) {
            (Command::Add(new), _) => self.add(*new, now),
            (Command::Join(new), _) => self.join(*new, now),
            (Command::Report(text), _) => driver.control.write(Level::Error, || text),
            (Command::ShutDown { .. }, Some((seat, key))) => {
                if seat.ends_with(key) {
                    seat.stop_work(driver);
                }
                seat.session.shut_down(key, now);
                seat.review_advertisement(None);
                seat.carry_out(driver, now);
            }
            (Command::Close { done, .. }, Some((seat, key))) => {
                if seat.ends_with(key) {
                    seat.stop_work(driver);
                }
                seat.session.release(key, now);
                seat.review_advertisement(None);
                seat.carry_out(driver, now);
                done.answer(true);
            }
            (Command::Disconnect { client, done, .. }, Some((seat, key))) => {
                let found = seat.session.disconnect(key, client, now);
                seat.carry_out(driver, now);
                done.answer(found);
            }
            (Command::SetAllow { allow, done, .. }, Some((seat, key))) => {
                let changed = seat.session.set_allow(key, allow, now);
                seat.carry_out(driver, now);
                done.answer(changed);
            }
            (Command::SetName { name, .. }, Some((seat, key))) => {
                seat.session.set_name(key, name, now);
                seat.review_advertisement(None);
                seat.carry_out(driver, now);
            }
            (Command::Resolved { resolution, .. }, Some((seat, _))) => {
                seat.connect(driver, now, |connector, surroundings| {
                    connector.resolved(resolution, surroundings, now)
                });
            }
            // The port is gone; a reply that is dropped says so.
            (_, None) => {}
        }
    }

    /// A server shares the address of a port that is there. Without an answer, which is that none does.
    fn join(&mut self, new: SharingPort, now: u64) {
        let SharingPort {
            half,
            options,
            address,
            advertisement,
            done,
        } = new;
        let id = half.shared.id;
        let has_it = |seat: &Seat| seat.shared_address.as_ref() == Some(&address);
        let Some((seat_key, seat)) = self.seats.iter_mut().find(|(_, seat)| has_it(seat)) else {
            return;
        };
        let Some(key) = seat.join(half, options, advertisement, &mut self.driver, now) else {
            return;
        };
        self.driver.ports.insert(id, (seat_key, key));
        self.driver.priority.review = true;
        done.answer(true);
    }

    fn add(&mut self, new: NewPort, now: u64) {
        let NewPort { half, options, task } = new;
        let shared = Arc::clone(&half.shared);
        let entry = self.seats.vacant_entry();
        let seat_key = entry.key();
        let seat = entry.insert(seat(seat_key, half, options, &task, now));
        let Some(key) = seat.places.first().map(|place| place.key) else {
            return;
        };
        self.driver.ports.insert(shared.id, (seat_key, key));
        self.driver.noted_late_ns = 0;
        self.driver.priority.review = true;
        match task {
            Task::Serve { at, .. } => {
                let (poller, registry) = self.driver.poller_and_registry();
                if let Work::Serve { listeners: own, .. } = &mut *seat.work {
                    own.advertise(at.advertisement);
                    match at.listeners {
                        Some(bound) => {
                            listens(&shared, bound.port);
                            own.listen(bound, seat_key, poller, registry, now);
                        }
                        None => own.bind_later(
                            at.addresses,
                            at.settings,
                            until(shared.config.server.listen_retry_ms, now),
                            now,
                        ),
                    }
                }
                self.driver.woken(&shared);
            }
            Task::Connect { .. } => {
                seat.connect(&mut self.driver, now, |connector, surroundings| {
                    connector.start(surroundings, now)
                });
            }
            Task::Adopt {
                socket,
                peer,
                announced,
            } => seat.adopt(socket, peer, announced, &mut self.driver, now),
        }
    }

    /// Whether one of the connections that wait for room found some. `happened`: some may wait only now.
    fn retry_waiting(&mut self, now: u64, happened: bool) -> bool {
        let waits = |seat: &Seat| seat.session.waits_for_room();
        let may_wait = happened || self.sleep.waits_for_room;
        if !may_wait || !self.seats.iter().any(|(_, seat)| waits(seat)) {
            return false;
        }
        self.sleep.look_for_room(&self.seats);
        let mut progress = false;
        for (_, seat) in &mut self.seats {
            if waits(seat) {
                progress |= seat.retry_waiting(&mut self.driver, now);
            }
        }
        self.sleep.retried(progress);
        progress
    }

    fn drain(&mut self, now: u64) -> bool {
        let rung = self.driver.control.waker.bell.take();
        let mut found = false;
        for (_, seat) in &mut self.seats {
            found |= seat.drain(&mut self.driver, now, rung);
            self.touched |= seat.is_touched();
        }
        found
    }

    /// Handles deadlines, and wakes those who wait. Returns whether there was a deadline.
    fn end_turn(&mut self, now: u64) -> bool {
        let mut timed_out = false;
        if self.sleep.next_timeout <= now {
            for (_, seat) in &mut self.seats {
                if seat.next_timeout().is_some_and(|at| at <= now) {
                    timed_out = true;
                    seat.timeout(&mut self.driver, now);
                }
            }
        }
        self.touched |= timed_out;
        self.driver.wake();
        if self.driver.priority.review | self.driver.control.take_priority_asked() {
            let shared: Vec<&Arc<Shared>> = self
                .seats
                .iter()
                .flat_map(|(_, seat)| seat.places.iter().map(|place| &place.shared))
                .collect();
            self.driver.priority.update(shared.iter().copied());
        }
        self.acknowledge(now);
        self.sleep.next_log = self.log_left_out(now);
        timed_out
    }

    /// Acknowledges what peers sent, where that is due. After all else: the audio thread and those who wait have the
    /// messages already.
    fn acknowledge(&mut self, now: u64) {
        let seats = &mut self.seats;
        let mut next = None;
        self.driver.unacknowledged.retain(|(seat, peer)| {
            let due = seats.get_mut(*seat).and_then(|seat| seat.acknowledge(*peer, now));
            next = soonest([next, due]);
            due.is_some()
        });
        self.sleep.next_acknowledgement = next;
    }

    /// Before the system is asked: all that follows from what has happened to seats.
    fn settle(&mut self) {
        if !std::mem::take(&mut self.touched) {
            return;
        }
        let mut any_empty = false;
        for (_, seat) in &mut self.seats {
            seat.update_interests(&mut self.driver);
            seat.settle();
            if seat.is_empty() {
                seat.stop_work(&mut self.driver);
                any_empty = true;
            }
        }
        if any_empty {
            self.seats.retain(|_, seat| !seat.is_empty());
        }
        self.sleep.take(&self.seats);
    }

    /// Writes how many lines were left out to the host's log, if it is time. Returns when it will be.
    fn log_left_out(&self, now: u64) -> Option<u64> {
        let context = self.driver.control.log()?;
        let places = self.seats.iter().flat_map(|(_, seat)| &seat.places);
        let ports = places.filter_map(|place| place.shared.control.notifications.log());
        let sources = ports.chain([context]);
        sources.filter_map(|source| source.timeout(now)).min()
    }

    /// After a defect, and at the very end: every port ends. Those that are made from now on are served.
    pub(super) fn give_up(&mut self) {
        for (_, seat) in &mut self.seats {
            seat.give_up(&mut self.driver);
        }
        self.seats.clear();
        self.sleep.take(&self.seats);
        self.driver.clear();
    }
}

/// A seat with its first port.
fn seat(key: usize, half: NetworkHalf, options: Options, task: &Task, now: u64) -> Seat {
    let shared = half.shared;
    let (work, address) = match task {
        Task::Serve { accepted, shared, .. } => {
            let listeners = Listeners::default();
            let accepted = accepted.clone();
            (Work::Serve { listeners, accepted }, shared.clone())
        }
        Task::Connect { host, port } => (Work::Connect(connector(host.clone(), *port, &shared)), None),
        Task::Adopt { .. } => (Work::Nothing, None),
    };
    let (session, port) = if address.is_some() {
        let mut session = Conversation::of_several();
        let port = session.add_port(Arc::clone(&shared), half.queues, options, now);
        (session, port)
    } else {
        let (session, port) = Conversation::single(Arc::clone(&shared), half.queues, options);
        (session, Some(port))
    };
    let mut seat = Seat::new(key, session, work);
    seat.shared_address = address;
    if let Some(port) = port {
        seat.add_place(port, &shared);
    }
    seat
}

/// A connector with the settings of a port.
fn connector(host: String, port: u16, shared: &Shared) -> Connector {
    let config = &shared.config;
    let settings = ConnectSettings {
        socket: SocketSettings {
            traffic_class: config.connection.traffic_class,
            ..Default::default()
        },
        timeout_ns: ms(config.connection.connect_timeout_ms),
        reconnect_min_ns: ms(config.connection.reconnect_min_ms),
        reconnect_max_ns: ms(config.connection.reconnect_max_ms),
    };
    let seed = now_ns() ^ shared.id.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    Connector::new(host, port, settings, seed)
}
