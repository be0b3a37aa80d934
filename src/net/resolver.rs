//! Names to addresses. Each look-up has a thread of its own, because it may hang for a minute and must hold nobody up.
//! The last close of a port waits for the threads that do not hang, so that none is left behind.

use crate::sys::address::Address;
use crate::sys::code::{Code, Failure};
use parking_lot::{Condvar, Mutex};
use std::net::ToSocketAddrs;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// The outcome of a look-up: at least one address, or why there is none.
pub(crate) type Resolution = Result<Vec<Address>, Failure>;

const STACK_BYTES: usize = 256 * 1024;

fn look_up(host: &str, port: u16) -> Resolution {
    match (host, port).to_socket_addrs() {
        Ok(found) => {
            let mut addresses: Vec<_> = found.map(Address::from).collect();
            let mut seen = std::collections::HashSet::new();
            addresses.retain(|address| seen.insert(*address));
            if addresses.is_empty() {
                Err(Failure::new(Code::Address))
            } else {
                Ok(addresses)
            }
        }
        Err(error) => Err(reason(&error)),
    }
}

/// Why a look-up failed. Most of its errors have no number, and mean that there is no such name.
fn reason(error: &std::io::Error) -> Failure {
    let failure = Failure::from(error);
    match failure.code {
        Code::NoResources | Code::Permission => failure,
        _ => Failure {
            code: Code::Address,
            ..failure
        },
    }
}

/// The thread of a look-up, and whether it has ended.
struct LookUp {
    ended: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

/// The threads that have not been joined. Control threads lock it, and each look-up's thread when it ends.
static LOOK_UPS: Mutex<Vec<LookUp>> = Mutex::new(Vec::new());
/// One of them has ended.
static ONE_ENDED: Condvar = Condvar::new();

/// Reports the end of a look-up, after a panic too.
struct End(Arc<AtomicBool>);

impl Drop for End {
    fn drop(&mut self) {
        let _look_ups = LOOK_UPS.lock();
        self.0.store(true, Ordering::Release);
        ONE_ENDED.notify_all();
    }
}

/// Starts a thread. None where there is none to be had; otherwise a flag that tells when it has ended.
fn spawn(work: impl FnOnce() + Send + 'static) -> Option<Arc<AtomicBool>> {
    // A thread that hangs is never joined.
    crate::sys::stay_loaded();
    let ended = Arc::new(AtomicBool::new(false));
    let end = End(Arc::clone(&ended));
    let thread = crate::sys::spawn("midisock-dns", Some(STACK_BYTES), move || {
        let _end = end;
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

/// Joins the threads that have ended, which takes no longer than a thread takes to go.
fn join_ended(look_ups: &mut Vec<LookUp>) {
    let mut index = 0;
    while index < look_ups.len() {
        if look_ups[index].ended.load(Ordering::Acquire) {
            let _ = look_ups.swap_remove(index).thread.join();
        } else {
            index += 1;
        }
    }
}

/// Waits until no look-up is under way, but no longer than `patience`: one that hangs ends by itself some day.
pub(crate) fn wait_for_all(patience: Duration) {
    let until = Instant::now() + patience;
    let mut look_ups = LOOK_UPS.lock();
    loop {
        join_ended(&mut look_ups);
        if look_ups.is_empty() {
            return;
        }
        if ONE_ENDED.wait_until(&mut look_ups, until).timed_out() {
            // The threads that hang are never joined.
            return look_ups.clear();
        }
    }
}

/// Looks a name up, and calls `done` on the thread of the look-up. False where no thread could be had; then `done` is
/// not called.
pub(crate) fn resolve(host: String, port: u16, done: impl FnOnce(Resolution) + Send + 'static) -> bool {
    spawn(move || done(look_up(&host, port))).is_some()
}

/// Looks a name up for a control thread, which waits no longer than `patience`.
pub(crate) fn resolve_and_wait(host: &str, port: u16, patience: Duration) -> Resolution {
    let (sender, receiver) = mpsc::channel();
    let host = host.to_owned();
    let Some(ended) = spawn(move || drop(sender.send(look_up(&host, port)))) else {
        return Err(Failure::new(Code::NoResources));
    };
    let Ok(resolution) = receiver.recv_timeout(patience) else {
        return Err(Failure::new(Code::Address));
    };
    // The thread has nothing more to do, and there may be no port whose close would wait for it.
    let mut look_ups = LOOK_UPS.lock();
    while !ended.load(Ordering::Acquire) {
        ONE_ENDED.wait(&mut look_ups);
    }
    join_ended(&mut look_ups);
    resolution
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_cannot_exist_has_no_address() {
        // No server is asked for it.
        let failure = resolve_and_wait("no\0name", 9, Duration::from_secs(20)).unwrap_err();
        assert_eq!(failure.code, Code::Address);
    }

    #[cfg(unix)]
    #[test]
    fn a_look_up_without_descriptors_is_out_of_resources() {
        let error = std::io::Error::from_raw_os_error(libc::EMFILE);
        assert_eq!(
            reason(&error),
            Failure {
                code: Code::NoResources,
                os_error: libc::EMFILE
            }
        );
        assert_eq!(
            reason(&std::io::Error::other("no such name")),
            Failure::new(Code::Address)
        );
    }
}
