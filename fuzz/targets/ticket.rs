//! What is shown as a ticket.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    chorus::auth::fuzz::ticket(bytes);
});
