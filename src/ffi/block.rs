//! `midisock_block`: messages at their place in the audio block.

use super::message::midisock_message;
use super::result::midisock_result;
use super::{midisock_port, usable, with_port};
use crate::sys::code::Code;
use crate::timing::Block;

/// flags: rendering is not in real time: all messages at frame 0, clocks frozen.
pub const MIDISOCK_BLOCK_OFFLINE: u32 = 1;
/// flags: transport or graph was stopped before this block.
pub const MIDISOCK_BLOCK_DISCONTINUITY: u32 = 2;

/// What the first version of it had. It stays: callers of that version pass this size, however many fields are added.
const FIRST_SIZE: usize = 32;

/// One call of an audio callback.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct midisock_block {
    /// sizeof(midisock_block) of the caller. What it has beyond this version's fields must be zero.
    pub struct_size: u32,
    /// MIDISOCK_BLOCK_OFFLINE, MIDISOCK_BLOCK_DISCONTINUITY, or 0.
    pub flags: u32,
    /// midisock_now_ns() read at the start of the callback; 0: the library reads it.
    pub start_ns: u64,
    /// Frames a second: 1 Hz to 10 MHz.
    pub sample_rate: f64,
    /// Frames of the block; 0 is allowed, 2^24 the most.
    pub frames: u32,
    /// Zero.
    pub reserved: u32,
}

/// Begins an audio block: once per callback, on the thread that pops, before midisock_pop_block and
/// midisock_push_frame. Blocks may have any number of frames, 0 included, and a host may cut one period into many: calls
/// that follow within a quarter of the time that what came before takes to play are slices of one period. A jump of
/// more than two periods, as of a plugin that was stopped, is noticed without MIDISOCK_BLOCK_DISCONTINUITY.
///
/// Realtime. Errors: INVALID_ARGUMENT (struct_size, an unknown flag, a sample rate that is not finite or out of
/// range, too many frames), WRONG_ROLE, BUSY (debug builds), INTERNAL.
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
    let flags = MIDISOCK_BLOCK_OFFLINE | MIDISOCK_BLOCK_DISCONTINUITY;
    if block.flags & !flags != 0 || block.reserved != 0 {
        return Code::InvalidArgument as i32;
    }
    let block = Block {
        start_ns: block.start_ns,
        sample_rate: block.sample_rate,
        frames: block.frames,
        offline: block.flags & MIDISOCK_BLOCK_OFFLINE != 0,
        discontinuity: block.flags & MIDISOCK_BLOCK_DISCONTINUITY != 0,
    };
    // SAFETY: `port` is NULL or a live port, by this function's contract; and the API gives the popping side to one thread
    // at a time (see the module's overview).
    unsafe { with_port(port, |port| port.begin_block(block)) }
}

/// Takes the next message that belongs into the block, with `frame` in [0, frames) and never decreasing; then
/// MIDISOCK_EMPTY: later messages stay.
///
/// What midisock_config.latency_ns says is added to the arrival times. The library smooths the callback's jitter: a
/// delay-locked loop (F. Adriaensen, "Using a DLL to filter time", Linux Audio Conference 2005) finds the even line of
/// the block times, and messages keep the spacing at which they arrived. With latency 0 nothing is smoothed: what is
/// there is at the block's beginning.
///
/// Realtime; the popping thread. MIDISOCK_EMPTY when no more belong into this block. Errors: INVALID_ARGUMENT (also
/// before any midisock_begin_block), CLOSED (the port is closed and nothing is left), WRONG_ROLE, BUSY (debug
/// builds), INTERNAL.
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
    // at a time (see the module's overview).
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

/// Sends one whole message at the time of a frame of the block, by the smoothed block times, plus
/// midisock_config.push_latency_ns; now, where that is past, and with MIDISOCK_BLOCK_OFFLINE.
///
/// Realtime (as midisock_push); the thread that called midisock_begin_block, which must be the pushing thread too.
/// MIDISOCK_OFFLINE without a peer. Errors: as midisock_push; INVALID_ARGUMENT also for a frame beyond the block and
/// before any midisock_begin_block.
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
    // thread here (see the module's overview).
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
