//! Which of a name's addresses to try, and when: "Happy Eyeballs" (RFC 8305). This module holds no sockets, and time is
//! an argument.
//!
//! The families alternate. A new address is begun when the last one has been silent for 250 ms, and at once when one
//! fails. The first connection that is established wins. One deadline holds for the whole race.

use crate::sys::address::Address;
use crate::sys::code::{Code, Failure};
use std::collections::HashSet;

/// Connections that are under way at the same time. When more are needed, the oldest is given up.
pub(crate) const SLOTS: usize = 8;
/// Addresses of one name that are tried. They may all fail at once, within one turn of the network thread.
const MOST_ADDRESSES: usize = 128;
/// RFC 8305, section 8: the recommended Connection Attempt Delay.
const ATTEMPT_DELAY_NS: u64 = 250_000_000;
/// The shortest delay that RFC 8305 permits.
const SHORTEST_DELAY_NS: u64 = 10_000_000;
/// When one address has refused, the host is there and its server is probably being restarted. The race then waits
/// only this long for addresses that are silent, so that the next attempt comes soon. It covers the kernel's first
/// retransmission of a SYN, after one second.
const PATIENCE_AFTER_REFUSAL_NS: u64 = 1_200_000_000;

/// What the race asks for next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Give up the connection in this slot, if it holds one, and begin to connect to this address.
    Begin { slot: usize, address: Address },
    /// Nothing is to be done before `next_timeout`.
    Wait,
    /// No address can win any more.
    Lost,
}

/// One race of addresses.
#[derive(Debug)]
pub(crate) struct Race {
    /// In the order in which they are tried.
    addresses: Vec<Address>,
    /// The index of the address to try next.
    next: usize,
    /// When to begin it.
    next_begins: u64,
    delay: u64,
    /// The addresses that are being tried, and since when; 0: the slot is free.
    slots: [Option<Address>; SLOTS],
    began: [u64; SLOTS],
    deadline: u64,
    failure: Option<(Failure, Address)>,
}

impl Race {
    /// `preferred`, which won last time, comes first where it is among the addresses.
    pub(crate) fn new(addresses: &[Address], preferred: Option<Address>, now: u64, deadline: u64) -> Self {
        let addresses = in_order(addresses, preferred);
        // A short timeout is shared out, so that the last address has its chance too.
        let share = deadline.saturating_sub(now) / addresses.len().max(1) as u64;
        Self {
            addresses,
            next: 0,
            next_begins: now,
            delay: share.clamp(SHORTEST_DELAY_NS, ATTEMPT_DELAY_NS),
            slots: [None; SLOTS],
            began: [0; SLOTS],
            deadline,
            failure: None,
        }
    }

    /// What to do now. Call it until it says `Wait` or `Lost`.
    pub(crate) fn step(&mut self, now: u64) -> Step {
        if now >= self.deadline {
            return self.lose();
        }
        if self.next < self.addresses.len() {
            if now < self.next_begins {
                return Step::Wait;
            }
            let address = self.addresses[self.next];
            let slot = self.free_slot();
            if let Some(given_up) = self.free(slot) {
                self.note(Failure::new(Code::Timeout), given_up);
            }
            self.next += 1;
            self.next_begins = now.saturating_add(self.delay);
            self.slots[slot] = Some(address);
            self.began[slot] = now.max(1);
            return Step::Begin { slot, address };
        }
        if now >= self.ends() { self.lose() } else { Step::Wait }
    }

    /// A connection has failed: the next address is tried at once.
    pub(crate) fn failed(&mut self, slot: usize, failure: Failure, now: u64) {
        let Some(address) = self.free(slot) else { return };
        self.note(failure, address);
        self.next_begins = now;
    }

    /// The address that is tried in a slot.
    pub(crate) fn address(&self, slot: usize) -> Option<Address> {
        *self.slots.get(slot)?
    }

