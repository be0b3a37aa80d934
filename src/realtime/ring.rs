//! The queue between the network thread and an audio thread: a single-producer, single-consumer ring of whole messages.
//!
//! A message is one contiguous record, so that the consumer can hand out a pointer into the ring. Both sides are
//! wait-free: neither ever loops on what the other does. Each keeps its own position in a plain variable and a copy of
//! the other's, which it renews only when the copy no longer suffices; so the two touch each other's cache line once a
//! batch rather than once a message. The last record popped stays valid until the next pop: the consumer gives room
//! back one call later.
//!
//! A record begins with 16 bytes: a word, the client, the time. A message of up to three bytes, which is nearly every
//! one, lies in that word, behind a tag; so it takes a quarter of a cache line, and going in it is two stores. A longer
//! one follows behind the 16 bytes.
//!
//! Positions count up without end and wrap with the integer; the capacity is a power of two.

pub(crate) use crate::midi::short::Short;
use crate::sys::code::Code;
use crate::sys::sync::{Arc, AtomicUsize, Ordering};
use crossbeam_utils::CachePadded;
use std::alloc::{Layout, alloc, dealloc};
use std::hint::cold_path;
use std::ptr::NonNull;

#[cfg(all(test, not(loom)))]
#[path = "ring_tests.rs"]
mod tests;

/// What begins a record. `word` is, as bytes in memory, the tag and three more: a short message, or the lower bits of a
/// longer one's size.
///
/// The tag, from bit 0: the length of a short message in 2 bits, 0 for a longer one; flags in 2 bits; the upper bits of
/// a longer one's size in 4.
#[repr(C)]
#[derive(Clone, Copy)]
struct Header {
    word: u32,
    client: u32,
    time_ns: u64,
}

const HEADER: usize = size_of::<Header>();
/// All positions are multiples of it: a header never reaches across the end.
const UNIT: usize = HEADER;
/// In place of a record: the rest up to the end is unused. As a tag it would be a short message's with a size.
const WRAP: u32 = u32::MAX;
/// Of a tag: the bits that are a short message's length, and those that are 0 for every short message.
const LENGTH: u32 = 0x03;
const SHORT: u32 = 0xF3;
const FLAGS_AT: u32 = 2;
const MOST_FLAGS: u32 = 3;
const MOST_SHORT: usize = 3;
const MOST_SIZE: usize = (1 << 28) - 1;

/// How many bytes of the ring a message takes.
#[inline(always)]
fn footprint(size: usize) -> usize {
    if size <= MOST_SHORT {
        HEADER
    } else {
        (HEADER + size).next_multiple_of(UNIT)
    }
}

/// Where the two sides have come to; written by one side each.
struct Ring {
    memory: NonNull<u8>,
    capacity: usize,
    /// Written by the producer: up to here records are whole.
    tail: CachePadded<AtomicUsize>,
    consumer: CachePadded<ConsumerPositions>,
    /// Stand for the memory, `UNIT` bytes each, so that loom sees who touches it when.
    #[cfg(loom)]
    units: Box<[loom::cell::UnsafeCell<()>]>,
}

/// Written by the consumer.
struct ConsumerPositions {
    /// Up to here room is free again.
    head: AtomicUsize,
    /// Up to here records have been taken: ahead of `head` by the last record, which is still valid. For those who
    /// wait for messages.
    taken: AtomicUsize,
}

// SAFETY: `memory` is owned, and what lies in it is only touched through the one `Producer` (room between head and
// tail that is not yet published) and the one `Consumer` (records published and not yet given back).
unsafe impl Send for Ring {}
// SAFETY: as for `Send`; shared access touches only the atomics.
unsafe impl Sync for Ring {}

