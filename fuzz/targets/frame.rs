//! What a client says in a text.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    chorus::protocol::fuzz::frame(bytes);
});
