//! The pushing side of a port.

use crate::midi::message;
use crate::realtime::refused::{Refused, SpillGauge, SpillIn};
use crate::realtime::ring::{Producer, Short};
use crate::realtime::shared::{Role, Shared, scheduled_cost};
use crate::sys::clock::now_ns;
use crate::sys::code::Code;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// How far ahead a message may be scheduled, in ns.
const HORIZON_NS: u64 = 10_000_000_000;

/// What the pushing thread alone touches. In the order of use: what a push needs beside the queue is on one cache line.
#[repr(C)]
pub(crate) struct PushSide {
    outgoing: Producer,
    shared: Arc<Shared>,
    quick: Quick,
    /// On a repairing port.
    spill: Option<Box<SpillIn>>,
}

/// All that seldom changes and that decides how much a push has to look at, in one.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Quick {
    /// On a pair, and all that was pushed was queued: little.
    Pair,
    /// Where the network thread finds it by itself, and all was queued: little.
    Tick,
    /// At everything.
    No,
}

impl PushSide {
    pub(crate) fn new(outgoing: Producer, spill: Option<SpillIn>, shared: Arc<Shared>) -> Self {
        let mut side = Self {
            outgoing,
            shared,
            quick: Quick::No,
            spill: spill.map(Box::new),
        };
        side.review();
        side
    }

    /// To be called when the spill may have changed.
    fn review(&mut self) {
        self.quick = if self.shared.signals || self.spill.as_ref().is_some_and(|spill| spill.was_lossy()) {
            Quick::No
        } else if self.is_pair() {
            Quick::Pair
        } else {
            Quick::Tick
        };
    }

    /// Whether a push has to look at everything.
    #[inline(always)]
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

    /// What could not be queued, for those who wait.
    pub(crate) fn spill_gauge(&self) -> Option<SpillGauge> {
        self.spill.as_ref().map(|spill| spill.gauge())
    }

    /// Queues what nearly every push is: a message of the usual kinds, see `Short::is_usual`, for all, to a peer that is
    /// there. False when it is otherwise, or has no room: then it is for `push`. No call, so that a caller needs no
    /// stack.
    #[inline(always)]
    pub(crate) fn push_usual(&mut self, time_ns: u64, client: u32, data: &[u8; 3]) -> bool {
        self.put_short(time_ns, client, data.len(), || {
            Short::of_callers(data).filter(|short| short.is_usual())
        })
    }

    /// The same of any other channel message.
    #[inline(always)]
    pub(crate) fn push_short(&mut self, time_ns: u64, client: u32, data: &[u8]) -> bool {
        // `push_usual` was tried with all it knows, or the message is for a frame.
        let short = Short::of_callers(data).filter(|short| !short.is_usual() && short.is_channel_message());
        short.is_some() && self.put_short(time_ns, client, data.len(), || short)
    }

    #[inline(always)]
    fn put_short(&mut self, time_ns: u64, client: u32, bytes: usize, short: impl Fn() -> Option<Short>) -> bool {
        // Each way by itself from the first: so neither asks what only the other needs to know.
        let put = match self.quick {
            Quick::Pair => {
                let put = time_ns != 0 && self.shared.is_up_alone() && self.put(time_ns, client, short);
                if put {
                    self.shared.pushed.count(bytes);
                }
                put
            }
            Quick::Tick => {
                time_ns == 0
                    && !self.shared.beat.pushed.is_asked()
                    && self.shared.is_up_and_open()
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
    pub(crate) fn push(&mut self, time_ns: u64, client: u32, data: &[u8]) -> Code {
        let shared = &*self.shared;
        if data.len() > shared.config.max_message_bytes as usize {
            return Code::TooLarge;
        }
        if !message::is_whole(data) {
            return Code::InvalidMessage;
        }
        if shared.is_closed() {
            return Code::Closed;
        }
        if client != 0 && !(shared.role == Role::Merged && shared.clients.contains(client)) {
            return Code::NoSuchClient;
        }
        let due = match due(shared, time_ns) {
            Ok(due) => due,
            Err(code) => return code,
        };
        let is_up = shared.is_up();
        let is_lossy = self.spill.as_mut().is_some_and(|spill| spill.is_lossy());
        self.review();
        let shared = &*self.shared;
        if is_lossy {
            return self.refuse(due, client, data, if is_up { Code::Full } else { Code::Offline });
        }
        if !is_up {
            // A repairing port remembers what this would have done: the network thread does, so it is told.
            if !shared.repairs || !self.outgoing.write(0, client, 0, data) {
                return self.refuse(due, client, data, Code::Offline);
            }
            self.outgoing.publish();
            shared.wake_if_signalling();
            return Code::Offline;
        }
        let scheduled = due != 0 && shared.role != Role::Pair;
        if scheduled {
            let waiting = shared.scheduled_bytes.load(Ordering::Relaxed);
            if waiting + scheduled_cost(data.len()) > shared.config.out_queue_bytes as usize {
                return self.refuse(due, client, data, Code::Full);
            }
        }
        if !self.outgoing.write(due, client, 0, data) {
            return self.refuse(due, client, data, Code::Full);
        }
        if scheduled {
            // Before the network thread can see the message, and subtract it again.
            shared
                .scheduled_bytes
                .fetch_add(scheduled_cost(data.len()), Ordering::Relaxed);
        }
        if self.is_pair() {
            self.shared.pushed.count(data.len());
        }
        self.outgoing.publish_new();
        self.shared.beat.pushed.note();
        self.shared.wake_if_signalling();
        Code::Ok
    }

    /// Has what was scheduled forgotten. On a pair nothing is: what is pushed is there at once.
    pub(crate) fn cancel(&mut self) {
        if !self.is_pair() {
            self.shared.requests.cancel.ask(self.outgoing.position());
            self.shared.requests.tell();
            self.shared.wake_if_signalling();
        }
    }

    /// A message that was not queued. A repairing port counts and remembers it: the caller need not try again.
    #[cold]
    fn refuse(&mut self, due_ns: u64, client: u32, data: &[u8], code: Code) -> Code {
        if let Some(spill) = &mut self.spill {
            let shared = &self.shared;
            shared.pushed.refused.add(1);
            let resets = shared.requests.reset.count();
            let unrepaired = spill.lose(client, data, Refused { resets, due_ns });
            shared.pushed.unrepaired.add(unrepaired.into());
            shared.wake_if_signalling();
            self.review();
        }
        code
    }
}

/// The time a message is queued with: on a pair when it was pushed, else when it is to be sent, or 0 for now.
#[inline]
fn due(shared: &Shared, time_ns: u64) -> Result<u64, Code> {
    if shared.role == Role::Pair {
        return Ok(if time_ns == 0 { now_ns() } else { time_ns });
    }
    if time_ns == 0 {
        return Ok(0);
    }
    let now = now_ns();
    if time_ns <= now {
        Ok(0)
    } else if time_ns - now <= HORIZON_NS {
        Ok(time_ns)
    } else {
        Err(Code::InvalidArgument)
    }
}
