//! `crossbeam_queue::ArrayQueue` and `rtrb` behind C calls of the same kind as midisock's: time, client, length and
//! bytes go in, and come out. A slot has room for 8 bytes of message, so they take nothing longer.

#![deny(unsafe_op_in_unsafe_fn, missing_docs, clippy::undocumented_unsafe_blocks)]

use crossbeam_queue::ArrayQueue;
use std::cell::UnsafeCell;

/// A slot of the queues, and what a pop gives.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct Slot {
    time_ns: u64,
    client: u32,
    size: u32,
    bytes: [u8; 8],
}

impl Slot {
    /// # Safety
    /// `data` points to `size` bytes.
    #[inline(always)]
    unsafe fn new(time_ns: u64, client: u32, data: *const u8, size: usize) -> Option<Self> {
        let mut bytes = [0; 8];
        // SAFETY: `data` points to `size` bytes, by this function's contract.
        let data = unsafe { std::slice::from_raw_parts(data, size) };
        bytes.get_mut(..size)?.copy_from_slice(data);
        Some(Self {
            time_ns,
            client,
            size: size as u32,
            bytes,
        })
    }
}

/// Makes an ArrayQueue of so many slots; it is never given back.
#[unsafe(no_mangle)]
pub extern "C" fn array_queue_new(slots: usize) -> *mut ArrayQueue<Slot> {
    Box::into_raw(Box::new(ArrayQueue::new(slots)))
}

/// 0, or 1 when it is full.
///
/// # Safety
/// `queue` comes from `array_queue_new`, `data` points to `size` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn array_queue_push(
    queue: *const ArrayQueue<Slot>,
    time_ns: u64,
    client: u32,
    data: *const u8,
    size: usize,
) -> i32 {
    // SAFETY: by this function's contract.
    let (queue, slot) = unsafe { (&*queue, Slot::new(time_ns, client, data, size)) };
    slot.is_none_or(|slot| queue.push(slot).is_err()).into()
}

/// 0, or 1 when it is empty.
///
/// # Safety
/// `queue` comes from `array_queue_new`, `out` is writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn array_queue_pop(queue: *const ArrayQueue<Slot>, out: *mut Slot) -> i32 {
    // SAFETY: by this function's contract.
    let queue = unsafe { &*queue };
    match queue.pop() {
        Some(slot) => {
            // SAFETY: by this function's contract.
            unsafe { out.write(slot) };
            0
        }
        None => 1,
    }
}

/// Both ends of an rtrb ring, each for one thread.
pub struct Rtrb {
    producer: UnsafeCell<Padded<rtrb::Producer<Slot>>>,
    consumer: UnsafeCell<Padded<rtrb::Consumer<Slot>>>,
}

/// Keeps the two ends, which two threads write, on cache lines of their own.
#[repr(align(128))]
struct Padded<T>(T);

/// Makes an rtrb ring of so many slots; it is never given back.
#[unsafe(no_mangle)]
pub extern "C" fn rtrb_new(slots: usize) -> *mut Rtrb {
    let (producer, consumer) = rtrb::RingBuffer::new(slots);
    let producer = UnsafeCell::new(Padded(producer));
    let consumer = UnsafeCell::new(Padded(consumer));
    Box::into_raw(Box::new(Rtrb { producer, consumer }))
}

/// 0, or 1 when it is full.
///
/// # Safety
/// `queue` comes from `rtrb_new`, `data` points to `size` bytes, one thread at a time pushes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rtrb_push(queue: *const Rtrb, time_ns: u64, client: u32, data: *const u8, size: usize) -> i32 {
    // SAFETY: by this function's contract; the producer is this thread's alone.
    let (producer, slot) = unsafe { (&mut *(*queue).producer.get(), Slot::new(time_ns, client, data, size)) };
    slot.is_none_or(|slot| producer.0.push(slot).is_err()).into()
}

/// 0, or 1 when it is empty.
///
/// # Safety
/// `queue` comes from `rtrb_new`, `out` is writable, one thread at a time pops.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rtrb_pop(queue: *const Rtrb, out: *mut Slot) -> i32 {
    // SAFETY: by this function's contract; the consumer is this thread's alone.
    let consumer = unsafe { &mut *(*queue).consumer.get() };
    match consumer.0.pop() {
        Ok(slot) => {
            // SAFETY: by this function's contract.
            unsafe { out.write(slot) };
            0
        }
        Err(_) => 1,
    }
}
