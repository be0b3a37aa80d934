//! `midisock_message`: pushing and popping.

use super::result::midisock_result;
use super::{contain, midisock_port, usable, with_port};
use crate::port::Port;
use crate::realtime::pop::Popped;
use crate::sys::code::Code;

/// @name Flags of a popped message
///
/// The library made the message. The peer did not send it.
pub const MIDISOCK_FLAG_SYNTHETIC: u32 = 1;
/// With SYNTHETIC: another client of this merged server still holds this note or pedal. A program that ignores `client`
/// should ignore the message.
pub const MIDISOCK_FLAG_STILL_HELD: u32 = 2;
/// `time_ns` is not when the message arrived but when the sender meant it, on this machine's clock. It may lie ahead.
/// See midisock_config.timing.
pub const MIDISOCK_FLAG_TIMED: u32 = 4;

/// A message as it is pushed or popped. Frozen: it will not grow.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct midisock_message {
    /// pop: when the message arrived, or with MIDISOCK_FLAG_TIMED when the sender meant it. push: when to send it, at
    /// most 10 s ahead; 0 or a time in the past means now. See midisock_now_ns.
    pub time_ns: u64,
    /// One whole MIDI 1.0 message, which begins with the status byte. On pop it points into the port's memory, is
    /// contiguous, and stays valid until the next pop, pop_block or skip on this port, or its close.
    pub data: *const u8,
    /// Bytes of data.
    pub size: u32,
    /// pop: the id of the client that sent it, or 0 if the port is not a merged server. push: 0 for all clients, or the
    /// id of one.
    pub client: u32,
    /// midisock_pop_block: the offset into the block, in frames. Otherwise 0. Ignored on push.
    pub frame: u32,
    /// pop: MIDISOCK_FLAG_SYNTHETIC, MIDISOCK_FLAG_STILL_HELD, MIDISOCK_FLAG_TIMED. Ignored on push.
    pub flags: u32,
    /// Zero.
    #[cfg(not(target_pointer_width = "32"))]
    pub reserved: [u32; 2],
    /// Zero. The last element fills the place of a 64-bit pointer.
    #[cfg(target_pointer_width = "32")]
    pub reserved: [u32; 3],
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
            reserved: Default::default(),
        }
    }
}

/// Sends one whole message now, to the peer or to all clients. The bytes begin with the status byte and are copied. The
/// message is queued whole or not at all.
///
/// A repairing port (midisock_config.overflow) counts a message that it refuses with FULL, and restores its channel
/// state later, so it need not be pushed again. With MIDISOCK_OVERFLOW_WAIT push it again when there is room. Without a
/// peer, every port counts the message in dropped_out. A connecting port applies it to the channel state that it
/// restores on the next connection. A merged server with midisock_config.greet applies it to the state that it sends to
/// new clients.
///
/// With MIDISOCK_WAKE_SIGNAL the call makes at most one non-blocking system call, and only while the network thread
/// sleeps.
///
/// Threads: the pushing thread.
/// Returns:
/// - MIDISOCK_OK: the message is queued. A message of a channel that the port does not have (midisock_set_channels)
///   is not queued, and counts in filtered only.
/// - MIDISOCK_OFFLINE: no peer is connected. The message is not queued.
/// - MIDISOCK_ERR_INVALID_ARGUMENT: `port` or `data` is NULL.
/// - MIDISOCK_ERR_INVALID_MESSAGE: the bytes are not exactly one whole message.
/// - MIDISOCK_ERR_TOO_LARGE: the message is longer than max_message_bytes.
/// - MIDISOCK_ERR_FULL: the queue has no room.
/// - MIDISOCK_ERR_CLOSED: the port is closed.
/// - MIDISOCK_ERR_WRONG_ROLE: the port is a manual server.
/// - MIDISOCK_ERR_BUSY: another thread pushes (debug builds).
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

