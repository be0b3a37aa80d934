//! Lifecycle of a port.

use super::config::{self, midisock_config};
use super::result::midisock_result;
use super::{control, control_port, midisock_port, timeout, touch, usable};
use crate::net::address;
use crate::port::Port;
use crate::realtime::config::Config;
use crate::session::options::Options;
use crate::sys::code::Code;
use std::ffi::{CStr, c_char};

/// Makes a server: binds and listens before it returns (but see midisock_config.listen_retry_ms).
///
/// `host`: NULL is loopback (127.0.0.1, and ::1 where there is one), "" every interface, otherwise a name or an
/// address, "::1" or "[::1]"; a name binds every address it resolves to. `port`: 0 takes a free one, which
/// midisock_local_port tells. `config`: NULL for the defaults. The port in `out` is the caller's, to be ended with
/// midisock_close.
///
/// Control. Errors: INVALID_ARGUMENT, ADDRESS, ADDRESS_IN_USE, PERMISSION, UNREACHABLE (no such local address), IO,
/// NO_RESOURCES, INTERNAL.
///
/// # Safety
/// `host` is NULL or NUL-terminated, `config` NULL or as midisock_config describes, `out` writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn midisock_listen(
    host: *const c_char,
    port: u16,
    config: *const midisock_config,
    out: *mut *mut midisock_port,
) -> midisock_result {
    // SAFETY: the contract of this function is `open`'s.
    unsafe {
        open(host, config, out, |host, config, options| {
            Port::listen(host, port, &config, options)
        })
    }
}

/// Makes a client: returns at once, never waiting for the network or for a name to resolve; the connection is made,
/// and made again when it is lost, in the background. midisock_wait_connected waits for it.
///
/// `host`: a name or an address ("fe80::1%eth0" where it is link-local). A name's addresses are tried side by side, a
/// quarter of a second apart (RFC 8305), and the first that answers is taken. `port`: not 0. `config`: NULL for the
/// defaults. The port in `out` is the caller's, to be ended with midisock_close.
///
/// Control. Errors: INVALID_ARGUMENT, ADDRESS (cannot be parsed; a name that does not resolve is told by
/// midisock_wait_connected and notifications), NO_RESOURCES, INTERNAL.
///
/// # Safety
/// `host` is NUL-terminated, `config` NULL or as midisock_config describes, `out` writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn midisock_connect(
    host: *const c_char,
    port: u16,
    config: *const midisock_config,
    out: *mut *mut midisock_port,
) -> midisock_result {
    // SAFETY: the contract of this function is `open`'s.
    unsafe {
        open(host, config, out, |host, config, _| match host {
            Some(host) if port != 0 => Port::connect(host, port, &config),
            _ => Err(Code::InvalidArgument),
        })
    }
}

/// Takes the next client of a server in MIDISOCK_ACCEPT_MANUAL as a port of its own. One that has left meanwhile is
/// still handed over, with what it sent. The port in `out` is the caller's; it stays open when the server is closed.
///
/// `timeout_ms`: 0 does not wait, -1 waits for ever.
///
/// Control. MIDISOCK_EMPTY with timeout 0; errors: INVALID_ARGUMENT, WRONG_ROLE, TIMEOUT, CLOSED, INTERNAL.
///
/// # Safety
/// `server` is a live port, `out` writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn midisock_accept(
    server: *mut midisock_port,
    timeout_ms: i32,
    out: *mut *mut midisock_port,
) -> midisock_result {
    if !usable(out) {
        return Code::InvalidArgument as i32;
    }
    // SAFETY: `server` is a live port, by this function's contract.
    unsafe {
        control_port(server, |server| {
            match timeout(timeout_ms).and_then(|timeout| server.accept(timeout)) {
                Ok(port) => {
                    // SAFETY: checked above as far as can be, and writable by this function's contract.
                    out.write(midisock_port::handle(port));
                    Code::Ok
                }
                Err(code) => code,
            }
        })
    }
}

/// Makes two ports joined in memory, without a socket and without the network thread: what is pushed into one can be
/// popped from the other at once, with the time_ns it was pushed with (0 is stamped now; a time ahead is given at
/// once, not held back). For deterministic tests of plugins, and for routing inside a process. A wait on a pair looks
/// every tick_us. Each of the two is the caller's, to be ended with midisock_close.
///
/// Control. Errors: INVALID_ARGUMENT, NO_RESOURCES, INTERNAL.
///
/// # Safety
/// `config` is NULL or as midisock_config describes, `a` and `b` writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn midisock_pair(
    config: *const midisock_config,
    a: *mut *mut midisock_port,
    b: *mut *mut midisock_port,
) -> midisock_result {
    if !usable(a) || !usable(b) || a == b {
        return Code::InvalidArgument as i32;
    }
    control(Code::Internal, || {
        touch::own_pages();
        // SAFETY: as this function's contract says.
        match unsafe { config::read(config) }.and_then(|config| Port::pair(&config.0)) {
            Ok((first, second)) => {
                // SAFETY: checked above as far as can be, and writable by this function's contract.
                unsafe {
                    a.write(midisock_port::handle(first));
                    b.write(midisock_port::handle(second));
                }
                Code::Ok
            }
            Err(code) => code,
        }
    }) as i32
}

