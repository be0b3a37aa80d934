//! Names to addresses, on a thread of their own: a look-up may hang for a minute, and nobody must wait for it.

use super::thread::Waker;
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::{Weak, mpsc};
use std::time::Duration;

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

fn spawn(work: impl FnOnce() + Send + 'static) -> bool {
    crate::sys::stay_loaded(); // nobody joins this thread
    let thread = std::thread::Builder::new()
        .name("midisock-dns".into())
        .stack_size(256 * 1024);
    thread
        .spawn(move || {
            crate::sys::prepare_network_thread();
            work();
        })
        .is_ok()
}

/// Looks a name up and tells the network thread, if that is still there. False when no thread could be had.
pub(super) fn resolve(host: String, port: u16, owner: u64, waker: Weak<Waker>) -> bool {
    spawn(move || {
        let resolution = look_up(&host, port);
        if let Some(waker) = waker.upgrade() {
            waker.resolved(owner, resolution);
        }
    })
}

/// Looks a name up for a control thread, which waits for so long at most.
pub(super) fn resolve_and_wait(host: &str, port: u16, patience: Duration) -> Resolution {
    let (sender, receiver) = mpsc::channel();
    let host = host.to_owned();
    if !spawn(move || drop(sender.send(look_up(&host, port)))) {
        return Resolution::new();
    }
    receiver.recv_timeout(patience).unwrap_or_default()
}
