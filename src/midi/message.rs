//! What a MIDI 1.0 message is: lengths, boundaries and the few questions asked of one message.
//!
//! Everything here is constant time but for the data bytes of a System Exclusive message, touches
//! no memory beyond its argument and cannot panic: [`is_whole`] runs on the audio thread.

use super::frame::CARRIER;

/// Start of a System Exclusive message ("System Exclusive").
pub(crate) const SYSEX: u8 = 0xF0;

/// EOX, End of Exclusive: the last byte of a System Exclusive message ("System Common Messages").
pub(crate) const EOX: u8 = 0xF7;

/// The top bit of every byte of a word; set in a status byte, clear in a data byte.
const STATUS_BITS: u64 = 0x8080_8080_8080_8080;

/// Lengths by the upper four bits of a byte, two bits for each: 0 for data bytes and for `Fx`,
/// which [`SYSTEM_LENGTHS`] tells apart. A constant in a register costs the audio thread no
/// cache miss, as a table would.
const CHANNEL_LENGTHS: u32 = pack(&[
    (0x8, 3), // Note Off
    (0x9, 3), // Note On
    (0xA, 3), // Polyphonic Key Pressure
    (0xB, 3), // Control Change, Channel Mode
    (0xC, 2), // Program Change
    (0xD, 2), // Channel Pressure
    (0xE, 3), // Pitch Bend Change
]);

/// Lengths of the system messages by the lower four bits of their status byte: 0 where there is
/// no fixed length (`F0`) or no message (`F4`, `F5`, `F7`, `F9`, `FD`).
const SYSTEM_LENGTHS: u32 = pack(&[
    (0x1, 2), // MIDI Time Code Quarter Frame
    (0x2, 3), // Song Position Pointer
    (0x3, 2), // Song Select
    (0x6, 1), // Tune Request
    (0x8, 1), // Timing Clock
    (0xA, 1), // Start
    (0xB, 1), // Continue
    (0xC, 1), // Stop
    (0xE, 1), // Active Sensing
    (0xF, 1), // System Reset
]);

/// Packs lengths of 0 to 3 into two bits each, at the place of their four-bit index.
const fn pack(lengths: &[(u32, u32)]) -> u32 {
    let mut packed = 0;
    let mut i = 0;
    while i < lengths.len() {
        packed |= lengths[i].1 << (2 * lengths[i].0);
        i += 1;
    }
    packed
}

/// Length of the message that a status byte starts, the status byte included: arithmetic alone, for the paths where
/// each branch counts.
///
/// 0 for what starts no message of a fixed length: `F0` (as long as its sender likes), EOX (`F7`), the undefined `F4`,
/// `F5`, `F9` and `FD`, and data bytes.
#[inline]
pub const fn fixed_len(status: u8) -> usize {
    let (lengths, index) = if status < 0xF0 {
        (CHANNEL_LENGTHS, status >> 4)
    } else {
        (SYSTEM_LENGTHS, status & 0x0F)
    };
    ((lengths >> (2 * index)) & 3) as usize
}

/// The same for a status byte below `F0` alone, in less.
#[inline(always)]
pub const fn channel_len(status: u8) -> usize {
    (CHANNEL_LENGTHS >> (status >> 3 & 0x1E) & 3) as usize
}

/// Whether the top bit says status rather than data ("Data Types").
#[inline]
pub const fn is_status(byte: u8) -> bool {
    byte >= 0x80
}

/// Whether a byte is the status of a channel voice or channel mode message.
#[inline]
pub const fn is_channel_status(byte: u8) -> bool {
    byte >= 0x80 && byte < 0xF0
}

/// Whether a byte is of the System Real Time range `F8` to `FF`, which may come between any two
/// bytes of another message without disturbing it ("System Real Time Messages"). The undefined
/// `F9` and `FD` are of that range.
#[inline]
pub const fn is_realtime(byte: u8) -> bool {
    byte >= 0xF8
}

/// Number of data bytes before the first status byte, or before the end if there is none.
#[inline]
pub fn data_run(bytes: &[u8]) -> usize {
    let mut run = 0;
    // Long runs are searched 64 bytes at a time.
    for block in bytes.chunks_exact(64) {
        let words = block.chunks_exact(8).map(|word| {
            let mut lanes = [0; 8];
            lanes.copy_from_slice(word);
            u64::from_ne_bytes(lanes)
        });
        if words.fold(0, |all, word| all | word) & STATUS_BITS != 0 {
            break;
        }
        run += 64;
    }
    let mut words = bytes[run..].chunks_exact(8);
    for word in &mut words {
        let mut lanes = [0; 8];
        lanes.copy_from_slice(word);
        // Little-endian on every machine, so that the lowest set bit belongs to the first byte.
        let status = u64::from_le_bytes(lanes) & STATUS_BITS;
        if status != 0 {
            return run + (status.trailing_zeros() / 8) as usize;
        }
        run += 8;
    }
    let tail = words.remainder();
    run + tail.iter().position(|&byte| is_status(byte)).unwrap_or(tail.len())
}

