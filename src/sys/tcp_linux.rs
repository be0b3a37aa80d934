//! Linux: what TCP tells and takes beyond the portable options.

use socket2::Socket;
use std::ffi::c_int;
use std::os::fd::AsRawFd;

/// For `send`: a dead peer must never raise SIGPIPE in the host.
pub(crate) const SEND_FLAGS: c_int = libc::MSG_NOSIGNAL;

/// Options set once on each connection, as far as the system knows them.
pub(crate) fn prepare(socket: &Socket) {
    // Unsent bytes in the kernel delay what is pushed next, and hide that a peer does not read.
    set(socket, libc::TCP_NOTSENT_LOWAT, 16 * 1024);
}

/// Acknowledges at once what is read next: a peer that does not set TCP_NODELAY waits for it with its next message.
/// The kernel forgets this, so it is set again at every read.
pub(crate) fn acknowledge_at_once(socket: &Socket) {
    set(socket, libc::TCP_QUICKACK, 1);
}

/// Marks its packets with a DSCP, of both families: one of IPv6 may also carry IPv4. The system keeps the two bits below.
pub(crate) fn set_traffic_class(socket: &Socket, dscp: u32) {
    let _ = socket.set_tos_v4(dscp << 2);
    let _ = socket.set_tclass_v6(dscp << 2);
}

fn set(socket: &Socket, option: c_int, value: c_int) {
    // SAFETY: the value is a c_int and its size is told; the descriptor is the socket's own. An option that the
    // kernel does not know is an error that nothing depends on.
    unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::IPPROTO_TCP,
            option,
            (&raw const value).cast(),
            size_of::<c_int>() as libc::socklen_t,
        );
    }
}

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

/// The beginning of the kernel's `struct tcp_info`, which every version and processor has; not every C library has all
/// of it.
#[repr(C)]
#[derive(Default)]
struct Info {
    state: u8,
    _unused_1: [u8; 2],
    probes: u8,
    _unused_2: [u8; 4],
    rto_us: u32,
    _unused_3: [u32; 3],
    unacked: u32,
    _unused_4: [u32; 7],
    last_ack_received_ms: u32,
}

/// The number of an established connection in `tcpi_state` (the kernel's net/tcp_states.h).
const ESTABLISHED: u8 = 1;

/// Asks the system; None where it does not tell.
pub(crate) fn progress(socket: &Socket) -> Option<Progress> {
    let mut queued: c_int = 0;
    // SAFETY: writes one c_int; the descriptor is the socket's own.
    if unsafe { libc::ioctl(socket.as_raw_fd(), libc::TIOCOUTQ, &raw mut queued) } != 0 {
        return None;
    }
    let mut info = Info::default();
    let mut size = size_of::<Info>() as libc::socklen_t;
    // SAFETY: writes at most `size` bytes, which is the struct's size.
    let outcome = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::IPPROTO_TCP,
            libc::TCP_INFO,
            (&raw mut info).cast(),
            &raw mut size,
        )
    };
    (outcome == 0).then(|| Progress {
        unacknowledged: usize::try_from(queued).unwrap_or(0),
        probing: info.probes > 0,
        resent_every_ms: (info.unacked > 0).then_some(u64::from(info.rto_us) / 1000),
        silent_ms: info.last_ack_received_ms.into(),
        ended: info.state != ESTABLISHED,
    })
}

/// The same of a Unix socket: what it takes is with the peer.
pub(crate) fn progress_of_local(socket: &Socket) -> Option<Progress> {
    let mut asked = libc::pollfd {
        fd: socket.as_raw_fd(),
        events: libc::POLLRDHUP,
        revents: 0,
    };
    // SAFETY: one struct, which the call reads and writes; it does not wait.
    let outcome = unsafe { libc::poll(&raw mut asked, 1, 0) };
    (outcome >= 0).then_some(Progress {
        unacknowledged: 0,
        probing: false,
        resent_every_ms: None,
        silent_ms: 0,
        ended: asked.revents & (libc::POLLRDHUP | libc::POLLHUP) != 0,
    })
}

/// How long the kernel may wait at most between two attempts to reach a silent peer (Linux 6.15 and later): else the
/// pauses double up to two minutes.
pub(crate) fn limit_retransmission_interval(socket: &Socket, ms: u32) {
    const TCP_RTO_MAX_MS: c_int = 44;
    set(socket, TCP_RTO_MAX_MS, ms.clamp(1_000, 120_000) as c_int);
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;
    use std::mem::offset_of;

    #[test]
    fn the_numbers_are_where_the_kernel_has_them() {
        assert_eq!(offset_of!(Info, probes), offset_of!(libc::tcp_info, tcpi_probes));
        assert_eq!(offset_of!(Info, rto_us), offset_of!(libc::tcp_info, tcpi_rto));
        assert_eq!(offset_of!(Info, unacked), offset_of!(libc::tcp_info, tcpi_unacked));
        let silent = offset_of!(libc::tcp_info, tcpi_last_ack_recv);
        assert_eq!(offset_of!(Info, last_ack_received_ms), silent);
    }
}
