//! Binding a server's addresses.

use super::resolver;
use super::socket::{self, Listener, SocketSettings};
use crate::net::address;
use crate::sys::address::Address;
use crate::sys::code::{Code, Failure};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

/// Free ports taken for one address may not be free for the next.
const FREE_PORT_TRIES: usize = 32;

/// Sockets that listen, all on one port.
#[derive(Debug)]
pub(crate) struct Bound {
    pub listeners: Vec<Listener>,
    pub port: u16,
}

/// Why a server could not be bound, and to which address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BindError {
    pub failure: Failure,
    pub address: Option<Address>,
}

impl BindError {
    fn new(failure: Failure, address: Address) -> Self {
        Self {
            failure,
            address: Some(address),
        }
    }

    /// Whether the same call may succeed later: a server that is binding in the background tries again. The address
    /// may become free, descriptors may come back, and a network interface may come up. Only what the address or the
    /// process itself lacks stays so.
    pub(crate) fn may_pass(&self) -> bool {
        !matches!(
            self.failure.code,
            Code::Address | Code::InvalidArgument | Code::Permission | Code::Unsupported
        )
    }
}

/// The addresses that `midisock_listen` means.
pub(crate) fn addresses(host: Option<&str>, port: u16, look_up_timeout: Duration) -> Result<Vec<Address>, Failure> {
    let ips: [IpAddr; 2] = match host {
        None => [Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()],
        Some("") => [Ipv6Addr::UNSPECIFIED.into(), Ipv4Addr::UNSPECIFIED.into()],
        Some(host) => {
            let host = address::host(host).ok_or(Failure::new(Code::Address))?;
            let known = address::without_look_up(host, port);
            return known.unwrap_or_else(|| resolver::resolve_and_wait(host, port, look_up_timeout));
        }
    };
    Ok(ips.map(|ip| SocketAddr::new(ip, port).into()).into())
}

/// Binds every address, on one port. An address of a family that this machine does not have, or that this process must
/// not use, is left out as long as there is another.
pub(crate) fn bind(addresses: &[Address], settings: SocketSettings) -> Result<Bound, BindError> {
    let takes_free_port = addresses.iter().any(|address| address.port() == 0);
    let mut tries = if takes_free_port && addresses.len() > 1 {
        FREE_PORT_TRIES
    } else {
        1
    };
    loop {
        tries -= 1;
        match bind_all(addresses, settings) {
            Err(error) if error.failure.code == Code::AddressInUse && tries > 0 => {}
            outcome => return outcome,
        }
    }
}

fn bind_all(addresses: &[Address], settings: SocketSettings) -> Result<Bound, BindError> {
    let mut bound = Bound {
        listeners: Vec::new(),
        port: 0,
    };
    let mut missing = None;
    for address in addresses {
        let mut address = address.canonical();
        if address.port() == 0 {
            address.set_port(bound.port);
        }
        match socket::listen(&address, settings) {
            Ok(listener) => {
                bound.port = listener.port();
                bound.listeners.push(listener);
            }
            // The first one tells most: the second family is often missing altogether.
            Err(refusal) if refusal.is_missing => {
                missing.get_or_insert(BindError::new(refusal.failure, address));
            }
            Err(refusal) => return Err(BindError::new(refusal.failure, address)),
        }
    }
    if bound.listeners.is_empty() {
        Err(missing.unwrap_or(BindError {
            failure: Failure::new(Code::Address),
            address: None,
        }))
    } else {
        Ok(bound)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NO_PATIENCE: Duration = Duration::ZERO;

    fn listen(host: Option<&str>, port: u16) -> Result<Bound, BindError> {
        let addresses = addresses(host, port, NO_PATIENCE);
        let addresses = addresses.map_err(|failure| BindError { failure, address: None })?;
        bind(&addresses, SocketSettings::default())
    }

    #[test]
    fn localhost_and_addresses_need_no_thread() {
        for host in ["localhost", "127.0.0.1", "[::ffff:127.0.0.1]"] {
            let bound = listen(Some(host), 0).expect(host);
            assert_ne!(bound.port, 0);
        }
        let mapped = listen(Some("::ffff:127.0.0.1"), 0).unwrap();
        let local = mapped.listeners[0].socket.local_addr().unwrap().as_socket().unwrap();
        assert!(local.is_ipv4());
    }

    #[test]
    fn an_address_in_use_is_named_and_may_pass() {
        let first = listen(Some("127.0.0.1"), 0).unwrap();
        let error = listen(None, first.port).unwrap_err();
        assert_eq!(error.failure.code, Code::AddressInUse);
        assert_eq!(
            error.address,
            Some(SocketAddr::from((Ipv4Addr::LOCALHOST, first.port)).into())
        );
        assert!(error.may_pass());
    }

    #[test]
    fn the_address_in_use_may_be_the_second() {
        let Ok(first) = listen(Some("::1"), 0) else { return };
        let error = listen(None, first.port).unwrap_err();
        assert_eq!(
            error.address,
            Some(SocketAddr::from((Ipv6Addr::LOCALHOST, first.port)).into())
        );
    }

    #[test]
    fn a_link_local_address_without_its_interface_is_an_address_error() {
        for host in ["fe80::1", "fe80::1%no-such-interface"] {
            let error = listen(Some(host), 0).unwrap_err();
            assert_eq!(error.failure.code, Code::Address, "{host}");
            assert!(!error.may_pass());
        }
    }

    #[test]
    fn a_foreign_address_is_unreachable_and_may_pass() {
        let error = listen(Some("192.0.2.1"), 0).unwrap_err();
        assert_eq!(error.failure.code, Code::Unreachable);
        assert!(error.may_pass());
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_sandbox_without_ipv6_does_not_keep_ipv4_from_listening() {
        use crate::sys::denied_linux::with_denied;
        let socket = |family| (libc::SYS_socket, Some(family as u32));
        for errno in [libc::EPERM, libc::EACCES, libc::EAFNOSUPPORT] {
            let bound = with_denied(&[socket(libc::AF_INET6)], errno, || {
                [None, Some(""), Some("localhost")].map(|host| listen(host, 0).map(|bound| bound.listeners.len()))
            });
            assert_eq!(bound, Some([Ok(1), Ok(1), Ok(1)]));
            let all = [socket(libc::AF_INET6), socket(libc::AF_INET)];
            let bound = with_denied(&all, errno, || listen(None, 0).map(drop));
            let failure = bound.expect("seccomp filters are allowed").unwrap_err().failure;
            assert_eq!(failure.os_error, errno);
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_lack_of_descriptors_passes_and_a_lack_of_rights_does_not() {
        let error = |number| {
            let failure = Failure::of_address(&std::io::Error::from_raw_os_error(number));
            BindError::new(failure, SocketAddr::from(([0; 4], 1)).into())
        };
        for number in [
            libc::EMFILE,
            libc::ENFILE,
            libc::ENOMEM,
            libc::ENOBUFS,
            libc::EADDRNOTAVAIL,
            libc::EINTR,
        ] {
            assert!(error(number).may_pass());
        }
        for number in [libc::EACCES, libc::EPERM, libc::EINVAL] {
            assert!(!error(number).may_pass());
        }
    }
}
