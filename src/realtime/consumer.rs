//! The side of a queue that takes messages out.

use crate::midi::short::Short;
use crate::realtime::overdue::{self, OVERDUE};
use crate::realtime::ring::{Gauge, HEADER, Header, LENGTH, Ring, SHORT, WRAP, flags_of_word, footprint, is_before};
use crate::sys::sync::{Arc, Ordering};
use std::ops::Deref;
use std::ptr::NonNull;

/// A flag of records in an out queue: `time_ns` is when to send the message. On others it is when the message was
/// pushed, or 0 where nothing was scheduled then.
pub(crate) const SCHEDULED: u32 = 1;

/// One message in the ring.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Record<'a> {
    pub time_ns: u64,
    pub client: u32,
    pub flags: u32,
    /// Points into the ring.
    pub data: &'a [u8],
}

impl Record<'_> {
    /// Whether a message in an out queue was pushed with a time ahead.
    #[must_use]
    pub(crate) fn is_scheduled(&self) -> bool {
        self.flags & SCHEDULED != 0
    }

    /// When a message in an out queue that is not scheduled was pushed, and when it was meant; 0: that was not noted.
    pub(crate) fn pushed_and_meant(&self, now_ns: u64) -> (u64, u64) {
        if self.flags & OVERDUE != 0 {
            overdue::unpack(self.time_ns, now_ns)
        } else {
            (self.time_ns, self.time_ns)
        }
    }
}

/// The next message, which has not been taken yet.
pub(crate) struct Waiting<'a> {
    consumer: &'a mut Consumer,
    record: Record<'a>,
}

impl<'a> Waiting<'a> {
    /// See `Consumer::is_ahead`.
    #[inline(always)]
    #[must_use]
    pub(crate) fn is_ahead(&self, position: usize) -> bool {
        self.consumer.is_ahead(position)
    }

    /// Takes it. It stays valid as long as it is borrowed: `Consumer::release` needs the consumer again.
    #[inline(always)]
    pub(crate) fn take(self) -> Record<'a> {
        self.consumer.read = self.consumer.read.wrapping_add(footprint(self.record.data.len()));
        self.record
    }
}

impl<'a> Deref for Waiting<'a> {
    type Target = Record<'a>;

    #[inline(always)]
    fn deref(&self) -> &Record<'a> {
        &self.record
    }
}

/// The consuming side. One thread at a time.
#[repr(C)]
pub(crate) struct Consumer {
    ring: Arc<Ring>,
    /// As the producer's.
    memory: NonNull<u8>,
    mask: usize,
    /// Where the next record begins.
    read: usize,
    /// The producer's tail as last seen.
    tail: usize,
}

// SAFETY: as for `Producer`.
unsafe impl Send for Consumer {}

impl Consumer {
    pub(super) fn new(ring: Arc<Ring>) -> Self {
        Self {
            memory: ring.memory,
            mask: ring.capacity - 1,
            read: 0,
            tail: 0,
            ring,
        }
    }

