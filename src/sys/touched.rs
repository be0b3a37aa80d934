//! Memory on the heap that causes no page fault later.

use std::mem::MaybeUninit;

/// At most the size of a page.
const STEP: usize = 1024;

/// Writes to every page of a new value.
///
/// Making the value does not ensure that: compilers turn an allocation that is filled with zeros into `calloc`, and
/// `calloc` does not write to pages that are new from the system.
pub(crate) fn touched<T: ?Sized>(mut boxed: Box<T>) -> Box<T> {
    let size = size_of_val(&*boxed);
    let start = (&raw mut *boxed).cast::<MaybeUninit<u8>>();
    for offset in (0..size).step_by(STEP).chain(size.checked_sub(1)) {
        // SAFETY: the byte is inside the value, to which nothing else refers. It gets the value that it had, whether that
        // was initialised or not.
        unsafe {
            let byte = start.add(offset);
            byte.write_volatile(byte.read_volatile());
        }
    }
    boxed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_touched_value_is_unchanged() {
        let numbers: Box<[u16]> = (0..5000).collect();
        assert!(touched(numbers).iter().copied().eq(0..5000));
        assert!(touched(Box::<[u8]>::default()).is_empty());
        touched(Box::new(()));
    }
}
