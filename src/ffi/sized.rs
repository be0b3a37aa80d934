//! Structs that grow from version to version travel with their size.

use crate::sys::code::Code;

/// No struct of this API will ever be larger: a bigger size is a mistake, not a newer header.
pub(super) const LIMIT: usize = 4096;

/// Where each field of a struct begins and ends: `fields!(the_struct: first second ...)`.
macro_rules! fields {
    ($of:ty: $($(#[$when:meta])? $field:ident)*) => {{
        const fn size<T>(_field: fn(&$of) -> &T) -> usize {
            size_of::<T>()
        }
        &[$($(#[$when])? {
            let start = std::mem::offset_of!($of, $field);
            (start, start + size(|whole| &whole.$field))
        }),*]
    }};
}
pub(super) use fields;

/// Whether a list has every field of a struct of this size, in order, with nothing between two or after the last: a
/// caller's struct is read byte by byte, so no byte of it may be uninitialised.
#[allow(dead_code)] // Rust 1.85 does not see its uses in `const _`
pub(super) const fn is_whole(fields: &[(usize, usize)], size: usize) -> bool {
    let mut end = 0;
    let mut field = 0;
    while field < fields.len() {
        if fields[field].0 != end {
            return false;
        }
        end = fields[field].1;
        field += 1;
    }
    end == size
}

/// Writes as much of `value` as the caller's `size` bytes take; what the caller has beyond becomes zero.
///
/// # Safety
/// `to` points to `size` writable bytes.
pub(super) unsafe fn write_prefix<T: Copy>(value: &T, to: *mut T, size: usize) {
    let to = to.cast::<u8>();
    let known = size.min(size_of::<T>());
    // SAFETY: `known` bytes lie inside both `value` and the caller's `size` bytes, which cannot overlap
    // because `value` is a reference of ours; the rest lies inside the caller's bytes.
    unsafe {
        std::ptr::copy_nonoverlapping(std::ptr::from_ref(value).cast::<u8>(), to, known);
        std::ptr::write_bytes(to.add(known), 0, size - known);
    }
}

/// Reads the first `whole` bytes of a caller's struct of `size` bytes over `known`; what lies beyond what this
/// library knows must be zero.
///
/// # Safety
/// `from` points to `size` readable bytes, `whole <= size`, `whole <= size_of::<T>()`, and any bytes are a valid `T`.
pub(super) unsafe fn read_prefix<T: Copy>(
    from: *const T,
    whole: usize,
    size: usize,
    known: &mut T,
) -> Result<(), Code> {
    let bytes = from.cast::<u8>();
    for beyond in size_of::<T>()..size {
        // SAFETY: `beyond` is less than `size`.
        if unsafe { bytes.add(beyond).read() } != 0 {
            return Err(Code::InvalidArgument);
        }
    }
    // SAFETY: `whole` bytes are readable there and writable here, by this function's contract.
    unsafe { std::ptr::copy_nonoverlapping(bytes, std::ptr::from_mut(known).cast::<u8>(), whole) };
    Ok(())
}
