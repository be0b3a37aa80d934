//! The outcome of every call, as the C API numbers it.

/// What a call came to. The numbers are the C API's `midisock_result`; a test holds the two together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i32)]
pub(crate) enum Code {
    Ok = 0,
    Empty = 1,
    Offline = 2,
    InvalidArgument = -1,
    InvalidMessage = -2,
    TooLarge = -3,
    Full = -4,
    Closed = -5,
    Timeout = -6,
    Busy = -7,
    WrongRole = -8,
    NoSuchClient = -9,
    Address = -10,
    AddressInUse = -11,
    Permission = -12,
    Refused = -13,
    Unreachable = -14,
    Io = -15,
    NoResources = -16,
    Internal = -17,
    Unsupported = -18,
}

/// macOS and iOS report this too where the user has not let the host of a plugin use the local network.
#[cfg(target_vendor = "apple")]
const UNREACHABLE: &std::ffi::CStr = c"the address cannot be reached, or this program may not use the local network";
#[cfg(not(target_vendor = "apple"))]
const UNREACHABLE: &std::ffi::CStr = c"the address cannot be reached";

/// Every code, with the text `midisock_strerror` gives for it.
const TEXTS: [(Code, &std::ffi::CStr); 21] = [
    (Code::Ok, c"success"),
    (Code::Empty, c"nothing to take now"),
    (Code::Offline, c"no peer is connected now"),
    (Code::InvalidArgument, c"invalid argument"),
    (Code::InvalidMessage, c"not exactly one whole MIDI 1.0 message"),
    (Code::TooLarge, c"message longer than max_message_bytes"),
    (Code::Full, c"no room in the queue"),
    (Code::Closed, c"the port is closed"),
    (Code::Timeout, c"timed out"),
    (
        Code::Busy,
        c"another thread is in a call that excludes this one, or the context has open ports",
    ),
    (Code::WrongRole, c"this kind of port does not do that"),
    (Code::NoSuchClient, c"no client with that id"),
    (
        Code::Address,
        c"the address cannot be parsed, does not resolve, or lacks its interface (fe80::1%eth0)",
    ),
    (
        Code::AddressInUse,
        c"the address is in use, and only servers of one context that all set share can share it",
    ),
    (Code::Permission, c"the system does not permit it"),
    (Code::Refused, c"connection refused"),
    (Code::Unreachable, UNREACHABLE),
    (Code::Io, c"input/output error, or the connection was reset by the peer"),
    (Code::NoResources, c"out of memory, descriptors or threads"),
    (Code::Internal, c"internal error of midisock"),
    (
        Code::Unsupported,
        c"not supported on this system, or left out of this build",
    ),
];

impl Code {
    /// The static text for a number that may be no code at all.
    pub(crate) fn text(number: i32) -> &'static std::ffi::CStr {
        for (code, text) in TEXTS {
            if code as i32 == number {
                return text;
            }
        }
        c"unknown midisock result"
    }

    /// The code for a number, where there is one.
    pub(crate) fn from_number(number: i32) -> Option<Code> {
        TEXTS.iter().map(|(code, _)| *code).find(|code| *code as i32 == number)
    }

    /// The code that stands for a system error.
    pub(crate) fn of(error: &std::io::Error) -> Code {
        use std::io::ErrorKind as Kind;
        if crate::sys::is_out_of_resources(error) {
            return Code::NoResources;
        }
        if crate::sys::is_missing_family(error) {
            return Code::Unreachable;
        }
        match error.kind() {
            Kind::AddrInUse => Code::AddressInUse,
            Kind::PermissionDenied => Code::Permission,
            Kind::ConnectionRefused => Code::Refused,
            Kind::NetworkUnreachable | Kind::HostUnreachable | Kind::AddrNotAvailable | Kind::NetworkDown => {
                Code::Unreachable
            }
            Kind::TimedOut => Code::Timeout,
            Kind::OutOfMemory => Code::NoResources,
            // Also a connection that the peer has reset: `os_error` tells which it is.
            _ => Code::Io,
        }
    }
}

/// Why something failed: the code, and the number of the system's error, or 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    pub code: Code,
    pub os_error: i32,
}

impl Failure {
    /// A failure that is not the system's.
    pub(crate) fn new(code: Code) -> Self {
        Self { code, os_error: 0 }
    }

    /// A failure to bind or to connect. There, an invalid argument is the address: a link-local one without its
    /// interface, for example.
    pub(crate) fn of_address(error: &std::io::Error) -> Self {
        let code = match error.kind() {
            std::io::ErrorKind::InvalidInput => Code::Address,
            _ => Code::of(error),
        };
        Self {
            code,
            ..Self::from(error)
        }
    }
}

impl From<&std::io::Error> for Failure {
    fn from(error: &std::io::Error) -> Self {
        Self {
            code: Code::of(error),
            os_error: error.raw_os_error().unwrap_or(0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io;

    #[cfg(unix)]
    #[test]
    fn system_errors_have_telling_codes() {
        for (number, code) in [
            (libc::EMFILE, Code::NoResources),
            (libc::ENFILE, Code::NoResources),
            (libc::ENOBUFS, Code::NoResources),
            (libc::EACCES, Code::Permission),
            (libc::EPERM, Code::Permission),
            (libc::EHOSTUNREACH, Code::Unreachable),
            (libc::EHOSTDOWN, Code::Unreachable),
            (libc::ENETUNREACH, Code::Unreachable),
            (libc::EAFNOSUPPORT, Code::Unreachable),
            (libc::EPROTONOSUPPORT, Code::Unreachable),
            (libc::ECONNRESET, Code::Io),
            (libc::EPIPE, Code::Io),
        ] {
            let error = io::Error::from_raw_os_error(number);
            assert_eq!(Failure::from(&error), Failure { code, os_error: number }, "{error}");
        }
        let invalid = io::Error::from_raw_os_error(libc::EINVAL);
        assert_eq!(Failure::of_address(&invalid).code, Code::Address);
    }
}
