//! One advertised service: its records, and how far it is on each link.

use super::names::{self, DnsName};
use super::packet::{Data, Message, Question, Record, TYPE_A, TYPE_AAAA, TYPE_ANY, TYPE_PTR, TYPE_SRV, TYPE_TXT};
use super::traffic::{Link, Random, SECOND};
use std::collections::VecDeque;
use std::net::IpAddr;

/// The lifetime of records that name a host or have an address, in seconds: a process that is killed is forgotten after it.
pub(super) const HOST_TTL: u32 = 120;
/// The lifetime of all others.
const OTHER_TTL: u32 = 4500;

/// `v=1`: the version of the protocol. `st=1`: it answers those that ask for sender time.
const TEXT: &[u8] = b"\x03v=1\x04st=1";

const PROBES: u8 = 3;
const PROBE_INTERVAL: u64 = SECOND / 4;
const ANNOUNCEMENTS: u8 = 3;
/// After so many conflicts in so much time, each attempt waits.
const MANY_CONFLICTS: usize = 15;
const CONFLICT_WINDOW: u64 = 10 * SECOND;
const CONFLICT_PAUSE: u64 = 5 * SECOND;

/// Records that are asked for, or sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Asked(u8);

impl Asked {
    pub(super) const NOTHING: Self = Self(0);
    pub(super) const PTR: Self = Self(1);
    pub(super) const SRV: Self = Self(2);
    pub(super) const TXT: Self = Self(4);
    pub(super) const HOST: Self = Self(8);
    /// That there are services of this type.
    pub(super) const TYPES: Self = Self(16);
    /// All that has the service's name in it.
    pub(super) const INSTANCE: Self = Self(7);
    pub(super) const EVERYTHING: Self = Self(15);
    const KINDS: usize = 5;

    pub(super) fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    pub(super) fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    pub(super) fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    fn kinds(self) -> impl Iterator<Item = usize> {
        (0..Self::KINDS).filter(move |kind| self.0 & 1 << kind != 0)
    }
}

/// What a server wants to be advertised as.
#[derive(Clone, Debug)]
pub(super) struct Wanted {
    pub name: String,
    pub port: u16,
    /// The addresses that it listens on; an unspecified one stands for all of its family.
    pub bound: Vec<IpAddr>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// So many probes were sent.
    Probing(u8),
    /// So many announcements were sent.
    Announcing(u8),
    Settled,
}

impl Phase {
    pub(super) fn is_probing(self) -> bool {
        matches!(self, Self::Probing(_))
    }
}

/// The messages that are due.
pub(super) enum Step {
    Probe,
    Announce,
    Answer(Asked),
}

/// Who asked for the PTR record that is to be sent: what it knows already counts only if nobody else asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Asker {
    Nobody,
    One(IpAddr),
    Several,
}

#[derive(Debug)]
pub(super) struct OnLink {
    pub link: u32,
    addresses: Vec<IpAddr>,
    pub phase: Phase,
    /// When the phase goes on.
    due: u64,
    asked: Asked,
    answer_due: u64,
    asker: Asker,
    /// When each kind of record was sent last.
    sent: [u64; Asked::KINDS],
}

impl OnLink {
    pub(super) fn new(link: u32, addresses: Vec<IpAddr>, due: u64) -> Self {
        Self {
            link,
            addresses,
            phase: Phase::Probing(0),
            due,
            asked: Asked::NOTHING,
            answer_due: 0,
            asker: Asker::Nobody,
            sent: [0; Asked::KINDS],
        }
    }

    fn probe_from(&mut self, due: u64) {
        self.phase = Phase::Probing(0);
        self.due = due;
        self.asked = Asked::NOTHING;
    }

    fn next_timeout(&self) -> Option<u64> {
        let phase = (self.phase != Phase::Settled).then_some(self.due);
        let answer = (self.asked != Asked::NOTHING).then_some(self.answer_due);
        phase.into_iter().chain(answer).min()
    }

