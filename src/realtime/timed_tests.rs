//! Messages with a sender's time: through the in queue of a port with a network, from push to the out queue, and on a pair.

use super::config::{BlockConfig, Config, DeliveryConfig, Overflow, Timing};
use super::consumer::Consumer;
use super::endpoint::Endpoint;
use super::pop::{PopSide, Popped};
use super::producer::Producer;
use super::push::PushSide;
use super::refused::{RefusedOut, refused};
use super::ring::queue;
use super::shared::{Role, SYNTHETIC, Shared, TIMED};
use crate::midi::channels::Channels;
use crate::sys::clock::now_ns;
use crate::sys::code::Code;
use crate::timing::{Block, BlockClock};
use std::sync::Arc;
use std::sync::atomic::Ordering;

const MS: u64 = 1_000_000;
const START: u64 = 1_000 * MS;
const LATENCY: u64 = 20 * MS;

/// A block of 480 frames, which last 10 ms.
fn block(number: u64) -> Block {
    Block {
        start_ns: START + number * 10 * MS,
        sample_rate: 48_000.0,
        frames: 480,
        offline: false,
        discontinuity: false,
        position: None,
        device_time: false,
    }
}

/// The popping side of a port, and the network thread's end of its queue.
struct Popping {
    shared: Arc<Shared>,
    to_audio: Producer,
    side: PopSide,
}

impl Popping {
    fn new(latency_ns: Option<u64>) -> Self {
        let (to_audio, incoming) = queue(4096).unwrap();
        let gauge = Some(incoming.gauge());
        let shared = Arc::new(Shared::new(Role::Accepted, &Config::default(), None, gauge, None));
        let side = PopSide::new(incoming, BlockClock::new(latency_ns, None), None);
        Self { shared, to_audio, side }
    }

    /// A message with these flags arrives that belongs so many ms after the beginning of block 0.
    fn arrive(&mut self, due_ms: i64, flags: u32, data: &[u8]) {
        let time_ns = (START - LATENCY).saturating_add_signed(due_ms * MS as i64);
        assert!(self.to_audio.write(time_ns, 0, flags, data));
        self.to_audio.publish();
    }

    fn timed(&mut self, due_ms: i64) {
        self.arrive(due_ms, TIMED, &[0x90, 60, 1]);
    }

    fn begin(&mut self, number: u64) {
        self.side.begin(&self.shared, block(number)).unwrap();
    }

    fn pop(&mut self) -> Option<Popped> {
        self.side.pop_block(&self.shared).unwrap()
    }

    /// The frames of all messages of the block.
    fn frames(&mut self) -> Vec<u32> {
        std::iter::from_fn(|| self.pop()).map(|popped| popped.frame).collect()
    }

    fn late(&self) -> u64 {
        self.shared.counters.pop.late_in.get()
    }
}

#[test]
fn a_timed_message_is_placed_by_its_time_and_keeps_its_flag() {
    let mut port = Popping::new(Some(LATENCY));
    port.timed(5);
    port.arrive(6, 0, &[0x80, 60, 0]);
    port.arrive(7, TIMED, &[0xF0, 1, 2, 3, 0xF7]);
    port.timed(15);
    port.begin(0);
    for (frame, flags) in [(240, TIMED), (288, 0), (336, TIMED)] {
        let popped = port.pop().unwrap();
        assert_eq!((popped.frame, popped.flags), (frame, flags));
    }
    assert!(port.pop().is_none());
    port.begin(1);
    let popped = port.pop().unwrap();
    assert_eq!((popped.frame, popped.time_ns), (240, START - LATENCY + 15 * MS));
    assert_eq!(port.late(), 0);
}

#[test]
fn a_message_that_comes_too_late_is_at_the_beginning_and_counted() {
    let mut port = Popping::new(Some(LATENCY));
    port.timed(5);
    // One without a time is never late.
    port.arrive(5, 0, &[0xF8]);
    port.timed(12);
    port.begin(1);
    assert_eq!(port.frames(), [0, 0, 96]);
    assert_eq!(port.late(), 1);
}

