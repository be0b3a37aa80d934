//! A defect on demand: a panic in the next call, or in the network thread. Only in the build that the suite "panics"
//! makes (`--cfg midisock_defect`), to show that what the API promises of a panic is so; never in a library that is
//! shipped.

use std::sync::atomic::{AtomicU32, Ordering};

const IN_CALL: u32 = 1;
const IN_NETWORK_THREAD: u32 = 2;

static ARMED: AtomicU32 = AtomicU32::new(0);

/// Arms a defect: 1 in the next call, 2 in the next turn of the network thread.
#[unsafe(no_mangle)]
pub extern "C" fn midisock_defect(place: u32) {
    ARMED.store(place, Ordering::SeqCst);
}

fn strike(place: u32) {
    if ARMED
        .compare_exchange(place, 0, Ordering::SeqCst, Ordering::SeqCst)
        .is_ok()
    {
        panic!("a defect that was asked for");
    }
}

pub(crate) fn in_call() {
    strike(IN_CALL);
}

pub(crate) fn in_network_thread() {
    strike(IN_NETWORK_THREAD);
}
