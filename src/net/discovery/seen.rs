//! A service as it is seen on one link, with the lifetimes of what is known.

use super::names::DnsName;
use super::packet::{Question, TYPE_A, TYPE_AAAA, TYPE_PTR, TYPE_SRV};
use super::traffic::{Random, SECOND};
use std::net::IpAddr;

/// Addresses of one host on a link.
const MOST_ADDRESSES: usize = 8;
/// No record lives longer than this, whatever it says.
const LONGEST_TTL: u32 = 4500;
/// In percent of a lifetime: when a record is asked for again.
const REFRESHES: [u64; 4] = [80, 85, 90, 95];
/// Questions to a service that has never answered.
const MOST_ASKS: u8 = 4;
/// After so many it may make way for another one.
const SILENT_ASKS: u8 = 2;
/// The longest pause between questions to a service that has answered once.
const LONGEST_PAUSE: u64 = 60 * SECOND;

/// How long a record is valid.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lifetime {
    received: u64,
    length: u64,
    /// How often it was asked for again.
    refreshed: usize,
}

impl Lifetime {
    pub(super) fn of(ttl: u32, now: u64) -> Self {
        Self {
            received: now,
            // A record that is withdrawn goes after a second: another responder may have it (RFC 6762, section 10.1).
            length: u64::from(ttl.clamp(1, LONGEST_TTL)) * SECOND,
            refreshed: if ttl == 0 { REFRESHES.len() } else { 0 },
        }
    }

    fn end(&self) -> u64 {
        self.received + self.length
    }

    fn next_timeout(&self) -> u64 {
        match REFRESHES.get(self.refreshed) {
            Some(percent) => self.received + self.length / 100 * percent,
            None => self.end(),
        }
    }

    /// Whether it is time to ask again.
    fn take_refresh(&mut self, now: u64) -> bool {
        let before = self.refreshed;
        while self.refreshed < REFRESHES.len() && self.next_timeout() <= now {
            self.refreshed += 1;
        }
        self.refreshed != before
    }

    /// The rest of it in seconds, if that is more than half.
    pub(super) fn seconds_known(&self, now: u64) -> Option<u32> {
        let left = self.end().saturating_sub(now);
        (left > self.length / 2).then_some((left / SECOND) as u32)
    }
}

/// Where a service listens.
struct Server {
    host: DnsName,
    port: u16,
    lifetime: Lifetime,
}

/// A place where a service can be reached. The least rank is the best one.
pub(super) struct Place<'a> {
    pub rank: (u8, bool, u32, IpAddr),
    pub host: &'a DnsName,
    pub port: u16,
    pub address: String,
}

pub(super) struct Seen {
    pub link: u32,
    named: Lifetime,
    server: Option<Server>,
    addresses: Vec<(IpAddr, Lifetime)>,
    /// While something is missing: when to ask for it.
    ask_due: u64,
    last_asked: Option<u64>,
    asks: u8,
    /// Everything was known once.
    has_answered: bool,
}

impl Seen {
    pub(super) fn new(link: u32, named: Lifetime, now: u64) -> Self {
        Self {
            link,
            named,
            server: None,
            addresses: Vec::new(),
            // Most responders send the rest unasked.
            ask_due: now + SECOND / 10,
            last_asked: None,
            asks: 0,
            has_answered: false,
        }
    }

    pub(super) fn named(&self) -> &Lifetime {
        &self.named
    }

    /// It was named again, or withdrawn.
    pub(super) fn set_named(&mut self, lifetime: Lifetime, now: u64) {
        self.named = lifetime;
        if !self.is_complete() {
            // It is there: the questions begin anew.
            self.asks = 0;
            self.ask_soon(now);
        }
    }

    pub(super) fn set_server(&mut self, host: &DnsName, port: u16, lifetime: Lifetime, now: u64) {
        if self.server.as_ref().is_none_or(|server| server.host != *host) {
            self.addresses.clear();
            self.ask_soon(now);
        }
        self.server = Some(Server {
            host: host.clone(),
            port,
            lifetime,
        });
    }

    /// Soon, but at most once a second.
    fn ask_soon(&mut self, now: u64) {
        let earliest = self.last_asked.map_or(0, |at| at + SECOND);
        self.ask_due = self.ask_due.min(earliest.max(now + SECOND / 50));
    }

    /// Whether the service is on this host.
    pub(super) fn is_on(&self, host: &DnsName) -> bool {
        self.server.as_ref().is_some_and(|server| server.host == *host)
    }