    /// Shows the next message without taking it.
    #[inline]
    #[must_use]
    pub(crate) fn peek(&mut self) -> Option<Waiting<'_>> {
        let (start, header) = self.next_header()?;
        let (data, size) = if Self::is_short(&header) {
            Self::short(start, &header)
        } else {
            return Some(self.peek_long(header));
        };
        // SAFETY: `short` gives bytes of a record that is whole and stays untouched until `release`, which cannot be
        // called while `Waiting`, or the record that it gives, borrows this consumer.
        let record = unsafe { Record::new(&header, data, size) };
        Some(Waiting { consumer: self, record })
    }

    /// Whether a position lies behind the next record, as one does up to which the producer has written.
    #[inline(always)]
    #[must_use]
    pub(crate) fn is_ahead(&self, position: usize) -> bool {
        position.wrapping_sub(self.read).wrapping_sub(1) <= self.mask
    }

    /// Gives back the one before, and takes the next message if it is short and `wanted`. No call, so that a caller
    /// needs no stack.
    #[inline(always)]
    pub(crate) fn pop_short(&mut self, wanted: impl FnOnce(Short) -> bool) -> Option<(Short, Record<'_>)> {
        self.release();
        let (start, header) = self.next_header()?;
        let short = Short::from_word(header.word);
        if !wanted(short) || !Self::is_short(&header) {
            return None;
        }
        let (data, size) = Self::short(start, &header);
        self.read = self.read.wrapping_add(HEADER);
        self.announce_taken();
        // SAFETY: as in `peek`; the record borrows this consumer.
        Some((short, unsafe { Record::new(&header, data, size) }))
    }

    /// Whether a message waits.
    #[inline(always)]
    #[must_use]
    pub(crate) fn has_next(&mut self) -> bool {
        // The copy may lie behind: a skip goes further than it knows.
        is_before(self.read, self.tail) || {
            self.tail = self.ring.tail.load(Ordering::Acquire);
            self.read != self.tail
        }
    }

    #[inline(always)]
    fn is_short(header: &Header) -> bool {
        (header.word & SHORT).wrapping_sub(1) < LENGTH
    }

    /// Where a short message lies, and its size.
    #[inline(always)]
    fn short(start: NonNull<u8>, header: &Header) -> (NonNull<u8>, u32) {
        // SAFETY: a short message lies behind the tag, inside the header.
        (unsafe { start.add(1) }, header.word & LENGTH)
    }

    /// Where the next record begins; None when there is none.
    #[inline(always)]
    fn next_header(&mut self) -> Option<(NonNull<u8>, Header)> {
        if self.has_next() { Some(self.header()) } else { None }
    }

    /// Shows a message that is not short, or the one behind the unused end; `header` is the one at `read`.
    #[inline(never)]
    fn peek_long(&mut self, header: Header) -> Waiting<'_> {
        let (mut start, mut header) = (self.at(self.read), header);
        if header.word == WRAP {
            self.read = self.read.wrapping_add(self.ring.to_end(self.read));
            (start, header) = self.header();
        }
        // Only a longer one goes to the start rather than into the room before the end: see `Producer::write_long`.
        debug_assert!(header.word & LENGTH == 0);
        let size = header.word >> 8 | (header.word & 0xF0) << 20;
        self.ring.reading(self.read.wrapping_add(HEADER), size as usize);
        // SAFETY: a longer message lies behind its header, which does not end the memory. It is whole and stays
        // untouched until `release`, which cannot be called while this consumer is borrowed.
        let record = unsafe { Record::new(&header, start.add(HEADER), size) };
        Waiting { consumer: self, record }
    }

    /// The header at `read`, where there is a record.
    #[inline(always)]
    fn header(&self) -> (NonNull<u8>, Header) {
        self.ring.reading(self.read, HEADER);
        let start = self.at(self.read);
        // SAFETY: records between `read` and `tail` are whole (the Acquire load of the tail pairs with `publish`), stay
        // untouched until given back, and begin aligned; a wrap marker is written like one, and is published together
        // with the record behind it, so that one at the start is there.
        let header = unsafe { start.cast::<Header>().read() };
        let header = Header {
            word: u32::from_le(header.word),
            client: u32::from_le(header.client),
            time_ns: header.time_ns,
        };
        (start, header)
    }

    #[inline(always)]
    fn at(&self, position: usize) -> NonNull<u8> {
        // SAFETY: masked, the position is inside the allocation.
        unsafe { self.memory.add(position & self.mask) }
    }

    /// Tells waiting threads how far has been taken.
    #[inline]
    pub(crate) fn announce_taken(&self) {
        self.ring.consumer.taken.store(self.read, Ordering::Release);
    }

    /// Gives the room of all that was taken back to the producer.
    #[inline]
    pub(crate) fn release(&mut self) {
        #[cfg(loom)]
        {
            // The caller that popped it may have read it up to now.
            let head = self.ring.consumer.head.load(Ordering::Relaxed);
            self.ring.reading(head, self.read.wrapping_sub(head));
        }
        self.ring.consumer.head.store(self.read, Ordering::Release);
    }

    /// Takes the next message, and gives back the one before.
    #[cfg(test)]
    pub(crate) fn pop(&mut self) -> Option<Record<'_>> {
        self.release();
        if !self.has_next() {
            return None;
        }
        let next = self.peek().map(|waiting| footprint(waiting.data.len()))?;
        // What `take` does, before the record is handed out, so that the position can be announced.
        let read = self.read;
        self.read = read.wrapping_add(next);
        self.announce_taken();
        self.read = read;
        Some(self.peek()?.take())
    }

    /// Where the messages that are there now end.
    #[must_use]
    pub(crate) fn end(&self) -> usize {
        self.ring.tail.load(Ordering::Acquire)
    }

    /// Shows messages from one position to another without taking any, until `budget` is used up: `each` says what it
    /// cost. Returns how far it came.
    ///
    /// # Safety
    /// A record begins or ends at both positions. `from` is not before `position`, and `until` is not beyond `end`.
    pub(crate) unsafe fn scan(
        &mut self,
        from: usize,
        until: usize,
        budget: &mut usize,
        mut each: impl FnMut(usize, &Record<'_>) -> usize,
    ) -> usize {
        let start = std::mem::replace(&mut self.read, from);
        while self.read != until && *budget != 0 {
            let position = self.read;
            let Some(waiting) = self.peek() else { break };
            *budget = budget.saturating_sub(each(position, &waiting));
            waiting.take();
        }
        std::mem::replace(&mut self.read, start)
    }

    /// Throws away what comes before `until`, where it has not been taken already.
    ///
    /// # Safety
    /// A record ends at `until`, which is not beyond `end`.
    pub(crate) unsafe fn skip_to(&mut self, until: usize) {
        if is_before(self.read, until) {
            self.read = until;
        }
        self.announce_taken();
        self.release();
    }

    /// Where the next record begins: compared with `Gauge::tail`.
    #[inline(always)]
    #[must_use]
    pub(crate) fn position(&self) -> usize {
        self.read
    }

    /// A view of the positions for waiting threads.
    #[must_use]
    pub(crate) fn gauge(&self) -> Gauge {
        Gauge::new(&self.ring)
    }
}

impl<'a> Record<'a> {
    /// # Safety
    /// `data` points to `size` bytes that stay valid and unchanged for `'a`.
    #[inline(always)]
    unsafe fn new(header: &Header, data: NonNull<u8>, size: u32) -> Self {
        // SAFETY: by this function's contract.
        let data = unsafe { std::slice::from_raw_parts(data.as_ptr(), size as usize) };
        Self {
            time_ns: header.time_ns,
            client: header.client,
            flags: flags_of_word(header.word),
            data,
        }
    }
}
