//! What stands in X-Forwarded-For.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    chorus::auth::fuzz::forwarded(bytes);
});