    pub(super) fn set_address(&mut self, ip: IpAddr, flush: bool, lifetime: Lifetime, now: u64) {
        if !is_usable(ip) {
            return;
        }
        if flush {
            // Those that came with it stay.
            let stays = |(old, lifetime): &(IpAddr, Lifetime)| {
                *old == ip || old.is_ipv4() != ip.is_ipv4() || lifetime.received + SECOND > now
            };
            self.addresses.retain(stays);
        }
        let has_place = self.addresses.len() < MOST_ADDRESSES;
        match self.addresses.iter_mut().find(|(known, _)| *known == ip) {
            Some(known) => known.1 = lifetime,
            None if lifetime.refreshed == 0 && has_place => {
                self.addresses.push((ip, lifetime));
            }
            None => {}
        }
        if self.is_complete() {
            (self.has_answered, self.asks, self.ask_due) = (true, 0, now);
        }
    }

    fn is_complete(&self) -> bool {
        self.server.is_some() && !self.addresses.is_empty()
    }

    /// Whether it does not answer.
    pub(super) fn is_silent(&self) -> bool {
        !self.is_complete() && self.asks >= SILENT_ASKS
    }

    pub(super) fn next_timeout(&self) -> u64 {
        let addresses = self.addresses.iter().map(|(_, lifetime)| lifetime.next_timeout());
        let server = self.server.as_ref().map(|server| server.lifetime.next_timeout());
        let missing = (!self.is_complete()).then_some(self.ask_due);
        let all = addresses.chain(server).chain(missing);
        all.fold(self.named.next_timeout(), u64::min)
    }

    /// Forgets what is too old; false: the service itself.
    pub(super) fn forget_old(&mut self, now: u64) -> bool {
        self.addresses.retain(|(_, lifetime)| lifetime.end() > now);
        if self.server.as_ref().is_some_and(|server| server.lifetime.end() <= now) {
            self.server = None;
            self.addresses.clear();
        }
        let has_asked_enough = !self.has_answered && self.asks >= MOST_ASKS && self.ask_due <= now;
        self.named.end() > now && (self.is_complete() || !has_asked_enough)
    }

    /// The questions that are due: for records that are missing, and for those that expire soon.
    pub(super) fn take_questions(&mut self, instance: &DnsName, random: &mut Random, now: u64) -> Vec<Question> {
        let is_complete = self.is_complete();
        let asks = !is_complete && self.ask_due <= now;
        if asks {
            let pause = (SECOND << self.asks.min(6)).min(LONGEST_PAUSE);
            self.asks = self.asks.saturating_add(1);
            self.ask_due = now + pause + random.below(SECOND / 10);
            self.last_asked = Some(now);
        }
        let mut list = Vec::new();
        let mut ask = |name: &DnsName, kinds: &[u16]| {
            list.extend(kinds.iter().map(|kind| Question {
                name: name.clone(),
                kind: *kind,
            }));
        };
        if self.named.take_refresh(now) {
            ask(&super::names::service_type(), &[TYPE_PTR]);
        }
        let mut old_addresses = false;
        for (_, lifetime) in &mut self.addresses {
            old_addresses |= lifetime.take_refresh(now);
        }
        match &mut self.server {
            Some(server) => {
                if server.lifetime.take_refresh(now) {
                    ask(instance, &[TYPE_SRV]);
                }
                if asks || old_addresses {
                    ask(&server.host, &[TYPE_A, TYPE_AAAA]);
                }
            }
            None if asks => ask(instance, &[TYPE_SRV]),
            None => {}
        }
        list
    }

    /// The best of its addresses; `shown` is preferred to its like.
    pub(super) fn best(&self, shown: Option<&str>) -> Option<Place<'_>> {
        let server = self.server.as_ref().filter(|server| server.port != 0)?;
        let places = self.addresses.iter().map(|(ip, _)| {
            let address = self.text(*ip);
            Place {
                rank: (kind_of(*ip), shown != Some(&address), self.link, *ip),
                host: &server.host,
                port: server.port,
                address,
            }
        });
        places.min_by_key(|place| place.rank)
    }

    /// An address as `midisock_connect` takes it: a link-local one needs its interface.
    fn text(&self, ip: IpAddr) -> String {
        match ip {
            IpAddr::V6(v6) if v6.is_unicast_link_local() => format!("{v6}%{}", self.link),
            _ => ip.to_string(),
        }
    }
}

/// Whether a service on another machine can have this address.
fn is_usable(ip: IpAddr) -> bool {
    let ip = ip.to_canonical();
    let is_broadcast = matches!(ip, IpAddr::V4(v4) if v4.is_broadcast());
    !ip.is_loopback() && !ip.is_unspecified() && !ip.is_multicast() && !is_broadcast
}

/// IPv4 first, and addresses that are valid beyond the link before those that are not.
fn kind_of(ip: IpAddr) -> u8 {
    match ip {
        IpAddr::V4(v4) => u8::from(v4.is_link_local()),
        IpAddr::V6(v6) => 2 + u8::from(v6.is_unicast_link_local()),
    }
}
