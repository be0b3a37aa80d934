//! The C API: the only `extern "C"` functions, and the only raw pointers that come in.
//!
//! A function here checks its arguments, contains panics, and calls one method of a port. Nothing else happens here.
//!
//! | file | contents |
//! |---|---|
//! | `version`, `result`, `context`, `config`, `port`, `message`, `block`, `live`, `state`, `wait`, `notification`, `browse` | a section of the C header each: its constants, its struct, its functions |
//! | `sized` | structs that travel with their size |
//! | `touch` | the functions whose pages are touched before the first port exists |
//! | `header`, `initializer` | make the C header from these files (tests only) |
//!
//! C programs call it, and nothing in the library does. It calls `port`, and takes plain types from the modules below:
//! configuration, notifications, counters, result codes.
//!
//! - An out parameter is written on success only. `midisock_wait_any` is the exception.
//! - A pointer is checked for NULL and alignment before it is used.
//! - An enumerated value comes in as an integer and is checked.
//! - A panic is contained: [`contain`] for realtime functions, [`control`] for all others.
//! - At most one thread pushes into a port at a time (push, push_message, push_frame, cancel) and at most one pops from it
//!   (pop, pop_block, skip, begin_block, push_frame), and the caller orders a thread after the one before it. The unsafe
//!   methods of `Endpoint` ask for that. Nothing here can check it; debug builds notice two threads at once.
//! - Only a context calls back into its maker: for its thread and its log. See `context`.
//!
//! The doc comments are the comments of the C header, so they are written for readers of C. `# Safety` sections are for
//! readers of Rust, and the header leaves them out.

#![allow(non_camel_case_types, reason = "the C API's own names")]

// In the order of the header. The empty lines keep rustfmt from sorting.
pub mod version;

pub mod result;

pub mod context;

pub mod config;

pub mod port;

pub mod message;

pub mod block;

pub mod live;

pub mod state;

pub mod wait;

pub mod notification;

pub mod browse;

mod sized;

mod touch;

#[cfg(test)]
mod header;
#[cfg(test)]
mod header_tests;
#[cfg(test)]
mod initializer;

use crate::port::Port;
use crate::sys::HoldCancellation;
use crate::sys::code::Code;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// A port. The caller owns it until midisock_close.
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

/// Runs a control call. A cancellation of the calling thread is held off until the call is over: it would unwind the
/// stack, and leave locks behind that nobody frees.
fn control<T>(internal: T, call: impl FnOnce() -> T) -> T {
    let _held = HoldCancellation::new();
    contain(internal, call)
}

/// Runs a control call on a port.
///
/// # Safety
/// `port` is NULL, or a live handle of this library.
unsafe fn control_port(port: *const midisock_port, call: impl FnOnce(&Port) -> Code) -> i32 {
    // SAFETY: by this function's contract.
    match unsafe { midisock_port::get(port) } {
        Some(port) => control(Code::Internal, || match port.begin_call() {
            Ok(_call) => call(port),
            Err(code) => code,
        }) as i32,
        None => Code::InvalidArgument as i32,
    }
}

/// Runs a realtime call on a port.
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
