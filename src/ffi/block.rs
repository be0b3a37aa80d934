//! `midisock_block`: messages at their place in the audio block.

use super::message::midisock_message;
use super::result::midisock_result;
use super::{midisock_port, usable, with_port};
use crate::sys::code::Code;
use crate::timing::Block;

/// @name Flags of an audio block
///
/// The host does not render in real time. All messages are at frame 0, and the estimate of the callback's times is
/// frozen.
pub const MIDISOCK_BLOCK_FREEWHEEL: u32 = 1;
/// The transport or the audio graph was stopped before this block.
pub const MIDISOCK_BLOCK_DISCONTINUITY: u32 = 2;

/// What the first version of it had. It stays: callers of that version pass this size, however many fields are added.
const FIRST_SIZE: usize = 32;

/// One call of an audio callback.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct midisock_block {
    /// sizeof(midisock_block) of the caller. Bytes beyond this struct's fields must be zero.
    pub struct_size: u32,
    /// MIDISOCK_BLOCK_FREEWHEEL, MIDISOCK_BLOCK_DISCONTINUITY, or 0.
    pub flags: u32,
    /// midisock_now_ns() at the start of the callback. 0: the library reads the clock.
    pub start_ns: u64,
    /// Frames per second: 1 to 10000000.
    pub sample_rate: f64,
    /// Frames of the block: 0 to 2^24.
    pub frames: u32,
    /// Zero.
    pub reserved: u32,
}

/// Begins an audio block. Call it once per callback, before midisock_pop_block and midisock_push_frame.
///
/// A block may have any number of frames, also 0. A host may divide a period into slices: a call that follows within a
/// quarter of the playing time of the frames before belongs to the same period. A jump of more than two periods, as
/// after a stop of the plugin, is noticed without MIDISOCK_BLOCK_DISCONTINUITY.
///
/// Threads: the popping thread.
/// Returns:
/// - MIDISOCK_OK: the block has begun.
/// - MIDISOCK_ERR_INVALID_ARGUMENT: a pointer is NULL, struct_size is wrong, a flag is unknown, a reserved or unknown
///   field is not zero, the sample rate is out of range or not finite, or the block has too many frames.
/// - MIDISOCK_ERR_WRONG_ROLE: the port is a manual server.
/// - MIDISOCK_ERR_BUSY: another thread pops (debug builds).
///
/// cbindgen:postfix=MIDISOCK_REALTIME
///
/// # Safety
/// `port` is a live port, `block` points to a block of `struct_size` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn midisock_begin_block(
    port: *mut midisock_port,
    block: *const midisock_block,
) -> midisock_result {
    if block.is_null() || !block.is_aligned() {
        return Code::InvalidArgument as i32;
    }
    // SAFETY: not NULL and aligned; a block has at least its first field.
    let size = unsafe { (&raw const (*block).struct_size).read() } as usize;
    if !(FIRST_SIZE..=super::sized::LIMIT).contains(&size) {
        return Code::InvalidArgument as i32;
    }
    let mut known = midisock_block {
        struct_size: 0,
        flags: 0,
        start_ns: 0,
        sample_rate: 0.0,
        frames: 0,
        reserved: 0,
    };
    let whole = size.min(size_of::<midisock_block>());
    // SAFETY: the caller's block is `size` bytes, and `whole` is at most that and at most our own size; any bytes are numbers.
    if let Err(code) = unsafe { super::sized::read_prefix(block, whole, size, &mut known) } {
        return code as i32;
    }
    let block = known;
    let flags = MIDISOCK_BLOCK_FREEWHEEL | MIDISOCK_BLOCK_DISCONTINUITY;
    if block.flags & !flags != 0 || block.reserved != 0 {
        return Code::InvalidArgument as i32;
    }
    let block = Block {
        start_ns: block.start_ns,
        sample_rate: block.sample_rate,
        frames: block.frames,
        offline: block.flags & MIDISOCK_BLOCK_FREEWHEEL != 0,
        discontinuity: block.flags & MIDISOCK_BLOCK_DISCONTINUITY != 0,
    };
    // SAFETY: `port` is NULL or a live port, by this function's contract; and the API gives the popping side to one thread
    // at a time (see the overview of `ffi`).
    unsafe { with_port(port, |port| port.begin_block(block)) }
}

