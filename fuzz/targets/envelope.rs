//! What comes from the bus.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    chorus::cluster::redis::fuzz::envelope(bytes);
});
