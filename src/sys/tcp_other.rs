//! Systems that tell and take nothing beyond the portable options.

use socket2::Socket;
use std::ffi::c_int;

/// For `send`; where a dead peer could raise SIGPIPE, the socket has SO_NOSIGPIPE.
pub(crate) const SEND_FLAGS: c_int = 0;

/// Options set once on each connection, as far as the system knows them.
pub(crate) fn prepare(_: &Socket) {}

/// Marks its packets with a DSCP, of both families: one of IPv6 may also carry IPv4.
pub(crate) fn set_traffic_class(socket: &Socket, dscp: u32) {
    let _ = socket.set_tos_v4(dscp << 2);
    #[cfg(unix)]
    set_tclass_v6(socket, (dscp << 2) as c_int);
}

/// socket2 has it for some of these systems only.
#[cfg(unix)]
fn set_tclass_v6(socket: &Socket, value: c_int) {
    use std::os::fd::AsRawFd;
    // SAFETY: the value is a c_int and its size is told; the descriptor is the socket's own. An option that the system
    // does not know is an error that nothing depends on.
    unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::IPPROTO_IPV6,
            libc::IPV6_TCLASS,
            (&raw const value).cast(),
            size_of::<c_int>() as libc::socklen_t,
        );
    }
}

/// These systems do not delay acknowledgements so long that it would matter, or cannot be told.
pub(crate) fn acknowledge_at_once(_: &Socket) {}

/// How a connection stands, as far as the system tells.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Progress {
    /// Bytes in the kernel that the peer has not acknowledged.
    pub unacknowledged: usize,
    /// A probe of a closed window or an idle line was not answered yet.
    pub probing: bool,
    /// Data is with the peer that was not acknowledged; it is sent again this often, in ms.
    pub resent_every_ms: Option<u64>,
    /// Since the peer's last acknowledgement of any kind, in ms.
    pub silent_ms: u64,
    /// The peer has shut down its sending side, or the connection is no more.
    pub ended: bool,
}

/// Asks the system; None where it does not tell.
pub(crate) fn progress(_: &Socket) -> Option<Progress> {
    None
}

/// The same of a Unix socket: what it takes is with the peer. Whether that has ended only reading tells.
pub(crate) fn progress_of_local(_: &Socket) -> Option<Progress> {
    Some(Progress {
        unacknowledged: 0,
        probing: false,
        resent_every_ms: None,
        silent_ms: 0,
        ended: false,
    })
}

/// No such option.
pub(crate) fn limit_retransmission_interval(_: &Socket, _: u32) {}

/// Windows lets a second socket take a port that is in use, unless this is set.
#[cfg(windows)]
pub(crate) fn take_exclusively(socket: &Socket) -> std::io::Result<()> {
    use std::os::windows::io::AsRawSocket;
    use windows_sys::Win32::Networking::WinSock::{SO_EXCLUSIVEADDRUSE, SOL_SOCKET, setsockopt};
    let yes: i32 = 1;
    // SAFETY: the value is an i32 and its size is told; the socket is open.
    let outcome = unsafe {
        setsockopt(
            socket.as_raw_socket() as _,
            SOL_SOCKET,
            SO_EXCLUSIVEADDRUSE,
            (&raw const yes).cast(),
            4,
        )
    };
    if outcome == 0 {
        Ok(())
    } else {
        Err(std::io::Error::last_os_error())
    }
}
