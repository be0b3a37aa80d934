//! The C API: the only `extern "C"` functions and the only raw pointers that come in. Each function checks its
//! arguments, contains panics, and calls down into the port; one file for each C type.
//!
//! Conventions: an out parameter is written on success only; a pointer is checked for NULL and alignment before it
//! is used; an enumerated value comes in as an integer and is checked.
//!
//! Threads: the header says of every function which threads may call it. Of one port at most one thread pushes at a time
//! (push, push_message, push_frame, cancel) and at most one pops (pop, pop_block, skip, begin_block, push_frame), and the
//! caller orders a thread after the one before it. That is what the unsafe methods of `Endpoint` ask for, and nothing
//! here can check it; debug builds notice two at once. No function calls back into the caller while it is on a side.

#![allow(non_camel_case_types, reason = "the C API's own names")]

// In the order in which the header has them; an empty line each keeps rustfmt from sorting.
pub mod version;

pub mod result;

pub mod config;

pub mod port;

pub mod message;

pub mod block;

pub mod state;

pub mod wait;

pub mod notification;

mod sized;

#[cfg(test)]
mod header_tests;

use crate::port::Port;
use crate::sys::code::Code;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// A port: see the overview in the README. Opaque; it belongs to the caller until midisock_close.
pub struct midisock_port {
    port: Port,
}

impl midisock_port {
    /// Hands a port over to the caller.
    fn handle(port: Port) -> *mut Self {
        Box::into_raw(Box::new(Self { port }))
    }

    /// The port behind a handle; None for what cannot be one.
    ///
    /// # Safety
    /// `handle` is NULL, or a live handle of this library, for as long as the reference is used.
    #[inline(always)]
    unsafe fn get<'a>(handle: *const Self) -> Option<&'a Port> {
        if handle.is_null() || !handle.is_aligned() {
            return None;
        }
        // SAFETY: a live handle, by this function's contract. It is only ever borrowed shared: what a side of the port
        // changes lies behind cells that `Port` guards.
        Some(unsafe { &(*handle).port })
    }
}

/// Runs a call; a panic in it, which would be a defect, ends here.
#[inline(always)]
fn contain<T>(internal: T, call: impl FnOnce() -> T) -> T {
    let call = || {
        #[cfg(midisock_defect)]
        crate::sys::defect::in_call();
        call()
    };
    match catch_unwind(AssertUnwindSafe(call)) {
        Ok(value) => value,
        Err(payload) => {
            // Its destructor could panic again.
            std::mem::forget(payload);
            internal
        }
    }
}

/// Runs a call on a port.
///
/// # Safety
/// `port` is NULL, or a live handle of this library.
#[inline(always)]
unsafe fn with_port(port: *const midisock_port, call: impl FnOnce(&Port) -> Code) -> i32 {
    // SAFETY: this function's contract is `with_port_or`'s.
    unsafe {
        with_port_or(port, Code::InvalidArgument as i32, Code::Internal as i32, |port| {
            call(port) as i32
        })
    }
}

/// Runs a call on a port that returns something else than a code.
///
/// # Safety
/// `port` is NULL, or a live handle of this library.
#[inline(always)]
unsafe fn with_port_or<T>(port: *const midisock_port, none: T, internal: T, call: impl FnOnce(&Port) -> T) -> T {
    // SAFETY: by this function's contract.
    match unsafe { midisock_port::get(port) } {
        Some(port) => contain(internal, || call(port)),
        None => none,
    }
}

/// Turns the milliseconds of the API into a duration: -1 is for ever.
fn timeout(timeout_ms: i32) -> Result<Option<std::time::Duration>, Code> {
    match timeout_ms {
        -1 => Ok(None),
        0.. => Ok(Some(std::time::Duration::from_millis(timeout_ms as u64))),
        _ => Err(Code::InvalidArgument),
    }
}

/// Whether something can be read or written through a pointer as far as can be told.
fn usable<T>(pointer: *const T) -> bool {
    !pointer.is_null() && pointer.is_aligned()
}

/// The code of a call that has nothing to give back.
fn code(result: Result<(), Code>) -> Code {
    result.err().unwrap_or(Code::Ok)
}
