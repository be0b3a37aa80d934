//! The pushing side of a port.

use crate::clock::now_ns;
use crate::code::Code;
use crate::midi::message;
use crate::queue::{Producer, Short};
use crate::shared::{Role, Shared, scheduled_cost};
use crate::spill::{Refused, SpillGauge, SpillIn};
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// How far ahead a message may be scheduled, in ns.
const HORIZON_NS: u64 = 10_000_000_000;

/// What the pushing thread alone touches. In the order of use: what a push needs beside the queue is on one cache line.
#[repr(C)]
pub(crate) struct PushSide {
    outgoing: Producer,
    shared: Arc<Shared>,
    is_pair: bool,
    signals: bool,
    /// On a repairing port.
    spill: Option<SpillIn>,
}

impl PushSide {
    pub(crate) fn new(outgoing: Producer, spill: Option<SpillIn>, shared: Arc<Shared>) -> Self {
        Self {
            outgoing,
            is_pair: shared.role == Role::Pair,
            signals: shared.signals,
            shared,
            spill,
        }
    }

    /// Touches every page of the out queue, before the first message.
    pub(crate) fn touch(&mut self) {
        self.outgoing.touch();
    }

    /// What could not be queued, for those who wait.
    pub(crate) fn spill_gauge(&self) -> Option<SpillGauge> {
        self.spill.as_ref().map(SpillIn::gauge)
    }

    /// Queues what nearly every push is: a channel message, for all, to a peer that is there. False when it is otherwise,
    /// or has no room: then it is for `push`. No call, so that a caller needs no stack.
    #[inline(always)]
    pub(crate) fn push_short(&mut self, time_ns: u64, client: u32, data: &[u8]) -> bool {
        if let Some(short) = Short::of_callers(data)
            && client == 0
            && (time_ns != 0) == self.is_pair
            && !self.signals
            && !self.shared.beat.pushed.is_asked()
            && short.is_channel_message()
            && self.shared.is_up_and_open()
            && self.spill.as_ref().is_none_or(|spill| !spill.was_lossy())
            && self.outgoing.write_short(time_ns, 0, 0, short)
        {
            self.publish(data.len());
            return true;
        }
        false
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
        if self.spill.as_mut().is_some_and(SpillIn::is_lossy) {
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
        self.publish(data.len());
        self.shared.beat.pushed.note();
        self.shared.wake_if_signalling();
        Code::Ok
    }

    /// Shows what was written, a message of so many bytes.
    #[inline(always)]
    fn publish(&mut self, bytes: usize) {
        if self.is_pair {
            self.shared.pushed.messages.add(1);
            self.shared.pushed.bytes.add(bytes as u64);
        }
        self.outgoing.publish_new();
    }

    /// Has what was scheduled forgotten. On a pair nothing is: what is pushed is there at once.
    pub(crate) fn cancel(&mut self) {
        if !self.is_pair {
            self.shared.requests.cancel.ask(self.outgoing.position());
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
