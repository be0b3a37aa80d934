//! Engines that speak to one another over a simulated link, with a simulated clock.

use super::browse::MOST_SERVICES;
use super::engine::Engine;
use super::list::{Found, List};
use super::names::{self, DnsName};
use super::packet::{Data, MOST_BYTES, Message, Question, Record, Section, TYPE_PTR, TYPE_SRV, Writer};
use super::service::{HOST_TTL, Wanted};
use super::traffic::{Link, PORT, Random, SECOND, Transmit};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

const LINK: u32 = 3;

/// Engines on one link, each with the list that it has last told.
struct Network {
    now: u64,
    engines: Vec<(Engine, List)>,
    /// The messages since the last look: the time, the engine, and the receiver unless all are.
    sent: Vec<(u64, usize, Transmit)>,
    /// Engines that are not on the link now.
    apart: Vec<usize>,
}

fn address(engine: usize) -> IpAddr {
    Ipv4Addr::new(192, 0, 2, engine as u8 + 1).into()
}

fn everywhere() -> Vec<IpAddr> {
    vec![Ipv4Addr::UNSPECIFIED.into(), Ipv6Addr::UNSPECIFIED.into()]
}

fn wanted(name: &str, port: u16) -> Wanted {
    Wanted {
        name: name.into(),
        port,
        bound: everywhere(),
    }
}

impl Network {
    fn new(engines: usize) -> Self {
        let mut network = Self {
            now: SECOND,
            engines: Vec::new(),
            sent: Vec::new(),
            apart: Vec::new(),
        };
        for number in 0..engines {
            let mut engine = Engine::new(format!("host{number}"), Random::with_seed(number as u64 + 7));
            engine.set_link(
                Link {
                    index: LINK,
                    addresses: vec![address(number)],
                },
                network.now,
            );
            network.engines.push((engine, List::new()));
        }
        network
    }

    fn engine(&mut self, number: usize) -> &mut Engine {
        &mut self.engines[number].0
    }

    fn advertise(&mut self, engine: usize, id: u64, name: &str, port: u16) {
        let now = self.now;
        self.engine(engine).advertise(id, wanted(name, port), now);
    }

    fn browse(&mut self, engine: usize) {
        let now = self.now;
        self.engine(engine).start_browsing(now);
    }

    /// Delivers what is to be sent, until nobody has more to say.
    fn settle(&mut self) {
        loop {
            let mut waiting = Vec::new();
            for (number, (engine, list)) in self.engines.iter_mut().enumerate() {
                engine.handle_timeout(self.now);
                while let Some(transmit) = engine.poll_transmit() {
                    waiting.push((number, transmit));
                }
                if let Some(changed) = engine.poll_list() {
                    *list = changed;
                }
            }
            if waiting.is_empty() {
                return;
            }
            for (from, transmit) in waiting {
                assert!(transmit.bytes.len() <= MOST_BYTES);
                if transmit.to.is_none() && !self.apart.contains(&from) {
                    self.deliver(SocketAddr::new(address(from), PORT), &transmit.bytes);
                }
                self.sent.push((self.now, from, transmit));
            }
        }
    }

    fn deliver(&mut self, from: SocketAddr, bytes: &[u8]) {
        for (number, (engine, _)) in self.engines.iter_mut().enumerate() {
            if !self.apart.contains(&number) {
                engine.handle_packet(LINK, from, bytes, self.now);
            }
        }
    }

    /// Lets time pass.
    fn run(&mut self, seconds: u64) {
        let end = self.now + seconds * SECOND;
        loop {
            self.settle();
            let next = self
                .engines
                .iter()
                .filter_map(|(engine, _)| engine.poll_timeout())
                .min();
            match next {
                Some(next) if next <= end => self.now = self.now.max(next),
                _ => break,
            }
        }
        self.now = end;
        self.settle();
    }

    fn names(&self, engine: usize) -> Vec<&str> {
        self.engines[engine].1.keys().map(String::as_str).collect()
    }

    fn found(&self, engine: usize, name: &str) -> &Found {
        &self.engines[engine].1[name]
    }

    /// What somebody sends who is no engine.
    fn inject(&mut self, bytes: &[u8]) {
        self.deliver("192.0.2.99:5353".parse().unwrap(), bytes);
        self.settle();
    }

