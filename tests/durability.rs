//! The built program, killed, stopped and started again on the same data: what was acknowledged
//! stays, and operators can count on its exit codes.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod common;

#[path = "durability/kills.rs"]
mod kills;
#[path = "durability/operator.rs"]
mod operator;