#[test]
fn with_latency_0_times_do_not_place() {
    let mut port = Popping::new(Some(0));
    port.timed(-500);
    port.timed(900);
    port.begin(0);
    assert_eq!((port.frames(), port.late()), (vec![0, 0], 0));
}

#[test]
fn outside_of_blocks_times_do_not_matter() {
    let mut port = Popping::new(Some(LATENCY));
    port.timed(900);
    port.arrive(900, TIMED, &[0xC0, 1]);
    let mut flags = None;
    assert!(port.side.pop_short(&port.shared, |popped| flags = Some(popped.flags)));
    assert_eq!(flags, Some(TIMED));
    assert_eq!(port.side.pop(&port.shared).map(|popped| popped.flags), Some(TIMED));
}

#[test]
fn messages_before_a_panic_are_given_at_once_and_are_not_late() {
    let mut port = Popping::new(Some(LATENCY));
    port.timed(5);
    port.timed(50);
    port.arrive(3, 0, &[0xB0, 120, 0]);
    port.timed(-100);
    port.shared.queues.rush.ask(port.to_audio.position());
    port.timed(25);
    port.begin(0);
    // The one without a time has its own place; those with a time come as soon as possible, in order.
    assert_eq!(port.frames(), [0, 0, 144, 144]);
    port.begin(1);
    assert!(port.frames().is_empty());
    port.begin(2);
    assert_eq!((port.frames(), port.late()), (vec![240], 0));
}

#[test]
fn a_panic_reaches_messages_that_already_wait_for_a_later_block() {
    let mut port = Popping::new(Some(LATENCY));
    port.timed(50);
    port.timed(60);
    port.begin(0);
    assert!(port.frames().is_empty());
    port.shared.queues.rush.ask(port.to_audio.position());
    port.begin(1);
    assert_eq!((port.frames(), port.late()), (vec![0, 0], 0));
}

/// Nothing with a time was popped while the position was ahead: a block alone notices that it was passed.
#[test]
fn a_panic_that_no_timed_message_met_is_over_with_the_next_block() {
    let mut port = Popping::new(Some(LATENCY));
    port.arrive(0, 0, &[0xF8]);
    port.shared.queues.rush.ask(port.to_audio.position());
    port.begin(0);
    assert_eq!(port.frames(), [0]);
    port.begin(1);
    // The same position again, as after positions have wrapped: it is nothing new.
    port.shared.queues.rush.ask(port.to_audio.position());
    port.timed(25);
    assert!(port.frames().is_empty());
}

#[test]
fn a_release_on_a_closed_channel_is_placed_by_its_time() {
    let mut port = Popping::new(Some(LATENCY));
    port.shared.set_channels(Channels::of(2).unwrap());
    port.timed(1);
    port.arrive(5, TIMED, &[0x80, 60, 0]);
    port.arrive(6, TIMED, &[0x91, 60, 1]);
    port.begin(0);
    let popped = port.pop().unwrap();
    assert_eq!((popped.frame, popped.flags & SYNTHETIC), (240, SYNTHETIC));
    assert_eq!(
        port.pop().map(|popped| (popped.frame, popped.flags)),
        Some((288, TIMED))
    );
    assert_eq!(port.shared.filtered(), 2);
}

#[test]
fn a_skip_forgets_times() {
    let mut port = Popping::new(Some(LATENCY));
    port.timed(5);
    port.arrive(6, TIMED, &[0xB0, 7, 1]);
    port.side.skip();
    port.begin(0);
    let popped = port.pop().unwrap();
    assert_eq!((popped.frame, popped.flags), (0, SYNTHETIC));
    assert!(port.pop().is_none());
}