/// Sends one whole message to one client or to all, now or at a time up to 10 s ahead.
///
/// Messages leave in order of time, then of pushing. A message for now counts with the time of its push. There is one
/// exception: a Note Off never overtakes its own Note On. If its note does not sound yet, it waits for the next
/// scheduled Note On of that note that has no Note Off.
///
/// Scheduled messages take up to out_queue_bytes, where each counts 24 bytes beside its own. When the port is closed,
/// those that end something at the peer are sent at once, and the others are dropped. See midisock_cancel.
///
/// The call treats refused messages as midisock_push does, and may make a system call like it.
///
/// Threads: the pushing thread.
/// Returns:
/// - MIDISOCK_OK: the message is queued. A message of a channel that the port does not have (midisock_set_channels)
///   is not queued, and counts in filtered only.
/// - MIDISOCK_OFFLINE: no peer is connected. The message is not queued.
/// - MIDISOCK_ERR_INVALID_ARGUMENT: `port`, `message` or its data is NULL, or its time is more than 10 s ahead.
/// - MIDISOCK_ERR_INVALID_MESSAGE: the bytes are not exactly one whole message.
/// - MIDISOCK_ERR_TOO_LARGE: the message is longer than max_message_bytes.
/// - MIDISOCK_ERR_FULL: the queue has no room, or too much is scheduled.
/// - MIDISOCK_ERR_CLOSED: the port is closed.
/// - MIDISOCK_ERR_NO_SUCH_CLIENT: `client` is not 0, and the port is not a merged server or has no such client.
/// - MIDISOCK_ERR_WRONG_ROLE: the port is a manual server.
/// - MIDISOCK_ERR_BUSY: another thread pushes (debug builds).
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

/// In place of a result: the next function has to do it.
const OTHERWISE: midisock_result = midisock_result::MAX;

/// The result of a quick way that has done it or not.
#[inline(always)]
fn quickly(way: impl FnOnce() -> bool) -> midisock_result {
    contain(
        Code::Internal as i32,
        || if way() { Code::Ok as i32 } else { OTHERWISE },
    )
}

/// Pushes a usual message, see `push_usual`. OTHERWISE: one of the next two functions has to push it. They are separate
/// functions, so that this one needs no stack. `WITH_MORE` distinguishes the two callers, so that each has its own copy
/// of the code that would otherwise be called.
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
        // SAFETY: `data` points to three bytes, by this function's contract; and the API gives the pushing side to one thread at a time (see the overview of `ffi`).
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

/// No port's `max_message_bytes` is larger: it is at most a quarter of a queue: see the `max_message_bytes` of each.
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
        // API gives the pushing side to one thread at a time (see the overview of `ffi`).
        unsafe { port.push(time, client, std::slice::from_raw_parts(data, size)) }
    }) as i32
}

/// Drops scheduled messages: those that midisock_push_message or midisock_push_frame queued for a time ahead, and that
/// were not sent yet. They count in dropped_out.
///
/// Messages that end something at the peer are kept, and leave at their times: the Note Off of a sounding note; the end
/// of a pedal, of pressure and of a bend; All Sound Off, All Notes Off and the modes that imply it while a note sounds;
/// Reset All Controllers if it has something to reset; Stop while a sequencer runs. Messages that were pushed for now
/// are sent.
///
/// Dropped programs and controllers are not restored. A program that goes on after midisock_cancel pushes them again.
///
/// The call always has room. It may make a system call as midisock_push does. On a pair nothing is ever scheduled.
///
/// Threads: the pushing thread.
/// Returns:
/// - MIDISOCK_OK: the messages are dropped.
/// - MIDISOCK_ERR_INVALID_ARGUMENT: `port` is NULL.
/// - MIDISOCK_ERR_CLOSED: the port is closed.
/// - MIDISOCK_ERR_WRONG_ROLE: the port is a manual server.
/// - MIDISOCK_ERR_BUSY: another thread pushes (debug builds).
///
/// cbindgen:postfix=MIDISOCK_REALTIME
///
/// # Safety
/// `port` is a live port.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn midisock_cancel(port: *mut midisock_port) -> midisock_result {
    // SAFETY: `port` is NULL or a live port, by this function's contract; and the API gives the pushing side to one thread
    // at a time (see the overview of `ffi`).
    unsafe { with_port(port, |port| port.cancel()) }
}