    fn messages(&self) -> impl Iterator<Item = (u64, usize, Message)> {
        self.sent
            .iter()
            .map(|(at, from, transmit)| (*at, *from, Message::parse(&transmit.bytes).unwrap()))
    }
}

fn response(records: &[Record]) -> Vec<u8> {
    let mut writer = Writer::response(0);
    for record in records {
        assert!(writer.record(Section::Answer, record));
    }
    writer.finish(false)
}

fn query(kind: u16, name: DnsName) -> Vec<u8> {
    let mut writer = Writer::query();
    writer.question(&Question { name, kind });
    writer.finish(false)
}

/// The records of somebody's service.
fn service(name: &[u8], host: &[u8], address: IpAddr, ttl: u32) -> Vec<Record> {
    let mut instance = DnsName::of(&[name]);
    for label in names::service_type().labels() {
        instance.push(label);
    }
    let host = DnsName::of(&[host, b"local"]);
    let record = |name: &DnsName, flush, data| Record {
        name: name.clone(),
        flush,
        ttl,
        data,
    };
    let ip = match address {
        IpAddr::V4(ip) => Data::A(ip),
        IpAddr::V6(ip) => Data::Aaaa(ip),
    };
    vec![
        record(&names::service_type(), false, Data::Ptr(instance.clone())),
        record(
            &instance,
            true,
            Data::Srv {
                port: 9080,
                host: host.clone(),
            },
        ),
        record(&host, true, ip),
    ]
}

#[test]
fn a_service_is_found_and_says_goodbye() {
    let mut network = Network::new(2);
    network.browse(1);
    network.advertise(0, 1, "Stage", 9080);
    network.run(2);
    assert_eq!(network.names(1), ["Stage"]);
    let found = network.found(1, "Stage");
    assert_eq!((found.port, found.address.as_str()), (9080, "192.0.2.1"));
    assert!(found.host.starts_with("host0-midisock-"), "{}", found.host);
    network.engine(0).withdraw(1);
    network.run(2);
    assert_eq!(network.names(1), [""; 0]);
}

#[test]
fn a_browser_that_comes_later_finds_what_is_there_and_ones_own_too() {
    let mut network = Network::new(2);
    network.advertise(0, 1, "Stage", 9080);
    network.advertise(1, 1, "", 9081);
    network.run(60);
    network.browse(1);
    network.run(1);
    assert_eq!(network.names(1), ["Stage", "host1 midisock"]);
}

#[test]
fn a_service_probes_before_it_announces() {
    let mut network = Network::new(1);
    network.advertise(0, 1, "Stage", 9080);
    network.run(30);
    let messages: Vec<_> = network.messages().collect();
    let kinds: Vec<bool> = messages.iter().map(|(_, _, message)| message.is_response).collect();
    assert_eq!(kinds, [false, false, false, true, true, true]);
    for pair in messages[..4].windows(2) {
        assert_eq!(pair[1].0 - pair[0].0, SECOND / 4);
    }
    for (_, _, probe) in &messages[..3] {
        assert_eq!(probe.questions[0].name, names::instance("Stage", 1));
        assert_eq!(probe.authorities.len(), 2);
    }
    let ttls: Vec<u32> = messages[3].2.answers.iter().map(|record| record.ttl).collect();
    assert_eq!(ttls, [4500, HOST_TTL, 4500, HOST_TTL]);
}

#[test]
fn services_of_one_name_are_numbered() {
    let mut network = Network::new(4);
    network.browse(3);
    // Two of one process, and two that begin at the same moment elsewhere.
    network.advertise(0, 1, "Stage", 9080);
    network.advertise(0, 2, "Stage", 9081);
    network.advertise(1, 1, "stage", 9082);
    network.run(30);
    network.advertise(2, 1, "Stage", 9083);
    network.run(30);
    let mut ports: Vec<u16> = network.engines[3].1.values().map(|found| found.port).collect();
    ports.sort_unstable();
    assert_eq!(ports, [9080, 9081, 9082, 9083], "{:?}", network.names(3));
    // The one that came last did not take the name of another.
    assert!(network.engines[2].0.name(1).starts_with("Stage ("));
}

