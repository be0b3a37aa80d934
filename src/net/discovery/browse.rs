//! Browsing: the questions that are asked (RFC 6762, section 5), and what is known from the answers (section 10). All of
//! it is bounded, whatever comes.

use super::list::{Found, List};
use super::names::{self, DnsName, MOST_LABEL};
use super::packet::{Data, Message, Question, Record, Section, TYPE_PTR, Writer};
use super::seen::{Lifetime, Seen};
use super::traffic::{Random, SECOND, Transmit};
use crate::session::name::Name;
use std::collections::{BTreeMap, HashSet, VecDeque};

/// Services that are known at a time.
pub(super) const MOST_SERVICES: usize = 256;
/// Places where one service is seen: links.
const MOST_LINKS: usize = 16;
/// The longest pause between two questions for services.
const LONGEST_PAUSE: u64 = 3600 * SECOND;
/// Questions that are due within this time are asked together, in as few messages as possible.
const SWEEP: u64 = SECOND / 5;
/// The longest text of a host's name.
const MOST_HOST: usize = 255;

/// When a link is asked for services next.
struct Asking {
    link: u32,
    due: u64,
    pause: u64,
}

/// A service by its name.
struct Service {
    instance: DnsName,
    seen: Vec<Seen>,
    /// What the list says.
    shown: Option<Found>,
}

/// What a process that browses knows.
pub(super) struct Browse {
    services: BTreeMap<Vec<u8>, Service>,
    asking: Vec<Asking>,
    random: Random,
    /// When questions were last sent.
    swept: u64,
    changed: bool,
}

impl Browse {
    pub(super) fn new(random: Random) -> Self {
        Self {
            services: BTreeMap::new(),
            asking: Vec::new(),
            random,
            swept: 0,
            changed: false,
        }
    }

    /// A link has come: it is asked, soon.
    pub(super) fn add_link(&mut self, link: u32, now: u64) {
        self.asking.retain(|asking| asking.link != link);
        let due = now + SECOND / 50 + self.random.below(SECOND / 10);
        self.asking.push(Asking {
            link,
            due,
            pause: SECOND,
        });
    }

    /// A link has gone, and all that was seen there.
    pub(super) fn remove_link(&mut self, link: u32) {
        self.asking.retain(|asking| asking.link != link);
        for service in self.services.values_mut() {
            service.seen.retain(|seen| seen.link != link);
        }
        self.review();
    }

    pub(super) fn next_timeout(&self) -> Option<u64> {
        let asking = self.asking.iter().map(|asking| asking.due);
        let seen = self.services.values().flat_map(|service| &service.seen);
        let next = asking.chain(seen.map(Seen::next_timeout)).min()?;
        Some(next.max(self.swept + SWEEP))
    }

    pub(super) fn handle_response(&mut self, link: u32, message: &Message, now: u64) {
        let records = || message.answers.iter().chain(&message.additionals);
        let service_type = names::service_type();
        for record in records() {
            match &record.data {
                Data::Ptr(instance)
                    if record.name == service_type && instance.first_label_before(&service_type).is_some() =>
                {
                    self.note_instance(link, instance, record, now);
                }
                _ => {}
            }
        }
        for record in records() {
            let Data::Srv { port, host } = &record.data else {
                continue;
            };
            if let Some(seen) = self.seen_mut(link, &record.name) {
                seen.set_server(host, *port, Lifetime::of(record.ttl, now), now);
            }
        }
        self.note_addresses(link, records(), now);
        self.review();
    }

    /// A service is named. One that nobody knows takes a place, if there is one.
    fn note_instance(&mut self, link: u32, instance: &DnsName, record: &Record, now: u64) {
        let key = instance.key();
        let lifetime = Lifetime::of(record.ttl, now);
        if !self.services.contains_key(&key) {
            if record.ttl == 0 || !self.has_place() {
                return;
            }
            let (instance, seen, shown) = (instance.clone(), Vec::new(), None);
            self.services.insert(key.clone(), Service { instance, seen, shown });
        }
        let Some(service) = self.services.get_mut(&key) else {
            return;
        };
        let has_place = service.seen.len() < MOST_LINKS;
        match service.seen.iter_mut().find(|seen| seen.link == link) {
            Some(seen) => seen.set_named(lifetime, now),
            None if record.ttl != 0 && has_place => {
                service.seen.push(Seen::new(link, lifetime, now));
            }
            None => {}
        }
    }

    /// Whether one more service can be known. One that does not answer makes way.
    fn has_place(&mut self) -> bool {
        if self.services.len() < MOST_SERVICES {
            return true;
        }
        let silent = |service: &Service| service.shown.is_none() && service.seen.iter().all(Seen::is_silent);
        let Some(key) = self
            .services
            .iter()
            .find(|(_, service)| silent(service))
            .map(|(key, _)| key.clone())
        else {
            return false;
        };
        self.services.remove(&key);
        true
    }

