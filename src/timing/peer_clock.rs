//! The clock of a peer: which time of this clock a time of the peer's is.
//!
//! Both sides ask each other for the time. An answer limits the offset of the peer's clock from both sides, and
//! [`Bounds`] holds what all answers together prove. The estimate is the middle of that. It moves there by slewing, never
//! by a jump, so that the spacing of messages is kept. Its error bound is the distance to what is furthest from it and
//! can still be true.
//!
//! **What the bound rests on.** No message arrives before it was sent, and the rates of the clocks differ by a constant
//! within ±600 ppm. It rests on nothing else. In particular delays may be anything, change at any time, and differ
//! between the directions.
//!
//! **What cannot be known.** A delay in one direction looks like an offset of the clocks. Where all of the delay is in one
//! direction, the middle is off by half the round trip, and no measurement can show it. So the bound is never much less
//! than half the least round trip. It is larger by what the rate may have added since that round trip: where delays
//! vary much, round trips near the least are rare, and the rate is known the worse the longer a round trip takes.
//!
//! **What happens when the rate changes,** as when a time service begins to slew one of the clocks. Limits from before and
//! after contradict each other once the offset has left what they allow by about the round trip. Until then the bound
//! may be wrong, by less than the least round trip. With a round trip of 1 ms, 500 ppm show after 2 s. A change that
//! hardly leaves the known limits of the rate shows later, or never: then limits that no longer hold are forgotten after
//! two minutes. When it shows, all that was known of the rate is forgotten, the bound becomes as wide as it has to be,
//! and pings come more often. The clock stays locked. Rates that stay within 0.5 ppm of their mean are allowed for.
//!
//! **A clock that jumps,** because its machine slept or was stopped, contradicts all limits at once if it jumps by more
//! than about the round trip. Then the clock is lost, all is forgotten, and a burst of pings follows.

use super::bounds::{Bounds, Fit};
use super::pings::Pings;
use super::transit::Transit;

/// Answers after which the estimate is used.
const ANSWERS: u32 = 5;
/// The estimate moves towards the middle within about this time, at no more than this rate.
const SLEW_TIME_NS: f64 = 1e9;
const SLEW: f64 = 500e-6;
/// The rate is followed in full once it was measured for so long: before, jitter is taken for a rate.
const RATE_TIME_NS: f64 = 8e9;
/// So much may the bound grow until the next answer, in ns.
const GROWTH_NS: f64 = 40_000.0;
/// Where the bound is larger than half the least round trip by more than this, in ns, more pings make it smaller.
const EXCESS_NS: f64 = 20_000.0;
/// The least round trip is forgotten at this rate: the network may have become slower for good.
const FORGET: f64 = 50e-6;
/// What is lost by whole microseconds.
const QUANTUM_NS: f64 = 1000.0;
/// A stamp that is older than this is not believed, and how many of those in succession say that the clock is wrong.
const OLDEST_NS: i64 = 2_000_000_000;
const MOST_UNBELIEVED: u32 = 10;
/// A ping of the peer's counts as a measurement at most once in this time.
const PEER_PING_NS: u64 = 50_000_000;
/// The widths of clocks on the wire.
const CLOCK_BITS: u32 = 35;
const STAMP_BITS: u32 = 28;

/// What a call did to the state of the clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    None,
    /// The estimate can be used from now on.
    Locked,
    /// Measuring has begun anew; a ping is due at once.
    Lost,
}

/// The estimate of a peer's clock.
///
/// Times of this clock must be read as follows, or the bound is wrong: that of an arrival after the bytes were read, that
/// of a ping before it is written. The same holds for what the peer answers. How much later or earlier does not matter
/// for the truth of the bound, only for its size. Times never go back from call to call, but for those of arrivals of
/// stamps.
#[derive(Clone)]
pub(crate) struct PeerClock {
    /// Times are relative to this.
    origin_ns: u64,
    pings: Pings,
    /// What is known since measuring began; None before the first answer.
    measured: Option<Measured>,
    /// Stamps in succession that were not believed.
    unbelieved: u32,
    /// How old the messages are when they arrive: the bound has to hold for that long ago.
    ages: Transit,
    /// When a ping of the peer's was last used.
    peer_ping_ns: Option<u64>,
}

