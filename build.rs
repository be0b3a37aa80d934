//! Link settings of the shared library: its ABI name, immediate binding, and that it is never unmapped.

use std::env;

/// The number in the SONAME: it changes only with an incompatible change of the C ABI.
const ABI_VERSION: u32 = 1;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    // From CMake, when cross-compiling. Not as RUSTFLAGS in a configuration: cargo drops those where the environment has some.
    for (variable, flag) in [
        ("MIDISOCK_LINK_TARGET", "--target"),
        ("MIDISOCK_LINK_SYSROOT", "--sysroot"),
    ] {
        println!("cargo::rerun-if-env-changed={variable}");
        if let Ok(value) = env::var(variable) {
            link_arg(&format!("{flag}={value}"));
        }
    }
    match env::var("CARGO_CFG_TARGET_OS").as_deref() {
        Ok("macos" | "ios") => {
            link_arg(&format!("-Wl,-install_name,@rpath/libmidisock.{ABI_VERSION}.dylib"));
        }
        Ok("windows") => {}
        Ok(_) => {
            link_arg(&format!("-Wl,-soname,libmidisock.so.{ABI_VERSION}"));
            // Rust's thread-locals leave destructors behind in host threads: code that such a
            // thread will still run must stay mapped after dlclose.
            link_arg("-Wl,-z,nodelete");
            // No symbol is looked up in the middle of an audio callback.
            link_arg("-Wl,-z,now");
            link_arg("-Wl,-z,relro");
            // Tells the code that it is a shared library, all of whose pages are its own (src/sys/touch_linux.rs).
            link_arg("-Wl,--defsym,midisock_shared_object=1");
        }
        Err(_) => {}
    }
}

fn link_arg(arg: &str) {
    println!("cargo::rustc-cdylib-link-arg={arg}");
}
