//! Names to addresses, on a thread of their own: a look-up may hang for a minute, and nobody must wait for it. Who closes
//! the last port waits for those that do not hang, so that no thread is left.

use super::thread::Control;
use parking_lot::{Condvar, Mutex};
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak, mpsc};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// What a look-up came to: addresses, or nothing.
pub(super) type Resolution = Vec<SocketAddr>;

fn look_up(host: &str, port: u16) -> Resolution {
    let mut addresses: Resolution = (host, port)
        .to_socket_addrs()
        .map(Iterator::collect)
        .unwrap_or_default();
    let mut seen = std::collections::HashSet::new();
    addresses.retain(|address| seen.insert(*address));
    addresses
}

/// A thread that looks something up, and whether it has come to its end.
struct LookUp {
    ended: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

/// Those that nobody has joined. Locked by control threads and by the threads themselves when they end.
static LOOK_UPS: Mutex<Vec<LookUp>> = Mutex::new(Vec::new());
/// One of them has come to its end.
static ONE_ENDED: Condvar = Condvar::new();

/// Tells that a look-up has come to its end, also by a panic.
struct End(Arc<AtomicBool>);

impl Drop for End {
    fn drop(&mut self) {
        let _look_ups = LOOK_UPS.lock();
        self.0.store(true, Ordering::Release);
        ONE_ENDED.notify_all();
    }
}

/// Starts a thread; None when none could be had, else what tells that it has come to its end.
fn spawn(work: impl FnOnce() + Send + 'static) -> Option<Arc<AtomicBool>> {
    crate::sys::stay_loaded(); // one that hangs is joined by nobody
    let ended = Arc::new(AtomicBool::new(false));
    let end = End(Arc::clone(&ended));
    let thread = std::thread::Builder::new()
        .name("midisock-dns".into())
        .stack_size(256 * 1024);
    let thread = thread.spawn(move || {
        let _end = end;
        crate::sys::prepare_network_thread();
        work();
    });
    let thread = thread.ok()?;
    let mut look_ups = LOOK_UPS.lock();
    join_ended(&mut look_ups);
    look_ups.push(LookUp {
        ended: Arc::clone(&ended),
        thread,
    });
    Some(ended)
}

/// Joins those that have come to their end: that takes no longer than a thread takes to go.
fn join_ended(look_ups: &mut Vec<LookUp>) {
    for look_up in look_ups.extract_if(.., |look_up| look_up.ended.load(Ordering::Acquire)) {
        let _ = look_up.thread.join();
    }
}

/// Waits until no look-up is under way, but no longer than this: one may hang, and ends by itself some day.
pub(super) fn wait_for_all(patience: Duration) {
    let until = Instant::now() + patience;
    let mut look_ups = LOOK_UPS.lock();
    loop {
        join_ended(&mut look_ups);
        if look_ups.is_empty() {
            return;
        }
        if ONE_ENDED.wait_until(&mut look_ups, until).timed_out() {
            // Let go of: nobody will join those that hang.
            return look_ups.clear();
        }
    }
}

/// Looks a name up and tells the network thread, if that is still there. False when no thread could be had.
pub(super) fn resolve(host: String, port: u16, owner: u64, waker: Weak<Control>) -> bool {
    spawn(move || {
        let resolution = look_up(&host, port);
        if let Some(waker) = waker.upgrade() {
            waker.resolved(owner, resolution);
        }
    })
    .is_some()
}

/// Looks a name up for a control thread, which waits for so long at most.
pub(super) fn resolve_and_wait(host: &str, port: u16, patience: Duration) -> Resolution {
    let (sender, receiver) = mpsc::channel();
    let host = host.to_owned();
    let Some(ended) = spawn(move || drop(sender.send(look_up(&host, port)))) else {
        return Resolution::new();
    };
    let Ok(resolution) = receiver.recv_timeout(patience) else {
        return Resolution::new();
    };
    // It has nothing more to do: there may be no port whose close would wait for it.
    let mut look_ups = LOOK_UPS.lock();
    while !ended.load(Ordering::Acquire) {
        ONE_ENDED.wait(&mut look_ups);
    }
    join_ended(&mut look_ups);
    resolution
}
