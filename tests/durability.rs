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
#[path = "servers/postgres.rs"]
#[allow(dead_code, unreachable_pub, reason = "shared with other test files")]
mod postgres;
#[path = "durability/server.rs"]
mod server;

/// With a database server every node needs the same secret, so it must be given.
const JWT_SECRET: &str = "a secret of more than thirty-two bytes";
