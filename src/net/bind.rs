//! Binding a server's addresses.

use super::resolver;
use crate::net::address;
use crate::realtime::config::Config;
use crate::sys::clock::ms;
use crate::sys::code::Code;
use socket2::{Domain, Protocol, Socket, Type};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

/// Connections that the system takes before they are accepted here.
const BACKLOG: i32 = 128;
/// Free ports taken for one address may not be free for the next.
const FREE_PORT_TRIES: usize = 32;

/// Sockets that listen, all on one port.
pub(crate) struct Bound {
    pub listeners: Vec<Socket>,
    pub port: u16,
}

pub(crate) struct BindError {
    pub code: Code,
    pub os_error: i32,
}

impl From<io::Error> for BindError {
    fn from(error: io::Error) -> Self {
        Self {
            code: Code::of(&error),
            os_error: error.raw_os_error().unwrap_or(0),
        }
    }
}

/// The addresses that `midisock_listen` means.
pub(crate) fn addresses(host: Option<&str>, port: u16, config: &Config) -> Result<Vec<SocketAddr>, Code> {
    let ips = match host {
        None => vec![IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)],
        Some("") => vec![IpAddr::V6(Ipv6Addr::UNSPECIFIED), IpAddr::V4(Ipv4Addr::UNSPECIFIED)],
        Some(host) => {
            let host = address::host(host).ok_or(Code::Address)?;
            if let Some(ip) = address::literal(host) {
                return Ok(vec![SocketAddr::new(ip, port)]);
            }
            let found = resolver::resolve_and_wait(host, port, Duration::from_nanos(ms(config.connect_timeout_ms)));
            return if found.is_empty() {
                Err(Code::Address)
            } else {
                Ok(found)
            };
        }
    };
    Ok(ips.into_iter().map(|ip| SocketAddr::new(ip, port)).collect())
}

/// Binds every address, on one port. An address of a family that this machine does not have is left out, as long as
/// there is another.
pub(crate) fn bind(addresses: &[SocketAddr]) -> Result<Bound, BindError> {
    let takes_free_port = addresses.iter().any(|address| address.port() == 0);
    let mut tries = if takes_free_port && addresses.len() > 1 {
        FREE_PORT_TRIES
    } else {
        1
    };
    loop {
        tries -= 1;
        match bind_all(addresses) {
            Err(error) if error.code == Code::AddressInUse && tries > 0 => {}
            outcome => return outcome,
        }
    }
}

fn bind_all(addresses: &[SocketAddr]) -> Result<Bound, BindError> {
    let mut bound = Bound {
        listeners: Vec::new(),
        port: 0,
    };
    let mut missing = None;
    for address in addresses {
        let mut address = *address;
        if address.port() == 0 {
            address.set_port(bound.port);
        }
        match bind_one(address) {
            Ok(socket) => {
                bound.port = socket.local_addr()?.as_socket().map_or(0, |local| local.port());
                bound.listeners.push(socket);
            }
            Err(error) if is_missing(&error) => missing = Some(error),
            Err(error) => return Err(error.into()),
        }
    }
    match missing {
        Some(error) if bound.listeners.is_empty() => Err(error.into()),
        _ => Ok(bound),
    }
}

/// Whether the machine has no such address or family.
fn is_missing(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::AddrNotAvailable | io::ErrorKind::Unsupported
    ) || {
        #[cfg(unix)]
        {
            error.raw_os_error() == Some(libc::EAFNOSUPPORT)
        }
        #[cfg(windows)]
        {
            error.raw_os_error() == Some(windows_sys::Win32::Networking::WinSock::WSAEAFNOSUPPORT)
        }
    }
}

fn bind_one(address: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    #[cfg(unix)]
    socket.set_reuse_address(true)?;
    #[cfg(windows)]
    crate::sys::tcp::take_exclusively(&socket)?;
    if address.is_ipv6() {
        // IPv4 has a socket of its own, so that both families of a name or of "every interface" work alike.
        socket.set_only_v6(true)?;
    }
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket)
}
