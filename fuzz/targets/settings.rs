//! What the operator writes.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    chorus::config::fuzz::settings(bytes);
});
