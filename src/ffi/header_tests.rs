//! The committed header is the one that the code makes, and its numbers are the code's.

use super::notification::*;
use super::result::*;
use super::state::*;
use crate::realtime::notifications::Kind;
use crate::realtime::shared::State;
use crate::sys::code::Code;
use std::path::Path;

/// The header as cbindgen makes it now.
fn generated() -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let config = cbindgen::Config::from_file(root.join("cbindgen.toml")).unwrap();
    let bindings = cbindgen::Builder::new()
        .with_crate(root)
        .with_config(config)
        .generate()
        .unwrap();
    let mut text = Vec::new();
    bindings.write(&mut text);
    String::from_utf8(text).unwrap()
}

/// `scripts/header` runs this with MIDISOCK_WRITE_HEADER set, to write instead of compare.
#[test]
fn header_is_up_to_date() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("include/midisock/midisock.h");
    let generated = generated();
    if std::env::var_os("MIDISOCK_WRITE_HEADER").is_some() {
        std::fs::write(&path, &generated).unwrap();
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        committed == generated,
        "include/midisock/midisock.h differs from src/ffi: run scripts/header"
    );
}

#[test]
fn version_is_the_packages() {
    use super::version::*;
    let version = format!("{MIDISOCK_VERSION_MAJOR}.{MIDISOCK_VERSION_MINOR}.{MIDISOCK_VERSION_PATCH}");
    assert_eq!(version, env!("CARGO_PKG_VERSION"));
    // SAFETY: a static, NUL-terminated text.
    let text = unsafe { std::ffi::CStr::from_ptr(midisock_version_string()) };
    assert_eq!(text.to_str(), Ok(env!("CARGO_PKG_VERSION")));
}

#[test]
fn numbers_of_the_api_are_the_codes() {
    for (number, code) in [
        (MIDISOCK_OK, Code::Ok),
        (MIDISOCK_EMPTY, Code::Empty),
        (MIDISOCK_OFFLINE, Code::Offline),
        (MIDISOCK_ERR_INVALID_ARGUMENT, Code::InvalidArgument),
        (MIDISOCK_ERR_INVALID_MESSAGE, Code::InvalidMessage),
        (MIDISOCK_ERR_TOO_LARGE, Code::TooLarge),
        (MIDISOCK_ERR_FULL, Code::Full),
        (MIDISOCK_ERR_CLOSED, Code::Closed),
        (MIDISOCK_ERR_TIMEOUT, Code::Timeout),
        (MIDISOCK_ERR_BUSY, Code::Busy),
        (MIDISOCK_ERR_WRONG_ROLE, Code::WrongRole),
        (MIDISOCK_ERR_NO_SUCH_CLIENT, Code::NoSuchClient),
        (MIDISOCK_ERR_ADDRESS, Code::Address),
        (MIDISOCK_ERR_ADDRESS_IN_USE, Code::AddressInUse),
        (MIDISOCK_ERR_PERMISSION, Code::Permission),
        (MIDISOCK_ERR_REFUSED, Code::Refused),
        (MIDISOCK_ERR_UNREACHABLE, Code::Unreachable),
        (MIDISOCK_ERR_IO, Code::Io),
        (MIDISOCK_ERR_NO_RESOURCES, Code::NoResources),
        (MIDISOCK_ERR_INTERNAL, Code::Internal),
    ] {
        assert_eq!(number, code as i32);
        assert_eq!(Code::from_number(number), Some(code));
        assert_ne!(Code::text(number), Code::text(1000));
    }
    for (number, state) in [
        (MIDISOCK_STATE_BINDING, State::Binding),
        (MIDISOCK_STATE_LISTENING, State::Listening),
        (MIDISOCK_STATE_CONNECTING, State::Connecting),
        (MIDISOCK_STATE_CONNECTED, State::Connected),
        (MIDISOCK_STATE_CLOSED, State::Closed),
    ] {
        assert_eq!(number, state as i32);
    }
    assert_eq!(super::message::MIDISOCK_SYNTHETIC, crate::realtime::shared::SYNTHETIC);
    assert_eq!(super::message::MIDISOCK_STILL_HELD, crate::realtime::shared::STILL_HELD);
    for (number, kind) in [
        (MIDISOCK_CONNECTED, Kind::Connected),
        (MIDISOCK_CONNECT_FAILED, Kind::ConnectFailed),
        (MIDISOCK_DISCONNECTED, Kind::Disconnected),
        (MIDISOCK_CLIENT_JOINED, Kind::ClientJoined),
        (MIDISOCK_CLIENT_LEFT, Kind::ClientLeft),
        (MIDISOCK_CONGESTED, Kind::Congested),
        (MIDISOCK_RECOVERED, Kind::Recovered),
        (MIDISOCK_PRIORITY_REFUSED, Kind::PriorityRefused),
    ] {
        assert_eq!(number, kind as i32);
    }
}
