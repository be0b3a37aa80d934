//! The library's own pages, read before a realtime function needs one: a page of code that was not used in this
//! process yet is a fault at the first call.

use std::sync::Once;

/// Reads every page of the object this code is in, once in the life of the process.
pub(crate) fn touch_own_pages() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // SAFETY: `touch_if_own` is of the type wanted, and takes no data.
        unsafe { libc::dl_iterate_phdr(Some(touch_if_own), std::ptr::null_mut()) };
        // The clock's pages are the kernel's.
        crate::sys::clock::now_ns();
        // Rounding is the mathematics library's where the processor is not known to do it.
        std::hint::black_box(std::hint::black_box(1.5_f64).round());
    });
}

unsafe extern "C" fn touch_if_own(
    info: *mut libc::dl_phdr_info,
    _size: libc::size_t,
    _data: *mut libc::c_void,
) -> libc::c_int {
    const PAGE: usize = 4096;
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
    };
    let range =
        |header: &libc::Elf64_Phdr| base + header.p_vaddr as usize..base + (header.p_vaddr + header.p_memsz) as usize;
    let own = touch_own_pages as fn() as usize;
    if !segments().any(|header| range(header).contains(&own)) {
        return 0;
    }
    for segment in segments() {
        // From where its first page begins: a segment may begin in the midst of one, and end early in its last.
        let range = range(segment);
        for address in (range.start & !(PAGE - 1)..range.end).step_by(PAGE) {
            // SAFETY: inside a readable segment of an object that is mapped: this one.
            unsafe { std::ptr::with_exposed_provenance::<u8>(address).read_volatile() };
        }
    }
    1
}
