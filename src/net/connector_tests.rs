use super::*;
use crate::sys::clock::now_ns;
use crate::sys::poller::Events;
use socket2::{Domain, Type};
use std::net::{SocketAddr, TcpListener};

const MS: u64 = 1_000_000;

/// A connector with a poller of its own, and the names that it asked for.
struct Bench {
    poller: Poller,
    events: Events,
    connector: Connector,
    asked: Vec<String>,
    has_threads: bool,
}

impl Bench {
    fn new(host: &str, port: u16, timeout_ms: u64, reconnect_max_ms: u64) -> Self {
        let settings = ConnectSettings {
            socket: SocketSettings::default(),
            timeout_ns: timeout_ms * MS,
            reconnect_min_ns: MS,
            reconnect_max_ns: reconnect_max_ms * MS,
        };
        Self {
            poller: Poller::new().unwrap(),
            events: Events::new(),
            connector: Connector::new(host.into(), port, settings, 7),
            asked: Vec::new(),
            has_threads: true,
        }
    }

    fn call(&mut self, call: impl FnOnce(&mut Connector, &mut Surroundings, u64) -> Outcome) -> Outcome {
        let (asked, has_threads) = (&mut self.asked, self.has_threads);
        let mut surroundings = Surroundings {
            poller: &self.poller,
            keys: &|slot| 100 + slot,
            look_up: &mut |host, _| {
                asked.push(host.into());
                has_threads
            },
        };
        call(&mut self.connector, &mut surroundings, now_ns())
    }

    fn start(&mut self) -> Outcome {
        self.call(Connector::start)
    }

    fn resolved(&mut self, addresses: &[SocketAddr]) -> Outcome {
        let answer = Ok(addresses.iter().copied().map(Address::from).collect());
        self.call(|connector, surroundings, now| connector.resolved(answer, surroundings, now))
    }

    /// Handles events and timeouts until something has come of it.
    fn finish(&mut self, mut outcome: Outcome) -> Outcome {
        loop {
            if !matches!(outcome, Outcome::Waiting) {
                return outcome;
            }
            let timeout = self.connector.next_timeout().expect("something is under way");
            let pause = Duration::from_nanos(timeout.saturating_sub(now_ns()));
            self.poller.wait(&mut self.events, Some(pause)).unwrap();
            let slots: Vec<_> = self.events.iter().map(|event| event.key - 100).collect();
            outcome = Outcome::Waiting;
            for slot in slots {
                if matches!(outcome, Outcome::Waiting) {
                    outcome = self.call(|connector, surroundings, now| connector.ready(slot, surroundings, now));
                }
            }
            if matches!(outcome, Outcome::Waiting) {
                outcome = self.call(Connector::timeout);
            }
        }
    }

    /// No socket is left in the poller: one that has connected or failed would have an event.
    fn is_quiet(&mut self) -> bool {
        self.poller.wait(&mut self.events, Some(Duration::ZERO)).unwrap();
        self.events.iter().count() == 0
    }
}

fn listener(ip: [u8; 4], port: u16) -> TcpListener {
    TcpListener::bind(SocketAddr::from((ip, port))).unwrap()
}

/// A port of loopback where no listener is.
fn closed_port() -> u16 {
    listener([127, 0, 0, 1], 0).local_addr().unwrap().port()
}

/// A listener whose backlog is full, so that Linux drops every SYN.
#[cfg(target_os = "linux")]
fn silent(ip: [u8; 4], port: u16) -> (Socket, Vec<Socket>) {
    let address: SocketAddr = (ip, port).into();
    let full = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    full.set_reuse_address(true).unwrap();
    full.bind(&address.into()).unwrap();
    full.listen(0).unwrap();
    let fillers = (0..4)
        .map(|_| socket::connect(&address.into(), SocketSettings::default()).unwrap())
        .collect();
    std::thread::sleep(Duration::from_millis(50));
    (full, fillers)
}

