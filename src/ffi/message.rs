//! `midisock_message`: pushing and popping.

use super::result::midisock_result;
use super::{contain, midisock_port, usable, with_port};
use crate::port::Port;
use crate::realtime::pop::Popped;
use crate::sys::code::Code;

/// flags on pop: made by the library, not sent by the peer.
pub const MIDISOCK_SYNTHETIC: u32 = 1;
/// flags on pop, with SYNTHETIC: another client of this merged server still holds this note or pedal. Who ignores
/// `client` should ignore the message.
pub const MIDISOCK_STILL_HELD: u32 = 2;

/// One message, as it is pushed or popped. Frozen: it will not grow.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct midisock_message {
    /// pop: when it arrived. push: when to send it, at most 10 s ahead; 0 or the past: now. See midisock_now_ns.
    pub time_ns: u64,
    /// One whole MIDI 1.0 message, status byte first. On pop it points into the port's queue, is contiguous whatever
    /// the size, and stays valid until the next pop, pop_block or skip on that port, or its close.
    pub data: *const u8,
    /// Bytes of data.
    pub size: u32,
    /// pop: the id of the client it came from, 0 on all but merged servers. push: 0 for all, or one client's id.
    pub client: u32,
    /// Set by midisock_pop_block: the offset into the block, in frames. Otherwise 0.
    pub frame: u32,
    /// pop: MIDISOCK_SYNTHETIC, MIDISOCK_STILL_HELD. Ignored on push.
    pub flags: u32,
    /// Zero.
    pub reserved: [u32; 2],
}

impl midisock_message {
    #[inline(always)]
    pub(super) fn of(popped: &Popped) -> Self {
        Self {
            time_ns: popped.time_ns,
            data: popped.data.as_ptr().cast(),
            size: popped.data.len() as u32,
            client: popped.client,
            frame: popped.frame,
            flags: popped.flags,
            reserved: [0; 2],
        }
    }
}

/// Sends one whole message (with its status byte; no running status) to the peer, or to every client: now, whole or
/// not at all. The bytes are copied.
///
/// A message that is answered with OFFLINE need not be pushed again, nor one that a repairing port
/// (midisock_config.overflow) refuses with FULL: it is counted in dropped_out, and its channel state follows when there is
/// a peer, or room. A waiting port does not keep what it refuses with FULL.
///
/// Realtime (with MIDISOCK_WAKE_SIGNAL: at most one non-blocking system call, only when the network thread sleeps);
/// one pushing thread at a time. MIDISOCK_OFFLINE without a peer. Errors: INVALID_ARGUMENT, INVALID_MESSAGE,
/// TOO_LARGE, FULL, CLOSED, WRONG_ROLE, BUSY (debug builds), INTERNAL.
///
/// cbindgen:postfix=MIDISOCK_REALTIME
///
/// # Safety
/// `port` is a live port, `data` points to `size` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn midisock_push(port: *mut midisock_port, data: *const u8, size: usize) -> midisock_result {
    // SAFETY: NULL or a live port, by this function's contract.
    let Some(port) = (unsafe { midisock_port::get(port) }) else {
        return Code::InvalidArgument as i32;
    };
    // SAFETY: `data` is NULL or points to `size` bytes, by this function's contract.
    let result = unsafe { push_quickly::<false>(port, 0, 0, data, size) };
    if result != OTHERWISE {
        return result;
    }
    // SAFETY: as above.
    unsafe { push_bytes(port, data, size) }
}

/// Sends one whole message to one client or to all, now or at a time up to 10 s ahead. Messages are sent in order of
/// time, then of pushing; one for now counts with the time of its push. A Note Off never overtakes its Note On: where its
/// note does not sound, it waits for the next scheduled Note On that has no Note Off yet. What is due together leaves in
/// one write.
/// How much may be scheduled is bounded by out_queue_bytes, each message counting 24 bytes more than its own (FULL
/// beyond). Of what is scheduled when the port is closed, what ends something at the peer is sent then (see midisock_cancel,
/// which forgets the rest before).
///
/// Realtime (as midisock_push); one pushing thread at a time. MIDISOCK_OFFLINE without a peer. Errors: as
/// midisock_push, INVALID_ARGUMENT also for a time more than 10 s ahead, NO_SUCH_CLIENT.
///
/// cbindgen:postfix=MIDISOCK_REALTIME
///
/// # Safety
/// `port` is a live port, `message` points to a message whose `data` points to `size` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn midisock_push_message(
    port: *mut midisock_port,
    message: *const midisock_message,
) -> midisock_result {
    if !usable(message) {
        return Code::InvalidArgument as i32;
    }
    // SAFETY: NULL or a live port, by this function's contract.
    let Some(port) = (unsafe { midisock_port::get(port) }) else {
        return Code::InvalidArgument as i32;
    };
    // SAFETY: not NULL and aligned, a message by this function's contract.
    let m = unsafe { &*message };
    // SAFETY: `data` is NULL or points to `size` bytes, by this function's contract.
    let result = unsafe { push_quickly::<true>(port, m.time_ns, m.client, m.data, m.size as usize) };
    if result != OTHERWISE {
        return result;
    }
    // SAFETY: as above.
    unsafe { push_message(port, m) }
}

