#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| midisock::fuzzing::frame::run(data));
