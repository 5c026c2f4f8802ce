//! What a client sends after the handshake.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    chorus::ws::fuzz::reading(bytes);
});
