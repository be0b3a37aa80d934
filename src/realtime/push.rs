//! The pushing side of a port.

use crate::midi::message;
use crate::midi::short::Short;
use crate::realtime::consumer::SCHEDULED;
use crate::realtime::lost::Moment;
use crate::realtime::overdue::{self, OVERDUE};
use crate::realtime::producer::Producer;
use crate::realtime::refused::{RefusedGauge, RefusedIn};
use crate::realtime::shared::{Reach, Role, Shared, scheduled_cost};
use crate::sys::clock::now_ns;
use crate::sys::code::Code;
use crate::sys::touched;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// How far ahead a message may be scheduled, in ns.
const HORIZON_NS: u64 = 10_000_000_000;

/// The state that the pushing thread alone touches. In the order of use: what a push needs beside the queue is on one
/// cache line.
#[repr(C)]
pub(crate) struct PushSide {
    outgoing: Producer,
    shared: Arc<Shared>,
    quick: Quick,
    /// On a repairing port, and on any client or merged server, which may have no peer.
    refused: Option<Box<RefusedIn>>,
}

/// How much a push has to look at: all that seldom changes, in one.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Quick {
    /// On a pair, and all that was pushed was queued: little.
    Pair,
    /// Where the network thread finds it by itself, and all was queued: little.
    Tick,
    /// At everything.
    No,
}

/// When a message is to be sent.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Due {
    /// Now. Where the message carries a time, `meant_ns` is that time, and `pushed_ns` the time of the push. They differ
    /// only where a peer is told what was meant. On a pair 0 stands for the clock's time.
    Now { pushed_ns: u64, meant_ns: u64 },
    /// At a time ahead.
    At(u64),
}

impl Due {
    fn now(pushed_ns: u64) -> Self {
        Self::Now {
            pushed_ns,
            meant_ns: pushed_ns,
        }
    }
}

impl PushSide {
    pub(crate) fn new(outgoing: Producer, refused: Option<RefusedIn>, shared: Arc<Shared>) -> Self {
        let mut side = Self {
            outgoing,
            shared,
            quick: Quick::No,
            refused: refused.map(|refused| touched(Box::new(refused))),
        };
        side.review();
        side
    }

    /// Decides anew how much a push looks at. Call it when something may have been refused.
    fn review(&mut self) {
        let was_lossy = self.refused.as_ref().is_some_and(|refused| refused.was_lossy());
        self.quick = if self.shared.signals || was_lossy {
            Quick::No
        } else if self.is_pair() {
            Quick::Pair
        } else {
            Quick::Tick
        };
    }

    /// Whether a push has to look at everything.
    #[inline(always)]
    #[must_use]
    pub(crate) fn is_thorough(&self) -> bool {
        self.quick == Quick::No
    }

    fn is_pair(&self) -> bool {
        self.shared.role == Role::Pair
    }

    /// Touches every page of the out queue, before the first message.
    pub(crate) fn touch(&mut self) {
        self.outgoing.touch();
    }

    /// A view of what was refused, for waiting threads.
    #[must_use]
    pub(crate) fn refused_gauge(&self) -> Option<RefusedGauge> {
        self.refused.as_ref().map(|refused| refused.gauge())
    }

    /// Queues a message of the usual kinds (see `Short::is_usual`) for all, to a peer that is there. False when it is
    /// otherwise, or has no room: then it is for `push`. No call, so that a caller needs no stack.
    #[inline(always)]
    #[must_use]
    pub(crate) fn push_usual(&mut self, time_ns: u64, client: u32, data: &[u8; 3]) -> bool {
        self.put_short(time_ns, client, data.len(), || {
            Short::of_callers(data).filter(|short| short.is_usual())
        })
    }

    /// Does the same with any other channel message.
    #[inline(always)]
    #[must_use]
    pub(crate) fn push_short(&mut self, time_ns: u64, client: u32, data: &[u8]) -> bool {
        // `push_usual` was tried with all it knows, or the message is for a frame.
        let short = Short::of_callers(data).filter(|short| !short.is_usual() && short.is_channel_message());
        short.is_some() && self.put_short(time_ns, client, data.len(), || short)
    }

