//! The network thread's life: started by the first port, joined by the last; and how others reach it.

use super::AcceptQueue;
use super::bind::Bound;
use super::life::Life;
use super::reactor::Reactor;
use super::reply::{Done, Reply};
use super::resolver::Resolution;
use crate::realtime::endpoint::NetworkHalf;
use crate::realtime::shared::Shared;
use crate::realtime::waker::Waker;
use crate::sys::code::Code;
use crossbeam_queue::SegQueue;
use parking_lot::Mutex;
use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

/// What a new port is to do.
pub(crate) enum Task {
    Serve {
        addresses: Vec<SocketAddr>,
        listeners: Option<Bound>,
        accepted: Option<Arc<AcceptQueue>>,
    },
    Connect {
        host: String,
        port: u16,
    },
}

/// What others ask of the network thread.
pub(super) enum Command {
    Add(Box<NetworkHalf>, Task),
    ShutDown {
        port: u64,
    },
    Close {
        port: u64,
        done: Reply,
    },
    Disconnect {
        port: u64,
        client: u32,
        done: Reply,
    },
    /// The realtime priority that a port asks for from now on.
    Prioritize {
        port: u64,
        priority: u32,
    },
    /// The reply is told when it is reckoned.
    TellProgress {
        port: u64,
        done: Option<Reply>,
    },
    Resolved {
        port: u64,
        resolution: Resolution,
    },
}

/// How to reach the network thread.
pub(crate) struct Control {
    pub(super) waker: Arc<Waker>,
    pub(super) commands: SegQueue<Command>,
    pub(super) life: Life,
}

impl Control {
    /// Wakes the network thread: one system call.
    pub(crate) fn wake(&self) {
        self.waker.wake();
    }

    fn submit(&self, command: Command) {
        self.commands.push(command);
        self.wake();
    }

    /// A resolver's answer.
    pub(super) fn resolved(&self, port: u64, resolution: Resolution) {
        self.submit(Command::Resolved { port, resolution });
    }
}

struct Running {
    control: Arc<Control>,
    thread: JoinHandle<()>,
}

/// Locked by control threads alone, when ports are made and when the last is closed.
static RUNNING: Mutex<Option<Running>> = Mutex::new(None);

/// A port's hold on the network thread. It must be given back with `leave`, or it holds for ever.
pub(crate) struct Network {
    control: Arc<Control>,
}

impl Network {
    /// Takes hold of the network thread, starting it where there is none.
    pub(super) fn enter() -> Result<Self, Code> {
        let mut running = RUNNING.lock();
        if let Some(there) = &*running
            && there.control.life.join()
        {
            return Ok(Self {
                control: Arc::clone(&there.control),
            });
        }
        if let Some(ending) = running.take() {
            // It waits for nothing any more.
            let _ = ending.thread.join();
        }
        let control = Arc::new(Control {
            waker: Arc::new(Waker::new().map_err(|error| Code::of(&error))?),
            commands: SegQueue::new(),
            life: Life::with_one_user(),
        });
        let mut reactor = Reactor::new(Arc::clone(&control));
        let thread = std::thread::Builder::new().name("midisock".into()).spawn(move || {
            crate::sys::prepare_network_thread();
            reactor.run();
            let control = reactor.into_control();
            control.life.tell_over();
        });
        let thread = thread.map_err(|_| Code::NoResources)?;
        *running = Some(Running {
            control: Arc::clone(&control),
            thread,
        });
        Ok(Self { control })
    }

    /// The network thread's own way to a hold for a port it makes: there is a server, so the thread is not ending.
    pub(super) fn enter_from_inside(control: &Arc<Control>) -> Option<Self> {
        control.life.join().then(|| Self {
            control: Arc::clone(control),
        })
    }

    /// Undoes `enter_from_inside` for a port that could not be made.
    pub(super) fn leave_from_inside(control: &Control) {
        control.life.leave();
    }

    pub(crate) fn waker(&self) -> Arc<Waker> {
        Arc::clone(&self.control.waker)
    }

    pub(super) fn submit(&self, command: Command) {
        self.control.submit(command);
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
            done: Reply::to(&done),
        });
        done.wait();
    }

    /// Has the network thread tell how far a port's out queue is with the system.
    pub(crate) fn ask_for_progress(&self, shared: &Shared) {
        self.submit(Command::TellProgress {
            port: shared.id,
            done: None,
        });
    }

    /// The same, and waits until it has been told: at once, for the network thread waits for nobody.
    pub(crate) fn learn_progress(&self, shared: &Shared) {
        let done = Arc::new(Done::default());
        self.submit(Command::TellProgress {
            port: shared.id,
            done: Some(Reply::to(&done)),
        });
        done.wait();
    }

    /// Ends a client's connection; false when there was none with that id any more.
    pub(crate) fn disconnect(&self, shared: &Shared, client: u32) -> bool {
        let done = Arc::new(Done::default());
        self.submit(Command::Disconnect {
            port: shared.id,
            client,
            done: Reply::to(&done),
        });
        done.wait()
    }

    /// Another realtime priority than the port was made with.
    pub(crate) fn prioritize(&self, shared: &Shared, priority: u32) {
        self.submit(Command::Prioritize {
            port: shared.id,
            priority,
        });
    }

    /// Gives the hold back. The last one waits until the network thread has written what it may still write, and
    /// joins it; and for look-ups that are under way, for so long at most.
    pub(crate) fn leave(self, patience: Duration) {
        let control = &self.control;
        if !control.life.leave() {
            return;
        }
        control.wake();
        if !control.life.wait_over() {
            return;
        }
        let mut running = RUNNING.lock();
        if running
            .as_ref()
            .is_some_and(|running| Arc::ptr_eq(&running.control, control))
            && let Some(ended) = running.take()
        {
            let _ = ended.thread.join();
        }
        drop(running);
        super::resolver::wait_for_all(patience);
    }
}