/// Whether `bytes` is exactly one whole MIDI 1.0 message with its own status byte.
///
/// Running status does not count, nor a message with a realtime byte inside it, nor more than one
/// message, nor the undefined `F4`, `F5`, `F9` and `FD`. A System Exclusive message is `F0`, any
/// number of data bytes (none included) and `F7`; whether it starts with a valid manufacturer
/// identification is between its sender and its receiver.
#[inline]
pub fn is_whole(bytes: &[u8]) -> bool {
    match *bytes {
        [status, first, second] if status != SYSEX => (fixed_len(status) == 3) & !is_status(first | second),
        [status, data] if status != SYSEX => (fixed_len(status) == 2) & !is_status(data),
        [status] => fixed_len(status) == 1,
        [SYSEX, ref data @ .., EOX] => is_data(data),
        _ => false,
    }
}

/// Whether there is no status byte in `bytes`. Quicker than finding the first one.
#[inline]
pub(super) fn is_data(bytes: &[u8]) -> bool {
    const LANES: usize = 16;
    let or = |all: [u8; LANES], lanes: &[u8]| std::array::from_fn(|lane| all[lane] | lanes[lane]);
    let Some(last) = bytes.last_chunk::<LANES>() else {
        return !is_status(bytes.iter().fold(0, |all, byte| all | byte));
    };
    // The last chunk may overlap the one before, which does no harm.
    let all = bytes.chunks_exact(LANES).fold(*last, or);
    u128::from_ne_bytes(all) & u128::from_ne_bytes([0x80; LANES]) == 0
}

/// Length of the first message of `stream`, which holds whole messages with full status, as
/// [`is_whole`] passes them, and [frames](super::frame) one after the other: finds the boundaries in a send buffer.
///
/// 0 for an empty stream only, and never more than the stream is long, so that a walk over any
/// bytes ends: a byte that starts no message counts as one, a message cut off as all that is left.
#[inline(always)]
pub fn len_at(stream: &[u8]) -> usize {
    match *stream {
        // As most are.
        [status @ 0x80..=0xEF, ..] => channel_len(status).min(stream.len()),
        _ => len_of_other(stream),
    }
}

#[inline(never)]
fn len_of_other(stream: &[u8]) -> usize {
    match *stream {
        [] => 0,
        // Of whole messages only EOX ends the data bytes, so the scan need not look which it was.
        [SYSEX, ref rest @ ..] => (data_run(rest) + 2).min(stream.len()),
        [CARRIER, ref rest @ ..] => data_run(rest) + 1,
        [status, ..] => fixed_len(status).clamp(1, stream.len()),
    }
}

/// Whether a whole message starts a note: Note On with a velocity above 0.
#[inline]
pub const fn is_note_on(message: &[u8]) -> bool {
    matches!(*message, [0x90..=0x9F, _, 1..=0x7F])
}

/// Whether a whole message ends a note: Note Off, or Note On with velocity 0, which is the same
/// ("Channel Voice Messages").
#[inline]
pub const fn is_note_off(message: &[u8]) -> bool {
    matches!(*message, [0x80..=0x8F, _, _] | [0x90..=0x9F, _, 0])
}

/// Whether a whole message ends what other messages began: All Sound Off, Reset All Controllers, All Notes Off and the
/// modes that imply it, Hold 2 up, pressure to 0, bend to the centre, Stop, System Reset. Note Offs and other switches are
/// asked for by [`is_note_off`] and [`is_switch_off`].
#[inline]
pub const fn lets_go(message: &[u8]) -> bool {
    matches!(
        *message,
        [0xB0..=0xBF, 120 | 121 | 123..=127, _]
            | [0xB0..=0xBF, 69, 0..=63]
            | [0xD0..=0xDF, 0]
            | [0xE0..=0xEF, 0, 64]
            | [0xFC | 0xFF]
    )
}

/// Whether a whole message turns a switch off: one of the controllers 64 to 69 ("Switch Controllers").
#[inline]
pub const fn is_switch_off(message: &[u8]) -> bool {
    matches!(*message, [0xB0..=0xBF, 64..=69, 0..=63])
}