    #[inline(always)]
    fn put_short(&mut self, time_ns: u64, client: u32, bytes: usize, short: impl Fn() -> Option<Short>) -> bool {
        // Each way stands by itself from the first, so that neither asks what only the other needs to know.
        let put = match self.quick {
            Quick::Pair => {
                let put = time_ns != 0 && self.shared.is_pair_up() && self.put(time_ns, client, short);
                if put {
                    self.shared.counters.push.count(bytes);
                }
                put
            }
            Quick::Tick => {
                time_ns == 0
                    && !self.shared.beat.pushed.is_asked()
                    && self.shared.is_up_and_open()
                    // Else it carries the time, as also where a peer is told times.
                    && self.shared.queues.scheduled_bytes.load(Ordering::Relaxed) == 0
                    && self.put(0, client, short)
            }
            Quick::No => false,
        };
        if put {
            self.outgoing.publish_new();
        }
        put
    }

    #[inline(always)]
    fn put(&mut self, time_ns: u64, client: u32, short: impl Fn() -> Option<Short>) -> bool {
        client == 0 && short().is_some_and(|short| self.outgoing.write_short(time_ns, 0, 0, short))
    }

    /// Queues one message for one client or, 0, for all.
    #[must_use]
    pub(crate) fn push(&mut self, time_ns: u64, client: u32, data: &[u8]) -> Code {
        let shared = &*self.shared;
        if data.len() > shared.config.queues.max_message_bytes as usize {
            return Code::TooLarge;
        }
        if !message::is_whole(data) {
            return Code::InvalidMessage;
        }
        let reach = shared.reach();
        if reach == Reach::Closed {
            return Code::Closed;
        }
        if client != 0 && !(shared.role == Role::Merged && shared.clients.table.contains(client)) {
            return Code::NoSuchClient;
        }
        if reach == Reach::Down {
            // The message has no place in time, but a time that is too far ahead is an error all the same.
            let checked = if time_ns == 0 {
                Ok(())
            } else {
                due(shared, time_ns).map(drop)
            };
            return match checked {
                Ok(()) if shared.queues.filter.stops(data) => self.filter(),
                Ok(()) => self.push_offline(client, data),
                Err(code) => code,
            };
        }
        let due = match due(shared, time_ns) {
            Ok(due) => due,
            Err(code) => return code,
        };
        if shared.queues.filter.stops(data) {
            return self.filter();
        }
        if self.is_thorough() && self.is_lossy() {
            self.refuse(due, client, data, Code::Full)
        } else {
            self.queue(due, client, data)
        }
    }

    /// A message of a channel that the port does not have.
    #[cold]
    fn filter(&self) -> Code {
        self.shared.counters.push.filtered.add(1);
        Code::Ok
    }

    /// Whether nothing may be queued because a summary waits to be taken.
    fn is_lossy(&mut self) -> bool {
        let is_lossy = self.refused.as_mut().is_some_and(|refused| refused.is_lossy());
        if !is_lossy {
            self.review();
        }
        is_lossy
    }

    /// Queues a message for a peer that is there.
    #[inline(always)]
    fn queue(&mut self, due: Due, client: u32, data: &[u8]) -> Code {
        let shared = &*self.shared;
        let (time_ns, flags) = match due {
            // A message that is refused needs no time. So the clock is read here.
            Due::Now { meant_ns: 0, .. } if self.is_pair() => (now_ns(), 0),
            Due::Now { pushed_ns, meant_ns } if pushed_ns != meant_ns => (overdue::pack(pushed_ns, meant_ns), OVERDUE),
            Due::Now { pushed_ns, .. } => (pushed_ns, 0),
            Due::At(due_ns) => (due_ns, SCHEDULED),
        };
        let cost = scheduled_cost(data.len());
        if flags == SCHEDULED {
            let waiting = shared.queues.scheduled_bytes.load(Ordering::Relaxed);
            if waiting + cost > shared.config.queues.out_queue_bytes as usize {
                return self.refuse(due, client, data, Code::Full);
            }
        }
        if !self.outgoing.write(time_ns, client, flags, data) {
            return self.refuse(due, client, data, Code::Full);
        }
        let mut pushed = &shared.beat.pushed;
        if flags == SCHEDULED {
            pushed = shared.beat.pushed_for(time_ns);
            // Before the network thread can see the message, and subtract it again.
            shared.queues.scheduled_bytes.fetch_add(cost, Ordering::Relaxed);
        }
        if self.is_pair() {
            self.shared.counters.push.count(data.len());
        }
        self.outgoing.publish_new();
        pushed.note();
        self.shared.wake_if_signalling();
        Code::Ok
    }

