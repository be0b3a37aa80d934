//! The queue between the network thread and an audio thread: a single-producer, single-consumer ring of whole messages.
//!
//! A message is one contiguous record, so that the consumer can hand out a pointer into the ring. Both sides are
//! wait-free: neither ever loops on what the other does. Each keeps its own position in a plain variable and a copy of
//! the other's, which it renews only when the copy no longer suffices. So the two touch each other's cache line once a
//! batch rather than once a message. The last record popped stays valid until the next pop: the consumer gives room
//! back one call later.
//!
//! A record begins with 16 bytes: a word, the client, the time. A message of up to three bytes lies in that word, behind
//! a tag. It takes a quarter of a cache line, and writing it is two stores. A longer message follows behind the 16
//! bytes.
//!
//! Positions count up without end and wrap with the integer; the capacity is a power of two.
//!
//! This file has the memory and the positions; `producer.rs` writes records, `consumer.rs` reads them.

use crate::realtime::consumer::Consumer;
use crate::realtime::producer::Producer;
use crate::realtime::shared::{STILL_HELD, SYNTHETIC, TIMED};
use crate::sys::code::Code;
use crate::sys::sync::{Arc, AtomicUsize, Ordering};
use crossbeam_utils::CachePadded;
use std::alloc::{Layout, alloc, dealloc};
use std::ptr::NonNull;

/// Of a word: the bits that hold the length of a short message.
pub(super) const LENGTH: u32 = 0x03;

#[cfg(all(test, not(loom)))]
#[path = "ring_tests.rs"]
mod tests;

/// The beginning of a record. `word` is, as bytes in memory, the tag and three more: a short message, or the lower bits
/// of a longer one's size.
///
/// The tag, from bit 0: the length of a short message in 2 bits, 0 for a longer one; flags in 2 bits; the upper bits of
/// a longer one's size in 4.
#[repr(C)]
#[derive(Clone, Copy)]
pub(super) struct Header {
    pub word: u32,
    pub client: u32,
    pub time_ns: u64,
}

pub(super) const HEADER: usize = size_of::<Header>();
/// All positions are multiples of it: a header never reaches across the end.
pub(super) const UNIT: usize = HEADER;
/// In place of a record: the rest up to the end is unused. As a tag it would be a short message's with a size.
pub(super) const WRAP: u32 = u32::MAX;
/// The bits of a tag that are a short message's length, and those that are 0 for every short message.
pub(super) const SHORT: u32 = 0xF0 | LENGTH;
const FLAGS_AT: u32 = 2;
const FLAGS: u32 = 0b11 << FLAGS_AT;
pub(super) const MOST_SHORT: usize = 3;
/// The longest message that a record's size field holds.
pub(crate) const MOST_SIZE: usize = (1 << 28) - 1;
/// The smallest and the largest ring.
const LEAST_CAPACITY: usize = 64;
const MOST_CAPACITY: usize = 1 << 30;

/// The bits of a tag for flags. `STILL_HELD` never comes without `SYNTHETIC`, so its bit alone stands for `TIMED`, which
/// comes without both.
#[inline(always)]
#[must_use]
pub(super) fn tag_of_flags(flags: u32) -> u32 {
    const { assert!(TIMED >> 1 == STILL_HELD && SYNTHETIC | STILL_HELD == 3) };
    (flags | (flags & TIMED) >> 1) << FLAGS_AT & FLAGS
}

/// The flags in a word.
#[inline(always)]
#[must_use]
pub(super) fn flags_of_word(word: u32) -> u32 {
    // Four bits for each of the values that the two bits of a tag may have.
    const VALUES: u32 = SYNTHETIC << 4 | TIMED << 8 | (SYNTHETIC | STILL_HELD) << 12;
    const { assert!(FLAGS == 4 * 3) };
    VALUES >> (word & FLAGS) & 0xF
}

/// How many bytes of the ring a message takes.
#[inline(always)]
#[must_use]
pub(super) fn footprint(size: usize) -> usize {
    if size <= MOST_SHORT {
        HEADER
    } else {
        (HEADER + size).next_multiple_of(UNIT)
    }
}

/// Whether one position lies before another, also where the count has wrapped between them.
#[inline(always)]
#[must_use]
pub(crate) fn is_before(position: usize, other: usize) -> bool {
    (position.wrapping_sub(other) as isize) < 0
}

/// The memory, and how far each side has come.
pub(super) struct Ring {
    pub memory: NonNull<u8>,
    pub capacity: usize,
    /// Written by the producer: up to here records are whole.
    pub tail: CachePadded<AtomicUsize>,
    pub consumer: CachePadded<ConsumerPositions>,
    /// Stand for the memory, `UNIT` bytes each, so that loom sees which thread touches it when.
    #[cfg(loom)]
    units: Box<[loom::cell::UnsafeCell<()>]>,
}

