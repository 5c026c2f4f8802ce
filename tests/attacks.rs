//! The attack list, on a started node through real TCP: what must be refused is refused before it
//! costs anything, and everybody else is served meanwhile.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod common;

#[path = "attacks/credentials.rs"]
mod credentials;
#[path = "attacks/crowds.rs"]
mod crowds;
#[path = "attacks/doors.rs"]
mod doors;
#[path = "attacks/frames.rs"]
mod frames;
#[path = "attacks/start.rs"]
mod start;
#[path = "attacks/wire.rs"]
mod wire;
