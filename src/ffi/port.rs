//! Lifecycle of a port.

use super::config::{self, Kind, midisock_config};
use super::result::midisock_result;
use super::{control, control_port, midisock_port, timeout, touch, usable};
use crate::net::address;
use crate::net::context::Context;
use crate::port::Port;
use crate::realtime::config::Config;
use crate::session::options::Options;
use crate::sys::address::Address;
use crate::sys::code::Code;
use std::ffi::{CStr, c_char};

/// Makes a server. It is bound and listens when the call returns, unless midisock_config.listen_retry_ms lets it bind
/// in the background.
///
/// `host` is NULL for loopback (127.0.0.1, and ::1 if there is one), "" for every interface, or a name or address
/// ("::1" or "[::1]"). A name binds every address that it resolves to. The call waits for the look-up, for at most
/// connect_timeout_ms. `port` 0 takes a free port; midisock_local_port returns it. `config` may be NULL.
///
/// A link-local IPv6 address needs its interface ("fe80::1%eth0").
///
/// "unix:/path" is a Unix socket; its `port` is 0, `allow` must be NULL, and `advertise` 0. Only its user can connect:
/// the file has mode 0600. The call replaces a socket of this user that refuses connections; with any other file at the
/// path it returns MIDISOCK_ERR_ADDRESS_IN_USE. midisock_close and midisock_shutdown remove the file if it is still the
/// port's own. Its folder must be readable, because it is locked for a moment. midisock_local_port returns 0, and
/// notifications report clients with the address "unix:". On Windows (10 1803 and later) the path may begin with a drive
/// ("unix:C:/..."), the permissions of the folder decide who can connect, and a server that binds in the background does
/// not replace a socket.
///
/// The server rejects a connection that begins with three or more data bytes (below 0x80), as HTTP, TLS and SSH do. A
/// client that sends nothing at first is announced, and receives its first messages, 10 ms (loopback) or 50 ms after it
/// connected; on a Unix socket at once.
///
/// Threads: any.
/// Returns:
/// - MIDISOCK_OK: `out` is a port. The caller must close it.
/// - MIDISOCK_ERR_INVALID_ARGUMENT: `out` is NULL, a field of `config` is invalid, or `host` is a Unix socket and
///   `port` or `advertise` is not 0 or `allow` not NULL.
/// - MIDISOCK_ERR_ADDRESS: `host` cannot be parsed or resolved, the path is too long or its folder missing, or `allow`
///   cannot be parsed.
/// - MIDISOCK_ERR_ADDRESS_IN_USE: another socket listens on this address, or another file is at the path, and
///   listen_retry_ms is 0.
/// - MIDISOCK_ERR_PERMISSION: the system forbids it, for instance a port number below 1024.
/// - MIDISOCK_ERR_UNREACHABLE: no interface has this address.
/// - MIDISOCK_ERR_IO: any other system error.
/// - MIDISOCK_ERR_NO_RESOURCES: memory, descriptors or threads ran out.
/// - MIDISOCK_ERR_UNSUPPORTED: the system has no Unix sockets (Windows before 10 1803), or `advertise` is 1 in a build
///   without DNS-SD.
/// - MIDISOCK_ERR_WRONG_ROLE: `config` has a context, and its realtime_priority or busy_poll_us is not 0.
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
        open(host, config, Kind::Other, out, |context, host, config, options| {
            Port::listen(context, host, port, &config, options)
        })
    }
}

