//! Sockets by their addresses. TCP and Unix sockets are made differently here, and nowhere else: see
//! [`Transport`](super::transport::Transport) for what they do once they are connected.

use crate::sys::address::Address;
use crate::sys::code::{Code, Failure};
use crate::sys::{local, tcp};
use socket2::{Domain, Protocol, Socket, Type};
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

/// Connections that the system keeps until they are accepted here.
const BACKLOG: i32 = 128;

/// A socket that listens.
#[derive(Debug)]
pub(crate) struct Listener {
    /// The file of a Unix socket. It is dropped before the socket: see there.
    _file: Option<local::SocketFile>,
    pub socket: Socket,
    is_unix: bool,
}

/// How sockets are made.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct SocketSettings {
    /// The DSCP of TCP packets; 0: the system's.
    pub traffic_class: u32,
    /// How long to wait for another program that binds a Unix socket in the same folder.
    pub patience: Duration,
}

/// Why an address cannot be bound.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Refusal {
    pub failure: Failure,
    /// The machine has no such address or family.
    pub is_missing: bool,
}

impl Listener {
    /// Takes a connection that waits, with the address that it comes from.
    pub(crate) fn accept(&self) -> io::Result<(Socket, Option<Address>)> {
        let (socket, address) = self.socket.accept()?;
        if self.is_unix {
            return Ok((socket, Some(Address::UNNAMED)));
        }
        Ok((socket, Address::of(&address)))
    }

    /// The address that it is bound to.
    pub(crate) fn address(&self) -> Option<Address> {
        Address::of(&self.socket.local_addr().ok()?)
    }

    /// The port number that it is bound to; 0 where it has none.
    pub(crate) fn port(&self) -> u16 {
        local_port(&self.socket)
    }
}

/// The port number of a socket's own address; 0 where it has none.
pub(crate) fn local_port(socket: &Socket) -> u16 {
    let local = socket.local_addr().ok().and_then(|local| local.as_socket());
    local.map_or(0, |local| local.port())
}

/// A socket that listens at an address.
pub(crate) fn listen(address: &Address, settings: SocketSettings) -> Result<Listener, Refusal> {
    match address {
        Address::Ip(address) => listen_tcp(*address, settings).map_err(|error| Refusal {
            failure: Failure::of_address(&error),
            is_missing: is_missing(&error, *address),
        }),
        Address::Unix(path) => match local::listen(path, BACKLOG, settings.patience) {
            Ok((socket, file)) => Ok(Listener {
                _file: Some(file),
                socket,
                is_unix: true,
            }),
            Err(failure) => Err(Refusal {
                failure,
                is_missing: false,
            }),
        },
    }
}

fn listen_tcp(address: SocketAddr, settings: SocketSettings) -> io::Result<Listener> {
    if Address::Ip(address).lacks_interface() {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    let socket = tcp_socket(address, settings)?;
    #[cfg(unix)]
    socket.set_reuse_address(true)?;
    #[cfg(windows)]
    tcp::take_exclusively(&socket)?;
    if address.is_ipv6() {
        // IPv4 has a socket of its own, so that both families of a name or of "every interface" work alike.
        socket.set_only_v6(true)?;
    }
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(Listener {
        _file: None,
        socket,
        is_unix: false,
    })
}

/// A TCP socket that does not block. The first packet of a connection has its traffic class already.
fn tcp_socket(address: SocketAddr, settings: SocketSettings) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_nonblocking(true)?;
    if settings.traffic_class != 0 {
        tcp::set_traffic_class(&socket, settings.traffic_class);
    }
    Ok(socket)
}

/// Whether the machine has no such address or family. A sandbox or a firewall may deny IPv6 altogether.
fn is_missing(error: &io::Error, address: SocketAddr) -> bool {
    match error.kind() {
        io::ErrorKind::AddrNotAvailable | io::ErrorKind::Unsupported => true,
        io::ErrorKind::PermissionDenied => address.is_ipv6(),
        _ => crate::sys::is_missing_family(error),
    }
}