    fn take_step(&mut self, now: u64) -> Option<Step> {
        if self.phase != Phase::Settled && self.due <= now {
            return self.next_phase(now);
        }
        if self.asked == Asked::NOTHING || self.answer_due > now {
            return None;
        }
        let asked = std::mem::replace(&mut self.asked, Asked::NOTHING);
        self.asker = Asker::Nobody;
        self.note_sent(asked, now);
        Some(Step::Answer(asked))
    }

    fn next_phase(&mut self, now: u64) -> Option<Step> {
        let (phase, wait, step) = match self.phase {
            Phase::Probing(sent) if sent < PROBES => (Phase::Probing(sent + 1), PROBE_INTERVAL, Step::Probe),
            Phase::Probing(_) => (Phase::Announcing(1), SECOND, Step::Announce),
            Phase::Announcing(sent) if sent < ANNOUNCEMENTS => {
                (Phase::Announcing(sent + 1), SECOND << sent, Step::Announce)
            }
            Phase::Announcing(_) | Phase::Settled => {
                self.phase = Phase::Settled;
                return None;
            }
        };
        (self.phase, self.due) = (phase, now + wait);
        if matches!(step, Step::Announce) {
            self.note_sent(Asked::EVERYTHING, now);
        }
        Some(step)
    }

    fn note_sent(&mut self, asked: Asked, now: u64) {
        for kind in asked.kinds() {
            self.sent[kind] = now;
        }
    }

    /// Sends these records after a delay, but none twice in a second; a probe is answered sooner (section 6).
    fn ask(&mut self, asked: Asked, asker: IpAddr, due: u64, distance: u64) {
        let last = asked.kinds().map(|kind| self.sent[kind]).max().unwrap_or(0);
        let due = due.max(if last == 0 { 0 } else { last + distance });
        if self.asked == Asked::NOTHING {
            (self.answer_due, self.asker) = (due, Asker::One(asker));
        } else {
            self.answer_due = self.answer_due.min(due);
            if self.asker != Asker::One(asker) {
                self.asker = Asker::Several;
            }
        }
        self.asked = self.asked.and(asked);
    }
}

pub(super) struct Service {
    wanted: Wanted,
    number: u32,
    instance: DnsName,
    host: DnsName,
    links: Vec<OnLink>,
    conflicts: VecDeque<u64>,
    /// Another name, and when it may be taken.
    next_name: Option<(String, u64)>,
    named_at: u64,
}

impl Service {
    pub(super) fn new(wanted: Wanted, host: DnsName) -> Self {
        Self {
            instance: names::instance(&wanted.name, 1),
            wanted,
            number: 1,
            host,
            links: Vec::new(),
            conflicts: VecDeque::new(),
            next_name: None,
            named_at: 0,
        }
    }

    pub(super) fn instance(&self) -> &DnsName {
        &self.instance
    }

    pub(super) fn number(&self) -> u32 {
        self.number
    }

    pub(super) fn set_number(&mut self, number: u32) {
        self.number = number;
        self.instance = names::instance(&self.wanted.name, number);
    }

    pub(super) fn set_name(&mut self, name: String) {
        self.wanted.name = name;
    }

    /// One change a second: a flood of names is no flood of packets.
    pub(super) fn ask_for_name(&mut self, name: String, now: u64) {
        if self.next_name.is_none() && self.wanted.name == name {
            return;
        }
        self.next_name = Some((name, now.max(self.named_at + SECOND)));
    }

    pub(super) fn take_name(&mut self, now: u64) -> Option<String> {
        let (name, _) = self.next_name.take_if(|(_, due)| *due <= now)?;
        self.named_at = now;
        (name != self.wanted.name).then_some(name)
    }

    pub(super) fn links(&self) -> &[OnLink] {
        &self.links
    }

    fn on(&self, link: u32) -> Option<&OnLink> {
        self.links.iter().find(|on| on.link == link)
    }

