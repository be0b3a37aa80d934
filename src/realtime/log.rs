//! Lines for the host's log: events of a port that a developer wants to know. The network thread makes them, and gives
//! them to the host at the end of its turn. No realtime function does either.

use crate::realtime::notifications::{Kind, Notification};
use crate::sys::address::Address;
use crate::sys::clock::now_ns;
use crate::sys::code::Code;
use crossbeam_queue::SegQueue;
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::fmt::Write;
use std::sync::Arc;

/// A port writes at most this many lines in this many ns; the rest is counted.
const MOST_LINES: usize = 10;
const PERIOD_NS: u64 = 1_000_000_000;

/// The numbers are the C API's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i32)]
pub(crate) enum Level {
    Error = 1,
    Warning = 2,
    Info = 3,
}

#[derive(Debug)]
pub(crate) struct Line {
    pub level: Level,
    pub text: String,
}

/// The lines of a context that the host has not received yet. The limit of each port bounds them.
#[derive(Default)]
pub(crate) struct Log {
    lines: SegQueue<Line>,
}

impl Log {
    pub(crate) fn take(&self) -> Option<Line> {
        self.lines.pop()
    }
}

/// The lines of one port, or of a context.
pub(crate) struct Source {
    log: Arc<Log>,
    /// Only the network thread uses it once it has the port, so it never waits.
    state: Mutex<State>,
}

struct State {
    /// The beginning of each line.
    label: String,
    /// When the last lines were written, at most `MOST_LINES`.
    recent: VecDeque<u64>,
    left_out: u64,
}

impl Source {
    pub(crate) fn new(log: &Arc<Log>, label: &str) -> Self {
        Self {
            log: Arc::clone(log),
            state: Mutex::new(State {
                label: label.to_owned(),
                recent: VecDeque::with_capacity(MOST_LINES),
                left_out: 0,
            }),
        }
    }

    pub(crate) fn set_label(&self, label: String) {
        self.state.lock().label = label;
    }

    pub(crate) fn label(&self) -> String {
        self.state.lock().label.clone()
    }

    /// Writes a line, unless there were too many lately.
    pub(crate) fn write(&self, level: Level, text: &str) {
        self.write_at(level, text, now_ns());
    }

    fn write_at(&self, level: Level, text: &str, now: u64) {
        let mut state = self.state.lock();
        self.tell_left_out(&mut state, now);
        if state.left_out != 0 || !state.has_room(now) {
            state.left_out += 1;
            return;
        }
        self.push(&mut state, level, text, now);
    }

    /// Writes how many lines were left out, if it is time. Returns when it will be; None: no lines were left out.
    pub(crate) fn timeout(&self, now: u64) -> Option<u64> {
        let mut state = self.state.lock();
        self.tell_left_out(&mut state, now);
        let first = state.recent.front().filter(|_| state.left_out != 0)?;
        Some(first + PERIOD_NS)
    }

    /// No more lines will come: writes how many were left out.
    pub(crate) fn end(&self) {
        let mut state = self.state.lock();
        if state.left_out != 0 {
            self.push_left_out(&mut state, now_ns());
        }
    }

    fn tell_left_out(&self, state: &mut State, now: u64) {
        if state.left_out != 0 && state.has_room(now) {
            self.push_left_out(state, now);
        }
    }

    fn push_left_out(&self, state: &mut State, now: u64) {
        let text = match std::mem::take(&mut state.left_out) {
            1 => "1 more line was left out".to_owned(),
            count => format!("{count} more lines were left out"),
        };
        self.push(state, Level::Warning, &text, now);
    }

    fn push(&self, state: &mut State, level: Level, text: &str, now: u64) {
        if state.recent.len() == MOST_LINES {
            state.recent.pop_front();
        }
        state.recent.push_back(now);
        let text = format!("{}: {text}", state.label);
        self.log.lines.push(Line { level, text });
    }
}

impl State {
    fn has_room(&self, now: u64) -> bool {
        self.recent.len() < MOST_LINES || self.recent[0] + PERIOD_NS <= now
    }
}

