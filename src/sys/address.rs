//! The address of a peer or of a listener.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};

/// The beginning of the text of a Unix socket's address.
const UNIX: &str = "unix:";
/// The longest text that the API's structs have room for, without the NUL.
pub(crate) const MOST_TEXT: usize = 63;

/// The longest path of a Unix socket: the system's struct also needs a NUL.
#[cfg(unix)]
const MOST_PATH: usize = size_of::<libc::sockaddr_un>() - std::mem::offset_of!(libc::sockaddr_un, sun_path) - 1;
#[cfg(not(unix))]
const MOST_PATH: usize = 107;

/// The address of a peer or of a listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Address {
    Ip(SocketAddr),
    Unix(UnixPath),
}

/// The absolute path of a Unix socket; empty where it has none, as a client's.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct UnixPath {
    bytes: [u8; MOST_PATH],
    length: u8,
}

impl UnixPath {
    const UNNAMED: Self = Self {
        bytes: [0; MOST_PATH],
        length: 0,
    };

    /// None if the path is relative, or longer than the system allows.
    pub(crate) fn new(path: &str) -> Option<Self> {
        if !is_absolute(path) || path.len() > MOST_PATH || path.contains('\0') {
            return None;
        }
        let mut made = Self::UNNAMED;
        made.bytes[..path.len()].copy_from_slice(path.as_bytes());
        made.length = path.len() as u8;
        Some(made)
    }

    pub(crate) fn as_str(&self) -> &str {
        // It was made from a str.
        std::str::from_utf8(&self.bytes[..usize::from(self.length)]).unwrap_or_default()
    }
}

/// On Windows a path may also begin with a drive: "C:/" or "C:\\".
fn is_absolute(path: &str) -> bool {
    #[cfg(windows)]
    if let [drive, b':', b'/' | b'\\', ..] = path.as_bytes() {
        return drive.is_ascii_alphabetic();
    }
    path.starts_with('/')
}

impl fmt::Debug for UnixPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_str().fmt(f)
    }
}

impl Address {
    /// The address of a Unix socket without a path.
    pub(crate) const UNNAMED: Self = Self::Unix(UnixPath::UNNAMED);

    /// In place of an address that the system does not give.
    pub(crate) const UNKNOWN: Self = Self::Ip(SocketAddr::new(IpAddr::V6(Ipv6Addr::UNSPECIFIED), 0));

    /// Whether a text is meant as a Unix socket's address, even if its path is not valid.
    pub(crate) fn is_unix_text(text: &str) -> bool {
        text.starts_with(UNIX)
    }

    /// The path in the text of a Unix socket's address; None for any other text.
    pub(crate) fn unix_path(text: &str) -> Option<&str> {
        text.strip_prefix(UNIX).filter(|path| is_absolute(path))
    }

    /// The address of an open socket's peer, as the system gives it.
    pub(crate) fn of(address: &socket2::SockAddr) -> Option<Self> {
        if let Some(ip) = address.as_socket() {
            return Some(Self::Ip(ip).canonical());
        }
        #[cfg(unix)]
        let path = address
            .as_pathname()
            .and_then(std::path::Path::to_str)
            .and_then(UnixPath::new);
        #[cfg(not(unix))]
        let path = None;
        address.is_unix().then(|| Self::Unix(path.unwrap_or(UnixPath::UNNAMED)))
    }

    pub(crate) fn is_unix(&self) -> bool {
        matches!(self, Self::Unix(_))
    }

    pub(crate) fn is_ipv6(&self) -> bool {
        matches!(self, Self::Ip(SocketAddr::V6(_)))
    }

    pub(crate) fn ip(&self) -> Option<IpAddr> {
        match self {
            Self::Ip(address) => Some(address.ip()),
            Self::Unix(_) => None,
        }
    }

    /// The port number; 0 where there is none.
    pub(crate) fn port(&self) -> u16 {
        match self {
            Self::Ip(address) => address.port(),
            Self::Unix(_) => 0,
        }
    }

    pub(crate) fn set_port(&mut self, port: u16) {
        if let Self::Ip(address) = self {
            address.set_port(port);
        }
    }

    /// Whether an address is link-local and does not say on which interface.
    pub(crate) fn lacks_interface(&self) -> bool {
        match self {
            Self::Ip(SocketAddr::V6(v6)) => v6.ip().is_unicast_link_local() && v6.scope_id() == 0,
            _ => false,
        }
    }