    fn on_mut(&mut self, link: u32) -> Option<&mut OnLink> {
        self.links.iter_mut().find(|on| on.link == link)
    }

    pub(super) fn is_announced_on(&self, link: u32) -> bool {
        self.on(link).is_some_and(|on| !on.phase.is_probing())
    }

    /// A link has come, or its addresses have changed.
    pub(super) fn set_link(&mut self, link: &Link, random: &mut Random, now: u64) {
        let addresses = reachable(link, &self.wanted.bound);
        if addresses.is_empty() {
            return self.remove_link(link.index);
        }
        match self.on_mut(link.index) {
            Some(on) if on.addresses == addresses => {}
            Some(on) => {
                on.addresses = addresses;
                if !on.phase.is_probing() {
                    (on.phase, on.due) = (Phase::Announcing(1), now);
                }
            }
            None => self
                .links
                .push(OnLink::new(link.index, addresses, now + random.below(SECOND / 4))),
        }
    }

    pub(super) fn remove_link(&mut self, index: u32) {
        self.links.retain(|on| on.link != index);
    }

    pub(super) fn next_timeout(&self) -> Option<u64> {
        let name = self.next_name.as_ref().map(|(_, due)| *due);
        self.links.iter().filter_map(OnLink::next_timeout).chain(name).min()
    }

    pub(super) fn take_steps(&mut self, now: u64) -> Vec<(u32, Step)> {
        let steps = self
            .links
            .iter_mut()
            .filter_map(|on| Some((on.link, on.take_step(now)?)));
        steps.collect()
    }

    /// The records of a kind on a link.
    pub(super) fn records(&self, link: u32, asked: Asked) -> Vec<Record> {
        let record = |name: &DnsName, flush, ttl, data| Record {
            name: name.clone(),
            flush,
            ttl,
            data,
        };
        let mut records = Vec::new();
        let kind = names::service_type();
        if asked.contains(Asked::TYPES) {
            records.push(record(&names::types(), false, OTHER_TTL, Data::Ptr(kind.clone())));
        }
        if asked.contains(Asked::PTR) {
            records.push(record(&kind, false, OTHER_TTL, Data::Ptr(self.instance.clone())));
        }
        if asked.contains(Asked::SRV) {
            let data = Data::Srv {
                port: self.wanted.port,
                host: self.host.clone(),
            };
            records.push(record(&self.instance, true, HOST_TTL, data));
        }
        if asked.contains(Asked::TXT) {
            records.push(record(&self.instance, true, OTHER_TTL, Data::Txt(TEXT.to_vec())));
        }
        if let Some(on) = self.on(link).filter(|_| asked.contains(Asked::HOST)) {
            for address in &on.addresses {
                let data = match address {
                    IpAddr::V4(ip) => Data::A(*ip),
                    IpAddr::V6(ip) => Data::Aaaa(*ip),
                };
                records.push(record(&self.host, true, HOST_TTL, data));
            }
        }
        records
    }

    pub(super) fn probe_question(&self) -> Question {
        Question {
            name: self.instance.clone(),
            kind: TYPE_ANY,
        }
    }

    /// What a query asks of this service. `first`: it speaks for all services of the type.
    pub(super) fn asked(&self, link: u32, message: &Message, first: bool) -> Asked {
        let mut asked = Asked::NOTHING;
        if !self.is_announced_on(link) {
            return asked;
        }
        let (kind, types) = (names::service_type(), names::types());
        for question in &message.questions {
            let about = |name: &DnsName, kinds: &[u16], records| {
                let is_asked = question.name == *name && kinds.iter().any(|kind| question.asks(*kind));
                if is_asked { records } else { Asked::NOTHING }
            };
            asked = asked
                .and(about(&kind, &[TYPE_PTR], Asked::PTR))
                .and(about(&self.instance, &[TYPE_SRV], Asked::SRV))
                .and(about(&self.instance, &[TYPE_TXT], Asked::TXT))
                .and(about(&self.host, &[TYPE_A, TYPE_AAAA], Asked::HOST));
            if first {
                asked = asked.and(about(&types, &[TYPE_PTR], Asked::TYPES));
            }
        }
        asked
    }

