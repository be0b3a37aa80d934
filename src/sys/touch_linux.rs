//! The library's own pages, touched before a realtime function needs one: otherwise a page that was not used in this
//! process yet is a fault at its first use.
//!
//! The shared library is an object of its own, and every page of it is the library's. A static library becomes part of
//! the host's program or plugin, whose pages are the host's: there only the code between the library's own functions is
//! touched. No page is read by this code itself: the kernel reads it, and gives an error for one that cannot be read.

use std::ops::Range;
use std::sync::Once;

const PAGE: usize = 4096;

// A word that is 0 in a static library: only the link of the shared library defines the weak symbol; see build.rs.
std::arch::global_asm!(
    ".weak midisock_shared_object",
    ".hidden midisock_shared_object",
    ".pushsection .data.rel.ro.midisock,\"aw\",@progbits",
    ".balign 8",
    ".globl midisock_shared_object_mark",
    ".hidden midisock_shared_object_mark",
    "midisock_shared_object_mark:",
    ".8byte midisock_shared_object",
    ".popsection",
);

unsafe extern "C" {
    /// The word above.
    static midisock_shared_object_mark: u64;
}

/// Touches the library's own pages, once in the life of the process. `functions`: addresses of functions of this
/// library, whose neighbourhood is touched in a static library.
pub(crate) fn touch_own_pages(functions: &[usize]) {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        if is_shared_object() {
            touch_whole_object();
        } else {
            touch(span(
                functions.iter().copied().chain([touch_whole_object as fn() as usize]),
            ));
        }
        // The clock's pages are the kernel's.
        crate::sys::clock::now_ns();
        // Rounding is the mathematics library's where the processor is not known to do it.
        std::hint::black_box(std::hint::black_box(1.5_f64).round());
    });
}

fn is_shared_object() -> bool {
    // SAFETY: the word is defined above, and never written.
    unsafe { midisock_shared_object_mark != 0 }
}

/// From the first function to the last. The linker keeps the code of an archive together.
fn span(functions: impl Iterator<Item = usize> + Clone) -> Range<usize> {
    let first = functions.clone().min().unwrap_or(0);
    let last = functions.max().unwrap_or(0);
    first..last + 1
}

fn touch_whole_object() {
    // SAFETY: `touch_if_own` is of the type wanted, and takes no data.
    unsafe { libc::dl_iterate_phdr(Some(touch_if_own), std::ptr::null_mut()) };
}

/// # Safety
/// `info` describes a loaded object.
unsafe extern "C" fn touch_if_own(
    info: *mut libc::dl_phdr_info,
    _size: libc::size_t,
    _data: *mut libc::c_void,
) -> libc::c_int {
    // SAFETY: the loader gives a valid object, whose headers stay as long as it is mapped.
    let (base, headers) = unsafe {
        let info = &*info;
        (
            info.dlpi_addr as usize,
            std::slice::from_raw_parts(info.dlpi_phdr, info.dlpi_phnum.into()),
        )
    };
    let segments = || {
        headers
            .iter()
            .filter(|header| header.p_type == libc::PT_LOAD && header.p_flags & libc::PF_R != 0)
            .map(|header| base + header.p_vaddr as usize..base + (header.p_vaddr + header.p_memsz) as usize)
    };
    let own = touch_whole_object as fn() as usize;
    if !segments().any(|range| range.contains(&own)) {
        return 0;
    }
    segments().for_each(touch);
    1
}

/// Touches every page of a range. A range may begin in the midst of a page, and end early in its last one.
fn touch(range: Range<usize>) {
    for address in (range.start & !(PAGE - 1)..range.end).step_by(PAGE) {
        touch_page(address);
    }
}

/// Has the kernel read from a page, which brings it in. The call fails by its first argument, after the kernel has
/// read the second. A page that cannot be read fails it earlier, and raises no signal. (Abseil's `AddressIsReadable`
/// does the same.) True where the page can be read.
fn touch_page(address: usize) -> bool {
    /// None of SIG_BLOCK, SIG_UNBLOCK and SIG_SETMASK.
    const NO_SUCH_CHANGE: libc::c_int = -1;
    // SAFETY: the kernel checks the address, and writes nothing.
    unsafe {
        libc::syscall(
            libc::SYS_rt_sigprocmask,
            NO_SUCH_CHANGE,
            std::ptr::without_provenance::<u8>(address),
            std::ptr::null_mut::<u8>(),
            size_of::<u64>(),
        );
    }
    std::io::Error::last_os_error().raw_os_error() != Some(libc::EFAULT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_that_cannot_be_read_raises_no_signal() {
        // SAFETY: a new mapping, which nothing else uses.
        let pages = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                3 * PAGE,
                libc::PROT_READ,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
                -1,
                0,
            )
        };
        assert_ne!(pages, libc::MAP_FAILED);
        // SAFETY: the second page of the mapping above.
        unsafe { libc::mprotect(pages.byte_add(PAGE), PAGE, libc::PROT_NONE) };
        let start = pages.addr();
        assert!(touch_page(start));
        assert!(!touch_page(start + PAGE));
        touch(start + 100..start + 2 * PAGE + 1);
        // SAFETY: the mapping above, which nothing uses any more.
        unsafe { libc::munmap(pages, 3 * PAGE) };
    }

    #[test]
    fn a_test_program_is_not_the_shared_library() {
        assert!(!is_shared_object());
        assert_eq!(span([300, 100, 200].into_iter()), 100..301);
        touch_own_pages(&[touch_own_pages as fn(&[usize]) as usize]);
    }
}
