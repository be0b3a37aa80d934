use super::*;

const MS: u64 = 1_000_000;
const START: u64 = 7_000 * MS;
const TIMEOUT: u64 = 5_000 * MS;

fn v4(last: u8) -> Address {
    std::net::SocketAddr::from(([192, 0, 2, last], 9080)).into()
}

fn v6(last: u16) -> Address {
    std::net::SocketAddr::from(([0x2001, 0xdb8, 0, 0, 0, 0, 0, last], 9080)).into()
}

fn refused() -> Failure {
    Failure::new(Code::Refused)
}

fn race(addresses: &[Address]) -> Race {
    Race::new(addresses, None, START, START + TIMEOUT)
}

/// What the network makes of an address, and how long after it was begun.
#[derive(Clone, Copy)]
enum Host {
    Silent,
    Refuses(u64),
    Answers(u64),
}

#[derive(Debug, PartialEq)]
struct Run {
    /// In order, with the time in ms after the start.
    begun: Vec<(u64, Address)>,
    winner: Option<Address>,
    ended_ms: u64,
    most_at_once: usize,
}

/// Runs a race to its end against hosts.
fn run(race: &mut Race, hosts: impl Fn(Address) -> Host) -> Run {
    let mut now = START;
    let mut begun = Vec::new();
    let mut under_way: [Option<(u64, Address, bool)>; SLOTS] = [None; SLOTS];
    let mut most_at_once = 0;
    for _ in 0..10_000 {
        let step = race.step(now);
        let ended_ms = (now - START) / MS;
        match step {
            Step::Begin { slot, address } => {
                begun.push((ended_ms, address));
                under_way[slot] = match hosts(address) {
                    Host::Silent => None,
                    Host::Refuses(ms) => Some((now + ms * MS, address, false)),
                    Host::Answers(ms) => Some((now + ms * MS, address, true)),
                };
                most_at_once = most_at_once.max(race.slots.iter().flatten().count());
                continue;
            }
            Step::Lost => {
                return Run {
                    begun,
                    winner: None,
                    ended_ms,
                    most_at_once,
                };
            }
            Step::Wait => {}
        }
        let next = (0..SLOTS)
            .filter(|slot| under_way[*slot].is_some())
            .min_by_key(|slot| under_way[*slot].map(|(at, ..)| at));
        let timeout = race.next_timeout();
        assert!(timeout > now, "a timer that has passed would spin");
        match next.and_then(|slot| under_way[slot].map(|event| (slot, event))) {
            Some((slot, (at, address, answers))) if at <= timeout => {
                now = at;
                if answers {
                    let ended_ms = (now - START) / MS;
                    return Run {
                        begun,
                        winner: Some(address),
                        ended_ms,
                        most_at_once,
                    };
                }
                under_way[slot] = None;
                race.failed(slot, refused(), now);
            }
            _ => now = timeout,
        }
    }
    panic!("the race never ends");
}

#[test]
fn families_alternate_from_the_first_and_duplicates_go() {
    let given = [v6(1), v6(2), v6(1), v6(3), v4(1), v4(1), v4(2)];
    assert_eq!(in_order(&given, None), [v6(1), v4(1), v6(2), v4(2), v6(3)]);
    assert_eq!(in_order(&[v4(1), v4(2), v6(1)], None), [v4(1), v6(1), v4(2)]);
    assert_eq!(in_order(&[v4(3), v4(3)], None), [v4(3)]);
    assert_eq!(in_order(&[], Some(v4(1))), []);
}

#[test]
fn the_address_that_won_last_time_comes_first_only_if_it_is_still_given() {
    assert_eq!(in_order(&[v6(1), v4(1), v4(2)], Some(v4(2))), [v4(2), v6(1), v4(1)]);
    assert_eq!(in_order(&[v6(1), v4(1)], Some(v4(9))), [v6(1), v4(1)]);
}

#[test]
fn a_silent_first_address_costs_one_delay() {
    let hosts = |address: Address| {
        if address.is_ipv6() {
            Host::Silent
        } else {
            Host::Answers(1)
        }
    };
    let run = run(&mut race(&[v6(1), v4(1)]), hosts);
    assert_eq!(run.begun, [(0, v6(1)), (250, v4(1))]);
    assert_eq!((run.winner, run.ended_ms), (Some(v4(1)), 251));
}

#[test]
fn a_failure_starts_the_next_at_once() {
    let hosts = |address| {
        if address == v4(2) {
            Host::Answers(1)
        } else {
            Host::Refuses(2)
        }
    };
    let run = run(&mut race(&[v4(1), v6(1), v4(2)]), hosts);
    assert_eq!(run.begun, [(0, v4(1)), (2, v6(1)), (4, v4(2))]);
    assert_eq!((run.winner, run.ended_ms), (Some(v4(2)), 5));
}

#[test]
fn a_late_first_address_may_still_win() {
    let hosts = |address| {
        if address == v6(1) {
            Host::Answers(300)
        } else {
            Host::Silent
        }
    };
    let run = run(&mut race(&[v6(1), v4(1)]), hosts);
    assert_eq!((run.winner, run.ended_ms), (Some(v6(1)), 300));
}

#[test]
fn one_timeout_holds_for_all() {
    let mut all_silent = race(&[v6(1), v4(1), v6(2), v4(2)]);
    let run = run(&mut all_silent, |_| Host::Silent);
    assert_eq!((run.winner, run.ended_ms), (None, 5_000));
    assert_eq!(all_silent.failure().0.code, Code::Timeout);
    assert_eq!(all_silent.failure().1, Some(v6(1)));
}