    /// Has records sent, but for those that the asker knows.
    pub(super) fn ask(&mut self, link: u32, from: IpAddr, asked: Asked, message: &Message, now: u64, delay: u64) {
        let known = message.answers.iter().any(|answer| {
            answer.ttl >= OTHER_TTL / 2 && matches!(&answer.data, Data::Ptr(name) if *name == self.instance)
        });
        let asked = if known { asked.without(Asked::PTR) } else { asked };
        let is_probe = !message.authorities.is_empty();
        let Some(on) = self.on_mut(link) else { return };
        if known && on.asker == Asker::One(from) {
            on.asked = on.asked.without(Asked::PTR);
        }
        if asked != Asked::NOTHING {
            // Nobody else has what is asked by the service's own name.
            let is_shared = asked.contains(Asked::PTR) || asked.contains(Asked::TYPES);
            let due = if is_shared { now + delay } else { now };
            on.ask(asked, from, due, if is_probe { PROBE_INTERVAL } else { SECOND });
        }
    }

    /// Another one probes for the same name at the same time: the one whose records come later in order goes on
    /// (section 8.2).
    pub(super) fn compare_probe(&mut self, link: u32, message: &Message, now: u64) {
        if !self.on(link).is_some_and(|on| on.phase.is_probing()) {
            return;
        }
        let sorted = |records: &mut dyn Iterator<Item = &Record>| {
            let mut list: Vec<_> = records
                .map(|record| (record.data.kind(), record.data.bytes()))
                .collect();
            list.sort();
            list
        };
        let theirs = sorted(&mut message.authorities.iter().filter(|record| record.name == self.instance));
        let ours = sorted(&mut self.records(link, Asked::SRV.and(Asked::TXT)).iter());
        if !theirs.is_empty() && ours < theirs {
            self.probe_again(link, now + SECOND);
        }
    }

    pub(super) fn conflicts_with(&self, link: u32, message: &Message) -> bool {
        if self.on(link).is_none() {
            return false;
        }
        let own = self.records(link, Asked::SRV.and(Asked::TXT));
        let mut records = message.answers.iter().chain(&message.additionals);
        records.any(|record| contradicts(record, &self.instance, &own))
    }

    /// A conflict has come: how long to wait before the next attempt.
    pub(super) fn count_conflict(&mut self, now: u64) -> u64 {
        self.conflicts.retain(|at| now - at < CONFLICT_WINDOW);
        if self.conflicts.len() >= MANY_CONFLICTS {
            return CONFLICT_PAUSE;
        }
        self.conflicts.push_back(now);
        0
    }

    pub(super) fn probe_again(&mut self, link: u32, due: u64) {
        if let Some(on) = self.on_mut(link) {
            on.probe_from(due);
        }
    }

    pub(super) fn probe_everywhere(&mut self, due: u64) {
        for on in &mut self.links {
            on.probe_from(due);
        }
    }
}

/// The addresses of a link on which a server can be reached that is bound to these.
fn reachable(link: &Link, bound: &[IpAddr]) -> Vec<IpAddr> {
    let is_bound = |ip: &IpAddr| {
        bound
            .iter()
            .any(|to| to == ip || to.is_unspecified() && to.is_ipv4() == ip.is_ipv4())
    };
    link.addresses.iter().copied().filter(is_bound).collect()
}

/// Whether a record says something else about a service's name than the service does.
fn contradicts(record: &Record, instance: &DnsName, own: &[Record]) -> bool {
    let is_unique = matches!(record.data, Data::Srv { .. } | Data::Txt(_));
    is_unique
        && record.ttl != 0
        && record.name == *instance
        && own
            .iter()
            .all(|own| own.data.kind() != record.data.kind() || own.data != record.data)
}