#[test]
fn two_that_meet_when_a_link_is_joined_end_with_two_names() {
    let mut network = Network::new(3);
    network.browse(2);
    network.apart = vec![1];
    network.advertise(0, 1, "Stage", 9080);
    network.advertise(1, 1, "Stage", 9081);
    network.run(30);
    assert_eq!(network.names(2), ["Stage"]);
    network.apart.clear();
    // The second one's link comes up only now.
    let now = network.now;
    network.engine(1).remove_link(LINK);
    network.engine(1).set_link(
        Link {
            index: LINK,
            addresses: vec![address(1)],
        },
        now,
    );
    network.run(10);
    assert_eq!(network.names(2), ["Stage", "Stage (2)"]);
    assert_eq!(network.found(2, "Stage").port, 9080);
}

#[test]
fn a_service_that_is_renamed_is_found_by_its_new_name_only() {
    let mut network = Network::new(2);
    network.browse(1);
    network.advertise(0, 1, "Stage", 9080);
    network.run(10);
    for name in ["One", "Two", "Studio"] {
        let now = network.now;
        network.engine(0).rename(1, name.into(), now);
    }
    network.run(5);
    assert_eq!(network.names(1), ["Studio"]);
    let now = network.now;
    network.engine(0).rename(1, String::new(), now);
    network.run(5);
    assert_eq!(network.names(1), ["host0 midisock"]);
}

#[test]
fn what_vanishes_without_a_word_is_forgotten_in_time() {
    let mut network = Network::new(2);
    network.browse(1);
    network.advertise(0, 1, "Stage", 9080);
    network.run(600);
    // It has been asked for again and again, and is there.
    assert_eq!(network.names(1), ["Stage"]);
    network.apart.push(0);
    network.run(u64::from(HOST_TTL));
    assert_eq!(network.names(1), [""; 0]);
    network.apart.clear();
    network.run(120);
    assert_eq!(network.names(1), ["Stage"]);
}

#[test]
fn a_link_that_goes_takes_its_services_with_it() {
    let mut network = Network::new(2);
    network.browse(1);
    network.advertise(0, 1, "Stage", 9080);
    network.run(5);
    network.engine(1).remove_link(LINK);
    network.run(1);
    assert_eq!(network.names(1), [""; 0]);
    let now = network.now;
    network.engine(1).set_link(
        Link {
            index: LINK,
            addresses: vec![address(1)],
        },
        now,
    );
    network.run(2);
    assert_eq!(network.names(1), ["Stage"]);
}

#[test]
fn a_service_is_advertised_only_where_it_is_bound() {
    let mut network = Network::new(2);
    network.browse(1);
    let now = network.now;
    let elsewhere = Wanted {
        bound: vec!["192.0.2.77".parse().unwrap()],
        ..wanted("Elsewhere", 1)
    };
    let v6 = Wanted {
        bound: vec![Ipv6Addr::UNSPECIFIED.into()],
        ..wanted("V6", 2)
    };
    let here = Wanted {
        bound: vec![address(0)],
        ..wanted("Here", 3)
    };
    for (id, wanted) in [elsewhere, v6, here].into_iter().enumerate() {
        network.engine(0).advertise(id as u64, wanted, now);
    }
    network.run(5);
    assert_eq!(network.names(1), ["Here"]);
    let now = network.now;
    let scoped: IpAddr = "fe80::7".parse().unwrap();
    network.engine(0).set_link(
        Link {
            index: LINK,
            addresses: vec![address(0), scoped],
        },
        now,
    );
    network.run(5);
    assert_eq!(network.names(1), ["Here", "V6"]);
    assert_eq!(network.found(1, "V6").address, format!("fe80::7%{LINK}"));
}

#[test]
fn a_better_address_is_taken_and_an_equal_one_is_not() {
    let mut network = Network::new(1);
    network.browse(0);
    let address = |network: &Network| network.found(0, "Stage").address.clone();
    network.inject(&response(&service(
        b"Stage",
        b"other",
        "2001:db8::1".parse().unwrap(),
        120,
    )));
    assert_eq!(address(&network), "2001:db8::1");
    network.inject(&response(&service(
        b"Stage",
        b"other",
        "192.0.2.50".parse().unwrap(),
        120,
    )));
    assert_eq!(address(&network), "192.0.2.50");
    let mut more = service(b"Stage", b"other", "192.0.2.40".parse().unwrap(), 120);
    more[2].flush = false;
    network.inject(&response(&more));
    assert_eq!(address(&network), "192.0.2.50");
    // It replaces what was told more than a second ago.
    network.run(2);
    more[2].flush = true;
    network.inject(&response(&more));
    assert_eq!(address(&network), "192.0.2.40");
}

