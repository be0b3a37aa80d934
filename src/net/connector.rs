//! One client's attempts to connect: the look-up of its name, the race of its addresses, and the pauses between
//! attempts. The reactor drives it with events and timeouts, and takes the socket when there is a connection.
//!
//! An attempt has one deadline, for the look-up and all addresses together.

use super::backoff::Backoff;
use super::race::{Race, SLOTS, Step};
use super::resolver::Resolution;
use super::socket::{self, SocketSettings};
use crate::net::address;
use crate::sys::address::Address;
use crate::sys::code::{Code, Failure};
use crate::sys::poller::{Event, Poller};
use socket2::Socket;
use std::time::Duration;

/// After how many ns the poller is asked again when it has refused to watch a socket.
const WATCH_RETRY_NS: u64 = 10_000_000;

/// Times in ns.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ConnectSettings {
    pub socket: SocketSettings,
    /// How long one attempt may take.
    pub timeout_ns: u64,
    /// The shortest pause between attempts, and the longest. Without a longest there is one connection at most.
    pub reconnect_min_ns: u64,
    pub reconnect_max_ns: u64,
}

/// What a connector needs of the network thread.
pub(crate) struct Surroundings<'a> {
    pub poller: &'a Poller,
    /// The poller's key for each of the connector's slots, which are below [`SLOTS`].
    pub keys: &'a dyn Fn(usize) -> usize,
    /// Begins to look a name up, whose outcome comes back through `resolved`. False where no thread could be had.
    pub look_up: &'a mut dyn FnMut(&str, u16) -> bool,
}

/// What came of a call.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// The attempt, or the pause before the next, goes on: see `next_timeout`.
    Waiting,
    /// The socket is no longer in the poller.
    Connected { socket: Socket, peer: Address },
    /// An attempt has failed. `announce`: for another reason than the attempt before.
    Failed {
        failure: Failure,
        /// The address that the reason is about.
        address: Option<Address>,
        announce: bool,
        /// Another attempt follows.
        retries: bool,
    },
}

pub(crate) struct Connector {
    host: String,
    port: u16,
    settings: ConnectSettings,
    phase: Phase,
    backoff: Backoff,
    /// The address of the last connection.
    preferred: Option<Address>,
    /// The reason that was announced last, since there was a connection.
    announced: Option<Code>,
    /// A look-up is under way. It may outlive its attempt; then the next attempt waits for it too.
    looking_up: bool,
    /// The outcome of a look-up that came after its attempt had ended.
    late_answer: Option<Resolution>,
}

enum Phase {
    /// Nothing is under way: before the first attempt, and after the last.
    Idle,
    LookingUp {
        deadline: u64,
    },
    Racing(Box<Attempts>),
    Connected,
    Pausing {
        until: u64,
    },
}

/// The sockets of a race.
struct Attempts {
    race: Race,
    sockets: [Option<Runner>; SLOTS],
    settings: SocketSettings,
}

/// A socket that is connecting.
struct Runner {
    socket: Socket,
    /// When to ask the poller again, which has refused to watch it. None: it is in the poller.
    watch_at: Option<u64>,
}

impl Connector {
    pub(crate) fn new(host: String, port: u16, settings: ConnectSettings, seed: u64) -> Self {
        Self {
            host,
            port,
            backoff: Backoff::new(settings.reconnect_min_ns, settings.reconnect_max_ns, seed),
            settings,
            phase: Phase::Idle,
            preferred: None,
            announced: None,
            looking_up: false,
            late_answer: None,
        }
    }

    /// Begins an attempt. An address needs no look-up.
    pub(crate) fn start(&mut self, surroundings: &mut Surroundings, now: u64) -> Outcome {
        self.abandon(surroundings.poller);
        let deadline = now.saturating_add(self.settings.timeout_ns);
        let known = address::without_look_up(&self.host, self.port).or_else(|| self.late_answer.take());
        if let Some(answer) = known {
            return self.race(answer, surroundings, now, deadline);
        }
        if !self.looking_up && !(surroundings.look_up)(&self.host, self.port) {
            return self.failed(Failure::new(Code::NoResources), None, now);
        }
        self.looking_up = true;
        self.phase = Phase::LookingUp { deadline };
        Outcome::Waiting
    }