impl Ring {
    fn new(capacity: usize) -> Result<Self, Code> {
        debug_assert!(capacity.is_power_of_two() && capacity >= 64);
        let layout = Self::layout(capacity).ok_or(Code::NoResources)?;
        // What is read was written before, so it need not be zero.
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
    fn writing(&self, _position: usize, _size: usize) {
        #[cfg(loom)]
        for at in (_position.._position + _size).step_by(UNIT) {
            self.units[(at & (self.capacity - 1)) / UNIT].with_mut(|_| ());
        }
    }

    /// Tells loom that memory is about to be read.
    #[inline(always)]
    fn reading(&self, _position: usize, _size: usize) {
        #[cfg(loom)]
        for at in (_position.._position + _size).step_by(UNIT) {
            self.units[(at & (self.capacity - 1)) / UNIT].with(|_| ());
        }
    }

    /// Bytes from a position to the end of the memory.
    fn to_end(&self, position: usize) -> usize {
        self.capacity - (position & (self.capacity - 1))
    }
}

/// Touches every page of a ring that nobody uses yet: one that the system only promised would be a fault in the audio
/// callback.
fn touch(ring: &Ring) {
    for page in (0..ring.capacity).step_by(1024) {
        // SAFETY: `page` is inside the allocation; nothing is in the ring, and no other thread writes to it now: it is
        // new, or the caller has its producer.
        unsafe { ring.memory.add(page).write_volatile(0) };
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

/// Makes a queue of a power of two bytes, every page of it touched.
pub(crate) fn queue(capacity: usize) -> Result<(Producer, Consumer), Code> {
    let ends = untouched_queue(capacity)?;
    touch(&ends.0.ring);
    Ok(ends)
}

/// The same at once, whatever its size: no page is touched. It is then for the producer to touch them: the consumer
/// reads only what was written.
pub(crate) fn untouched_queue(capacity: usize) -> Result<(Producer, Consumer), Code> {
    let ring = Arc::new(Ring::new(capacity)?);
    let (memory, mask) = (ring.memory, capacity - 1);
    Ok((
        Producer {
            ring: Arc::clone(&ring),
            memory,
            mask,
            tail: 0,
            published: 0,
            limit: capacity,
        },
        Consumer {
            ring,
            memory,
            mask,
            read: 0,
            tail: 0,
        },
    ))
}

/// The side that puts messages in. One thread at a time.
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

// SAFETY: `memory` is the ring's, which `ring` keeps; see there for who touches what of it.
unsafe impl Send for Producer {}

impl Producer {
    /// Touches every page, before the first message.
    pub(crate) fn touch(&mut self) {
        debug_assert_eq!((self.tail, self.published), (0, 0));
        touch(&self.ring);
    }

    /// Writes one message, not yet visible to the consumer; false when it does not fit, and nothing is written.
    #[inline]
    pub(crate) fn write(&mut self, time_ns: u64, client: u32, flags: u32, data: &[u8]) -> bool {
        match Short::of(data) {
            Some(short) => self.write_short(time_ns, client, flags, short),
            None => self.write_long(time_ns, client, flags, data),
        }
    }

    /// The same, of a short message.
    #[inline(always)]
    pub(crate) fn write_short(&mut self, time_ns: u64, client: u32, flags: u32, short: Short) -> bool {
        debug_assert!(flags <= MOST_FLAGS);
        // Up to the end of the memory there is always room for one: positions are multiples of its size.
        if self.tail == self.limit {
            cold_path();
            self.renew();
            if self.tail == self.limit {
                return false;
            }
        }
        self.put(time_ns, client, short.word() | flags << FLAGS_AT);
        self.tail = self.tail.wrapping_add(HEADER);
        true
    }

    #[inline(never)]
    fn write_long(&mut self, time_ns: u64, client: u32, flags: u32, data: &[u8]) -> bool {
        debug_assert!(data.len() > MOST_SHORT && data.len() <= MOST_SIZE && flags <= MOST_FLAGS);
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
        let tag = flags << FLAGS_AT | size >> 24 << 4;
        self.put(time_ns, client, tag | size << 8);
        self.ring.writing(self.tail.wrapping_add(HEADER), need - HEADER);
        // SAFETY: `need` bytes from here are inside the memory and free (checked above, with the Acquire load of the
        // consumer's head) and not read before `publish`. `data` is a caller's slice and cannot overlap room that is
        // free.
        unsafe { std::ptr::copy_nonoverlapping(data.as_ptr(), self.at(self.tail).add(HEADER).as_ptr(), data.len()) };
        self.tail = self.tail.wrapping_add(need);
        true
    }

    /// Writes what begins a record. There is room for it.
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

    /// What a message takes, and what is passed over before it where it would reach across the end.
    fn needs(&self, size: usize) -> (usize, usize) {
        let need = footprint(size);
        let to_end = self.ring.to_end(self.tail);
        (need, if need > to_end { to_end } else { 0 })
    }

    /// Looks how far the consumer has come.
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
    pub(crate) fn has_room(&mut self, size: usize) -> bool {
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

    /// The same for who publishes after each message and never asks for `publish_batch`.
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
    pub(crate) fn position(&self) -> usize {
        self.tail
    }

    /// Whether half of the queue is free.
    pub(crate) fn is_half_free(&self) -> bool {
        self.tail.wrapping_sub(self.ring.consumer.head.load(Ordering::Acquire)) <= self.ring.capacity / 2
    }

    /// Bytes in all.
    pub(crate) fn capacity(&self) -> usize {
        self.ring.capacity
    }

    /// Whether everything written has been taken.
    pub(crate) fn is_drained(&self) -> bool {
        self.ring.consumer.taken.load(Ordering::Acquire) == self.tail
    }

    /// A view of the positions for those who wait.
    pub(crate) fn gauge(&self) -> Gauge {
        Gauge {
            ring: Arc::clone(&self.ring),
        }
    }
}

/// One message in the ring.
#[derive(Clone, Copy)]
pub(crate) struct Record {
    pub time_ns: u64,
    pub client: u32,
    pub flags: u32,
    /// Into the ring; valid until the record is given back.
    pub data: NonNull<[u8]>,
}

impl Record {
    #[inline(always)]
    fn new(header: &Header, data: NonNull<u8>, size: u32) -> Self {
        Self {
            time_ns: header.time_ns,
            client: header.client,
            flags: header.word >> FLAGS_AT & MOST_FLAGS,
            data: NonNull::slice_from_raw_parts(data, size as usize),
        }
    }
}

/// The side that takes messages out. One thread at a time.
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
    /// Looks at the next message without taking it.
    #[inline]
    pub(crate) fn peek(&mut self) -> Option<Record> {
        let (record, header) = self.next_header()?;
        Some(if Self::is_short(&header) {
            Self::short(record, &header)
        } else {
            self.peek_long(header)
        })
    }

    /// Gives back the one before, and takes the next message if it is short and `wanted`. No call, so that a caller
    /// needs no stack.
    #[inline(always)]
    pub(crate) fn pop_short(&mut self, wanted: impl FnOnce(Short) -> bool) -> Option<(Short, Record)> {
        self.release();
        let (record, header) = self.next_header()?;
        let short = Short::from_word(header.word);
        if !wanted(short) || !Self::is_short(&header) {
            return None;
        }
        let record = Self::short(record, &header);
        self.take(&record);
        self.tell_taken();
        Some((short, record))
    }

    #[inline(always)]
    fn is_short(header: &Header) -> bool {
        (header.word & SHORT).wrapping_sub(1) < LENGTH
    }

    /// A short message.
    #[inline(always)]
    fn short(record: NonNull<u8>, header: &Header) -> Record {
        // SAFETY: a short message lies behind the tag, inside the header.
        Record::new(header, unsafe { record.add(1) }, header.word & LENGTH)
    }

    /// Where the next record begins; None when there is none.
    #[inline(always)]
    fn next_header(&mut self) -> Option<(NonNull<u8>, Header)> {
        // The copy may lie behind: a skip goes further than it knows.
        if self.tail.wrapping_sub(self.read) as isize <= 0 {
            self.tail = self.ring.tail.load(Ordering::Acquire);
            if self.read == self.tail {
                return None;
            }
        }
        Some(self.header())
    }

    /// The same of a message that is not short, or at the unused end; `header` is what lies at `read`.
    #[inline(never)]
    fn peek_long(&mut self, header: Header) -> Record {
        let (mut record, mut header) = (self.at(self.read), header);
        if header.word == WRAP {
            self.read = self.read.wrapping_add(self.ring.to_end(self.read));
            (record, header) = self.header();
        }
        // Only a longer one goes to the start rather than into what is left before the end.
        debug_assert!(header.word & LENGTH == 0);
        let size = header.word >> 8 | (header.word & 0xF0) << 20;
        self.ring.reading(self.read.wrapping_add(HEADER), size as usize);
        // SAFETY: a longer message lies behind its header, which does not end the memory.
        Record::new(&header, unsafe { record.add(HEADER) }, size)
    }

    /// What lies at `read`, where there is something.
    #[inline(always)]
    fn header(&self) -> (NonNull<u8>, Header) {
        self.ring.reading(self.read, HEADER);
        let record = self.at(self.read);
        // SAFETY: records between `read` and `tail` are whole (the Acquire load of the tail pairs with `publish`), stay
        // untouched until given back, and begin aligned; a wrap marker is written like one, and is published together
        // with the record behind it, so that one at the start is there.
        let header = unsafe { record.cast::<Header>().read() };
        let header = Header {
            word: u32::from_le(header.word),
            client: u32::from_le(header.client),
            time_ns: header.time_ns,
        };
        (record, header)
    }

    #[inline(always)]
    fn at(&self, position: usize) -> NonNull<u8> {
        // SAFETY: masked, the position is inside the allocation.
        unsafe { self.memory.add(position & self.mask) }
    }

    /// Takes what `peek` showed; it stays valid until `release`.
    #[inline(always)]
    pub(crate) fn take(&mut self, record: &Record) {
        self.read = self.read.wrapping_add(footprint(record.data.len()));
    }

    /// Tells those who wait how far has been taken.
    #[inline]
    pub(crate) fn tell_taken(&self) {
        self.ring.consumer.taken.store(self.read, Ordering::Release);
    }

    /// Gives the room of all that was taken back to the producer.
    #[inline]
    pub(crate) fn release(&mut self) {
        #[cfg(loom)]
        {
            // Whoever popped may have read it up to now.
            let head = self.ring.consumer.head.load(Ordering::Relaxed);
            self.ring.reading(head, self.read.wrapping_sub(head));
        }
        self.ring.consumer.head.store(self.read, Ordering::Release);
    }

    /// Takes the next message, and gives back the one before.
    #[cfg(test)]
    pub(crate) fn pop(&mut self) -> Option<Record> {
        self.release();
        let record = self.peek()?;
        self.take(&record);
        self.tell_taken();
        Some(record)
    }

    /// Where what is there now ends.
    pub(crate) fn end(&self) -> usize {
        self.ring.tail.load(Ordering::Acquire)
    }

    /// Shows messages from `from`, which must be where one begins and not before `position`, to `until`, which must
    /// not be beyond `end`, without taking any, until `budget` is used up: `each` says what it cost. How far it came.
    pub(crate) fn scan(
        &mut self,
        from: usize,
        until: usize,
        budget: &mut usize,
        mut each: impl FnMut(&Record) -> usize,
    ) -> usize {
        let start = std::mem::replace(&mut self.read, from);
        while self.read != until
            && *budget != 0
            && let Some(record) = self.peek()
        {
            *budget = budget.saturating_sub(each(&record));
            self.take(&record);
        }
        std::mem::replace(&mut self.read, start)
    }

    /// Throws away what comes before `until`, which must be where a record ends.
    pub(crate) fn skip_to(&mut self, until: usize) {
        self.read = until;
        self.tell_taken();
        self.release();
    }

    /// The same, where it may have been taken already.
    pub(crate) fn skip_to_at_least(&mut self, until: usize) {
        if (self.read.wrapping_sub(until) as isize) < 0 {
            self.skip_to(until);
        }
    }

    /// Where the next record begins: compared with `Gauge::tail`.
    pub(crate) fn position(&self) -> usize {
        self.read
    }

    /// A view of the positions for those who wait.
    pub(crate) fn gauge(&self) -> Gauge {
        Gauge {
            ring: Arc::clone(&self.ring),
        }
    }
}

/// The positions of a queue, readable from any thread.
pub(crate) struct Gauge {
    ring: Arc<Ring>,
}

impl Gauge {
    /// Whether a message waits to be taken.
    pub(crate) fn has_message(&self) -> bool {
        self.ring.consumer.taken.load(Ordering::Acquire) != self.ring.tail.load(Ordering::Acquire)
    }

    /// Whether half of the queue is free.
    pub(crate) fn is_half_free(&self) -> bool {
        let head = self.ring.consumer.head.load(Ordering::Acquire);
        self.ring.tail.load(Ordering::Acquire).wrapping_sub(head) <= self.ring.capacity / 2
    }

    /// Up to where the producer has published.
    pub(crate) fn tail(&self) -> usize {
        self.ring.tail.load(Ordering::Acquire)
    }
}
