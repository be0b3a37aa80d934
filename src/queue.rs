//! The queue between the network thread and an audio thread: a single-producer, single-consumer ring of whole messages.
//!
//! A message is one contiguous record, so that the consumer can hand out a pointer into the ring. Both sides are
//! wait-free: neither ever loops on what the other does. Each keeps its own position in a plain variable and a copy of
//! the other's, which it renews only when the copy no longer suffices; so the two touch each other's cache line once a
//! batch rather than once a message. The last record popped stays valid until the next pop: the consumer gives room
//! back one call later.
//!
//! Positions count up without end and wrap with the integer; the capacity is a power of two.

use crate::code::Code;
use crate::sync::{Arc, AtomicUsize, Ordering};
use crossbeam_utils::CachePadded;
use std::alloc::{Layout, alloc_zeroed, dealloc};
use std::ptr::NonNull;

/// What precedes a message in the ring. `size` and `client` come first: they alone fit into the last 8 bytes before
/// the end, where `size` may have to say that the next record is at the start.
#[repr(C)]
#[derive(Clone, Copy)]
struct Header {
    size: u32,
    client: u32,
    time_ns: u64,
}

const HEADER: usize = size_of::<Header>();
const UNIT: usize = 8;
/// In place of a size: the rest up to the end is unused.
const WRAP: u32 = u32::MAX;
/// Of `Header::size` the size takes 28 bits, flags take the rest.
const SIZE_BITS: u32 = 28;
const SIZE_MASK: u32 = (1 << SIZE_BITS) - 1;

