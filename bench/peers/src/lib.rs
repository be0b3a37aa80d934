//! `crossbeam_queue::ArrayQueue` and `rtrb` behind C calls of the same kind as midisock's: time, client, length and
//! bytes go in, and come out. Slots have room for 8, 256 or 16384 bytes of message; nothing longer is taken.

#![deny(unsafe_op_in_unsafe_fn, missing_docs, clippy::undocumented_unsafe_blocks)]

use crossbeam_queue::ArrayQueue;
use std::cell::UnsafeCell;
use std::mem::MaybeUninit;

/// A slot of the queues, and what a pop gives.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct Slot<const N: usize> {
    time_ns: u64,
    client: u32,
    size: u32,
    bytes: [MaybeUninit<u8>; N],
}

impl<const N: usize> Slot<N> {
    const EMPTY: Self = Self {
        time_ns: 0,
        client: 0,
        size: 0,
        bytes: [MaybeUninit::uninit(); N],
    };

    /// Takes a message; false when it is too long.
    ///
    /// # Safety
    /// `data` points to `size` bytes.
    #[inline(always)]
    unsafe fn fill(&mut self, time_ns: u64, client: u32, data: *const u8, size: usize) -> bool {
        if size > N {
            return false;
        }
        (self.time_ns, self.client, self.size) = (time_ns, client, size as u32);
        // SAFETY: `size` bytes of `data` may be read, by this function's contract; there is room for N.
        unsafe { std::ptr::copy_nonoverlapping(data, self.bytes.as_mut_ptr().cast(), size) };
        true
    }

    /// Copies what is in it.
    ///
    /// # Safety
    /// `out` is writable.
    #[inline(always)]
    unsafe fn copy_to(&self, out: *mut Self) {
        // SAFETY: by this function's contract; `size` is at most N.
        unsafe {
            (*out).time_ns = self.time_ns;
            (*out).client = self.client;
            (*out).size = self.size;
            std::ptr::copy_nonoverlapping(self.bytes.as_ptr(), (*out).bytes.as_mut_ptr(), self.size as usize);
        }
    }
}

/// Both ends of an rtrb ring, each for one thread.
struct Rtrb<const N: usize> {
    producer: UnsafeCell<Padded<rtrb::Producer<Slot<N>>>>,
    consumer: UnsafeCell<Padded<rtrb::Consumer<Slot<N>>>>,
}

/// Keeps the two ends, which two threads write, on cache lines of their own.
#[repr(align(128))]
struct Padded<T>(T);

/// What is copied as a whole rather than in place: it is quicker for what is small.
const SMALL: usize = 8;

impl<const N: usize> Rtrb<N> {
    /// # Safety
    /// `data` points to `size` bytes, one thread at a time pushes.
    #[inline(always)]
    unsafe fn push(&self, time_ns: u64, client: u32, data: *const u8, size: usize) -> bool {
        // SAFETY: the producer is this thread's alone, by this function's contract.
        let producer = unsafe { &mut (*self.producer.get()).0 };
        if N <= SMALL {
            let mut slot = Slot::EMPTY;
            // SAFETY: by this function's contract.
            return unsafe { slot.fill(time_ns, client, data, size) } && producer.push(slot).is_ok();
        }
        let Ok(mut chunk) = producer.write_chunk_uninit(1) else {
            return false;
        };
        let slot = chunk.as_mut_slices().0[0].as_mut_ptr();
        // SAFETY: a Slot's fields may all be written where nothing is yet; `data` by this function's contract.
        let filled = unsafe { (*slot).fill(time_ns, client, data, size) };
        if filled {
            // SAFETY: the slot was filled.
            unsafe { chunk.commit_all() };
        }
        filled
    }

    /// # Safety
    /// `out` is writable, one thread at a time pops.
    #[inline(always)]
    unsafe fn pop(&self, out: *mut Slot<N>) -> bool {
        // SAFETY: the consumer is this thread's alone, by this function's contract.
        let consumer = unsafe { &mut (*self.consumer.get()).0 };
        if N <= SMALL {
            let Ok(slot) = consumer.pop() else { return false };
            // SAFETY: by this function's contract.
            unsafe { out.write(slot) };
            return true;
        }
        let Ok(chunk) = consumer.read_chunk(1) else { return false };
        // SAFETY: by this function's contract.
        unsafe { chunk.as_slices().0[0].copy_to(out) };
        chunk.commit_all();
        true
    }
}

