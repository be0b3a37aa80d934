//! Contexts: what runs ports.

use super::result::midisock_result;
use super::{code, control, sized, timeout, usable};
use crate::net::context::{Context, ContextConfig, JoinThread, Runs, StartThread, TakeLine};
use crate::realtime::config::MOST_BUSY_POLL_US;
use crate::sys::code::Code;
use std::ffi::{c_char, c_void};

/// @name Values of midisock_context_config.mode
///
/// A thread runs the ports.
pub const MIDISOCK_CONTEXT_THREAD: u32 = 0;
/// There is no thread. The calls of the program run the ports, above all midisock_context_poll.
pub const MIDISOCK_CONTEXT_HOST: u32 = 1;

/// @name Levels of a line of the log
///
/// A port or a call does not do what it was made for.
pub const MIDISOCK_LOG_ERROR: i32 = 1;
/// Something was lost, refused, or is tried again.
pub const MIDISOCK_LOG_WARNING: i32 = 2;
/// Something happened in good order, such as a connection.
pub const MIDISOCK_LOG_INFO: i32 = 3;

/// A context, which runs ports. The caller owns it until midisock_context_destroy.
///
/// Without a context of its own a port belongs to the default one: a thread that the first port of the process starts
/// and the last one joins.
///
/// Control calls on a context with MIDISOCK_CONTEXT_HOST and on its ports come from one thread at a time; a call from a
/// second thread returns MIDISOCK_ERR_BUSY. Realtime functions are exempt. Waiting functions run the context while they
/// wait. midisock_close does not wait: later calls write the remaining messages. Addresses and "localhost" need no
/// thread. A short-lived thread looks up any other name.
pub struct midisock_context {
    context: Context,
}

impl midisock_context {
    /// The context behind a handle; None if the handle cannot be one.
    ///
    /// # Safety
    /// `handle` is NULL, or a live context, for as long as the reference is used.
    pub(super) unsafe fn get<'a>(handle: *const Self) -> Option<&'a Context> {
        if !usable(handle) {
            return None;
        }
        // SAFETY: a live context, by this function's contract. It is only ever borrowed shared.
        Some(unsafe { &(*handle).context })
    }
}

/// How a context runs its ports. Fill it with midisock_context_config_init or MIDISOCK_CONTEXT_CONFIG_INIT, then
/// change what you need. The rules for smaller and larger structs are those of midisock_config.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct midisock_context_config {
    /// sizeof(midisock_context_config) of the caller. midisock_context_config_init sets it.
    pub struct_size: u32,
    /// MIDISOCK_CONTEXT_THREAD (default) or MIDISOCK_CONTEXT_HOST.
    pub mode: u32,
    /// The realtime priority of the context's thread, as in midisock_config. Default: 0, none. It has no effect with
    /// MIDISOCK_CONTEXT_HOST.
    pub realtime_priority: u32,
    /// busy_poll_us of the context's thread and its ports, as in midisock_config. Default: 0. With
    /// MIDISOCK_CONTEXT_HOST the calls that wait poll for this time.
    pub busy_poll_us: u32,
    /// Makes the context's thread. Default: NULL, the library makes it.
    ///
    /// It starts a thread that calls run(argument), and may write to `thread` what join_thread needs. It returns 0, or
    /// any other number if it cannot start a thread; then `run` must not be called. midisock_context_create calls it.
    /// The library itself makes the short-lived threads that look names up.
    pub create_thread: Option<
        unsafe extern "C" fn(
            user: *mut c_void,
            run: Option<unsafe extern "C" fn(argument: *mut c_void) -> *mut c_void>,
            argument: *mut c_void,
            thread: *mut *mut c_void,
        ) -> i32,
    >,
    /// Waits for the end of that thread: it returns after `run` has. midisock_context_destroy calls it. Set both
    /// functions or neither.
    pub join_thread: Option<unsafe extern "C" fn(user: *mut c_void, thread: *mut c_void)>,
    /// The `user` of the two functions above.
    pub thread_user: *mut c_void,
    /// Takes a line about what happens to the context and its ports, for the developer. Default: NULL.
    ///
    /// `level` is one of MIDISOCK_LOG_*. `text` is valid during the call. The context's thread makes the calls, or with
    /// MIDISOCK_CONTEXT_HOST control functions do, one at a time. Realtime functions never do. A port writes at most
    /// 10 lines a second; the rest is counted. The function may call only realtime functions of this library.
    pub log: Option<unsafe extern "C" fn(user: *mut c_void, level: i32, text: *const c_char)>,
    /// The `user` of `log`.
    pub log_user: *mut c_void,
}