/// Takes the next message, in order of arrival.
///
/// With a handle for messages (midisock_wait_handle), the first call that finds the queue empty makes one system call,
/// which does not block.
///
/// Threads: the popping thread.
/// Returns:
/// - MIDISOCK_OK: `out` is the message.
/// - MIDISOCK_EMPTY: no message waits. Messages of channels that the port does not have (midisock_set_channels) are not
///   given, and count in filtered only.
/// - MIDISOCK_ERR_INVALID_ARGUMENT: `port` or `out` is NULL.
/// - MIDISOCK_ERR_CLOSED: the port is closed, and no message will come.
/// - MIDISOCK_ERR_WRONG_ROLE: the port is a manual server.
/// - MIDISOCK_ERR_BUSY: another thread pops (debug builds).
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
    // SAFETY: the API gives the popping side to one thread at a time (see the overview of `ffi`).
    let result = quickly(|| unsafe { port.pop_short(give) });
    if result != OTHERWISE {
        return result;
    }
    // SAFETY: as above.
    unsafe { pop_otherwise(port, out) }
}

/// The rest of `midisock_pop`, in a function of its own, so that `midisock_pop` needs no stack.
///
/// # Safety
/// `out` is writable.
#[inline(never)]
unsafe fn pop_otherwise(port: &Port, out: *mut midisock_message) -> midisock_result {
    // SAFETY: the API gives the popping side to one thread at a time (see the overview of `ffi`).
    contain(Code::Internal, || match unsafe { port.pop() } {
        Ok(popped) => {
            // SAFETY: by this function's contract.
            unsafe { out.write(midisock_message::of(&popped)) };
            Code::Ok
        }
        Err(code) => code,
    }) as i32
}

/// Throws away the messages that wait to be popped. It is for a program that returns after a pause and does not want to
/// play old messages.
///
/// The next pops return the difference in channel state, marked MIDISOCK_FLAG_SYNTHETIC: Note Offs of notes that were
/// released during the pause, and the present controllers, programs, bends and other state. No note begins late.
///
/// The next pops read what was thrown away, once for each client that sent it. One call reads at most a thousand
/// messages. So after a long pause midisock_pop may return MIDISOCK_EMPTY several times before the difference comes.
///
/// With a handle for messages, a call that finds the queue empty may make a system call as midisock_pop does.
///
/// Threads: the popping thread.
/// Returns:
/// - MIDISOCK_OK: the messages are thrown away, or none waited.
/// - MIDISOCK_ERR_INVALID_ARGUMENT: `port` is NULL.
/// - MIDISOCK_ERR_CLOSED: the port is closed, and no message will come.
/// - MIDISOCK_ERR_WRONG_ROLE: the port is a manual server.
/// - MIDISOCK_ERR_BUSY: another thread pops (debug builds).
///
/// cbindgen:postfix=MIDISOCK_REALTIME
///
/// # Safety
/// `port` is a live port.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn midisock_skip(port: *mut midisock_port) -> midisock_result {
    // SAFETY: `port` is NULL or a live port, by this function's contract; and the API gives the popping side to one thread
    // at a time (see the overview of `ffi`).
    unsafe { with_port(port, |port| port.skip()) }
}

/// Silences all peers now. It drops all messages that were pushed before and are not sent, scheduled ones too, and
/// sends All Sound Off (CC 120, value 0) on 16 channels. A message that is partly written is finished.
///
/// The call always has room. It may make a system call as midisock_push does.
///
/// Threads: any.
/// Returns:
/// - MIDISOCK_OK: the request was noted.
/// - MIDISOCK_OFFLINE: no peer is connected. The request changes only the channel state that the port remembers.
/// - MIDISOCK_ERR_INVALID_ARGUMENT: `port` is NULL.
/// - MIDISOCK_ERR_CLOSED: the port is closed.
/// - MIDISOCK_ERR_WRONG_ROLE: the port is a manual server.
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

/// Sends All Notes Off (CC 123, value 0) and Reset All Controllers (CC 121, value 0) on each of 16 channels to all
/// peers, after the messages that were pushed before, and after scheduled ones that are due now.
///
/// The call always has room. It may make a system call as midisock_push does.
///
/// Threads: any.
/// Returns:
/// - MIDISOCK_OK: the request was noted.
/// - MIDISOCK_OFFLINE: no peer is connected. The request changes only the channel state that the port remembers.
/// - MIDISOCK_ERR_INVALID_ARGUMENT: `port` is NULL.
/// - MIDISOCK_ERR_CLOSED: the port is closed.
/// - MIDISOCK_ERR_WRONG_ROLE: the port is a manual server.
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
