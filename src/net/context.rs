//! The host's own contexts: a thread for some of its ports, or none at all.

use super::command::Command;
pub(crate) use super::control::TakeLine;
use super::control::{Control, Own};
use super::host::{Entered, Host};
use super::reactor::Reactor;
use super::resolver;
use crate::realtime::log::Source;
use crate::sys;
use crate::sys::code::Code;
use parking_lot::Mutex;
use std::sync::Arc;
use std::time::Duration;

/// Waits for the end of a thread.
pub(crate) type JoinThread = Box<dyn FnOnce() + Send>;
/// Starts a thread that does this; None: it cannot start one.
pub(crate) type StartThread = Box<dyn FnOnce(Box<dyn FnOnce() + Send>) -> Option<JoinThread>>;

/// What runs the ports of a context.
pub(crate) enum Runs {
    /// A thread that the library makes.
    Thread,
    /// A thread that the host makes.
    ThreadOfHost(StartThread),
    /// The caller.
    Host,
}

pub(crate) struct ContextConfig {
    pub runs: Runs,
    pub realtime_priority: u32,
    pub busy_poll_us: u32,
    pub log: Option<TakeLine>,
}

/// A context of the host's own. `destroy` ends it.
pub(crate) struct Context {
    control: Arc<Control>,
    /// None in HOST mode, and once it was joined.
    thread: Mutex<Option<JoinThread>>,
}

impl Context {
    pub(crate) fn create(config: ContextConfig) -> Result<Self, Code> {
        let ContextConfig {
            runs,
            realtime_priority,
            busy_poll_us,
            log,
        } = config;
        let host = matches!(runs, Runs::Host).then(Host::default);
        let control = Arc::new(Control::of_own(|lines| Own {
            // Without a thread there is no priority to change.
            realtime_priority: if host.is_some() { 0 } else { realtime_priority },
            busy_poll_us,
            host,
            log: log.map(|take_line| (Source::new(lines, "context"), take_line)),
        })?);
        let reactor = Reactor::new(Arc::clone(&control));
        let thread = match runs {
            Runs::Thread => Some(start(work(reactor))?),
            Runs::ThreadOfHost(start) => {
                let work = work(reactor);
                let work = Box::new(move || sys::on_thread_of_host(work));
                Some(start(work).ok_or(Code::NoResources)?)
            }
            Runs::Host => {
                if let Some(host) = control.host() {
                    host.begin(reactor);
                }
                None
            }
        };
        Ok(Self {
            control,
            thread: Mutex::new(thread),
        })
    }

    pub(super) fn control(&self) -> &Arc<Control> {
        &self.control
    }

    /// Begins a control call, of which there is one at a time in HOST mode.
    pub(super) fn begin_call(&self) -> Result<Entered, Code> {
        Entered::new(&self.control)
    }

    /// Writes a line about something that another thread than the context's found.
    pub(super) fn report(&self, text: impl FnOnce() -> String) {
        if self.control.log().is_some() {
            self.control.submit(Command::Report(text()));
        }
    }

    /// Ends the context. It only returns an error while a port of it is open, or in HOST mode a thread is in a call.
    pub(crate) fn destroy(&self) -> Result<(), Code> {
        let control = &self.control;
        let entered = Entered::new(control)?;
        if !control.life.leave_alone() {
            return Err(Code::Busy);
        }
        let patience = control.longest_linger();
        match control.host() {
            Some(host) => {
                host.run_to_end(control, patience);
                host.end();
                control.deliver_log();
            }
            None => {
                control.waker.wake();
                control.life.wait_over();
                if let Some(join) = self.thread.lock().take() {
                    join();
                }
            }
        }
        drop(entered);
        resolver::wait_for_all(patience);
        Ok(())
    }

    /// HOST mode: waits until there is something to do, and does it. Returns whether there was.
    pub(crate) fn poll(&self, timeout: Option<Duration>) -> Result<bool, Code> {
        let host = self.control.host().ok_or(Code::WrongRole)?;
        let _entered = Entered::new(&self.control)?;
        host.poll(&self.control, timeout)
    }

    /// HOST mode: a handle that is readable when `poll` has something to do.
    pub(crate) fn handle(&self) -> Result<isize, Code> {
        let host = self.control.host().ok_or(Code::WrongRole)?;
        let _entered = Entered::new(&self.control)?;
        let handle = self.control.waker.poller.handle().map_err(|error| match error.kind() {
            std::io::ErrorKind::Unsupported => Code::Unsupported,
            _ => Code::of(&error),
        })?;
        host.park(&self.control);
        Ok(handle)
    }
}

/// The work of a context's thread.
pub(super) fn work(mut reactor: Reactor) -> impl FnOnce() + Send + 'static {
    move || {
        reactor.run();
        reactor.into_control().life.tell_over();
    }
}

fn start(work: impl FnOnce() + Send + 'static) -> Result<JoinThread, Code> {
    let thread = sys::spawn("midisock", None, work).map_err(|_| Code::NoResources)?;
    Ok(Box::new(move || {
        // The thread waits for nothing any more.
        let _ = thread.join();
    }))
}
