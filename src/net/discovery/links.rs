//! The network interfaces that there are now, each with sockets for multicast DNS. Loopback is left out, and so are
//! interfaces that are down or lead to a single peer.

use super::traffic::{Link, PORT, Transmit};
use crate::sys::poller::{Event, Poller};
use if_addrs::{IfAddr, Interface};
use socket2::{Domain, InterfaceIndexOrAddress, Protocol, Socket, Type};
use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6, UdpSocket};

const GROUP_V4: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 251);
const GROUP_V6: Ipv6Addr = Ipv6Addr::new(0xFF02, 0, 0, 0, 0, 0, 0, 0xFB);
/// Interfaces that are used; any more are left out.
const MOST_LINKS: usize = 16;
/// Messages read from a socket in one turn.
const MOST_READS: usize = 32;
/// The longest message (RFC 6762, section 17).
const MOST_RECEIVED: usize = 9000;

/// What the system says about an interface.
#[derive(Clone, Default, PartialEq, Eq)]
struct Addresses {
    all: Vec<IpAddr>,
    /// IPv4 addresses and their netmasks.
    nets: Vec<(Ipv4Addr, Ipv4Addr)>,
}

struct Opened {
    index: u32,
    addresses: Addresses,
    /// IPv4, IPv6.
    sockets: [Option<UdpSocket>; 2],
}

/// What a new look at the interfaces has found.
pub(super) enum LinkChange {
    Set(Link),
    Gone(u32),
}

pub(super) struct Links {
    list: Vec<Opened>,
    buffer: Vec<u8>,
}

impl Links {
    pub(super) fn new() -> Self {
        Self {
            list: Vec::new(),
            buffer: vec![0; MOST_RECEIVED],
        }
    }

    /// Looks at the interfaces again.
    pub(super) fn refresh(&mut self, poller: &Poller) -> Vec<LinkChange> {
        // What cannot be read stays as it is.
        let Ok(interfaces) = if_addrs::get_if_addrs() else {
            return Vec::new();
        };
        let mut present = by_index(interfaces);
        let mut changes = Vec::new();
        self.list.retain(|opened| {
            let stays = present.contains_key(&opened.index);
            if !stays {
                opened.close(poller);
                changes.push(LinkChange::Gone(opened.index));
            }
            stays
        });
        for opened in &mut self.list {
            let Some(addresses) = present.remove(&opened.index) else {
                continue;
            };
            if opened.addresses != addresses {
                opened.close(poller);
                *opened = Opened::open(opened.index, addresses, poller);
                changes.push(LinkChange::Set(opened.link()));
            }
        }
        for (index, addresses) in present {
            if self.list.len() == MOST_LINKS {
                break;
            }
            let opened = Opened::open(index, addresses, poller);
            if opened.sockets.iter().any(Option::is_some) {
                changes.push(LinkChange::Set(opened.link()));
                self.list.push(opened);
            }
        }
        changes
    }

    /// Reads what has come to the socket of this key.
    pub(super) fn receive(&mut self, key: usize, mut handle: impl FnMut(u32, SocketAddr, &[u8])) {
        let Some(opened) = self.list.iter().find(|opened| opened.index as usize == key / 2) else {
            return;
        };
        let Some(socket) = &opened.sockets[key % 2] else { return };
        for _ in 0..MOST_READS {
            match socket.recv_from(&mut self.buffer) {
                Ok((size, from)) if opened.is_neighbour(from.ip()) => {
                    handle(opened.index, from, &self.buffer[..size]);
                }
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return,
            }
        }
    }

    /// Sends a message; false if none of the link's sockets could.
    pub(super) fn send(&self, transmit: &Transmit) -> bool {
        let Some(opened) = self.list.iter().find(|opened| opened.index == transmit.link) else {
            return true;
        };
        let mut sent = false;
        for (socket, group) in opened.sockets.iter().zip(groups(opened.index)) {
            let to = match transmit.to {
                Some(to) if to.is_ipv4() == group.is_ipv4() => to,
                Some(_) => continue,
                None => group,
            };
            sent |= socket
                .as_ref()
                .is_some_and(|socket| socket.send_to(&transmit.bytes, to).is_ok());
        }
        sent
    }

    pub(super) fn close(&mut self, poller: &Poller) {
        for opened in self.list.drain(..) {
            opened.close(poller);
        }
    }
}

