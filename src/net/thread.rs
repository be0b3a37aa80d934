//! The network thread's life: started by the first port, joined by the last; and how others reach it.

use super::Ends;
use super::bind::Bound;
use super::pace::Lateness;
use super::reactor::Reactor;
use super::resolve::Resolution;
use super::sleeper::Sleeper;
use crate::code::Code;
use crate::event::Event;
use crate::shared::Shared;
use crate::sys::poller::Poller;
use crossbeam_queue::SegQueue;
use parking_lot::Mutex;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread::JoinHandle;

/// What a new port is to do.
pub(crate) enum Task {
    Serve {
        addresses: Vec<SocketAddr>,
        listeners: Option<Bound>,
    },
    Connect {
        host: String,
        port: u16,
    },
}

/// What others ask of the network thread.
pub(super) enum Command {
    Add(Box<Ends>, Task),
    ShutDown { port: u64 },
    Close { port: u64, done: Reply },
    Disconnect { port: u64, client: u32, done: Reply },
    TellProgress { port: u64 },
    Resolved { port: u64, resolution: Resolution },
}

/// The answer to a command.
#[derive(Default)]
pub(super) struct Done {
    event: Event,
    /// 0 until it is done; then 1, or 2 for "there was no such thing".
    outcome: AtomicU32,
}

/// The network thread's end of an answer: given in any case, if only by dropping it.
pub(super) struct Reply(Arc<Done>);

impl Reply {
    pub(super) fn tell(self, found: bool) {
        self.0.tell(found);
    }
}

impl Drop for Reply {
    fn drop(&mut self) {
        if self.0.outcome.load(Ordering::Relaxed) == 0 {
            self.0.tell(false);
        }
    }
}

impl Done {
    fn tell(&self, found: bool) {
        self.outcome.store(if found { 1 } else { 2 }, Ordering::Release);
        self.event.signal();
    }

    fn wait(&self) -> bool {
        self.event
            .wait_for(None, || Some(self.outcome.load(Ordering::Acquire)).filter(|o| *o != 0))
            == Some(1)
    }
}

/// In place of a number of users: the thread ends and takes no more.
const ENDING: u32 = u32::MAX;

/// How to reach the network thread.
pub(crate) struct Waker {
    pub(super) poller: Poller,
    pub(super) commands: SegQueue<Command>,
    sleeper: Sleeper,
    pub(crate) lateness: Lateness,
    /// Ports there are; `ENDING` when the thread has decided to end.
    users: AtomicU32,
    /// The thread has let go of everything.
    over: AtomicBool,
    /// Signalled when `users` or `over` changes in a way that a leaving port waits for.
    life: Event,
}

impl Waker {
    /// Wakes the network thread: one system call.
    pub(crate) fn wake(&self) {
        self.poller.notify();
    }

    /// Wakes the network thread if it sleeps: at most one non-blocking system call. Call it after publishing.
    #[inline]
    pub(crate) fn wake_if_asleep(&self) {
        if self.sleeper.must_be_woken() {
            self.wake();
        }
    }

    /// Network thread: from now on pushes wake it. It must look at the queues once more after this.
    pub(super) fn fall_asleep(&self) {
        self.sleeper.fall_asleep();
    }

    /// Network thread: it is awake.
    pub(super) fn awake(&self) {
        self.sleeper.awake();
    }

    fn submit(&self, command: Command) {
        self.commands.push(command);
        self.wake();
    }

    /// A resolver's answer.
    pub(super) fn resolved(&self, port: u64, resolution: Resolution) {
        self.submit(Command::Resolved { port, resolution });
    }

    /// One more port, unless the thread is ending.
    fn join_in(&self) -> bool {
        let more = |users| (users != ENDING).then_some(users + 1);
        let joined = self.users.try_update(Ordering::AcqRel, Ordering::Acquire, more).is_ok();
        if joined {
            self.life.signal();
        }
        joined
    }

    /// Network thread: may it end? After true, no port can be added.
    pub(super) fn may_end(&self) -> bool {
        self.users
            .compare_exchange(0, ENDING, Ordering::AcqRel, Ordering::Acquire)
            .is_ok()
    }

    /// Network thread: whether no port is left.
    pub(super) fn is_unused(&self) -> bool {
        self.users.load(Ordering::Acquire) == 0
    }

    fn tell_over(&self) {
        self.over.store(true, Ordering::Release);
        self.life.signal();
    }
}

