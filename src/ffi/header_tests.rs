//! The committed header is the one that the code makes, and its numbers are the code's.

use super::notification::*;
use super::result::*;
use super::state::*;
use crate::realtime::notifications::Kind;
use crate::realtime::shared::State;
use crate::sys::code::Code;
use std::path::Path;

/// `scripts/header` runs this with MIDISOCK_WRITE_HEADER set, to write instead of compare.
#[test]
fn header_is_up_to_date() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("include/midisock/midisock.h");
    let generated = super::header::generated();
    if std::env::var_os("MIDISOCK_WRITE_HEADER").is_some() {
        std::fs::write(&path, &generated).unwrap();
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        committed == generated,
        "include/midisock/midisock.h differs from src/ffi: run scripts/header"
    );
}

/// Every function has a description, the tag that fits its declaration, and then what threads may call it and what it
/// returns.
#[test]
fn comments_have_one_form() {
    let header = super::header::generated();
    let mut functions = 0;
    for paragraph in header.split("\n\n") {
        let Some((comment, declaration)) = paragraph.split_once(" */\nMIDISOCK_API ") else {
            continue;
        };
        functions += 1;
        let realtime = declaration.contains("MIDISOCK_REALTIME;");
        let tag = if realtime { " * [realtime]" } else { " * [control]" };
        let lines: Vec<&str> = comment.lines().collect();
        let at = lines.iter().position(|line| *line == tag).expect(declaration);
        assert!(at >= 3 && lines[at - 1] == " *", "{paragraph}");
        assert!(lines[at + 1].starts_with(" * Threads: "), "{paragraph}");
        let returns = lines.iter().position(|line| line.starts_with(" * Returns:"));
        let returns = returns.expect(declaration);
        assert!(returns > at + 1, "{paragraph}");
        let listed = declaration.starts_with("midisock_result ");
        assert_eq!(lines[returns] == " * Returns:", listed, "{paragraph}");
        for line in &lines[returns + 1..] {
            assert!(
                line.starts_with(" * - MIDISOCK_") || line.starts_with(" *   "),
                "{paragraph}"
            );
        }
    }
    assert_eq!(functions, 53);
    assert!(!header.contains(" * # "), "a Rust heading");
    assert!(header.lines().all(|line| line.len() <= 120));
}

#[test]
fn pages_of_every_realtime_function_are_touched() {
    let touched = include_str!("touch.rs");
    let header = super::header::generated();
    let declarations = header.split("\nMIDISOCK_API ").skip(1);
    let declarations = declarations.filter_map(|text| text.split_once(';').map(|(declaration, _)| declaration));
    let realtime = declarations.filter(|declaration| declaration.contains("MIDISOCK_REALTIME"));
    for declaration in realtime {
        let before = declaration.split('(').next().unwrap_or_default();
        let name = before.trim_start_matches(|c| c != ' ').rsplit([' ', '*']).next();
        let name = name.unwrap_or_default();
        assert!(touched.contains(&format!("::{name} as ")), "{name}");
    }
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
        (MIDISOCK_ERR_UNSUPPORTED, Code::Unsupported),
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
    assert_eq!(
        super::message::MIDISOCK_FLAG_SYNTHETIC,
        crate::realtime::shared::SYNTHETIC
    );
    assert_eq!(
        super::message::MIDISOCK_FLAG_STILL_HELD,
        crate::realtime::shared::STILL_HELD
    );
    assert_eq!(super::message::MIDISOCK_FLAG_TIMED, crate::realtime::shared::TIMED);
    for (number, kind) in [
        (MIDISOCK_NOTIFY_CONNECTED, Kind::Connected),
        (MIDISOCK_NOTIFY_CONNECT_FAILED, Kind::ConnectFailed),
        (MIDISOCK_NOTIFY_DISCONNECTED, Kind::Disconnected),
        (MIDISOCK_NOTIFY_CLIENT_JOINED, Kind::ClientJoined),
        (MIDISOCK_NOTIFY_CLIENT_LEFT, Kind::ClientLeft),
        (MIDISOCK_NOTIFY_CONGESTED, Kind::Congested),
        (MIDISOCK_NOTIFY_RECOVERED, Kind::Recovered),
        (MIDISOCK_NOTIFY_PRIORITY_REFUSED, Kind::PriorityRefused),
    ] {
        assert_eq!(number, kind as i32);
    }
}
