//! The network thread's life: started by the first port, joined by the last; and how other threads reach it.

use super::command::Command;
use super::life::Life;
use super::reactor::Reactor;
use super::reply::{Done, Reply};
use super::resolver::{self, Resolution};
use crate::realtime::shared::Shared;
use crate::realtime::waker::Waker;
use crate::session::allow::Allow;
use crate::sys;
use crate::sys::code::Code;
use crossbeam_queue::SegQueue;
use parking_lot::Mutex;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

/// How to reach the network thread.
pub(crate) struct Control {
    pub(super) waker: Arc<Waker>,
    pub(super) commands: SegQueue<Command>,
    pub(super) life: Life,
    /// A port has asked for another realtime priority.
    priority_asked: AtomicBool,
}

impl Control {
    fn new() -> Result<Self, Code> {
        Ok(Self {
            waker: Arc::new(Waker::new().map_err(|error| Code::of(&error))?),
            commands: SegQueue::new(),
            life: Life::with_one_user(),
            priority_asked: AtomicBool::new(false),
        })
    }

    fn submit(&self, command: Command) {
        self.commands.push(command);
        self.waker.wake();
    }

    /// The outcome of a look-up.
    pub(super) fn resolved(&self, port: u64, resolution: Resolution) {
        self.submit(Command::Resolved { port, resolution });
    }

    /// Network thread: whether a port has asked for another priority since the last call.
    pub(super) fn take_priority_asked(&self) -> bool {
        self.priority_asked.load(Ordering::Relaxed) && self.priority_asked.swap(false, Ordering::AcqRel)
    }
}

struct Running {
    control: Arc<Control>,
    thread: JoinHandle<()>,
}

/// Locked by control threads alone, when ports are made and when the last is closed.
static RUNNING: Mutex<Option<Running>> = Mutex::new(None);

/// A port's hold on the network thread. `leave` gives it back and waits; dropping it only gives it back.
pub(crate) struct Network {
    control: Arc<Control>,
    /// It has not been given back.
    holds: bool,
}

impl Network {
    /// Takes hold of the network thread, starting it where there is none.
    pub(super) fn enter() -> Result<Self, Code> {
        let mut running = RUNNING.lock();
        if let Some(there) = &*running
            && there.control.life.join()
        {
            let control = Arc::clone(&there.control);
            return Ok(Self { control, holds: true });
        }
        if let Some(ending) = running.take() {
            // It waits for nothing any more.
            let _ = ending.thread.join();
        }
        let control = Arc::new(Control::new()?);
        let mut reactor = Reactor::new(Arc::clone(&control));
        let thread = sys::spawn("midisock", None, move || {
            reactor.run();
            reactor.into_control().life.tell_over();
        });
        let thread = thread.map_err(|_| Code::NoResources)?;
        *running = Some(Running {
            control: Arc::clone(&control),
            thread,
        });
        Ok(Self { control, holds: true })
    }

    /// The network thread's own way to a hold for a port that it makes: there is a server, so the thread is not ending.
    pub(super) fn enter_from_inside(control: &Arc<Control>) -> Option<Self> {
        control.life.join().then(|| Self {
            control: Arc::clone(control),
            holds: true,
        })
    }

    pub(crate) fn waker(&self) -> Arc<Waker> {
        Arc::clone(&self.control.waker)
    }

    pub(super) fn submit(&self, command: Command) {
        self.control.submit(command);
    }

    /// Has the network thread look at what was asked for.
    pub(crate) fn wake(&self) {
        self.control.waker.wake();
    }

    /// Starts the orderly end of a port.
    pub(crate) fn shut_down(&self, shared: &Shared) {
        self.submit(Command::ShutDown { port: shared.id });
    }

    /// Has the network thread let go of a port's handle: when this returns, its address is free.
    pub(crate) fn close(&self, shared: &Shared) {
        self.ask(|done| Command::Close { port: shared.id, done });
    }

    /// Ends a client's connection; false when there is none with that id any more.
    pub(crate) fn disconnect(&self, shared: &Shared, client: u32) -> bool {
        let port = shared.id;
        self.ask(|done| Command::Disconnect { port, client, done })
    }

    /// Changes who may connect to a server; false when the server has ended.
    pub(crate) fn set_allow(&self, shared: &Shared, allow: Option<Allow>) -> bool {
        let port = shared.id;
        self.ask(|done| Command::SetAllow { port, allow, done })
    }

    fn ask(&self, command: impl FnOnce(Reply) -> Command) -> bool {
        let done = Arc::new(Done::default());
        self.submit(command(Reply::to(&done)));
        done.wait()
    }

    /// Another realtime priority than the port was made with. However often it is asked for, the network thread looks
    /// once a turn.
    pub(crate) fn prioritize(&self, shared: &Shared, priority: u32) {
        shared.control.priority.ask(priority);
        self.control.priority_asked.store(true, Ordering::Release);
        self.wake();
    }

    /// Gives the hold back. The last one waits until the network thread has written what it may still write, and joins
    /// it; and for look-ups that are under way, for so long at most.
    pub(crate) fn leave(mut self, patience: Duration) {
        self.holds = false;
        let control = &self.control;
        if !control.life.leave() {
            return;
        }
        control.waker.wake();
        if !control.life.wait_over() {
            return;
        }
        let mut running = RUNNING.lock();
        let is_this = running
            .as_ref()
            .is_some_and(|running| Arc::ptr_eq(&running.control, control));
        if is_this && let Some(ended) = running.take() {
            let _ = ended.thread.join();
        }
        drop(running);
        resolver::wait_for_all(patience);
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        if self.holds && self.control.life.leave() {
            self.control.waker.wake();
        }
    }
}
