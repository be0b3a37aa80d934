//! A port's hold on the context that it belongs to. The default one has the network thread of the process, which is
//! started by its first port and joined by its last.

use super::command::{Command, SharedAddress, SharingPort};
use super::context::{self, Context};
use super::control::Control;
use super::discovery::Advertisement;
use super::host::Entered;
use super::reactor::Reactor;
use super::reply::{Done, Reply};
use super::resolver;
use crate::realtime::config::Config;
use crate::realtime::endpoint::NetworkHalf;
use crate::realtime::shared::Shared;
use crate::realtime::waker::Waker;
use crate::session::allow::Allow;
use crate::session::name::Name;
use crate::session::options::Options;
use crate::sys;
use crate::sys::code::Code;
use parking_lot::{Mutex, MutexGuard};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

struct Running {
    control: Arc<Control>,
    thread: JoinHandle<()>,
}

/// Locked by control threads alone, when ports are made and when the last is closed.
static RUNNING: Mutex<Option<Running>> = Mutex::new(None);

/// A port's hold on what runs it. `leave` gives it back and waits; dropping it only gives it back.
pub(crate) struct Network {
    control: Arc<Control>,
    /// It has not been given back.
    holds: bool,
}

impl Network {
    /// Takes hold of a context, or of the default one.
    pub(super) fn enter(context: Option<&Context>) -> Result<Self, Code> {
        match context {
            // It is there until its last port has gone.
            Some(context) => Self::enter_from_inside(context.control()).ok_or(Code::InvalidArgument),
            None => Self::enter_default(),
        }
    }

    /// Takes hold of the network thread of the process, starting it where there is none.
    fn enter_default() -> Result<Self, Code> {
        let mut running = RUNNING.lock();
        if let Some(there) = running.as_ref().filter(|there| there.control.life.join()) {
            let control = Arc::clone(&there.control);
            return Ok(Self { control, holds: true });
        }
        if let Some(ending) = running.take() {
            // It waits for nothing any more.
            let _ = ending.thread.join();
        }
        let control = Arc::new(Control::of_default()?);
        let reactor = Reactor::new(Arc::clone(&control));
        let thread = sys::spawn("midisock", None, context::work(reactor)).map_err(|_| Code::NoResources)?;
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

    /// A port's configuration, as far as the context does not decide.
    pub(super) fn adjusted(&self, config: &Config) -> Config {
        self.control.adjusted(config)
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
    ///
    /// `may_run`: in HOST mode this thread may run the context. Otherwise the thread that does lets go of it next.
    pub(crate) fn close(&self, shared: &Shared, may_run: bool) {
        self.control.note_linger(shared.config.delivery.linger_ms);
        let port = shared.id;
        if may_run {
            self.ask(|done| Command::Close { port, done });
        } else {
            let done = Reply::to(&Arc::default());
            self.submit(Command::Close { port, done });
        }
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

    /// Changes the name that a port tells.
    pub(crate) fn set_name(&self, shared: &Shared, name: Name) {
        let port = shared.id;
        self.submit(Command::SetName { port, name });
    }

    /// Has a server share the address of a port of the context; false: there is none that shares it.
    pub(super) fn join(
        &self,
        half: NetworkHalf,
        options: Options,
        address: SharedAddress,
        advertisement: Option<Advertisement>,
    ) -> bool {
        self.ask(|done| {
            Command::Join(Box::new(SharingPort {
                half,
                options,
                address,
                advertisement,
                done,
            }))
        })
    }

    /// While it is held, no other server begins to share an address of the context.
    pub(super) fn begin_sharing(&self) -> MutexGuard<'_, ()> {
        self.control.sharing.lock()
    }

    fn ask(&self, command: impl FnOnce(Reply) -> Command) -> bool {
        let done = Arc::new(Done::default());
        self.submit(command(Reply::to(&done)));
        match self.control.host() {
            Some(host) => host.run_until(&self.control, None, || done.outcome()).unwrap_or(false),
            None => done.wait(),
        }
    }

    /// Begins a control call, of which there is one at a time in HOST mode.
    pub(crate) fn begin_call(&self) -> Result<Entered, Code> {
        Entered::new(&self.control)
    }

    /// Whether the caller runs the context.
    pub(crate) fn is_host(&self) -> bool {
        self.control.host().is_some()
    }

    /// Whether a port belongs to the default context.
    pub(crate) fn is_default(&self) -> bool {
        self.control.is_default()
    }

    pub(crate) fn is_same(&self, other: &Network) -> bool {
        Arc::ptr_eq(&self.control, &other.control)
    }

    /// HOST mode: runs the context until `ready` gives something, or for so long.
    pub(crate) fn run_until<T>(&self, timeout: Option<Duration>, ready: impl FnMut() -> Option<T>) -> Option<T> {
        self.control.host()?.run_until(&self.control, timeout, ready)
    }

    /// Another realtime priority than the port was made with. However often it is asked for, the network thread looks
    /// once a turn.
    pub(crate) fn prioritize(&self, shared: &Shared, priority: u32) {
        shared.control.priority.ask(priority);
        self.control.ask_priority();
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
        let ended = if is_this { running.take() } else { None };
        if let Some(ended) = ended {
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
