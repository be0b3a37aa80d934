//! The sockets of a server that listens, or that waits until its address is free.

use super::bind::{self, BindError, Bound};
use super::discovery::Advertisement;
use super::registry::{Registry, Source};
use super::socket::{Listener, SocketSettings, local_port};
use crate::session::name::Name;
use crate::sys::address::Address;
use crate::sys::clock::{ms, soonest};
use crate::sys::code::Failure;
use crate::sys::poller::{Event, Poller};
use socket2::Socket;
use std::io::ErrorKind;

/// Out of descriptors: how long a listener is not watched. A level-triggered poller would tell of it again at once.
const SILENCE_MS: u32 = 100;
/// Between two tries to bind an address that is in use.
const BIND_RETRY_MS: u32 = 100;

struct Listening {
    listener: Listener,
    key: usize,
    /// Not watched until then; 0: watched.
    silent_until: u64,
}

struct Binding {
    addresses: Vec<Address>,
    settings: SocketSettings,
    /// Until when to try.
    until: u64,
    next_try: u64,
}

/// What an attempt to bind came to.
pub(super) enum Attempt {
    Bound(u16),
    /// It failed; `last`: there will be no other.
    Failed {
        error: BindError,
        last: bool,
    },
}

/// What a try to accept came to.
pub(super) enum Accepted {
    Client(Socket, Option<Address>),
    /// One that was gone before it was taken.
    Gone,
    /// Nobody waits.
    Nobody,
    /// The system refuses; the listener is silenced for a while.
    Refused(Failure),
}

#[derive(Default)]
pub(super) struct Listeners {
    listening: Vec<Listening>,
    binding: Option<Binding>,
    /// So that others on the network find it.
    advertisement: Option<Advertisement>,
}

impl Listeners {
    /// Has the server advertised once it listens.
    pub(super) fn advertise(&mut self, advertisement: Option<Advertisement>) {
        self.advertisement = advertisement;
    }

    /// `asks`: the server is still to be advertised. `new`: for one that is not yet.
    pub(super) fn review_advertisement(&mut self, asks: bool, new: Option<Advertisement>, name: &Name) {
        if !asks {
            self.advertisement = None;
        } else if let Some(advertisement) = &mut self.advertisement {
            advertisement.rename(name);
        } else if let Some(mut new) = new {
            new.rename(name);
            self.advertisement = Some(new);
            self.begin_advertisement();
        }
    }

    fn begin_advertisement(&mut self) {
        let Some(advertisement) = self.advertisement.as_mut().filter(|_| !self.listening.is_empty()) else {
            return;
        };
        let bound = self
            .listening
            .iter()
            .filter_map(|listening| listening.listener.address());
        advertisement.begin(bound);
    }

    /// Tries to bind from now on, until `until`.
    pub(super) fn bind_later(&mut self, addresses: Vec<Address>, settings: SocketSettings, until: u64, now: u64) {
        self.binding = Some(Binding {
            addresses,
            settings,
            until,
            next_try: now,
        });
    }

    /// Tries to bind for so long, unless it does so for longer.
    pub(super) fn bind_until(&mut self, until: u64) {
        if let Some(binding) = &mut self.binding {
            binding.until = binding.until.max(until);
        }
    }

    /// Starts to watch bound sockets.
    pub(super) fn listen(&mut self, bound: Bound, seat: usize, poller: &Poller, registry: &mut Registry, now: u64) {
        for listener in bound.listeners {
            let key = registry.add(seat, Source::Listener(self.listening.len()));
            let mut listening = Listening {
                listener,
                key,
                silent_until: 0,
            };
            listening.watch(poller, now);
            self.listening.push(listening);
        }
        self.begin_advertisement();
    }

    /// The port that it listens on; None while it does not.
    pub(super) fn local_port(&self) -> Option<u16> {
        let listening = self.listening.first()?;
        Some(local_port(&listening.listener.socket))
    }

    /// Takes a client that waits.
    pub(super) fn accept(&mut self, index: usize, poller: &Poller, now: u64) -> Accepted {
        let Some(listening) = self.listening.get_mut(index) else {
            return Accepted::Nobody;
        };
        match listening.listener.accept() {
            Ok((socket, address)) => Accepted::Client(socket, address),
            // Windows says "reset" of a client that went before it was accepted.
            Err(error)
                if matches!(
                    error.kind(),
                    ErrorKind::ConnectionAborted | ErrorKind::ConnectionReset | ErrorKind::Interrupted
                ) =>
            {
                Accepted::Gone
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => Accepted::Nobody,
            Err(error) => {
                // Most likely out of descriptors.
                let _ = poller.delete(&listening.listener.socket);
                listening.silent_until = now + ms(SILENCE_MS);
                Accepted::Refused(Failure::from(&error))
            }
        }
    }

    /// When to call `timeout`.
    pub(super) fn next_timeout(&self) -> Option<u64> {
        let silent = self.listening.iter().map(|listening| listening.silent_until);
        let silent = silent.filter(|until| *until != 0).min();
        let binding = self.binding.as_ref().map(|binding| binding.next_try.min(binding.until));
        soonest([silent, binding])
    }

    /// Watches listeners again that were silenced, and tries to bind.
    pub(super) fn timeout(
        &mut self,
        seat: usize,
        poller: &Poller,
        registry: &mut Registry,
        now: u64,
    ) -> Option<Attempt> {
        for listening in &mut self.listening {
            if listening.silent_until != 0 && listening.silent_until <= now {
                listening.watch(poller, now);
            }
        }
        let binding = self.binding.as_mut()?;
        if now < binding.next_try.min(binding.until) {
            return None;
        }
        match bind::bind(&binding.addresses, binding.settings) {
            Ok(bound) => {
                self.binding = None;
                let port = bound.port;
                self.listen(bound, seat, poller, registry, now);
                Some(Attempt::Bound(port))
            }
            Err(error) => {
                let last = now >= binding.until || !error.may_pass();
                binding.next_try = now + ms(BIND_RETRY_MS);
                if last {
                    self.binding = None;
                }
                Some(Attempt::Failed { error, last })
            }
        }
    }

    /// Stops listening and binding.
    pub(super) fn close(&mut self, poller: &Poller, registry: &mut Registry) {
        self.advertisement = None;
        self.binding = None;
        for listening in self.listening.drain(..) {
            if listening.silent_until == 0 {
                let _ = poller.delete(&listening.listener.socket);
            }
            registry.remove(listening.key);
        }
    }
}

impl Listening {
    fn watch(&mut self, poller: &Poller, now: u64) {
        // It is taken out before it is dropped: in `Listeners::close`, and while it is silent.
        let added = poller.add(&self.listener.socket, Event::readable(self.key));
        self.silent_until = if added.is_ok() { 0 } else { now + ms(SILENCE_MS) };
    }
}