/// Begins to connect, without waiting. See [`established`].
pub(crate) fn connect(address: &Address, settings: SocketSettings) -> Result<Socket, Failure> {
    match address {
        _ if address.lacks_interface() => Err(Failure::new(Code::Address)),
        Address::Ip(address) => connect_tcp(*address, settings).map_err(|error| Failure::of_address(&error)),
        Address::Unix(path) => local::connect(path),
    }
}

fn connect_tcp(address: SocketAddr, settings: SocketSettings) -> io::Result<Socket> {
    let socket = tcp_socket(address, settings)?;
    match socket.connect(&address.into()) {
        Ok(()) => Ok(socket),
        Err(error) if is_in_progress(&error) => Ok(socket),
        Err(error) => Err(error),
    }
}

fn is_in_progress(error: &io::Error) -> bool {
    #[cfg(unix)]
    if matches!(error.raw_os_error(), Some(libc::EINPROGRESS | libc::EINTR)) {
        return true;
    }
    error.kind() == io::ErrorKind::WouldBlock
}

/// The peer of a socket that has connected to an address; None while it is still connecting.
pub(crate) fn established(socket: &Socket, address: &Address) -> Result<Option<Address>, Failure> {
    let outcome = socket.take_error().and_then(|error| error.map_or(Ok(()), Err));
    outcome.map_err(|error| Failure::of_address(&error))?;
    if is_its_own_peer(socket) {
        // There is no server, or the port would not have been free.
        return Err(Failure::new(Code::Refused));
    }
    match socket.peer_addr() {
        // The server may have bound it by another name.
        Ok(_) if address.is_unix() => Ok(Some(*address)),
        Ok(peer) => Ok(Address::of(&peer)),
        Err(error) if error.kind() == io::ErrorKind::NotConnected => Ok(None),
        Err(error) => Err(Failure::from(&error)),
    }
}

/// Whether a socket has met itself. TCP allows that on loopback, when the system happens to give a client the very
/// port that it connects to.
pub(crate) fn is_its_own_peer(socket: &Socket) -> bool {
    match (socket.local_addr(), socket.peer_addr()) {
        (Ok(local), Ok(peer)) => local.as_socket().is_some() && local.as_socket() == peer.as_socket(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{Ipv4Addr, Ipv6Addr};

    #[cfg(unix)]
    #[test]
    fn a_denied_ipv6_is_left_out_and_a_denied_ipv4_is_not() {
        let v4 = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let v6 = SocketAddr::from((Ipv6Addr::LOCALHOST, 0));
        for number in [libc::EPERM, libc::EACCES] {
            let error = io::Error::from_raw_os_error(number);
            assert!(is_missing(&error, v6));
            assert!(!is_missing(&error, v4));
        }
        let unsupported = io::Error::from_raw_os_error(libc::EAFNOSUPPORT);
        assert!(is_missing(&unsupported, v4));
    }

    #[cfg(unix)]
    #[test]
    fn a_unix_socket_listens_and_connects_like_tcp() {
        let path = std::env::temp_dir().join(format!("midisock-socket-{}", std::process::id()));
        let path = crate::sys::address::UnixPath::new(path.to_str().unwrap()).unwrap();
        let address = Address::Unix(path);
        let settings = SocketSettings::default();
        let patient = SocketSettings {
            patience: Duration::from_secs(20),
            ..settings
        };
        let listener = listen(&address, patient).unwrap();
        let client = connect(&address, settings).unwrap();
        assert_eq!(established(&client, &address).unwrap(), Some(address));
        assert_eq!(listener.accept().unwrap().1, Some(Address::UNNAMED));
        assert_eq!(listener.port(), 0);
        drop(listener);
        assert_eq!(connect(&address, settings).unwrap_err().code, Code::Refused);
    }
}
