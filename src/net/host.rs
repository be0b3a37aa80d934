//! A context without a thread: the caller runs it, in `midisock_context_poll` and in every call that waits.

use super::control::Control;
use super::reactor::{Reactor, Turned};
use crate::sys::clock::now_ns;
use crate::sys::code::Code;
use crate::sys::poller::Events;
use parking_lot::Mutex;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// A context's reactor, which the caller runs.
#[derive(Default)]
pub(super) struct Host {
    /// A thread is in a control call.
    entered: AtomicBool,
    /// Only the thread that has entered locks it, so no thread waits. None once the context is destroyed.
    runs: Mutex<Option<(Reactor, Events)>>,
}

/// A control call: there is no other one while this value lives.
pub(crate) struct Entered(Option<Arc<Control>>);

impl Entered {
    /// Begins a control call on a context or a port of it: an error while another thread is in one, in HOST mode.
    pub(super) fn new(control: &Arc<Control>) -> Result<Self, Code> {
        let Some(host) = control.host() else {
            return Ok(Self::nowhere());
        };
        if host.entered.swap(true, Ordering::Acquire) {
            return Err(Code::Busy);
        }
        Ok(Self(Some(Arc::clone(control))))
    }

    /// Where there is nothing to enter.
    pub(crate) fn nowhere() -> Self {
        Self(None)
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        if let Some(host) = self.0.as_ref().and_then(|control| control.host()) {
            host.entered.store(false, Ordering::Release);
        }
    }
}

impl Host {
    pub(super) fn begin(&self, reactor: Reactor) {
        *self.runs.lock() = Some((reactor, Events::new()));
    }

    /// Drops all that is left.
    pub(super) fn end(&self) {
        let runs = self.runs.lock().take();
        if let Some((mut reactor, _)) = runs {
            reactor.give_up();
        }
    }

    /// One turn, which waits until `limit` at most: see [`Reactor::turn`].
    fn turn(&self, control: &Control, limit: Option<u64>, hands_over: bool) -> Turned {
        let turned = match &mut *self.runs.lock() {
            Some((reactor, events)) => reactor.turn(events, limit, hands_over),
            None => Turned::Ended,
        };
        match turned {
            Turned::Nothing if control.deliver_log() => Turned::Something,
            Turned::Nothing => Turned::Nothing,
            turned => {
                control.deliver_log();
                turned
            }
        }
    }

    /// After the last turn of a call: makes the handle readable for another loop when there is more to do.
    pub(super) fn park(&self, control: &Control) {
        if !control.waker.poller.has_handle() {
            return;
        }
        if let Some((reactor, _)) = &mut *self.runs.lock() {
            reactor.park();
        }
    }

    /// Waits until there is something to do, and does it. Returns whether there was.
    pub(super) fn poll(&self, control: &Control, timeout: Option<Duration>) -> Result<bool, Code> {
        let limit = timeout.map(limit_of);
        // Where another loop waits for the handle, nothing is left undone.
        let hands_over = !control.waker.poller.has_handle();
        let outcome = loop {
            match self.turn(control, limit, hands_over) {
                Turned::Something => break Ok(true),
                Turned::Defect => break Err(Code::Internal),
                Turned::Ended => break Ok(false),
                Turned::Nothing if limit.is_some_and(|limit| now_ns() >= limit) => break Ok(false),
                Turned::Nothing => {}
            }
        };
        self.park(control);
        outcome
    }

    /// Runs the context until `ready` gives something, or the time-out. It asks `ready` again after at least one turn.
    pub(super) fn run_until<T>(
        &self,
        control: &Control,
        timeout: Option<Duration>,
        mut ready: impl FnMut() -> Option<T>,
    ) -> Option<T> {
        if let Some(value) = ready() {
            return Some(value);
        }
        let limit = timeout.map(limit_of);
        let outcome = loop {
            let turned = self.turn(control, limit, false);
            let value = ready();
            let is_over = turned == Turned::Ended || limit.is_some_and(|limit| now_ns() >= limit);
            if value.is_some() || is_over {
                break value;
            }
        };
        self.park(control);
        outcome
    }

    /// Runs the context until nothing is left to write, or until `patience` is over.
    pub(super) fn run_to_end(&self, control: &Control, patience: Duration) {
        let limit = Some(limit_of(patience));
        while self.turn(control, limit, false) != Turned::Ended && limit.is_some_and(|limit| now_ns() < limit) {}
    }
}

/// The time at which a time-out that begins now is over.
fn limit_of(timeout: Duration) -> u64 {
    let ns = u64::try_from(timeout.as_nanos()).unwrap_or(u64::MAX);
    now_ns().saturating_add(ns)
}