/// Makes a client. The call returns at once. The port connects in the background, and connects again when the
/// connection is lost. midisock_wait_connected waits for the connection.
///
/// `host` is a name or an address; a link-local address needs its interface ("fe80::1%eth0"). The addresses of a name
/// are tried as in RFC 8305: the next one begins when the last one has failed or has been silent for 250 ms (less if
/// connect_timeout_ms is short), up to eight go on side by side, and the first connection that is established is used.
/// `port` is not 0. `config` may be NULL.
///
/// "unix:/path" is a Unix socket; its `port` is 0, `allow` must be NULL, and `advertise` 0. As long as there is no
/// such file, the reason of a failed attempt is MIDISOCK_ERR_REFUSED.
///
/// Threads: any.
/// Returns:
/// - MIDISOCK_OK: `out` is a port. The caller must close it.
/// - MIDISOCK_ERR_INVALID_ARGUMENT: `host` or `out` is NULL, `port` is 0 (with a Unix socket: is not 0, or `allow` is
///   not NULL or `advertise` not 0), or a field of `config` is invalid.
/// - MIDISOCK_ERR_ADDRESS: `host` or `allow` cannot be parsed, or a path is too long. midisock_wait_connected and
///   notifications report a name that does not resolve.
/// - MIDISOCK_ERR_NO_RESOURCES: memory, descriptors or threads ran out.
/// - MIDISOCK_ERR_UNSUPPORTED: the system has no Unix sockets (Windows before 10 1803).
/// - MIDISOCK_ERR_WRONG_ROLE: `config` has a context, and its realtime_priority or busy_poll_us is not 0.
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
        open(host, config, Kind::Other, out, |context, host, config, options| {
            Port::connect(context, host.ok_or(Code::InvalidArgument)?, port, &config, options)
        })
    }
}

/// Takes the next client of a manual server, as a port of its own.
///
/// A client that has left in the meantime is returned too, with the messages that it sent. The port stays open when the
/// server is closed.
///
/// `timeout_ms` is the time limit: 0 does not wait, -1 waits without limit.
///
/// Threads: any.
/// Returns:
/// - MIDISOCK_OK: `out` is a port. The caller must close it.
/// - MIDISOCK_EMPTY: no client waits, and `timeout_ms` is 0.
/// - MIDISOCK_ERR_INVALID_ARGUMENT: `server` or `out` is NULL, or `timeout_ms` is below -1.
/// - MIDISOCK_ERR_WRONG_ROLE: the port is not a manual server.
/// - MIDISOCK_ERR_TIMEOUT: no client came in time.
/// - MIDISOCK_ERR_CLOSED: the server was shut down.
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

/// Makes a port of a connected stream socket that the caller made: TCP, Unix, or one end of a socketpair.
///
/// It is for connections that a host makes in its own way: through TLS, out of a sandbox, or by socket activation. The
/// state is MIDISOCK_STATE_CONNECTED at once, with MIDISOCK_NOTIFY_CONNECTED. When the connection ends, the port is
/// closed for good. `config` may be NULL. `allow`, max_clients and the fields for listening and connecting have no
/// effect; keepalive_ms and traffic_class have one only on TCP.
///
/// On success the socket is the port's, which closes it: it no longer blocks, and programs that are executed do not
/// inherit it. On an error it stays the caller's, unchanged. `socket` is a descriptor, on Windows a SOCKET.
///
/// Threads: any.
/// Returns:
/// - MIDISOCK_OK: `out` is a port. The caller must close it.
/// - MIDISOCK_ERR_INVALID_ARGUMENT: `socket` is not a connected stream socket, `out` is NULL, or a field of `config` is
///   invalid.
/// - MIDISOCK_ERR_NO_RESOURCES: memory, descriptors or threads ran out.
/// - MIDISOCK_ERR_WRONG_ROLE: `config` has a context, and its realtime_priority or busy_poll_us is not 0.
///
/// # Safety
/// `socket` is not used by anything else on success, `config` NULL or as midisock_config describes, `out` writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn midisock_adopt(
    socket: isize,
    config: *const midisock_config,
    out: *mut *mut midisock_port,
) -> midisock_result {
    // SAFETY: no host; the rest of this function's contract is `open`'s.
    unsafe {
        open(
            std::ptr::null(),
            config,
            Kind::Adopted,
            out,
            |context, _, config, options| Port::adopt(context, socket, &config, options),
        )
    }
}