impl PeerClock {
    pub(crate) fn new(now_ns: u64) -> Self {
        Self {
            origin_ns: now_ns,
            pings: Pings::new(now_ns),
            measured: None,
            unbelieved: 0,
            ages: Transit::default(),
            peer_ping_ns: None,
        }
    }

    /// When the next ping is due. Any call may change it.
    pub(crate) fn next_ping_ns(&self) -> u64 {
        self.pings.next_ns(self.enough_ns())
    }

    /// A ping is sent now: its sequence number. Lost if there were too many without an answer; then this is the first of
    /// a new burst.
    pub(crate) fn ping(&mut self, now_ns: u64) -> (u8, Change) {
        let change = if self.pings.are_in_vain() {
            self.restart(now_ns)
        } else {
            self.slew(now_ns);
            Change::None
        };
        (self.pings.send(now_ns), change)
    }

    /// An answer: the peer's clock in µs, 35 bits, when it had received the ping and before it sent the answer. One that
    /// cannot be true is ignored.
    pub(crate) fn pong(&mut self, sequence: u8, received_us: u64, answered_us: u64, arrived_ns: u64) -> Change {
        let Some(sent_ns) = self.pings.sent_ns(sequence) else {
            return Change::None;
        };
        let held_us = answered_us.wrapping_sub(received_us) & mask(CLOCK_BITS);
        let round_trip_us = arrived_ns.saturating_sub(sent_ns) / 1000;
        // Both clocks' rates and whole microseconds considered.
        if sent_ns > arrived_ns || held_us > round_trip_us + round_trip_us / 1000 + 2 {
            return Change::None;
        }
        self.pings.answered(sequence);
        let (sent, arrived) = (self.relative(sent_ns), self.relative(arrived_ns));
        let received = self.unwrap(received_us, arrived);
        let upper_ns = received.wrapping_sub(sent);
        let measured = self.measured.get_or_insert_with(|| Measured::new(upper_ns, arrived));
        let upper = upper_ns.wrapping_sub(measured.base_ns) as f64 + QUANTUM_NS;
        let answered = received.wrapping_add((held_us * 1000) as i64);
        let lower = answered.wrapping_sub(arrived).wrapping_sub(measured.base_ns) as f64;
        measured.answer(sent, upper, arrived, lower);
        self.update(arrived_ns)
    }

    /// A ping of the peer's, with its clock in µs, 35 bits, before it sent it.
    pub(crate) fn peer_ping(&mut self, sent_us: u64, arrived_ns: u64) -> Change {
        let arrived = self.relative(arrived_ns);
        let sent = self.unwrap(sent_us, arrived);
        let last_ns = self.peer_ping_ns;
        let Some(measured) = &mut self.measured else {
            return Change::None;
        };
        if last_ns.is_some_and(|last_ns| arrived_ns.saturating_sub(last_ns) < PEER_PING_NS) {
            return Change::None;
        }
        self.peer_ping_ns = Some(arrived_ns);
        let lower = sent.wrapping_sub(arrived).wrapping_sub(measured.base_ns) as f64;
        if measured.bounds.add_lower(arrived, lower) {
            self.update(arrived_ns)
        } else {
            Change::None
        }
    }

    pub(crate) fn is_locked(&self) -> bool {
        self.locked().is_some()
    }

