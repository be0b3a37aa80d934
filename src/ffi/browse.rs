//! Finding servers on the network.

use super::result::midisock_result;
use super::{control, sized, timeout, usable};
use crate::net::discovery::{Browser, Change, Kind};
use crate::sys::code::Code;
use std::ffi::c_char;

/// @name Kinds of a midisock_service
///
/// A server has come.
pub const MIDISOCK_SERVICE_FOUND: i32 = 1;
/// A server has another address or port.
pub const MIDISOCK_SERVICE_CHANGED: i32 = 2;
/// A server has gone.
pub const MIDISOCK_SERVICE_LOST: i32 = 3;

/// A handle that browses the network. The caller owns it until midisock_browser_close.
pub struct midisock_browser {
    browser: Browser,
}

/// A server on the network: one that was found, or has changed or gone.
///
/// Texts end with NUL. They come from the network and are cleaned: invalid UTF-8, control and bidirectional characters
/// become U+FFFD.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct midisock_service {
    /// One of MIDISOCK_SERVICE_*.
    pub kind: i32,
    /// The TCP port number, as midisock_connect takes it.
    pub port: u16,
    /// Zero.
    pub reserved: u16,
    /// The server's name, which no other server has at the same time.
    pub name: [c_char; 64],
    /// The name of its machine.
    pub host: [c_char; 256],
    /// Its address, as midisock_connect takes it for a host. It is an IPv4 address if the server has one.
    pub address: [c_char; 64],
}

/// Every byte of the struct belongs to a field.
#[allow(dead_code)] // Rust 1.85 does not see its use in `const _`
const FIELDS: &[(usize, usize)] = sized::fields! { midisock_service: kind port reserved name host address };
const _: () = assert!(sized::is_whole(FIELDS, size_of::<midisock_service>()));

impl midisock_service {
    fn of(change: &Change) -> Self {
        Self {
            kind: match change.kind {
                Kind::Found => MIDISOCK_SERVICE_FOUND,
                Kind::Changed => MIDISOCK_SERVICE_CHANGED,
                Kind::Lost => MIDISOCK_SERVICE_LOST,
            },
            port: change.service.port,
            reserved: 0,
            name: text(&change.name),
            host: text(&change.service.host),
            address: text(&change.service.address),
        }
    }
}

/// A text of less than `N` bytes, and NULs.
fn text<const N: usize>(text: &str) -> [c_char; N] {
    let mut all = [0; N];
    for (to, from) in all[..N - 1].iter_mut().zip(text.bytes()) {
        *to = from as c_char;
    }
    all
}

/// Starts to look for servers on the network with midisock_config.advertise, of this program too.
///
/// It asks by DNS-SD for services of the type "_midisock._tcp" on all network interfaces but loopback, until the last
/// browser of the process is closed. One thread does this for all browsers and all servers that are advertised. It is
/// joined when the last of them is closed. Anyone on the network can announce any name and any address: show them to
/// the user and let the user choose.
///
/// Threads: any.
/// Returns:
/// - MIDISOCK_OK: `out` is a browser. The caller must close it.
/// - MIDISOCK_ERR_INVALID_ARGUMENT: `out` is NULL.
/// - MIDISOCK_ERR_NO_RESOURCES: memory, descriptors or threads ran out.
/// - MIDISOCK_ERR_UNSUPPORTED: the library was built without DNS-SD.
///
/// # Safety
/// `out` is writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn midisock_browse(out: *mut *mut midisock_browser) -> midisock_result {
    if !usable(out) {
        return Code::InvalidArgument as i32;
    }
    control(Code::Internal, || match Browser::new() {
        Ok(browser) => {
            // SAFETY: checked above as far as can be, and writable by this function's contract.
            unsafe { out.write(Box::into_raw(Box::new(midisock_browser { browser }))) };
            Code::Ok
        }
        Err(code) => code,
    }) as i32
}

/// Returns the next change in the list of servers. A new browser first gets a FOUND for each server that is known.
///
/// There is one entry for each name. A server that changes several times before this call is reported once, as it is
/// now, and one that has come and gone is not reported. At most 256 servers are known at a time; others are ignored.
/// A server whose machine went away without a word is reported as LOST within its record's lifetime, 2 minutes for those
/// of this library.
///
/// `size` is sizeof(midisock_service) of the caller. Nothing beyond it is written, and fields that the library does not
/// know are 0.
///
/// Threads: any.
/// Returns:
/// - MIDISOCK_OK: `service` is filled.
/// - MIDISOCK_EMPTY: nothing has changed since the last call.
/// - MIDISOCK_ERR_INVALID_ARGUMENT: a pointer is NULL, or `size` is below 8 or above 4096.
///
/// # Safety
/// `browser` is a live browser, `service` points to `size` writable bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn midisock_browser_next(
    browser: *mut midisock_browser,
    service: *mut midisock_service,
    size: usize,
) -> midisock_result {
    if !usable(service) || !(8..=sized::LIMIT).contains(&size) {
        return Code::InvalidArgument as i32;
    }
    // SAFETY: `browser` is NULL or a live browser, by this function's contract.
    unsafe {
        with_browser(browser, |browser| match browser.next() {
            Some(change) => {
                // SAFETY: `service` points to `size` writable bytes, by this function's contract.
                sized::write_prefix(&midisock_service::of(&change), service, size);
                Code::Ok
            }
            None => Code::Empty,
        })
    }
}

/// Waits until midisock_browser_next has something to return.
///
/// `timeout_ms` is the time limit: 0 does not wait, -1 waits without limit.
///
/// Threads: any.
/// Returns:
/// - MIDISOCK_OK: there is a change.
/// - MIDISOCK_ERR_TIMEOUT: there was none in time.
/// - MIDISOCK_ERR_INVALID_ARGUMENT: `browser` is NULL, or `timeout_ms` is below -1.
///
/// # Safety
/// `browser` is a live browser.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn midisock_browser_wait(browser: *mut midisock_browser, timeout_ms: i32) -> midisock_result {
    // SAFETY: `browser` is NULL or a live browser, by this function's contract.
    unsafe {
        with_browser(browser, |browser| match timeout(timeout_ms) {
            Ok(timeout) if browser.wait(timeout) => Code::Ok,
            Ok(_) => Code::Timeout,
            Err(code) => code,
        })
    }
}

/// Closes a browser. NULL does nothing. No other call on it may be running or follow.
///
/// Threads: any.
/// Returns: nothing.
///
/// # Safety
/// `browser` is NULL or a live browser that nothing uses any more.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn midisock_browser_close(browser: *mut midisock_browser) {
    if !usable(browser) {
        return;
    }
    control((), || {
        // SAFETY: made by midisock_browse and not closed before, by this function's contract.
        drop(unsafe { Box::from_raw(browser) });
    });
}

/// Runs a control call on a browser.
///
/// # Safety
/// `browser` is NULL, or a live handle of this library.
unsafe fn with_browser(browser: *const midisock_browser, call: impl FnOnce(&Browser) -> Code) -> midisock_result {
    if !usable(browser) {
        return Code::InvalidArgument as i32;
    }
    // SAFETY: not NULL, and so live, by this function's contract.
    let browser = unsafe { &(*browser).browser };
    control(Code::Internal, || call(browser)) as i32
}