/// In place of a result: it is for the next function to do.
const OTHERWISE: midisock_result = midisock_result::MAX;

/// The result of a quick way that has done it or not.
#[inline(always)]
fn quickly(way: impl FnOnce() -> bool) -> midisock_result {
    contain(
        Code::Internal as i32,
        || if way() { Code::Ok as i32 } else { OTHERWISE },
    )
}

/// Pushes what nearly every message is, see `push_usual`; OTHERWISE: it is for one of the next two. They stand apart, so
/// that what this does needs no stack. `WITH_MORE` tells the two callers apart, so that each has a copy of its own of
/// what would else be called.
///
/// # Safety
/// `data` is NULL or points to `size` bytes.
#[inline(always)]
unsafe fn push_quickly<const WITH_MORE: bool>(
    port: &Port,
    time: u64,
    client: u32,
    data: *const u8,
    size: usize,
) -> midisock_result {
    if size != 3 || data.is_null() {
        return OTHERWISE;
    }
    quickly(|| {
        // SAFETY: `data` points to three bytes, by this function's contract; and the API gives the pushing side to one thread at a time (see the module's overview).
        unsafe { port.push_usual(time, client, &*data.cast()) }
    })
}

/// # Safety
/// As `push_whole`.
#[inline(never)]
pub(super) unsafe fn push_bytes(port: &Port, data: *const u8, size: usize) -> midisock_result {
    // SAFETY: this function's contract is `push_whole`'s.
    unsafe { push_whole(port, 0, 0, data, size) }
}

/// # Safety
/// `data` of the message is NULL or points to `size` bytes.
#[inline(never)]
unsafe fn push_message(port: &Port, m: &midisock_message) -> midisock_result {
    // SAFETY: this function's contract is `push_whole`'s.
    unsafe { push_whole(port, m.time_ns, m.client, m.data, m.size as usize) }
}

/// The longest message of any port, and more: see the `max_message_bytes` of each.
const MOST_BYTES: usize = 1 << 28;

/// # Safety
/// `data` is NULL or points to `size` bytes.
#[inline(always)]
unsafe fn push_whole(port: &Port, time: u64, client: u32, data: *const u8, size: usize) -> midisock_result {
    if data.is_null() {
        return Code::InvalidArgument as i32;
    }
    contain(Code::Internal, || {
        // Before anything is read: a size beyond what any port takes is not worth believing.
        if size > MOST_BYTES {
            return port.reject_large();
        }
        // SAFETY: `data` points to `size` bytes, by this function's contract, and `size` is far below isize::MAX; and the
        // API gives the pushing side to one thread at a time (see the module's overview).
        unsafe { port.push(time, client, std::slice::from_raw_parts(data, size)) }
    }) as i32
}

/// Forgets what is scheduled: what was pushed with a time ahead, by midisock_push_message or midisock_push_frame, and
/// has not been sent. What ends something at the peer is not forgotten, and is sent at its time: Note Offs of notes that
/// sound there, the end of a pedal, pressure to 0 and bend to the centre where they are not, All Sound Off, All Notes Off
/// and the modes that imply it where a note sounds, Reset All Controllers where it has something to reset, Stop where a
/// sequencer runs. Programs, controllers and the like that are forgotten do not come back: a caller that goes on afterwards
/// pushes them again. Messages that push refused with FULL count alike: those for now are sent, those with a time ahead
/// are forgotten or keep their time. Messages that were pushed for now are sent.
///
/// Realtime (as midisock_push), and there is always room for it; the pushing thread. On a pair nothing happens: what is
/// pushed into one is there at once. Errors: INVALID_ARGUMENT, CLOSED, WRONG_ROLE (a manual server), BUSY (debug
/// builds), INTERNAL.
///
/// cbindgen:postfix=MIDISOCK_REALTIME
///
/// # Safety
/// `port` is a live port.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn midisock_cancel(port: *mut midisock_port) -> midisock_result {
    // SAFETY: `port` is NULL or a live port, by this function's contract; and the API gives the pushing side to one thread
    // at a time (see the module's overview).
    unsafe { with_port(port, |port| port.cancel()) }
}