    /// A stamp in µs, 28 bits, that came at a time: the time on this clock that the message was meant for, if the stamp
    /// is believed. The estimate bends with each answer, so what it says of an old stamp moves by the change of its slope
    /// times the age: by 2 µs where the slope changes by 100 ppm and the message took 20 ms.
    pub(crate) fn believe(&mut self, stamp_us: u32, arrived_ns: u64) -> (Option<u64>, Change) {
        let arrived = self.relative(arrived_ns);
        let Some(measured) = self.locked() else {
            return (None, Change::None);
        };
        let peer_ns = measured.peer_ns(arrived);
        let ahead_ns = unwrap(u64::from(stamp_us), STAMP_BITS, peer_ns).wrapping_sub(peer_ns);
        let slope = measured.slope;
        let error_ns = self.error_ns(arrived_ns).min(OLDEST_NS as u64) as i64;
        if !(-OLDEST_NS..=error_ns).contains(&ahead_ns) {
            self.unbelieved += 1;
            return match self.unbelieved {
                MOST_UNBELIEVED.. => (None, self.restart(arrived_ns)),
                _ => (None, Change::None),
            };
        }
        self.unbelieved = 0;
        let ahead_ns = (ahead_ns as f64 / (1.0 + slope)).round() as i64;
        self.ages.note((-ahead_ns).max(0) as u64, arrived_ns);
        (arrived_ns.checked_add_signed(ahead_ns), Change::None)
    }

    /// How far a time that `believe` gave may be off, until the next answer is expected; 0 while not locked.
    pub(crate) fn error_ns(&self, now_ns: u64) -> u64 {
        let Some(measured) = self.locked() else {
            return 0;
        };
        let expected_ns = self.pings.interval_ns(self.enough_ns()) as f64;
        let now = self.relative(now_ns);
        let since_ns = now.wrapping_sub(measured.fit.at_ns).max(0) as f64;
        let age = self.ages.get(now_ns) as i64;
        let error = measured.error(now, age, expected_ns.max(since_ns));
        error.ceil() as u64
    }

    fn locked(&self) -> Option<&Measured> {
        self.measured.as_ref().filter(|measured| measured.is_locked)
    }

    fn relative(&self, time_ns: u64) -> i64 {
        time_ns.wrapping_sub(self.origin_ns) as i64
    }

    /// A time of the peer's clock in ns, from its µs, and so that it is nearest to what is expected.
    fn unwrap(&self, clock_us: u64, now: i64) -> i64 {
        match &self.measured {
            Some(measured) => unwrap(clock_us, CLOCK_BITS, measured.peer_ns(now)),
            None => ((clock_us & mask(CLOCK_BITS)) * 1000) as i64,
        }
    }

    /// A time between pings that keeps the bound small enough; 0: as short as can be.
    fn enough_ns(&self) -> u64 {
        match &self.measured {
            Some(measured) if measured.excess() > EXCESS_NS => 0,
            Some(measured) => (GROWTH_NS / measured.fit.rate_error()) as u64,
            None => u64::MAX,
        }
    }

    /// There are new limits.
    fn update(&mut self, now_ns: u64) -> Change {
        let now = self.relative(now_ns);
        let Some(measured) = &mut self.measured else {
            return Change::None;
        };
        if !measured.fit_bounds(now, now.wrapping_sub(self.ages.get(now_ns) as i64)) {
            return self.restart(now_ns);
        }
        measured.slew(now);
        if measured.is_locked || measured.answers < ANSWERS {
            return Change::None;
        }
        measured.is_locked = true;
        Change::Locked
    }

    /// Directs the estimate to the middle of what is known.
    fn slew(&mut self, now_ns: u64) {
        let now = self.relative(now_ns);
        if let Some(measured) = &mut self.measured {
            measured.slew(now);
        }
    }

    /// Forgets all that was measured, and begins anew.
    fn restart(&mut self, now_ns: u64) -> Change {
        let lost = self.is_locked();
        self.measured = None;
        self.unbelieved = 0;
        self.peer_ping_ns = None;
        self.pings.restart(now_ns);
        if lost { Change::Lost } else { Change::None }
    }
}

/// What is known of the clock, and what is made of it.
#[derive(Clone)]
struct Measured {
    /// Offsets are relative to this one.
    base_ns: i64,
    bounds: Bounds,
    /// The least round trip, as it was when the last answer came.
    least: f64,
    answers: u32,
    is_locked: bool,
    fit: Fit,
    /// The estimate: a straight line through this offset at the time of the fit.
    offset: f64,
    slope: f64,
    /// The rate is measured since this time; it was taken for this before.
    rate_since_ns: i64,
    rate_before: f64,
}

