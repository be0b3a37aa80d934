//! What happens in a run, in lines that can be read.

use std::cell::Cell;

thread_local! {
    static IS_ON: Cell<bool> = const { Cell::new(false) };
}

/// When a run begins.
pub(super) const START_NS: u64 = 1_000_000_000_000;

pub(super) fn switch(on: bool) {
    IS_ON.set(on);
}

pub(super) fn is_on() -> bool {
    IS_ON.get()
}

/// Milliseconds since the run began.
pub(super) fn ms(at: u64) -> String {
    let ns = at.saturating_sub(START_NS);
    format!("{}.{:03} ms", ns / 1_000_000, ns / 1000 % 1000)
}

pub(super) fn line(now: u64, text: &str) {
    println!("{:>14}  {text}", ms(now));
}

/// Prints a line, where a trace is wanted.
macro_rules! trace {
    (now: $($text:tt)*) => {
        if $crate::session::simulation::trace::is_on() {
            $crate::session::simulation::trace::line($crate::sys::clock::now_ns(), &format!($($text)*));
        }
    };
    ($now:expr, $($text:tt)*) => {
        if $crate::session::simulation::trace::is_on() {
            $crate::session::simulation::trace::line($now, &format!($($text)*));
        }
    };
}
pub(super) use trace;