impl Opened {
    /// The sockets of a link; a family that refuses is left out.
    fn open(index: u32, addresses: Addresses, poller: &Poller) -> Self {
        let v4 = addresses.nets.first().and_then(|(ip, _)| open_v4(index, *ip).ok());
        let has_v6 = addresses.all.iter().any(IpAddr::is_ipv6);
        let v6 = has_v6.then(|| open_v6(index).ok()).flatten();
        let mut family = 0;
        let sockets = [v4, v6].map(|socket| {
            let key = index as usize * 2 + family;
            family += 1;
            socket.filter(|socket| poller.add(socket, Event::readable(key)).is_ok())
        });
        Self {
            index,
            addresses,
            sockets,
        }
    }

    fn close(&self, poller: &Poller) {
        for socket in self.sockets.iter().flatten() {
            let _ = poller.delete(socket);
        }
    }

    fn link(&self) -> Link {
        Link {
            index: self.index,
            addresses: self.addresses.all.clone(),
        }
    }

    /// Whether a sender is on the link (RFC 6762, section 11).
    fn is_neighbour(&self, from: IpAddr) -> bool {
        let IpAddr::V4(from) = from else { return true };
        let in_net =
            |(ip, mask): &(Ipv4Addr, Ipv4Addr)| from.to_bits() & mask.to_bits() == ip.to_bits() & mask.to_bits();
        from.is_link_local() || self.addresses.nets.iter().any(in_net)
    }
}

fn groups(index: u32) -> [SocketAddr; 2] {
    [
        SocketAddr::from((GROUP_V4, PORT)),
        SocketAddrV6::new(GROUP_V6, PORT, 0, index).into(),
    ]
}

/// The addresses of each interface that can be used.
fn by_index(interfaces: Vec<Interface>) -> BTreeMap<u32, Addresses> {
    let mut found: BTreeMap<u32, Addresses> = BTreeMap::new();
    for interface in interfaces {
        let Some(index) = interface.index else { continue };
        if interface.is_loopback() || interface.is_p2p() || !interface.is_oper_up() {
            continue;
        }
        let addresses = found.entry(index).or_default();
        addresses.all.push(interface.ip());
        if let IfAddr::V4(v4) = interface.addr {
            addresses.nets.push((v4.ip, v4.netmask));
        }
    }
    for addresses in found.values_mut() {
        // The system may list them in another order the next time.
        addresses.all.sort();
        addresses.nets.sort();
    }
    found
}

/// A socket that shares the port with the other responders of this machine.
fn open(domain: Domain) -> io::Result<Socket> {
    let socket = Socket::new(domain, Type::DGRAM, Some(Protocol::UDP))?;
    socket.set_reuse_address(true)?;
    #[cfg(unix)]
    socket.set_reuse_port(true)?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

/// Where a socket is bound: on Unix it hears nothing but the group.
fn bind(socket: &Socket, group: SocketAddr) -> io::Result<()> {
    let mut address = group;
    if cfg!(windows) {
        address = match group {
            SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, PORT).into(),
            SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, PORT).into(),
        };
    }
    socket.bind(&address.into())
}

fn open_v4(index: u32, ip: Ipv4Addr) -> io::Result<UdpSocket> {
    let socket = open(Domain::IPV4)?;
    // By default Linux gives a socket what others on this machine have joined, from every interface. On Android, for which
    // socket2 does not have this, `is_neighbour` leaves out what came from another network.
    #[cfg(target_os = "linux")]
    socket.set_multicast_all_v4(false)?;
    socket.set_multicast_if_v4(&ip)?;
    socket.set_multicast_ttl_v4(255)?;
    socket.set_multicast_loop_v4(true)?;
    socket.join_multicast_v4_n(&GROUP_V4, &InterfaceIndexOrAddress::Index(index))?;
    bind(&socket, groups(index)[0])?;
    Ok(socket.into())
}

fn open_v6(index: u32) -> io::Result<UdpSocket> {
    let socket = open(Domain::IPV6)?;
    socket.set_only_v6(true)?;
    socket.set_multicast_if_v6(index)?;
    socket.set_multicast_hops_v6(255)?;
    socket.set_multicast_loop_v6(true)?;
    socket.join_multicast_v6(&GROUP_V6, index)?;
    bind(&socket, groups(index)[1])?;
    Ok(socket.into())
}
