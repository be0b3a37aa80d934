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
    #[cfg_attr(
        not(debug_assertions),
        allow(dead_code, reason = "two threads at once are noticed by debug builds only")
    )]
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
}

/// Every code, with the text `midisock_strerror` gives for it.
const TEXTS: [(Code, &std::ffi::CStr); 20] = [
    (Code::Ok, c"success"),
    (Code::Empty, c"nothing to take now"),
    (Code::Offline, c"no peer is connected now"),
    (Code::InvalidArgument, c"invalid argument"),
    (Code::InvalidMessage, c"not exactly one whole MIDI 1.0 message"),
    (Code::TooLarge, c"message longer than max_message_bytes"),
    (Code::Full, c"no room in the queue"),
    (Code::Closed, c"the port is closed"),
    (Code::Timeout, c"timed out"),
    (Code::Busy, c"two threads use the same side of a port at once"),
    (Code::WrongRole, c"this kind of port does not do that"),
    (Code::NoSuchClient, c"no client with that id"),
    (Code::Address, c"the address cannot be parsed or does not resolve"),
    (Code::AddressInUse, c"the address is in use"),
    (Code::Permission, c"the system does not permit it"),
    (Code::Refused, c"connection refused"),
    (Code::Unreachable, c"the address cannot be reached"),
    (Code::Io, c"input/output error"),
    (Code::NoResources, c"out of memory, descriptors or threads"),
    (Code::Internal, c"internal error of midisock"),
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
        match error.kind() {
            Kind::AddrInUse => Code::AddressInUse,
            Kind::PermissionDenied => Code::Permission,
            Kind::ConnectionRefused => Code::Refused,
            Kind::NetworkUnreachable | Kind::HostUnreachable | Kind::AddrNotAvailable | Kind::NetworkDown => {
                Code::Unreachable
            }
            Kind::TimedOut => Code::Timeout,
            Kind::OutOfMemory => Code::NoResources,
            _ => Code::Io,
        }
    }
}
