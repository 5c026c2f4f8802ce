//! What is shown as a token.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    chorus::auth::fuzz::token(bytes);
});