#[test]
fn an_automatic_latency_covers_the_network_and_falls_only_while_nothing_waits() {
    let mut port = Popping::new(None);
    let transit = |port: &Popping, ns| port.shared.counters.sender.transit_ns.store(ns, Ordering::Relaxed);
    port.begin(0);
    assert_eq!(port.side.clock.latency_ns(), 10 * MS);
    transit(&port, 20 * MS);
    port.begin(1);
    assert_eq!(port.side.clock.latency_ns(), 31 * MS);
    transit(&port, 5 * MS);
    // One that is for later waits in the queue.
    port.timed(10_000);
    (2..300).for_each(|number| port.begin(number));
    assert_eq!(port.side.clock.latency_ns(), 31 * MS);
    assert!(port.side.pop(&port.shared).is_some());
    (300..400).for_each(|number| port.begin(number));
    assert_eq!(port.side.clock.latency_ns(), 31 * MS);
    (400..402).for_each(|number| port.begin(number));
    assert_eq!(port.side.clock.latency_ns(), 16 * MS);
}

/// The pushing side of a repairing port, and its out queue.
struct Pushing {
    shared: Arc<Shared>,
    side: PushSide,
    out: Consumer,
    refused: RefusedOut,
}

impl Pushing {
    fn new(tells_times: bool) -> Self {
        let config = Config {
            delivery: DeliveryConfig {
                overflow: Overflow::Repair,
                ..DeliveryConfig::default()
            },
            ..Config::default()
        };
        let (outgoing, out) = queue(64).unwrap();
        let gauge = Some(out.gauge());
        let shared = Arc::new(Shared::new(Role::Accepted, &config, None, None, gauge));
        shared.set_tells_times(tells_times);
        let (refused_in, refused) = refused(0, 8);
        let side = PushSide::new(outgoing, Some(refused_in), Arc::clone(&shared));
        Self {
            shared,
            side,
            out,
            refused,
        }
    }

    /// The times that the message carries: that of its push, or when it is due, and when it was meant.
    fn push(&mut self, time_ns: u64) -> (u64, u64) {
        assert_eq!(self.side.push(time_ns, 0, &[0x90, 60, 1]), Code::Ok);
        self.out.pop().unwrap().pushed_and_meant(now_ns())
    }

    fn push_quickly(&mut self) -> bool {
        self.side.push_usual(0, 0, &[0x90, 60, 1])
    }
}

#[test]
fn where_no_peer_is_told_times_pushes_carry_none() {
    let mut port = Pushing::new(false);
    assert!(port.push_quickly());
    assert_eq!(port.out.pop().unwrap().time_ns, 0);
    assert_eq!(port.push(0), (0, 0));
    // A time that has passed is now.
    let before = now_ns();
    let (pushed_ns, meant_ns) = port.push(before - MS);
    assert!(pushed_ns >= before && meant_ns == pushed_ns);
}

#[test]
fn where_a_peer_is_told_times_each_push_carries_what_was_meant() {
    let mut port = Pushing::new(true);
    assert!(!port.push_quickly());
    let before = now_ns();
    let (pushed_ns, meant_ns) = port.push(0);
    assert!((before..=now_ns()).contains(&pushed_ns) && meant_ns == pushed_ns);
    let (pushed_ns, meant_ns) = port.push(before - MS);
    assert!(pushed_ns >= before && meant_ns.abs_diff(before - MS) <= 1000);
    let ahead = now_ns() + 5_000 * MS;
    assert_eq!(port.push(ahead), (ahead, ahead));
    // Nothing is scheduled any more.
    port.shared.queues.scheduled_bytes.store(0, Ordering::Relaxed);
    port.shared.set_tells_times(false);
    assert!(port.push_quickly());
}

#[test]
fn a_refused_message_is_of_the_present_also_where_it_was_meant_earlier() {
    let mut port = Pushing::new(true);
    for _ in 0..4 {
        assert_eq!(port.side.push(0, 0, &[0x90, 60, 1]), Code::Ok);
    }
    let before = now_ns();
    assert_eq!(port.side.push(before - 1_000 * MS, 0, &[0xB0, 7, 1]), Code::Full);
    let lost = port.refused.take().unwrap();
    assert!((before..=now_ns()).contains(&lost.last_ns()));
}

fn pair(timing: Timing, latency_ns: u64) -> (Endpoint, Endpoint) {
    let config = Config {
        timing,
        blocks: BlockConfig {
            latency_ns: Some(latency_ns),
            ..BlockConfig::default()
        },
        ..Config::default()
    };
    Endpoint::pair(&config).unwrap()
}

