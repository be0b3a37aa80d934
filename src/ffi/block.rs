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
/// `position` is the host's frame counter.
pub const MIDISOCK_BLOCK_HAS_POSITION: u32 = 4;
/// `start_ns` is the device's own time of the block's first frame, in the time of midisock_now_ns, and already smooth.
/// The library takes it as it is. It must not be 0.
pub const MIDISOCK_BLOCK_DEVICE_TIME: u32 = 8;

const FLAGS: u32 =
    MIDISOCK_BLOCK_FREEWHEEL | MIDISOCK_BLOCK_DISCONTINUITY | MIDISOCK_BLOCK_HAS_POSITION | MIDISOCK_BLOCK_DEVICE_TIME;

/// The size of the struct in its first version. Callers of that version pass it, however many fields are added.
const FIRST_SIZE: usize = 32;

/// One call of an audio callback. Begin with MIDISOCK_BLOCK_INIT, then set at least sample_rate and frames.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct midisock_block {
    /// sizeof(midisock_block) of the caller. Bytes beyond this struct's fields must be zero.
    pub struct_size: u32,
    /// Any of MIDISOCK_BLOCK_FREEWHEEL, MIDISOCK_BLOCK_DISCONTINUITY, MIDISOCK_BLOCK_HAS_POSITION and
    /// MIDISOCK_BLOCK_DEVICE_TIME, or 0.
    pub flags: u32,
    /// midisock_now_ns() at the start of the callback. 0: the library reads the clock. With MIDISOCK_BLOCK_DEVICE_TIME
    /// the device's time of the first frame.
    pub start_ns: u64,
    /// Frames per second: 1 to 10000000.
    pub sample_rate: f64,
    /// Frames of the block: 0 to 2^24.
    pub frames: u32,
    /// Zero.
    pub reserved: u32,
    /// With MIDISOCK_BLOCK_HAS_POSITION the host's own frame counter at the first frame of the block, such as CLAP's
    /// steady_time or JACK's frame time: 0 or more. It counts on evenly, and is never a song position, which may loop.
    /// Without the flag it has no meaning.
    pub position: i64,
}

impl midisock_block {
    /// MIDISOCK_BLOCK_INIT: the values of fields that a caller does not set.
    pub(super) const NOTHING: Self = Self {
        struct_size: size_of::<Self>() as u32,
        flags: 0,
        start_ns: 0,
        sample_rate: 0.0,
        frames: 0,
        reserved: 0,
        position: 0,
    };

    /// The block that the struct describes.
    fn check(&self, has_position: bool) -> Result<Block, Code> {
        let has = |flag: u32| self.flags & flag != 0;
        let position = has(MIDISOCK_BLOCK_HAS_POSITION).then_some(self.position);
        let device_time = has(MIDISOCK_BLOCK_DEVICE_TIME);
        if self.flags & !FLAGS != 0
            || self.reserved != 0
            || position.is_some_and(|position| position < 0 || !has_position)
            || device_time && self.start_ns == 0
        {
            return Err(Code::InvalidArgument);
        }
        Ok(Block {
            start_ns: self.start_ns,
            sample_rate: self.sample_rate,
            frames: self.frames,
            offline: has(MIDISOCK_BLOCK_FREEWHEEL),
            discontinuity: has(MIDISOCK_BLOCK_DISCONTINUITY),
            position: position.map(|position| position as u64),
            device_time,
        })
    }
}

// Nothing lies between two fields: a caller's struct is read byte by byte.
const _: () = assert!(size_of::<midisock_block>() == FIRST_SIZE + size_of::<i64>());

/// Begins an audio block. Call it once per callback, before midisock_pop_block and midisock_push_frame.
///
/// A block may have any number of frames, also 0. A host may divide a period into slices: a call that follows within a
/// quarter of the playing time of the frames before belongs to the same period. A jump of more than two periods, as
/// after a stop of the plugin, is noticed without MIDISOCK_BLOCK_DISCONTINUITY.
///
/// With MIDISOCK_BLOCK_HAS_POSITION the library guesses less. Frames that the counter skips are a dropout, and the
/// estimate goes on past them. Time that passes while the counter stands still is a stop. A call before the counter has
/// reached the end of the previous block is a slice of the same period. A counter that goes back is a discontinuity.
///
/// With MIDISOCK_BLOCK_DEVICE_TIME the library estimates nothing: the frames of the block follow start_ns evenly, at
/// sample_rate.
///
/// Threads: the popping thread.
/// Returns:
/// - MIDISOCK_OK: the block has begun.
/// - MIDISOCK_ERR_INVALID_ARGUMENT: a pointer is NULL, struct_size is wrong, a flag is unknown, a reserved or unknown
///   field is not zero, the sample rate is out of range or not finite, or the block has too many frames. With
///   MIDISOCK_BLOCK_HAS_POSITION also: the position is negative, or struct_size ends before it. With
///   MIDISOCK_BLOCK_DEVICE_TIME also: start_ns is 0.
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
    let mut known = midisock_block::NOTHING;
    // A struct that ends inside a field does not have that field.
    let has_position = size >= size_of::<midisock_block>();
    let whole = if has_position {
        size_of::<midisock_block>()
    } else {
        FIRST_SIZE
    };
    // SAFETY: the caller's block is `size` bytes, and `whole` is at most that and at most our own size; any bytes are numbers.
    if let Err(code) = unsafe { super::sized::read_prefix(block, whole, size, &mut known) } {
        return code as i32;
    }
    let block = match known.check(has_position) {
        Ok(block) => block,
        Err(code) => return code as i32,
    };
    // SAFETY: `port` is NULL or a live port, by this function's contract; and the API gives the popping side to one thread
    // at a time (see the overview of `ffi`).
    unsafe { with_port(port, |port| port.begin_block(block)) }
}

/// Takes the next message that belongs to the block. Its `frame` is in [0, frames) and never decreases within the
/// block. Messages for later blocks stay in the queue.
///
/// A message is placed at its arrival time, or with MIDISOCK_FLAG_TIMED at its sender's time, plus
/// midisock_config.latency_ns. One that comes too late for that is at the beginning of the block, and with
/// MIDISOCK_FLAG_TIMED counts in midisock_stats.late_in. The library removes the callback's jitter
/// by a delay-locked loop (F. Adriaensen, "Using a DLL to filter time", Linux Audio Conference 2005), so messages keep
/// the spacing at which they arrived. With latency 0 nothing is smoothed, and waiting messages are at the beginning of
/// the block.
///
/// With a handle for messages, a call that finds the queue empty may make a system call as midisock_pop does.
///
/// Threads: the popping thread.
/// Returns:
/// - MIDISOCK_OK: `out` is the message.
/// - MIDISOCK_EMPTY: no other message belongs to this block. Messages of channels that the port does not have
///   (midisock_set_channels) are not given, and count in filtered only.
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
/// MIDISOCK_BLOCK_FREEWHEEL, the message is sent now. The call treats refused messages as midisock_push does, and may
/// make a system call like it.
///
/// Threads: the thread that called midisock_begin_block. It must be the pushing thread as well.
/// Returns:
/// - MIDISOCK_OK: the message is queued. A message of a channel that the port does not have (midisock_set_channels)
///   is not queued, and counts in filtered only.
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