/// Where each field begins and ends.
const FIELDS: &[(usize, usize)] = sized::fields! { midisock_context_config:
    struct_size mode realtime_priority busy_poll_us create_thread join_thread thread_user log log_user
};
const _: () = assert!(sized::is_whole(FIELDS, size_of::<midisock_context_config>()));

impl midisock_context_config {
    pub(super) fn defaults(struct_size: u32) -> Self {
        Self {
            struct_size,
            mode: MIDISOCK_CONTEXT_THREAD,
            realtime_priority: 0,
            busy_poll_us: 0,
            create_thread: None,
            join_thread: None,
            thread_user: std::ptr::null_mut(),
            log: None,
            log_user: std::ptr::null_mut(),
        }
    }

    /// Reads a caller's config, whatever header it was built against.
    ///
    /// # Safety
    /// `config` is NULL or points to a config of `struct_size` bytes.
    unsafe fn read(config: *const Self) -> Result<Self, Code> {
        if config.is_null() {
            return Ok(Self::defaults(0));
        }
        if !config.is_aligned() {
            return Err(Code::InvalidArgument);
        }
        // SAFETY: not NULL, aligned; the caller's struct has at least its first field.
        let size = unsafe { (&raw const (*config).struct_size).read() } as usize;
        if !(4..=sized::LIMIT).contains(&size) {
            return Err(Code::InvalidArgument);
        }
        let mut known = Self::defaults(size as u32);
        let ends = FIELDS.iter().map(|(_, end)| *end);
        let whole = ends.filter(|end| *end <= size).max().unwrap_or(0);
        // SAFETY: the caller's struct is `size` bytes long, and `whole` is at most that and at most our own size. Any
        // bytes are valid numbers and pointers; functions come whole or not at all.
        unsafe { sized::read_prefix(config, whole, size, &mut known)? };
        Ok(known)
    }

    /// Checks the fields, and wraps the caller's functions.
    fn check(&self) -> Result<ContextConfig, Code> {
        let thread_user = User(self.thread_user);
        let runs = match (self.mode, self.create_thread, self.join_thread) {
            (MIDISOCK_CONTEXT_THREAD, None, None) => Runs::Thread,
            (MIDISOCK_CONTEXT_THREAD, Some(create), Some(join)) => Runs::ThreadOfHost(hooks(create, join, thread_user)),
            (MIDISOCK_CONTEXT_HOST, None, None) => Runs::Host,
            _ => return Err(Code::InvalidArgument),
        };
        let log_user = User(self.log_user);
        let log = self.log.map(|log| {
            let take_line: TakeLine = Box::new(move |level, text| {
                // SAFETY: the caller's own function, one call at a time, as midisock_context_config.log describes.
                unsafe { log(log_user.get(), level as i32, text.as_ptr()) }
            });
            take_line
        });
        Ok(ContextConfig {
            runs,
            realtime_priority: self.realtime_priority,
            busy_poll_us: self.busy_poll_us.min(MOST_BUSY_POLL_US),
            log,
        })
    }
}

/// A pointer of the caller's, which the caller's functions receive.
#[derive(Clone, Copy)]
struct User(*mut c_void);

// SAFETY: the library never looks behind the pointer. The caller's functions get it on the threads that
// midisock_context_config tells of.
unsafe impl Send for User {}
// SAFETY: as above.
unsafe impl Sync for User {}