macro_rules! queues {
    ($($size:literal: $array_new:ident $array_push:ident $array_pop:ident $rtrb_new:ident $rtrb_push:ident $rtrb_pop:ident;)*) => {$(
        /// Makes an ArrayQueue of so many slots; it is never given back.
        #[unsafe(no_mangle)]
        pub extern "C" fn $array_new(slots: usize) -> *mut std::ffi::c_void {
            Box::into_raw(Box::new(ArrayQueue::<Slot<$size>>::new(slots))).cast()
        }

        /// 0, or 1 when it is full.
        ///
        /// # Safety
        /// `queue` is one of this kind, `data` points to `size` bytes.
        #[unsafe(no_mangle)]
        pub unsafe extern "C" fn $array_push(
            queue: *const std::ffi::c_void, time_ns: u64, client: u32, data: *const u8, size: usize,
        ) -> i32 {
            let mut slot = Slot::<$size>::EMPTY;
            // SAFETY: by this function's contract.
            let (queue, filled) = unsafe {
                (&*queue.cast::<ArrayQueue<Slot<$size>>>(), slot.fill(time_ns, client, data, size))
            };
            (!filled || queue.push(slot).is_err()).into()
        }

        /// 0, or 1 when it is empty.
        ///
        /// # Safety
        /// `queue` is one of this kind, `out` is writable.
        #[unsafe(no_mangle)]
        pub unsafe extern "C" fn $array_pop(queue: *const std::ffi::c_void, out: *mut Slot<$size>) -> i32 {
            // SAFETY: by this function's contract.
            let queue = unsafe { &*queue.cast::<ArrayQueue<Slot<$size>>>() };
            match queue.pop() {
                Some(slot) => {
                    // SAFETY: by this function's contract.
                    unsafe { out.write(slot) };
                    0
                }
                None => 1,
            }
        }

        /// Makes an rtrb ring of so many slots; it is never given back.
        #[unsafe(no_mangle)]
        pub extern "C" fn $rtrb_new(slots: usize) -> *mut std::ffi::c_void {
            let (producer, consumer) = rtrb::RingBuffer::<Slot<$size>>::new(slots);
            let producer = UnsafeCell::new(Padded(producer));
            let consumer = UnsafeCell::new(Padded(consumer));
            Box::into_raw(Box::new(Rtrb { producer, consumer })).cast()
        }

        /// 0, or 1 when it is full.
        ///
        /// # Safety
        /// `queue` is one of this kind, `data` points to `size` bytes, one thread at a time pushes.
        #[unsafe(no_mangle)]
        pub unsafe extern "C" fn $rtrb_push(
            queue: *const std::ffi::c_void, time_ns: u64, client: u32, data: *const u8, size: usize,
        ) -> i32 {
            // SAFETY: by this function's contract.
            let pushed = unsafe { (*queue.cast::<Rtrb<$size>>()).push(time_ns, client, data, size) };
            (!pushed).into()
        }

        /// 0, or 1 when it is empty.
        ///
        /// # Safety
        /// `queue` is one of this kind, `out` is writable, one thread at a time pops.
        #[unsafe(no_mangle)]
        pub unsafe extern "C" fn $rtrb_pop(queue: *const std::ffi::c_void, out: *mut Slot<$size>) -> i32 {
            // SAFETY: by this function's contract.
            let popped = unsafe { (*queue.cast::<Rtrb<$size>>()).pop(out) };
            (!popped).into()
        }
    )*};
}

queues! {
    8: array_queue_8_new array_queue_8_push array_queue_8_pop rtrb_8_new rtrb_8_push rtrb_8_pop;
    256: array_queue_256_new array_queue_256_push array_queue_256_pop rtrb_256_new rtrb_256_push rtrb_256_pop;
    16384: array_queue_16384_new array_queue_16384_push array_queue_16384_pop rtrb_16384_new rtrb_16384_push rtrb_16384_pop;
}