/// Makes two ports that are joined in memory, without a socket and without the network thread.
///
/// A message that is pushed into one can be popped from the other at once. It keeps the time_ns that it was pushed
/// with; 0 becomes the time of the push. A time ahead does not delay it. Pairs serve deterministic tests of plugins,
/// and routing within a process. `config` may be NULL.
///
/// Threads: any.
/// Returns:
/// - MIDISOCK_OK: `a` and `b` are ports. The caller must close each of them.
/// - MIDISOCK_ERR_INVALID_ARGUMENT: `a` or `b` is NULL, they are the same place, or a field of `config` is invalid.
/// - MIDISOCK_ERR_ADDRESS: `allow` cannot be parsed.
/// - MIDISOCK_ERR_NO_RESOURCES: memory ran out.
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
        match unsafe { config::read(config, Kind::Other) }.and_then(|(config, options)| Port::pair(&config, &options)) {
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

/// Changes the realtime priority that this port requests for the network thread. See midisock_config.realtime_priority.
///
/// It is for programs that learn the priority of their audio thread later, or whose audio thread changes it. `priority`
/// 0 requests none. Ports that a server accepts later request what the server's config says. A pair has no network
/// thread, so the call has no effect on it. A context that the program made has its own realtime_priority.
///
/// The call does not wait for the change. midisock_stats.network_priority is the actual priority, and
/// MIDISOCK_NOTIFY_PRIORITY_REFUSED reports each refusal.
///
/// Threads: any.
/// Returns:
/// - MIDISOCK_OK: the request was noted.
/// - MIDISOCK_ERR_INVALID_ARGUMENT: `port` is NULL.
/// - MIDISOCK_ERR_WRONG_ROLE: the port belongs to a context that the program made.
/// - MIDISOCK_ERR_CLOSED: the port is closed.
///
/// # Safety
/// `port` is a live port.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn midisock_set_realtime_priority(port: *mut midisock_port, priority: u32) -> midisock_result {
    // SAFETY: `port` is a live port, by this function's contract.
    unsafe { control_port(port, |port| port.set_realtime_priority(priority)) }
}

/// Begins the orderly end of a port, without blocking. A second call has no effect. The port still has to be closed.
///
/// Waits on the port end with MIDISOCK_ERR_CLOSED, and later pushes return it. Messages in the in queue, and the
/// releases of what peers held, can still be popped. Messages that are due, and scheduled ones that end something at a
/// peer, are written within linger_ms.
///
/// Threads: any.
/// Returns:
/// - MIDISOCK_OK: the end has begun.
/// - MIDISOCK_ERR_INVALID_ARGUMENT: `port` is NULL.
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

/// Closes a port and frees it. NULL has no effect.
///
/// The network thread writes pushed messages that are due, within linger_ms. The call does not wait for that, unless
/// this is the last port of the default context: then it waits, and joins the network thread. When the call returns, a
/// server's address is free again. Ports that the server accepted stay open.
///
/// Threads: one, which comes last. No other call on this port may be running or follow. Data of popped messages becomes
/// invalid.
/// Returns: nothing.
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

/// Splits "host:port", "[ipv6]:port", "[ipv6%interface]:port" or ":port", which has an empty host. "unix:/path" is a
/// host as a whole, and its port is 0.
///
/// `host` receives the host without brackets, and a NUL. A capacity of 256 is always enough.
///
/// Threads: any.
/// Returns:
/// - MIDISOCK_OK: `host` and `port` are set. On an error neither is.
/// - MIDISOCK_ERR_ADDRESS: the address cannot be parsed, or its path is too long.
/// - MIDISOCK_ERR_INVALID_ARGUMENT: a pointer is NULL, or `host_capacity` is too small.
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

/// The common part of listen, connect and adopt.
///
/// # Safety
/// `host` is NULL or NUL-terminated, `config` NULL or as midisock_config describes, `out` NULL or writable.
unsafe fn open(
    host: *const c_char,
    config: *const midisock_config,
    kind: Kind,
    out: *mut *mut midisock_port,
    make: impl FnOnce(Option<&Context>, Option<&str>, Config, Options) -> Result<Port, Code>,
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
        let kind = if host.is_some_and(Address::is_unix_text) {
            Kind::UnixSocket
        } else {
            kind
        };
        // SAFETY: as this function's contract says.
        let given = unsafe { config::read(config, kind).and_then(|given| Ok((given, config::context(config)?))) };
        match given.and_then(|((config, options), context)| make(context, host, config, options)) {
            Ok(port) => {
                // SAFETY: checked above as far as can be, and writable by this function's contract.
                unsafe { out.write(midisock_port::handle(port)) };
                Code::Ok
            }
            Err(code) => code,
        }
    }) as i32
}