fn failure(outcome: Outcome) -> (Code, bool, bool) {
    match outcome {
        Outcome::Failed {
            failure,
            announce,
            retries,
            ..
        } => (failure.code, announce, retries),
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_address_and_localhost_connect_without_a_look_up() {
    let server = listener([127, 0, 0, 1], 0);
    let address = server.local_addr().unwrap();
    for host in ["127.0.0.1", "localhost", "::ffff:127.0.0.1"] {
        let mut bench = Bench::new(host, address.port(), 5_000, 0);
        let outcome = bench.start();
        match bench.finish(outcome) {
            Outcome::Connected { socket, peer } => {
                assert_eq!(peer, address.into(), "{host}");
                bench
                    .poller
                    .add(&socket, Event::writable(1))
                    .expect("it has left the poller");
                bench.poller.delete(&socket).unwrap();
            }
            other => panic!("{host}: {other:?}"),
        }
        assert_eq!(bench.asked, [""; 0]);
        assert_eq!(bench.connector.next_timeout(), None);
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_silent_first_address_costs_a_delay_and_leaves_nothing_behind() {
    let server = listener([127, 0, 0, 1], 0);
    let good = server.local_addr().unwrap();
    let _silent = silent([127, 0, 0, 2], good.port());
    let bad = SocketAddr::from(([127, 0, 0, 2], good.port()));
    let mut bench = Bench::new("name.test", good.port(), 5_000, 1_000);
    // The first connection races; after it is lost, the address that won is tried first.
    for (round, least_ms) in [(1, 250), (2, 0)] {
        let began = now_ns();
        let outcome = bench.start();
        assert!(matches!(outcome, Outcome::Waiting));
        let outcome = bench.resolved(&[bad, good]);
        let Outcome::Connected { peer, socket } = bench.finish(outcome) else {
            panic!("round {round}");
        };
        let took = (now_ns() - began) / MS;
        assert_eq!(peer, good.into());
        assert!(took >= least_ms && took < 2_000, "{took} ms in round {round}");
        drop(socket);
        assert!(bench.is_quiet());
        assert!(bench.connector.connection_lost(true, now_ns()));
    }
    assert_eq!(bench.asked, ["name.test", "name.test"]);
}

#[cfg(target_os = "linux")]
#[test]
fn one_timeout_holds_for_every_address_and_for_the_look_up() {
    let port = closed_port();
    let _silent = [silent([127, 0, 0, 2], port), silent([127, 0, 0, 3], port)];
    let addresses: [SocketAddr; 2] = [([127, 0, 0, 2], port).into(), ([127, 0, 0, 3], port).into()];
    let mut bench = Bench::new("name.test", port, 300, 0);
    let began = now_ns();
    let outcome = bench.start();
    assert!(matches!(outcome, Outcome::Waiting));
    std::thread::sleep(Duration::from_millis(100));
    let outcome = bench.resolved(&addresses);
    assert_eq!(failure(bench.finish(outcome)), (Code::Timeout, true, false));
    let took = (now_ns() - began) / MS;
    assert!((300..3_000).contains(&took), "{took} ms");
    assert!(bench.is_quiet());
}

#[test]
fn a_reason_is_announced_when_it_changes_and_again_after_a_connection() {
    let port = closed_port();
    let refuses = SocketAddr::from(([127, 0, 0, 1], port));
    let mut bench = Bench::new("name.test", port, 5_000, 1);
    let mut attempt = |addresses: &[SocketAddr]| {
        let mut outcome = bench.start();
        if matches!(outcome, Outcome::Waiting) {
            outcome = bench.resolved(addresses);
        }
        bench.finish(outcome)
    };
    assert_eq!(failure(attempt(&[refuses])), (Code::Refused, true, true));
    assert_eq!(failure(attempt(&[refuses])), (Code::Refused, false, true));
    assert_eq!(failure(attempt(&[])), (Code::Address, true, true));
    let server = listener([127, 0, 0, 1], 0);
    let answers = server.local_addr().unwrap();
    assert!(matches!(attempt(&[refuses, answers]), Outcome::Connected { .. }));
    assert_eq!(failure(attempt(&[])), (Code::Address, true, true));
}

#[test]
fn no_thread_for_the_look_up_is_told_and_tried_again() {
    let mut bench = Bench::new("name.test", 9, 5_000, 1);
    bench.has_threads = false;
    let outcome = bench.start();
    assert_eq!(failure(bench.finish(outcome)), (Code::NoResources, true, true));
    let outcome = bench.finish(Outcome::Waiting);
    assert_eq!(failure(outcome), (Code::NoResources, false, true));
    assert_eq!(bench.asked.len(), 2);
}

#[test]
fn a_look_up_that_hangs_is_never_begun_a_second_time() {
    let server = listener([127, 0, 0, 1], 0);
    let address = server.local_addr().unwrap();
    let mut bench = Bench::new("name.test", address.port(), 20, 1);
    let mut outcome = bench.start();
    for round in 0..3 {
        outcome = bench.finish(outcome);
        assert_eq!(failure(outcome), (Code::Timeout, round == 0, true));
        outcome = Outcome::Waiting;
    }
    // Its answer comes between two attempts, and serves the next.
    assert!(matches!(bench.resolved(&[address]), Outcome::Waiting));
    assert!(matches!(bench.finish(Outcome::Waiting), Outcome::Connected { .. }));
    assert_eq!(bench.asked.len(), 1);
}

#[cfg(target_os = "linux")]
#[test]
fn a_poller_that_takes_no_socket_is_asked_again() {
    let server = listener([127, 0, 0, 1], 0);
    let mut bench = Bench::new("127.0.0.1", server.local_addr().unwrap().port(), 5_000, 1);
    let denied = [(libc::SYS_epoll_ctl, None)];
    let outcome = crate::sys::denied_linux::with_denied(&denied, libc::ENOMEM, || bench.start());
    let outcome = outcome.expect("seccomp filters are allowed");
    // The attempt goes on: the server may have taken the connection already.
    assert!(matches!(outcome, Outcome::Waiting), "{outcome:?}");
    assert!(matches!(bench.finish(outcome), Outcome::Connected { .. }));
    assert!(server.accept().is_ok());
    server.set_nonblocking(true).unwrap();
    assert!(server.accept().is_err(), "there is one connection");
}

#[test]
fn link_local_addresses_without_an_interface_say_so() {
    for host in ["fe80::1", "fe80::1%no-such-interface"] {
        let mut bench = Bench::new(host, 9, 5_000, 0);
        let outcome = bench.start();
        assert_eq!(failure(bench.finish(outcome)), (Code::Address, true, false), "{host}");
    }
}

#[test]
fn an_abandoned_attempt_leaves_nothing_behind() {
    let server = listener([127, 0, 0, 1], 0);
    let mut bench = Bench::new("127.0.0.1", server.local_addr().unwrap().port(), 5_000, 1);
    assert!(matches!(bench.start(), Outcome::Waiting));
    bench.connector.abandon(&bench.poller);
    assert!(bench.is_quiet());
    assert_eq!(bench.connector.next_timeout(), None);
    // Events and answers of the past change nothing.
    let outcome = bench.call(|connector, surroundings, now| connector.ready(0, surroundings, now));
    assert!(matches!(outcome, Outcome::Waiting));
    assert!(matches!(bench.resolved(&[]), Outcome::Waiting));
    assert_eq!(bench.connector.next_timeout(), None);
}

#[test]
fn an_event_of_an_earlier_socket_in_the_slot_is_ignored() {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    let tried = SocketAddr::from(([127, 0, 0, 1], 9)).into();
    assert!(matches!(socket::established(&socket, &tried), Ok(None)));
}

#[cfg(unix)]
#[test]
fn a_socket_that_met_itself_is_refused_and_leaves_its_address_free() {
    // Simultaneous open: a socket that is bound to the address it connects to.
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
    let address = socket.local_addr().unwrap();
    socket.connect(&address).unwrap();
    assert!(socket::is_its_own_peer(&socket));
    let tried = Address::of(&address).unwrap();
    assert_eq!(socket::established(&socket, &tried).unwrap_err().code, Code::Refused);
    let poller = Poller::new().unwrap();
    poller.add(&socket, Event::writable(1)).unwrap();
    let mut attempts = Attempts {
        race: Race::new(&[], None, 0, 0),
        sockets: Default::default(),
        settings: SocketSettings::default(),
    };
    attempts.sockets[3] = Some(Runner { socket, watch_at: None });
    attempts.discard_all(&poller);
    // Without SO_REUSEADDR a TIME-WAIT would be in the way.
    let server = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    server.bind(&address).expect("no TIME-WAIT is left");
}