    /// A look-up has ended.
    pub(crate) fn resolved(&mut self, answer: Resolution, surroundings: &mut Surroundings, now: u64) -> Outcome {
        self.looking_up = false;
        match self.phase {
            Phase::LookingUp { deadline } => self.race(answer, surroundings, now, deadline),
            Phase::Pausing { .. } => {
                self.late_answer = answer.is_ok().then_some(answer);
                Outcome::Waiting
            }
            _ => Outcome::Waiting,
        }
    }

    /// The poller has an event for a slot.
    pub(crate) fn ready(&mut self, slot: usize, surroundings: &mut Surroundings, now: u64) -> Outcome {
        let Phase::Racing(attempts) = &mut self.phase else {
            return Outcome::Waiting;
        };
        let Some(runner) = attempts.sockets.get(slot).and_then(Option::as_ref) else {
            return Outcome::Waiting;
        };
        let Some(address) = attempts.race.address(slot) else {
            return Outcome::Waiting;
        };
        match socket::established(&runner.socket, &address) {
            // The event was of an earlier socket in this slot.
            Ok(None) => Outcome::Waiting,
            Ok(Some(peer)) => self.connected(slot, peer, surroundings.poller),
            Err(failure) => {
                attempts.discard(slot, surroundings.poller);
                attempts.race.failed(slot, failure, now);
                self.run(surroundings, now)
            }
        }
    }

    /// Call it at `next_timeout`; earlier calls do no harm.
    pub(crate) fn timeout(&mut self, surroundings: &mut Surroundings, now: u64) -> Outcome {
        match self.phase {
            Phase::LookingUp { deadline } if now >= deadline => self.failed(Failure::new(Code::Timeout), None, now),
            Phase::Racing(_) => self.run(surroundings, now),
            Phase::Pausing { until } if now >= until => self.start(surroundings, now),
            _ => Outcome::Waiting,
        }
    }

    /// When to call `timeout`.
    pub(crate) fn next_timeout(&self) -> Option<u64> {
        match &self.phase {
            Phase::LookingUp { deadline } => Some(*deadline),
            Phase::Racing(attempts) => Some(attempts.next_timeout()),
            Phase::Pausing { until } => Some(*until),
            Phase::Idle | Phase::Connected => None,
        }
    }

    /// The connection has ended. After one that was of use, the pauses start again from the shortest. True: the
    /// connector connects again, after a pause.
    pub(crate) fn connection_lost(&mut self, was_useful: bool, now: u64) -> bool {
        if was_useful {
            self.backoff.reset();
        }
        self.pause(now)
    }

    /// Ends whatever is under way. `start` begins anew.
    pub(crate) fn abandon(&mut self, poller: &Poller) {
        if let Phase::Racing(mut attempts) = std::mem::replace(&mut self.phase, Phase::Idle) {
            attempts.discard_all(poller);
        }
    }

    fn race(&mut self, answer: Resolution, surroundings: &mut Surroundings, now: u64, deadline: u64) -> Outcome {
        let addresses: Vec<_> = match answer {
            Ok(addresses) => addresses.into_iter().map(Address::canonical).collect(),
            Err(failure) => return self.failed(failure, None, now),
        };
        let race = Race::new(&addresses, self.preferred, now, deadline);
        self.phase = Phase::Racing(Box::new(Attempts {
            race,
            sockets: Default::default(),
            settings: self.settings.socket,
        }));
        self.run(surroundings, now)
    }