/// Written by the consumer.
pub(super) struct ConsumerPositions {
    /// Up to here room is free again.
    pub head: AtomicUsize,
    /// Up to here records have been taken: ahead of `head` by the last record, which is still valid. For waiting
    /// threads.
    pub taken: AtomicUsize,
}

// SAFETY: `memory` is owned, and its bytes are only touched through the one `Producer` (room between head and tail that
// is not yet published) and the one `Consumer` (records published and not yet given back).
unsafe impl Send for Ring {}
// SAFETY: as for `Send`; shared access touches only the atomics.
unsafe impl Sync for Ring {}

impl Ring {
    fn new(capacity: usize) -> Result<Self, Code> {
        // Every position is masked with the capacity, and every record's size is less than a quarter of the largest.
        if !capacity.is_power_of_two() || !(LEAST_CAPACITY..=MOST_CAPACITY).contains(&capacity) {
            return Err(Code::InvalidArgument);
        }
        let layout = Self::layout(capacity).ok_or(Code::NoResources)?;
        // It need not be zero: only what was written is read.
        // SAFETY: the layout's size is not zero.
        let memory = NonNull::new(unsafe { alloc(layout) }).ok_or(Code::NoResources)?;
        Ok(Self {
            memory,
            capacity,
            tail: CachePadded::new(AtomicUsize::new(0)),
            consumer: CachePadded::new(ConsumerPositions {
                head: AtomicUsize::new(0),
                taken: AtomicUsize::new(0),
            }),
            #[cfg(loom)]
            units: (0..capacity / UNIT).map(|_| loom::cell::UnsafeCell::new(())).collect(),
        })
    }

    fn layout(capacity: usize) -> Option<Layout> {
        Layout::from_size_align(capacity, 64).ok()
    }

    /// Tells loom that memory is about to be written.
    #[inline(always)]
    pub(super) fn writing(&self, _position: usize, _size: usize) {
        #[cfg(loom)]
        for at in (_position.._position + _size).step_by(UNIT) {
            self.units[(at & (self.capacity - 1)) / UNIT].with_mut(|_| ());
        }
    }

    /// Tells loom that memory is about to be read.
    #[inline(always)]
    pub(super) fn reading(&self, _position: usize, _size: usize) {
        #[cfg(loom)]
        for at in (_position.._position + _size).step_by(UNIT) {
            self.units[(at & (self.capacity - 1)) / UNIT].with(|_| ());
        }
    }

    /// Bytes from a position to the end of the memory.
    #[must_use]
    pub(super) fn to_end(&self, position: usize) -> usize {
        self.capacity - (position & (self.capacity - 1))
    }

    /// Touches every page, so that none is a fault in the audio callback.
    ///
    /// # Safety
    /// Nothing is in the ring, and no other thread writes to it meanwhile.
    pub(super) unsafe fn touch(&self) {
        for page in (0..self.capacity).step_by(1024) {
            // SAFETY: `page` is inside the allocation; nobody reads or writes there, by this function's contract.
            unsafe { self.memory.add(page).write_volatile(0) };
        }
    }
}

impl Drop for Ring {
    fn drop(&mut self) {
        if let Some(layout) = Self::layout(self.capacity) {
            // SAFETY: allocated in `new` with the same layout; no producer or consumer is left.
            unsafe { dealloc(self.memory.as_ptr(), layout) };
        }
    }
}

/// Makes a queue of a power of two bytes, and touches every page of it.
pub(crate) fn queue(capacity: usize) -> Result<(Producer, Consumer), Code> {
    let (mut producer, consumer) = untouched_queue(capacity)?;
    producer.touch();
    Ok((producer, consumer))
}

/// Makes a queue at once, whatever its size: no page is touched. The producer may touch them later; the consumer reads
/// only what was written.
pub(crate) fn untouched_queue(capacity: usize) -> Result<(Producer, Consumer), Code> {
    let ring = Arc::new(Ring::new(capacity)?);
    Ok((Producer::new(Arc::clone(&ring)), Consumer::new(ring)))
}

/// The positions of a queue, readable from any thread.
#[derive(Clone)]
pub(crate) struct Gauge {
    ring: Arc<Ring>,
}

impl Gauge {
    pub(super) fn new(ring: &Arc<Ring>) -> Self {
        Self { ring: Arc::clone(ring) }
    }

    /// Whether a message waits to be taken.
    #[must_use]
    pub(crate) fn has_message(&self) -> bool {
        self.ring.consumer.taken.load(Ordering::Acquire) != self.ring.tail.load(Ordering::Acquire)
    }

    /// Whether half of the queue is free.
    #[must_use]
    pub(crate) fn is_half_free(&self) -> bool {
        let head = self.ring.consumer.head.load(Ordering::Acquire);
        self.ring.tail.load(Ordering::Acquire).wrapping_sub(head) <= self.ring.capacity / 2
    }

    /// Up to where the producer has published.
    #[must_use]
    pub(crate) fn tail(&self) -> usize {
        self.ring.tail.load(Ordering::Acquire)
    }
}