impl User {
    fn get(self) -> *mut c_void {
        self.0
    }
}

type CreateThread = unsafe extern "C" fn(
    *mut c_void,
    Option<unsafe extern "C" fn(*mut c_void) -> *mut c_void>,
    *mut c_void,
    *mut *mut c_void,
) -> i32;

type Work = Box<dyn FnOnce() + Send>;

/// The thread of a context as the caller makes and joins it.
fn hooks(create: CreateThread, join: unsafe extern "C" fn(*mut c_void, *mut c_void), user: User) -> StartThread {
    Box::new(move |work: Work| {
        let argument = Box::into_raw(Box::new(work));
        let mut thread = std::ptr::null_mut();
        // SAFETY: the caller's own function, as midisock_context_config.create_thread describes it.
        if unsafe { create(user.get(), Some(run), argument.cast(), &raw mut thread) } != 0 {
            // SAFETY: made above, and `run` is not called, by the contract of create_thread.
            drop(unsafe { Box::from_raw(argument) });
            return None;
        }
        let thread = User(thread);
        let join: JoinThread = Box::new(move || {
            // SAFETY: the caller's own function, once, with what its create_thread gave.
            unsafe { join(user.get(), thread.get()) };
        });
        Some(join)
    })
}

/// The function that the caller's thread calls.
unsafe extern "C" fn run(argument: *mut c_void) -> *mut c_void {
    // SAFETY: made by `hooks`, and given here once.
    let work = unsafe { Box::from_raw(argument.cast::<Work>()) };
    control((), work);
    std::ptr::null_mut()
}

/// Fills a config with the defaults.
///
/// `size` is sizeof(midisock_context_config) of the caller. Nothing beyond it is written. Nothing at all is written if
/// `config` is NULL or misaligned, or if `size` is below 4 or above 4096.
///
/// Threads: any.
/// Returns: nothing.
///
/// # Safety
/// `config` is NULL or points to `size` writable bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn midisock_context_config_init(config: *mut midisock_context_config, size: usize) {
    if !usable(config) || !(4..=sized::LIMIT).contains(&size) {
        return;
    }
    let defaults = midisock_context_config::defaults(size as u32);
    // SAFETY: `config` points to `size` writable bytes by this function's contract.
    unsafe { sized::write_prefix(&defaults, config, size) };
}

/// Makes a context. `config` may be NULL: the defaults, a thread of its own.
///
/// Threads: any.
/// Returns:
/// - MIDISOCK_OK: `out` is a context. The caller must destroy it, after the last of its ports was closed.
/// - MIDISOCK_ERR_INVALID_ARGUMENT: `out` is NULL, or a field of `config` is invalid.
/// - MIDISOCK_ERR_NO_RESOURCES: memory, descriptors or threads ran out, or create_thread did not return 0.
///
/// # Safety
/// `config` is NULL or as midisock_context_config describes, `out` writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn midisock_context_create(
    config: *const midisock_context_config,
    out: *mut *mut midisock_context,
) -> midisock_result {
    if !usable(out) {
        return Code::InvalidArgument as i32;
    }
    control(Code::Internal, || {
        // SAFETY: as this function's contract says.
        let config = unsafe { midisock_context_config::read(config) };
        match config.and_then(|config| config.check()).and_then(Context::create) {
            Ok(context) => {
                let handle = Box::into_raw(Box::new(midisock_context { context }));
                // SAFETY: checked above as far as can be, and writable by this function's contract.
                unsafe { out.write(handle) };
                Code::Ok
            }
            Err(code) => code,
        }
    }) as i32
}