/// Asks for another realtime priority of the library's network thread than the port was made with: from now on as if it
/// had been realtime_priority in its config, 0: none. For those who learn of their audio thread's priority later, or when
/// it has changed; one below that is good. Ports that a server accepts later ask for what its config says. A pair has no
/// network thread: nothing happens.
///
/// Any thread, control; it does not wait: midisock_stats.network_priority tells what there is, and
/// MIDISOCK_PRIORITY_REFUSED, each time, that the system refuses. Errors: INVALID_ARGUMENT, CLOSED, INTERNAL.
///
/// # Safety
/// `port` is a live port.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn midisock_set_realtime_priority(port: *mut midisock_port, priority: u32) -> midisock_result {
    // SAFETY: `port` is a live port, by this function's contract.
    unsafe { control_port(port, |port| port.set_realtime_priority(priority)) }
}

/// Starts the orderly end of a port without blocking: later calls, and those waiting now, return
/// MIDISOCK_ERR_CLOSED; what is queued can still be popped; peers see the end. The port still has to be closed.
///
/// Any thread, control. Errors: INVALID_ARGUMENT, INTERNAL. A second call does nothing.
///
/// # Safety
/// `port` is a live port.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn midisock_shutdown(port: *mut midisock_port) -> midisock_result {
    // SAFETY: `port` is a live port, by this function's contract.
    unsafe {
        control_port(port, |port| {
            port.shutdown();
            Code::Ok
        })
    }
}

/// Ends a port and frees it. What was pushed and is unwritten is handed to the network thread, which writes it within
/// linger_ms; the call does not wait for that, unless this is the process's last port: then it does, and joins the
/// thread. When it returns, a server's address is free again. Accepted ports stay open. NULL: nothing happens.
///
/// Control. No other call on this port may be running or follow; pointers popped from it end here.
///
/// # Safety
/// `port` is NULL or a live port, and no other thread uses it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn midisock_close(port: *mut midisock_port) {
    if port.is_null() || !port.is_aligned() {
        return;
    }
    control((), || {
        // SAFETY: made by `midisock_port::handle`, and the caller gives it up.
        let handle = unsafe { Box::from_raw(port) };
        handle.port.close();
    });
}

/// Splits "host:port", "[ipv6]:port" or ":port" (an empty host). `host` gets the host without brackets and its NUL.
///
/// Any thread, control. Errors: ADDRESS (cannot be parsed), INVALID_ARGUMENT (NULL, or `host_capacity` too small:
/// 256 always suffices), INTERNAL. Nothing is written on an error.
///
/// # Safety
/// `address` is NUL-terminated, `host` has room for `host_capacity` bytes, `port` is writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn midisock_parse_address(
    address: *const c_char,
    host: *mut c_char,
    host_capacity: usize,
    port: *mut u16,
) -> midisock_result {
    if address.is_null() || host.is_null() || !usable(port) {
        return Code::InvalidArgument as i32;
    }
    control(Code::Internal, || {
        // SAFETY: NUL-terminated by this function's contract.
        let text = unsafe { CStr::from_ptr(address) };
        let Some((name, number)) = text.to_str().ok().and_then(address::split) else {
            return Code::Address;
        };
        // SAFETY: room for `host_capacity` bytes, by this function's contract.
        if !unsafe { write_bytes(name.as_ptr(), name.len(), host, host_capacity) } {
            return Code::InvalidArgument;
        }
        // SAFETY: checked above as far as can be, and writable by this function's contract.
        unsafe { port.write(number) };
        Code::Ok
    }) as i32
}

/// Copies text and its NUL where they fit.
///
/// # Safety
/// `to` has room for `capacity` bytes.
pub(super) unsafe fn write_text(text: &str, to: *mut c_char, capacity: usize) -> bool {
    // SAFETY: the text is readable; the rest is this function's contract.
    unsafe { write_bytes(text.as_ptr(), text.len(), to, capacity) }
}

/// Copies bytes and adds a NUL where they fit. Both places may overlap.
///
/// # Safety
/// `from` has `length` readable bytes, `to` has room for `capacity`.
unsafe fn write_bytes(from: *const u8, length: usize, to: *mut c_char, capacity: usize) -> bool {
    if length >= capacity {
        return false;
    }
    // SAFETY: the bytes and the NUL are at most `capacity`.
    unsafe {
        std::ptr::copy(from, to.cast::<u8>(), length);
        to.add(length).write(0);
    }
    true
}

/// What listen and connect have in common.
///
/// # Safety
/// `host` is NULL or NUL-terminated, `config` NULL or as midisock_config describes, `out` NULL or writable.
unsafe fn open(
    host: *const c_char,
    config: *const midisock_config,
    out: *mut *mut midisock_port,
    make: impl FnOnce(Option<&str>, Config, Options) -> Result<Port, Code>,
) -> midisock_result {
    if !usable(out) {
        return Code::InvalidArgument as i32;
    }
    control(Code::Internal, || {
        touch::own_pages();
        let host = if host.is_null() {
            None
        } else {
            // SAFETY: NUL-terminated by this function's contract.
            match unsafe { CStr::from_ptr(host) }.to_str() {
                Ok(host) => Some(host),
                Err(_) => return Code::Address,
            }
        };
        // SAFETY: as this function's contract says.
        match unsafe { config::read(config) }.and_then(|(config, options)| make(host, config, options)) {
            Ok(port) => {
                // SAFETY: checked above as far as can be, and writable by this function's contract.
                unsafe { out.write(midisock_port::handle(port)) };
                Code::Ok
            }
            Err(code) => code,
        }
    }) as i32
}