#[test]
fn a_short_timeout_is_shared_out() {
    let mut short = Race::new(&[v6(1), v6(2), v4(1)], None, START, START + 90 * MS);
    let run = run(&mut short, |address| {
        if address == v6(2) {
            Host::Answers(5)
        } else {
            Host::Silent
        }
    });
    assert_eq!(run.begun, [(0, v6(1)), (30, v4(1)), (60, v6(2))]);
    assert_eq!(run.winner, Some(v6(2)));
}

#[test]
fn a_hundred_addresses_hold_few_sockets_and_all_get_a_turn() {
    let all: Vec<_> = (0..50).flat_map(|n| [v6(n), v4(n as u8)]).collect();
    let mut silent = race(&all);
    let outcome = run(&mut silent, |_| Host::Silent);
    assert_eq!(outcome.begun.len(), 100);
    assert!(outcome.most_at_once <= SLOTS);
    assert_eq!(outcome.ended_ms, 5_000);
    let last = outcome.begun[99].1;
    let found = run(&mut race(&all), |address| {
        if address == last {
            Host::Answers(3)
        } else {
            Host::Silent
        }
    });
    assert_eq!(found.winner, Some(last));
    let refusing = run(&mut race(&all), |_| Host::Refuses(0));
    assert_eq!(
        (refusing.winner, refusing.ended_ms, refusing.begun.len()),
        (None, 0, 100)
    );
}

#[test]
fn beside_a_refusal_the_silent_ones_are_not_waited_for_long() {
    // The server is being restarted; its other address is a black hole. The next attempt must come soon.
    let hosts = |address: Address| {
        if address.is_ipv6() {
            Host::Silent
        } else {
            Host::Refuses(0)
        }
    };
    let mut lost = race(&[v6(1), v4(1)]);
    assert_eq!(run(&mut lost, hosts).ended_ms, 1_200);
    assert_eq!(lost.failure(), (refused(), Some(v4(1))));
    let mut lost = Race::new(&[v6(1), v4(1)], Some(v4(1)), START, START + TIMEOUT);
    assert_eq!(run(&mut lost, hosts).ended_ms, 1_200);
}

#[test]
fn an_unreachable_family_does_not_cut_the_other_short() {
    let mut race = race(&[v6(1), v4(1)]);
    assert_eq!(
        race.step(START),
        Step::Begin {
            slot: 0,
            address: v6(1)
        }
    );
    race.failed(0, Failure::new(Code::Unreachable), START);
    assert_eq!(
        race.step(START),
        Step::Begin {
            slot: 0,
            address: v4(1)
        }
    );
    assert_eq!(race.next_timeout(), START + TIMEOUT);
    assert_eq!(race.step(START + TIMEOUT), Step::Lost);
    assert_eq!(race.failure().0.code, Code::Timeout);
}

#[test]
fn the_reason_does_not_depend_on_the_order_of_failures() {
    for order in [[0, 1], [1, 0]] {
        let mut race = race(&[v6(1), v4(1)]);
        race.step(START);
        race.step(START + 250 * MS);
        for slot in order {
            let code = if slot == 0 { Code::Unreachable } else { Code::Refused };
            race.failed(slot, Failure::new(code), START + 300 * MS);
        }
        assert_eq!(race.step(START + 300 * MS), Step::Lost);
        assert_eq!(race.failure(), (refused(), Some(v4(1))));
    }
}

#[test]
fn nothing_to_try_is_lost_at_once_as_an_address_error() {
    let mut empty = race(&[]);
    assert_eq!(empty.step(START), Step::Lost);
    assert_eq!(empty.failure(), (Failure::new(Code::Address), None));
}

#[test]
fn a_deadline_that_has_passed_is_a_timeout() {
    let mut late = Race::new(&[v4(1)], None, START, START);
    assert_eq!(late.step(START), Step::Lost);
    assert_eq!(late.failure().0.code, Code::Timeout);
    // Events of the past change nothing.
    late.failed(0, refused(), START);
    late.failed(SLOTS + 7, refused(), START);
    assert_eq!(late.step(START + 1), Step::Lost);
    assert_eq!(late.failure().0.code, Code::Timeout);
}

#[test]
fn any_hosts_end_the_race_in_time_and_find_an_address_that_answers_soon() {
    let mut random = 0x9E37_79B9_7F4A_7C15_u64;
    let mut next = |below: u64| {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        random % below
    };
    for _ in 0..5_000 {
        let count = 1 + next(12) as u16;
        let all: Vec<_> = (0..count)
            .map(|n| if next(2) == 0 { v4(n as u8) } else { v6(n) })
            .collect();
        let fates: Vec<_> = (0..count)
            .map(|_| match next(3) {
                0 => Host::Silent,
                1 => Host::Refuses(next(500)),
                _ => Host::Answers(next(200)),
            })
            .collect();
        let fate = |address| fates[all.iter().position(|other| *other == address).unwrap()];
        let mut race = race(&all);
        let outcome = run(&mut race, fate);
        assert!(outcome.ended_ms <= 5_000);
        let answering = fates.iter().any(|fate| matches!(fate, Host::Answers(_)));
        assert_eq!(outcome.winner.is_some(), answering);
        if answering {
            assert!(outcome.ended_ms <= u64::from(count) * 250 + 200);
        }
    }
}
