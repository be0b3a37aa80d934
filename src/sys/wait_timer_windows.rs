//! Windows: ends a wait of the poller on time. Completion ports count their waits in ticks of the system's clock, some
//! milliseconds; a high-resolution waitable timer (Windows 10 1803 and later) is exact to half a millisecond or better.
//! A thread of the system's waits for the timer, and notifies the poller.

use std::ffi::c_void;
use std::io;
use std::os::windows::io::{AsRawHandle, FromRawHandle, OwnedHandle};
use std::sync::Arc;
use std::time::Duration;
use windows_sys::Win32::Foundation::{HANDLE, INVALID_HANDLE_VALUE};
use windows_sys::Win32::System::Threading::{
    CREATE_WAITABLE_TIMER_HIGH_RESOLUTION, CreateWaitableTimerExW, INFINITE, RegisterWaitForSingleObject,
    SetWaitableTimer, TIMER_ALL_ACCESS, UnregisterWaitEx, WT_EXECUTEINWAITTHREAD,
};

pub(super) struct WaitTimer {
    timer: OwnedHandle,
    registration: HANDLE,
    /// The callback uses it until `drop` has ended the registration.
    _poller: Arc<polling::Poller>,
}

// SAFETY: the registration is a handle, which any thread may use.
unsafe impl Send for WaitTimer {}
// SAFETY: `set` is the system's call, which any thread may make.
unsafe impl Sync for WaitTimer {}

impl WaitTimer {
    /// An error where the system has no such timer.
    pub(super) fn new(poller: &Arc<polling::Poller>) -> io::Result<Self> {
        // SAFETY: no name and no attributes are given.
        let timer = unsafe {
            CreateWaitableTimerExW(
                std::ptr::null(),
                std::ptr::null(),
                CREATE_WAITABLE_TIMER_HIGH_RESOLUTION,
                TIMER_ALL_ACCESS,
            )
        };
        if timer.is_null() {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the handle is new, and nothing else owns it.
        let timer = unsafe { OwnedHandle::from_raw_handle(timer) };
        let mut registration = std::ptr::null_mut();
        // SAFETY: the timer and the poller outlive the registration, which `drop` ends. The callback is of the type
        // wanted, and its context is the poller.
        let outcome = unsafe {
            RegisterWaitForSingleObject(
                &raw mut registration,
                timer.as_raw_handle(),
                Some(fired),
                Arc::as_ptr(poller).cast(),
                INFINITE,
                WT_EXECUTEINWAITTHREAD,
            )
        };
        if outcome == 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(Self {
            timer,
            registration,
            _poller: Arc::clone(poller),
        })
    }

    /// Notifies the poller after this time, and not at the time that was set before.
    pub(super) fn set(&self, timeout: Duration) {
        // In units of 100 ns; a negative number is relative.
        let units = i64::try_from(timeout.as_nanos().div_ceil(100)).unwrap_or(i64::MAX);
        let due = -units.max(1);
        // SAFETY: the handle is a timer's, the time is valid for the call, and there is no completion routine. If it
        // fails, the poller's own timeout ends the wait.
        unsafe { SetWaitableTimer(self.timer.as_raw_handle(), &raw const due, 0, None, std::ptr::null(), 0) };
    }
}

impl Drop for WaitTimer {
    fn drop(&mut self) {
        // SAFETY: the registration is this one's own, and ends once. The call waits for a callback that runs.
        unsafe { UnregisterWaitEx(self.registration, INVALID_HANDLE_VALUE) };
    }
}

/// # Safety
/// `context` is a live poller.
unsafe extern "system" fn fired(context: *mut c_void, _timed_out: bool) {
    // SAFETY: by this function's contract.
    let poller = unsafe { &*context.cast::<polling::Poller>() };
    let _ = poller.notify();
}