    fn seen_mut(&mut self, link: u32, instance: &DnsName) -> Option<&mut Seen> {
        let service = self.services.get_mut(&instance.key())?;
        service.seen.iter_mut().find(|seen| seen.link == link)
    }

    fn note_addresses<'a>(&mut self, link: u32, records: impl Iterator<Item = &'a Record>, now: u64) {
        for record in records {
            let Some(ip) = record.data.ip() else { continue };
            let seen = self.services.values_mut().flat_map(|service| &mut service.seen);
            for seen in seen.filter(|seen| seen.link == link && seen.is_on(&record.name)) {
                seen.set_address(ip, record.flush, Lifetime::of(record.ttl, now), now);
            }
        }
    }

    /// Asks what is to be asked now, and forgets what is over.
    pub(super) fn handle_timeout(&mut self, now: u64, out: &mut VecDeque<Transmit>) {
        self.swept = now;
        let mut questions: BTreeMap<u32, Vec<Question>> = BTreeMap::new();
        for asking in &mut self.asking {
            if asking.due <= now {
                (asking.due, asking.pause) = (now + asking.pause, (asking.pause * 2).min(LONGEST_PAUSE));
                questions.entry(asking.link).or_default().push(for_services());
            }
        }
        for service in self.services.values_mut() {
            let (instance, random) = (&service.instance, &mut self.random);
            service.seen.retain_mut(|seen| {
                if seen.next_timeout() > now {
                    return true;
                }
                let keep = seen.forget_old(now);
                if keep {
                    let asked = seen.take_questions(instance, random, now);
                    questions.entry(seen.link).or_default().extend(asked);
                }
                keep
            });
        }
        for (link, questions) in questions {
            self.ask(link, questions, now, out);
        }
        self.review();
    }

    /// Sends questions, with the services that are known already.
    fn ask(&self, link: u32, mut questions: Vec<Question>, now: u64, out: &mut VecDeque<Transmit>) {
        let mut send = |writer: &mut Writer, truncated| {
            let writer = std::mem::replace(writer, Writer::query());
            if !writer.is_empty() {
                let bytes = writer.finish(truncated);
                out.push_back(Transmit { link, to: None, bytes });
            }
        };
        let mut writer = Writer::query();
        if questions.contains(&for_services()) {
            questions.retain(|question| *question != for_services());
            writer.question(&for_services());
            for record in self.known_answers(link, now) {
                if !writer.record(Section::Answer, &record) {
                    send(&mut writer, true);
                    writer.record(Section::Answer, &record);
                }
            }
            send(&mut writer, false);
        }
        let mut asked = HashSet::new();
        for question in questions {
            if asked.insert((question.name.key(), question.kind)) && !writer.question(&question) {
                send(&mut writer, false);
                writer.question(&question);
            }
        }
        send(&mut writer, false);
    }

    /// The services that need not be told again: more than half of their lifetime is left.
    fn known_answers(&self, link: u32, now: u64) -> impl Iterator<Item = Record> {
        let service_type = names::service_type();
        self.services.values().filter_map(move |service| {
            let seen = service.seen.iter().find(|seen| seen.link == link)?;
            Some(Record {
                name: service_type.clone(),
                flush: false,
                ttl: seen.named().seconds_known(now)?,
                data: Data::Ptr(service.instance.clone()),
            })
        })
    }

    /// Brings what is shown up to date.
    fn review(&mut self) {
        let mut changed = false;
        self.services.retain(|_, service| {
            let shown = service.found();
            changed |= shown != service.shown;
            service.shown = shown;
            !service.seen.is_empty()
        });
        self.changed |= changed;
    }

    /// The list, if it has changed since the last call.
    pub(super) fn take_list(&mut self) -> Option<List> {
        if !std::mem::take(&mut self.changed) {
            return None;
        }
        let mut list = List::new();
        for service in self.services.values() {
            if let (Some(label), Some(found)) = (service.instance.labels().next(), &service.shown) {
                // Two that look the same are one entry: the first.
                list.entry(Name::cleaned(label, MOST_LABEL))
                    .or_insert_with(|| found.clone());
            }
        }
        Some(list)
    }
}

impl Service {
    /// Where it can be reached best; the address that is shown stays as long as no better kind of address comes.
    fn found(&self) -> Option<Found> {
        let shown = self.shown.as_ref().map(|found| found.address.as_str());
        let places = self.seen.iter().filter_map(|seen| seen.best(shown));
        let best = places.min_by_key(|place| place.rank)?;
        Some(Found {
            host: best.host.shown(MOST_HOST),
            port: best.port,
            address: best.address,
        })
    }
}

/// The question for all services of the type.
fn for_services() -> Question {
    Question {
        name: names::service_type(),
        kind: TYPE_PTR,
    }
}