/// Takes the next message, in order of arrival.
///
/// Realtime; one popping thread at a time. MIDISOCK_EMPTY when there is none. Errors: INVALID_ARGUMENT, CLOSED (the
/// port is closed and nothing is left), WRONG_ROLE (a manual server), BUSY (debug builds), INTERNAL.
///
/// cbindgen:postfix=MIDISOCK_REALTIME
///
/// # Safety
/// `port` is a live port, `out` writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn midisock_pop(port: *mut midisock_port, out: *mut midisock_message) -> midisock_result {
    if !usable(out) {
        return Code::InvalidArgument as i32;
    }
    // SAFETY: NULL or a live port, by this function's contract.
    let Some(port) = (unsafe { midisock_port::get(port) }) else {
        return Code::InvalidArgument as i32;
    };
    // SAFETY: checked above as far as can be, and writable by this function's contract.
    let give = |popped: Popped| unsafe { out.write(midisock_message::of(&popped)) };
    // SAFETY: the API gives the popping side to one thread at a time (see the module's overview).
    let result = quickly(|| unsafe { port.pop_short(give) });
    if result != OTHERWISE {
        return result;
    }
    // SAFETY: as above.
    unsafe { pop_otherwise(port, out) }
}

/// What `midisock_pop` does not do itself. Apart, so that what it does needs no stack.
///
/// # Safety
/// `out` is writable.
#[inline(never)]
unsafe fn pop_otherwise(port: &Port, out: *mut midisock_message) -> midisock_result {
    // SAFETY: the API gives the popping side to one thread at a time (see the module's overview).
    contain(Code::Internal, || match unsafe { port.pop() } {
        Ok(popped) => {
            // SAFETY: by this function's contract.
            unsafe { out.write(midisock_message::of(&popped)) };
            Code::Ok
        }
        Err(code) => code,
    }) as i32
}

/// Throws away what waits to be popped, for a program that comes back after a pause and does not want to hear what is
/// old. What follows first, marked MIDISOCK_SYNTHETIC, is the difference in channel state: Note Offs of what was
/// released meanwhile, controllers, programs, bends and the like where they stand now; no note is struck late.
///
/// Realtime; the popping thread. The next pops look through what was thrown away, once for each client it came from: a
/// thousand messages in a call at most, so that after a long pause the first of them may say MIDISOCK_EMPTY, as often as
/// it takes, before the difference comes. Errors: INVALID_ARGUMENT, CLOSED, WRONG_ROLE, BUSY (debug builds), INTERNAL.
///
/// cbindgen:postfix=MIDISOCK_REALTIME
///
/// # Safety
/// `port` is a live port.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn midisock_skip(port: *mut midisock_port) -> midisock_result {
    // SAFETY: `port` is NULL or a live port, by this function's contract; and the API gives the popping side to one thread
    // at a time (see the module's overview).
    unsafe { with_port(port, |port| port.skip()) }
}

/// Silence, now: drops what waits to be sent (a message partly written is finished) and sends All Sound Off
/// (CC 120, value 0) on 16 channels, to every peer.
///
/// Any thread, realtime (as midisock_push), never full. MIDISOCK_OFFLINE without a peer. Errors: INVALID_ARGUMENT,
/// CLOSED, WRONG_ROLE (a manual server), INTERNAL.
///
/// cbindgen:postfix=MIDISOCK_REALTIME
///
/// # Safety
/// `port` is a live port.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn midisock_panic(port: *mut midisock_port) -> midisock_result {
    // SAFETY: `port` is NULL or a live port, by this function's contract.
    unsafe { with_port(port, |port| port.panic()) }
}

/// Sends All Notes Off (CC 123, value 0) and Reset All Controllers (CC 121, value 0) on each of 16 channels, to every
/// peer, after what was pushed before.
///
/// Any thread, realtime (as midisock_push), never full. MIDISOCK_OFFLINE without a peer. Errors: INVALID_ARGUMENT,
/// CLOSED, WRONG_ROLE (a manual server), INTERNAL.
///
/// cbindgen:postfix=MIDISOCK_REALTIME
///
/// # Safety
/// `port` is a live port.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn midisock_reset(port: *mut midisock_port) -> midisock_result {
    // SAFETY: `port` is NULL or a live port, by this function's contract.
    unsafe { with_port(port, |port| port.reset()) }
}