#[test]
fn addresses_that_nobody_can_have_are_left_out() {
    for bad in [
        "127.0.0.1",
        "0.0.0.0",
        "255.255.255.255",
        "224.0.0.1",
        "::1",
        "::",
        "ff02::1",
        "::ffff:127.0.0.1",
    ] {
        let mut network = Network::new(1);
        network.browse(0);
        network.inject(&response(&service(b"Stage", b"other", bad.parse().unwrap(), 120)));
        network.run(1);
        assert_eq!(network.names(0), [""; 0], "{bad}");
    }
}

#[test]
fn a_known_answer_is_not_told_again() {
    let mut network = Network::new(1);
    network.advertise(0, 1, "Stage", 9080);
    network.run(30);
    network.sent.clear();
    let mut writer = Writer::query();
    writer.question(&Question {
        name: names::service_type(),
        kind: TYPE_PTR,
    });
    let known = |ttl| Record {
        name: names::service_type(),
        flush: false,
        ttl,
        data: Data::Ptr(names::instance("stage", 1)),
    };
    writer.record(Section::Answer, &known(4000));
    network.inject(&writer.finish(false));
    network.run(2);
    assert_eq!(network.sent.len(), 0);
    // One that grows old is.
    let mut writer = Writer::query();
    writer.question(&Question {
        name: names::service_type(),
        kind: TYPE_PTR,
    });
    writer.record(Section::Answer, &known(2000));
    network.inject(&writer.finish(false));
    network.run(2);
    assert_eq!(network.sent.len(), 1);
    network.sent.clear();
    // Known answers may come in a second message.
    let mut first = Writer::query();
    first.question(&Question {
        name: names::service_type(),
        kind: TYPE_PTR,
    });
    network.inject(&first.finish(true));
    let mut second = Writer::query();
    second.record(Section::Answer, &known(4000));
    network.inject(&second.finish(false));
    network.run(2);
    assert_eq!(network.sent.len(), 0);
}

#[test]
fn a_flood_of_queries_is_answered_once_a_second() {
    let mut network = Network::new(1);
    network.advertise(0, 1, "Stage", 9080);
    network.run(30);
    network.sent.clear();
    let (ptr, srv) = (
        query(TYPE_PTR, names::service_type()),
        query(TYPE_SRV, names::instance("Stage", 1)),
    );
    let end = network.now + 5 * SECOND;
    while network.now < end {
        for _ in 0..10 {
            network.inject(&ptr);
            network.inject(&srv);
        }
        network.now += SECOND / 100;
    }
    network.run(2);
    assert!((5..=14).contains(&network.sent.len()), "{}", network.sent.len());
}

#[test]
fn a_simple_resolver_is_answered_directly_a_few_times_a_second() {
    let mut network = Network::new(1);
    network.advertise(0, 1, "Stage", 9080);
    network.run(30);
    network.sent.clear();
    let from: SocketAddr = "192.0.2.99:40000".parse().unwrap();
    for _ in 0..100 {
        network.deliver(from, &query(TYPE_PTR, names::service_type()));
    }
    network.settle();
    assert_eq!(network.sent.len(), 10);
    assert!(network.sent.iter().all(|(_, _, transmit)| transmit.to == Some(from)));
    let (_, _, message) = network.messages().next().unwrap();
    assert_eq!(message.questions.len(), 1);
    assert!(message.answers.iter().all(|record| record.ttl <= 10 && !record.flush));
    // A response does not come from such a port.
    network.browse(0);
    network.deliver(
        from,
        &response(&service(b"Fake", b"other", "192.0.2.50".parse().unwrap(), 120)),
    );
    network.run(1);
    assert_eq!(network.names(0), ["Stage"]);
}

#[test]
fn a_flood_of_services_is_bounded_and_makes_way() {
    let mut network = Network::new(2);
    network.browse(0);
    for number in 0..2000 {
        // Half of them never answer a question.
        let mut records = service(
            format!("s{number}").as_bytes(),
            b"other",
            "192.0.2.50".parse().unwrap(),
            120,
        );
        if number % 2 == 0 {
            records.truncate(1);
        }
        network.inject(&response(&records));
    }
    assert!(network.names(0).len() <= MOST_SERVICES);
    network.run(300);
    assert_eq!(network.names(0), [""; 0]);
    for number in 0..300 {
        network.inject(&response(&service(
            format!("s{number}").as_bytes(),
            b"other",
            "192.0.2.50".parse().unwrap(),
            120,
        )));
    }
    assert_eq!(network.names(0).len(), MOST_SERVICES);
}