    /// A message without a peer. A repairing port remembers what it would have done: the network thread does, so it is
    /// queued.
    #[inline(always)]
    fn push_offline(&mut self, client: u32, data: &[u8]) -> Code {
        if self.is_thorough() && self.is_lossy() || !self.outgoing.write(0, client, 0, data) {
            return self.refuse(Due::now(0), client, data, Code::Offline);
        }
        self.outgoing.publish_new();
        self.shared.wake_if_signalling();
        Code::Offline
    }

    /// Has everything scheduled so far forgotten. On a pair nothing is scheduled.
    pub(crate) fn cancel(&mut self) {
        if self.is_pair() {
            return;
        }
        let shared = &*self.shared;
        if self.quick == Quick::No {
            // Before the request: a summary that is taken after this has its messages marked, and one that was taken
            // before has them scheduled, where the request finds them.
            if let Some(refused) = &mut self.refused {
                refused.cancel(&shared.queues.scheduled_bytes);
            }
        }
        shared.requests.cancel.ask(self.outgoing.position());
        shared.announce_request();
        shared.wake_if_signalling();
    }

    /// Answers a push that was not queued. A repairing port counts and remembers the message, so that the caller need
    /// not try again. A port that waits does so only while there is no peer.
    #[inline(always)]
    fn refuse(&mut self, due: Due, client: u32, data: &[u8], code: Code) -> Code {
        if self.refused.is_some() && (self.shared.repairs || code == Code::Offline) {
            return self.remember(due, client, data, code);
        }
        code
    }

    /// Adds a refused message to the summary.
    #[cold]
    #[inline(never)]
    fn remember(&mut self, due: Due, client: u32, data: &[u8], code: Code) -> Code {
        let Some(refused) = &mut self.refused else { return code };
        let shared = &*self.shared;
        // Before the channel is looked at: a message counts as refused before the channel is closed the next time.
        let cuts = shared.queues.filter.cuts();
        if shared.queues.filter.stops(data) {
            return self.filter();
        }
        shared.counters.push.refused.add(1);
        let (due_ns, now_ns) = match due {
            Due::At(due_ns) => (due_ns, 0),
            Due::Now { pushed_ns, .. } if pushed_ns != 0 => (0, pushed_ns),
            Due::Now { .. } if refused.has_later() => (0, now_ns()),
            Due::Now { .. } => (0, 0),
        };
        let moment = Moment {
            resets: shared.requests.reset.count(),
            reset_ns: shared.requests.reset.last_ns(),
            panics: shared.requests.panic.count(),
            cuts,
            due_ns,
            now_ns,
        };
        let unrepaired = refused.refuse(client, data, &moment, &shared.queues.scheduled_bytes);
        shared.counters.push.unrepaired.add(unrepaired.into());
        shared.ring_bell();
        shared.wake_if_signalling();
        // Until the summary is taken.
        self.quick = Quick::No;
        code
    }
}

/// When a message is to be sent. A message for now carries the time of its push where something is scheduled: then it
/// has its place among that. Where a peer is told times, it always carries one: when it was meant, also if that has passed.
#[inline]
fn due(shared: &Shared, time_ns: u64) -> Result<Due, Code> {
    if shared.role == Role::Pair {
        return Ok(Due::now(time_ns));
    }
    let tells_times = shared.tells_times();
    if time_ns == 0 {
        let is_timed = tells_times || shared.queues.scheduled_bytes.load(Ordering::Relaxed) != 0;
        return Ok(Due::now(if is_timed { now_ns() } else { 0 }));
    }
    let now = now_ns();
    if time_ns <= now {
        Ok(Due::Now {
            pushed_ns: now,
            meant_ns: if tells_times { time_ns } else { now },
        })
    } else if time_ns - now <= HORIZON_NS {
        Ok(Due::At(time_ns))
    } else {
        Err(Code::InvalidArgument)
    }
}