struct Running {
    waker: Arc<Waker>,
    thread: JoinHandle<()>,
}

/// Locked by control threads alone, when ports are made and when the last is closed.
static RUNNING: Mutex<Option<Running>> = Mutex::new(None);

/// A port's hold on the network thread. It must be given back with `leave`, or it holds for ever.
pub(crate) struct Network {
    waker: Arc<Waker>,
}

impl Network {
    /// Takes hold of the network thread, starting it where there is none.
    pub(super) fn enter() -> Result<Self, Code> {
        let mut running = RUNNING.lock();
        if let Some(there) = &*running
            && there.waker.join_in()
        {
            return Ok(Self {
                waker: Arc::clone(&there.waker),
            });
        }
        if let Some(ending) = running.take() {
            // It waits for nothing any more.
            let _ = ending.thread.join();
        }
        let waker = Arc::new(Waker {
            poller: Poller::new().map_err(|error| Code::of(&error))?,
            commands: SegQueue::new(),
            sleeper: Sleeper::default(),
            lateness: Lateness::default(),
            users: AtomicU32::new(1),
            over: AtomicBool::new(false),
            life: Event::default(),
        });
        let mut reactor = Reactor::new(Arc::clone(&waker));
        let thread = std::thread::Builder::new().name("midisock".into()).spawn(move || {
            crate::sys::prepare_network_thread();
            reactor.run();
            let waker = reactor.into_waker();
            waker.tell_over();
        });
        let thread = thread.map_err(|_| Code::NoResources)?;
        *running = Some(Running {
            waker: Arc::clone(&waker),
            thread,
        });
        Ok(Self { waker })
    }

    /// The same hold, not one more: for the port that will give it back.
    pub(super) fn another(&self) -> Self {
        Self {
            waker: Arc::clone(&self.waker),
        }
    }

    /// The network thread's own way to a hold for a port it makes: there is a server, so the thread is not ending.
    pub(super) fn enter_from_inside(waker: &Arc<Waker>) -> Option<Self> {
        waker.join_in().then(|| Self {
            waker: Arc::clone(waker),
        })
    }

    /// Undoes `enter_from_inside` for a port that could not be made.
    pub(super) fn leave_from_inside(waker: &Waker) {
        waker.users.fetch_sub(1, Ordering::AcqRel);
    }

    pub(crate) fn waker(&self) -> Arc<Waker> {
        Arc::clone(&self.waker)
    }

    pub(super) fn submit(&self, command: Command) {
        self.waker.submit(command);
    }

    /// Starts the orderly end of a port.
    pub(crate) fn shut_down(&self, shared: &Shared) {
        self.submit(Command::ShutDown { port: shared.id });
    }

    /// Has the network thread let go of a port's handle: when this returns its address is free.
    pub(crate) fn close(&self, shared: &Shared) {
        let done = Arc::new(Done::default());
        self.submit(Command::Close {
            port: shared.id,
            done: Reply(Arc::clone(&done)),
        });
        done.wait();
    }

    /// Has the network thread tell how far a port's out queue is with the system.
    pub(crate) fn ask_for_progress(&self, shared: &Shared) {
        self.submit(Command::TellProgress { port: shared.id });
    }

    /// Ends a client's connection; false when there was none with that id any more.
    pub(crate) fn disconnect(&self, shared: &Shared, client: u32) -> bool {
        let done = Arc::new(Done::default());
        self.submit(Command::Disconnect {
            port: shared.id,
            client,
            done: Reply(Arc::clone(&done)),
        });
        done.wait()
    }

    /// Gives the hold back. The last one waits until the network thread has written what it may still write, and
    /// joins it.
    pub(crate) fn leave(self) {
        let waker = &self.waker;
        if waker.users.fetch_sub(1, Ordering::AcqRel) != 1 {
            return;
        }
        waker.wake();
        waker.life.wait_for(None, || {
            let users = waker.users.load(Ordering::Acquire);
            let revived = users != 0 && users != ENDING;
            (waker.over.load(Ordering::Acquire) || revived).then_some(())
        });
        if !waker.over.load(Ordering::Acquire) {
            return;
        }
        let mut running = RUNNING.lock();
        if running
            .as_ref()
            .is_some_and(|running| Arc::ptr_eq(&running.waker, waker))
            && let Some(ended) = running.take()
        {
            let _ = ended.thread.join();
        }
    }
}