#[test]
fn a_flood_of_claims_to_a_name_makes_few_packets() {
    let mut network = Network::new(1);
    network.advertise(0, 1, "Stage", 9080);
    network.run(10);
    network.sent.clear();
    for _ in 0..1000 {
        let name = network.engine(0).name(1);
        network.inject(&response(&service(
            name.as_bytes(),
            b"other",
            "192.0.2.50".parse().unwrap(),
            120,
        )));
        network.run(0);
        network.now += SECOND / 100;
    }
    assert!(network.sent.len() < 100, "{}", network.sent.len());
    network.run(60);
    assert!(network.messages().any(|(_, _, message)| message.is_response));
}

#[test]
fn names_from_the_network_are_cleaned() {
    let mut network = Network::new(1);
    network.browse(0);
    let names: [&[u8]; 5] = [
        b"a\x1b[2J\0b\n",
        b"\xff\xfe",
        "r\u{202E}l".as_bytes(),
        &[b'x'; 63],
        b"dots.and\\slashes",
    ];
    for name in names {
        network.inject(&response(&service(
            name,
            b"ho\x1bst",
            "192.0.2.50".parse().unwrap(),
            120,
        )));
    }
    let shown: Vec<String> = network.engines[0].1.keys().cloned().collect();
    let mut expected = vec![
        "a\u{FFFD}[2J\u{FFFD}b\u{FFFD}".to_owned(),
        "\u{FFFD}\u{FFFD}".to_owned(),
        "r\u{FFFD}l".to_owned(),
        "x".repeat(63),
        "dots.and\\slashes".to_owned(),
    ];
    expected.sort();
    assert_eq!(shown, expected);
    assert!(
        network.engines[0]
            .1
            .values()
            .all(|found| found.host == "ho\u{FFFD}st.local")
    );
}

#[test]
fn questions_become_rare() {
    let mut network = Network::new(1);
    network.browse(0);
    network.run(3600);
    assert!((8..=16).contains(&network.sent.len()), "{}", network.sent.len());
}

#[test]
fn nothing_is_said_by_an_engine_that_is_not_asked() {
    let mut network = Network::new(2);
    network.run(3600);
    network.inject(&query(TYPE_PTR, names::service_type()));
    network.inject(&response(&service(
        b"Stage",
        b"other",
        "192.0.2.50".parse().unwrap(),
        120,
    )));
    network.run(10);
    assert_eq!(network.sent.len(), 0);
    assert_eq!(network.engine(0).poll_timeout(), None);
}

#[test]
fn many_known_services_are_told_in_several_messages() {
    let mut network = Network::new(1);
    network.browse(0);
    for number in 0..200 {
        let mut records = service(
            format!("service number {number}").as_bytes(),
            b"other",
            "192.0.2.50".parse().unwrap(),
            120,
        );
        records[0].ttl = 4500;
        network.inject(&response(&records));
    }
    network.sent.clear();
    network.run(3);
    let queries: Vec<Message> = network
        .messages()
        .map(|(_, _, message)| message)
        .filter(|message| !message.answers.is_empty())
        .collect();
    let known: usize = queries.iter().map(|message| message.answers.len()).sum();
    assert_eq!(known % 200, 0);
    assert!(queries.iter().filter(|message| message.is_truncated).count() >= 2);
}

mod any_packets {
    use super::*;
    use proptest::collection::vec;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn any_packets_are_survived(packets in vec(vec(any::<u8>(), 0..200), 0..20), port in prop_oneof![Just(PORT), any::<u16>()]) {
            let mut network = Network::new(1);
            network.browse(0);
            network.advertise(0, 1, "Stage", 9080);
            for mut bytes in packets {
                // Most pass the check of the header.
                if let [_, _, flags, code, ..] = &mut bytes[..] {
                    *flags &= 0x82;
                    *code = 0;
                }
                network.deliver(SocketAddr::new(address(5), port), &bytes);
                network.run(1);
            }
            network.run(20);
            prop_assert!(network.names(0).contains(&"Stage"));
        }
    }
}