/// How many bytes of the ring a message takes.
fn footprint(size: usize) -> usize {
    (HEADER + size).next_multiple_of(UNIT)
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
        // SAFETY: the layout's size is not zero.
        let memory = NonNull::new(unsafe { alloc_zeroed(layout) }).ok_or(Code::NoResources)?;
        for page in (0..capacity).step_by(1024) {
            // A page that the system only promised would be a fault in the audio callback.
            // SAFETY: `page` is inside the allocation, which nobody else knows yet.
            unsafe { memory.add(page).write_volatile(0) };
        }
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

    fn at(&self, position: usize) -> NonNull<u8> {
        // SAFETY: masked, the position is inside the allocation.
        unsafe { self.memory.add(position & (self.capacity - 1)) }
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
    let ring = Arc::new(Ring::new(capacity)?);
    Ok((
        Producer {
            ring: Arc::clone(&ring),
            tail: 0,
            published: 0,
            head: 0,
        },
        Consumer { ring, read: 0, tail: 0 },
    ))
}

/// The side that puts messages in. One thread at a time.
pub(crate) struct Producer {
    ring: Arc<Ring>,
    /// Where the next record begins.
    tail: usize,
    /// Up to where the consumer has been told.
    published: usize,
    /// The consumer's head as last seen.
    head: usize,
}

impl Producer {
    /// Writes one message, not yet visible to the consumer; false when it does not fit, and nothing is written.
    #[inline]
    pub(crate) fn write(&mut self, time_ns: u64, client: u32, flags: u32, data: &[u8]) -> bool {
        debug_assert!(data.len() <= SIZE_MASK as usize && flags < 1 << (32 - SIZE_BITS) as usize);
        let need = footprint(data.len());
        let to_end = self.ring.to_end(self.tail);
        let skipped = if need > to_end { to_end } else { 0 };
        if self.tail.wrapping_sub(self.head) + skipped + need > self.ring.capacity {
            self.head = self.ring.consumer.head.load(Ordering::Acquire);
            if self.tail.wrapping_sub(self.head) + skipped + need > self.ring.capacity {
                return false;
            }
        }
        if skipped != 0 {
            self.ring.writing(self.tail, UNIT);
            // SAFETY: at least `UNIT` bytes are left before the end, since positions are multiples of it; they are
            // free (checked above), and nobody reads them before `publish`.
            unsafe { self.ring.at(self.tail).cast::<u32>().write(WRAP) };
            self.tail = self.tail.wrapping_add(skipped);
        }
        let header = Header {
            size: data.len() as u32 | flags << SIZE_BITS,
            client,
            time_ns,
        };
        self.ring.writing(self.tail, need);
        let record = self.ring.at(self.tail);
        // SAFETY: `need` bytes from here are inside the memory and free (checked above, with the Acquire load of the
        // consumer's head), aligned to 8 as all records are, and not read before `publish`. `data` is a caller's
        // slice and cannot overlap room that is free.
        unsafe {
            record.cast::<Header>().write(header);
            std::ptr::copy_nonoverlapping(data.as_ptr(), record.add(HEADER).as_ptr(), data.len());
        }
        self.tail = self.tail.wrapping_add(need);
        true
    }

    /// Whether a message of so many bytes would fit.
    pub(crate) fn has_room(&mut self, size: usize) -> bool {
        let need = footprint(size);
        let to_end = self.ring.to_end(self.tail);
        let skipped = if need > to_end { to_end } else { 0 };
        self.head = self.ring.consumer.head.load(Ordering::Acquire);
        self.tail.wrapping_sub(self.head) + skipped + need <= self.ring.capacity
    }

    /// Shows the consumer all that was written.
    #[inline]
    pub(crate) fn publish(&mut self) {
        if self.published != self.tail {
            self.published = self.tail;
            self.ring.tail.store(self.tail, Ordering::Release);
        }
    }

    /// Shows the consumer what was written if that is an eighth of the queue: it works on those messages while the
    /// next are written.
    #[inline]
    pub(crate) fn publish_batch(&mut self) {
        if self.tail.wrapping_sub(self.published) >= self.ring.capacity / 8 {
            self.publish();
        }
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

/// The side that takes messages out. One thread at a time.
pub(crate) struct Consumer {
    ring: Arc<Ring>,
    /// Where the next record begins.
    read: usize,
    /// The producer's tail as last seen.
    tail: usize,
}

impl Consumer {
    /// Looks at the next message without taking it.
    #[inline]
    pub(crate) fn peek(&mut self) -> Option<Record> {
        // The copy may lie behind: a skip goes further than it knows.
        if self.tail.wrapping_sub(self.read) as isize <= 0 {
            self.tail = self.ring.tail.load(Ordering::Acquire);
            if self.read == self.tail {
                return None;
            }
        }
        self.ring.reading(self.read, UNIT);
        // SAFETY: records between `read` and `tail` are whole (the Acquire load above pairs with `publish`), stay
        // untouched until given back, and begin aligned; a wrap marker is published together with the record behind
        // it, so that a record at the start is there.
        unsafe {
            if self.ring.at(self.read).cast::<u32>().read() == WRAP {
                self.read = self.read.wrapping_add(self.ring.to_end(self.read));
            }
            self.ring.reading(self.read, HEADER);
            let record = self.ring.at(self.read);
            let header = record.cast::<Header>().read();
            let size = (header.size & SIZE_MASK) as usize;
            Some(Record {
                time_ns: header.time_ns,
                client: header.client,
                flags: header.size >> SIZE_BITS,
                data: NonNull::slice_from_raw_parts(record.add(HEADER), size),
            })
        }
    }

    /// Takes what `peek` showed; it stays valid until `release`.
    #[inline]
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
    #[inline]
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
    /// not be beyond `end`, without taking any; at most `budget` of them. How far it came.
    pub(crate) fn scan(
        &mut self,
        from: usize,
        until: usize,
        budget: &mut usize,
        mut each: impl FnMut(&Record),
    ) -> usize {
        let start = std::mem::replace(&mut self.read, from);
        while self.read != until
            && *budget != 0
            && let Some(record) = self.peek()
        {
            each(&record);
            self.take(&record);
            *budget -= 1;
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
