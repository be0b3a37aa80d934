//! The pushing side of a port.

use crate::clock::now_ns;
use crate::code::Code;
use crate::queue::Producer;
use crate::shared::{Role, Shared};
use crate::spill::{SpillGauge, SpillIn};
use std::sync::atomic::Ordering;

/// How far ahead a message may be scheduled, in ns.
const HORIZON_NS: u64 = 10_000_000_000;

/// What the pushing thread alone touches.
pub(crate) struct PushSide {
    outgoing: Producer,
    /// On a repairing port.
    spill: Option<SpillIn>,
}

impl PushSide {
    pub(crate) fn new(outgoing: Producer, spill: Option<SpillIn>) -> Self {
        Self { outgoing, spill }
    }

    /// What could not be queued, for those who wait.
    pub(crate) fn spill_gauge(&self) -> Option<SpillGauge> {
        self.spill.as_ref().map(SpillIn::gauge)
    }

    /// Queues one whole message for one client or, 0, for all.
    #[inline]
    pub(crate) fn push(&mut self, shared: &Shared, time_ns: u64, client: u32, data: &[u8]) -> Code {
        if client != 0 && !(shared.role == Role::Merged && shared.clients.contains(client)) {
            return Code::NoSuchClient;
        }
        let due = match due(shared, time_ns) {
            Ok(due) => due,
            Err(code) => return code,
        };
        let is_up = shared.is_up();
        if self.spill.as_mut().is_some_and(SpillIn::is_lossy) {
            return self.refuse(shared, client, data, if is_up { Code::Full } else { Code::Offline });
        }
        if !is_up {
            // A repairing port remembers what this would have done: the network thread does, so it is told.
            if !shared.repairs || !self.outgoing.write(0, client, 0, data) {
                return self.refuse(shared, client, data, Code::Offline);
            }
            self.publish(shared);
            return Code::Offline;
        }
        let scheduled = due != 0 && shared.role != Role::Pair;
        if scheduled {
            let waiting = shared.scheduled_bytes.load(Ordering::Relaxed);
            if waiting + data.len() > shared.config.out_queue_bytes as usize {
                return self.refuse(shared, client, data, Code::Full);
            }
        }
        if !self.outgoing.write(due, client, 0, data) {
            return self.refuse(shared, client, data, Code::Full);
        }
        if scheduled {
            // Before the network thread can see the message, and subtract it again.
            shared.scheduled_bytes.fetch_add(data.len(), Ordering::Relaxed);
        }
        if shared.role == Role::Pair {
            shared.pushed.messages.add(1);
            shared.pushed.bytes.add(data.len() as u64);
        }
        self.publish(shared);
        Code::Ok
    }

    #[inline]
    fn publish(&mut self, shared: &Shared) {
        self.outgoing.publish();
        shared.wake_if_signalling();
    }

    /// A message that was not queued. A repairing port counts and remembers it: the caller need not try again.
    #[cold]
    fn refuse(&mut self, shared: &Shared, client: u32, data: &[u8], code: Code) -> Code {
        if let Some(spill) = &mut self.spill {
            shared.pushed.refused.add(1);
            shared.pushed.unrepaired.add(spill.lose(client, data).into());
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