fn push(port: &Endpoint, due_ms: u64, data: &[u8]) {
    // SAFETY: one thread alone uses the port.
    assert_eq!(unsafe { port.push(START - LATENCY + due_ms * MS, 0, data) }, Code::Ok);
}

fn pop(port: &Endpoint) -> Option<(u32, u32)> {
    // SAFETY: as above.
    unsafe { port.pop_block() }
        .ok()
        .map(|popped| (popped.frame, popped.flags))
}

fn begin(port: &Endpoint, number: u64) {
    // SAFETY: as above.
    assert_eq!(unsafe { port.begin_block(block(number)) }, Code::Ok);
}

fn counted(port: &Endpoint) -> (u64, u64) {
    (port.shared().timed_in(), port.shared().counters.pop.late_in.get())
}

#[test]
fn a_pair_with_senders_times_gives_them_and_counts_what_is_late() {
    let (a, b) = pair(Timing::Sender, LATENCY);
    push(&a, 5, &[0x90, 60, 1]);
    push(&a, 6, &[0xF0, 1, 2, 3, 0xF7]);
    push(&a, 12, &[0x80, 60, 0]);
    begin(&b, 0);
    assert_eq!(
        [pop(&b), pop(&b), pop(&b)],
        [Some((240, TIMED)), Some((288, TIMED)), None]
    );
    begin(&b, 1);
    begin(&b, 2);
    assert_eq!([pop(&b), pop(&b)], [Some((0, TIMED)), None]);
    assert_eq!((counted(&b), counted(&a)), ((3, 1), (0, 0)));
}

#[test]
fn each_way_of_popping_from_a_pair_gives_the_flag_once() {
    let (a, b) = pair(Timing::Sender, LATENCY);
    push(&a, 1, &[0x90, 60, 1]);
    push(&a, 2, &[0xC0, 1]);
    // SAFETY: one thread alone uses the port.
    let popped = unsafe { b.pop() }.unwrap();
    assert_eq!((popped.flags, popped.time_ns), (TIMED, START - LATENCY + MS));
    // SAFETY: as above.
    assert_eq!(unsafe { b.pop() }.map(|popped| popped.flags), Ok(TIMED));
    push(&a, 3, &[0x80, 60, 0]);
    let mut flags = None;
    // SAFETY: as above.
    assert!(unsafe { b.pop_short(|popped| flags = Some(popped.flags)) });
    assert_eq!((flags, counted(&b)), (Some(TIMED), (3, 0)));
}

#[test]
fn what_a_pair_makes_itself_has_no_time() {
    let (a, b) = pair(Timing::Sender, LATENCY);
    push(&a, 1, &[0x90, 60, 1]);
    begin(&b, 0);
    assert_eq!(pop(&b), Some((48, TIMED)));
    assert_eq!(a.panic(), Code::Ok);
    begin(&b, 1);
    assert_eq!(pop(&b), Some((0, 0)));
    while pop(&b).is_some() {}
    push(&a, 25, &[0x90, 60, 1]);
    begin(&b, 2);
    assert_eq!(pop(&b), Some((240, TIMED)));
    assert!(a.shut_down());
    assert_eq!(pop(&b), Some((240, SYNTHETIC)));
    assert_eq!(counted(&b), (2, 0));
}

#[test]
fn a_pair_without_senders_times_is_as_ever() {
    let (a, b) = pair(Timing::Arrival, LATENCY);
    push(&a, 5, &[0x90, 60, 1]);
    begin(&b, 2);
    assert_eq!((pop(&b), counted(&b)), (Some((0, 0)), (0, 0)));
}

#[test]
fn on_a_pair_with_latency_0_nothing_is_late() {
    let (a, b) = pair(Timing::Sender, 0);
    push(&a, 900, &[0x90, 60, 1]);
    push(&a, 0, &[0x80, 60, 0]);
    begin(&b, 0);
    assert_eq!([pop(&b), pop(&b)], [Some((0, TIMED)), Some((0, TIMED))]);
    assert_eq!(counted(&b), (2, 0));
}