/// Ends a context and frees it. NULL has no effect.
///
/// It waits until the closed ports have written what they may still write, for at most the longest of their linger_ms,
/// and joins the context's thread.
///
/// Threads: one, which comes last. No other call on this context may be running or follow, unless the result is
/// MIDISOCK_ERR_BUSY.
/// Returns:
/// - MIDISOCK_OK: the context is gone, or `context` is NULL.
/// - MIDISOCK_ERR_INVALID_ARGUMENT: `context` is misaligned.
/// - MIDISOCK_ERR_BUSY: a port of the context is open, or with MIDISOCK_CONTEXT_HOST another thread is in a call.
///   Nothing has happened.
///
/// # Safety
/// `context` is NULL or a live context, and no other thread uses it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn midisock_context_destroy(context: *mut midisock_context) -> midisock_result {
    if context.is_null() {
        return Code::Ok as i32;
    }
    control(Code::Internal, || {
        // SAFETY: a live context, by this function's contract.
        let Some(inside) = (unsafe { midisock_context::get(context) }) else {
            return Code::InvalidArgument;
        };
        if let Err(code) = inside.destroy() {
            return code;
        }
        // SAFETY: made by `midisock_context_create`, and the caller gives it up. Nothing uses `inside` any more.
        drop(unsafe { Box::from_raw(context) });
        Code::Ok
    }) as i32
}

/// Runs a context with MIDISOCK_CONTEXT_HOST: waits until there is something to do, and does it.
///
/// One call does a bounded amount of work, and the next one goes on. Call it again and again: in a loop of its own, or
/// whenever the descriptor of midisock_context_handle is readable.
///
/// `timeout_ms` is the time limit: 0 does not wait, -1 waits without limit.
///
/// Threads: any, one at a time.
/// Returns:
/// - MIDISOCK_OK: something was done.
/// - MIDISOCK_EMPTY: there was nothing to do until the time limit passed.
/// - MIDISOCK_ERR_INVALID_ARGUMENT: `context` is NULL, or `timeout_ms` is below -1.
/// - MIDISOCK_ERR_WRONG_ROLE: the context has a thread.
/// - MIDISOCK_ERR_BUSY: another thread is in a call on the context or a port of it.
///
/// # Safety
/// `context` is a live context.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn midisock_context_poll(context: *mut midisock_context, timeout_ms: i32) -> midisock_result {
    control(Code::Internal, || {
        // SAFETY: a live context, by this function's contract.
        let Some(context) = (unsafe { midisock_context::get(context) }) else {
            return Code::InvalidArgument;
        };
        match timeout(timeout_ms).and_then(|timeout| context.poll(timeout)) {
            Ok(true) => Code::Ok,
            Ok(false) => Code::Empty,
            Err(code) => code,
        }
    }) as i32
}

/// Gives a descriptor for poll, epoll and the loops that are built on them. It is readable when midisock_context_poll
/// has something to do, its next deadline included.
///
/// A second call returns the same one. It belongs to the context: the caller neither reads nor closes it.
///
/// Threads: any, one at a time.
/// Returns:
/// - MIDISOCK_OK: `out` is the descriptor.
/// - MIDISOCK_ERR_INVALID_ARGUMENT: `context` or `out` is NULL.
/// - MIDISOCK_ERR_WRONG_ROLE: the context has a thread.
/// - MIDISOCK_ERR_BUSY: another thread is in a call on the context or a port of it.
/// - MIDISOCK_ERR_NO_RESOURCES: descriptors ran out.
/// - MIDISOCK_ERR_UNSUPPORTED: the system is neither Linux nor Android.
///
/// # Safety
/// `context` is a live context, `out` writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn midisock_context_handle(context: *mut midisock_context, out: *mut isize) -> midisock_result {
    if !usable(out) {
        return Code::InvalidArgument as i32;
    }
    control(Code::Internal, || {
        // SAFETY: a live context, by this function's contract.
        let Some(context) = (unsafe { midisock_context::get(context) }) else {
            return Code::InvalidArgument;
        };
        // SAFETY: checked above as far as can be, and writable by this function's contract.
        code(context.handle().map(|handle| unsafe { out.write(handle) }))
    }) as i32
}