impl Measured {
    /// `base_ns` is an offset near the true one.
    fn new(base_ns: i64, now: i64) -> Self {
        Self {
            base_ns,
            bounds: Bounds::default(),
            least: f64::INFINITY,
            answers: 0,
            is_locked: false,
            fit: Fit::unknown(now),
            offset: 0.0,
            slope: 0.0,
            rate_since_ns: now,
            rate_before: 0.0,
        }
    }

    /// How much larger the bound is than half the least round trip.
    fn excess(&self) -> f64 {
        (self.fit.upper - self.fit.lower - self.least) / 2.0
    }

    fn answer(&mut self, sent: i64, upper: f64, arrived: i64, lower: f64) {
        let elapsed = arrived.wrapping_sub(self.fit.at_ns).max(0) as f64;
        self.least = (self.least + FORGET * elapsed).min(upper - lower);
        self.bounds.add_upper(sent, upper);
        self.bounds.add_lower(arrived, lower);
        self.answers = self.answers.saturating_add(1);
    }

    /// What the peer's clock reads at a time, by the estimate.
    fn peer_ns(&self, now: i64) -> i64 {
        now.wrapping_add(self.base_ns)
            .wrapping_add(self.offset_at(now).round() as i64)
    }

    fn offset_at(&self, now: i64) -> f64 {
        self.offset + self.slope * now.wrapping_sub(self.fit.at_ns) as f64
    }

    /// Takes new limits in. False if the clock has jumped.
    fn fit_bounds(&mut self, now: i64, back: i64) -> bool {
        let mut fit = self.bounds.fit(now, back);
        if fit.is_none() && self.bounds.forget_rate(now) {
            self.rate_before = self.fit.rate;
            self.rate_since_ns = now;
            fit = self.bounds.fit(now, back);
        }
        let Some(mut fit) = fit else { return false };
        let share = (now.wrapping_sub(self.rate_since_ns) as f64 / RATE_TIME_NS).clamp(0.0, 1.0);
        fit.rate = self.rate_before + share * (fit.rate - self.rate_before);
        self.offset = self.offset_at(now);
        self.fit = fit;
        true
    }

    /// Directs the estimate to the middle of what is known.
    fn slew(&mut self, now: i64) {
        let offset = self.offset_at(now);
        self.fit = self.fit.at(now);
        let away = self.fit.middle() - offset;
        if self.is_locked {
            self.offset = offset;
            self.slope = self.fit.rate + (away / SLEW_TIME_NS).clamp(-SLEW, SLEW);
        } else {
            self.offset = self.fit.middle();
            self.slope = self.fit.rate;
        }
    }

    /// How far the estimate may be off at any time from `age` ns before now to `ahead` ns after the fit, in ns of this
    /// clock.
    fn error(&self, now: i64, age: i64, ahead: f64) -> f64 {
        let fit = &self.fit;
        // What is true is one of the straight lines that fit, so the extremes are at both ends.
        let (faster, slower) = ((fit.fastest - self.slope).max(0.0), (self.slope - fit.slowest).max(0.0));
        let above = fit.upper - self.offset + faster * ahead;
        let below = self.offset - fit.lower + slower * ahead;
        let back = self.offset_at(fit.back_ns);
        let older = fit.back_ns.wrapping_sub(now.wrapping_sub(age)).max(0) as f64;
        let back_above = fit.back_upper - back + slower * older;
        let back_below = back - fit.back_lower + faster * older;
        above.max(below).max(back_above).max(back_below) / (1.0 + fit.slowest) + QUANTUM_NS
    }
}

fn mask(bits: u32) -> u64 {
    (1 << bits) - 1
}

/// The time in ns that is nearest to the expected one, of those whose µs end in these bits.
fn unwrap(clock_us: u64, bits: u32, expected_ns: i64) -> i64 {
    let expected_us = expected_ns.div_euclid(1000);
    let ahead_us = clock_us.wrapping_sub(expected_us as u64) & mask(bits);
    // The upper half of the range is negative.
    let ahead_us = (ahead_us << (64 - bits)) as i64 >> (64 - bits);
    expected_us.wrapping_add(ahead_us).wrapping_mul(1000)
}
