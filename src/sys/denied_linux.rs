//! For tests: a system call that a sandbox denies.

use std::io;

/// Runs `work` on a thread for which a system call fails with this error, as long as its first argument is `argument`,
/// where one is given. None where the system does not allow the test.
pub(crate) fn with_denied<T: Send>(
    denied: &[(libc::c_long, Option<u32>)],
    errno: i32,
    work: impl FnOnce() -> T + Send,
) -> Option<T> {
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            for (call, argument) in denied {
                install(*call as u32, *argument, errno as u32).ok()?;
            }
            Some(work())
        });
        thread.join().unwrap()
    })
}

fn install(call: u32, argument: Option<u32>, errno: u32) -> io::Result<()> {
    /// Where `struct seccomp_data` has the number of the call and the lower half of its first argument.
    const NUMBER: u32 = 0;
    const ARGUMENT: u32 = if cfg!(target_endian = "little") { 16 } else { 20 };
    let load = |offset| instruction(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0, offset);
    let is = |value, unless| instruction(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, 0, unless, value);
    let give = |value| instruction(libc::BPF_RET | libc::BPF_K, 0, 0, value);
    let (deny, allow) = (give(libc::SECCOMP_RET_ERRNO | errno), give(libc::SECCOMP_RET_ALLOW));
    let mut program = match argument {
        None => vec![load(NUMBER), is(call, 1), deny, allow],
        Some(value) => vec![load(NUMBER), is(call, 3), load(ARGUMENT), is(value, 1), deny, allow],
    };
    let program = libc::sock_fprog {
        len: program.len() as u16,
        filter: program.as_mut_ptr(),
    };
    // SAFETY: the program and its instructions are valid for the calls; only the calling thread is filtered.
    let outcome = unsafe {
        libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
        libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &raw const program)
    };
    if outcome == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

fn instruction(code: u32, if_true: u8, if_false: u8, value: u32) -> libc::sock_filter {
    libc::sock_filter {
        code: code as u16,
        jt: if_true,
        jf: if_false,
        k: value,
    }
}
