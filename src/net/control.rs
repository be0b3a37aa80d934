//! How other threads reach what runs the ports of a context: its network thread, or in HOST mode the caller.

use super::command::Command;
use super::host::Host;
use super::life::Life;
use super::resolver::Resolution;
use crate::realtime::config::Config;
use crate::realtime::log::{Level, Log, Source};
use crate::realtime::waker::Waker;
use crate::sys::code::Code;
use crossbeam_queue::SegQueue;
use parking_lot::Mutex;
use std::ffi::{CStr, CString};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

/// Takes a line of the log. Only the thread that runs the context calls it, at the end of a turn.
pub(crate) type TakeLine = Box<dyn Fn(Level, &CStr) + Send + Sync>;

/// The parts of a host's context that the default context does not have.
pub(super) struct Own {
    /// The priority of its thread, in place of the priorities that its ports ask for.
    pub realtime_priority: u32,
    pub busy_poll_us: u32,
    /// There is no thread: the caller runs it.
    pub host: Option<Host>,
    pub log: Option<(Source, TakeLine)>,
}

/// The way to reach the thread that runs a context.
pub(crate) struct Control {
    pub(super) waker: Arc<Waker>,
    pub(super) commands: SegQueue<Command>,
    pub(super) life: Life,
    /// None: the default context.
    own: Option<Own>,
    /// A port has asked for another realtime priority.
    priority_asked: AtomicBool,
    /// Held while a server begins to share an address.
    pub(super) sharing: Mutex<()>,
    /// The longest of the ports that were closed.
    longest_linger_ms: AtomicU32,
}

impl Control {
    /// Of the default context, for its first port.
    pub(super) fn of_default() -> Result<Self, Code> {
        Ok(Self::new(waker()?, None))
    }

    /// Of a host's context, which is its first user.
    pub(super) fn of_own(own: impl FnOnce(&Arc<Log>) -> Own) -> Result<Self, Code> {
        let log = Arc::new(Log::default());
        let own = own(&log);
        let log = own.log.is_some().then_some(log);
        Ok(Self::new(waker()?.with_log(log), Some(own)))
    }

    fn new(waker: Waker, own: Option<Own>) -> Self {
        Self {
            waker: Arc::new(waker),
            commands: SegQueue::new(),
            life: Life::with_one_user(),
            own,
            priority_asked: AtomicBool::new(false),
            sharing: Mutex::default(),
            longest_linger_ms: AtomicU32::new(0),
        }
    }

    /// The host, if the caller runs the context.
    pub(super) fn host(&self) -> Option<&Host> {
        self.own.as_ref()?.host.as_ref()
    }

    pub(super) fn is_default(&self) -> bool {
        self.own.is_none()
    }

    /// The realtime priority of its thread that does not depend on ports.
    pub(super) fn least_priority(&self) -> u32 {
        self.own.as_ref().map_or(0, |own| own.realtime_priority)
    }

    /// A port's configuration, as far as the context does not decide.
    pub(super) fn adjusted(&self, config: &Config) -> Config {
        let mut config = config.clone();
        if let Some(own) = &self.own {
            config.pacing.realtime_priority = own.realtime_priority;
            config.pacing.busy_poll_us = own.busy_poll_us;
        }
        config
    }

    pub(super) fn submit(&self, command: Command) {
        self.commands.push(command);
        self.waker.wake();
    }

    /// The outcome of a look-up.
    pub(super) fn resolved(&self, port: u64, resolution: Resolution) {
        self.submit(Command::Resolved { port, resolution });
    }

    pub(super) fn ask_priority(&self) {
        self.priority_asked.store(true, Ordering::Release);
        self.waker.wake();
    }

    /// Network thread: whether a port has asked for another priority since the last call.
    pub(super) fn take_priority_asked(&self) -> bool {
        self.priority_asked.load(Ordering::Relaxed) && self.priority_asked.swap(false, Ordering::AcqRel)
    }

    /// A port is closed, and may go on writing for this time.
    pub(super) fn note_linger(&self, linger_ms: u32) {
        self.longest_linger_ms.fetch_max(linger_ms, Ordering::Relaxed);
    }

    pub(super) fn longest_linger(&self) -> Duration {
        Duration::from_millis(self.longest_linger_ms.load(Ordering::Relaxed).into())
    }

    /// The log, for what concerns the context itself.
    pub(super) fn log(&self) -> Option<&Source> {
        self.own.as_ref()?.log.as_ref().map(|(source, _)| source)
    }

    /// Writes a line about the context itself.
    pub(super) fn write(&self, level: Level, text: impl FnOnce() -> String) {
        if let Some(log) = self.log() {
            log.write(level, &text());
        }
    }

    /// The thread that runs the context, without a lock: gives the host its log's lines. Whether there were any.
    pub(super) fn deliver_log(&self) -> bool {
        let Some((_, take_line)) = self.own.as_ref().and_then(|own| own.log.as_ref()) else {
            return false;
        };
        let mut any = false;
        while let Some(line) = self.waker.log.as_ref().and_then(|log| log.take()) {
            any = true;
            // Names and addresses contain no NUL.
            if let Ok(text) = CString::new(line.text) {
                take_line(line.level, &text);
            }
        }
        any
    }
}

fn waker() -> Result<Waker, Code> {
    Waker::new().map_err(|error| Code::of(&error))
}