    /// When `step` has something new to say.
    pub(crate) fn next_timeout(&self) -> u64 {
        if self.next < self.addresses.len() {
            self.next_begins.min(self.deadline)
        } else {
            self.ends()
        }
    }

    /// Why no address has won, and which one that says most about. Meaningful once `step` has said `Lost`.
    pub(crate) fn failure(&self) -> (Failure, Option<Address>) {
        match self.failure {
            Some((failure, address)) => (failure, Some(address)),
            None => (Failure::new(Code::Address), None),
        }
    }

    /// When the race ends where nothing more happens, once every address was begun.
    fn ends(&self) -> u64 {
        match self.began.into_iter().fold(0, u64::max) {
            0 => 0,
            latest if self.was_refused() => self.deadline.min(latest.saturating_add(PATIENCE_AFTER_REFUSAL_NS)),
            _ => self.deadline,
        }
    }

    fn was_refused(&self) -> bool {
        self.failure.is_some_and(|(failure, _)| failure.code == Code::Refused)
    }

    /// Ends the race: addresses that are still silent have timed out.
    fn lose(&mut self) -> Step {
        self.next = self.addresses.len();
        for slot in 0..SLOTS {
            if let Some(address) = self.free(slot) {
                self.note(Failure::new(Code::Timeout), address);
            }
        }
        if self.failure.is_none() && !self.addresses.is_empty() {
            // The deadline had passed before the first address could be tried.
            self.failure = Some((Failure::new(Code::Timeout), self.addresses[0]));
        }
        Step::Lost
    }

    /// Keeps the failure that tells most. The choice does not depend on which one came first, so that attempts that
    /// fail alike give the same reason.
    fn note(&mut self, failure: Failure, address: Address) {
        let place = |address| self.addresses.iter().position(|other| *other == address);
        let rank = |(failure, address): (Failure, Address)| (weight(failure.code), place(address));
        let candidate = (failure, address);
        if self.failure.is_none_or(|best| rank(candidate) < rank(best)) {
            self.failure = Some(candidate);
        }
    }

    fn free_slot(&self) -> usize {
        (0..SLOTS).min_by_key(|slot| self.began[*slot]).unwrap_or(0)
    }

    /// Frees a slot; the address that was tried in it.
    fn free(&mut self, slot: usize) -> Option<Address> {
        *self.began.get_mut(slot)? = 0;
        self.slots[slot].take()
    }
}

/// How much a reason tells, the most telling first. An answer of the host tells more than silence, and silence more
/// than a family that this machine cannot reach.
fn weight(code: Code) -> u32 {
    match code {
        Code::Refused => 0,
        Code::Permission => 1,
        Code::NoResources => 2,
        Code::Timeout => 3,
        Code::Io => 4,
        Code::Unreachable => 5,
        _ => 6,
    }
}

/// Every address once, as far as there are not too many; the families in turn, beginning with the family of the first
/// (RFC 8305, section 4).
fn in_order(addresses: &[Address], preferred: Option<Address>) -> Vec<Address> {
    let mut seen = HashSet::new();
    let mut distinct: Vec<Address> = Vec::with_capacity(addresses.len());
    distinct.extend(preferred.filter(|preferred| addresses.contains(preferred)));
    distinct.extend(addresses);
    distinct.retain(|address| seen.insert(*address));
    distinct.truncate(MOST_ADDRESSES);
    let leads_with_v6 = distinct.first().is_some_and(Address::is_ipv6);
    let (first, second): (Vec<_>, Vec<_>) = distinct
        .into_iter()
        .partition(|address| address.is_ipv6() == leads_with_v6);
    let mut ordered = Vec::with_capacity(first.len() + second.len());
    let (mut first, mut second) = (first.into_iter(), second.into_iter());
    loop {
        let pair = (first.next(), second.next());
        if pair == (None, None) {
            return ordered;
        }
        ordered.extend(pair.0);
        ordered.extend(pair.1);
    }
}

#[cfg(test)]
#[path = "race_tests.rs"]
mod tests;
