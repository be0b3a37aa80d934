//! The services of this process on the network: they probe for their names, announce themselves, answer queries, make way
//! where a name is taken, and say goodbye (RFC 6762, sections 6 to 10).

use super::names::{self, DnsName};
use super::packet::{Message, Record, Section, Writer};
use super::service::{Asked, Service, Step, Wanted};
use super::traffic::{Link, PORT, Random, SECOND, Transmit};
use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;

/// Answers to queries that do not come from port 5353 are sent to the asker alone: so many a second.
const MOST_DIRECT: u32 = 10;
/// The lifetime of records in such an answer, whose reader does not hear of changes.
const DIRECT_TTL: u32 = 10;

pub(super) struct Advertiser {
    services: BTreeMap<u64, Service>,
    host_name: String,
    random: Random,
    /// Direct answers since when, and how many.
    direct: (u64, u32),
}

impl Advertiser {
    pub(super) fn new(host_name: String, random: Random) -> Self {
        Self {
            services: BTreeMap::new(),
            host_name,
            random,
            direct: (0, 0),
        }
    }

    /// The name under which a service is advertised, or for which it probes.
    #[cfg(test)]
    pub(super) fn name(&self, id: u64) -> String {
        self.services[&id]
            .instance()
            .labels()
            .next()
            .map(|label| String::from_utf8_lossy(label).into_owned())
            .unwrap()
    }

    /// Advertises a service on all links where it can be reached.
    pub(super) fn add(&mut self, id: u64, mut wanted: Wanted, links: &[Link], now: u64) {
        if wanted.name.is_empty() {
            wanted.name = names::default_name(&self.host_name);
        }
        let host = names::host(&self.host_name, self.random.next());
        let mut service = Service::new(wanted, host);
        self.choose_name(id, &mut service, 1);
        for link in links {
            service.set_link(link, &mut self.random, now);
        }
        self.services.insert(id, service);
    }

    /// Another name, soon.
    pub(super) fn rename(&mut self, id: u64, mut name: String, now: u64) {
        if name.is_empty() {
            name = names::default_name(&self.host_name);
        }
        if let Some(service) = self.services.get_mut(&id) {
            service.ask_for_name(name, now);
        }
    }

    /// Says goodbye for a service.
    pub(super) fn remove(&mut self, id: u64, out: &mut VecDeque<Transmit>) {
        if let Some(service) = self.services.remove(&id) {
            goodbye(&service, Asked::EVERYTHING, out);
        }
    }

    pub(super) fn remove_all(&mut self, out: &mut VecDeque<Transmit>) {
        for (_, service) in std::mem::take(&mut self.services) {
            goodbye(&service, Asked::EVERYTHING, out);
        }
    }

    pub(super) fn set_link(&mut self, link: &Link, now: u64) {
        for service in self.services.values_mut() {
            service.set_link(link, &mut self.random, now);
        }
    }

    pub(super) fn remove_link(&mut self, index: u32) {
        for service in self.services.values_mut() {
            service.remove_link(index);
        }
    }

    pub(super) fn next_timeout(&self) -> Option<u64> {
        self.services.values().filter_map(Service::next_timeout).min()
    }

    pub(super) fn handle_query(
        &mut self,
        link: u32,
        from: SocketAddr,
        message: &Message,
        now: u64,
        out: &mut VecDeque<Transmit>,
    ) {
        if from.port() != PORT {
            return self.answer_directly(link, from, message, now, out);
        }
        let mut first = true;
        for service in self.services.values_mut() {
            service.compare_probe(link, message, now);
            let asked = service.asked(link, message, first);
            if service.is_announced_on(link) {
                first = false;
            }
            let delay = match message.is_truncated {
                // The rest of the known answers comes within this time.
                true => SECOND * 2 / 5 + self.random.below(SECOND / 10),
                false => SECOND / 50 + self.random.below(SECOND / 10),
            };
            service.ask(link, from.ip(), asked, message, now, delay);
        }
    }

    pub(super) fn handle_response(&mut self, link: u32, message: &Message, now: u64) {
        let ids: Vec<u64> = self.services.keys().copied().collect();
        for id in ids {
            let Some(service) = self.services.get_mut(&id) else {
                continue;
            };
            if !service.conflicts_with(link, message) {
                continue;
            }
            let delay = service.count_conflict(now) + self.random.below(SECOND / 4);
            if service.is_announced_on(link) {
                // The one that was there first will defend the name.
                service.probe_again(link, now + delay);
            } else if let Some(mut service) = self.services.remove(&id) {
                let next = service.number() + 1;
                self.choose_name(id, &mut service, next);
                service.probe_everywhere(now + delay);
                self.services.insert(id, service);
            }
        }
    }

    /// Gives a service the first number from `number` on that no other service of this process has.
    fn choose_name(&self, id: u64, service: &mut Service, number: u32) {
        let taken = |instance: &DnsName| {
            let mut others = self.services.iter().filter(|(other, _)| **other != id);
            others.any(|(_, other)| other.instance() == instance)
        };
        for number in number.. {
            service.set_number(number);
            if !taken(service.instance()) {
                return;
            }
        }
    }

