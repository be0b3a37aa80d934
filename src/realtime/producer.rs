//! The side of a queue that puts messages in.

use crate::midi::short::Short;
use crate::realtime::ring::{Gauge, HEADER, MOST_SHORT, MOST_SIZE, Ring, WRAP, footprint, tag_of_flags};
use crate::sys::sync::{Arc, Ordering};
use std::ptr::NonNull;

/// The producing side. One thread at a time.
#[repr(C)]
pub(crate) struct Producer {
    ring: Arc<Ring>,
    /// The ring's memory and capacity, less 1: beside the positions, for the sake of one cache line less.
    memory: NonNull<u8>,
    mask: usize,
    /// Where the next record begins.
    tail: usize,
    /// How far the tail may go: the consumer's head, as last seen, and the capacity.
    limit: usize,
    /// Up to where the consumer has been told.
    published: usize,
}

// SAFETY: `memory` is the ring's, which `ring` keeps; the comment there says which side touches what of it.
unsafe impl Send for Producer {}

impl Producer {
    pub(super) fn new(ring: Arc<Ring>) -> Self {
        Self {
            memory: ring.memory,
            mask: ring.capacity - 1,
            tail: 0,
            limit: ring.capacity,
            published: 0,
            ring,
        }
    }

    /// Touches every page, before the first message. Does nothing after it.
    pub(crate) fn touch(&mut self) {
        if (self.tail, self.published) == (0, 0) {
            // SAFETY: nothing was ever written, and this is the only producer.
            unsafe { self.ring.touch() };
        }
    }

    /// Writes one message, not yet visible to the consumer. False when it does not fit, is empty or longer than
    /// `MOST_SIZE`: then nothing is written.
    #[inline]
    #[must_use]
    pub(crate) fn write(&mut self, time_ns: u64, client: u32, flags: u32, data: &[u8]) -> bool {
        match Short::of(data) {
            Some(short) => self.write_short(time_ns, client, flags, short),
            None => self.write_long(time_ns, client, flags, data),
        }
    }

    /// Writes a short message.
    #[inline(always)]
    #[must_use]
    pub(crate) fn write_short(&mut self, time_ns: u64, client: u32, flags: u32, short: Short) -> bool {
        // There is always room for one up to the end of the memory: positions are multiples of its size.
        if self.tail == self.limit {
            self.renew();
            if self.tail == self.limit {
                return false;
            }
        }
        self.put(time_ns, client, short.word() | tag_of_flags(flags));
        self.tail = self.tail.wrapping_add(HEADER);
        true
    }

    #[inline(never)]
    fn write_long(&mut self, time_ns: u64, client: u32, flags: u32, data: &[u8]) -> bool {
        if data.len() <= MOST_SHORT || data.len() > MOST_SIZE {
            return false;
        }
        let (need, skipped) = self.needs(data.len());
        if self.room() < skipped + need {
            self.renew();
            if self.room() < skipped + need {
                return false;
            }
        }
        if skipped != 0 {
            // Whole, as the consumer reads it. There is room: positions are multiples of its size.
            self.put(0, 0, WRAP);
            self.tail = self.tail.wrapping_add(skipped);
        }
        let size = data.len() as u32;
        let tag = tag_of_flags(flags) | size >> 24 << 4;
        self.put(time_ns, client, tag | size << 8);
        self.ring.writing(self.tail.wrapping_add(HEADER), need - HEADER);
        // SAFETY: `need` bytes from here are inside the memory and free (checked above, with the Acquire load of the
        // consumer's head) and not read before `publish`. `data` is a caller's slice and cannot overlap free room.
        unsafe { std::ptr::copy_nonoverlapping(data.as_ptr(), self.at(self.tail).add(HEADER).as_ptr(), data.len()) };
        self.tail = self.tail.wrapping_add(need);
        true
    }

    /// Writes the beginning of a record. There is room for it.
    #[inline(always)]
    fn put(&mut self, time_ns: u64, client: u32, word: u32) {
        self.ring.writing(self.tail, HEADER);
        // The first two in one store.
        let first = u64::from(word) | u64::from(client) << 32;
        // SAFETY: at least `UNIT` bytes are left before the end, since positions are multiples of it, and aligned as
        // the memory is to 64; they are free, as the caller has checked with the Acquire load of the consumer's head,
        // and not read before `publish`.
        unsafe { self.at(self.tail).cast::<[u64; 2]>().write([first.to_le(), time_ns]) };
    }

    #[inline(always)]
    fn at(&self, position: usize) -> NonNull<u8> {
        // SAFETY: masked, the position is inside the allocation.
        unsafe { self.memory.add(position & self.mask) }
    }

    /// The bytes that a message takes, and those that are passed over before it where it would reach across the end.
    fn needs(&self, size: usize) -> (usize, usize) {
        let need = footprint(size);
        let to_end = self.ring.to_end(self.tail);
        (need, if need > to_end { to_end } else { 0 })
    }

    /// Reads how far the consumer has come.
    #[inline(always)]
    fn renew(&mut self) {
        let head = self.ring.consumer.head.load(Ordering::Acquire);
        self.limit = head.wrapping_add(self.mask + 1);
    }

    /// How much is free, as last seen.
    #[inline(always)]
    fn room(&self) -> usize {
        self.limit.wrapping_sub(self.tail)
    }

    /// Whether a message of so many bytes would fit.
    #[must_use]
    pub(crate) fn has_room(&mut self, size: usize) -> bool {
        if size == 0 || size > MOST_SIZE {
            return false;
        }
        let (need, skipped) = self.needs(size);
        self.renew();
        self.room() >= skipped + need
    }

    /// Shows the consumer all that was written.
    #[inline(always)]
    pub(crate) fn publish(&mut self) {
        if self.published != self.tail {
            self.published = self.tail;
            self.publish_new();
        }
    }

    /// Does the same for a caller that publishes after each message and never calls `publish_batch`.
    #[inline(always)]
    pub(crate) fn publish_new(&mut self) {
        self.ring.tail.store(self.tail, Ordering::Release);
    }

    /// Shows the consumer what was written if that is an eighth of the queue: it works on those messages while the
    /// next are written.
    #[inline]
    pub(crate) fn publish_batch(&mut self) {
        if self.tail.wrapping_sub(self.published) >= self.ring.capacity / 8 {
            self.publish();
        }
    }

    /// Up to where it has been written, for the consumer to compare with its `position`.
    #[must_use]
    pub(crate) fn position(&self) -> usize {
        self.tail
    }

    /// Whether half of the queue is free.
    #[must_use]
    pub(crate) fn is_half_free(&self) -> bool {
        self.tail.wrapping_sub(self.ring.consumer.head.load(Ordering::Acquire)) <= self.ring.capacity / 2
    }

    /// Bytes in all.
    #[must_use]
    pub(crate) fn capacity(&self) -> usize {
        self.ring.capacity
    }

    /// Up to where the consumer has taken messages: compared with `position`.
    #[must_use]
    pub(crate) fn taken(&self) -> usize {
        self.ring.consumer.taken.load(Ordering::Acquire)
    }

    /// A view of the positions for waiting threads.
    #[must_use]
    pub(crate) fn gauge(&self) -> Gauge {
        Gauge::new(&self.ring)
    }
}