    /// The same address without the mapping of IPv4 into IPv6.
    pub(crate) fn canonical(self) -> Self {
        match self {
            Self::Ip(address) => match address.ip().to_canonical() {
                ip @ IpAddr::V4(_) => Self::Ip(SocketAddr::new(ip, address.port())),
                // With its interface.
                IpAddr::V6(_) => self,
            },
            Self::Unix(_) => self,
        }
    }

    /// The text for notifications and getters: at most [`MOST_TEXT`] bytes, in a form that can be parsed. A Unix socket
    /// whose path is longer, or that has none, is "unix:".
    pub(crate) fn text(&self) -> String {
        let text = self.to_string();
        if text.len() > MOST_TEXT { UNIX.into() } else { text }
    }
}

impl From<SocketAddr> for Address {
    fn from(address: SocketAddr) -> Self {
        Self::Ip(address)
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ip(SocketAddr::V4(v4)) => v4.fmt(f),
            Self::Ip(SocketAddr::V6(v6)) if v6.scope_id() != 0 => {
                write!(f, "[{}%{}]:{}", v6.ip(), v6.scope_id(), v6.port())
            }
            Self::Ip(SocketAddr::V6(v6)) => write!(f, "[{}]:{}", v6.ip(), v6.port()),
            Self::Unix(path) => write!(f, "{UNIX}{}", path.as_str()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unix(path: &str) -> Option<Address> {
        UnixPath::new(path).map(Address::Unix)
    }

    #[test]
    fn a_path_is_absolute_and_not_too_long() {
        let longest = format!("/{}", "x".repeat(MOST_PATH - 1));
        assert_eq!(UnixPath::new(&longest).unwrap().as_str(), longest);
        for path in ["", "x", "./x", &format!("{longest}x"), "/a\0b"] {
            assert_eq!(UnixPath::new(path), None, "{path:?}");
        }
        for (text, path) in [
            ("unix:/a:80", Some("/a:80")),
            ("unix:80", None),
            ("unix:", None),
            ("/a", None),
        ] {
            assert_eq!(Address::unix_path(text), path, "{text}");
        }
    }

    #[cfg(windows)]
    #[test]
    fn a_path_on_windows_may_begin_with_a_drive() {
        for (path, is_valid) in [
            ("C:/a", true),
            ("c:\\a", true),
            ("C:a", false),
            ("1:/a", false),
            ("a/b", false),
        ] {
            assert_eq!(UnixPath::new(path).is_some(), is_valid, "{path}");
        }
    }

    #[test]
    fn the_text_of_a_long_path_is_left_out() {
        let path = |length: usize| format!("/{}", "x".repeat(length - 1));
        let fits = path(MOST_TEXT - UNIX.len());
        assert_eq!(unix(&fits).unwrap().text(), format!("unix:{fits}"));
        assert_eq!(unix(&path(MOST_TEXT - UNIX.len() + 1)).unwrap().text(), "unix:");
        assert_eq!(Address::UNNAMED.text(), "unix:");
    }

    #[test]
    fn every_ip_address_fits() {
        let longest = "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff%4294967295]:65535";
        let address: SocketAddr = longest.parse().unwrap();
        assert_eq!(Address::Ip(address).text(), longest);
    }

    #[test]
    fn a_link_local_address_needs_its_interface() {
        for (address, lacks) in [
            ("[fe80::1]:9", true),
            ("[febf::1]:9", true),
            ("[fe80::1%1]:9", false),
            ("[fec0::1]:9", false),
            ("[::1]:9", false),
            ("169.254.1.1:9", false),
        ] {
            let parsed = Address::Ip(address.parse().unwrap());
            assert_eq!(parsed.lacks_interface(), lacks, "{address}");
        }
        assert!(!unix("/fe80::1").unwrap().lacks_interface());
    }

    #[test]
    fn the_systems_addresses_are_known() {
        let v4: SocketAddr = "127.0.0.1:5".parse().unwrap();
        let mapped: SocketAddr = "[::ffff:127.0.0.1]:5".parse().unwrap();
        assert_eq!(Address::of(&v4.into()), Some(Address::Ip(v4)));
        assert_eq!(Address::of(&mapped.into()), Some(Address::Ip(v4)));
        #[cfg(unix)]
        {
            let named = socket2::SockAddr::unix("/tmp/x").unwrap();
            assert_eq!(Address::of(&named), unix("/tmp/x"));
            let relative = socket2::SockAddr::unix("x").unwrap();
            assert_eq!(Address::of(&relative), Some(Address::UNNAMED));
        }
    }
}