/// Takes the next message that belongs to the block. Its `frame` is in [0, frames) and never decreases within the
/// block. Messages for later blocks stay in the queue.
///
/// A message is placed at its arrival time plus midisock_config.latency_ns. The library removes the callback's jitter
/// by a delay-locked loop (F. Adriaensen, "Using a DLL to filter time", Linux Audio Conference 2005), so messages keep
/// the spacing at which they arrived. With latency 0 nothing is smoothed, and waiting messages are at the beginning of
/// the block.
///
/// Threads: the popping thread.
/// Returns:
/// - MIDISOCK_OK: `out` is the message.
/// - MIDISOCK_EMPTY: no other message belongs to this block.
/// - MIDISOCK_ERR_INVALID_ARGUMENT: `port` or `out` is NULL, or no block has begun.
/// - MIDISOCK_ERR_CLOSED: the port is closed, and no message will come.
/// - MIDISOCK_ERR_WRONG_ROLE: the port is a manual server.
/// - MIDISOCK_ERR_BUSY: another thread pops (debug builds).
///
/// cbindgen:postfix=MIDISOCK_REALTIME
///
/// # Safety
/// `port` is a live port, `out` writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn midisock_pop_block(port: *mut midisock_port, out: *mut midisock_message) -> midisock_result {
    if !usable(out) {
        return Code::InvalidArgument as i32;
    }
    // SAFETY: `port` is NULL or a live port, by this function's contract; and the API gives the popping side to one thread
    // at a time (see the overview of `ffi`).
    unsafe {
        with_port(port, |port| match port.pop_block() {
            Ok(popped) => {
                // SAFETY: checked above as far as can be, and writable by this function's contract.
                out.write(midisock_message::of(&popped));
                Code::Ok
            }
            Err(code) => code,
        })
    }
}

/// Sends one whole message at the time of a frame of the block, to the peer or to all clients.
///
/// The time is the smoothed time of the frame plus midisock_config.push_latency_ns. If it has passed, or with
/// MIDISOCK_BLOCK_FREEWHEEL, the message is sent now. Refused messages are treated, and a system call may be made, as by
/// midisock_push.
///
/// Threads: the thread that called midisock_begin_block. It must be the pushing thread as well.
/// Returns:
/// - MIDISOCK_OK: the message is queued.
/// - MIDISOCK_OFFLINE: no peer is connected. The message is not queued.
/// - MIDISOCK_ERR_INVALID_ARGUMENT: `port` or `data` is NULL, `frame` is beyond the block, no block has begun, or the
///   time is more than 10 s ahead.
/// - MIDISOCK_ERR_INVALID_MESSAGE: the bytes are not exactly one whole message.
/// - MIDISOCK_ERR_TOO_LARGE: the message is longer than max_message_bytes.
/// - MIDISOCK_ERR_FULL: the queue has no room, or too much is scheduled.
/// - MIDISOCK_ERR_CLOSED: the port is closed.
/// - MIDISOCK_ERR_WRONG_ROLE: the port is a manual server.
/// - MIDISOCK_ERR_BUSY: another thread pushes or pops (debug builds).
///
/// cbindgen:postfix=MIDISOCK_REALTIME
///
/// # Safety
/// `port` is a live port, `data` points to `size` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn midisock_push_frame(
    port: *mut midisock_port,
    frame: u32,
    data: *const u8,
    size: usize,
) -> midisock_result {
    if data.is_null() {
        return Code::InvalidArgument as i32;
    }
    // SAFETY: `port` is NULL or a live port, by this function's contract; and the API gives both sides to one and the same
    // thread here (see the overview of `ffi`).
    unsafe {
        with_port(port, |port| {
            if size > port.max_message_bytes() {
                return port.reject_large();
            }
            // SAFETY: `data` points to `size` bytes, by this function's contract, and `size` is far below isize::MAX.
            port.push_frame(frame, std::slice::from_raw_parts(data, size))
        })
    }
}
