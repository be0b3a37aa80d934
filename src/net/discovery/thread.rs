//! The discovery thread: one for all that advertise or browse in this process. Its first user starts it, and its last one
//! joins it.

use super::engine::Engine;
use super::links::{LinkChange, Links};
use super::list::{List, Services};
use super::service::Wanted;
use super::traffic::{Random, SECOND};
use crate::net::life::Life;
use crate::sys;
use crate::sys::clock::now_ns;
use crate::sys::code::Code;
use crate::sys::poller::{Events, Poller};
use crossbeam_queue::SegQueue;
use parking_lot::Mutex;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

/// How often the interfaces are looked at.
const REFRESH: u64 = 2 * SECOND;
/// After an error in sending they are looked at sooner.
const REFRESH_AFTER_ERROR: u64 = SECOND / 4;
/// Commands carried out in one turn.
const MOST_COMMANDS: usize = 64;

/// Asked of the thread.
pub(super) enum Command {
    Advertise(u64, Wanted),
    Rename(u64, String),
    Withdraw(u64),
    StartBrowsing,
    StopBrowsing,
}

/// The way to reach the thread.
pub(super) struct Control {
    poller: Poller,
    commands: SegQueue<Command>,
    life: Life,
    pub(super) services: Services,
}

impl Control {
    pub(super) fn submit(&self, command: Command) {
        self.commands.push(command);
        self.poller.notify();
    }
}

struct Running {
    control: Arc<Control>,
    thread: JoinHandle<()>,
}

/// Locked by control threads alone, when users come and when the last one goes.
static RUNNING: Mutex<Option<Running>> = Mutex::new(None);

/// Numbers for services; none is used twice.
static NEXT_ID: AtomicU64 = AtomicU64::new(1);

pub(super) fn next_id() -> u64 {
    NEXT_ID.fetch_add(1, Ordering::Relaxed)
}

/// A user of the thread. Dropping the last one waits until the thread has said goodbye, and joins it.
pub(crate) struct Hold {
    control: Arc<Control>,
}

impl Hold {
    pub(super) fn enter() -> Result<Self, Code> {
        let mut running = RUNNING.lock();
        if let Some(there) = running.as_ref().filter(|there| there.control.life.join()) {
            let control = Arc::clone(&there.control);
            return Ok(Self { control });
        }
        if let Some(ending) = running.take() {
            // It waits for nothing any more.
            let _ = ending.thread.join();
        }
        let control = Arc::new(Control {
            poller: Poller::new().map_err(|error| Code::of(&error))?,
            commands: SegQueue::new(),
            life: Life::with_one_user(),
            services: Services::default(),
        });
        let runs = Arc::clone(&control);
        let thread = sys::spawn("midisock-dnssd", None, move || run(&runs)).map_err(|_| Code::NoResources)?;
        *running = Some(Running {
            control: Arc::clone(&control),
            thread,
        });
        Ok(Self { control })
    }

    pub(super) fn control(&self) -> &Arc<Control> {
        &self.control
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        let control = &self.control;
        if !control.life.leave() {
            return;
        }
        control.poller.notify();
        if !control.life.wait_over() {
            return;
        }
        let mut running = RUNNING.lock();
        if let Some(ended) = running.take_if(|running| Arc::ptr_eq(&running.control, control)) {
            let _ = ended.thread.join();
        }
    }
}

/// The thread's work.
fn run(control: &Control) {
    loop {
        let mut work = Work::new(control);
        match catch_unwind(AssertUnwindSafe(|| work.run())) {
            Ok(()) => break,
            // A defect: all that it knew is lost, but the host goes on.
            Err(payload) => {
                std::mem::forget(payload);
                work.links.close(&control.poller);
            }
        }
    }
    control.life.tell_over();
}

struct Work<'a> {
    control: &'a Control,
    engine: Engine,
    links: Links,
    refresh_at: u64,
    /// Handles that browse.
    browsers: u32,
}

impl<'a> Work<'a> {
    fn new(control: &'a Control) -> Self {
        Self {
            control,
            engine: Engine::new(sys::host_name(), Random::of_system()),
            links: Links::new(),
            refresh_at: 0,
            browsers: 0,
        }
    }

    /// Runs until no user is left.
    fn run(&mut self) {
        let mut events = Events::new();
        loop {
            let now = now_ns();
            self.refresh(now);
            self.obey(now);
            self.engine.handle_timeout(now);
            self.send(now);
            if let Some(list) = self.engine.poll_list() {
                self.control.services.set(list);
            }
            let control = self.control;
            if control.life.is_unused() && control.commands.is_empty() && control.life.may_end() {
                return self.end();
            }
            self.wait(&mut events);
            self.receive(&events);
        }
    }

    fn wait(&self, events: &mut Events) {
        let next = self.engine.poll_timeout().unwrap_or(u64::MAX).min(self.refresh_at);
        let next = if self.control.commands.is_empty() { next } else { 0 };
        let pause = Duration::from_nanos(next.saturating_sub(now_ns()));
        if self.control.poller.wait(events, Some(pause)).is_err() {
            events.clear();
        }
    }

    fn receive(&mut self, events: &Events) {
        let now = now_ns();
        for event in events.iter() {
            self.links.receive(event.key, |link, from, bytes| {
                self.engine.handle_packet(link, from, bytes, now);
            });
        }
    }

    fn refresh(&mut self, now: u64) {
        if now < self.refresh_at {
            return;
        }
        self.refresh_at = now + REFRESH;
        for change in self.links.refresh(&self.control.poller) {
            match change {
                LinkChange::Set(link) => self.engine.set_link(link, now),
                LinkChange::Gone(index) => self.engine.remove_link(index),
            }
        }
    }

    fn obey(&mut self, now: u64) {
        for _ in 0..MOST_COMMANDS {
            let Some(command) = self.control.commands.pop() else {
                return;
            };
            match command {
                Command::Advertise(id, wanted) => self.engine.advertise(id, wanted, now),
                Command::Rename(id, name) => self.engine.rename(id, name, now),
                Command::Withdraw(id) => self.engine.withdraw(id),
                Command::StartBrowsing => {
                    self.browsers += 1;
                    if self.browsers == 1 {
                        self.engine.start_browsing(now);
                    }
                }
                Command::StopBrowsing => {
                    self.browsers = self.browsers.saturating_sub(1);
                    if self.browsers == 0 {
                        self.engine.stop_browsing();
                        self.control.services.set(List::new());
                    }
                }
            }
        }
    }

    fn send(&mut self, now: u64) {
        while let Some(transmit) = self.engine.poll_transmit() {
            if !self.links.send(&transmit) {
                self.refresh_at = self.refresh_at.min(now + REFRESH_AFTER_ERROR);
            }
        }
    }

    /// Nobody needs the thread any more.
    fn end(&mut self) {
        self.engine.withdraw_all();
        self.send(now_ns());
        self.links.close(&self.control.poller);
    }
}