    /// Does what the race asks for.
    fn run(&mut self, surroundings: &mut Surroundings, now: u64) -> Outcome {
        let Phase::Racing(attempts) = &mut self.phase else {
            return Outcome::Waiting;
        };
        attempts.watch_again(surroundings, now);
        loop {
            match attempts.race.step(now) {
                Step::Wait => return Outcome::Waiting,
                Step::Begin { slot, address } => {
                    attempts.discard(slot, surroundings.poller);
                    if let Err(failure) = attempts.begin(slot, address, surroundings, now) {
                        attempts.race.failed(slot, failure, now);
                    }
                }
                Step::Lost => {
                    attempts.discard_all(surroundings.poller);
                    let (failure, address) = attempts.race.failure();
                    return self.failed(failure, address, now);
                }
            }
        }
    }

    fn connected(&mut self, slot: usize, peer: Address, poller: &Poller) -> Outcome {
        let Phase::Racing(mut attempts) = std::mem::replace(&mut self.phase, Phase::Connected) else {
            return Outcome::Waiting;
        };
        let tried = attempts.race.address(slot);
        let socket = attempts.take(slot, poller);
        attempts.discard_all(poller);
        let Some(socket) = socket else {
            return Outcome::Waiting;
        };
        self.preferred = tried;
        self.announced = None;
        Outcome::Connected { socket, peer }
    }

    fn failed(&mut self, failure: Failure, address: Option<Address>, now: u64) -> Outcome {
        let announce = self.announced.replace(failure.code) != Some(failure.code);
        let retries = self.pause(now);
        Outcome::Failed {
            failure,
            address,
            announce,
            retries,
        }
    }

    /// Waits for the next attempt; false where there is none.
    fn pause(&mut self, now: u64) -> bool {
        let retries = self.settings.reconnect_max_ns != 0;
        self.phase = if retries {
            Phase::Pausing {
                until: now.saturating_add(self.backoff.pause()),
            }
        } else {
            Phase::Idle
        };
        retries
    }
}

impl Attempts {
    /// Begins to connect, without waiting.
    fn begin(&mut self, slot: usize, address: Address, surroundings: &Surroundings, now: u64) -> Result<(), Failure> {
        let socket = socket::connect(&address, self.settings)?;
        let mut runner = Runner { socket, watch_at: None };
        runner.watch(slot, surroundings, now);
        self.sockets[slot] = Some(runner);
        Ok(())
    }

    /// Asks the poller again to watch those sockets that it has refused. The system is connecting them meanwhile: a
    /// server may have taken the connection already.
    fn watch_again(&mut self, surroundings: &Surroundings, now: u64) {
        for (slot, runner) in self.sockets.iter_mut().enumerate() {
            let Some(runner) = runner else { continue };
            if runner.watch_at.is_some_and(|at| at <= now) {
                runner.watch(slot, surroundings, now);
            }
        }
    }

    fn next_timeout(&self) -> u64 {
        let watch = self.sockets.iter().flatten().filter_map(|runner| runner.watch_at);
        watch.fold(self.race.next_timeout(), u64::min)
    }

    /// Takes a socket out of the poller.
    fn take(&mut self, slot: usize, poller: &Poller) -> Option<Socket> {
        let runner = self.sockets.get_mut(slot)?.take()?;
        if runner.watch_at.is_none() {
            let _ = poller.delete(&runner.socket);
        }
        Some(runner.socket)
    }

    fn discard(&mut self, slot: usize, poller: &Poller) {
        let Some(socket) = self.take(slot, poller) else { return };
        if socket::is_its_own_peer(&socket) {
            // An orderly close would leave a TIME-WAIT, which keeps a server from this address for a minute.
            let _ = socket.set_linger(Some(Duration::ZERO));
        }
    }

    fn discard_all(&mut self, poller: &Poller) {
        for slot in 0..SLOTS {
            self.discard(slot, poller);
        }
    }
}

impl Runner {
    fn watch(&mut self, slot: usize, surroundings: &Surroundings, now: u64) {
        let event = Event::writable((surroundings.keys)(slot));
        // It leaves the poller in `Attempts::take`, and in no other place.
        let added = surroundings.poller.add(&self.socket, event);
        self.watch_at = added.is_err().then_some(now + WATCH_RETRY_NS);
    }
}

#[cfg(test)]
#[path = "connector_tests.rs"]
mod tests;
