//! An event object that is signalled or not, as it is told, in place of Unix' readable descriptor.

use parking_lot::Mutex;
use std::io;
use std::os::windows::io::{AsRawHandle, FromRawHandle, OwnedHandle};
use windows_sys::Win32::Foundation::WAIT_OBJECT_0;
use windows_sys::Win32::System::Threading::{CreateEventW, ResetEvent, SetEvent, WaitForSingleObject};

pub(crate) type Ready = EventObject;

pub(crate) struct EventObject {
    event: OwnedHandle,
    /// Looking at the event and resetting it are two calls. Nobody holds this lock for longer than that.
    clearing: Mutex<()>,
}

impl EventObject {
    /// Not signalled yet. It stays signalled until it is cleared, whoever waits for it.
    pub(crate) fn new() -> io::Result<Self> {
        // SAFETY: neither attributes nor a name are given.
        let event = unsafe { CreateEventW(std::ptr::null(), 1, 0, std::ptr::null()) };
        if event.is_null() {
            return Err(io::Error::last_os_error());
        }
        Ok(Self {
            // SAFETY: the handle is new and nobody else's.
            event: unsafe { OwnedHandle::from_raw_handle(event.cast()) },
            clearing: Mutex::new(()),
        })
    }

    /// Signals it, with one system call that does not block.
    pub(crate) fn set(&self) {
        // SAFETY: an event of this object.
        unsafe { SetEvent(self.event.as_raw_handle().cast()) };
    }

    /// Resets it, without blocking; whether it was signalled.
    pub(crate) fn clear(&self) -> bool {
        // Another thread that clears does the same.
        let Some(_clearing) = self.clearing.try_lock() else {
            return false;
        };
        // SAFETY: an event of this object.
        let was_set = unsafe { WaitForSingleObject(self.event.as_raw_handle().cast(), 0) } == WAIT_OBJECT_0;
        if was_set {
            // SAFETY: an event of this object.
            unsafe { ResetEvent(self.event.as_raw_handle().cast()) };
        }
        was_set
    }

    /// The event, for the caller's WaitForMultipleObjects and the like.
    pub(crate) fn handle(&self) -> isize {
        self.event.as_raw_handle() as isize
    }
}