    pub(super) fn handle_timeout(&mut self, now: u64, out: &mut VecDeque<Transmit>) {
        self.apply_names(now, out);
        let mut answers: BTreeMap<u32, Vec<(u64, Asked)>> = BTreeMap::new();
        for (id, service) in &mut self.services {
            for (link, step) in service.take_steps(now) {
                match step {
                    Step::Probe => out.push_back(probe(service, link)),
                    Step::Announce => send_records(service, link, Asked::EVERYTHING, None, out),
                    Step::Answer(asked) => answers.entry(link).or_default().push((*id, asked)),
                }
            }
        }
        for (link, asked) in answers {
            self.send_answers(link, &asked, out);
        }
    }

    fn apply_names(&mut self, now: u64, out: &mut VecDeque<Transmit>) {
        let ids: Vec<u64> = self.services.keys().copied().collect();
        for id in ids {
            let Some(name) = self.services.get_mut(&id).and_then(|service| service.take_name(now)) else {
                continue;
            };
            let Some(mut service) = self.services.remove(&id) else {
                continue;
            };
            goodbye(&service, Asked::INSTANCE, out);
            service.set_name(name);
            self.choose_name(id, &mut service, 1);
            service.probe_everywhere(now + self.random.below(SECOND / 4));
            self.services.insert(id, service);
        }
    }

    /// Answers of several services in as few messages as possible.
    fn send_answers(&self, link: u32, asked: &[(u64, Asked)], out: &mut VecDeque<Transmit>) {
        let mut parts = Parts::new(link, None);
        for (id, asked) in asked {
            let Some(service) = self.services.get(id) else { continue };
            for record in service.records(link, *asked) {
                parts.add(Section::Answer, &record);
            }
        }
        // Those who ask for a service ask for these next.
        for (id, asked) in asked {
            let Some(service) = self.services.get(id).filter(|_| asked.contains(Asked::PTR)) else {
                continue;
            };
            for record in service.records(link, Asked::EVERYTHING.without(*asked).without(Asked::TYPES)) {
                if !parts.writer.record(Section::Additional, &record) {
                    break;
                }
            }
        }
        parts.finish(out);
    }

    /// Answers a simple resolver, which knows nothing of multicast DNS (RFC 6762, section 6.7).
    fn answer_directly(
        &mut self,
        link: u32,
        from: SocketAddr,
        message: &Message,
        now: u64,
        out: &mut VecDeque<Transmit>,
    ) {
        if now.saturating_sub(self.direct.0) >= SECOND {
            self.direct = (now, 0);
        }
        let Some(question) = message.questions.first().filter(|_| self.direct.1 < MOST_DIRECT) else {
            return;
        };
        let mut writer = Writer::response(message.id);
        writer.question(question);
        let mut answered = false;
        let mut first = true;
        for service in self.services.values().filter(|service| service.is_announced_on(link)) {
            let asked = service.asked(link, message, std::mem::take(&mut first));
            for mut record in service.records(link, asked) {
                record.ttl = record.ttl.min(DIRECT_TTL);
                record.flush = false;
                answered |= writer.record(Section::Answer, &record);
            }
        }
        if answered {
            self.direct.1 += 1;
            out.push_back(Transmit {
                link,
                to: Some(from),
                bytes: writer.finish(false),
            });
        }
    }
}

/// Answers that may take several messages.
struct Parts {
    link: u32,
    ttl: Option<u32>,
    writer: Writer,
    full: Vec<Writer>,
}

impl Parts {
    fn new(link: u32, ttl: Option<u32>) -> Self {
        Self {
            link,
            ttl,
            writer: Writer::response(0),
            full: Vec::new(),
        }
    }

    fn add(&mut self, section: Section, record: &Record) {
        let record = Record {
            ttl: self.ttl.unwrap_or(record.ttl),
            ..record.clone()
        };
        if !self.writer.record(section, &record) {
            self.full.push(std::mem::replace(&mut self.writer, Writer::response(0)));
            self.writer.record(section, &record);
        }
    }

    fn finish(self, out: &mut VecDeque<Transmit>) {
        for writer in self.full.into_iter().chain([self.writer]) {
            if !writer.is_empty() {
                out.push_back(Transmit {
                    link: self.link,
                    to: None,
                    bytes: writer.finish(false),
                });
            }
        }
    }
}

fn send_records(service: &Service, link: u32, asked: Asked, ttl: Option<u32>, out: &mut VecDeque<Transmit>) {
    let mut parts = Parts::new(link, ttl);
    for record in service.records(link, asked) {
        parts.add(Section::Answer, &record);
    }
    parts.finish(out);
}

/// Withdraws records on every link that knows them.
fn goodbye(service: &Service, asked: Asked, out: &mut VecDeque<Transmit>) {
    for on in service.links().iter().filter(|on| !on.phase.is_probing()) {
        send_records(service, on.link, asked.without(Asked::TYPES), Some(0), out);
    }
}

/// Asks whether anybody has the name, and says what would be published under it.
fn probe(service: &Service, link: u32) -> Transmit {
    let mut writer = Writer::query();
    writer.question(&service.probe_question());
    for record in service.records(link, Asked::SRV.and(Asked::TXT)) {
        writer.record(Section::Authority, &Record { flush: false, ..record });
    }
    Transmit {
        link,
        to: None,
        bytes: writer.finish(false),
    }
}