/// A notification in words.
pub(crate) fn describe(notification: &Notification, is_server: bool) -> (Level, String) {
    let address = address(notification.address);
    let who = match notification.client {
        0 => "the peer".to_owned(),
        client => format!("client {client}"),
    };
    let why = reason(notification.reason, notification.os_error);
    let ended = match notification.reason {
        Code::Ok => Level::Info,
        _ => Level::Warning,
    };
    match notification.kind {
        Kind::Connected => (Level::Info, format!("connected to {address}")),
        Kind::ConnectFailed if is_server => (Level::Warning, format!("cannot listen on {address}: {why}")),
        Kind::ConnectFailed => (Level::Warning, format!("cannot connect to {address}: {why}")),
        Kind::Disconnected => (ended, format!("the connection with {address} ended: {why}")),
        Kind::ClientJoined => (Level::Info, format!("{who} joined from {address}")),
        Kind::ClientLeft => (ended, format!("{who} at {address} left: {why}")),
        Kind::Congested => (Level::Warning, format!("{who} is congested, and messages are dropped")),
        Kind::Recovered => (Level::Info, format!("{who} is congested no more")),
        Kind::ClientNamed => (Level::Info, format!("{who} at {address} has told its name")),
        Kind::ClockLocked => (Level::Info, format!("the clock of {who} is known")),
        Kind::ClockLost => (Level::Warning, format!("the clock of {who} is not known any more")),
        Kind::PriorityRefused => (Level::Warning, format!("the realtime priority was refused: {why}")),
    }
}

/// An address for readers.
pub(crate) fn address(address: Option<Address>) -> String {
    address.map_or_else(|| "an unknown address".to_owned(), |address| address.to_string())
}

/// Why something happened, with the system's own words if the system gave the reason.
pub(crate) fn reason(code: Code, os_error: i32) -> String {
    if code == Code::Ok {
        return "in good order".to_owned();
    }
    let mut text = Code::text(code as i32).to_string_lossy().into_owned();
    if os_error != 0 {
        let _ = write!(text, " ({})", std::io::Error::from_raw_os_error(os_error));
    }
    text
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    const START: u64 = 1_000_000_000_000;

    fn texts(log: &Log) -> Vec<String> {
        std::iter::from_fn(|| log.take()).map(|line| line.text).collect()
    }

    #[test]
    fn no_second_has_more_than_its_lines_and_the_rest_is_counted() {
        let log = Arc::new(Log::default());
        let source = Source::new(&log, "port");
        let mut times = Vec::new();
        let (mut written, mut counted) = (0, 0);
        for step in 0..500 {
            let now = START + step * 7_000_000;
            source.write_at(Level::Info, "line", now);
            for text in texts(&log) {
                times.push(now);
                match text.strip_prefix("port: ").unwrap().split_once(" more line") {
                    Some((count, _)) => counted += count.parse::<u64>().unwrap(),
                    None => written += 1,
                }
            }
        }
        for window in times.windows(MOST_LINES + 1) {
            assert!(window[MOST_LINES] - window[0] >= PERIOD_NS);
        }
        let due = source.timeout(0).expect("lines were left out");
        assert_eq!(source.timeout(due - 1), Some(due));
        assert!(texts(&log).is_empty());
        assert_eq!(source.timeout(due), None);
        let last = texts(&log).remove(0);
        let last: u64 = last.split_whitespace().nth(1).unwrap().parse().unwrap();
        assert_eq!(written + counted + last, 500);
    }

    #[test]
    fn what_was_left_out_is_told_at_the_end() {
        let log = Arc::new(Log::default());
        let source = Source::new(&log, "port");
        for _ in 0..=MOST_LINES {
            source.write(Level::Info, "line");
        }
        source.end();
        let texts = texts(&log);
        assert_eq!(texts.len(), MOST_LINES + 1);
        assert_eq!(texts[MOST_LINES], "port: 1 more line was left out");
        source.end();
        assert!(log.take().is_none());
    }
}
